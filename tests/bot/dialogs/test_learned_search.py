"""What reviewers rule teaches the search at once, for as long as it stands, and from those who want it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.dialogs.learned_search import MOST_A_PERSON, LearnedRatings, LearnedSearch, join_recalls
from bot.dialogs.review import Reviewing
from bot.dialogs.verified_answers import VerifiedAnswers
from core.records import (
    Answer,
    Channel,
    Citation,
    Feedback,
    FeedbackKind,
    Passage,
    Question,
    ReviewReason,
    Ruling,
    Verdict,
    derive_answer_id,
)
from feedback.privacy.delete import DeletionHooks, delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.opt_out import OptOuts
from feedback.reviews.ratings import Scale
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
    await delete(bench.store, begun, DeletionHooks(forgotten=bench.here.reviewing.forget))
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


# Weak lessons: what people think of answers


class Raters:
    """People who rate answers that cite the travel page, and what a process learns of it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.ratings = self.start_process()

    def start_process(self) -> LearnedRatings:
        scale = Scale({"heart": "up", "angry": "down"})
        return LearnedRatings(self.bench.here.known, self.bench.store, self.bench.hashes.get, scale)

    async def ask(self, number: int = 1, **changes: Any) -> Answer:
        asked = question(number, asker=ADA, **{"page_url": None} | changes)
        cited = Citation(TRAVEL.url, TRAVEL.title, TRAVEL.heading, TRAVEL.text)
        given = answer(asked, derive_answer_id(asked.id))
        given = replace(given, passages=(TRAVEL,), citations=(cited,), verified_by=None)
        await self.bench.store.add_question(asked)
        await self.bench.store.add_answer(given)
        return given

    async def rate(self, on: Answer, value: str = "dislike", giver: str = "p-bob", **changes: Any) -> None:
        word = Feedback(on.id, giver, FeedbackKind.THUMB, value, True, NOON)
        await self.bench.store.put_feedback(replace(word, **changes))
        await self.ratings.learn(on)


async def count(ratings: LearnedRatings, asked: Question | None = None) -> list[float]:
    """Return how right each lesson calls the travel page for a question, the lowest first."""
    recalled = await ratings.recall("a question", asked or question(99, page_url=None))
    return sorted(place.right for one in recalled for place in one.lesson.places)


@pytest.fixture
def raters(bench: Bench) -> Raters:
    return Raters(bench)


async def test_a_look_that_finds_nothing_new_builds_no_lesson_anew(raters: Raters) -> None:
    given = await raters.ask()
    await raters.rate(given)
    places = raters.ratings.places
    await raters.ratings.catch_up()
    assert raters.ratings.places is places
    await raters.rate(given, giver="p-kim")
    assert len(raters.ratings.places.lessons) == len(places.lessons) + 1


async def test_each_person_speaks_a_little_for_or_against_what_an_answer_cited(raters: Raters) -> None:
    given = await raters.ask()
    await raters.rate(given)
    await raters.rate(given, "heart", "p-eve", kind=FeedbackKind.REACTION)
    assert await count(raters.ratings) == [-0.25, 0.25]
    other = raters.start_process()
    await other.catch_up()
    assert await count(other) == [-0.25, 0.25], "another process"
    await raters.rate(given, "5", kind=FeedbackKind.STARS, given_at=NOON + timedelta(minutes=1))
    assert await count(raters.ratings) == [0.25, 0.25], "the last word counts"


@pytest.mark.parametrize(
    "changes",
    [{"trainable": False}, {"withdrawn_at": NOON}, {"giver": ""}],
    ids=["not to learn", "back", "?"],
)
async def test_a_rating_that_may_not_be_learned_from_teaches_nothing(
    raters: Raters, changes: dict[str, Any]
) -> None:
    await raters.rate(await raters.ask(), **changes)
    assert await count(raters.ratings) == []


@pytest.mark.parametrize("person", [ADA, "p-bob"])
async def test_ratings_of_and_for_people_who_do_not_want_it_teach_nothing(
    raters: Raters, person: str
) -> None:
    await raters.rate(await raters.ask())
    await OptOuts(raters.bench.store.documents).choose(person, out=True, source="a1")
    await raters.ratings.catch_up()
    assert await count(raters.ratings) == []


@pytest.mark.parametrize("person", [ADA, "p-bob"])
async def test_a_deleted_person_is_forgotten_here_at_once_and_elsewhere_soon(
    raters: Raters, person: str
) -> None:
    store = raters.bench.store
    await raters.rate(await raters.ask())
    await raters.rate(await raters.ask(2), "like", "p-eve")
    other = raters.start_process()
    await other.catch_up()
    deletion = await Deletions(store.documents).begin(Deletion(person, "one", datetime.now(UTC), by=person))
    await raters.ratings.forget_person(deletion)
    left = [] if person == ADA else [0.25]
    assert await count(raters.ratings) == left
    await other.catch_up()
    assert await count(other) == left, "from when it began"
    await delete(store, deletion)
    await other.catch_up()
    assert await count(other) == left


async def test_a_ruling_takes_the_place_of_ratings(raters: Raters) -> None:
    given = await raters.bench.correct()
    await raters.rate(given)
    assert await count(raters.ratings) == []


async def test_ratings_end_with_their_page_and_with_their_question(raters: Raters) -> None:
    given = await raters.ask()
    await raters.rate(given)
    raters.ratings.forget(given.id)
    assert await count(raters.ratings) == []
    await raters.ratings.catch_up()
    assert await count(raters.ratings) == [-0.25]
    raters.bench.hashes["https://example.com/travel"] = "h3"
    assert await count(raters.ratings) == []


async def test_one_person_speaks_about_a_bounded_number_of_answers(raters: Raters) -> None:
    for number in range(1, MOST_A_PERSON + 3):
        given = await raters.ask(number)
        word = Feedback(given.id, "p-bob", FeedbackKind.THUMB, "like", True, NOON + timedelta(minutes=number))
        await raters.bench.store.put_feedback(word)
        await raters.ratings.learn(given)
    places = raters.ratings.places  # of many lessons only the nearest few are recalled
    assert len(places.lessons) == MOST_A_PERSON
    assert derive_answer_id(question(1).id) not in {one.answer_id for one in places.lessons}


async def test_what_was_rated_on_the_chat_page_counts_there(raters: Raters) -> None:
    await raters.rate(await raters.ask(channel=Channel.LOCAL))
    here, teams = (question(99, page_url=None, channel=one) for one in (Channel.LOCAL, Channel.TEAMS))
    assert await count(raters.ratings, here) == [-0.25]
    assert await count(raters.ratings, teams) == []


async def test_rulings_and_ratings_are_recalled_together(raters: Raters) -> None:
    await raters.bench.correct()
    await raters.rate(await raters.ask(2), "like")
    recall = join_recalls([raters.bench.here.learned.recall, raters.ratings.recall])
    recalled = await recall("a question", question(99, page_url=None))
    assert [one.lesson.is_weak for one in recalled] == [False, True]
