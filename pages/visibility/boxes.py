"""Finds boxes that are not visible: not displayed, outside of the window, cut off, shrunk."""

from __future__ import annotations

import re

from pages.visibility.html_tree import Element
from pages.visibility.looks import Look, Visibility, compute_opacity
from pages.visibility.stylesheets import Declared
from pages.visibility.values import SCREEN, colour, degrees, functions, number, pieces, pixels, words

_FAR = 500.0
_FAR_AHEAD = 5000.0
"""Pixels to the right or below: one could scroll there, and nobody does."""
_SLIT = 2.0
_GONE, _FAINT = 0.05, 0.2
_LETTERS_WIDE = 3.0
"""Pixels from which a strip of text may show."""
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "del",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
    ]
)
_FOR_EARS = re.compile(
    r"(?:^|\s)(?:sr-?_?only(?:-focusable)?|(?:\w+-)*visually-?_?hidden(?:-focusable)?"
    r"|screen-?reader(?:-?(?:text|only|s))*|element-invisible"
    r"|(?:\w+-)?assistive-text|a11y-hidden|a11y-only|sronly|off-?screen(?:-text)?|hidden-visually"
    r"|readers?-only)(?:\s|$)"
)
_BY_NAME = re.compile(
    r"(?:^|\s)(?:d-none|hidden|hide|is-hidden|invisible|u-hidden|display-none|nodisplay|d-print-\w+)(?:\s|$)"
)
_SHOWN_WIDE = re.compile(
    r"(?:sm|md|lg|xl|xxl|2xl)[:_-](?:block|flex|grid|inline|table|visible|contents|show)"
)


_BLOCKS = frozenset({"block", "flex", "grid", "list-item", "table", "table-row", "flow-root"})
_LAYS_OUT = frozenset({"flex", "inline-flex", "grid", "inline-grid"})
BREAK, LINE, SPACE = "data-read-break", "line", "space"
"""The attribute that says how an inline element is parted from its neighbours, and its values."""


def box_sight(
    element: Element, declared: Declared, above: Declared, look: Look, external: bool
) -> Visibility:
    """Return whether a reader sees an element at all. `above` is declared for its parent."""
    named = _judge_names(element, external)
    if not declared:
        return max(_judge_display(element, declared), named)
    found = [
        _judge_display(element, declared),
        _judge_opacity(declared),
        _judge_size(element, declared, above, look),
        _judge_position(declared, above, look),
        _judge_clip(declared, look),
        _shrunk(declared, look),
        named,
        _judge_mask(declared),
    ]
    return max(found)


def find_break(element: Element, declared: Declared, above: Declared) -> str:
    """Return how a style sheet parts an inline element from its neighbours: LINE, SPACE, "" for not."""
    if element.tag not in _INLINE:
        return ""
    display = words(declared.get("display", "").lower())
    if _BLOCKS & set(display):
        return LINE
    beside = _LAYS_OUT & set(words(above.get("display", "").lower())) or "table-cell" in display
    return SPACE if beside and "none" not in display else ""


def is_struck(element: Element, declared: Declared) -> bool:
    """Tell whether a line is drawn through an element's text: it held once, and does not any more."""
    line = declared.get("text-decoration-line", "").lower()
    return "line-through" in line or (element.tag in {"s", "strike", "del"} and "none" not in line)


def _judge_display(element: Element, declared: Declared) -> Visibility:
    display = declared.get("display", "").lower()
    undisplayed = element.get("hidden") is not None or element.get("popover") is not None
    if "none" in words(display) or (not display and undisplayed):
        return Visibility.FOLDED
    if (element.get("aria-hidden") or "").strip().lower() == "true":
        return Visibility.FOLDED
    return (
        Visibility.FOLDED if declared.get("content-visibility", "").lower() == "hidden" else Visibility.SEEN
    )


def _judge_opacity(declared: Declared) -> Visibility:
    left = compute_opacity(declared)
    if left <= _GONE:
        return Visibility.FOLDED if "filter" not in declared else Visibility.HIDDEN
    return Visibility.DOUBTFUL if left <= _FAINT else Visibility.SEEN


def _judge_size(element: Element, declared: Declared, above: Declared, look: Look) -> Visibility:
    cut = {declared.get(name, "visible").lower() for name in ("overflow-x", "overflow-y")} - {
        "visible",
        "initial",
    }
    positioned = declared.get("position", "").lower() in {"absolute", "fixed"} or "float" in declared
    display = declared.get("display", "").lower()
    inline = (not display and element.tag in _INLINE) or display == "inline"
    if not cut or (inline and not positioned):
        return Visibility.SEEN
    if declared.get("line-height", "") in {"0", "0px"} and "height" not in declared:
        return Visibility.HIDDEN
    if declared.get("max-height", "").lower() in {"0", "0px", "0em", "0%"} or (
        above.get("grid-template-rows", "").lower() in {"0fr", "0", "0px"}
    ):
        return Visibility.FOLDED
    sides = [_side(element, declared, name, look) for name in ("height", "max-height", "width", "max-width")]
    known = [side for side in sides if side is not None]
    if not known or min(known) > look.font / 3:
        return Visibility.SEEN
    if min(known) == 0:
        return Visibility.FOLDED
    return Visibility.HIDDEN if min(known) <= _LETTERS_WIDE else Visibility.DOUBTFUL


