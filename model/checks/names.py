"""Names of persons, places and things, and what is written in signs: addresses, commands, codes. A paraphrase keeps them."""

from __future__ import annotations

import re
from functools import lru_cache

from core.sentences import words
from model.checks.quantities import quantities
from model.checks.terms import content_words, fold, term_of

_SIGNS = re.compile(
    r"https?://[^\s<>\"'”]{1,300}|\bwww\.[^\s<>\"'”]{1,300}"
    r"|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"
    r"|<[A-Za-z][\w .:/-]{0,60}>"
    r"|(?<![\w@#/.-])(?:\d{1,9}(?!(?:st|nd|rd|th|am|pm|k|bn|m|h|km|kg|gb|mb|tb|kb)\b)[A-Za-z][\w-]{0,40}|[A-Za-z][A-Za-z]{0,12}-?\d[\w-]{0,40})"
    r"|(?<!\w)[#@/~][\w./-]{2,100}|(?<!\w)--?[a-z][\w-]{0,40}"
    r"|\b[^\W_]{0,60}_\w{1,100}|\b[\w-]{1,60}\(\)|\b\w{1,60}\[\w{0,9}\]|\b[a-z]{1,30}[A-Z]\w{0,40}"
)
"""Addresses, mail addresses, placeholders, codes such as GS-15 or 18F, channels and paths, flags, identifiers."""
_CAPITALISED = re.compile(r"(?<![\w'’-])[^\W\d_a-zß-öø-ÿ][^\W_]{1,40}(?:[-'’][^\W_]{1,40}){0,3}")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s|\n)[\s\"'“‘(•*-]{0,4}$")
_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|sind|nicht|ein|eine|wird|werden|für|mit)\b", re.IGNORECASE)
_NO_NAMES = frozenset(
    """
    yes no not i you we they he she it the a an this that these those there here please note if when for in on at by to from
    with as and but or so all any each every only also however according after before during because since while although
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_DEPARTMENTS = frozenset({"IT", "US", "WHO"})
"""Names that are written as words of grammar are, but for their capitals."""
_ACRONYM = re.compile(r"(?<![^\W_])[A-Z]{2,6}(?![^\W_])")
_LONGEST = 4000
_MOST = 100


def names_stand(answer: str, there: str) -> bool:
    """Tell whether all that must be copied letter by letter stands `there`: the cited words and the question."""
    return _signs(answer) <= _signs_in(answer, there) and _names(answer) <= _known(there)


def _signs(answer: str) -> frozenset[str]:
    return frozenset(match[0].rstrip(".,;:!?)'’") for match in _SIGNS.finditer(answer[:_LONGEST]))


def _signs_in(answer: str, there: str) -> frozenset[str]:
    """Return those signs of an answer that stand there, each on its own and not as the beginning of another."""
    lower = there.lower()
    return frozenset(sign for sign in list(_signs(answer))[:_MOST] if _stands_alone(sign.lower(), lower))


def _stands_alone(sign: str, there: str) -> bool:
    at = there.find(sign)
    tries = 0
    while at >= 0 and tries < _MOST:
        before, behind = there[at - 1 : at] if at else "", there[at + len(sign) : at + len(sign) + 2]
        if not (_JOINS_BEFORE.match(before) and sign[0].isalnum()) and not _JOINS.match(behind):
            return True
        at, tries = there.find(sign, at + 1), tries + 1
    return False


_JOINS_BEFORE = re.compile(r"[\w@]")
_JOINS = re.compile(r"\w|-\w|[/?#=&%~+@][\w/]|[.:]\w")


@lru_cache(maxsize=1024)
def _known(there: str) -> frozenset[str]:
    """Return the words of a text, and the initials of its names: "Human Resources" is HR."""
    there = there[: 4 * _LONGEST]
    found = {term_of(word) for word in words(there)} | content_words(there)
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
    answer = _SIGNS.sub(lambda match: "." * len(match[0]), answer[:_LONGEST])
    if (_GERMAN.search(answer) and not answer.isascii()) or len(_GERMAN.findall(answer[:400])) > 1:
        return set()
    found: set[str] = set()
    for match in list(_CAPITALISED.finditer(answer))[:_MOST]:
        word = match[0]
        grammar = fold(word) in _NO_NAMES and word not in _DEPARTMENTS
        if grammar or (_begins(answer, match.start()) and not word.isupper()):
            continue
        if any(one.start <= match.start() < one.end for one in quantities(answer)):
            continue
        found.update([word] if _ACRONYM.fullmatch(word) else [term_of(part) for part in words(word)])
    return found


def _begins(answer: str, at: int) -> bool:
    return bool(_SENTENCE_START.search(answer[max(0, at - 8) : at]))
