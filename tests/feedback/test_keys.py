"""The pseudonyms' key changes: people keep what is theirs and find it later; nobody else is touched."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.card_tokens import RATE, CardSigner
from bot.stores import read_keys
from core.settings import Settings
from feedback.privacy.delete import export_person
from feedback.privacy.keys import (
    Keys,
    Recognising,
    before_path,
    finish,
    key_path,
    pseudonym,
    rename,
    rotate,
    stands_for_somebody,
)
from feedback.privacy.opt_out import OptOuts, list_opt_outs
from feedback.store.base import StoreUnavailable
from feedback.store.sqlite import SqliteStore
from tests.builders.people import ADA, BOB, KEY, RARE, Town, bytes_in, held_by
from tests.builders.privacy import Here
from tests.builders.records import Opening, opening
from tests.builders.world import a_world
from tests.needs import ROOT

__all__ = ["opening"]

NEW_KEY = b"another key of the tests"
NEW = pseudonym(NEW_KEY, "ada")


@pytest.fixture
async def town(opening: Opening) -> Town:
    town = Town(await opening())
    await town.settle(20)
    await OptOuts(town.store.documents).choose(ADA, out=True, source="s")
    return town


async def told(town: Town, person: str) -> Any:
    return {**await export_person(town.store, person), "made_at": ""}


def renamed(value: Any) -> Any:
    return json.loads(json.dumps(value).replace(ADA, NEW))


def in_no_order(told: Any) -> Any:
    return {name: sorted(map(str, one)) if isinstance(one, list) else one for name, one in told.items()}


async def test_all_that_is_a_persons_is_theirs_under_the_new_pseudonym_and_nowhere_else(
    town: Town, tmp_path: Path
) -> None:
    before, lines = await told(town, ADA), await town.lines()
    await rename(town.store, ADA, NEW)
    assert in_no_order(await told(town, NEW)) == in_no_order(renamed(_as_first(before)))
    assert not await stands_for_somebody(town.store, ADA)
    assert ADA.encode() not in await held_by(town.store, tmp_path)
    after = await town.lines()
    changed = {key for key in lines if after.get(key) != lines[key]}
    assert all(ADA in lines[key] or ADA in key or "errand" in key for key in changed)
    served = await town.store.answer(town.served.id)
    assert served is not None
    assert served.verified_by == NEW
    review = await town.repository.review(town.held.id)
    assert review is not None
    assert review.claimed_by == NEW
    assert await list_opt_outs(town.store.documents) == {NEW}


def _as_first(told: Any) -> Any:
    """Documents that were renamed are new ones: what counts their changes begins again."""
    text = json.loads(json.dumps(told))
    for one in text["kept_about_you"]:
        if one["kind"] in {"notice", "greeted", "reviewed", "reviewer", "place", "shown"}:
            one["version"] = 1
    return text


async def test_doing_it_again_changes_nothing(town: Town) -> None:
    await rename(town.store, ADA, NEW)
    before = await town.lines()
    await rename(town.store, ADA, NEW)
    assert await town.lines() == before


async def test_what_was_chosen_since_stays(town: Town) -> None:
    choices = OptOuts(town.store.documents)
    await choices.choose(NEW, out=True, source="t1")
    await choices.choose(NEW, out=False, source="t2")
    await rename(town.store, ADA, NEW)
    assert not await choices.is_out(NEW)
    assert await list_opt_outs(town.store.documents) == set()


KILLED = """
import asyncio, sys
from pathlib import Path
from feedback.privacy.keys import rename
from feedback.store.sqlite import SqliteStore
from tests.processes.dying import die_after

die_after(int(sys.argv[2]))

async def main():
    store = SqliteStore.open(Path(sys.argv[1]))
    await rename(store, sys.argv[3], sys.argv[4])
    await store.close()

