"""Makes the golden vectors of this folder: python make.py [folder]. Never run by the tests.

Oracles: ml_dtypes (element casts), torchao (MXFP4, MXFP8), numpy float32 arithmetic (NVFP4, FP8,
affine), each checked against a second source where there is one: torch, torchao, ONNX's reference
operators, and an exact search for the nearest level in float64. An assertion fails where two
sources that should agree do not; where torchao deviates from the text of the format, the
deviation is counted and written to the manifest.
"""

import hashlib
import json
import pathlib
import platform
import sys
import warnings

import ml_dtypes
import numpy as np
import onnx
import safetensors
import torch
import torchao
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save
from torchao.prototype.mx_formats.kernels import f32_to_f4_unpacked
from torchao.prototype.mx_formats.mx_tensor import ScaleCalculationMode, to_dtype, to_mx
from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize, per_tensor_amax_to_scale

SEED = 20_240_611
f32 = np.float32
HERE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)

FORMATS = {
    "e2m1": dict(type=ml_dtypes.float4_e2m1fn, codes=16, largest=6.0, emax=2, torch=None),
    "e4m3": dict(type=ml_dtypes.float8_e4m3fn, codes=256, largest=448.0, emax=8, torch=torch.float8_e4m3fn),
    "e5m2": dict(type=ml_dtypes.float8_e5m2, codes=256, largest=57344.0, emax=15, torch=torch.float8_e5m2),
}


def levels(name):
    fmt = FORMATS[name]
    return np.arange(fmt["codes"], dtype=np.uint8).view(fmt["type"]).astype(f32)


def cast(name, x):
    """Codes of f32 values: clamped to the largest magnitude, then ml_dtypes' cast. No NaN comes in."""
    fmt = FORMATS[name]
    x = np.asarray(x, dtype=f32)
    assert not np.isnan(x).any()
    clamped = np.clip(x, f32(-fmt["largest"]), f32(fmt["largest"]))
    codes = clamped.astype(fmt["type"]).view(np.uint8)
    if fmt["torch"] is not None:  # second source: torch
        other = torch.from_numpy(np.ascontiguousarray(clamped)).to(fmt["torch"]).view(torch.uint8).numpy()
    else:  # second source: torchao
        other = f32_to_f4_unpacked(torch.from_numpy(np.ascontiguousarray(clamped))).numpy()
    assert np.array_equal(codes, other)
    assert np.array_equal(codes, nearest(name, clamped))
    return codes


def nearest(name, x):
    """Third source: the nearest level in float64, ties to the even code, sign of zero kept."""
    table = levels(name).astype(np.float64)
    half = len(table) // 2
    positive = table[:half]
    positive = positive[np.isfinite(positive)]
    magnitude = np.abs(x).astype(np.float64)
    distance = np.abs(magnitude[..., None] - positive)
    best = distance == distance.min(axis=-1, keepdims=True)
    even = np.arange(len(positive)) % 2 == 0
    tie = best.sum(axis=-1) == 2
    code = np.where(tie, (best & even).argmax(axis=-1), best.argmax(axis=-1))
    return (code + np.where(np.signbit(x), half, 0)).astype(np.uint8)


def decode(name, codes):
    return levels(name)[codes]


def bf16(x):
    return np.asarray(x, dtype=f32).astype(ml_dtypes.bfloat16).astype(f32)


def rng(tag):
    return np.random.Generator(np.random.PCG64([SEED, int(hashlib.sha256(tag.encode()).hexdigest()[:8], 16)]))


def normal(tag, shape, scale=1.0):
    return (rng(tag).standard_normal(shape) * scale).astype(f32)


# ---------------------------------------------------------------------------------------------


