"""Our compressed-tensors checkpoints through compressed-tensors itself and through transformers.

    python check_compressed_tensors.py MODELS WORK --cli CLI.JS [--only NAME ...] [--cases NAME ...] [--json FILE]

Needs transformers and compressed-tensors; MODELS is what make_models.py made. For every model and every case
(int4 and int8, groups of 32, 64 and 128, channels, with zero points, shards, mixed types, a quantized
lm_head): quantize it with the CLI, expand that with `quantwise dequantize`, and compare

- each weight as the package's own functions unpack and decompress it from our file, with our expanded file:
  bits, dtype, shape;
- the packed words, packed again by the package from its unpacked codes;
- the model loaded by `from_pretrained` in both ways (as it is; `CompressedTensorsConfig(dequantize=True)`),
  its missing, unexpected and mismatched keys, its weights where it has them, and its logits, with those of
  the expanded model;
- the expanded model's keys, and that config.json speaks of no quantization.

Some failures are upstream's, and expected: with zero points, loading as it is fails since compressed-tensors
0.18 (its model expects unpacked ones); with mixed types, `dequantize=True` decodes all by the first group
(transformers 5.23, `get_dense_scheme`), without a word; T5's initialization wants weights that a packed Linear
lacks. Such a row says so, and the other way must succeed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TORCHDYNAMO_DISABLE"] = "1"
os.environ["TQDM_DISABLE"] = "1"

import compressed_tensors  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors import safe_open  # noqa: E402

try:
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32
except ImportError:  # before 0.18
    from compressed_tensors.compressors.quantized_compressors.pack_quantized import pack_to_int32, unpack_from_int32

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore")
torch.set_num_threads(1)

LLAMAS = {"llama-bf16", "llama-f16", "llama-f32", "llama-bias-bf16", "qwen3-bf16", "qwen3-tied-bf16", "qwen3-tied-f32"}
ALL = LLAMAS | {"gemma-bf16", "phi3-bf16", "opt-bf16", "bert-bf16", "bert-classifier-bf16",
                "bert-mlm-bf16", "t5-bf16", "t5-gated-bf16"}  # fmt: skip
SOME = {"llama-bf16", "qwen3-tied-bf16", "opt-bf16"}
# 320 columns are no multiple of 128.
NO_DOWN = ["--exclude", "**.down_proj.*"]
CASES = {
    "int4 group32": (ALL, ["int4", "--block-size", "32"]),
    "int4 group64": (ALL, ["int4", "--block-size", "64"]),
    "int4 group128": (LLAMAS, ["int4", "--block-size", "128", *NO_DOWN]),
    "int4 channel": (ALL, ["int4", "--granularity", "channel"]),
    "int8 group32": (LLAMAS, ["int8", "--block-size", "32"]),
    "int8 group64": (SOME, ["int8", "--block-size", "64"]),
    "int8 group128": (SOME, ["int8", "--block-size", "128", *NO_DOWN]),
    "int8 channel": (ALL, ["int8", "--granularity", "channel"]),
    "int8 channel odd": ({"llama-odd-bf16"}, ["int8", "--granularity", "channel", *NO_DOWN]),
    "int4 group32 asymmetric": (LLAMAS, ["int4", "--block-size", "32", "--no-symmetric"]),
    "int4 group128 asymmetric": (SOME, ["int4", "--block-size", "128", "--no-symmetric", *NO_DOWN]),
    "int4 channel asymmetric": (SOME, ["int4", "--granularity", "channel", "--no-symmetric"]),
    "int8 group32 asymmetric": (SOME, ["int8", "--block-size", "32", "--no-symmetric"]),
    "int8 channel asymmetric": (SOME, ["int8", "--granularity", "channel", "--no-symmetric"]),
    "int4 group32 shards": (ALL, ["int4", "--block-size", "32", "--max-shard-size", "100KB"]),
    "int8 channel shards": (SOME, ["int8", "--granularity", "channel", "--max-shard-size", "100KB"]),
    "int4 mixed with int8": (LLAMAS, ["int4", "--block-size", "32", "--rule", "**.down_proj.weight=int8", "--rule", "**.v_proj.weight=int8"]),
    "int8 mixed with int4": (SOME, ["int8", "--granularity", "channel", "--rule", "**.layers.1.*.*_proj.weight=int4"]),
    "int4 head": ({"llama-bf16"}, ["int4", "--block-size", "32", "--rule", "lm_head.weight=int4"]),
    "int4 experts": ({"mixtral-bf16"}, ["int4", "--block-size", "32", "--rule", "**.experts.**=int4"]),
    "int4 exclude": (SOME, ["int4", "--block-size", "32", "--exclude", "**.layers.0.**"]),
}  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


OPTIONS = arguments()
SPLIT = tuple(map(int, compressed_tensors.__version__.split(".")[:2])) >= (0, 18)


def quantwise(*given):
    subprocess.run(["node", OPTIONS.cli, *map(str, given), "--quiet", "--overwrite"], check=True)


def tensors(directory):
    found = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found.update({name: file.get_tensor(name) for name in file.keys()})
    return found


def raw(tensor):
    return tensor.contiguous().flatten().view(torch.uint8)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(raw(a), raw(b))


def bits_of(config, module):
    """num_bits of a module: its own group if one names it, else that of Linear."""
    groups = config["config_groups"].values()
    own = [group for group in groups if module in group["targets"]] or [g for g in groups if "Linear" in g["targets"]]
    return own[0]["weights"]["num_bits"]


def decompressed(stored, module, bits):
    """What the package's functions make of one module; None where its own bug stops it."""
    packed, scale = stored[f"{module}.weight_packed"], stored[f"{module}.weight_scale"]
    shape = torch.Size(stored[f"{module}.weight_shape"].tolist())
    codes = unpack_from_int32(packed, bits, shape)
    assert torch.equal(pack_to_int32(codes, bits), packed), f"{module}: packs to other words"
    groups = scale.shape[1]
    grouped = codes.to(scale.dtype).reshape(shape[0], groups, -1)
    zero = stored.get(f"{module}.weight_zero_point")
    if zero is not None:
        points = unpack_from_int32(zero, bits, torch.Size([shape[0], groups]), packed_dim=0)
        assert torch.equal(pack_to_int32(points.contiguous(), bits, packed_dim=0), zero), f"{module}: zero points"
        grouped = grouped - points.to(scale.dtype).unsqueeze(-1)
    return (grouped * scale.unsqueeze(-1)).reshape(shape)


