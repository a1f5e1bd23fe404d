"""The vectors of a passage's sentences as they are kept: one block of bytes a passage, whatever keeps it.

A sentence takes 408 bytes: where it stands, a hash of what was embedded for it (so that it is not embedded again), and
its direction in 8-bit numbers. That changes a cosine by less than 0.005, and none of the figures of
`python -m benchmarks.retrieval`; half precision would take twice as much to read at every search.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pages.embed import DIMENSIONS, Embeds, Vectors
from pages.passages import Sentence
from records import Span

_STEPS = 127
_KEPT = np.dtype(
    [("start", "<u4"), ("end", "<u4"), ("text", "S16"), ("direction", "i1", (DIMENSIONS,))],
)

Kept = NDArray[np.void]
"""Sentences as they are kept, in their order."""
Known = dict[bytes, bytes]
"""Directions by the hash of what was embedded."""


def known_in(blocks: Iterable[bytes]) -> Known:
    """Return the directions that some blocks have."""
    return {bytes(one["text"]): one["direction"].tobytes() for block in blocks for one in _unpacked(block)}


def pack(passages: Sequence[Sequence[Sentence]], known: Known, embedder: Embeds) -> list[bytes]:
    """Return a block a passage; only what `known` lacks is embedded, and is known afterwards."""
    hashes = {sentence.text: _text_hash(sentence.text) for sentences in passages for sentence in sentences}
    new = [text for text, name in hashes.items() if name not in known]
    if new:
        for text, vector in zip(new, _directions(embedder.embed(new)), strict=True):
            known[hashes[text]] = vector.tobytes()
    return [_block(sentences, hashes, known) for sentences in passages]


def _block(sentences: Sequence[Sentence], hashes: Mapping[str, bytes], known: Known) -> bytes:
    block = np.zeros(len(sentences), _KEPT)
    for row, sentence in enumerate(sentences):
        name = hashes[sentence.text]
        block[row] = (sentence.start, sentence.end, name, np.frombuffer(known[name], np.int8))
    return block.tobytes()


def _unpacked(block: bytes) -> Kept:
    return np.frombuffer(block, _KEPT)


def _text_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16].encode()


def _directions(vectors: Vectors) -> NDArray[np.int8]:
    longest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-12)
    return np.asarray(np.round(vectors / longest * _STEPS), np.int8)


def spans(block: bytes, question: Vectors) -> tuple[Span, ...]:
    """Return a passage's sentences with their cosines to a question's vector (of length 1)."""
    kept = _unpacked(block)
    directions = kept["direction"].astype(np.float32)
    lengths = np.maximum(np.sqrt(np.einsum("ij,ij->i", directions, directions)), 1e-12)
    cosines = np.einsum("ij,j->i", directions, question) / lengths
    return tuple(
        Span(int(start), int(end), float(cosine))
        for start, end, cosine in zip(kept["start"], kept["end"], cosines, strict=True)
    )


def best(found: Sequence[Span], otherwise: float) -> float:
    """Return the cosine of the nearest sentence, or something else for a passage without sentences."""
    return max((span.similarity for span in found), default=otherwise)