asyncio.run(main())
"""


async def test_killed_again_and_again_it_comes_to_the_same_end(tmp_path: Path) -> None:
    path, whole = tmp_path / "a" / "s", tmp_path / "b" / "s"
    store = SqliteStore.open(path)
    await Town(store).settle(10)
    await store.close()
    whole.parent.mkdir()
    shutil.copy(path, whole)
    for run in range(100):
        ended = subprocess.run(  # noqa: ASYNC221 - one after the other
            [sys.executable, "-c", KILLED, str(path), str(run), ADA, NEW],
            capture_output=True,
            check=False,
            cwd=ROOT,
        )
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert run > 5
    one, other = SqliteStore.open(path), SqliteStore.open(whole)
    await rename(other, ADA, NEW)
    ours, theirs = await Town(one).lines(), await Town(other).lines()
    assert ours.keys() == theirs.keys()
    assert in_no_order(await told(Town(one), NEW)) == in_no_order(await told(Town(other), NEW))
    for store in (one, other):
        await store.close()
    assert ADA.encode() not in bytes_in(path.parent)


# Recognising


async def test_whoever_shows_up_finds_what_is_theirs(town: Town) -> None:
    recognise = Recognising(town.store, Keys(NEW_KEY, KEY))
    before = await town.lines()
    await recognise("nobody")
    await recognise("")
    assert await town.lines() == before
    await recognise("ada")
    assert len((await told(town, NEW))["questions"]) == 3
    assert not await stands_for_somebody(town.store, ADA)
    assert await stands_for_somebody(town.store, BOB)  # who has not shown up


async def test_without_an_earlier_key_nobody_is_looked_for(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    await store.close()  # so that every look would fail
    for keys in (Keys(NEW_KEY), Keys(NEW_KEY, NEW_KEY)):
        assert keys.earlier("ada") == ""
        await Recognising(store, keys)("ada")


async def test_a_store_that_is_away_is_asked_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    recognise = Recognising(town.store, Keys(NEW_KEY, KEY))

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(type(town.store), "rows", away)
        await recognise("ada")
    await recognise("ada")
    assert len((await told(town, NEW))["questions"]) == 3


async def test_everybody_who_speaks_or_presses_is_recognised_before_anything_else(tmp_path: Path) -> None:
    async with a_world() as world:
        heard: list[str] = []

        async def hear(user_id: str) -> None:
            assert not world.store.questions or heard
            heard.append(user_id)

        world.front._handlers = replace(world.front._handlers, recognise=hear)
        await world.ask("How much leave?")
        await world.post(world.activity("invoke", name="unknown"))
        await world.post(world.activity("messageReaction", replyToId="m1", reactionsAdded=[]))
        assert heard == ["aad-ada"] * 3


def test_cards_from_before_the_change_keep_working() -> None:
    here = {"id": "c", "tenantId": "t"}
    old = CardSigner(KEY).sign(RATE, "a", here)
    assert CardSigner(NEW_KEY, KEY).is_valid(old, RATE, "a", here)
    assert not CardSigner(NEW_KEY).is_valid(old, RATE, "a", here)
    assert CardSigner(NEW_KEY, KEY).is_valid(CardSigner(NEW_KEY).sign(RATE, "a", here), RATE, "a", here)


# The keys


def test_the_key_file_is_changed_and_the_earlier_one_kept_until_the_end(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = read_keys(settings)
    assert first.before == b""
    rotate(settings.data_dir)
    second = read_keys(settings)
    assert second.before == first.now != second.now
    assert second.earlier("ada") == first.pseudonym("ada")
    for path in (key_path(settings.data_dir), before_path(settings.data_dir)):
        assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        rotate(settings.data_dir)
    assert read_keys(settings) == second
    assert finish(settings.data_dir)
    assert not finish(settings.data_dir)
    assert read_keys(settings) == Keys(second.now)


def test_an_earlier_key_is_overwritten_where_it_stands(tmp_path: Path) -> None:
    read_keys(Settings(data_dir=tmp_path))
    rotate(tmp_path)
    key = before_path(tmp_path).read_bytes()
    with before_path(tmp_path).open("rb") as still_open:  # what reads the same place on the disk
        assert finish(tmp_path)
        assert still_open.read() == b"0" * len(key)


def test_a_change_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = read_keys(settings)
    shutil.copy(key_path(settings.data_dir), before_path(settings.data_dir))  # and then the power went
    assert read_keys(settings).earlier("ada") == ""
    rotate(settings.data_dir)
    assert read_keys(settings).before == first.now != read_keys(settings).now


def test_keys_of_the_settings_win_over_files(tmp_path: Path) -> None:
    rotate(tmp_path)
    settings = Settings(
        data_dir=tmp_path,
        pseudonym_key=SecretStr("a key from a vault"),
        pseudonym_key_before=SecretStr("the one before it"),
    )
    assert read_keys(settings) == Keys(b"a key from a vault", b"the one before it")


async def test_the_command_changes_the_key_of_a_bot_with_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pseudonym.key").write_bytes(KEY)
    store = SqliteStore.open(tmp_path / "data" / "askpage.sqlite3")
    town = Town(store)
    await town.settle(5)
    here = Here(tmp_path)
    asked = await here.run("privacy", "rotate-key")
    assert asked.code == 1
    assert (tmp_path / "data" / "pseudonym.key").read_bytes() == KEY
    done = await here.run("privacy", "rotate-key", "--yes")
    assert done.code == 0, done.said
    assert "whoever shows up keeps their records" in done.said
    keys = read_keys(Settings(data_dir=tmp_path / "data"))
    assert keys.before == KEY
    assert (await here.run("privacy", "rotate-key", "--yes")).code == 2
    shown = json.loads((await here.run("privacy", "show", "ada", "--json")).out)  # under both keys
    assert [one["questions"] for one in shown] == [0, 3]
    await Recognising(store, keys)("ada")
    shown = json.loads((await here.run("privacy", "show", "ada", "--json")).out)
    assert [one["questions"] for one in shown] == [3, 0]
    ended = await here.run("privacy", "rotate-key", "--finish", "--yes")
    assert "The earlier key is gone" in ended.said
    shown = json.loads((await here.run("privacy", "show", "bob", "--json")).out)
    assert [one["questions"] for one in shown] == [0]  # Bob never showed up
    await store.close()


async def test_a_key_in_the_settings_is_changed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = await Here(tmp_path).run("privacy", "rotate-key", "--yes", "--pseudonym-key", "a key from a vault")
    assert done.code == 0
    assert "Set pseudonym_key_before to the present key" in done.said
    assert "a key from a vault" not in done.said
    assert not (tmp_path / "data").exists()


async def test_a_person_is_deleted_under_both_pseudonyms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "pseudonym.key").write_bytes(NEW_KEY)
    (data / "pseudonym.key.before").write_bytes(KEY)
    store = SqliteStore.open(data / "askpage.sqlite3")
    town = Town(store)
    await town.settle(5)
    await town.asks(NEW, 1, f"{RARE}, once more")
    done = json.loads((await Here(tmp_path).run("privacy", "delete", "ada", "--yes", "--json")).out)
    assert [one["counts"]["question"] for one in done] == [1, 3]
    await store.close()
    assert RARE.encode() not in bytes_in(data)
