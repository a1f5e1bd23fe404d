"""Names and numbers of an answer: whether each stands in the cited words, as a paraphrase has to keep it.

Names are of persons, places and things, and what is written in signs: addresses, commands, codes. A number
stands with the same unit, and said of the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from core.sentences import words
from model.checks.quantities import UNITS, Quantity, find_quantities, to_plain_digits
from model.checks.terms import content_words, fold, to_term

_SIGNS = re.compile(
    r"https?://[^\s<>\"'”]{1,300}|\bwww\.[^\s<>\"'”]{1,300}"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    r"|<[A-Za-z][\w .:/-]{0,60}>"
    r"|(?<![\w@#/.-])(?:\d{1,9}(?!(?:st|nd|rd|th|am|pm|k|bn|m|h|km|kg|gb|mb|tb|kb)\b)[A-Za-z][\w-]{0,40}"
    r"|[A-Za-z][A-Za-z]{0,12}-?\d[\w-]{0,40})"
    r"|(?<!\w)[#@/~][\w./-]{2,100}|(?<!\w)--?[a-z][\w-]{0,40}"
    r"|\b[^\W_]{0,60}_\w{1,100}|\b[\w-]{1,60}\(\)|\b\w{1,60}\[\w{0,9}\]|\b[a-z]{1,30}[A-Z]\w{0,40}"
)
"""Addresses, mail addresses, placeholders, codes such as GS-15 or 18F, channels and paths, flags,
identifiers."""
_CAPITALISED = re.compile(r"(?<![\w'’-])[^\W\d_a-zß-öø-ÿ][^\W_]{1,40}(?:[-'’][^\W_]{1,40}){0,3}")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s|\n)[\s\"'“‘(•*-]{0,4}$")
_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|sind|nicht|ein|eine|wird|werden|für|mit)\b", re.IGNORECASE)
_NO_NAMES = frozenset(
    """
    yes no not i you we they he she it the a an this that these those there here please note if when for in on
    at by to from
    with as and but or so all any each every only also however according after before during because since
    while although
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_DEPARTMENTS = frozenset({"IT", "US", "WHO"})
"""Names that are written as words of grammar are, but for their capitals."""
_ACRONYM = re.compile(r"(?<![^\W_])[A-Z]{2,6}(?![^\W_])")
_LONGEST_NAMED = 4000
_MOST_NAMES = 100


def has_names(answer: str, there: str) -> bool:
    """Tell whether all names and signs of an answer stand in `there`, the cited words and the question."""
    return _signs(answer) <= _match_signs(answer, there) and _names(answer) <= _collect_words(there)


def _signs(answer: str) -> frozenset[str]:
    return frozenset(match[0].rstrip(".,;:!?)'’") for match in _SIGNS.finditer(answer[:_LONGEST_NAMED]))


def _match_signs(answer: str, there: str) -> frozenset[str]:
    """Return the signs of an answer that stand there on their own, not as the beginning of others."""
    lower = there.lower()
    return frozenset(
        sign for sign in list(_signs(answer))[:_MOST_NAMES] if _stands_alone(sign.lower(), lower)
    )


def _stands_alone(sign: str, there: str) -> bool:
    at = there.find(sign)
    tries = 0
    while at >= 0 and tries < _MOST_NAMES:
        before, behind = there[at - 1 : at] if at else "", there[at + len(sign) : at + len(sign) + 2]
        if not (_JOINS_BEFORE.match(before) and sign[0].isalnum()) and not _JOINS.match(behind):
            return True
        at, tries = there.find(sign, at + 1), tries + 1
    return False


_JOINS_BEFORE = re.compile(r"[\w@]")
_JOINS = re.compile(r"\w|-\w|[/?#=&%~+@][\w/]|[.:]\w")


@lru_cache(maxsize=1024)
def _collect_words(there: str) -> frozenset[str]:
    """Return the words of a text, and the initials of its names: "Human Resources" is HR."""
    there = there[: 4 * _LONGEST_NAMED]
    found = {to_term(word) for word in words(there)} | content_words(there)
    run = ""
    for token in there.split():
        letter = token.lstrip("(\"'“")[:1]
        small = token in {"of", "and", "the", "for", "&"}
        run = run + letter if letter.isupper() else (run if small else "")
        found.update(run[at:] for at in range(max(0, len(run) - 6), len(run) - 1))
    found.update(match[0] for match in _ACRONYM.finditer(there))
    return frozenset(found)