def inputs(model):
    generator = torch.Generator().manual_seed(3)
    given = {"input_ids": torch.randint(3, 250, (2, 24), generator=generator)}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = torch.randint(3, 250, (2, 9), generator=generator)
    return given


def logits(model):
    with torch.no_grad():
        result = model(**inputs(model))
    names = ["logits"] if "logits" in result else ["last_hidden_state", "pooler_output"]
    return torch.cat([result[name].flatten().float() for name in names])


def load(cls, directory, **more):
    model, info = cls.from_pretrained(directory, dtype="auto", output_loading_info=True, **more)
    problems = {key: sorted(map(str, value)) for key, value in info.items() if value}
    assert not problems, problems
    return model.eval()


def check(source, case):
    row = {"model": source.name, "case": case}
    flags = CASES[case][1]
    ours, plain = (OPTIONS.work / kind / f"{source.name}-{case.replace(' ', '-')}" for kind in ("packed", "plain"))
    for place in (ours, plain):
        shutil.rmtree(place, ignore_errors=True)
    quantwise("quantize", source, "-o", ours, "--format", "compressed-tensors", "--quant-type", *flags)
    quantwise("dequantize", ours, "-o", plain, *(flags[-2:] if "shards" in case else []))
    written, expanded = (json.loads((place / "config.json").read_text()) for place in (ours, plain))
    settings = written.pop("quantization_config")
    assert expanded == written == json.loads((source / "config.json").read_text()), "config.json"
    stored, restored, original = tensors(ours), tensors(plain), tensors(source)
    if "shards" in case:
        row["shards"] = [len(list(place.glob("*.safetensors"))) for place in (ours, plain)]
        assert min(row["shards"]) > 1, row
    modules = [name.removesuffix(".weight_packed") for name in stored if name.endswith(".weight_packed")]
    row["modules"] = len(modules)
    assert modules
    assert {n: (t.dtype, t.shape) for n, t in restored.items()} == {n: (t.dtype, t.shape) for n, t in original.items()}
    for module in modules:
        theirs = decompressed(stored, module, bits_of(settings, module))
        assert same(theirs, restored[f"{module}.weight"]), f"{module}: weights differ"
        assert torch.equal(stored[f"{module}.weight_shape"], torch.tensor(theirs.shape)), module
        asymmetric = f"{module}.weight_zero_point" in stored
        assert asymmetric == ("asymmetric" in case), module
    for name in set(original) - {f"{module}.weight" for module in modules}:
        assert same(original[name], restored[name]) and same(original[name], stored[name]), name

    cls = getattr(transformers, written["architectures"][0])
    expected_model = load(cls, plain)
    expected = logits(expected_model)
    assert torch.isfinite(expected).all()
    weights = dict(expected_model.named_parameters())
    ways = {"as it is": {}, "dequantized": {"quantization_config": transformers.CompressedTensorsConfig(dequantize=True)}}
    for way, more in ways.items():
        as_is = (asymmetric and SPLIT) or source.name.startswith("t5")
        upstream = as_is if way == "as it is" else "mixed" in case
        try:
            model = load(cls, ours, **more)
            result = logits(model)
            assert torch.equal(result, expected), f"{way}: logits differ by {(result - expected).abs().max()}"
        except Exception as error:
            if not upstream:
                raise
            row[way] = f"upstream: {type(error).__name__}: {str(error)[:200]}"
            continue
        compared = 0  # after the first forward pass the modules hold weights in both ways
        for name, parameter in model.named_parameters():
            if name in weights and parameter.dtype.is_floating_point:
                assert same(parameter.data, weights[name].data), f"{way}: {name} differs"
                compared += 1
        row[way] = {"logits equal": True, "parameters equal": compared, "of": len(weights)}
        assert way == "as it is" or compared == len(weights), row
    failed = [way for way in ways if not isinstance(row[way], dict)]
    assert len(failed) < len(ways), row
    row["verdict"] = "equal" if not failed else f"equal, upstream fails {failed[0]}"
    return row


