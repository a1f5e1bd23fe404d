"""Looks of an element that decide if its text is legible: size, colour, background, opacity.

A `Look` is what an element hands down to what is in it. Backgrounds are the colours that may lie behind the
text: one, or those of a gradient. `unsure` says that something else may lie there (a picture, a style sheet
that was not fetched); `scope` is the element that decided colour and background last.
`text_sight` tells what a reader sees of a piece of text of such a look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache

from pages.visibility.html_tree import Element
from pages.visibility.stylesheets import Declared
from pages.visibility.values import (
    Colour,
    colour,
    contrast,
    functions,
    gradient_colours,
    number,
    over,
    pixels,
    words,
)


class Visibility(IntEnum):
    """The higher, the less is seen.

    Only what is seen, or is opened by something of the page, is text of the page.

    `FOLDED`: hidden until something opens it, if anything does. `DOUBTFUL`: it cannot be decided.
    """

    SEEN = 0
    FOLDED = 1
    DOUBTFUL = 2
    HIDDEN = 3


_BLACK: Colour = (0.0, 0.0, 0.0, 1.0)
_WHITE: Colour = (1.0, 1.0, 1.0, 1.0)
_SAME, _SAME_STEP = 1.12, 0.1
"""Contrast, and step of red, green and blue, up to which nobody sees text."""
_NEAR, _NEAR_STEP = 1.35, 0.2
"""The same, up to which it is doubtful."""
_UNSEEN_FONT, _DOUBTFUL_FONT = 2.0, 5.0  # pixels
_GONE, _FAINT = 0.05, 0.2  # opacity
_FAR = 500.0
"""Pixels beyond which text that is moved to the left or above stands outside of the window."""
_KEYWORD_SIZES = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0,
    "xx-large": 32.0, "xxx-large": 48.0,
}  # fmt: skip
_LINK: Colour = (0.0, 0.0, 0.93, 1.0)
_ATTRIBUTES = ("color", "bgcolor", "background", "text")
_OWN_COLOURS: dict[str, tuple[Colour, Colour]] = {
    "mark": (_BLACK, (1.0, 1.0, 0.0, 1.0)),
    "button": (_BLACK, (0.94, 0.94, 0.94, 1.0)),
}
"""Text and background that browsers give to some elements by themselves."""
_COLOURED = frozenset({"a", "body", *_OWN_COLOURS})


@dataclass(frozen=True, slots=True)
class Look:
    """See the module.

    `fill` is what letters are filled with in place of `colour`; `masked` text shows as dots.

    `picture` is the element whose background picture lies behind the text, 0 for none.
    """

    colour: Colour = _BLACK
    fill: str = ""
    font: float = 16.0
    visible: bool = True
    opacity: float = 1.0
    backgrounds: tuple[Colour, ...] = (_WHITE,)
    unsure: bool = False
    scope: int = 0
    picture: int = 0
    indent: str = ""
    spacing: str = ""
    shadow: str = ""
    masked: bool = False


def look_of(element: Element, declared: Declared, above: Look, at: int) -> Look:
    """Return the look of an element, the `at`th of its page."""
    if not declared and element.tag not in _COLOURED and not any(element.get(name) for name in _ATTRIBUTES):
        return above
    font = _font(element, declared.get("font-size", ""), above.font)
    text = _text_colour(element, declared, above)
    visibility = declared.get("visibility", "").lower()
    look = replace(
        above,
        font=font,
        colour=text,
        visible=visibility in {"visible", "initial"} or (above.visible and not visibility),
        opacity=above.opacity * compute_opacity(declared),
        fill=declared.get("text-fill-color", above.fill),
        indent=declared.get("text-indent", above.indent),
        spacing=declared.get("letter-spacing", above.spacing),
        shadow=declared.get("text-shadow", above.shadow),
        masked=declared.get("text-security", "disc" if above.masked else "none").lower() != "none",
    )
    decides = {"color", "text-fill-color", "background-color", "background-image"} & declared.keys()
    if decides or any(element.get(name) for name in _ATTRIBUTES):
        look = replace(look, scope=at)
    return _with_background(element, declared, look, at)


def _font(element: Element, size: str, above: float) -> float:
    low = size.lower()
    if not low:
        return above
    if low in {"smaller", "larger"}:
        return above / 1.2 if low == "smaller" else above * 1.2
    if low in _KEYWORD_SIZES or low == "initial":
        return _KEYWORD_SIZES.get(low, 16.0)
    found = pixels(size, above, above)
    return above if found is None else max(0.0, min(found, 10_000.0))


def _text_colour(element: Element, declared: Declared, above: Look) -> Colour:
    written = declared.get("color", "")
    if written:
        return _BLACK if written.lower() == "initial" else colour(written, above.colour) or above.colour
    attribute = (
        element.get("text" if element.tag == "body" else "color") if element.tag in {"body", "font"} else None
    )
    named = _attribute_colour(attribute)
    if named:
        return named
    if element.tag == "a" and element.get("href") is not None:
        return _LINK
    return _OWN_COLOURS[element.tag][0] if element.tag in _OWN_COLOURS else above.colour


def _attribute_colour(written: str | None) -> Colour | None:
    if not written:
        return None
    return colour(written.strip()) or colour(f"#{written.strip()}")


def _with_background(element: Element, declared: Declared, look: Look, at: int) -> Look:
    image = declared.get("background-image", "").lower()
    flat = _flat_background(element, declared, look)
    behind = tuple(over(flat, one) for one in look.backgrounds) if flat else look.backgrounds
    unsure = look.unsure and not (flat and flat[3] > 1 - _GONE)
    if declared.get("background-clip", "").lower() == "text":  # the background is drawn into the letters
        drawn = gradient_colours(image, look.colour) or ([flat] if flat else [])
        stands_out = any(not _alike(over(one, back), back) for one in drawn for back in look.backgrounds)
        return replace(look, shadow="0 0 0 black", fill="") if stands_out or "url(" in image else look
    drawn = gradient_colours(image, look.colour)
    if drawn:
        behind = tuple(over(one, back) for one in drawn[:8] for back in behind[:2])
    pictured = (bool(image) and image != "none" and not drawn) or bool(element.get("background"))
    pictured |= "url(" in image
    picture = at if pictured else look.picture if unsure else 0
    return replace(look, backgrounds=behind, unsure=unsure or pictured, picture=picture)


def _flat_background(element: Element, declared: Declared, look: Look) -> Colour | None:
    written = declared.get("background-color", "")
    if written:
        return colour(written, look.colour)
    if element.tag in _OWN_COLOURS:
        return _OWN_COLOURS[element.tag][1]
    return _attribute_colour(element.get("bgcolor"))


def compute_opacity(declared: Declared) -> float:
    """Return what an element's own opacity and filters leave of it, 0 to 1."""
    left = number(declared.get("opacity", "1"))
    left = 1.0 if left is None else min(1.0, max(0.0, left))
    for name, arguments in functions(declared.get("filter", "")):
        share = number(arguments[0]) if arguments else None
        if name in {"opacity", "contrast"} and share is not None:
            left *= min(1.0, max(0.0, share)) if name == "opacity" else float(share > _GONE)
        if name == "blur" and arguments and (pixels(arguments[0]) or 0.0) >= 4:  # noqa: PLR2004 - letters run together
            left = min(left, _FAINT)
    return left


