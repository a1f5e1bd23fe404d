"""Whose clients ask for their own view of a card that several people see: reviewers in a room of Teams.

Each who looks at the card of a review gets it anew from the bot: a reviewer with what they can do, anybody
else with how it stands. In a chat or channel of up to 60 members Teams asks for everyone; in a larger one for
up to 60 whom the card names, by their ids in Teams, and the others press "Refresh card". Who they are is
learned from what reviewers say and press there, and is in memory alone.
https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/user-specific-views
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.card_tokens import parse_home_id
from bot.readers.rooms import is_personal
from core.bounded_dict import BoundedDict
from core.records import Channel

MOST_PEOPLE = 60
REMEMBERED = 1_000
"""Rooms whose reviewers are known."""


class OwnViews:
    """Knows the reviewers of rooms. One per process."""

    def __init__(self) -> None:
        self._rooms: BoundedDict[str, BoundedDict[str, None]] = BoundedDict(REMEMBERED)

    def note_reviewer(self, conversation: Mapping[str, Any], user_id: str) -> None:
        """Remember that a reviewer speaks in a conversation."""
        if user_id and self.find_people(conversation) is not None:
            name = parse_home_id(conversation)
            room = self._rooms.get(name) or BoundedDict[str, None](MOST_PEOPLE)
            room.pop(user_id, None)
            room[user_id] = None
            self._rooms[name] = room

    def find_people(self, conversation: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the reviewers who are known there; None where one card has one view."""
        if conversation.get("channelId") != Channel.TEAMS or is_personal(conversation):
            return None
        return tuple(self._rooms.get(parse_home_id(conversation), ()))
