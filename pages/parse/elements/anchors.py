"""Marks every heading of a tree with the fragment that opens the page there.

One pass, each element once, so that a hostile page costs time in proportion to its size.
"""

from __future__ import annotations

from pages.visibility.html_tree import Element, visible, walk

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
ANCHOR = "data-askpage-anchor"
_ANCESTORS = 4


def mark_anchors(root: Element) -> None:
    """Mark every heading with the fragment that opens the page there: an id of it, in it or around it.

    An element around a heading counts when the heading is the first in it: otherwise its id opens another
    section.
    """
    around: list[tuple[str, bool]] = []  # (id, already has a heading) of the open elements
    for event, element in walk(root):
        if event == "end":
            around.pop()
            continue
        if element.tag in HEADINGS:
            near = (name for name, has_heading in reversed(around[-_ANCESTORS:]) if name and not has_heading)
            element.set(ANCHOR, _own_anchor(element) or next(near, ""))
            around = [(name, True) for name, _ in around]
        around.append(("" if element.tag in {"html", "body"} else _id(element), False))


def _id(element: Element) -> str:
    name = element.get("id") or (element.get("name") if element.tag == "a" else "") or ""
    return "" if any(character.isspace() for character in name) else visible(name)


def _own_anchor(heading: Element) -> str:
    inside = (_id(element) for element in heading.iterdescendants("*"))
    before = heading.getprevious()
    just_before = (
        _id(before) if before is not None and before.tag == "a" and not (before.tail or "").strip() else ""
    )
    return _id(heading) or next(filter(None, inside), "") or just_before
