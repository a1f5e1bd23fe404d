"""A person's data is theirs: given out, deleted, or left out of what is learned, whenever they say so.

    delete ─> kept durably ─> this process forgets ─> the store (feedback/privacy/delete.py) ─> they are told
                   │
                   └──> other processes see it (catch_up), forget too, and go on where somebody stopped

What a person wishes is never lost: where the store is away, it waits in the spool, and is done once the store
is back.

`DataLinks` makes signed links to a person's data file, valid for a few minutes (`bot/web/data_download.py`
serves it). The signature covers all that a link says, so a changed one opens nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from bot.card_tokens import EXPORT, CardSigner
from core.bounded_dict import BoundedDict
from feedback.privacy.anonymise import NAME
from feedback.privacy.audit import SOMEBODY, Audit, AuditAction
from feedback.privacy.delete import DeletionHooks, delete, export_person
from feedback.privacy.deletion_log import Deletion, Deletions, ForgetExamples, Overtaken
from feedback.privacy.export import IsRestricted
from feedback.privacy.opt_out import Choice, OptOuts
from feedback.store.base import DeferredActions, Entry, StoreError, StoreUnavailable, moment
from feedback.store.documents import Document
from feedback.store.offline_queue import OfflineQueue
from feedback.store.rows import WholeStore

log = logging.getLogger(__name__)

DELETION, CHOICE, GREETED = "deletion", "choice", "greeted"
REMEMBERED = 10_000

Forget = Callable[[Deletion], Awaitable[None]]
"""Makes one memory of this process forget what it has of a person from before the deletion's `begun_at`."""
Tell = Callable[[Deletion], Awaitable[None]]
"""Says in the conversation of `reply_to` what was deleted. Raises OSError where it may be tried again."""

VALID_S = 600
HERE, EVERYWHERE = "/local/export/", "/privacy/export/"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says: whose data, for which conversation, since when (seconds), and below which path."""

    path: str
    person: str
    conversation: str
    made: float

    @property
    def made_at(self) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(self.made, UTC)

    @property
    def expires_at(self) -> datetime:
        """When it stops working."""
        return self.made_at + timedelta(seconds=VALID_S)


class DataLinks:
    """Makes links to a person's data, and reads them."""

    def __init__(self, signer: CardSigner) -> None:
        self._signer = signer

    def link(self, path: str, person: str, conversation: str) -> Link:
        """Return a link that works from now on; `path` is HERE or EVERYWHERE."""
        return Link(path, person, conversation, round(time.time(), 6))

    def address(self, link: Link) -> str:
        """Return a link's path."""
        return link.path + self._signer.sign_data(
            EXPORT, link.path, [link.person, link.conversation, link.made]
        )

    def read(self, path: str, token: str) -> Link | None:
        """Return what a link says; None for one that is not ours, was altered, or is too old."""
        says: list[Any] | None = self._signer.read_data(EXPORT, path, token)
        if says is None:
            return None
        link = Link(path, *says)
        return link if link.made <= time.time() and datetime.now(UTC) < link.expires_at else None


async def forget_waiting(spool: OfflineQueue, deletion: Deletion) -> None:
    """Drop a person's words that wait for the store; wishes for their data stay, rulings lose their name."""
    kept: dict[str, Callable[[Entry], Entry]] = {DELETION: dict, CHOICE: dict, WISH: nameless}
    await spool.forget_person(deletion.person, deletion.begun_at, kept)


WISH = "reviewer's wish"
"""What waits while the store is away."""


def nameless(wish: Entry) -> Entry:
    """Return a wish that waits (as JSON) of a reviewer who is gone."""
    return wish | {"person": SOMEBODY, "name": NAME, "place": "", "source": uuid4().hex}