def _side(element: Element, declared: Declared, name: str, look: Look) -> float | None:
    written = declared.get(name, "") or (
        element.get(name) if element.tag in {"td", "th", "table", "img"} else ""
    )
    if not written or (written.strip().endswith("%") and not written.strip().startswith("0")):
        return None
    return pixels(written, look.font, SCREEN[0])


def _judge_position(declared: Declared, above: Declared, look: Look) -> Visibility:
    position = declared.get("position", "static").lower()
    worst = Visibility.SEEN
    if position in {"absolute", "fixed", "relative"}:
        worst = max(_at_side(declared, side, look, position) for side in ("left", "right", "top", "bottom"))
        worst = max(worst, _beyond_its_frame(declared, above, look))
        layer = number(declared.get("z-index", "0"))
        if layer is not None and layer < 0:
            worst = max(worst, Visibility.DOUBTFUL)
    for side in ("margin-left", "margin-top", "margin-right"):
        far = pixels(declared.get(side, "0"), look.font, 2 * _FAR / 1.5) or 0.0
        if far <= -2 * _FAR or (side == "margin-left" and far >= _FAR_AHEAD):
            worst = Visibility.HIDDEN
    return max(worst, _judge_translation(declared, look, position))


def _at_side(declared: Declared, side: str, look: Look, position: str) -> Visibility:
    whole = SCREEN[0] if side in {"left", "right"} else SCREEN[1]
    far = pixels(declared.get(side, "0"), look.font, whole)
    if far is None or (position == "relative" and side in {"right", "bottom"} and "left" in declared):
        return Visibility.SEEN
    if position == "relative" and declared.get(side, "").strip().endswith("%") and abs(far) < 3 * whole:
        return Visibility.SEEN  # of a box that may itself stand anywhere: cards are stacked so
    if far <= -_FAR or far >= _FAR_AHEAD or (position == "fixed" and far > whole + 1):
        relative = declared.get(side, "").strip().endswith(("%", "vw", "vh")) and abs(far) <= whole + 1
        return Visibility.FOLDED if relative else Visibility.HIDDEN
    if far >= whole and side in {"left", "right"}:
        return Visibility.FOLDED if far <= whole + 1 else Visibility.HIDDEN
    return Visibility.DOUBTFUL if far <= -_FAR / 2 and position != "relative" else Visibility.SEEN


def _beyond_its_frame(declared: Declared, above: Declared, look: Look) -> Visibility:
    """Tell whether an element is placed where the box around it, which cuts off, has ended."""
    for side, length, cut in (("left", "width", "overflow-x"), ("top", "height", "overflow-y")):
        size, far = pixels(above.get(length, ""), look.font), pixels(declared.get(side, ""), look.font)
        if size and far is not None and far >= size and above.get(cut, "visible") in {"hidden", "clip"}:
            return Visibility.FOLDED
    return Visibility.SEEN


def covers(declared: Declared) -> bool:
    """Tell whether an element covers all of the box around it, and nothing shines through."""
    flat = colour(declared.get("background-color", "")) if declared.get("background-color") else None
    if declared.get("position", "").lower() != "absolute" or flat is None:
        return False
    edges = [pixels(declared.get(side, "x")) == 0 for side in ("top", "left", "bottom", "right")]
    full = [declared.get(side, "").strip() == "100%" for side in ("height", "width")]
    whole = (edges[0] and edges[1]) and (edges[2] or full[0]) and (edges[3] or full[1])
    return whole and flat[3] * compute_opacity(declared) > 1 - _GONE


def compute_layer(declared: Declared) -> float:
    """Return how high an element lies among those beside it: what is not positioned lies below what is."""
    if declared.get("position", "static").lower() == "static":
        return -0.5
    return number(declared.get("z-index", "0")) or 0.0


def _judge_translation(declared: Declared, look: Look, position: str) -> Visibility:
    moves = [
        (argument, name)
        for name, arguments in functions(declared.get("transform", ""))
        if name in {"translate", "translatex", "translatey", "translate3d"}
        for argument in arguments[:2]
    ]
    moves += [(one, "translate") for one in pieces(declared.get("translate", "")) if one.lower() != "none"]
    moves += [
        (f"{arguments[at]}px", "matrix")
        for name, arguments in functions(declared.get("transform", ""))
        if name == "matrix" and len(arguments) == 6  # noqa: PLR2004
        for at in (4, 5)
    ]
    worst = Visibility.SEEN
    for written, _ in moves:
        far = pixels(written, look.font, SCREEN[0]) or 0.0
        in_parts = written.strip().endswith("%")
        if (in_parts and abs(far) >= 1.5 * SCREEN[0]) or (not in_parts and abs(far) >= 2 * _FAR):
            worst = Visibility.HIDDEN
        elif in_parts and abs(far) >= SCREEN[0] and position in {"absolute", "fixed"}:
            worst = max(worst, Visibility.FOLDED)
    return worst


