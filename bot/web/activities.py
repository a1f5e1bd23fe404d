"""What a person does on the chat page, as the activity that Teams sends for it, and what is shown then.

The page posts the part that only it knows; the rest is filled in here:

    {"type": "message", "text"}                       a question (with "id" of a failed one: it is sent again)
    {"type": "message", "text", "files"}              one with files that were uploaded: [{"id", "name"}]
    {"type": "message", "value", "replyToId"}         Action.Submit of a card
    {"type": "messageUpdate", "id", "text"}           an edit of an own message
    {"type": "messageDelete", "id"}                   an own message deleted
    {"type": "messageReaction", "replyToId", "reactionsAdded" or "reactionsRemoved": [{"type"}]}
    {"type": "invoke", "name", "value", "replyToId"}  message/submitAction (thumbs), adaptiveCard/action

Each with "conversation". What does not fit is refused with a sentence. The widget posts the same from other
sites, for visitors whom no directory knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

from bot.channels.incoming import to_object
from bot.web.access import RefusedError
from bot.web.conversations import Conversation, Shown
from core.records import Channel
from core.translation import get_language, say

BOT = {"id": "28:askpage", "name": "askpage"}
TENANT = {"id": "local"}
REVIEWER = "robin"
"""Who of the page's people reviews."""
REACTIONS = ("like", "heart", "laugh", "surprised", "sad", "angry")
INVOKES = ("message/submitAction", "message/fetchTask", "adaptiveCard/action")
TEXT_LIMIT = 20_000
"""Longest message, characters (Teams takes about 28 KB)."""
NAME_LIMIT = 60

Activity = dict[str, Any]
_PERSON_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def parse_person(value: object) -> dict[str, str]:
    """Return {"id", "name"} of who speaks, or refuse it."""
    person = to_object(value)
    identity, name = person.get("id"), person.get("name")
    if not isinstance(identity, str) or not _PERSON_ID.fullmatch(identity):
        raise _bad("A person needs an id of small letters, digits and hyphens.")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= NAME_LIMIT:
        raise _bad(say("A person needs a name of at most {limit} characters.", limit=NAME_LIMIT))
    return {"id": identity, "name": _whole(name.strip())}


def first_contact(chat: Conversation, activity_id: str) -> Activity:
    """Return what Teams sends when somebody meets the bot: the two of them joined a conversation."""
    account = _account(chat)
    members = [{"id": BOT["id"]}, {key: account[key] for key in account if key != "name"}]
    return _frame(chat, activity_id, "conversationUpdate") | {"membersAdded": members}


def build_activity(
    body: dict[str, Any], chat: Conversation, new_id: str, files: Sequence[Activity] = ()
) -> Activity:
    """Return the activity for what the page posted; `new_id` names it where it is new.

    `files` are attachments that came with a message.
    """
    if files and body.get("type") == "message" and not body.get("value"):
        if not body.get("text"):
            return _frame(chat, new_id, "message") | {"text": "", "attachments": list(files)}
        return _message(body, chat, new_id) | {"attachments": list(files)}
    make = _MAKERS.get(str(body.get("type")))
    if make is None:
        raise _bad("The page sent something that is neither a message, a reaction nor an action.")
    return make(body, chat, new_id)


def derive_shown(activity: Activity, chat: Conversation, now: str) -> Shown | None:
    """Return the message that looks different after the activity, as it looks then, or None."""
    if activity["type"] == "messageReaction":
        return _apply_reaction(activity, chat)
    if activity["type"] == "invoke":
        return _apply_thumb(activity, chat)
    files = [str(one["name"]) for one in activity.get("attachments", ())]
    if not activity.get("text") and not files:
        return None
    before = chat.messages.get(activity["id"], {})
    shown: Shown = {
        "id": activity["id"],
        "sender": "user",
        "text": activity["text"],
        "at": before.get("at", now),
        "state": "final",
    }
    if files or before.get("files"):
        shown["files"] = files or before["files"]
    if activity["type"] == "messageUpdate" or before.get("edited"):
        shown["edited"] = True
    return shown


def _message(body: dict[str, Any], chat: Conversation, new_id: str) -> Activity:
    if isinstance(body.get("value"), dict) and not body.get("text"):
        activity = _frame(chat, new_id, "message") | {"value": body["value"]}
        return activity | {"replyToId": _of_bot(chat, body.get("replyToId"))["id"]}
    again = body.get("id")
    if again is not None and not chat.messages.get(str(again), {}).get("failed"):
        raise _bad(say("Only a message that did not arrive can be sent again."))
    activity = _frame(chat, str(again or new_id), "message")
    activity |= {"text": _text(body), "textFormat": "plain"}
    if isinstance(body.get("value"), dict):
        activity["value"] = body["value"]
    return activity


def _edit(body: dict[str, Any], chat: Conversation, _: str) -> Activity:
    message = _own(chat, body.get("id"))
    activity = _frame(chat, message["id"], "messageUpdate") | {"text": _text(body), "textFormat": "plain"}
    activity["channelData"] = {"eventType": "editMessage", "tenant": TENANT}
    return activity


