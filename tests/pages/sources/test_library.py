"""Sources behind a sign-in in the library: searched, and forgotten with all that they left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.readers import EVERYONE, Readers, reading_as
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.sources import SourceAccess
from pages.sources.ledger import open_ledger, own_folder
from tests.builders.git_repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "srv" / "handbook.git")
    made.commit(
        {"leave.md": "# Leave\n\nEveryone gets 26 days of leave.", "travel.md": "# Travel\n\nBy train."}
    )
    return made


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    index = await FileIndex.open(tmp_path / "index", HashedEmbedder())
    access = SourceAccess(tmp_path / "index", git_folders=(str(tmp_path / "srv"),))
    async with Fetcher(FetchLimits()) as fetcher:
        library = Library(index, fetcher, access=access)
        yield library
        await library.close()
    await index.close()


async def test_what_a_source_has_is_found_and_what_is_gone_there_is_gone_from_answers(
    library: Library, repository: Repository, tmp_path: Path
) -> None:
    source = f"git+{repository.url}"
    expected: list[tuple[str, int]] = []
    report = await library.refresh([source], expect=lambda source, pages: expected.append((source, pages)))
    assert (report.added, report.problems, expected[-1]) == (2, [], (source, 2))
    assert (await library.search("leave days", 1))[0].passage.url.startswith("/site/handbook/leave")
    assert (await library.ensure("/site/handbook/leave")).title == "Leave"

    repository.commit({"travel.md": "# Travel\n\nBy train."})
    report = await library.refresh([source])
    assert (report.added, report.unchanged, report.removed) == (0, 1, 1)
    assert "26 days" not in str(await library.search("leave days", 5))

    repository.commit({"readme.png": "no page"})
    assert (await library.refresh([source])).removed == 1
    assert await library.pages() == []


async def test_a_source_that_fails_leaves_its_pages_and_says_why_without_a_secret(
    library: Library, repository: Repository
) -> None:
    source = f"git+{repository.url}"
    await library.refresh([source])
    repository.path.rename(repository.path.with_name("moved.git"))
    report = await library.refresh([source, "git+https://kim:SECRET@git.example.com/x.git"])
    assert "has no such repository" in report.problems[0].sentence
    assert "SECRET" not in str(report.problems)
    assert len(await library.pages()) == 2


async def test_a_source_that_is_forgotten_leaves_nothing_behind(
    library: Library, repository: Repository, tmp_path: Path
) -> None:
    source = f"git+{repository.url}"
    await library.refresh([source])
    folder = own_folder(tmp_path / "index", source)
    assert folder.is_dir()
    assert open_ledger(tmp_path / "index", source).notes
    assert await library.forget_source(source) == 2
    assert not folder.exists()
    assert list(folder.parent.iterdir()) == []


async def test_whoever_may_read_a_source_finds_its_pages_and_nobody_else(
    library: Library, repository: Repository
) -> None:
    source = f"git+{repository.url}#readers=entra:group:a"
    await library.refresh([source])
    assert {one.readers for one in await library.pages()} == {Readers(frozenset({"entra:group:a"}))}
    assert await library.search("leave days", 5) == []
    with reading_as({"entra:group:a"}):
        assert await library.search("leave days", 5) != []
    await library.refresh([source.replace("entra:group:a", "everyone")])
    assert {one.readers for one in await library.pages()} == {EVERYONE}
    assert await library.search("leave days", 5) != []
