"""Finds the names of people in a text.

SpaCy's model, lists of names and what stands around a name, each checking the other. The model alone misses
names in small letters, short sentences and names of other languages, and takes products and holidays for
people; lists alone take May, Grace and Will for people. So the model's word counts where the lists do not
speak against it, a listed name counts where neither it nor what follows it is an ordinary word, and after a
cue ("my name is", "Dr.", "ask") less is asked for. The lists are Faker's, which it makes up people from:
given names and surnames of about 70 countries.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportUnknownParameterType=false
# spaCy comes without types

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from feedback.masking.language import Doc
from feedback.masking.name_lists import WORD, count_countries, is_surname, make_plain, split_halves
from feedback.masking.vocabulary import (
    AFTER_A_THING,
    BEFORE_A_PLACE,
    CUES,
    ENDS_A_THING,
    NOT_PEOPLE,
    PARTICLES,
    SELDOM_PEOPLE,
    WORDS_AT_THE_START,
    WORDS_WHEN_SMALL,
    Cue,
)

_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
_NO_NAME = re.compile(
    r"^[A-ZÀ-Þ]{2}|-[A-ZÀ-Þ]{2}|^(?!Ma?c[A-Z]|D[ei][A-Z]|L[ae][A-Z]|Fitz[A-Z]).*[a-zß-ÿ][A-Z]"
)
"""Abbreviations and what is written like DocuSign."""
_WELL_KNOWN = 5
"""Countries that know a given name which is also in the dictionary: Maria and Edit are, but few are called
Edit."""
_LONGEST_NAME = 5
"""Words of one name, particles not counted."""
_OTHER_THINGS = {"GPE", "LOC", "FAC", "DATE", "TIME", "EVENT", "LAW", "LANGUAGE", "PRODUCT"}
"""What the model may call a listed name that it does not take for a person, and is believed."""

Stretch = tuple[int, int]
"""Where a name begins and ends in its text."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, without a possessive's ending; `plain` is it in small letters without accents.

    `given` is the number of countries where it is a given name. `label` is what the model calls the thing
    that the word belongs to; `opens`: whether it opens a sentence, where a capital letter tells nothing.
    """

    text: str
    start: int
    end: int
    plain: str
    given: int
    surname: bool
    label: str
    opens: bool

    @property
    def links(self) -> bool:
        """Whether it stands inside names: a particle or an initial."""
        return self.plain in PARTICLES or (len(self.text) == 1 and self.text.isupper())

    @property
    def listed(self) -> bool:
        return self.given > 0 or self.surname

    @property
    def capital(self) -> bool:
        """Whether it is written like a name: Maria, O'Neil, McAdam; not maria, VPN or DocuSign."""
        return self.text[0].isupper() and not self.text.isupper() and not _NO_NAME.search(self.text)

    @property
    def seldom(self) -> bool:
        """Whether it mostly means something else than a person."""
        small = self.text[0].islower()
        if (small and self.plain in WORDS_WHEN_SMALL) or (
            (small or self.opens) and self.plain in WORDS_AT_THE_START
        ):
            return True
        return not SELDOM_PEOPLE.isdisjoint((self.plain, self.plain.partition("-")[0]))


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The ordinary words of a language, made plain: all of them, those that are no nouns, and the small ones.

    No name begins with a small word (the, mein). Among the nouns of a dictionary there are names, too
    (Maria).
    """

    words: frozenset[str]
    sayings: frozenset[str]
    small: frozenset[str]


class Names:
    """Finds names in what spaCy has read."""

    def __init__(self, dictionary: Dictionary, never: Iterable[str] = ()) -> None:
        """`never`: products, rooms and teams of this workplace that are called like people."""
        self._words = dictionary.words | dictionary.small
        self._small = dictionary.small
        self._sayings = dictionary.sayings | dictionary.small
        self._never = {make_plain(name) for name in never} | NOT_PEOPLE

    def find(self, doc: Doc) -> Sequence[Stretch]:
        """Return where people are named, from left to right; stretches may overlap."""
        words = list(_split_words(doc))
        found = {
            *self._by_model(words),
            *self._by_lists(words),
            *self._by_cues(doc.text, words),
        }
        found = {self._extend_name(words, *run) for run in found}
        found |= set(self._find_joined_names(doc.text, words, found))
        return sorted(
            (words[first].start, words[last].end)
            for first, last in found
            if not self._is_a_thing(doc.text, words, first, last)
        )

    def is_name(self, word: str) -> bool:
        """Whether a word, seen elsewhere as a part of a name, can be taken for one wherever it stands."""
        folded = make_plain(word)
        parts = split_halves(folded, whole=False)
        listed = count_countries(parts) > 0 or is_surname(parts)
        return folded not in SELDOM_PEOPLE and (listed or folded not in self._words)

    # The three ways

    def _by_model(self, words: Sequence[Word]) -> Iterator[Stretch]:
        """Yield what the model calls a person, if a part is a known name or every word is unknown."""
        for first, last in _runs(words, [self._is_part_of_a_person(word) for word in words]):
            inside = [word for word in words[first : last + 1] if not word.seldom]
            if inside and (
                first < last or self._is_believed(inside[0], determined=_is_determined(words, first))
            ):
                yield first, last

    def _is_believed(self, word: Word, *, determined: bool) -> bool:
        """Whether the model alone makes a word a person: a known name without an article before it."""
        if determined or (word.text[0].islower() and word.plain in self._sayings):
            return False
        return word.given > 0 or (word.surname and word.plain not in self._words)

    def _by_lists(self, words: Sequence[Word]) -> Iterator[Stretch]:
        """Yield given names with a surname, and those known in several countries that mean nothing else."""
        for at, word in enumerate(words):
            after = _next_of_a_name(words, at)
            if after is not None and self._are_a_pair(word, words[after]):
                yield at, after
            elif self._stands_alone(word, words[at + 1 : at + 2]):
                yield at, at

    def _by_cues(self, text: str, words: Sequence[Word]) -> Iterator[Stretch]:
        """What stands behind "my name is", "Dr.", "ask" and so on."""
        starts = {word.start: at for at, word in enumerate(words)}
        for cue in CUES:
            for match in cue.pattern.finditer(text):
                at = starts.get(match.end())
                if at is not None and (last := self._find_name_end(cue, text, words, at)) is not None:
                    yield at, last

    def _find_joined_names(
        self, text: str, words: Sequence[Word], found: Iterable[Stretch]
    ) -> Iterator[Stretch]:
        """What a name is joined with: Lopez or Schneider; Maria, Ivan and Olga."""
        for _, last in found:
            at = last
            while (after := _find_joined_word(text, words, at)) is not None and self._is_known(words[after]):
                yield after, after
                at = after

    # What makes a name

    def _are_a_pair(self, one: Word, other: Word) -> bool:
        if not one.given or other.label in _OTHER_THINGS or (one.seldom and other.seldom):
            return False
        if one.capital and other.capital:
            vague = one.seldom or (one.opens and one.plain in self._sayings)
            return other.surname or not (vague or other.plain in self._words)
        if one.capital or other.capital or one.seldom or other.seldom:
            return False
        return one.given > 1 and other.surname and other.plain not in self._words

    def _is_known(self, word: Word) -> bool:
        return word.capital and word.listed and not word.seldom and word.label not in _OTHER_THINGS

    def _stands_alone(self, word: Word, after: Sequence[Word]) -> bool:
        if word.plain in self._sayings and (
            word.opens or any(one.capital and _adjoin(word, one) for one in after)
        ):
            return False
        least = _WELL_KNOWN if word.plain in self._words else 2 if word.opens else 1
        return self._is_known(word) and word.given >= least and word.plain not in self._small

    def _find_name_end(self, cue: Cue, text: str, words: Sequence[Word], at: int) -> int | None:
        """Return the last word of the name that begins at `at`, or None."""
        last = at
        while (
            last + 1 < len(words)
            and last - at < _LONGEST_NAME
            and self._continues(words[last], words[last + 1])
        ):
            last += 1
        if not self._is_trusted(cue, words[at], pair=last > at):
            return None
        return None if cue.then and not cue.then.match(text, words[last].end) else last

    def _is_trusted(self, cue: Cue, first: Word, *, pair: bool) -> bool:
        """Whether a word behind a cue begins a name; a `pair` has another part of a name behind it."""
        unknown = first.plain not in self._words and not first.seldom
        if cue.trust == "sure" and first.capital:
            return True
        if pair and (unknown or first.given > 0) and not first.text.isupper():
            return True
        if cue.trust == "likely" and first.capital:
            return unknown or first.listed
        if first.capital:
            return first.listed and not first.seldom
        return first.given > 1 and not first.seldom and first.plain not in self._small

    def _continues(self, one: Word, other: Word) -> bool:
        """Whether a word goes on with a name that another one began, in the same kind of letters."""
        return _adjoin(one, other) and one.capital == other.capital and self._may_be(other)

    def _is_part_of_a_person(self, word: Word) -> bool:
        if word.label != "PERSON" or word.plain in self._small:
            return False
        if word.text[0].isupper() and not word.capital:
            return False
        return word.listed or (word.capital and word.plain not in self._words)

    def _may_be(self, word: Word) -> bool:
        """Whether a word can belong to a name: a listed one, or a capitalised one in no dictionary."""
        if not word.capital:
            return word.listed and not word.seldom and word.plain not in self._words
        return (word.listed and not word.seldom) or not (word.plain in self._words or word.seldom)

    # Where it begins and ends

    def _extend_name(self, words: Sequence[Word], first: int, last: int) -> Stretch:
        """Add the capitalised words beside a name that can belong to it."""
        while first > 0 and self._precedes(words[first - 1], words[first]):
            first -= 1
        while last - first < _LONGEST_NAME:
            after = _next_of_a_name(words, last)
            if after is None or not self._follows(words[after]):
                break
            last = after
        return first, last

    def _precedes(self, word: Word, first: Word) -> bool:
        given = word.capital and word.listed and not word.seldom
        return _adjoin(word, first) and (given or (word.links and word.text.isupper()))

    def _follows(self, word: Word) -> bool:
        """Whether a capitalised word behind a name belongs to it.

        Among the nouns of a dictionary are names.
        """
        if not word.capital or word.label in _OTHER_THINGS:
            return False
        if word.seldom:
            return word.surname and word.plain not in AFTER_A_THING
        return word.listed or not (word.plain in self._sayings or word.plain in AFTER_A_THING)

    def _is_a_thing(self, text: str, words: Sequence[Word], first: int, last: int) -> bool:
        """Whether a name names a thing: a holiday, a law, a firm, a room, a product."""
        start, end = words[first].start, words[last].end
        if words[last].plain in ENDS_A_THING and words[last].capital:
            return True
        if make_plain(text[start:end]) in self._never or _beside_ampersand(text, start, end):
            return True
        if (
            first > 0
            and words[first - 1].plain in BEFORE_A_PLACE
            and start - words[first - 1].end <= len(". ")
        ):
            return True
        if last + 1 == len(words) or not _adjoin(words[last], words[last + 1]):
            return False
        after = words[last + 1]
        return after.plain in AFTER_A_THING and (after.capital or first == last)


def _split_words(doc: Doc) -> Iterator[Word]:
    labels, whole = _Labels(doc), doc.text
    for match in WORD.finditer(whole):
        text = _POSSESSIVE.sub("", match[0])
        if not text:
            continue
        folded, start = make_plain(text), match.start()
        parts = split_halves(folded, whole=text[0].islower())
        label, opens = labels.find_label(start), _opens_a_sentence(whole, start)
        yield Word(
            text, start, start + len(text), folded, count_countries(parts), is_surname(parts), label, opens
        )


class _Labels:
    """What the model calls the thing at a place of the text; asked from left to right."""

    def __init__(self, doc: Doc) -> None:
        self._entities = [(entity.start_char, entity.end_char, str(entity.label_)) for entity in doc.ents]
        self._next = 0

    def find_label(self, place: int) -> str:
        while self._next < len(self._entities) and self._entities[self._next][1] <= place:
            self._next += 1
        if self._next < len(self._entities) and self._entities[self._next][0] <= place:
            return self._entities[self._next][2]
        return ""


def _is_determined(words: Sequence[Word], at: int) -> bool:
    """Whether an article stands before a word: it is a thing, then."""
    return (
        at > 0
        and words[at - 1].plain in {"a", "an", "the", "our", "this"}
        and _adjoin(words[at - 1], words[at])
    )


def _opens_a_sentence(text: str, start: int) -> bool:
    before = text[max(start - 6, 0) : start].rstrip(" \t#*-(\"'“„>")
    return not before or before[-1] in ".!?:;\n"


def _adjoin(one: Word, other: Word) -> bool:
    """Whether only a space or an initial's dot parts two words; a possessive's ending is more."""
    return 1 <= other.start - one.end <= 1 + (len(one.text) == 1)


def _runs(words: Sequence[Word], parts: Sequence[bool]) -> Iterator[Stretch]:
    """Return the stretches of adjoining words that are parts of names; particles may stand between them."""
    first: int | None = None
    last = 0
    for at in (at for at, part in enumerate(parts) if part):
        if first is not None and not _reach(words, last, at):
            yield first, last
            first = None
        first = at if first is None else first
        last = at
    if first is not None:
        yield first, last


def _next_of_a_name(words: Sequence[Word], at: int) -> int | None:
    """Return the word that adjoins another one, particles left out."""
    while at + 1 < len(words) and _adjoin(words[at], words[at + 1]):
        at += 1
        if not words[at].links:
            return at
    return None


def _find_joined_word(text: str, words: Sequence[Word], at: int) -> int | None:
    """Return the word that "and", "or" or a comma joins to another one."""
    joints = {"and", "or", "und", "oder", "et", "ou", "y", "o"}
    after = at + 1
    if after < len(words) and words[after].plain in joints and _adjoin(words[at], words[after]):
        after += 1
    elif after < len(words) and text[words[at].end : words[after].start] not in {", ", "/", " & "}:
        return None
    return after if after < len(words) and words[after].start - words[after - 1].end <= len(" & ") else None


def _reach(words: Sequence[Word], last: int, at: int) -> bool:
    """Whether only particles stand between two words of a name, and each is next to the other."""
    between = words[last : at + 1]
    return all(_adjoin(*pair) for pair in pairwise(between)) and all(word.links for word in between[1:-1])


def _beside_ampersand(text: str, start: int, end: int) -> bool:
    return text[max(start - 3, 0) : start].strip().endswith("&") or text[end : end + 3].strip().startswith(
        "&"
    )
