"""Answers from the verified answers first, then from the page that a question names, or all known ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urldefrag

from bot.dialogs import events
from bot.dialogs.rate import Forms
from bot.dialogs.verified_answers import VerifiedAnswers
from core import telemetry
from core.records import Answer, AnswerKind, Channel, Question, Timings, VerifiedAnswer, answer_id_of
from feedback.store.base import StoreUnavailable
from model.answering.chain import Answering, StopWriting
from pages.library import Library

VERIFIED = "verified"
"""The model version of an answer that no model wrote."""
_LOOKED_AT = 2


@dataclass(frozen=True, slots=True)
class Verified:
    """The verified answers, and whether one still stands on what its pages say.

    `kept` looks one up in the store: another process may have taken it back a moment ago. What
    `local_reviewers` have verified, on the chat page, is served on the chat page only; they are pseudonyms.
    """

    known: VerifiedAnswers
    fresh: Callable[[VerifiedAnswer], bool]
    kept: Callable[[str], Awaitable[VerifiedAnswer | None]]
    local_reviewers: frozenset[str] = frozenset()


class PageAnswerer:
    """A `bot.dialogs.ask.Answerer`."""

    def __init__(
        self,
        library: Library,
        answering: Answering,
        verified: Verified | None = None,
        forms: Forms | None = None,
    ) -> None:
        self._library = library
        self._answering = answering
        self._verified = verified
        self._forms = forms or Forms()

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncGenerator[str | Answer]:
        """See `bot.dialogs.ask.Answerer`; raises PageRefused when the named page cannot be read."""
        started = time.perf_counter()
        if question.page_url:
            with telemetry.span("fetch"):
                await self._library.ensure(question.page_url)
        verified = await self._find(question)
        if verified is not None:
            served = self._with_form(_served(verified, question, time.perf_counter() - started))
            telemetry.link(verified.trace)
            events.verified_served(served, verified)
            yield served
            return
        async with aclosing(self._answering.stream(question, history)) as stream:
            async for item in stream:
                try:
                    yield self._passed_on(item)
                except StopWriting as enough:
                    yield self._passed_on(await stream.athrow(enough))

    def _passed_on(self, item: str | Answer) -> str | Answer:
        return self._with_form(item) if isinstance(item, Answer) else item

    def _with_form(self, answer: Answer) -> Answer:
        return replace(answer, form=self._forms.form_for(answer))

    async def _find(self, question: Question) -> VerifiedAnswer | None:
        if self._verified is None:
            return None
        with telemetry.span("verified"):
            untrusted = () if question.channel is Channel.LOCAL else self._verified.local_reviewers
            found = await asyncio.to_thread(self._verified.known.find, question, untrusted)
            if found is None or not self._verified.fresh(found) or not await self._is_kept(found):
                return None
            return found if not found.abstained or await self._still_nowhere(question, found) else None

    async def _is_kept(self, found: VerifiedAnswer) -> bool:
        assert self._verified is not None  # noqa: S101
        try:
            kept = await self._verified.kept(found.answer_id)
        except StoreUnavailable:  # better what was verified a moment ago than nothing
            return True
        return kept is not None and kept.stale_at is None

    async def _still_nowhere(self, question: Question, found: VerifiedAnswer) -> bool:
        """Tell whether «not on the page» can still be so: a page that is new since then may tell."""
        hits = await self._library.search(question.text, _LOOKED_AT, question.page_url)
        known = {url for url, _ in found.pages}
        return all(urldefrag(hit.passage.url).url in known for hit in hits)


def is_fresh(verified: VerifiedAnswer, page_hash: Callable[[str], str | None]) -> bool:
    """Tell whether every page behind a verified answer is unchanged. `page_hash` is None for an unknown page.

    A page that somebody pasted leaves the index after a while: unknown then, not changed.
    """
    hashes = [(page_hash(url), then) for url, then in verified.pages]
    return all(now == then or (now is None and verified.page_url is not None) for now, then in hashes)


def _served(verified: VerifiedAnswer, question: Question, took_s: float) -> Answer:
    return Answer(
        id=answer_id_of(question.id),
        question=question,
        text=verified.text,
        passages=verified.passages,
        citations=verified.citations,
        model_version=VERIFIED,
        kind=AnswerKind.DECLINED if verified.abstained else AnswerKind.ANSWERED,
        timings=Timings(search_s=took_s, total_s=took_s),
        answered_at=datetime.now(UTC),
        verified_by=verified.verified_by,
        verified_at=verified.verified_at,
        written_on=verified.written_on,
    )
