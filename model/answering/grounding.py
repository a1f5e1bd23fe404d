"""Grounding: what a model reads of the passages that were found, and what is cited of them.

Whether the page says what the model said is looked for in `model/checks/support.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from core.records import Citation, Passage
from core.sentences import pieces
from model.checks.support import Support, check, cite, support
from model.checks.terms import content_words
from model.text.prompt import speaks_to_a_model

__all__ = [
    "Reading",
    "Support",
    "check",
    "cite",
    "compute_rarity",
    "content_words",
    "find_nearest",
    "focus",
    "is_verbatim",
    "select_passages",
    "sentences",
    "spans",
    "support",
]


_SHORTEST_EXCERPT = 8
"""Words; a list's item alone says too little."""
_LONG_SENTENCE = 50
"""Words at which a sentence must match twice as well to be as near."""
_HEADING_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Reading:
    """The share of the passages that a model reads.

    The first `passages` of it (0: all) whole, or, where `sentences` are not 0, so many around the nearest one
    of them.
    """

    sentences: int = 1
    passages: int = 0


def select_passages(question: str, found: Sequence[Passage], reading: Reading) -> tuple[Passage, ...]:
    """Return what a model reads of the passages that were found: nothing that a page says to models."""
    passages = [_drop_orders(passage) for passage in found[: reading.passages or None]]
    return focus(question, [passage for passage in passages if passage.text], reading.sentences)


def _drop_orders(passage: Passage) -> Passage:
    text = passage.text
    for sentence in filter(speaks_to_a_model, sentences(passage.text)):
        text = text.replace(sentence, "", 1)
    return passage if text == passage.text else replace(passage, text=text.strip())


def focus(question: str, passages: Sequence[Passage], span_sentences: int) -> tuple[Passage, ...]:
    """Return the one passage that is nearest to the question, cut to the sentences around its nearest one.

    A small model that reads one sentence answers from it; one that reads a page gets lost (LOG.md has the
    figures). What comes back still stands in the page word for word. `span_sentences` of 0 keeps the passages
    whole.
    """
    if not span_sentences or not passages:
        return tuple(passages)
    every = list(spans(passages))
    weigh = compute_rarity([content_words(span) for _, span in every])
    asked = content_words(question)

    def nearness(at: int) -> float:
        passage, span = every[at]
        words = content_words(span)
        above = content_words(f"{passage.title} {passage.heading}") - words
        found = sum(map(weigh, words & asked)) + _HEADING_WEIGHT * sum(map(weigh, above & asked))
        return found / (1 + len(span.split()) / _LONG_SENTENCE)

    best = max(range(len(every)), key=nearness)
    passage = every[best][0]
    first = last = best
    while last - first + 1 < span_sentences or len(_between(every, first, last).split()) < _SHORTEST_EXCERPT:
        if last + 1 < len(every) and every[last + 1][0] is passage:
            last += 1
        elif first > 0 and every[first - 1][0] is passage:
            first -= 1
        else:
            break
    return (replace(passage, text=_between(every, first, last)),)


def compute_rarity(spans_words: Sequence[set[str]]) -> Callable[[str], float]:
    """Return the inverse document frequency of words among some spans: rare words tell more."""
    seen = Counter(word for words in spans_words for word in words)
    return lambda word: math.log(1 + len(spans_words) / (seen[word] or 1))


def _between(every: Sequence[tuple[Passage, str]], first: int, last: int) -> str:
    """Return the text of a passage from one of its sentences to another, as it stands there."""
    text = every[first][0].text
    before = [span for passage, span in every[:first] if passage is every[first][0]]
    start = 0
    for span in before:
        start = text.index(span, start) + len(span)
    start = text.index(every[first][1], start)
    end = start
    for _, span in every[first : last + 1]:
        end = text.index(span, end) + len(span)
    return text[start:end]


def find_nearest(question: str, passages: Sequence[Passage]) -> Citation | None:
    """Return the span that shares most with the question, for an abstention to show; none said to models."""
    read_by_people = [one for one in map(_drop_orders, passages) if one.text]
    if not read_by_people:
        return None
    found = check(question, question, read_by_people).citation
    return found or cite(read_by_people[0], next(spans(read_by_people[:1]))[1])


def is_verbatim(citation: Citation, passages: Sequence[Passage]) -> bool:
    """Tell whether the quote stands in a passage of its page, word for word."""
    return any(citation.url == passage.url and citation.quote in passage.text for passage in passages)


def spans(passages: Sequence[Passage]) -> Iterator[tuple[Passage, str]]:
    """Yield every sentence of the passages, as it stands there."""
    for passage in passages:
        yielded = False
        for sentence in sentences(passage.text):
            yielded = True
            yield passage, sentence
        if not yielded:
            yield passage, passage.text


def sentences(text: str) -> Iterator[str]:
    """Cut a text into sentences, items and rows.

    Each is a substring of the text without outer white space.
    """
    return (text[piece.start : piece.end] for piece in pieces(text))
