"""Blocks of a Notion page → HTML, which is read like any other page's.

Source: developers.notion.com, Block. Pages below a page, databases, files and embedded pages are not text
of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, cast

from pages.sources.foreign import find_object, find_objects, find_text, frame_html

_TAGS = {
    "paragraph": "p",
    "heading_1": "h2",
    "heading_2": "h3",
    "heading_3": "h4",
    "bulleted_list_item": "li",
    "numbered_list_item": "li",
    "to_do": "li",
    "toggle": "div",
    "quote": "blockquote",
    "callout": "div",
    "code": "pre",
}
_LISTS = {"bulleted_list_item": "ul", "numbered_list_item": "ol", "to_do": "ul"}
NOT_TEXT = frozenset({"child_page", "child_database", "unsupported", "breadcrumb", "table_of_contents"})


@dataclass(slots=True)
class Block:
    """A block with those below it."""

    content: Mapping[str, Any]
    below: list[Block] = field(default_factory=list["Block"])

    @property
    def kind(self) -> str:
        return find_text(self.content, "type")


def build_html(title: str, blocks: Sequence[Block]) -> str:
    """Return a page as HTML."""
    return frame_html(title, _write(blocks))


def read_title(page: Mapping[str, Any]) -> str:
    """Return the title of a page, which is one of its properties."""
    for value in find_object(page, "properties").values():
        if find_text(value, "type") == "title":
            return _join_text(find_objects(value, "title"))
    return ""


def _write(blocks: Sequence[Block]) -> str:
    """Write blocks one after the other; items that follow each other are one list."""
    written: list[str] = []
    opened = ""
    for block in blocks:
        wanted = _LISTS.get(block.kind, "")
        if wanted != opened:
            written.append(f"</{opened}>" * bool(opened) + f"<{wanted}>" * bool(wanted))
            opened = wanted
        written.append(_write_one(block))
    return "".join(written) + f"</{opened}>" * bool(opened)


def _write_one(block: Block) -> str:
    kind = block.kind
    value = find_object(block.content, kind)
    if kind == "table":
        return f"<table>{''.join(_write_row(row) for row in block.below)}</table>"
    if kind == "equation":
        return f"<p>{escape(find_text(value, 'expression'))}</p>"
    text = escape(_join_text(find_objects(value, "rich_text")))
    tag = _TAGS.get(kind)
    below = _write(block.below)
    if tag is None:
        return f"<div>{text}{below}</div>" if text or below else ""
    if tag.startswith("h"):  # a heading may be one that opens what is below it
        return f"<{tag}>{text}</{tag}>{below}"
    return f"<{tag}>{text}{below}</{tag}>"


def _write_row(block: Block) -> str:
    cells: object = find_object(block.content, "table_row").get("cells")
    if not isinstance(cells, list):
        return ""
    each = [find_objects({"cell": cell}, "cell") for cell in cast("list[object]", cells)]
    return f"<tr>{''.join(f'<td>{escape(_join_text(cell))}</td>' for cell in each)}</tr>"


def _join_text(parts: Sequence[Mapping[str, Any]]) -> str:
    return "".join(find_text(part, "plain_text") for part in parts)
