"""The conversations of the chat page: in memory and in one SQLite file, followed by any number of browsers.

What is shown survives a reload and a restart. Changes get numbers; a follower that lost its connection goes
on after the last one it has seen, or, when that is too long ago, begins again with the whole conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.files import make_private
from core.records import Channel

Shown = dict[str, Any]

CONVERSATIONS_LIMIT = 200
MESSAGES_LIMIT = 500
CHANGES_LIMIT = 512
"""How many changed messages of one conversation a follower may have missed and still go on."""

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS conversation (
    id TEXT PRIMARY KEY, person TEXT NOT NULL, begun TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS message (
    conversation TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    id TEXT NOT NULL, shown TEXT NOT NULL, PRIMARY KEY (conversation, id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS title (
    conversation TEXT PRIMARY KEY REFERENCES conversation (id) ON DELETE CASCADE, words TEXT NOT NULL) STRICT;
PRAGMA foreign_keys = ON;
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a conversation: `event` is conversation (all of it), message, deleted, or typing."""

    number: int
    event: str
    data: dict[str, Any]


@dataclass(slots=True)
class Conversation:
    """One person's chat with the bot. `messages` are in the order of their ids: times in milliseconds.

    `channel` is that of the page where it is held.
    `changes` has the last change of each message only: who was away for a while gets the state, not the film.
    """

    id: str
    person: dict[str, str]
    begun: str
    channel: Channel = Channel.LOCAL
    messages: dict[str, Shown] = field(default_factory=dict[str, Shown])
    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    forgotten: int = 0
    followers: set[asyncio.Event] = field(default_factory=set[asyncio.Event])
    name: str = ""
    """What its person calls it, "" where they have not said."""
    in_file: bool = True
    """False after its person's data was deleted, until they speak again: it ends with the process then."""

    @property
    def has_spoken(self) -> bool:
        """Whether anything that the person said is shown."""
        return any(shown["sender"] == "user" for shown in self.messages.values())

    @property
    def title(self) -> str:
        """What its person calls it, else the first question, or ""."""
        return self.name or next(
            (m["text"] for m in self.messages.values() if m["sender"] == "user" and m["text"]), ""
        )

    def tell(self, change: Change) -> None:
        """Remember a change and wake the followers."""
        key = str(change.data.get("id", change.event))
        self.changes.pop(key, None)
        self.changes[key] = change
        if len(self.changes) > CHANGES_LIMIT:
            oldest = next(iter(self.changes))
            self.forgotten = self.changes.pop(oldest).number
        for news in self.followers:
            news.set()

    def since(self, number: int) -> list[Change] | None:
        """Return what changed after change `number`, or None when that is too long ago to tell."""
        if number < self.forgotten:
            return None
        return [change for change in self.changes.values() if change.number > number]


