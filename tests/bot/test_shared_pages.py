"""Which page index the settings name, and what bots that share one do not take from each other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.bootstrap import PageServices, open_pages
from bot.stores import pages_config
from cli.pages.sources import refresh
from core.records import Channel, Question
from core.settings import Settings
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.base import Indexes, IndexUnavailable
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from tests.builders.pages import LEAVE, TRAVEL, page
from tests.doubles.cosmos import KEY, config_of, cosmos_front
from tests.doubles.cosmos_pages import a_page_container, machines
from tests.processes.commands import Commands

pytest_plugins = ["tests.builders.warm"]
pytestmark = pytest.mark.usefixtures("warm_reading")


@pytest.fixture
async def shared(cosmos_url: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings of a bot whose pages are in an account on this machine."""
    async with a_page_container(cosmos_url) as (front, _, config):
        yield Settings(
            data_dir=tmp_path,
            page_index="cosmos",
            cosmos_endpoint=front.url,
            cosmos_key=SecretStr(KEY),
            cosmos_database=config.database,
        )


def test_the_settings_say_where_the_shared_index_is() -> None:
    settings = Settings(
        cosmos_endpoint="https://a.documents.azure.com", cosmos_pages_container="p", store_timeout_s=3
    )
    config = pages_config(settings)
    assert (config.endpoint, config.key, config.database, config.container, config.timeout_s) == (
        "https://a.documents.azure.com",
        "",
        "askpage",
        "p",
        3.0,
    )


async def test_the_definition_of_a_shared_index_is_printed_beside_that_of_the_records(
    cosmos_url: str, tmp_path: Path
) -> None:
    async with cosmos_front(cosmos_url) as front:
        commands = Commands(tmp_path, config_of(front.url))
        shown = await commands.run("store", "init", "--definition", "--page-index", "cosmos")
    records, pages = json.loads(shown.out)
    assert (records["id"], pages["id"]) == ("records", "pages")
    assert pages["vectorEmbeddingPolicy"]["vectorEmbeddings"][0]["dimensions"] == 384


@pytest.mark.model
async def test_a_shared_index_without_an_account_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailable, match="cosmos_endpoint"):
        async with open_pages(Settings(data_dir=tmp_path, page_index="cosmos")):
            pass


@pytest.mark.model
async def test_bots_of_the_same_settings_find_each_others_pages(shared: Settings) -> None:
    async with open_pages(shared) as one, open_pages(shared) as other:
        leave = page("/site/leave", LEAVE, TRAVEL)
        await one.index.add(leave, source="docs")
        for _ in range(500):
            if other.page_hash("/site/leave"):
                break
            await asyncio.sleep(0.02)
        assert other.page_hash("/site/leave") == leave.page_hash
        asked = Question("q", "How much vacation is there?", "a", "c", Channel.LOCAL, datetime.now(UTC))
        assert (await other.look_again(asked))[0].text == LEAVE
    assert not (shared.index_dir / "index.sqlite3").exists()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "leave.md").write_text(f"# Leave\n\n{LEAVE}")
    return folder


async def _refreshed(index: Indexes, folder: Path, tmp_path: Path) -> list[str]:
    """Read a folder that the settings name beside pages of another source; return what is known then."""
    elsewhere = tmp_path / "elsewhere"
    await index.add(page("/site/elsewhere/travel", TRAVEL), source=str(elsewhere))
    settings = Settings(data_dir=tmp_path / "data", pages=[str(folder)])
    async with Fetcher(FetchLimits()) as fetcher:
        report = await refresh(settings, PageServices(index, Library(index, fetcher), HashedEmbedder()))
    assert report.added == 1
    return [entry.url for entry in index.entries()]


async def test_pages_of_a_source_that_another_bot_named_stay_where_bots_share_them(
    cosmos_url: str, docs: Path, tmp_path: Path
) -> None:
    async with a_page_container(cosmos_url) as (_, _, config), machines(config) as opening:
        known = await _refreshed(await opening(), docs, tmp_path)
    assert known == ["/site/docs/leave", "/site/elsewhere/travel"]


async def test_pages_of_a_source_that_is_no_longer_named_go_where_a_bot_is_alone(
    docs: Path, tmp_path: Path
) -> None:
    index = await FileIndex.open(tmp_path / "index", HashedEmbedder())
    assert await _refreshed(index, docs, tmp_path) == ["/site/docs/leave"]
    await index.close()
