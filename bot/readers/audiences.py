"""Audiences: who reads what the bot says in a place, as principals that pages may name.

    chat of one person     that person, and the groups that their directory says they are in
    channel                what everyone in it has in common (bot/readers/rooms.py)
    anywhere else          nothing: only pages that everyone may read

A person's groups are asked for once, by whoever needs them first, and remembered for minutes. Where the
directory refuses, fails or is too slow, a person has no groups: what is restricted to groups stays closed.
Nothing is asked while no page names a principal of that kind. Only channels that vouch for who speaks count.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from bot.card_tokens import parse_home_id
from bot.readers.access import PageAccess
from bot.readers.rooms import GROUP, NOBODY_KNOWN, find_room, is_personal, parse_reply_to
from core import telemetry
from core.bounded_dict import BoundedDict
from core.readers import Audience
from core.records import Question
from feedback.privacy.deletion_log import Deletion

log = logging.getLogger(__name__)

REMEMBERED = 10_000
AGAIN_S = 15.0
"""So long a directory that failed is not asked about the same person."""


class Directory(Protocol):
    """Knows people's groups; one for each channel that vouches for who speaks."""

    @property
    def kinds(self) -> Collection[str]:
        """Beginnings of the principals that a look-up can find, such as "entra:group:"."""
        ...

    def name_person(self, person: str, conversation: Mapping[str, Any]) -> Audience:
        """Return the principals that a person is, whatever their groups; none for a stranger."""
        ...

    async def find_groups(self, person: str, conversation: Mapping[str, Any]) -> Audience:
        """Return the principals of a person's groups. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class AudienceLimits:
    """How long a person's groups are remembered, and how long a look-up may take, in seconds."""

    remembered_s: float = 300.0
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class _Known:
    groups: Audience
    until: float


class Audiences:
    """Finds who reads. One per process; channels add their directories when they open."""

    def __init__(
        self, access: PageAccess, vouched: Collection[str] = (), limits: AudienceLimits | None = None
    ) -> None:
        """`vouched` are the ids of the channels that prove who speaks and where."""
        self.access = access
        self._vouched = frozenset(vouched)
        self._limits = limits or AudienceLimits()
        self._directories: dict[str, Directory] = {}
        self._groups: BoundedDict[tuple[str, str], _Known] = BoundedDict(REMEMBERED)
        self._chats: BoundedDict[tuple[str, str], tuple[Audience, float]] = BoundedDict(REMEMBERED)
        self._rooms: BoundedDict[tuple[str, str], Audience] = BoundedDict(REMEMBERED)
        self._askers: BoundedDict[str, str] = BoundedDict(REMEMBERED)
        self._asking: dict[tuple[str, str], asyncio.Task[_Known]] = {}

    def add(self, channel: str, directory: Directory) -> None:
        """Ask this directory about the people of a channel."""
        self._directories[channel] = directory

    async def find(self, conversation: Mapping[str, Any], person: str = "") -> Audience:
        """Return who reads a conversation; `person` is the directory's id of whoever speaks in it."""
        channel = str(conversation.get("channelId") or "")
        if channel not in self._vouched or not self.access.has_restricted:
            return NOBODY_KNOWN
        if not is_personal(conversation):
            return self._find_room(conversation)
        directory = self._directories.get(channel)
        if directory is None or not person:
            return self.recall(conversation)
        own = directory.name_person(person, conversation)
        if not own:
            return NOBODY_KNOWN
        found = own | await self._find_groups(channel, directory, person, conversation)
        name = (channel, parse_home_id(conversation))
        self._chats[name] = (found, time.monotonic() + self._limits.remembered_s)
        return found

    def recall(self, conversation: Mapping[str, Any]) -> Audience:
        """Return who reads a conversation as far as that is known without asking anybody.

        In a chat of one person that is who was found there a moment ago, else nobody.
        """
        channel = str(conversation.get("channelId") or "")
        if channel not in self._vouched:
            return NOBODY_KNOWN
        if not is_personal(conversation):
            return self._find_room(conversation)
        found, until = self._chats.get((channel, parse_home_id(conversation)), (NOBODY_KNOWN, 0.0))
        return found if time.monotonic() < until else NOBODY_KNOWN

    async def forget_people(self, _: Deletion) -> None:
        """Somebody's data is deleted: remember nobody's groups; whoever asks is looked up anew."""
        self._groups.clear()
        self._chats.clear()

    def _find_room(self, conversation: Mapping[str, Any]) -> Audience:
        """Return what all in a room have in common; a press there need not say again whose channel it is."""
        name = (str(conversation.get("channelId")), parse_home_id(conversation))
        if room := find_room(conversation):
            self._rooms[name] = room
        elif GROUP not in conversation:
            room = self._rooms.get(name, NOBODY_KNOWN)
        return room

    def note_asker(self, question_id: str, person: str) -> None:
        """Remember who asks a question, by the directory's id, in memory alone, until it is answered."""
        if person and self.access.has_restricted:
            self._askers[question_id] = person

    async def find_for(self, question: Question) -> Audience:
        """Return who reads the answer to a question.

        Whoever asked is on no disk: of a question that is resumed after a crash nobody's groups are known.
        """
        conversation = read_conversation(question.reply_to)
        person = self._askers.pop(question.id, "")
        return await self.find(conversation, person) if conversation else NOBODY_KNOWN

    async def _find_groups(
        self, channel: str, directory: Directory, person: str, conversation: Mapping[str, Any]
    ) -> Audience:
        if not self.access.names_any(tuple(directory.kinds)):
            return NOBODY_KNOWN
        name = (channel, person)
        known = self._groups.get(name)
        if known is not None and time.monotonic() < known.until:
            return known.groups
        task = self._asking.get(name)
        if task is None:  # several questions of one person share a look, and none of them ends it
            task = asyncio.create_task(self._ask(directory, person, conversation), name="find groups")
            self._asking[name] = task
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        self._groups[name] = known = await asyncio.shield(task)
        return known.groups

    async def _ask(self, directory: Directory, person: str, conversation: Mapping[str, Any]) -> _Known:
        try:
            with telemetry.span("groups"):
                async with asyncio.timeout(self._limits.timeout_s):
                    groups = await directory.find_groups(person, conversation)
        except (OSError, TimeoutError) as error:
            log.warning("somebody's groups are unknown, so restricted pages stay closed: %s", error or "late")
            return _Known(NOBODY_KNOWN, time.monotonic() + AGAIN_S)
        except Exception:
            log.exception("somebody's groups are unknown, so restricted pages stay closed")
            return _Known(NOBODY_KNOWN, time.monotonic() + AGAIN_S)
        return _Known(groups, time.monotonic() + self._limits.remembered_s)


def read_conversation(reply_to: str) -> Mapping[str, Any]:
    """Return the conversation that a question's way back leads to, an empty one where it is gone."""
    conversation = parse_reply_to(reply_to).get("conversation")
    return cast("dict[str, Any]", conversation) if isinstance(conversation, dict) else {}
