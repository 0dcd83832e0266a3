"""`quantwise dequantize` of checkpoints that bitsandbytes wrote, against bitsandbytes' own dequantize.

    python check_dequantize.py MODELS WORK --cli CLI.JS [--backend native|torch] [--golden FOLDER] [--only NAME ...]
                               [--schemes NAME ...] [--json FILE]

For every model of MODELS and every scheme: transformers quantizes it (`BitsAndBytesConfig`) and saves it
(`save_pretrained`), quantwise expands what was saved, once without --dtype and once with each dtype. Then,
weight by weight, bits are compared with

- 4 bits: `QuantState.from_dict` on the tensors of the file, and `functional.dequantize_4bit` to that dtype;
- LLM.int8: `functional.int8_vectorwise_dequant` (f32), rounded to that dtype;

GPT-2's Conv1D weights transposed back. All other tensors must be those of the file. The result must load in
transformers without missing or unexpected keys, and its logits must be those of the saved model after
transformers' own `model.dequantize()`.

`--golden FOLDER` expands the checkpoints of test/vectors/checkpoints too. `--backend torch` hides bitsandbytes'
CPU library, so that its default backend does everything; `native` runs it as installed.
"""

import argparse
import copy
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

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TORCHDYNAMO_DISABLE"] = "1"
os.environ["TQDM_DISABLE"] = "1"

SCHEMES = ["nf4+dq", "nf4", "fp4+dq", "fp4", "llm-int8", "nf4+dq shards", "fp4 shards", "llm-int8 shards", "nf4+dq storage=bfloat16",
           "fp4 storage=float32", "nf4 storage=int8"]  # fmt: skip
# Shards and other storage: some models suffice.
WHOLE = {"llama-bf16", "qwen3-tied-bf16", "gpt2-bf16", "t5-bf16"}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--cli", required=True)
    parser.add_argument("--backend", choices=["native", "torch"], default="torch")
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--schemes", nargs="*", default=SCHEMES)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


OPTIONS = arguments()
if OPTIONS.backend == "torch":
    hide_native_library()

import bitsandbytes as bnb  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from bitsandbytes import functional as F  # noqa: E402
from safetensors import safe_open  # noqa: E402

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore")
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
torch.set_num_threads(1)
assert (type(bnb.cextension.lib).__name__ == "ErrorHandlerMockBNBNativeLibrary") == (OPTIONS.backend == "torch")

DTYPES = [None, "float32", "float16", "bfloat16"]


def quantwise(*given):
    subprocess.run(["node", OPTIONS.cli, *map(str, given), "--quiet", "--overwrite"], check=True)


def tensors(directory):
    found = {}
    for path in sorted(directory.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            assert file.metadata() == {"format": "pt"}
            found.update({name: file.get_tensor(name) for name in file.keys()})
    return found


def raw(tensor):
    return tensor.contiguous().flatten().view(torch.uint8)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(raw(a), raw(b))


def expected(stored, dtype, default):
    """name -> weight in `dtype` (None: its own; `default` for LLM.int8), and the names that belong to it."""
    weights, parts = {}, set()
    for name in stored:
        if ".quant_state.bitsandbytes__" in name:
            weight = name[: name.index(".quant_state.")]
            given = {key[len(weight) + 1 :]: t for key, t in stored.items() if key.startswith(weight + ".")}
            parts.update({weight, *(f"{weight}.{key}" for key in given)})
            state = F.QuantState.from_dict(given, device=torch.device("cpu"))
            state = copy.copy(state)
            state.dtype = getattr(torch, dtype) if dtype else state.dtype
            weights[weight] = F.dequantize_4bit(stored[weight], state)
        elif name.endswith("SCB"):
            weight = name.removesuffix("SCB") + "weight"
            parts.update({weight, name, weight + "_format"})
            weights[weight] = F.int8_vectorwise_dequant(stored[weight], stored[name]).to(getattr(torch, dtype or default))
    return weights, parts


def compare(stored, plain, dtype, default, conv1d):
    weights, parts = expected(stored, dtype, default)
    assert weights
    assert set(plain) == (set(stored) - parts) | set(weights), "names"
    differ = Counter()
    largest = 0.0
    for name, theirs in weights.items():
        ours = plain[name].t() if conv1d(name) else plain[name]
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, (name, ours.dtype, theirs.dtype, ours.shape, theirs.shape)
        differ["of"] += ours.numel()
        if same(ours, theirs):
            continue
        unequal = ours.float() != theirs.float()  # -0 and 0 are equal
        differ["elements"] += int(unequal.sum())
        differ["signs of zero"] += int((raw(ours) != raw(theirs)).any() and not unequal.any())
        if unequal.any():
            largest = max(largest, ((ours.float() - theirs.float()).abs()[unequal] / theirs.float().abs()[unequal]).max().item())
    for name in set(stored) - parts:
        assert same(plain[name], stored[name]), f"{name} was not copied"
    return {key: value for key, value in differ.items() if value} | ({"largest, relative": largest} if largest else {})


def inputs(model):
    generator = torch.Generator().manual_seed(3)
    given = {"input_ids": torch.randint(3, 90, (2, 24), generator=generator)}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = torch.randint(3, 90, (2, 9), generator=generator)
    return given


def outputs(model):
    with torch.no_grad():
        result = model(**inputs(model))
    names = ["logits"] if "logits" in result else ["last_hidden_state", "pooler_output"]
    return torch.cat([result[name].flatten().float() for name in names])


def config_for(scheme, dtype):
    if scheme.startswith("llm-int8"):
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    storage = scheme.split("storage=")[1] if "storage" in scheme else "uint8"
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=scheme[:3], bnb_4bit_use_double_quant="+dq" in scheme,
        bnb_4bit_compute_dtype=dtype, bnb_4bit_quant_storage=getattr(torch, storage))  # fmt: skip