def _names(answer: str) -> set[str]:
    """Return the capitalised words of an answer that begin no sentence, and acronyms wherever they stand."""
    answer = _SIGNS.sub(lambda match: "." * len(match[0]), answer[:_LONGEST_NAMED])
    if (_GERMAN.search(answer) and not answer.isascii()) or len(_GERMAN.findall(answer[:400])) > 1:
        return set()
    found: set[str] = set()
    for match in list(_CAPITALISED.finditer(answer))[:_MOST_NAMES]:
        word = match[0]
        grammar = fold(word) in _NO_NAMES and word not in _DEPARTMENTS
        if grammar or (_begins(answer, match.start()) and not word.isupper()):
            continue
        if any(one.start <= match.start() < one.end for one in find_quantities(answer)):
            continue
        found.update([word] if _ACRONYM.fullmatch(word) else [to_term(part) for part in words(word)])
    return found


def _begins(answer: str, at: int) -> bool:
    return bool(_SENTENCE_START.search(answer[max(0, at - 8) : at]))


_HOW_MANY = re.compile(
    r"\bhow (?:many|much)\s+(?:\w+\s+){0,2}?(\w+)|\b(?:wie ?viele?|combien de|cuant[oa]s)\s+(\w+)"
)
_A_UNIT = re.compile(r"\b(?:an?|one|per|each|every|eine?|un|une|una)\s+(\w+)")
_EVERY = re.compile(
    r"\b(?:every|each|per|alle|jede[nrs]?)\s+(?:(\d+|two|three|four|five|six|second|third|other|few|zwei"
    r"|drei)\s+)?([^\W\d_]+)"
)
_BOUND = re.compile(
    r"(?:\b(after|beyond|exceeding|above|over|more than|longer than|at least|from|since|minimum of"
    r"|older than)"
    r"|\b(?:within|before|below|under|up to|less than|fewer than|shorter than|at most|by|until|till"
    r"|no later than|maximum of"
    r"|no more than|younger than))\s*+(?:(?:the |about |the age of |age )[$€£]?\s*|[$€£]\s*)?$",
    re.IGNORECASE,
)
_LONGEST = 4000
_MOST = 60
"""Numbers of one text that are compared."""
_HOURS = 24
_YEAR = 4


def is_same_number(one: Quantity, other: Quantity) -> bool:
    """Tell whether two quantities are one: a reading in common, and no other unit."""
    if not _same_value(one, other):
        return False
    if "th" in {one.unit, other.unit}:
        return one.unit == other.unit
    if other.kind and one.kind != other.kind:  # "10 days" is sooner than "10 working days"
        return False
    return not one.unit or not other.unit or one.unit == other.unit


def _same_value(one: Quantity, other: Quantity) -> bool:
    ours, theirs = one.readings, other.readings
    if _select_full_dates(ours) and _select_full_dates(theirs):
        return bool(_select_full_dates(ours) & _select_full_dates(theirs))
    if ours & theirs or _in_year(ours, theirs) or _in_year(theirs, ours):
        return True
    # "3:30" of an answer may be the afternoon of the page, "3:30 pm" cannot be the page's "3:30".
    hours = {value.replace("clock ", "time ") for value in ours if value[:5] in {"time ", "clock"}}
    return bool(
        hours & (theirs | _afternoon(theirs)) or {v for v in theirs if v[:5] == "time "} & _afternoon(ours)
    )


def _select_full_dates(readings: Collection[str]) -> set[str]:
    return {value for value in readings if value.startswith("date ") and value.count("-") > 1}


def _in_year(year: Collection[str], date: Collection[str]) -> bool:
    """Tell whether one is the year of the other: "2010" stands in "25 February 2010"."""
    return any(
        f"date {value}-" in reading
        for value in year
        if len(value) == _YEAR and value.isdigit()
        for reading in date
    )


def _afternoon(readings: Collection[str]) -> set[str]:
    """Return whole hours as times of day: "at 9" is 9:00."""
    return {f"time {value}:00" for value in readings if value.isdigit() and int(value) <= _HOURS}


