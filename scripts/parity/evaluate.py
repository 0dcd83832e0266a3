"""Held-out loss of the model that train.py made, and of its quantized checkpoints.

    python evaluate.py TRAINED WORK --cli CLI.JS [--backend native|torch] [--windows N]

Loss is nats per byte over the first N windows of 256 bytes of the held-out data.
"""

import argparse
import json
import logging
import os
import subprocess
import warnings
from pathlib import Path

from native import hide_native_library

os.environ["TORCHDYNAMO_DISABLE"] = "1"
parser = argparse.ArgumentParser()
parser.add_argument("trained", type=Path)
parser.add_argument("work", type=Path)
parser.add_argument("--cli", required=True)
parser.add_argument("--backend", choices=["native", "torch"], default="torch")
parser.add_argument("--windows", type=int, default=256)
options = parser.parse_args()
if options.backend == "torch":
    hide_native_library()

import torch  # noqa: E402
import transformers  # noqa: E402

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore")
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
torch.set_num_threads(1)

SCHEMES = {
    "nf4+dq": [],
    "nf4": ["--no-double-quant"],
    "fp4": ["--quant-type", "fp4", "--no-double-quant"],
    "fp4+dq": ["--quant-type", "fp4"],
    "llm-int8": ["--quant-type", "llm-int8"],
}
WINDOW = 256


def evaluate(path, against=None):
    """(nats per byte, mean Kullback-Leibler divergence from `against`'s predictions, the predictions)"""
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype="auto").eval()
    data = torch.frombuffer(bytearray((options.trained / "heldout.bin").read_bytes()), dtype=torch.uint8)
    ids = data[: options.windows * WINDOW].view(-1, WINDOW).long()
    loss, divergence, predictions = 0.0, 0.0, []
    with torch.no_grad():
        for number, part in enumerate(ids.split(16)):
            logs = model(input_ids=part).logits[:, :-1].float().log_softmax(-1)
            loss -= logs.gather(-1, part[:, 1:, None]).double().sum().item()
            if against is None:
                predictions.append(logs)
            else:
                divergence += torch.nn.functional.kl_div(logs, against[number], log_target=True, reduction="sum").item()
    count = ids.numel() - len(ids)
    return loss / count, divergence / count, predictions


def main():
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, backend {options.backend}, "
          f"{options.windows} windows")
    base, _, predictions = evaluate(options.trained / "model")
    size = (options.trained / "model" / "model.safetensors").stat().st_size
    print(f"| bf16 | {size:,} | 16 | {base:.4f} | | |")
    for name, flags in SCHEMES.items():
        out = options.work / f"trained-{name}"
        summary = subprocess.run(
            ["node", options.cli, "quantize", str(options.trained / "model"), "-o", str(out), "--overwrite", "--quiet",
             "--json", *flags], check=True, capture_output=True, text=True).stdout  # fmt: skip
        loss, divergence, _ = evaluate(out, predictions)
        bits, size = json.loads(summary)["bitsPerWeight"], (out / "model.safetensors").stat().st_size
        print(f"| {name} | {size:,} | {bits:.3f} | {loss:.4f} | {loss - base:+.4f} | {divergence:.5f} |", flush=True)


main()
