"""Passages are compared with a question word by word."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.records import Passage
from pages.index.embeddings import Embedder, HashedEmbedder
from pages.index.word_matching import match_words

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def passage(text: str, heading: str = "") -> Passage:
    return Passage("/p", "Page", heading, text, "h", NOW)


def test_each_word_that_is_asked_about_counts_as_much_as_the_nearest_one_of_the_passage() -> None:
    passages = [passage("Parking permits."), passage("Parking."), passage("Lunch.")]
    scores = match_words(HashedEmbedder(), "How do I get parking permits?", passages)
    assert scores[0] == pytest.approx(1)
    assert scores[0] > scores[1] > scores[2]


def test_a_heading_is_read_with_its_passage() -> None:
    under, alone = match_words(
        HashedEmbedder(), "parking", [passage("It is free.", "Parking"), passage("It is.")]
    )
    assert under == pytest.approx(1)
    assert alone < under


def test_a_question_without_words_of_meaning_is_compared_by_the_words_it_has() -> None:
    [same, other] = match_words(HashedEmbedder(), "what is it?", [passage("What is it"), passage("Lunch")])
    assert same > other


def test_nothing_to_compare_is_no_match() -> None:
    assert match_words(HashedEmbedder(), "?!", [passage("Parking."), passage("")]) == [0.0, 0.0]
    assert match_words(HashedEmbedder(), "parking", []) == []


def test_a_passage_in_other_words_is_nearer_than_one_about_something_else() -> None:
    passages = [
        passage("Employees drive to the office."),
        passage("You can cancel the subsidy in the portal."),
    ]
    apart, near = match_words(Embedder(threads=1), "how do I get out of the benefit", passages)
    assert near > apart


def test_the_pieces_of_a_text_have_a_vector_each() -> None:
    [(pieces, vectors), (none, nothing)] = Embedder(threads=1).embed_pieces(["Paid leave, twice.", ""])
    assert pieces == ("paid", "leave", ",", "twice", ".")
    assert vectors.shape == (5, 384)
    assert (vectors**2).sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert (none, nothing.shape) == ((), (0, 384))
