"""Whether checkpoints satisfy what vLLM's and mistral.rs's bitsandbytes loaders demand.

    python check_loader_rules.py CHECKPOINT...

Neither program is run. The rules were read in vllm-bnb-plugin 0.0.3 (where vLLM 0.28 and later keep
their bitsandbytes support) and in mistral.rs 0.9.2; docs/parity.md lists them with their places. A rule
that is broken prints FAIL; a property of the model that a loader cannot take prints NOTE.
"""

import json
import math
import re
import struct
import sys
from pathlib import Path

WIDTH = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "U32": 4, "BF16": 2, "F16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
STATE = re.compile(r"(.+)\.quant_state\.bitsandbytes__(nf4|fp4)$")
VLLM_STATISTIC = ("absmax", "quant_map", "bitsandbytes")
MISTRAL_BLOCKS = {64, 128, 256, 512, 1024, 2048, 4096}
# One parameter in vLLM, so one decision: its name there, and the layers of the checkpoint.
FUSED = {"qkv_proj": [("q_proj", "k_proj", "v_proj"), ("query", "key", "value")], "gate_up_proj": [("gate_proj", "up_proj")]}
# Linear layers of mistral.rs's models that take the quantization config, so that they must be 4-bit.
MISTRAL_HEAD_QUANTIZED = {"llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma"}


