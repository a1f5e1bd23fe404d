"""Cards that reviewers do not see are sent by a job, through the real connector to a channel's own server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli_jobs import _send_reviews
from feedback.cosmos import CosmosStore
from feedback.desk import WAITING, Desk, Place
from feedback.documents import Document
from feedback.store import moment
from jobs.send_reviews import MOST, send_reviews
from jobs.table import Store
from records import Answer, Review, ReviewReason, Ruling, Verdict
from settings import Settings
from tests.connector import Call, ConnectorService
from tests.cosmos import a_cosmos
from tests.test_jobs import ask, store
from tests.world import served

__all__ = ["store"]

NOW = datetime.now(UTC)


class Channel:
    """A channel's server, and a store whose reviewers' cards go into a conversation there."""

    def __init__(self, store: Store, service: ConnectorService, url: str, data_dir: Path) -> None:
        self.store = store
        self.desk = Desk(store.documents)
        self.service = service
        self.url = url
        self.settings = Settings(data_dir=data_dir)

    async def place(self, name: str = "19:reviewers", channel: str = "msteams") -> None:
        conversation = {"id": name, "channelId": channel, "serviceUrl": self.url}
        reference = {"conversation": conversation, "bot": {"id": "28:bot"}, "user": {"id": "29:robin"}}
        await self.desk.put_place(Place(name, reference_text(reference)))

    async def waits(self, number: int, **changes: Any) -> Answer:
        answer = await ask(self.store, number, NOW - timedelta(hours=1) + timedelta(seconds=number))
        review = Review(answer.id, (ReviewReason.THUMB_DOWN,), answer.answered_at)
        await self.desk.add_review(replace(review, **changes))
        return answer

    async def run(self) -> dict[str, object]:
        return dict(await _send_reviews(self.settings, self.store))

    @property
    def cards(self) -> list[Call]:
        return [call for call in self.service.calls if call.is_message]


def reference_text(fields: dict[str, Any]) -> str:
    """Write down how to speak in a conversation, as the bot does."""
    from bot.activities import Reference  # noqa: PLC0415

    return Reference(**fields).dump()


@pytest.fixture
async def channel(store: Store, tmp_path: Path) -> AsyncIterator[Channel]:
    service = ConnectorService()
    async with served(service.app) as url:
        yield Channel(store, service, url, tmp_path)
