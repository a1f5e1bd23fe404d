"""A page → passages that fit a prompt: whole paragraphs where possible, else whole sentences, else whole words.

A passage is a slice of its section's text, so that a quote from it stands on the page word for word.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from itertools import islice

from records import Page, Passage

log = logging.getLogger(__name__)

RECIPE = 1
"""Version of how pages are cut and searched; an index that was made with another one makes its passages again."""
MOST_PASSAGES = 2000
"""Passages of one page that are searched, a book of 500 pages; a larger page is cut off there."""

Span = tuple[int, int]
_LONGEST_LABEL = 160
"""Characters of a title or heading that are searched along with a passage."""
_BREAKS = (
    re.compile(r"\n[^\S\n]*\n\s*"),  # between paragraphs
    re.compile(r"\n\s*"),  # between lines: list items, rows of a table
    re.compile(  # between sentences; the last part is Chinese and Japanese
        r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c\u2018(\[]*[^\W_a-z])|(?<=[\u3002\uff01\uff1f])"
    ),
    re.compile(r"\s+"),  # between words
)


def cut(page: Page, count_tokens: Callable[[str], int], longest: int) -> Iterator[Passage]:
    """Yield a page's passages, in reading order, each at most `longest` tokens; no passage spans two sections."""
    for section in page.sections:
        url = f"{page.url}#{section.anchor}" if section.anchor else page.url
        for start, end in _pack(section.text, count_tokens, longest):
            yield Passage(
                url=url,
                title=page.title,
                heading=section.heading,
                text=section.text[start:end],
                page_hash=page.page_hash,
                fetched_at=page.fetched_at,
            )


def searchable(page: Page, count_tokens: Callable[[str], int], longest: int) -> list[Passage]:
    """Return the passages of a page that are searched: all of them, unless there are very many."""
    passages = list(islice(cut(page, count_tokens, longest), MOST_PASSAGES + 1))
    if len(passages) > MOST_PASSAGES:
        log.warning("%s is too long; only the first %d passages are searched", page.url, MOST_PASSAGES)
    return passages[:MOST_PASSAGES]


def searched_text(title: str, heading: str, text: str) -> str:
    """Return what is embedded and indexed for a passage: a short passage often makes sense under its heading only."""
    labels = dict.fromkeys(label[:_LONGEST_LABEL] for label in (title, heading) if label)
    return "\n".join([*labels, text])


def _pack(text: str, count_tokens: Callable[[str], int], longest: int) -> Iterator[Span]:
    """Join neighbouring pieces for as long as they fit together."""
    start = end = size = 0
    for (piece_start, piece_end), tokens in _pieces(text, (0, len(text)), count_tokens, longest):
        if size and size + tokens > longest:
            yield start, end
            size = 0
        if not size:
            start = piece_start
        end = piece_end
        size += tokens
    if size:
        yield start, end


def _pieces(
    text: str, span: Span, count_tokens: Callable[[str], int], longest: int, level: int = 0
) -> Iterator[tuple[Span, int]]:
    """Yield the largest pieces that fit, with their sizes in tokens: paragraphs, then lines, sentences, words."""
    for start, end in _split(text, span, level):
        tokens = count_tokens(text[start:end])
        if tokens <= longest:
            yield (start, end), max(tokens, 1)
        elif level + 1 < len(_BREAKS):
            yield from _pieces(text, (start, end), count_tokens, longest, level + 1)
        else:  # no word has so many pieces: data, or a script without spaces
            for at in range(start, end, longest):
                yield (at, min(at + longest, end)), longest


def _split(text: str, span: Span, level: int) -> Iterator[Span]:
    start, stop = span
    for gap in _BREAKS[level].finditer(text, start, stop):
        end = gap.end() - len(gap[0]) + len(gap[0].rstrip())
        if text[start:end].strip():
            yield _stripped(text, start, end)
        start = gap.end()
    if text[start:stop].strip():
        yield _stripped(text, start, stop)


def _stripped(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
