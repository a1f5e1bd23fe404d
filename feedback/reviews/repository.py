"""The repository of reviews: reviews, verified answers and posted cards, as documents.

Everything that goes with an answer carries its id, and is forgotten with its question. A change that several
people may make at once is made by comparing versions: `change_review` returns False to the slower one.

Documents of the kind "errand" are an outbox: a change that must be seen elsewhere (cards, notices, the
asker's message) first leaves the answer's id there; card sync takes it away once everything that follows has
happened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from core.records import Answer, Review, VerifiedAnswer
from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted, change_document, every_document, put_new
from feedback.store.serialization import from_json, to_json

WAITING, SETTLED = "waiting", "settled"
LIVE, STALE, DROPPED = "live", "stale", "dropped"
UNSENT, SENT = "unsent", "sent"
ENTRY_HELD = timedelta(seconds=60)
CLOCKS_DIFFER = timedelta(minutes=2)
ASKER = "asker"
"""The place where the asker reads the answer; of one in several messages, the last of them."""
_ALONE = "person:"


@dataclass(frozen=True, slots=True)
class CardDestination:
    """Where reviewers see cards: a channel, or one reviewer's chat. `reference` is JSON, opaque to the store.

    `reviewer` is the pseudonym of who reads it alone, "" for a channel.
    """

    id: str
    reference: str
    reviewer: str = ""


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """A message on somebody's screen that must follow a review. `stamp` says which state it shows."""

    answer_id: str
    place: str
    reference: str
    message_id: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Notification:
    """One person is to be told, once, what became of an answer; `person` is a pseudonym.

    `about` names what they are told, where a ruling of which somebody was told has changed; "" is the first.
    """

    answer_id: str
    person: str
    made_at: str
    sent: bool = False
    about: str = ""


def name_private_contact(conversation: str, person: str) -> str:
    """Name the contact of one person in a conversation of several."""
    return f"{conversation}|{person}"


