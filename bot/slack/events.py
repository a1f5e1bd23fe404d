"""Slack's events as activities: what a person did there, as `bot/channels/incoming.py` reads it.

Everything here is pure. The request is signed, but any field of it may be missing or of another type than
documented: an event that nobody could answer becomes None.

A place in Slack becomes the id of a conversation, as the rest of the bot knows it, and back.

    T1:D5                        a chat of one person with the bot
    T1:C7;messageid=1700.0001    a thread in a channel, named by its first message

A person is `slack:T1:U2`: user ids are unique in their workspace only.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from bot.card_tokens import parse_home_id
from bot.channels.incoming import MAX_QUESTION_CHARACTERS, parse_object, to_object, to_objects, to_text
from bot.slack.client import Workspace
from bot.slack.files.attachments import to_attachments
from bot.slack.rich_text import read_blocks, read_shared
from core.records import Channel
from core.text import Json

_THREAD = ";messageid="
_PERSON = f"{Channel.SLACK}:"


@dataclass(frozen=True, slots=True)
class Place:
    """A channel in a workspace, and the thread in it ("" for none)."""

    where: Workspace
    channel: str
    thread: str = ""


def to_conversation(place: Place, *, personal: bool) -> Json:
    """Return a place as a conversation account, with what a connector needs to reach it."""
    thread = f"{_THREAD}{place.thread}" if place.thread else ""
    return {
        "id": f"{place.where.team}:{place.channel}{thread}",
        "conversationType": "personal" if personal else "channel",
        "channelId": str(Channel.SLACK),
        "serviceUrl": place.where.enterprise,
        "tenantId": place.where.team,
    }


def parse_place(conversation: Mapping[str, Any]) -> Place:
    """Read what `to_conversation` wrote."""
    home = parse_home_id(conversation)
    team, _, channel = home.partition(":")
    thread = to_text(conversation.get("id")).removeprefix(home).removeprefix(_THREAD)
    return Place(Workspace(team, to_text(conversation.get("serviceUrl"))), channel, thread)


def to_person_id(team: str, user: str) -> str:
    """Return the id of a person: what the pseudonym is made of, and what a reviewer is known by."""
    return f"{_PERSON}{team}:{user}" if team and user else ""


def parse_person_id(person: str) -> tuple[str, str]:
    """Return the workspace and the user of a person's id, "" where it is none."""
    team, _, user = person.removeprefix(_PERSON).partition(":")
    return team, user


MAX_ID_CHARACTERS = 64
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MARKUP = re.compile(r"<([^<>\n]{1,3000})>")
_TONE = re.compile(r"::skin-tone-\d$")
_OURS = frozenset({"", "file_share", "me_message", "thread_broadcast"})
"""Kinds of messages that somebody wrote; the others tell what happened to a message or a channel."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Whom an event is for, and its id: the same one twice is one. `bot_user` is our own user there.

    `locale` is that of who acted ("de-DE"), "" where it is not known (yet).
    """

    where: Workspace
    event_id: str
    bot_user: str
    locale: str = ""


def parse_payload(text: str, content_type: str) -> Json | None:
    """Read a request: JSON of an event, or the form that an interaction comes in. None for anything else."""
    try:
        if content_type == "application/x-www-form-urlencoded":
            form = parse_qs(text, keep_blank_values=True, strict_parsing=True, max_num_fields=10)
            if "ssl_check" in form:
                return {"type": "ssl_check"}
            (text,) = form["payload"]
        elif content_type != "application/json":
            return None
    except (ValueError, KeyError):
        return None
    payload = parse_object(text)
    return payload if _is_whole(payload) else None


