"""Selectors → the elements of a page that they match, with every look around counted.

cssselect2 does the matching. A selector can be made to look at a page's elements for hours; so each ancestor, sibling
and child that it looks at is a step, and a page has `MOST_STEPS` of them.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportIncompatibleMethodOverride=false, reportUntypedBaseClass=false
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import cssselect2

from pages.refusals import PageUnreadable

MOST_STEPS = 6_000_000
"""Most steps of work, of about 0.3 µs each; what takes longer is counted as so many more."""

TOO_MUCH = (
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
    """The children of an element. Whoever looks through them, or cuts them, is counted."""

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

    def walked_children(self) -> Iterator[Node]:
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
        """Add a list of selectors. One that cannot be read, or names what is no element, does not count, nor the rest."""
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
        """Whether the page has the classes and ids of a selector: of a framework's rules it mostly needs a few."""
        if not _PLAIN.fullmatch(selector):
            return True
        return any(self._names.issuperset(_NAMED.findall(one)) for one in selector.split(","))
