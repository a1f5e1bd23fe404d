"""What was found is read once more with the question, and ordered by that, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.records import Channel, Hit, Passage, Question, Span
from core.sentences import pieces
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.confidence import compute_signals, rate_page
from model.answering.learned_places import STRENGTH
from model.answering.quoting import choose_quote
from model.answering.reranking import rerank_hits, score_nothing
from model.answering.search_head import SHIPPED, SearchHead

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ASKED = "How do I get out of the transit benefit?"
ABOUT, ANSWER = "The transit benefit is paid monthly.", "You can cancel the subsidy in the portal."


def hit(text: str, score: float, name: str = "transit") -> Hit:
    passage = Passage(f"/{name}", name.title(), "Cancelling", text, "h", NOW)
    return Hit(passage, score, 0.5, 1.0, tuple(Span(one.start, one.end, 0.4) for one in pieces(text)))


NEAR = [hit(ABOUT, 5.0, "about"), hit(ANSWER, 4.0)]


class Reading:
    """Stands in for a reranker: finds the cancelling relevant, and keeps what it was given to read."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def __call__(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        self.texts += texts
        return [6.0 if "cancel the subsidy" in text else -6.0 for text in texts]


async def test_what_answers_comes_before_what_shares_the_words_and_keeps_its_score() -> None:
    found = await rerank_hits(ASKED, NEAR, Reading(), 10)
    assert [(one.score, one.relevance) for one in found] == [(4.0, 6.0), (5.0, -6.0)]


async def test_a_far_better_score_stays_first() -> None:
    found = await rerank_hits(ASKED, [hit(ABOUT, 15.0), hit(ANSWER, 4.0)], Reading(), 10)
    assert [one.score for one in found] == [15.0, 4.0]


async def test_a_place_that_reviewers_named_is_not_put_back() -> None:
    named = replace(hit(ABOUT, 5.0 + STRENGTH, "about"), learned=STRENGTH)
    found = await rerank_hits(ASKED, [named, hit(ANSWER, 6.0)], Reading(), 10)
    assert [one.relevance for one in found] == [-6.0, 6.0]
    little = replace(named, score=5.5, learned=0.5)
    assert [one.relevance for one in await rerank_hits(ASKED, [little, NEAR[1]], Reading(), 10)] == [
        6.0,
        -6.0,
    ]


async def test_only_the_nearest_are_read() -> None:
    reading = Reading()
    found = await rerank_hits(ASKED, [*NEAR, hit("Parking is free.", 3.0)], reading, 2)
    assert found[2].relevance is None
    assert not any("Parking" in text for text in reading.texts)
    assert await rerank_hits(ASKED, NEAR, reading, 0) == NEAR


async def test_the_best_two_sentences_are_read_below_their_headings_and_of_the_first_passage_all() -> None:
    reading = Reading()
    words = f"It rains. {ABOUT} The transit benefit ends. {ANSWER}"
    await rerank_hits(ASKED, [hit(words, 5.0), hit(words, 4.0)], reading, 2)
    best = [f"Transit\nCancelling\n{text}" for text in (ABOUT, "The transit benefit ends.")]
    rest = [f"Transit\nCancelling\n{text}" for text in ("It rains.", ANSWER)]
    assert reading.texts == [*best, *best, *rest]


async def test_the_sentence_that_the_reranker_prefers_is_marked() -> None:
    words = f"{ABOUT} {ANSWER}"
    plain = choose_quote(ASKED, [hit(words, 5.0)])
    read = choose_quote(ASKED, await rerank_hits(ASKED, [hit(words, 5.0)], Reading(), 1))
    assert plain
    assert read
    assert (plain.marked, read.marked) == (ABOUT, ANSWER)


async def test_a_follow_up_is_read_alone_with_the_sentences_for_all_that_was_searched_for() -> None:
    asked: list[str] = []

    async def score(question: str, texts: Sequence[str]) -> Sequence[float]:
        asked.append(question)
        return [float("phone" in text) for text in texts]

    long = hit(f"{ABOUT} {ANSWER} It rains. The phone comes later.", 5.0)
    [read] = await rerank_hits("and the phone?", [long], score, 10, "and the phone? Is my laptop ready?")
    assert (set(asked), read.relevance) == ({"and the phone?"}, 1.0)


async def test_a_question_or_page_in_another_language_is_not_read() -> None:
    reading = Reading()
    assert await rerank_hits("Wie kündige ich den Zuschuss für die Fahrkarte?", NEAR, reading, 10) == NEAR
    german = [hit("Der Zuschuss für die Fahrkarte wird nicht mit dem Gehalt gezahlt.", 5.0)]
    assert await rerank_hits(ASKED, german, reading, 10) == german
    assert reading.texts == []


async def test_without_a_reranker_nothing_changes() -> None:
    assert await rerank_hits(ASKED, NEAR, score_nothing, 10) == NEAR
    assert await rerank_hits(ASKED, [], Reading(), 10) == []


async def test_a_passage_with_nothing_to_quote_is_read_as_nothing() -> None:
    found = await rerank_hits(ASKED, [hit("", 5.0), hit(ANSWER, 4.0)], Reading(), 10)
    assert [one.relevance for one in found] == [6.0, None]


async def test_the_chain_quotes_what_the_reranker_found_and_rates_it_by_that() -> None:
    async def search(*_: object) -> Sequence[Hit]:
        return NEAR

    async def quoted(reranked: int) -> str:
        rules = AnswerRules(reranked=reranked, decline_below=0.0, state_from=2.0)
        bot = Answering(always_acquire(CannedChatModel([""]), "none"), search, rules)
        bot.score_pairs = Reading()
        asked = Question("q", ASKED, "someone", "conversation", Channel.LOCAL, datetime.now(UTC))
        return (await bot.answer(asked)).text

    assert await quoted(10) == ANSWER
    assert await quoted(0) == ABOUT


@pytest.mark.parametrize(
    ("head", "first"),
    [
        ({}, ANSWER),
        ({"relevance": 0.0}, ABOUT),
        ({"words": 20.0}, ABOUT),
    ],
)
async def test_a_heads_order_counts_where_a_reranker_reads_too(head: dict[str, float], first: str) -> None:
    async def search(*_: object) -> Sequence[Hit]:
        return [replace(NEAR[0], words=9.0), NEAR[1]]

    rules = AnswerRules(decline_below=0.0, state_from=2.0)
    bot = Answering(always_acquire(CannedChatModel([""]), "none"), search, rules)
    bot.score_pairs = Reading()
    bot.head = SearchHead(dict(SHIPPED) | head)
    asked = Question("q", ASKED, "someone", "conversation", Channel.LOCAL, datetime.now(UTC))
    assert (await bot.answer(asked)).text == first
    unread = {name: weight for name, weight in bot.head.ranking.items() if name != "relevance"}
    bot.head = SearchHead(unread)
    assert (await bot.answer(asked)).text == ANSWER, "a head from before the reranker moved its order"


async def test_what_is_relevant_and_ahead_of_the_others_is_surer() -> None:
    def likely(hits: Sequence[Hit]) -> float:
        quote = choose_quote(ASKED, hits)
        assert quote
        return rate_page(compute_signals(ASKED, hits, quote))

    read = await rerank_hits(ASKED, NEAR, Reading(), 10)
    two = await rerank_hits(ASKED, [*NEAR, hit(ANSWER, 3.9, "other")], Reading(), 10)
    [poor] = await rerank_hits(ASKED, [hit(ABOUT, 4.0)], Reading(), 10)
    assert likely(read) > likely(two) > likely([poor])
