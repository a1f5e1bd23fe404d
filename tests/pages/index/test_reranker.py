"""The reranker reads a question and a text at once: its real weights."""

from __future__ import annotations

import pytest

from pages.index.reranker import Reranker


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    return Reranker(threads=1)


def test_what_answers_in_other_words_is_more_relevant_than_what_shares_them(reranker: Reranker) -> None:
    answers, shares, apart = reranker.score(
        "how long is parental leave",
        [
            "Mothers and fathers get twelve weeks off after a birth.",
            "Parental leave is explained in the handbook.",
            "Lunch is at noon.",
        ],
    )
    assert answers > shares > apart
    assert apart < -8


def test_any_number_of_texts_of_any_length_is_read(reranker: Reranker) -> None:
    assert reranker.score("leave?", []) == []
    texts = ["", "leave " * 3000, "\ud800", "Parents get twelve weeks of leave."]
    scores = reranker.score("How long is parents' leave? " * 3, texts)
    assert len(scores) == 4
    assert max(scores) == scores[3]
    assert reranker.score("leave " * 3000, texts[3:])[0] > -11.5
