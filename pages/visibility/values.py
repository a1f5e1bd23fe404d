"""Values of CSS properties: lengths in pixels, numbers, colours, and what shorthands stand for.

A value is a string as it stands in the style sheet, with `var()` replaced. What cannot be read is None:
browsers drop such a declaration, and so does whoever asks here. Lengths are of a screen of 1280 × 720 pixels.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import tinycss2
from tinycss2 import color5

Colour = tuple[float, float, float, float]
"""Red, green, blue and alpha, 0 to 1."""

SCREEN = (1280.0, 720.0)
"""Width and height of the window that pages are looked at in, pixels."""

_UNITS = {
    "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945, "rem": 16.0,
    "vw": 12.8, "vh": 7.2, "vmin": 7.2, "vmax": 12.8, "dvw": 12.8, "dvh": 7.2, "svw": 12.8, "svh": 7.2,
    "lvw": 12.8, "lvh": 7.2, "vi": 12.8, "vb": 7.2, "cqw": 12.8, "cqh": 7.2,
}  # fmt: skip
_FONT_UNITS = {"em": 1.0, "ex": 0.5, "ch": 0.5, "lh": 1.2, "rlh": 1.2, "ic": 1.0, "cap": 0.7}
_DEGREES = {"deg": 1.0, "grad": 0.9, "rad": 180 / math.pi, "turn": 360.0}
_SYSTEM_COLOURS: dict[str, Colour] = {
    "canvas": (1.0, 1.0, 1.0, 1.0),
    "field": (1.0, 1.0, 1.0, 1.0),
    "canvastext": (0.0, 0.0, 0.0, 1.0),
    "fieldtext": (0.0, 0.0, 0.0, 1.0),
    "linktext": (0.0, 0.0, 0.93, 1.0),
}
# XYZ → linear sRGB, for the two white points that CSS Color 4 has
_FROM_D65 = ((3.2410, -1.5374, -0.4986), (-0.9692, 1.8760, 0.0416), (0.0556, -0.2040, 1.0570))
_FROM_D50 = ((3.1343, -1.6172, -0.4906), (-0.9787, 1.9161, 0.0334), (0.0719, -0.2290, 1.4052))
_LINEAR = (0.0031308, 0.04045)
"""Where the curve of sRGB begins: of linear light, and of what is written."""
_DEEPEST = 20
"""Brackets within brackets that are read."""


@lru_cache(maxsize=4096)
def tokens(value: str) -> tuple[Any, ...]:
    """Return a value's tokens, without white space."""
    return _bare(tinycss2.parse_component_value_list(value, skip_comments=True))


def is_comma(token: Any) -> bool:
    """Tell whether a token is the comma that parts a list."""
    return token.type == "literal" and token.value == ","


