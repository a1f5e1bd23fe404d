"""Raised and lowered text as plain text: marks apart from the number before them, powers, fractions.

Glued to "25", a footnote's 1 would make 251 of it.
"""

from __future__ import annotations

import re
from itertools import islice

from pages.parse.elements.note_marks import NoteMarks, ends_with_unit
from pages.visibility.html_tree import Element, to_one_line

_LOOKED_AT = 20
"""Texts in raised text that are looked at."""
_LONGEST_MARK = 40
_SUPERSCRIPT = str.maketrans(
    "0123456789+-\u2212\u2013()",
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207b\u207b\u207d\u207e",
)
_DIGITS_UP = str.maketrans("0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
_DIGITS_DOWN = str.maketrans("0123456789", "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089")
_MARK = re.compile(r"[\d\[\](),;*\u2020\u2021\u00a7\u00b6# ]+")
_POWER = re.compile(r"[-+\u2212\u2013]?\d{1,4}")
_SIGNS = re.compile(r"\d?[-+\u2212\u2013]")
_AS_WRITTEN = re.compile(
    r"st|nd|rd|th|er|re|\u00e8re|e|eme|\u00e8me|ers|os?|as?|\u00ba|\u00aa|de|ste|ten|tm|sm|r|\(r\)|\u2122|\u00ae|\u00a9|c|lle|me|gr|nde"
)
_NOTE = re.compile(r"\(?\[?(?:[a-z]|(?:note|fn|nb|n\.)\s?\d{0,3}|[ivx]{1,5})\]?\)?")
_PRICE = re.compile(r"(?:[$\u20ac\u00a3\u00a5]\s?\d{1,6}|\d[.,])$")
_VARIABLE = re.compile(r"(?:\d|\b[^\W\d_]|\))$")
_RAISED_CLASS = re.compile(r"(?:^|\s)(?:superscript|sup|footnote-?ref(?:erence)?|fn-?ref|note-?ref)(?:\s|$)")
_RAISED_STYLE = re.compile(r"vertical-align\s*+:\s*+(?:super|text-top)")
_LONE = re.compile(r"(?:^|[^\w])[a-z]$")
_DEGREE = re.compile(r"[CF]\b")
_TO_NOTE = re.compile(r"#_?(?:fn|ftn|footnote|note|cite[_-]note|endnote|sdfootnote)", re.IGNORECASE)
_BACK = re.compile(r"backref|footnote-?back|reversefootnote|back-?link")
_BRACKETED = re.compile(r"[\[(]?\d{1,3}[\])]?|[*\u2020\u2021]{1,3}")
_SLASH = ("/", "\u2044", "\u2215")


def is_raised(element: Element) -> bool:
    """Tell whether an element is raised text, by its tag, style or class, or is a footnote's link."""
    if element.tag == "sup":
        return is_short(element)
    if element.tag not in {"a", "span", "em", "small", "font", "i", "b"}:
        return False
    style, classes = element.get("style") or "", element.get("class") or ""
    if (style and _RAISED_STYLE.search(style.lower())) or (classes and _RAISED_CLASS.search(classes.lower())):
        return is_short(element)
    noted = element.get("role") == "doc-noteref" or (
        element.tag == "a" and _TO_NOTE.match(element.get("href") or "") is not None
    )
    return noted and _BRACKETED.fullmatch(_text_in(element)) is not None


def is_way_back(element: Element) -> bool:
    """Tell whether a link leads from a footnote back to its mark."""
    return element.tag == "a" and (
        element.get("role") == "doc-backlink" or _BACK.search(element.get("class") or "") is not None
    )


def is_short(element: Element) -> bool:
    """Tell whether an element is short enough for a mark: nobody forgot to close it."""
    texts = list(islice(element.itertext(), _LOOKED_AT))
    return len(texts) < _LOOKED_AT and sum(map(len, texts)) <= _LONGEST_MARK


def write_raised(element: Element, before: str, marks: NoteMarks) -> str:
    """Return raised text as it is to be read behind `before`; `marks` are those of the page's notes."""
    said = _text_in(element)
    tail = (element.tail or "").lstrip()
    if said.isdigit() and tail.startswith(_SLASH):  # 2<sup>1</sup>/<sub>2</sub>
        return f" {said}" if before[-1:].isdigit() else said
    linked = element.tag == "a" or element.find(".//a") is not None or element.get("role") == "doc-noteref"
    if not linked and (whole := _write_number(said, before, tail)):
        return whole
    if _MARK.fullmatch(said):
        return f" {said.translate(_DIGITS_UP)}"
    if _POWER.fullmatch(said):
        return f" {said.translate(_SUPERSCRIPT)}"
    if mark := marks.read(said, before):
        return f" {mark} " if tail[:1].isalnum() else f" {mark}"
    return _write_letters(said, before, linked=linked)


def _write_number(said: str, before: str, tail: str) -> str:
    """Return what belongs to the number or unit before it: cents, a power, a degree; "" for anything else."""
    if len(said) == 2 and said.isdigit() and _PRICE.search(before):  # noqa: PLR2004 - cents
        return said if before.endswith((".", ",")) else f".{said}"
    if said in {"o", "0"} and before[-1:].isdigit() and _DEGREE.match(tail):
        return "\u00b0"
    is_power = _POWER.fullmatch(said) and ends_with_unit(before)
    return (
        said.translate(_SUPERSCRIPT) if is_power or (_SIGNS.fullmatch(said) and before[-1:].isalnum()) else ""
    )


def _write_letters(said: str, before: str, *, linked: bool) -> str:
    low = said.lower()
    if linked and _NOTE.fullmatch(low):
        return f" [{said.strip('[]()')}]"
    if low == "a" and _LONE.search(before):
        return f"^{said}"
    if _AS_WRITTEN.fullmatch(low):
        return said
    if len(said) <= 3 and _VARIABLE.search(before):  # noqa: PLR2004 - 2 to the power of n, x to that of 2n
        return f"^{said}"
    return f" {said} " if said else ""


def write_lowered(element: Element, before: str) -> str:
    """Return lowered text: H2O is written as it is searched; a base stands apart from its number."""
    said = _text_in(element)
    if before.endswith(_SLASH) or not before[-1:].isdigit():
        return said
    return said.translate(_DIGITS_DOWN) if said.isdigit() else f"_{said}"


def _text_in(element: Element) -> str:
    return to_one_line("".join(islice(element.itertext(), _LOOKED_AT)))
