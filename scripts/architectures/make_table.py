"""Makes src/checkpoint/architectures/table.generated.ts. See README.md beside this file.

    v4/bin/python make_table.py probe v4.json      # transformers 4.x
    v5/bin/python make_table.py probe v5.json      # transformers 5.x
    python        make_table.py merge v4.json v5.json table.generated.ts
    v4/bin/python make_table.py check plan.mjs     # and with v5: loaders against src/ (see README)

`probe` builds every model class of every listed type on the meta device (names and ranks only) and
asks the loader's own functions which modules a null `llm_int8_skip_modules` leaves in float.
"""

import datetime
import json
import re
import sys
import warnings
from collections import defaultdict

TYPES = """
albert bart bert blip-2 bloom camembert clip clip_text_model codegen cohere cohere2 dbrx deberta
deberta-v2 deepseek_v2 deepseek_v3 dinov2 distilbert electra ernie4_5 ernie4_5_moe exaone4 falcon
falcon_mamba gemma gemma2 gemma3 gemma3_text glm glm4 glm4_moe gpt2 gpt_bigcode gpt_neo gpt_neox
gpt_oss gptj granite granitemoe helium hunyuan_v1_dense jamba lfm2 llama llama4 llama4_text llava
llava_next m2m_100 mamba mamba2 marian mbart ministral mistral mistral3 mixtral mllama
mllama_text_model modernbert mpnet mpt mt5 nemotron olmo olmo2 olmo3 olmoe opt paligemma pegasus
persimmon phi phi3 phimoe qwen2 qwen2_5_vl qwen2_moe qwen2_vl qwen3 qwen3_5 qwen3_5_text qwen3_moe
qwen3_next qwen3_vl roberta seed_oss siglip smollm3 stablelm starcoder2 swin t5 umt5 vit wav2vec2
whisper xglm xlm-roberta xlnet
""".split()

# Configurations that have other modules than the default one. Each is built besides the default.
VARIANTS = {
    "bert": [{"is_decoder": True, "add_cross_attention": True}],
    "roberta": [{"is_decoder": True, "add_cross_attention": True}],
    "gpt2": [{"add_cross_attention": True}],
    "hunyuan_v1_dense": [{"head_dim": 128}],
    "ministral": [{"head_dim": 128}],
    "nemotron": [{"num_key_value_heads": 8}],
    "qwen3_vl": [{"text_config": {"rope_scaling": {"rope_type": "default", "mrope_section": [24, 20, 20]}}}],
    "dbrx": [{"attn_config": {"rope_theta": 1e4}}],
    "mllama": [{"text_config": {"num_hidden_layers": 8, "cross_attention_layers": [3],
            "rope_scaling": {"rope_type": "default"}, "rope_theta": 1e4}}],
    "deberta": [
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "talking_head": True},
    ],
    "deberta-v2": [
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "share_att_key": True},
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "conv_kernel_size": 3},
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "embedding_size": 64},
    ],
    "deepseek_v2": [{"q_lora_rank": None, "first_k_dense_replace": 1}],
    "deepseek_v3": [{"q_lora_rank": None}],
    "dinov2": [{"use_swiglu_ffn": True}],
    "falcon": [{"new_decoder_architecture": True}, {"parallel_attn": False}],
    "gpt_bigcode": [{"multi_query": False}],
    "lfm2": [{"full_attn_idxs": [2]}],
    "llama4": [{"text_config": {"interleave_moe_layer_step": 2}}],
    "llama4_text": [{"interleave_moe_layer_step": 2}],
    "opt": [{"word_embed_proj_dim": 64}],
    "phi": [{"qk_layernorm": True}],
    "qwen2_moe": [{"mlp_only_layers": [0]}],
    "qwen3_moe": [{"mlp_only_layers": [0]}],
    "t5": [{"feed_forward_proj": "gated-gelu"}],
    "mt5": [{"feed_forward_proj": "relu"}],
    "umt5": [{"feed_forward_proj": "relu"}],
    "wav2vec2": [{"add_adapter": True}, {"do_stable_layer_norm": True}],
}

