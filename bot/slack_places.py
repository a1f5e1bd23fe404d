"""Where something is said in Slack, as the rest of the bot knows it: a conversation's id, and back.

    T1:D5                        a chat of one person with the bot
    T1:C7;messageid=1700.0001    a thread in a channel, named by its first message

A person is `slack:T1:U2`: user ids are unique in their workspace only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.activities import Json, as_text
from bot.seals import home_of
from bot.slack_api import Workspace
from records import Channel

_THREAD = ";messageid="
_PERSON = f"{Channel.SLACK}:"


@dataclass(frozen=True, slots=True)
class Place:
    """A channel in a workspace, and the thread in it ("" for none)."""

    where: Workspace
    channel: str
    thread: str = ""


def conversation_of(place: Place, *, personal: bool) -> Json:
    """Return a place as a conversation account, with what a connector needs to reach it."""
    thread = f"{_THREAD}{place.thread}" if place.thread else ""
    return {
        "id": f"{place.where.team}:{place.channel}{thread}",
        "conversationType": "personal" if personal else "channel",
        "channelId": str(Channel.SLACK),
        "serviceUrl": place.where.enterprise,
        "tenantId": place.where.team,
    }


def place_in(conversation: Mapping[str, Any]) -> Place:
    """Read what `conversation_of` wrote."""
    home = home_of(conversation)
    team, _, channel = home.partition(":")
    thread = as_text(conversation.get("id")).removeprefix(home).removeprefix(_THREAD)
    return Place(Workspace(team, as_text(conversation.get("serviceUrl"))), channel, thread)


def person_of(team: str, user: str) -> str:
    """Return the id of a person: what the pseudonym is made of, and what a reviewer is known by."""
    return f"{_PERSON}{team}:{user}" if team and user else ""


def user_in(person: str) -> tuple[str, str]:
    """Return the workspace and the user of a person's id, "" where it is none."""
    team, _, user = person.removeprefix(_PERSON).partition(":")
    return team, user
