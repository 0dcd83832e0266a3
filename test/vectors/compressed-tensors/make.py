"""Makes the golden vectors of this folder: python make.py [folder]. Never run by the tests.

Oracle: the PyPI package compressed-tensors, through its own functions only (calculate_qparams,
initialize_module_for_quantization, compress_module, decompress_module, ModelCompressor). numpy
checks the packing independently.
"""

import hashlib
import json
import os
import pathlib
import platform
import shutil
import sys
import tempfile
from importlib.metadata import version

import numpy as np
import torch
from safetensors.torch import load_file, save_file

os.environ["HF_HUB_OFFLINE"] = "1"
from compressed_tensors.compressors import BaseCompressor, ModelCompressor, compress_module, decompress_module
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme, apply_quantization_config
from compressed_tensors.quantization.lifecycle.forward import quantize
from compressed_tensors.quantization.lifecycle.initialize import initialize_module_for_quantization
from compressed_tensors.quantization.utils import calculate_qparams
from transformers import AutoModelForCausalLM, CompressedTensorsConfig

SEED = 20_240_612
HERE = pathlib.Path(__file__).parent
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE)
SOURCE = HERE.parent / "checkpoints" / "llama_tiny_bf16"
BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32


def args(bits, symmetric, strategy, group=None):
    return dict(num_bits=bits, type="int", symmetric=symmetric, strategy=strategy, group_size=group, dynamic=False)


