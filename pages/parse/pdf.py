"""PDF → one section a page, within bounds: a hostile file must cost seconds, not a thread.

pypdf bounds what its streams may unpack to, tightened here; on top of that the pages, the text and the time
of the whole file are limited. The clock is read at every drawing operation, because forms that draw forms
multiply.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

from pypdf import PdfReader, apply_configuration
from pypdf.errors import PyPdfError

from core.records import Section
from pages.fetched import PageUnreadable
from pages.visibility.html_tree import to_one_line, visible

MOST_PAGES = 2000
MOST_TEXT = 3_000_000
LONGEST_S = 60.0

_MEGABYTE = 1_000_000
_BROKEN = "That PDF is damaged and cannot be read; please send another copy of it."
_NO_TITLE = ("microsoft word -", "microsoft powerpoint -", "untitled", "anonymous")


class _TooSlowError(Exception):
    """The file's time is over."""


def read_pdf(body: bytes, longest_s: float = LONGEST_S) -> tuple[str, tuple[Section, ...]]:
    """Return the title that the file gives itself ("" for none) and its pages that have text.

    Each section's anchor is `page=N`, which browsers understand. Raises PageUnreadable.
    """
    deadline = time.monotonic() + longest_s
    try:
        with apply_configuration(
            zlib_maximum_output_length=20 * _MEGABYTE,
            lzw_maximum_output_length=20 * _MEGABYTE,
            run_length_maximum_output_length=20 * _MEGABYTE,
            array_based_stream_maximum_output_length=20 * _MEGABYTE,
            stream_decoding_work_maximum_length=60 * _MEGABYTE,
            stream_parsing_work_maximum_count=500_000,
        ):
            return _read(body, deadline)
    except PageUnreadable:
        raise
    except _TooSlowError:
        raise PageUnreadable(
            f"That PDF takes longer than {longest_s:g} seconds to read; please send a simpler or shorter one."
        ) from None
    except PyPdfError as error:
        raise PageUnreadable(_BROKEN) from error
    except Exception as error:
        raise PageUnreadable(_BROKEN) from error


def _read(body: bytes, deadline: float) -> tuple[str, tuple[Section, ...]]:
    reader = PdfReader(io.BytesIO(body), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise PageUnreadable("That PDF is protected by a password; please send one that is not.")
    pages = len(reader.pages)
    if pages > MOST_PAGES:
        raise PageUnreadable(
            f"That PDF has {pages:,} pages; I read at most {MOST_PAGES:,}. Please send a part of it."
        )
    sections = tuple(_sections(reader, deadline))
    if not sections:
        raise PageUnreadable(
            "That PDF has no text in it, only pictures; please send one whose text can be selected."
        )
    return _title(reader), sections


def _sections(reader: PdfReader, deadline: float) -> Iterator[Section]:
    room = MOST_TEXT

    def check_clock(*_: object) -> None:
        if time.monotonic() > deadline:
            raise _TooSlowError

    for number, page in enumerate(reader.pages, start=1):
        check_clock()
        text = _tidy(page.extract_text(visitor_operand_before=check_clock))
        room -= len(text)
        if room < 0:
            raise PageUnreadable(
                f"That PDF has more than {MOST_TEXT:,} characters; please send a part of it."
            )
        if text:
            yield Section(f"Page {number}", f"page={number}", text)


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in visible(text).split("\n"))
    return "\n".join(line for line in lines if line)


def _title(reader: PdfReader) -> str:
    written = reader.metadata.title if reader.metadata else None
    title = to_one_line(str(written or ""))
    return "" if title.lower().startswith(_NO_TITLE) else title