class File:
    def __init__(self, name, summary, rule):
        self.name, self.tensors = name, {}
        self.entry = {"file": name, "summary": summary, "rule": rule, "inputs": {}, "cases": []}

    def case(self, id, input_id, note, *, shared=(), **rest):
        tensors = rest.pop("tensors")
        names = {}
        for key, array in tensors.items():
            full = f"{id}.{key}"
            self.put(full, array)
            names[key] = full
        for key, full in dict(shared).items():
            names[key] = full
        assert self.entry["inputs"].setdefault(input_id, note) == note
        self.entry["cases"].append({"id": id, "input": input_id, **rest, "tensors": names})

    def put(self, name, array):
        assert name not in self.tensors
        self.tensors[name] = np.ascontiguousarray(array)

    def write(self):
        data = save(self.tensors)
        (HERE / self.name).write_bytes(data)
        self.entry["bytes"] = len(data)
        self.entry["sha256"] = hashlib.sha256(data).hexdigest()
        return self.entry


# 1. Element casts --------------------------------------------------------------------------


def make_casts():
    file = File(
        "casts.safetensors",
        "f32 to a small float and back, element by element.",
        "code = cast(clamp(x, -largest, largest)), round to nearest, ties to the even code; the sign of zero "
        "and of what rounds to zero is kept. levels[code] is what a code means.",
    )
    for name in FORMATS:
        table = levels(name)
        file.case(
            f"{name}.table",
            "table",
            "Every code, decoded. E4M3 has NaN at 0x7f and 0xff; E5M2 infinities at 0x7c and 0xfc, NaN above them.",
            format=name,
            tensors={"levels": table},
        )
        finite = table[: len(table) // 2]
        finite = finite[np.isfinite(finite)]
        middles = ((finite[:-1].astype(np.float64) + finite[1:]) / 2).astype(f32)
        step = finite[-1] - finite[-2]
        middles = np.append(middles, f32(finite[-1] + step / 2))  # saturates
        around = np.concatenate([middles, np.nextafter(middles, f32(np.inf)), np.nextafter(middles, f32(0))])
        tiny = np.array([2.0**-149, 2.0**-140, 2.0**-127, 2.0**-126, 1e-40, 1.1754942e-38], dtype=f32)
        below = finite[1] * np.array([2.0**-60, 0.01, 0.25, 0.4999, 0.5, 0.5001, 0.75, 1.5, 2.5], dtype=f32)
        huge = np.array([1e3, 6e4, 65504, 1e5, 1e20, 3.4028235e38, np.inf], dtype=f32)
        groups = {
            "levels": finite,
            "ties": around,
            "subnormals": np.concatenate([below, tiny]),
            "huge": huge,
        }
        for group, values in groups.items():
            x = np.concatenate([values, -values]).astype(f32)
            file.case(
                f"{name}.{group}",
                group,
                {
                    "levels": "Each finite level itself, both signs, +0 and -0 among them.",
                    "ties": "Each point half-way between neighbouring levels, and the f32 just above and just below "
                    "it, both signs. The last of each is past the largest level: saturates.",
                    "subnormals": "Around and below the smallest level, and f32 subnormals, both signs.",
                    "huge": "Values that saturate, the largest f32 and infinity, both signs.",
                }[group],
                format=name,
                tensors={"input": x, "codes": cast(name, x)},
            )
        for tag, scale in (("normal", 1.0), ("wide", finite[-1] / 2)):
            x = normal(f"cast.{name}.{tag}", 512, scale)
            file.case(
                f"{name}.{tag}",
                tag,
                {"normal": "512 standard normal f32.", "wide": "512 normal f32 times half the largest level."}[tag],
                format=name,
                tensors={"input": x, "codes": cast(name, x)},
            )
    return file.write()


# 2. MX --------------------------------------------------------------------------------------


def floor_log2(x):
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return exponent - 1


def mx(name, x):
    """OCP Microscaling Formats 1.0, section 6.3, in numpy; checked against torchao in make_mx."""
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    amax = np.abs(blocks).max(axis=-1)
    exponent = np.where(amax > 0, floor_log2(np.where(amax > 0, amax, 1)) - FORMATS[name]["emax"], -127)
    byte = np.clip(exponent + 127, 0, 254).astype(np.uint8)
    power = byte.astype(np.int64) - 127
    scaled = np.ldexp(blocks.astype(np.float64), -power[..., None])  # exact
    # A quotient too small for f32 rounds to zero in any of the formats.
    codes = cast(name, scaled.astype(f32))
    values = np.ldexp(decode(name, codes).astype(np.float64), power[..., None])
    assert np.array_equal(values, values.astype(f32))  # every product is an f32
    return byte, codes.reshape(x.shape), values.astype(f32).reshape(x.shape)


def pack_low_first(codes):
    return (codes[..., 0::2] | (codes[..., 1::2] << 4)).astype(np.uint8)


def block_inputs():
    """Inputs of the block formats, rows a multiple of 32."""
    ramp = np.linspace(-1, 1, 96, dtype=f32) ** 3
    magnitudes = np.array([1e-40, 1e-38, 1e-30, 1e-10, 1e-3, 1, 1e4, 1e20, 1e30, 1e38], dtype=f32)
    powers = np.ldexp(f32(1), rng("powers").integers(-20, 20, (4, 64))).astype(f32)
    zeros = normal("zeros", (4, 96))
    zeros[0, 32:64] = 0
    zeros[1, :] = 0
    zeros[3, 64:] = 0
    zeros[2, 0:96:7] = -0.0
    outliers = normal("outliers", (4, 64), 0.02)
    outliers[:, 5] = [100, -100, 3, -3]
    outliers[:, 40] = [-7, 6, 1000, 0.5]
    spread = np.exp(rng("spread").uniform(-40, 40, (6, 64))).astype(f32) * np.sign(normal("signs", (6, 64)))
    return {
        "normal_f32": ("Normal f32.", normal("normal_f32", (6, 96))),
        "normal_bf16": ("Normal, each value a bfloat16.", bf16(normal("normal_bf16", (6, 96), 0.03))),
        "all_negative": ("Only negative values.", -np.abs(normal("negative", (3, 64)))),
        "magnitudes": (
            "Rows of normals times 1e-40, 1e-38, 1e-30, 1e-10, 1e-3, 1, 1e4, 1e20, 1e30, 1e38 (clipped to f32's range); "
            "the first rows are subnormal f32.",
            np.clip(normal("magnitudes", (10, 32)).astype(np.float64) * magnitudes[:, None], -3.4e38, 3.4e38).astype(f32),
        ),
        "zeros": ("Blocks of zeros, a row of zeros, and -0 scattered in the third row.", zeros),
        "powers_of_two": ("Powers of two only.", powers),
        "outliers": ("Small normals with one large value in each block.", outliers),
        "spread": ("Log-uniform magnitudes from e^-40 to e^40, both signs.", spread.astype(f32)),
        "ramp": ("A cubed ramp, and it negated.", np.stack([ramp, -ramp])),
        "vector": ("One dimension.", normal("vector", (160,), 3.0)),
    }


TORCHAO = {
    "mxfp4": ("e2m1", torch.float4_e2m1fn_x2),
    "mxfp8_e4m3": ("e4m3", torch.float8_e4m3fn),
    "mxfp8_e5m2": ("e5m2", torch.float8_e5m2),
}


def make_mx(deviations):
    file = File(
        "mx.safetensors",
        "MXFP4 and MXFP8: OCP Microscaling Formats 1.0. The three formats share the inputs.",
        "Blocks of 32 along the last axis. scale byte = clamp(floor(log2(amax)) - emax + 127, 0, 254), 0 for a block of "
        "zeros; emax is 2 for E2M1, 8 for E4M3, 15 for E5M2. code = cast(x / 2^(byte - 127)), saturating. "
        "dequant = level * 2^(byte - 127), exact in f32. Scale byte 0 is 2^-127, a subnormal f32.",
    )
    for id, (note, x) in block_inputs().items():
        file.put(f"input.{id}", x)
    for scheme, (name, dtype) in TORCHAO.items():
        count = dict(blocks=0, byte_zero_blocks=0, codes=0, codes_that_differ=0)
        for id, (note, x) in block_inputs().items():
            byte, codes, values = mx(name, x)
            scale, data = to_mx(torch.from_numpy(x), dtype, 32, ScaleCalculationMode.FLOOR)
            stored = pack_low_first(codes) if name == "e2m1" else codes
            ours, theirs = stored, data.view(torch.uint8).numpy()
            assert np.array_equal(byte, scale.view(torch.uint8).numpy())  # every scale byte agrees
            regular = np.repeat(byte != 0, 32, axis=-1)
            theirs_codes = np.stack([theirs & 15, theirs >> 4], axis=-1).reshape(x.shape) if name == "e2m1" else theirs
            assert np.array_equal(codes[regular], theirs_codes[regular])
            back = to_dtype(data, scale, dtype, 32, torch.float32).numpy().reshape(x.shape)
            assert np.array_equal(values[regular].view(np.uint32), back[regular].view(np.uint32))
            count["blocks"] += byte.size
            count["byte_zero_blocks"] += int((byte == 0).sum())
            count["codes"] += codes.size
            count["codes_that_differ"] += int((codes != theirs_codes).sum())
            file.case(
                f"{scheme}.{id}",
                id,
                note,
                scheme=scheme,
                format=name,
                shape=list(x.shape),
                block=32,
                shared={"input": f"input.{id}"},
                tensors={"scales": byte, "codes": stored, "dequant": values},
            )
        deviations[f"torchao to_mx, {scheme}"] = count
    return file.write()


# 3. NVFP4 -----------------------------------------------------------------------------------


def nvfp4(x):
    """In float32, one rounding an operation."""
    blocks = x.reshape(*x.shape[:-1], -1, 16)
    amax = np.abs(blocks).max(axis=-1)
    tensor_amax = amax.max()
    tensor_scale = f32(1) if tensor_amax == 0 else f32(tensor_amax / f32(f32(448) * f32(6)))
    wanted = ((amax / f32(6)).astype(f32) / tensor_scale).astype(f32)
    scale_codes = cast("e4m3", wanted)
    scale_codes = np.where((amax > 0) & (scale_codes == 0), 1, scale_codes).astype(np.uint8)
    effective = (decode("e4m3", scale_codes) * tensor_scale).astype(f32)
    zero = amax == 0
    assert (effective[~zero] > 0).all(), "underflow belongs to the informational cases"
    divisor = np.where(zero, f32(1), effective)
    quotient = (blocks / divisor[..., None]).astype(f32)
    codes = cast("e2m1", quotient)
    codes[zero] = 0
    values = (decode("e2m1", codes) * effective[..., None]).astype(f32)
    return tensor_scale, scale_codes, effective, codes.reshape(x.shape), values.reshape(x.shape)


def make_nvfp4(deviations):
    file = File(
        "nvfp4.safetensors",
        "NVFP4: E2M1 elements, an E4M3 scale for each 16, one f32 scale for the tensor.",
        "All in f32, one rounding an operation (fl). tensor_scale = fl(amax / 2688); 1 for a tensor of zeros (our "
        "convention). scale code = e4m3(fl(fl(block_amax / 6) / tensor_scale)), saturating at 448 (0x7e); a block with a "
        "non-zero value never gets code 0 but 1 (2^-9); a block of zeros gets code 0 and element codes 0. "
        "effective = fl(level(scale code) * tensor_scale). code = e2m1(fl(x / effective)), saturating. "
        "dequant = fl(level(code) * effective). Codes are packed in pairs, the first in the low nibble.",
    )
    inputs = {
        id: value
        for id, value in block_inputs().items()
        if id not in ("magnitudes",)
    }
    inputs["all_zero"] = ("Zeros only.", np.zeros((2, 32), dtype=f32))
    dim = normal("nvfp4.dim", (4, 64))
    dim[1] *= f32(2.0**-12)
    dim[2] *= f32(2.0**-16)
    dim[3] *= f32(2.0**-22)
    inputs["dim_rows"] = (
        "Rows 2^-12, 2^-16 and 2^-22 times smaller: block scales that are subnormal E4M3, or would round to 0 and get code 1.",
        dim,
    )
    inputs["large"] = ("Normals times 1e37.", normal("nvfp4.large", (2, 64), 1e37))
    inputs["small"] = ("Normals times 1e-34: the effective scales are subnormal f32.", normal("nvfp4.small", (2, 64), 1e-34))
    count = dict(blocks=0, scale_codes_that_differ=0, of_those_below_2e_6=0, codes=0, codes_that_differ=0, with_equal_scale=0)
    for id, (note, x) in inputs.items():
        tensor_scale, scale_codes, effective, codes, values = nvfp4(x)
        if id != "all_zero":
            given = torch.from_numpy(x.reshape(-1, x.shape[-1]).copy())
            amax = torch.from_numpy(x.copy()).abs().max()
            per_tensor = per_tensor_amax_to_scale(amax)
            assert float(per_tensor) == float(tensor_scale)  # both divide by 2688 in f32
            scale, data = nvfp4_quantize(given, 16, per_tensor)
            scale = scale.view(torch.uint8).numpy().reshape(scale_codes.shape)
            data = data.numpy()
            theirs = np.stack([data & 15, data >> 4], axis=-1).reshape(x.shape)
            same = scale == scale_codes
            count["blocks"] += same.size
            count["scale_codes_that_differ"] += int((~same).sum())
            count["of_those_below_2e_6"] += int((~same & (scale_codes < 8)).sum())
            count["codes"] += codes.size
            wrong = codes != theirs
            count["codes_that_differ"] += int(wrong.sum())
            count["with_equal_scale"] += int((wrong & np.repeat(same, 16, axis=-1)).sum())
        file.case(
            id,
            id,
            note,
            scheme="nvfp4",
            format="e2m1",
            shape=list(x.shape),
            block=16,
            tensors={
                "input": x,
                "tensor_scale": np.array([tensor_scale], dtype=f32),
                "scales": scale_codes,
                "effective": effective,
                "codes": pack_low_first(codes),
                "dequant": values,
            },
        )
    deviations["torchao nvfp4_quantize"] = count
    return file.write()


def nvfp4_underflow():
    """What the formulas give where the effective scale of a non-zero block is 0: informational."""
    rows = []
    for amax in (1e-38, 1e-39, 1e-40, 1e-41, 3e-42, 1e-42, 1e-44):
        with np.errstate(all="ignore"):
            amax = f32(amax)
            tensor_scale = f32(amax / f32(2688))
            wanted = f32(f32(amax / f32(6)) / tensor_scale)
            code = int(cast("e4m3", np.array([min(wanted, f32(448))]))[0])
            largest = f32(decode("e4m3", np.array([code]))[0] * tensor_scale)
            smallest = f32(f32(2.0**-9) * tensor_scale)
        rows.append(
            {
                "tensor_amax": float(amax),
                "tensor_scale": float(tensor_scale),
                "wanted_block_scale": float(wanted) if np.isfinite(wanted) else "inf",
                "scale_code_of_the_largest_block": code,
                "effective_of_the_largest_block": float(largest),
                "effective_with_code_1": float(smallest),
            }
        )
    return {
        "note": "No vectors: where a block with a non-zero value has an effective scale of 0, x / effective is infinite for "
        "its non-zero values (codes 7 and 15 after saturation) and NaN for its zeros; everything dequantizes to 0 (or -0). "
        "Below a tensor amax of about 1.9e-42 the tensor scale itself is 0; blocks with code 1 underflow from about 9.6e-40 "
        "down. Above that the loss is gradual: effective scales are subnormal f32.",
        "samples": rows,
    }


# 4. FP8 ---------------------------------------------------------------------------------------


def make_fp8():
    file = File(
        "fp8.safetensors",
        "FP8 with f32 scales: one for the tensor, or one for each 128 values along the last axis.",
        "scale = fl(amax / largest), largest 448 (E4M3) or 57344 (E5M2). code = cast(fl(x / scale)), saturating. "
        "dequant = fl(level(code) * scale). No block of zeros and no scale that underflows is among the inputs.",
    )
    negative = -np.abs(normal("fp8.negative", (2, 128)))
    inputs = {
        "normal_f32": ("Normal f32.", normal("fp8.normal", (2, 256))),
        "normal_bf16": ("Normal, each value a bfloat16.", bf16(normal("fp8.bf16", (1, 256), 0.02))),
        "all_negative": ("Only negative values.", negative),
        "spread": (
            "Log-uniform magnitudes from e^-15 to e^15, both signs.",
            (np.exp(rng("fp8.spread").uniform(-15, 15, (1, 256))) * np.sign(normal("fp8.signs", (1, 256)))).astype(f32),
        ),
        "tail": ("One dimension of 300: the last block has 44 values.", normal("fp8.tail", (300,), 5.0)),
        "small": ("Normals times 1e-30.", normal("fp8.small", (128,), 1e-30)),
        "large": ("Normals times 1e37.", normal("fp8.large", (128,), 1e37)),
    }
    for id, (note, x) in inputs.items():
        file.put(f"input.{id}", x)
        for name in ("e4m3", "e5m2"):
            for block in (None, 128):
                width = x.size if block is None else block
                flat = x.reshape(-1)  # the rows are multiples of 128, or there is one row
                padded = np.pad(flat, (0, -flat.size % width)).reshape(-1, width)
                scale = (np.abs(padded).max(axis=1) / f32(FORMATS[name]["largest"])).astype(f32)
                codes = cast(name, (padded / scale[:, None]).astype(f32))
                values = (decode(name, codes) * scale[:, None]).astype(f32)
                file.case(
                    f"{name}.{'tensor' if block is None else 'block128'}.{id}",
                    id,
                    note,
                    scheme=f"fp8-{name}",
                    format=name,
                    shape=list(x.shape),
                    block=block,
                    shared={"input": f"input.{id}"},
                    tensors={
                        "scales": scale,
                        "codes": codes.reshape(-1)[: flat.size].reshape(x.shape),
                        "dequant": values.reshape(-1)[: flat.size].reshape(x.shape),
                    },
                )
    return file.write()


# 5. Affine ------------------------------------------------------------------------------------

AFFINE = {
    "int8": dict(lowest=-128, highest=127, dtype=np.int8),
    "uint8": dict(lowest=0, highest=255, dtype=np.uint8),
    "int4": dict(lowest=-8, highest=7, dtype=np.int8),
    "uint4": dict(lowest=0, highest=15, dtype=np.uint8),
}


def affine(name, blocks):
    """One scale and zero point a row of `blocks`, in float32."""
    fmt = AFFINE[name]
    low, high = f32(fmt["lowest"]), f32(fmt["highest"])
    lowest = np.minimum(blocks.min(axis=1), f32(0))
    highest = np.maximum(blocks.max(axis=1), f32(0))
    scale = ((highest - lowest).astype(f32) / f32(high - low)).astype(f32)
    assert np.isfinite(scale).all() and (scale > 0).all()
    zero = np.clip(np.rint((low - (lowest / scale).astype(f32)).astype(f32)), low, high).astype(np.int32)
    codes = np.clip(np.rint((blocks / scale[:, None]).astype(f32)).astype(np.int64) + zero[:, None], fmt["lowest"], fmt["highest"])
    values = ((codes - zero[:, None]).astype(f32) * scale[:, None]).astype(f32)
    return scale, zero, codes, values


def symmetric(name, blocks):
    fmt = AFFINE[name]
    scale = (np.abs(blocks).max(axis=1) / f32(fmt["highest"])).astype(f32)
    assert (scale > 0).all()
    codes = np.clip(np.rint((blocks / scale[:, None]).astype(f32)).astype(np.int64), fmt["lowest"], fmt["highest"])
    values = (codes.astype(f32) * scale[:, None]).astype(f32)
    return scale, np.zeros(len(scale), dtype=np.int32), codes, values


def onnx_quantize(name, blocks, scale, zero):
    """Second source: ONNX's reference QuantizeLinear and DequantizeLinear, a row each."""
    kind = getattr(TensorProto, name.upper())
    zeros = helper.make_tensor("zero", kind, [len(scale)], zero.tolist())
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["zero"], value=zeros),
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], axis=0),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], axis=0),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, list(blocks.shape)),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, [len(scale)]),
        ],
        [helper.make_tensor_value_info("q", kind, None), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    return ReferenceEvaluator(model).run(None, {"x": blocks, "scale": scale})


def onnx_dynamic(x):
    """Second source of scale and zero point: ONNX's reference DynamicQuantizeLinear (uint8, one block)."""
    graph = helper.make_graph(
        [helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info(n, t, None) for n, t in (("y", 2), ("s", 1), ("z", 2))],
    )
    return ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])).run(None, {"x": x})


