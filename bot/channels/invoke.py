"""Invokes: requests of a channel that wait for a body. What stands in them, and what they are answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.cards.adaptive import CARD_TYPE, render_card, render_form
from bot.cards.elements import Card
from bot.cards.rating import feedback_form

MESSAGE_TYPE = "application/vnd.microsoft.activity.message"


@dataclass(frozen=True, slots=True)
class InvokeReply:
    """The HTTP status and the JSON body of an answer to an invoke. Teams retries on an empty body.

    `said` is the sentence of a card that takes another one's place, for channels where only one person is to
    see it. `refused`: nothing was done. `card` takes the place of the one that was pressed.
    """

    status: int
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    said: str = ""
    refused: bool = False
    card: Card | None = None


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


def form_task(reaction: str) -> InvokeReply:
    """Answer `message/fetchTask` with the form behind the thumb that was pressed."""
    liked = reaction == "like"
    form = feedback_form("like" if liked else "dislike")
    content = {"contentType": CARD_TYPE, "content": render_form(form, "What do you think of the answer?")}
    task = {"title": form.title, "height": "medium", "width": "medium", "card": content}
    return InvokeReply(200, {"task": {"type": "continue", "value": task}})
