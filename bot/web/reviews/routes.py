"""The routes of `/reviews`: the queue and the verified answers, for reviewers in a browser.

Whoever reads is written into the audit trail first, as in chat; where that fails, nothing is read.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from bot.channels.review_actions import ReviewActions
from bot.dialogs.review import GONE, Known
from bot.page_passes import Visitor
from bot.web.access import RefusedError, read_object
from bot.web.page_guard import PageGuard
from bot.web.reviews.presses import KEPT, Presses, parse_bulk, parse_press
from bot.web.reviews.reviewer_access import ReviewerAccess, ReviewerAccessFinder
from bot.web.reviews.served import ServedAnswers, ServedQuery
from bot.web.reviews.waiting import WaitingReviews
from core.translation import mark, say
from feedback.privacy.audit import AuditAction
from feedback.reviews.repository import ReviewRepository

_LONGEST = 200
_MOST = 99_999
NO_MORE = mark("This verified answer is no longer served.")


def reviews_routes(guard: PageGuard, actions: ReviewActions, known: Known) -> list[web.RouteDef]:
    """Return the page, its files, and what it reads and sends."""
    page = ReviewsPage(actions, known, ReviewerAccessFinder(actions.card_sync.audiences))
    reads = {
        "count": page.count_waiting,
        "queue": page.list_waiting,
        "queue/{answer}": page.show_waiting,
        "verified": page.list_served,
        "verified/{answer}": page.show_served,
    }
    return guard.routes(reads, {"press": page.press, "press-all": page.press_all})


@dataclass(frozen=True, slots=True)
class ReviewsPage:
    """Serves reviewers who were let in, each with what they themselves may read."""

    actions: ReviewActions
    known: Known
    access_finder: ReviewerAccessFinder

    async def count_waiting(self, _: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Send how many wait. A page asks that again and again; it is a number alone, so nobody notes it."""
        waiting = await (await self._open_waiting(visitor)).count(visitor.person)
        return web.json_response({"waiting": waiting})

    async def list_waiting(self, _: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Send the queue."""
        await self.actions.reviewing.audit.write(visitor.person, AuditAction.READ_QUEUE)
        listed = await (await self._open_waiting(visitor)).list(visitor.person)
        return web.json_response(listed | {"me": visitor.name})

    async def show_waiting(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Send one review."""
        answer_id = request.match_info["answer"]
        access = await self._record_opening(answer_id, visitor, say(GONE))
        described = await WaitingReviews(self.actions, self.known, access).describe(answer_id, visitor.person)
        if described is None:
            raise RefusedError(404, say(GONE), "gone")
        return web.json_response(described)

    async def list_served(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Send a page of the verified answers."""
        await self.actions.reviewing.audit.write(visitor.person, AuditAction.READ_VERIFIED)
        served = ServedAnswers(self.actions, self.known, await self.access_finder.find(visitor))
        listed = await served.list(parse_query(request))
        return web.json_response(listed | {"me": visitor.name})

    async def show_served(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Send one verified answer."""
        answer_id = request.match_info["answer"]
        access = await self._record_opening(answer_id, visitor, say(NO_MORE))
        served = ServedAnswers(self.actions, self.known, access)
        described = await served.describe(answer_id, self.actions.card_sync.site_url)
        if described is None:
            raise RefusedError(404, say(NO_MORE), "gone")
        return web.json_response(described)

    async def press(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Do what was pressed, and send the review as it is then."""
        press = parse_press(await read_object(request))
        access = await self.access_finder.find(visitor)
        review, doubt = await Presses(self.actions, access).perform(press, visitor)
        if review is None and doubt is None:
            return web.json_response({"done": True, "said": say(KEPT), "review": None})
        waiting = WaitingReviews(self.actions, self.known, access)
        described = await waiting.describe(press.answer_id, visitor.person, doubt)
        return web.json_response({"done": doubt is None, "said": "", "review": described})

    async def press_all(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        """Rule on several reviews alike, and send what became of each."""
        lead, others = parse_bulk(await read_object(request))
        told = await Presses(self.actions, await self.access_finder.find(visitor)).perform_all(
            lead, others, visitor
        )
        return web.json_response({"told": [{"id": name, "hindered": why} for name, why in told]})

    @property
    def _repository(self) -> ReviewRepository:
        return self.actions.reviewing.repository

    async def _open_waiting(self, visitor: Visitor) -> WaitingReviews:
        return WaitingReviews(self.actions, self.known, await self.access_finder.find(visitor))

    async def _record_opening(self, answer_id: str, visitor: Visitor, gone: str) -> ReviewerAccess:
        """Write down what is opened; return what they see. Raises RefusedError, with `gone`, if not this."""
        access = await self.access_finder.find(visitor)
        answer, review = await self.actions.store.answer(answer_id), await self._repository.review(answer_id)
        if answer is not None and not access.may_see(answer, review):
            raise RefusedError(404, gone, "gone")
        asker = answer.question.asker if answer else ""
        await self.actions.reviewing.audit.write(
            visitor.person, AuditAction.OPENED, answer_id=answer_id, person=asker
        )
        return access


def parse_query(request: web.Request) -> ServedQuery:
    """Read which verified answers are asked for; what makes no sense is left open."""
    said = {
        name: request.query.get(name, "").strip()[:_LONGEST] for name in ("about", "page", "reviewer", "use")
    }
    number = _read_number(request.query.get("number", ""))
    return ServedQuery(
        said["about"],
        said["page"],
        said["reviewer"],
        _read_number(request.query.get("newer_than", "")),
        _read_number(request.query.get("older_than", "")),
        said["use"],
        max(1, number or 1),
    )


def _read_number(text: str) -> int | None:
    """Return a count of days or pages; None for anything else."""
    written = text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST))
    return int(text) if written else None
