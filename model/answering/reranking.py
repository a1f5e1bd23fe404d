"""The second look at what the search found: a reranker reads the question with the best sentences.

    await rerank_hits("how do I get out of it", hits, score_pairs, among=10)     the hits in their new order

The search compares words and meaning of passages that it read before anybody asked. A reranker reads the
question and a sentence at once and says how relevant that is, as a logit (`Hit.relevance`), which is also
what an answer's confidence rests on most. It reads the one or two sentences of a passage that would be quoted
first, with the headings above them: whole passages take five times as long and find no more (LOG.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from core.records import Hit
from model.answering.learned_places import STRENGTH
from model.answering.quoting import score_pieces
from model.text.languages import ENGLISH, detect_language

ScorePairs = Callable[[str, Sequence[str]], Awaitable[Sequence[float]]]
"""(question, texts) → the logit that each text is relevant; none where nobody can tell."""

IRRELEVANT = -11.0
"""The logit of a text that has nothing to do with the question."""
_SENTENCES = 2
_WEIGHT = 0.5
"""What a logit adds to what a hit is worth; between 0.25 and 0.75 little changes (LOG.md)."""
_LONGEST_HEADING = 200
"""Characters of a title or heading that are read."""


async def score_nothing(_: str, __: Sequence[str]) -> Sequence[float]:
    """Know nothing of what is relevant."""
    return ()


async def rerank_hits(
    question: str, hits: Sequence[Hit], score_pairs: ScorePairs, among: int, query: str = ""
) -> list[Hit]:
    """Return the hits with the first so many read and ordered by that, too; the scores stay.

    `query` is what was searched for, where that is more than the question: a follow-up with what it refers
    to. It chooses the sentences, and the question alone is read with them: beside another one it is read as
    if that were asked, too (LOG.md). The reranker knows English: for a question or a page in another language
    nothing changes. Nor does it put back a place that reviewers named: the nearer their question was, the
    less it counts there.
    """
    first = list(hits[:among])
    if not first or not _is_english(question, first[0]):
        return list(hits)
    texts = [_list_best_sentences(query or question, hit) for hit in first]
    logits = await score_pairs(question, [text for some in texts for text in some])
    if not logits:
        return list(hits)
    left = iter(logits)
    read = [
        replace(hit, relevance=max((next(left) for _ in some), default=IRRELEVANT))
        for hit, some in zip(first, texts, strict=True)
    ]
    return [*_order_hits(read), *hits[among:]]


def _order_hits(read: Sequence[Hit]) -> list[Hit]:
    relevance = [IRRELEVANT if hit.relevance is None else hit.relevance for hit in read]
    best = max(relevance)
    taught = [min(1.0, max(0.0, hit.learned / STRENGTH)) for hit in read]
    worth = [
        hit.score + _WEIGHT * (own + (best - own) * share)
        for hit, own, share in zip(read, relevance, taught, strict=True)
    ]
    return [read[at] for at in sorted(range(len(read)), key=lambda at: -worth[at])]


def _list_best_sentences(query: str, hit: Hit) -> list[str]:
    """Return the pieces of a passage that would be quoted first, each below its headings."""
    one = hit.passage
    best = sorted(score_pieces(query, hit), key=lambda scored: -scored.score)[:_SENTENCES]
    above = [label[:_LONGEST_HEADING] for label in (one.title, one.heading) if label]
    return [
        "\n".join(
            dict.fromkeys(
                [
                    *above,
                    *filter(None, [scored.piece.header or scored.piece.lead]),
                    one.text[scored.piece.start : scored.piece.end],
                ]
            )
        )
        for scored in best
    ]


def _is_english(query: str, hit: Hit) -> bool:
    return all(detect_language(text) in (ENGLISH, "") for text in (query, hit.passage.text))