class Checkpoint:
    """Headers and small tensors of all shards; what is misaligned or incomplete raises."""

    def __init__(self, directory):
        self.config = json.loads((directory / "config.json").read_text())
        self.entries, self.files = {}, {}
        shards = sorted(directory.glob("*.safetensors"))
        index = directory / "model.safetensors.index.json"
        for path in shards:
            with open(path, "rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(length))
            assert header.pop("__metadata__", {}).get("format") == "pt", f"{path.name}: format is not pt"
            for name, entry in header.items():
                begin, end = entry["data_offsets"]
                assert name not in self.entries, f"{name} is there twice"
                assert end - begin == math.prod(entry["shape"]) * WIDTH[entry["dtype"]], name
                assert (8 + length + begin) % WIDTH[entry["dtype"]] == 0, f"{name} is misaligned"
                self.entries[name] = entry
                self.files[name] = (path, 8 + length + begin, end - begin)
        if index.exists():  # vLLM drops files that the index does not name
            placed = json.loads(index.read_text())["weight_map"]
            assert placed == {name: path.name for name, (path, _, _) in self.files.items()}, "index and files differ"
        else:
            assert len(shards) == 1

    def bytes(self, name):
        path, begin, size = self.files[name]
        with open(path, "rb") as file:
            file.seek(begin)
            return file.read(size)

    def has(self, name, dtype, shape):
        entry = self.entries.get(name)
        assert entry, f"{name} is missing"
        assert (entry["dtype"], entry["shape"]) == (dtype, shape), f"{name}: {entry}, expected {dtype} {shape}"


def four_bit_layer(checkpoint, weight, kind):
    """What bitsandbytes' QuantState.from_dict and mistral.rs's BnbLinear both read."""
    text = checkpoint.bytes(f"{weight}.quant_state.bitsandbytes__{kind}").decode("utf-8")
    state = json.loads(text)  # spaces at the end are white space to Python's json and to serde_json
    assert state["quant_type"] == kind
    assert state["dtype"] in ("float32", "float16", "bfloat16")
    count = math.prod(state["shape"])
    blocks = -(-count // state["blocksize"])
    assert all(isinstance(n, int) and n > 0 for n in state["shape"]), state
    checkpoint.has(f"{weight}.quant_map", "F32", [16])
    allowed = {"quant_type", "blocksize", "dtype", "shape"}
    if f"{weight}.nested_absmax" in checkpoint.entries:
        checkpoint.has(f"{weight}.absmax", "U8", [blocks])
        checkpoint.has(f"{weight}.nested_absmax", "F32", [-(-blocks // 256)])
        checkpoint.has(f"{weight}.nested_quant_map", "F32", [256])
        assert state["nested_blocksize"] == 256 and state["nested_dtype"] == "float32"
        assert isinstance(state["nested_offset"], float)
        allowed |= {"nested_blocksize", "nested_dtype", "nested_offset"}
    else:
        checkpoint.has(f"{weight}.absmax", "F32", [blocks])
    assert set(state) == allowed, f"{weight}: keys {sorted(state)}"
    return state, count, text


def check_vllm(checkpoint, config, layers, notes):
    settings = config["quantization_config"]
    assert settings["quant_method"] == "bitsandbytes"
    assert settings["load_in_8bit"] != settings["load_in_4bit"]
    if settings["bnb_4bit_quant_storage"] != "uint8":
        notes.append("vLLM takes only bnb_4bit_quant_storage uint8")
    skip = settings["llm_int8_skip_modules"] or []
    float_linear = {name for name, entry in checkpoint.entries.items() if name.endswith(".weight")} - set(layers)

    def skipped(module):
        parts = module.split(".")
        return any(part in skip for part in parts) or any(".".join(parts[: i + 1]) in skip for i in range(len(parts)))

    for weight in layers:
        assert not skipped(weight.removesuffix(".weight")), f"{weight} is quantized, but vLLM would skip it"
    if any(math.prod(state["shape"]) % 2 for state, *_ in filter(None, layers.values())):
        notes.append("vLLM has no odd element counts")
    for fused, members in FUSED.items():
        for names in members:
            parents = {name.rsplit(".", 2)[0] for name in {*layers, *float_linear} if name.split(".")[-2] in names}
            for parent in sorted(parents):
                group = {f"{parent}.{name}.weight" for name in names}
                assert not (group & float_linear and group & set(layers)), f"vLLM fuses {sorted(group)}: all or none"
                assert group & set(layers) or skipped(f"{parent}.{fused}"), f"vLLM would take {parent}.{fused} for quantized"
    dtype = config.get("dtype") or config.get("torch_dtype")
    if settings["load_in_4bit"]:
        if dtype == "float32":
            notes.append("vLLM sizes 4-bit weights for 16-bit models: run it with --dtype bfloat16")
        for name in checkpoint.entries:  # it takes names whose last part holds such a word for statistics
            leaf = name.split(".")[-1]
            ours = any(name.startswith(weight + ".") for weight in layers)
            assert any(word in leaf for word in VLLM_STATISTIC) == ours, name
        for weight in layers:  # it collects a layer's statistics by "contains", not by "starts with"
            found = [n for n in checkpoint.entries if weight + "." in n]
            assert all(n.startswith(weight + ".") for n in found), f"{weight} is part of another name"
    else:
        for weight in layers:  # it looks SCB up under the lower-cased name
            if weight != weight.lower():
                notes.append(f"vLLM does not find the SCB of {weight}: the name has capitals")
                break
    experts = [n for n in float_linear if ".experts." in n]
    if experts:
        notes.append("vLLM wants routed experts in 4 bits: up to 0.27 it refuses others, the plugin quantizes them as it loads")


def check_mistral(checkpoint, config, layers, notes):
    settings = config["quantization_config"]
    if not settings["load_in_4bit"]:
        notes.append("mistral.rs has no LLM.int8: it refuses layers that are not 4-bit")
        return
    assert settings["bnb_4bit_quant_type"] in ("nf4", "fp4")
    for weight, (state, count, text) in layers.items():
        assert text.isascii()
        if state["blocksize"] not in MISTRAL_BLOCKS:
            notes.append(f"mistral.rs has no block size {state['blocksize']}")
        if checkpoint.entries[weight]["dtype"] != "U8":
            notes.append("mistral.rs reads packed weights as uint8 only")
        if count % 2:
            notes.append("mistral.rs has no odd element counts")
    left = [n for n in checkpoint.entries if n.endswith("_proj.weight") and n not in layers]
    if left:
        notes.append("mistral.rs ignores llm_int8_skip_modules: it wants every Linear of a block in 4 bits")
    model = config.get("model_type")
    head = "lm_head.weight"
    if model in MISTRAL_HEAD_QUANTIZED and head in checkpoint.entries and head not in layers:
        notes.append("mistral.rs wants lm_head in 4 bits where it is not tied: --rule 'lm_head.weight=nf4'")
    if any(".experts." in n for n in checkpoint.entries) and not any(".experts." in n for n in layers):
        notes.append("mistral.rs builds experts as 4-bit layers")


def check(directory):
    checkpoint = Checkpoint(directory)
    config, notes = checkpoint.config, []
    settings = config["quantization_config"]
    failures = []
    if settings["load_in_4bit"]:
        layers = {}
        for name in checkpoint.entries:
            if found := STATE.match(name):
                layers[found[1]] = four_bit_layer(checkpoint, found[1], found[2])
        storage = {"uint8": "U8", "bfloat16": "BF16", "float16": "F16", "float32": "F32"}[settings["bnb_4bit_quant_storage"]]
        for weight, (_, count, _) in layers.items():
            checkpoint.has(weight, storage, [-(-count // 2) // WIDTH[storage], 1])
    else:
        layers = {name[:-3] + "weight": None for name in checkpoint.entries if name.endswith(".SCB")}
        for weight in layers:
            shape = checkpoint.entries[weight]["shape"]
            checkpoint.has(weight, "I8", shape)
            checkpoint.has(weight.removesuffix("weight") + "SCB", "F32", shape[:1])
            checkpoint.has(weight + "_format", "U8", [])
            assert checkpoint.bytes(weight + "_format") == b"\0"
    assert layers, "nothing is quantized"
    for program, rules in (("vLLM", check_vllm), ("mistral.rs", check_mistral)):
        try:
            rules(checkpoint, config, layers, notes)
        except AssertionError as error:
            failures.append(f"{program}: {error}")
    return len(layers), failures, list(dict.fromkeys(notes))


def main():
    broken = 0
    for argument in sys.argv[1:]:
        directory = Path(argument)
        try:
            count, failures, notes = check(directory)
        except AssertionError as error:
            count, failures, notes = 0, [str(error)], []
        broken += bool(failures)
        print(f"{'FAIL' if failures else 'ok  '} {directory.name}: {count} layers")
        for line in failures:
            print(f"     FAIL {line}")
        for line in notes:
            print(f"     NOTE {line}")
    print(f"{len(sys.argv) - 1 - broken} of {len(sys.argv) - 1} keep the rules")
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
