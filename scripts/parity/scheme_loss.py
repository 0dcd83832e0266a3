"""Held-out loss of the model that train.py made, before and after each scheme.

    python scheme_loss.py TRAINED [--windows N] [--draws N] [--noise 0.092] [--schemes "nf4 64" "int4 64 +dq" ...]

Run `npm run build` first. Loss is nats per byte over the first N windows of 256 bytes of the held-out data,
computed in float32; perplexity is exp(loss), per byte; KL is the mean divergence from the original model's
predictions, in thousandths of a nat. The change of a loss depends on luck: --draws says how much, by shuffling
the columns of every weight before a scheme and putting them back, and --noise by normal noise instead of a scheme.
"""

import argparse
import math
from pathlib import Path

import torch
import transformers
from roundtrip import add_arguments, measure_all, table_row

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
WINDOW, BATCH = 256, 32


def load(path):
    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def predictions(model, ids):
    with torch.no_grad():
        for part in ids.split(BATCH):
            yield part, model(input_ids=part).logits[:, :-1].log_softmax(-1)


def loss_of(pairs):
    """Nats per byte; all windows are equally long."""
    return torch.cat([-logs.gather(-1, part[:, 1:, None]).double().flatten() for part, logs in pairs]).mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trained", type=Path)
    parser.add_argument("--windows", type=int, default=256)
    add_arguments(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)

    data = torch.frombuffer(bytearray((options.trained / "heldout.bin").read_bytes()), dtype=torch.uint8)
    ids = data[: len(data) // WINDOW * WINDOW].view(-1, WINDOW).long()[: options.windows]
    path = options.trained / "model"
    original = list(predictions(load(path), ids))
    before = loss_of(original)

    def measure(model):
        pairs = list(predictions(model, ids))
        change = loss_of(pairs) - before
        divergence = sum(torch.nn.functional.kl_div(logs, target, log_target=True, reduction="sum").item()
                         for (_, logs), (_, target) in zip(pairs, original, strict=True))  # fmt: skip
        return change, 100 * (math.exp(change) - 1), 1000 * divergence / (len(ids) * (WINDOW - 1))

    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {len(ids)} windows of {WINDOW} bytes, "
          f"{options.draws} draws; original: {before:.4f} nats per byte, perplexity {math.exp(before):.3f}\n")
    print("| scheme | bits per weight | relative RMS error | nats per byte | perplexity % | KL · 1000 |")
    print("|---|--:|--:|--:|--:|--:|", flush=True)
    for row in measure_all(path, load, measure, options):
        print(table_row(*row, ["{:+.4f}", "{:+.2f}", "{:.2f}"]), flush=True)


main()
