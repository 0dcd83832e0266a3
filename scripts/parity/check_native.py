"""The native format: our files through safetensors' own reader, and decoded by read_native.py.

    python check_native.py WORK --cli CLI.JS [--model CHECKPOINT ...]

Makes a checkpoint of odd, three-dimensional, tiny, huge and zero tensors in f32, f16 and bf16, converts it to every
quant type, granularity and shard size below, and asks that

- safetensors (Python) opens the files, and finds the dtypes and shapes that the header has;
- read_native.py decodes every weight to the bits that `quantwise dequantize` writes, in its own dtype and in each;
- a file that safetensors wrote anew, its tensors dealt to two shards, gives the same.

`--model` does the same with whole models (transposed Conv1D included). Needs torch, numpy and safetensors.
"""

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import torch
from read_native import Checkpoint, compare
from safetensors import safe_open
from safetensors.torch import save_file

torch.set_num_threads(1)
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
CODINGS = (
    [[kind, "--block-size", str(block), dq] for kind in ("nf4", "fp4", "af4") for block in (32, 64, 4096)
     for dq in ("--double-quant", "--no-double-quant")]
    + [["nf4", "--mode", "cuda"], ["dynamic8"], ["dynamic8", "--block-size", "7"], ["llm-int8"]]
    + [[kind, *grain, *more] for kind in ("int4", "int8", "uint4", "uint8")
       for grain in (["--granularity", "tensor"], ["--granularity", "channel"], ["--granularity", "channel", "--axis", "1"],
                     ["--block-size", "32", "--double-quant"], ["--block-size", "50", "--no-double-quant"], ["--block-size", "4096"])
       for more in ([[], ["--symmetric"]] if kind.startswith("i") else [[]])]
    + [["mxfp4"], ["mxfp8"], ["mxfp8-e5m2"], ["nvfp4"]]
    + [[kind, *grain] for kind in ("fp8-e4m3", "fp8-e5m2")
       for grain in ([], ["--granularity", "channel"], ["--granularity", "channel", "--axis", "1"], ["--granularity", "block", "--block-size", "33"])]
)  # fmt: skip


def quantwise(cli, *given):
    subprocess.run(["node", cli, *map(str, given), "--quiet", "--overwrite"], check=True, stderr=subprocess.DEVNULL)


def source(special):
    generator = torch.Generator().manual_seed(5)
    made = {}
    for label, dtype in DTYPES.items():
        def add(name, *shape, label=label, dtype=dtype):
            values = torch.randn(*shape, generator=generator) * 0.02
            made[f"{label}.{name}.q_proj.weight"] = values.to(dtype)
            return made[f"{label}.{name}.q_proj.weight"]

        add("even", 64, 256)
        odd = add("odd", 37, 101)
        odd[3] = 0
        odd[5] *= 400
        odd[:, 40:] *= 30
        add("long", 3, 70001)
        add("one", 1, 1)
        add("column", 129, 1)
        add("tall", 700, 64)  # several groups of scales
        # Scales of a group that span more than 64 : 1
        wide = add("wide", 40, 640)
        wide *= torch.logspace(-3, 2, 40)[:, None].to(dtype)
        wide[7] = 0
        if special:
            add("cube", 3, 5, 67)
            tiny = add("tiny", 8, 96)
            tiny *= 1e-4 if dtype == torch.float16 else 1e-36
            huge = add("huge", 8, 96)
            huge *= 1e6 if dtype == torch.float16 else 1e39 if dtype == torch.float32 else 1e38
            huge.copy_(torch.nan_to_num(huge, posinf=torch.finfo(dtype).max, neginf=torch.finfo(dtype).min))
            add("zero", 4, 64).zero_()
        made[f"{label}.norm.weight"] = torch.ones(33, dtype=dtype)
    return made


