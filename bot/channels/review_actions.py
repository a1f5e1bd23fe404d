"""What reviewers do with the buttons of review cards: read from a press, done now or when the store is back.

A press that cannot be done yet is kept on disk (`DeferredActions`), and whoever pressed hears if it cannot be
done then. While the store is away nobody can tell which pages an answer stands on, so whether they may read
those is asked when it is done; for that the press keeps who they are, encrypted.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bot.card_tokens import BadAction, no_such_action
from bot.cards import places
from bot.cards.places import NoSuchPlace, find_near_quote, read_draft
from bot.cards.review_actions import CORRECTION_CHARACTERS, to_reviewed
from bot.channels.asides.one_person import ContactCipher
from bot.channels.card_sync import CardSync
from bot.channels.incoming import CardAction, Incoming, Reference
from bot.dialogs.privacy import WISH
from bot.dialogs.review import GONE, Refused
from bot.dialogs.review_queue import ReviewQueue
from bot.dialogs.rulings import TakingBack, build_correction
from core.records import Answer, ChangeKind, Citation, Review, Ruling, RulingChange, Skip, Verdict
from core.translation import mark, say, set_language
from feedback.store.base import DeferredActions, Entry, FeedbackStore, StoreUnavailable

log = logging.getLogger(__name__)

MAX_NOTE = 500
NO_CLAIM = mark(
    "You cannot claim this right now. You can decide without claiming it, or try again in a minute."
)
MAX_QUOTED = 200

_RULINGS = {
    "review.approve": Ruling.APPROVED,
    "review.correct": Ruling.CORRECTED,
    "review.not_on_page": Ruling.NOT_ON_PAGE,
    "review.reject": Ruling.REJECTED,
}
_CHANGES = {
    "review.undo": ChangeKind.WITHDRAWN,
    "review.withdraw": ChangeKind.WITHDRAWN,
    "review.edit": ChangeKind.EDITED,
}


Seen = tuple[Answer | None, Review | None]
"""An answer and its review, as they were read; None where one is gone, or the store away."""
NOT_READ: Seen = (None, None)


@dataclass(frozen=True, slots=True)
class Presser:
    """Whose eyes a press counts for: their chat or room, and the directory's id where their channel vouches.

    On a page of the web nothing shows that stands on a file which was sent to the bot.
    """

    conversation: Mapping[str, Any]
    directory_id: str
    sees_files: bool = True


@dataclass(frozen=True, slots=True)
class ReviewAction:
    """What a reviewer who may do so wants done, and `place`, a Reference as JSON, where they hear of it.

    `at` is ISO text; `source` names the press, so that the same one twice is one. `presser` is the `Presser`,
    encrypted, once it is kept for later.
    """

    verb: str
    answer_id: str
    round: int
    person: str
    name: str
    at: str
    source: str
    place: str
    text: str = ""
    span: str = ""
    note: str = ""
    channel: str = ""
    presser: str = ""


class ReviewActions:
    """Does what permitted reviewers want, now or once the store is back. One per process, for any channel."""

    def __init__(
        self,
        store: FeedbackStore,
        taking_back: TakingBack,
        card_sync: CardSync,
        later: DeferredActions,
        queue: ReviewQueue,
        cipher: ContactCipher,
    ) -> None:
        self.store = store
        self.queue = queue
        self.reviewing = taking_back.reviewing
        self._taking_back = taking_back
        self.card_sync = card_sync
        self._later = later
        self._cipher = cipher
        later.register(WISH, self._do_later)

    async def perform(self, action: ReviewAction, presser: Presser, seen: Seen = NOT_READ) -> Review | None:
        """Do what a reviewer wants; None where it waits for the store. Raises Refused and BadAction.

        `seen` is what was read a moment ago to find out whether they may.
        """
        try:
            if action.verb == "review.claim" or not self._later.is_waiting:
                return await self._do(action, seen)
        except StoreUnavailable as error:
            log.info("what a reviewer decided cannot be done now: %s", error)
            if action.verb == "review.claim":
                raise Refused(say(NO_CLAIM)) from error
        kept = replace(action, presser=self._cipher.encrypt(json.dumps(asdict(presser))))
        await self._later.keep(WISH, asdict(kept))
        return None

    async def _do(self, action: ReviewAction, seen: Seen = NOT_READ) -> Review:
        at = datetime.fromisoformat(action.at)
        if action.verb == "review.claim":
            return await self.reviewing.claim(action.answer_id, action.round, action.person, action.name)
        if action.verb == "review.skip":
            skip = Skip(action.person, action.note, at)
            return await self.reviewing.skip(action.answer_id, action.round, skip)
        if action.verb in _CHANGES:
            return await self._change(action, at, seen)
        ruling = _RULINGS[action.verb]
        verdict = Verdict(
            action.person,
            action.name,
            ruling,
            at,
            note=action.note,
            source=action.source,
            channel=action.channel,
        )
        if ruling is Ruling.CORRECTED:
            verdict = replace(verdict, text=action.text, citation=await self.find_place(action, seen))
        return await self.reviewing.rule(action.answer_id, action.round, verdict)

    async def _change(self, action: ReviewAction, at: datetime, seen: Seen) -> Review:
        kind = _CHANGES[action.verb]
        change = RulingChange(kind, action.person, action.name, at, action.note, source=action.source)
        if kind is ChangeKind.WITHDRAWN:
            return await self._taking_back.take_back(action.answer_id, action.round, change)
        verdict = replace(
            build_correction(change, action.text, action.channel),
            citation=await self.find_place(action, seen),
        )
        return await self._taking_back.edit(action.answer_id, action.round, change, verdict)

    def find_doubt(self, action: ReviewAction, seen: Seen) -> Citation | None:
        """Return the sentence that speaks against a ruling that the page does not tell; None for another.

        Also None while the store is away: the ruling is kept, and nobody is asked to wait.
        """
        if action.verb not in {"review.not_on_page", "review.approve"}:
            return None
        answer, review = seen
        if answer is None or review is None or review.settled_at is not None or review.round != action.round:
            return None  # the ruling says what is wrong with it
        if action.verb == "review.approve" and (review.proposal is not None or not answer.abstained):
            return None
        return find_near_quote(to_reviewed(answer, review.passages))

    async def find_place(self, action: ReviewAction, seen: Seen) -> Citation | None:
        """Return the place on the page that a correction stands on, None where none says it."""
        answer, review = seen if None not in seen else await self.read(action.answer_id)
        if answer is None:
            raise Refused(say(GONE))
        seen_then = to_reviewed(answer, review.passages if review else ())
        draft = replace(read_draft(seen_then, review), text=action.text)
        try:
            return await asyncio.to_thread(places.find_place, seen_then, action.span, draft)
        except NoSuchPlace as error:
            raise BadAction(say("Please choose one of the places that the card offers.")) from error

    async def read(self, answer_id: str) -> Seen:
        """Return an answer and its review, each None where it is gone. Raises StoreUnavailable."""
        return await self.store.answer(answer_id), await self.reviewing.repository.review(answer_id)

    async def _do_later(self, entry: Entry) -> None:
        """Do what waited for the store; whoever wanted it hears if it cannot be."""
        action = ReviewAction(**entry)
        answer, about = await self.store.answer(action.answer_id), ""
        try:
            if answer is not None:
                await self._check_visible(action, answer)
                about = answer.question.text[:MAX_QUOTED]
            await self._do(action)
        except (Refused, BadAction) as refused:
            place = Reference.load(action.place)
            set_language(place.language if place else "")
            said = say("Your decision did not take effect: {reason}", reason=refused)
            if about:
                said = say(
                    "Your decision on “{question}” did not take effect: {reason}",
                    question=about,
                    reason=refused,
                )
            await self.card_sync.say(action.place, said)

    async def _check_visible(self, action: ReviewAction, answer: Answer) -> None:
        """Refuse what whoever pressed may not read by now, as if it were not there. Raises Refused.

        A press of which nobody knows any more who it was counts for pages that everyone may read.
        """
        audiences, review = self.card_sync.audiences, await self.reviewing.repository.review(answer.id)
        presser = self._open_presser(action)
        audience = await audiences.find(presser.conversation, presser.directory_id)
        hidden = answer.from_file and not presser.sees_files
        if hidden or not audiences.access.may_see(audience, answer, review):
            log.warning("a kept press is not done: whoever pressed may not read what it is about")
            raise Refused(GONE)

    def _open_presser(self, action: ReviewAction) -> Presser:
        kept = self._cipher.decrypt(action.presser)
        return Presser(**json.loads(kept)) if kept else Presser({}, "", sees_files=False)


def read_press(incoming: Incoming, press: CardAction, person: str) -> ReviewAction:
    """Read what a button says. Raises BadAction."""
    action = ReviewAction(
        verb=press.verb,
        answer_id=press.answer_id,
        round=press.round,
        person=person,
        name=incoming.name_of_sender or "A reviewer",
        at=datetime.now(UTC).isoformat(),
        source=incoming.press_id,
        place=incoming.contact.dump(),
        channel=str(incoming.conversation["channelId"]),
    )
    if press.verb == "review.claim":
        return action
    if press.verb == "review.skip":
        reason = press.text_input("reason", MAX_NOTE)
        if not reason:
            raise BadAction(say("Please say why you skip it."))
        return replace(action, note=reason)
    if press.verb in {"review.undo", "review.withdraw"}:
        return replace(action, note=press.text_input("reason", MAX_NOTE))
    if press.verb not in {*_RULINGS, "review.edit"}:
        raise no_such_action()
    text, span = press.text_input("text", CORRECTION_CHARACTERS), press.text_input("span", MAX_NOTE)
    corrects = press.verb in {"review.correct", "review.edit"}
    if corrects and not text:
        raise BadAction(say("Please write the right answer first."))
    action = replace(action, note=press.text_input("note", MAX_NOTE))
    return replace(action, text=text, span=span) if corrects else action