def _is_whole(payload: Mapping[str, Any]) -> bool:
    """Tell whether bolt can read a payload: it takes some fields without checking that they are there."""
    match payload.get("type"):
        case "event_callback":
            return bool(to_text(to_object(payload.get("event")).get("type")))
        case "block_actions":
            pressed = to_objects(payload.get("actions"))
            named = all(to_text(one.get("action_id")) and to_text(one.get("block_id")) for one in pressed)
            return bool(pressed) and pressed == payload["actions"] and named
        case "view_submission" | "view_closed":
            return bool(to_text(to_object(payload.get("view")).get("callback_id")))
        case "message_action" | "shortcut":
            return bool(to_text(payload.get("callback_id")))
        case kind:
            return bool(to_text(kind))


def parse_envelope(body: Mapping[str, Any], bot_user: str = "") -> Arrived | None:
    """Read the envelope of an event; None where it names no workspace."""
    grants = to_objects(body.get("authorizations")) or [{}]
    team = an_id(grants[0].get("team_id")) or an_id(body.get("team_id"))
    enterprise = an_id(body.get("enterprise_id")) or an_id(grants[0].get("enterprise_id"))
    whole = grants[0].get("is_enterprise_install") is True
    ours = bot_user or (an_id(grants[0].get("user_id")) if grants[0].get("is_bot") is True else "")
    event_id = an_id(body.get("event_id"))
    return Arrived(Workspace(team, enterprise if whole else ""), event_id, ours) if team else None


def to_activity(event: Json, by: Arrived) -> Json | None:
    """Return what an event says as an activity; None where it says nothing to us."""
    match event.get("type"):
        case "app_mention":
            return _build_question(event, by, personal=False)
        case "message":
            return _message(event, by)
        case "reaction_added" | "reaction_removed":
            return _build_reaction(event, by)
        case _:
            return None


def spoken(activity: Json, words: str) -> Json:
    """Return the activity as a message that says these words."""
    return activity | {"type": "message", "text": words}


def activity(by: Arrived, place: Place, user: tuple[str, str], *, personal: bool, id_: str = "") -> Json:
    """Return an activity without content. `user` is the workspace and the user that it comes from."""
    person = to_person_id(*user)
    return {
        "id": id_,
        "channelId": str(Channel.SLACK),
        "serviceUrl": place.where.enterprise,
        "from": {"id": person, "aadObjectId": person, "name": ""},
        "recipient": {"id": by.bot_user, "name": ""},
        "conversation": to_conversation(place, personal=personal),
        "timestamp": parse_timestamp(id_),
        "locale": by.locale,
    }


def an_id(value: object) -> str:
    """Return one of Slack's ids or timestamps, "" for anything else."""
    text = value if isinstance(value, str) else ""
    return text if _ID.fullmatch(text) else ""


