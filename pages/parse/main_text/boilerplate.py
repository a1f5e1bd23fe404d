"""Drops what stands around a page's text and is none of it: comments, related articles, boxes that ask.

Told by the names that sites give to it and by the words above it (`boilerplate_words`), and by what it is
made of: links, forms. Each kind has bounds, so that a page *about* comments or cookies keeps its text. What
would leave nothing is not dropped at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from pages.parse.elements.anchors import HEADINGS
from pages.parse.main_text.boilerplate_words import (
    ABOVE,
    ALONE,
    BYLINE,
    COMMENTED,
    LEADS_AWAY,
    LONGEST_LABEL,
    NAMES,
    Bounds,
)
from pages.parse.main_text.measures import Measure, Measures, measure
from pages.visibility.html_tree import Element, empty, to_one_line, walk

_BLOCKS = frozenset(
    """
    address article aside div dl figure footer form header li nav ol p section span table time ul
    """.split()  # noqa: SIM905
)
_LINES = frozenset({"p", "div", "span", "li", "address", "time", "small", "a", "em", "strong", "b", "label"})
_LABELS = frozenset({"p", "div", "strong", "b", "span", "legend", "label", *HEADINGS})
_IN_TEXT = frozenset({"pre", "code", "td", "th", "dd", "blockquote"})
_LEAST_LEFT = 120
"""Characters of a page that are left at least where something is dropped by its name or label."""
_LONG_PAGE = 600
"""Characters of prose from which lists of links at its ends are menus, if no heading names them."""
_LINKED, _FEW_LINKS = 0.66, 3
_UNKEPT_LINKED = 0.8
"""Share of links from which what trafilatura does not keep is none of the text."""
_TEXTS = 12
_LONGEST_LINE = 160
_BEGINNING, _MUCH = 0.3, 0.3
"""Shares of a page's prose: less than the one before an element and more than the other in it make it the
article, whatever stands above."""
_MOST_SIBLINGS = 300
_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that is being freed: its measures, its characters and its prose."""

    measures: Measures
    whole: int
    prose: int


def drop_boilerplate(root: Element, measures: Measures) -> Measures:
    """Empty what stands around the text of a page; return the measures of what is left."""
    found = root.find(".//body")
    body = root if found is None else found
    page = _Page(measures, measures[body].characters, measures[body].prose)
    doomed = _outermost(
        [*_find_named(body, page), *_find_labelled(body, page), *_find_lines(body, page)], body
    )
    lost = sum(measures[one].characters for one in doomed)
    if not doomed or page.whole - lost < _LEAST_LEFT < lost:
        return measures
    for element in doomed:
        empty(element)
    return measure(root)


def drop_links(part: Element, measures: Measures, kept: set[Element]) -> None:
    """Empty the lists of links around the prose of a long page, and those in it that are not kept."""
    whole = measures[part]
    if whole.prose < _LONG_PAGE:
        return
    found = [
        element
        for element in part.iter("ul", "ol", "div", "section", "aside", "article")
        if element is not part
        and _is_list_of_links(measures[element], whole, unkept=bool(kept) and element not in kept)
        and not _is_introduced(element)
    ]
    for element in _outermost(found, part):
        empty(element)


def _is_list_of_links(one: Measure, whole: Measure, *, unkept: bool) -> bool:
    if one.prose or not one.links:
        return False
    if unkept and (one.link_share >= _UNKEPT_LINKED or one.controls):
        return True
    before = one.before - whole.before
    at_an_end = before <= 0 or before + one.prose >= whole.prose
    return at_an_end and one.links >= _FEW_LINKS and one.link_share >= _LINKED


def _is_introduced(element: Element) -> bool:
    """Tell whether a heading or a colon introduces a list of links: then it belongs to the text."""
    before = element.getprevious()
    inside = next((one for one in islice(element.iter("*"), 6) if one.tag in HEADINGS), None)
    if before is None:
        return inside is not None
    return (
        inside is not None
        or before.tag in HEADINGS
        or to_one_line("".join(islice(before.itertext(), _TEXTS))).endswith(":")
    )