class ReviewRepository:
    """Typed access to the documents of reviewing. Raises StoreError."""

    def __init__(self, documents: Documents, holder: str = "") -> None:
        """`holder` names this process, the same after a restart: the entries that it took are its own."""
        self._documents = documents
        self._holder = holder

    @property
    def documents(self) -> Documents:
        """Where the documents are."""
        return self._documents

    # Reviews

    async def add_review(self, review: Review) -> bool:
        """Begin a review; False when this answer has one already."""
        return await self._documents.add(_of_review(review))

    async def change_review(self, review: Review) -> bool:
        """Keep a changed review; False when it changed since `review` was read."""
        return await self._documents.replace(_of_review(review))

    async def review(self, answer_id: str) -> Review | None:
        """Return the review of an answer as it is now, or None."""
        document = await self._documents.get("review", answer_id, answer_id)
        return _parse_review(document) if document else None

    async def read_review_version(self, answer_id: str) -> int | None:
        """Return which version the review of an answer has now: the same one is the same review."""
        document = await self._documents.get("review", answer_id, answer_id)
        return document.version if document else None

    async def reviews(
        self, state: str, limit: int, after: tuple[str, str] = ("", "")
    ) -> tuple[Sequence[Review], tuple[str, str]]:
        """Return WAITING (oldest first) or SETTLED reviews, and where to go on after them."""
        found = await self._documents.list_documents(Wanted("review", state=state, after=after, limit=limit))
        return [_parse_review(document) for document in found], _last(found, after)

    async def keep_round(self, review: Review, *, anew: bool = False) -> None:
        """Keep a settled review that is about to begin again; `anew` in the place of what is kept of it."""
        name = f"{review.answer_id}|{review.round}"
        settled_at = moment(review.settled_at or review.opened_at)
        kept = Document("past_review", name, to_json(review), review.answer_id, order=settled_at)
        await (self._documents.put(kept) if anew else self._documents.add(kept))

    async def past_reviews(
        self, limit: int, after: tuple[str, str] = ("", "")
    ) -> tuple[Sequence[Review], tuple[str, str]]:
        """Return the earlier rounds of reviews, oldest first, and where to go on after them."""
        found = await self._documents.list_documents(Wanted("past_review", after=after, limit=limit))
        return [_parse_review(document) for document in found], _last(found, after)

    async def rounds(self, answer_id: str) -> Sequence[Review]:
        """Return the review of an answer as it is now, and its earlier rounds."""
        now = await self.review(answer_id)
        if now is None or now.round == 1:
            return [now] if now else []
        earlier = await self._all(Wanted("past_review", answer_id=answer_id))
        return [now, *map(_parse_review, earlier)]

    async def find_settled(self, at: datetime) -> Review | None:
        """Return the round of a review that was settled at this very moment, or None.

        The moment names it: a verified answer and all that was served from it carry it (`verified_at`).
        """
        for wanted in (Wanted("review", state=SETTLED), Wanted("past_review")):
            just = replace(wanted, after=(moment(at), ""), limit=1)
            for document in await self._documents.list_documents(just):
                if document.order == moment(at):
                    return _parse_review(document)
        return None

    async def add_outbox_entry(self, answer_id: str, at: datetime) -> None:
        """Let card sync look after everything that follows from this answer's review."""

        def leave(held: Document | None) -> Document:
            taken = held is not None and held.order > moment(datetime.now(UTC))
            # a new version tells who is at it that there is more to do
            return held if held and taken else free

        free = Document("errand", answer_id, "", answer_id, order=moment(at))
        await change_document(self._documents, free, leave)

    async def release_outbox_entry(self, answer_id: str, at: datetime) -> None:
        """Let any process look after this answer, from a time on."""
        await self._documents.put(Document("errand", answer_id, "", answer_id, order=moment(at)))

    async def claim_outbox_entries(self, limit: int) -> Sequence[tuple[str, int]]:
        """Return (answer id, version) of what is to be looked after, the longest waiting first.

        It is this process's for ENTRY_HELD: no other one takes it before that.
        """
        taken: list[tuple[str, int]] = []
        now = datetime.now(UTC)
        for document in await self._documents.list_documents(Wanted("errand", limit=limit)):
            if document.order <= moment(now) or document.state == self._holder:
                held = replace(document, state=self._holder, order=moment(now + ENTRY_HELD))
                if await self._documents.replace(held):
                    taken.append((document.id, document.version + 1))
        return taken

    async def claim_outbox_entry(self, answer_id: str) -> tuple[int, bool] | None:
        """Take the entry of one answer, or begin one: return (version, whether it was left by somebody).

        None while another process has it.
        """
        now = datetime.now(UTC)
        mine = Document(
            "errand", answer_id, "", answer_id, state=self._holder, order=moment(now + ENTRY_HELD)
        )
        left = await self._documents.get("errand", answer_id, answer_id)
        if left is None:
            return (1, False) if await self._documents.add(mine) else None
        if left.order > moment(now) and left.state != self._holder:
            return None
        taken = await self._documents.replace(replace(mine, version=left.version))
        return (left.version + 1, True) if taken else None

    async def complete_outbox_entry(self, answer_id: str, version: int) -> bool:
        """End an entry: everything has happened. False when it was left anew meanwhile."""
        return await self._documents.remove("errand", answer_id, answer_id, version=version)

    async def mark_reviewer(self, answer_id: str, reviewer: str) -> None:
        """Index the reviewer of an answer, whom only the review names, for privacy/anonymise.py."""
        now = moment(datetime.now(UTC))
        mark = Document("reviewed", f"{answer_id}|{reviewer}", "", answer_id, reviewer, order=now)
        await put_new(self._documents, mark)
        await self._documents.put(Document("reviewer", reviewer, "", person=reviewer, order=now))

    # Verified answers

    async def put_verified(self, verified: VerifiedAnswer) -> None:
        """Keep the verified answer that a review ended with, unless a later ruling has put its own there.

        A slow process, or a write that the store carries out late, never puts an earlier ruling back.
        """
        name, state = verified.answer_id, STALE if verified.stale_at else LIVE

        def put(kept: Document | None) -> Document | None:
            before = from_json(VerifiedAnswer, kept.body) if kept and kept.body else None
            if before is not None and before.verified_at > verified.verified_at:
                return None
            now = moment(datetime.now(UTC))
            return Document("verified", name, to_json(verified), name, state=state, order=now)

        await change_document(self._documents, Document("verified", name, "", name), put)

    async def read_verified(self, answer_id: str) -> VerifiedAnswer | None:
        """Return the verified answer that came from this answer, or None."""
        document = await self._documents.get("verified", answer_id, answer_id)
        return from_json(VerifiedAnswer, document.body) if document and document.body else None

    async def drop_verified(self, answer_id: str) -> None:
        """Record that a new ruling took the verified answer back, so that other processes hear of it."""
        now = moment(datetime.now(UTC))
        await self._documents.put(Document("verified", answer_id, "", answer_id, state=DROPPED, order=now))

    async def list_verified_since(
        self, place: str
    ) -> tuple[Sequence[tuple[str, VerifiedAnswer | None]], str]:
        """Return what changed since a place ("": all there is), and the next place.

        (answer id, verified answer), None for one that is not served any more. Some come again: processes'
        clocks differ.
        """
        found = await self._all(Wanted("verified", after=(place, "")))
        changes = [
            (document.id, from_json(VerifiedAnswer, document.body) if document.state == LIVE else None)
            for document in found
        ]
        if not found:
            return changes, place
        return changes, max(place, moment(datetime.fromisoformat(found[-1].order) - CLOCKS_DIFFER))

    async def list_kept_verified(
        self, limit: int, after: tuple[str, str] = ("", "")
    ) -> tuple[Sequence[tuple[str, VerifiedAnswer]], tuple[str, str]]:
        """Return (when it was kept, verified answer) of what is served, and where to go on after them.

        Of one that was written again, nothing tells when it was kept first: "".
        """
        found = await self._documents.list_documents(Wanted("verified", state=LIVE, after=after, limit=limit))
        kept = [(one.order if one.version == 1 else "", one.body) for one in found]
        return [(kept_at, from_json(VerifiedAnswer, body)) for kept_at, body in kept], _last(found, after)

    async def stale(
        self, limit: int, after: tuple[str, str] = ("", "")
    ) -> tuple[Sequence[VerifiedAnswer], tuple[str, str]]:
        """Return the verified answers whose page has changed, and where to go on after them."""
        found = await self._documents.list_documents(
            Wanted("verified", state=STALE, after=after, limit=limit)
        )
        return [from_json(VerifiedAnswer, document.body) for document in found], _last(found, after)

    # What is on screen

    async def put_place(self, place: CardDestination) -> None:
        """Let a conversation receive the reviewers' cards."""
        await self._documents.put(Document("place", place.id, to_json(place), person=place.reviewer))

    async def remove_place(self, place_id: str) -> bool:
        """Send a conversation no more cards; False when it received none."""
        return await self._documents.remove("place", place_id)

    async def places(self) -> Sequence[CardDestination]:
        """Return where the reviewers' cards go."""
        return [from_json(CardDestination, document.body) for document in await self._all(Wanted("place"))]

    async def put_shown(self, shown: PostedMessage, *, is_new: bool = False) -> None:
        """Remember what a message shows; `is_new` where nothing was kept of it."""
        now, reader = moment(datetime.now(UTC)), parse_reader(shown.place)
        kept = Document("shown", _on_screen(shown), to_json(shown), shown.answer_id, reader, order=now)
        await (put_new(self._documents, kept) if is_new else self._documents.put(kept))

    async def list_shown(self, answer_id: str) -> Sequence[PostedMessage]:
        """Return the messages that follow this answer's review."""
        found = await self._all(Wanted("shown", answer_id=answer_id))
        return [from_json(PostedMessage, document.body) for document in found]

    async def remove_shown(self, shown: PostedMessage) -> None:
        """Forget a message that is gone."""
        await self._documents.remove("shown", _on_screen(shown), shown.answer_id)

    async def leave_card(self, shown: PostedMessage) -> None:
        """Let card sync take a card from a screen whose answer is forgotten, or whose reader is."""
        left_at = moment(datetime.now(UTC))
        nameless = to_json(replace(shown, place=""))
        await self._documents.put(Document("leftover", _leftover(shown), nameless, order=left_at))

    async def list_left_cards(self, limit: int) -> Sequence[PostedMessage]:
        """Return cards that are to be taken from screens, the longest waiting first."""
        found = await self._documents.list_documents(Wanted("leftover", limit=limit))
        return [from_json(PostedMessage, document.body) for document in found]

    async def remove_left_card(self, shown: PostedMessage) -> None:
        """Forget a card that is on screen no more."""
        await self._documents.remove("leftover", _leftover(shown))

    async def put_contact(self, conversation: str, reference: str, person: str = "") -> None:
        """Remember how to speak in a conversation unasked.

        `person` is whose alone it is, "" where several speak.
        """
        changed_at = moment(datetime.now(UTC))
        await self._documents.put(
            Document("contact", conversation, reference, person=person, order=changed_at)
        )

    async def contact(self, conversation: str) -> str:
        """Return how to speak in a conversation; "" when it is not known."""
        document = await self._documents.get("contact", conversation)
        return document.body if document else ""

    async def contacts_of(self, person: str) -> Sequence[str]:
        """Return how to speak with one person: in their own chats, and in conversations of several."""
        found = await self._documents.list_documents(Wanted("contact", person=person))
        return [one.body for one in found]

    # Telling people

    async def add_notice(self, notice: Notification) -> bool:
        """Keep a notification that is to be sent; False when it was kept before."""
        return await self._documents.add(_of_notice(notice))

    async def notices_on(self, answer_id: str) -> Sequence[Notification]:
        """Return who was or is to be told about an answer."""
        return [_parse_notice(found) for found in await self._all(Wanted("notice", answer_id=answer_id))]

    async def mark_sent(self, notice: Notification) -> None:
        """Mark a notification as sent."""
        await self._documents.put(_of_notice(replace(notice, sent=True)))

    async def notices_to(self, person: str) -> Sequence[Notification]:
        """Return what somebody was told, the oldest first."""
        return [_parse_notice(found) for found in await self._all(Wanted("notice", person=person))]

    # Counting

    async def next_number(self, name: str) -> int:
        """Count: return 1, then 2, … for each name, never the same number twice."""
        return await self._documents.count("counter", name)

    # What reviewers may have to see

    async def mark_considered(self, answer: Answer) -> None:
        """Note that it was decided whether reviewers see this answer.

        A second look would draw it a second time.
        """
        await self._documents.add(
            Document("considered", answer.id, "", answer.id, order=moment(answer.answered_at))
        )

    async def is_considered(self, answer_id: str) -> bool:
        """Tell whether that was decided."""
        return await self._documents.get("considered", answer_id, answer_id) is not None

    async def list_considered(
        self, limit: int, after: tuple[str, str] = ("", "")
    ) -> tuple[Sequence[tuple[str, str]], tuple[str, str]]:
        """Return (when it was written, answer id) of such answers in order, and where to go on after them."""
        found = await self._documents.list_documents(Wanted("considered", after=after, limit=limit))
        return [(document.order, document.id) for document in found], _last(found, after)

    # Declined questions

    async def add_declined(self, answer: Answer) -> bool:
        """Remember a declined question; False when it was known."""
        question = answer.question
        text = json.dumps({"text": question.text, "page_url": question.page_url})
        return await self._documents.add(
            Document("declined", answer.id, text, answer.id, question.asker, order=moment(answer.answered_at))
        )

    async def list_declined(self, since: datetime, limit: int) -> Sequence[tuple[str, str, str, str | None]]:
        """Return (answer id, asker, text, page) of the declined questions since a time, oldest first."""
        found = await self._documents.list_documents(
            Wanted("declined", after=(moment(since), ""), limit=limit)
        )
        texts = [json.loads(document.body) for document in found]
        return [
            (document.id, document.person, text["text"], text["page_url"])
            for document, text in zip(found, texts, strict=True)
        ]

    async def _all(self, wanted: Wanted) -> Sequence[Document]:
        return [document async for document in every_document(self._documents, wanted)]


