"""The nightly fit: from rulings over today's pages to a head that counts, and what it must not learn from."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.bootstrap import PageServices, forgetting
from bot.dialogs.review import Reviewing
from bot.dialogs.verified_answers import VerifiedAnswers
from core.records import (
    Answer,
    Citation,
    Passage,
    Question,
    ReviewReason,
    Ruling,
    Verdict,
    derive_answer_id,
)
from core.settings import Settings
from feedback.privacy.delete import DeletionHooks, delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.opt_out import OptOuts
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from jobs.fit_search import (
    MOST_OF_A_PAGE,
    SearchPlan,
    ask_again,
    fit_search,
    order_as_served,
    read_fixed,
    read_ruled,
)
from jobs.registry import Result
from jobs.update_model import example_rules
from model.answering.reranking import rerank_hits, score_nothing
from model.answering.search_head import SHIPPED, SHIPPED_HEAD, list_weights, rank_hits
from model.registry.search_heads import read_live_head
from model.text.question import AskedKind
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from tests.builders.pages import page
from tests.builders.records import answer, question
from tests.builders.verified import AllNear
from tests.builders.world import NO_SAMPLE

NOW = datetime.now(UTC)
ROBIN, ADA = "p-robin", "p-ada"
TOPICS = 90
TOPIC = re.compile(r"gizmo(\d+)")


def about(topic: int) -> tuple[str, str]:
    """Return what a page says first of its topic, and what it says at its end."""
    rules = f"The gizmo{topic} committee of the northern office decides about the holidays of everybody."
    return rules, f"Room plans hang beside lift number {topic} on each floor."


@dataclass
class House:
    """A store, indexed pages, and a reviewer."""

    store: SqliteStore
    page_services: PageServices
    settings: Settings
    rulings: list[Answer] = field(default_factory=list[Answer])

    async def rule(self, number: int, text: str, topic: int, *, first: bool, asker: str = "") -> Answer:
        """Rule that a question is answered at the beginning of a page, as the bot said, or at its end."""
        hits = await self.page_services.library.search(text, 6)
        changes = {"text": text, "page_url": None, "asker": asker or f"p-asker{number}"}
        asked: Question = question(number, **changes)
        shown = tuple(hit.passage for hit in hits)
        place = next(one for one in self.passages if about(topic)[not first] in one.text)
        cited = Citation(place.url, place.title, place.heading, about(topic)[not first])
        given = replace(answer(asked, derive_answer_id(asked.id)), passages=shown, citations=(cited,))
        await self.store.add_question(asked)
        await self.store.add_answer(given)
        repository = ReviewRepository(self.store.documents)
        reviewing = Reviewing(repository, self.store, VerifiedAnswers(AllNear()), NO_SAMPLE)
        await reviewing.flag(given, ReviewReason.THUMB_DOWN)
        ruling = Ruling.APPROVED if first else Ruling.CORRECTED
        said = "" if first else cited.quote
        verdict = Verdict(ROBIN, "Robin", ruling, NOW - timedelta(hours=1), said, None if first else cited)
        await reviewing.rule(given.id, 1, verdict)
        self.rulings.append(given)
        return given

    async def rule_on_all(self) -> None:
        """Rule on each page: what is asked at length is said first, what is asked shortly is not."""
        for topic in range(TOPICS):
            long = f"How does the gizmo{topic} committee of the northern office decide about holidays?"
            short = f"gizmo{topic} committee"
            await self.rule(topic, long if topic % 2 else short, topic, first=bool(topic % 2))

    async def fit(self) -> Result:
        plan = SearchPlan(example_rules(self.settings), self.settings.search_dir, 0.72)
        return await fit_search(self.store, self._pages, plan, lambda _step, _share: None)

    @asynccontextmanager
    async def _pages(self) -> AsyncGenerator[PageServices]:
        yield self.page_services

    passages: tuple[Passage, ...] = ()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    embedder = HashedEmbedder()
    index = await FileIndex.open(tmp_path / "pages", embedder)
    store = SqliteStore.open(tmp_path / "s")
    async with Fetcher(FetchLimits()) as fetcher:
        page_services = PageServices(index, Library(index, fetcher), embedder)
        for topic in range(TOPICS):
            await index.add(page(f"/site/t{topic}", *about(topic), title="Rules"), source="site")
        made = House(store, page_services, Settings(data_dir=tmp_path))
        found = [
            await index.search(text, limit=6, page_url=f"/site/t{topic}")
            for topic in range(TOPICS)
            for text in ("committee",)
        ]
        made.passages = tuple(hit.passage for hits in found for hit in hits)
        yield made
    await store.close()
    await index.close()


async def test_a_head_that_is_better_counts_and_goes_with_what_it_learned_from(house: House) -> None:
    await house.rule_on_all()
    done = await house.fit()
    head = read_live_head(house.settings.search_dir)
    assert done["head"] == head.name != "", done
    assert head.confidence["page"]["terms"] > 0
    assert set(head.answers) <= {one.id for one in house.rulings}
    assert "gizmo" not in (house.settings.search_dir / f"{head.name}.json").read_text()
    again = await house.fit()
    assert again["head"] == head.name
    person = house.rulings[0].question.asker
    begun = await Deletions(house.store.documents).begin(
        Deletion(person, "one", datetime.now(UTC), by=person)
    )
    await delete(house.store, begun, DeletionHooks(forget_examples=forgetting(house.settings)))
    assert read_live_head(house.settings.search_dir) == SHIPPED_HEAD
    fitted = await house.fit()
    assert fitted["head"] != head.name
    assert house.rulings[0].id not in read_live_head(house.settings.search_dir).answers


async def test_too_few_rulings_are_not_fitted_to(house: House) -> None:
    await house.rule(1, "gizmo1 committee", 1, first=True)
    assert await house.fit() == {
        "head": "",
        "questions": 1,
        "reasons": ["1 reviews can be learned from; 60 are needed."],
    }


@pytest.mark.parametrize("person", [ADA, ROBIN])
async def test_nothing_is_learned_from_who_does_not_want_it(house: House, person: str) -> None:
    await house.rule(1, "gizmo1 committee", 1, first=True, asker=ADA)
    await house.rule(2, "gizmo2 committee", 2, first=True, asker="p-bob")
    await OptOuts(house.store.documents).choose(person, out=True, source="a1")
    assert (await house.fit())["questions"] == (1 if person == ADA else 0)


async def test_rulings_on_pages_that_changed_or_are_forgotten_do_not_count(house: House) -> None:
    for number in range(3):
        await house.rule(number, f"gizmo{number} committee", number, first=True)
    await house.page_services.index.remove("/site/t0")
    await house.page_services.index.add(page("/site/t1", "It is closed.", title="Rules"), source="site")
    repository = ReviewRepository(house.store.documents)
    ruled = await read_ruled(repository, {one.id for one in house.rulings}, house.page_services)
    assert [one.verified.answer_id for one in ruled] == [house.rulings[2].id]


async def test_whoever_always_points_to_one_page_moves_little(house: House) -> None:
    for number in range(20):
        await house.rule(number, f"gizmo{number} committee", 0, first=True)
    for number in range(20, 60):
        await house.rule(number, f"gizmo{number} committee", number, first=True)
    repository = ReviewRepository(house.store.documents)
    ruled = await read_ruled(repository, {one.id for one in house.rulings}, house.page_services)
    to_one = sum(place.page == "/site/t0" for one in ruled for place in one.right)
    assert to_one == MOST_OF_A_PAGE * 60
    assert len(ruled) == 40 + to_one


async def test_a_question_does_not_answer_itself(house: House) -> None:
    """What a ruling taught at once would make every question of the fit look solved."""
    for number in range(2):
        await house.rule(number, f"gizmo{number} committee", number, first=False)
    repository = ReviewRepository(house.store.documents)
    ruled = await read_ruled(repository, {one.id for one in house.rulings}, house.page_services)
    for one in await ask_again(ruled, house.page_services, lambda _step, _share: None):
        assert one.ranking
        learned = one.ranking.features[:, list(SHIPPED).index("learned")]
        assert not learned.any()


async def find_relevant(_: str, texts: Sequence[str]) -> Sequence[float]:
    """Stand in for a reranker: the last digit of a topic says how relevant it is."""
    return [2.0 * int(found[1][-1]) - 6 if (found := TOPIC.search(text)) else -6.0 for text in texts]


async def test_what_is_fitted_is_the_order_that_is_served(house: House) -> None:
    query = "gizmo7 committee of the northern office"
    hits = list(await house.page_services.library.search(query, 20))
    hits[3] = replace(hits[3], score=hits[3].score + 3.0, learned=3.0)
    order = await order_as_served(query, AskedKind.OTHER, hits, find_relevant)
    ranked = rank_hits(query, AskedKind.OTHER, hits)
    served = await rerank_hits(query, ranked, find_relevant, 10)
    assert list(order.hits) == served
    assert [one.passage for one in served] != [one.passage for one in ranked], "the reranker moved nothing"
    for place, hit in enumerate(served[:10], 1):
        case = order.make_case([one.passage == hit.passage for one in order.compared])
        assert case.find_rank(list_weights(SHIPPED)) == place


async def test_what_no_reranker_read_is_fitted_as_it_is_ranked(house: House) -> None:
    hits = await house.page_services.library.search("gizmo7 committee", 20)
    order = await order_as_served("gizmo7 committee", AskedKind.OTHER, hits, score_nothing)
    assert order.compared == order.hits
    assert len(order.hits) == len(hits)
    assert not order.features[:, list(SHIPPED).index("relevance")].any()


async def test_a_reviewed_question_is_fitted_with_what_was_read(house: House) -> None:
    house.page_services = replace(house.page_services, score_pairs=find_relevant)
    await house.rule(1, "gizmo1 committee", 1, first=False)
    repository = ReviewRepository(house.store.documents)
    ruled = await read_ruled(repository, {one.id for one in house.rulings}, house.page_services)
    [one] = await ask_again(ruled, house.page_services, lambda _step, _share: None)
    assert one.ranking
    assert len(one.ranking.right) == 10
    assert one.ranking.features[:, list(SHIPPED).index("relevance")].any()


def test_the_fixed_questions_have_features_for_every_weight() -> None:
    fixed = read_fixed()
    assert {one.features.shape[1] for one in fixed} == {len(SHIPPED)}
    assert sum(one.find_rank(list_weights(SHIPPED)) <= 3 for one in fixed) >= 10
