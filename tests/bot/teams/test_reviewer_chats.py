"""Named reviewers who never wrote get a chat, once, and their cards in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from bot.channels.review_handler import Reviewers
from bot.teams.reviewer_chats import ReviewerChats, TeamsAddress
from core.records import ReviewReason
from tests.builders.world import World, a_world, pseudonym
from tests.doubles.tokens import APP_ID


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


def chats(world: World) -> ReviewerChats:
    reviews = world.parts.handlers(world.asking, Reviewers(["aad-robin"])).reviews
    address = TeamsAddress(APP_ID, "t1", world.service_url)
    return ReviewerChats(world.parts.repository, reviews, world.seam.connector, pseudonym, address)


async def test_a_reviewer_who_never_wrote_gets_a_chat_with_the_cards_once(world: World) -> None:
    world.connector.chats["aad-robin"] = "a:robins"
    await world.ask("How long is leave?", id="1")
    await world.settled()
    (answer,) = world.store.answers.values()
    await world.parts.reviewing.flag(answer, ReviewReason.THUMB_DOWN)
    assert await chats(world).reach(["aad-robin", "aad-gone"]) == 1  # the other has no app
    await world.parts.card_sync.process_outbox()
    (card,) = [call for call in world.connector.calls if call.conversation == "a:robins"]
    assert "How long is leave?" in json.dumps(card.activity)

    (place,) = await world.parts.repository.places()
    await world.parts.repository.remove_place(place.id)  # “reviewers stop”
    assert await chats(world).reach(["aad-robin"]) == 0
    assert not await world.parts.repository.places()


async def test_a_reviewer_without_the_app_is_tried_again_later(world: World) -> None:
    assert await chats(world).reach(["aad-robin"]) == 0
    world.connector.chats["aad-robin"] = "a:robins"
    assert await chats(world).reach(["aad-robin"]) == 1
