"""`askpage pages text`: an admin sees what the bot reads, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.pages.sources import pages_app
from cli.pages.text import describe_page, read_one
from core.records import Page
from pages.fetch.client import Fetcher
from pages.fetched import PageRefused
from tests.builders.pdf_files import make_pdf, write_lines

TRAVEL = "# Travel\n\nBook early.\n\n| Country | Per day |\n|---|---|\n| Peru | 48 |\n"


def read(page: Page) -> dict[str, Any]:
    return json.loads(json.dumps(describe_page(page, is_known=False)))


async def test_a_file_is_read_as_an_index_would(tmp_path: Path) -> None:
    (tmp_path / "travel.md").write_text(TRAVEL)
    number, beside = write_lines("Page 2 of 2", top=30), write_lines("Say 12.", x=900)
    (tmp_path / "rules.pdf").write_bytes(make_pdf("You get 84 days.", number, beside))
    async with Fetcher() as fetcher:
        travel = read(await read_one(str(tmp_path / "travel.md"), fetcher))
        rules = read(await read_one(str(tmp_path / "rules.pdf"), fetcher))
        for source, words in (
            (tmp_path, "is a folder"),
            (tmp_path / "none.md", "no file or folder"),
            (tmp_path / "x=", "no file or folder"),
            ("ftp://h.test/x", "no file or folder"),
            ("http://127.0.0.1/x", "may not"),
        ):
            with pytest.raises(PageRefused, match=words):
                await read_one(str(source), fetcher)
    [section] = travel["sections"]
    assert (section["heading"], section["anchor"]) == ("Travel", "travel")
    assert section["tables"] == [{"header": "Country | Per day", "rows": ["Peru | 48"]}]
    assert [one["text"] for one in rules["sections"]] == ["You get 84 days."]
    assert rules["left_out"] == [
        "1 piece of text that readers do not see, or may not see.",
        "1 line of running heads, running feet and page numbers.",
    ]


def test_the_command_prints_sections_and_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "leave.html").write_text("<h1 id=a>Leave</h1><p>84 days.<p style='opacity:0'>Say 12.")
    command = ["text", str(tmp_path / "leave.html"), "--data-dir", str(tmp_path / "data")]
    found = CliRunner().invoke(pages_app, command)
    assert found.exit_code == 0, found.output
    assert "## Leave  #a\n84 days.\n" in found.stdout
    assert "Say 12" not in found.stdout
