"""The text of a message of Slack that stands in its blocks alone, in Slack's own markup.

Slack's editor sends `text` beside the blocks; some clients and workflows send blocks only. Kinds of elements:
https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from bot.channels.incoming import to_object, to_objects, to_text
from core.text import Json

_MOST_DEPTH = 6
_LINES = frozenset({"rich_text_section", "rich_text_preformatted", "rich_text_quote", "rich_text_list"})


def read_blocks(blocks: object) -> str:
    """Return what the blocks say; nothing of a kind that says nothing (an image, a button)."""
    return "\n".join("".join(_read(block, _MOST_DEPTH)).strip("\n") for block in to_objects(blocks)).strip()


def _read(element: Json, depth: int) -> Iterator[str]:
    match element.get("type"):
        case "text":
            yield html.escape(to_text(element.get("text")), quote=False)
        case "section" | "header":
            yield to_text(to_object(element.get("text")).get("text"))
        case "link":
            yield f"<{to_text(element.get('url'))}>"
        case "user":
            yield f"<@{to_text(element.get('user_id'))}>"
        case "channel":
            yield f"<#{to_text(element.get('channel_id'))}>"
        case kind if depth and (kind == "rich_text" or kind in _LINES):
            for one in to_objects(element.get("elements")):
                yield from _read(one, depth - 1)
            yield "\n" if kind in _LINES else ""
        case _:
            pass
