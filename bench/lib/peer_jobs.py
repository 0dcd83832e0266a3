"""Weights in memory: bitsandbytes and torch against quantwise, in turn."""

import json
import os
import statistics
import subprocess
import sys
import time

import numpy
import torch
from bitsandbytes import functional as F

from peer_figures import ROOT, spread

COLUMNS = 4096


class Ours:
    """A Node process that runs a job whenever it is asked."""

    def __init__(self, node, weights, threads):
        script = ROOT / "bench/lib/serve-jobs.mjs"
        command = [node, str(script), str(weights), str(COLUMNS), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise SystemExit(f"quantwise gave no answer to {line!r}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def their_jobs(weights):
    """By the names of ours: a function, and what of its result are the bytes to compare."""
    rows = weights.view(-1, COLUMNS)
    halves = rows.to(torch.float16)
    made = {}
    jobs = {}
    for name, nested in [("nf4", False), ("fp4", False), ("nf4 nested", True)]:
        kind = name[:3]

        def quantize(name=name, kind=kind, nested=nested):
            made[name] = F.quantize_4bit(weights, blocksize=64, quant_type=kind, compress_statistics=nested)
            return made[name][0]

        jobs[f"{name}; quantize"] = quantize
        for dtype in ["float32", "bfloat16"] if name == "nf4" else ["float32"]:

            def dequantize(name=name, dtype=dtype):
                codes, state = made[name]
                state.dtype = getattr(torch, dtype)
                return F.dequantize_4bit(codes, state)

            jobs[f"{name}; dequantize; {dtype}"] = dequantize
            if name == "nf4":
                jobs[f"{name}; dequantize; {dtype}; into ours"] = dequantize

    def quantize8():
        made["dynamic8"] = F.quantize_blockwise(weights, blocksize=256)
        return made["dynamic8"][0]

    jobs["dynamic8; quantize"] = quantize8
    jobs["dynamic8; dequantize; float32"] = lambda: F.dequantize_blockwise(*made["dynamic8"])
    # It takes float16 only; ours rounds to float16 on the way.
    jobs["llm-int8; quantize"] = lambda: F.int8_vectorwise_quant(halves)[0]
    return jobs


def share_that_differs(tensor, path):
    """Of bytes, between what theirs made and what ours saved."""
    theirs = tensor.contiguous().view(torch.uint8).numpy().reshape(-1)
    ours = numpy.fromfile(path, dtype=numpy.uint8)
    return float((ours != theirs).mean()) if ours.shape == theirs.shape else 1.0


def measure_jobs(args):
    """One number of threads; prints the rows as JSON."""
    torch.set_num_threads(args.threads)
    weights = torch.from_file(str(args.work / "weights.f32"), size=args.values, dtype=torch.float32)
    ours = Ours(args.node, args.work / "weights.f32", args.threads)
    copy = torch.empty_like(weights)
    jobs = their_jobs(weights)
    times = {name: ([], []) for name in jobs}
    copies = []
    for round_ in range(-1, args.rounds):
        start = time.perf_counter()
        copy.copy_(weights)
        copies.append(1000 * (time.perf_counter() - start))
        for name, job in jobs.items():
            start = time.perf_counter()
            result = job()
            theirs = 1000 * (time.perf_counter() - start)
            own = float(ours.ask(name))
            if round_ >= 0:  # the first round warms both
                times[name][0].append(own)
                times[name][1].append(theirs)
            else:
                ours.ask("save")
                times[name] += (share_that_differs(result, args.work / "weights.f32.made"),)
    ours.close()
    print(json.dumps({"times": times, "copy": copies[1:]}))


def jobs_table(args, counts, script):
    torch.manual_seed(1)
    (0.02 * torch.randn(args.values)).numpy().tofile(args.work / "weights.f32")
    lines = []
    for threads in counts:
        command = [sys.executable, script, str(args.work), "--threads", str(threads), "--node", args.node]
        command += ["--values", str(args.values), "--rounds", str(args.rounds)]
        env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        found = json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)
        lines += ["", f"### {threads} {'thread' if threads == 1 else 'threads'}", ""]
        lines += ["| | ours, ms | theirs, ms | ours, Gval/s | theirs, Gval/s | × | bytes |"]
        lines += ["|---|--:|--:|--:|--:|--:|---|"]
        for name, (own, theirs, differs) in found["times"].items():
            ratios = [b / a for a, b in zip(own, theirs)]
            rates = [f"{args.values / statistics.median(ms) / 1e6:.3g}" for ms in (own, theirs)]
            cells = [name, spread(own), spread(theirs), *rates, spread(ratios), f"{100 * differs:.2g} % differ" if differs else "equal"]
            lines.append(f"| {' | '.join(cells)} |")
        rate = args.values / statistics.median(found["copy"]) / 1e6
        lines.append(f"| torch `copy_` of the f32 | | {spread(found['copy'])} | | {rate:.3g} | | |")
    return lines
