"""The format of questions over pages, and the rule that judges their answers."""

from __future__ import annotations

import importlib.util
import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.records import Answer, Channel, Citation, Question, Timings
from model.evaluation.metrics import DatasetInvalid, sample_evenly
from model.evaluation.question_sets import (
    PageQuestion,
    assign_fold,
    is_named_in,
    is_right,
    is_too_long,
    read_questions,
    strip_markers,
    to_plain,
)
from tests.needs import ROOT

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FACT = PageQuestion("q1", "fact", "leave.md", "How long?", (("240", "two hundred forty"), ("hour",)))
ABSENT = PageQuestion("q2", "absent", "leave.md", "And dogs?", ())


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("You can’t take 1,200 hours, can you?", "you cant take 1200 hours can you"),
        ("50% by 5pm, or 11 am", "50 percent by 5 pm or 11 am"),
        ("  **Bold** _and_ `code`\n- café ", "bold and code café"),
        ("rock 'n' roll's", "rock n rolls"),
        ("10,00 and 1,2345", "10 00 and 12345"),
    ],
)
def test_texts_are_made_plain_before_they_are_compared(text: str, compared: str) -> None:
    assert to_plain(text) == compared


@pytest.mark.parametrize(
    ("answer", "alternative", "stands"),
    [
        ("Your supervisors approve it.", "supervis", True),
        ("An unsupervised thing", "supervis", False),
        ("up to 240 hours", "24", False),
        ("up to 24 hours", "24", True),
        ("24h a day", "24", True),
        ("the GSA pays", "gs", False),
        ("a GS 12", "gs", True),
        ("Yes, you may.", "yes", True),
        ("Well, yes.", "yes", False),
        ("There is no limit.", "no", False),
        ("No limit.", "No", True),
        ("costs $1,000", "1000", True),
    ],
)
def test_an_alternative_stands_where_a_word_begins(answer: str, alternative: str, stands: bool) -> None:
    assert is_named_in(answer, alternative) is stands


def test_every_group_is_named_and_nothing_of_what_must_not() -> None:
    assert is_right(FACT, "240 hours", declined=False)
    assert not is_right(FACT, "240 days", declined=False)
    assert not is_right(replace(FACT, must_not=("sick",)), "240 hours of sick leave", declined=False)


def test_declining_is_right_only_where_the_pages_do_not_tell() -> None:
    assert is_right(ABSENT, "I found nothing.", declined=True)
    assert not is_right(ABSENT, "Dogs may come.", declined=False)
    assert not is_right(FACT, "I found nothing but 240 hours", declined=True)


def test_markers_of_citations_are_no_numbers_that_an_answer_names() -> None:
    question = Question("q", "How long?", "a", "c", Channel.COMMAND_LINE, NOW)
    cited = (Citation("/leave", "Leave", "", "quote"),)
    answer = Answer("a", question, "", (), cited, "v", Timings(), NOW)
    assert strip_markers("Use arr[0], or 240 hours [1]. See [7].", answer) == (
        "Use arr[0], or 240 hours. See [7]."
    )


def test_half_a_page_is_no_answer_but_a_list_may_be_longer() -> None:
    assert not is_too_long("word " * 80 + "– | *")
    assert is_too_long("word " * 81)
    assert is_too_long("- one item " + "word " * 90)
    steps = "Do this:\n\n1. " + "word " * 70 + "\n2. " + "word " * 70
    assert not is_too_long(steps)
    assert is_too_long(steps + "word " * 10)


def line(**fields: Any) -> dict[str, Any]:
    row = {
        "id": "q",
        "kind": "fact",
        "page": "leave.md",
        "question": "How?",
        "must": [["ten"]],
        "evidence": [],
    }
    return row | fields


def write(file: Path, *rows: Any) -> Path:
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", "utf-8")
    return file


def test_a_file_is_read_and_a_limit_spreads_over_it(tmp_path: Path) -> None:
    rows = [line(id=f"q{number}") for number in range(10)]
    rows[3] |= {"kind": "followup", "before": "What?", "must_not": ["no"], "also": ["b.md"]}
    rows[4] |= {"kind": "absent", "must": [], "searched": ["dog"]}
    questions = read_questions(write(tmp_path / "q.jsonl", *rows))
    assert questions[3].before == "What?"
    assert questions[3].must_not == ("no",)
    assert questions[4].is_absent
    assert [one.id for one in sample_evenly(questions, 3)] == ["q0", "q3", "q6"]
    assert sample_evenly(questions, 0) == sample_evenly(questions, 50) == questions


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([], "no JSON object"),
        ({"id": "q"}, "'kind' is missing"),
        (line(kind="riddle"), "riddle"),
        (line(must=[]), "absent"),
        (line(kind="absent"), "absent"),
        (line(must=["ten"]), "lists of texts"),
        (line(must=[[]]), "empty"),
        (line(must=[["…"]]), "no word"),
        (line(must_not=["!"]), "no word"),
    ],
)
def test_a_line_that_is_no_question_gets_a_sentence_with_its_number(
    tmp_path: Path, row: Any, says: str
) -> None:
    with pytest.raises(DatasetInvalid, match=rf"q\.jsonl, line 2, .*{says}"):
        read_questions(write(tmp_path / "q.jsonl", line(), row))


