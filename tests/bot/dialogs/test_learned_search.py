"""What reviewers rule teaches the search at once, for as long as it stands, and from those who want it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.dialogs.learned_search import LearnedSearch
from bot.dialogs.review import Reviewing
from bot.dialogs.verified_answers import VerifiedAnswers
from core.records import (
    Answer,
    Channel,
    Citation,
    Passage,
    Question,
    ReviewReason,
    Ruling,
    Verdict,
    derive_answer_id,
)
from feedback.privacy.delete import Around, delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.opt_out import OptOuts
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from tests.builders.records import NOON, answer, question
from tests.builders.verified import AllNear
from tests.builders.world import NO_SAMPLE

ROBIN, ADA = "p-robin", "p-ada"
LEAVE = Passage("https://example.com/leave#parents", "Leave", "Parents", "Parents get 12 weeks.", "h1", NOON)
TRAVEL = Passage("https://example.com/travel", "Travel", "", "Hotels are paid.", "h2", NOON)


class Process:
    """One of the processes over a store, with its own memory."""

    def __init__(self, store: SqliteStore, hashes: dict[str, str], untrusted: frozenset[str]) -> None:
        self.known = VerifiedAnswers(AllNear())
        self.learned = LearnedSearch(self.known, store, hashes.get, untrusted)
        self.reviewing = Reviewing(ReviewRepository(store.documents), store, self.known, NO_SAMPLE)
        self.reviewing.learn = self.learned.catch_up


class Bench:
    """A store, pages, and the process in which reviewers rule."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.hashes = {"https://example.com/leave": "h1", "https://example.com/travel": "h2"}
        self.here = self.start_process()

    def start_process(self, untrusted: frozenset[str] = frozenset()) -> Process:
        return Process(self.store, self.hashes, untrusted)

    async def correct(self, number: int = 1, ruling: Ruling = Ruling.CORRECTED, **changes: Any) -> Answer:
        """Rule that it stands on the leave page, where the bot had shown the travel page."""
        asked = question(number, asker=ADA, **{"page_url": None} | changes)
        given = replace(answer(asked, derive_answer_id(asked.id)), passages=(TRAVEL, LEAVE), citations=())
        await self.store.add_question(asked)
        await self.store.add_answer(given)
        await self.here.reviewing.flag(given, ReviewReason.THUMB_DOWN)
        await self.rule(given, ruling)
        return given

    async def rule(self, on: Answer, ruling: Ruling) -> None:
        cited = Citation(LEAVE.url, LEAVE.title, LEAVE.heading, LEAVE.text)
        verdict = Verdict(ROBIN, "Robin", ruling, datetime.now(UTC), source=on.id)
        if ruling is Ruling.CORRECTED:
            verdict = replace(verdict, text="12 weeks.", citation=cited)
        await self.here.reviewing.rule(on.id, 1, verdict)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = SqliteStore.open(tmp_path / "s")
    yield Bench(store)
    await store.close()


async def taught(process: Process, asked: Question | None = None) -> dict[str, float]:
    """Return the places that count for a question, and how right they are."""
    recalled = await process.learned.recall("a question", asked or question(99, page_url=None))
    return {place.page: place.right * one.counts for one in recalled for place in one.lesson.places}


RIGHT = {"https://example.com/leave": 1.0, "https://example.com/travel": -1.0}


async def test_a_correction_teaches_the_search_at_once_and_in_every_process(bench: Bench) -> None:
    assert await taught(bench.here) == {}
    await bench.correct()
    assert await taught(bench.here) == RIGHT
    other = bench.start_process()
    await other.reviewing.catch_up()
    assert await taught(other) == RIGHT


async def test_not_on_the_page_speaks_a_little_against_what_was_shown(bench: Bench) -> None:
    await bench.correct(ruling=Ruling.NOT_ON_PAGE)
    assert await taught(bench.here) == dict.fromkeys(RIGHT, -0.25)


async def test_no_real_question_teaches_nothing(bench: Bench) -> None:
    await bench.correct(ruling=Ruling.REJECTED)
    assert await taught(bench.here) == {}


async def test_a_lesson_ends_with_its_page_whether_that_changed_or_is_gone(bench: Bench) -> None:
    await bench.correct()
    for hashes in ({"https://example.com/leave": "h3"}, {}):
        bench.hashes.clear()
        bench.hashes.update(hashes)
        assert await taught(bench.here) == {}


async def test_a_stale_answer_teaches_no_more(bench: Bench) -> None:
    await bench.correct()
    [verified] = bench.here.known.all()
    await bench.here.reviewing.reopen(verified)
    assert await taught(bench.here) == {}


async def test_a_deleted_question_teaches_no_more_here_and_elsewhere(bench: Bench) -> None:
    await bench.correct()
    other = bench.start_process()
    await other.reviewing.catch_up()
    begun = await Deletions(bench.store.documents).begin(Deletion(ADA, "one", datetime.now(UTC), by=ADA))
    await other.reviewing.catch_up()
    assert await taught(other) == {}, "from when it began"
    await delete(bench.store, begun, Around(forgotten=bench.here.reviewing.forget))
    assert await taught(bench.here) == {}
    await other.reviewing.catch_up()
    assert await taught(other) == {}


@pytest.mark.parametrize("person", [ADA, ROBIN])
async def test_nothing_is_learned_from_askers_and_reviewers_who_do_not_want_it(
    bench: Bench, person: str
) -> None:
    await bench.correct()
    await OptOuts(bench.store.documents).choose(person, out=True, source="a1")
    await bench.here.reviewing.catch_up()
    assert await taught(bench.here) == {}
    await bench.correct(2)
    assert await taught(bench.here) == {}
    await OptOuts(bench.store.documents).choose(person, out=False, source="a2")
    await bench.here.reviewing.catch_up()
    assert await taught(bench.here) == RIGHT


async def test_what_the_chat_pages_reviewer_rules_counts_on_the_chat_page_only(bench: Bench) -> None:
    await bench.correct()
    public = bench.start_process(untrusted=frozenset({ROBIN}))
    await public.reviewing.catch_up()
    assert await taught(public) == {}
    assert await taught(public, question(99, page_url=None, channel=Channel.LOCAL)) == RIGHT


async def test_what_was_ruled_about_a_named_page_counts_for_questions_that_name_it(bench: Bench) -> None:
    await bench.correct(page_url="https://example.com/leave")
    assert await taught(bench.here) == {}
    assert await taught(bench.here, question(99, page_url="https://example.com/leave")) == RIGHT
