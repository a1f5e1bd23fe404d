"""A head changes the order of what is found and how sure that makes the bot, and no score."""

from __future__ import annotations

from collections.abc import Sequence
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
    rank_hits,
    weigh_hits,
)
from model.text.question import AskedKind

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ASKED = "How much paid leave do new parents get?"


def hit(text: str, score: float, sentence: float, learned: float = 0.0) -> Hit:
    passage = Passage(f"/{text[:5]}", "Page", "", text, "h", NOW)
    return Hit(passage, score, 0.5, 1.0, (Span(0, len(text), sentence),), learned)


HITS = (hit("Leave is for everybody.", 6.0, 0.3), hit("New parents get twelve weeks of it.", 5.0, 0.9))
SENTENCES = SearchHead({"sentence": 3.0})
HEADS = {
    "shipped": SHIPPED_HEAD,
    "unread": SENTENCES,
    "read": SearchHead(dict(SHIPPED) | {"sentence": 3.0}),
}


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


def test_a_head_for_what_a_reranker_reads_leaves_the_order_of_what_none_reads() -> None:
    assert rank_hits(ASKED, AskedKind.OTHER, HITS, HEADS["read"]) == rank_hits(ASKED, AskedKind.OTHER, HITS)
    worth = {head: weigh_hits(ASKED, AskedKind.OTHER, HITS, one) for head, one in HEADS.items()}
    assert worth["unread"].tolist() == worth["shipped"].tolist()
    assert worth["read"][0] < worth["read"][1]


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
        bot.head = SearchHead(confidence={"page": dict(load_weights()["page_unread"]) | {"bias": bias}})
        assert (await bot.answer(question)).kind is kind
