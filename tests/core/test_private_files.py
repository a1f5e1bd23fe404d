"""The data folder is its user's alone: what is made there, what was wider before, what cannot be mended."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.web.conversations import Conversations
from cli import main
from core import files
from core.files import mend
from feedback.store.copy_journal import Journal
from feedback.store.sqlite import SqliteStore
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from tests.processes.serving import serving

WIDE_UMASK = 0o022


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Let files be made as wide as most systems make them; what a command changes ends with its test."""
    before = os.umask(WIDE_UMASK)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> dict[str, str]:
    """Return the modes of a folder and all below it that let others in."""
    paths = [folder, *folder.rglob("*")]
    modes = {str(path.relative_to(folder)): path.lstat().st_mode for path in paths if not path.is_symlink()}
    return {name: oct(stat.S_IMODE(mode)) for name, mode in modes.items() if mode & 0o077}


def a_wide_folder(tmp_path: Path) -> Path:
    """Make what an earlier version left: folders 0755, files 0644."""
    data = tmp_path / "data"
    for name in (
        "local.sqlite3",
        "pages/index.sqlite3",
        "models/one/weights.onnx",
        "tracking/mlflow.sqlite3",
    ):
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return data


async def test_every_database_and_its_log_are_made_for_the_user_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    page = Conversations(data / "local.sqlite3")
    await page.begin({"id": "ada", "name": "Ada"})
    index = await FileIndex.open(data / "pages", HashedEmbedder())
    await index.remove("/nothing")
    store = SqliteStore.open(data / "askpage.sqlite3")
    with Journal.open(data / "copies" / "one.sqlite3") as journal:
        journal.begin("here")
        names = {path.name for path in data.rglob("*")}
        assert {
            f"{name}.sqlite3{end}" for name in ("local", "index", "askpage") for end in ("", "-wal", "-shm")
        } <= names
        assert {name for name in open_to_others(data) if "sqlite3" in name or name == "."} == set()
    await page.close()
    await index.close()
    await store.close()


def test_what_was_wider_is_mended_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = a_wide_folder(tmp_path)
    (data / "tool").write_bytes(b"x")
    (data / "tool").chmod(0o755)
    assert len(open_to_others(data)) == 10
    mend(data)
    assert open_to_others(data) == {}
    assert (data / "tool").stat().st_mode & 0o777 == 0o700
    mend(data)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "10 files and folders" in caplog.text


def test_what_a_link_leads_to_is_left_alone(tmp_path: Path) -> None:
    data = a_wide_folder(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (elsewhere / "file").write_bytes(b"x")
    (data / "folder").symlink_to(elsewhere)
    (data / "file").symlink_to(elsewhere / "file")
    (data / "nowhere").symlink_to(tmp_path / "nowhere")
    mend(data)
    assert set(open_to_others(elsewhere)) == {".", "file"}


def test_somebody_elses_folder_is_a_warning_and_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = a_wide_folder(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    monkeypatch.setattr(files.os, "geteuid", lambda: os.getuid() + 1)
    mend(data)
    [record] = caplog.records
    assert f"{data} stays open to others: it belongs to another user" in record.getMessage()


def test_a_disk_without_modes_is_a_warning_and_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = a_wide_folder(tmp_path)
    monkeypatch.setattr(Path, "chmod", lambda *_, **__: None)  # as a disk of Windows or of a share takes it
    mend(data)
    [record] = caplog.records
    assert "its disk keeps no modes" in record.getMessage()


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mend(tmp_path / "nowhere")
    assert caplog.records == []


async def run(*arguments: str) -> None:
    done = await asyncio.to_thread(CliRunner().invoke, main.app, [*arguments])
    assert done.exit_code == 0, done.output


async def test_every_command_mends_the_folder_of_a_bot_and_leaves_any_other_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs, ours = tmp_path / "theirs", a_wide_folder(tmp_path)
    (theirs / "pages").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        await run("settings", "--data-dir", str(theirs))
        await run("settings", "--data-dir", str(ours))
    assert set(open_to_others(theirs)) == {".", "pages"}
    assert open_to_others(ours) == {}


async def test_a_bot_that_serves_leaves_nothing_open_to_others(tmp_path: Path) -> None:
    data = a_wide_folder(tmp_path)
    (data / "local.sqlite3").unlink()
    (data / "pages" / "index.sqlite3").unlink()
    handbook = tmp_path / "handbook"
    handbook.mkdir()
    (handbook / "leave.md").write_text("# Leave\n\nParents get 16 weeks of paid leave.\n")
    async with serving(data, "--base-model", "canned", "--pages", str(handbook)) as served:
        assert open_to_others(data) == {}
        assert await served.stop() == 0
    assert open_to_others(data) == {}