FEW = {  # applied where the config class knows the name; keeps a build to a second or so
    "num_local_experts": 3, "num_experts": 3, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "moe_num_experts": 3, "n_group": 2, "topk_group": 1,
}  # fmt: skip
LAYERS = {
    "num_hidden_layers": 8, "n_layer": 4, "num_layers": 4, "n_layers": 4, "encoder_layers": 2,
    "decoder_layers": 2, "num_decoder_layers": 4, "depth": 2,
}  # fmt: skip


def make_config(config_class, extra):
    """A default configuration with few layers and experts, which keeps every kind of module."""
    from transformers import PretrainedConfig

    def build(cls, extra):
        extra = dict(extra)
        probe = cls()
        known = dict(getattr(cls, "attribute_map", None) or {})
        kwargs = {}
        for key, value in {**LAYERS, **FEW}.items():
            key = known.get(key, key)
            if isinstance(getattr(probe, key, None), int) and getattr(probe, key) > value:
                kwargs[key] = value
        for name, sub in (getattr(cls, "sub_configs", None) or {}).items():
            child = getattr(probe, name, None)
            if isinstance(child, PretrainedConfig):
                kwargs[name] = build(type(child), extra.pop(name, {})).to_dict()
        kwargs.update(extra)
        for attempt in (kwargs, {k: v for k, v in kwargs.items() if k not in FEW}, extra):
            try:
                return cls(**attempt)
            except Exception as e:  # noqa: BLE001
                error = e
        raise error

    return build(config_class, extra)


def force_tie(config, tie):
    config.tie_word_embeddings = tie
    for name in getattr(config, "sub_configs", None) or {}:
        child = getattr(config, name, None)
        if hasattr(child, "to_dict"):
            force_tie(child, tie)


def classes_of(model_type):
    """Every class that the auto mappings list for a model type."""
    from transformers.models.auto import modeling_auto

    names = set()
    for attribute in dir(modeling_auto):
        if not attribute.endswith("MAPPING_NAMES"):
            continue
        found = dict(getattr(modeling_auto, attribute)).get(model_type)
        if found:
            names.update([found] if isinstance(found, str) else found)
    return sorted(n for n in names if not n.endswith(("Backbone", "ForDecision", "ImageModeling", "XVector")))


def wildcard(path):
    return re.sub(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.)", "*", path)


def wildcards(paths):
    return sorted({wildcard(p) for p in paths})


def stored_names(model, major):
    """State-dict name -> name that `save_pretrained` writes; and the names with no 1:1 source."""
    state = model.state_dict(keep_vars=True)
    if major >= 5:
        from transformers.core_model_loading import revert_weight_conversion

        owner = {id(t): name for name, t in state.items()}
        seen = {}
        for name, tensor in list(state.items()):  # tied parameters share one tensor object
            if owner[id(tensor)] != name:
                state[name] = tensor.detach()
                owner[id(state[name])] = name
            seen[name] = state[name]
        written = revert_weight_conversion(model, dict(state))
        mapped, derived = {}, {}
        for disk, tensor in written.items():
            if id(tensor) in owner:
                mapped[owner[id(tensor)]] = disk
            else:
                derived[disk] = tensor.dim()
        return mapped, derived
    reverse = {v: k for k, v in (model._checkpoint_conversion_mapping or {}).items()}
    mapped = {}
    for name in state:
        disk = name
        for pattern, replacement in reverse.items():  # as in PreTrainedModel.save_pretrained, 4.57
            replacement = re.sub(r"\(.*\)", "", replacement.lstrip("^"))
            disk, count = re.subn(pattern, replacement, disk)
            if count > 0:
                break
        mapped[name] = disk
    return mapped, {}


def v5_early_should_convert(full_name, patterns):
    """`should_convert_module` of transformers 5.0 to 5.19 (quantizers/quantizers_utils.py)."""
    return not any(
        re.match(f"{key}\\.", full_name) or re.match(f"{key}", full_name) or full_name.endswith(key)
        for key in patterns
    )


def replaced_by_v4(model, skip):
    """Which modules v4's own `replace_with_bnb_linear` replaces."""
    import bitsandbytes as bnb
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.utils.quantization_config import BitsAndBytesConfig

    before = {n for n, m in model.named_modules()}
    config = BitsAndBytesConfig(load_in_8bit=True)
    replace_with_bnb_linear(model, modules_to_not_convert=skip, quantization_config=config)
    assert before == {n for n, m in model.named_modules()}
    return {n for n, m in model.named_modules() if isinstance(m, bnb.nn.Linear8bitLt)}


