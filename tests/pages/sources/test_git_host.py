"""A Git host behind a sign-in, over HTTPS: the token goes to it alone, and is shown nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pages.fetch.client import FetchLimits
from pages.sources import SourceAccess
from pages.sources.git import repository
from pages.sources.git.address import parse_git_address
from pages.sources.git.source import build_ssh_command
from tests.builders.certificates import write_certificate
from tests.builders.git_repositories import Repository
from tests.builders.source_reading import HERE, SourceReader
from tests.doubles.git_host import GitHost, serve_git

TOKEN = "tok-SECRET"  # noqa: S105
NAME = "git.example.com"


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GitHost]:
    certificate = write_certificate(tmp_path, NAME)
    trusted = (*repository.SETTINGS, "-c", f"http.sslCAInfo={certificate}")
    monkeypatch.setattr(repository, "SETTINGS", trusted)
    Repository(tmp_path / "srv" / "team" / "docs.git").commit({"a.md": "# A\n\nThe page a.", "b.py": "pass"})
    async with serve_git(GitHost(tmp_path / "srv", "Basic a2ltOnRvay1TRUNSRVQ="), certificate) as host:
        yield host


@pytest.fixture
def reader(tmp_path: Path, host: GitHost) -> SourceReader:
    site = f"{NAME}:{host.port}"
    return SourceReader(
        f"git+https://{site}/team/docs.git",
        SourceAccess(tmp_path / "state", git_tokens=f"other.example.com=x,{site}=kim:{TOKEN}"),
        names={NAME: [HERE], "evil.example.com": [HERE]},
        limits=FetchLimits(allowed_sites=("*", site)),
    )


async def test_a_repository_is_read_with_the_token_of_its_host(host: GitHost, reader: SourceReader) -> None:
    collected = await reader.read()
    assert (collected.failure, list(collected.pages)) == ("", ["/site/docs/a"])
    kept = b"".join(path.read_bytes() for path in reader.folder.rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept


async def test_a_wrong_token_is_said_without_being_shown(host: GitHost, reader: SourceReader) -> None:
    reader.access = replace(reader.access, git_tokens=f"{NAME}:{host.port}=wrong-SECRET")
    collected = await reader.read()
    assert "the token in git_tokens" in collected.failure
    assert "SECRET" not in collected.failure
    reader.access = replace(reader.access, git_tokens="")
    assert "the token in git_tokens" in (await reader.read()).failure
    reader.access = replace(reader.access, git_tokens=TOKEN)
    assert "not written as HOST=TOKEN" in (await reader.read()).failure
    assert TOKEN not in reader.collected.failure


async def test_a_redirect_is_not_followed_so_that_the_token_stays(
    host: GitHost, reader: SourceReader
) -> None:
    host.redirect = f"https://evil.example.com:{host.port}/team/docs.git/info/refs?service=git-upload-pack"
    collected = await reader.read()
    assert "sends git on to another address" in collected.failure
    assert len(host.asked) == 1


async def test_a_certificate_that_nobody_signed_is_not_trusted(
    host: GitHost, reader: SourceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "SETTINGS", repository.SETTINGS[:-2])
    assert "cannot be reached by git" in (await reader.read()).failure
    assert host.shown == []


def test_ssh_connects_to_the_checked_address_with_the_key_of_the_host_and_asks_nobody() -> None:
    access = SourceAccess(Path("/state"), git_ssh_key="/keys/a b", git_known_hosts="/keys/hosts")
    command = build_ssh_command("git.example.com", "192.0.2.7", access)
    assert command.startswith("ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o HostName=192.0.2.7")
    assert "-o HostKeyAlias=git.example.com" in command
    assert "-o 'IdentityFile=/keys/a b'" in command
    assert parse_git_address("ssh://git@git.example.com:2222/a/b.git@main", ()).url == (
        "ssh://git@git.example.com:2222/a/b.git"
    )
