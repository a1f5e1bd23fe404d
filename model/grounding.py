"""Where on the page is it, and does the page say what the model said? Finds spans; finds that there is none.

The check is lexical on purpose: it costs microseconds, it can be explained to the person who doubts it, and a
paraphrase that shares no word with the page is not something a cautious bot should repeat. A model that obeys an
instruction planted in a page, or that invents a number, fails here.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from model.planted import speaks_to_a_model
from records import Citation, Passage
from sentences import pieces

_WORD = re.compile(r"\w+(?:['’.,]\w+)*")
_FUNCTION_WORDS = frozenset(
    """
    a an the and or but if of in on at to for from by with as is are was were be been being am do does
    did have has had will would shall should can could may might must not no nor so than that this these
    those it its he she they them their his her we us our you your i my me who whom whose which what
    when where why how there here also such into about over under between during per each any all some
    most more much many very just only page section excerpt text according states stated says said
    mentioned question answer yes
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_PLAIN_SUFFIXES = ("ing", "ed", "es", "s", "ly")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|un\w+able)\b|n['’]t\b", re.IGNORECASE
)
_FORBIDS = re.compile(
    r"\b(?P<verb>can|could|may|might|must|should|will|would|do|does|did|is|are|was|were)(?:\s*not\b|n['’]t\b|\s+never\b)",
    re.IGNORECASE,
)
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_SHORTEST_STEM = 3
_LONGEST_QUOTE = 320
_SHORTEST_EXCERPT = 8
"""Words; a list's item alone says too little."""
_LONG_SENTENCE = 50
"""Words at which a sentence must match twice as well to be as near."""
_HEADING_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Support:
    """How well the passages support an answer.

    `covered` is the share, 0 to 1, of the answer's own content words (those that the question did not bring along)
    that stand in the cited span; 0 when there are none, unless the answer is a yes or a no. `numbers_stand`: every
    number of the answer stands in the passages. `same_sense`: the answer says no "not" that the span does not say,
    and does not leave out the "not" of a "may not". `citation` is the span, or None when nothing overlaps.
    """

    covered: float
    numbers_stand: bool
    same_sense: bool
    citation: Citation | None


def support(
    question: str, answer: str, passages: Sequence[Passage], *, echoes_count: bool = False
) -> Support:
    """Find the span of the passages that best supports the answer.

    `echoes_count`: words that the question brought along are the answer where it has no others ("Is it high or low?").
    """
    asked = content_words(question)
    said = content_words(answer)
    own = said - asked
    everything = content_words(" ".join(f"{p.title} {p.heading} {p.text}" for p in passages))
    numbers = {word for word in said if any(char.isdigit() for char in word)}
    whole = _word_for_word(answer)
    best: tuple[tuple[bool, float], Passage, str] | None = None
    for passage, span in spans(passages):
        words = content_words(span)
        near = 2 * len(words & own) + len(words & asked) - 0.01 * len(words)
        score = (bool(words & asked and whole.search(span)), near)
        if words & (said | asked) and (best is None or score > best[0]):
            best = (score, passage, span)
    if best is None:
        return Support(covered=0.0, numbers_stand=False, same_sense=False, citation=None)
    _, passage, span = best
    near = content_words(span) | content_words(f"{passage.title} {passage.heading}")
    # Words that only come back from the question say something when they answer yes or no; else a model that was not
    # trained has only repeated it.
    judged = own or (said if echoes_count or _YES_OR_NO.match(answer) else set[str]())
    covered = len(judged & near) / len(judged) if judged else 0.0
    return Support(covered, numbers <= (everything | asked), _same_sense(answer, span), cite(passage, span))


def _word_for_word(answer: str) -> re.Pattern[str]:
    """Find an answer as it is, in whole words. A sentence that says all of it, and something of the question, is its span.

    One that has nothing of the question is not: of what such sentences seem to support, hardly anything is right.
    """
    words = r"\s+".join(map(re.escape, answer.strip(" .").split()))
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _same_sense(answer: str, span: str) -> bool:
    if _NEGATION.search(answer) and not _NEGATION.search(span):
        return False
    forbidden = {match.group("verb").lower() for match in _FORBIDS.finditer(span)}
    allowed = {word.lower() for word in _WORD.findall(_NEGATION.sub(" ", answer))}
    return bool(_NEGATION.search(answer)) or not forbidden & allowed


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of what was found a model reads.

    The first `passages` of it (0: all) whole, or, where `sentences` are not 0, so many around the nearest one of them.
    """

    sentences: int = 1
    passages: int = 0


@dataclass(frozen=True, slots=True)
class Within:
    """What an answer may be: a stretch of whole words of the `pages`, chosen greedily, or the `sentence` instead."""

    pages: tuple[str, ...]
    sentence: str


def read(question: str, found: Sequence[Passage], reading: Reading) -> tuple[Passage, ...]:
    """Return what a model reads of the passages that were found: nothing that a page says to models."""
    passages = [_for_readers(passage) for passage in found[: reading.passages or None]]
    return focus(question, [passage for passage in passages if passage.text], reading.sentences)


def _for_readers(passage: Passage) -> Passage:
    text = passage.text
    for sentence in filter(speaks_to_a_model, sentences(passage.text)):
        text = text.replace(sentence, "", 1)
    return passage if text == passage.text else replace(passage, text=text.strip())


def focus(question: str, passages: Sequence[Passage], span_sentences: int) -> tuple[Passage, ...]:
    """Return the one passage that is nearest to the question, cut to the sentences around its nearest one.

    A small model that reads one sentence answers from it; one that reads a page gets lost (LOG.md has the figures).
    What comes back still stands in the page word for word. `span_sentences` of 0 keeps the passages whole.
    """
    if not span_sentences or not passages:
        return tuple(passages)
    every = list(spans(passages))
    weigh = rarity([content_words(span) for _, span in every])
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


def rarity(spans_words: Sequence[set[str]]) -> Callable[[str], float]:
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


def nearest(question: str, passages: Sequence[Passage]) -> Citation | None:
    """Return the span that shares most with the question: what an abstention shows."""
    if not passages:
        return None
    return support(question, question, passages).citation or cite(passages[0], next(spans(passages[:1]))[1])


def cite(passage: Passage, span: str) -> Citation:
    """Cite a span of a passage; a long span is cut at a word."""
    quote = span if len(span) <= _LONGEST_QUOTE else (span[:_LONGEST_QUOTE].rsplit(None, 1) or [""])[0]
    return Citation(url=passage.url, title=passage.title, heading=passage.heading, quote=quote)


def stands(citation: Citation, passages: Sequence[Passage]) -> bool:
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
    """Cut a text into sentences, items and rows; each is a substring of the text without outer white space."""
    return (text[piece.start : piece.end] for piece in pieces(text))


def content_words(text: str) -> set[str]:
    """Return the words that carry meaning, lower-cased, with plain English endings cut off."""
    words = (match.group().lower().replace("’", "'").replace(",", "") for match in _WORD.finditer(text))
    return {_stem(word) for word in words if word not in _FUNCTION_WORDS}


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    for suffix in _PLAIN_SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            return word.removesuffix(suffix)
    return word