def replaced_by_v5(model, skip):
    import bitsandbytes as bnb
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.utils.quantization_config import BitsAndBytesConfig

    config = BitsAndBytesConfig(load_in_8bit=True)
    replace_with_bnb_linear(model, modules_to_not_convert=skip, quantization_config=config)
    return {n for n, m in model.named_modules() if isinstance(m, bnb.nn.Linear8bitLt)}


def probe_class(cls, config, major):
    import torch
    from torch import nn
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import HfQuantizer

    with torch.device("meta"):
        model = cls(config)
    model.tie_weights()
    mapped, derived = stored_names(model, major)
    ranks = {wildcard(mapped[n]): p.dim() for n, p in model.state_dict().items() if n in mapped}
    ranks.update({wildcard(n): rank for n, rank in derived.items()})
    linear = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    conv1d = {n: m for n, m in model.named_modules() if isinstance(m, Conv1D)}
    subclass = {n for n, m in linear.items() if type(m) is not nn.Linear}
    keep_fp32 = sorted(model._keep_in_fp32_modules or [])
    strict = sorted(model._keep_in_fp32_modules_strict or [])
    null = HfQuantizer.get_modules_to_not_convert(model, None, keep_fp32)
    # An explicit list that names nothing: what no list can bring back.
    always = HfQuantizer.get_modules_to_not_convert(model, [], keep_fp32)
    candidates = set(linear) | set(conv1d)

    def disk(module):
        name = mapped.get(f"{module}.weight")
        return None if name is None else name.removesuffix(".weight")

    result = {
        "prefix": model.base_model_prefix,
        "ranks": ranks,
        "derived": sorted(wildcards(derived)),
        "modules": {},
        "keep_in_fp32": keep_fp32,
        "keep_in_fp32_strict": strict,
        "null": sorted(null),
        "output": None,
    }
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if head is not None and module is head:
            result["output"] = name
    last = list(model.named_parameters())[-1][0]
    if major >= 5:
        import copy

        late = replaced_by_v5(copy.deepcopy(model), null)
        forced = candidates - replaced_by_v5(copy.deepcopy(model), always) - subclass
        early = {n for n in candidates if v5_early_should_convert(n, null)}
        rules = {"late": late, "early": early}
        result["last"] = last
    else:
        import copy

        rules = {"v4": replaced_by_v4(copy.deepcopy(model), null)}
        forced = candidates - replaced_by_v4(copy.deepcopy(model), always)
        result["last"] = last
    modules = defaultdict(lambda: None)
    for name in sorted(candidates):
        key = disk(name)
        row = {
            "memory": wildcard(name),
            "disk": None if key is None else wildcard(key),
            "kind": "conv1d" if name in conv1d else "linear",
            "subclass": type(linear[name]).__name__ if name in subclass else None,
            "forced": name in forced,
            "quantized": {rule: name in names for rule, names in rules.items()},
        }
        slot = wildcard(name)
        if modules[slot] is not None and modules[slot] != row:
            # OLMo has no norm weights, so the "last parameter" is a Linear of the last layer.
            quantized = {k: v or row["quantized"][k] for k, v in modules[slot]["quantized"].items()}
            row = {**row, "quantized": quantized, "by_layer": True}
        modules[slot] = row
    result["modules"] = dict(modules)
    return result


