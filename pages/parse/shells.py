"""Pages that are empty until their scripts have run, and old ones of frames: what they say without.

A page with hardly a word of its own is a shell. What it has for readers without scripts (<noscript>), and
what it tells search engines of its questions and articles (JSON-LD of schema.org), is its text then. On any
other page neither is read: readers see something else, and nobody would see what is planted there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import urljoin

from core.phrases import mark
from core.records import Section
from pages.fetched import PageUnreadable
from pages.parse.plain_text import join_wrapped_lines
from pages.visibility.html_tree import Element, parse_html, to_one_line

SHELL_WORDS = 30
"""Words up to which a page is a shell."""
_ASKS_FOR_SCRIPTS = re.compile(r"java\s?script|\bscripts?\b|cookies", re.IGNORECASE)
_MORE = re.compile(r"<noscript\b|\bld\+json\b", re.IGNORECASE)
_LONGEST_JSON = 2_000_000
_MOST_NODES = 20_000
_MOST_FRAMES = 4
_BLOCK_ENDS = re.compile(r"<(?:br|/p|/li|/div|/h\d|/tr)\b[^>]{0,100}>", re.IGNORECASE)
_BREAK_BEFORE = r"\n\g<0>"
_HAS_TAGS = re.compile(r"<[a-z/][^>]{0,300}>|&[a-z#0-9]{2,8};", re.IGNORECASE)


def has_more(text: str) -> bool:
    """Tell whether a page has anything that is only read of shells."""
    return _MORE.search(text) is not None


def is_shell(sections: Iterable[Section]) -> bool:
    """Tell whether a page has hardly a word."""
    words = (word for section in sections for word in f"{section.heading} {section.text}".split())
    return sum(1 for _ in islice(words, SHELL_WORDS + 1)) <= SHELL_WORDS


def refuse_frames(root: Element, url: str) -> None:
    """Raise PageUnreadable with the addresses of the frames, where a page is made of frames."""
    if root.find(".//frameset") is None:
        return
    named = (urljoin(url, frame.get("src") or "") for frame in root.iter("frame") if frame.get("src"))
    inside = ", ".join(one[:200] for one in islice(dict.fromkeys(named), _MOST_FRAMES))
    if not inside:
        raise PageUnreadable(
            mark("That page is made of frames, each a page of its own; please ask about one of them.")
        )
    raise PageUnreadable(
        mark("That page is made of frames, each a page of its own; please ask about one of them: {pages}."),
        pages=inside,
    )


def tells_without_scripts(root: Element) -> bool:
    """Tell whether a shell has text for readers without scripts, or for search engines. Changes the tree."""
    return bool(read_json_ld(root)) or open_noscript(root)


def open_noscript(root: Element) -> bool:
    """Make text of what is there for readers without scripts, but not of the request to allow them."""
    opened = False
    for element in list(root.iter("noscript")):
        said = to_one_line(" ".join(element.itertext()))
        above = element.getparent()
        if not said or (above is not None and above.tag == "head"):
            continue
        if _ASKS_FOR_SCRIPTS.search(said) and len(said.split()) <= 2 * SHELL_WORDS:
            continue
        element.tag = "div"
        opened = True
    return opened


def read_json_ld(root: Element) -> tuple[Section, ...]:
    """Return the questions with their answers, and the articles, that a page tells search engines of."""
    sections: list[Section] = []
    left = _LONGEST_JSON
    for script in root.iter("script"):
        if "ld+json" not in (script.get("type") or "").lower():
            continue
        written = script.text or ""
        left -= len(written)
        if left < 0:
            break
        try:
            found: Any = json.loads(written, strict=False)
        except (ValueError, RecursionError):
            continue
        sections += [one for node in _walk_nodes(found) for one in _read_node(node)]
    return tuple(dict.fromkeys(sections))


def _walk_nodes(found: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON text, in its order, without recursion."""
    stack: list[Any] = [found]
    for _ in range(_MOST_NODES):
        if not stack:
            return
        node = stack.pop()
        if isinstance(node, dict):
            yield node  # pyright: ignore[reportUnknownVariableType]
            stack.extend(reversed(list(node.values())))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        elif isinstance(node, list):
            stack.extend(reversed(node))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _read_node(node: dict[str, Any]) -> Iterator[Section]:
    for name in ("acceptedAnswer", "suggestedAnswer"):
        answers: Any = node.get(name)
        for answer in answers if isinstance(answers, list) else [answers]:  # pyright: ignore[reportUnknownVariableType]
            text = _read_text(answer.get("text")) if isinstance(answer, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            if text:
                yield Section(to_one_line(_read_text(node.get("name") or node.get("text"))), "", text)
                return
    text = _read_text(node.get("articleBody"))
    if text:
        yield Section(to_one_line(_read_text(node.get("headline") or node.get("name"))), "", text)
    if node.get("@type") == "HowToStep" and (text := _read_text(node.get("text"))):
        yield Section(to_one_line(_read_text(node.get("name"))), "", text)


def _read_text(value: Any) -> str:
    """Return a value's text; it may be HTML."""
    if not isinstance(value, str) or not value.strip():
        return ""
    if _HAS_TAGS.search(value):
        root = parse_html(f"<div>{_BLOCK_ENDS.sub(_BREAK_BEFORE, value)}</div>")
        value = "" if root is None else "".join(root.itertext())
    lines = [to_one_line(line) for line in value.split("\n")]
    return join_wrapped_lines(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip())
