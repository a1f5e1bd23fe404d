"""Does the page say what the model said? Finds the span that supports an answer, or finds that there is none.

The check is lexical on purpose: it costs microseconds, it can be explained to the person who doubts it, and a
paraphrase that shares no word with the page is not something a cautious bot should repeat. A model that obeys an
instruction planted in a page, or that invents a number, fails here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from records import Citation, Passage

_WORD = re.compile(r"\w+(?:['’.,]\w+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)\]]*\s+(?=[\"“‘(\[]?[A-Z0-9])|\n+")
_FUNCTION_WORDS = frozenset(
    ["a", "an", "the", "and", "or", "but", "if", "of", "in", "on", "at", "to", "for", "from", "by", "with", "as", "is", "are", "was", "were", "be", "been", "being", "am", "do", "does", "did", "have", "has", "had", "will", "would", "shall", "should", "can", "could", "may", "might", "must", "not", "no", "nor", "so", "than", "that", "this", "these", "those", "it", "its", "he", "she", "they", "them", "their", "his", "her", "we", "us", "our", "you", "your", "i", "my", "me", "who", "whom", "whose", "which", "what", "when", "where", "why", "how", "there", "here", "also", "such", "into", "about", "over", "under", "between", "during", "per", "each", "any", "all", "some", "most", "more", "much", "many", "very", "just", "only", "page", "section", "excerpt", "text", "according", "states", "stated", "says", "said", "mentioned", "question", "answer", "yes"]
)
_PLAIN_SUFFIXES = ("ing", "ed", "es", "s", "ly")
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_SHORTEST_STEM = 3
_LONGEST_QUOTE = 320


@dataclass(frozen=True, slots=True)
class Support:
    """How well the passages support an answer.

    `covered` is the share, 0 to 1, of the answer's own content words (those that the question did not bring along)
    that stand in the cited span; 0 when there are none, unless the answer is a yes or a no. `numbers_stand` says whether every number of the answer
    stands in the passages. `citation` is the span, or None when nothing overlaps.
    """

    covered: float
    numbers_stand: bool
    citation: Citation | None


def support(question: str, answer: str, passages: Sequence[Passage]) -> Support:
    """Find the span of the passages that best supports the answer."""
    asked = content_words(question)
    said = content_words(answer)
    own = said - asked
    everything = content_words(" ".join(f"{p.title} {p.heading} {p.text}" for p in passages))
    numbers = {word for word in said if any(char.isdigit() for char in word)}
    best: tuple[float, Passage, str] | None = None
    for passage, span in spans(passages):
        words = content_words(span)
        score = 2 * len(words & own) + len(words & asked) - 0.01 * len(words)
        if words & (said | asked) and (best is None or score > best[0]):
            best = (score, passage, span)
    if best is None:
        return Support(covered=0.0, numbers_stand=False, citation=None)
    _, passage, span = best
    near = content_words(span) | content_words(f"{passage.title} {passage.heading}")
    # Words that only come back from the question say something when they answer yes or no, and nothing else.
    judged = own or (said if _YES_OR_NO.match(answer) else set[str]())
    covered = len(judged & near) / len(judged) if judged else 0.0
    return Support(covered, numbers <= (everything | asked), cite(passage, span))


def nearest(question: str, passages: Sequence[Passage]) -> Citation | None:
    """Return the span that shares most with the question: what an abstention shows."""
    if not passages:
        return None
    return support(question, question, passages).citation or cite(passages[0], next(spans(passages[:1]))[1])


def cite(passage: Passage, span: str) -> Citation:
    """Cite a span of a passage; a long span is cut at a word."""
    quote = span if len(span) <= _LONGEST_QUOTE else span[:_LONGEST_QUOTE].rsplit(None, 1)[0]
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
    """Cut a text into sentences and lines; each is a substring of the text without outer white space."""
    start = 0
    for end in [*_SENTENCE_END.finditer(text), None]:
        sentence = text[start : end.start() if end else len(text)].strip()
        if sentence:
            yield sentence
        if end:
            start = end.end()


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
