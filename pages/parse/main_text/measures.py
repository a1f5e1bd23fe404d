"""What is in each element of a tree: characters, linked ones, prose, controls, links; one pass for all."""

from __future__ import annotations

from dataclasses import dataclass

from pages.visibility.html_tree import Element, walk

PROSE = 40
"""Characters of one piece of text, no link, from which it is prose."""
_CONTROLS = frozenset({"form", "input", "textarea", "button", "select"})
_FURNITURE = frozenset({"nav", "footer", "aside", "dialog", "menu"})
_SKIPPED = frozenset({"script", "style", "template", "noscript"})


@dataclass(slots=True)
class Measure:
    """Of an element with all that is in it. `prose` is none of what stands in menus, footers or asides."""

    characters: int = 0
    linked: int = 0
    prose: int = 0
    links: int = 0
    controls: int = 0
    before: int = 0
    """Prose that stands before it."""

    @property
    def link_share(self) -> float:
        """Share of the characters that are links'."""
        return self.linked / self.characters if self.characters else 0.0


Measures = dict[Element, Measure]


def measure(root: Element) -> Measures:
    """Measure every element of a tree."""
    done: Measures = {}
    open_ones: list[Measure] = [Measure()]
    links = aside = skipped = prose = 0
    for event, element in walk(root):
        tag = element.tag
        if event == "start":
            links += tag == "a"
            aside += tag in _FURNITURE
            skipped += tag in _SKIPPED
            open_ones.append(Measure(before=prose, links=int(tag == "a"), controls=int(tag in _CONTROLS)))
            text = element.text
        else:
            links -= tag == "a"
            aside -= tag in _FURNITURE
            skipped -= tag in _SKIPPED
            one = done[element] = open_ones.pop()
            _add(open_ones[-1], one)
            text = element.tail if element is not root else None
        if text and not skipped:
            length = len(" ".join(text.split()))
            into = open_ones[-1]
            into.characters += length
            into.linked += length if links else 0
            if length >= PROSE and not links and not aside:
                into.prose += length
                prose += length
    return done


def _add(into: Measure, one: Measure) -> None:
    into.characters += one.characters
    into.linked += one.linked
    into.prose += one.prose
    into.links += one.links
    into.controls += one.controls
