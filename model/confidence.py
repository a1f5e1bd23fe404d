"""How likely an answer is right, 0 to 1, from what the search and the checks know of it.

    signals = signals_of(question, hits, quote)
    of_quote(signals)      that the answer is in the quotation or in the further places below it
    of_page(signals)       that it is in the quotation alone: then it can be stated
    of_written(signals, …) that what the model wrote is the answer

Three logistic regressions over a few signals, none of them standardised: their weights stand in
`model/fixed/confidence.json`, fitted by `python -m benchmarks.calibration --write` on questions whose right answers are
known, and reported there with their reliability. What a model thinks of its own answer is not among the signals: small
models are as sure of what they invent as of what they read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from model import grounding
from model.asked import AskedKind, kind_of
from model.quoting import Quote
from records import Hit

WEIGHTS = Path(__file__).parent / "fixed" / "confidence.json"
_LOOKED_AT = 5
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Signals:
    """What the search knows of a question and of the first passage that it found.

    `score` is what the passage was ranked by; `margin` how far the next one is behind; `lead` how far its similarity is
    from the best one's, 0 or less; `similarity` the cosine of its best sentence. `words` is its BM25 for each word of the
    question, `terms` how many words the question has. `covered` is the share of them in the words that are marked,
    `heading` in the passage's title and heading. `told`: the question wants a quantity, and the quotation has a number;
    `untold`: it has none. `listed`: steps or a list are wanted, and there is one.
    """

    score: float
    margin: float
    lead: float
    similarity: float
    words: float
    terms: float
    covered: float
    heading: float
    told: float
    untold: float
    listed: float


def signals_of(question: str, hits: Sequence[Hit], quote: Quote, before: str = "") -> Signals:
    """Return the signals; `before` is the question that a follow-up refers to. The hits are the nearest first."""
    first, others = hits[0], hits[1:_LOOKED_AT]
    asked = grounding.content_words(f"{before} {question}")
    count = max(1, len(asked))
    above = grounding.content_words(f"{quote.passage.title} {quote.passage.heading}")
    kind = kind_of(question, before)
    number = bool(_DIGIT.search(quote.marked))
    wants_list = kind in {AskedKind.STEPS, AskedKind.LIST}
    return Signals(
        score=first.score,
        margin=first.score - others[0].score if others else 0.0,
        lead=first.similarity - max(hit.similarity for hit in (first, *others)),
        similarity=max((span.similarity for span in first.spans), default=first.similarity),
        words=first.words / count,
        terms=float(count),
        covered=len(asked & grounding.content_words(quote.marked)) / count,
        heading=len(asked & above) / count,
        told=float(kind is AskedKind.QUANTITY and number),
        untold=float(kind is AskedKind.QUANTITY and not number),
        listed=float(wants_list and quote.text.count("\n") > 1),
    )


def of_quote(signals: Signals) -> float:
    """Return how likely a quotation with its further places holds a right answer."""
    return _logistic(_weights()["quote"], asdict(signals))


def of_page(signals: Signals) -> float:
    """Return how likely the quoted words alone are a right answer."""
    return _logistic(_weights()["page"], asdict(signals))


def of_written(signals: Signals, *, covered: float, agrees: bool, skill: float) -> float:
    """Return how likely a model's words are a right answer that passed the checks.

    `covered` is how much of them the page says, 0 to 1; `agrees`: they stand in what would be quoted. `skill` is what its
    version was measured to read rightly, 0 to 1.
    """
    known = asdict(signals) | {"support": covered, "agrees": float(agrees), "skill": skill}
    return _logistic(_weights()["written"], known)


@cache
def _weights() -> Mapping[str, Mapping[str, float]]:
    return json.loads(WEIGHTS.read_text("utf-8"))


def _logistic(weights: Mapping[str, float], known: Mapping[str, float]) -> float:
    total = sum(weight * known[name] for name, weight in weights.items() if name != "bias")
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total + weights["bias"]))))
