"""Fits a search head to what reviewers decided, and decides whether it may answer.

    head, reasons = fit_head(cases, fixed, state_from)

The weights of the order are fitted to what a reranker has read (without one, to what was ranked), and count
there alone. They are fitted by a pairwise logistic loss (RankNet without its net: Burges et al., ICML
2005): of each question the right passage should stand above each of the others. Those of confidence are a
logistic regression on whether the quotation holds what the reviewers cited. Both start from the shipped
weights and are pulled back to them (L2), so that few rulings move them little.

A part of the questions, by a hash of their words, is held out and decides:

- the order has to put the right passage first more often. Of the questions on which both orders differ, as
  many more have to be won as chance gives in one of `MOST_CHANCE` cases at most (McNemar's test, exact); the
  right passage is among the first three no less often; and no fixed question loses either place;
- the confidence has to be higher for what was right than for what was not, and nearer to it than before (log
  loss), both with a one-sided test at the same chance; and what would be stated with it has to be right no
  less often.

Each is decided by itself. Whatever is refused stays as shipped, and a sentence says why.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from model.answering.confidence import Signals, load_weights
from model.answering.search_head import SHIPPED, Numbers, SearchHead, list_weights
from model.evaluation.near_fit import Cases, compute_log_loss, fit_near, make_cases, rate_cases

LEAST_QUESTIONS = 60
"""Reviewed questions without which nothing is fitted; three of ten measure."""
HELD_OUT = 0.3
MOST_CHANCE = 0.05
_RANKING_RIDGE = 0.05
"""Pull towards the shipped weights, beside a loss that is a mean over the questions."""
_CONFIDENCE_RIDGE = 10.0
"""The same, in questions, beside a loss that is a sum over them."""
_STEPS = 40
_AMONG = 10
"""Hits that the right passage is compared with."""
_ONE_SIDED_Z = 1.645
_RELEVANCE = list(SHIPPED).index("relevance")
_FITTED = ("score", "terms", "told", "relevance", "lead")
_FITTED_UNREAD = ("score", "margin", "terms", "told")
"""The signals where a reranker read what was found, and where none did."""
_FIRST, _THIRD = 1, 3


@dataclass(frozen=True, slots=True)
class RankingCase:
    """One question's hits.

    `scores` are the search's own, `features` those of `compute_features`, `right` says which hits hold what
    the reviewers cited.
    """

    scores: Numbers
    features: Numbers
    right: tuple[bool, ...]

    @property
    def is_read(self) -> bool:
        """Whether a reranker read the hits."""
        return bool(self.features[:, _RELEVANCE].any())

    def find_rank(self, weights: Numbers) -> int:
        """Return the rank of the first right hit, from 1; a rank beyond the last where there is none."""
        order = np.argsort(-(self.scores + self.features @ weights), kind="stable")
        return next((rank for rank, at in enumerate(order, 1) if self.right[at]), len(order) + 1)


@dataclass(frozen=True, slots=True)
class ReviewedQuestion:
    """What the search makes of a reviewed question on today's pages.

    `ranking` is None where the answer is on no page. `signals` are those of what would be quoted, and `page`
    and `quote` whether that holds what the reviewers cited, alone or with its further places. `weight` is how
    many answers the reviewed one stands for.
    """

    answer_id: str
    question: str
    ranking: RankingCase | None
    signals: Signals | None
    page: bool
    quote: bool
    weight: float = 1.0

    @property
    def held_out(self) -> bool:
        """Whether it only measures."""
        plain = " ".join(self.question.casefold().split())
        lot = int.from_bytes(hashlib.sha256(f"search|{plain}".encode()).digest()[:8]) / 2**64
        return lot < HELD_OUT


def fit_head(
    questions: Sequence[ReviewedQuestion], fixed: Sequence[RankingCase], state_from: float
) -> tuple[SearchHead | None, list[str]]:
    """Return a head that is better on held-out questions, None where none is, and why."""
    if len(questions) < LEAST_QUESTIONS:
        return None, [f"{len(questions)} reviewed questions still stand; {LEAST_QUESTIONS} are needed."]
    figures: dict[str, float] = {"questions": len(questions)}
    ranking, why = _fit_order(questions, fixed, figures)
    confidence, whys = _fit_confidence(questions, state_from, figures)
    reasons = [why, *whys]
    if ranking is None and not confidence:
        return None, reasons
    answers = tuple(sorted(one.answer_id for one in questions))
    head = SearchHead(ranking or dict(SHIPPED), confidence, answers, figures)
    return head, reasons


# The order


def _fit_order(
    questions: Sequence[ReviewedQuestion], fixed: Sequence[RankingCase], figures: dict[str, float]
) -> tuple[Mapping[str, float] | None, str]:
    ranked = [one for one in questions if one.ranking is not None and any(one.ranking.right)]
    read = [one for one in ranked if one.ranking and one.ranking.is_read]
    ranked = read or ranked
    known = [one.ranking for one in ranked if not one.held_out and one.ranking]
    held = [one.ranking for one in ranked if one.held_out and one.ranking]
    if not known or not held:
        return None, "The order stays: of too few questions the right passage was found."
    shipped, fitted = list_weights(SHIPPED), fit_ranking(known)
    before = [one.find_rank(shipped) for one in held]
    after = [one.find_rank(fitted) for one in held]
    figures |= _count_recall("before", before) | _count_recall("after", after)
    won = sum(old > _FIRST >= new for old, new in zip(before, after, strict=True))
    lost = sum(new > _FIRST >= old for old, new in zip(before, after, strict=True))
    figures["order_chance"] = chance = compute_chance(won, lost)
    if chance > MOST_CHANCE:
        return None, f"The order stays: of {len(held)} held-out questions {won} were won and {lost} lost."
    if _count_first(after, _THIRD) < _count_first(before, _THIRD):
        return None, "The order stays: fewer right passages are among the first three."
    down = sum(_falls(one.find_rank(shipped), one.find_rank(fitted)) for one in fixed)
    if down:
        return None, f"The order stays: {down} fixed questions lose their place."
    weights = {name: round(float(value), 4) for name, value in zip(SHIPPED, fitted, strict=True)}
    if not read:
        del weights["relevance"]
    return weights, f"The order is better: of {len(held)} held-out questions {won} were won and {lost} lost."


def _falls(before: int, after: int) -> bool:
    """Tell whether a right passage is not the first, or among the first three, any more."""
    return any(before <= first < after for first in (_FIRST, _THIRD))


def fit_ranking(cases: Sequence[RankingCase]) -> Numbers:
    """Return weights under which the right passages stand first, near the shipped ones (Newton's method)."""
    shipped = list_weights(SHIPPED)
    gaps, offsets, shares = _pair_hits(cases, shipped)
    moved = np.zeros(len(shipped))
    if not len(gaps):
        return shipped
    for _ in range(_STEPS):
        wrong = 1 / (1 + np.exp(np.clip(offsets + gaps @ moved, -30, 30)))
        slope = -gaps.T @ (shares * wrong) + _RANKING_RIDGE * moved
        curve = (gaps * (shares * wrong * (1 - wrong))[:, None]).T @ gaps
        step = np.linalg.solve(curve + _RANKING_RIDGE * np.eye(len(moved)), slope)
        moved -= step
        if np.abs(step).max() < 1e-8:  # noqa: PLR2004 - nothing moves any more
            break
    return shipped + moved


def _pair_hits(cases: Sequence[RankingCase], shipped: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return (features, score, share of the loss) by which the right hit leads each wrong one."""
    gaps: list[Numbers] = []
    offsets: list[float] = []
    shares: list[float] = []
    for case in cases:
        scores = case.scores + case.features @ shipped
        order = [int(at) for at in np.argsort(-scores, kind="stable")]
        right = next((at for at in order if case.right[at]), None)
        wrong = [at for at in order if not case.right[at]][:_AMONG]
        if right is None or not wrong:
            continue
        gaps += [case.features[right] - case.features[at] for at in wrong]
        offsets += [float(scores[right] - scores[at]) for at in wrong]
        shares += [1 / (len(wrong) * len(cases))] * len(wrong)
    return np.array(gaps), np.array(offsets), np.array(shares)


def compute_chance(won: int, lost: int) -> float:
    """Return how likely so many wins or more are where both are as good (McNemar, one-sided, exact)."""
    differ = won + lost
    return sum(math.comb(differ, more) for more in range(won, differ + 1)) / 2**differ


def _count_recall(when: str, ranks: Sequence[int]) -> dict[str, float]:
    return {
        f"recall@{first}_{when}": round(_count_first(ranks, first) / len(ranks), 4)
        for first in (_FIRST, _THIRD)
    }


def _count_first(ranks: Sequence[int], first: int) -> int:
    return sum(rank <= first for rank in ranks)


# Confidence


def _fit_confidence(
    questions: Sequence[ReviewedQuestion], state_from: float, figures: dict[str, float]
) -> tuple[dict[str, Mapping[str, float]], list[str]]:
    """Return the weights that passed, by their name, and what was decided of each."""
    quoted = _select_quoted(questions)
    known = [one for one in quoted if not one.held_out]
    held = [one for one in quoted if one.held_out]
    passed: dict[str, Mapping[str, float]] = {}
    reasons: list[str] = []
    for name in ("quote", "page"):
        if not known or not held:
            reasons.append(f"The confidence «{name}» stays: too few questions were quoted for.")
            continue
        fitted = fit_confidence(known, name)
        refusal = _judge_confidence(held, name, fitted, state_from, figures)
        if not refusal:
            passed[name] = fitted
        reasons.append(
            f"The confidence «{name}» {f'stays: {refusal}' if refusal else 'is nearer to what was right.'}"
        )
    return passed, reasons


def fit_confidence(questions: Sequence[ReviewedQuestion], name: str) -> Mapping[str, float]:
    """Return the weights of one regression, near the shipped ones."""
    cases, shipped = _list_cases(questions, name)
    return fit_near(cases, shipped, _CONFIDENCE_RIDGE, _CONFIDENCE_RIDGE)


def _list_cases(questions: Sequence[ReviewedQuestion], name: str) -> tuple[Cases, Mapping[str, float]]:
    """Return the questions with the signals that they have, and what these weigh as shipped."""
    signals = [asdict(one.signals) for one in questions if one.signals]
    names, shipped = _find_shipped(questions, name)
    rows: list[Mapping[str, float]] = [{key: one[key] for key in names} for one in signals]
    right, weight = [getattr(one, name) for one in questions], [one.weight for one in questions]
    return make_cases(rows, right, weight), shipped


def _judge_confidence(
    held: Sequence[ReviewedQuestion],
    name: str,
    fitted: Mapping[str, float],
    state_from: float,
    figures: dict[str, float],
) -> str:
    """Return why fitted weights do not count, "" where they do."""
    cases, shipped = _list_cases(held, name)
    right = cases.right
    likely = {"before": rate_cases(cases, shipped), "after": rate_cases(cases, fitted)}
    losses = {when: compute_log_loss(one, right) for when, one in likely.items()}
    precision: dict[str, float] = {}
    for when, one in likely.items():
        stated = one >= state_from
        precision[when] = float(right[stated].mean()) if stated.any() else 1.0
        figures[f"{name}_loss_{when}"] = round(float(losses[when].mean()), 4)
        figures[f"{name}_precision_{when}"] = round(precision[when], 4)
    if not _tells(likely["after"], right):
        return f"on {len(held)} held-out questions it does not tell right from wrong."
    gains = losses["before"] - losses["after"]
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
    if float(gains.mean()) <= _ONE_SIDED_Z * error:
        return f"on {len(held)} held-out questions it is not surely nearer."
    if precision["after"] < precision["before"]:
        return "what would be stated with it is right less often."
    return ""


def _tells(likely: Numbers, right: Numbers) -> bool:
    """Tell whether right ones are surer than wrong ones, beyond chance (Mann & Whitney 1947)."""
    good, bad = likely[right > 0], likely[right == 0]
    if not len(good) or not len(bad):
        return False
    area = float((good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2)
    error = math.sqrt((len(good) + len(bad) + 1) / (12 * len(good) * len(bad)))
    return area - 0.5 > _ONE_SIDED_Z * error


def _select_quoted(questions: Sequence[ReviewedQuestion]) -> list[ReviewedQuestion]:
    """Return what was quoted for: of the same signals all, those that a reranker read if there are any."""
    quoted = [one for one in questions if one.signals]
    return [one for one in quoted if one.signals and one.signals.relevance is not None] or quoted


def _find_shipped(
    questions: Sequence[ReviewedQuestion], name: str
) -> tuple[Sequence[str], Mapping[str, float]]:
    """Return the signals that these questions have, and what they weigh as shipped."""
    read = any(one.signals and one.signals.relevance is not None for one in questions)
    return (_FITTED, load_weights()[name]) if read else (_FITTED_UNREAD, load_weights()[f"{name}_unread"])
