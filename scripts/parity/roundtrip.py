"""What a model is like after each scheme, and after random noise instead."""

import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import torch

# Names are those of bench/lib/scheme-list.mjs.
SCHEMES = [
    "int8 tensor", "int8 tensor sym", "int8 channel", "int8 channel sym", "int8 64", "int8 64 +dq", "llm-int8",
    "dynamic8 4096", "fp8-e4m3 tensor", "mxfp8",
    "int4 tensor", "int4 channel", "int4 channel sym",
    "int4 32", "int4 32 +dq", "int4 32 sym", "int4 32 sym +dq", "int4 64", "int4 64 +dq", "int4 64 sym",
    "int4 64 sym +dq", "int4 128", "int4 128 +dq", "int4 128 sym", "int4 128 sym +dq",
    "nf4 32", "nf4 32 +dq", "nf4 64", "nf4 64 +dq", "nf4 128", "nf4 128 +dq",
    "af4 64", "af4 64 +dq", "fp4 64", "fp4 64 +dq", "mxfp4", "nvfp4",
]  # fmt: skip


def add_arguments(parser):
    parser.add_argument("--schemes", nargs="*", metavar="NAME", default=SCHEMES, help="instead of all")
    parser.add_argument("--noise", type=float, metavar="RELATIVE", help="a row with noise of this relative RMS")
    parser.add_argument("--draws", type=int, default=1, metavar="N",
                        help="mean ± standard deviation of N draws: columns shuffled, or seeds of noise")  # fmt: skip


def measure_all(model, load, measure, options):
    """Yields (name, bits per weight, relative RMS error, [measure(changed model) of each draw])."""
    if options.noise:
        figures, _ = after_scheme(model, SCHEMES[0], 0, load)
        draws = [measure(with_noise(load(model), figures["quantized"], options.noise, seed))
                 for seed in range(options.draws)]  # fmt: skip
        yield "noise", "", f"{100 * options.noise:.2f} %", draws
    for name in options.schemes:
        results = [after_scheme(model, name, draw, lambda path: measure(load(path))) for draw in range(options.draws)]
        figures = results[0][0]
        yield (name, f"{figures['bitsPerWeight']:.3f}", f"{100 * figures['relativeRms']:.2f} %",
               [result for _, result in results])  # fmt: skip


def after_scheme(model, name, draw, use):
    """What roundtrip.mjs printed, and `use` of the directory that it made."""
    with tempfile.TemporaryDirectory(prefix="quantwise-") as folder:
        out = Path(folder) / "model"
        command = ["node", str(Path(__file__).with_name("roundtrip.mjs")), str(model), str(out), name, str(draw)]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(printed), use(out)


def with_noise(model, names, relative, seed):
    """Normal noise on each weight, `relative` to its RMS: an error that has nothing to do with any scheme."""
    generator = torch.Generator().manual_seed(seed)
    parameters = dict(model.named_parameters())
    for name in names:
        weight = parameters[name].data
        weight += relative * weight.square().mean().sqrt() * torch.randn(weight.shape, generator=generator)
    return model


def table_row(name, bits, error, draws, formats):
    """A line of markdown; more than one draw is shown as mean ± standard deviation."""
    cells = []
    for values, pattern in zip(zip(*draws), formats, strict=True):
        spread = f" ± {pattern.replace('+', '').format(statistics.stdev(values))}" if len(values) > 1 else ""
        cells.append(pattern.format(statistics.mean(values)) + spread)
    return f"| {' | '.join([name, bits, error, *cells])} |"
