"""Reads quantwise's native format with numpy and what docs/native-format.md says, nothing of quantwise.

    python read_native.py CHECKPOINT                  what is in it
    python read_native.py CHECKPOINT --against PLAIN  compare with `quantwise dequantize CHECKPOINT -o PLAIN`, bit by bit

CHECKPOINT and PLAIN are .safetensors files or directories. Needs numpy.
"""

import argparse
import hashlib
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np

f32 = np.float32
ITEMS = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4}


class Refused(Exception):
    pass


def refuse_unless(condition, why):
    if not condition:
        raise Refused(why)


class File:
    """A safetensors file: its metadata, and its tensors as bytes."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            self.entries = json.loads(file.read(length))
        self.start = 8 + length
        self.metadata = self.entries.pop("__metadata__", {})

    def bytes_of(self, name):
        begin, end = self.entries[name]["data_offsets"]
        with open(self.path, "rb") as file:
            file.seek(self.start + begin)
            return np.frombuffer(file.read(end - begin), np.uint8)


class Checkpoint:
    def __init__(self, path):
        path = Path(path)
        paths = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
        self.files = [File(each) for each in paths]

    def find(self, name):
        return next((file for file in self.files if name in file.entries), None)

    def part(self, name, dtype, shape):
        """The bytes of a part, which must have that dtype and shape."""
        file = self.find(name)
        refuse_unless(file is not None, f"{name} is missing")
        entry = file.entries[name]
        refuse_unless(entry["dtype"] == dtype and entry["shape"] == list(shape),
                      f"{name} is {entry['dtype']} {entry['shape']}, not {dtype} {list(shape)}")  # fmt: skip
        return file.bytes_of(name)

    def floats(self, name, shape):
        return self.part(name, "F32", shape).view("<f4")

    def weights(self):
        """(name, coding, dtype, shape) of every weight."""
        for file in self.files:
            if "quantwise" not in file.metadata:
                continue
            text = json.loads(file.metadata["quantwise"])
            refuse_unless(isinstance(text, dict) and text.get("version") == 1, "version")
            codings, tensors = text.get("codings"), text.get("tensors")
            refuse_unless(isinstance(codings, list) and isinstance(tensors, dict), "codings, tensors")
            for coding in codings:
                check_coding(coding)
            for name, said in tensors.items():
                index, shape = said.get("coding"), said.get("shape")
                refuse_unless(isinstance(index, int) and 0 <= index < len(codings), f"{name}: coding")
                refuse_unless(said.get("dtype") in ("float32", "float16", "bfloat16"), f"{name}: dtype")
                refuse_unless(isinstance(shape, list) and all(isinstance(d, int) and d >= 0 for d in shape), f"{name}: shape")
                refuse_unless(math.prod(shape) < 2**53, f"{name}: shape")
                yield name, codings[index], said["dtype"], shape


CODEBOOKS = {"nf4", "fp4", "af4", "dynamic8"}
AFFINE = {"int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255)}
# format of codes, of scales, prescribed block size
FLOATS = {"mxfp4": ("e2m1", "e8m0", 32), "mxfp8": ("e4m3", "e8m0", 32), "mxfp8-e5m2": ("e5m2", "e8m0", 32),
          "nvfp4": ("e2m1", "e4m3", 16), "fp8-e4m3": ("e4m3", "f32", None), "fp8-e5m2": ("e5m2", "f32", None)}  # fmt: skip


def check_coding(coding):
    kind = coding.get("quantType")
    needed = {"quantType"}
    if kind in CODEBOOKS:
        needed |= {"blockSize", "doubleQuant", "mode"}
        block = coding.get("blockSize")
        refuse_unless(block in {32 << k for k in range(8)} if kind != "dynamic8" else isinstance(block, int) and block >= 1, "blockSize")
        refuse_unless(coding.get("mode") in ("torch", "cuda"), "mode")
        refuse_unless(kind != "dynamic8" or coding.get("doubleQuant") is False, "doubleQuant")
    elif kind in AFFINE or kind in FLOATS:
        needed |= {"granularity"} | ({"symmetric", "doubleQuant"} if kind in AFFINE else set())
        grain = coding.get("granularity")
        refuse_unless(grain in ("tensor", "channel", "block"), "granularity")
        if grain == "block":
            needed.add("blockSize")
            fixed = FLOATS[kind][2] if kind in FLOATS else None
            block = coding.get("blockSize")
            refuse_unless(isinstance(block, int) and (block == fixed if fixed else 32 <= block <= 4096), "blockSize")
        elif grain == "channel":
            needed.add("axis")
            refuse_unless(isinstance(coding.get("axis"), int), "axis")
        refuse_unless(grain == "block" or not (kind in FLOATS and FLOATS[kind][2]), "granularity")
        refuse_unless(grain == "block" or not coding.get("doubleQuant"), "doubleQuant")
        refuse_unless(kind not in ("uint4", "uint8") or coding.get("symmetric") is False, "symmetric")
    else:
        refuse_unless(kind == "llm-int8", f"quant type {kind}")
    refuse_unless(needed <= set(coding), f"{kind}: {needed - set(coding)} missing")


def dynamic_map(signed):
    levels = [0.0, 1.0]
    first = f32(0.1)
    for i in range(7):
        n = 2 ** (i if signed else i + 1)
        step = np.float64(f32(f32(f32(1) - first) / f32(n)))
        points = [f32(np.float64(first) + k * step) if k < (n + 1) // 2 else f32(1 - (n - k) * step) for k in range(n + 1)]
        for p, q in zip(points, points[1:]):
            level = f32(f32(f32(p + q) / f32(2)) * f32(10.0 ** (i - 6)))
            levels += [level, -level] if signed else [level]
    table = np.sort(np.array(levels, f32))
    known = "e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c" if signed else \
        "305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398"  # fmt: skip
    assert len(table) == 256 and hashlib.sha256(table.tobytes()).hexdigest() == known
    return table


def bits(text):
    return np.array([int(word, 16) for word in text.split()], np.uint32).view(f32)


LEVELS = {
    "nf4": bits("bf800000 bf3239b1 bf066b30 beca32a0 be91a24d be3d353f bdba7871 00000000 "
                "3da2faff 3e24cae3 3e7c04dd 3ead033a 3ee1a4b8 3f1007ab 3f3913b3 3f800000"),
    "fp4": bits("00000000 3baaaaab 3f2aaaab 3f800000 3eaaaaab 3f000000 3e2aaaab 3e800000 "
                "00000000 bbaaaaab bf2aaaab bf800000 beaaaaab bf000000 be2aaaab be800000"),
    "af4": bits("bf800000 bf31c4dc bf032f19 bebf54f7 be831c55 be196bab bd4a2141 00000000 "
                "3d2f075f 3e0472f9 3e60e22a 3ea22dee 3ed9ed55 3f0e1203 3f39685c 3f800000"),
    "dynamic8": dynamic_map(True),
}  # fmt: skip
UNSIGNED = dynamic_map(False)


def small_floats(width, fraction_bits, bias, special):
    half = 2 ** (width - 1)
    values = np.empty(2 * half, f32)
    for code in range(half):
        exponent, fraction = code >> fraction_bits, (code & (2**fraction_bits - 1)) / 2**fraction_bits
        value = fraction * 2.0 ** (1 - bias) if exponent == 0 else (1 + fraction) * 2.0 ** (exponent - bias)
        values[code] = special(code) if special(code) is not None else value
        values[code + half] = -values[code]
    return values


FORMATS = {
    "e2m1": small_floats(4, 1, 1, lambda code: None),
    "e4m3": small_floats(8, 3, 7, lambda code: math.nan if code == 0x7F else None),
    "e5m2": small_floats(8, 2, 15, lambda code: None if code >> 2 != 31 else math.inf if code & 3 == 0 else math.nan),
}


def nibbles(packed, count, high_first):
    pairs = [packed >> 4, packed & 15] if high_first else [packed & 15, packed >> 4]
    return np.stack(pairs, 1).reshape(-1)[:count]


def scale_index(shape, coding):
    """The scale shape, and the index of each element's scale."""
    n = math.prod(shape)
    element = np.arange(n)
    grain = coding["granularity"]
    if grain == "tensor":
        return [], np.zeros(n, int)
    if grain == "channel":
        axis = coding["axis"]
        refuse_unless(-len(shape) <= axis < len(shape), "axis")
        axis %= len(shape)
        inner = math.prod(shape[axis + 1 :])
        return [shape[axis]], element // max(inner, 1) % max(shape[axis], 1)
    columns = shape[-1] if shape else 1
    blocks = -(-columns // coding["blockSize"])
    row, column = element // max(columns, 1), element % max(columns, 1)
    return [*shape[:-1], blocks], row * blocks + column // coding["blockSize"]


def decode(checkpoint, name, coding, shape):
    """The weight in float32."""
    kind, n = coding["quantType"], math.prod(shape)
    if kind in CODEBOOKS:
        block = coding["blockSize"]
        blocks = -(-n // block)
        if kind == "dynamic8":
            codes = checkpoint.part(name, "U8", shape)
        else:
            codes = nibbles(checkpoint.part(name, "U8", [-(-n // 2)]), n, True)
        if coding["doubleQuant"]:
            second = checkpoint.floats(f"{name}.nested_absmax", [-(-blocks // 256)])
            offset = checkpoint.floats(f"{name}.nested_offset", [])[0]
            level = LEVELS["dynamic8"][checkpoint.part(f"{name}.absmax", "U8", [blocks])]
            absmax = level * second[np.arange(blocks) // 256] + offset
        else:
            absmax = checkpoint.floats(f"{name}.absmax", [blocks])
        return LEVELS[kind][codes] * absmax[np.arange(n) // block]
    if kind == "llm-int8":
        refuse_unless(len(shape) == 2, "rank")
        codes = checkpoint.part(name, "I8", shape).view(np.int8).reshape(shape)
        return (codes.astype(f32) * checkpoint.floats(f"{name}.scb", shape[:1])[:, None] * (f32(1) / f32(127))).reshape(-1)
    scale_shape, index = scale_index(shape, coding)
    scales = math.prod(scale_shape)
    if kind in AFFINE:
        lowest, highest = AFFINE[kind]
        signed, nested = lowest < 0, coding["doubleQuant"]
        if kind.endswith("4"):
            codes = nibbles(checkpoint.part(name, "U8", [-(-n // 2)]), n, False).astype(np.int32)
            codes = np.where(codes > highest, codes - 16, codes)
        else:
            codes = checkpoint.part(name, "I8" if signed else "U8", shape).view(np.int8 if signed else np.uint8)
        if nested:
            code = checkpoint.part(f"{name}.scale", "U8", scale_shape)
            ranges = checkpoint.floats(f"{name}.nested_scale", [-(-scales // 256), 2]).reshape(-1, 2)
            base, step = ranges[np.arange(scales) // 256].T
            linear = base + (code.astype(f32) - f32(1)) * step
            scale = np.where(step < 0, UNSIGNED[code] * base, linear)
            scale = np.where(code == 0, f32(1), np.maximum(scale, f32(2.0**-126)))
        else:
            scale = checkpoint.floats(f"{name}.scale", scale_shape)
        zero = np.zeros(scales, f32)
        if not coding["symmetric"]:
            if nested:
                zero = checkpoint.part(f"{name}.zero_point", "I8" if signed else "U8", scale_shape)
                zero = zero.view(np.int8 if signed else np.uint8).astype(f32)
            else:
                zero = checkpoint.floats(f"{name}.zero_point", scale_shape)
            refuse_unless(((zero == np.floor(zero)) & (zero >= lowest) & (zero <= highest)).all(), "zero point")
        return (codes.astype(f32) - zero[index]) * scale[index]
    form, scale_form, _ = FLOATS[kind]
    if form == "e2m1":
        codes = nibbles(checkpoint.part(name, "U8", [-(-n // 2)]), n, False)
    else:
        codes = checkpoint.part(name, f"F8_{form.upper()}", shape)
    if scale_form == "e8m0":
        byte = checkpoint.part(f"{name}.scale", "U8", scale_shape)
        scale = np.where(byte == 255, f32(math.nan), np.ldexp(f32(1), byte.astype(np.int32) - 127))
    elif scale_form == "e4m3":
        tensor_scale = checkpoint.floats(f"{name}.tensor_scale", [])[0]
        scale = FORMATS["e4m3"][checkpoint.part(f"{name}.scale", "F8_E4M3", scale_shape)] * tensor_scale
    else:
        scale = checkpoint.floats(f"{name}.scale", scale_shape)
    return FORMATS[form][codes] * scale[index]


def rounded(values, dtype):
    """The bytes of float32 values in a dtype; every NaN the same one."""
    assert values.dtype == f32, values.dtype
    with np.errstate(over="ignore"):
        if dtype == "float32":
            return np.where(np.isnan(values), f32(math.nan), values).astype("<f4").view(np.uint32)
        if dtype == "float16":
            halves = values.astype("<f2")
            return np.where(np.isnan(halves), np.uint16(0x7E00), halves.view(np.uint16))
    words = values.view(np.uint32)
    halves = ((words + 0x7FFF + ((words >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), halves)


def canonical(raw, dtype):
    """Stored bytes of a plain tensor, every NaN the same one."""
    words = raw.view("<u4" if dtype == "F32" else "<u2")
    magnitude, infinity, nan = {"F32": (0x7FFFFFFF, 0x7F800000, 0x7FC00000), "F16": (0x7FFF, 0x7C00, 0x7E00),
                                "BF16": (0x7FFF, 0x7F80, 0x7FC0)}[dtype]  # fmt: skip
    return np.where((words & magnitude) > infinity, words.dtype.type(nan), words)


NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def compare(checkpoint, plain, transposed=lambda name: False):
    """Decodes every weight; returns (weights, elements), having found the plain checkpoint the same."""
    parts, count, elements = set(), 0, 0
    for name, coding, dtype, shape in checkpoint.weights():
        with np.errstate(all="ignore"):
            values = decode(checkpoint, name, coding, shape)
        file = plain.find(name)
        entry = file.entries[name]
        given = NAMES[entry["dtype"]]
        theirs = canonical(file.bytes_of(name), entry["dtype"])
        stored = shape
        if transposed(name):
            stored = shape[::-1]
            theirs = theirs.reshape(stored).T.reshape(-1)
        assert entry["shape"] == stored, (name, entry["shape"], stored)
        ours = rounded(values, given)
        assert np.array_equal(ours, theirs), f"{name}: {int((ours != theirs).sum())} of {ours.size} differ ({coding})"
        parts.update(key for each in checkpoint.files for key in each.entries if key == name or key.startswith(name + "."))
        count, elements = count + 1, elements + ours.size
    for file in checkpoint.files:
        for name in set(file.entries) - parts:
            other = plain.find(name)
            assert np.array_equal(file.bytes_of(name), other.bytes_of(name)), f"{name} was not copied"
    return count, elements


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    checkpoint = Checkpoint(options.checkpoint)
    if options.against:
        count, elements = compare(checkpoint, Checkpoint(options.against))
        print(f"{count} weights, {elements} elements: the same bits")
        return
    for name, coding, dtype, shape in checkpoint.weights():
        values = decode(checkpoint, name, coding, shape)
        print(name, json.dumps(coding), dtype, shape, f"rms {np.sqrt(np.mean(values.astype(float) ** 2)):.6g}" if values.size else "")


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        sys.exit(f"refused: {error}")
