"""Held-out loss of the model that train.py made, before and after each scheme.

    python scheme_loss.py TRAINED [--windows N] [--noise 0.09] [--schemes "nf4 64" "int4 64 +dq" ...]

Run `npm run build` first. Loss is nats per byte over the first N windows of 256 bytes of the held-out data,
computed in float32; perplexity is exp(loss), per byte. The standard error is that of the mean change over the
windows. KL divergence is from the predictions of the original weights. --noise adds rows with normal noise instead
of a scheme, one a seed: how much of a change in loss is luck.
"""

import argparse
import math
from pathlib import Path

import torch
import transformers
from roundtrip import add_arguments, each_noise, each_scheme

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
WINDOW, BATCH = 256, 32


def load(path):
    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def predictions(model, ids):
    with torch.no_grad():
        for part in ids.split(BATCH):
            yield part, model(input_ids=part).logits[:, :-1].log_softmax(-1)


def measure(model, ids, wanted):
    """Nats per byte of each window, and the mean KL divergence from `wanted`."""
    loss, divergence = [], 0.0
    for (part, logs), target in zip(predictions(model, ids), wanted, strict=True):
        loss.append(loss_of(part, logs))
        divergence += torch.nn.functional.kl_div(logs, target, log_target=True, reduction="sum").item()
    return torch.cat(loss), divergence / (len(ids) * (WINDOW - 1))


def loss_of(part, logs):
    return -logs.gather(-1, part[:, 1:, None]).squeeze(-1).double().mean(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trained", type=Path)
    parser.add_argument("--windows", type=int, default=256)
    add_arguments(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)

    data = torch.frombuffer(bytearray((options.trained / "heldout.bin").read_bytes()), dtype=torch.uint8)
    ids = data[: len(data) // WINDOW * WINDOW].view(-1, WINDOW).long()
    ids = ids[: options.windows]
    path = options.trained / "model"
    pairs = list(predictions(load(path), ids))
    wanted = [logs for _, logs in pairs]
    base = torch.cat([loss_of(*pair) for pair in pairs])
    before = base.mean().item()

    def row(name, bits, relative, model):
        loss, divergence = measure(model, ids, wanted)
        change = loss - base
        error = (change.std() / len(change) ** 0.5).item()
        rise = math.exp(change.mean().item()) - 1
        print(f"| {name} | {bits} | {100 * relative:.2f} % | {loss.mean():.4f} | {change.mean():+.4f} ± {error:.4f} | "
              f"{100 * rise:+.2f} % | {divergence:.5f} |", flush=True)

    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {len(ids)} windows of {WINDOW} bytes")
    print("| scheme | bits per weight | relative RMS error | nats per byte | change ± standard error | perplexity | KL |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    print(f"| original | | | {before:.4f} | | {math.exp(before):.3f} | |", flush=True)
    if options.noise:
        for seed, model in each_noise(path, load, options.noise, options.seeds):
            row(f"noise, seed {seed}", "", options.noise, model)
    for name, restored, figures in each_scheme(path, options.schemes):
        row(name, f"{figures['bitsPerWeight']:.3f}", figures["relativeRms"], load(restored))


main()