def split_at_commas(found: Iterable[Any]) -> list[list[Any]]:
    """Return the tokens between commas."""
    parts: list[list[Any]] = [[]]
    for token in found:
        if is_comma(token):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _bare(found: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(token for token in found if token.type != "whitespace")


def words(value: str) -> list[str]:
    """Return the identifiers of a value, in lower case."""
    return [token.lower_value for token in tokens(value) if token.type == "ident"]


def functions(value: str) -> list[tuple[str, list[str]]]:
    """Return the functions of a value, each with its arguments: separated by commas, or else by spaces."""
    return [(token.lower_name, _arguments(token)) for token in tokens(value) if token.type == "function"]


def _arguments(function: Any) -> list[str]:
    inner = list(function.arguments)
    if not any(map(is_comma, inner)):
        return [token.serialize() for token in _bare(inner)]
    parts = split_at_commas(inner)
    return [tinycss2.serialize(part).strip() for part in parts]


def pieces(value: str) -> list[str]:
    """Return what stands in a value between its spaces."""
    return [token.serialize() for token in tokens(value)]


@lru_cache(maxsize=4096)
def pixels(value: str, font: float = 16.0, whole: float = 0.0) -> float | None:
    """Return a length in pixels; `font` is what an em is of, `whole` what a percentage is of."""
    found = tokens(value)
    return _measure(found[0], font, whole, 0) if len(found) == 1 else None


def _measure(token: Any, font: float, whole: float, depth: int) -> float | None:
    if token.type == "dimension":
        unit = token.lower_unit
        each = _UNITS.get(unit) or _FONT_UNITS.get(unit, 0.0) * font
        return token.value * each if unit in _UNITS or unit in _FONT_UNITS else None
    if token.type == "percentage":
        return token.value * whole / 100
    if token.type == "number":
        return token.value if depth or not token.value else None
    if depth > _DEEPEST or token.type not in {"function", "() block"}:
        return None
    name = token.lower_name if token.type == "function" else "calc"
    inner = token.arguments if token.type == "function" else token.content
    return _compute_function(name, _bare(inner), (font, whole, depth + 1))


def _compute_function(name: str, inner: tuple[Any, ...], context: tuple[float, float, int]) -> float | None:
    parts = split_at_commas(inner)
    values = [_sum(part, context) for part in parts]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if name == "clamp":
        return max(known[0], min(known[1], known[-1])) if len(known) == 3 else None  # noqa: PLR2004
    chosen = {"calc": lambda: known[0], "min": lambda: min(known), "max": lambda: max(known)}.get(name)
    return chosen() if chosen else None


def _sum(part: list[Any], context: tuple[float, float, int]) -> float | None:
    """Compute a sum of products, as calc() has it."""
    total, product, sign, operator = 0.0, None, 1.0, "*"
    for token in part:
        if token.type == "literal":
            operator = token.value
            if operator in "+-":
                total, product, sign = total + sign * (product or 0.0), None, -1.0 if operator == "-" else 1.0
            continue
        value = _measure(token, *context)
        if value is None:
            return None
        if product is None:
            product = value
        else:
            product = product / (value or 1.0) if operator == "/" else product * value
    return total + sign * (product or 0.0)


@lru_cache(maxsize=4096)
def number(value: str) -> float | None:
    """Return a number, or a percentage as a part of 1."""
    found = tokens(value)
    if len(found) != 1:
        return None
    if found[0].type in {"number", "percentage"}:
        return found[0].value / (100 if found[0].type == "percentage" else 1)
    if found[0].type == "function":
        return _measure(found[0], 16.0, 1.0, 1)
    return None


def degrees(value: str) -> float | None:
    """Return an angle in degrees."""
    found = tokens(value)
    if len(found) == 1 and found[0].type == "dimension" and found[0].lower_unit in _DEGREES:
        return found[0].value * _DEGREES[found[0].lower_unit]
    return 0.0 if len(found) == 1 and found[0].type == "number" and not found[0].value else None


@lru_cache(maxsize=4096)
def colour(value: str, current: Colour = (0.0, 0.0, 0.0, 1.0)) -> Colour | None:
    """Return a colour; `current` is what `currentcolor` stands for."""
    found = tokens(value)
    return _colour(found[0], current, 0) if len(found) == 1 else None


def _colour(token: Any, current: Colour, depth: int) -> Colour | None:
    if token.type == "ident" and token.lower_value in _SYSTEM_COLOURS:
        return _SYSTEM_COLOURS[token.lower_value]
    if token.type == "function" and token.lower_name == "color-mix":
        return _mix_colours(token, current, depth + 1) if depth < _DEEPEST else None
    try:
        found = color5.parse_color(token)
    except (AttributeError, IndexError, NotImplementedError, TypeError, ValueError, ZeroDivisionError):
        return None
    if found is None or isinstance(found, str):
        return current if found else None
    return _srgb(found)


def _mix_colours(function: Any, current: Colour, depth: int) -> Colour | None:
    """Mix two colours as if in sRGB: near enough to tell whether text stands out."""
    parts = split_at_commas(_bare(function.arguments))
    if len(parts) != 3:  # noqa: PLR2004 - the space, and two colours
        return None
    colours = [
        _colour(token, current, depth) for part in parts[1:] for token in part if token.type != "percentage"
    ]
    shares = [[token.value / 100 for token in part if token.type == "percentage"] for part in parts[1:]]
    if len(colours) != 2 or colours[0] is None or colours[1] is None:  # noqa: PLR2004
        return None
    first = shares[0][0] if shares[0] else 1 - shares[1][0] if shares[1] else 0.5
    mixed = [first * a + (1 - first) * b for a, b in zip(colours[0], colours[1], strict=True)]
    return mixed[0], mixed[1], mixed[2], mixed[3]


def _srgb(found: Any) -> Colour | None:
    try:
        if found.space in {"oklab", "oklch"}:
            return _from_xyz(found.to("xyz-d65"), _FROM_D65)
        if found.space in {"lab", "lch"}:
            return _from_xyz(found.to("xyz-d50"), _FROM_D50)
        if found.space in {"xyz", "xyz-d65"}:
            return _from_xyz(found, _FROM_D65)
        red, green, blue = (
            (part or 0.0)
            for part in (found.to("srgb") if found.space in {"hsl", "hwb"} else found).coordinates
        )
    except (NotImplementedError, TypeError, ValueError):
        return None
    return _within(red), _within(green), _within(blue), found.alpha


def _from_xyz(found: Any, matrix: tuple[tuple[float, float, float], ...]) -> Colour:
    linear = [sum(each * part for each, part in zip(row, found.coordinates, strict=True)) for row in matrix]
    red, green, blue = (
        _within(12.92 * one if one <= _LINEAR[0] else 1.055 * one ** (1 / 2.4) - 0.055) for one in linear
    )
    return red, green, blue, found.alpha


def _within(part: float) -> float:
    return min(1.0, max(0.0, part))


def over(front: Colour, back: Colour) -> Colour:
    """Return the colour that is seen where one lies over another, which is opaque."""
    share = front[3]
    red, green, blue = (share * a + (1 - share) * b for a, b in zip(front[:3], back[:3], strict=True))
    return red, green, blue, 1.0


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast ratio of two opaque colours, 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(of: Colour) -> float:
    red, green, blue = (
        part / 12.92 if part <= _LINEAR[1] else ((part + 0.055) / 1.055) ** 2.4 for part in of[:3]
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def gradient_colours(value: str, current: Colour) -> list[Colour]:
    """Return the colours that the gradients of a value are drawn with."""
    found: list[Colour] = []
    for name, arguments in functions(value):
        if name.endswith("gradient"):
            found += [
                one for argument in arguments for piece in pieces(argument) if (one := colour(piece, current))
            ]
    return found
