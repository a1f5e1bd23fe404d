"""One activity is one turn of the Bot Framework SDK: its middleware runs around our front end.

    seam.turns.use(SomeMiddleware())     what the SDK's middleware sends goes out by our connector

The front end reads the activity as it came; middleware sees the SDK's Activity with the fields that turns are decided
by. A full deserialisation costs 0.7 ms, a fifth of all that the bot spends on a message; this costs 0.05 ms.
"""
# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportOptionalMemberAccess=false
# The SDK is untyped.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botbuilder.core import BotAdapter, TurnContext
from botbuilder.schema import (
    Activity,
    ChannelAccount,
    ConversationAccount,
    ConversationReference,
    ResourceResponse,
)

from bot.activities import as_dict, as_text
from bot.delivery import Connector
from bot.invokes import InvokeReply
from bot.teams import TeamsFrontEnd


class Turns(BotAdapter):
    """The SDK's adapter over our front end and connector."""

    def __init__(self, front: TeamsFrontEnd, connector: Connector) -> None:
        super().__init__()
        self._front = front
        self._connector = connector

    async def run(self, activity: Mapping[str, Any]) -> InvokeReply | None:
        """Run the turn of one authenticated activity; what the front end raises passes through the middleware."""
        replies: list[InvokeReply | None] = []

        async def turn(_: TurnContext) -> None:
            replies.append(await self._front.receive(activity, self._connector))

        await self.run_pipeline(TurnContext(self, _decided_by(activity)), turn)
        return replies[0] if replies else None

    async def send_activities(
        self, context: TurnContext, activities: list[Activity]
    ) -> list[ResourceResponse]:
        """Send what middleware says, in order."""
        where = _conversation(context)
        return [
            ResourceResponse(id=await self._connector.send(where, activity.serialize()))
            for activity in activities
        ]

    async def update_activity(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        """Write over a message."""
        await self._connector.update(_conversation(context), activity.id, activity.serialize())
        return ResourceResponse(id=activity.id)

    async def delete_activity(self, context: TurnContext, reference: ConversationReference) -> None:
        """Take a message back."""
        await self._connector.delete(_conversation(context), reference.activity_id)


def _decided_by(activity: Mapping[str, Any]) -> Activity:
    sender, recipient = as_dict(activity.get("from")), as_dict(activity.get("recipient"))
    conversation = as_dict(activity.get("conversation"))
    return Activity(
        type=as_text(activity.get("type")),
        id=as_text(activity.get("id")),
        name=as_text(activity.get("name")),
        text=as_text(activity.get("text")),
        channel_id=as_text(activity.get("channelId")),
        service_url=as_text(activity.get("serviceUrl")),
        from_property=ChannelAccount(id=as_text(sender.get("id")), name=as_text(sender.get("name"))),
        recipient=ChannelAccount(id=as_text(recipient.get("id")), name=as_text(recipient.get("name"))),
        conversation=ConversationAccount(
            id=as_text(conversation.get("id")),
            conversation_type=as_text(conversation.get("conversationType")),
            is_group=conversation.get("isGroup") is True,
        ),
        value=activity.get("value"),
        channel_data=activity.get("channelData"),
    )


def _conversation(context: TurnContext) -> dict[str, Any]:
    activity = context.activity
    return {
        "id": activity.conversation.id,
        "conversationType": activity.conversation.conversation_type,
        "serviceUrl": activity.service_url,
        "channelId": activity.channel_id,
    }