def _find_named(body: Element, page: _Page) -> Iterator[Element]:
    """Yield what a class or an id names."""
    for element in body.iter(*_BLOCKS):
        classes = element.get("class")
        name = element.get("id")
        if not classes and not name:
            continue
        bounds = _bounds_of_name((classes or "").lower())
        if bounds is None and name and not _is_id_of_heading(element, name):
            bounds = _bounds_of_name(name.lower())
        if bounds is not None and _fits(element, bounds, page):
            yield element


def _bounds_of_name(names: str) -> Bounds | None:
    if not names:
        return None
    return next((bounds for pattern, bounds in NAMES if pattern.search(names)), None)


def _is_id_of_heading(element: Element, name: str) -> bool:
    """Tell whether an id was made of the heading in an element: it names a part of the text then."""
    if element.tag not in {"section", "div"}:
        return False
    first = next((one for one in islice(element.iter("*"), 4) if one.tag in HEADINGS), None)
    if first is None:
        return False
    heading = to_one_line("".join(islice(first.itertext(), _TEXTS)))
    return _SLUG.sub("-", heading.lower()).strip("-¶#") == _SLUG.sub("-", name.lower()).strip("-")


def _find_labelled(body: Element, page: _Page) -> Iterator[Element]:
    """Yield what begins with the words that stand above such parts."""
    for label in body.iter(*_LABELS):
        length = page.measures[label].characters
        if not length or length > LONGEST_LABEL:
            continue
        said = to_one_line("".join(islice(label.itertext(), _TEXTS)))
        bounds = next((bounds for pattern, bounds in ABOVE if pattern.fullmatch(said)), None)
        if bounds is None:
            continue
        yield from _below(label, bounds, page)


def _below(label: Element, bounds: Bounds, page: _Page) -> list[Element]:
    """Return what a label stands above: the box that begins with it, else what follows up to a heading."""
    boxes = [label]
    while (above := boxes[-1].getparent()) is not None and above.tag not in {"body", "main", "html"}:
        if _text_before(boxes[-1]) or not _fits(above, bounds, page, size_only=True):
            break
        boxes.append(above)
    for box in reversed(boxes[1:]):
        if _fits(box, bounds, page) and _may_go([box], bounds, page):
            return [box]
    only_label = page.measures[label].characters
    for box in boxes:
        if page.measures[box].characters > only_label:
            break
        following = list(_siblings_below(box, label))
        if any(page.measures[one].characters for one in following):
            fits = _fit_together(following, bounds, page) and _may_go(following, bounds, page)
            return [box, *following] if fits else []
    return []


def _may_go(elements: list[Element], bounds: Bounds, page: _Page) -> bool:
    """Tell whether what a label stands above may be none of the text: it is not the article itself.

    That is what has most of the prose with hardly any before it. Comments are often longer than what they
    are about: they are known as such by their names, or by a field to write in.
    """
    for one in elements:
        found = page.measures[one]
        if found.prose > _MUCH * page.prose and found.before < _BEGINNING * page.prose:
            return _is_for_comments(one)
    return not bounds.named or any(_is_for_comments(one) for one in elements)


def _is_for_comments(element: Element) -> bool:
    """Tell whether names in an element say that it has comments, or somebody can write into it."""
    return any(
        one.tag == "textarea" or COMMENTED.search(_names(one)) for one in islice(element.iter("*"), 200)
    )


def _names(element: Element) -> str:
    """Return the classes of an element, and its id where that was not made of a heading."""
    name = element.get("id") or ""
    if element.tag in HEADINGS or (name and _is_id_of_heading(element, name)):
        name = ""
    return f"{element.get('class') or ''} {name}".lower()


def _text_before(element: Element) -> bool:
    """Tell whether anything is said in the same box before an element."""
    above, before = element.getparent(), element.getprevious()
    if above is not None and (above.text or "").strip():
        return True
    for _ in range(_MOST_SIBLINGS):
        if before is None:
            return False
        if (before.tail or "").strip() or "".join(islice(before.itertext(), _TEXTS)).strip():
            return True
        before = before.getprevious()
    return True


