"""Scanned pages: their text is read where that is set up, and they are said to be scanned otherwise."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from pages import kinds
from pages.fetched import Fetched, PageUnreadable
from pages.parse.ocr import RULES, OcrRules, find_problem, join_lines
from pages.parse.pdf.document import read_pdf
from pages.parse.sandbox import Sandbox
from tests.builders.pdf_files import Draw, make_pdf
from tests.needs import need

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
LINES = ("Every employee gets 26 days of paid", "leave a year. Ask your manager first.")


def scan(*lines: str) -> Draw:
    """Draw a page that is a picture of lines."""
    picture = Image.new("L", (1000, 1400), 255)
    for number, line in enumerate(lines):
        ImageDraw.Draw(picture).text((80, 100 + 60 * number), line, fill=0, font=ImageFont.load_default(40))

    def draw(canvas: Canvas) -> None:
        file = io.BytesIO()
        picture.save(file, "PNG")
        file.seek(0)
        canvas.drawImage(ImageReader(file), 0, 0, 595, 842)

    return draw


@pytest.fixture
def tesseract() -> None:
    need(Path("/usr/bin/tesseract"), "Tesseract is missing: install tesseract-ocr")
    assert not find_problem(["eng"])


@pytest.fixture
def rules() -> Iterator[None]:
    token = RULES.set(OcrRules(("eng",), pages=1, seconds=30))
    yield
    RULES.reset(token)


@pytest.mark.usefixtures("tesseract")
async def test_a_scanned_page_is_read_in_the_sandbox_between_its_neighbours() -> None:
    body = make_pdf("The first page has text of its own.", scan(*LINES), "So has the last one.")
    sandbox = Sandbox(60, ocr=OcrRules(("eng",)))
    try:
        page = await sandbox.extract(Fetched("https://h.test/a.pdf", body, kinds.PDF), NOON)
    finally:
        await sandbox.close()
    assert [one.anchor for one in page.sections] == ["page=1", "page=2", "page=3"]
    assert " ".join(LINES) in page.sections[1].text
    assert page.unread == ()
    assert "page 2" in page.left_out[-1]


@pytest.mark.usefixtures("tesseract", "rules")
def test_pages_over_the_limit_and_pictures_without_words_are_said_to_be_scanned() -> None:
    found = read_pdf(make_pdf("Text.", scan(*LINES), scan(*LINES)))
    assert [one.anchor for one in found.sections] == ["page=1", "page=2"]
    assert found.unread == ("Page 3 is only a picture, such as a scan: its text was not read.",)
    with pytest.raises(PageUnreadable, match="was scanned"):
        read_pdf(make_pdf(scan()))


def test_what_is_missing_is_said_beside_the_page_that_is_scanned() -> None:
    token = RULES.set(OcrRules(("no_language",)))
    try:
        found = read_pdf(make_pdf("Text.", scan(*LINES)))
    finally:
        RULES.reset(token)
    assert "Page 2 is only a picture" in found.unread[0]
    assert "not installed" in found.unread[0] or "is to install" in found.unread[0]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("The reim-\nbursement of\ncosts.\n\nSecond.\n", "The reimbursement of costs.\n\nSecond."),
        ("Mr. Smith-\nJones pays 20-\n30 euros.", "Mr. Smith- Jones pays 20- 30 euros."),
        ("\n\n \n", ""),
        ("Über-\nstunden  zählen.", "Überstunden zählen."),
    ],
)
def test_lines_become_paragraphs(lines: str, text: str) -> None:
    assert join_lines(lines) == text
