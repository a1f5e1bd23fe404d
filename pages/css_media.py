"""Whether a media query holds on the screen that pages are looked at in: 1280 × 720 pixels, light, with a mouse."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tinycss2

from pages.css_values import SCREEN, pixels, split_at_commas

_SIZES = {"width": SCREEN[0], "inline-size": SCREEN[0], "height": SCREEN[1], "block-size": SCREEN[1]}
_NOT_HERE = {
    "prefers-color-scheme": "dark",
    "prefers-reduced-motion": "reduce",
    "prefers-contrast": "more",
    "forced-colors": "active",
    "inverted-colors": "inverted",
    "hover": "none",
    "any-hover": "none",
    "pointer": "coarse",
    "scripting": "none",
    "orientation": "portrait",
    "display-mode": "standalone",
    "update": "none",
}
_SIGN = re.compile(r"([<>]=?|=)")
_NAME = re.compile(r"[a-z-]+")
_TURNED = str.maketrans("<>", "><")
_DEEPEST = 10


def holds(media: str) -> bool:
    """Return whether one of the queries holds; an empty list does. What is not known is taken to hold."""
    found = tinycss2.parse_component_value_list(media, skip_comments=True)
    bare = (token for token in found if token.type != "whitespace")
    return any(_query(query, 0) for query in split_at_commas(bare))


def _query(query: Sequence[Any], depth: int) -> bool:
    found: list[bool] = []
    negated = either = False
    for token in query:
        if token.type == "ident":
            word = token.lower_value
            negated |= word == "not"
            either |= word == "or"
            if word not in {"not", "and", "or", "only"}:
                found.append(word not in {"print", "speech", "tty", "braille", "embossed", "handheld"})
        elif token.type == "() block" and depth < _DEEPEST:
            found.append(_condition(token, depth + 1))
    return (any(found) if either else all(found)) != negated


def _condition(block: Any, depth: int) -> bool:
    inner = [token for token in block.content if token.type != "whitespace"]
    if any(token.type == "() block" for token in inner):
        return _query(inner, depth)
    written = tinycss2.serialize(block.content).strip().lower()
    name, colon, value = (part.strip() for part in written.partition(":"))
    if not colon:
        return _in_range(written)
    if name in _NOT_HERE:
        return value != _NOT_HERE[name]
    for bound, sign in (("min-", ">="), ("max-", "<=")):
        if name.startswith(bound):
            return _compared(name.removeprefix(bound), sign, value)
    return _compared(name, "=", value)


def _in_range(written: str) -> bool:
    """Read "width >= 600px", "600px <= width" and "400px <= width <= 700px"."""
    parts = [part.strip() for part in _SIGN.split(written)]
    match parts:
        case [name, sign, value] if _NAME.fullmatch(name):
            return _compared(name, sign, value)
        case [value, sign, name]:
            return _compared(name, sign.translate(_TURNED), value)
        case [low, sign, name, other, high]:
            return _compared(name, sign.translate(_TURNED), low) and _compared(name, other, high)
        case _:
            return True


def _compared(name: str, sign: str, value: str) -> bool:
    here, there = _SIZES.get(name), pixels(value)
    if here is None or there is None:
        return True
    if sign == "=":
        return here == there
    return (here >= there if sign.startswith(">") else here <= there) and (
        sign.endswith("=") or here != there
    )
