"""Make a Llama of a few hundred kilobytes: everything that the engine does, in milliseconds.

Run as: python -m tests.processes.tiny_llama FOLDER [SEED [LETTERS]]

With random weights what it says hangs by the last bits of its logits: another processor, or another part of
the prompt in the cache, rounds otherwise and says something else. With 16 LETTERS it is an echo
(`tests/doubles/echo.py`), whose words no rounding comes near to changing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.doubles.echo import BACK, CODE_BITS, LETTERS

# pyright: basic
# (torch and transformers are typed in parts only)

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<filename>"]
TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SHARPNESS = 160.0
"""By which the token BACK ago fits at least 20 nats better than any other: softmax leaves those nothing."""


def main(folder: Path, seed: int, letters: str) -> None:
    """Write a Hugging Face directory."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: at for at, word in enumerate([*CONTROL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",  # noqa: S106 - not a secret
        additional_special_tokens=[word for word in CONTROL if word != "<|im_end|>"],
        chat_template=TEMPLATE,
    )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.2,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight[config.eos_token_id] = 0  # it never stops by itself: tests say when
        if letters:
            make_echo(model, [vocabulary[letter] for letter in letters])
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


def make_echo(model, letters: list[int]) -> None:
    """Write weights by which the first layer copies, and nothing else decides.

    The residual stream has three parts: CODE_BITS of plus and minus one, which name the letter that the token
    is said as, and a constant; the copy of the code of the token BACK before the next one; and the rest, in
    which the random weights of the MLPs and of the second layer have their way, unread.
    """
    config, first = model.config, model.model.layers[0].self_attn
    code, copy = slice(0, CODE_BITS), slice(CODE_BITS + 1, 2 * CODE_BITS + 1)
    constant, rest = CODE_BITS, 2 * CODE_BITS + 1
    codes = 2.0 * (torch.arange(LETTERS)[:, None] >> torch.arange(CODE_BITS) & 1) - 1
    embedding = model.model.embed_tokens.weight
    embedding.zero_()
    embedding[:, code] = codes[torch.arange(config.vocab_size) % LETTERS]
    embedding[:, constant] = 1.0
    for layer in model.model.layers:
        layer.mlp.down_proj.weight[:rest] = 0
        layer.self_attn.o_proj.weight[:rest] = 0
    # After the norm each of the (CODE_BITS + 1) numbers is this large, for every token alike.
    size = (config.hidden_size / (CODE_BITS + 1)) ** 0.5
    half = config.hidden_size // config.num_attention_heads // 2
    angles = (BACK - 1) * 10_000.0 ** (-torch.arange(half) / half)
    # Keys and queries are turned by their positions: a query that is turned back fits the key that far before
    # it.
    key = torch.cat([torch.ones(half), torch.zeros(half)])
    query = torch.cat([angles.cos(), -angles.sin()])
    for weight, vector in ((first.k_proj.weight, key), (first.q_proj.weight, query)):
        weight.zero_()
        weight[:, constant] = vector.repeat(weight.shape[0] // vector.numel()) * SHARPNESS**0.5 / size
    first.v_proj.weight[:CODE_BITS] = 0
    first.v_proj.weight[:CODE_BITS, code] = torch.eye(CODE_BITS)
    first.o_proj.weight[copy, :CODE_BITS] = torch.eye(CODE_BITS)
    model.lm_head.weight.zero_()
    model.lm_head.weight[letters, copy] = codes


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]) if sys.argv[2:] else 7,
        sys.argv[3] if sys.argv[3:] else "",
    )
