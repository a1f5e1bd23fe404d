"""Which of two is stated, a version's own words or the page's: the surer one, by its own confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.records import Answer, AnswerKind, Channel, Hit, Passage, Question, Span
from core.sentences import pieces
from model.answering.chain import Answering, AnswerRules, LoadedModel
from model.answering.chat_model import CannedChatModel
from model.answering.confidence import load_weights, rate_features, rate_page
from model.answering.grounding import Reading
from model.answering.version_confidence import (
    WRITTEN,
    VersionConfidence,
    load_written_weights,
    parse_version_confidence,
)

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
PAGE = "Leave is for everybody. New parents get 12 weeks of paid leave. Ask your lead first."
ASKED = "How many weeks of paid leave do new parents get?"
SAID = "New parents get 12 weeks."
QUOTED = f"{PAGE} [1]"


def always(written: float, page: float) -> VersionConfidence:
    """A confidence that is the same for every answer."""
    return VersionConfidence({"bias": _log_odds(written)}, {"bias": _log_odds(page)})


def _log_odds(likely: float) -> float:
    return math.log(likely / (1 - likely))


def bot(own: VersionConfidence | None, said: str = SAID, *, page: str = PAGE) -> Answering:
    loaded = LoadedModel(CannedChatModel([said]), "trained", Reading(sentences=0), confidence=own)
    spans = tuple(
        Span(one.start, one.end, 0.8 if "12" in page[one.start : one.end] else 0.4) for one in pieces(page)
    )
    hit = Hit(Passage("/site/leave#top", "Leave", "Top", page, "h", NOW), 6.0, 0.8, 8.0, spans)

    async def search(_query: str, _limit: int, _page_url: str | None) -> list[Hit]:
        return [hit]

    return Answering(lambda _: nullcontext(loaded), search, AnswerRules())


def question() -> Question:
    return Question("q", ASKED, "someone", "conversation", Channel.LOCAL, NOW)


async def ask(own: VersionConfidence | None, said: str = SAID) -> Answer:
    return await bot(own, said).answer(question())


@pytest.mark.parametrize(
    ("own", "text", "likely"),
    [
        (always(0.9, 0.8), f"{SAID} [1]", 0.9),
        (always(0.8, 0.9), QUOTED, 0.9),
        (always(0.8, 0.1), f"{SAID} [1]", 0.8),
        (always(0.5, 0.8), QUOTED, 0.8),
    ],
)
async def test_the_surer_of_both_is_stated(own: VersionConfidence, text: str, likely: float) -> None:
    answer = await ask(own)
    assert (answer.kind, answer.text, answer.confidence) == (AnswerKind.ANSWERED, text, pytest.approx(likely))


async def test_where_neither_is_sure_enough_the_page_is_quoted() -> None:
    answer = await ask(always(0.7, 0.6))
    assert (answer.kind, answer.text) == (AnswerKind.QUOTED, PAGE)


async def test_what_fails_its_checks_is_not_stated_however_sure_the_version_is() -> None:
    answer = await ask(always(0.99, 0.8), "New parents get 16 weeks of paid leave.")
    assert "16" not in answer.text
    assert answer.text == QUOTED


async def test_a_version_without_a_confidence_of_its_own_states_its_words_above_the_bar_as_before() -> None:
    """Its words count first, even where the page's are surer: nobody judged both alike."""
    answer = await ask(None)
    assert answer.text == f"{SAID} [1]"
    attempt = await bot(None).attempt(question())
    assert attempt.features is not None
    assert attempt.signals is not None
    assert answer.confidence == rate_features(attempt.features, load_weights()["read"])
    surer = await ask(VersionConfidence(load_weights()["read"], {"bias": 6.0}))
    assert surer.text == QUOTED


async def test_an_attempt_has_both_answers_and_what_they_are_judged_by() -> None:
    attempt = await bot(always(0.9, 0.8), "New parents get 12 weeks").attempt(question())
    assert attempt.quoted.kind is AnswerKind.QUOTED
    assert attempt.quoted.marked == "New parents get 12 weeks of paid leave."
    assert attempt.written.text == "New parents get 12 weeks [1]"
    assert attempt.features is not None
    assert attempt.signals is not None
    page = rate_page(attempt.signals)
    assert attempt.features == {
        "page": pytest.approx(math.log(page / (1 - page))),
        "quantity": 1.0,
        "agrees": 1.0,
        "inside": 1.0,
        "length": pytest.approx(math.log(5)),
        "sentence": 0.0,
    }
    assert set(attempt.features) == set(WRITTEN)
    whole = await bot(None).attempt(question())
    assert whole.features is not None
    assert whole.features["sentence"] == 1.0, "the marker behind its full stop is no word of it"


async def test_of_what_fails_its_checks_there_is_nothing_to_judge() -> None:
    attempt = await bot(None, "New parents get 16 weeks of paid leave.").attempt(question())
    assert attempt.features is None
    assert attempt.quoted.kind is AnswerKind.QUOTED


def test_the_shipped_weights_are_for_what_a_version_reads() -> None:
    assert load_written_weights(reads_whole=True) == load_weights()["read"]
    assert load_written_weights(reads_whole=False) == load_weights()["written"]
    assert set(load_weights()["read"]) <= {*WRITTEN, "bias"}, "else a version's own weights lack a feature"


GOOD: Mapping[str, object] = {
    "written": {"page": 0.5, "inside": 1, "bias": -1.0},
    "page": {"score": 0.2, "bias": -2.0},
    "answers": ["a1"],
}


def test_weights_are_read_from_a_manifest() -> None:
    own = parse_version_confidence(GOOD)
    assert own == VersionConfidence({"page": 0.5, "inside": 1.0, "bias": -1.0}, {"score": 0.2, "bias": -2.0})


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        "weights",
        {"reasons": ["too few"], "written": {}, "page": {}},
        dict(GOOD) | {"page": {"score": 0.2}},
        dict(GOOD) | {"written": {"bias": float("nan")}},
        dict(GOOD) | {"written": {"bias": "sure"}},
        dict(GOOD) | {"written": {"bias": 1.0, "a later signal": 3.0}},
        dict(GOOD) | {"page": None},
    ],
)
def test_what_is_no_whole_set_of_known_weights_leaves_the_shipped_ones(told: object) -> None:
    assert parse_version_confidence(told) is None


async def test_a_question_that_nothing_is_found_for_is_an_attempt_without_signals() -> None:
    async def search(_query: str, _limit: int, _page_url: str | None) -> list[Hit]:
        return []

    empty = bot(always(0.9, 0.9))
    empty._search = search  # pyright: ignore[reportPrivateUsage]
    attempt = await empty.attempt(replace(question(), id="q2"))
    assert (attempt.signals, attempt.features, attempt.quoted.kind) == (None, None, AnswerKind.DECLINED)
