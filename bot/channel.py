"""What every channel is to the bot: the way of one answer to its asker, and the errors of sending.

The way out to a channel is `bot.channels.message.Connector`.

OSError
└── ChannelError     the channel refused a request (`status`), or did not answer: trying again may help
Exception
└── Undeliverable    the channel never takes it
    └── Stopped      the asker pressed stop
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from core.records import Answer
from core.translation import mark


class ChannelError(OSError):
    """The channel did not take an activity; `status` is its HTTP status, 0 when it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Greets(Protocol):
    """Says once to a person what is kept of them (`bot/dialogs/privacy.py`)."""

    async def is_due(self) -> bool:
        """Tell whether the person has not been told yet."""
        ...

    async def mark_greeted(self) -> None:
        """The person has been told."""
        ...


STOPPED = mark("Stopped.")


@asynccontextmanager
async def with_greeting(greets: Greets | None) -> AsyncGenerator[bool]:
    """Tell whether the message sent in this block has to greet; once it is sent, the greeting is done."""
    due = greets is not None and await greets.is_due()
    yield due
    if greets is not None and due:
        await greets.mark_greeted()


Offers = Callable[[Answer], Awaitable[Sequence[tuple[str, str]]]]
"""What can be asked after an answer: (title, words)."""


async def nothing_more(_: Answer) -> Sequence[tuple[str, str]]:
    """Offer nothing to ask next."""
    return ()


@dataclass(frozen=True, slots=True)
class StreamPace:
    """The least time between two updates of a stream, and the longest time that one may last, in seconds.

    `grace_s` is how long the first words may take until something else says that the bot is at work: whatever
    is sent first keeps the second one waiting.
    """

    interval_s: float = 1.0
    limit_s: float = 110.0
    grace_s: float = 0.0


class Undeliverable(Exception):
    """The channel will never take this message (the bot was removed, the conversation is gone)."""


class Stopped(Undeliverable):
    """The asker pressed stop; `message_id` is what is on screen of the answer, "" for nothing."""

    def __init__(self, message: str, message_id: str = "") -> None:
        super().__init__(message)
        self.message_id = message_id


class Reply(Protocol):
    """How words reach the person who asked; every channel has one per question.

    Methods raise `Undeliverable` when trying again is pointless, and OSError when it may help.
    """

    async def typing(self) -> None:
        """Show that the bot is at work."""
        ...

    async def draft(self, text: str) -> None:
        """Show what is written so far. May drop calls to keep the channel's pace; never waits for it.

        Where a preview is on screen it stays: nobody takes words of a page away for half a sentence.
        """
        ...

    async def preview(self, answer: Answer) -> None:
        """Show an answer that a better one may replace, if the channel can replace it; never wait for it."""
        ...

    async def answer(self, answer: Answer) -> str:
        """Send the final answer; return the channel's id of the message."""
        ...

    async def say(self, text: str) -> str:
        """Send a plain sentence in place of an answer; return the channel's id of the message."""
        ...

    async def talk(self, said: TalkReply) -> str:
        """Send what is said to small talk; return the channel's id of the message."""
        ...

    async def abandon(self) -> str:
        """Finish the half message of a question that is gone; return its id, "" where none is on screen."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelCapabilities:
    """What the parts that all channels share have to know of one.

    `keeps_messages_here`: its conversations lie on this machine, so that deletions take its messages, too.
    `this_machine_only`: its routes are served to browsers on this machine alone, and links stay here.
    `shows_line_breaks`: it draws a single line break as one. `max_text` is the most characters of an answer
    that has to be one message; None where an answer may take several.
    """

    keeps_messages_here: bool = False
    this_machine_only: bool = False
    shows_line_breaks: bool = False
    max_text: int | None = None


def find_capabilities(
    known: Mapping[str, ChannelCapabilities], conversation: Mapping[str, Any]
) -> ChannelCapabilities:
    """Return those of the channel that a conversation is in; what no channel of ours is, has none."""
    return known.get(str(conversation.get("channelId")), ChannelCapabilities())


class ChannelMisconfigured(ValueError):
    """The settings do not allow a channel; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class PageGroup:
    """Pages of one folder as (title, URL), "" for no folder; `more` counts those not shown, "" for none."""

    name: str
    pages: tuple[tuple[str, str], ...]
    more: str = ""


@dataclass(frozen=True, slots=True)
class TalkReply:
    """What the bot says to small talk.

    `offers` are words that a press says. `groups` lists pages; `more` says how many are in none of them.
    `explains`: what the bot can do is shown with it.
    """

    text: str
    offers: tuple[str, ...] = ()
    groups: tuple[PageGroup, ...] = ()
    more: str = ""
    explains: bool = False
