"""The seam to a library of the Bot Framework: what the bot has of one, whichever is chosen.

    validator.read_claims(token)    what a token says that one of the channel's keys signed, and is in time
    turns.run(activity)             the turn of one activity: the library's middleware around our handler

All else is the same with each: whose keys count (`bot/teams/auth.py`), whom a token is from, for whom, for
which address and channels (`bot/teams/endpoint.py`), the bot's own token, and the calls to the channel. So a
library's own defaults for these decide nothing.

    botbuilder    Bot Framework SDK for Python; archived, without support since 2025-12-31
    agents        Microsoft 365 Agents SDK for Python, its successor

Middleware is the library's: one that was written for the other takes another import, and little else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from bot.channels.incoming import to_object, to_text
from bot.channels.message import InvokeReply
from bot.teams.auth import LibraryName, SigningKeys
from bot.teams.connector import BotConnector

Receive = Callable[[Mapping[str, Any]], Awaitable[InvokeReply | None]]
"""Takes an authenticated activity in, as it came; answers an invoke."""

ISSUER = "https://api.botframework.com"
METADATA_URL = "https://login.botframework.com/v1/.well-known/openidconfiguration"
"""Of the public cloud: both libraries have the same, and Microsoft documents them.

Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
"""
CLOCK_TOLERANCE_S = 300


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Whose tokens are taken: of this issuer, for this app, signed with keys that stand at an address."""

    issuer: str
    app_id: str
    metadata_url: str


def read_fields(activity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an activity that turns are decided by, by the names that both libraries have."""
    texts = {"type": "type", "id": "id", "name": "name", "text": "text", "service_url": "serviceUrl"}
    return {
        **{name: to_text(activity.get(sent)) for name, sent in texts.items()},
        "value": activity.get("value"),
        "channel_data": activity.get("channelData"),
    }


def read_account(activity: Mapping[str, Any], who: str) -> dict[str, Any]:
    """Return the fields of an account: `who` is "from" or "recipient"."""
    sent = to_object(activity.get(who))
    return {"id": to_text(sent.get("id")), "name": to_text(sent.get("name"))}


def read_conversation(activity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the conversation."""
    sent = to_object(activity.get("conversation"))
    return {
        "id": to_text(sent.get("id")),
        "conversation_type": to_text(sent.get("conversationType")),
        "is_group": sent.get("isGroup") is True,
    }


class TokenValidator(Protocol):
    """Checks the signature and the times of a channel's tokens; close it."""

    async def read_claims(self, token: str) -> Mapping[str, Any]:
        """Return what a token says.

        Raises PermissionError for one that is bad in any way, and KeysUnavailableError.
        """
        ...

    def close(self) -> None:
        """Let go of the keys."""
        ...


class Turns(Protocol):
    """The turns of one bot."""

    def use(self, middleware: Any) -> object:
        """Let a middleware of the library run around every turn from now on."""
        ...

    async def run(self, activity: Mapping[str, Any]) -> InvokeReply | None:
        """Run the turn of one authenticated activity; the middleware sees what the handler raises."""
        ...


class Library(Protocol):
    """What the module of a library has."""

    def open_validator(self, rules: TokenRules, keys: SigningKeys, /) -> TokenValidator:
        """Open what checks tokens with these keys."""
        ...

    def open_turns(self, receive: Receive, connector: BotConnector, /) -> Turns:
        """Open the turns around an activity handler; what middleware sends goes out by the connector."""
        ...


def load_library(name: LibraryName) -> Library:
    """Import a library, and no other."""
    return cast("Library", import_module(f"bot.teams.sdk.{name}"))
