"""Whatever somebody types gets an answer or a clear refusal; nothing is lost, no card is broken."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.dialogs.answerer import PageAnswerer
from feedback.store.sqlite import SqliteStore
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.registry.loading import quote_first_sentence
from pages.fetch.client import Fetcher, FixedResolver
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.parse.extract import extract
from tests.builders.cards import Check
from tests.builders.world import a_world
from tests.conftest import ROOT
from tests.doubles.teams_connector import stream_info

CARD = "application/vnd.microsoft.card.adaptive"


def said(sent: list[Any], conversation: str) -> list[dict[str, Any]]:
    """Return the messages that reached a conversation, without typing and streamed drafts."""
    return [
        call.activity
        for call in sent
        if call.conversation == conversation
        and call.is_message
        and stream_info(call.activity).get("streamType", "final") == "final"
    ]


async def test_every_naughty_string_as_a_question_is_answered_or_refused(
    shared_data: Path, tmp_path: Path, valid: Check
) -> None:
    strings = json.loads((shared_data / "security" / "blns.json").read_text("utf-8"))
    assert len(strings) >= 500
    index = await FileIndex.open(tmp_path / "pages", HashedEmbedder())
    page = (ROOT / "docs" / "asking.md").read_bytes()
    url = "/site/docs/asking"
    await index.add(
        extract(page, url=url, content_type="text/markdown", fetched_at=datetime.now(UTC)), source="docs"
    )
    store = SqliteStore.open(tmp_path / "store.sqlite3")
    async with Fetcher(resolver=FixedResolver({})) as fetcher, a_world(store=store) as world:
        library = Library(index, fetcher)
        rules = AnswerRules(least_similarity=-1.0)
        answering = Answering(
            always_acquire(CannedChatModel(quote_first_sentence), "canned"), library.search, rules
        )
        world.answerer = PageAnswerer(library, answering)  # type: ignore[assignment]
        for number, text in enumerate(strings):
            await world.ask(
                text, id=f"n{number}", conversation={"id": f"a:{number}", "conversationType": "personal"}
            )
        async with asyncio.timeout(200):
            while world.asking.under_way:  # noqa: ASYNC110 - 500 questions take longer than a stop waits
                await asyncio.sleep(0.05)
        await world.settled()
        silent = [
            text for number, text in enumerate(strings) if not said(world.connector.calls, f"a:{number}")
        ]
        assert silent == []
        cards = [
            attachment["content"]
            for call in world.connector.calls
            for attachment in call.activity.get("attachments", [])
            if attachment["contentType"] == CARD
        ]
        assert len(cards) >= 400
        for card in cards:
            valid(card)
        assert await store.take_undelivered() == []
        await library.close()
    await store.close()
    await index.close()