def _judge_clip(declared: Declared, look: Look) -> Visibility:
    positioned = declared.get("position", "").lower() in {"absolute", "fixed"}
    for name, arguments in functions(declared.get("clip", "")) if positioned else ():
        sides = [pixels(one, look.font) for piece in arguments for one in pieces(piece)]
        if name == "rect" and len(sides) == 4 and _leaves_nothing(sides):  # noqa: PLR2004
            return Visibility.HIDDEN
    for name, arguments in functions(declared.get("clip-path", "")):
        if _path_leaves_nothing(name, arguments, look):
            return Visibility.HIDDEN
    return Visibility.SEEN


def _leaves_nothing(sides: list[float | None]) -> bool:
    """Tell whether a rectangle (top, right, bottom, left) shows nothing; None is the box's own edge."""
    top, right, bottom, left = sides
    tall = bottom - (top or 0.0) if bottom is not None else 0.0 if (top or 0.0) >= _FAR else _FAR
    wide = right - (left or 0.0) if right is not None else 0.0 if (left or 0.0) >= _FAR else _FAR
    return min(tall, wide) <= _SLIT


def _path_leaves_nothing(name: str, arguments: list[str], look: Look) -> bool:
    flat = [piece for argument in arguments for piece in pieces(argument)]
    before = flat[: next((at for at, one in enumerate(flat) if one.lower() in {"at", "round"}), len(flat))]
    sizes = [size for one in before if (size := pixels(one, look.font, 100.0)) is not None]
    if name == "inset" and sizes:
        top, right, bottom, left = (sizes * 4)[:4] if len(sizes) != 3 else (*sizes, sizes[1])  # noqa: PLR2004
        return top + bottom >= 99 or left + right >= 99  # noqa: PLR2004 - a percent that is left shows nothing
    if name in {"circle", "ellipse"}:
        return bool(sizes) and min(sizes) <= 1
    if name == "xywh":
        return len(sizes) >= 4 and min(sizes[2:4]) <= 1  # noqa: PLR2004
    if name == "rect":
        return len(sizes) == 4 and _leaves_nothing(list(sizes))  # noqa: PLR2004
    return name == "polygon" and _area(sizes) <= 1


def _area(points: list[float]) -> float:
    corners = list(zip(points[::2], points[1::2], strict=False))
    following = corners[1:] + corners[:1]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(corners, following, strict=True))) / 2


def _shrunk(declared: Declared, look: Look) -> Visibility:
    shares = [one for one in map(number, pieces(declared.get("scale", ""))[:2]) if one is not None]
    turned = [("rotate", pieces(declared.get("rotate", "")))]
    for name, arguments in functions(declared.get("transform", "")):
        if name.startswith("scale"):
            shares += [one for one in map(number, arguments[:2]) if one is not None]
        elif name == "matrix" and len(arguments) == 6:  # noqa: PLR2004
            parts = [number(one) or 0.0 for one in arguments[:4]]
            shares.append(abs(parts[0] * parts[3] - parts[1] * parts[2]) ** 0.5)
        elif name in {"rotatex", "rotatey"}:
            turned.append((name, arguments))
    zoom = number(declared.get("zoom", "1"))
    shares += [zoom] if zoom is not None else []
    least = min(map(abs, shares), default=1.0)
    if (least < 1 and least * look.font <= _SLIT) or any(_is_on_edge(name, angle) for name, angle in turned):
        return Visibility.FOLDED if least == 0 and "transition" in declared else Visibility.HIDDEN
    return Visibility.DOUBTFUL if least <= _FAINT else Visibility.SEEN


def _is_on_edge(name: str, angle: list[str]) -> bool:
    """Tell whether an element is turned so that it is seen from its edge."""
    if name == "rotate" and not {"x", "y"} & {one.lower() for one in angle}:
        return False
    turned = [degrees(one) for one in angle if degrees(one) is not None]
    return any(abs((one or 0.0) % 180 - 90) < 1 for one in turned)


def _judge_names(element: Element, external: bool) -> Visibility:
    """Judge by the names that the field gives to what only screen readers read, or nobody."""
    names = (element.get("class") or "").lower()
    if not names:
        return Visibility.SEEN
    if _FOR_EARS.search(names):
        return Visibility.DOUBTFUL
    by_name = external and _BY_NAME.search(names) is not None and _SHOWN_WIDE.search(names) is None
    return Visibility.FOLDED if by_name else Visibility.SEEN


def _judge_mask(declared: Declared) -> Visibility:
    mask = declared.get("mask-image", "").lower().replace(" ", "")
    nothing = "gradient(transparent,transparent" in mask or "gradient(#0000,#0000" in mask
    return Visibility.HIDDEN if nothing else Visibility.SEEN
