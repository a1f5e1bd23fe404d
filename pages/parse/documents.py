"""Files of programs (PDF, Office) → what they say: the reader of each kind.

A reader is imported when a file of its kind comes: the bot's own process never reads one.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from core.phrases import mark
from pages import kinds
from pages.fetched import PageUnreadable
from pages.parse.extracted import Extracted

_READERS = {
    kinds.PDF: "pdf.document:read_pdf",
    kinds.WORD: "office.word:read_word",
    kinds.SLIDES: "office.slides:read_slides",
    kinds.SHEETS: "office.sheets:read_sheets",
    kinds.OPEN_TEXT: "office.opendocument:read_opendocument",
    kinds.OPEN_SHEETS: "office.opendocument:read_opendocument",
    kinds.OPEN_SLIDES: "office.opendocument:read_opendocument",
    kinds.RICH_TEXT: "office.rich_text:read_rich_text",
    kinds.PICTURE: "picture:read_picture",
}


def is_document(content_type: str) -> bool:
    """Tell whether there is a reader of bytes for a kind."""
    return content_type in _READERS


def read_document(body: bytes, content_type: str) -> Extracted:
    """Return what a file says. Raises PageUnreadable, and MemoryError where memory ends."""
    module, name = _READERS[content_type].split(":")
    read: Callable[[bytes], Extracted] = getattr(import_module(f"pages.parse.{module}"), name)
    try:
        return read(body)
    except RecursionError as error:
        raise PageUnreadable(
            mark("That file is nested too deeply; please save it once more and send that.")
        ) from error