def sha(tensor):
    return hashlib.sha256(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()


def weight(tag, shape, kind="normal", dtype=BF16):
    seed = int(hashlib.sha256(f"{SEED}.{tag}".encode()).hexdigest()[:8], 16)
    rng = np.random.Generator(np.random.PCG64(seed))
    x = rng.standard_normal(shape) * 0.02
    if kind == "shifted":
        x = x + 0.03
    if kind == "edges":  # group 0 of row 0 zero, row 1 positive, row 2 negative, rows 3 and 4 tiny and large
        x[0, :32] = 0
        x[1], x[2] = np.abs(x[1]), -np.abs(x[2])
        x[3], x[4] = x[3] * 1e-6, x[4] * 1e4
    if kind == "edges_asymmetric":
        x[1], x[2] = np.abs(x[1]), -np.abs(x[2])
        x[3], x[4] = x[3] * 1e-6, x[4] * 1e4
    return torch.from_numpy(x.astype(np.float32)).to(dtype)


CASES = [
    # id, weight args, shape, kind of data, dtype
    ("int4_sym_group32", args(4, True, "group", 32), (24, 96), "normal", BF16),
    ("int4_sym_group64", args(4, True, "group", 64), (10, 128), "normal", BF16),
    ("int4_sym_group128", args(4, True, "group", 128), (4, 256), "normal", BF16),
    ("int4_sym_group32_edges", args(4, True, "group", 32), (5, 64), "edges", BF16),
    ("int4_sym_group4_odd", args(4, True, "group", 4), (3, 20), "normal", BF16),
    ("int4_asym_group32", args(4, False, "group", 32), (20, 96), "shifted", BF16),
    ("int4_asym_group64", args(4, False, "group", 64), (13, 128), "normal", BF16),
    ("int4_asym_group32_out8", args(4, False, "group", 32), (16, 64), "normal", BF16),
    ("int4_asym_group32_edges", args(4, False, "group", 32), (9, 64), "edges_asymmetric", BF16),
    ("int4_sym_channel", args(4, True, "channel"), (10, 52), "normal", BF16),
    ("int4_asym_channel", args(4, False, "channel"), (11, 44), "shifted", BF16),
    ("int4_sym_tensor", args(4, True, "tensor"), (6, 36), "normal", BF16),
    ("int4_asym_tensor", args(4, False, "tensor"), (6, 36), "shifted", BF16),
    ("int8_sym_channel", args(8, True, "channel"), (9, 50), "normal", BF16),
    ("int8_asym_channel", args(8, False, "channel"), (6, 30), "shifted", BF16),
    ("int8_sym_group32", args(8, True, "group", 32), (12, 64), "normal", BF16),
    ("int8_asym_group32", args(8, False, "group", 32), (7, 64), "shifted", BF16),
    ("int8_asym_group32_out4", args(8, False, "group", 32), (8, 64), "normal", BF16),
    ("int8_sym_tensor", args(8, True, "tensor"), (5, 33), "normal", BF16),
    ("int4_sym_group32_f16", args(4, True, "group", 32), (6, 64), "normal", F16),
    ("int4_asym_group32_f16", args(4, False, "group", 32), (10, 64), "shifted", F16),
    ("int4_sym_group32_f32", args(4, True, "group", 32), (6, 64), "normal", F32),
    ("int4_asym_group32_f32", args(4, False, "group", 32), (10, 64), "shifted", F32),
]


def qparams(x, quantization):
    """min and max as llm-compressor's min-max observer takes them, then the package's calculate_qparams."""
    if quantization.strategy == "group":
        view = x.unflatten(-1, (-1, quantization.group_size))
        low, high = view.amin(dim=-1), view.amax(dim=-1)
    elif quantization.strategy == "channel":
        low, high = x.amin(dim=-1, keepdim=True), x.amax(dim=-1, keepdim=True)
    else:
        low, high = torch.aminmax(x)
    return calculate_qparams(low, high, quantization)


def fill(module):
    scale, zero = qparams(module.weight.data, module.quantization_scheme.weights)
    assert module.weight_scale.shape == scale.shape and module.weight_scale.dtype == scale.dtype
    module.weight_scale.data.copy_(scale)
    if hasattr(module, "weight_zero_point"):
        assert module.weight_zero_point.shape == zero.shape and zero.dtype == torch.int8
        module.weight_zero_point.data.copy_(zero)


def pack(codes, bits):
    """Second source: numpy. Offset codes, little-endian within an int32, rows padded with zero bits."""
    per = 32 // bits
    unsigned = (codes.numpy().astype(np.int64) + (1 << (bits - 1))).astype(np.uint64)
    padded = np.pad(unsigned, ((0, 0), (0, -unsigned.shape[1] % per)))
    words = (padded.reshape(len(padded), -1, per) << (np.arange(per, dtype=np.uint64) * np.uint64(bits))).sum(axis=-1)
    return torch.from_numpy(words.astype(np.uint32).view(np.int32).copy())


def make_case(id, weight_args, shape, kind, dtype):
    original = weight(id, shape, kind, dtype)
    linear = torch.nn.Linear(shape[1], shape[0], bias=False, dtype=dtype)
    linear.weight.data.copy_(original)
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**weight_args))
    initialize_module_for_quantization(linear, scheme)
    fill(linear)
    zero = linear.weight_zero_point.data.clone()
    codes = quantize(original, linear.weight_scale.data, zero, scheme.weights, dtype=torch.int8)
    compress_module(linear)
    assert scheme.format == "pack-quantized"
    compressed = {name: tensor.data.clone() for name, tensor in linear.state_dict().items()}
    bits = weight_args["num_bits"]
    assert torch.equal(compressed["weight_packed"], pack(codes, bits))
    symmetric, strategy = weight_args["symmetric"], weight_args["strategy"]
    assert ("weight_zero_point" in compressed) == (not symmetric)
    if not symmetric and strategy != "tensor":
        assert torch.equal(compressed["weight_zero_point"], pack(zero.T.contiguous(), bits).T.contiguous())
    decompress_module(linear)
    decompressed = linear.weight.data
    group = weight_args["group_size"] or (shape[1] if strategy == "channel" else shape[0] * shape[1])
    # Second source: (code - zero point) * scale, rounded once to the scale's dtype.
    per_row = strategy in ("group", "channel")
    grouped = codes.reshape(shape[0] if per_row else 1, -1, group).double()
    s = linear.weight_scale.data.double().reshape(*grouped.shape[:2], 1)
    z = zero.double().reshape(*grouped.shape[:2], 1) if not symmetric else 0
    assert torch.equal(((grouped - z) * s).reshape(shape).to(dtype), decompressed)
    tensors = {"weight": original, **compressed, "codes": codes, "decompressed": decompressed}
    if not symmetric:
        tensors["zero_points"] = zero
    entry = {
        "id": id,
        "weights": json.loads(scheme.weights.model_dump_json()),
        "data": kind,
        "dtype": str(dtype).removeprefix("torch."),
        "shape": list(shape),
        "stored": {n: [str(t.dtype).removeprefix("torch."), list(t.shape)] for n, t in compressed.items()},
    }
    return entry, {f"{id}.{name}": tensor.contiguous() for name, tensor in tensors.items()}


