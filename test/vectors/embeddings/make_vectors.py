"""Golden vectors for embeddings, made by sentence-transformers' own functions.

    python make_vectors.py SITE OUT

SITE is the folder that the wheel of sentence-transformers was unpacked to. Of it only util/quantization.py
and what that imports (util/tensor.py) are loaded, unmodified; they need numpy, scipy and torch.
"""

import importlib
import importlib.metadata
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

SITE, OUT = Path(sys.argv[1]), Path(sys.argv[2])
SEED = 11


def load_quantization():
    for name in ("sentence_transformers", "sentence_transformers.util"):
        package = types.ModuleType(name)
        package.__path__ = [str(SITE / name.replace(".", "/"))]
        sys.modules[name] = package
    return importlib.import_module("sentence_transformers.util.quantization")


quantization = load_quantization()
quantization.logger.setLevel("ERROR")
rng = np.random.default_rng(SEED)


def normalized(rows, dims):
    """Unit vectors around a few centres, with a different width in each dimension."""
    centres = rng.normal(size=(4, dims))
    x = centres[rng.integers(4, size=rows)] + rng.normal(size=(rows, dims)) * rng.uniform(0.1, 1, size=dims)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def near_steps(ranges, rows):
    """Values within 3 ulp of every boundary between two codes, and up to twice the range outside of it."""
    low, high = ranges.astype(np.float64)
    steps = (high - low) / 255
    x = low + steps * rng.integers(-255, 511, size=(rows, ranges.shape[1]))
    largest = np.finfo(np.float32).max
    x = np.clip(x, -largest, largest).astype(np.float32)
    for row in range(rows):
        for _ in range(row % 4):
            x[row] = np.nextafter(x[row], largest if row % 8 < 4 else -largest, dtype=np.float32)
    return x


def special(rows, dims):
    """Zeros of both signs, the smallest subnormals, normals of every size."""
    values = np.array([0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, -1.1754944e-38, 1e-20, -1e-20, 0.5, -0.5, 3, -3], np.float32)
    return rng.choice(values, size=(rows, dims)).astype(np.float32)


wide = np.stack([-np.exp(rng.uniform(-90, 85, 40)), np.exp(rng.uniform(-90, 85, 40))]).astype(np.float32)
# Constant dimensions, a step that underflows to 0, one that is subnormal, and one as wide as can be.
odd = np.array([[0.25, 0, -1e-44, 1e-42, -1.5e38, -1, 7], [0.25, 0, 1e-44, 3e-42, 1.5e38, 1, 7.5]], np.float32)
some = normalized(120, 24)
half = normalized(60, 20)

# id, embeddings, precisions, arguments
SCALAR, BINARY = ("int8", "uint8"), ("binary", "ubinary")
CASES = [
    ("own-ranges", some, SCALAR, {}),
    ("two-rows", normalized(2, 37), SCALAR, {}),
    ("calibration", normalized(50, 24), SCALAR, {"calibration_embeddings": some}),
    ("one-row-calibration", normalized(50, 24), SCALAR, {"calibration_embeddings": some[:1]}),
    ("near-steps", near_steps(wide, 96), SCALAR, {"ranges": wide}),
    ("odd-ranges", np.concatenate([near_steps(odd, 40), special(20, 7)]), SCALAR, {"ranges": odd}),
    ("one-dimension", normalized(40, 2)[:, :1], SCALAR, {}),
    ("one-row", some[3:4], SCALAR, {"ranges": np.stack([some.min(0), some.max(0)])}),
    ("constant", np.full((5, 9), 0.125, np.float32), SCALAR, {}),
    ("empty", np.zeros((0, 12), np.float32), SCALAR + BINARY, {}),
    ("float16", half.astype(np.float16), SCALAR + BINARY, {}),
    ("float16-ranges", half.astype(np.float16), SCALAR, {"ranges": np.stack([half.min(0), half.max(0)]) * np.float32(0.9)}),
    ("bfloat16", torch.from_numpy(half).to(torch.bfloat16), SCALAR + BINARY, {}),
    ("signs", some, BINARY, {}),
    *[(f"signs-{dims}", special(9, dims), BINARY, {}) for dims in (1, 7, 8, 9, 15, 16, 17, 31, 33, 100)],
    ("signs-one-row", special(1, 40), BINARY, {}),
]

tensors, cases = {}, []


def keep(name, array):
    tensor = array if isinstance(array, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(array))
    tensors[name] = tensor.contiguous().clone()
    return name


for name, embeddings, precisions, arguments in CASES:
    keys = {"embeddings": keep(f"{name}.embeddings", embeddings)}
    for argument, array in arguments.items():
        keys[argument] = keep(f"{name}.{argument}", array)
    for precision in precisions:
        codes = quantization.quantize_embeddings(embeddings, precision, **arguments)
        entry = {"id": f"{name}, {precision}", "precision": precision, **keys, "codes": keep(f"{name}.{precision}", codes)}
        if precision in SCALAR and len(codes):
            array = quantization._tensor_to_numpy(embeddings) if isinstance(embeddings, torch.Tensor) else embeddings
            ranges = arguments.get("ranges")
            if ranges is None:
                ranges = quantization._get_quantization_ranges(array, precision, arguments.get("calibration_embeddings"))
                entry["expected_ranges"] = keep(f"{name}.expected_ranges", ranges.astype(np.float32))
            values = quantization._dequantize_embeddings(codes, precision, ranges)
            assert values.dtype == np.float64
            entry["dequantized"] = keep(f"{name}.{precision}.dequantized", values.astype(np.float32))
        cases.append(entry)

OUT.mkdir(parents=True, exist_ok=True)
save_file(tensors, OUT / "embeddings.safetensors")
(version,) = [d.version for d in importlib.metadata.distributions(path=[str(SITE)]) if d.name == "sentence-transformers"]
made_by = {"sentence-transformers": version, "numpy": np.__version__, "torch": torch.__version__}
lines = ",\n".join("    " + json.dumps(case) for case in cases)
(OUT / "manifest.json").write_text(f'{{\n  "made_by": {json.dumps(made_by)},\n  "cases": [\n{lines}\n  ]\n}}\n')