def probe(out):
    warnings.filterwarnings("ignore")
    import bitsandbytes
    import torch
    import transformers
    from transformers import CONFIG_MAPPING

    transformers.logging.set_verbosity_error()
    major = int(transformers.__version__.split(".")[0])
    found = {}
    for model_type in TYPES:
        if model_type not in CONFIG_MAPPING:
            print(f"{model_type}: unknown to {transformers.__version__}", file=sys.stderr)
            continue
        classes = {}
        for class_name in classes_of(model_type):
            cls = getattr(transformers, class_name, None)
            if cls is None or not hasattr(cls, "config_class"):
                continue
            for number, extra in enumerate([{}] + VARIANTS.get(model_type, [])):
                for tie in (False, True):
                    try:
                        config = make_config(CONFIG_MAPPING[model_type], extra)
                        force_tie(config, tie)
                        if cls.config_class is not None and not isinstance(config, cls.config_class):
                            continue  # config.json of such a class names another model type
                        row = probe_class(cls, config, major)
                    except Exception as error:  # noqa: BLE001
                        reason = f"{type(error).__name__}: {str(error)[:150]}"
                        print(f"{model_type} {class_name} {extra}: {reason}", file=sys.stderr)
                        continue
                    classes.setdefault(class_name, []).append({"tie": tie, "variant": number, **row})
        if classes:
            default = CONFIG_MAPPING[model_type]()
            text = default.get_text_config() if hasattr(default, "get_text_config") else default
            tie = getattr(default, "tie_word_embeddings", None)
            if tie is None:
                tie = getattr(text, "tie_word_embeddings", None)
            found[model_type] = {"default_tie": tie, "classes": classes}
            print(model_type, len(classes), file=sys.stderr)
    document = {
        "versions": {
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "bitsandbytes": bitsandbytes.__version__,
        },
        "date": datetime.date.today().isoformat(),
        "types": found,
    }
    with open(out, "w") as file:
        json.dump(document, file, indent=1, sort_keys=True)



# Routers are read before every expert choice: bitsandbytes-format checkpoints keep them in float.
ROUTER = re.compile(r"(^|\.)(router|shared_expert_gate)(\.|$)|(^|\.)(mlp|ffn|feed_forward|block_sparse_moe|moe)\.gate$")


# Sub-models whose own names repeat in several types and move between versions.
TOWERS = {"vision_tower", "vision_model", "language_model", "text_model", "model", "visual"}


def trim(path, prefix):
    """A pattern that matches at any prefix: from the segment before the first index on."""
    segments = path.split(".")
    if "*" in segments and segments.index("*") + 1 < len(segments):
        return ".".join(segments[max(segments.index("*") - 1, 0) :])
    while len(segments) > 1 and segments[0] in TOWERS | {prefix}:
        segments = segments[1:]
    return ".".join(segments)


def rename_rule(disk, memory):
    """Cuts the common tail, but leaves a segment where a side would be empty."""
    a, b = disk.split("."), memory.split(".")
    while len(a) > 1 and len(b) > 1 and a[-1] == b[-1]:
        a.pop(), b.pop()
    return ".".join(a), ".".join(b)


def braces(patterns):
    """`x.a x.b` -> `x.{a,b}`"""
    groups = defaultdict(list)
    for pattern in sorted(patterns):
        parent, _, leaf = pattern.rpartition(".")
        groups[parent].append(leaf)
    out = []
    for parent, leaves in sorted(groups.items()):
        stem = parent + "." if parent else ""
        if not parent or len(leaves) == 1:
            out += [stem + leaf for leaf in leaves]
        else:
            out.append(f"{stem}{{{','.join(leaves)}}}")
    return " ".join(out)


