"""Lists of given names and surnames of some 70 countries, those from which Faker makes up people."""
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false
# Faker's lists come without types

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import faker.providers.person

WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f]|['’\-](?=[^\W\d_]))*")
"""A word of letters, with what joins them: O'Neil, Anne-Marie."""
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "ı": "i", "đ": "d", "ß": "ss", "æ": "ae", "ð": "d", "þ": "th"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def make_plain(text: str) -> str:
    """Return a text in small letters and without accents."""
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS)).replace("’", "'")
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


@cache
def _lists() -> tuple[Mapping[str, int], frozenset[str]]:
    """Return given names with the number of countries that have them, and surnames.

    Latin letters, made plain.
    """
    given: Counter[str] = Counter()
    surnames: set[str] = set()
    for module in iter_modules(faker.providers.person.__path__):
        provider: Any = import_module(f"faker.providers.person.{module.name}").Provider
        lists = [name for name in dir(provider) if name.startswith(("first_name", "last_name"))]
        theirs: set[str] = set()
        for name in lists:
            into = theirs if name.startswith("first") else surnames
            into.update(_plain_forms(getattr(provider, name)))
        given.update(theirs)
    return given, frozenset(surnames)


def _plain_forms(names: Any) -> Iterator[str]:
    if not isinstance(names, Mapping | Sequence) or isinstance(names, str):
        return  # a method or a template
    for name in names:
        for word in WORD.findall(str(name)):
            if len(word) > 1 and word[0].isupper() and make_plain(word).isascii():
                yield make_plain(word)
                yield make_plain(word.casefold().translate(_UMLAUTS))


def split_halves(folded: str, *, whole: bool) -> Sequence[str]:
    """Return what of a word to look up: double names are listed by their halves."""
    return (folded,) if whole else (folded, *folded.split("-"))


def count_countries(parts: Iterable[str]) -> int:
    """Return how many countries know one of these as a given name, at the most."""
    return max(_lists()[0].get(part, 0) for part in parts)


def is_surname(parts: Iterable[str]) -> bool:
    """Tell whether one of these is a surname somewhere."""
    return not _lists()[1].isdisjoint(parts)
