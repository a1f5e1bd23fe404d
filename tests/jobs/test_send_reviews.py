"""Cards that reviewers do not see are sent by a job, through the real connector to a channel's own server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.bootstrap import Connect, PageServices, find_connector, make_services
from bot.channels.incoming import Reference
from bot.services import Services
from bot.teams.channel import to_config
from bot.teams.connector import BotConnector
from bot.teams.endpoint import BotCredentials
from core.readers import Readers
from core.records import Answer, Channel, Review, ReviewReason, Ruling, Verdict
from core.settings import Settings
from feedback.reviews.repository import CardDestination, ReviewRepository
from jobs.registry import JobContext, Store
from jobs.send_reviews import MOST, run, send_cards, send_reviews
from pages.index.embeddings import HashedEmbedder
from tests.builders.days import ask, store
from tests.builders.serving import served
from tests.doubles.teams_connector import Call, ConnectorService

__all__ = ["store"]

NOW = datetime.now(UTC)


class NoPages:
    """Pages that no card asks about; everyone may read them."""

    def restricted(self) -> Mapping[str, Readers]:
        return {}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


class Served:
    """A channel's server, and a store whose reviewers' cards go into a conversation there."""

    def __init__(self, store: Store, service: ConnectorService, url: str, data_dir: Path) -> None:
        self.store = store
        self.repository = ReviewRepository(store.documents)
        self.service = service
        self.url = url
        self.settings = Settings(data_dir=data_dir)

    async def place(self, name: str = "19:reviewers", channel: str = "msteams") -> None:
        conversation = {"id": name, "channelId": channel, "serviceUrl": self.url}
        reference = Reference(conversation, {"id": "28:bot"}, {}, "")
        await self.repository.put_place(CardDestination(name, reference.dump()))

    async def waits(self, number: int, **changes: Any) -> Answer:
        answer = await ask(self.store, number, NOW - timedelta(hours=1) + timedelta(seconds=number))
        review = Review(answer.id, (ReviewReason.THUMB_DOWN,), answer.answered_at)
        await self.repository.add_review(replace(review, **changes))
        return answer

    async def run(self) -> dict[str, object]:
        async with aiohttp.ClientSession() as session:
            connector = BotConnector(session, BotCredentials(to_config(self.settings, is_public=False)).get)
            parts = self.parts(partial(find_connector, {Channel.TEAMS: connector, Channel.LOCAL: None}))
            return dict(await send_reviews(parts.repository, partial(send_cards, parts), datetime.now(UTC)))

    def parts(self, connect: Connect) -> Services:
        """The parts that the job borrows, over pages of which there are none."""
        page_services: Any = PageServices(NoPages(), NoPages(), HashedEmbedder())  # type: ignore[arg-type]
        return make_services(self.settings, page_services, self.store, connect, "a job")  # type: ignore[arg-type]

    @property
    def cards(self) -> list[Call]:
        return [call for call in self.service.calls if call.is_message]


@pytest.fixture
async def channel(store: Store, tmp_path: Path) -> AsyncIterator[Served]:
    service = ConnectorService()
    async with served(service.app) as url:
        yield Served(store, service, url, tmp_path)


async def test_a_card_that_was_never_posted_is_posted_once(channel: Served) -> None:
    await channel.place()
    answer = await channel.waits(1)
    assert await run(JobContext(channel.settings, channel.store)) == {
        "waiting": 1,
        "sent": 1,
        "left": 0,
        "places": 1,
    }
    [card] = channel.cards
    assert card.conversation == "19:reviewers"
    assert "Please review" in str(card.activity)
    assert await channel.run() == {"waiting": 1, "sent": 0, "left": 0, "places": 1}
    assert len(channel.cards) == 1
    assert [one.message_id for one in await channel.repository.list_shown(answer.id)] == ["m1"]
    assert await channel.repository.claim_outbox_entries(10) == []


async def test_a_new_place_gets_the_cards_that_others_have(channel: Served) -> None:
    await channel.place()
    await channel.waits(1)
    await channel.run()
    await channel.place("a:robins-chat")
    assert (await channel.run())["sent"] == 1
    assert [card.conversation for card in channel.cards] == ["19:reviewers", "a:robins-chat"]


async def test_a_card_whose_claim_ran_out_comes_again_without_the_claim(channel: Served) -> None:
    await channel.place()
    answer = await channel.waits(1)
    await channel.run()
    review = await channel.repository.review(answer.id)
    assert review is not None
    held = replace(review, claimed_by="p-kim", claimed_name="Kim", claimed_until=NOW + timedelta(hours=1))
    assert await channel.repository.change_review(held)
    assert (await channel.run())["sent"] == 0  # it is held
    now = replace(held, version=held.version + 1, claimed_until=NOW - timedelta(seconds=1))
    assert await channel.repository.change_review(now)
    assert (await channel.run())["sent"] == 1
    assert [(call.method, call.conversation) for call in channel.service.calls] == [
        ("POST", "19:reviewers"),
        ("POST", "19:reviewers"),
        ("DELETE", "19:reviewers"),
    ]
    assert "Kim" not in str(channel.cards[-1].activity)
    review = await channel.repository.review(answer.id)
    assert review is not None
    assert review.claimed_by == ""
    assert (await channel.run())["sent"] == 0


async def test_a_settled_review_and_one_whose_answer_is_gone_are_sent_to_nobody(channel: Served) -> None:
    await channel.place()
    verdict = Verdict("p-kim", "Kim", Ruling.APPROVED, NOW)
    await channel.waits(1, verdicts=(verdict,), settled_at=NOW)
    gone = await channel.waits(2)
    await channel.store.forget_question(gone.question.id)
    assert await channel.run() == {"waiting": 0, "sent": 0, "left": 0, "places": 1}


async def test_nobody_posts_a_card_while_somebody_else_is_at_it(channel: Served) -> None:
    await channel.place()
    answer = await channel.waits(1)
    bot = ReviewRepository(channel.store.documents, "a bot")
    await bot.add_outbox_entry(answer.id, NOW)
    [(_, version)] = await bot.claim_outbox_entries(10)
    assert await channel.run() == {"waiting": 1, "sent": 0, "left": 1, "places": 1}
    assert channel.cards == []
    await bot.complete_outbox_entry(answer.id, version)
    assert (await channel.run())["sent"] == 1


async def test_what_a_channel_refuses_is_left_to_the_bots_and_other_places_get_theirs(
    channel: Served,
) -> None:
    await channel.place("19:broken")
    await channel.place("19:whole")
    answer = await channel.waits(1)
    channel.service.fail(500, when=lambda activity: activity.get("conversation", {}).get("id") == "19:broken")
    assert await channel.run() == {"waiting": 1, "sent": 0, "left": 1, "places": 2}
    assert [card.conversation for card in channel.cards] == ["19:whole"]
    [(entry, _)] = await ReviewRepository(channel.store.documents, "a bot").claim_outbox_entries(10)
    assert entry == answer.id


async def test_a_card_for_the_local_page_is_left_to_the_bot_that_serves_it(channel: Served) -> None:
    await channel.place("local|robin", channel="local")
    await channel.place()
    answer = await channel.waits(1)
    assert await channel.run() == {"waiting": 1, "sent": 0, "left": 1, "places": 2}
    assert [card.conversation for card in channel.cards] == ["19:reviewers"]
    [(entry, _)] = await ReviewRepository(channel.store.documents, "a bot").claim_outbox_entries(10)
    assert entry == answer.id


async def test_an_entry_that_was_left_for_more_than_cards_stays(channel: Served) -> None:
    await channel.place()
    answer = await channel.waits(1)
    await channel.repository.add_outbox_entry(answer.id, NOW)
    assert (await channel.run())["sent"] == 1
    [(entry, _)] = await ReviewRepository(channel.store.documents, "a bot").claim_outbox_entries(10)
    assert entry == answer.id


async def test_a_long_queue_is_sent_so_many_a_run(channel: Served) -> None:
    for number in range(MOST + 3):
        await channel.waits(number)
    await channel.place()
    sent: list[str] = []

    async def send(review: Review, *, ran_out: bool) -> bool:
        sent.append(review.answer_id)
        return True

    assert await send_reviews(channel.repository, send, NOW) == {
        "waiting": MOST + 3,
        "sent": MOST,
        "left": 0,
        "places": 1,
    }
    assert len(set(sent)) == MOST


async def test_without_a_place_nothing_is_sent_and_it_is_said(
    channel: Served, caplog: pytest.LogCaptureFixture
) -> None:
    await channel.waits(1)
    assert await channel.run() == {"waiting": 1, "sent": 0, "left": 0, "places": 0}
    assert "reviewers here" in caplog.text


async def test_a_review_that_is_settled_meanwhile_is_not_posted(channel: Served) -> None:
    await channel.place()
    answer = await channel.waits(1, claimed_by="p-kim", claimed_until=NOW - timedelta(hours=1))
    before = await channel.repository.review(answer.id)
    assert before is not None
    verdict = Verdict("p-kim", "Kim", Ruling.APPROVED, NOW)
    assert await channel.repository.change_review(replace(before, verdicts=(verdict,), settled_at=NOW))
    assert not await send_cards(channel.parts(lambda _: None), before, ran_out=True)
    assert channel.cards == []
    assert await ReviewRepository(channel.store.documents, "a bot").claim_outbox_entries(10)
