"""What a reviewer does on the page, done as in chat: the same actions, checks, and outbox (`ReviewActions`).

A press is named by the page, so that the same one twice is one. What several questions have in common is
ruled on for each of them by itself: of each the reviewer hears what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

from bot.card_tokens import BadAction
from bot.cards.places import AUTO, NONE, spans
from bot.cards.review_actions import CORRECTION_CHARACTERS, NOTE_CHARACTERS, to_reviewed
from bot.channels.review_actions import NOT_READ, Presser, ReviewAction, ReviewActions, Seen
from bot.dialogs.review import GONE, Refused
from bot.page_passes import Visitor
from bot.web.access import RefusedError
from bot.web.reviews.reviewer_access import ReviewerAccess
from core.records import Answer, Citation, Review
from core.translation import mark, say
from feedback.store.base import StoreUnavailable

_RULINGS = frozenset({"review.approve", "review.correct", "review.not_on_page", "review.reject"})
VERBS = _RULINGS | {"review.claim", "review.skip", "review.undo", "review.edit", "review.withdraw"}
MOST_AT_ONCE = 50
SAMPLED = mark("It is in the random sample, so it is judged on its own: accuracy is computed from it.")
NO_SUCH_PLACE = mark(
    "The search did not find this place for that question: open the question and choose a place."
)
KEPT = mark("The bot cannot reach its records: your decision is saved, and takes effect once it can.")
NO_PRESS = mark("This request did not come from the page.")
_PRESS = re.compile(r"[0-9a-f-]{16,40}")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Press:
    """What was pressed, as the page sent it; `name` names the press."""

    verb: str
    answer_id: str
    round: int
    name: str
    text: str = ""
    span: str = ""
    note: str = ""
    sure: bool = False


def parse_press(body: Json) -> Press:
    """Read a press. Raises RefusedError for what no page of ours sends."""
    texts = {name: body.get(name, "") for name in ("verb", "answer", "press", "text", "span", "note")}
    round_ = body.get("round", 0)
    if not all(isinstance(one, str) for one in texts.values()) or not isinstance(round_, int):
        raise RefusedError(400, say(NO_PRESS), "bad_request")
    if texts["verb"] not in VERBS or not texts["answer"] or not _PRESS.fullmatch(texts["press"]):
        raise RefusedError(400, say("This page has no such action."), "bad_request")
    return Press(
        texts["verb"],
        texts["answer"],
        round_,
        texts["press"],
        texts["text"].strip()[:CORRECTION_CHARACTERS],
        texts["span"][:NOTE_CHARACTERS],
        texts["note"].strip()[:NOTE_CHARACTERS],
        body.get("sure") is True,
    )


def parse_bulk(body: Json) -> tuple[Press, Sequence[tuple[str, int]]]:
    """Read a ruling for several reviews, each (answer id, round). Raises RefusedError."""
    others = body.get("others")
    if not isinstance(others, list) or len(cast("list[Any]", others)) > MOST_AT_ONCE:
        raise RefusedError(
            400, say("You can decide on at most {most} at once.", most=MOST_AT_ONCE), "bad_request"
        )
    lead = parse_press(body)
    if lead.verb not in _RULINGS:
        raise RefusedError(400, say("You can do this for one review at a time."), "bad_request")
    parsed: list[tuple[str, int]] = []
    for one in cast("list[Json]", others):
        press = parse_press(one | {"verb": lead.verb, "press": lead.name})
        parsed.append((press.answer_id, press.round))
    return lead, parsed


class Presses:
    """Does what a permitted reviewer presses on what `access` lets them see."""

    def __init__(self, actions: ReviewActions, access: ReviewerAccess) -> None:
        self._actions = actions
        self._access = access

    async def perform(self, press: Press, visitor: Visitor) -> tuple[Review | None, Citation | None]:
        """Do it: return the review as it is then, or the sentence of the page that speaks against it.

        Both None: the store is away, and it is done later. Raises RefusedError where it cannot be done.
        """
        return await self._perform(press, visitor, await self._read_visible(press.answer_id))

    async def _perform(
        self, press: Press, visitor: Visitor, seen: Seen
    ) -> tuple[Review | None, Citation | None]:
        if press.verb in {"review.correct", "review.edit"} and not press.text:
            raise RefusedError(400, say("Please write the right answer first."), "bad_request")
        if press.verb == "review.skip" and not press.note:
            raise RefusedError(400, say("Please say why you skip it."), "bad_request")
        wish = _build_wish(press, visitor)
        presser = Presser(visitor.chat, visitor.directory_id, sees_files=False)
        try:
            doubt = None if press.sure else self._actions.find_doubt(wish, seen)
            return (None, doubt) if doubt else (await self._actions.perform(wish, presser, seen), None)
        except Refused as refused:
            self._actions.reviewing.wake()
            raise RefusedError(409, str(refused), "refused") from refused
        except BadAction as bad:
            raise RefusedError(400, str(bad), "bad_request") from bad

    async def perform_all(
        self, lead: Press, others: Sequence[tuple[str, int]], visitor: Visitor
    ) -> list[tuple[str, str]]:
        """Do the same for several; return (answer id, what hinders it: "" where it is done) of each."""
        place = await self._find_place(lead, visitor, await self._read_visible(lead.answer_id))
        told: list[tuple[str, str]] = []
        for answer_id, round_ in ((lead.answer_id, lead.round), *others):
            press = replace(lead, answer_id=answer_id, round=round_)
            told.append((answer_id, await self._perform_one(press, place, visitor)))
        return told

    async def _perform_one(self, press: Press, place: Citation | None, visitor: Visitor) -> str:
        answer, review = await self._actions.read(press.answer_id)
        if answer is None or review is None or not self._access.may_see(answer, review):
            return say(GONE)
        if review.blind:
            return say(SAMPLED)
        if place is not None:
            if press.span not in {"", AUTO}:
                press = replace(press, span=_find_span(to_reviewed(answer, review.passages), place))
            if await self._find_place(press, visitor, (answer, review)) is None:
                return say(NO_SUCH_PLACE)
        try:
            done, doubt = await self._perform(press, visitor, (answer, review))
        except RefusedError as refused:
            return str(refused)
        if doubt is not None:
            return say("The page says: “{quote}”. Open the review to decide.", quote=doubt.quote)
        return "" if done else say(KEPT)

    async def _find_place(self, press: Press, visitor: Visitor, seen: Seen) -> Citation | None:
        """Return the place of a correction; None for another ruling, and where there is none."""
        if press.verb != "review.correct" or None in seen:
            return None
        try:
            return await self._actions.find_place(_build_wish(press, visitor), seen)
        except BadAction:
            return None  # said where it is done

    async def _read_visible(self, answer_id: str) -> Seen:
        """Return what is pressed on; what this reviewer may not read is as if it were not there.

        Raises RefusedError. A store that is away says so later.
        """
        try:
            answer, review = await self._actions.read(answer_id)
        except StoreUnavailable:
            return NOT_READ
        if answer is not None and not self._access.may_see(answer, review):
            raise RefusedError(409, say(GONE), "refused")
        return answer, review


def _find_span(answer: Answer, place: Citation) -> str:
    """Return the choice by which an answer offers a place, NONE where it does not."""
    found = (value for value, one in spans(answer) if (one.url, one.quote) == (place.url, place.quote))
    return next(found, NONE)


def _build_wish(press: Press, visitor: Visitor) -> ReviewAction:
    return ReviewAction(
        verb=press.verb,
        answer_id=press.answer_id,
        round=press.round,
        person=visitor.person,
        name=visitor.name,
        at=datetime.now(UTC).isoformat(),
        source=f"reviews page {press.name} {press.answer_id}",
        place="",
        text=press.text,
        span=press.span,
        note=press.note,
        channel=visitor.channel,
    )
