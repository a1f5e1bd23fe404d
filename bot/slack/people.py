"""What Slack's people are in pages' lists of readers: themselves, and the channels that they are in.

Slack tells of the channels that a person and the bot are both in (`users.conversations` with a bot's token
and a `user`): a page that names a channel is open to its members in their own chat with the bot once the bot
has been invited there. The app needs the scopes channels:read and groups:read. Lists come in pages
(`response_metadata.next_cursor`), of at most 999 and rather 200 (Slack's reference of the method).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.channel import Undeliverable
from bot.channels.incoming import to_object, to_objects, to_text
from bot.readers.rooms import name_channel
from bot.slack.client import SlackApi
from bot.slack.events import parse_person_id, parse_place
from core.readers import keep_principals
from core.text import Json
from feedback.store.base import StoreError

PAGE = 200
MOST_PAGES = 50
"""Pages of one person's channels that are read; of more the person's channels are not known."""


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