def quantization_configs():
    """The quantization_config that the package writes to config.json, per case's scheme."""
    written = {}
    for id, weight_args in {
        "int4_sym_group128": args(4, True, "group", 128),
        "int4_asym_group128": args(4, False, "group", 128),
        "int4_sym_channel": args(4, True, "channel"),
        "int4_asym_channel": args(4, False, "channel"),
        "int4_sym_tensor": args(4, True, "tensor"),
        "int8_sym_group128": args(8, True, "group", 128),
        "int8_asym_group128": args(8, False, "group", 128),
        "int8_sym_channel": args(8, True, "channel"),
        "int8_asym_channel": args(8, False, "channel"),
    }.items():
        model = torch.nn.Sequential()
        model.layer, model.lm_head = torch.nn.Linear(128, 8, dtype=BF16), torch.nn.Linear(8, 8, dtype=BF16)
        quantize_model(model, weight_args)
        written[id] = saved_config(model)
    return written


def quantize_model(model, weight_args):
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**weight_args))
    config = QuantizationConfig(config_groups={"group_0": scheme}, ignore=["lm_head"], format="pack-quantized")
    apply_quantization_config(model, config, show_progress=False)
    for module in model.modules():
        if hasattr(module, "quantization_scheme"):
            fill(module)


def saved_config(model, folder=None):
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    if folder is not None:
        model.save_pretrained(folder)
    with tempfile.TemporaryDirectory() as empty:
        target = folder or pathlib.Path(empty)
        compressor.update_config(str(target))
        return json.loads((target / "config.json").read_text())["quantization_config"]


def make_model():
    name = "llama_tiny_int4_sym_group32"
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(SOURCE, dtype=BF16)
    quantize_model(model, args(4, True, "group", 32))
    saved_config(model, folder)
    (folder / "generation_config.json").unlink()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    os.chmod(folder / "model.safetensors", 0o644)

    # Loads, outside CI: as it is, and dequantized at load.
    ids = torch.arange(1, 33).reshape(2, 16)
    stored = load_file(folder / "model.safetensors")
    compressed = AutoModelForCausalLM.from_pretrained(folder, dtype=BF16)
    with torch.no_grad():
        first = compressed(ids).logits  # the first forward decompresses
    dense = AutoModelForCausalLM.from_pretrained(folder, dtype=BF16, quantization_config=CompressedTensorsConfig(dequantize=True))
    with torch.no_grad():
        second = dense(ids).logits
        reference = AutoModelForCausalLM.from_pretrained(SOURCE, dtype=BF16)(ids).logits
    assert torch.equal(first, second)
    print("logits: mean |difference| to bf16", float((first - reference).abs().mean()), "of", float(reference.abs().mean()))
    weights = dense.state_dict()
    decompressed = {}
    for key in sorted(stored):
        if key.endswith(".weight_packed"):
            module = key.removesuffix(".weight_packed")
            decompressed[f"{module}.weight"] = sha(weights[f"{module}.weight"])
            assert torch.equal(weights[f"{module}.weight"], compressed.state_dict()[f"{module}.weight"])
    return {
        "folder": name,
        "source": "../checkpoints/llama_tiny_bf16",
        "tensors": {key: [str(t.dtype).removeprefix("torch."), list(t.shape)] for key, t in sorted(stored.items())},
        "decompressed_bf16_sha256": decompressed,
    }


def lines(value, depth=0):
    """JSON with one line for each flat object."""
    if not isinstance(value, (dict, list)) or depth > 0 and len(json.dumps(value)) < 120:
        return json.dumps(value)
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        body = [f"{pad}{json.dumps(k)}: {lines(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(body) + "\n" + " " * depth + "}"
    return "[\n" + ",\n".join(pad + lines(v, depth + 1) for v in value) + "\n" + " " * depth + "]"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    cases, tensors = [], {}
    for case in CASES:
        entry, made = make_case(*case)
        cases.append(entry)
        tensors.update(made)
    save_file(tensors, OUT / "linears.safetensors")
    os.chmod(OUT / "linears.safetensors", 0o644)
    manifest = {
        "format": 1,
        "about": "Linear layers compressed by the package compressed-tensors in its format pack-quantized; see PROVENANCE.md. "
        "Keys of linears.safetensors are '<id>.<name>': weight (the original), what the package stores (the names in 'stored'), "
        "codes (int8, before packing), zero_points (int8, unpacked; asymmetric only), decompressed (the package's own result).",
        "made_with": {
            "python": platform.python_version(),
            **{p: version(p) for p in ("compressed-tensors", "transformers", "torch", "numpy", "safetensors")},
        },
        "seed": SEED,
        "cases": cases,
        "quantization_configs": quantization_configs(),
        "models": [make_model()],
    }
    (OUT / "manifest.json").write_text(lines(manifest) + "\n")


main()
