"""What a tiny echo of a model says (`tests/processes/tiny_llama.py`): the tokens BACK before, in its letters.

It is right only where the cache holds the right tokens at the right places, and of two echoes with other
letters every single letter shows which one said it. The right letter's logit is twice the next one's, so it
is said on every processor, however much of the prompt is computed at one go.
"""

from __future__ import annotations

from model.inference.tokenizer import ChatText

BACK = 24
"""A prompt must have as many tokens: at its beginning an echo mixes what it has."""
CODE_BITS = 4
LETTERS = 1 << CODE_BITS
LOWER, UPPER = "abcdefghijklmnop", "ABCDEFGHIJKLMNOP"


def echo(text: ChatText, prompt: str, tokens: int, letters: str = LOWER) -> str:
    """Return what an echo must say."""
    return text.decode(echoed(text.encode(prompt), tokens, text.encode(letters)))


def echoed(ids: list[int], tokens: int, letters: list[int]) -> list[int]:
    """Return what an echo must say, all in token ids."""
    assert len(ids) >= BACK
    known = list(ids)
    for _ in range(tokens):
        known.append(letters[known[-BACK] % LETTERS])
    return known[len(ids) :]
