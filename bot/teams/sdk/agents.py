"""The Microsoft 365 Agents SDK for Python (hosting-core 1.9.0) behind the seam of `bot/teams/sdk/library.py`.

Its validator fetches keys with `PyJWKClient`: again for every token that names an unknown one, without what
the channel endorses a key for, and from addresses that the token's own issuer picks. It takes Microsoft's
first-party tenants as issuers beside the one that is set, and compares app ids without their case. So our
keys stand in the place of its own, and the endpoint holds issuer and app to what is set, letter by letter.

Middleware sees the SDK's Activity with the fields that turns are decided by, made without its validation,
which refuses activities that the activity handler answers with a sentence.
"""

# pyright: reportUnknownMemberType=false
# The SDK types its callbacks in part.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microsoft_agents.activity import (
    Activity,
    ChannelAccount,
    ChannelId,
    ConversationAccount,
    ConversationReference,
    ResourceResponse,
)
from microsoft_agents.hosting.core import AgentAuthConfiguration, ChannelAdapter, TurnContext
from microsoft_agents.hosting.core.authorization.jwt import JwtTokenValidator

from bot.channels.incoming import to_text
from bot.channels.message import InvokeReply
from bot.teams.auth import KeysUnavailableError, SigningKeys
from bot.teams.connector import BotConnector
from bot.teams.sdk.library import Receive, TokenRules, read_account, read_conversation, read_fields


def open_validator(rules: TokenRules, keys: SigningKeys) -> AgentsValidator:
    """Open what checks tokens with these keys."""
    return AgentsValidator(rules, keys)


def open_turns(receive: Receive, connector: BotConnector) -> AgentsTurns:
    """Open the turns around an activity handler."""
    return AgentsTurns(receive, connector)


class _OurKeys:
    """Our signing keys where the SDK looks for its own (`_JwkClientManager` in its module of tokens)."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    async def get_signing_key(self, _: str, header: Mapping[str, Any]) -> Any:
        """Return the key that a token names, wherever the SDK would have fetched it."""
        key_id = header.get("kid")
        return (await self._keys.get(key_id if isinstance(key_id, str) else None)).public_key


class AgentsValidator:
    """A `bot.teams.sdk.library.TokenValidator`. The SDK leaves 300 s between two clocks, as the other one."""

    def __init__(self, rules: TokenRules, keys: SigningKeys) -> None:
        configuration = AgentAuthConfiguration(
            client_id=rules.app_id, issuers=[rules.issuer], validate_issuer=True
        )
        self._validator = JwtTokenValidator(configuration)
        self._validator._jwk_client_manager = _OurKeys(keys)  # type: ignore[assignment]

    async def read_claims(self, token: str) -> Mapping[str, Any]:
        try:
            return (await self._validator.validate_token(token)).claims
        except KeysUnavailableError:
            raise
        except Exception as error:  # the SDK and PyJWT raise a dozen kinds
            raise PermissionError(f"bad token: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Nothing is shared with other validators."""


class AgentsTurns(ChannelAdapter):
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
            ResourceResponse(id=await self._connector.post_activity(where, _serialize(activity)))
            for activity in activities
        ]

    async def update_activity(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        """Write over a message."""
        message_id = activity.id or ""
        await self._connector.put_activity(_conversation(context), message_id, _serialize(activity))
        return ResourceResponse(id=message_id)

    async def delete_activity(self, context: TurnContext, reference: ConversationReference) -> None:
        """Take a message back."""
        await self._connector.delete(_conversation(context), reference.activity_id or "")


def _serialize(activity: Activity) -> dict[str, Any]:
    return activity.model_dump(by_alias=True, exclude_unset=True, exclude_none=True, mode="json")


def _to_sdk_activity(activity: Mapping[str, Any]) -> Activity:
    channel = to_text(activity.get("channelId")).strip(" :")
    return Activity.model_construct(
        **read_fields(activity),
        channel_id=ChannelId(channel) if channel else None,
        from_property=ChannelAccount.model_construct(**read_account(activity, "from")),
        recipient=ChannelAccount.model_construct(**read_account(activity, "recipient")),
        conversation=ConversationAccount.model_construct(**read_conversation(activity)),
    )


def _conversation(context: TurnContext) -> dict[str, Any]:
    activity = context.activity
    where = activity.conversation
    return {
        "id": where.id if where else "",
        "conversationType": where.conversation_type if where else "",
        "serviceUrl": activity.service_url,
        "channelId": str(activity.channel_id or ""),
    }