def parse_timestamp(ts: str) -> str:
    """Return a timestamp of Slack (seconds, with a point) as ISO text, "" where it is none."""
    try:
        return datetime.fromtimestamp(float(ts), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def strip_markup(text: str, bot_user: str) -> str:
    """Return what somebody wrote, without Slack's markup: our mention goes, links and names are written out.

    >>> strip_markup("<@UBOT> what is in <https://example.org/a|the page> &amp; why?", "UBOT")
    'what is in https://example.org/a & why?'
    """
    plain = _MARKUP.sub(lambda found: _write_out(found[1], bot_user), text)
    return re.sub(r"[ \t]+", " ", html.unescape(plain)).strip()[:MAX_QUESTION_CHARACTERS]


def _write_out(markup: str, bot_user: str) -> str:
    what, _, label = markup.partition("|")
    if what.startswith("@"):
        return " " if bot_user in {what[1:], ""} else f" {label or 'somebody'} "
    if what.startswith("#"):
        return f"#{label}" if label else " "
    if what.startswith("!"):
        return f" {label} " if label else " "
    if what.startswith(("mailto:", "tel:")):
        return label or what.partition(":")[2]
    return what


def _message(event: Json, by: Arrived) -> Json | None:
    subtype = to_text(event.get("subtype"))
    personal = event.get("channel_type") == "im"
    if subtype == "message_changed":
        return _build_edit(event, by, personal=personal)
    if subtype == "message_deleted":
        return _build_deletion(event, by, personal=personal)
    if subtype not in _OURS:
        return None
    return _build_question(event, by, personal=True) if personal else _build_heard(event, by)


def _build_question(event: Mapping[str, Any], by: Arrived, *, personal: bool) -> Json | None:
    channel, ts, user = an_id(event.get("channel")), an_id(event.get("ts")), an_id(event.get("user"))
    if not (channel and ts and user) or event.get("bot_id") or user == by.bot_user:
        return None
    place = Place(by.where, channel, _thread(event, ts, personal=personal))
    made = activity(by, place, (_read_team(event, by), user), personal=personal, id_=ts)
    if event.get("files"):
        made["attachments"] = to_attachments(event.get("files"))
    words = to_text(event.get("text")) or read_blocks(event.get("blocks"))
    words = words or read_shared(event.get("attachments"))
    return spoken(made, strip_markup(words, by.bot_user))


def _build_heard(event: Json, by: Arrived) -> Json | None:
    """Return what people say to each other in a channel; where they mention us, Slack says so itself."""
    text = to_text(event.get("text"))
    if event.get("channel_type") not in {"channel", "group"} or not by.bot_user or f"<@{by.bot_user}" in text:
        return None
    made = _build_question(event, by, personal=False)
    return made and made | {"channelData": {"heard": True, "names": "<@" in text or "<!" in text}}


def _build_edit(event: Json, by: Arrived, *, personal: bool) -> Json | None:
    now, before = to_object(event.get("message")), to_object(event.get("previous_message"))
    if now.get("subtype") == "tombstone":  # a message with replies that was deleted
        return _build_deletion(event | {"deleted_ts": now.get("ts")}, by, personal=personal)
    if to_text(now.get("subtype")) not in _OURS:  # such as the title of a chat in the assistant pane
        return None
    if to_text(now.get("text")) == to_text(before.get("text")):  # a preview of a link came
        return None
    made = _build_question({**now, "channel": event.get("channel")}, by, personal=personal)
    if made is None or not (personal or f"<@{by.bot_user}>" in to_text(now.get("text"))):
        return None
    return made | {"type": "messageUpdate"}


def _build_deletion(event: Mapping[str, Any], by: Arrived, *, personal: bool) -> Json | None:
    before = to_object(event.get("previous_message"))
    ts = an_id(event.get("deleted_ts")) or before.get("ts")
    made = _build_question({**before, "ts": ts, "channel": event.get("channel")}, by, personal=personal)
    return made and made | {"type": "messageDelete", "text": ""}


def _build_reaction(event: Mapping[str, Any], by: Arrived) -> Json | None:
    item, user = to_object(event.get("item")), an_id(event.get("user"))
    channel, ts = an_id(item.get("channel")), an_id(item.get("ts"))
    name = _TONE.sub("", to_text(event.get("reaction")))
    if item.get("type") != "message" or not (channel and ts and user and name) or user == by.bot_user:
        return None
    place = Place(by.where, channel)
    made = activity(
        by, place, (_read_team(event, by), user), personal=channel.startswith("D"), id_=by.event_id
    )
    change = "reactionsAdded" if event.get("type") == "reaction_added" else "reactionsRemoved"
    return made | {
        "type": "messageReaction",
        "replyToId": ts,
        change: [{"type": name}],
        "timestamp": parse_timestamp(an_id(event.get("event_ts"))),
    }


def _thread(event: Mapping[str, Any], ts: str, *, personal: bool) -> str:
    """Return the thread to answer in: always one in a channel; in a chat, where the person is in one."""
    thread = an_id(event.get("thread_ts"))
    if personal:
        return "" if thread == ts else thread
    return thread or ts


def _read_team(event: Mapping[str, Any], by: Arrived) -> str:
    """Return the workspace of who speaks: in a channel that is shared with others it may be another one."""
    return an_id(event.get("user_team")) or an_id(event.get("source_team")) or by.where.team