def find_asked_unit(question: str) -> str:
    """Return the unit that a question asks for: "how many hours" wants hours."""
    match = _HOW_MANY.search(to_plain_digits(question))
    return UNITS.get((match[1] or match[2]) if match else "", "")


def find_single_units(text: str) -> set[str]:
    """Return the units that a text has once without a number: "a year" is one year."""
    return {UNITS[word] for word in _A_UNIT.findall(to_plain_digits(text)) if word in UNITS}


def has_numbers(
    said: Sequence[Quantity], question: str, cited: str, near: str, *, denies: bool = False
) -> bool:
    """Tell whether each number stands in the cited words or `near` them (headings, a header row).

    A number that the question brought along may come back, unless the cited words have another one of its
    unit: then only an answer that `denies` may repeat it.
    """
    there = [*find_quantities(cited), *find_quantities(near)][:_MOST]
    if len(said) > _MOST:
        return False
    asked = find_quantities(question)
    told = content_words(f"{cited}\n{near}\n{question}")
    wanted = find_asked_unit(question)
    for one in said:
        if one.optional:
            continue
        given = one if one.unit or not wanted else replace(one, unit=wanted)
        if _counts_another(one, there):
            return False
        foreign = bool(one.noun) and one.noun not in told
        if any(is_same_number(given, other) and not (foreign and other.unit) for other in there) or (
            "1" in one.readings and one.unit in find_single_units(cited)
        ):
            continue
        repeated = any(is_same_number(one, other) for other in asked)
        rivals = any(other.unit == one.unit for other in find_quantities(cited) if other.unit != "th")
        if not repeated or (rivals and not denies):
            return False
    return True


def _counts_another(one: Quantity, there: Sequence[Quantity]) -> bool:
    """Tell whether the noun is counted by other numbers only: "12 rooms" of "3 rooms on floor 12"."""
    alike = [other for other in there if one.noun and other.noun == one.noun]
    return bool(alike) and not any(is_same_number(one, other) for other in alike)


def is_as_often(answer: str, cited: str) -> bool:
    """Tell "every week" from "every two weeks", and "per month" from "per year"."""
    said, there = _every(answer), _every(cited)
    if there and said and not {unit for unit, _ in said} & {unit for unit, _ in there}:
        return False
    return not {unit for unit, once in said if once and (unit, False) in there and (unit, True) not in there}


def _every(text: str) -> set[tuple[str, bool]]:
    """Return the units after an "every", and whether it is every single one."""
    found = _EVERY.findall(to_plain_digits(text[:_LONGEST]))
    return {(UNITS[word], not number) for number, word in found if word in UNITS}


def has_same_bounds(answer: str, cited: str) -> bool:
    """Tell "after ten days" from "within ten days"."""
    there = [(one, _side(cited, one)) for one in find_quantities(cited)[:_MOST]]
    for one in find_quantities(answer)[:_MOST]:
        side = _side(answer, one)
        sides = {other_side for other, other_side in there if is_same_number(one, other)}
        if side and sides == {-side}:
            return False
    return True


def _side(text: str, one: Quantity) -> int:
    """Return 1 for what lies beyond a number, -1 for what lies before it, 0 for neither."""
    before = text[max(0, one.start - 24) : one.start]
    match = _BOUND.search(before)
    return 0 if match is None else 1 if match[1] else -1


def _rivals(one: Quantity, other: Quantity) -> bool:
    """Tell whether one number could be taken for another: the same unit, or none and the same noun."""
    return one.unit == other.unit if one.unit or other.unit else bool(one.noun) and one.noun == other.noun


def is_in_same_column(said: Sequence[Quantity], told: Collection[str], row: str, header: str) -> bool:
    """Tell whether a table's number stands in the column that is spoken of."""
    cells, names = _CELL.split(row), [content_words(name) for name in _CELL.split(header)]
    if not header or len(cells) != len(names):
        return True
    fits = [len(name & set(told)) for name in names]
    numbers = [find_quantities(cell) for cell in cells]
    for one in said[:_MOST]:
        own = [
            fit
            for fit, found in zip(fits, numbers, strict=True)
            if any(is_same_number(one, other) for other in found)
        ]
        rest = [
            fit
            for fit, found in zip(fits, numbers, strict=True)
            if found and not any(is_same_number(one, other) for other in found)
        ]
        if own and rest and max(rest) > max(own):
            return False
    return True


