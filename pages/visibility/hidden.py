"""Removes what readers of a page do not see: hidden by its tags, attributes or style sheets.

    drop_unseen(root)   the tree is left with the text that is seen or that something of the page opens

Struck text is seen, and does not hold any more: it goes, too. Hidden text is no text of the page. What
cannot be decided (white letters over a picture, text for screen readers, a class of a style sheet that lies
elsewhere) is left out, too, so that it never outweighs what is seen; its pieces are counted, and a refresh
tells the operator. A page that would be left without a word is one that its scripts show: then what scripts
can bring out is its text.

What a page hides until somebody presses, hovers, scrolls, or its scripts have run belongs to it: an answer
folded away below its question, the other tabs, a part that fades in when it is scrolled to. It is told from
what nobody ever sees by what opens it (`Openers`): a control that names it, a question or a control just
above it, a rule of the page for another state, or what animation libraries write on what they will bring in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf
from typing import cast

from pages.fetched import PageUnreadable
from pages.visibility.boxes import BREAK, box_sight, compute_layer, covers, find_break, is_struck
from pages.visibility.html_tree import Element, empty, visible
from pages.visibility.looks import Look, Visibility, look_of, text_sight
from pages.visibility.openers import Openers, has_fade_marks
from pages.visibility.selectors import TOO_MUCH
from pages.visibility.stylesheets import Declared, Styled, Styles
from pages.visibility.values import words

_NEVER_READ = frozenset(
    [
        "audio",
        "canvas",
        "datalist",
        "embed",
        "iframe",
        "math",
        "meter",
        "noembed",
        "noscript",
        "object",
        "progress",
        "rp",
        "rt",
        "rtc",
        "script",
        "select",
        "style",
        "svg",
        "template",
        "textarea",
        "video",
    ]
)
_PICTURES = frozenset({"img", "picture", "video", "canvas", "svg", "iframe", "object", "embed"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_FURNITURE = frozenset({"nav", "footer", "header", "head", "title", "button", "h1", "dialog"})
_KEEP_THEIR_PLACE = frozenset({"html", "head", "body", "td", "th"})
_LOOKED_AT = 2000
"""Texts of a hidden element that are looked at."""
_WORD = re.compile(r"\w")
_WORDS = re.compile(r"\w+")
_LEAST_WORDS = 3
"""Words from which a piece of doubtful text is counted: a label for screen readers is no loss."""


@dataclass(slots=True)
class _Box:
    """An element of a page: what is declared for it, how it looks, what is seen of it.

    `heading`, `pictured`: there is one in it. `overlaid`: something with a background is laid over or under
    its text. `wordy`: it has words in it. `cover` is how high, and at which place, something blank covers all
    that is in it. `cut` is of the element with all that is in it, `said` of its own text alone.
    """

    element: Element
    parent: int
    styled: Styled
    heading: bool = False
    pictured: bool = False
    overlaid: bool = False
    wordy: bool = False
    cover: tuple[float, int] = (-inf, -1)
    look: Look = field(default_factory=Look)
    cut: Visibility = Visibility.SEEN
    said: Visibility = Visibility.SEEN


def drop_unseen(root: Element) -> int:
    """Empty what is not read and what is not seen; the text behind it stays.

    Return how many pieces were doubtful.

    A drawing that has a name ("included" for a tick) becomes that name. Raises PageUnreadable for a page
    whose style sheets take too long to follow.
    """
    _drop_no_script_mark(root)
    try:
        styles = Styles.from_page(root)
        boxes = _boxes(root, styles)
    except RecursionError:  # brackets in thousands
        raise PageUnreadable(TOO_MUCH) from None
    openers = Openers(root)
    _judge(boxes, styles.external, openers, wide=False)
    if _is_empty(boxes):
        _judge(boxes, styles.external, openers, wide=True)
    _mark_breaks(boxes)
    return _take_out(boxes)


def _mark_breaks(boxes: list[_Box]) -> None:
    """Note on inline elements where a style sheet begins a line or leaves a gap: "Opens" "8 am"."""
    for box in boxes:
        if box.parent >= 0:
            kind = find_break(box.element, box.styled.declared, boxes[box.parent].styled.declared)
            if kind:
                box.element.set(BREAK, kind)


def _drop_no_script_mark(root: Element) -> None:
    """Take the mark away that scripts take away first: what is hidden without them is not hidden."""
    for element in (root, root.find("body")):
        if element is not None and "no-js" in (element.get("class") or ""):
            element.set("class", (element.get("class") or "").replace("no-js", ""))


def _boxes(root: Element, styles: Styles) -> list[_Box]:
    boxes: list[_Box] = []
    for node, parent in styles.nodes(root, _NEVER_READ):
        at = parent.place if parent is not None else -1
        above = boxes[at].styled if at >= 0 else Styled({}, {})
        node.place = len(boxes)
        boxes.append(_Box(cast("Element", node.etree_element), at, styles.style(node, above)))
    for at in range(len(boxes) - 1, -1, -1):
        box = boxes[at]
        _look_into(at, box, boxes[box.parent] if box.parent >= 0 else None)
    return boxes


def _look_into(at: int, box: _Box, above: _Box | None) -> None:
    """Pass up whether an element has headings and pictures, and what is laid over or under it."""
    declared = box.styled.declared
    box.heading |= box.element.tag in _HEADINGS
    box.wordy |= bool((box.element.text or "").strip())
    box.pictured |= box.element.tag in _PICTURES or "url(" in declared.get("background-image", "").lower()
    if above is not None:
        above.heading |= box.heading
        above.pictured |= box.pictured
        drawn = box.pictured or "background-color" in declared
        above.wordy |= box.wordy or bool((box.element.tail or "").strip())
        if not box.wordy and covers(declared):
            above.cover = max(above.cover, (compute_layer(declared), at))
        above.overlaid |= drawn and declared.get("position", "").lower() in {"absolute", "fixed"}


def _judge(boxes: list[_Box], external: bool, openers: Openers, *, wide: bool) -> None:
    """Judge what is seen of every element. `wide`: what scripts can bring out is taken to be seen."""
    canvas = _canvas(boxes[0], external)
    for at, box in enumerate(boxes):
        above = boxes[box.parent] if box.parent >= 0 else None
        if above is not None and above.cut is not Visibility.SEEN:
            box.cut = above.cut
            continue
        outer = above.look if above is not None else canvas
        declared = box.styled.declared
        box.look = _over_pictures(box, above, look_of(box.element, declared, outer, at), external)
        higher: Declared = above.styled.declared if above is not None else {}
        struck = is_struck(box.element, declared)
        box.cut = (
            Visibility.HIDDEN if struck else box_sight(box.element, declared, higher, box.look, external)
        )
        if box.cut is Visibility.FOLDED or (outer.visible and not box.look.visible) or box.parent <= 0:
            if wide or box.parent <= 0 or _is_opened(box, openers):
                box.look = replace(box.look, visible=True, opacity=outer.opacity)
                box.cut = Visibility.SEEN
            elif box.cut is Visibility.FOLDED:
                by_name = (
                    box_sight(box.element, declared, higher, box.look, external=False) is Visibility.SEEN
                )
                box.cut = Visibility.DOUBTFUL if by_name else Visibility.HIDDEN
        box.said = _judge_text(box, boxes)
        if not wide and above is not None and box.parent > 0:
            _put_under(at, box, above)


def _put_under(at: int, box: _Box, above: _Box) -> None:
    """Mark what something blank lies over. What covers the whole body is there until the page has loaded."""
    if box.cover[0] >= 0:
        box.said = max(box.said, Visibility.DOUBTFUL)
    if above.parent > 0 and (compute_layer(box.styled.declared), at) < above.cover:
        box.cut = max(box.cut, Visibility.DOUBTFUL)


def _canvas(root: _Box, external: bool) -> Look:
    """Return what a page is drawn on: white, or black where it says that it is dark."""
    scheme = words(root.styled.declared.get("color-scheme", ""))
    if "dark" in scheme and "light" not in scheme:
        return Look(colour=(1.0, 1.0, 1.0, 1.0), backgrounds=((0.07, 0.07, 0.07, 1.0),), unsure=external)
    return Look(unsure=external)


def _over_pictures(box: _Box, above: _Box | None, look: Look, external: bool) -> Look:
    """Return the look of a box with what may lie behind its text, though it is not around it."""
    if above is None or "background-color" in box.styled.declared:
        return replace(look, unsure=True) if box.overlaid else look
    lifted = box.styled.declared.get("position", "").lower() in {"absolute", "fixed"}
    elsewhere = external and bool(box.element.get("class"))
    laid_over = lifted and (above.pictured or above.overlaid)
    return replace(look, unsure=True) if elsewhere or laid_over or box.overlaid else look


def _is_opened(box: _Box, openers: Openers) -> bool:
    if box.styled.revealed or openers.opens(box.element):
        return True
    declared = box.styled.declared
    displayed = "none" not in words(declared.get("display", "")) and box.element.get("hidden") is None
    return displayed and has_fade_marks(box.element, declared.get("transition", ""))


def _judge_text(box: _Box, boxes: list[_Box]) -> Visibility:
    """Return what is seen of an element's own text.

    Over a picture, letters with a heading among them are a title's.
    """
    visibility, unsure = text_sight(box.look)
    if not unsure:
        return visibility
    titled = boxes[box.look.scope].heading or (box.look.picture > 1 and boxes[box.look.picture].heading)
    return Visibility.SEEN if titled else visibility


def _is_empty(boxes: list[_Box]) -> bool:
    """Tell whether a reader would see nothing but menus."""
    aside = [False] * len(boxes)
    for at, box in enumerate(boxes):
        tag = box.element.tag
        above = boxes[box.parent] if box.parent >= 0 else None
        aside[at] = (above is not None and aside[box.parent]) or (
            tag in _FURNITURE and not (tag == "header" and box.heading)
        )
        seen = box.cut is Visibility.SEEN and box.said is Visibility.SEEN and tag not in _NEVER_READ
        if seen and not aside[at] and _WORD.search(box.element.text or ""):
            return False
        between = above is not None and above.cut is Visibility.SEEN and above.said is Visibility.SEEN
        if between and not aside[box.parent] and _WORD.search(box.element.tail or ""):
            return False
    return True


def _take_out(boxes: list[_Box]) -> int:
    """Take out of the tree what is not seen; return how many pieces of it were doubtful."""
    doubtful = 0
    lost, kept = [False] * len(boxes), [False] * len(boxes)
    for at, box in enumerate(boxes):
        above = boxes[box.parent] if box.parent >= 0 else None
        if above is not None and above.cut is not Visibility.SEEN:
            continue  # it went with what it is in
        if box.cut is not Visibility.SEEN or box.element.tag in _NEVER_READ:
            doubtful += _is_piece(box.cut, "".join(islice(box.element.itertext(), _LOOKED_AT)))
            lost[at] = _WORD.search("".join(islice(box.element.itertext(), _LOOKED_AT))) is not None
            name = box.element.get("aria-label") if box.element.tag == "svg" and _is_seen(box) else ""
            empty(box.element)
            box.element.text = visible(name or "")
        elif box.said is not Visibility.SEEN:
            doubtful += _is_piece(box.said, box.element.text or "")
            lost[at] = bool((box.element.text or "").strip())
            box.element.text = ""
            if box.element.tag == "img":
                box.element.set("alt", "")
        if above is not None and above.said is not Visibility.SEEN:
            doubtful += _is_piece(above.said, box.element.tail or "")
            lost[box.parent] |= bool((box.element.tail or "").strip())
            box.element.tail = " " if box.element.tail else None
        kept[at] = bool((box.element.text or "").strip() or box.element.get("alt"))
        if above is not None:
            kept[box.parent] |= bool((box.element.tail or "").strip())
    _drop_shells(boxes, lost, kept)
    return doubtful


def _drop_shells(boxes: list[_Box], lost: list[bool], kept: list[bool]) -> None:
    """Empty the headings and the list items that have lost all of their words.

    A cell keeps its place in its row.
    """
    for at in range(len(boxes) - 1, 1, -1):
        box = boxes[at]
        if lost[at] and not kept[at] and box.element.tag not in _KEEP_THEIR_PLACE:
            empty(box.element)
        kept[box.parent] |= kept[at]
        lost[box.parent] |= lost[at]


def _is_seen(box: _Box) -> bool:
    return box.cut is Visibility.SEEN and box.said is Visibility.SEEN


def _is_piece(visibility: Visibility, text: str) -> int:
    return int(visibility is Visibility.DOUBTFUL and len(_WORDS.findall(text)) >= _LEAST_WORDS)
