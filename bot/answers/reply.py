"""What the command line hears from a bot, as JSON: an answer, small talk, or why there is neither.

Both ends import this module, so it is small: the one that asks loads no model.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.channel import TalkReply
from core.records import Answer
from feedback.store.serialization import from_json, to_json

HOST = "askpage"
"""The Host of a request: nobody comes here by an address."""
PATH = "/answers"
OTHER_SETTINGS = "other_settings"
"""The code of a refusal whose message names the settings that the bot has otherwise."""


@dataclass(frozen=True, slots=True)
class DirectReply:
    """Either an answer or small talk. `site` is where the pages open that the bot itself shows.

    `note` is what whoever asks should know of this answer: that the model failed, or is not there yet.
    """

    answer: Answer | None = None
    talk: TalkReply | None = None
    site: str = ""
    note: str = ""


def encode_reply(reply: DirectReply) -> str:
    """Return a reply as JSON."""
    return to_json(reply)


def decode_reply(text: bytes) -> DirectReply:
    """Return the reply that `encode_reply` wrote. Raises ValueError."""
    return from_json(DirectReply, text)
