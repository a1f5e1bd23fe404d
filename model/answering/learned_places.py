"""Learned places: where reviewers found the answer to a question, for the questions that are like it.

    lesson = read_lesson(verified)                   what one ruling teaches: the right place, and wrong ones
    lesson = read_opinion(answer, giver, good)       what a thumb, stars or a reaction do
    places = LearnedPlaces(lessons, vectors)         a frozen snapshot, one row of length 1 for each lesson
    raise_hits(question, hits, places.recall(vector))   the hits with what was learned, in their order

The nearer a question is to a learned one, the more its places count: nothing below a cosine of `FROM`, all
from `TO` on. What several reviewers say of one place is added up, but one of them counts once, and all
together as much as one who is certain: neither many rulings nor many reviewers lift a place further than one
ruling on the same question does. What was shown first instead of the right place loses as much as that gains;
where the answer is on no page, what was shown loses little, since it may answer the next question.

A cosine does not tell "lost" from "forgotten", or one airport from another. So the words of a question that
the learned one does not have decide, too: a place that has none of them gains nothing, and one that has some
loses nothing. That costs two fifths of what is gained for questions in other words, and leaves half of those
alone that ask for something else (LOG.md).

What people think of an answer who are no reviewers (a thumb, stars, a reaction) is a *weak* lesson: each
counts `WEAK`, all of them together `MOST_WEAK`, half of a ruling, and no place is looked up for it. They
count where two people more think one thing than the other: one person alone moves nothing.

What stands in a lesson is never shown, and never read by a model. A place is an address and a quotation; its
text is the index's own, as it is now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.records import Answer, Citation, Hit, VerifiedAnswer
from model.checks.terms import content_words
from model.text.question import is_follow_up

FROM, TO = 0.6, 0.95
"""Cosine of two questions from which the places of one count for the other, and from which fully."""
STRENGTH = 6.0
"""What a place gains that a reviewer named for this very question, on the scale of the search's scores."""
SPAN = 0.3
"""What its sentences gain, as a cosine: that decides which of a passage's sentences is quoted."""
NOWHERE = 0.25
"""Share of a loss for what was shown where the answer is on no page."""
WEAK, MOST_WEAK = 0.25, 0.5
"""What one person's opinion counts, beside a ruling's 1, and all opinions about one place together."""
_AGREE = 2
"""So many people more must think one thing than the other before their opinions count."""
_MOST = 8
"""Lessons that one question recalls."""
_SHOWN = 3
"""Passages that count as shown where the answer is on no page."""
_SHARE = 0.5
"""Share of a quotation that stands in a passage which holds it; a quoted list may begin in the one before."""


