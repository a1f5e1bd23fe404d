"""Neighbours of a question: reviewed answers to others on the same pages, for a model to read as examples.

Nobody reads them but the model, and only the passages are a source of what it says. Still, a question is one
person's words, so one is used only if

- its verified answer is served at this moment: the store has it, its page is unchanged, its reviewer trusted
- neither who asked nor who verified has said that nothing is learned from them
- nothing in it may be personal (feedback/masking/screen.py)

An answer waits for none of this: what the store does not tell soon is no neighbour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from bot.dialogs.answerer import Verified
from bot.dialogs.verified_answers import select_untrusted
from core.records import Answer, AnswerKind, Question, VerifiedAnswer
from feedback.masking.screen import PersonalScreen
from feedback.store.base import StoreError
from model.text.languages import FUNCTION_WORDS
from model.text.prompt import Neighbour, to_completion

_LOOKED_AT = 2
"""So many verified answers are looked up for each one that may be used."""
_PATIENCE_S = 0.5

AnswerOf = Callable[[str], Awaitable[Answer | None]]
IsOut = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class People:
    """What people want, and what they were told: an answer by its id, and whether a pseudonym opted out."""

    answer: AnswerOf
    is_out: IsOut


class NeighbourFinder:
    """Finds them among the verified answers."""

    def __init__(self, verified: Verified, people: People) -> None:
        self.verified = verified
        self._people = people
        self._screen = PersonalScreen(chain.from_iterable(FUNCTION_WORDS.values()))

    async def find(self, question: Question, urls: Sequence[str], limit: int) -> Sequence[Neighbour]:
        """See `model.answering.reading.FindNeighbours`."""
        candidates = await asyncio.to_thread(self._list_candidates, question, urls, limit * _LOOKED_AT)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                found = await asyncio.gather(*map(self._look_up, candidates))
        except (StoreError, TimeoutError):
            return ()
        return [one for one in found if one is not None][:limit]

    def _list_candidates(self, question: Question, urls: Sequence[str], limit: int) -> list[VerifiedAnswer]:
        untrusted = select_untrusted(question, self.verified.local_reviewers)
        known = self.verified.known.neighbours(question, urls, limit, untrusted)
        return [one for one in known if not self._may_be_personal(one)]

    def _may_be_personal(self, verified: VerifiedAnswer) -> bool:
        texts = (text for one in verified.passages for text in (one.title, one.heading, one.text))
        return self._screen.may_be_personal(verified.question_text, "\n".join(texts))

    async def _look_up(self, known: VerifiedAnswer) -> Neighbour | None:
        """Return what a verified answer shows, if it may be used as it is now."""
        kept, answer = await asyncio.gather(
            self.verified.kept(known.answer_id), self._people.answer(known.answer_id)
        )
        if kept is None or answer is None or kept.verified_at != known.verified_at:
            return None
        if kept.stale_at is not None or not self.verified.fresh(kept):
            return None
        involved = {answer.question.asker, kept.verified_by}
        if any(await asyncio.gather(*map(self._people.is_out, involved))):
            return None
        return Neighbour(kept.question_text, to_completion(kept.text), _extract_rejected(answer, kept))


def _extract_rejected(answer: Answer, verified: VerifiedAnswer) -> str:
    """Return what a model had said where its reviewers say otherwise; a quotation is never wrong."""
    said = to_completion(answer.text) if answer.kind is AnswerKind.ANSWERED else ""
    quoted = any(said == to_completion(citation.quote) for citation in answer.citations)
    return "" if quoted or said == to_completion(verified.text) else said
