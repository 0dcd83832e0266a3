"""bitsandbytes, torch and transformers on the CPU against quantwise: the same weights, the same rounds.

    pip install torch bitsandbytes transformers accelerate safetensors numpy     (and GNU time)
    npm run build && python bench/peers.py WORK [--write] [--quick] [--node NODE]

WORK is a folder with 4 GB of room. --write records bench/results-peers.md.

Memory to memory: 64 MB of normal f32; ours in Node from and to arrays of its own, asked over a pipe between
the jobs of theirs. What both make is compared, byte for byte. Each number of threads is a process of its own, because
torch and bitsandbytes bring an OpenMP each.

Whole conversion: a generated Llama of 1.1 GB in bf16 becomes NF4, double quantized, by `quantwise quantize` and by
`from_pretrained` with a BitsAndBytesConfig and `save_pretrained`; commands take turns.
"""

import argparse
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import bitsandbytes
import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))

from peer_conversion import conversion_table  # noqa: E402
from peer_figures import ROOT  # noqa: E402
from peer_jobs import jobs_table, measure_jobs  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--node", default="node")
    parser.add_argument("--values", type=int, default=1 << 24, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=11, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.threads is not None:
        return measure_jobs(args)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.quick:
        args.values, args.rounds = 1 << 16, 2
    counts = sorted({1, os.cpu_count()})
    lines = [*head(args), *jobs_table(args, counts, __file__), "", "## Whole conversion", ""]
    lines += conversion_table(args, counts)
    text = "\n".join(lines) + "\n"
    print(text)
    if args.write:
        (ROOT / "bench/results-peers.md").write_text(text)


def head(args):
    processor = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), "unknown processor")  # fmt: skip
    node = subprocess.run([args.node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    versions = f"torch {torch.__version__}, bitsandbytes {bitsandbytes.__version__}, transformers {transformers.__version__}"
    return [
        "# bitsandbytes, torch and transformers", "",
        f"`python bench/peers.py` wrote this: {os.cpu_count()} cores of {processor}, Node {node},",
        f"{versions}, {date.today()}. Rounds in turn, median (10th to 90th percentile); × is theirs over ours in the same",
        "round. *Equal*: both made the same bytes. What differs are 8-bit codes of the native library, which are not those of",
        "bitsandbytes' own reference, and the mean of the scales, which torch sums in an order that depends on its threads;",
        "and what is decoded from either ([parity](../docs/parity.md)).", "",
        "## Memory to memory", "",
        f"{args.values:,} normal f32; blocks of 64 (4 bits) and 256 (dynamic8). Ours goes from JavaScript's arrays to JavaScript's",
        "arrays; both allocate what they return, but where ours writes *into* the caller's array (bitsandbytes takes none on",
        "the CPU). With more threads ours quantizes from shared memory, and dequantizes in one.",
        "bitsandbytes quantizes to 4 bits with torch's operations (it has no other code for the CPU) and the rest in C++.",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
