"""Cuts a page into passages that fit a prompt: whole paragraphs, else sentences, else words.

A passage is a slice of its section's text, so that a quote from it stands on the page word for word.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from core.records import Page, Passage, Section
from core.sentences import Piece, pieces

log = logging.getLogger(__name__)

RECIPE = 3
"""Version of how pages are cut and searched; an index that was made with another one makes its passages
again."""
MOST_PASSAGES = 2000
"""Passages of one page that are searched, a book of 500 pages; a larger page is cut off there."""
MOST_SENTENCES = 20_000
"""Sentences of one page that are embedded, some twenty times what its passages take; hostile pages have
more."""

Span = tuple[int, int]
_MOST_OF_PASSAGE = 400
"""Sentences of one passage that are embedded; an item of Cosmos DB takes 2 MB, which these are a tenth of."""
_LONGEST_LABEL = 160
"""Characters of a title or heading that are searched along with a passage."""
_CHARACTERS_OF_A_TOKEN = 64
"""Ten times what a token has in prose: beyond, nothing is counted, for the tokenizer holds the
interpreter."""
_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")
_WORDS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, item or row of a passage, `passage.text[start:end]`; `text` is what is embedded for it."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class SearchablePassage:
    """A passage, the `text` that is embedded and indexed for it, and its sentences in their order."""

    passage: Passage
    text: str
    sentences: tuple[Sentence, ...]


def cut_passages(page: Page, count_tokens: Callable[[str], int], longest: int) -> Iterator[SearchablePassage]:
    """Yield a page's passages, in reading order, each at most `longest` tokens.

    No passage spans two sections.
    """
    shown = page.url.partition("#")[0]  # behind it may stand the language in which the page was asked for
    for section in page.sections:
        url = f"{shown}#{section.anchor}" if section.anchor else shown
        rest = deque(pieces(section.text))
        for start, end in _pack(section.text, count_tokens, longest):
            passage = Passage(
                url=url,
                title=page.title,
                heading=section.heading,
                text=section.text[start:end],
                page_hash=page.page_hash,
                fetched_at=page.fetched_at,
            )
            sentences = tuple(_sentences_within(section, rest, start, end, page.title))[:_MOST_OF_PASSAGE]
            yield SearchablePassage(
                passage, build_search_text(page.title, section.heading, passage.text), sentences
            )


def prepare_passages(page: Page, count_tokens: Callable[[str], int], longest: int) -> list[SearchablePassage]:
    """Return the passages of a page that are searched: all of them, unless there are very many."""
    found: list[SearchablePassage] = []
    room = MOST_SENTENCES  # taken as they come: to look through millions of objects holds everybody
    for one in islice(cut_passages(page, count_tokens, longest), MOST_PASSAGES + 1):
        found.append(replace(one, sentences=one.sentences[: max(room, 0)]))
        room -= len(one.sentences)
    if len(found) > MOST_PASSAGES:
        log.warning("%s is too long; only the first %d passages are searched", page.url, MOST_PASSAGES)
    return found[:MOST_PASSAGES]


def _sentences_within(
    section: Section, rest: deque[Piece], start: int, end: int, title: str
) -> Iterator[Sentence]:
    """Yield what a passage has of its section's pieces.

    One that goes on behind the passage stays in `rest`.
    """
    while rest and rest[0].start < end:
        piece = rest[0]
        if piece.end > start:
            first, last = _strip_span(section.text, max(piece.start, start), min(piece.end, end))
            if first < last:
                text = section.text[first:last]
                yield Sentence(
                    first - start, last - start, _sentence_text(title, section.heading, piece, text)
                )
        if piece.end > end:
            return
        rest.popleft()


def _sentence_text(title: str, heading: str, piece: Piece, text: str) -> str:
    """Return what is embedded for a sentence: its headings come first, a row's header, too."""
    above = (piece.lead or piece.header)[:_LONGEST_LABEL]
    return build_search_text(title, heading, f"{above}\n{text}" if above else text)


def build_search_text(title: str, heading: str, text: str) -> str:
    """Return what is embedded and indexed for a passage: a short one needs its heading."""
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
    """Yield the largest pieces that fit, with their tokens: paragraphs, lines, sentences, words."""
    for start, end in _LEVELS[level](text, *span):
        fits = end - start <= longest * _CHARACTERS_OF_A_TOKEN
        tokens = count_tokens(text[start:end]) if fits else longest + 1
        if tokens <= longest:
            yield (start, end), max(tokens, 1)
        elif level + 1 < len(_LEVELS):
            yield from _pieces(text, (start, end), count_tokens, longest, level + 1)
        else:  # no word has so many pieces: data, or a script without spaces
            for at in range(start, end, longest):
                yield (at, min(at + longest, end)), longest


def _paragraphs(text: str, start: int, stop: int) -> Iterator[Span]:
    return _split(text, start, stop, _PARAGRAPHS)


def _lines(text: str, start: int, stop: int) -> Iterator[Span]:
    """Yield items, rows and sentences; a line that was broken because it was full goes on."""
    first: Span | None = None
    for span in _sentences(text, start, stop):
        if first is not None and "\n" not in text[first[1] : span[0]]:
            first = (first[0], span[1])
            continue
        if first is not None:
            yield first
        first = span
    if first is not None:
        yield first


def _sentences(text: str, start: int, stop: int) -> Iterator[Span]:
    return ((start + piece.start, start + piece.end) for piece in pieces(text[start:stop]))


def _words(text: str, start: int, stop: int) -> Iterator[Span]:
    return _split(text, start, stop, _WORDS)


_LEVELS = (_paragraphs, _lines, _sentences, _words)


def _split(text: str, start: int, stop: int, gaps: re.Pattern[str]) -> Iterator[Span]:
    for gap in gaps.finditer(text, start, stop):
        if text[start : gap.start()].strip():
            yield _strip_span(text, start, gap.start())
        start = gap.end()
    if text[start:stop].strip():
        yield _strip_span(text, start, stop)


def _strip_span(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
