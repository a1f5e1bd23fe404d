"""Quotations: the sentences, list items or table rows of a page that answer a question best.

    quote(question, hits) → Quote: the words, the sentence among them that answers, and where else to look

A quotation is a stretch of its passage, word for word, of at most `MOST_WORDS` words, or `MOST_LIST_WORDS`
where it is a list or steps: half a list is no answer. A table's rows come with their header row. What a page
says to models instead of to its readers (`model/text/prompt.py`) is never quoted, and no stretch goes across
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from core.records import Citation, Hit, Passage
from core.sentences import Piece, is_list, pieces
from model.answering import grounding
from model.text.prompt import speaks_to_a_model
from model.text.question import AskedKind, classify_question

MOST_WORDS = 80
MOST_LIST_WORDS = 150
MOST_MARKED = 30
"""Words of what is marked: somebody who looks for a fact should not have to look for it in the mark."""
MOST_FURTHER = 3
"""How many further places stand below a quotation."""
_FURTHER_WORDS = 60
"""Words that are shown of a further place."""
_SOURCE_WORDS = 40
"""Words that are shown of the source of a short answer."""
IRRELEVANT = -11.0
"""A reranker's logit of a text that has nothing to do with the question."""
_RELEVANT = 0.2
"""What a logit adds to the worth of a piece, beside a cosine and a share of words (LOG.md)."""
_LEAST_SIMILAR = 0.1
_LOOKED_AROUND = 6_000
"""Characters on each side of a passage, several times what is quoted at most."""
_FURTHER_AMONG = 5
"""How many hits further places are looked for in."""


_CLAUSE = re.compile(r"[^,;:()\u2013\u2014]{1,400}[,;:()\u2013\u2014]*|[,;:()\u2013\u2014]+")
_CLAUSES_TRIED = 12
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class ScoredPiece:
    """A piece of a passage, its similarity to the question, and the share of its words.

    `similarity` is None where the search did not look at it: it stands beyond the passage that was found.
    `relevance` is a reranker's logit; 0 for all pieces of a passage that none read.
    """

    piece: Piece
    similarity: float | None
    covered: float
    relevance: float = 0.0

    @property
    def score(self) -> float:
        """The higher, the better it answers."""
        return (self.similarity or 0.0) + self.covered + _RELEVANT * self.relevance


@dataclass(frozen=True, slots=True)
class Quote:
    """A quotation.

    `passage` is the passage it stands in, `text` its words, `answering` the sentence that answers.

    `marked` is that sentence, or the part of a long one that shares most with the question.

    `stretch` is where it stands in the passage: all of `text`, but for a header row that stands further up.
    `above` is what the marked one is read with, its header row or what introduces its list ("": it is a
    sentence). `further` are other places.
    """

    passage: Passage
    text: str
    answering: str
    marked: str
    stretch: tuple[int, int]
    above: str = ""
    further: tuple[Citation, ...] = ()

    @property
    def citation(self) -> Citation:
        """The place of the words."""
        start, end = self.stretch
        return grounding.cite(self.passage, self.passage.text[start:end])

    @property
    def source(self) -> Citation:
        """The answering sentence and what fits around it: what a short answer is shown with."""
        text = self.passage.text
        every = _quotable(text)
        at = next(at for at, one in enumerate(every) if text[one.start : one.end] == self.answering)
        first, last = _grown(text, every, (at, at), _SOURCE_WORDS, _SOURCE_WORDS)
        return grounding.cite(self.passage, text[every[first].start : every[last].end])

    @property
    def sentence(self) -> Passage:
        """The answering sentence alone, with what it is read with: all that a small model reads."""
        return replace(self.passage, text=f"{self.above}\n{self.answering}" if self.above else self.answering)


def choose_quote(question: str, hits: Sequence[Hit], section: str = "") -> Quote | None:
    """Choose the words to quote from the first hit, and further places from the next ones.

    None where there is none.

    `section` is the text of the whole section that the first passage is a part of ("": not known): a list
    that goes on beyond its passage is quoted from there.
    """
    for at, hit in enumerate(hits):
        chosen = _quote(question, _widen_hit(hit, section) if at == 0 else hit)
        if chosen is not None:
            others = [*hits[:at], *hits[at + 1 :]][:_FURTHER_AMONG]
            return replace(chosen, further=_further(question, others, chosen))
    return None


