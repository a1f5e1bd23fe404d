"""Scanned pages: their text is read where that is set up, and they are said to be scanned otherwise."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from pages import kinds
from pages.fetched import Fetched, PageUnreadable
from pages.parse.ocr import RULES, OcrRules, find_problem, join_lines
from pages.parse.pdf.document import read_pdf
from pages.parse.picture import read_picture
from pages.parse.sandbox import Sandbox
from tests.builders.pdf_files import Draw, make_pdf
from tests.builders.sent_files import a_picture
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
    assert "not installed" in found.unread[0] or "has to install" in found.unread[0]


def change_picture(change: Callable[[Image.Image], Image.Image], kind: str = "PNG", **more: Any) -> bytes:
    """Return a picture of the lines, changed."""
    file = io.BytesIO()
    change(Image.open(io.BytesIO(a_picture(*LINES)))).save(file, kind, **more)
    return file.getvalue()


def lay_on_nothing(picture: Image.Image) -> Image.Image:
    clear = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), mask=ImageOps.invert(picture))
    return clear


SIDEWAYS = Image.Exif()
SIDEWAYS[0x0112] = 6  # turn by 90 degrees, as telephones say it
PICTURES = {
    "dark letters": a_picture(*LINES),
    "a photo's format": a_picture(*LINES, kind="JPEG"),
    "light letters on dark": change_picture(ImageOps.invert),
    "letters on nothing": change_picture(lay_on_nothing),
    "a palette": change_picture(lambda picture: picture.convert("P"), "GIF"),
    "held sideways": change_picture(lambda picture: picture.rotate(90, expand=True), "JPEG", exif=SIDEWAYS),
}


@pytest.mark.usefixtures("tesseract", "rules")
@pytest.mark.parametrize("body", PICTURES.values(), ids=PICTURES)
def test_the_text_of_a_picture_is_read_however_it_is_kept(body: bytes) -> None:
    found = read_picture(body)
    assert found.sections[0].text == " ".join(LINES)
    assert "may have mistakes" in found.left_out[0]


@pytest.mark.usefixtures("tesseract")
def test_all_pages_of_a_fax_are_read() -> None:
    token = RULES.set(OcrRules(("eng",), pages=5, seconds=30))
    try:
        second = Image.open(io.BytesIO(a_picture("The second page is of the rules.")))
        found = read_picture(change_picture(lambda one: one, "TIFF", save_all=True, append_images=[second]))
    finally:
        RULES.reset(token)
    assert [one.text for one in found.sections] == [" ".join(LINES), "The second page is of the rules."]


def a_bomb() -> bytes:
    """Return the head of a picture of ten thousand million pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    body = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + body + struct.pack(">I", 9_000) + b"IDAT" + zlib.compress(b"\0" * 9_000)


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (a_bomb(), "too large"),
        (change_picture(lambda _: Image.new("1", (9_000, 9_000))), "too large"),
        (a_picture(*LINES)[:400], "damaged"),
        (b"%PDF-1.7", "damaged"),
        (b"", "damaged"),
        (a_picture(), "no text"),
    ],
)
async def test_hostile_and_empty_pictures_cost_seconds_and_a_sentence(body: bytes, sentence: str) -> None:
    sandbox = Sandbox(30, ocr=OcrRules(("eng",)))
    try:
        with pytest.raises(PageUnreadable, match=sentence):
            await sandbox.extract(Fetched("https://h.test/a.png", body, kinds.PICTURE), NOON)
    finally:
        await sandbox.close()


def test_where_it_is_off_it_is_said_what_to_do_with_a_picture() -> None:
    with pytest.raises(PageUnreadable, match=r"not switched on here\. Please type"):
        read_picture(a_picture(*LINES))


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