_LENGTHS = frozenset(UNITS[word] for word in ("minute", "hour", "day", "week", "month", "year"))
_YEARS = re.compile(r"(?:1[5-9]|20)\d\d")
_WEAK = content_words(
    "get got have take receive give earn need make use go come pay cost be employee staff people many much"
)
"""Words that say little of what a number is said of."""
_UNITS = frozenset(content_words(" ".join(UNITS)))
_CELL = re.compile(r"(?:(?<!\s)\s+)?[|¦]\s*")
_PART = re.compile(r"[;,•|]\s|\s(?:and|but|while|whereas|und|et|y|or)\s|[.:](?=\s)")


def has_same_subject(
    said: Sequence[Quantity], question: str, answer: str, there: Sequence[NumberContext]
) -> bool:
    """Tell whether, of several numbers of one unit, the right one is said of the subject.

    "Full-time staff get 25 days and part-time staff 15": 25 days are not what part-time staff get. `there`
    are the numbers of the cited words.
    """
    if len(there) <= 1 or len(said) > _MOST:
        return True
    told = content_words(f"{question} {answer}") - _WEAK
    everywhere = frozenset[str].intersection(*(one.words for one in there))
    for one in said:
        own = [len((other.words - everywhere) & told) for other in there if is_same_number(one, other.number)]
        rivals = [
            len((other.words - everywhere) & told)
            for other in there
            if not is_same_number(one, other.number)
            and _rivals(one, other.number)
            and not any(is_same_number(other.number, another) for another in said)
        ]
        if own and rivals and max(rivals) > max(own):
            return False
    return True


@dataclass(frozen=True, slots=True)
class NumberContext:
    """A number of a page with the words of its part of the sentence, and those that head it."""

    number: Quantity
    words: frozenset[str]
    heads: frozenset[str]


@lru_cache(maxsize=2048)
def find_number_contexts(cited: str, near: str) -> tuple[NumberContext, ...]:
    """Return the numbers of a place, each with what it is said of. `near` is what heads the place."""
    there = find_quantities(cited)[:_MOST]
    heads = frozenset(content_words(near))
    return tuple(
        NumberContext(one, part, heads) for one, part in zip(there, _parts(cited, there), strict=True)
    )


def is_said_of_another(
    said: Sequence[Quantity],
    told: Collection[str],
    cited: Sequence[NumberContext],
    elsewhere: Sequence[NumberContext],
) -> bool:
    """Tell whether the page gives the subject another number, and the cited one to something else.

    Of "The late fee is 77 euros. A coffee costs 7 euros." the late fee is not 7 euros: all that the cited
    number is said of the other one is said of, too, and more. `told` are the terms of the question and of the
    answer.
    """
    wanted = set(told) - _WEAK - _UNITS
    for one in said[:_MOST]:
        own = [wanted & (other.words | other.heads) for other in cited if is_same_number(one, other.number)]
        rivals = [
            wanted & (other.words | other.heads)
            for other in elsewhere
            if _alike(one, other.number)
            and not any(is_same_number(another, other.number) for another in said)
        ]
        if own and any(all(mine < theirs for mine in own) for theirs in rivals):
            return True
    return False


def _alike(one: Quantity, other: Quantity) -> bool:
    """Tell whether both count the same kind of thing: weeks and months are both lengths of time."""
    if one.unit in _LENGTHS and other.unit in _LENGTHS:
        return True
    return (
        _rivals(one, other)
        if one.unit or one.noun or other.unit or other.noun
        else _shape(one) == _shape(other)
    )


def _shape(one: Quantity) -> set[str]:
    """Return what a number without a unit looks like: a year, a date, a time of day, or a plain number."""
    return {
        value.split()[0] if " " in value else "year" if _YEARS.fullmatch(value) else "number"
        for value in one.readings
    }


def _parts(cited: str, there: Sequence[Quantity]) -> list[frozenset[str]]:
    """Return the words around each quantity: those of its part of the sentence."""
    found: list[frozenset[str]] = []
    for one in there:
        start = max((match.end() for match in _PART.finditer(cited, 0, one.start)), default=0)
        stop = _PART.search(cited, one.end)
        others = f"{cited[start : one.start]} {cited[one.end : stop.start() if stop else len(cited)]}"
        found.append(frozenset(word for word in content_words(others) if not word.isdigit()))
    return found