@lru_cache(maxsize=1024)
def text_sight(look: Look) -> tuple[Visibility, bool]:
    """Return whether text of this look is seen, or only by what lies behind it (`unsure`)."""
    if not look.visible or look.masked or look.font < _UNSEEN_FONT or _is_indented_away(look):
        return Visibility.HIDDEN, False
    spacing = pixels(look.spacing, look.font) if look.spacing else None
    if look.opacity <= _GONE or (spacing is not None and spacing <= -0.5 * look.font):
        return Visibility.HIDDEN, False
    visibility = _colour_sight(look)
    if visibility is not Visibility.SEEN and look.unsure and _resolve_fill(look)[3] > _GONE:
        return Visibility.DOUBTFUL, True
    if look.font < _DOUBTFUL_FONT or look.opacity <= _FAINT:
        return max(visibility, Visibility.DOUBTFUL), False
    return visibility, False


def _is_indented_away(look: Look) -> bool:
    indent = pixels(look.indent, look.font, 1280.0) if look.indent else None
    return indent is not None and (indent <= -_FAR or indent >= 2 * _FAR)


def _resolve_fill(look: Look) -> Colour:
    return colour(look.fill, look.colour) or look.colour if look.fill else look.colour


def _colour_sight(look: Look) -> Visibility:
    if _has_telling_shadow(look):
        return Visibility.SEEN
    text = _resolve_fill(look)
    drawn = [(over(text, back), back) for back in look.backgrounds]
    if all(_alike(*pair) for pair in drawn):
        return Visibility.HIDDEN
    return Visibility.DOUBTFUL if all(_alike(*pair, _NEAR, _NEAR_STEP) for pair in drawn) else Visibility.SEEN


def _alike(text: Colour, back: Colour, ratio: float = _SAME, step: float = _SAME_STEP) -> bool:
    steps = [abs(a - b) for a, b in zip(text[:3], back[:3], strict=True)]
    return max(steps) <= step and contrast(text, back) <= ratio


def _has_telling_shadow(look: Look) -> bool:
    """Tell whether letters of the background's colour stand out by their shadow."""
    if not look.shadow or "none" in words(look.shadow):
        return False
    shades = [one for piece in look.shadow.split(" ") if (one := colour(piece.strip(","), look.colour))]
    shades += [
        one for name, arguments in functions(look.shadow) if (one := colour(f"{name}({','.join(arguments)})"))
    ]
    return any(
        not _alike(over(shade, back), back, _NEAR, _NEAR_STEP)
        for shade in shades
        for back in look.backgrounds
    )
