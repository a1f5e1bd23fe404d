"""A Git repository as a source: real repositories, read by git, whatever is in them and whatever ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.readers import EVERYONE, Readers
from pages.fetch.client import Fetcher, FetchLimits
from pages.fetched import AddressRefused
from pages.sources import SourceAccess
from pages.sources.git.address import check_subdirectory, parse_git_address
from pages.sources.ledger import own_folder
from pages.sources.named import read_source
from tests.builders.git_repositories import LINK, SUBMODULE, Repository
from tests.builders.source_reading import SourceReader

LEAVE = "# Leave\n\nEveryone gets 26 days of leave."
TRAVEL = "# Travel\n\nKeep every receipt of a taxi."


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "srv" / "handbook.git")


@pytest.fixture
def reader(tmp_path: Path, repository: Repository) -> SourceReader:
    access = SourceAccess(tmp_path / "state", git_folders=(str(tmp_path / "srv"),))
    return SourceReader(f"git+{repository.url}#subdirectory=docs", access)


async def test_a_folder_is_read_and_only_what_a_commit_changed_is_read_again(
    repository: Repository, reader: SourceReader
) -> None:
    repository.commit(
        {"docs/leave.md": LEAVE, "docs/guide/travel.md": TRAVEL, "src/main.py": "pass", "x.md": "X"}
    )
    collected = await reader.read()
    assert sorted(collected.pages) == ["/site/handbook/docs/guide/travel", "/site/handbook/docs/leave"]
    assert (collected.fetched, collected.expected) == (2, 2)
    assert "26 days" in collected.texts["leave"]
    assert {page.readers for page in collected.pages.values()} == {EVERYONE}

    assert ((await reader.read()).unchanged, collected.fetched) == (2, 0)

    repository.commit({"docs/leave.md": LEAVE.replace("26", "28"), "docs/new.txt": "Some news of the day."})
    await reader.read()
    assert (collected.fetched, collected.unchanged, collected.failure) == (2, 0, "")
    assert sorted(collected.pages) == ["/site/handbook/docs/leave", "/site/handbook/docs/new.txt"]
    assert "28 days" in collected.texts["leave"]


async def test_what_was_begun_before_a_kill_is_finished_and_nothing_is_read_twice(
    repository: Repository, reader: SourceReader
) -> None:
    repository.commit({f"docs/page{at}.md": f"# Page {at}\n\nThis is the page {at}." for at in range(12)})
    await reader.read(most=3)
    begun = set(reader.collected.pages)
    assert len(begun) == 3
    copy = own_folder(reader.folder, reader.source)
    (copy / "shallow.lock").touch()
    (copy / "refs" / "askpage" / "head.lock").touch()
    for pack in (copy / "objects" / "pack").glob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40])
    await reader.read()
    assert (reader.collected.failure, reader.collected.problems) == ("", [])
    assert len(reader.collected.pages) == 12
    assert reader.collected.unchanged == 3


async def test_what_a_repository_must_not_do_to_us_is_left_out_and_said(
    repository: Repository, reader: SourceReader
) -> None:
    repository.commit(
        {
            "docs/leave.md": LEAVE,
            "docs/passwd.md": (LINK, "/etc/passwd"),
            "docs/other.md": (SUBMODULE, "1" * 40),
            "docs/../../escape.md": "# Out",
            "docs/.git/hook.md": "# Hook",
            "docs/node_modules/p/readme.md": "# Theirs",
            "docs/a\nb.md": "# Two lines",
            "docs/--upload-pack=x.md": "# An option\n\nIt is a name like others.",
            "docs/big.txt": "word " * 2_000_000,
            "docs/large.md": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "docs/bad.pdf": "no PDF",
        }
    )
    collected = await reader.read()
    assert sorted(collected.texts) == ["--upload-pack%3Dx", "leave"]
    said = {one.url.rpartition("/")[2]: one.sentence for one in collected.problems}
    assert "larger than 5 MB" in said["big.txt"]
    assert "Git LFS" in said["large"]
    assert "bad.pdf" in said
    assert len([one for one in collected.problems if "no plain name" in one.sentence]) == 2
    assert "2 links in it are left out" in collected.remarks[0]

    await reader.read()
    assert "Git LFS" in next(one.sentence for one in collected.problems if one.url.endswith("/large"))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("git+file:///etc/repo.git", "git_folders"),
        ("git+file://{folder}/../other/repo.git", "git_folders"),
        ("git+https://--upload-pack=touch/x/y.git", "is written as"),
        ("git+https://host.example.com/x.git@--upload-pack=touch", "branch"),
        ("git+https://host.example.com/x.git@a..b", "branch"),
        ("git+ssh://-oProxyCommand=touch@host.example.com/x.git", "cannot be read"),
        ("git+ssh://-oProxyCommand=touch/x.git", "is written as"),
        ("git+https://kim:secret@host.example.com/x.git", "password"),
        ("git+https://kim@host.example.com/x.git", "git_tokens"),
        ("git+http://host.example.com/x.git", "is written as"),
        ("git+ext::sh -c touch", "no file or folder"),
        ("wiki+https://example.com/x", "there are git, confluence, googledrive, notion, sharepoint"),
        ("git+https://127.0.0.1/x.git", "this computer"),
        ("git+https://10.0.0.8/x.git", "private network"),
        ("git+https://nowhere.example.com/x.git", "no site called"),
        ("git+file://{folder}/handbook.git#subdirectory=../x", "inside"),
        ("git+file://{folder}/handbook.git#folder=x", "no option folder"),
        ("git+file://{folder}/handbook.git#readers=Kim", "names no reader"),
        ("git+file://{folder}/handbook.git#subdirectory=nowhere", "no folder nowhere"),
        ("git+file://{folder}/handbook.git@nowhere", "no such branch"),
        ("git+file://{folder}/missing.git", "no such repository"),
    ],
)
async def test_an_address_is_refused_with_what_to_do(
    source: str, sentence: str, repository: Repository, reader: SourceReader
) -> None:
    repository.commit({"docs/leave.md": LEAVE})
    reader.source = source.format(folder=repository.path.parent)
    collected = await reader.read()
    assert sentence in collected.failure
    assert "secret" not in collected.failure
    assert not collected.pages


async def test_a_source_word_says_who_may_read_and_new_readers_need_no_new_look(
    repository: Repository, reader: SourceReader
) -> None:
    repository.commit({"leave.html": f"<h1>Leave</h1><p>{LEAVE}"})
    reader.source = f"git+{repository.url}@main#published=https://handbook.example.com&readers=entra:group:a"
    collected = await reader.read()
    url = "https://handbook.example.com/leave.html"
    assert collected.pages[url].readers == Readers(frozenset({"entra:group:a"}))
    reader.source = reader.source.replace("entra:group:a", "everyone")
    await reader.read()
    assert (collected.fetched, collected.pages[url].readers) == (0, EVERYONE)


async def test_files_are_shown_where_the_source_word_says(
    repository: Repository, reader: SourceReader
) -> None:
    repository.commit({"docs/a b.md": LEAVE})
    reader.source += "&files_at=https://git.example.com/team/handbook/src/branch/main/"
    assert list((await reader.read()).pages) == [
        "https://git.example.com/team/handbook/src/branch/main/docs/a%20b.md"
    ]


async def test_a_file_that_names_its_readers_is_as_closed_as_it_says(
    repository: Repository, reader: SourceReader
) -> None:
    repository.commit({"a.md": f"---\nreaders: entra:group:b\n---\n{LEAVE}"})
    seen: list[str] = []
    for given in ("everyone", "entra:group:b&readers=entra:group:c", "entra:group:c"):
        reader.source = f"git+{repository.url}#readers={given}"
        seen += [str(page.readers) for page in (await reader.read()).pages.values()]
    assert seen == ["entra:group:b", "entra:group:b", "nobody"]


async def test_a_source_behind_a_sign_in_needs_what_the_settings_give(reader: SourceReader) -> None:
    async with Fetcher(FetchLimits()) as fetcher:
        with pytest.raises(Exception, match="askpage pages add"):
            await anext(read_source(reader.source, fetcher=fetcher, known=lambda _: None))


@pytest.mark.parametrize(
    ("address", "file", "url"),
    [
        ("https://github.com/o/r.git@main", "docs/a b.md", "https://github.com/o/r/blob/main/docs/a%20b.md"),
        ("https://github.com/o/r", "a.md", "https://github.com/o/r/blob/HEAD/a.md"),
        ("https://gitlab.example.com/g/s/r.git", "a.md", "https://gitlab.example.com/g/s/r/-/blob/HEAD/a.md"),
        ("https://bitbucket.org/o/r@v1", "a.md", "https://bitbucket.org/o/r/src/v1/a.md"),
        ("ssh://git@github.com/o/r.git", "a.md", "https://github.com/o/r/blob/HEAD/a.md"),
        ("https://git.example.com/o/r.git", "a.md", "/site/r/a"),
    ],
)
def test_people_open_a_file_at_its_host(address: str, file: str, url: str) -> None:
    assert parse_git_address(address, ()).file_url(file, "") == url


@pytest.mark.parametrize("folder", ["..", "a/../..", "a\\b", "a:b", "a\nb"])
def test_a_subdirectory_stays_in_its_repository(folder: str) -> None:
    with pytest.raises(AddressRefused):
        check_subdirectory(folder)
