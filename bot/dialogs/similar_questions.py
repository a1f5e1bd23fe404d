"""Ranks the verified answers of similar questions, to be offered below an answer: "Is it this one?".

People who ask the same in other words rarely use words so near that an answer may be served without asking
(`bot/dialogs/verified_answers.py`). But their questions lead the search to the same place. So a verified
answer is offered by how near its question is, and by how soon the search comes to the place, and the page,
that it stands on. The weights were fitted on the paraphrases of one half of a handbook's pages, and reported
on the other (`python -m benchmarks.matching`, LOG.md).

Questions that need another answer look just as similar, so what is offered is never said to be the answer.
What people say of it is learned from at once (`feedback/reviews/paraphrases.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol
from urllib.parse import urldefrag

from core.records import Answer, AnswerKind, VerifiedAnswer
from feedback.privacy.deletion_log import Deletion
from feedback.privacy.opt_out import list_opt_outs
from feedback.reviews.paraphrases import Paraphrase, Paraphrases
from feedback.store.base import FeedbackStore
from feedback.store.documents import Documents

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
    found = [(urldefrag(one.url).url, one.text) for one in answer.passages]
    scored = [
        (score_similar(cosine, verified, found), verified)
        for verified, cosine in known
        if not _says_already(answer, verified)
    ]
    scored.sort(key=lambda one: -one[0])
    best = scored[0][0] if scored else 0.0
    least = max(LEAST_SCORE, best - _GAP)
    return [verified for score, verified in scored[:MOST_OFFERED] if score >= least]


def score_similar(cosine: float, verified: VerifiedAnswer, found: Sequence[tuple[str, str]]) -> float:
    """Return how much speaks for the same question; `found` has (page, text), the nearest first."""
    cited = [(urldefrag(one.url).url, one.quote) for one in verified.citations]
    ranks = [at for at, (page, _) in enumerate(found, 1) if any(page == there for there, _ in cited)]
    places = (at for at in ranks if _stands_in(cited, *found[at - 1]))
    score = _NEAR * cosine + (_PAGE / ranks[0] if ranks else 0.0)
    place = next(places, 0)
    return score + (_PLACE / place + _PLACE_FOUND if place else 0.0)


def _stands_in(cited: Sequence[tuple[str, str]], page: str, text: str) -> bool:
    """Tell whether something that is cited stands in a text of a page, or holds it."""
    return any(page == there and (quote in text or text in quote) for there, quote in cited)


def _says_already(answer: Answer, verified: VerifiedAnswer) -> bool:
    """Tell whether an answer is the same as a verified one, or states what stands at the same place."""
    if answer.text == verified.text:
        return True
    quotes = {one.quote for one in verified.citations}
    return answer.kind is AnswerKind.ANSWERED and any(one.quote in quotes for one in answer.citations)


CATCH_UP_S = 60.0
"""How soon other processes know what people say here, seconds."""


class KnowsParaphrases(Protocol):
    """Where paraphrases are looked up (`bot.dialogs.verified_answers.VerifiedAnswers`)."""

    def put_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Learn what people said of these questions, in the place of what was known of them."""
        ...

    def replace_paraphrases(self, paraphrases: Iterable[Paraphrase], /) -> None:
        """Know these paraphrases, and no others."""
        ...

    def forget_asker(self, asker: str, /) -> None:
        """Forget the paraphrases in the words of one person."""
        ...


class LearnsParaphrases:
    """Keeps what people say of offered answers, and brings it to memory. One per process."""

    def __init__(self, store: FeedbackStore, documents: Documents, known: KnowsParaphrases) -> None:
        self._store = store
        self._documents = documents
        self._kept = Paraphrases(documents)
        self._known = known

    async def learn(self, answer_id: str) -> None:
        """Somebody took or refused what was offered below an answer. Raises StoreError."""
        opted_out = await list_opt_outs(self._documents)
        self._known.put_paraphrases(await self._kept.recount(self._store, answer_id, opted_out))

    async def catch_up(self) -> None:
        """Know what other processes learned, and forget what is gone. Raises StoreError."""
        opted_out = await list_opt_outs(self._documents)
        self._known.replace_paraphrases(await self._kept.list_all(opted_out))

    async def forget_person(self, deletion: Deletion) -> None:
        """Forget a person's questions, whose data is deleted."""
        self._known.forget_asker(deletion.person)
