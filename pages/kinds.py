"""The kinds of files that are read: their names' ends, their content types, and the sentence that lists them.

What a server calls them is often no help: a .csv comes as text/plain or as Excel, a .docx as a plain archive
or as bytes. Where the type says next to nothing, the end of the name decides.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from core.phrases import mark

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
WORD = f"{_OFFICE}wordprocessingml.document"
SLIDES = f"{_OFFICE}presentationml.presentation"
SHEETS = f"{_OFFICE}spreadsheetml.sheet"
OPEN_TEXT, OPEN_SHEETS, OPEN_SLIDES = f"{_OPEN}text", f"{_OPEN}spreadsheet", f"{_OPEN}presentation"
RICH_TEXT, CSV, MAIL, PDF = "application/rtf", "text/csv", "message/rfc822", "application/pdf"

TYPE_OF_SUFFIX = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".txt": "text/plain",
    ".pdf": PDF,
    ".docx": WORD,
    ".docm": WORD,
    ".pptx": SLIDES,
    ".pptm": SLIDES,
    ".ppsx": SLIDES,
    ".xlsx": SHEETS,
    ".xlsm": SHEETS,
    ".odt": OPEN_TEXT,
    ".ods": OPEN_SHEETS,
    ".odp": OPEN_SLIDES,
    ".rtf": RICH_TEXT,
    ".csv": CSV,
    ".tsv": CSV,
    ".eml": MAIL,
}
"""The files of a folder that are pages."""

DOCUMENTS = frozenset({PDF, WORD, SLIDES, SHEETS, OPEN_TEXT, OPEN_SHEETS, OPEN_SLIDES, RICH_TEXT, CSV, MAIL})
"""Kinds that are files of a program, not of the web."""

PICTURE = "image/*"
"""Any picture; it is read only where somebody sent it, never as a page of a folder or a site."""
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff"})
OTHER_PICTURES = frozenset({".svg", ".heic", ".heif", ".avif", ".ico"})
"""Pictures that are not read."""

READ_KINDS = frozenset(TYPE_OF_SUFFIX.values())
READABLE = mark(
    "HTML, Markdown, plain text, PDF, Word, PowerPoint, Excel, OpenDocument, RTF, CSV and mail (.eml)"
)
OLD_OFFICE = "old Office files (.doc, .xls, .ppt): please save them as .docx, .xlsx or .pptx"

_ALIASES = {
    "text/x-markdown": "text/markdown",
    "application/x-pdf": PDF,
    "text/rtf": RICH_TEXT,
    "application/x-rtf": RICH_TEXT,
    "application/csv": CSV,
    "text/tab-separated-values": CSV,
    "application/vnd.ms-word.document.macroenabled.12": WORD,
    "application/vnd.ms-excel.sheet.macroenabled.12": SHEETS,
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": SLIDES,
    f"{_OFFICE}presentationml.slideshow": SLIDES,
}
_SAYS_NOTHING = frozenset(
    {
        "",
        "application/octet-stream",
        "binary/octet-stream",
        "application/zip",
        "application/x-zip-compressed",
        "application/download",
        "application/force-download",
        "application/x-download",
        "application/vnd.ms-excel",
        "application/msword",
    }
)
_MAY_BE_TEXT = frozenset({"text/plain"})
_TEXT_FILES = frozenset({CSV, RICH_TEXT, MAIL, "text/markdown"})


def choose_kind(name: str, declared: str = "") -> str:
    """Return the kind of a file, "" for one that is not read: its name decides.

    >>> choose_kind("Plan.DOCX") == WORD, choose_kind("setup.exe"), choose_kind("notes", "text/plain")
    (True, '', 'text/plain')
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in TYPE_OF_SUFFIX:
        return TYPE_OF_SUFFIX[suffix]
    kind = _ALIASES.get(declared, declared)
    return kind if not suffix and kind in READ_KINDS else ""


def is_picture(name: str, declared: str = "") -> bool:
    """Tell whether a file that somebody sent is a picture, read or not."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix in PICTURES | OTHER_PICTURES or (
        suffix not in TYPE_OF_SUFFIX and declared.startswith("image/")
    )


def choose_sent_kind(name: str, declared: str = "") -> str:
    """Return the kind of a file that somebody sent in a chat, pictures among them; "" for one not read.

    >>> choose_sent_kind("board.JPG"), choose_sent_kind("a picture", "image/png"), choose_sent_kind("a.svg")
    ('image/*', 'image/*', '')
    """
    if not is_picture(name, declared):
        return choose_kind(name, declared)
    return "" if PurePosixPath(name).suffix.lower() in OTHER_PICTURES else PICTURE


def refine_type(declared: str, path: str) -> str:
    """Return the kind of what a server calls `declared`, at the path of an address."""
    by_name = TYPE_OF_SUFFIX.get(PurePosixPath(path).suffix.lower(), "")
    declared = _ALIASES.get(declared, declared)
    if by_name and (declared in _SAYS_NOTHING or (declared in _MAY_BE_TEXT and by_name in _TEXT_FILES)):
        return by_name
    return declared
