"""A head changes the order of what is found and how sure that makes the bot, and no score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from core.records import AnswerKind, Channel, Hit, Passage, Question, Span
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.confidence import compute_signals, load_weights
from model.answering.quoting import choose_quote
from model.answering.search_head import (
    SHIPPED,
    SHIPPED_HEAD,
    SearchHead,
    compute_features,
    rank_by_matches,
    rank_hits,
)
from model.text.question import AskedKind

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ASKED = "How much paid leave do new parents get?"


def hit(text: str, score: float, sentence: float, learned: float = 0.0) -> Hit:
    passage = Passage(f"/{text[:5]}", "Page", "", text, "h", NOW)
    return Hit(passage, score, 0.5, 1.0, (Span(0, len(text), sentence),), learned)


HITS = (hit("Leave is for everybody.", 6.0, 0.3), hit("New parents get twelve weeks of it.", 5.0, 0.9))
SENTENCES = SearchHead(dict(SHIPPED) | {"sentence": 3.0})


def texts(hits: Sequence[Hit]) -> list[str]:
    return [one.passage.text[:5] for one in hits]


def test_the_shipped_head_orders_by_the_score_with_its_bonuses() -> None:
    assert texts(rank_hits(ASKED, AskedKind.OTHER, HITS)) == ["Leave", "New p"]
    assert rank_hits(ASKED, AskedKind.OTHER, []) == []


def test_a_head_changes_the_order_and_leaves_the_scores() -> None:
    ranked = rank_hits(ASKED, AskedKind.OTHER, HITS, SENTENCES)
    assert texts(ranked) == ["New p", "Leave"]
    shipped = rank_hits(ASKED, AskedKind.OTHER, HITS)
    assert {one.passage.text: one.score for one in ranked} == {one.passage.text: one.score for one in shipped}


def test_words_that_match_change_the_order_of_near_scores_and_leave_the_scores() -> None:
    near = [replace(HITS[0], score=5.9), replace(HITS[1], score=5.0)]
    assert rank_by_matches(near, [0.2, 0.9]) == near[::-1]
    assert rank_by_matches(near, [0.9, 0.2]) == near
    assert rank_by_matches(near, [0.5, 0.5]) == near
    far = [replace(HITS[0], score=9.0), near[1]]
    assert rank_by_matches(far, [0.2, 0.9]) == far


async def test_the_chain_quotes_the_passage_whose_words_match_best_among_the_nearest() -> None:
    async def search(*_: object) -> Sequence[Hit]:
        return [replace(HITS[0], score=5.2), HITS[1]]

    async def match(_: str, passages: Sequence[Passage]) -> Sequence[float]:
        return [float("twelve" in one.text) for one in passages]

    async def quoted(matched: int) -> str:
        rules = AnswerRules(matched=matched, decline_below=0.0)
        bot = Answering(always_acquire(CannedChatModel([""]), "none"), search, rules)
        bot.match_words = match
        asked = Question("q", ASKED, "someone", "conversation", Channel.LOCAL, datetime.now(UTC))
        return (await bot.answer(asked)).text

    assert "twelve weeks" in await quoted(5)
    assert "everybody" in await quoted(0)
    assert "everybody" in await quoted(1)


def test_features_are_finite_where_all_hits_are_alike() -> None:
    assert not compute_features(ASKED, AskedKind.OTHER, [HITS[0]])[:, :3].any()


def test_what_was_learned_makes_no_place_surer_and_what_speaks_against_it_less_sure() -> None:
    def score(learned: float) -> tuple[float, float]:
        hits = [hit(HITS[1].passage.text, 6.0 + learned, 0.9, learned), HITS[0]]
        quote = choose_quote(ASKED, hits)
        assert quote
        signals = compute_signals(ASKED, hits, quote)
        return signals.score, signals.margin

    assert score(4.0) == score(0.0) == (6.0, 0.0)
    assert score(-1.5)[0] == 4.5


async def test_the_chain_states_by_the_heads_confidence() -> None:
    async def search(_: str, limit: int, __: str | None) -> Sequence[Hit]:
        return HITS[:limit]

    bot = Answering(always_acquire(CannedChatModel([""]), "silent"), search, AnswerRules())
    question = Question("q", ASKED, "someone", "conversation", Channel.TEAMS, NOW)
    assert bot.head == SHIPPED_HEAD
    for bias, kind in ((-9.0, AnswerKind.QUOTED), (9.0, AnswerKind.ANSWERED)):
        bot.head = SearchHead(confidence={"page": dict(load_weights()["page"]) | {"bias": bias}})
        assert (await bot.answer(question)).kind is kind
