"""Train a small byte-level Llama on the Python standard library's own sources.

    python train.py OUT [--steps N]

OUT/model is the checkpoint (bf16, save_pretrained), OUT/heldout.bin the bytes it never saw, and
OUT/train.json the record: seed, data and its SHA-256, versions, loss curve. One thread, one seed.
The data comes with the interpreter that runs this: no download.
"""

import argparse
import hashlib
import json
import math
import platform
import sysconfig
import time
from pathlib import Path

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

SEED = 20261123
SEQUENCE, BATCH = 256, 8
PEAK_RATE, WARMUP = 1.5e-3, 40


def corpus():
    """Top-level modules of the standard library, by name; every 16th is held out."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"), key=lambda path: path.name)
    files = [path for path in files if not path.name.startswith("_sysconfigdata")]
    held = [path for index, path in enumerate(files) if index % 16 == 7]
    train = [path for path in files if path not in held]
    return [(name, [p.name for p in part], b"".join(p.read_bytes() for p in part))
            for name, part in (("train", train), ("heldout", held))]


def batches(data, generator):
    tokens = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    while True:
        starts = torch.randint(len(tokens) - SEQUENCE - 1, (BATCH,), generator=generator)
        yield torch.stack([tokens[start : start + SEQUENCE] for start in starts]).long()


def rate(step, steps):
    if step < WARMUP:
        return PEAK_RATE * (step + 1) / WARMUP
    return PEAK_RATE * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (steps - WARMUP))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)

    (_, train_files, train_data), (_, held_files, held_data) = corpus()
    config = LlamaConfig(
        vocab_size=256, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=SEQUENCE,
        tie_word_embeddings=False, bos_token_id=None, eos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    parameters = sum(p.numel() for p in model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    source = batches(train_data, torch.Generator().manual_seed(SEED))

    curve, started, running = [], time.monotonic(), []
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, options.steps)
        ids = next(source)
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running.append(loss.item())
        if step == 0 or (step + 1) % 50 == 0:
            curve.append([step + 1, round(sum(running) / len(running), 4)])
            running = []
            print(f"step {step + 1}: {curve[-1][1]} nats per byte, {time.monotonic() - started:.0f} s", flush=True)

    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "heldout.bin").write_bytes(held_data)
    record = {
        "seed": SEED, "steps": options.steps, "sequence": SEQUENCE, "batch": BATCH, "threads": 1,
        "parameters": parameters, "seconds": round(time.monotonic() - started),
        "torch": torch.__version__, "transformers": transformers.__version__,
        "data": {
            "source": f"top-level *.py of Python {platform.python_version()}'s standard library",
            "train": {"files": len(train_files), "bytes": len(train_data),
                      "sha256": hashlib.sha256(train_data).hexdigest()},
            "heldout": {"files": held_files, "bytes": len(held_data),
                        "sha256": hashlib.sha256(held_data).hexdigest()},
        },
        "loss": curve,
    }
    (options.out / "train.json").write_text(json.dumps(record, indent=2) + "\n")
    model.to(torch.bfloat16).save_pretrained(options.out / "model")


if __name__ == "__main__":
    main()