def score_pieces(question: str, hit: Hit) -> list[ScoredPiece]:
    """Return the pieces of a passage that can be quoted, with what they are worth; header rows are none."""
    asked = grounding.content_words(question)
    similar = {(span.start, span.end): span.similarity for span in hit.spans}
    relevance = {(one.start, one.end): one.relevance for one in hit.read}
    unread = min(IRRELEVANT, *relevance.values()) if relevance else 0.0
    found: list[ScoredPiece] = []
    for piece in _quotable(hit.passage.text):
        words = hit.passage.text[piece.start : piece.end]
        covered = len(asked & grounding.content_words(f"{piece.header} {words}")) / max(1, len(asked))
        place = (piece.start, piece.end)
        found.append(ScoredPiece(piece, similar.get(place), covered, relevance.get(place, unread)))
    return found


def _quotable(text: str) -> list[Piece]:
    """Return the pieces that a page says to its readers; a header row comes with its rows."""
    return [
        one
        for one in pieces(text)
        if one.kind != "header" and not speaks_to_a_model(text[one.start : one.end])
    ]


def _quote(question: str, hit: Hit) -> Quote | None:
    every = _to_the_point(score_pieces(question, hit))
    if not every:
        return None
    best = max(range(len(every)), key=lambda at: every[at].score)
    text = hit.passage.text
    first, last = _stretch(text, [one.piece for one in every], best)
    start, end = every[first].piece.start, every[last].piece.end
    header = every[first].piece.header
    shown = text[start:end] if not header or header in text[start:end] else f"{header}\n{text[start:end]}"
    piece = every[best].piece
    answering = text[piece.start : piece.end]
    marked = _select_clauses(question, answering)
    return Quote(hit.passage, shown, answering, marked, (start, end), piece.header or piece.lead)


def _to_the_point(every: Sequence[ScoredPiece]) -> list[ScoredPiece]:
    """Leave out what has nothing to do with the question.

    It costs no answer, and is how other matter is planted.
    """
    return [one for one in every if one.covered or one.similarity is None or one.similarity >= _LEAST_SIMILAR]


def _select_clauses(question: str, sentence: str) -> str:
    """Return a sentence, or of a long one its best clauses in a row, `MOST_MARKED` words at most.

    A number counts where one is asked for. Of equal ones the longest is taken: what is asked for stands
    beside the question's words, not in them.
    """
    if len(sentence.split()) <= MOST_MARKED:
        return sentence
    asked = grounding.content_words(question)
    wants_number = classify_question(question) is AskedKind.QUANTITY
    clauses = [match.span() for match in _CLAUSE.finditer(sentence)]
    best, worth = sentence, (-1, 0)
    for at, (start, _) in enumerate(clauses):
        for _, end in clauses[at : at + _CLAUSES_TRIED]:
            part = sentence[start:end].strip()
            count = len(part.split())
            if count > MOST_MARKED:
                break
            told = wants_number and _DIGIT.search(part) is not None
            found = (len(asked & grounding.content_words(part)) + told, count)
            if found > worth:
                best, worth = part, found
    return best


def _stretch(text: str, every: Sequence[Piece], best: int) -> tuple[int, int]:
    """Return the first and the last piece of what is quoted: as much around the best one as the bounds allow.

    Of a list that fits, all of it comes first.
    """
    first, last = _list_around(text, every, best)
    if not _fits(text, every, first, last, MOST_WORDS, MOST_LIST_WORDS):
        first = last = best
    return _with_its_list(text, every, _grown(text, every, (first, last), MOST_WORDS, MOST_LIST_WORDS), best)


def _with_its_list(text: str, every: Sequence[Piece], kept: tuple[int, int], best: int) -> tuple[int, int]:
    """Go on to the end of a list that the last piece announces, for which the quotation may begin later.

    Of a list that is too long its announcement is left out, too, unless it is the best piece.
    """
    first, last = kept
    if not _introduces(text, every, last):
        return kept
    _, end = _list_around(text, every, last)
    for begin in range(first, best + 1):
        if _fits(text, every, begin, end, MOST_WORDS, MOST_LIST_WORDS):
            return begin, end
    return (first, last - 1) if last > best else kept


def _introduces(text: str, every: Sequence[Piece], at: int) -> bool:
    """Tell whether a piece is the sentence that introduces the list behind it."""
    if every[at].kind == "item" or at + 1 >= len(every) or every[at + 1].kind != "item":
        return False
    return text[every[at].start : every[at].end] == every[at + 1].lead


