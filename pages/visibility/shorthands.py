"""CSS shorthands → longhands: what `background`, `font` or `inset` stand for.

Only what can hide text is kept. A shorthand that has a `var()` in it is taken apart once that is replaced:
until then its longhands hold it whole (`PENDING`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from pages.visibility.values import colour, functions, number, pieces, pixels, words

PENDING = "\x00"

_KEPT = frozenset(
    [
        "animation",
        "animation-fill-mode",
        "animation-name",
        "background-clip",
        "background-color",
        "background-image",
        "bottom",
        "clip",
        "clip-path",
        "color",
        "color-scheme",
        "content-visibility",
        "display",
        "filter",
        "float",
        "font-size",
        "grid-template-rows",
        "height",
        "left",
        "letter-spacing",
        "line-height",
        "margin-left",
        "margin-right",
        "margin-top",
        "mask-image",
        "max-height",
        "max-width",
        "opacity",
        "overflow-x",
        "overflow-y",
        "position",
        "right",
        "rotate",
        "scale",
        "text-decoration-line",
        "text-fill-color",
        "text-indent",
        "text-security",
        "text-shadow",
        "top",
        "transform",
        "transition",
        "translate",
        "visibility",
        "width",
        "z-index",
        "zoom",
    ]
)
_SAME_AS = {
    "inset-inline-start": "left",
    "inset-inline-end": "right",
    "inset-block-start": "top",
    "inset-block-end": "bottom",
    "margin-inline-start": "margin-left",
    "margin-inline-end": "margin-right",
    "margin-block-start": "margin-top",
    "inline-size": "width",
    "block-size": "height",
    "max-inline-size": "max-width",
    "max-block-size": "max-height",
    "text-decoration": "text-decoration-line",
    "transition-property": "transition",
    "overflow-inline": "overflow-x",
    "overflow-block": "overflow-y",
}
_DISPLAYS = frozenset(
    [
        "block",
        "contents",
        "flex",
        "flow",
        "flow-root",
        "grid",
        "inline",
        "inline-block",
        "inline-flex",
        "inline-grid",
        "inline-table",
        "list-item",
        "math",
        "none",
        "ruby",
        "table",
        "table-caption",
        "table-cell",
        "table-column",
        "table-column-group",
        "table-footer-group",
        "table-header-group",
        "table-row",
        "table-row-group",
        "-webkit-box",
        "-webkit-inline-box",
        "-webkit-flex",
        "-ms-flexbox",
        "-ms-grid",
        "run-in",
    ]
)
_FONT_SIZES = frozenset(
    [
        "xx-small",
        "x-small",
        "small",
        "medium",
        "large",
        "x-large",
        "xx-large",
        "xxx-large",
        "smaller",
        "larger",
    ]
)
_OF_ALL = frozenset(["inherit", "initial", "unset", "revert", "revert-layer"])
_LENGTHS = frozenset(
    [
        "bottom",
        "height",
        "left",
        "margin-left",
        "margin-right",
        "margin-top",
        "max-height",
        "max-width",
        "right",
        "text-indent",
        "top",
        "width",
    ]
)
_SIDES = ("top", "right", "bottom", "left")


def longhands(name: str, value: str) -> list[tuple[str, str]]:
    """Return the longhands that a declaration sets, with their values.

    None for what cannot hide, or is not valid.
    """
    name = name.lower()
    if name.startswith("--"):
        return [(name.strip(), value)]
    name = name.removeprefix("-webkit-").removeprefix("-moz-").removeprefix("-ms-")
    name = _SAME_AS.get(name, name)
    value = value.strip()
    if name in _SHORTHANDS:
        if "var(" in value.lower():
            return [(one, f"{PENDING}{name} {value}") for one in _SHORTHANDS[name][0]]
        if value.lower() in _OF_ALL:
            return [(one, value.lower()) for one in _SHORTHANDS[name][0]]
        return [pair for pair in _SHORTHANDS[name][1](value) if is_valid(*pair)]
    return [(name, value)] if name in _KEPT and is_valid(name, value) else []


def unpack_longhand(name: str, value: str) -> str:
    """Return a longhand's value from a shorthand that was kept whole; "" where it sets none."""
    shorthand, _, whole = value.removeprefix(PENDING).partition(" ")
    return dict(longhands(shorthand, whole)).get(name, "")


