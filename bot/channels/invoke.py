"""Invokes: requests of a channel that wait for a body. What stands in them, and what they are answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from bot.cards.adaptive import CARD_TYPE, render_card, render_form
from bot.cards.elements import Card
from bot.cards.rating import MAX_COMMENT, feedback_form
from bot.channels.activity import as_dict, as_text
from core.text import Json

MAX_REASON_CHARACTERS = 40
MAX_REASONS = 10
MAX_ID_CHARACTERS = 200
MESSAGE_TYPE = "application/vnd.microsoft.activity.message"


class BadAction(ValueError):
    """A card action that no card of ours sends; the message is a sentence for whoever did."""


@dataclass(frozen=True, slots=True)
class InvokeReply:
    """The HTTP status and the JSON body of an answer to an invoke. Teams retries on an empty body.

    `said` is the sentence of a card that takes another one's place, for channels where only one person is to see it.
    `refused`: nothing was done. `card` takes the place of the one that was pressed.
    """

    status: int
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    said: str = ""
    refused: bool = False
    card: Card | None = None


@dataclass(frozen=True, slots=True)
class Thumb:
    """A thumb of Teams' feedback loop: "like" or "dislike", what was written in its form, and the reasons ticked."""

    value: str
    comment: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardAction:
    """A button of one of our cards: what it means, which answer it is about, and what was filled in beside it.

    `round` is -1 where the card has none; of a card about somebody's data it is when that was made, in milliseconds.
    `inputs` is all that came, as it came: read it with `text_input`.
    """

    verb: str
    answer_id: str
    round: int
    seal: str
    inputs: Json


OK = InvokeReply(200)
NOT_IMPLEMENTED = InvokeReply(501)


def saying(sentence: str, *, refused: bool = False) -> InvokeReply:
    """Answer a card action with a sentence; the card stays as it is."""
    body = {"statusCode": 200, "type": MESSAGE_TYPE, "value": sentence}
    return InvokeReply(200, body, sentence, refused)


def showing(card: Card, said: str = "") -> InvokeReply:
    """Answer a card action with the card that takes its place."""
    body = {"statusCode": 200, "type": CARD_TYPE, "value": render_card(card)}
    return InvokeReply(200, body, said, card=card)


def bad_action(sentence: str) -> InvokeReply:
    """Refuse what is no action of ours."""
    error = {"code": "BadRequest", "message": sentence}
    body = {"statusCode": 400, "type": "application/vnd.microsoft.error", "value": error}
    return InvokeReply(400, body, sentence, refused=True)


def form_task(value: Json) -> InvokeReply:
    """Answer `message/fetchTask` with the form behind the thumb that was pressed."""
    data = as_dict(value.get("data")) or value
    reaction = as_text(as_dict(data.get("actionValue")).get("reaction")).lower()
    liked = reaction == "like"
    form = feedback_form("like" if liked else "dislike")
    content = {"contentType": CARD_TYPE, "content": render_form(form, "What do you think of the answer?")}
    task = {"title": form.title, "height": "medium", "width": "medium", "card": content}
    return InvokeReply(200, {"task": {"type": "continue", "value": task}})


def read_thumb(value: Json) -> Thumb | None:
    """Read the value of `message/submitAction`; None where it is no thumb.

    {"actionName": "feedback", "actionValue": {"reaction": "like" | "dislike", "feedback": ...}}, where `feedback` is
    an object {"feedbackText": ..., "reasons": [...] or "a,b"}, the same object as JSON text, or plain text.
    """
    action = as_dict(value.get("actionValue"))
    reaction = as_text(action.get("reaction")).lower()
    if value.get("actionName") != "feedback" or reaction not in {"like", "dislike"}:
        return None
    return thumb_with(reaction, _form(action.get("feedback")))


def thumb_with(reaction: str, form: Json) -> Thumb:
    """Return a thumb with what was filled in behind it."""
    listed = form.get("reasons")
    if isinstance(listed, str):  # how a choice set with several answers tells them
        listed = listed.split(",")
    ticked = cast("list[object]", listed)[:MAX_REASONS] if isinstance(listed, list) else []
    reasons = [as_text(reason).strip()[:MAX_REASON_CHARACTERS] for reason in ticked]
    comment = as_text(form.get("feedbackText")).strip()[:MAX_COMMENT]
    return Thumb(reaction, comment, tuple(reason for reason in reasons if reason))


def _form(feedback: object) -> Json:
    """Return the fields of the form, whichever way they came; plain text is the text of a form."""
    if form := as_dict(feedback):
        return form
    text = as_text(feedback).strip()
    try:
        form = as_dict(json.loads(text)) if text.startswith("{") else {}
    except (ValueError, RecursionError):
        form = {}
    return form or {"feedbackText": text}


def read_action(value: Json) -> CardAction:
    """Read the value of `adaptiveCard/action` (Action.Execute). Raises BadAction."""
    action = as_dict(value.get("action"))
    return _action(action.get("verb"), as_dict(action.get("data")))


def read_submitted(value: Json) -> CardAction | None:
    """Read the value of a message, which an older client sends for the same button; None where it is none."""
    return _action(value["verb"], value) if "verb" in value else None


def text_input(action: CardAction, name: str, limit: int) -> str:
    """Return a text that was filled in, "" where it was not. Raises BadAction for what is too long or no text."""
    given = action.inputs.get(name, "")
    if not isinstance(given, str):
        raise BadAction(f"“{name}” has to be text.")
    text = as_text(given).strip()
    if len(text) > limit:
        raise BadAction(f"That is too long: at most {limit:,} characters, please.")
    return text


def _action(verb: object, data: Json) -> CardAction:
    answer_id, seal, round_ = data.get("answer_id"), data.get("seal"), data.get("round", -1)
    if not isinstance(verb, str) or not isinstance(answer_id, str) or not isinstance(seal, str):
        raise BadAction("This card has no such action.")
    if type(round_) is not int or len(answer_id) > MAX_ID_CHARACTERS or len(seal) > MAX_ID_CHARACTERS:
        raise BadAction("This card has no such action.")
    return CardAction(as_text(verb)[:80], as_text(answer_id), round_, seal, data)
