"""Model versions at a URL: one standing for every machine, on a shared folder and on Azure Blob Storage."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from model.registry.loading import ModelSwapper, follow_live
from model.registry.remote_storage import RemoteFolder, RemoteUnavailable
from model.registry.rollout import promote, prune_versions, publish_nowhere, retire, roll_back, start_canary
from model.registry.sync import NotPublished, SyncedVersions, keep_up, publish_to
from model.registry.versions import (
    LIVE,
    MANIFEST,
    ModelDamaged,
    NotPossible,
    VersionError,
    find_version,
    read_rollout,
    record_confidence,
    verify_version,
)
from tests.builders.swapping import POLL_S, Memory, says, until
from tests.builders.versions import make_version
from tests.doubles.azurite import a_container, azurite
from tests.needs import ROOT

Open = Callable[[], RemoteFolder]


@pytest.fixture(scope="module")
def blobs() -> Iterator[str]:
    with azurite() as server:
        yield server.connection_string


@pytest.fixture(params=["file", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "file":
        (tmp_path / "share").mkdir()
        return lambda: RemoteFolder(f"file://{tmp_path / 'share'}")
    connection = request.getfixturevalue("blobs")
    url = f"abfs://{a_container(connection)}/askpage"
    return lambda: RemoteFolder(url, {"connection_string": connection})


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A machine with three versions."""
    for age, name in enumerate(("first", "second", "third")):
        make_version(tmp_path / "one", name, age, parent="base")
    return tmp_path / "one"


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A machine with none."""
    return tmp_path / "two"


class Damaging(RemoteFolder):
    """Loses the end of what is uploaded."""

    def _upload(self, fs: Any, path: Path, to: str) -> None:
        with fs.open(to, "wb") as there:
            there.write(path.read_bytes()[:-1])


def test_what_one_machine_promotes_another_one_gets_whole(place: Open, one: Path, two: Path) -> None:
    promote(one, "first", publish=SyncedVersions(one, place()))
    SyncedVersions(two, place()).look()
    assert read_rollout(two) == read_rollout(one)
    assert verify_version(two / "first").files == verify_version(one / "first").files
    assert not list(two.rglob("*.part"))
    start_canary(one, "second", 0.5, SyncedVersions(one, place()))
    SyncedVersions(two, place()).look()
    assert (read_rollout(two).canary, read_rollout(two).share) == ("second", 0.5)
    assert read_rollout(two).since == read_rollout(one).since


def test_every_step_reaches_the_other_machine(place: Open, one: Path, two: Path) -> None:
    here, there = SyncedVersions(one, place()), SyncedVersions(two, place())
    steps: tuple[Callable[[], object], ...] = (
        lambda: promote(one, "first", publish=here),
        lambda: start_canary(one, "second", 0.5, here),
        lambda: roll_back(one, publish=here),
        lambda: promote(one, "third", publish=here),
        lambda: roll_back(one, publish=here),
        lambda: retire(one, "second", here),
    )
    for step in steps:
        step()
        there.look()
        assert read_rollout(two) == read_rollout(one)
    assert prune_versions(one, 0, here) == ["third", "second"]
    there.look()
    assert read_rollout(two) == read_rollout(one)
    assert not (two / "third").exists()
    assert place().read(f"third/{MANIFEST}") is None


def test_the_newer_confidence_of_two_machines_is_sent_and_taken_with_the_next_step(
    place: Open, one: Path, two: Path
) -> None:
    here, there = SyncedVersions(one, place()), SyncedVersions(two, place())
    first, second = ({"reasons": [day], "made_at": f"2026-11-{day}"} for day in ("01", "02"))
    record_confidence(one, "first", first)
    promote(one, "first", publish=here)
    there.look()
    assert find_version(two, "first").confidence == first, "it goes where its version goes"
    record_confidence(one, "first", second)
    start_canary(one, "second", 0.5, here)
    there.look()
    assert find_version(two, "first").confidence == second
    record_confidence(two, "first", first)
    assert find_version(two, "first").confidence == second, "what is older changes nothing"
    roll_back(two, publish=there)
    here.look()
    assert find_version(one, "first").confidence == second


def test_a_machine_that_has_nothing_can_step_with_what_is_there(place: Open, one: Path, two: Path) -> None:
    promote(one, "first", publish=SyncedVersions(one, place()))
    promote(one, "second", publish=SyncedVersions(one, place()))
    assert roll_back(two, publish=SyncedVersions(two, place())).name == "first"
    verify_version(two / "first")
    SyncedVersions(one, place()).look()
    assert read_rollout(one).name == "first"


def test_a_damaged_upload_is_refused_and_sent_again(place: Open, one: Path) -> None:
    whole = place()
    damaging = Damaging(whole.url, whole._options)
    with pytest.raises(NotPublished, match="did not arrive"):
        promote(one, "first", publish=SyncedVersions(one, damaging))
    assert whole.read("first/model.onnx") is None
    assert whole.names("live") == []
    SyncedVersions(one, place()).look()
    assert whole.read("first/model.onnx") == b"graph of first"
    assert len(whole.names("live")) == 1


def test_a_version_that_is_half_there_or_damaged_there_is_not_taken(
    place: Open, one: Path, two: Path
) -> None:
    promote(one, "first", publish=SyncedVersions(one, place()))
    place().write("first/model.onnx", b"something else")
    with pytest.raises(ModelDamaged):
        SyncedVersions(two, place()).look()
    assert not (two / LIVE).exists()
    assert not (two / "first").exists()
    place().write("second/model.onnx", b"no manifest")
    with pytest.raises(VersionError):
        promote(two, "second", publish=SyncedVersions(two, place()))


def test_of_two_machines_that_step_at_once_neither_writes_over_the_other(
    place: Open, one: Path, two: Path
) -> None:
    promote(one, "first", publish=SyncedVersions(one, place()))
    SyncedVersions(two, place()).look()
    make_version(two, "other", parent="base")
    mine = SyncedVersions(one, place())

    def late(_: object) -> tuple[str, ...]:
        """Another machine is faster, after this one has looked."""
        if read_rollout(two).name != "other":
            promote(two, "other", publish=SyncedVersions(two, place()))
        return ("second",)

    mine(late, lambda: start_canary(one, "second", 0.5))
    assert (read_rollout(one).name, read_rollout(one).canary) == ("other", "second")
    assert len(place().names("live")) == 3
    SyncedVersions(two, place()).look()
    assert read_rollout(two) == read_rollout(one)


def test_a_step_that_another_machine_has_made_impossible_is_refused(
    place: Open, one: Path, two: Path
) -> None:
    promote(one, "first", publish=SyncedVersions(one, place()))
    start_canary(one, "second", 0.5, SyncedVersions(one, place()))
    SyncedVersions(two, place()).look()
    promote(two, "second", publish=SyncedVersions(two, place()))
    with pytest.raises(NotPossible):
        start_canary(one, "second", 0.2, SyncedVersions(one, place()))
    assert read_rollout(one) == read_rollout(two)


def test_a_step_that_nobody_heard_of_gives_way_to_what_others_did(
    place: Open, one: Path, two: Path, caplog: pytest.LogCaptureFixture
) -> None:
    promote(one, "first", publish=SyncedVersions(one, place()))
    SyncedVersions(two, place()).look()
    make_version(two, "other", parent="base")
    promote(two, "other")  # not sent
    promote(one, "second", publish=SyncedVersions(one, place()))
    SyncedVersions(two, place()).look()
    assert read_rollout(two).name == "second"
    assert "what stands there holds" in caplog.text


def test_where_the_place_is_away_nothing_is_done_and_one_is_told(one: Path, tmp_path: Path) -> None:
    publish = SyncedVersions(one, RemoteFolder(f"file://{tmp_path / 'nowhere'}"))
    with pytest.raises(RemoteUnavailable, match="no such folder"):
        promote(one, "first", publish=publish)
    assert not (one / LIVE).exists()
    with pytest.raises(VersionError, match="begins with"):
        RemoteFolder("ftp://somewhere")


def test_names_that_lead_out_of_the_folder_are_refused(one: Path, two: Path, tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    remote = RemoteFolder(f"file://{tmp_path / 'share'}")
    remote.create("live/00000001.json", b'{"name": "../one"}')
    with pytest.raises(ModelDamaged, match="no name"):
        SyncedVersions(two, remote).look()


def test_without_a_url_steps_are_taken_here_and_nothing_is_imported(one: Path) -> None:
    assert publish_to(one, "") is publish_nowhere
    code = (
        "import sys, model.registry.loading, model.registry.sync; print({'fsspec', 'adlfs'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


DYING = """
import os, signal, sys
from pathlib import Path
from model.registry import remote_storage, rollout, sync