def _siblings_below(box: Element, label: Element) -> Iterator[Element]:
    level = str(label.tag) if label.tag in HEADINGS else "h9"
    after = box.getnext()
    for _ in range(_MOST_SIBLINGS):
        if after is None or (after.tag in HEADINGS and str(after.tag) <= level):
            return
        yield after
        after = after.getnext()


def _fit_together(elements: list[Element], bounds: Bounds, page: _Page) -> bool:
    total = Measure()
    for one in (page.measures[element] for element in elements):
        total.characters += one.characters
        total.linked += one.linked
        total.prose += one.prose
        total.controls += one.controls
    repeated = total.controls > 0 or _has_repeats(elements)
    return (
        _is_within(total, bounds, page) and (repeated or not bounds.repeated) and not _holds_title(elements)
    )


def _fits(element: Element, bounds: Bounds, page: _Page, *, size_only: bool = False) -> bool:
    one = page.measures[element]
    if element.tag in {"body", "main"} or _is_in_text(element):
        return False
    if size_only:
        return one.characters <= min(bounds.most, bounds.share * page.whole) and not _holds_title([element])
    repeated = (
        not bounds.repeated or one.controls > 0 or _has_repeats(list(islice(element.iterchildren(), 40)))
    )
    return _is_within(one, bounds, page) and repeated and not _holds_title([element])


def _is_within(one: Measure, bounds: Bounds, page: _Page) -> bool:
    return (
        one.characters <= bounds.most
        and one.characters <= bounds.share * page.whole
        and one.link_share >= bounds.linked
        and (one.controls > 0 or not bounds.controls)
    )


def _is_in_text(element: Element) -> bool:
    """Tell whether an element stands in a table's cell, in code or in a quotation."""
    above = element.getparent()
    for _ in range(6):
        if above is None:
            return False
        if above.tag in _IN_TEXT:
            return True
        above = above.getparent()
    return False


def _holds_title(elements: Iterable[Element]) -> bool:
    return any(next(element.iter("h1"), None) is not None for element in elements)


def _has_repeats(elements: list[Element]) -> bool:
    """Tell whether parts are alike: items with the same tag and class, at any of two levels."""
    for group in (elements, *(list(islice(one.iterchildren(), 40)) for one in elements[:10])):
        kinds = [
            (one.tag, one.get("class")) for one in group if one.tag in {"li", "article", "div", "section"}
        ]
        if len(kinds) > 1 and any(kinds.count(kind) > 1 for kind in kinds[:4]):
            return True
    return False


def _find_lines(body: Element, page: _Page) -> Iterator[Element]:
    """Yield single lines that are none of the text: bylines at its ends, and what leads away from it."""
    for element in body.iter(*_LINES):
        one = page.measures[element]
        if not one.characters or one.characters > _LONGEST_LINE or one.prose > _LONGEST_LINE / 2:
            continue
        if _is_in_text(element):
            continue
        said = to_one_line("".join(islice(element.itertext(), _TEXTS)))
        at_an_end = not one.before or one.before + one.prose >= page.prose
        byline = at_an_end and _stands_alone(element) and BYLINE.fullmatch(said)
        if byline or ALONE.fullmatch(said) or _only_leads_away(element, said, one):
            yield element


def _stands_alone(element: Element) -> bool:
    """Tell whether an element is a line of its own, and not a part of a sentence."""
    above = element.getparent()
    if element.tag in {"p", "div", "address", "li"} or above is None:
        return True
    return not (above.text or "").strip() and not (element.tail or "").strip(" |·•–-,\n\t")


def _only_leads_away(element: Element, said: str, one: Measure) -> bool:
    if not one.links or element.tag not in {"p", "div", "li"}:
        return False
    lead = LEADS_AWAY.match(said)
    return lead is not None and lead.end() > 0 and one.linked >= 0.9 * (one.characters - lead.end()) > 0


def _outermost(found: Iterable[Element], root: Element) -> list[Element]:
    """Return each element once, without those that stand in another one."""
    chosen = set(found)
    kept: list[Element] = []
    inside: Element | None = None
    for event, element in walk(root) if chosen else ():
        if event == "end":
            inside = None if element is inside else inside
        elif inside is None and element in chosen and element is not root:
            kept.append(element)
            inside = element
    return kept
