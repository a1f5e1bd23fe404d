"""Sentences are kept in blocks of bytes, and compared as they were embedded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pages.index.chunking import Sentence
from pages.index.embeddings import DIMENSIONS, HashedEmbedder, Vectors, best, pack, spans, unpack_known


class Chance(HashedEmbedder):
    """Directions by chance: every number of them counts, as those of a model do."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.texts_seen += len(texts)
        chance = np.random.default_rng(len("".join(texts)))
        vectors = chance.normal(size=(len(texts), DIMENSIONS)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


SENTENCES = [Sentence(0, 5, "One."), Sentence(6, 9, "Two."), Sentence(70_000, 70_009, "One.")]


def test_cosines_are_kept_to_the_second_decimal() -> None:
    embedder = Chance()
    one, two = embedder.embed(["One.", "Two."])
    [block, empty] = pack([SENTENCES, []], {}, embedder)
    for question in (one, two, (one + two) / np.linalg.norm(one + two)):
        found = spans(block, question)
        assert [(span.start, span.end) for span in found] == [(0, 5), (6, 9), (70_000, 70_009)]
        expected = [one @ question, two @ question, one @ question]
        assert [span.similarity for span in found] == pytest.approx(expected, abs=0.005)
    assert spans(empty, one) == ()


def test_what_is_known_is_not_embedded_again() -> None:
    embedder = HashedEmbedder()
    known: dict[bytes, bytes] = {}
    blocks = pack([SENTENCES], known, embedder)
    assert embedder.texts_seen == len(known) == 2
    assert pack([SENTENCES[:1], SENTENCES[1:]], unpack_known(blocks), embedder)
    assert embedder.texts_seen == 2


def test_the_best_sentence_of_none_is_the_passage() -> None:
    embedder = HashedEmbedder()
    [block] = pack([SENTENCES], {}, embedder)
    assert best(spans(block, embedder.embed(["One."])[0]), 0.5) == pytest.approx(1, abs=0.005)
    assert best((), 0.5) == 0.5
