"""PDF → title and sections, within bounds: a hostile file must cost seconds, not a thread.

PDFium (https://pdfium.googlesource.com/pdfium, in Chrome) reads the file, without scripts. It cannot be
stopped in the middle of a page, so this runs in a process that can be ended (`pages.parse.sandbox`); between
pages and within their text the clock is looked at.

A section begins at each heading and on each page, so that its anchor, `page=N`, opens the page on which its
words stand. A page without a heading above it is "Page N".
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from core.phrases import Phrase, mark
from core.records import Section
from pages.fetched import PageUnreadable
from pages.parse.extracted import Extracted, count_of
from pages.parse.ocr import DOTS, MOST_PIXELS, OcrReader, OcrText, describe, open_reader
from pages.parse.pdf.drawing import Box, read_drawing
from pages.parse.pdf.form_fields import align_fields, open_page
from pages.parse.pdf.glyphs import read_letters
from pages.parse.pdf.grids import Grid, find_grids, take_tables
from pages.parse.pdf.hyphens import Hyphens
from pages.parse.pdf.layout import Block, arrange
from pages.parse.pdf.paragraphs import Element, build_elements, find_style
from pages.parse.pdf.running_heads import PageText, drop_running_heads
from pages.parse.pdf.sections import build_sections, join_elements
from pages.visibility.html_tree import to_one_line

MOST_PAGES = 2000
MOST_TEXT = 3_000_000
LONGEST_S = 60.0

_BROKEN = mark("That PDF is damaged and cannot be read; please send another copy of it.")
_PASSWORD = mark("That PDF is protected by a password; please send one that is not.")
_SCANNED = mark(
    "That PDF has no text in it, only pictures: it was scanned. Please send one whose text can be selected."
)
_NO_TEXT = mark("That PDF has no text in it; please send one whose text can be selected.")
_NO_TITLE = ("microsoft word -", "microsoft powerpoint -", "microsoft excel -", "untitled", "anonymous")
_FILE_NAME = re.compile(r"[\\/]|\.(?:docx?|pptx?|xlsx?|odt|rtf|indd|tex|dvi|pdf|p65|qxd)$", re.IGNORECASE)
_CATALOG = re.compile(rb"/Type\s{0,4}/Catalog\b")
_OBJECT = re.compile(rb"\b(\d{1,9})\s(\d{1,5})\sobj\b")
_NEAR = 2_000  # bytes of an object before its type
_TITLE_PAGES = 2
_SHOWN_PAGES = 5


class _TooSlowError(Exception):
    """The file's time is over."""


def read_pdf(body: bytes, longest_s: float = LONGEST_S) -> Extracted:
    """Return the title that the file gives itself ("" for none), and its text. Raises PageUnreadable."""
    deadline = time.monotonic() + longest_s

    def check_clock() -> None:
        if time.monotonic() > deadline:
            raise _TooSlowError

    document = _open(body)
    try:
        return _read(document, check_clock)
    except _TooSlowError:
        raise PageUnreadable(
            mark(
                "That PDF takes longer than {seconds} seconds to read; please send a simpler or shorter one."
            ),
            seconds=longest_s,
        ) from None
    except pypdfium2.PdfiumError as error:
        raise PageUnreadable(_BROKEN) from error
    finally:
        document.close()


def _open(body: bytes) -> Any:
    try:
        return pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise PageUnreadable(_PASSWORD) from None
    catalog = _CATALOG.search(body)
    begun = list(_OBJECT.finditer(body, max(0, catalog.start() - _NEAR), catalog.start())) if catalog else []
    if not begun:
        raise PageUnreadable(_BROKEN)
    number, generation = int(begun[-1][1]), int(begun[-1][2])
    trailer = f"\ntrailer\n<</Root {number} {generation} R>>\nstartxref\n0\n%%EOF\n"
    try:  # cut off: what comes before the cut is all there
        return pypdfium2.PdfDocument(body + trailer.encode())
    except pypdfium2.PdfiumError as error:
        raise PageUnreadable(_BROKEN) from error


def _read(document: Any, check_clock: Callable[[], None]) -> Extracted:
    count = len(document)
    if count > MOST_PAGES:
        raise PageUnreadable(
            mark("That PDF has {count} pages; I read at most {most}. Please send a part of it."),
            count=count,
            most=MOST_PAGES,
        )
    if document.get_formtype() != pdfium.FORMTYPE_NONE:
        document.init_forms()
    reader = _PageReader(check_clock)
    for number in range(count):
        check_clock()
        reader.read(document, number)
    sections, title = reader.finish()
    pictures = _Pictures(reader.pictures)
    sections = pictures.add_to(sections, document)
    if not sections:
        raise pictures.refuse()
    return Extracted(
        _own_title(document) or title,
        sections,
        reader.unseen,
        (*reader.left_out(), *pictures.left_out()),
        (*pictures.say_unread(), *reader.unread()),
    )


