"""The Bot Framework SDK for Python (botbuilder 4.17.1) behind the seam of `bot/teams/sdk/library.py`.

Its own `process` parses before it authenticates, turns bad tokens into 500, and writes invoke bodies twice.
Its own keys are fetched with a blocking call without a timeout, on the event loop. From it come the
validation of tokens (`JwtTokenExtractor`, with our keys in its cache) and the turns.

Middleware sees the SDK's Activity with the fields that turns are decided by. A full deserialisation costs 0.7
ms, a fifth of all that the bot spends on a message; this costs 0.05 ms.
"""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportOptionalMemberAccess=false
# The SDK is untyped.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from botbuilder.core import BotAdapter, TurnContext
from botbuilder.schema import (
    Activity,
    ChannelAccount,
    ConversationAccount,
    ConversationReference,
    ResourceResponse,
)
from botframework.connector.auth import AuthenticationConstants, JwtTokenExtractor, VerifyOptions

from bot.channels.incoming import to_text
from bot.channels.message import InvokeReply
from bot.teams.auth import KeysUnavailableError, SigningKeys
from bot.teams.connector import BotConnector
from bot.teams.sdk.library import (
    CLOCK_TOLERANCE_S,
    Receive,
    TokenRules,
    read_account,
    read_conversation,
    read_fields,
)


def open_validator(rules: TokenRules, keys: SigningKeys) -> BotbuilderValidator:
    """Open what checks tokens with these keys."""
    return BotbuilderValidator(rules, keys)


def open_turns(receive: Receive, connector: BotConnector) -> BotbuilderTurns:
    """Open the turns around an activity handler."""
    return BotbuilderTurns(receive, connector)


class BotbuilderValidator:
    """A `bot.teams.sdk.library.TokenValidator`."""

    def __init__(self, rules: TokenRules, keys: SigningKeys) -> None:
        self._metadata_url = rules.metadata_url
        JwtTokenExtractor.metadataCache[self._metadata_url] = keys
        self._extractor = JwtTokenExtractor(
            VerifyOptions([rules.issuer], None, CLOCK_TOLERANCE_S, ignore_expiration=False),
            self._metadata_url,
            AuthenticationConstants.ALLOWED_SIGNING_ALGORITHMS,
        )

    async def read_claims(self, token: str) -> Mapping[str, Any]:
        try:
            identity = await self._extractor.get_identity("Bearer", token, channel_id="")
        except KeysUnavailableError:
            raise
        except Exception as error:  # the SDK and PyJWT raise a dozen kinds, bare Exception too
            raise PermissionError(f"bad token: {type(error).__name__}: {error}") from error
        if not (identity and identity.is_authenticated):
            raise PermissionError("bad token: another issuer")
        return cast("dict[str, Any]", identity.claims)

    def close(self) -> None:
        JwtTokenExtractor.metadataCache.pop(self._metadata_url, None)


class BotbuilderTurns(BotAdapter):
    """The SDK's adapter over our activity handler and connector: `bot.teams.sdk.library.Turns`."""

    def __init__(self, receive: Receive, connector: BotConnector) -> None:
        super().__init__()
        self._receive = receive
        self._connector = connector

    async def run(self, activity: Mapping[str, Any]) -> InvokeReply | None:
        replies: list[InvokeReply | None] = []

        async def turn(_: TurnContext) -> None:
            replies.append(await self._receive(activity))

        await self.run_pipeline(TurnContext(self, _to_sdk_activity(activity)), turn)
        return replies[0] if replies else None

    async def send_activities(
        self, context: TurnContext, activities: list[Activity]
    ) -> list[ResourceResponse]:
        """Send what middleware says, in order."""
        where = _conversation(context)
        return [
            ResourceResponse(id=await self._connector.post_activity(where, activity.serialize()))
            for activity in activities
        ]

    async def update_activity(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        """Write over a message."""
        await self._connector.put_activity(_conversation(context), activity.id, activity.serialize())
        return ResourceResponse(id=activity.id)

    async def delete_activity(self, context: TurnContext, reference: ConversationReference) -> None:
        """Take a message back."""
        await self._connector.delete(_conversation(context), reference.activity_id)


def _to_sdk_activity(activity: Mapping[str, Any]) -> Activity:
    return Activity(
        **read_fields(activity),
        channel_id=to_text(activity.get("channelId")),
        from_property=ChannelAccount(**read_account(activity, "from")),
        recipient=ChannelAccount(**read_account(activity, "recipient")),
        conversation=ConversationAccount(**read_conversation(activity)),
    )


def _conversation(context: TurnContext) -> dict[str, Any]:
    activity = context.activity
    return {
        "id": activity.conversation.id,
        "conversationType": activity.conversation.conversation_type,
        "serviceUrl": activity.service_url,
        "channelId": activity.channel_id,
    }