def test_the_example_of_the_docs_is_such_a_file(tmp_path: Path) -> None:
    docs = ROOT / "docs"
    example = (docs / "evaluating.md").read_text("utf-8").partition("```json\n")[2].partition("```")[0]
    (tmp_path / "questions.jsonl").write_text(example, "utf-8")
    questions = read_questions(tmp_path / "questions.jsonl")
    assert [asked.kind for asked in questions] == ["fact", "followup", "absent"]
    for asked in questions:
        page = (docs / asked.page).read_text("utf-8")
        assert all(text in page for text in asked.evidence)
        assert is_right(asked, " ".join(asked.evidence), declined=asked.is_absent)


def test_a_file_without_questions_or_with_one_twice_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetInvalid, match="same id"):
        read_questions(write(tmp_path / "q.jsonl", line(), line()))
    with pytest.raises(DatasetInvalid, match="no question"):
        read_questions(write(tmp_path / "empty.jsonl"))
    with pytest.raises(DatasetInvalid, match="cannot be read"):
        read_questions(tmp_path / "nowhere.jsonl")


def test_a_page_lies_in_one_fold_and_the_folds_are_about_alike() -> None:
    folds = [assign_fold(f"{number}.md", 5) for number in range(1000)]
    assert {150 < folds.count(fold) < 250 for fold in range(1, 6)} == {True}


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("shared_judge", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WORDS = [
    "yes",
    "no",
    "Yes,",
    "No.",
    "can't",
    "it's",
    "the",
    "GS",
    "GSA",
    "supervisor",
    "approv",
    "ed",
    "hour",
    "s",
]
NUMBERS = ["5pm", "5", "PM", "11am", "1,000", "24", "240", "24,5", "twelve", "1–2", "50%", "[1]"]
PIECES = [*"’'‘,.%-–()*_|\néÖß÷İ²½", *WORDS, *NUMBERS, "U.S.", "e.g.", "non-"]


def test_the_rule_is_that_of_the_public_questions(shared_data: Path) -> None:
    theirs = load(shared_data / "questions" / "validate.py")
    file = shared_data / "questions" / "dev.jsonl"
    rows = [json.loads(row) for row in file.read_text("utf-8").splitlines()]
    dice = random.Random(7)  # noqa: S311 - made-up answers
    rights = 0
    for asked, row in zip(read_questions(file), rows, strict=True):
        chosen = [[dice.choice(group) for group in row["must"]] for _ in range(4)]
        parts = [*row["evidence"], *row.get("must_not", []), row["question"], *PIECES]
        answers = [" and ".join(one) for one in chosen] + [" ".join(row["evidence"])]
        answers += [dice.choice(" .,'").join(dice.sample(parts, 6) + one[1:]) for one in chosen]
        answers += ["".join(dice.choices(PIECES, k=12)) for _ in range(6)]
        for answer in answers:
            for declined in (False, True):
                right = theirs.judge(row, answer, declined)
                assert is_right(asked, answer, declined=declined) == right, (asked, answer)
                rights += right
    assert rights > len(rows)


def test_words_stand_in_made_up_texts_as_the_public_rule_says(shared_data: Path) -> None:
    theirs = load(shared_data / "questions" / "validate.py")
    dice = random.Random(8)  # noqa: S311 - made-up answers
    found = 0
    for _ in range(20_000):
        answer = dice.choice(("", " ")).join(dice.choices(PIECES, k=8))
        alternative = dice.choice(("", " ")).join(dice.choices(PIECES, k=dice.choice((1, 1, 2))))
        assert to_plain(answer) == theirs.norm(answer)
        if to_plain(alternative):
            assert is_named_in(answer, alternative) == theirs.holds(answer, alternative), (
                answer,
                alternative,
            )
            found += is_named_in(answer, alternative)
    assert found > 1_000
