"""Whole checkpoints: `quantwise quantize` against transformers with bitsandbytes, in turn."""

import os
import subprocess
import sys
import time
from collections import Counter

import torch
from peer_figures import ROOT, spread
from safetensors import safe_open
from transformers import LlamaConfig, LlamaForCausalLM

CONVERT = """
import sys, time
start = time.perf_counter()
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
imported = time.perf_counter()
config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                            bnb_4bit_compute_dtype=torch.bfloat16)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], quantization_config=config, device_map="cpu",
                                             dtype=torch.bfloat16)
loaded = time.perf_counter()
model.save_pretrained(sys.argv[2])
print("STEPS", imported - start, loaded - imported, time.perf_counter() - loaded)
"""


def make_llama(folder, is_small):
    if (folder / "config.json").exists():
        return
    size = (128, 320, 2) if is_small else (2048, 5632, 8)
    hidden, inner, layers = size
    torch.manual_seed(1)
    config = LlamaConfig(hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
                         num_attention_heads=hidden // 64, vocab_size=hidden * 16)  # fmt: skip
    torch.set_default_dtype(torch.bfloat16)
    LlamaForCausalLM(config).save_pretrained(folder)
    torch.set_default_dtype(torch.float32)


def timed(command, env):
    """Seconds, peak resident MB, and what the command said. A process of Python's own would begin with its peak."""
    measured = ["/usr/bin/time", "-f", "PEAK %M", *command]
    start = time.perf_counter()
    done = subprocess.run(measured, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)[:200]}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return seconds, int(done.stderr.split("PEAK ")[-1]) / 1024, done.stdout


def conversion_table(args, counts):
    model = args.work / ("llama-small" if args.quick else "llama")
    make_llama(model, args.quick)
    size = sum(path.stat().st_size for path in model.glob("*.safetensors")) / 1e9
    cli = str(ROOT / "build/js/cli.js")
    results = {}
    for round_ in range(1 if args.quick else 3):
        for threads in counts:
            env = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
            ours = [args.node, cli, "quantize", str(model), "-o", str(args.work / "ours"), "--overwrite", "--quiet"]
            jobs = {
                "quantwise": [*ours, "--threads", str(threads)],
                "transformers": [sys.executable, "-c", CONVERT, str(model), str(args.work / "theirs")],
            }
            for name, command in jobs.items():
                results.setdefault((name, threads), []).append(timed(command, env))
    lines = ["", "| | threads | seconds | of it | peak memory, MB | output, MB |", "|---|--:|--:|---|--:|--:|"]
    for (name, threads), runs in results.items():
        folder = args.work / ("ours" if name == "quantwise" else "theirs")
        written = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
        seconds = [run[0] for run in runs]
        memory = max(run[1] for run in runs)
        said = runs[-1][2].split("STEPS")[-1].split() if name == "transformers" else []
        steps = "imports {:.1f}, load and quantize {:.1f}, save {:.1f}".format(*map(float, said)) if said else ""
        lines.append(f"| {name} | {threads} | {spread(seconds)} | {steps} | {memory:.0f} | {written:.0f} |")
    return [f"A Llama of {size:.2f} GB in bf16.", *lines, "", compared(args.work / "ours", args.work / "theirs")]


def compared(ours, theirs):
    def tensors(folder):
        found = {}
        for path in folder.glob("*.safetensors"):
            with safe_open(path, "pt") as file:
                found.update({name: file.get_tensor(name) for name in file.keys()})
        return found

    a, b = tensors(ours), tensors(theirs)
    kinds = Counter(name.split(".weight.")[-1] if ".weight." in name else "weight" for name in a)
    unlike = [name for name in a if name not in b or a[name].dtype != b[name].dtype or not torch.equal(a[name], b[name])]
    differ = Counter(name.split(".weight.")[-1] if ".weight." in name else "weight" for name in unlike)
    counts = ", ".join(f"{kinds[kind] - differ[kind]} of {kinds[kind]} `{kind}`" for kind in sorted(kinds))
    return f"Tensors that are equal in name, type and bytes ({len(a)} in ours, {len(b)} in theirs): {counts}."
