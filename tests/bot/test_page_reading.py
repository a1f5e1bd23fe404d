"""The pages are read beside the answers: who asks meanwhile is told so, and nothing is read twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from bot.app import open_bot
from bot.bootstrap import PageServices, find_sources
from bot.dialogs.answerer import PageAnswerer
from bot.dialogs.ask import Asking, StillReading
from bot.page_reading import PageReading
from core.records import Answer, AnswerKind, Question
from core.settings import Settings
from feedback.store.sqlite import SqliteStore
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.profile import Profile
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.base import IndexUnavailable
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.refresh_report import RefreshReport
from tests.builders.asking import ReplyRecorder, Scripted, question
from tests.builders.records import answer
from tests.builders.serving import served

pytest_plugins = ["tests.builders.warm"]
pytestmark = pytest.mark.usefixtures("warm_reading")

NAMES = ("keys", "leave", "taxis", "trains")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.md").write_text(f"# About {name}\n\nEverything on {name} is told in room 12.")
    return folder


@pytest.fixture
async def page_services(tmp_path: Path) -> AsyncIterator[PageServices]:
    index = await FileIndex.open(tmp_path / "index", HashedEmbedder(), finished=False)
    async with Fetcher(FetchLimits()) as fetcher:
        library = Library(index, fetcher)
        yield PageServices(index, library, HashedEmbedder())
        await library.close()
    await index.close()


async def test_reading_tells_how_far_it_is_and_is_quiet_when_all_is_known(
    page_services: PageServices, folder: Path
) -> None:
    reading = await PageReading.plan(page_services, [str(folder)])
    assert (reading.progress, reading.describe()) == ((0, 0), "I am still reading the pages.")
    seen: list[tuple[tuple[int, int] | None, str | None]] = []
    reading.watchers.append(lambda *_: seen.append((reading.progress, reading.describe())))
    report = await reading.run()
    assert report.added == 4
    assert [progress for progress, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert seen[1][1] == "I am still reading the pages: 2 of 4 so far."
    assert (reading.progress, reading.describe()) == (None, None)
    again = await PageReading.plan(page_services, [str(folder)])
    again.watchers.append(lambda *_: seen.append((again.progress, again.describe())))
    assert again.describe() is None
    assert (await again.run()).unchanged == 4
    assert seen[4:] == [(None, None)] * 4


async def test_what_was_read_is_found_at_once_and_the_next_start_reads_the_rest(
    page_services: PageServices, folder: Path
) -> None:
    reading = await PageReading.plan(page_services, [str(folder)])
    two_are_read = asyncio.Event()
    reading.watchers.append(lambda *_: two_are_read.set() if (reading.progress or (0,))[0] == 2 else None)
    running = asyncio.create_task(reading.run())
    await asyncio.wait_for(two_are_read.wait(), 60)
    [hit] = await page_services.library.search("everything on keys", 1)
    assert hit.passage.title == "About keys"
    running.cancel()
    await asyncio.wait([running])
    known = {entry.url for entry in page_services.index.entries()}
    again = await PageReading.plan(page_services, [str(folder)])
    assert again.describe() is None or len(known) < 4
    told: dict[str, str] = {}
    again.watchers.append(lambda url, outcome: told.update({url: outcome}))
    await again.run()
    assert {url for url, outcome in told.items() if outcome == "unchanged"} == known
    assert len(page_services.index.entries()) == 4


async def test_a_source_that_lost_pages_halfway_counts_as_partly_read(
    page_services: PageServices, folder: Path
) -> None:
    await page_services.library.refresh([str(folder)])
    (folder / "new.md").write_text("# New\n\nA page that nobody has read yet.")
    reading = await PageReading.plan(page_services, [str(folder)])
    assert not reading.is_partial
    seen: list[bool] = []
    reading.watchers.append(lambda *_: seen.append(reading.is_partial))
    await reading.run()
    assert seen == [True] * 5


@pytest.mark.parametrize("failure", [IndexUnavailable("the disk is full"), ValueError("a bug")])
async def test_a_reading_that_fails_is_tried_again(
    failure: Exception,
    page_services: PageServices,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refresh, failures = page_services.library.refresh, [failure]

    async def fail_once(*given: Any) -> RefreshReport:
        if failures:
            raise failures.pop()
        return await refresh(*given)

    monkeypatch.setattr(page_services.library, "refresh", fail_once)
    monkeypatch.setattr("bot.page_reading.TRY_AGAIN_S", 0.01)
    assert (await (await PageReading.plan(page_services, [str(folder)])).run()).added == 4


async def test_what_is_no_source_any_more_is_named(
    page_services: PageServices, folder: Path, tmp_path: Path
) -> None:
    await page_services.library.refresh([str(folder)])
    settings = Settings(data_dir=tmp_path, pages=["other", "other"])
    assert find_sources(settings, page_services) == (["other"], [str(folder)])


@dataclass
class Says:
    """Answers with one answer."""

    answer: Answer

    async def stream(self, _: Question, __: Sequence[Answer]) -> AsyncGenerator[str | Answer]:
        yield self.answer


@pytest.mark.parametrize(
    ("kind", "page_url", "reading", "told"),
    [
        (AnswerKind.DECLINED, None, "I am still reading the pages: 2 of 4 so far.", True),
        (AnswerKind.DECLINED, None, None, False),
        (AnswerKind.DECLINED, "/site/docs/keys", "I am still reading the pages.", False),
        (AnswerKind.ANSWERED, None, "I am still reading the pages.", False),
        (AnswerKind.QUOTED, None, "I am still reading the pages.", False),
    ],
)
async def test_who_asks_meanwhile_and_gets_nothing_hears_that_pages_are_missing(
    page_services: PageServices,
    folder: Path,
    kind: AnswerKind,
    page_url: str | None,
    reading: str | None,
    told: bool,
) -> None:
    await page_services.library.refresh([str(folder)])
    given = replace(answer(replace(question(), page_url=page_url)), kind=kind)
    answerer = PageAnswerer(page_services.library, cast("Answering", Says(given)), reading=lambda: reading)
    stream = answerer.stream(given.question, ())
    if told:
        with pytest.raises(StillReading, match=r"nothing about this in the pages .* 2 of 4 so far\."):
            await anext(stream)
    else:
        assert cast("Answer", await anext(stream)).kind is kind


async def test_that_pages_are_missing_is_said_in_place_of_an_answer(tmp_path: Path) -> None:
    store, reply = SqliteStore.open(tmp_path / "store.sqlite3"), ReplyRecorder()
    asking = Asking(store, Scripted(error=StillReading("I am still reading.")))
    await asking.receive(question(), reply)
    await asking.drain(5)
    assert reply.said == ["I am still reading."]
    assert await store.answer_to_question("q1") is None
    await store.close()


async def test_a_bot_answers_and_is_ready_while_it_reads(
    page_services: PageServices, folder: Path, tmp_path: Path
) -> None:
    settings = Settings(base_model="canned", data_dir=tmp_path / "data", pages=[str(folder)], port=0)
    profile = Profile(5000.0, 80.0, "cuda", 1, 8_000_000_000)
    chat = CannedChatModel(["Room 12."])
    answering = Answering(
        always_acquire(chat, "canned", None, profile), page_services.library.search, AnswerRules()
    )
    reading = await PageReading.plan(page_services, settings.pages)
    async with (
        open_bot(settings, page_services, answering, port=1, reading=reading) as bot,
        served(bot.app) as url,
        aiohttp.ClientSession() as http,
    ):

        async def ready() -> Any:
            async with http.get(f"{url}/readyz") as reply:
                assert reply.status == 200
                return await reply.json()

        assert await ready() == {"status": "reading", "pages": {"read": 0, "of": 0}}
        async with http.get(url) as page:
            assert "I am still reading the pages." in await page.text()
        heard = ReplyRecorder()
        await bot.asking.receive(question(), heard)
        await bot.asking.drain(30)
        assert "still reading" in heard.said[0]
        await reading.run()
        assert await ready() == {"status": "ready"}
