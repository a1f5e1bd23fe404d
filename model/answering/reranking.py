"""The second look at what the search found: a reranker reads the question with the best sentences.

    await rerank_hits("how do I get out of it", hits, score_pairs, among=10)     the hits in their new order

The search compares words and meaning of passages that it read before anybody asked. A reranker reads the
question and a sentence at once and says how relevant that is, as a logit, which is also what an answer's
confidence rests on most. It reads the one or two sentences of a passage that would be quoted first, with the
headings above them (whole passages take twice as long and find less, LOG.md), and all sentences of the
passage that comes first of it: which of them is quoted and marked depends on that, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from core.records import Hit, Passage, ReadSpan
from core.sentences import Piece
from model.answering.learned_places import STRENGTH
from model.answering.quoting import IRRELEVANT, score_pieces
from model.text.languages import ENGLISH, detect_language

ScorePairs = Callable[[str, Sequence[str]], Awaitable[Sequence[float]]]
"""(question, texts) → the logit that each text is relevant; none where nobody can tell."""

_SENTENCES = 2
_WEIGHT = 0.4
"""What a logit adds to what a hit is worth; between 0.25 and 0.5 little changes (LOG.md)."""
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
    best = [_list_pieces(query or question, hit)[:_SENTENCES] for hit in first]
    read = _order_hits(await _read_pieces(question, first, best, score_pairs))
    rest = [piece for piece in _list_pieces(query or question, read[0]) if not _is_read(read[0], piece)]
    read[:1] = await _read_pieces(question, read[:1], [rest], score_pairs)
    return [*read, *hits[among:]]


async def _read_pieces(
    question: str, hits: Sequence[Hit], pieces: Sequence[Sequence[Piece]], score_pairs: ScorePairs
) -> list[Hit]:
    """Return the hits with what a reranker makes of some of their pieces."""
    read = list(zip(hits, pieces, strict=True))
    texts = [_with_headings(hit.passage, piece) for hit, some in read for piece in some]
    logits = list(await score_pairs(question, texts)) if texts else []
    if not logits:
        return list(hits)
    left = iter(logits)
    spans = [tuple(ReadSpan(one.start, one.end, next(left)) for one in some) for some in pieces]
    return [replace(hit, read=hit.read + found) for hit, found in zip(hits, spans, strict=True)]


def _order_hits(read: Sequence[Hit]) -> list[Hit]:
    known = [hit.relevance for hit in read if hit.relevance is not None]
    if not known:
        return list(read)
    best = max(known)
    worth: list[float] = []
    for hit in read:
        own = IRRELEVANT if hit.relevance is None else hit.relevance
        taught = min(1.0, max(0.0, hit.learned / STRENGTH))
        worth.append(hit.score + _WEIGHT * (own + (best - own) * taught))
    return [read[at] for at in sorted(range(len(read)), key=lambda at: -worth[at])]


def _list_pieces(query: str, hit: Hit) -> list[Piece]:
    """Return the pieces of a passage that can be quoted, the best ones by their words and meaning first."""
    return [one.piece for one in sorted(score_pieces(query, hit), key=lambda scored: -scored.score)]


def _is_read(hit: Hit, piece: Piece) -> bool:
    return any((one.start, one.end) == (piece.start, piece.end) for one in hit.read)


def _with_headings(passage: Passage, piece: Piece) -> str:
    """Return a piece below its page's title, its heading, and the row or sentence that introduces it."""
    labels = [label[:_LONGEST_HEADING] for label in (passage.title, passage.heading)]
    lines = [*labels, piece.header or piece.lead, passage.text[piece.start : piece.end]]
    return "\n".join(dict.fromkeys(line for line in lines if line))


def _is_english(query: str, hit: Hit) -> bool:
    return all(detect_language(text) in (ENGLISH, "") for text in (query, hit.passage.text))
