"""Selectors → the elements of a page that they match, with every look around counted.

cssselect2 does the matching. A selector can be made to look at a page's elements for hours; so each ancestor,
sibling and child that it looks at is a step, and a page has `MOST_STEPS` of them.

Media queries hold or not on the screen that pages are looked at in: 1280 × 720 pixels, light, with a mouse.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportIncompatibleMethodOverride=false, reportUntypedBaseClass=false

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import cssselect2
import tinycss2

from core.phrases import mark
from pages.fetched import PageUnreadable
from pages.visibility.values import SCREEN, pixels, split_at_commas

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
            return _compare_size(name.removeprefix(bound), sign, value)
    return _compare_size(name, "=", value)


def _in_range(written: str) -> bool:
    """Read "width >= 600px", "600px <= width" and "400px <= width <= 700px"."""
    parts = [part.strip() for part in _SIGN.split(written)]
    match parts:
        case [name, sign, value] if _NAME.fullmatch(name):
            return _compare_size(name, sign, value)
        case [value, sign, name]:
            return _compare_size(name, sign.translate(_TURNED), value)
        case [low, sign, name, other, high]:
            return _compare_size(name, sign.translate(_TURNED), low) and _compare_size(name, other, high)
        case _:
            return True


def _compare_size(name: str, sign: str, value: str) -> bool:
    here, there = _SIZES.get(name), pixels(value)
    if here is None or there is None:
        return True
    if sign == "=":
        return here == there
    return (here >= there if sign.startswith(">") else here <= there) and (
        sign.endswith("=") or here != there
    )


MOST_STEPS = 6_000_000
"""Most steps of work, of about 0.3 µs each; what takes longer is counted as so many more."""

TOO_MUCH = mark(
    "The style sheets of that page are too large to tell what its readers see; please send a part of it."
)
_STEPS_A_RULE, _STEPS_A_CHILD = 300, 30
_LONGEST_SELECTOR = 3000
_PLAIN = re.compile(r"[\w\s.#>+~,*:-]*")
_NAMED = re.compile(r"[.#][\w-]+")


class Steps:
    """Counts the work of one page."""

    def __init__(self) -> None:
        self.left = MOST_STEPS

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise PageUnreadable(TOO_MUCH)


class _Children(list[Any]):
    """The children of an element. A look through them, or a cut, is counted."""

    def __init__(self, children: Iterable[Any], steps: Steps) -> None:
        super().__init__(children)
        self._steps = steps

    def __iter__(self) -> Iterator[Any]:
        self._steps.take(1 + len(self) // 4)
        return super().__iter__()

    def __getitem__(self, at: Any) -> Any:
        self._steps.take(1 + (len(self) // 4 if isinstance(at, slice) else 0))
        return super().__getitem__(at)


class Node(cssselect2.ElementWrapper):
    """An element for the matcher, whose every look around is counted."""

    steps: Steps
    place: int = -1
    """For whoever walks over the page."""

    @property
    def ancestors(self) -> Iterator[Node]:
        above = self.parent
        while above is not None:
            self.steps.take(1)
            yield above
            above = above.parent

    @property
    def previous_siblings(self) -> Iterator[Node]:
        before = self.previous
        while before is not None:
            self.steps.take(1)
            yield before
            before = before.previous

    @cached_property
    def etree_children(self) -> list[Any]:
        return _Children(self.etree_element, self.steps)

    def walk_children(self) -> Iterator[Node]:
        """Yield the children for the one walk over the page, which is not counted."""
        return super().iter_children()

    def iter_children(self) -> Iterator[Node]:
        for child in super().iter_children():
            self.steps.take(_STEPS_A_CHILD)
            yield child


class Matcher(cssselect2.Matcher):
    """A matcher whose every try is counted. `names` are the classes and ids of the page: `.leave`, `#top`."""

    def __init__(self, steps: Steps, names: frozenset[str]) -> None:
        super().__init__()
        self._steps = steps
        self._names = names
        self.empty = True

    def add_relevant_selectors(self, element: Node, selectors: Sequence[Any], relevant: list[Any]) -> None:
        self._steps.take(len(selectors))
        super().add_relevant_selectors(element, selectors, relevant)

    def add(self, selector: str, payload: object) -> None:
        """Add a list of selectors.

        One that cannot be read, or names what is no element, does not count, nor the rest.
        """
        if len(selector) > _LONGEST_SELECTOR or not self._may_match(selector):
            return
        self._steps.take(_STEPS_A_RULE)
        try:
            compiled = cssselect2.compile_selector_list(selector)
        except (
            cssselect2.SelectorError,
            MemoryError,
            NotImplementedError,
            RecursionError,
            SyntaxError,
            TypeError,
        ):
            return
        for one in compiled:
            if one.pseudo_element is None:
                self.empty = False
                self.add_selector(one, payload)

    def matching(self, node: Node) -> list[Any]:
        """Return what was added with the selectors that match an element, the weakest selector first."""
        return [] if self.empty else [found[-1] for found in self.match(node)]

    def _may_match(self, selector: str) -> bool:
        """Tell whether the page has a selector's classes and ids: of a framework it mostly needs few."""
        if not _PLAIN.fullmatch(selector):
            return True
        return any(self._names.issuperset(_NAMED.findall(one)) for one in selector.split(","))
