"""The text of a message of Slack that stands in its blocks alone, in Slack's own markup.

Slack's editor sends `text` beside the blocks; some clients and workflows send blocks only. Kinds of elements:
https://docs.slack.dev/reference/block-kit/blocks/rich-text-block and …/blocks/section-block, context-block,
markdown-block. What was shared without a word of one's own stands in an attachment.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping

from bot.channels.incoming import to_object, to_objects, to_text
from core.text import Json

_MOST_DEPTH = 6
_LINES = frozenset({"rich_text_section", "rich_text_preformatted", "rich_text_quote", "rich_text_list"})


def read_shared(attachments: object) -> str:
    """Return the text of a message that was shared, "" where none was."""
    shared = (one for one in to_objects(attachments) if one.get("is_share") is True)
    return next((text for one in shared if (text := to_text(one.get("text")).strip())), "")


def read_blocks(blocks: object) -> str:
    """Return what the blocks say; nothing of a kind that says nothing (an image, a button)."""
    return "\n".join("".join(_read(block, _MOST_DEPTH)).strip("\n") for block in to_objects(blocks)).strip()


def _read(element: Json, depth: int) -> Iterator[str]:
    kind = to_text(element.get("type"))
    if kind in _LEAVES:
        yield _LEAVES[kind](element)
    elif depth and (kind == "rich_text" or kind in _LINES):
        for one in to_objects(element.get("elements")):
            yield from _read(one, depth - 1)
        yield "\n" if kind in _LINES else ""


def _escape(name: str) -> Callable[[Json], str]:
    """Return what reads a field that is no markup, as it would stand in markup."""
    return lambda element: html.escape(to_text(element.get(name)), quote=False)


def _read_section(element: Json) -> str:
    told = [to_object(element.get("text")), *to_objects(element.get("fields"))]
    return "\n".join(filter(None, (to_text(one.get("text")) for one in told)))


def _read_context(element: Json) -> str:
    told = to_objects(element.get("elements"))
    return " ".join(filter(None, (to_text(one.get("text")) for one in told)))


_LEAVES: Mapping[str, Callable[[Json], str]] = {
    "text": _escape("text"),
    "markdown": _escape("text"),
    "date": _escape("fallback"),
    "section": _read_section,
    "header": _read_section,
    "context": _read_context,
    "link": lambda element: f"<{to_text(element.get('url'))}>",
    "user": lambda element: f"<@{to_text(element.get('user_id'))}>",
    "channel": lambda element: f"<#{to_text(element.get('channel_id'))}>",
}
"""Kinds of elements that say something by themselves."""