def make_affine(deviations):
    file = File(
        "affine.safetensors",
        "Affine quantization: one scale and zero point a block.",
        "In f32, one rounding an operation (fl), rint to even. A block's range always includes 0: min = min(block, 0), "
        "max = max(block, 0). scale = fl(fl(max - min) / (highest - lowest)). zero point = clamp(rint(fl(lowest - "
        "fl(min / scale))), lowest, highest). code = clamp(rint(fl(x / scale)) + zero point, lowest, highest). "
        "dequant = fl((code - zero point) * scale). Symmetric: scale = fl(max|x| / 127) or / 7, zero point 0, code = "
        "clamp(rint(fl(x / scale))). Blocks cover the flat tensor ('tensor': one block; 'row': one each row; 'group32': 32 "
        "values along the last axis). Codes are one a byte, int8 or uint8, not packed. No block of zeros is among the inputs.",
    )
    worked = np.array([0.7, -1.4, 2.5, -0.8, 1.9, -1.0, 0.3, 2.1, -0.5, 0.0], dtype=f32)
    half = np.arange(-64, 64, dtype=f32) / 2 * f32(0.25)
    ties = np.concatenate([half, f32(0.25) * np.array([-128, 127] * 16, dtype=f32)])  # int8: scale exactly 0.25
    ties4 = np.concatenate([np.arange(-16, 15, dtype=f32) / 2 * f32(0.5), [f32(3.5)]]).astype(f32)  # int4: scale 0.5
    inputs = {
        "worked": ("The worked example of the README.", worked, ("tensor",)),
        "normal": ("Normal f32.", normal("affine.normal", (2, 64)), ("tensor", "row", "group32")),
        "shifted": ("Normal f32 around 2.", normal("affine.shifted", (2, 64)) + f32(2), ("tensor", "group32")),
        "positive": ("Only positive values: zero point = lowest.", np.abs(normal("affine.positive", (2, 64))) + f32(0.1), ("row",)),
        "negative": ("Only negative values: zero point = highest.", -np.abs(normal("affine.negative", (2, 64))) - f32(0.1), ("tensor",)),
        "constant": ("One value everywhere in each row.", np.repeat(np.array([[3.7], [-0.01]], dtype=f32), 32, axis=1), ("row",)),
        "ties8": ("Quotients that are exact halves at 8 bits: range -32 to 31.75.", ties.reshape(1, -1), ("tensor",)),
        "ties4": ("Quotients that are exact halves at 4 bits: range -4 to 3.5.", ties4.reshape(1, -1), ("tensor",)),
        "bf16": ("Normal, each value a bfloat16.", bf16(normal("affine.bf16", (2, 96), 0.02)), ("row", "group32")),
        "small": ("Normals times 1e-30.", normal("affine.small", (2, 32), 1e-30), ("row",)),
        "large": ("Normals times 1e36.", normal("affine.large", (2, 32), 1e36), ("row",)),
    }
    count = dict(blocks=0, rounded_before_adding=0)
    for id, (note, x, layouts) in inputs.items():
        x = x.astype(f32)
        file.put(f"input.{id}", x)
        for layout in layouts:
            width = {"tensor": x.size, "row": x.shape[-1], "group32": 32}[layout]
            blocks = x.reshape(-1, width)
            for name, mode in [(n, "asymmetric") for n in AFFINE] + [("int8", "symmetric"), ("int4", "symmetric")]:
                scale, zero, codes, values = (affine if mode == "asymmetric" else symmetric)(name, blocks)
                kind = AFFINE[name]["dtype"]
                q, y = onnx_quantize(name, blocks, scale, zero)
                assert np.array_equal(codes, np.asarray(q).astype(np.int64)), (id, layout, name)
                assert np.array_equal(values.view(np.uint32), np.asarray(y, dtype=f32).view(np.uint32))
                if name == "uint8" and layout == "tensor":
                    dq, ds, dz = onnx_dynamic(blocks[0])
                    assert ds == scale[0] and int(dz) == int(zero[0]) and np.array_equal(dq, codes[0])
                count["blocks"] += len(blocks)
                file.case(
                    f"{name}.{mode}.{layout}.{id}",
                    id,
                    note,
                    scheme=name,
                    mode=mode,
                    layout=layout,
                    shape=list(x.shape),
                    block=width,
                    shared={"input": f"input.{id}"},
                    tensors={
                        "scales": scale,
                        "zero_points": zero.astype(kind),
                        "codes": codes.astype(kind).reshape(x.shape),
                        "dequant": values.reshape(x.shape),
                    },
                )
    scale, zero, codes, _ = affine("int8", worked.reshape(1, -1))
    assert abs(scale[0] - 0.0153) < 1e-4 and zero[0] == -36 and codes[0, :3].tolist() == [10, -128, 127]
    return file.write()


