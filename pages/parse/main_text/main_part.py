"""Finds where the main text of a page lies, and frees it of what stands around it.

trafilatura knows which words are the page's own, and gives them back as paragraphs that have often lost their
headings, anchors and code lines. So it is asked *where* only: the smallest element that holds nearly all the
words it keeps is the main part, and that part is then read with the structure it really has.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from itertools import islice

import trafilatura

from pages.parse.elements.anchors import HEADINGS
from pages.parse.main_text.boilerplate import drop_boilerplate, drop_links
from pages.parse.main_text.measures import Measures, measure
from pages.visibility.html_tree import Element, empty, parse_html, to_one_line, visible, walk

log = logging.getLogger(__name__)

_FURNITURE = frozenset({"nav", "footer", "button", "input", "dialog", "menu"})
_FURNITURE_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog"})
_MOST_ELEMENTS = 30_000
"""Beyond this trafilatura's heuristics take longer than anybody waits."""
_DEEPEST = 250
_LONGEST_BLOCK = 3_000
"""Characters of an element up to which it is compared as a whole: inline markup parts its text otherwise."""
_CONTAINERS = frozenset(
    {"article", "body", "center", "div", "form", "main", "section", "table", "tbody", "td", "tr"}
)
_BLOCKS = frozenset({"p", "li", "dd", "dt", "td", "th", "blockquote", "figcaption", "div", *HEADINGS})
_MOST_TEXTS = 200
_NEARLY_ALL = 0.95
_MOST_PROSE = 0.7
_TOO_LITTLE = 0.2
_TEASER = 0.3
"""Prose in a <main> or <article> for each character of it outside, up to which it is not the page."""
_FIRST_AMONG = 0.6
"""Share of the prose of all articles from which one of them is the page, and the others are around it."""


@dataclass(slots=True)
class _Weight:
    """Characters of an element: those that trafilatura keeps, linked ones included; of the others, all."""

    kept: int = 0
    kept_prose: int = 0
    prose: int = 0

    def add(self, other: _Weight) -> None:
        self.kept += other.kept
        self.kept_prose += other.kept_prose
        self.prose += other.prose


_Weights = dict[Element, _Weight]


def main_part(root: Element) -> Element:
    """Return the element with the main text, freed of what stands around it. Changes the tree."""
    measures = drop_boilerplate(root, measure(root))
    part = _own_word(root, measures)
    kept = _words_kept(part)
    weights = _weigh_all(part, kept)
    part = _smallest_with(part, weights, measures)
    for element in list(part.iter("*")):
        if element is not part and _is_furniture(element):
            empty(element)
    drop_links(part, measures, {element for element, weight in weights.items() if weight.kept})
    return part


def _own_word(root: Element, measures: Measures) -> Element:
    """Return what the page itself marks as its main part, unless that is a teaser; else its body."""
    found = root.find(".//body")
    body = root if found is None else found
    for path in (".//main", ".//*[@role='main']", ".//article"):
        marked = root.findall(path)
        if marked:
            chosen = _choose(marked, measures)
            if chosen is not None and not _is_teaser(chosen, body, measures):
                return chosen
    return body


def _choose(marked: list[Element], measures: Measures) -> Element | None:
    """Return the one that is meant: the only one, or the one with most of the prose of all."""
    if len(marked) == 1:
        return marked[0]
    longest = max(marked, key=lambda one: measures[one].prose)
    inside = set(longest.iter("*"))
    everything = sum(measures[one].prose for one in marked if one is longest or one not in inside)
    return longest if measures[longest].prose > _FIRST_AMONG * everything else None


def _is_teaser(part: Element, body: Element, measures: Measures) -> bool:
    here, everywhere = measures[part], measures[body]
    if everywhere.prose:
        return here.prose < _TEASER * (everywhere.prose - here.prose)
    return here.characters < _TEASER * (everywhere.characters - here.characters)


def _is_furniture(element: Element) -> bool:
    if element.tag == "aside":  # a menu, or a note that belongs to the text
        linked = sum(len("".join(link.itertext())) for link in element.iter("a"))
        return 2 * linked > len("".join(element.itertext()).strip())
    if element.tag == "button" and _is_title(element):
        return False
    return element.tag in _FURNITURE or element.get("role") in _FURNITURE_ROLES


