"""What opens a page's hidden parts: controls that name them or stand above them, and what scripts bring in.

Openers(root).opens(element)    whether something of the page opens what this element folds away
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from pages.visibility.html_tree import Element, to_one_line

_OPENING_HEADINGS = frozenset({"h2", "h3", "h4", "h5", "h6", "dt", "summary"})
_CONTROL_ROLES = frozenset({"button", "tab", "switch", "menuitem"})
_NAMES = re.compile(r"[\w:.-]+")
_NAMING = frozenset(
    [
        "aria-controls",
        "aria-owns",
        "for",
        "popovertarget",
        "commandfor",
        "onclick",
        "onchange",
        "onmouseover",
        "onkeydown",
    ]
)
_OPENS = re.compile(
    r"accordion|toggle|question|faq|collaps|expand|trigger|spoiler|disclosure|read-?more|tab\b|tabs\b"
)
_PANEL = re.compile(
    r"(?:^|[\s_-])(?:tab[_-]?(?:pane|panel|content|body)|tabs?__\w+|accordion|collaps\w*|faq|answer"
    r"|carousel-item|slide"
    r"|swiper-slide|dropdown-content|expandable|spoiler|toggle-content)(?:$|[\s_-])"
)
_FADES = re.compile(
    r"(?:^|[\s_-])(?:aos|wow|fade\w*|reveal\w*|animat\w*|anim|appear\w*|scroll-?in)(?:$|[\s_-])"
)
_FADE_MARKS = (
    "data-w-id",
    "data-aos",
    "data-sal",
    "data-scroll",
    "data-anim",
    "data-reveal",
    "data-gsap",
    "x-intersect",
)
_CLOAKS = ("x-cloak", "v-cloak", "ng-cloak")
_LONGEST_LABEL = 300
_SIBLINGS_LOOKED_AT = 30


class Openers:
    """The controls of one page."""

    def __init__(self, root: Element) -> None:
        self._named: set[str] = set()
        self._any = False
        for element in root.iter("*"):
            if _is_control(element):
                self._any = True
                self._named.update(_list_names(element))
        self._several = sum(1 for one in root.iter("*") if _is_hidden_plainly(one) and _stands_alone(one)) > 1

    def opens(self, element: Element) -> bool:
        """Tell whether something of the page opens what this element folds away."""
        return (
            any(element.get(cloak) is not None for cloak in _CLOAKS)
            or (element.get("id") or "\n") in self._named
            or element.get("role") == "tabpanel"
            or (element.get("hidden") or "").lower() == "until-found"
            or (self._any and _PANEL.search((element.get("class") or "").lower()) is not None)
            or self._is_below_its_opener(element)
        )

    def _is_below_its_opener(self, element: Element) -> bool:
        parent, before = element.getparent(), element.getprevious()
        if before is None and parent is not None:  # in a wrapper of its own
            before = parent.getprevious()
        if before is None or (before.tail or "").strip():
            return False
        if before.tag == "input" and (before.get("type") or "").lower() in {"checkbox", "radio"}:
            return True
        if _is_expander(before):
            return True
        return _stands_alone(element) and (self._several or _label(before).endswith("?"))


def has_fade_marks(element: Element, transition: str) -> bool:
    """Tell whether an element bears the marks of what scripts bring in once it is scrolled to."""
    return (
        _FADES.search((element.get("class") or "").lower()) is not None
        or any(name.startswith(_FADE_MARKS) for name, _ in element.items())
        or any(word in transition.lower() for word in ("opacity", "all", "visibility"))
    )


def _is_control(element: Element) -> bool:
    """Tell whether an element is pressed to open something: a link only where it says so."""
    if element.tag in {"button", "summary", "label"} or element.get("role") in _CONTROL_ROLES:
        return True
    return any(
        name in {"onclick", "aria-controls", "aria-expanded"}
        or name.startswith(
            ("data-toggle", "data-bs-", "data-tab", "data-target", "data-collapse", "data-accordion")
        )
        for name, _ in element.items()
    ) or (element.tag == "a" and _OPENS.search((element.get("class") or "").lower()) is not None)


def _list_names(control: Element) -> Iterator[str]:
    for name, value in control.items():
        if name in _NAMING or name == "href" or name.startswith("data-"):
            if name == "href" and not value.startswith("#"):
                continue
            yield from (found.lstrip("#") for found in islice(_NAMES.findall(value), _SIBLINGS_LOOKED_AT))


def _is_expander(before: Element) -> bool:
    """Tell whether an element is, or holds, a control that opens what follows it."""
    inside = list(islice(before.iter("*"), _SIBLINGS_LOOKED_AT))
    controls = [one for one in inside if _is_control(one)]
    if len(_label(before)) > _LONGEST_LABEL:
        return False
    if any(one.get("aria-expanded") is not None or one.get("onclick") is not None for one in controls):
        return True
    marked = any(_OPENS.search((one.get("class") or "").lower()) for one in inside)
    return bool(marked or (controls and (before.tag in _OPENING_HEADINGS or _label(before).endswith("?"))))


def _stands_alone(element: Element) -> bool:
    """Tell whether an element is all that stands below a heading: folded away by a script."""
    before, after = element.getprevious(), element.getnext()
    return (
        before is not None
        and before.tag in _OPENING_HEADINGS
        and not (before.tail or "").strip()
        and not (element.tail or "").strip()
        and (after is None or after.tag in _OPENING_HEADINGS)
    )


def _is_hidden_plainly(element: Element) -> bool:
    style = re.sub(r"\s", "", element.get("style") or "").lower()
    return element.get("hidden") is not None or "display:none" in style


def _label(element: Element) -> str:
    return to_one_line("".join(islice(element.itertext(), _SIBLINGS_LOOKED_AT)))
