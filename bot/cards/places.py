"""The places of the pages that a ruling can stand on: those that are offered, and those that are found.

    list_choices(answer, text)             what a card, the page and the command line offer, in the same words
    find_place(answer, span, draft)        the place that was chosen, or the one that says the correction
    find_near_quote(answer)                the sentence that may answer a question after all

Whoever chooses nothing leaves it to the bot. It keeps the place that the text had so far only where that says
what the reviewer wrote (`model/checks/restatement.py`), else takes the best of the others that does, else
none: a correction above words that say something else helps nobody, and the search would learn the place.

All of it goes by words alone: a card is drawn often, and this takes no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from bot.cards.elements import name_place
from core.records import Answer, Citation, Passage, Review, VerifiedAnswer
from core.text import clip_text, strip_markers
from core.translation import mark, say
from model.answering.grounding import cite, is_verbatim, sentences
from model.checks.restatement import find_restated, rate_restatement
from model.checks.terms import content_words

MAX_SPANS = 12
MAX_CITED = 6
SPAN_CHARACTERS = 120
AUTO, NONE = "auto", "none"
"""The choices beside the places: the bot looks for the place, and no place."""
FIND_IT = mark("Let the bot find the place that says this")
NO_PLACE = mark("None of these places")
NOT_FOUND = mark("No place of the pages is shown with it.")
_NEAR = "near"
"""The choice of the nearest sentence as what a correction stands on."""

LEAST_SHARE = 0.6
"""Of the question's content words. Of 200 questions over a handbook, with the eight passages that a search by
words finds, 0.6 shows a sentence for 71 of 176 that the pages answer (24 times the very evidence) and for
8 of 24 that they do not; 0.5 for 101 and 15, 0.8 for 25 and 1.
"""
_CACHED = 64
"""Cards that are drawn again and again."""
_FEWEST = 2
"""A sentence that shares a single word with a question says nothing about it."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class NoSuchPlace(ValueError):
    """Something was chosen that is not among the places of the answer."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A correction, and the place that its text had so far; None where there was none."""

    text: str
    place: Citation | None


# What is offered


def spans(answer: Answer) -> Sequence[tuple[str, Citation]]:
    """Return what a correction can stand on, by its choice's value: citations first, then passages."""
    found = [
        (f"c{number}", citation) for number, citation in enumerate(answer.citations[:MAX_CITED], start=1)
    ]
    quoted = {citation.quote for _, citation in found}
    for number, passage in enumerate(answer.passages, start=1):
        citation = cite(passage, passage.text)
        if citation.quote not in quoted:
            found.append((f"p{number}", citation))
    near = find_near_quote(answer)
    if near is None or near.quote in {one.quote for _, one in found}:
        return found[:MAX_SPANS]
    return [*found[: MAX_SPANS - 1], (_NEAR, near)]


def list_places(answer: Answer, text: str = "") -> list[tuple[str, Citation]]:
    """Return the places; where the correction's text is known, first those that have most of its words."""
    said = content_words(text)
    whole = {passage.url: passage.text for passage in answer.passages}

    def count(place: tuple[str, Citation]) -> int:
        value, one = place
        there = whole.get(one.url, one.quote) if value.startswith("p") else one.quote
        return len(said & content_words(f"{there}\n{one.heading}"))

    return sorted(spans(answer), key=count, reverse=True)


def list_choices(answer: Answer, text: str = "") -> tuple[tuple[str, str], ...]:
    """Return what a correction can stand on, as a choice shows it: (value, title); () where nothing can."""
    places = [
        (value, clip_text(f"{name_place(one)}: {one.quote}", SPAN_CHARACTERS))
        for value, one in list_places(answer, text)
    ]
    return ((AUTO, say(FIND_IT)), *places, (NONE, say(NO_PLACE))) if places else ()


def find_choice(answer: Answer, draft: Draft) -> str:
    """Return the choice that leaves a text the place that it has: what a form begins with."""
    if not draft.text or find_place(answer, AUTO, draft) == draft.place:
        return AUTO
    if draft.place is None:
        return NONE
    return next((value for value, one in spans(answer) if one == draft.place), AUTO)


# What is found


def find_place(answer: Answer, span: str, draft: Draft) -> Citation | None:
    """Return the place that was chosen for a correction; "" is left to the bot. Raises NoSuchPlace."""
    if span == NONE:
        return None
    if span and span != AUTO:
        known = dict(spans(answer))
        if span not in known:
            raise NoSuchPlace(span)
        return known[span]
    return _find_restating(answer, draft)


def read_draft(answer: Answer, review: Review | None) -> Draft:
    """Return the text and the place that a correction replaces: a ruling's, or "" and the bot's own place.

    That is the ruling in force, the one that waits for consent, or the one that was taken back.
    """
    before = review.change.before if review and review.change and not review.blind else None
    ruling = (review.ruling or review.proposal or before) if review else None
    if ruling is not None and ruling.text:
        return Draft(ruling.text, ruling.citation)
    return Draft("", next(iter(answer.citations), None))


def read_served_draft(verified: VerifiedAnswer) -> Draft:
    """Return the text that people get, without our marks, and the place above which it stands."""
    return Draft(strip_markers(verified.text), next(iter(verified.citations), None))


def _find_restating(answer: Answer, draft: Draft) -> Citation | None:
    text, question = strip_markers(draft.text).strip(), answer.question.text
    best: tuple[float, Citation | None] = (0.0, None)
    here = draft.place is not None and _is_there(draft.place, answer)
    if draft.place is not None and here and rate_restatement(text, question, _to_passage(draft.place)):
        return draft.place
    for place, citation in _list_candidates(answer, draft.place):
        rate = rate_restatement(text, question, place)
        if rate > best[0]:
            best = rate, citation or cite(place, find_restated(text, question, place) or place.text)
    return best[1]


def _list_candidates(answer: Answer, so_far: Citation | None) -> Iterator[tuple[Passage, Citation | None]]:
    """Yield what is cited, then the passages, that of the place so far first; with what would be cited."""
    for citation in answer.citations[:MAX_CITED]:
        yield _to_passage(citation), citation
    for passage in sorted(answer.passages, key=lambda one: so_far is None or one.url != so_far.url):
        yield passage, None


def _is_there(place: Citation, answer: Answer) -> bool:
    """Tell whether a place is one of the answer's, as its pages are now."""
    return place in answer.citations or is_verbatim(place, answer.passages)


def _to_passage(citation: Citation) -> Passage:
    return Passage(citation.url, citation.title, citation.heading, citation.quote, "", _LONG_AGO)


def find_near_quote(answer: Answer) -> Citation | None:
    """Return the sentence that may answer after all, None where none is near."""
    return _find(answer.question.text, answer.passages)


@lru_cache(_CACHED)
def _find(question: str, passages: tuple[Passage, ...]) -> Citation | None:
    asked = content_words(question)
    best: tuple[float, float, Passage, str] | None = None
    for passage in passages:
        above = content_words(f"{passage.title} {passage.heading}") & asked
        for sentence in sentences(passage.text):
            own = content_words(sentence) & asked
            score = (len(own | above) / len(asked) if asked else 0.0, len(own))
            if own and len(own | above) >= min(_FEWEST, len(asked)) and (best is None or score > best[:2]):
                best = (*score, passage, sentence)
    if best is None or best[0] < LEAST_SHARE:
        return None
    return cite(best[2], best[3])