def open_with_safetensors(folder):
    """Their reader finds what the header says, and gives every tensor."""
    count = 0
    for file in Checkpoint(folder).files:
        with safe_open(file.path, "pt") as theirs:
            assert theirs.metadata() == file.metadata and file.metadata["format"] == "pt"
            assert set(theirs.keys()) == set(file.entries)
            for name, entry in file.entries.items():
                piece = theirs.get_slice(name)
                assert piece.get_dtype() == entry["dtype"] and piece.get_shape() == entry["shape"], name
                tensor = theirs.get_tensor(name)
                raw = tensor.contiguous().flatten().view(torch.uint8).numpy() if tensor.numel() else np.empty(0, np.uint8)
                assert np.array_equal(raw, file.bytes_of(name)), name
                count += 1
    return count


def deal(folder, out):
    """The same tensors in two files that safetensors writes: each weight's parts torn from its codes."""
    out.mkdir(parents=True)
    halves, weight_map, metadata = ({}, {}), {}, {}
    for file in Checkpoint(folder).files:
        said = json.loads(file.metadata["quantwise"]) if "quantwise" in file.metadata else None
        if said:
            metadata = file.metadata
        with safe_open(file.path, "pt") as theirs:
            for name in theirs.keys():
                second = name.rsplit(".", 1)[-1] in {"absmax", "scale", "nested_scale", "nested_offset", "scb", "tensor_scale"}
                halves[second][name] = theirs.get_tensor(name)
                weight_map[name] = f"model-0000{1 + second}-of-00002.safetensors"
    for index, half in enumerate(halves):
        save_file(half, out / f"model-0000{1 + index}-of-00002.safetensors", metadata=metadata if index == 0 else {"format": "pt"})
    if (folder / "config.json").exists():
        shutil.copy(folder / "config.json", out)
    (out / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def check(cli, given, work, flags, transposed=lambda name: False):
    packed, plain, dealt = (work / name for name in ("packed", "plain", "dealt"))
    count = elements = 0
    for shards in ([], ["--max-shard-size", "60KB"]):
        for place in (packed, plain, dealt):
            shutil.rmtree(place, ignore_errors=True)
        quantwise(cli, "quantize", given, "-o", packed, "--format", "native", "--quant-type", *flags, *shards)
        open_with_safetensors(packed)
        for dtype in ([], ["--dtype", "float32"], ["--dtype", "float16"], ["--dtype", "bfloat16"]):
            quantwise(cli, "dequantize", packed, "-o", plain, *dtype, *shards)
            more = compare(Checkpoint(packed), Checkpoint(plain), transposed)
            count, elements = count + more[0], elements + more[1]
        if not shards:
            deal(packed, dealt)
            quantwise(cli, "dequantize", dealt, "-o", plain)
            more = compare(Checkpoint(packed), Checkpoint(plain), transposed)
            assert compare(Checkpoint(dealt), Checkpoint(plain), transposed) == more
            count, elements = count + more[0], elements + more[1]
    print("equal |", given.name, "|", " ".join(flags), "|", count, flush=True)
    return count, elements


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--model", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    total = [0, 0]
    for flags in CODINGS:
        kind = flags[0]
        given = options.work / f"source-{kind}"
        if not given.exists():
            given.mkdir(parents=True)
            save_file(source(special=kind != "llm-int8"), given / "model.safetensors", metadata={"format": "pt"})
        rules = [] if kind == "llm-int8" or "1" in flags else ["--rule", f"**.cube.**={kind}"]
        total = [a + b for a, b in zip(total, check(options.cli, given, options.work, [*flags, *rules]))]
    for model in options.model:
        config = json.loads((model / "config.json").read_text())
        conv1d = (lambda name: ".attn.c_" in name or ".mlp.c_" in name) if config["model_type"] == "gpt2" else lambda name: False
        for kind in ("nf4", "af4", "dynamic8", "llm-int8", "int4", "uint8", "mxfp4", "mxfp8", "nvfp4", "fp8-e4m3"):
            total = [a + b for a, b in zip(total, check(options.cli, model, options.work, [kind], conv1d))]
    print(f"{total[0]} weights, {total[1]} elements: the same bits")


main()
