"""Which reviewed answers a model may read as examples: on the same page, in force now, naming nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.dialogs.answerer import Verified
from bot.dialogs.neighbours import NeighbourFinder, People
from bot.dialogs.review import Reviewing
from bot.dialogs.verified_answers import VerifiedAnswers
from core.records import Answer, AnswerKind, Channel, Citation, Question, ReviewReason, Ruling, Verdict
from feedback.privacy.delete import delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.opt_out import OptOuts
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import StoreUnavailable
from feedback.store.sqlite import SqliteStore
from model.text.prompt import Neighbour
from pages.index.embeddings import Embedder
from tests.builders.records import NOON, answer, question
from tests.builders.world import NO_SAMPLE

DAYS = "https://example.com/leave#days"
TEXT = "How many days of leave are there?"
CORRECTION: dict[str, Any] = {
    "ruling": Ruling.CORRECTED,
    "text": "30 days.",
    "citation": Citation(DAYS, "Leave", "Days", "There are 30 days of leave."),
}


class VerifiedStore:
    """Reviewers who verify answers in a real store, and whoever asks next to them."""

    def __init__(self, store: SqliteStore, embedder: Embedder) -> None:
        self.store = store
        self.repository = ReviewRepository(store.documents)
        self.known = VerifiedAnswers(embedder)
        self.reviewing = Reviewing(self.repository, store, self.known, NO_SAMPLE)
        self.opt_outs = OptOuts(store.documents)
        self.page_hash = "ab12"
        verified = Verified(
            self.known,
            lambda one: dict(one.pages)["https://example.com/leave"] == self.page_hash,
            self.repository.read_verified,
            frozenset({"local robin"}),
        )
        self.finder = NeighbourFinder(verified, People(store.answer, self.opt_outs.is_out))

    async def verify(
        self, text: str = TEXT, number: int = 1, verdict: dict[str, Any] | None = None, **changes: Any
    ) -> Answer:
        asker = changes.pop("asker", "ada")
        asked = question(number, text=text, asker=asker, page_url=changes.pop("page_url", None))
        given = answer(asked, **changes)
        await self.store.add_question(asked)
        await self.store.add_answer(given)
        await self.reviewing.flag(given, ReviewReason.THUMB_DOWN)
        await self.rule(given, **(verdict or {}))
        return given

    async def rule(self, on: Answer, round_: int = 1, **changes: Any) -> None:
        ruled = Verdict("robin", "Robin", Ruling.APPROVED, datetime.now(UTC))
        await self.reviewing.rule(on.id, round_, replace(ruled, **changes))

    async def find(
        self, text: str = "May I take leave?", urls: Sequence[str] = (DAYS,), limit: int = 3, **changes: Any
    ) -> list[Neighbour]:
        asked = replace(question(99, text=text, page_url=None), **changes)
        return list(await self.finder.find(asked, urls, limit))


@pytest.fixture
async def verified_store(tmp_path: Path, embedder: Embedder) -> AsyncIterator[VerifiedStore]:
    store = SqliteStore.open(tmp_path / "s")
    yield VerifiedStore(store, embedder)
    await store.close()


async def test_a_reviewed_answer_is_an_example_for_other_questions_on_its_page_at_once(
    verified_store: VerifiedStore,
) -> None:
    await verified_store.verify()
    assert await verified_store.find() == [Neighbour(TEXT, "26 days.")]
    assert await verified_store.find(urls=["https://example.com/leave#other"]) == [
        Neighbour(TEXT, "26 days.")
    ]
    assert await verified_store.find(urls=["https://example.com/travel#days"]) == []


async def test_what_was_corrected_says_what_was_wrong(verified_store: VerifiedStore) -> None:
    await verified_store.verify(verdict=CORRECTION)
    assert await verified_store.find() == [Neighbour(TEXT, "30 days.", "26 days.")]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": AnswerKind.QUOTED},
        {"kind": AnswerKind.DECLINED},
        {"citations": (Citation(DAYS, "Leave", "Days", "26 days."),)},
    ],
)
async def test_a_quotation_was_never_wrong_and_an_answer_that_declined_said_nothing(
    verified_store: VerifiedStore, changes: dict[str, Any]
) -> None:
    await verified_store.verify(verdict=CORRECTION, **changes)
    assert await verified_store.find() == [Neighbour(TEXT, "30 days.")]


@pytest.mark.parametrize("ruling", [Ruling.NOT_ON_PAGE, Ruling.REJECTED])
async def test_what_is_not_on_the_page_or_no_question_is_no_example(
    verified_store: VerifiedStore, ruling: Ruling
) -> None:
    await verified_store.verify(verdict={"ruling": ruling})
    assert await verified_store.find() == []


async def test_the_same_section_comes_first_then_the_nearest_question(verified_store: VerifiedStore) -> None:
    elsewhere = (Citation("https://example.com/leave#late", "Leave", "Late", "Ask your supervisor."),)
    await verified_store.verify("Who signs a late request for time off?", 1, citations=elsewhere)
    await verified_store.verify("Where is the car park?", 2)
    await verified_store.verify("How do I ask for time off?", 3)
    asked = "Who signs my late request for time off?"
    found = [one.question for one in await verified_store.find(asked)]
    assert found == [
        "How do I ask for time off?",
        "Where is the car park?",
        "Who signs a late request for time off?",
    ]
    assert [one.question for one in await verified_store.find(asked, limit=1)] == found[:1]


async def test_a_stale_one_is_no_example_whoever_has_noticed(verified_store: VerifiedStore) -> None:
    await verified_store.verify()
    verified_store.page_hash = "new"
    assert await verified_store.find() == [], "the page has changed: this process has seen it"
    verified_store.page_hash = "ab12"
    [verified] = verified_store.known.all()
    await verified_store.reviewing.reopen(verified)
    verified_store.known.put(verified)
    assert await verified_store.find() == [], "another process has seen it"


async def test_one_that_was_taken_back_is_no_example_though_this_process_has_not_heard(
    verified_store: VerifiedStore,
) -> None:
    given = await verified_store.verify()
    [verified] = verified_store.known.all()
    await verified_store.repository.drop_verified(given.id)
    assert verified_store.known.all()
    assert await verified_store.find() == []
    await verified_store.repository.put_verified(replace(verified, text="31 days.", verified_at=NOON))
    assert await verified_store.find() == [], "nor is one with another ruling, until that is here"
    verified_store.known.put(replace(verified, text="31 days.", verified_at=NOON))
    assert [one.answer for one in await verified_store.find()] == ["31 days."]


@pytest.mark.parametrize("person", ["ada", "robin"])
async def test_whoever_wants_that_nothing_is_learned_from_them_is_in_no_example(
    verified_store: VerifiedStore, person: str
) -> None:
    await verified_store.verify()
    await verified_store.opt_outs.choose(person, out=True, source="a1")
    assert await verified_store.find() == []
    await verified_store.opt_outs.choose(person, out=False, source="a2")
    assert len(await verified_store.find()) == 1


async def test_what_was_deleted_is_no_example_though_it_is_in_memory(verified_store: VerifiedStore) -> None:
    await verified_store.verify()
    [verified] = verified_store.known.all()
    begun = await Deletions(verified_store.store.documents).begin(
        Deletion("ada", "name", datetime.now(UTC), by="ada")
    )
    await delete(verified_store.store, begun)
    verified_store.known.put(verified)
    assert await verified_store.find() == []


async def test_what_the_chat_pages_reviewer_verified_is_an_example_on_the_chat_page_only(
    verified_store: VerifiedStore,
) -> None:
    await verified_store.verify(verdict={"reviewer": "local robin"})
    for channel in (Channel.TEAMS, Channel.SLACK, Channel.COMMAND_LINE):
        assert await verified_store.find(channel=channel) == []
    assert len(await verified_store.find(channel=Channel.LOCAL)) == 1


async def test_what_somebody_asked_about_one_page_is_an_example_for_that_page(
    verified_store: VerifiedStore,
) -> None:
    page = "https://example.com/leave"
    await verified_store.verify(page_url=page)
    assert await verified_store.find() == []
    assert len(await verified_store.find(page_url=page)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "How many days has Karen Oduya left?",
        "My manager lena says 20 days, is that so?",
        "I am employee 4471239, how many days have I left?",
        "Are it 26 days for m.lopez@example.org?",
        "I was born on 3 April 1984, how many days do I get?",
        "And for part-timers?",
    ],
)
async def test_a_question_that_may_name_somebody_or_needs_another_one_is_no_example(
    verified_store: VerifiedStore, text: str
) -> None:
    await verified_store.verify(text)
    assert await verified_store.find() == []


async def test_who_stands_on_the_page_may_be_named(verified_store: VerifiedStore) -> None:
    plain = answer(question(1))
    named = replace(plain.passages[0], text="You get 26 days. Karen Oduya signs.")
    await verified_store.verify("What does Karen Oduya sign?", passages=(named,))
    assert len(await verified_store.find()) == 1


async def test_an_answer_does_not_wait_for_a_store_that_is_away(verified_store: VerifiedStore) -> None:
    await verified_store.verify()

    async def fail(_: str) -> bool:
        raise StoreUnavailable("away")

    async def hang(_: str) -> bool:
        await asyncio.sleep(60)
        return False

    for is_out in (fail, hang):
        finder = NeighbourFinder(verified_store.finder.verified, People(verified_store.store.answer, is_out))
        async with asyncio.timeout(5):
            assert await finder.find(question(99, page_url=None), [DAYS], 3) == ()


async def test_a_question_finds_examples_by_the_words_that_it_is_asked_with(
    verified_store: VerifiedStore,
) -> None:
    for number in range(12):
        await verified_store.verify(f"How do I ask for thing {number}?", number)
    asked: Question = question(99, text="How do I ask for thing 7?", page_url=None)
    found = await verified_store.finder.find(asked, [DAYS], 2)
    assert found[0].question == "How do I ask for thing 7?"
    assert len(found) == 2