def lines(value, depth=0):
    """JSON with one line for each case and each flat object."""
    flat = not isinstance(value, (dict, list)) or depth > 0 and len(json.dumps(value)) < 400
    if flat:
        return json.dumps(value)
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        body = [f"{pad}{json.dumps(k)}: {lines(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(body) + "\n" + " " * depth + "}"
    return "[\n" + ",\n".join(pad + lines(v, depth + 1) for v in value) + "\n" + " " * depth + "]"


def main():
    warnings.simplefilter("ignore")
    HERE.mkdir(parents=True, exist_ok=True)
    deviations = {}
    files = [make_casts(), make_mx(deviations), make_nvfp4(deviations), make_fp8(), make_affine(deviations)]
    manifest = {
        "format": 1,
        "about": "Golden vectors of the block floats and of affine quantization; see PROVENANCE.md. A case names its "
        "tensors: role to key in the safetensors file. Cases that share an input name the same key.",
        "made_with": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "ml_dtypes": ml_dtypes.__version__,
            "torch": torch.__version__.split("+")[0],
            "torchao": torchao.__version__,
            "onnx": onnx.__version__,
            "safetensors": safetensors.__version__,
        },
        "seed": SEED,
        "sources_that_differ": deviations,
        "nvfp4_underflow": nvfp4_underflow(),
        "files": files,
    }
    (HERE / "manifest.json").write_text(lines(manifest) + "\n")
    print(json.dumps(deviations, indent=1))
    for entry in files:
        print(entry["file"], entry["bytes"], len(entry["cases"]), entry["sha256"])


main()
