"""Running heads, running feet and page numbers: what stands on the edge of page after page.

They are told by their place and by what they say without its numbers. A table's header row that is repeated
on each page looks like one: the row below it has as many pieces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pages.parse.pdf.drawing import Box
from pages.parse.pdf.glyphs import Fragment
from pages.parse.pdf.layout import cut_bands

_EDGE = 0.12
"""Share of a page's height, above and below, where they stand."""
_BANDS = 2
"""Lines from the edge that are looked at."""
_STEP = 4.0  # points that their height may differ from page to page
_LARGE = 1.3
_FEW_PAGES = 5
_MANY = 0.3
"""Share of pages with a running head at one height: whatever stands there on others is one, too."""
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"\W{0,3}(?:(?:page|seite|página|pagina|p\.|s\.)\s?\d{1,4}(?:\s?(?:of|von|de|di|sur|/)\s?\d{1,4})?"
    r"|\d{1,4}\s?(?:of|von|/)\s?\d{1,4})\W{0,3}",
    re.IGNORECASE,
)

_Key = tuple[str, int]


@dataclass(slots=True)
class PageText:
    """The fragments of one page, and the page's box; `number` counts from 1."""

    number: int
    fragments: list[Fragment]
    box: Box


def drop_running_heads(pages: Sequence[PageText]) -> int:
    """Take what repeats on the edges out of pages; return how many lines that were."""
    sizes = [one.size for page in pages for one in page.fragments]
    largest = _LARGE * median(sizes) if sizes else 0.0
    found = [_edge_lines(page, largest) for page in pages]
    seen = Counter(key for lines in found for key in {key for key, _ in lines})
    least = 2 if len(pages) <= _FEW_PAGES else 3
    gone = [[band for key, band in lines if _is_repeated(key, band, seen, least)] for lines in found]
    slots = Counter(slot for bands in gone for slot in {round(band[0].base) for band in bands})
    usual = {slot for slot, count in slots.items() if count >= max(least, _MANY * len(pages))}
    dropped = 0
    for page, lines, repeated in zip(pages, found, gone, strict=True):
        alone = [band for _, band in lines if round(band[0].base) in usual and band not in repeated]
        for band in (*repeated, *alone):
            ids = set(map(id, band))
            kept = [one for one in page.fragments if id(one) not in ids]
            if kept or _PAGE_NUMBER.fullmatch(_words(band)):
                page.fragments = kept
                dropped += 1
    return dropped


def _is_repeated(key: _Key, band: Sequence[Fragment], seen: Counter[_Key], least: int) -> bool:
    beside = max(seen[(key[0], key[1] - 1)], seen[(key[0], key[1] + 1)])
    return seen[key] + beside >= least or _PAGE_NUMBER.fullmatch(_words(band)) is not None


def _edge_lines(page: PageText, largest: float) -> list[tuple[_Key, Sequence[Fragment]]]:
    bottom, top = page.box[1], page.box[3]
    margin = _EDGE * (top - bottom)
    outside = [one for one in page.fragments if one.base > top - margin or one.base < bottom + margin]
    bands = [[one for one in band if isinstance(one, Fragment)] for band in cut_bands(outside)]
    lines: list[tuple[_Key, Sequence[Fragment]]] = []
    for upper in (True, False):
        edge = [band for band in bands if (band[0].base > (bottom + top) / 2) == upper]
        edge = edge if upper else edge[::-1]
        for at, band in enumerate(edge[:_BANDS]):
            after = edge[at + 1] if at + 1 < len(edge) else []
            if max(one.size for one in band) > largest or (len(band) > 1 and len(after) == len(band)):
                break
            lines.append(((_DIGITS.sub("#", _words(band)), round(band[0].base / _STEP)), band))
    return lines


def _words(band: Sequence[Fragment]) -> str:
    return " ".join(one.text for one in sorted(band, key=lambda one: one.left))
