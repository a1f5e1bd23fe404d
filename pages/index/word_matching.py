"""How well passages match a question word by word: late interaction over the embedding model's word pieces.

    match_words(embedder, "how do I get out of it", passages)     one score a passage, higher is nearer

Each word piece that is asked about is compared with every piece of a passage, and its greatest cosine
counts; the score is their mean (Khattab and Zaharia, ColBERT, SIGIR 2020). A piece's vector depends on what
stands around it, so "vacation" is near "annual leave" where a passage as a whole is not, and a passage that
lacks one of the words is behind one that has something for each. It costs a forward pass over the passages,
some 50 ms of processor time each, so only the few nearest are compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from core.records import Passage
from pages.index.chunking import build_search_text
from pages.index.embeddings import Embeds
from pages.index.ranking import is_asked_about


def match_words(embedder: Embeds, question: str, passages: Sequence[Passage]) -> list[float]:
    """Return the mean of the greatest cosines for each passage; all 0 where the question has no words."""
    texts = [build_search_text(one.title, one.heading, one.text) for one in passages]
    [(pieces, asked)], found = embedder.embed_pieces([question]), embedder.embed_pieces(texts)
    words = _list_words(pieces)
    chosen = [at for at in words if is_asked_about(pieces[at])] or words
    if not chosen:
        return [0.0] * len(passages)
    scores: list[float] = []
    for known, vectors in found:
        kept = vectors[_list_words(known)]
        nearest = np.einsum("ij,kj->ik", asked[chosen], kept).max(axis=1, initial=-1.0)
        scores.append(float(nearest.mean()))
    return scores


def make_matcher(embedder: Embeds) -> Callable[[str, Sequence[Passage]], Awaitable[Sequence[float]]]:
    """Return `match_words` with a model, in a thread: nobody else waits for it."""

    async def match(question: str, passages: Sequence[Passage]) -> Sequence[float]:
        return await asyncio.to_thread(match_words, embedder, question, passages)

    return match


def _list_words(pieces: Sequence[str]) -> list[int]:
    """Return where the pieces of words stand: a comma is near any other comma."""
    return [at for at, piece in enumerate(pieces) if any(letter.isalnum() for letter in piece)]
