"""Tokens of answers: kept with them, summed up by day and version, and priced where somebody charges."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.records import Tokens
from feedback.metrics import daily
from feedback.metrics.definitions import Sums
from feedback.metrics.tokens import TokenPrices, TokenSums
from feedback.store.serialization import parse_answer, to_json
from jobs.registry import Store
from jobs.roll_up_metrics import roll_up
from tests.builders.days import NOW, ask, store
from tests.builders.records import answer, question

__all__ = ["store"]

OURS = Tokens(800, 500, 40)
THEIRS = Tokens(1000, 200, 60, ours=False)


async def test_tokens_are_kept_with_the_answer_and_summed_up_by_day_and_version(store: Store) -> None:
    first = await ask(store, 1, NOW - timedelta(days=1), tokens=OURS)
    await ask(store, 2, NOW - timedelta(days=1), tokens=THEIRS, model_version="gpt")
    await ask(store, 3, NOW - timedelta(days=1), tokens=THEIRS, model_version="gpt")
    await ask(store, 4, NOW - timedelta(days=1))
    kept = await store.answer(first.id)
    assert kept is not None
    assert kept.tokens == OURS
    await roll_up(store, NOW)
    yesterday = (NOW - timedelta(days=1)).date()
    [day] = await daily.read_days(store.documents, yesterday, yesterday)
    by_version = {group.model_version: sums.tokens for group, sums in day.groups.items()}
    assert by_version == {
        "base": TokenSums(1, 800, 500, 40),
        "gpt": TokenSums(2, 2000, 400, 120, 2, 2000, 400, 120),
    }
    assert daily.select([day]).tokens == TokenSums(3, 2800, 900, 160, 2, 2000, 400, 120)


def test_answers_and_sums_of_older_versions_have_no_tokens() -> None:
    asked = question()
    text = to_json(answer(asked)).replace('"tokens":null,', "")
    assert "tokens" not in text
    assert parse_answer(text, asked).tokens is None
    kept = Sums(answers=3).dump()
    assert "tokens" not in kept
    assert Sums.load(kept).tokens == TokenSums()


def test_a_cost_is_of_what_a_foreign_server_counted() -> None:
    sums = TokenSums()
    sums.add(OURS)
    prices = TokenPrices(0.5, 2.0, 0.1)
    assert prices.compute_cost(sums) is None, "models of one's own have tokens alone"
    sums.add(THEIRS)
    assert prices.compute_cost(sums) == pytest.approx((800 * 0.5 + 200 * 0.1 + 60 * 2.0) / 1e6)
    assert TokenPrices(0.5, 2.0).compute_cost(sums) == pytest.approx((1000 * 0.5 + 60 * 2.0) / 1e6)
    assert TokenPrices().compute_cost(sums) is None, "and without a price there is no cost"