class _Pictures:
    """The pages of a file that are only pictures, by their numbers; `unread` are those without text."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.unread = list(numbers)
        self.problem: Phrase | None = None
        self._read: dict[int, OcrText] = {}

    def add_to(self, sections: Sequence[Section], document: Any) -> tuple[Section, ...]:
        """Return the sections of a file with the text of its pictures among them, where that is read."""
        try:
            reader = open_reader() if self.unread else None
        except PageUnreadable as problem:
            self.problem = problem.sentence
            return tuple(sections)
        if reader is None:
            return tuple(sections)
        try:
            for number in list(self.unread):
                found = _read_picture(document, number, reader) if reader.has_time() else None
                if found is not None:
                    self._read[number] = found
                    self.unread.remove(number)
        finally:
            reader.close()
        more = [Section(f"Page {number}", f"page={number}", one.text) for number, one in self._read.items()]
        return tuple(sorted((*sections, *more), key=_page_of))

    def left_out(self) -> Iterator[str]:
        """Yield which text was recognised in pictures, in a sentence."""
        if self._read:
            yield describe(list(self._read), min(one.sure for one in self._read.values()))

    def say_unread(self) -> Iterator[str]:
        """Yield which pages could not be read, in a sentence."""
        if self.unread:
            why = f" {self.problem}" if self.problem else ""
            yield f"{_name_pages(self.unread)} only a picture, such as a scan: its text was not read.{why}"

    def refuse(self) -> PageUnreadable:
        """Return the refusal of a file without text."""
        if self.unread and self.problem:
            return PageUnreadable("{what} {why}", what=Phrase(_SCANNED), why=self.problem)
        return PageUnreadable(_SCANNED if self.unread else _NO_TEXT)


def _page_of(section: Section) -> int:
    return int(section.anchor.removeprefix("page="))


def _read_picture(document: Any, number: int, reader: OcrReader) -> OcrText | None:
    """Return what stands on a page that is a picture, drawn as large as it may be."""
    page = document[number - 1]
    inches = max(1.0, page.get_width() * page.get_height()) / 72**2
    dots = min(float(DOTS), (MOST_PIXELS / inches) ** 0.5)
    bitmap = page.render(scale=dots / 72, grayscale=True)
    page.close()
    rows = bytes(bitmap.buffer)
    pixels = b"".join(rows[at : at + bitmap.width] for at in range(0, len(rows), bitmap.stride))
    return reader.read(pixels, bitmap.width, bitmap.height)


class _PageReader:
    """What has been read of a file so far."""

    def __init__(self, check_clock: Callable[[], None]) -> None:
        self._check_clock = check_clock
        self._pages: list[PageText] = []
        self._grids: list[list[Grid]] = []
        self._room = MOST_TEXT
        self._dropped = 0
        self.unseen = 0
        self.pictures: list[int] = []
        self.damaged: list[int] = []

    def read(self, document: Any, number: int) -> None:
        """Read a page, counted from 0; one that is damaged is left out."""
        try:
            page, fields = open_page(document, number)
        except pypdfium2.PdfiumError:
            self.damaged.append(number + 1)
            return
        box: Box = page.get_bbox()
        drawing = read_drawing(page.raw)
        letters = read_letters(page.raw, box, drawing, self._check_clock)
        page.close()
        align_fields(letters.fragments, fields)
        self.unseen += letters.unseen
        self._room -= sum(len(one.text) for one in letters.fragments)
        if self._room < 0:
            raise PageUnreadable(
                mark("That PDF has more than {most} characters; please send a part of it."), most=MOST_TEXT
            )
        if not letters.fragments and drawing.pictures:
            self.pictures.append(number + 1)
        self._pages.append(PageText(number + 1, letters.fragments, box))
        self._grids.append(find_grids(drawing))

    def finish(self) -> tuple[tuple[Section, ...], str]:
        """Return the sections, and the title that the first pages show."""
        self._dropped = drop_running_heads(self._pages)
        laid_out = [(page.number, self._arrange(page, grids)) for page, grids in self._both()]
        blocks = [block for _, of_page in laid_out for block in of_page]
        style = find_style(blocks)
        hyphens = Hyphens(line.text for block in blocks if isinstance(block, list) for line in block)
        elements = [
            one for number, of_page in laid_out for one in build_elements(of_page, number, style, hyphens)
        ]
        self._check_clock()
        return build_sections(join_elements(elements, style, hyphens)), _shown_title(elements, style.size)

    def _both(self) -> Iterator[tuple[PageText, list[Grid]]]:
        return zip(self._pages, self._grids, strict=True)

    def _arrange(self, page: PageText, grids: Sequence[Grid]) -> list[Block]:
        self._check_clock()
        tables, rest = take_tables(grids, page.fragments)
        return arrange([*rest, *tables])

    def left_out(self) -> tuple[str, ...]:
        """Return what was left out and why, in sentences."""
        return (
            (f"{count_of(self._dropped, 'line')} of running heads, running feet and page numbers.",)
            if self._dropped
            else ()
        )

    def unread(self) -> Iterator[str]:
        """Yield what could not be read, in sentences."""
        if self.damaged:
            yield f"{_name_pages(self.damaged)} damaged and was not read."


def _name_pages(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN_PAGES]))
    more = f" and {len(numbers) - _SHOWN_PAGES:,} more" if len(numbers) > _SHOWN_PAGES else ""
    return f"Page {shown} is" if len(numbers) == 1 else f"Each of pages {shown}{more} is"


def _own_title(document: Any) -> str:
    title = to_one_line(str(document.get_metadata_value("Title") or "")).strip("()")
    is_none = title.lower().startswith(_NO_TITLE) or _FILE_NAME.search(title)
    return "" if is_none else title


def _shown_title(elements: Sequence[Element], usual: float) -> str:
    """Return the largest heading of the first pages."""
    headings = [
        one for one in elements if one.kind == "heading" and one.page <= _TITLE_PAGES and one.size > usual
    ]
    return max(headings, key=lambda one: one.size).text if headings else ""