left = int(sys.argv[3])

def counted(of, name):
    do = getattr(of, name)
    def doing(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*args, **kwargs)
    setattr(of, name, doing)

for name in ("create", "write", "_upload", "send", "fetch"):
    counted(remote_storage.RemoteFolder, name)
counted(sync, "write_durably")
counted(rollout, "write_durably")
counted(sync, "put_rollout")
here = Path(sys.argv[1])
kept = sync.SyncedVersions(here, remote_storage.RemoteFolder("file://" + sys.argv[2]))
if sys.argv[4] == "look":
    kept.look()
else:
    rollout.promote(here, sys.argv[4], publish=kept)
"""


@pytest.mark.parametrize("doing", ["second", "look"])
def test_a_kill_at_any_moment_leaves_the_old_standing_or_the_new_one_and_the_next_look_heals(
    doing: str, one: Path, two: Path, tmp_path: Path
) -> None:
    (tmp_path / "share").mkdir()
    share = RemoteFolder(f"file://{tmp_path / 'share'}")
    promote(one, "first", publish=SyncedVersions(one, share))
    here = one if doing == "second" else two
    for left in range(20):
        command = [sys.executable, "-c", DYING, str(here), str(tmp_path / "share"), str(left), doing]
        ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).returncode
        assert ended in (0, -9)
        watching = tmp_path / f"watching{left}"
        SyncedVersions(watching, share).look()
        assert read_rollout(watching).name in ("first", "second")
        verify_version(watching / read_rollout(watching).name)
        if ended == 0:
            break
    assert ended == 0
    assert left >= 3, "it was not killed where it matters"
    SyncedVersions(here, share).look()
    assert read_rollout(here).name == ("second" if doing == "second" else "first")
    verify_version(here / read_rollout(here).name)


async def test_a_bot_follows_what_another_machine_does_and_goes_on_while_the_place_is_away(
    one: Path, two: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    share, away = tmp_path / "share", tmp_path / "away"
    share.mkdir()
    url, memory, stopping = f"file://{share}", Memory(), threading.Event()
    promote(one, "first", publish=SyncedVersions(one, RemoteFolder(url)))
    bot = SyncedVersions(two, RemoteFolder(url, stopping=stopping.is_set))
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(keep_up(bot.look, stopping, POLL_S, wait=True, again_s=POLL_S))
        running = await opened.enter_async_context(follow_live(ModelSwapper(two, memory.load, 5.0), POLL_S))
        assert says(running) == "first"
        share.rename(away)
        while "not followed" not in caplog.text:  # noqa: ASYNC110 - a log is what it waits for
            await asyncio.sleep(POLL_S)
        await asyncio.sleep(20 * POLL_S)
        assert says(running) == "first"
        assert caplog.text.count("not followed") == 1
        away.rename(share)
        await asyncio.to_thread(promote, one, "second", publish=SyncedVersions(one, RemoteFolder(url)))
        await until(running, "second")
        assert caplog.text.count("followed again") == 1
    assert not memory.loaded.total()
