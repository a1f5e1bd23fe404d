"""The measures of questions over pages, on answers whose figures can be worked out by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.records import Answer, AnswerKind, Channel, Citation, Question, Timings
from model.evaluation.question_scores import Bin, QuestionOutcome, ask_each, calibrate, judge_outcome, score
from model.evaluation.question_sets import PageQuestion

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FACT = PageQuestion("f", "fact", "leave.md", "How long?", (("ten days",),))
LIST = PageQuestion("l", "list", "leave.md", "Which?", (("sick",), ("annual",)))
FOLLOW_UP = replace(FACT, id="u", kind="followup", question="And then?", before="How long at first?")
ABSENT = PageQuestion("x", "absent", "leave.md", "And dogs?", ())
CITED = (Citation("/leave", "Leave", "", "quote"),)


def answer(
    text: str, kind: AnswerKind = AnswerKind.ANSWERED, confidence: float | None = None, first_s: float = 0.5
) -> Answer:
    question = Question("q", "How long?", "a", "c", Channel.COMMAND_LINE, NOW)
    timings = Timings(0.1, first_s, 1.0)
    return Answer("a", question, text, (), CITED, "v", timings, NOW, kind=kind, confidence=confidence)


def reply(asked: PageQuestion, given: Answer, seconds: float = 1.0) -> QuestionOutcome:
    return judge_outcome(QuestionOutcome(asked, given, given.text, to_quote_s=seconds / 10, total_s=seconds))


QUOTED, DECLINED = AnswerKind.QUOTED, AnswerKind.DECLINED


class Bot:
    """Says its lines in turn; raises a line that is an error. `heard` is what was asked, with history."""

    def __init__(self, *lines: Sequence[str | Answer] | Exception) -> None:
        self._lines = list(lines)
        self.heard: list[tuple[Question, list[str]]] = []

    async def stream(
        self, question: Question, history: Sequence[Answer] = ()
    ) -> AsyncGenerator[str | Answer]:
        self.heard.append((question, [one.text for one in history]))
        line = self._lines.pop(0)
        if isinstance(line, Exception):
            raise line
        for item in line:
            yield item


def shown(given: Answer) -> str:
    return f"Shown: {given.text}"


async def run(bot: Bot, *questions: PageQuestion) -> list[QuestionOutcome]:
    replies: list[QuestionOutcome] = []
    await ask_each(bot, questions, shown, replies.append)
    return replies


async def test_the_last_answer_of_a_stream_counts_in_the_text_that_a_person_sees() -> None:
    quoted, stated = answer("Look at leave.", QUOTED), answer("It is ten days. [1]")
    [one] = await run(Bot([quoted, "It is", "It is ten", stated]), FACT)
    assert one.right
    assert (one.kind, one.text) == (AnswerKind.ANSWERED, "Shown: It is ten days. [1]")
    assert one.to_quote_s is not None
    assert one.to_quote_s <= one.total_s


async def test_the_number_of_a_marker_is_not_what_the_answer_names() -> None:
    [one] = await run(Bot([answer("It is ten days [1]")]), replace(FACT, must=(("1",),)))
    assert not one.right


async def test_what_comes_before_a_follow_up_is_asked_first_in_the_same_conversation() -> None:
    bot = Bot([answer("At first five.")], [answer("Then ten days.")], [answer("Ten days.")])
    first, _ = await run(bot, FOLLOW_UP, FACT)
    assert first.right
    assert first.as_dict()["before"] == "At first five."
    (before, no_history), (after, history), (other, none) = bot.heard
    assert [before.text, after.text] == ["How long at first?", "And then?"]
    assert (no_history, history, none) == ([], ["At first five."], [])
    assert before.conversation == after.conversation != other.conversation
    assert len({before.id, after.id, other.id}) == 3
    assert before.page_url is after.page_url is None


async def test_a_question_that_raised_counts_as_wrong_is_told_and_the_others_are_asked() -> None:
    bot = Bot([answer("Five.")], RuntimeError("the model is gone"), [], [answer("Ten days.")])
    replies = await run(bot, FOLLOW_UP, ABSENT, FACT)
    assert [one.right for one in replies] == [False, False, True]
    assert replies[0].error == "RuntimeError: the model is gone"
    assert "without an answer" in replies[1].error
    scores = score(replies)
    assert (scores.errors, scores.right, scores.invented, scores.declined_wrongly) == (2, 0.5, 0.0, 0.0)
    assert replies[0].as_dict()["kind"] is None


def test_every_share_has_its_own_whole() -> None:
    scores = score(
        [
            reply(FACT, answer("Ten days.")),
            reply(FACT, answer("Five days.")),
            reply(FACT, answer("ten days", QUOTED)),
            reply(LIST, answer("- sick leave", QUOTED)),
            reply(LIST, answer("", DECLINED)),
            reply(ABSENT, answer("", DECLINED)),
            reply(ABSENT, answer("Dogs may come.", QUOTED)),
            reply(ABSENT, answer("Yes.")),
            reply(ABSENT, answer("Yes.")),
        ]
    )
    assert (scores.count, scores.answerable) == (9, 5)
    assert scores.right == pytest.approx(2 / 5)
    assert scores.right_of_all == pytest.approx(3 / 9)
    assert (scores.stated_rightly, scores.stated_wrongly) == (0.2, 0.2)
    assert (scores.quoted_rightly, scores.quoted_wrongly, scores.declined_wrongly) == (0.2, 0.2, 0.2)
    assert (scores.invented, scores.absent_quoted) == (0.5, 0.25)
    assert scores.right_by_kind == {"fact": (2 / 3, 3), "list": (0.0, 2), "absent": (0.25, 4)}
    assert scores.kinds == {"answered": 4, "quoted": 3, "declined": 2}


def test_half_a_page_that_has_the_answer_is_not_right_but_its_lead_in_and_further_places_do_not_count() -> (
    None
):
    long = answer("word " * 79 + "ten days", QUOTED)
    assert reply(FACT, long).too_long
    assert not reply(FACT, long).right
    assert score([reply(FACT, long)]).too_long == 1
    fits = answer("word " * 78 + "ten days", QUOTED)
    assert judge_outcome(QuestionOutcome(FACT, fits, "I am not certain. " * 5 + fits.text)).right
    assert not reply(FACT, answer("word " * 200, QUOTED)).too_long  # it is wrong anyway


def test_latencies_are_percentiles_to_the_quote_the_first_token_and_the_end() -> None:
    scores = score([reply(FACT, answer("x", first_s=n / 2), float(n)) for n in range(1, 102)])
    assert scores.as_dict()["latency"] == {
        "to quote": {"p50_s": 5.1, "p95_s": 9.6},
        "to first token": {"p50_s": 25.5, "p95_s": 48.0},
        "to end": {"p50_s": 51.0, "p95_s": 96.0},
    }


def test_confidence_is_compared_with_what_came_true() -> None:
    found = calibrate([(0.9, True), (0.92, False), (0.25, False), (1.0, True)])
    assert found.count == 4
    assert found.brier == pytest.approx((0.01 + 0.92**2 + 0.0625 + 0) / 4)
    assert found.bins == (
        Bin(0.2, 0.3, 1, 0.25, 0.0),
        Bin(0.9, 1.0, 3, pytest.approx(0.94), pytest.approx(2 / 3)),
    )


def test_answered_and_quoted_are_calibrated_apart_and_declined_ones_not_at_all() -> None:
    replies = [
        reply(FACT, answer("Ten days.", confidence=0.8)),
        reply(FACT, answer("Five.", QUOTED, confidence=0.3)),
        reply(ABSENT, answer("Five.", QUOTED, confidence=0.1)),
        reply(ABSENT, answer("", DECLINED, confidence=0.1)),
        reply(FACT, answer("Ten days.")),
    ]
    counts = {kind: found.count for kind, found in score(replies).calibration.items()}
    assert counts == {"answered": 1, "quoted": 2}


def test_nothing_asked_has_no_shares() -> None:
    scores = score([])
    assert scores.right is None
    assert scores.invented is None
    assert scores.calibration == {}
    assert scores.as_dict()["latency"]["to end"] == {"p50_s": None, "p95_s": None}
