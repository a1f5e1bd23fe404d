"""A head counts where it is better on held-out questions, and where nobody planted it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from model.answering.confidence import Signals
from model.answering.search_head import SHIPPED, list_weights
from model.evaluation.search_fit import (
    LEAST_QUESTIONS,
    RankingCase,
    ReviewedQuestion,
    compute_chance,
    fit_head,
    fit_ranking,
)

STATE_FROM = 0.72
HITS = 8
SENTENCE = list(SHIPPED).index("sentence")
RELEVANCE = list(SHIPPED).index("relevance")
HEAVY = [list(SHIPPED).index("heading"), RELEVANCE]
"""Features that weigh much: chance in them would say more than what is to be learned."""


def reviewed(number: int, chance: random.Random, *, sure: bool = True) -> ReviewedQuestion:
    """A question whose right passage has the best sentence, which the search's own score does not see.

    `sure`: the search is as sure of what it quotes as it is right.
    """
    right = chance.randrange(HITS)
    features = np.array([[chance.gauss(0, 1) for _ in SHIPPED] for _ in range(HITS)])
    features[:, HEAVY] = 0
    features[right, SENTENCE] += 2.5
    scores = np.array([chance.gauss(0, 1) for _ in range(HITS)])
    told = chance.random() < 0.5
    score = chance.gauss(6.0 if told is sure else 1.0, 1.0)
    signals = Signals(score=score, margin=1.0, terms=4.0, told=0.0, untold=0.0)
    ranking = RankingCase(scores, features, tuple(at == right for at in range(HITS)))
    return ReviewedQuestion(f"a{number}", f"question {number}", ranking, signals, told, told)


def ask_many(count: int = 200, **how: bool) -> list[ReviewedQuestion]:
    chance = random.Random(7)  # noqa: S311 - the same at every run
    return [reviewed(number, chance, **how) for number in range(count)]


def shuffle(questions: Sequence[ReviewedQuestion], seed: int) -> list[ReviewedQuestion]:
    """Deal out by chance which passage is right, and whether what was quoted is."""
    chance = random.Random(seed)  # noqa: S311 - the same at every run
    dealt: list[ReviewedQuestion] = []
    for one in questions:
        assert one.ranking
        right = list(one.ranking.right)
        chance.shuffle(right)
        told = chance.random() < 0.5
        dealt.append(replace(one, ranking=replace(one.ranking, right=tuple(right)), page=told, quote=told))
    return dealt


def test_a_head_learns_what_reviewers_show_and_names_whom_it_learned_from() -> None:
    questions = ask_many()
    head, reasons = fit_head(questions, [], STATE_FROM)
    assert head is not None
    assert head.ranking["sentence"] > SHIPPED["sentence"] + 0.3
    assert head.answers == tuple(sorted(one.answer_id for one in questions))
    assert head.figures["recall@1_after"] > head.figures["recall@1_before"]
    assert reasons[0].startswith("The order is better: of ")


def test_few_rulings_move_little_and_none_nothing() -> None:
    known = [one.ranking for one in ask_many(40) if one.ranking]
    shipped = list_weights(SHIPPED)
    assert fit_ranking([]).tolist() == shipped.tolist()
    moved = [float(np.abs(fit_ranking(known[:count]) - shipped).max()) for count in (1, 40)]
    assert 0 < moved[0] < 3
    assert 0 < moved[1] < 3


def test_too_few_questions_fit_nothing() -> None:
    head, reasons = fit_head(ask_many(LEAST_QUESTIONS - 1), [], STATE_FROM)
    assert head is None
    assert reasons == ["59 reviewed questions still stand; 60 are needed."]


def misread(questions: Sequence[ReviewedQuestion], seed: int) -> list[ReviewedQuestion]:
    """Let a reranker read every hit, and find any of them relevant but the right one."""
    chance = random.Random(seed)  # noqa: S311 - the same at every run
    read: list[ReviewedQuestion] = []
    for one in questions:
        assert one.ranking
        features = one.ranking.features.copy()
        features[:, RELEVANCE] = [chance.gauss(-0.5 if right else 0.5, 0.5) for right in one.ranking.right]
        read.append(replace(one, ranking=replace(one.ranking, features=features)))
    return read


def test_a_reranker_that_misleads_here_counts_less() -> None:
    head, reasons = fit_head(misread(ask_many(), 7), [], STATE_FROM)
    assert head is not None
    assert head.ranking["relevance"] < SHIPPED["relevance"] - 0.5
    assert reasons[0].startswith("The order is better: of ")


def test_a_head_orders_what_it_was_fitted_to() -> None:
    """Questions in a language that no reranker reads do not decide about those that one reads."""
    unread, _ = fit_head(ask_many(), [], STATE_FROM)
    assert unread is not None
    assert not unread.orders_read
    read = misread(ask_many(), 7)
    alone, reasons = fit_head(read, [], STATE_FROM)
    mixed, mixed_reasons = fit_head([*read, *ask_many(30)], [], STATE_FROM)
    assert alone is not None
    assert mixed is not None
    assert alone.orders_read
    assert (mixed.ranking, mixed_reasons[0]) == (alone.ranking, reasons[0])


@pytest.mark.parametrize("seed", range(5))
def test_labels_by_chance_move_no_reranker(seed: int) -> None:
    head, reasons = fit_head(shuffle(misread(ask_many(), seed), seed), [], STATE_FROM)
    assert head is None
    assert all(" stays: " in reason for reason in reasons)


@pytest.mark.parametrize("seed", range(5))
def test_labels_by_chance_are_refused(seed: int) -> None:
    head, reasons = fit_head(shuffle(ask_many(), seed), [], STATE_FROM)
    assert head is None
    assert len(reasons) == 3
    assert all(" stays: " in reason for reason in reasons)


def test_a_fixed_question_that_falls_refuses_the_order() -> None:
    features = np.zeros((2, len(SHIPPED)))
    features[1, SENTENCE] = 4.0
    fixed = RankingCase(np.array([1.0, 0.0]), features, (True, False))
    head, reasons = fit_head(ask_many(), [fixed], STATE_FROM)
    assert head is None or head.ranking == SHIPPED
    assert reasons[0] == "The order stays: 1 fixed questions lose their place."


def test_confidence_that_was_wrong_is_mended_and_right_confidence_stays() -> None:
    wrong, _ = fit_head(ask_many(sure=False), [], STATE_FROM)
    assert wrong is not None
    assert set(wrong.confidence) == {"quote", "page"}
    assert wrong.figures["page_loss_after"] < wrong.figures["page_loss_before"]
    assert wrong.figures["page_precision_after"] >= wrong.figures["page_precision_before"]


def test_three_who_always_point_to_one_wrong_place_move_no_order() -> None:
    """Their passage is on every list, always as far behind: no weight of a feature brings it forward."""
    chance = random.Random(3)  # noqa: S311 - the same at every run
    questions = ask_many(120)
    planted: list[ReviewedQuestion] = []
    for number in range(30):
        one = reviewed(1_000 + number, chance)
        assert one.ranking
        features = one.ranking.features.copy()
        features[HITS - 1] = -1.0
        right = tuple(at == HITS - 1 for at in range(HITS))
        planted.append(replace(one, ranking=RankingCase(one.ranking.scores, features, right)))
    honest, _ = fit_head(questions, [], STATE_FROM)
    with_them, _ = fit_head([*questions, *planted], [], STATE_FROM)
    assert honest is not None
    weights = list_weights(with_them.ranking if with_them else SHIPPED)
    asked = [one.ranking for one in ask_many(300)[120:] if one.ranking]
    before = sum(one.find_rank(list_weights(SHIPPED)) == 1 for one in asked)
    assert sum(one.find_rank(weights) == 1 for one in asked) >= before


@pytest.mark.parametrize(
    ("won", "lost", "chance"), [(0, 0, 1.0), (5, 0, 1 / 32), (1, 1, 0.75), (8, 2, 0.055)]
)
def test_the_chance_of_so_many_wins_is_exact(won: int, lost: int, chance: float) -> None:
    assert compute_chance(won, lost) == pytest.approx(chance, abs=0.001)
