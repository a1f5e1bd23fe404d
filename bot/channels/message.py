"""Channel-neutral messages: what is said, apart from how Teams, Slack or the chat page show it.

A message is made once, and each channel's connector renders it: `bot/teams/render.py`, `bot/slack/blocks.py`,
`bot/web/chats.py`. Its text is Markdown with nothing but our own marks in it.

Replies to invokes, the requests of a channel that wait for a body, stand here, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Protocol, runtime_checkable

from bot.cards.adaptive import CARD_TYPE, render_card, render_form
from bot.cards.answer import feedback_form
from bot.cards.dates import write_dates
from bot.cards.elements import Card, Element
from bot.cards.help import talk_card
from bot.channel import TalkReply
from bot.channels.incoming import Reference
from core.text import calm, clip_text
from core.translation import say

MAX_PLAIN_CHARACTERS = 10_000
SUMMARY_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class CitedSource:
    """What [position] in a message's text stands for; `url` is "" where it cannot be opened.

    `label` says how sensitive its page is, "" where nobody does.
    """

    position: int
    name: str
    quote: str
    url: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class ThumbsRequest:
    """Thumbs below an answer. `asks_why`: our form follows (`bot/cards/answer.py`), else the channel's."""

    answer_id: str
    signature: str
    asks_why: bool


Label = Literal["", "written", "quoted"]
"""How a message is marked as made by AI: the model wrote it, or found it in the pages' words."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `summary` is for its notification, where that is not the text.

    `suggestions` are what can be asked next, (title, words). `stream_id` names the stream that it ends, ""
    for none.
    """

    text: str = ""
    card: Card | None = None
    summary: str = ""
    label: Label = ""
    citations: tuple[CitedSource, ...] = ()
    thumbs: ThumbsRequest | None = None
    suggestions: tuple[tuple[str, str], ...] = ()
    stream_id: str = ""


@dataclass(frozen=True, slots=True)
class StreamPart:
    """One update of a streamed message: all the text so far, or what the bot is at (`informative`)."""

    text: str
    sequence: int
    stream_id: str
    informative: bool


@dataclass(frozen=True, slots=True)
class Typing:
    """The bot is at work."""


Outgoing = Message | StreamPart | Typing


class Connector(Protocol):
    """The way out to a channel.

    Methods raise `Undeliverable` when trying again is pointless, and OSError (ChannelError) when it may help.
    """

    async def send(self, reference: Reference, message: Outgoing) -> str:
        """Say something; return the id of the new message ("" where the channel gives none)."""
        ...

    async def update(self, reference: Reference, message_id: str, message: Message) -> None:
        """Write over a message that was sent before."""
        ...

    async def delete(self, conversation: Mapping[str, Any], message_id: str) -> None:
        """Take a message back."""
        ...


class OwnReaction(StrEnum):
    """What the bot says of a question by a reaction: at work, answered, the answer was corrected."""

    WORKING = "working"
    ANSWERED = "answered"
    CORRECTED = "corrected"


@runtime_checkable
class Reacts(Protocol):
    """A connector of a channel where bots can react to messages."""

    async def react(
        self, conversation: Mapping[str, Any], message_id: str, reaction: OwnReaction, *, remove: bool = False
    ) -> None:
        """Add a reaction of the bot's own to somebody's message, or take it back."""
        ...


@runtime_checkable
class TellsOne(Protocol):
    """A connector of a channel where one person of a conversation can be told what the others do not see."""

    async def tell_one(self, reference: Reference, message: Message) -> None:
        """Say something that only `reference.user` sees."""
        ...


@runtime_checkable
class OpensChats(Protocol):
    """A connector of a channel where the bot can begin a chat with one person."""

    async def open_chat(self, near: Reference) -> Reference:
        """Return the chat with `near.user`, who is in that conversation. Raises Undeliverable and OSError."""
        ...


def plain_message(text: str) -> Message:
    """Return a sentence of the bot's own."""
    return Message(clip_text(calm(text), MAX_PLAIN_CHARACTERS))


def card_message(card: Card) -> Message:
    """Return a message that is one card."""
    return Message(card=card, summary=clip_text(write_dates(card.fallback), SUMMARY_CHARACTERS))


def talk_message(said: TalkReply, site_url: str, brief: Sequence[Element] = ()) -> Message:
    """Return what is said to small talk: a sentence, with a card below it where there is more."""
    return replace(plain_message(said.text), card=talk_card(said, site_url, brief))


MESSAGE_TYPE = "application/vnd.microsoft.activity.message"


@dataclass(frozen=True, slots=True)
class InvokeReply:
    """The HTTP status and the JSON body of an answer to an invoke. Teams retries on an empty body.

    `said` is the sentence of a card that takes another one's place, for channels where only one person is to
    see it. `refused`: nothing was done. `message` has the card that takes the place of the one that was
    pressed: where there is one, it is the body, drawn only where a channel asks for it.
    """

    status: int
    content: dict[str, Any] = field(default_factory=dict[str, Any])
    said: str = ""
    refused: bool = False
    message: Message | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What Teams and the chat page get."""
        if self.message is None or self.message.card is None:
            return self.content
        return {"statusCode": 200, "type": CARD_TYPE, "value": render_card(self.message.card)}


OK = InvokeReply(200)
NOT_IMPLEMENTED = InvokeReply(501)


def saying(sentence: str, *, refused: bool = False) -> InvokeReply:
    """Answer a card action with a sentence; the card stays as it is."""
    body = {"statusCode": 200, "type": MESSAGE_TYPE, "value": sentence}
    return InvokeReply(200, body, sentence, refused)


def showing(card: Card, said: str = "") -> InvokeReply:
    """Answer a card action with the card that takes its place."""
    return InvokeReply(200, said=said, message=card_message(card))


def asking(card: Card) -> InvokeReply:
    """Answer a card action with a card that asks once more: nothing was done yet."""
    return replace(showing(card), refused=True)


def bad_action(sentence: str) -> InvokeReply:
    """Refuse what is no action of ours."""
    error = {"code": "BadRequest", "message": sentence}
    body = {"statusCode": 400, "type": "application/vnd.microsoft.error", "value": error}
    return InvokeReply(400, body, sentence, refused=True)


def form_task(reaction: str) -> InvokeReply:
    """Answer `message/fetchTask` with the form behind the thumb that was pressed."""
    liked = reaction == "like"
    form = feedback_form("like" if liked else "dislike")
    content = {
        "contentType": CARD_TYPE,
        "content": render_form(form, say("What do you think of the answer?")),
    }
    task = {"title": form.title, "height": "medium", "width": "medium", "card": content}
    return InvokeReply(200, {"task": {"type": "continue", "value": task}})
