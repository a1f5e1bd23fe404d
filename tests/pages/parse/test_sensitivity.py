"""The sensitivity label of a page: from front matter and Office files, in the index, and below an answer."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pages import kinds
from pages.index.base import Indexes
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.parse.extract import extract
from tests.builders.office_files import make_word, word_paragraph, word_run
from tests.builders.pages import embedder, index, opening, page

__all__ = ["embedder", "index", "opening"]

NOW = datetime(2026, 11, 30, tzinfo=UTC)
ID = "2f3a5d80-1b2c-4d5e-8f90-a1b2c3d4e5f6"


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("sensitivity: Confidential", "Confidential"),
        ("Sensitivity: 'Confidential \\ All employees'", "Confidential \\ All employees"),
        ("sensitivity_label: Geheim", "Geheim"),
        ("label: internal", "internal"),
        ("label: Highly Confidential", "Highly Confidential"),
        ("label: Home", ""),
        ("label: Secret Santa", ""),
        ("sensitivity: [Confidential]", ""),
        ("sensitivity: 3", ""),
        ("sensitivity: ''", ""),
        ('sensitivity: "two\\nlines\\u0007"', "two lines"),
        (f"sensitivity: {'x' * 300}", "x" * 80),
        ("title: Leave", ""),
    ],
)
def test_a_front_matter_names_it(written: str, label: str) -> None:
    body = f"---\n{written}\n---\n# Leave\n\nYou get 30 days.\n".encode()
    found = extract(body, url="/site/leave.md", content_type="text/markdown", fetched_at=NOW)
    assert found.label == label


def properties(*pairs: tuple[str, str]) -> str:
    said = "".join(
        f'<property name="{name}"><vt:lpwstr xmlns:vt="urn:vt">{value}</vt:lpwstr></property>'
        for name, value in pairs
    )
    return f'<Properties xmlns="urn:custom">{said}</Properties>'


@pytest.mark.parametrize(
    ("pairs", "label"),
    [
        ([(f"MSIP_Label_{ID}_Enabled", "true"), (f"MSIP_Label_{ID}_Name", "Confidential")], "Confidential"),
        ([(f"MSIP_Label_{ID}_Name", "Internal")], "Internal"),
        ([(f"MSIP_Label_{ID}_Enabled", "false"), (f"MSIP_Label_{ID}_Name", "Confidential")], ""),
        ([("MSIP_Label_x_Name", "Confidential"), ("Project", "Leave")], ""),
        ([], ""),
    ],
)
def test_an_office_file_has_that_which_purview_wrote(pairs: list[tuple[str, str]], label: str) -> None:
    file = io.BytesIO(make_word(word_paragraph(word_run("You get 30 days."))))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("docProps/custom.xml", properties(*pairs))
    found = extract(file.getvalue(), url="/site/leave.docx", content_type=kinds.WORD, fetched_at=NOW)
    assert found.label == label


async def test_the_index_keeps_it_and_hears_of_another_one_without_reading_the_page_anew(
    index: Indexes,
) -> None:
    leave = replace(page("/site/leave", "You get 30 days of leave."), label="Internal")
    assert await index.add(leave, source="docs")
    assert not await index.add(replace(leave, label="Confidential"), source="docs")
    assert not await index.add(replace(leave, label="Public"), source=None)  # whoever pastes it says nothing
    entry, kept = index.entry("/site/leave"), await index.page("/site/leave")
    assert entry is not None
    assert kept is not None
    assert (entry.label, kept.label) == ("Confidential", "Confidential")
    await index.touch("/site/leave", source="docs", fetched_at=NOW)
    entry = index.entry("/site/leave")
    assert entry is not None
    assert entry.label == "Confidential"


async def test_an_index_of_before_has_pages_without_one(tmp_path: Path) -> None:
    before = await FileIndex.open(tmp_path, HashedEmbedder())
    await before.add(page("/site/leave", "You get 30 days."), source="docs")
    before._connection.execute("ALTER TABLE pages DROP COLUMN label")
    await before.close()
    opened = await FileIndex.open(tmp_path, HashedEmbedder())
    entry = opened.entry("/site/leave")
    assert entry is not None
    assert (entry.label, entry.passages) == ("", 1)
    await opened.close()
