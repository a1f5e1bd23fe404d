"""The measures, on answers whose scores can be worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.records import Answer, AnswerKind, Channel, Question, Timings
from model.evaluation.metrics import (
    Article,
    DatasetInvalid,
    Item,
    evaluate,
    judge,
    read_squad,
    score,
    token_f1,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ARTICLE = Article("Leave", ("New parents get 12 weeks.",))


def answer(text: str, *, kind: AnswerKind = AnswerKind.ANSWERED, seconds: float = 1.0) -> Answer:
    question = Question("q", "How long?", "a", "c", Channel.COMMAND_LINE, NOW)
    return Answer("a", question, text, (), (), "v", Timings(0.1, 0.5, seconds), NOW, kind)


def item(*references: str) -> Item:
    return Item("How long?", references, ARTICLE)


def test_f1_ignores_case_articles_and_punctuation() -> None:
    assert token_f1("The 12 weeks!", "12 Weeks") == 1.0
    assert token_f1("12 weeks of leave", "12 weeks") == pytest.approx(2 * 2 / (4 + 2))
    assert token_f1("", "12 weeks") == 0.0


def test_a_short_sentence_that_contains_the_reference_is_correct_but_not_strictly() -> None:
    judged = judge(item("12 weeks"), answer("Every new parent in the whole company gets 12 weeks of it. [1]"))
    assert judged.correct
    assert judged.f1 < 0.6
    assert score([judged]).strict_accuracy == 0.0


def test_a_long_answer_that_happens_to_contain_the_reference_is_not_correct() -> None:
    assert not judge(item("12 weeks"), answer("word " * 40 + "12 weeks")).correct


def test_part_of_a_word_is_not_the_reference() -> None:
    assert not judge(item("1"), answer("There are 12 of them, I believe, in every year.")).contained


def test_declining_is_right_only_without_a_reference() -> None:
    declined = answer("That is not on this page.", kind=AnswerKind.DECLINED)
    scores = score(
        [judge(item("12 weeks"), declined), judge(item(), declined), judge(item(), answer("Ten."))]
    )
    assert scores.accuracy == pytest.approx(1 / 3)
    assert scores.precision == 0.0
    assert scores.abstained == pytest.approx(2 / 3)
    assert scores.false_abstentions == 1.0
    assert scores.right_abstentions == 0.5
    assert scores.f1 == 0.0


def test_nothing_attempted_has_no_precision() -> None:
    assert score([judge(item(), answer("", kind=AnswerKind.DECLINED))]).precision is None
    assert score([]).accuracy is None


def test_latencies_are_percentiles() -> None:
    scores = score([judge(item("x"), answer("x", seconds=float(n))) for n in range(1, 102)])
    assert scores.latency_p50_s == 51.0
    assert scores.latency_p95_s == 96.0


def test_a_squad_file_is_read_and_a_limit_spreads_over_it(tmp_path: Path) -> None:
    article = {
        "title": "T",
        "paragraphs": [
            {
                "context": "C",
                "qas": [
                    {"question": f"Q{n}", "answers": [{"text": "A"}], "is_impossible": n == 0}
                    for n in range(10)
                ],
            }
        ],
    }
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"data": [article]}))
    items = read_squad(file)
    assert len(items) == 10
    assert items[0].references == ()
    assert items[1] == Item("Q1", ("A",), Article("T", ("C",)))
    assert [i.question for i in read_squad(file, 2)] == ["Q0", "Q5"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"data": [{"title": "x"}]}', '{"data": []}', '{"data": [[]]}', "null"]
)
def test_a_file_that_is_not_squad_gets_a_sentence(tmp_path: Path, content: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content)
    with pytest.raises(DatasetInvalid, match=r"bad\.json"):
        read_squad(file)


async def test_every_question_is_asked_in_turn_and_heard_of() -> None:
    heard: list[str] = []

    async def ask(asked: Item) -> Answer:
        return answer(asked.references[0])

    scores = await evaluate([item("a b"), item("c d")], ask, lambda judged: heard.append(judged.answer.text))
    assert heard == ["a b", "c d"]
    assert scores.accuracy == 1.0