def _of_review(review: Review) -> Document:
    return Document(
        "review",
        review.answer_id,
        to_json(review),
        review.answer_id,
        state=SETTLED if review.settled_at else WAITING,
        order=moment(review.settled_at or review.opened_at),
        version=review.version,
    )


def _parse_review(document: Document) -> Review:
    return from_json(Review, document.body, version=document.version)


def _of_notice(notice: Notification) -> Document:
    return Document(
        "notice",
        "|".join(part for part in (notice.answer_id, notice.person, notice.about) if part),
        to_json(notice),
        notice.answer_id,
        notice.person,
        SENT if notice.sent else UNSENT,
        notice.made_at,
    )


def _parse_notice(document: Document) -> Notification:
    return from_json(Notification, document.body)


def _last(found: Sequence[Document], before: tuple[str, str]) -> tuple[str, str]:
    return (found[-1].order, found[-1].id) if found else before


def place_of_reviewer(person: str) -> str:
    """Name the place where a reviewer, a pseudonym, reads alone: however often that chat begins anew."""
    return f"{_ALONE}{person}"


def place_of_part(number: int) -> str:
    """Return the place of a message that an answer in several begins with."""
    return f"{ASKER}, part {number}"


def is_askers(place: str) -> bool:
    """Tell whether a message is the asker's answer, or a part of it."""
    return place.partition(",")[0] == ASKER


def parse_reader(place: str) -> str:
    """Return who reads in a place alone, "" for a channel; also of a place's name with a round behind it."""
    return place.partition("#")[0].removeprefix(_ALONE) if place.startswith(_ALONE) else ""


def _on_screen(shown: PostedMessage) -> str:
    return f"{shown.answer_id}|{shown.place}"


def _leftover(shown: PostedMessage) -> str:
    """Name a card by its message; the conversation's reference has no name of anybody."""
    return hashlib.sha256(f"{shown.reference}|{shown.message_id}".encode()).hexdigest()
