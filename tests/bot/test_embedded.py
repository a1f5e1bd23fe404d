"""The example program of the docs runs: somebody else's LangChain program over real pages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.embedded import open_askpage
from cli.pages.sources import refresh_alone
from core.settings import Settings
from demo.langchain_program import answer_questions


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "leave.md").write_text("# Leave\n\nNew parents get 12 weeks of paid leave.\n")
    given: dict[str, Any] = {"data_dir": tmp_path / "data", "base_model": "canned"}
    return Settings(**given, pages=[str(tmp_path / "handbook")])


def test_a_program_without_an_event_loop_answers_from_the_pages(settings: Settings) -> None:
    asyncio.run(refresh_alone(settings))
    with open_askpage(settings) as askpage:
        mails = answer_questions(
            askpage, ["How many weeks of leave do new parents get?", "leave of parents?"]
        )
    for mail in mails:
        assert "12 weeks of paid leave" in mail
        assert "- Leave: /site/handbook/leave" in mail
