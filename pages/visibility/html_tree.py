"""Trees of HTML and XML: parsed with every dangerous door shut, walked without recursion.

lxml has no types of its own; `Element` names the little of it that we use, so that the rest of the code is
checked.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, Protocol, cast

from lxml import etree, html

from core.phrases import mark
from pages.fetched import PageUnreadable


class Element(Protocol):
    """An element of a tree."""

    tag: Any
    text: str | None
    tail: str | None

    def get(self, key: str) -> str | None: ...
    def set(self, key: str, value: str) -> None: ...
    def iter(self, *tags: str) -> Iterator[Element]: ...
    def iterancestors(self) -> Iterator[Element]: ...
    def iterchildren(self) -> Iterator[Element]: ...
    def iterdescendants(self, *tags: str) -> Iterator[Element]: ...
    def itertext(self) -> Iterator[str]: ...
    def find(self, path: str) -> Element | None: ...
    def findall(self, path: str) -> list[Element]: ...
    def getprevious(self) -> Element | None: ...
    def getnext(self) -> Element | None: ...
    def getparent(self) -> Element | None: ...
    def items(self) -> list[tuple[str, str]]: ...
    def append(self, element: Element) -> None: ...
    def clear(self, *, keep_tail: bool) -> None: ...


MOST_ELEMENTS = 200_000
"""Largest tree; about 15 s of work on a busy machine."""

# Invisible characters carry instructions that no reader sees (tag characters) or reverse what is read (bidi).
_INVISIBLE = re.compile("[\u00ad\u200b\u2060-\u2064\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
_SPACES = re.compile(r"\s+")


def parse_html(text: str) -> Element | None:
    """Parse HTML of any quality; None when there is no element in it. Nothing is loaded, no entity expanded.

    Raises PageUnreadable for trees that would take minutes to walk.
    """
    parser = html.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=True, remove_comments=True, remove_pis=True
    )  # a huge tree is 2,048 levels deep, another one 256: what lies deeper is lost
    try:
        root = cast("Element", html.document_fromstring(visible(text).encode(), parser=parser))
    except (etree.ParserError, ValueError):
        return None
    if sum(1 for _ in root.iter("*")) > MOST_ELEMENTS:
        raise PageUnreadable(
            mark("That page consists of more than {most} pieces; please send a part of it."),
            most=MOST_ELEMENTS,
        )
    return root


def parse_xml(body: bytes) -> Element | None:
    """Parse XML without entities, network or DTD; None when it is not well-formed."""
    return _parse_xml(body, recover=False)


def parse_cut_xml(body: bytes) -> Element | None:
    """Return what can be read of XML that is not well-formed, such as a file that is cut off."""
    return _parse_xml(body, recover=True)


def _parse_xml(body: bytes, *, recover: bool) -> Element | None:
    parser = etree.XMLParser(
        recover=recover,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return cast("Element | None", etree.fromstring(body, parser=parser))
    except (etree.XMLSyntaxError, ValueError):
        return None


def walk(root: Element) -> Iterator[tuple[Literal["start", "end"], Element]]:
    """Yield every element when it opens and when it closes, in document order, without recursion."""
    yield from cast(
        "Iterator[tuple[Literal['start', 'end'], Element]]", etree.iterwalk(root, events=("start", "end"))
    )


def visible(text: str) -> str:
    """Return text without control characters and without characters that a reader cannot see."""
    return _INVISIBLE.sub("", _CONTROL.sub("", text))


def to_one_line(text: str) -> str:
    """Return text as it reads in one line."""
    return _SPACES.sub(" ", visible(text)).strip()


def empty(element: Element) -> None:
    """Make nothing of an element; taking it out would copy the text around it, once for each of thousands."""
    element.clear(keep_tail=True)
    element.tag = "span"
