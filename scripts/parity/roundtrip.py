"""A model after each scheme, as checkpoints for from_pretrained; and after random noise instead."""

import json
import subprocess
import tempfile
from pathlib import Path

import torch

# The rows of docs/choosing-a-scheme.md; names are those of bench/lib/scheme-list.mjs.
SCHEMES = [
    "int8 tensor", "int8 tensor sym", "int8 channel", "int8 channel sym", "int8 64", "llm-int8", "dynamic8 4096",
    "fp8-e4m3 tensor", "mxfp8",
    "int4 tensor", "int4 channel", "int4 channel sym",
    "int4 32", "int4 32 +dq", "int4 32 sym", "int4 32 sym +dq", "int4 64", "int4 64 +dq", "int4 64 sym",
    "int4 64 sym +dq", "int4 128", "int4 128 +dq", "int4 128 sym", "int4 128 sym +dq",
    "nf4 32", "nf4 32 +dq", "nf4 64", "nf4 64 +dq", "nf4 128", "nf4 128 +dq",
    "af4 64", "af4 64 +dq", "fp4 64", "fp4 64 +dq", "mxfp4", "nvfp4",
]  # fmt: skip


def each_scheme(model, names=None):
    """Yields (name, directory, figures); a directory lives until the next one. Figures: bitsPerWeight,
    relativeRms, and quantized, the names of the weights that went through the scheme."""
    for name in SCHEMES if names is None else names:
        with tempfile.TemporaryDirectory(prefix="quantwise-") as folder:
            out = Path(folder) / "model"
            run = ["node", str(Path(__file__).with_name("roundtrip.mjs")), str(model), str(out), name]
            printed = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout
            yield name, out, json.loads(printed)


def each_noise(model, load, relative, seeds):
    """Yields (seed, model) with normal noise on the same weights, `relative` to the RMS of each: what an
    error of that size does that has nothing to do with any scheme."""
    (_, _, figures), = each_scheme(model, ["llm-int8"])
    for seed in range(seeds):
        noisy = load(model)
        generator = torch.Generator().manual_seed(seed)
        parameters = dict(noisy.named_parameters())
        for name in figures["quantized"]:
            weight = parameters[name].data
            weight += relative * weight.square().mean().sqrt() * torch.randn(weight.shape, generator=generator)
        yield seed, noisy


def add_arguments(parser):
    parser.add_argument("--schemes", nargs="*", metavar="NAME", help="instead of all")
    parser.add_argument("--noise", type=float, metavar="RELATIVE", help="rows with noise of this relative RMS")
    parser.add_argument("--seeds", type=int, default=8, help="rows with noise, one a seed")
