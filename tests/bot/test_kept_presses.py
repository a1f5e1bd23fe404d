"""A decision that waited for the store is done for whoever may read the pages that it is about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from bot.card_tokens import REVIEW
from bot.channels.incoming import parse_activity
from bot.channels.review_actions import Presser, ReviewAction, ReviewActions, read_press
from bot.dialogs.review import GONE
from bot.dialogs.rulings import TakingBack
from feedback.store.base import Do, Entry
from tests.builders.restricted import PAGES, PLACES, Office, Place, an_office


class AwayStore:
    """Deferred actions of a store that is away until `come_back` (`feedback.store.base.DeferredActions`)."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []
        self._do: list[Do] = []

    is_waiting = True

    async def keep(self, what: str, entry: Entry) -> None:
        self.kept.append(entry)

    async def attempt(self, do: Callable[[], Awaitable[object]], what: str, entry: Entry) -> None:
        await self.keep(what, entry)

    def register(self, what: str, do: Do) -> None:
        self._do.append(do)

    async def come_back(self) -> None:
        while self.kept:
            await self._do[0](self.kept.pop(0))


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(tmp_path) as opened:
        await opened.fill()
        yield opened


def press(office: Office, place: Place, page: str) -> tuple[ReviewAction, Presser]:
    signature = office.services.view.signer.sign(
        REVIEW, f"a {page}", parse_activity(place.activity()).conversation
    )
    data = {"verb": "review.reject", "answer_id": f"a {page}", "seal": signature, "round": 1}
    value = {"action": {"type": "Action.Execute", "verb": "review.reject", "data": data}}
    incoming = parse_activity(
        place.activity("invoke", name="adaptiveCard/action", value=value, id=place.name)
    )
    wish = read_press(incoming, incoming.card_action, place.person)
    return wish, Presser(incoming.conversation, incoming.directory_id)


async def test_it_is_done_for_whoever_may_read_and_refused_for_the_others(office: Office) -> None:
    away, services = AwayStore(), office.services
    known = services.review_actions
    taking_back = TakingBack(services.reviewing, office.store)
    actions = ReviewActions(office.store, taking_back, services.card_sync, away, known.queue, office.cipher)
    for page in PAGES:
        for place in sorted(PLACES, key=lambda one: page in one.reads):
            before = len(office.screens.said)
            assert await actions.perform(*press(office, place, page)) is None
            [kept] = away.kept
            assert "directory_id" not in kept["presser"]  # encrypted: whoever has the disk learns no id
            await away.come_back()
            review = await office.repository.review(f"a {page}")
            assert review is not None
            assert (review.ruling is not None) is (page in place.reads), (page, place.name)
            if page not in place.reads:
                [(_, told)] = office.screens.said[before:]
                assert GONE in repr(told)
                assert page not in repr(told).replace("page", "")
            if review.ruling is not None:
                break


async def test_one_of_which_nobody_knows_who_it_was_counts_for_open_pages_alone(office: Office) -> None:
    services, away = office.services, AwayStore()
    taking_back = TakingBack(services.reviewing, office.store)
    queue = services.review_actions.queue
    ReviewActions(office.store, taking_back, services.card_sync, away, queue, office.cipher)
    for page in ("group", "open"):
        wish, _ = press(office, PLACES[0], page)
        away.kept += [asdict(wish) | {"presser": forged} for forged in ("", "not ours")]
        await away.come_back()
        review = await office.repository.review(f"a {page}")
        assert review is not None
        assert (review.ruling is not None) is (page == "open")
