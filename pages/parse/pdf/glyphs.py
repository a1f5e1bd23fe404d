"""A page's letters → fragments: pieces of a line that stand together, with their place, size and weight.

PDFium has unfolded ligatures, put in the spaces that are only drawn as gaps, and marked hyphens at line ends.
What a reader does not see is left out here and counted.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium

from pages.parse.pdf.drawing import Box, Drawing, address, is_seen

_WIDE = 1.0
"""Gap that parts two fragments of a line, in sizes of their letters."""
_SAME_LINE = 0.3
_TALL = 0.6
"""How far letters reach above their line, in sizes: lines that stand close do not touch then."""
_GLUED = 0.12
_BOLD = 600
_BOLD_NAMES = (b"bold", b"black", b"heavy", b"demi")
_FIXED_NAMES = (b"courier", b"mono", b"consol", b"menlo", b"typewriter", b"cmtt")
_LONGEST_NAME = 128
_TINY = 1.5  # points
_LARGE = 14.0  # points
_SLANTED = 0.1  # radians
_AS_WRITTEN = {0x02: "-", 0xFFFE: "-", 0x00: " "}
"""What PDFium puts for a hyphen at the end of a line, and for a letter that the file does not explain."""
_LINE = re.compile(r"\S+(?: \S+)*")
_SURROGATES = range(0xD800, 0xE000)
_CHECK_EVERY = 500


_Number = ctypes.c_void_p
"""Pointers as numbers: these are called for every word."""
_text_object_at = ctypes.CFUNCTYPE(_Number, _Number, ctypes.c_int)(address(pdfium.FPDFText_GetTextObject))
_box_of = ctypes.CFUNCTYPE(ctypes.c_int, _Number, ctypes.c_int, _Number)(
    address(pdfium.FPDFText_GetLooseCharBox)
)


@dataclass(slots=True)
class Fragment:
    """Words that stand together: left and right edge and base line in points, turned upright."""

    text: str
    left: float
    right: float
    base: float
    size: float
    bold: bool
    fixed: bool = False
    """Whether all letters are of one width, as in code."""

    @property
    def low(self) -> float:
        return self.base

    @property
    def high(self) -> float:
        return self.base + _TALL * self.size


@dataclass(slots=True)
class Letters:
    """The fragments of a page in the order of the file; `unseen` pieces were left out."""

    fragments: list[Fragment]
    unseen: int = 0


@dataclass(slots=True)
class _Style:
    """What all letters of a text object have in common; `turn` is how the writing is turned, radians."""

    size: float
    bold: bool
    fixed: bool
    turn: float
    seen: bool


def read_letters(page: Any, box: Box, drawing: Drawing, check_clock: Callable[[], None]) -> Letters:
    """Return what a page says; `check_clock` is called now and then, and may raise."""
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return Letters([])
    try:
        reader = _Reader(text_page, box, drawing)
        words = list(reader.words(check_clock))
        return Letters(_join_words(words), reader.unseen)
    finally:
        pdfium.FPDFText_ClosePage(text_page)


class _Reader:
    """Cuts the letters of one page into words."""

    def __init__(self, text_page: Any, box: Box, drawing: Drawing) -> None:
        self._page, self._box, self._drawing = text_page, box, drawing
        self._handle = address(text_page)
        self._rect = pdfium.FS_RECTF()
        self._box_at = ctypes.addressof(self._rect)
        self._styles: dict[int, _Style] = {}
        self.unseen = 0

    def words(self, check_clock: Callable[[], None]) -> Iterator[Fragment]:
        """Yield the words that are seen, those of a line and of one style mostly as one."""
        text = self._text()
        for number, line in enumerate(_LINE.finditer(text)):
            if number % _CHECK_EVERY == 0:
                check_clock()
            for start, end in self._at_gaps(text, line.start(), line.end()):
                for first, last, style in self._in_one_style(start, end):
                    if style is not None and style.seen:
                        yield from self._word(text[first:last], first, last, style)

    def _at_gaps(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Cut a line into what is one text object without wide gaps, else into words.

        PDFium gives one space for a gap of any width, whether it was drawn as one, as many, or as none.
        """
        first, last = _text_object_at(self._handle, start), _text_object_at(self._handle, end - 1)
        style = self._style(start, None) if first is not None and first == last else None
        wide = _WIDE * style.size if style is not None else 0.0
        for at in range(start + 1, end):
            if text[at] == " " and (style is None or self._is_wide(at, wide)):
                if start < at:
                    yield start, at
                start = at + 1
        if start < end:
            yield start, end

    def _is_wide(self, at: int, wide: float) -> bool:
        """Tell whether the letters beside a space stand far from each other, in whatever direction."""
        _box_of(self._handle, at - 1, self._box_at)
        left, bottom, right, top = self._rect.left, self._rect.bottom, self._rect.right, self._rect.top
        _box_of(self._handle, at + 1, self._box_at)
        rect = self._rect
        across = max(rect.left - right, left - rect.right)
        return max(across, rect.bottom - top, bottom - rect.top) > wide

    def _text(self) -> str:
        """Return the letters, one for each of PDFium's numbers."""
        count = pdfium.FPDFText_CountChars(self._page)
        buffer = (ctypes.c_ushort * (count + 1))()
        written = pdfium.FPDFText_GetText(self._page, 0, count, buffer)
        units = list(buffer[:count])
        if written != count + 1 or any(unit in _SURROGATES for unit in units):
            units = [pdfium.FPDFText_GetUnicode(self._page, at) for at in range(count)]
        return "".join(map(chr, units)).translate(_AS_WRITTEN)

    def _in_one_style(self, start: int, end: int) -> Iterator[tuple[int, int, _Style | None]]:
        """Cut a word where its style changes: "25" and a raised "1" behind it."""
        style = self._style(start, None)
        if end - start == 1 or self._style(end - 1, style) is style:
            yield start, end, style
            return
        for at in range(start + 1, end):
            here = self._style(at, style)
            if here is not style:
                yield start, at, style
                start, style = at, here
        yield start, end, style

    def _style(self, at: int, last: _Style | None) -> _Style | None:
        key = _text_object_at(self._handle, at)
        if key is None:  # a hyphen or a space that PDFium put in belongs to what stands before it
            return last
        if key not in self._styles:
            self._styles[key] = self._read_style(at, pdfium.FPDFText_GetTextObject(self._page, at))
        return self._styles[key]

    def _read_style(self, at: int, item: Any) -> _Style:
        matrix = pdfium.FS_MATRIX()
        pdfium.FPDFText_GetMatrix(self._page, at, ctypes.byref(matrix))
        size = pdfium.FPDFText_GetFontSize(self._page, at) * math.hypot(matrix.b, matrix.d)
        box = self._letter_box(at)
        large = size >= _LARGE
        seen = size >= _TINY and is_seen(self._drawing, item, box, page=self._box, large=large)
        self.unseen += not seen
        turn = math.atan2(matrix.b, matrix.a)
        return _Style(size, *self._read_font(at), turn, seen)

    def _read_font(self, at: int) -> tuple[bool, bool]:
        """Return whether a letter is bold, and whether it is as wide as all others."""
        name, flags = ctypes.create_string_buffer(_LONGEST_NAME), ctypes.c_int()
        pdfium.FPDFText_GetFontInfo(self._page, at, name, _LONGEST_NAME, ctypes.byref(flags))
        named = any(word in name.value.lower() for word in _BOLD_NAMES)
        is_bold = named or pdfium.FPDFText_GetFontWeight(self._page, at) >= _BOLD
        fixed = bool(flags.value & 1) or any(word in name.value.lower() for word in _FIXED_NAMES)
        return is_bold, fixed

    def _letter_box(self, at: int) -> Box:
        box = pdfium.FS_RECTF()
        pdfium.FPDFText_GetLooseCharBox(self._page, at, ctypes.byref(box))
        return box.left, box.bottom, box.right, box.top

    def _word(self, text: str, start: int, end: int, style: _Style) -> Iterator[Fragment]:
        x, y = ctypes.c_double(), ctypes.c_double()
        pdfium.FPDFText_GetCharOrigin(self._page, start, ctypes.byref(x), ctypes.byref(y))
        quarter = round(style.turn / (math.pi / 2))
        if abs(style.turn - quarter * math.pi / 2) > _SLANTED:
            return  # "DRAFT" across the page
        first, last = self._letter_box(start), self._letter_box(end - 1)
        left, right, base = _upright(first, last, (x.value, y.value), quarter % 4)
        yield Fragment(text, left, max(left, right), base, style.size, style.bold, style.fixed)