def merge_type(model_type, probes):
    status = defaultdict(lambda: defaultdict(set))  # pattern -> version -> {linear, subclass, other}
    kinds, forced, base, heads, experts = {}, set(), set(), set(), set()
    renames = defaultdict(set)
    per_class = defaultdict(lambda: defaultdict(dict))  # class -> tie -> rule -> {pattern: float?}
    by_layer, ties, prefixes, tops = set(), set(), set(), defaultdict(set)
    for version, entry in probes.items():
        ties.add(entry["default_tie"])
        for class_name, rows in entry["classes"].items():
            for row in rows:
                prefix = row["prefix"]
                stars = {t for t, rank in row["ranks"].items()}
                headed = any(t.startswith(prefix + ".") for t in stars) if prefix else False
                tops[class_name] |= {t.split(".")[0] for t in row["ranks"]}
                rules = ("v4",) if version == "v4" else ("early", "late")
                on_disk = {m["disk"] for m in row["modules"].values()}
                for tensor, rank in row["ranks"].items():
                    module = tensor.removesuffix(".weight")
                    if rank == 2 and tensor.endswith(".weight") and module not in on_disk:
                        status[trim(module, prefix)][version].add("other")
                        for rule in rules:
                            per_class[class_name][row["tie"]].setdefault(rule, {})
                            per_class[class_name][row["tie"]][rule][trim(module, prefix)] = True
                for module in row["modules"].values():
                    if module["disk"] is None:
                        continue
                    pattern = trim(module["disk"], prefix)
                    kinds[pattern] = module["kind"]
                    if headed:
                        inside = module["disk"].startswith(prefix + ".")
                        (base if inside else heads).add(pattern)
                        if inside:
                            prefixes.add(prefix)
                    status[pattern][version].add("subclass" if module["subclass"] else "linear")
                    early = version == "v5" and not v5_early_should_convert(
                        module["memory"].replace("*", "0"), row["keep_in_fp32"]
                    )
                    if module["forced"] or early:
                        forced.add(pattern)
                    if module.get("by_layer"):
                        by_layer.add((class_name, row["tie"]))
                    if module["disk"] != module["memory"]:
                        cut = prefix + "." if headed and module["disk"].startswith(prefix + ".") else ""
                        both = module["memory"].startswith(cut)
                        names = [n.removeprefix(cut if both else "") for n in (module["disk"], module["memory"])]
                        renames[class_name, version].add(rename_rule(*names))
                    for rule in rules:
                        floats = per_class[class_name][row["tie"]].setdefault(rule, {})
                        kept = not module["quantized"][rule]
                        if rule == "late" and module["subclass"]:
                            kept = True
                        if floats.get(pattern, kept) != kept:
                            by_layer.add((class_name, row["tie"]))
                        floats[pattern] = kept or floats.get(pattern, False)
    linear = set(kinds)
    clash = {p for p in linear if any("other" in s and len(s) > 1 for s in status[p].values())}
    if clash:
        print(f"{model_type}: both Linear and not: {sorted(clash)}", file=sys.stderr)
    never = {}
    for pattern in linear:
        v5 = status[pattern].get("v5", set())
        v4 = status[pattern].get("v4", set())
        if pattern in forced:
            never[pattern] = "forced"
        elif "other" in v5 or "other" in v4 or pattern in clash:
            never[pattern] = "expert" if re.search(r"experts\.\*\.", pattern) else "other"
        elif "v5" in probes and v4 and not v5 and re.search(r"experts\.\*\.", pattern):
            never[pattern] = "expert"
        elif ROUTER.search(pattern):
            never[pattern] = "router"
        elif "subclass" in v5:
            never[pattern] = "subclass"
    if model_type == "dinov2":
        # v5 splits the SwiGLU `weights_in` into two modules: keep that whole MLP in float.
        never["layer.*.mlp.weights_out"] = "other"
        for (_, version), rules in renames.items():
            if version == "v5":
                rules.add(("encoder.layer.*.mlp.weights_in", "encoder.layer.*.mlp"))
    keep = {}
    for class_name, by_tie in per_class.items():
        value = []
        for tie in (False, True):
            rules = by_tie.get(tie, {})
            floats, agree = set(), (class_name, tie) not in by_layer and bool(rules)
            for pattern in linear:
                seen = {rule: floats_of[pattern] for rule, floats_of in rules.items() if pattern in floats_of}
                if any(seen.values()) and pattern not in never:
                    if (class_name, tie) not in by_layer or "*" not in pattern:
                        floats.add(pattern)
                if len(set(seen.values())) > 1:
                    agree = False
                if pattern in forced and seen and not all(seen.values()):
                    agree = False
            here = {p for seen in rules.values() for p in seen if p in linear and p not in never}
            for head in [p for p in floats if "*" not in p and not agree]:
                # DistilBERT: an entry "classifier" also hits pre_classifier, so that stays as well.
                floats |= {p for p in here if "*" not in p and not v5_early_should_convert(p, [head])}
            value.append((agree, frozenset(floats)))
        keep[class_name] = value
    return {
        "linear": frozenset(p for p in linear if p not in never and p not in heads),
        "heads": frozenset(p for p in linear if p not in never and p in heads),
        "tops": tops,
        "never": never,
        "conv1d": frozenset(p for p in linear if kinds[p] == "conv1d"),
        "keep": keep,
        "renames": {k: frozenset(v) for k, v in renames.items()},
        "ties": ties,
        "prefix": sorted(prefixes),
        "status": status,
    }


