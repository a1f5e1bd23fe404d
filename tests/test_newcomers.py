"""Newcomers' questions over our own docs: each can be answered from what stands there, and from no more."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations

import pytest

from benchmarks.questions import in_fold
from model.evaluation.question_sets import (
    KINDS,
    PageQuestion,
    is_right,
    is_too_long,
    read_questions,
    to_plain,
)
from tests.needs import ROOT

FILE = ROOT / "benchmarks" / "newcomers.jsonl"
QUESTIONS = read_questions(FILE)


def named(asked: PageQuestion) -> str:
    return asked.id


def test_there_are_thirty_of_every_kind() -> None:
    kinds = Counter(asked.kind for asked in QUESTIONS)
    assert len(QUESTIONS) == 30
    assert set(kinds) == set(KINDS)
    assert max(Counter(asked.page for asked in QUESTIONS).values()) <= len(QUESTIONS) / 4


@pytest.mark.parametrize("asked", QUESTIONS, ids=named)
def test_what_a_right_answer_names_stands_in_the_docs(asked: PageQuestion) -> None:
    pages = {page: (ROOT / "docs" / page).read_text("utf-8") for page in (asked.page, *asked.also)}
    for text in asked.evidence:
        assert any(text in page for page in pages.values()), (
            f"{asked.page} does not say any more: {text}; mend benchmarks/newcomers.jsonl with the docs"
        )
    if asked.is_absent:
        assert not asked.evidence
        return
    evidence = "\n".join(asked.evidence)
    if asked.kind == "yesno":
        assert any(is_right(asked, f"{word}{evidence}", declined=False) for word in ("", "Yes, ", "No, "))
    else:
        assert is_right(asked, evidence, declined=False)
    assert not is_too_long(evidence)
    assert not is_right(asked, f"{asked.before} {asked.question}", declined=False)


def test_what_is_asked_first_stands_with_follow_ups_and_what_was_looked_for_with_absent_ones() -> None:
    rows = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
    for row in rows:
        assert ("before" in row) == (row["kind"] == "followup")
        assert ("searched" in row) == (row["kind"] == "absent")


def test_no_two_ask_much_the_same() -> None:
    asked = {one.id: set(to_plain(f"{one.before} {one.question}").split()) for one in QUESTIONS}
    for (one, words), (other, others) in combinations(asked.items(), 2):
        assert len(words & others) / len(words | others) <= 0.6, f"{one} and {other}"


def test_each_question_is_in_one_fold_and_in_the_rest_of_all_others() -> None:
    folds = [in_fold(QUESTIONS, f"{number}/3") for number in (1, 2, 3)]
    assert sorted(one.id for fold in folds for one in fold) == [one.id for one in QUESTIONS]
    for number, fold in enumerate(folds, 1):
        rest = in_fold(QUESTIONS, f"{number}/3", rest=True)
        assert {one.page for one in fold}.isdisjoint(one.page for one in rest)
        assert len(fold) + len(rest) == len(QUESTIONS)
    with pytest.raises(SystemExit, match="K/N"):
        in_fold(QUESTIONS, "4/3")


@pytest.mark.parametrize("half", ["docs_tuned", "docs_counted"])
def test_what_answers_the_newer_questions_stands_in_the_docs(half: str) -> None:
    asked = read_questions(FILE.parent / "newcomers" / f"{half}.jsonl")
    missing = [
        one.id
        for one in asked
        if any(text not in (ROOT / "docs" / one.page).read_text("utf-8") for text in one.evidence)
    ]
    assert len(asked) == 20
    assert not missing