def _is_title(button: Element) -> bool:
    """Tell whether a button is the question, or all of the heading, that an answer folds away below."""
    above, said = button.getparent(), to_one_line("".join(button.itertext()))
    if above is not None and above.tag in HEADINGS | {"dt", "summary"}:
        return to_one_line("".join(above.itertext())) == said
    return said.endswith("?")


def _words_kept(part: Element) -> frozenset[str]:
    """Return the pieces of text that trafilatura finds worth keeping; none where it gives up."""
    page = parse_html("<html><body></body></html>")
    if page is None or _is_too_much(part):
        return frozenset()
    inner = copy.deepcopy(part)
    inner.tag, inner.tail = ("div" if part.tag in {"body", "html"} else "article"), None
    next(page.iter("body")).append(inner)
    for cell in inner.iter("td", "th"):  # trafilatura fills up what a cell claims to span
        if cell.get("colspan"):
            cell.set("colspan", "1")
    try:
        document = trafilatura.bare_extraction(
            page,  # pyright: ignore[reportArgumentType] # it is lxml's, behind our protocol
            fast=True,
            favor_recall=True,
            include_comments=False,
            include_tables=True,
            with_metadata=False,
        )
    except Exception:
        log.warning("trafilatura gave up on a page", exc_info=True)
        return frozenset()
    body: Element | None = getattr(document, "body", None)
    return frozenset() if body is None else frozenset(_squeeze(text) for text in body.itertext())


def _is_too_much(part: Element) -> bool:
    """Tell whether a part has more elements, or more of them in one another, than trafilatura copes with."""
    depth = elements = 0
    for event, _ in walk(part):
        depth += 1 if event == "start" else -1
        elements += event == "start"
        if depth > _DEEPEST or elements > _MOST_ELEMENTS:
            return True
    return False


def _squeeze(text: str) -> str:
    return "".join(visible(text).split())


def _weigh_all(part: Element, kept: frozenset[str]) -> _Weights:
    """Return what every element weighs; nothing where nothing is kept."""
    open_ones = [_Weight()]
    done: _Weights = {}
    links = 0
    for event, element in walk(part) if kept else ():
        links += (element.tag == "a") * (1 if event == "start" else -1)
        if event == "start":
            open_ones.append(_Weight())
            _weigh(open_ones[-1], element.text, kept, links)
        else:
            done[element] = one = open_ones.pop()
            if one.kept_prose < one.prose <= _LONGEST_BLOCK and _is_kept_whole(element, kept):
                one.kept = one.kept_prose = one.prose
            open_ones[-1].add(one)
            _weigh(open_ones[-1], element.tail if element is not part else None, kept, links)
    return done


def _is_kept_whole(element: Element, kept: frozenset[str]) -> bool:
    if element.tag not in _BLOCKS:
        return False
    return _squeeze("".join(islice(element.itertext(), _MOST_TEXTS))) in kept


def _smallest_with(part: Element, done: _Weights, measures: Measures) -> Element:
    """Return the smallest element with nearly all of the text that is kept, and most of all prose.

    `part` if little is kept: trafilatura may have found one of several parts of the text only.
    """
    weight = done.get(part, _Weight())
    if not weight.kept_prose or weight.kept_prose < _TOO_LITTLE * weight.prose:
        return part
    kept, prose = _NEARLY_ALL * weight.kept_prose, _MOST_PROSE * measures[part].prose
    while True:
        inner = next(
            (
                child
                for child in part.iterchildren()
                if done[child].kept_prose >= kept and measures[child].prose >= prose
            ),
            None,
        )
        if inner is None or inner.tag not in _CONTAINERS or _has_heading_before(inner):
            return part
        part = inner


def _has_heading_before(element: Element) -> bool:
    """Tell whether a heading stands just above this element: then it belongs to it."""
    before = element.getprevious()
    while before is not None:
        is_header = before.tag in {"header", "hgroup"} and before.find(".//nav") is None
        if before.tag in HEADINGS or (is_header and any(True for _ in before.iter(*HEADINGS))):
            return True
        before = before.getprevious()
    return False


def _weigh(weight: _Weight, text: str | None, kept: frozenset[str], links: int) -> None:
    words = _squeeze(text or "")
    if not words:
        return
    is_kept = words in kept
    weight.kept += len(words) if is_kept else 0
    if not links:
        weight.kept_prose += len(words) if is_kept else 0
        weight.prose += len(words)