def merge(v4_path, v5_path):
    documents = {"v4": json.load(open(v4_path)), "v5": json.load(open(v5_path))}
    types = sorted(set(documents["v4"]["types"]) | set(documents["v5"]["types"]))
    merged = {}
    for model_type in types:
        probes = {v: d["types"][model_type] for v, d in documents.items() if model_type in d["types"]}
        merged[model_type] = merge_type(model_type, probes)
    return documents, merged



def common_prefix(names):
    first, last = min(names), max(names)
    size = 0
    while size < min(len(first), len(last)) and first[size] == last[size]:
        size += 1
    return first[:size]


def rows_of(merged):
    """One row for all types with the same modules whose class rules do not contradict each other."""
    rows = []
    for model_type, m in merged.items():
        stem = common_prefix(m["keep"])
        keep = {}
        for class_name, (untied, tied) in m["keep"].items():
            text = [("" if agree else "!") + braces(floats) for agree, floats in (untied, tied)]
            keep[class_name.removeprefix(stem)] = text[0] if text[0] == text[1] else " | ".join(text)
        renames = defaultdict(set)
        for (class_name, version), rules in m["renames"].items():
            text = " ".join(f"{a}>{b}" for a, b in sorted(rules))
            renames[class_name.removeprefix(stem), text].add(version)
        prefix = "model" if "model" in m["prefix"] else "".join(m["prefix"][:1])
        tie = "+" if m["ties"] == {True} else "" if m["ties"] == {False} else "?"
        never = m["never"]
        row = {
            "types": {model_type: stem + tie},
            "prefix": prefix,
            "base": {c.removeprefix(stem) for c, top in m["tops"].items() if prefix and prefix not in top},
            "linear": m["linear"],
            "heads": set(m["heads"]),
            "float": frozenset(p for p, why in never.items() if why != "forced"),
            "forced": frozenset(p for p, why in never.items() if why == "forced"),
            "conv1d": m["conv1d"],
            "keep": keep,
            "renames": frozenset((k, frozenset(v)) for k, v in renames.items()),
        }
        same = ("prefix", "linear", "float", "forced", "conv1d", "renames")
        for other in rows:
            if all(row[k] == other[k] for k in same) and all(
                other["keep"].get(k, v) == v for k, v in keep.items()
            ):
                other["types"].update(row["types"])
                other["keep"].update(keep)
                other["heads"] |= row["heads"]
                other["base"] |= row["base"]
                break
        else:
            rows.append(row)
    return rows


def emit(documents, merged, out):
    v4, v5 = (documents[v]["versions"] for v in ("v4", "v5"))
    rows = []
    for row in rows_of(merged):
        cells = {"types": " ".join(f"{t}={c}" for t, c in row["types"].items())}
        if row["prefix"]:
            cells["prefix"] = row["prefix"]
            cells["base"] = " ".join(sorted(row["base"]))
        for key in ("linear", "heads", "float", "forced", "conv1d"):
            if row[key]:
                same = key == "conv1d" and row[key] == row["linear"]
                cells[key] = "linear" if same else braces(row[key])
        by_value = defaultdict(list)
        for suffix, value in sorted(row["keep"].items()):
            by_value[value].append(suffix)
        cells["keep"] = ";".join(f"{v}={' '.join(s)}" for v, s in sorted(by_value.items()))
        if row["renames"]:
            grouped = defaultdict(list)
            for (suffix, text), versions in row["renames"]:
                grouped[" ".join(sorted(versions)), text].append(suffix)
            parts = (f"{v}={' '.join(sorted(s))}={text}" for (v, text), s in grouped.items())
            cells["renames"] = ";".join(sorted(parts))
        rows.append(cells)
    # Words that several rows share become constants.
    uses = defaultdict(int)
    for cells in rows:
        for key in ("linear", "heads", "float", "forced"):
            for word in cells.get(key, "").split(" "):
                uses[word] += 1
        for part in cells["keep"].split(";"):
            uses[part] += 1
    shared = sorted((w for w, n in uses.items() if n * (len(w) - 7) > len(w) + 16), key=lambda w: -len(w))
    name = {word: f"P{i}" for i, word in enumerate(shared)}

    def literal(text, between):
        words = text.split(between)
        if not any(word in name for word in words):
            return json.dumps(text)
        return "`" + between.join(f"${{{name[w]}}}" if w in name else w for w in words) + "`"

    lines = [
        "// Generated by scripts/architectures/make_table.py; do not edit. How to rerun: README.md there.",
        f"// transformers {v4['transformers']} and {v5['transformers']}, torch {v5['torch']},",
        f"// bitsandbytes {v5['bitsandbytes']}; {documents['v5']['date']}. What the columns mean: row.ts.",
        'import type { ArchitectureRow } from "./row.ts";',
        "",
    ]
    lines += [f"const {name[word]} = {json.dumps(word)};" for word in shared]
    lines += ["", "export const ARCHITECTURES: readonly ArchitectureRow[] = ["]
    for cells in rows:
        lines.append("  {")
        for key, text in cells.items():
            lines.append(f"    {key}: {literal(text, ';' if key == 'keep' else ' ')},")
        lines.append("  },")
    lines += ["];", ""]
    with open(out, "w") as file:
        file.write("\n".join(lines))



