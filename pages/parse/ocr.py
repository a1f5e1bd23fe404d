"""Reads the text in scanned pages and pictures (OCR), by Tesseract, where it is set up; off otherwise.

    reader = open_reader()                      None where it is off
    found = reader.read(pixels, width, height)  None where nothing can be made out

Tesseract runs in this process (tesserocr, MIT): the one that reads foreign bytes starts no other program and
writes no file. It takes a second or two of a processor for a page, so pages and seconds are limited, and what
is over the limit is said to be a picture. The system has the languages: Debian's tesseract-ocr-deu …
"""

# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import importlib
import importlib.util
import re
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from core.phrases import Phrase, mark
from pages.fetched import PageUnreadable

DOTS = 200
"""Dots an inch at which a page is drawn: at 300 it takes twice the time and reads little better."""
MOST_PIXELS = 12_000_000
"""Largest picture, pixels: A3 at 200 dots an inch with some to spare; larger ones are drawn smaller."""
_LEAST_SURE = 45
"""Tesseract's mean confidence, 0 to 100, below which a picture is no text: photos come out at 0 to 40."""
_LEAST_WORDS = 2
_WORD = re.compile(r"\w{2,}")
_CUT = re.compile(r"(?<=\w)-\n(?=[^\W\d_A-Z])")
_FOLDERS = (
    "/usr/share/tesseract-ocr/*/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)


@dataclass(frozen=True, slots=True)
class OcrRules:
    """What is read of pictures: in which languages, how many pages of a file, for how many seconds."""

    languages: tuple[str, ...] = ()
    pages: int = 20
    seconds: float = 5.0


RULES: ContextVar[OcrRules | None] = ContextVar("RULES", default=None)
"""The rules of the file that is being read; off without them."""


@dataclass(frozen=True, slots=True)
class OcrText:
    """What stands in a picture: paragraphs, and how sure Tesseract is of it, 0 to 100."""

    text: str
    sure: int


class OcrReader:
    """Tesseract with the rules of one file. Close it."""

    def __init__(self, api: Any, rules: OcrRules) -> None:
        self._api = api
        self._left = rules.pages
        self._deadline = time.monotonic() + rules.seconds

    def has_time(self) -> bool:
        """Tell whether another picture may be read."""
        return self._left > 0 and time.monotonic() < self._deadline

    def read(self, pixels: bytes, width: int, height: int) -> OcrText | None:
        """Return what stands in a picture of one byte a pixel; None for nothing, or when its time is over."""
        self._left -= 1
        self._api.SetImageBytes(pixels, width, height, 1, width)
        self._api.SetSourceResolution(DOTS)
        left = int(1000 * (self._deadline - time.monotonic()))
        if left <= 0 or not self._api.Recognize(left):
            return None
        text, sure = join_lines(self._api.GetUTF8Text()), int(self._api.MeanTextConf())
        is_text = sure >= _LEAST_SURE and len(_WORD.findall(text)) >= _LEAST_WORDS
        return OcrText(text, sure) if is_text else None

    def close(self) -> None:
        """Give back its memory."""
        self._api.End()


def open_reader() -> OcrReader | None:
    """Return what reads pictures; None where that is off. Raises PageUnreadable where it cannot start."""
    rules = RULES.get()
    if rules is None or not rules.languages:
        return None
    problem = find_problem(rules.languages)
    if problem:
        raise PageUnreadable(problem)
    tesserocr = importlib.import_module("tesserocr")
    api = tesserocr.PyTessBaseAPI(path=_find_folder(rules.languages), lang="+".join(rules.languages))
    return OcrReader(api, rules)


def find_problem(languages: Sequence[str]) -> Phrase | None:
    """Return why pictures cannot be read in these languages, with what to do; None where they can."""
    if any(importlib.util.find_spec(name) is None for name in ("tesserocr", "PIL")):
        return Phrase(mark("Its text cannot be read here: the operator has to install the extra ocr."))
    if not _find_folder(languages):
        wanted = ", ".join(languages)
        return Phrase(
            mark("Its text cannot be read here: Tesseract's data for {languages} is not installed."),
            languages=wanted,
        )
    return None


def _find_folder(languages: Sequence[str]) -> str:
    """Return the folder with Tesseract's data of all the languages, "" for none."""
    found = [folder for pattern in _FOLDERS for folder in sorted(glob(pattern), reverse=True)]
    wanted = [f"{language}.traineddata" for language in languages]
    return next((one for one in found if all((Path(one) / name).is_file() for name in wanted)), "")


def join_lines(text: str) -> str:
    r"""Return paragraphs of what Tesseract gives line by line, words that were cut at line ends in one.

    >>> join_lines("The reim-\nbursement of\ncosts.\n\nSecond.\n")
    'The reimbursement of costs.\n\nSecond.'
    """
    whole = _CUT.sub("", text)
    paragraphs = (" ".join(part.split()) for part in whole.split("\n\n"))
    return "\n\n".join(part for part in paragraphs if part)


def describe(pages: Sequence[int], sure: int) -> str:
    """Return the sentence that says which text was recognised, and that it may be wrong."""
    what = f"page {pages[0]}" if len(pages) == 1 else f"pages {', '.join(map(str, pages))}"
    return f"Of {what}, a picture, the recognised text was read; it may have mistakes ({sure} % sure)."
