"""A job reads the pages again: what changed sends verified answers to review, the unknown says nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.dialogs.review import Reviewing
from core.records import Answer, Passage, Question, ReviewReason, Ruling, Verdict
from core.settings import Settings
from feedback.reviews.repository import WAITING, ReviewRepository
from jobs.refresh_pages import refresh_pages, run
from jobs.registry import JobContext, Result, Store
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from tests.builders.days import ask, store
from tests.builders.world import NO_SAMPLE, NothingKnown, live

pytest_plugins = ["tests.builders.warm"]
pytestmark = pytest.mark.usefixtures("warm_reading")

__all__ = ["store"]

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass
class PageServices:
    """Pages of a folder, indexed, and the repository of a store."""

    folder: Path
    index: FileIndex
    library: Library
    store: Store
    reviewing: Reviewing

    @property
    def repository(self) -> ReviewRepository:
        return self.reviewing.repository

    def page_hash(self, url: str) -> str | None:
        entry = self.index.entry(url)
        return entry.page_hash if entry else None

    async def verified(self, number: int, *pages: str, then: str = "") -> Answer:
        """Have an answer that stands on pages approved; `then` is a hash in place of their present ones."""
        passages = [Passage(url, "T", "H", "text", then or self.page_hash(url) or "h", NOW) for url in pages]
        answer = await ask(self.store, number, NOW, passages=tuple(passages), citations=())
        await self.reviewing.flag(answer, ReviewReason.SAMPLE)
        await self.reviewing.rule(answer.id, 1, Verdict("p-kim", "Kim", Ruling.APPROVED, NOW))
        return answer

    async def run(self, added: Sequence[str] = ()) -> Result:
        return await refresh_pages(
            self.library, added, self.repository, self.page_hash, self.reviewing.reopen
        )

    async def waiting(self) -> list[str]:
        reviews, _ = await self.repository.reviews(WAITING, 10)
        return [review.answer_id for review in reviews]


@pytest.fixture
async def page_services(store: Store, tmp_path: Path) -> AsyncIterator[PageServices]:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("leave", "travel", "sick"):
        (folder / f"{name}.md").write_text(f"# {name}\n\nWords about {name}.")
    index = await FileIndex.open(tmp_path / "index", HashedEmbedder())
    async with Fetcher(FetchLimits()) as fetcher:
        library = Library(index, fetcher)

        async def look_again(question: Question) -> Sequence[Passage]:
            return [hit.passage for hit in await library.search(question.text, 2)]

        reviewing = Reviewing(ReviewRepository(store.documents), store, NothingKnown(), NO_SAMPLE, look_again)
        await library.refresh([str(folder)])
        yield PageServices(folder, index, library, store, reviewing)
        await library.close()
    await index.close()


async def test_only_what_stands_on_a_changed_page_goes_back_to_its_reviewers(
    page_services: PageServices,
) -> None:
    on_leave = await page_services.verified(1, "/site/docs/leave")
    await page_services.verified(2, "/site/docs/travel")
    (page_services.folder / "leave.md").write_text("# leave\n\nNew words about leave.")
    assert await page_services.run() == {
        "added": 0,
        "changed": 1,
        "unchanged": 2,
        "removed": 0,
        "problems": 0,
        "stale": 1,
    }
    assert await page_services.waiting() == [on_leave.id]
    review = await page_services.repository.review(on_leave.id)
    assert review is not None
    assert (review.round, review.reasons) == (2, (ReviewReason.STALE,))
    assert any("New words about leave." in passage.text for passage in review.passages)
    assert len(await live(page_services.repository)) == 1
    assert (await page_services.run())["stale"] == 0
    assert [answer_id for answer_id, _ in await page_services.repository.claim_outbox_entries(10)].count(
        on_leave.id
    ) == 1


async def test_what_stands_on_a_page_that_is_gone_goes_back_too(page_services: PageServices) -> None:
    on_both = await page_services.verified(1, "/site/docs/leave", "/site/docs/sick")
    (page_services.folder / "sick.md").unlink()
    done = await page_services.run()
    assert (done["removed"], done["stale"]) == (1, 1)
    assert await page_services.waiting() == [on_both.id]


async def test_a_page_that_this_index_does_not_know_says_nothing(page_services: PageServices) -> None:
    await page_services.verified(1, "https://other.machine/page", then="h")
    assert (await page_services.run())["stale"] == 0
    assert await page_services.waiting() == []


async def test_a_source_that_cannot_be_read_sends_nothing_back(page_services: PageServices) -> None:
    await page_services.verified(1, "/site/docs/leave")
    page_services.folder.rename(page_services.folder.with_name("moved"))
    done = await page_services.run()
    assert (done["problems"], done["removed"], done["stale"]) == (1, 0, 0)


async def test_sources_that_were_added_are_read_and_no_settings_are_needed(
    page_services: PageServices, tmp_path: Path
) -> None:
    (tmp_path / "more.md").write_text("# More\n\nMore words.")
    done = await page_services.run([str(tmp_path / "more.md")])
    assert (done["added"], done["unchanged"], done["removed"]) == (1, 3, 0)


async def test_the_job_reads_the_index_of_the_settings(page_services: PageServices, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", pages=["nowhere"])
    assert await run(JobContext(settings, page_services.store)) == {
        "added": 0,
        "changed": 0,
        "unchanged": 0,
        "removed": 0,
        "problems": 0,
        "stale": 0,
    }


async def test_two_runs_at_once_send_an_answer_back_once(page_services: PageServices) -> None:
    on_leave = await page_services.verified(1, "/site/docs/leave")
    (page_services.folder / "leave.md").write_text("# leave\n\nNew words about leave.")
    [verified] = await live(page_services.repository)
    await page_services.run()
    await page_services.reviewing.reopen(replace(verified))  # a bot that saw it in the same moment
    review = await page_services.repository.review(on_leave.id)
    assert review is not None
    assert review.round == 2