def _delete(body: dict[str, Any], chat: Conversation, _: str) -> Activity:
    activity = _frame(chat, _own(chat, body.get("id"))["id"], "messageDelete")
    activity["channelData"] = {"eventType": "softDeleteMessage", "tenant": TENANT}
    return activity


def _reaction(body: dict[str, Any], chat: Conversation, new_id: str) -> Activity:
    activity = _frame(chat, f"f:{new_id}", "messageReaction")
    activity["replyToId"] = _of_bot(chat, body.get("replyToId"))["id"]
    for key in ("reactionsAdded", "reactionsRemoved"):
        if key in body:
            activity[key] = [{"type": name} for name in _reactions(body[key])]
    if not activity.get("reactionsAdded") and not activity.get("reactionsRemoved"):
        raise _bad("A reaction is one of " + ", ".join(REACTIONS) + ".")
    return activity


def _reactions(value: object) -> list[str]:
    names = (
        [to_object(item).get("type") for item in cast("list[object]", value)]
        if isinstance(value, list)
        else []
    )
    if len(names) > len(REACTIONS) or any(name not in REACTIONS for name in names):
        raise _bad("A reaction is one of " + ", ".join(REACTIONS) + ".")
    return [str(name) for name in names]


def _invoke(body: dict[str, Any], chat: Conversation, new_id: str) -> Activity:
    if body.get("name") not in INVOKES or not isinstance(body.get("value"), dict):
        raise _bad("An action is one of " + ", ".join(INVOKES) + ", with a value.")
    activity = _frame(chat, f"f:{new_id}", "invoke") | {"name": body["name"], "value": body["value"]}
    return activity | {"replyToId": _of_bot(chat, body.get("replyToId"))["id"]}


_MAKERS: dict[str, Callable[[dict[str, Any], Conversation, str], Activity]] = {
    "message": _message,
    "messageUpdate": _edit,
    "messageDelete": _delete,
    "messageReaction": _reaction,
    "invoke": _invoke,
}


def _apply_reaction(activity: Activity, chat: Conversation) -> Shown:
    message = chat.messages[activity["replyToId"]]
    removed = {reaction["type"] for reaction in activity.get("reactionsRemoved", ())}
    added = [reaction["type"] for reaction in activity.get("reactionsAdded", ())]
    kept = [name for name in message.get("reactions", ()) if name not in removed and name not in added]
    return {**message, "reactions": kept + added}


def _apply_thumb(activity: Activity, chat: Conversation) -> Shown | None:
    action = to_object(activity["value"].get("actionValue"))
    if activity["name"] != "message/submitAction" or action.get("reaction") not in ("like", "dislike"):
        return None
    try:
        said = to_object(json.loads(str(action.get("feedback") or "{}")))
    except ValueError:
        said = {}
    reasons = said.get("reasons")
    if isinstance(reasons, str):  # how a card tells several
        reasons = [reason for reason in reasons.split(",") if reason]
    thumb = {"reaction": action["reaction"], "text": said.get("feedbackText"), "reasons": reasons}
    return {**chat.messages[activity["replyToId"]], "thumb": thumb}


def _frame(chat: Conversation, activity_id: str, kind: str) -> Activity:
    return {
        "type": kind,
        "id": activity_id,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "channelId": str(chat.channel),
        "serviceUrl": f"http://localhost/{chat.channel}",
        "from": _account(chat),
        "conversation": {"id": chat.id, "conversationType": "personal", "tenantId": TENANT["id"]},
        "recipient": BOT,
        "channelData": {"tenant": TENANT},
        "locale": get_language(),
    }


def _account(chat: Conversation) -> dict[str, str]:
    """Return who speaks. Nothing is vouched for on other sites: no permission may stand on a visitor's id."""
    account = {"id": _identity(chat.person["id"], chat.channel), "name": chat.person["name"]}
    known = chat.channel is Channel.LOCAL
    return account | ({"aadObjectId": directory_id(chat.person["id"])} if known else {})


def name_sender(chat: Conversation) -> str:
    """Return what the pseudonym of whose conversation this is is made of (`Incoming.sender`)."""
    account = _account(chat)
    return account.get("aadObjectId", account["id"])


def directory_id(person: str) -> str:
    """Return what stands for the Entra object id of one of the page's people."""
    return str(uuid5(NAMESPACE_URL, _identity(person, Channel.LOCAL)))


def _identity(person: str, channel: Channel) -> str:
    return f"29:{channel}-{person}"


def _own(chat: Conversation, message_id: object) -> Shown:
    message = chat.messages.get(str(message_id), {})
    if message.get("sender") != "user":
        raise RefusedError(404, say("This message no longer exists, or it is not yours."), "gone")
    return message


def _of_bot(chat: Conversation, message_id: object) -> Shown:
    message = chat.messages.get(str(message_id), {})
    if message.get("sender") != "bot":
        raise RefusedError(404, say("This message no longer exists."), "gone")
    return message


def _text(body: dict[str, Any]) -> str:
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        raise _bad(say("A message needs some text."))
    if len(text) > TEXT_LIMIT:
        raise RefusedError(
            413, say("That is too long: at most {limit} characters, please.", limit=TEXT_LIMIT), "too_long"
        )
    return _whole(text)


def _whole(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _bad(sentence: str) -> RefusedError:
    return RefusedError(400, sentence, "bad_request")
