"""A missing model is imported beside the answers, and people are told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from cli.models.first_import import FAILED, PREPARING, bring_model, import_beside
from core.settings import Settings


def process(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


@pytest.mark.parametrize(("code", "said"), [("pass", None), ("raise SystemExit(2)", FAILED)])
async def test_people_are_told_until_it_is_there_or_that_it_is_not(code: str, said: str | None) -> None:
    async with import_beside(Settings(), process(code)) as describe:
        assert describe() == PREPARING
        async with asyncio.timeout(30):
            while describe() == PREPARING:  # noqa: ASYNC110 - a process is what it waits for
                await asyncio.sleep(0.01)
        assert describe() == said


async def test_a_command_that_is_not_there_is_no_fault_of_the_bot() -> None:
    async with import_beside(Settings(), ("/nowhere/askpage",)) as describe:
        await asyncio.sleep(0.1)
        assert describe() == FAILED


async def test_the_import_knows_the_settings_and_ends_with_the_bot(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    begun, goes_on = tmp_path / "begun", tmp_path / "goes_on"
    code = (
        "import os, pathlib, time\n"
        "folder = pathlib.Path(os.environ['ASKPAGE_DATA_DIR'])\n"
        "folder.joinpath('begun').touch(); time.sleep(60); folder.joinpath('goes_on').touch()"
    )
    async with import_beside(settings, process(code)), asyncio.timeout(30):
        while not begun.exists():  # noqa: ASYNC110 - a file is what it waits for
            await asyncio.sleep(0.01)
    assert not goes_on.exists()


async def test_no_model_is_brought_where_none_is_needed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, base_model="canned")
    async with bring_model(settings) as describe:
        assert describe() is None
    assert not settings.models_dir.exists()
