"""Incoming Bot Framework activities: who said what, where, and the way back to them.

Everything here is pure. An activity comes from an authenticated channel, but any field of it may be missing or of
another type than documented: the readers below return an empty value then, and `read_activity` raises `MalformedError`
only where an answer would have nowhere to go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from core.text import Json, printable

MAX_QUESTION_CHARACTERS = 8_000
ABOUT_THE_PAGE = "What is this page about?"

_URL = re.compile(r"https?://[^\s<>\"'`|\\^{}]+", re.IGNORECASE)
_AT_TAG = re.compile(r"</?at\b[^>]*>", re.IGNORECASE)


class MalformedError(ValueError):
    """An activity that nobody could answer: no type, no channel or no conversation; `status` says it in HTTP's words."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Incoming:
    """One activity, read. `text` has lost the mention of the bot; `sender` is the directory's id where there is one.

    `directory_id` is that id alone, and "" where the channel vouches for none: permissions stand on it.

    `conversation` is the channel's conversation account with `serviceUrl` and `channelId` beside it: all that a
    connector needs to reach it.
    """

    kind: str
    name: str
    id: str
    sender: str
    directory_id: str
    text: str
    reply_to_id: str
    conversation: Json
    bot: Json
    user: Json
    value: Json
    raw: Mapping[str, Any]

    @property
    def conversation_id(self) -> str:
        return str(self.conversation["id"])

    @property
    def personal(self) -> bool:
        """Whether this is a chat of one person with the bot."""
        return self.conversation.get("conversationType") == "personal"

    @property
    def question_id(self) -> str:
        """The id of the question that this activity asks, edits or deletes."""
        return f"{self.conversation['channelId']}:{self.conversation_id}:{self.id}"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an answer goes; as JSON it is `Question.reply_to`. `replaces` is the message to write it over."""

    conversation: Json
    bot: Json
    user: Json
    activity_id: str
    replaces: str = ""

    def dump(self) -> str:
        return json.dumps(
            {
                "conversation": self.conversation,
                "bot": self.bot,
                "user": self.user,
                "activityId": self.activity_id,
                "replaces": self.replaces,
            }
        )

    @classmethod
    def load(cls, reply_to: str) -> Reference | None:
        """Read what `dump` wrote; None for anything else."""
        try:
            stored = as_dict(json.loads(reply_to))
        except ValueError:
            return None
        conversation = as_dict(stored.get("conversation"))
        if not as_text(conversation.get("id")):
            return None
        return cls(
            conversation=conversation,
            bot=as_dict(stored.get("bot")),
            user=as_dict(stored.get("user")),
            activity_id=as_text(stored.get("activityId")),
            replaces=as_text(stored.get("replaces")),
        )

    @property
    def personal(self) -> bool:
        """Whether this is a chat of one person with the bot, the only place where Teams streams."""
        return self.conversation.get("conversationType") == "personal"


def as_dict(value: object) -> Json:
    """Return the value where it is an object, otherwise an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def as_dicts(value: object) -> list[Json]:
    """Return the objects in a list; everything else is left out."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Json", item) for item in items if isinstance(item, dict)]


def as_text(value: object) -> str:
    """Return the value where it is text, less what no store takes: control characters and half surrogates."""
    if not isinstance(value, str):
        return ""
    whole = value.encode("utf-8", "replace").decode("utf-8")
    return printable(whole)


def read_activity(activity: Mapping[str, Any]) -> Incoming:
    """Read an activity of any type; raises MalformedError."""
    account = as_dict(activity.get("conversation"))
    conversation: Json = {
        key: value for key, value in account.items() if key in {"id", "conversationType", "isGroup"}
    }
    conversation["id"] = as_text(account.get("id"))
    conversation["channelId"] = as_text(activity.get("channelId"))
    conversation["serviceUrl"] = as_text(activity.get("serviceUrl"))
    tenant = as_dict(as_dict(activity.get("channelData")).get("tenant"))
    conversation["tenantId"] = as_text(account.get("tenantId")) or as_text(tenant.get("id"))
    kind = as_text(activity.get("type"))
    if not (kind and conversation["id"] and conversation["channelId"]):
        raise MalformedError("an activity needs type, channelId and conversation.id")
    user = as_dict(activity.get("from"))
    bot = as_dict(activity.get("recipient"))
    return Incoming(
        kind=kind,
        name=as_text(activity.get("name")),
        id=as_text(activity.get("id")),
        sender=as_text(user.get("aadObjectId")) or as_text(user.get("id")),
        directory_id=as_text(user.get("aadObjectId")),
        text=_spoken(activity, as_text(bot.get("id"))),
        reply_to_id=as_text(activity.get("replyToId")),
        conversation=conversation,
        bot={"id": as_text(bot.get("id")), "name": as_text(bot.get("name"))},
        user={
            "id": as_text(user.get("id")),
            "name": as_text(user.get("name")),
            "role": as_text(user.get("role")),
        },
        value=as_dict(activity.get("value")),
        raw=activity,
    )


def _spoken(activity: Mapping[str, Any], bot_id: str) -> str:
    """Return what was said to the bot: its own mention goes, other people's become their names."""
    text = as_text(activity.get("text")) or as_text(as_dict(activity.get("value")).get("question"))
    for entity in as_dicts(activity.get("entities")):
        mark = as_text(entity.get("text"))
        if entity.get("type") == "mention" and mark:
            person = as_dict(entity.get("mentioned"))
            text = text.replace(
                mark, " " if person.get("id") == bot_id else f" {as_text(person.get('name'))} "
            )
    text = _AT_TAG.sub(" ", text).replace("&nbsp;", " ").replace("\xa0", " ")
    return re.sub(r"[ \t]+", " ", text).strip()[:MAX_QUESTION_CHARACTERS]


def split_page(text: str) -> tuple[str, str | None]:
    """Cut the first web address out of a question; an address alone asks what its page is about.

    >>> split_page("How long is parental leave in https://example.org/leave?")
    ('How long is parental leave in?', 'https://example.org/leave')
    """
    found = _URL.search(text)
    if found is None:
        return text, None
    url = found.group().rstrip(".,;:!?*_~]")
    while url.endswith(")") and url.count("(") < url.count(")"):
        url = url[:-1].rstrip(".,;:!?")
    rest = " ".join((text[: found.start()] + " " + text[found.start() + len(url) :]).split())
    rest = re.sub(r" (?=[?!.,;:)])", "", rest)
    return (rest if re.search(r"\w", rest) else ABOUT_THE_PAGE), url


def reference_of(incoming: Incoming, replaces: str = "") -> Reference:
    """Where an answer to this activity goes. Only ids are kept of the person."""
    return Reference(
        conversation=incoming.conversation,
        bot=incoming.bot,
        user={"id": incoming.user["id"]},
        activity_id=incoming.id,
        replaces=replaces,
    )


def place_of(incoming: Incoming, *, whole_channel: bool = False) -> Reference:
    """Where something can be said unasked: the conversation alone, without anybody's id.

    `whole_channel` leaves the thread, for a channel's own new post.
    """
    conversation = incoming.conversation
    if whole_channel:
        conversation = conversation | {"id": incoming.conversation_id.partition(";messageid=")[0]}
    return Reference(conversation=conversation, bot=incoming.bot, user={}, activity_id="")
