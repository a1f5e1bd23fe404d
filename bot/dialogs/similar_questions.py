"""Ranks the verified answers of similar questions, to be offered below an answer: "Is it this one?".

People who ask the same in other words rarely use words so near that an answer may be served without asking
(`bot/dialogs/verified_answers.py`). But their questions lead the search to the same place. So a verified
answer is offered by how near its question is, and by how soon the search comes to the place, and the page,
that it stands on. The weights were fitted on the paraphrases of one half of a handbook's pages, and reported
on the other (`python -m benchmarks.matching`, LOG.md).

Questions that need another answer look just as similar, so what is offered is never said to be the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urldefrag

from core.records import Answer, AnswerKind, Passage, VerifiedAnswer

MOST_OFFERED = 2
LEAST_SCORE = 6.0
_GAP = 3.0
"""A second one is offered where it scores at most this much less than the first."""
_NEAR, _PLACE, _PLACE_FOUND, _PAGE = 11.0, 2.3, 1.6, 2.7
"""Weights: cosine of the questions; 1 / rank of the place; whether it was found; 1 / rank of the page."""


def rank_similar(answer: Answer, known: Sequence[tuple[VerifiedAnswer, float]]) -> list[VerifiedAnswer]:
    """Return the verified answers to offer below an answer, the likeliest first.

    `known` are verified answers, each with the cosine of its question and this one. What the answer says
    already is not offered.
    """
    scored = [
        (score_similar(cosine, verified, answer.passages), verified)
        for verified, cosine in known
        if not _says_already(answer, verified)
    ]
    scored.sort(key=lambda one: -one[0])
    best = scored[0][0] if scored else 0.0
    least = max(LEAST_SCORE, best - _GAP)
    return [verified for score, verified in scored[:MOST_OFFERED] if score >= least]


def score_similar(cosine: float, verified: VerifiedAnswer, found: Sequence[Passage]) -> float:
    """Return how much speaks for the same question; `found` are the nearest passages, in order."""
    place = next((at for at, one in enumerate(found, 1) if _stands_in(verified, one)), 0)
    pages = {urldefrag(one.url).url for one in verified.citations}
    page = next((at for at, one in enumerate(found, 1) if urldefrag(one.url).url in pages), 0)
    score = _NEAR * cosine
    if place:
        score += _PLACE / place + _PLACE_FOUND
    return score + (_PAGE / page if page else 0.0)


def _stands_in(verified: VerifiedAnswer, passage: Passage) -> bool:
    """Tell whether a verified answer stands on a passage."""
    page = urldefrag(passage.url).url
    return any(
        urldefrag(one.url).url == page and (one.quote in passage.text or passage.text in one.quote)
        for one in verified.citations
    )


def _says_already(answer: Answer, verified: VerifiedAnswer) -> bool:
    """Tell whether an answer is the same as a verified one, or states what stands at the same place."""
    if answer.text == verified.text:
        return True
    quotes = {one.quote for one in verified.citations}
    return answer.kind is AnswerKind.ANSWERED and any(one.quote in quotes for one in answer.citations)
