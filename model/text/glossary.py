"""A question in another language → the English words in it, to search English pages with.

    translate_words("Wie viele Wochen Elternzeit bekomme ich?")   →   "how many week parental leave"

The embeddings of the search are of English, so a question in German finds hardly anything on English pages.
The glossary (`model/fixed/glossary.txt`, 210 concepts of workplaces in five languages, written here) makes of
it what somebody might type who knows some words. Names, numbers and words that it does not have stay as they
are: many are the same in English, and one that is not makes the search less sure. What is found in this way
is only ever quoted, never stated, since nothing checks the words against the question.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from model.text.languages import (
    FRENCH,
    FUNCTION_WORDS,
    GERMAN,
    JAPANESE,
    SPANISH,
    detect_language,
)

FILE = Path(__file__).parent.parent / "fixed" / "glossary.txt"
_COLUMNS = (GERMAN, FRENCH, SPANISH, JAPANESE)
_TOKEN = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_LATIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+#&-]*")
_ELIDED = re.compile(r"\b(?:qu|[cdjlmnst])['’](?=\w)")
_JOINTS = ("", "s", "es", "n", "en", "e")
"""What stands between the parts of a German compound."""
_SHORT, _ENDING, _SHORT_ENDING = 5, 5, 2
"""A short stem takes a short ending alone: "tag" is in "Tagen" and not in "Tagebuch"."""
_LONG_STEM = 6
"""Letters from which a stem is looked for inside of a compound."""
_ASKING = frozenset(
    ("how long", "how many", "how often", "when", "where", "who", "why", "how", "which", "allowed", "must")
)
"""What says how is asked, not of what."""


@lru_cache
def load_glossary() -> Mapping[str, Mapping[str, str]]:
    """Return the beginnings of words by language, the longest first, with what they are in English."""
    stems: dict[str, dict[str, str]] = {language: {} for language in _COLUMNS}
    for line in FILE.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        english, *others = (part.strip() for part in line.split("|"))
        for language, listed in zip(_COLUMNS, others, strict=True):
            for stem in listed.split(","):
                stems[language].setdefault(_fold(stem.strip()), english)
    return {
        language: dict(sorted(of_it.items(), key=lambda one: -len(one[0])))
        for language, of_it in stems.items()
    }


def translate_words(question: str) -> str:
    """Return the English words of a question; "" for an English one, and where no subject of it is known."""
    language = detect_language(question)
    if language not in _COLUMNS:
        return ""
    read = _read_japanese if language == JAPANESE else _read_words
    words = list(read(_fold(question), language))
    known = set(load_glossary()[language].values())
    if not any(word in known and word not in _ASKING for word in words):
        return ""
    return " ".join(dict.fromkeys(words))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower().replace("’", "'")


def _read_words(text: str, language: str) -> Iterator[str]:
    text = _ELIDED.sub("", text)
    little, at = FUNCTION_WORDS[language], 0
    while (token := _TOKEN.search(text, at)) is not None:
        at = token.end()
        phrase = _find_phrase(text, token.start(), language)
        if phrase:
            at = _find_end(text, max(at, token.start() + len(phrase)))
            yield load_glossary()[language][phrase]
            continue
        word = token[0]
        parts = list(_read_word(word, language))
        yield from parts or ([] if word in little else [word])


def _find_end(text: str, at: int) -> int:
    """Return where the word ends that goes on at a place."""
    while at < len(text) and text[at].isalpha():
        at += 1
    return at


def _find_phrase(text: str, at: int, language: str) -> str:
    """Return the stem of several words that stands at a place, "" for none."""
    several = (stem for stem in load_glossary()[language] if " " in stem)
    return next((stem for stem in several if text.startswith(stem, at)), "")


def _read_word(word: str, language: str) -> Iterator[str]:
    stems = load_glossary()[language]
    for stem, english in stems.items():
        if not word.startswith(stem):
            continue
        rest = word[len(stem) :]
        if len(rest) <= (_ENDING if len(stem) >= _SHORT else _SHORT_ENDING) or language != GERMAN:
            if language != GERMAN and len(stem) < _SHORT and len(rest) > _SHORT_ENDING:
                continue
            yield english
            return
        behind = _read_behind(rest)
        if behind or len(stem) >= _LONG_STEM:
            yield english
            yield from behind
            return
    if language == GERMAN:
        inside = (stem for stem in stems if len(stem) >= _LONG_STEM and stem in word)
        yield from (stems[stem] for stem in [next(inside, "")] if stem)


def _read_behind(rest: str) -> list[str]:
    """Return what the second part of a German compound is in English."""
    for joint in _JOINTS:
        found = list(_read_word(rest.removeprefix(joint), GERMAN)) if rest.startswith(joint) else []
        if found:
            return found
    return []


def _read_japanese(text: str, language: str) -> Iterator[str]:
    stems, at = load_glossary()[language], 0
    while at < len(text):
        stem = next((one for one in stems if text.startswith(one, at)), "")
        name = None if stem else _LATIN.match(text, at)
        if stem:
            yield stems[stem]
        elif name:
            yield name[0]
        at += len(stem) or (len(name[0]) if name else 1)