def main():
    print(f"transformers {transformers.__version__}, compressed-tensors {compressed_tensors.__version__}, torch "
          f"{torch.__version__}", flush=True)
    rows = []
    for source in sorted(OPTIONS.models.iterdir()):
        if OPTIONS.only and source.name not in OPTIONS.only:
            continue
        for case in OPTIONS.cases:
            if source.name not in CASES[case][0]:
                continue
            try:
                row = check(source, case)
            except Exception as error:  # a failure is a result: record it and go on
                row = {"model": source.name, "case": case, "verdict": "FAIL", "error": f"{type(error).__name__}: {str(error)[:900]}"}
            rows.append(row)
            print(row["verdict"], "|", source.name, "|", case, json.dumps(row) if row["verdict"] == "FAIL" else "", flush=True)
    counts = Counter(row["verdict"] for row in rows)
    print(", ".join(f"{count} {name}" for name, count in counts.most_common()), f"; {sum(r.get('modules', 0) for r in rows)} modules")
    if OPTIONS.json:
        OPTIONS.json.write_text(json.dumps({"transformers": transformers.__version__, "torch": torch.__version__,
            "compressed_tensors": compressed_tensors.__version__, "rows": rows}, indent=1) + "\n")  # fmt: skip
    sys.exit(counts["FAIL"] > 0)


main()
