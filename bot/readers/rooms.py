"""Rooms: what all who read a conversation have in common, as far as the conversation itself tells.

In a channel an answer is read by everyone there, now and later, whoever asked. So only what the channel has
counts: in Slack its own id, in a team of Teams the group of the team. In a chat of several people, and in a
channel that other teams share, nothing is known to be common to all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from bot.card_tokens import parse_home_id
from core.readers import Audience, keep_principals
from core.records import Channel

NOBODY_KNOWN: Audience = frozenset()
GROUP, KIND = "groupId", "channelKind"
"""What a conversation of Teams keeps beside its id: the group of its team, and what kind of channel it is."""
_OF_ITS_TEAM = frozenset({"standard", "private"})
"""Kinds of channels of Teams all of whose members belong to the team."""


def is_personal(conversation: Mapping[str, Any]) -> bool:
    """Tell whether this is a chat of one person with the bot."""
    return conversation.get("conversationType") == "personal"


def parse_reply_to(text: str) -> dict[str, Any]:
    """Return what a question's way back consists of (`Question.reply_to`), nothing where it is gone.

    `bot.channels.incoming.Reference` writes it, and reads the rest of it.
    """
    try:
        stored: object = json.loads(text or "null")
    except ValueError:
        return {}
    return cast("dict[str, Any]", stored) if isinstance(stored, dict) else {}


def find_room(conversation: Mapping[str, Any]) -> Audience:
    """Return the principals of everyone who reads a conversation; none in a chat of one person, too."""
    if is_personal(conversation):
        return NOBODY_KNOWN
    match conversation.get("channelId"):
        case Channel.SLACK:
            team, _, channel = parse_home_id(conversation).partition(":")
            return name_channel(team, channel)
        case Channel.TEAMS if conversation.get("conversationType") == "channel":
            group = str(conversation.get(GROUP) or "").casefold()
            known = conversation.get(KIND) in _OF_ITS_TEAM
            return keep_principals(f"entra:group:{group}") if known and group else NOBODY_KNOWN
        case _:
            return NOBODY_KNOWN


def name_channel(team: str, channel: str) -> Audience:
    """Return what a channel of Slack is called where pages name their readers, with and without workspace."""
    return keep_principals(f"slack:channel:{channel}", f"slack:channel:{team}/{channel}")
