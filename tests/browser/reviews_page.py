"""The reviewers' page alone on a port of its own, over a world whose reviewers are Robin and Kim."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

from bot.page_passes import Visitor
from bot.web.page_guard import PageGuard
from bot.web.reviews.routes import reviews_routes
from core.records import (
    Answer,
    AnswerKind,
    Citation,
    Feedback,
    FeedbackKind,
    Passage,
    ReviewReason,
    derive_answer_id,
)
from tests.builders.records import question
from tests.builders.serving import served
from tests.builders.world import (
    CITED,
    NOW,
    PAGE,
    World,
    a_quote,
    an_answer,
    pseudonym,
)

Json = dict[str, Any]

ROBIN = Visitor(pseudonym("aad-robin"), "aad-robin", "Robin", "msteams")
KIM = Visitor(pseudonym("aad-kim"), "aad-kim", "Kim", "msteams")
BOB = Visitor(pseudonym("aad-bob"), "aad-bob", "Bob", "msteams")
CARRY = Passage(
    "/site/leave#carry-over",
    "Leave",
    "Carry over",
    "You may carry over five days of annual leave until 31 March. Ask your manager by the end of November.",
    "h2",
    NOW,
)


@dataclass
class Reader:
    """A browser with a pass, or without one."""

    url: str
    http: aiohttp.ClientSession
    token: str = ""

    async def get(self, path: str) -> tuple[int, Json]:
        async with self.http.get(f"{self.url}/reviews/{path}", headers=self._headers()) as response:
            return response.status, await response.json()

    async def post(self, path: str, body: Json) -> tuple[int, Json]:
        url = f"{self.url}/reviews/{path}"
        async with self.http.post(url, json=body, headers=self._headers()) as response:
            return response.status, await response.json()

    async def press(self, verb: str, answer: Answer, round_: int = 1, **fields: Any) -> tuple[int, Json]:
        """Press a button, each time anew unless `press` names it."""
        body = {"verb": f"review.{verb}", "answer": answer.id, "round": round_, "press": str(uuid4())}
        return await self.post("press", body | fields)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@asynccontextmanager
async def serve_reviews_page(world: World, local: Visitor | None = None) -> AsyncGenerator[str]:
    """Serve the page; `local` is who a browser on this machine is. Yields its address."""
    app = web.Application()
    guard = PageGuard("reviews", world.parts.passes, world.parts.reviewer_gates, local)
    app.add_routes(reviews_routes(guard, world.parts.review_actions, world.known))  # type: ignore[arg-type]
    async with served(app) as url:
        yield url


async def come_in(world: World, url: str, who: Visitor) -> Reader:
    """Open the link that somebody got in their chat."""
    reader = Reader(url, world.http)
    link = world.parts.passes.make_link("reviews", who).partition("#link=")[2]
    status, body = await reader.post("pass", {"link": link})
    assert status == 200, body
    return replace(reader, token=body["pass"])


async def flag(world: World, *answers: Answer, reason: ReviewReason = ReviewReason.THUMB_DOWN) -> None:
    """Let answers wait for a review."""
    for one in answers:
        await world.store.add_question(one.question)
        await world.store.add_answer(one)
        await world.parts.reviewing.flag(one, reason)


def asked(number: int, text: str) -> Any:
    return replace(question(number), text=text)


def some_answers() -> Sequence[Answer]:
    """One of each kind: answered, quoted, declined beside a near sentence, and two that ask the same."""
    carry = Citation(CARRY.url, CARRY.title, CARRY.heading, "You may carry over five days of annual leave")
    declined = replace(
        an_answer(asked(3, "Can I carry over annual leave?"), "", kind=AnswerKind.DECLINED),
        passages=(CARRY, PAGE),
        citations=(),
    )
    answers = (
        an_answer(asked(1, "How long is the leave for parents?")),
        a_quote(asked(2, "Who gets parental leave?")),
        declined,
        replace(
            an_answer(asked(4, "Can I carry over annual leave?"), "Yes, five days [1]."),
            passages=(CARRY, PAGE),
            citations=(carry,),
        ),
        replace(
            an_answer(asked(5, "Can I carry over annual leave?"), "No [1]."),
            passages=(CARRY, PAGE),
            citations=(CITED,),
        ),
    )
    return [replace(one, id=derive_answer_id(one.question.id)) for one in answers]


def thumb_down(on: Answer, comment: str) -> Feedback:
    return Feedback(on.id, "p", FeedbackKind.THUMB, "dislike", trainable=True, given_at=NOW, comment=comment)