class Privacy:
    """What people may ask of the bot about their own data. One per process.

    `memories` forget before the store does: first of all, answers to the person that are under way are
    stopped.
    """

    def __init__(
        self,
        store: WholeStore,
        forgotten: Callable[[str], None],
        tell: Tell,
        later: DeferredActions,
        forget_examples: ForgetExamples | None = None,
    ) -> None:
        """`forgotten` hears the id of every answer that is gone."""
        self.memories: list[Forget] = []
        self._store = store
        self.is_restricted: IsRestricted = lambda _, __: False
        self._tell = tell
        self._hooks = (
            DeletionHooks(forget_examples, forgotten)
            if forget_examples
            else DeletionHooks(forgotten=forgotten)
        )
        self._deletions = Deletions(store.documents)
        self._choices = OptOuts(store.documents)
        self._audit = Audit(store.documents)
        self._later = later
        later.register(DELETION, self._begin)
        later.register(CHOICE, self._choose)
        self._open: dict[str, Deletion] = {}
        self._seen = ""
        self._known: set[str] = set()
        self._greeted: BoundedDict[str, None] = BoundedDict(REMEMBERED)
        self._at_work: dict[str, asyncio.Task[None]] = {}

    # Deleting

    async def delete(self, person: str, name: str, reply_to: str) -> Deletion:
        """Begin to delete a person's data; return how it stands. The same `name` twice is one deletion.

        Raises StoreUnavailable: then nothing was kept, and the person has to ask again.
        """
        wished = Deletion(person, name, datetime.now(UTC), by=person, reply_to=reply_to)
        entry: Entry = {
            "person": person,
            "name": name,
            "begun_at": moment(wished.begun_at),
            "reply_to": reply_to,
        }
        begun = await self._later.attempt(partial(self._begin, entry), DELETION, entry)
        if begun is None:
            await self._forget(wished, away=True)
        return begun or wished

    async def was_deleted_since(self, person: str, moment_: datetime) -> bool:
        """Tell whether a deletion of a person's data began at or after a moment. Raises StoreError."""
        return any(one.begun_at >= moment_ for one in await self._deletions.list_deletions(person))

    async def catch_up(self) -> None:
        """Forget what other processes delete, and go on with what nobody is at. Raises StoreError."""
        found, seen = await self._deletions.since(self._seen)
        for deletion in found:
            if deletion.id not in self._known and deletion.id not in self._at_work:
                await self._forget(deletion)
            self._open[deletion.id] = deletion
        self._known, self._seen = {deletion.id for deletion in found}, seen
        now = datetime.now(UTC)
        self._open = {name: one for name, one in self._open.items() if not one.is_finished}
        for deletion in [one for one in self._open.values() if one.is_due(now)]:
            if deletion.id in self._at_work:
                continue
            try:
                self._carry_on(await self._deletions.move_on(deletion))
            except Overtaken:
                del self._open[deletion.id]  # it comes again when it has changed

    async def close(self) -> None:
        """Stop what is under way; another process, or the next start, goes on with it."""
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def wait_until_settled(self) -> None:
        """Wait for what is under way."""
        while self._at_work:
            await asyncio.wait(self._at_work.values())

    def _carry_on(self, deletion: Deletion) -> None:
        if deletion.id not in self._at_work:
            task = asyncio.create_task(self._carry_out(deletion), name="delete a person's data")
            self._at_work[deletion.id] = task
            task.add_done_callback(lambda _: self._at_work.pop(deletion.id, None))

    async def _carry_out(self, deletion: Deletion) -> None:
        try:
            await self._forget(deletion)
            if not (deletion.state == "done" or (deletion.reply_to and deletion.is_gone)):
                deletion = await delete(self._store, deletion, self._hooks)
            if deletion.reply_to:
                await self._tell(deletion)
                deletion = await self._deletions.move_on(deletion, reply_to="")
                await self._forget(deletion)  # now also what led to the conversation in which they were told
        except Overtaken:
            log.info("another process goes on with a deletion")
        except (StoreError, OSError) as error:
            log.warning("a deletion waits: %s", error)
        except Exception:
            log.exception("a deletion failed; it is tried again")
        else:
            log.info("a person's data was deleted")
            self._open[deletion.id] = deletion

    async def _forget(self, deletion: Deletion, *, away: bool = False) -> None:
        """Forget it here. While the store is `away`, what needs it goes once the deletion begins there."""
        for forget in self.memories:
            with contextlib.suppress(*([StoreUnavailable] if away else [])):
                await forget(deletion)
        self._greeted.pop(deletion.person, None)

    async def _begin(self, entry: Entry) -> Deletion:
        """Keep a deletion of a person's data and begin it; if it is known already, return how it stands."""
        person, begun_at = entry["person"], datetime.fromisoformat(entry["begun_at"])
        wished = Deletion(person, entry["name"], begun_at, by=person, reply_to=entry["reply_to"])
        known = await self._deletions.get(wished.id)
        if known is not None:
            return known
        deletion = await self._deletions.begin(wished)
        await self._record(person, AuditAction.DELETED)
        self._carry_on(deletion)
        return deletion

    # Learning

    async def choice(self, person: str) -> Choice:
        """Return whether something may be learned from a person. Raises StoreError."""
        return await self._choices.choice(person)

    async def choose(self, person: str, *, out: bool, source: str) -> None:
        """Keep whether the bot may learn from a person. Raises StoreUnavailable: then it was not kept."""
        entry = {"person": person, "out": out, "source": source}
        await self._later.attempt(partial(self._choose, entry), CHOICE, entry)

    async def _choose(self, entry: Entry) -> None:
        if await self._choices.choose(entry["person"], out=entry["out"], source=entry["source"]):
            await self._record(
                entry["person"], AuditAction.OPTED_OUT if entry["out"] else AuditAction.OPTED_IN
            )

    # Giving out

    async def export(self, person: str) -> dict[str, Any]:
        """Return all that is kept of a person, as JSON. Raises StoreError."""
        await self._record(person, AuditAction.EXPORTED)
        return await export_person(self._store, person, self.is_restricted)

    # First contact

    async def is_new(self, person: str) -> bool:
        """Tell whether a person has not been told yet what is kept and why."""
        if not person or person in self._greeted:
            return False
        try:
            return await self._store.documents.get(GREETED, person) is None
        except StoreError:
            return False  # there will be another answer

    async def mark_greeted(self, person: str) -> None:
        """The person has been told."""
        self._greeted[person] = None
        try:
            told_at = moment(datetime.now(UTC))
            await self._store.documents.add(Document(GREETED, person, "", person=person, order=told_at))
        except StoreError as error:
            log.warning("somebody will be told once more what is kept: %s", error)

    async def _record(self, person: str, action: AuditAction) -> None:
        """Write what a person does with their own data into the audit trail; a failure undoes nothing."""
        try:
            await self._audit.write(person, action, person=person)
        except StoreError:
            log.exception("the audit trail misses that somebody %s", action)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What is said once to one person, with the welcome or the first answer (`bot.channel.Greets`)."""

    privacy: Privacy
    person: str

    async def is_due(self) -> bool:
        """Tell whether the person has not been told yet; nobody is told in the name of nobody."""
        return await self.privacy.is_new(self.person)

    async def mark_greeted(self) -> None:
        """The person has been told."""
        await self.privacy.mark_greeted(self.person)
