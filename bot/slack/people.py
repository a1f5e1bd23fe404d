"""What Slack tells of people: the channels that they are in, for pages' lists of readers, and their language.

Slack tells of the channels that a person and the bot are both in (`users.conversations` with a bot's token
and a `user`): a page that names a channel is open to its members in their own chat with the bot once the bot
has been invited there. The app needs the scopes channels:read and groups:read. Lists come in pages
(`response_metadata.next_cursor`), of at most 999 and rather 200 (Slack's reference of the method).

No event and no press tells the language: `users.info` with `include_locale` does, asked once in a while. The
app needs the scope users:read; where a workspace has not granted that, or does not answer in time, the
language is not known, and the default one is spoken. https://docs.slack.dev/reference/methods/users.info
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from bot.channel import Undeliverable
from bot.channels.incoming import to_object, to_objects, to_text
from bot.readers.rooms import name_channel
from bot.slack.client import SlackApi, Workspace
from bot.slack.events import parse_person_id, parse_place
from core.bounded_dict import BoundedDict
from core.readers import keep_principals
from core.text import Json
from feedback.store.base import StoreError

log = logging.getLogger(__name__)

PAGE = 200
MOST_PAGES = 50
"""Pages of one person's channels that are read; of more the person's channels are not known."""
REMEMBERED = 10_000
KNOWN_FOR_S, UNKNOWN_FOR_S = 86_400.0, 3_600.0
PATIENCE_S = 0.3
"""How long a question waits for it, of the second that Slack gives; the next one finds it known."""


class SlackPeople:
    """A `bot.readers.audiences.Directory`. One per process."""

    kinds = ("slack:channel:",)

    def __init__(self, api: SlackApi) -> None:
        self._api = api

    def name_person(self, person: str, conversation: Mapping[str, Any]) -> frozenset[str]:
        """Return who somebody is, with and without the workspace of their id."""
        team, user = parse_person_id(person)
        known = team and user
        return keep_principals(f"slack:user:{user}", f"slack:user:{team}/{user}") if known else frozenset()

    async def find_groups(self, person: str, conversation: Mapping[str, Any]) -> frozenset[str]:
        """Return the principals of the channels that somebody is in. Raises OSError."""
        where = parse_place(conversation).where
        _, user = parse_person_id(person)
        params: Json = {
            "user": user,
            "types": "public_channel,private_channel",
            "exclude_archived": True,
            "limit": PAGE,
        }
        if where.enterprise:
            params["team_id"] = where.team
        found: set[str] = set()
        for _ in range(MOST_PAGES):
            try:
                body = await self._api.call("users.conversations", where, params)
            except (Undeliverable, StoreError) as error:
                raise OSError(str(error)) from error
            for one in to_objects(body.get("channels")):
                found |= name_channel(where.team, to_text(one.get("id")))
            cursor = to_text(to_object(body.get("response_metadata")).get("next_cursor"))
            if not cursor:
                return frozenset(found)
            params = params | {"cursor": cursor}
        raise OSError("somebody is in more channels than are read")


class SlackLocales:
    """One per process."""

    def __init__(self, api: SlackApi) -> None:
        self._api = api
        self._known: BoundedDict[tuple[str, str], tuple[str, float]] = BoundedDict(REMEMBERED)
        self._asked: dict[tuple[str, str], asyncio.Task[str]] = {}

    async def find(self, where: Workspace, user: str) -> str:
        """Return somebody's locale ("de-DE"), "" where it is not known (yet)."""
        person = (where.team, user)
        locale, until = self._known.get(person, ("", 0.0))
        if not user or time.monotonic() < until:
            return locale
        task = self._asked.get(person)
        if task is None:
            task = self._asked[person] = asyncio.create_task(self._ask(where, user), name="slack locale")
            task.add_done_callback(lambda _: self._asked.pop(person, None))
        done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
        return task.result() if done else locale

    async def _ask(self, where: Workspace, user: str) -> str:
        try:
            told = await self._api.call(
                "users.info", where, {"user": user, "include_locale": True}, hurried=True
            )
        except (Undeliverable, OSError, StoreError) as error:
            log.info("the language of somebody in Slack is not known: %s", error)
            told = {}
        locale = to_text(to_object(told.get("user")).get("locale"))
        lasts_s = KNOWN_FOR_S if locale else UNKNOWN_FOR_S
        self._known[where.team, user] = (locale, time.monotonic() + lasts_s)
        return locale
