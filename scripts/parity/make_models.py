"""Small transformers models with seeded random weights, saved in bf16 and f32 (one in f16 too).

    python make_models.py OUT

Each lands in OUT/<name>-<dtype>. Weights are normal(0, 0.04), norms near 1, biases normal(0, 0.02), with
a few large outliers, so that logits depend on every layer. Most Linear sizes are multiples of 64; the
`odd` models have partial last blocks, odd rows and odd element counts.
"""

import sys
from pathlib import Path

import torch
import transformers as tf

SEED = 7

LLAMA = dict(vocab_size=256, hidden_size=128, intermediate_size=320, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
             bos_token_id=1, eos_token_id=2, pad_token_id=0)  # fmt: skip
ODD_LLAMA = {**LLAMA, "hidden_size": 36, "intermediate_size": 75, "num_attention_heads": 3, "num_key_value_heads": 1}
BERT = dict(vocab_size=256, hidden_size=128, intermediate_size=256, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=64)  # fmt: skip
ODD_BERT = {**BERT, "hidden_size": 33, "intermediate_size": 51, "num_attention_heads": 3}
T5 = dict(vocab_size=256, d_model=128, d_ff=256, d_kv=32, num_layers=2, num_heads=4, decoder_start_token_id=0)

MODELS = {
    "llama": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**LLAMA, tie_word_embeddings=False)),
    "llama-odd": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**ODD_LLAMA, tie_word_embeddings=False)),
    "llama-bias": lambda: tf.LlamaForCausalLM(
        tf.LlamaConfig(**LLAMA, attention_bias=True, mlp_bias=True, tie_word_embeddings=False)),
    "qwen3": lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**LLAMA, head_dim=32, tie_word_embeddings=False)),
    "qwen3-tied": lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**LLAMA, head_dim=32, tie_word_embeddings=True)),
    "gemma": lambda: tf.GemmaForCausalLM(tf.GemmaConfig(**LLAMA, head_dim=32)),
    "gpt2": lambda: tf.GPT2LMHeadModel(tf.GPT2Config(
        vocab_size=256, n_embd=128, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)),
    "t5": lambda: tf.T5ForConditionalGeneration(tf.T5Config(**T5)),
    "t5-gated": lambda: tf.T5ForConditionalGeneration(
        tf.T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "bert": lambda: tf.BertModel(tf.BertConfig(**BERT)),
    "bert-odd": lambda: tf.BertModel(tf.BertConfig(**ODD_BERT)),
    "bert-classifier": lambda: tf.BertForSequenceClassification(tf.BertConfig(**BERT, num_labels=3)),
    "bert-mlm": lambda: tf.BertForMaskedLM(tf.BertConfig(**BERT)),
    "phi3": lambda: tf.Phi3ForCausalLM(tf.Phi3Config(**LLAMA, tie_word_embeddings=False)),
    "opt": lambda: tf.OPTForCausalLM(tf.OPTConfig(
        vocab_size=256, hidden_size=128, ffn_dim=256, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, word_embed_proj_dim=128, pad_token_id=0, bos_token_id=1, eos_token_id=2)),
    "mixtral": lambda: tf.MixtralForCausalLM(tf.MixtralConfig(**LLAMA, num_local_experts=4, tie_word_embeddings=False)),
}  # fmt: skip
HALF = {"llama"}


def fill(model, generator):
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1:
            value = noise * 0.02 + (1 if "norm" in name.lower() and name.endswith("weight") else 0)
        else:
            value = noise * 0.04
            outliers = torch.rand(parameter.shape, generator=generator) < 1e-3
            value = torch.where(outliers, value * 8, value)
        parameter.data.copy_(value)
    model.tie_weights()


def main(out):
    for name, build in MODELS.items():
        torch.manual_seed(SEED)
        model = build().eval()
        fill(model, torch.Generator().manual_seed(SEED))
        dtypes = {"f32": torch.float32, **({"f16": torch.float16} if name in HALF else {}), "bf16": torch.bfloat16}
        for label, dtype in dtypes.items():
            copy = build().eval()
            copy.load_state_dict(model.state_dict())
            copy.tie_weights()
            copy.to(dtype).save_pretrained(out / f"{name}-{label}")
        print(name, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
