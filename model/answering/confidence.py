"""Confidence: how likely an answer is right, 0 to 1, by what the search and the checks know of it.

    signals = compute_signals(question, hits, quote)
    rate_quote(signals)            that the answer is in the quotation or in the further places below it
    rate_page(signals)             that it is in the quotation alone: then it can be stated
    rate_features(features, …)     that what a model wrote is the answer: "written" are the weights of what a
                                   small one made of the answering sentence, "read" of one that read passages

Logistic regressions over a few signals, none of them standardised: their weights stand in
`model/fixed/confidence.json` (`page_unread` and `quote_unread` where no reranker read what was found), fitted
by `python -m benchmarks.calibration --write` on questions whose right answers are known, and reported there
with their reliability. What a model thinks of its own answer is not among the signals: small models are as
sure of what they invent as of what they read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from core.records import Citation, Hit
from model.answering import grounding
from model.answering.quoting import IRRELEVANT, Quote
from model.text.question import AskedKind, classify_question

_DIGIT = re.compile(r"\d")
WEIGHTS = Path(__file__).parent.parent / "fixed" / "confidence.json"
_SURE = 0.03
ConfidenceWeights = Mapping[str, Mapping[str, float]]
"""Weights by signal, "bias" among them, of each regression by its name."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Features of a question and of the first passage that the search found.

    `score` is what the passage was ranked by; `margin` how far the next one is behind; `terms` how many words
    with a meaning the question has: who says more is understood better. `told`: the question wants a
    quantity, and the answering sentence has a number; `untold`: it has none. `relevance` is the reranker's
    logit of the passage, `lead` how far it is above the best of the others; None: nobody read them.
    """

    score: float
    margin: float
    terms: float
    told: float
    untold: float
    relevance: float | None = None
    lead: float | None = None


def compute_signals(question: str, hits: Sequence[Hit], quote: Quote, before: str = "") -> Signals:
    """Return the signals; `before` is the question that a follow-up refers to.

    The hits are the nearest first. What reviewers' rulings on other questions add to the first one does not
    make it surer, since those may ask for something else; what they take from it makes it less sure.
    """
    score = hits[0].score - max(0.0, hits[0].learned)
    quantity = classify_question(question, before) is AskedKind.QUANTITY
    number = bool(_DIGIT.search(quote.answering))
    return Signals(
        score=score,
        margin=_compute_margin(score, hits[1]) if len(hits) > 1 else 0.0,
        terms=float(max(1, len(grounding.content_words(f"{before} {question}")))),
        told=float(quantity and number),
        untold=float(quantity and not number),
        relevance=hits[0].relevance,
        lead=_compute_lead(hits),
    )


def _compute_margin(score: float, second: Hit) -> float:
    return max(0.0, score - (second.score - second.learned))


def _compute_lead(hits: Sequence[Hit]) -> float | None:
    if hits[0].relevance is None:
        return None
    others = (hit.relevance for hit in hits[1:] if hit.relevance is not None)
    return hits[0].relevance - max(others, default=IRRELEVANT)


def rate_quote(signals: Signals, weights: ConfidenceWeights | None = None) -> float:
    """Return how likely a quotation with its further places holds a right answer."""
    return _rate(signals, "quote", weights or {})


def rate_page(signals: Signals, weights: ConfidenceWeights | None = None) -> float:
    """Return how likely the quoted words alone are a right answer."""
    return _rate(signals, "page", weights or {})


def _rate(signals: Signals, name: str, weights: ConfidenceWeights) -> float:
    """Rate by weights of one's own, if they know what was read, else by the shipped ones."""
    read = signals.relevance is not None
    own = weights.get(name, {})
    chosen = (
        own if own and ("relevance" in own) == read else load_weights()[name if read else f"{name}_unread"]
    )
    return _logistic(chosen, asdict(signals))


def rate_features(features: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return how likely something is by its features and their weights."""
    return _logistic(weights, features)


def cites_quote(cited: Sequence[Citation], quoted: str) -> bool:
    """Tell whether something of what a model cites is what the search would have quoted, too."""
    return any(one.quote in quoted for one in cited)


def collect_written_features(signals: Signals) -> Mapping[str, float]:
    """Return what "written" weighs: the page's log odds, and whether a quantity is asked for."""
    likely = min(1 - _SURE, max(_SURE, rate_page(signals)))
    return {"page": math.log(likely / (1 - likely)), "quantity": signals.told + signals.untold}


def collect_read_features(signals: Signals, *, agrees: bool) -> Mapping[str, float]:
    """Return what "read" weighs."""
    return {**collect_written_features(signals), "agrees": float(agrees)}


@cache
def load_weights() -> ConfidenceWeights:
    """Return the shipped weights."""
    return json.loads(WEIGHTS.read_text("utf-8"))


def _logistic(weights: Mapping[str, float], known: Mapping[str, float]) -> float:
    total = sum(weight * known[name] for name, weight in weights.items() if name != "bias")
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total + weights["bias"]))))