def _upright(first: Box, last: Box, origin: tuple[float, float], quarter: int) -> tuple[float, float, float]:
    """Return left, right and base line of a word as they are when the page is turned to be read."""
    if quarter == 0:
        return min(first[0], last[0]), max(first[2], last[2]), origin[1]
    if quarter == 1:
        return min(first[1], last[1]), max(first[3], last[3]), -origin[0]
    if quarter == 2:  # noqa: PLR2004 - upside down
        return -max(first[2], last[2]), -min(first[0], last[0]), -origin[1]
    return -max(first[3], last[3]), -min(first[1], last[1]), origin[0]


def _join_words(words: list[Fragment]) -> list[Fragment]:
    """Join words of the same line and style that follow each other without a wide gap."""
    joined: list[Fragment] = []
    for word in words:
        last = joined[-1] if joined else None
        if last is None or not _follows(last, word):
            joined.append(word)
            continue
        space = " " if word.left - last.right > _GLUED * word.size else ""
        last.text += space + word.text
        last.right = max(last.right, word.right)
    return joined


def _follows(last: Fragment, word: Fragment) -> bool:
    size = max(last.size, word.size)
    return (
        (last.bold, last.fixed) == (word.bold, word.fixed)
        and abs(last.size - word.size) < _GLUED * size
        and abs(last.base - word.base) < _GLUED * size
        and -_SAME_LINE * size < word.left - last.right < _WIDE * size
    )