def check(saved, row):
    """`saved` holds a checkpoint of bitsandbytes."""
    written = json.loads((saved / "config.json").read_text())
    cls = getattr(transformers, written["architectures"][0])
    default = written.get("dtype") or written["torch_dtype"]
    stored = tensors(saved)
    conv1d = (lambda name: ".attn.c_" in name or ".mlp.c_" in name) if written["model_type"] == "gpt2" else (lambda name: False)
    if "shards" in row["scheme"]:
        row["shards"] = len(list(saved.glob("*.safetensors")))
        assert row["shards"] > 1
    settings = written.pop("quantization_config")
    assert settings
    for dtype in DTYPES:
        plain = OPTIONS.work / "plain"
        shutil.rmtree(plain, ignore_errors=True)
        more = ["--max-shard-size", "100KB"] if "shards" in row["scheme"] else []
        quantwise("dequantize", saved, "-o", plain, *(["--dtype", dtype] if dtype else []), *more)
        found = compare(stored, tensors(plain), dtype, default, conv1d)
        row[dtype or "own dtype"] = found
        config = json.loads((plain / "config.json").read_text())
        key = "dtype" if "dtype" in written else "torch_dtype"
        assert config == {**written, key: dtype or written[key]}, "config.json"
        model, info = cls.from_pretrained(plain, dtype="auto", output_loading_info=True)
        problems = {key: sorted(map(str, value)) for key, value in info.items() if value}
        assert not problems, problems
        assert all(p.dtype == getattr(torch, dtype or default) for p in model.parameters() if p.dtype != torch.float32)
        mine = outputs(model.eval())
        assert torch.isfinite(mine).all()
        if dtype is None:
            try:
                theirs = outputs(cls.from_pretrained(saved, dtype="auto").dequantize().eval())
            except RuntimeError as error:
                # transformers 4 casts packed bytes of float32 storage to the model's dtype.
                if "storage=float32" not in row["scheme"] or not transformers.__version__.startswith("4."):
                    raise
                row.update({"theirs does not run": str(error)[:200], "logits equal": None})
                continue
            row["logits equal"] = torch.equal(mine, theirs)
            row["logits, largest difference"] = (mine - theirs).abs().max().item() / theirs.abs().max().item()
    counts = [row[dtype or "own dtype"] for dtype in DTYPES]
    row["weights"] = counts[0]["of"]
    equal = not any(set(count) - {"of"} for count in counts)
    # LLM.int8 in transformers' own dequantize may stay in f32, and a Conv1D becomes a Linear: other sums.
    close = row["logits equal"] in (True, None) or row["logits, largest difference"] < 2e-2
    row["verdict"] = "FAIL" if not close else "equal" if equal else "signs of zero differ" if all(
        set(count) <= {"of", "signs of zero"} for count in counts) else "differs"  # fmt: skip
    if row["verdict"] == "differs" and OPTIONS.backend == "torch":
        row["verdict"] = "FAIL"
    return row


def main():
    print(f"transformers {transformers.__version__}, bitsandbytes {bnb.__version__}, torch {torch.__version__}, "
          f"backend {OPTIONS.backend}", flush=True)
    jobs = []
    for source in sorted(OPTIONS.models.iterdir()):
        if OPTIONS.only is not None and source.name not in OPTIONS.only:
            continue
        jobs += [(source, scheme) for scheme in OPTIONS.schemes if " " not in scheme or source.name in WHOLE]
    if OPTIONS.golden:
        jobs += [(folder, "golden") for folder in sorted(OPTIONS.golden.glob("llama_tiny_[nfi]*"))]
    rows = []
    for source, scheme in jobs:
        row = {"model": source.name, "scheme": scheme}
        try:
            saved = source
            if scheme != "golden":
                saved = OPTIONS.work / "saved"
                shutil.rmtree(saved, ignore_errors=True)
                config = json.loads((source / "config.json").read_text())
                cls = getattr(transformers, config["architectures"][0])
                dtype = getattr(torch, config.get("dtype") or config["torch_dtype"])
                model = cls.from_pretrained(source, quantization_config=config_for(scheme, dtype), dtype="auto")
                model.save_pretrained(saved, **({"max_shard_size": "100KB"} if "shards" in scheme else {}))
            check(saved, row)
        except Exception as error:  # a failure is a result: record it and go on
            row.update(verdict="FAIL", error=f"{type(error).__name__}: {str(error)[:900]}")
        rows.append(row)
        print(row["verdict"], "|", source.name, "|", scheme, "" if row["verdict"] == "equal" and row["logits equal"] is not False else json.dumps(row), flush=True)
    counts = Counter(row["verdict"] for row in rows)
    print(", ".join(f"{count} {name}" for name, count in counts.most_common()), f"; {sum(r.get('weights', 0) for r in rows)} weights, 4 dtypes each")
    if OPTIONS.json:
        OPTIONS.json.write_text(json.dumps({"transformers": transformers.__version__, "bitsandbytes": bnb.__version__,
            "torch": torch.__version__, "backend": OPTIONS.backend, "rows": rows}, indent=1) + "\n")  # fmt: skip
    sys.exit(counts["FAIL"] > 0)


main()
