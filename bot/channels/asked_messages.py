"""The messages in which people asked: edited, deleted, forgotten with whoever wrote them, and answered later.

Each edit of a message makes a question of its own, whose id is the message's with a digest of the text behind
it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from bot.channel import Reply
from bot.channels.card_sync import CardSync
from bot.channels.incoming import Incoming, Reference
from bot.dialogs.ask import Asking, forget_question
from core.bounded_dict import BoundedDict
from core.records import Answer, Channel
from feedback.gaps.owner_cards import forget_answers
from feedback.privacy.deletion_log import Deletion
from feedback.reviews.repository import PostedMessage, ReviewRepository, name_private_contact, place_of_part
from feedback.store.base import DeferredActions, FeedbackStore, StoreUnavailable

REMEMBERED = 10_000
"""How many conversations and edited questions are remembered in memory, the latest ones."""
CONTACT, DELETE = "contact", "delete"
"""What waits while the store is away."""
_DELETE_BEFORE = tuple(f"{DELETE} {channel}" for channel in Channel)
"""How version 0.1 named a deletion that waits, by its channel."""


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit: the id of the question that the message asks now, and the message to write its answer over."""

    question_id: str
    replaces: str


@dataclass(frozen=True, slots=True)
class MessageHooks:
    """`forget_files` forgets the files of a message; `encrypt_contact` encrypts one person's contact."""

    forget_files: Callable[[str], Awaitable[None]]
    encrypt_contact: Callable[[str], str]


class AskedMessages:
    """Keeps track of messages that ask. One per process, for all channels.

    `asking` has the questions under way, in a process that answers any.
    """

    def __init__(
        self,
        store: FeedbackStore,
        repository: ReviewRepository,
        card_sync: CardSync,
        later: DeferredActions,
        pseudonym: Callable[[str], str],
        hooks: MessageHooks,
    ) -> None:
        self.asking: Asking | None = None
        self._store = store
        self._repository = repository
        self._card_sync = card_sync
        self._later = later
        self._pseudonym = pseudonym
        self._hooks = hooks
        self._replies: WeakValueDictionary[str, Reply] = WeakValueDictionary()  # while they work
        self._latest = BoundedDict[str, str](REMEMBERED)
        self._contacts = BoundedDict[str, str](REMEMBERED)
        later.register(CONTACT, lambda entry: repository.put_contact(**entry))
        for kind in (DELETE, *_DELETE_BEFORE):
            later.register(kind, lambda entry: self._forget_message(**entry))

    def reply_to(self, question_id: str) -> Reply | None:
        """Return the reply that works on a question, if one does."""
        return self._replies.get(question_id)

    def remember_reply(self, question_id: str, reply: Reply) -> Reply:
        """Remember a reply for as long as it works on its question."""
        self._replies[question_id] = reply
        return reply

    async def keep_contact(self, incoming: Incoming) -> None:
        """Keep how to speak in this conversation later, when a reviewer has ruled."""
        contact = incoming.contact.dump()
        if self._contacts.get(incoming.conversation_id) != contact:
            alone = self._pseudonym(incoming.sender) if incoming.personal else ""
            entry = {"conversation": incoming.conversation_id, "reference": contact, "person": alone}
            await self._later.attempt(partial(self._repository.put_contact, **entry), CONTACT, entry)
            self._contacts[incoming.conversation_id] = contact
        await self.keep_private_contact(incoming)

    async def keep_private_contact(self, incoming: Incoming) -> None:
        """Keep how to tell one person of a shared conversation what is for them alone."""
        person = self._pseudonym(incoming.sender) if incoming.sender else ""
        if incoming.personal or not person:
            return
        name = name_private_contact(incoming.conversation_id, person)
        contact = replace(
            incoming.contact, user={"id": incoming.user["id"]}, language=incoming.language
        ).dump()
        if self._contacts.get(name) != contact:
            entry = {
                "conversation": name,
                "reference": self._hooks.encrypt_contact(contact),
                "person": person,
            }
            await self._later.attempt(partial(self._repository.put_contact, **entry), CONTACT, entry)
            self._contacts[name] = contact

    async def keep_part(self, reference: Reference, answer: Answer, number: int, message_id: str) -> None:
        """Keep which message an answer begins with, so that it goes when the answer is forgotten."""
        place = place_of_part(number)
        with contextlib.suppress(StoreUnavailable):  # it stays on screen then, which is better than no answer
            await self._repository.put_shown(
                PostedMessage(answer.id, place, reference.dump(), message_id, "")
            )

    async def edit(self, incoming: Incoming) -> Edit | None:
        """Forget what a message asked before it was edited; None where it asks what it asked before."""
        digest = hashlib.sha256(incoming.text.encode()).hexdigest()[:12]
        edited_id = f"{incoming.question_id}#{digest}"
        earlier = await self._find_versions(incoming.question_id, incoming.conversation_id)
        if edited_id in earlier or incoming.question in [
            (one.question.text, None if one.question.about_file else one.question.page_url)
            for one in earlier.values()
            if one
        ]:
            return None
        message_id = await self._forget(earlier)
        self._latest[incoming.question_id] = edited_id
        return Edit(edited_id, message_id)

    async def delete(self, incoming: Incoming) -> None:
        """Forget what a message asked, now or once the store is back; its answer leaves the screen."""
        entry: dict[str, Any] = {"question_id": incoming.question_id, "conversation": incoming.conversation}
        await self._later.attempt(partial(self._forget_message, **entry), DELETE, entry)

    async def forget_person(self, deletion: Deletion) -> None:
        """Stop answering a person, finish half messages, and forget how to reach them."""
        if self.asking is not None:
            for question_id in self.asking.list_under_way(deletion.person, deletion.begun_at):
                reply = self._replies.pop(question_id, None)
                if reply is not None:
                    await self.asking.stop(question_id)
                    await reply.abandon()
        self._contacts.clear()  # written anew with the next question of each conversation

    async def _forget_message(self, question_id: str, conversation: dict[str, Any]) -> None:
        message_id = await self._forget(await self._find_versions(question_id, conversation["id"]))
        self._latest.pop(question_id, None)
        await self._hooks.forget_files(question_id)
        if message_id:
            await self._card_sync.take_back(conversation, message_id)

    async def _find_versions(self, first: str, conversation: str) -> dict[str, Answer | None]:
        """Return every id that a message was asked under, with its answer where it has one."""
        versions: dict[str, Answer | None] = {first: await self._store.answer_to_question(first)}
        if first in self._latest:
            versions[self._latest[first]] = None
        for answer in await self._store.recent_answers(conversation, 20):
            if answer.question.id.startswith(f"{first}#"):
                versions[answer.question.id] = answer
        return versions

    async def _forget(self, versions: Mapping[str, object]) -> str:
        """Forget questions with their answers; return the message that shows the last one, "" for none."""
        shown = ""
        for question_id in versions:
            reply = self._replies.pop(question_id, None)
            answer = await self._store.answer_to_question(question_id)
            known = answer is not None and await self._repository.read_verified(answer.id) is not None
            if answer is not None:
                await self._card_sync.forget(answer)
                await forget_answers(self._repository.documents, [answer.id])
            message_id = await self._forget_question(question_id)
            if answer is not None and known:  # other processes know it by heart
                await self._repository.drop_verified(answer.id)
            if reply is not None and not message_id:
                message_id = await reply.abandon()
            shown = message_id or shown
        return shown

    async def _forget_question(self, question_id: str) -> str | None:
        if self.asking is not None:
            return await self.asking.forget(question_id)
        return await forget_question(self._store, question_id)
