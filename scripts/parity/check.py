"""Our checkpoints against the same model quantized by bitsandbytes in the transformers that runs this.

    python check.py MODELS WORK --cli CLI.JS [--backend native|torch] [--only NAME ...] [--json FILE]

For every checkpoint of MODELS and every scheme: quantize it with the CLI, load ours with
`from_pretrained`, quantize the original with `BitsAndBytesConfig`, save that, and compare

- the modules that became Linear4bit or Linear8bitLt, and what the loader reports as missing or unexpected;
- `quantization_config`, key by key;
- the two files, tensor by tensor, bytes, dtype and shape;
- the logits, for equality.

Some models are also converted in other ways (`VARIANTS`): shards, another storage dtype, excluded layers,
a forward-only stream.

`--backend native` runs bitsandbytes as installed: its CPU library for the second level. `--backend torch`
hides that library, as on a platform that has none, so that every operation is the default backend's,
which is the reference of mode `torch`. There, double quantization is compared twice: as bitsandbytes
computes its mean (torch, f32), and with that one mean taken in f64, as we take it.
"""

import argparse
import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

from native import hide_native_library

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TORCHDYNAMO_DISABLE"] = "1"

SCHEMES = {
    "nf4+dq": ["--quant-type", "nf4", "--double-quant"],
    "nf4": ["--quant-type", "nf4", "--no-double-quant"],
    "fp4": ["--quant-type", "fp4", "--no-double-quant"],
    "llm-int8": ["--quant-type", "llm-int8"],
}
STREAMED = {"llama-bf16", "llama-odd-bf16", "qwen3-tied-bf16"}  # a stream has no config.json: GPT-2 needs it
WHOLE = {"llama-bf16", "qwen3-tied-bf16", "gpt2-bf16"}
VARIED = WHOLE | STREAMED
# Each belongs to the scheme that its name begins with.
VARIANTS = {
    "nf4+dq shards": (VARIED, ["--max-shard-size", "120KB"]),
    "nf4 shards": (VARIED, ["--max-shard-size", "120KB"]),
    "llm-int8 shards": (VARIED, ["--max-shard-size", "200KB"]),
    "nf4+dq storage=bfloat16": (VARIED, ["--quant-storage", "bfloat16"]),
    "fp4 storage=float32": (WHOLE, ["--quant-storage", "float32"]),
    "nf4 exclude": (VARIED, ["--exclude", "**.layers.0.**", "--exclude", "**.h.0.**"]),
    "llm-int8 exclude": (VARIED, ["--exclude", "**.layers.0.**", "--exclude", "**.h.0.**"]),
    "nf4 head": ({"llama-bf16"}, ["--rule", "lm_head.weight=nf4"]),
    "nf4 experts": ({"mixtral-bf16"}, ["--rule", "**.experts.**=nf4"]),  # for transformers 4 and vLLM
    "nf4+dq stream": (STREAMED, []),
    "nf4 stream": (STREAMED, []),
    "llm-int8 stream": (STREAMED, []),
}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--backend", choices=["native", "torch"], default="torch")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--schemes", nargs="*", default=[*SCHEMES, *VARIANTS])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


OPTIONS = arguments()
if OPTIONS.backend == "torch":
    hide_native_library()

import torch  # noqa: E402
import transformers  # noqa: E402
import bitsandbytes as bnb  # noqa: E402
from safetensors import safe_open  # noqa: E402

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore")
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
torch.set_num_threads(1)
HIDDEN = type(bnb.cextension.lib).__name__ == "ErrorHandlerMockBNBNativeLibrary"
assert HIDDEN == (OPTIONS.backend == "torch")


@contextlib.contextmanager
def mean_in_f64():
    """bitsandbytes' quantize_4bit takes one mean, of the absmax; give it one rounding from f64."""
    original = torch.Tensor.mean
    torch.Tensor.mean = lambda self, *a, **k: self.double().sum().div(self.numel()).to(self.dtype)
    try:
        yield
    finally:
        torch.Tensor.mean = original


def ours(source, scheme, variant):
    out = OPTIONS.work / "ours" / f"{source.name}-{variant.replace(' ', '-')}"
    if out.exists():
        return out
    options = ["--quiet", *SCHEMES[scheme], *VARIANTS.get(variant, (None, []))[1]]
    command = ["node", OPTIONS.cli, "quantize"]
    if variant.endswith("stream"):
        shutil.copytree(ours(source, scheme, scheme), out)
        (out / "model.safetensors").unlink()
        with open(source / "model.safetensors", "rb") as given, open(out / "model.safetensors", "wb") as made:
            subprocess.run([*command, "-", "-o", "-", *options], stdin=given, stdout=made, check=True)
    else:
        subprocess.run([*command, str(source), "-o", str(out), *options], check=True)
    return out


