"""Which of three kinds an answer is: by what the search knows, and what a model wrote that passes checks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime

import pytest

from core.records import Answer, AnswerKind, Channel, Hit, Passage, Question, Span
from core.sentences import pieces
from model.answering import confidence, quoting
from model.answering.chain import Answering, AnswerRules, StopWriting, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.confidence import WEIGHTS, Signals
from model.answering.profile import Profile
from model.answering.writing import is_repetitive

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
LEAVE = "Leave is for everybody. New parents get 12 weeks of paid leave. Ask your lead first."
ASKED = "How many weeks of paid leave do new parents get?"
CAPABLE = Profile(5000.0, 80.0, "cuda", 1, 8_000_000_000)


def hit(text: str, *, score: float, similarity: float, name: str = "leave") -> Hit:
    passage = Passage(f"/site/{name}#top", name.title(), "Top", text, "h", NOW)
    spans = tuple(
        Span(one.start, one.end, similarity * (1.1 if "12" in text[one.start : one.end] else 0.5))
        for one in pieces(text)
    )
    return Hit(passage, score, similarity, 8.0 if score > 0 else 0.5, spans)


NEAR = (
    hit(LEAVE, score=6.0, similarity=0.8),
    hit("Hotels are paid.", score=0.5, similarity=0.3, name="travel"),
    hit("Badges open doors.", score=0.1, similarity=0.2, name="badges"),
)
DOUBTFUL = (
    hit("Leave is for everybody. It is good to rest.", score=1.5, similarity=0.82),
    hit("Parents may bring children.", score=1.4, similarity=0.81, name="office"),
    hit("Weeks have five days.", score=1.3, similarity=0.8, name="weeks"),
)
FAR = (hit("Badges open doors.", score=-2.0, similarity=0.16, name="badges"),)


def question(text: str = ASKED) -> Question:
    return Question("q", text, "someone", "conversation", Channel.LOCAL, datetime.now(UTC))


def answering(
    said: str,
    hits: Sequence[Hit],
    *,
    profile: Profile | None = None,
    chat: CannedChatModel | None = None,
    **rules: float,
) -> Answering:
    async def search(_query: str, limit: int, _page_url: str | None) -> Sequence[Hit]:
        return hits[:limit]

    acquire = always_acquire(chat or CannedChatModel([said]), "canned-1", None, profile)
    return Answering(acquire, search, replace(AnswerRules(), **rules))  # type: ignore[arg-type]


async def kinds(bot: Answering, text: str = ASKED) -> list[AnswerKind | str]:
    return [item.kind if isinstance(item, Answer) else item async for item in bot.stream(question(text))]


async def test_the_pages_own_words_come_first_and_are_stated_where_the_search_is_sure() -> None:
    items = [item async for item in answering("I like turtles.", NEAR).stream(question())]
    first, last = items[0], items[-1]
    assert isinstance(first, Answer)
    assert isinstance(last, Answer)
    assert (first.kind, first.text) == (AnswerKind.QUOTED, LEAVE)
    assert (last.kind, last.text) == (AnswerKind.ANSWERED, f"{LEAVE} [1]")
    assert last.marked == "New parents get 12 weeks of paid leave."
    assert [one.quote for one in last.citations] == [LEAVE]
    assert last.confidence is not None
    assert last.confidence >= AnswerRules().state_from


async def test_what_the_search_doubts_is_quoted_with_further_places() -> None:
    answer = await answering("I like turtles.", DOUBTFUL, decline_below=0.1).answer(question())
    assert answer.kind is AnswerKind.QUOTED
    assert answer.text == "Leave is for everybody. It is good to rest."
    assert sorted(one.quote for one in answer.citations[1:]) == [
        "Parents may bring children.",
        "Weeks have five days.",
    ]
    assert answer.confidence is not None
    assert 0 < answer.confidence < 1


@pytest.mark.parametrize("hits", [FAR, ()])
async def test_where_nothing_is_near_the_bot_declines(hits: Sequence[Hit]) -> None:
    answer = await answering("12 weeks.", hits, decline_below=0.3).answer(question())
    assert answer.kind is AnswerKind.DECLINED


@pytest.mark.parametrize(("page", "kind"), [(None, AnswerKind.DECLINED), ("/site/a", AnswerKind.QUOTED)])
async def test_half_the_confidence_is_enough_to_quote_from_a_page_that_somebody_named(
    page: str | None, kind: AnswerKind
) -> None:
    quoted = await answering("I like turtles.", DOUBTFUL, decline_below=0.1).answer(question())
    assert quoted.confidence is not None
    bot = answering("I like turtles.", DOUBTFUL, decline_below=quoted.confidence * 1.5)
    answer = await bot.answer(replace(question(), page_url=page))
    assert answer.kind is kind
    assert any(quoted.marked in one.quote for one in answer.citations), "a decline still shows the place"


async def test_a_capable_models_words_are_stated_once_they_are_checked() -> None:
    bot = answering("New parents get 12 weeks of paid leave.", NEAR, profile=CAPABLE)
    assert (await bot.answer(question())).text == "New parents get 12 weeks of paid leave. [1]"
    wrong = answering("New parents get 16 weeks of paid leave.", NEAR, profile=CAPABLE)
    answer = await wrong.answer(question())
    assert "16" not in answer.text, "what fails its check is nowhere in the answer"


async def test_no_sentence_is_shown_before_it_is_checked() -> None:
    bot = answering(
        "New parents get 12 weeks of paid leave. They get a car, too. Everybody can fly.",
        NEAR,
        profile=CAPABLE,
    )
    shown = [item for item in await kinds(bot) if not isinstance(item, AnswerKind)]
    assert shown
    assert not any("car" in text or "fly" in text for text in shown)


async def test_that_it_declines_is_not_the_models_choice() -> None:
    answer = await answering("That is not on this page.", NEAR, profile=CAPABLE).answer(question())
    assert answer.kind is AnswerKind.ANSWERED
    assert "12 weeks" in answer.text


async def test_who_stops_at_the_quotation_keeps_it() -> None:
    stream = answering("12 weeks.", NEAR).stream(question())
    first = await anext(stream)
    stopped = await stream.athrow(StopWriting())
    assert isinstance(first, Answer)
    assert isinstance(stopped, Answer)
    assert (stopped.text, stopped.stopped) == (first.text, True)


def test_every_weight_belongs_to_a_signal() -> None:
    known = {field.name for field in fields(Signals)} | {"bias"}
    weights = json.loads(WEIGHTS.read_text("utf-8"))
    assert set(weights["quote"]) == set(weights["page"]) <= known
    assert set(weights["written"]) == {"page", "quantity", "bias"}
    assert set(weights["read"]) == {"page", "quantity", "agrees", "bias"}


def test_a_better_find_is_likelier_to_answer() -> None:
    def likely(hits: Sequence[Hit]) -> float:
        quote = quoting.choose_quote(ASKED, hits)
        assert quote is not None
        return confidence.rate_page(confidence.compute_signals(ASKED, hits, quote))

    far = (hit("Badges open doors.", score=-2.0, similarity=0.3, name="badges"),)
    assert 0 < likely(far) < likely(DOUBTFUL) < likely(NEAR) < 1


def test_signals_tell_whether_a_wanted_number_is_there() -> None:
    def signals(text: str) -> dict[str, float]:
        hits = [hit(text, score=1.0, similarity=0.5)]
        quote = quoting.choose_quote(ASKED, hits)
        assert quote is not None
        return asdict(confidence.compute_signals(ASKED, hits, quote))

    assert (signals("Parents get 12 weeks.")["told"], signals("Parents get 12 weeks.")["untold"]) == (
        1.0,
        0.0,
    )
    assert (signals("Parents get some weeks.")["told"], signals("Parents get some weeks.")["untold"]) == (
        0.0,
        1.0,
    )


async def test_a_sentence_that_goes_round_in_circles_is_not_stated() -> None:
    said = "New parents get 12 weeks of paid leave and 12 weeks of paid leave and 12 weeks of paid leave."
    answer = await answering(said, NEAR, profile=CAPABLE).answer(question())
    assert answer.text == f"{LEAVE} [1]"


async def test_what_a_list_repeats_is_no_circle() -> None:
    assert not is_repetitive(
        "A health care account, a limited health care account and a dependent care account."
    )


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("New parents get 12 weeks of paid", f"{LEAVE} [1]"),
        ("They get 12 weeks. It is paid by the", "They get 12 weeks. [1]"),
        ("- 12 weeks of leave\n- paid", "- 12 weeks of leave [1]"),
    ],
)
async def test_a_sentence_that_was_cut_off_at_the_longest_answer_is_not_stated(said: str, kept: str) -> None:
    chat = CannedChatModel([said], max_words=len(said.split()))
    bot = answering(said, NEAR, profile=CAPABLE, chat=chat)
    assert (await bot.answer(question())).text == kept


@pytest.mark.parametrize("said", ["12 weeks", "- 12 weeks\n- paid leave"])
async def test_what_its_model_ended_needs_no_full_stop(said: str) -> None:
    answer = await answering(said, NEAR, profile=CAPABLE).answer(question())
    assert answer.text.replace(" [1]", "") == said