@lru_cache(maxsize=8192)
def is_valid(name: str, value: str) -> bool:
    """Tell whether browsers take a value; of properties that are not looked into, all."""
    low = value.lower()
    if low in _OF_ALL or "var(" in low:
        return True
    if name in _LENGTHS:
        return pixels(value) is not None or len(words(value)) == 1 or bool(functions(value))
    if name in {"color", "background-color", "text-fill-color"}:
        return colour(value) is not None or bool(functions(value))
    known: dict[str, Callable[[], bool]] = {
        "opacity": lambda: number(value) is not None,
        "display": lambda: bool(words(value)) and set(words(value)) <= _DISPLAYS,
        "visibility": lambda: low in {"visible", "hidden", "collapse"},
        "font-size": lambda: pixels(value) is not None or low in _FONT_SIZES or bool(functions(value)),
        "position": lambda: low in {"static", "relative", "absolute", "fixed", "sticky", "-webkit-sticky"},
    }
    return known[name]() if name in known else bool(value)


def _background(value: str) -> list[tuple[str, str]]:
    found = pieces(value)
    layers = [
        one for one in found if one.lower().startswith("url(") or "gradient(" in one.lower() or _is_set(one)
    ]
    last = [one for one in found if colour(one) is not None]
    clip = "text" if "text" in words(value) else "border-box"
    return [
        ("background-color", last[-1] if last else "transparent"),
        ("background-image", " ".join(layers) or "none"),
        ("background-clip", clip),
    ]


def _is_set(piece: str) -> bool:
    return any(name.endswith(("image-set", "cross-fade", "element", "paint")) for name, _ in functions(piece))


def _font(value: str) -> list[tuple[str, str]]:
    found = pieces(value)
    for at, piece in enumerate(found):
        if pixels(piece) is not None or piece.lower() in _FONT_SIZES or piece.lower().startswith("calc("):
            height = found[at + 2] if found[at + 1 : at + 2] == ["/"] and len(found) > at + 2 else "normal"
            return [("font-size", piece), ("line-height", height)]
    return []


def _sides(names: Iterable[str]) -> Callable[[str], list[tuple[str, str]]]:
    def split(value: str) -> list[tuple[str, str]]:
        found = pieces(value)
        if not 1 <= len(found) <= len(_SIDES):
            return []
        four = [found[0], found[1 % len(found)], found[2 % len(found)], found[-1]]
        if len(found) == 3:  # noqa: PLR2004 - top, both sides, bottom
            four[3] = found[1]
        return list(zip(names, four, strict=True))

    return split


def _overflow(value: str) -> list[tuple[str, str]]:
    found = words(value)
    return [("overflow-x", found[0]), ("overflow-y", found[-1])] if found else []


def _pair(first: str, second: str) -> Callable[[str], list[tuple[str, str]]]:
    def split(value: str) -> list[tuple[str, str]]:
        found = pieces(value)
        return [(first, found[0]), (second, found[-1])] if 1 <= len(found) <= 2 else []  # noqa: PLR2004

    return split


_MARGINS = tuple(f"margin-{side}" for side in _SIDES)
_SHORTHANDS: dict[str, tuple[tuple[str, ...], Callable[[str], list[tuple[str, str]]]]] = {
    "background": (("background-color", "background-image", "background-clip"), _background),
    "font": (("font-size", "line-height"), _font),
    "inset": (_SIDES, _sides(_SIDES)),
    "margin": (_MARGINS, _sides(_MARGINS)),
    "overflow": (("overflow-x", "overflow-y"), _overflow),
    "inset-inline": (("left", "right"), _pair("left", "right")),
    "inset-block": (("top", "bottom"), _pair("top", "bottom")),
    "margin-inline": (("margin-left", "margin-right"), _pair("margin-left", "margin-right")),
    "mask": (("mask-image",), lambda value: [("mask-image", value)]),
}
