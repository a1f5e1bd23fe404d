"""Notion as a source: pages by search, their blocks as text, trash, throttling, closed by default."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.readers import EVERYONE, NOBODY
from pages.fetch.client import FetchLimits
from pages.sources import SourceAccess
from tests.builders.source_reading import HERE, SourceReader
from tests.doubles.confluence import serve_on_loopback
from tests.doubles.notion import TOKEN, Notion, block, number

HOST = "api.example.com"


@pytest.fixture
async def notion() -> AsyncIterator[Notion]:
    notion = Notion()
    notion.add(1, "Handbook")
    notion.add(2, "Leave", parent=1)
    notion.add(3, "Private")
    notion.add(4, "Old", in_trash=True)
    notion.blocks = {
        1: [
            block(10, "paragraph", "Welcome to the handbook."),
            block(11, "child_page", below=1, title="Leave"),
        ],
        2: [
            block(20, "heading_1", "How many days"),
            block(21, "bulleted_list_item", "26 days a year", below=1),
            block(22, "bulleted_list_item", "5 days may be <carried> over"),
            block(23, "table", below=1),
        ],
        3: [block(30, "paragraph", "Notes of one person.")],
        21: [block(24, "paragraph", "also in the first year")],
        23: [_row(25, "Years", "Days"), _row(26, "1 to 5", "26"), _row(27, "6 and more", "28")],
    }
    async with serve_on_loopback(notion.answer) as notion.port:
        yield notion


def _row(of: int, *cells: str) -> dict[str, object]:
    row = {"cells": [[{"plain_text": cell}] for cell in cells]}
    return {"object": "block", "id": number(of), "type": "table_row", "table_row": row, "has_children": False}


@pytest.fixture
def reader(tmp_path: Path, notion: Notion) -> SourceReader:
    access = SourceAccess(tmp_path, notion_token=TOKEN, notion_url=f"http://{HOST}:{notion.port}")
    limits = FetchLimits(allowed_sites=("*", f"{HOST}:{notion.port}"))
    return SourceReader("notion+https://www.notion.so/#readers=everyone", access, {HOST: [HERE]}, limits)


async def test_pages_are_read_and_what_changed_or_went_to_the_trash_is_so_here(
    notion: Notion, reader: SourceReader
) -> None:
    collected = await reader.read()
    assert (collected.failure, collected.problems, collected.remarks) == ("", [], [])
    assert {page.title for page in collected.pages.values()} == {"Handbook", "Leave", "Private"}
    assert {page.readers for page in collected.pages.values()} == {EVERYONE}
    leave = next(page for page in collected.pages.values() if page.title == "Leave")
    text = "\n".join(section.text for section in leave.sections)
    for said in (
        "26 days a year",
        "also in the first year",
        "5 days may be <carried> over",
        "6 and more | 28",
    ):
        assert said in text
    assert "How many days" in {section.heading for section in leave.sections}

    notion.asked.clear()
    assert ((await reader.read()).unchanged, collected.fetched) == (3, 0)
    assert not [one for one in notion.asked if "/blocks/" in one]

    notion.add(2, "Leave", "2026-11-30T11:00:00.000Z", parent=1)
    notion.pages[3]["in_trash"] = True
    await reader.read()
    assert (collected.fetched, collected.unchanged, len(collected.pages)) == (1, 1, 2)


async def test_without_readers_its_pages_are_closed_and_a_page_is_read_with_those_below_it(
    reader: SourceReader,
) -> None:
    reader.source = f"notion+https://www.notion.so/example/Handbook-{number(1).replace('-', '')}"
    collected = await reader.read()
    assert {page.title for page in collected.pages.values()} == {"Handbook", "Leave"}
    assert {page.readers for page in collected.pages.values()} == {NOBODY}
    assert "#readers=everyone" in collected.remarks[0]


@pytest.mark.parametrize(
    ("fault", "token", "sentence"),
    [
        ({}, "wrong", "does not take the token"),
        ({}, "", "There is no token for Notion"),
        ({"endless": True}, TOKEN, "60 calls"),
        ({"busy": ["100000"]}, TOKEN, "longer pause"),
    ],
)
async def test_a_fault_is_one_sentence_and_nothing_is_forgotten(
    fault: dict[str, object], token: str, sentence: str, notion: Notion, reader: SourceReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    await reader.read()
    monkeypatch.setattr("pages.sources.rest.MOST_CALLS", 60)
    for name, value in fault.items():
        setattr(notion, name, value)
    reader.access = SourceAccess(reader.folder, notion_token=token, notion_url=reader.access.notion_url)
    collected = await reader.read()
    assert sentence in collected.failure
    assert TOKEN not in collected.failure + repr(reader.access)
    assert len(collected.pages) == 3


async def test_a_page_that_the_search_leaves_out_is_not_forgotten_while_it_is_there(
    notion: Notion, reader: SourceReader
) -> None:
    await reader.read()
    notion.unlisted = {2}
    collected = await reader.read()
    assert "is there and not listed" in collected.failure
    assert len(collected.pages) == 3
    del notion.pages[2]
    await reader.read()
    assert (collected.failure, len(collected.pages)) == ("", 2)


@pytest.mark.parametrize(
    "url", ["https://evil.example.com/x", "javascript:alert(1)", "http://notion.so.evil/x"]
)
async def test_a_page_is_opened_at_notion_whatever_its_address_says(
    url: str, notion: Notion, reader: SourceReader
) -> None:
    notion.pages = {3: {**notion.pages[3], "url": url}}
    (found,) = (await reader.read()).pages
    assert found.startswith("https://www.notion.so/")