def check(planner):
    """Builds every class, lets src/ choose tensors and skip list, and asks the loader to agree."""
    warnings.filterwarnings("ignore")
    import subprocess

    import torch
    import transformers
    from torch import nn
    from transformers import CONFIG_MAPPING
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import HfQuantizer

    transformers.logging.set_verbosity_error()
    major = int(transformers.__version__.split(".")[0])
    node = subprocess.Popen(["node", planner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    tally = defaultdict(int)
    for model_type in TYPES:
        if model_type not in CONFIG_MAPPING:
            continue
        for class_name in classes_of(model_type):
            cls = getattr(transformers, class_name, None)
            for extra in [{}] + VARIANTS.get(model_type, []):
                for tie in (False, True):
                    try:
                        config = make_config(CONFIG_MAPPING[model_type], extra)
                        force_tie(config, tie)
                        if not isinstance(config, cls.config_class):
                            continue
                        with torch.device("meta"):
                            model = cls(config)
                        model.tie_weights()
                        mapped, derived = stored_names(model, major)
                    except Exception:  # noqa: BLE001
                        continue  # reported by `probe`
                    state = model.state_dict(keep_vars=True)
                    first, tensors = {}, []
                    for name, tensor in state.items():
                        if name in mapped and first.setdefault(id(tensor), name) == name:
                            tensors.append([mapped[name], tensor.dim()])
                    tensors += list(derived.items())
                    identity = {"modelType": model_type, "architectures": [class_name]}
                    identity["tieWordEmbeddings"] = tie
                    node.stdin.write(json.dumps([identity, tensors]) + "\n")
                    node.stdin.flush()
                    plan = json.loads(node.stdout.readline())
                    label = f"{model_type} {class_name} tie={tie} {extra}"
                    if "error" in plan:
                        print(f"ERROR {label}: {plan['error']}")
                        tally["error"] += 1
                        continue
                    fp32 = sorted(model._keep_in_fp32_modules or [])
                    skip = HfQuantizer.get_modules_to_not_convert(model, plan["skip"], fp32)
                    candidates = {
                        n
                        for n, m in model.named_modules()
                        if isinstance(m, Conv1D) or (type(m) is nn.Linear if major >= 5 else isinstance(m, nn.Linear))
                    }
                    if major >= 5:
                        early = {n for n in candidates if v5_early_should_convert(n, skip)}
                        replaced = replaced_by_v5(model, skip)
                        if early != replaced:
                            print(f"EARLY {label}: {sorted(early ^ replaced)[:4]}")
                            tally["early differs"] += 1
                    else:
                        replaced = replaced_by_v4(model, skip)
                    wanted = {n.removesuffix(".weight") for n, d in mapped.items() if d in plan["quantized"]}
                    tally["null" if plan["skip"] is None else "list"] += 1
                    if replaced != wanted:
                        tally["WRONG"] += 1
                        print(f"WRONG {label}: {plan['skip'] and plan['skip'][:4]} only loader"
                              f" {sorted(replaced - wanted)[:4]} only ours {sorted(wanted - replaced)[:4]}")
    print(transformers.__version__, dict(tally))


if __name__ == "__main__":
    if sys.argv[1] == "probe":
        probe(sys.argv[2])
    elif sys.argv[1] == "merge":
        emit(*merge(sys.argv[2], sys.argv[3]), sys.argv[4])
    elif sys.argv[1] == "check":
        check(sys.argv[2])
    else:
        sys.exit(__doc__)