@dataclass(frozen=True, slots=True)
class Place:
    """A quotation on a page (its address without fragment), and how right it is for a question, -1 to 1."""

    page: str
    quote: str
    right: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a ruling teaches about a question.

    `words` are those of the question that carry meaning. `teacher` is the reviewer (a pseudonym), `page_url`
    the page that the question named, `pages` what the ruling stands on, as in `VerifiedAnswer`. `is_weak`: no
    reviewer said it.
    """

    answer_id: str
    words: frozenset[str]
    teacher: str
    page_url: str | None
    pages: tuple[tuple[str, str], ...]
    places: tuple[Place, ...]
    is_weak: bool = False


@dataclass(frozen=True, slots=True)
class Recalled:
    """A lesson, and how much it counts for a question, 0 to 1."""

    lesson: Lesson
    counts: float


@dataclass(frozen=True, slots=True)
class LearnedPlaces:
    """Lessons, with the vectors of their questions."""

    lessons: tuple[Lesson, ...] = ()
    vectors: NDArray[np.float32] | None = None

    def recall(self, question: NDArray[np.float32]) -> list[Recalled]:
        """Return the lessons of the questions that are near to this one, the nearest first."""
        if self.vectors is None or not self.lessons:
            return []
        counts = np.clip((self.vectors @ question - FROM) / (TO - FROM), 0.0, 1.0)
        nearest: list[int] = np.argsort(-counts, kind="stable")[:_MOST].tolist()
        return [Recalled(self.lessons[at], float(counts[at])) for at in nearest if counts[at] > 0]


def read_lesson(verified: VerifiedAnswer) -> Lesson | None:
    """Return what a ruling teaches; None where it names no place, or its question does not stand alone."""
    if is_follow_up(verified.question_text):
        return None
    shown = tuple(Place(_get_page(one.url), one.text, -1.0) for one in verified.passages)
    if verified.abstained:
        places = tuple(replace(one, right=-NOWHERE) for one in shown[:_SHOWN])
    else:
        right = tuple(_read_place(one) for one in verified.citations[:1])
        instead = [one for one in shown[:1] if right and not any(_is_in(place, one) for place in right)]
        places = (*right, *instead)
    if not places:
        return None
    words = frozenset(content_words(verified.question_text))
    return Lesson(verified.answer_id, words, verified.verified_by, verified.page_url, verified.pages, places)


def read_opinion(answer: Answer, giver: str, good: int) -> Lesson | None:
    """Return what somebody's opinion of an answer teaches, 1 for good, -1 for bad; None for nothing.

    It is about the place that the answer cites first. What declined cites none, and what a reviewer verified
    is known better.
    """
    question, cited = answer.question, answer.citations[:1]
    if answer.abstained or answer.verified_by or not cited or is_follow_up(question.text):
        return None
    page = _get_page(cited[0].url)
    hashes = {_get_page(one.url): one.page_hash for one in answer.passages}
    if page not in hashes:
        return None
    place = replace(_read_place(cited[0]), right=WEAK * good)
    words = frozenset(content_words(question.text))
    pages = ((page, hashes[page]),)
    return Lesson(answer.id, words, giver, question.page_url, pages, (place,), is_weak=True)


def raise_hits(question: str, hits: Sequence[Hit], recalled: Sequence[Recalled]) -> list[Hit]:
    """Return the hits with what was learned about their places, in their order."""
    asked = content_words(question)
    return [_raise_hit(asked, hit, recalled) for hit in hits] if recalled else list(hits)


def list_missing(hits: Sequence[Hit], recalled: Sequence[Recalled]) -> list[Place]:
    """Return the right places that the search did not bring, each once, the surest first."""
    sure = [one.lesson for one in recalled if not one.lesson.is_weak]
    right = [place for lesson in sure for place in lesson.places if place.right > 0]
    return [place for place in dict.fromkeys(right) if find_place(hits, place) is None]


def find_place(hits: Sequence[Hit], place: Place) -> Hit | None:
    """Return the first hit that holds a place."""
    return next((hit for hit in hits if holds(hit, place)), None)


def holds(hit: Hit, place: Place) -> bool:
    """Tell whether a passage has most of what is quoted, or is a part of it."""
    return _get_page(hit.passage.url) == place.page and is_in_text(place, hit.passage.text)


def is_in_text(place: Place, text: str) -> bool:
    """Tell whether what was quoted to somebody has most of what a place quotes, or is a part of it."""
    return text in place.quote or _compute_share(place.quote, text) >= _SHARE


def _raise_hit(asked: Set[str], hit: Hit, recalled: Sequence[Recalled]) -> Hit:
    about = [(one, place) for one in recalled for place in one.lesson.places if holds(hit, place)]
    if not about:
        return hit
    passage = hit.passage
    words = content_words(f"{passage.title} {passage.heading} {passage.text}")
    by_teacher: dict[str, float] = {}
    by_rater: dict[str, float] = {}
    quotes: dict[str, float] = {}
    for one, place in about:
        if _speaks(asked - one.lesson.words, words, place):
            said = by_rater if one.lesson.is_weak else by_teacher
            _keep_strongest(said, one.lesson.teacher, one.counts * place.right)
            if place.right > 0:
                _keep_strongest(quotes, place.quote, one.counts * place.right)
    weak = max(-MOST_WEAK, min(MOST_WEAK, sum(by_rater.values()))) if _agree(by_rater.values()) else 0.0
    worth = max(-1.0, min(1.0, sum(by_teacher.values()) + weak))
    if not worth:
        return hit
    raised = replace(hit, score=hit.score + STRENGTH * worth, learned=STRENGTH * worth)
    return _raise_spans(raised, quotes if worth > 0 else {})


def _agree(opinions: Collection[float]) -> bool:
    """Tell whether enough people more think one thing than the other."""
    return abs(sum(1 if one > 0 else -1 for one in opinions)) >= _AGREE


def _speaks(own: Set[str], words: Set[str], place: Place) -> bool:
    """Tell whether a lesson speaks about a passage, by what the learned question does not say."""
    if not own:
        return True
    has_some = bool(own & words)
    return has_some if place.right > 0 else not has_some


def _raise_spans(hit: Hit, quotes: Mapping[str, float]) -> Hit:
    """Raise the sentences that reviewers quoted above those around them."""
    text = hit.passage.text
    spans = tuple(
        replace(
            span,
            similarity=min(1.0, span.similarity + SPAN * _find_gain(text[span.start : span.end], quotes)),
        )
        for span in hit.spans
    )
    return replace(hit, spans=spans)


def _find_gain(sentence: str, quotes: Mapping[str, float]) -> float:
    return max((counts for quote, counts in quotes.items() if sentence in quote), default=0.0)


def _keep_strongest(known: dict[str, float], name: str, value: float) -> None:
    if abs(value) > abs(known.get(name, 0.0)):
        known[name] = value


def _read_place(citation: Citation) -> Place:
    return Place(_get_page(citation.url), citation.quote, 1.0)


def _is_in(place: Place, shown: Place) -> bool:
    return place.page == shown.page and is_in_text(place, shown.quote)


def _compute_share(quote: str, text: str) -> float:
    """Return the share of a quotation's lines, by their length, that stand in a text."""
    lines = [line.strip() for line in quote.splitlines() if line.strip()]
    whole = sum(map(len, lines))
    return sum(len(line) for line in lines if line in text) / whole if whole else 0.0


def _get_page(url: str) -> str:
    return url.partition("#")[0]
