"""Large and special tensors through the command line, against bitsandbytes' default backend.

    python check_tensors.py WORK --cli CLI.JS

Every block size, NF4 and FP4, with and without double quantization, and LLM.int8, on f32, f16 and bf16
tensors: normal weights with outliers, odd shapes, rows of zeros, and random bit patterns over all finite
exponents. All stored tensors must be the same bits; nested offsets are compared with a mean taken in f64.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

from native import hide_native_library

os.environ["TORCHDYNAMO_DISABLE"] = "1"
hide_native_library()

import torch  # noqa: E402
from bitsandbytes import functional as F  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.set_num_threads(1)
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
BITS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}


def given(special):
    generator = torch.Generator().manual_seed(11)
    made = {}
    for label, dtype in DTYPES.items():
        large = torch.randn(2048, 2048, generator=generator) * 0.02
        large *= 1 + 15 * (torch.rand(large.shape, generator=generator) < 1e-4)
        odd = torch.randn(1023, 1021, generator=generator) * 0.02
        odd[5] = 0
        odd[-1] = 0
        made[f"{label}.large.q_proj.weight"] = large.to(dtype)
        made[f"{label}.odd.q_proj.weight"] = odd.to(dtype)
        if special:
            width = BITS[dtype]
            limit = torch.iinfo(width)
            bits = torch.randint(limit.min, limit.max + 1, (513, 509), generator=generator).to(width)
            patterns = bits.view(dtype)
            made[f"{label}.bits.q_proj.weight"] = torch.where(torch.isfinite(patterns), patterns, torch.zeros((), dtype=dtype))
    return made


def mean_in_f64():
    torch.Tensor.mean = lambda self, *a, **k: self.double().sum().div(self.numel()).to(self.dtype)


def expected(weight, flags):
    if flags.kind == "llm-int8":
        codes, scale, _ = torch.ops.bitsandbytes.int8_vectorwise_quant.default(weight.to(torch.float16), 0.0)
        return {"weight": codes, "SCB": scale, "weight_format": torch.tensor(0, dtype=torch.uint8)}
    packed, state = F.quantize_4bit(weight, blocksize=flags.block, quant_type=flags.kind, compress_statistics=flags.nested)
    return {"weight": packed, **{"weight." + key: value for key, value in state.as_dict(packed=True).items()}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--cli", required=True)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    mean_in_f64()
    cases = [argparse.Namespace(kind=kind, block=block, nested=nested) for kind in ("nf4", "fp4")
             for block in (32, 64, 128, 256, 512, 1024, 2048, 4096) for nested in (False, True)]  # fmt: skip
    cases.append(argparse.Namespace(kind="llm-int8", block=None, nested=False))
    compared = elements = different = 0
    for flags in cases:
        weights = given(special=flags.kind != "llm-int8")  # f16 has no room for all of f32
        source, out = options.work / "tensors.safetensors", options.work / "out.safetensors"
        save_file(weights, source)
        command = ["node", options.cli, "quantize", str(source), "-o", str(out), "--overwrite", "--quiet", "--quant-type", flags.kind]
        if flags.block:
            command += ["--block-size", str(flags.block), "--double-quant" if flags.nested else "--no-double-quant"]
        subprocess.run(command, check=True)
        with safe_open(out, "pt") as file:
            names = set(file.keys())
            for name, weight in weights.items():
                layer = name.removesuffix("weight")
                for key, value in expected(weight, flags).items():
                    names.remove(layer + key)
                    mine = file.get_tensor(layer + key)
                    same = mine.dtype == value.dtype and mine.shape == value.shape
                    same = same and torch.equal(mine.flatten().view(torch.uint8), value.contiguous().flatten().view(torch.uint8))
                    compared += 1
                    if not same:
                        different += 1
                        print("DIFFERENT", vars(flags), layer + key, flush=True)
                elements += weight.numel()
            assert not names, names
    print(json.dumps({"cases": len(cases), "tensors": compared, "weights": elements, "different": different}))


main()