def _grown(
    text: str, every: Sequence[Piece], kept: tuple[int, int], most: int, most_of_list: int
) -> tuple[int, int]:
    """Add the next piece, else the one before, for as long as one of them fits."""
    first, last = kept
    grown = True
    while grown:
        grown = False
        for first_then, last_then in ((first, last + 1), (first - 1, last)):
            if _fits(text, every, first_then, last_then, most, most_of_list):
                first, last, grown = first_then, last_then, True
                break
    return first, last


def _list_around(text: str, every: Sequence[Piece], at: int) -> tuple[int, int]:
    """Return the list that a piece belongs to or introduces, with the sentence that introduces it."""
    first = last = at
    while first > 0 and every[first].kind == "item":
        first -= 1
    if first < at and text[every[first].start : every[first].end] not in every[first + 1].lead:
        first += every[first].kind != "item"
    while last + 1 < len(every) and every[last + 1].kind == "item":
        last += 1
    return first, last if every[at].kind == "item" or _introduces(text, every, at) else at


def _fits(text: str, every: Sequence[Piece], first: int, last: int, most: int, most_of_list: int) -> bool:
    if first < 0 or last >= len(every) or _leaves_out(text, every[first : last + 1]):
        return False
    stretch = text[every[first].start : every[last].end]
    words = len(stretch.split()) + len(every[first].header.split())
    return words <= (most_of_list if is_list(stretch) else most)


def _leaves_out(text: str, chosen: Sequence[Piece]) -> bool:
    """Tell whether the pieces leave out a header row, or what is said to models."""
    gaps = (text[one.end : other.start] for one, other in pairwise(chosen))
    return any(gap.strip() for gap in gaps)


def _widen_hit(hit: Hit, section: str) -> Hit:
    """Return a hit whose passage is widened to the whole list that it begins or ends in.

    As much of the section is looked at as could be quoted: it may be a book.
    """
    section = _around(section, hit.passage.text)
    at = section.find(hit.passage.text) if section else -1
    if at < 0 or len(section) == len(hit.passage.text):
        return hit
    every = pieces(section)
    end = at + len(hit.passage.text)
    inside = [piece for piece in every if piece.start >= at and piece.end <= end]
    if not inside:
        return hit
    start = min([at, *(p.start for p in _same_list(reversed([p for p in every if p.end <= at]), inside[0]))])
    behind = [piece for piece in every if piece.start >= end]
    goes_on = _same_list(behind, behind[0] if _announces(section, inside[-1], behind) else inside[-1])
    stop = max([end, *(piece.end for piece in goes_on)])
    shift = at - start
    spans = tuple(replace(span, start=span.start + shift, end=span.end + shift) for span in hit.spans)
    read = tuple(replace(one, start=one.start + shift, end=one.end + shift) for one in hit.read)
    return replace(hit, passage=replace(hit.passage, text=section[start:stop]), spans=spans, read=read)


def _announces(section: str, piece: Piece, behind: Sequence[Piece]) -> bool:
    """Tell whether a piece introduces the list that comes behind it."""
    return _introduces(section, [piece, *behind[:1]], 0)


def _around(section: str, text: str) -> str:
    """Return the part of a section that a text stands in, from a line's beginning; "" where it does not."""
    at = section.find(text)
    if at < 0:
        return ""
    before = section.rfind("\n", 0, max(0, at - _LOOKED_AROUND)) + 1
    return section[before : at + len(text) + _LOOKED_AROUND]


def _same_list(neighbours: Iterable[Piece], of: Piece) -> list[Piece]:
    """Return the neighbours up to where the list ends that a piece belongs to."""
    return list(takewhile(lambda piece: of.kind == piece.kind == "item", neighbours))


def _further(question: str, hits: Sequence[Hit], chosen: Quote) -> tuple[Citation, ...]:
    """Return the best quotation of each of the next passages, but for what is quoted already."""
    found: list[Citation] = []
    for hit in hits:
        every = score_pieces(question, hit)
        if not every:
            continue
        text = hit.passage.text
        best = max(range(len(every)), key=lambda at: every[at].score)
        first, last = _grown(text, [one.piece for one in every], (best, best), _FURTHER_WORDS, _FURTHER_WORDS)
        words = text[every[first].piece.start : every[last].piece.end]
        if text[every[best].piece.start : every[best].piece.end] in chosen.text:
            continue
        found.append(grounding.cite(hit.passage, words))
        if len(found) == MOST_FURTHER:
            break
    return tuple(found)
