"""Code in a tree, made ready to be read line by line; prose in <pre> made ready to be read as prose."""

from __future__ import annotations

import re
from itertools import islice

from pages.parse.plain_text import is_prose, join_wrapped_lines
from pages.visibility.html_tree import Element, empty

_GUTTER = re.compile(
    r"(?:^|[\s_-])(?:linenos?|linenodiv|line-?numbers?(?:-rows)?|lineno|gutter|ln-num(?:bers?)?|ln-n|blob-num)(?:$|[\s_-])"
)
_NUMBERS = re.compile(r"[\d\s]*")
_LINE = re.compile(r"(?:^|\s)(?:line|code-line|view-line|token-line|cl|hljs-line|codeline|row-line)(?:\s|$)")
_BLOCK = re.compile(r"display\s*+:\s*+(?:block|grid|flex|table-row)")
_LOOKED_AT = 2000
_GUTTERS_IN = ("td", "th", "span", "div", "pre", "a", "code")


def prepare_code(root: Element) -> None:
    """Drop the numbers beside code, and join the lines of <pre> that hold prose."""
    if next(root.iter("pre", "code"), None) is None:
        return
    for element in list(root.iter(*_GUTTERS_IN)):
        classes = element.get("class")
        if classes and _GUTTER.search(classes.lower()) and _is_numbers(element):
            empty(element)
    for block in root.iter("pre"):
        text = block.text or ""
        if next(block.iterchildren(), None) is None and "\n" in text and is_prose(text):
            block.text = join_wrapped_lines(text)


def is_code_line(element: Element) -> bool:
    """Tell whether an inline element in code is a line of it."""
    if element.tag not in {"span", "code"}:
        return False
    return (
        _LINE.search((element.get("class") or "").lower()) is not None
        or _BLOCK.search((element.get("style") or "").lower()) is not None
    )


def _is_numbers(element: Element) -> bool:
    return _NUMBERS.fullmatch("".join(islice(element.itertext(), _LOOKED_AT))) is not None