def reference(cls, source, scheme, dtype, storage, skip):
    if scheme == "llm-int8":
        config = transformers.BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skip)
    else:
        config = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type=scheme[:3], bnb_4bit_use_double_quant=scheme.endswith("dq"),
            bnb_4bit_compute_dtype=dtype, bnb_4bit_quant_storage=storage, llm_int8_skip_modules=skip)
    return cls.from_pretrained(source, quantization_config=config, dtype="auto").eval()


def quantized(model):
    kinds = (bnb.nn.Linear4bit, bnb.nn.Linear8bitLt)
    return {name for name, module in model.named_modules() if isinstance(module, kinds)}


def inputs(model):
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(3, 250, (2, 24), generator=generator)
    given = {"input_ids": ids}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = torch.randint(3, 250, (2, 9), generator=generator)
    return given


def outputs(model):
    """The logits, or what bitsandbytes raised while it computed them."""
    try:
        with torch.no_grad():
            result = model(**inputs(model))
    except (RuntimeError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    names = ["logits"] if "logits" in result else ["last_hidden_state", "pooler_output"]
    return torch.cat([result[name].flatten().float() for name in names])


def tensors(directory):
    found = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            found.update({name: file.get_tensor(name) for name in file.keys()})
    return found


def raw(tensor):
    return tensor.contiguous().flatten().view(torch.uint8) if tensor.numel() else tensor


def kind(name):
    for suffix in ("quant_state.bitsandbytes__nf4", "quant_state.bitsandbytes__fp4", "nested_absmax",
                   "nested_quant_map", "quant_map", "absmax", "SCB", "weight_format"):
        if name.endswith("." + suffix):
            return suffix.split(".")[0]
    return "weight"


def compare_files(mine, theirs):
    """{} when all tensors are the same bits; else counts per kind of what differs."""
    differences = Counter()
    for name in set(mine) ^ set(theirs):
        differences[f"only {'ours' if name in mine else 'theirs'}: {name}"] += 1
    for name in set(mine) & set(theirs):
        a, b = mine[name], theirs[name]
        if a.dtype == torch.bfloat16 and b.dtype == torch.float32 and torch.equal(a.float(), b):
            differences["widened"] += 1  # transformers 4 keeps T5's wo in f32 and saves it so
        elif kind(name) == "quant_state" and a.shape != b.shape:
            differences["quant_state"] += 1
        elif a.dtype != b.dtype or a.shape != b.shape:
            differences[f"{name}: {a.dtype} {list(a.shape)} / {b.dtype} {list(b.shape)}"] += 1
        elif not torch.equal(raw(a), raw(b)):
            differences[kind(name)] += 1
    return dict(differences)


def offset_distance(mine, theirs):
    """Largest distance of a nested offset, in ulp of f32."""
    def of(tensor):
        value = json.loads(bytes(tensor.tolist())).get("nested_offset", 0)
        return torch.tensor(value, dtype=torch.float32).view(torch.int32).item()
    names = [name for name in mine if kind(name) == "quant_state"]
    return max((abs(of(mine[n]) - of(theirs[n])) for n in names), default=0)


def second_level(mine, theirs):
    names = [name for name in mine if kind(name) == "absmax" and mine[name].dtype == torch.uint8]
    different = sum(int((mine[n] != theirs[n]).sum()) for n in names)
    return f"{different} of {sum(mine[n].numel() for n in names)}"


def without(different, *kinds):
    return {key: count for key, count in different.items() if key not in kinds}


def check(source, variant):
    scheme = variant.split()[0]
    row = {"model": source.name, "scheme": variant, "notes": []}
    out = ours(source, scheme, variant)
    written = json.loads((out / "config.json").read_text())
    settings = written["quantization_config"]
    cls = getattr(transformers, written["architectures"][0])
    model, info = cls.from_pretrained(out, dtype="auto", output_loading_info=True)
    model.eval()
    loading = {key: sorted(map(str, value)) for key, value in info.items() if value}
    my_modules = quantized(model)
    dtype = written.get("dtype") or written["torch_dtype"]
    skip = settings["llm_int8_skip_modules"]
    row.update(modules=len(my_modules), skip=skip)
    assert not loading, loading

    def make(skip):
        return reference(cls, source, scheme, getattr(torch, dtype), settings["bnb_4bit_quant_storage"], skip)

    theirs = quantized(make(None))
    if theirs != my_modules:
        row["notes"].append({"a null list quantizes also": sorted(theirs - my_modules),
                             "and leaves in float": sorted(my_modules - theirs)})  # fmt: skip
    contexts = {"as installed": contextlib.nullcontext}
    if scheme.endswith("dq") and HIDDEN:
        contexts["f64 mean"] = mean_in_f64
    mine = tensors(out)
    my_outputs = outputs(model)
    for label, context in contexts.items():
        with context():
            theirs = make(skip)
        assert quantized(theirs) == my_modules, "modules differ"
        saved = OPTIONS.work / "reference"
        shutil.rmtree(saved, ignore_errors=True)
        theirs.save_pretrained(saved)
        theirs_settings = json.loads((saved / "config.json").read_text())["quantization_config"]
        assert settings == theirs_settings, ("quantization_config differs", settings, theirs_settings)
        file = tensors(saved)
        if variant.endswith("stream"):  # its quant_state is padded with spaces
            strip = lambda name, t: torch.tensor(list(bytes(t.tolist()).rstrip()), dtype=torch.uint8)
            mine = {name: strip(name, t) if kind(name) == "quant_state" else t for name, t in mine.items()}
        different = compare_files(mine, file)
        result = outputs(theirs)
        if isinstance(my_outputs, str) and not isinstance(result, str):  # does theirs survive loading?
            result = outputs(cls.from_pretrained(saved, dtype="auto").eval())
        whole = [(place / "model.safetensors") for place in (out, saved)]
        entry = {"tensors": len(mine), "tensors differ": different,
                 "file equal": all(p.exists() for p in whole) and whole[0].read_bytes() == whole[1].read_bytes()}
        if isinstance(result, str):
            entry.update({"both fail in bitsandbytes": result} if result == my_outputs else {"differ": [my_outputs, result]})
        else:
            assert torch.isfinite(result).all()
            entry.update({"logits equal": torch.equal(result, my_outputs), "logits max": result.abs().max().item(),
                          "logits max difference": (result - my_outputs).abs().max().item()})
        if scheme.endswith("dq"):
            entry.update({"offset ulp": offset_distance(mine, file), "second-level codes differ": second_level(mine, file)})
        row[label] = entry
    row["verdict"] = verdict(entry, scheme)
    return row


def verdict(entry, scheme):
    statistics = ("absmax", "nested_absmax", "quant_state") if scheme.endswith("dq") and not HIDDEN else ()
    if without(entry["tensors differ"], "widened", *statistics):
        return "FAIL"
    if "both fail in bitsandbytes" in entry:
        return "same tensors, does not run"
    if entry["logits equal"]:
        return "equal"
    return "second level differs" if statistics else "FAIL"


def main():
    rows = []
    print(f"transformers {transformers.__version__}, bitsandbytes {bnb.__version__}, torch {torch.__version__}, "
          f"backend {OPTIONS.backend}", flush=True)
    for source in sorted(OPTIONS.models.iterdir()):
        if OPTIONS.only and not any(source.name.startswith(name) for name in OPTIONS.only):
            continue
        for scheme in OPTIONS.schemes:
            if scheme in VARIANTS and source.name not in VARIANTS[scheme][0]:
                continue
            if scheme == "nf4 experts" and not transformers.__version__.startswith("4."):
                continue
            try:
                row = check(source, scheme)
            except Exception as error:  # a failure is a result: record it and go on
                row = {"model": source.name, "scheme": scheme, "verdict": "FAIL",
                       "error": f"{type(error).__name__}: {str(error)[:900]}"}
            rows.append(row)
            print(row["verdict"], "|", source.name, "|", scheme,
                  json.dumps(row) if row["verdict"] == "FAIL" else "", flush=True)
    counts = Counter(row["verdict"] for row in rows)
    print(", ".join(f"{count} {name}" for name, count in counts.most_common()))
    if OPTIONS.json:
        OPTIONS.json.write_text(json.dumps({
            "transformers": transformers.__version__, "bitsandbytes": bnb.__version__,
            "torch": torch.__version__, "backend": OPTIONS.backend, "rows": rows}, indent=1) + "\n")
    sys.exit(counts["FAIL"] > 0)


main()