class Conversations:
    """All conversations of one page. For one event loop; a thread of its own writes the file, in order."""

    def __init__(self, path: Path, channel: Channel = Channel.LOCAL, most: int = CONVERSATIONS_LIMIT) -> None:
        """`most` are kept; the oldest ones make room."""
        make_private(path)
        self.channel = channel
        self._most = most
        self.epoch = secrets.token_hex(4)
        """Names this start: change numbers of another start mean nothing."""
        self._number = 0
        self._closed = False
        self._last_id = 0
        self._erased = True  # what an earlier process took away may be left in pieces
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="local-page")
        self._known = dict(self._read())

    def get(self, conversation_id: str) -> Conversation | None:
        return self._known.get(conversation_id)

    def all(self) -> list[Conversation]:
        """Return all conversations."""
        return list(self._known.values())

    def of_person(self, person_id: str) -> list[Conversation]:
        """One person's conversations, the latest first."""
        return [c for c in reversed(self._known.values()) if c.person["id"] == person_id]

    async def begin(self, person: dict[str, str]) -> Conversation:
        """Begin a conversation; the oldest one makes room for it."""
        identity = f"a:{self.channel}-{secrets.token_hex(8)}"
        conversation = Conversation(identity, person, datetime.now(UTC).isoformat(), self.channel)
        self._known[conversation.id] = conversation
        await self._write_person(conversation)
        while len(self._known) > self._most:
            oldest = next(iter(self._known))
            del self._known[oldest]
            await self._write("DELETE FROM conversation WHERE id = ?", (oldest,))
            self._erased = True
        return conversation

    async def rename(self, conversation: Conversation, name: str) -> None:
        """Call a conversation something else, "" by its first question again."""
        conversation.name, self._erased = name, True
        await self._write("DELETE FROM title WHERE conversation = ?", (conversation.id,))
        if name and conversation.in_file:
            await self._write("INSERT INTO title VALUES (?, ?)", (conversation.id, name))

    async def end(self, conversation: Conversation) -> None:
        """Show a conversation no more, and erase it from the file."""
        self._known.pop(conversation.id, None)
        self._erased = True
        self._tell(conversation, "conversation", {"id": conversation.id, "messages": []})
        await self._write("DELETE FROM conversation WHERE id = ?", (conversation.id,))

    async def end_unused(self, since: str) -> None:
        """Erase the conversations in which nothing was said since a time."""
        for one in self.all():
            if max([one.begun, *(shown["at"] for shown in one.messages.values())]) < since:
                await self.end(one)

    def new_id(self) -> str:
        """Return an id for a message or an activity: a time in milliseconds, as Teams has it, never twice."""
        self._last_id = max(self._last_id + 1, int(datetime.now(UTC).timestamp() * 1000))
        return str(self._last_id)

    def now(self) -> str:
        """Return the time as it is shown and kept."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")

    def parse_event_id(self, event_id: str) -> int | None:
        """Return the change number in an event's id (epoch-number); None if it is of another start."""
        epoch, _, number = event_id.partition("-")
        return int(number) if epoch == self.epoch and number.isdecimal() else None

    def wake(self) -> None:
        """Make all followers look around, though nothing has changed."""
        for conversation in self._known.values():
            for news in conversation.followers:
                news.set()

    async def put(self, conversation: Conversation, shown: Shown) -> None:
        """Show a message, new or changed; what still streams is not written to the file."""
        new = shown["id"] not in conversation.messages
        self._erased |= not new
        conversation.messages[shown["id"]] = shown
        if shown["sender"] == "bot":
            conversation.changes.pop("typing", None)
        self._tell(conversation, "message", shown)
        if shown.get("state", "final") == "final":
            await self._keep(conversation, shown)
        if new and len(conversation.messages) > MESSAGES_LIMIT:
            await self.remove(conversation, next(iter(conversation.messages)))

    async def remove(self, conversation: Conversation, message_id: str) -> None:
        """Show a message no more, and erase it from the file."""
        if conversation.messages.pop(message_id, None) is None:
            return
        self._erased = True
        self._tell(conversation, "deleted", {"id": message_id})
        await self._write(
            "DELETE FROM message WHERE conversation = ? AND id = ?", (conversation.id, message_id)
        )

    async def forget(self, conversation: Conversation, until: str, *, keep: bool) -> None:
        """Erase what was shown up to a time and, unless `keep`, whose conversation it is.

        A conversation in which nothing is shown any more goes. One in which the bot alone has spoken since,
        to say that all is deleted, stays on screen and leaves the file.
        """
        if conversation.name:
            await self.rename(conversation, "")
        for message_id, shown in list(conversation.messages.items()):
            if shown["at"] <= until:
                await self.remove(conversation, message_id)
        if not keep and not conversation.has_spoken and conversation.begun <= until:
            if not conversation.messages:
                self._known.pop(conversation.id, None)
                self._tell(conversation, "conversation", {"id": conversation.id, "messages": []})
            conversation.in_file, self._erased = False, True
            await self._write("DELETE FROM conversation WHERE id = ?", (conversation.id,))

    async def overwrite(self) -> None:
        """Write the file anew and empty its log, so that nothing of what was erased or replaced is left.

        A file from which nothing went since the last time stays as it is. Raises OSError.
        """
        if not self._erased:
            return
        self._erased = False
        try:
            await self._write("VACUUM", ())
            await self._write("PRAGMA wal_checkpoint(TRUNCATE)", ())
        except sqlite3.Error as error:
            self._erased = True
            raise OSError(f"the chat page's file could not be written anew: {error}") from error

    def typing(self, conversation: Conversation) -> None:
        """Show that the bot is at work."""
        self._tell(conversation, "typing", {})

    async def follow(
        self, conversation: Conversation, after: int | None, beat_s: Callable[[], float]
    ) -> AsyncIterator[list[Change]]:
        """Yield what changed after change `after`, then what changes from now on; [] after a quiet `beat_s`.

        Where `after` is of no use (None, of another start, too long ago), the whole conversation comes first.
        """
        news = asyncio.Event()
        conversation.followers.add(news)
        try:
            while True:
                missed = None if after is None or after > self._number else conversation.since(after)
                if missed is None:
                    whole = {"id": conversation.id, "messages": list(conversation.messages.values())}
                    missed = [Change(self._number, "conversation", whole)]
                after = missed[-1].number if missed else after
                yield missed
                news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(beat_s()):
                        await news.wait()
        finally:
            conversation.followers.discard(news)

    async def close(self) -> None:
        """Write what is under way and let go of the file; what is shown later raises OSError."""
        with contextlib.suppress(OSError):  # the next process does it
            await self.overwrite()
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._writer, self._db.close)
        self._writer.shutdown()

    def _tell(self, conversation: Conversation, event: str, data: dict[str, Any]) -> None:
        self._number += 1
        conversation.tell(Change(self._number, event, data))

    async def _keep(self, conversation: Conversation, shown: Shown) -> None:
        """Write a message; of a conversation that left the file nothing, until its person speaks."""
        kept = [shown]
        if not conversation.in_file:
            if shown["sender"] != "user":
                return
            conversation.in_file = True
            await self._write_person(conversation)
            kept = [one for one in conversation.messages.values() if one.get("state", "final") == "final"]
        for one in kept:
            row = (conversation.id, one["id"], json.dumps(one))
            await self._write("INSERT OR REPLACE INTO message VALUES (?, ?, ?)", row)

    async def _write_person(self, conversation: Conversation) -> None:
        row = (conversation.id, json.dumps(conversation.person), conversation.begun)
        await self._write("INSERT OR REPLACE INTO conversation VALUES (?, ?, ?)", row)
        if conversation.name:
            await self._write(
                "INSERT OR REPLACE INTO title VALUES (?, ?)", (conversation.id, conversation.name)
            )

    async def _write(self, sql: str, row: tuple[str, ...]) -> None:
        if self._closed:
            raise OSError("the local page is closed; this is shown after the next start")
        await asyncio.get_running_loop().run_in_executor(self._writer, self._execute, sql, row)

    def _execute(self, sql: str, row: tuple[str, ...]) -> None:
        self._db.execute(sql, row).fetchall()

    def _read(self) -> Iterator[tuple[str, Conversation]]:
        names = dict(self._db.execute("SELECT conversation, words FROM title").fetchall())
        for conversation_id, person, begun in self._db.execute("SELECT * FROM conversation ORDER BY begun"):
            rows = self._db.execute(
                "SELECT shown FROM message WHERE conversation = ? ORDER BY CAST(id AS INTEGER)",
                (conversation_id,),
            )
            messages = [json.loads(shown) for (shown,) in rows]
            self._last_id = max([self._last_id, *(int(message["id"]) for message in messages)])
            yield (
                conversation_id,
                Conversation(
                    conversation_id,
                    json.loads(person),
                    begun,
                    self.channel,
                    {m["id"]: m for m in messages},
                    name=names.get(conversation_id, ""),
                ),
            )
