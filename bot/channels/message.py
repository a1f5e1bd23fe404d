"""Channel-neutral messages: what is said, apart from how Teams, Slack or the chat page show it.

A message is made once, and each channel's connector renders it: `bot/teams/render.py`, `bot/slack/blocks.py`,
`bot/web/render.py`. Its text is Markdown with nothing but our own marks in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from bot.cards.elements import Card, Element
from bot.cards.help import talk_card
from bot.channel import TalkReply
from bot.channels.incoming import Reference
from core.text import calm, clipped

MAX_PLAIN_CHARACTERS = 10_000
SUMMARY_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class CitedSource:
    """What [position] in a message's text stands for; `url` is "" where it cannot be opened."""

    position: int
    name: str
    quote: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class ThumbsRequest:
    """Thumbs below an answer. `asks_why`: our form follows (`bot/cards/rating.py`), else the channel's."""

    answer_id: str
    seal: str
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


def plain_message(text: str) -> Message:
    """Return a sentence of the bot's own."""
    return Message(clipped(calm(text), MAX_PLAIN_CHARACTERS))


def card_message(card: Card) -> Message:
    """Return a message that is one card."""
    return Message(card=card, summary=clipped(card.fallback, SUMMARY_CHARACTERS))


def talk_message(said: TalkReply, site_url: str, brief: Sequence[Element] = ()) -> Message:
    """Return what is said to small talk: a sentence, with a card below it where there is more."""
    return replace(plain_message(said.text), card=talk_card(said, site_url, brief))
