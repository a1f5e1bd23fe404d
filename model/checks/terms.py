"""The words of a text that carry meaning, in one form each, so that texts can be compared by them.

Words are those of Unicode's annex 29 (`sentences.words`). Without accents and with plain English endings cut off they
are terms; a language that puts no spaces between words is compared by pairs of neighbouring letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from core.sentences import words

_FUNCTION_WORDS = frozenset(
    """
    a an the and or but if of in on at to for from by with as is are was were be been being am do does
    did have has had will would shall should can could may might must not no nor so than that this these
    those it its he she they them their his her we us our you your i my me who whom whose which what
    when where why how there here also such into about over under between during per each any all some
    most more much many very just only page section excerpt text according states stated says said
    mentioned question answer yes cannot t
    der das dem des ein eine einen einem einer eines und oder aber ist sind wird werden haben
    sie er es wir ihr ihre ihren sich zu zum zur im am von vom mit auf fur bei nach aus nicht kein keine auch als wie
    le la les un une des du de et ou est sont a au aux en dans par pour sur avec que qui il elle on nous vous ce cette
    el los las una y o es del al por para con se su sus lo
    и в во на с со к по за из от до не что это как для или а но у о об при
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_NAMES_AMONG_FUNCTION_WORDS = re.compile(
    r"(?<!^)(?<![.!?:]\s)\b(May)\b(?=\s+\d|[\s,]*$|[.,;:)?!])"
    r"|\b(?:in|of|by|since|until|till|from|last|next|early|late|mid|this|every|each|before|after|through|on|and|to|\d(?:st|nd|rd|th)?|\d\.)"
    r"[\s-]+(May)\b"
    r"|^\W*(May)\b(?=\W*$|\s+\d)"
    r"|\b(IT|US|WHO)\b"
    r"|\b(?:[Aa]|[Tt]he|your|my|his|her|their|last|living|of)\s+(will|can)\b(?!\s+(?:be|not|have)\b)"
)
"""A month, a department, a country, a testament or a tin, where the same letters are else a word of grammar."""
_NAME_LETTERS = ("May", "IT", "US", "WHO", " will", " can")
_PLAIN_SUFFIXES = ("ing", "ed", "es", "s", "ly")
_SHORTEST_STEM = 3
_IRREGULAR = {
    form: word
    for word, forms in {
        "pay": "paid",
        "give": "gave given",
        "take": "took taken",
        "make": "made",
        "send": "sent",
        "hold": "held",
        "keep": "kept",
        "spend": "spent",
        "buy": "bought",
        "lose": "lost",
        "choose": "chose chosen",
        "write": "wrote written",
        "begin": "began begun",
        "see": "saw seen",
        "go": "went gone goes",
        "know": "knew known",
        "find": "found",
        "tell": "told",
        "eat": "ate eaten",
        "win": "won",
        "bring": "brought",
        "come": "came",
        "leave": "leaving",
        "sell": "sold",
        "build": "built",
        "show": "shown",
        "drive": "drove driven",
        "fly": "flew flown",
        "run": "ran running",
        "speak": "spoke spoken",
        "meet": "met",
        "do": "done",
        "wear": "wore worn",
        "child": "children",
        "person": "people persons",
        "woman": "women",
        "man": "men",
        "forbid": "forbidden forbade",
        "use": "used using",
    }.items()
    for form in forms.split()
}
_SPACELESS = re.compile(
    "[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)
_HIRAGANA = re.compile("[\u3040-\u309f]+")
_CHINESE_GRAMMAR = frozenset("的了是在有和与或也就都而及着吗呢吧这那个")
_LATIN_MARKS = re.compile("[\u0300-\u036f\u064b-\u065f\u0670\u0640]")
_ARABIC_ARTICLE = re.compile("^(?:\u0648|\u0628|\u0641|\u0643)?\u0627\u0644(?=\\w{3})")


def word_set(table: str) -> frozenset[str]:
    """Return the folded words of a table that stands in the code."""
    return frozenset(fold(word) for word in table.split())


def content_words(text: str) -> set[str]:
    """Return the words that carry meaning, folded, with plain English endings cut off."""
    return set(_content_words(text))


@lru_cache(maxsize=2048)
def _content_words(text: str) -> frozenset[str]:
    found = {term_of(word) for word in _spaced(words(text)) if word not in _FUNCTION_WORDS}
    if any(word in text for word in _NAME_LETTERS):
        found.update(
            name.lower()
            for match in _NAMES_AMONG_FUNCTION_WORDS.finditer(text)
            for name in match.groups()
            if name
        )
    found.discard("")
    return frozenset(found)


def ordered_terms(text: str) -> list[str]:
    """Return the terms in their order, and "" for each word of grammar between them."""
    return ["" if word in _FUNCTION_WORDS else term_of(word) for word in _spaced(words(text))]


@lru_cache(maxsize=32_768)
def term_of(word: str) -> str:
    """Return the one form of a word that `sentences.words` has found."""
    word = fold(word).replace(",", "")
    return _stem(word.removesuffix("'s").removesuffix("s'") if "'" in word else word)


def fold(text: str) -> str:
    """Return a text in lower case, without accents and Arabic vowels."""
    if text.isascii():
        return text.lower()
    bare = _LATIN_MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", bare)


def _stem(word: str) -> str:
    if not word.isascii():
        return _ARABIC_ARTICLE.sub("", word)
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith(("ies", "ied")) and len(word) > _SHORTEST_STEM + 1:
        return f"{word[:-3]}y"
    for suffix in _PLAIN_SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            word = word.removesuffix(suffix)
            break
    return word[:-1] if word.endswith("e") and len(word) > _SHORTEST_STEM else word


def _spaced(found: Sequence[str]) -> Iterator[str]:
    """Yield words as they are, and scripts without spaces as pairs of letters; Japanese grammar is none."""
    run = ""
    for word in found:
        if word.isascii() or not _SPACELESS.match(word):
            if run:
                yield from _pairs(run)
                run = ""
            yield word
        elif _HIRAGANA.fullmatch(word) or word in _CHINESE_GRAMMAR:
            yield from _pairs(run)
            run = ""
        elif len(word) > 1 and not _SPACELESS.fullmatch(word[0]):
            yield word
        else:
            run += word
    yield from _pairs(run)


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for at in range(len(run) - 1):
        yield run[at : at + 2]
