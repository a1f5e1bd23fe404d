"""Finds where the main text of a page lies, and frees it of what stands around it.

trafilatura knows which words are the page's own, and gives them back as paragraphs that have often lost their
headings, anchors and code lines. So it is asked *where* only: the smallest element that holds nearly all the
words it keeps is the main part, and that part is then read with the structure it really has.
"""

from __future__ import annotations

import copy
import logging

import trafilatura

from pages.parse.elements.anchors import HEADINGS
from pages.parse.main_text.boilerplate import drop_boilerplate, drop_links
from pages.parse.main_text.measures import Measures, measure
from pages.visibility.html_tree import Element, empty, parse_html, to_one_line, walk

log = logging.getLogger(__name__)

_FURNITURE = frozenset({"nav", "footer", "button", "input", "dialog", "menu"})
_FURNITURE_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog"})
_MOST_ELEMENTS = 30_000
"""Beyond this trafilatura's heuristics take longer than anybody waits."""
_DEEPEST = 250
_Weights = dict[Element, list[int]]
_CONTAINERS = frozenset(
    {"article", "body", "center", "div", "form", "main", "section", "table", "tbody", "td", "tr"}
)
_NEARLY_ALL = 0.9
_TOO_LITTLE = 0.2
_TEASER = 0.3
"""Prose in a <main> or <article> for each character of it outside, up to which it is not the page."""
_FIRST_AMONG = 0.6
"""Share of the prose of all articles from which one of them is the page, and the others are around it."""


def main_part(root: Element) -> Element:
    """Return the element with the main text, freed of what stands around it. Changes the tree."""
    measures = drop_boilerplate(root, measure(root))
    part = _own_word(root, measures)
    kept = _words_kept(part)
    weights = _weigh_all(part, kept)
    part = _smallest_with(part, weights)
    for element in list(part.iter("*")):
        if element is not part and _is_furniture(element):
            empty(element)
    drop_links(part, measures, {element for element, weight in weights.items() if weight[0]})
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
    return frozenset() if body is None else frozenset(to_one_line(text) for text in body.itertext())


def _is_too_much(part: Element) -> bool:
    """Tell whether a part has more elements, or more of them in one another, than trafilatura copes with."""
    depth = elements = 0
    for event, _ in walk(part):
        depth += 1 if event == "start" else -1
        elements += event == "start"
        if depth > _DEEPEST or elements > _MOST_ELEMENTS:
            return True
    return False


def _weigh_all(part: Element, kept: frozenset[str]) -> _Weights:
    """Return of every element the characters that are kept, and all of them; nothing where none are kept."""
    weights: list[list[int]] = [[0, 0]]  # of every open element
    done: _Weights = {}
    for event, element in walk(part) if kept else ():
        if event == "start":
            weights.append([0, 0])
            _weigh(weights[-1], element.text, kept)
        else:
            done[element] = weights.pop()
            weights[-1][0] += done[element][0]
            weights[-1][1] += done[element][1]
            _weigh(weights[-1], element.tail if element is not part else None, kept)
    return done


def _smallest_with(part: Element, done: _Weights) -> Element:
    """Return the smallest element with nearly all kept text of `part`; `part` if there is little."""
    whole, everything = done.get(part, (0, 0))
    if whole < _TOO_LITTLE * everything or not whole:
        return part
    while True:
        inner = next((child for child in part.iterchildren() if done[child][0] >= _NEARLY_ALL * whole), None)
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


def _weigh(weight: list[int], text: str | None, kept: frozenset[str]) -> None:
    words = to_one_line(text or "")
    weight[0] += len(words) if words in kept else 0
    weight[1] += len(words)
