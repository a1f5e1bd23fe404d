"""Support of an answer by its pages: finds the sentence that bears it, and compares the two.

The check is lexical on purpose: it costs about a millisecond, it can be explained to the person who doubts
it, and a paraphrase that shares no word with the page is not something a cautious bot should repeat. A model
that obeys an instruction planted in a page, invents a number, or says the opposite, fails here.

    check(question, answer, passages)  →  Support(covered=0.8, same_sense=False, …)
    support(...)                       the same, for an answer of several sentences: the weakest of them
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import islice, pairwise

from core.records import Citation, Passage
from core.sentences import Piece, pieces, without_marker, words
from model.checks.claims import has_verb, parse_claims
from model.checks.names_and_numbers import (
    NumberContext,
    find_number_contexts,
    has_names,
    has_numbers,
    has_same_bounds,
    has_same_subject,
    is_as_often,
    is_in_same_column,
    is_said_of_another,
    is_same_number,
)
from model.checks.polarity import asks_whether, has_same_sense, keeps_condition, parse_yes_no
from model.checks.quantities import Quantity, find_quantities, without
from model.checks.terms import add_concepts, content_words, fold, to_ordered_terms, to_term
from model.text.prompt import INSTRUCTION, speaks_to_a_model

LEAST_COVERED = 0.5
_LONGEST_QUOTE = 320
_LONGEST_ANSWER = 4000
_MOST_SENTENCES = 30
_MOST_PLACES = 400
_TRIED = 4
"""Places of the passages, the nearest first, that are held against an answer."""
_AS_NEAR = 0.5
"""Share of the question's words in the nearest place that another one must have, too."""
_ENOUGH_ECHOED = 0.75
"""Share of a question's words that must stand in what a bare yes or no is cited to."""
_BOUND = re.compile(r"\b(?:limit|maximum|minimum|unlimited|none|no)\b", re.IGNORECASE)
"""Words that tell an amount without a number."""
_RUN = 5
"""Words in a row that are no accident."""
_COMMAS, _ANDS, _AND = re.compile(r"[,;]\s"), re.compile(r"\s(?:and|or)\s"), re.compile(r"^(?:and|or)\s")
_LEAST_LISTED = 3
"""Things that an answer names, one after the other, to be a list."""
_TURNS = re.compile(r"\b(?:not?|never|none|nor|except|without|only|cannot|\w+n['’]t)\b", re.IGNORECASE)
_LABEL = re.compile(r"\W*(?:question|text|excerpts?|passages?|context|page)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Support:
    """The support that passages give an answer.

    `covered` is the share, 0 to 1, of the answer's own content words (those that the question did not bring
    along) that stand in the cited words or what heads them; 0 when there are none, unless the answer is a yes
    or a no. `numbers_stand`: every number stands there with its unit, by what it is said of.
    `has_same_sense`: no clause says the opposite. `has_names`: names, addresses and codes stand there letter
    by letter. `keeps_condition`: a yes says the "only if", too. `has_same_subject`: it is not said of another
    kind ("sick leave" of "annual leave"). `citations` are where it stands, the first best; () when nothing
    overlaps.
    """

    covered: float
    numbers_stand: bool
    same_sense: bool
    names_stand: bool = True
    condition_kept: bool = True
    same_subject: bool = True
    citations: tuple[Citation, ...] = ()

    @property
    def citation(self) -> Citation | None:
        """The place where it stands."""
        return self.citations[0] if self.citations else None

    @property
    def unharmed(self) -> bool:
        """Nothing that it says speaks against the page, however much of it stands there."""
        return (
            self.numbers_stand
            and self.same_sense
            and self.names_stand
            and self.condition_kept
            and self.same_subject
        )

    def stands(self, least_covered: float = LEAST_COVERED) -> bool:
        """Tell whether it can be shown as an answer."""
        return self.unharmed and bool(self.citations) and self.covered >= least_covered


_NOTHING = Support(covered=0.0, numbers_stand=False, same_sense=False)


@dataclass(frozen=True)
class _Place:
    """Pieces of a passage: `quote` is cited, `near` heads it (headings, header row, lead).

    `others` are the terms that name the other rows of a table, and not this one.
    """

    passage: Passage
    quote: str
    near: str
    header: str = ""
    others: frozenset[str] = frozenset()
    further: tuple[Citation, ...] = ()

    @cached_property
    def words(self) -> set[str]:
        return add_concepts(content_words(self.quote))

    @property
    def spoken(self) -> tuple[NumberContext, ...]:
        return find_number_contexts(self.quote, self.near)

    @cached_property
    def around(self) -> set[str]:
        return add_concepts(content_words(self.near))


@dataclass(frozen=True)
class _Said:
    """An answer, and what of it is to be looked for: its numbers apart from its words."""

    question: str
    text: str
    echoes_count: bool
    numbers: tuple[Quantity, ...] = field(init=False)
    whether: bool = field(init=False)
    sign: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", find_quantities(self.text))
        object.__setattr__(self, "whether", asks_whether(self.question))
        object.__setattr__(self, "sign", parse_yes_no(self.text)[0] if self.whether else 0)

    @cached_property
    def asked(self) -> set[str]:
        return content_words(self.question)

    @cached_property
    def words(self) -> set[str]:
        counted = [one for one in self.numbers if not one.optional]
        return content_words(_without_sign(without(self.text, counted))) - _NEGATIVE

    @cached_property
    def own(self) -> set[str]:
        return self.words - self.asked

    @cached_property
    def own_numbers(self) -> list[Quantity]:
        asked = find_quantities(self.question)
        return [
            one
            for one in self.numbers
            if not one.optional and not any(is_same_number(one, other) for other in asked)
        ]

    @cached_property
    def says_whether(self) -> bool:
        """Tell whether it answers yes or no, also as a sentence: "Is it allowed?" – "It is not allowed"."""
        return bool(self.sign) or (self.whether and any(claim.whole for claim in parse_claims(self.text)))

    @cached_property
    def plainly(self) -> str:
        return " ".join(self.text[:_LONGEST_QUOTE].strip(" .").lower().split())

    def is_whole_in(self, quote: str) -> bool:
        """Tell whether an answer stands there as it is, in whole words.

        A sentence that says all of it, and something of the question, is its place. One that has nothing of
        the question is not: of what such sentences seem to support, hardly anything is right.
        """
        there = " ".join(quote.lower().split())
        at = there.find(self.plainly)
        while at >= 0:
            end = at + len(self.plainly)
            if not there[at - 1 : at].isalnum() and not there[end : end + 1].isalnum():
                return True
            at = there.find(self.plainly, end or 1)
        return False


_NEGATIVE = content_words("never nobody none nothing neither nowhere without")
"""What `polarity` looks at, whatever word says it."""


def _without_sign(text: str) -> str:
    return parse_yes_no(text)[1] or text


def support(
    question: str, answer: str, passages: Sequence[Passage], *, echoes_count: bool = False
) -> Support:
    """Find what best supports an answer: the citations of its sentences, and the least support.

    `echoes_count`: words that the question brought along are the answer where it has no others ("Is it high
    or low?").
    """
    answer = answer[:_LONGEST_ANSWER]
    found = [answer[piece.start : piece.end] for piece in pieces(answer)]
    places = list(islice(_places(passages), _MOST_PLACES))
    each = [
        _best(_Said(question, without_marker(one), echoes_count or bool(at)), places, passages, LEAST_COVERED)
        for at, one in enumerate(found[:_MOST_SENTENCES])
    ]
    return _together(each) if each else _NOTHING


def _together(each: Sequence[Support]) -> Support:
    if len(each) == 1:
        return each[0]
    return Support(
        covered=min(one.covered for one in each),
        numbers_stand=all(one.numbers_stand for one in each),
        same_sense=all(one.same_sense for one in each),
        names_stand=all(one.names_stand for one in each),
        condition_kept=all(one.condition_kept for one in each),
        same_subject=all(one.same_subject for one in each),
        citations=tuple(dict.fromkeys(citation for one in each for citation in one.citations)),
    )


def check(
    question: str,
    answer: str,
    passages: Sequence[Passage],
    *,
    echoes_count: bool = False,
    least_covered: float = LEAST_COVERED,
) -> Support:
    """Compare one sentence of an answer with the nearest places of the passages, and keep the best."""
    text = without_marker(answer[:_LONGEST_ANSWER])
    places = list(islice(_places(passages), _MOST_PLACES))
    found = _best(_Said(question, text, echoes_count), places, passages, least_covered)
    if found.stands(least_covered):
        return found
    named = [_Said(question, one, echoes_count=True) for one in _split_enumeration(question, text)]
    each = [_best(one, places, passages, least_covered) for one in named]
    listed = _together(each) if each else found
    return listed if listed.stands(least_covered) else found


def _split_enumeration(question: str, text: str) -> list[str]:
    """Return the things that an answer names one after the other: each may stand in a place of its own.

    What says something is no such list: "not A, B or C" is more than its parts. What leads to it may say
    again what was asked, and how many there are: "The three kinds are: A, B and C".
    """
    lead, _, listed = text.rpartition(":")
    *parts, last = _COMMAS.split(listed)
    named = [_AND.sub("", one).strip(" .") for one in (*parts, *_ANDS.split(last))]
    if len(named) < _LEAST_LISTED or any(not one or has_verb(one) for one in named):
        return []
    counts = find_quantities(lead)
    new = content_words(without(lead, counts)) - content_words(question)
    counted = all(str(len(named)) in one.readings for one in counts)
    return named if counted and not new and not _TURNS.search(lead) else []


def _best(
    said: _Said, places: Sequence[_Place], passages: Sequence[Passage], least_covered: float
) -> Support:
    if speaks_to_a_model(said.text) or _repeats_the_prompt(said.text, passages):
        return _NOTHING
    best: Support | None = None
    for place in _with_pairs(said, _nearest(said, places)):
        if best is not None and _measure_cover(said, place) < least_covered:
            continue
        found = _hold_against(said, place, passages)
        if found.stands(least_covered) and _has_other_number(said, place, places):
            found = replace(found, same_subject=False)
        if found.stands(least_covered):
            return found
        best = best or found
    return best or _NOTHING


def _repeats_the_prompt(answer: str, passages: Sequence[Passage]) -> bool:
    """Tell whether an answer is words that we have put before the model, and that no page says."""
    if _LABEL.match(answer):
        return True
    said, told = words(answer), _INSTRUCTION
    runs = {tuple(said[at : at + _RUN]) for at in range(len(said) - _RUN + 1)} & told
    if not runs:
        return False
    page = f" {' '.join(word for passage in passages for word in words(passage.text))} "
    return any(f" {' '.join(run)} " not in page for run in runs)


_WORDS_OF_INSTRUCTION = words(INSTRUCTION)
_INSTRUCTION = frozenset(
    tuple(_WORDS_OF_INSTRUCTION[at : at + _RUN]) for at in range(len(_WORDS_OF_INSTRUCTION) - _RUN + 1)
)


def _places(passages: Sequence[Passage]) -> Iterator[_Place]:
    for passage in passages:
        text = passage.text
        above = f"{passage.heading}. {passage.title}"
        found = _cut_places(text) or (Piece(0, len(text), "sentence"),)
        rows = _rows(text)
        for piece in found:
            quote = text[piece.start : piece.end]
            near = f"{piece.header}\n{piece.lead}\n{above}"
            others = rows.get(piece.header, frozenset()) - content_words(f"{quote}\n{near}")
            yield _Place(passage, quote, near, piece.header, others)


@lru_cache(maxsize=256)
def _rows(text: str) -> dict[str, frozenset[str]]:
    """Return the terms of the first cells of each table of a text, by its header row."""
    found: dict[str, frozenset[str]] = {}
    for piece in _cut_places(text):
        if piece.header:
            named = content_words(text[piece.start : piece.end].lstrip("| ").partition("|")[0])
            found[piece.header] = found.get(piece.header, frozenset()) | named
    return found


@lru_cache(maxsize=256)
def _cut_places(text: str) -> tuple[Piece, ...]:
    found = pieces(text)
    return tuple(piece for piece in found if piece.kind != "header") or tuple(found)


def _nearest(said: _Said, places: Sequence[_Place]) -> list[_Place]:
    """Return the places that share most with the answer and its question, the best first."""
    own, asked = add_concepts(said.own), said.asked
    scored = [(_nearness(said, place, own, asked), at) for at, place in enumerate(places)]
    scored = [one for one in scored if one[0] is not None]
    scored.sort(key=lambda one: (one[0], -one[1]), reverse=True)  # pyright: ignore[reportUnknownLambdaType, reportOptionalOperand]
    ranked = [places[at] for _, at in scored[: 3 * _TRIED]]
    if not ranked:
        return []
    # A sentence that has nothing to do with the question supports nothing where the page says something about
    # it.
    most = max(len((one.words | one.around) & asked) for one in places)
    least = max(_AS_NEAR * len((ranked[0].words | ranked[0].around) & asked), int(most > 1))
    return [one for one in ranked if len((one.words | one.around) & asked) >= least][:_TRIED]


def _nearness(said: _Said, place: _Place, own: set[str], asked: set[str]) -> tuple[bool, float] | None:
    words, around = place.words, place.around - place.words
    numbers = len(_match_numbers(said, place)) if said.own_numbers else 0
    if not numbers and not words & (said.words | asked | own):
        return None
    near = (
        2 * len(words & own)
        + 2 * numbers
        + len(words & asked)
        + 0.25 * len(around & (own | asked))
        - 0.01 * len(words)
    )
    return bool(words & asked and said.plainly and said.is_whole_in(place.quote)), near


def _with_pairs(said: _Said, places: Sequence[_Place]) -> Iterator[_Place]:
    """Yield the places, then pairs of which each says something that the other does not."""
    yield from places
    own = add_concepts(said.own)
    for one, other in pairwise(places):
        ours, theirs = one.words & own, other.words & own
        numbers = _match_numbers(said, one), _match_numbers(said, other)
        if (ours - theirs or numbers[0] - numbers[1]) and (theirs - ours or numbers[1] - numbers[0]):
            yield replace(
                one,
                quote=f"{one.quote}\n{other.quote}",
                near=f"{one.near}\n{other.near}",
                further=(cite(one.passage, one.quote), cite(other.passage, other.quote)),
            )


def _match_numbers(said: _Said, place: _Place) -> set[int]:
    there = find_quantities(place.quote)
    return {
        at
        for at, one in enumerate(said.own_numbers[:_TRIED])
        if any(is_same_number(one, other) for other in there)
    }


def _hold_against(said: _Said, place: _Place, passages: Sequence[Passage]) -> Support:
    """Hold an answer against one place."""
    question, answer = said.question, said.text
    kind = _same_kind(said, place, passages)
    return Support(
        covered=_measure_cover(said, place),
        numbers_stand=has_numbers(said.numbers, question, place.quote, place.near, denies=said.sign < 0)
        and is_as_often(answer, place.quote)
        and has_same_bounds(answer, place.quote)
        and has_same_subject(said.numbers, question, answer, place.spoken)
        and is_in_same_column(said.own_numbers, said.asked | said.words, place.quote, place.header),
        same_sense=has_same_sense(question, answer, place.quote, place.passage.heading),
        names_stand=has_names(answer, f"{place.quote}\n{place.near}\n{question}"),
        condition_kept=keeps_condition(question, answer, place.quote),
        same_subject=kind,
        citations=place.further or (cite(place.passage, place.quote),),
    )


def _has_other_number(said: _Said, place: _Place, places: Sequence[_Place]) -> bool:
    """Tell whether the passages have another number for what the answer's number is said of."""
    if not said.own_numbers:
        return False
    elsewhere = [one for other in places for one in other.spoken if other.quote not in place.quote]
    told = add_concepts(said.asked | said.words)
    return is_said_of_another(said.own_numbers, told, place.spoken, elsewhere)


def _measure_cover(said: _Said, place: _Place) -> float:
    near = place.words | place.around
    asked = add_concepts(said.asked)
    if said.says_whether and not said.own and not said.own_numbers:
        share = _share(said.asked if said.sign else said.words, near)
        return share if share >= _ENOUGH_ECHOED else 0.6 * share
    # Words that only come back from the question say something when they answer yes or no; else a model that
    # was not trained has only repeated it.
    judged = said.own or (said.words if said.echoes_count and not said.own_numbers else set[str]())
    numbers = len(said.own_numbers)
    if not judged and not numbers:
        return 0.0
    if said.sign:
        judged |= said.asked & near
    near |= _in_other_spelling(said, place)
    stood = sum(_is_there(word, near) for word in judged) + len(_match_numbers(said, place))
    return min(1.0, stood / (len(judged) + min(numbers, _TRIED))) if asked or judged or numbers else 0.0


def _in_other_spelling(said: _Said, place: _Place) -> set[str]:
    """Return the number words of an answer that stand there in figures: "third" for "3rd"."""
    there = find_quantities(place.quote)
    found = [
        one for one in said.numbers if one.optional and any(is_same_number(one, other) for other in there)
    ]
    return {term for one in found for term in content_words(said.text[one.start : one.end])}


def _share(terms: set[str], near: set[str]) -> float:
    return sum(_is_there(term, near) for term in terms) / len(terms) if terms else 0.0


def _is_there(term: str, near: set[str]) -> bool:
    return term in near or bool((add_concepts({term}) - {term}) & near)


def _same_kind(said: _Said, place: _Place, passages: Sequence[Passage]) -> bool:
    """Tell whether the place is about the kind that was asked for, where the passages know several.

    "Sick leave" is asked for, the place says "annual leave" and nothing of "sick", and "sick leave" stands
    elsewhere.
    """
    if not said.own_numbers and not said.sign and not place.others:
        return True
    told = said.asked | said.words
    if place.others & told:
        return False
    near = place.words | place.around
    wanted = {(kind, noun) for kind, noun in _kinds(said.question) if noun in near and kind not in near}
    if not wanted:
        return True
    there = _kinds(f"{place.quote}\n{place.near}")
    rivals = {noun for kind, noun in there if kind not in told} - {
        noun for kind, noun in there if kind in told
    }
    rivalled = {pair for pair in wanted if pair[1] in rivals}
    return not rivalled or not rivalled & _is_said_elsewhere(place, passages)


def _is_said_elsewhere(place: _Place, passages: Sequence[Passage]) -> set[tuple[str, str]]:
    """Return the kinds that have a section of their own, or a number somewhere else than in the place."""
    found: set[tuple[str, str]] = set()
    for passage in passages:
        found |= _kinds(passage.heading)
        for piece in _cut_places(passage.text)[:_MOST_PLACES]:
            text = passage.text[piece.start : piece.end]
            if text not in place.quote and (find_quantities(text) or _BOUND.search(text)):
                found |= _kinds(text)
    return found


@lru_cache(maxsize=512)
def _kinds(text: str) -> frozenset[tuple[str, str]]:
    """Return neighbouring terms: "sick leave" is (sick, leave)."""
    terms = to_ordered_terms(fold(text))
    return frozenset(
        (one, other)
        for one, other in pairwise(terms)
        if one and other and not (find_quantities(one) or one in _NO_KINDS)
    )


_NO_KINDS = frozenset(
    to_term(word)
    for word in [
        "different",
        "same",
        "new",
        "total",
        "main",
        "other",
        "own",
        "single",
        "several",
        "full",
        "whole",
        "current",
        "regular",
        "maximum",
        "minimum",
    ]
)


def cite(passage: Passage, span: str) -> Citation:
    """Cite a span of a passage; a long span is cut at a word."""
    quote = span if len(span) <= _LONGEST_QUOTE else (span[:_LONGEST_QUOTE].rsplit(None, 1) or [""])[0]
    return Citation(url=passage.url, title=passage.title, heading=passage.heading, quote=quote)
