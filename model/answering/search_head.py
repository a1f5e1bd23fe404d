"""The search head: what the parts of the search's order weigh, and how sure that makes the bot.

    rank_hits(query, kind, hits, head)     the hits in the order that the head gives them
    weigh_hits(query, kind, hits, head)    what each of these is worth once a reranker has read them

The search's own score is a sum of words, meaning and sentences, to which a question's kind and the page's
headings add something (`SHIPPED`), and at last what a reranker makes of the nearest. A head has other
weights, fitted to what reviewers decided (jobs/fit_search.py), and other weights of confidence. It changes
the order, not the scores: how sure an answer is rests on what the shipped weights make of it, or a head that
likes big numbers would make it sure of anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from core.records import Hit
from core.sentences import pieces
from model.answering.learned_places import STRENGTH
from model.answering.quoting import IRRELEVANT
from model.checks.terms import content_words
from model.text.question import AskedKind

Numbers = NDArray[np.float64]

SHIPPED: Mapping[str, float] = {
    "words": 0.0,
    "meaning": 0.0,
    "sentence": 0.0,
    "title": 0.8,
    "heading": 6.0,
    "number": 0.8,
    "list": 0.6,
    "learned": 0.0,
    "relevance": 1.6,
}
"""What each feature adds to the search's score, which has words, meaning, sentences and what was learned at
once in it already: theirs are 0.

`title`: the share of the page's title that stands in the question. `heading`: a section whose heading is the
question, word for word. `number`: a passage with one, where a quantity is asked for. `list`: a passage with
one, where steps or several things are asked for. `relevance`: a reranker's logit, in fours, since logits are
spread about four times as far as the rest; 0 for all where none read them; between 1 and 2 little changes.
They are on the scale of the search's standardised scores, and were chosen over several sets of questions
(LOG.md).
"""
IN_SCORE: Mapping[str, float] = {**SHIPPED, "relevance": 0.0}
"""What of these is in the score of a hit that `rank_hits` has ranked."""
_LOGITS = 4.0
_DIGIT = re.compile(r"\d")
_LISTS = frozenset({AskedKind.STEPS, AskedKind.LIST})
_NO_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class SearchHead:
    """Weights by feature, and the weights of `model/answering/confidence.py` that were fitted with them.

    `confidence` has "quote" and "page" (none: the shipped ones count). `answers` are the ids of the answers
    whose reviews it was fitted to, `figures` what it reached, `name` "" for the shipped one.
    """

    ranking: Mapping[str, float] = field(default_factory=lambda: SHIPPED)
    confidence: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    answers: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    name: str = ""
    made_at: str = ""

    @property
    def orders_read(self) -> bool:
        """Whether it was fitted to what a reranker had read, and counts there; else it counts elsewhere."""
        return "relevance" in self.ranking

    @property
    def version(self) -> str:
        """What answers and telemetry call it."""
        return self.name or "shipped"


SHIPPED_HEAD = SearchHead()


def rank_hits(query: str, kind: AskedKind, hits: Sequence[Hit], head: SearchHead = SHIPPED_HEAD) -> list[Hit]:
    """Return the hits with the shipped bonuses in their scores, in the order of a head for what none reads.

    Which hits a reranker reads is left to the shipped head, as where that order was fitted.
    """
    if not hits:
        return []
    features = compute_features(query, kind, hits)
    bonuses = features @ list_weights(IN_SCORE)
    weights = list_weights(SHIPPED if head.orders_read else head.ranking)
    moved = features @ (weights - list_weights(IN_SCORE))
    raised = [replace(hit, score=hit.score + float(bonuses[at])) for at, hit in enumerate(hits)]
    order = sorted(range(len(hits)), key=lambda at: -(raised[at].score + float(moved[at])))
    return [raised[at] for at in order]


def weigh_hits(query: str, kind: AskedKind, hits: Sequence[Hit], head: SearchHead = SHIPPED_HEAD) -> Numbers:
    """Return what hits are worth, once read; `rank_hits` has ranked them and raised their scores."""
    weights = list_weights(head.ranking if head.orders_read else SHIPPED)
    moved = compute_features(query, kind, hits) @ (weights - list_weights(IN_SCORE))
    return np.array([hit.score for hit in hits], np.float64) + moved


def compute_features(query: str, kind: AskedKind, hits: Sequence[Hit]) -> Numbers:
    """Return a row for each hit, with the features in the order of `SHIPPED`."""
    asked = content_words(query)
    sentences = [max((span.similarity for span in hit.spans), default=hit.similarity) for hit in hits]
    columns = [
        _standardise([hit.words for hit in hits]),
        _standardise([hit.similarity for hit in hits]),
        _standardise(sentences),
    ]
    rows = np.array([_compute_bonuses(asked, kind, hit) for hit in hits], np.float64)
    return np.column_stack([*columns, rows, _list_relevance(hits)])


def list_weights(weights: Mapping[str, float]) -> Numbers:
    """Return weights in the order of the features; one that is missing is as shipped."""
    return np.array([weights.get(name, shipped) for name, shipped in SHIPPED.items()])


def _compute_bonuses(asked: Collection[str], kind: AskedKind, hit: Hit) -> tuple[float, ...]:
    title = content_words(hit.passage.title)
    heading = content_words(hit.passage.heading)
    text = hit.passage.text
    return (
        len(title & set(asked)) / len(title) if title else 0.0,
        float(bool(heading) and heading == asked),
        float(kind is AskedKind.QUANTITY and _DIGIT.search(text) is not None),
        float(kind in _LISTS and any(piece.kind == "item" for piece in pieces(text))),
        hit.learned,
    )


def _list_relevance(hits: Sequence[Hit]) -> Numbers:
    """Return what a reranker makes of hits; what it did not read is irrelevant.

    A place that reviewers named is not put back: the nearer their question was, the less it counts there.
    """
    known = [hit.relevance for hit in hits if hit.relevance is not None]
    if not known:
        return np.zeros(len(hits))
    own = np.array([IRRELEVANT if hit.relevance is None else hit.relevance for hit in hits], np.float64)
    taught = np.clip([hit.learned / STRENGTH for hit in hits], 0.0, 1.0)
    return (own + (max(known) - own) * taught) / _LOGITS


def _standardise(scores: Sequence[float]) -> Numbers:
    """Return scores in standard deviations from their mean; all 0 where they are all the same."""
    found = np.array(scores, np.float64)
    spread = float(found.std())
    return (found - found.mean()) / spread if spread > _NO_SPREAD else np.zeros(len(found))
