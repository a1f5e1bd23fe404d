"""Cards, drawn and checked: within Microsoft's schema, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from core.text import utf16_bytes

SITE = "https://bot.example/"


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a card."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from parts(child)


Json = dict[str, Any]
Check = Callable[[Json], None]
MAX_BYTES = 80_000


def as_old(node: Any) -> Any:
    """Return a card as a client reads it that knows no stars: the fallback stands in their place."""
    if isinstance(node, list):
        return [as_old(part) for part in node]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(node, dict):
        return node
    known: Json = node["fallback"] if node.get("type") == "Input.Rating" else node  # pyright: ignore
    return {name: as_old(part) for name, part in known.items()}


def checked(name: str, card: Json, valid: Check) -> None:
    """Check what holds of every card."""
    valid(as_old(card))
    assert utf16_bytes({"attachments": [{"content": card}]}) < MAX_BYTES, name
    for part in parts(card):
        if part.get("type") == "Action.Execute":
            old = part["fallback"]
            assert old["type"] == "Action.Submit"
            assert (old["data"], old["title"], part["verb"]) == (
                part["data"],
                part["title"],
                part["data"]["verb"],
            )
        if part.get("type") == "Input.Rating":
            assert part["fallback"]["type"] == "Input.ChoiceSet"
            assert part["fallback"]["id"] == part["id"]
        assert part.get("type") != "TextBlock"  # which would render Markdown


def shape_of(node: Any) -> Any:
    """Return a card without the words of people and pages; what the schema could mind about them stays."""
    if isinstance(node, dict):
        return {name: shape_of(part) for name, part in node.items()}  # pyright: ignore
    if isinstance(node, list):
        return [shape_of(part) for part in node]  # pyright: ignore
    if isinstance(node, str) and node.startswith(("Input.", "Action.")):
        return node
    return (type(node).__name__, bool(node)) if isinstance(node, str) else node
