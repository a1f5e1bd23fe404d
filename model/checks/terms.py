"""The words of a text that carry meaning, in one form each, and which of them are opposites.

Words are those of Unicode's annex 29 (`sentences.words`). Without accents and with plain English endings cut
off they are terms; a language that puts no spaces between words is compared by pairs of neighbouring letters.

"Ineligible" is the opposite of "eligible", and "prohibited" of "allowed". Such a concept has two sides. What
role it plays says what follows where only one of two sentences has it:

    rule       a predicate (allowed, required, accepted): its negative side turns the sentence, as "not" does
    state      an adjective (paid, valid, available): turns it only behind a form of "be", not as in "unpaid
               leave"
    contrast   two ends of one scale (before, after): says nothing about a sentence that has neither
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

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
    sie er es wir ihr ihre ihren sich zu zum zur im am von vom mit auf fur bei nach aus nicht kein keine auch
    als wie
    le la les un une des du de et ou est sont a au aux en dans par pour sur avec que qui il elle on nous vous
    ce cette
    el los las una y o es del al por para con se su sus lo
    и в во на с со к по за из от до не что это как для или а но у о об при
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_NAMES_AMONG_FUNCTION_WORDS = re.compile(
    r"(?<!^)(?<![.!?:]\s)\b(May)\b(?=\s+\d|[\s,]*$|[.,;:)?!])"
    r"|\b(?:in|of|by|since|until|till|from|last|next|early|late|mid|this|every|each|before|after|through|on"
    r"|and|to|\d(?:st|nd|rd|th)?|\d\.)"
    r"[\s-]+(May)\b"
    r"|^\W*(May)\b(?=\W*$|\s+\d)"
    r"|\b(IT|US|WHO)\b"
    r"|\b(?:[Aa]|[Tt]he|your|my|his|her|their|last|living|of)\s+(will|can)\b(?!\s+(?:be|not|have)\b)"
)
"""A month, a department, a country, a testament or a tin, where the same letters are else a word of
grammar."""
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
    found = {to_term(word) for word in _split_spaceless(words(text)) if word not in _FUNCTION_WORDS}
    if any(word in text for word in _NAME_LETTERS):
        found.update(
            name.lower()
            for match in _NAMES_AMONG_FUNCTION_WORDS.finditer(text)
            for name in match.groups()
            if name
        )
    found.discard("")
    return frozenset(found)


def to_ordered_terms(text: str) -> list[str]:
    """Return the terms in their order, and "" for each word of grammar between them."""
    return ["" if word in _FUNCTION_WORDS else to_term(word) for word in _split_spaceless(words(text))]


@lru_cache(maxsize=32_768)
def to_term(word: str) -> str:
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


def _split_spaceless(found: Sequence[str]) -> Iterator[str]:
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


Role = Literal["rule", "state", "contrast"]


@dataclass(frozen=True, slots=True)
class Side:
    """The meaning of a word: a concept, and which of its two sides, 1 or -1."""

    concept: str
    sign: int
    role: Role


_RULES = """
allow allowed allows permit permitted permits permissible authorize authorized authorise authorised legal
    lawful erlaubt
    gestattet zulässig autorisé permis permitido autorizado разрешено разрешается
    | prohibit prohibited prohibits prohibiting forbid forbids forbidden forbade ban bans banned bar barred
    disallow
    disallowed illegal unlawful impermissible unauthorized unauthorised taboo verboten untersagt unzulässig
    interdit interdite
    défendu prohibido prohibida запрещено запрещается запрещена
eligible entitled qualify qualifies qualified | ineligible disqualified disqualify
require required requires require requirement must mandatory obligatory compulsory need needs needed necessary
    erforderlich
    obligatoire obligatorio | optional voluntary unnecessary unneeded freiwillig facultatif opcional
include included includes including cover covered covers | exclude excluded excludes omit omitted
accept accepted accepts approve approved approves grant granted grants admit admitted | reject rejected
    rejects deny denied
    denies refuse refused refuses disapprove disapproved
"""
_STATES = """
available present | unavailable absent
supported | unsupported deprecated
valid active | invalid expired void inactive lapsed
pay paid pays payable bezahlt vergütet | unpaid unbezahlt
cost costs charge charged chargeable kostenpflichtig | gratis free complimentary kostenlos
open opened opens | closed shut closes
safe secure | unsafe insecure dangerous
full-time fulltime | part-time parttime
permanent | temporary
public | private confidential
internal | external
taxable | tax-free untaxed
used | unused
"""
_CONTRASTS = """
before prior earlier vor avant antes | after following afterwards later nach après después
above exceeding | below beneath
more greater | less fewer
higher | lower
longer | shorter
larger bigger | smaller
maximum max most-bound | minimum min least-bound
increase increased increases rise rises raise raised grow grows | decrease decreased decreases fall falls
    reduce reduced drop drops shrink decline declined declines
first | last
inside within | outside
enable enabled enables activate | disable disabled disables deactivate
lock locked locks | unlock unlocked unlocks
start starts started begin begins began beginning | end ends ended stop stops stopped finish finishes
add added adds | remove removed removes delete deleted
buy bought buys purchase | sell sold sells
arrive arrives arrival arrived | depart departs departure departed
upper | lower-side
win wins won | lose loses lost
succeed succeeds succeeded success | fail fails failed failure
agree agrees agreed | disagree disagrees disagreed
same identical equal | different
early | late
rich | poor
north northern | south southern
east eastern | west western
import imports imported | export exports exported
hire hired hires | fire fired fires dismissed
lend lends lent | borrow borrows borrowed
long | short
high | low
best | worst
strong stronger strongest | weak weaker weakest
ancestor ancestors | descendant descendants
domestic | foreign international
always | never-always
majority | minority
"""


def _sides(table: str, role: Role) -> Iterator[tuple[str, Side]]:
    for line in re.sub(r"\n +", " ", table.strip()).split("\n"):
        positive, _, negative = line.partition("|")
        concept = positive.split()[0]
        for sign, side in ((1, positive), (-1, negative)):
            for word in side.split():
                yield fold(word), Side(concept, sign, role)


_TABLE: Mapping[str, Side] = MappingProxyType(
    dict([*_sides(_CONTRASTS, "contrast"), *_sides(_STATES, "state"), *_sides(_RULES, "rule")])
)
_NEGATIVE_PREFIX = re.compile(r"(un|in|im|il|ir|non|dis)-?(?=\w{3})")
_NO_PREFIX = frozenset(
    to_term(word)
    for word in """
    income inform information invoice instance indeed input install installation intern intend inner invest
    include impact
    impress improve discount display discover discovery discuss disease union unit until under understand
    uniform universe university
    dispatch inset dismiss distance inflow intake insight industry individual interest international
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_BY_TERM: Mapping[str, str] = MappingProxyType({to_term(word): side.concept for word, side in _TABLE.items()})


_KNOWN = _BY_TERM.keys()


def find_side(word: str, marked: Collection[str] = ()) -> Side | None:
    """Return what a folded word means; None for one that has no opposite.

    `marked` is what `find_negated_terms` returns.
    """
    if word in _TABLE:
        return _TABLE[word]
    if marked and to_term(word) in marked:
        return Side(to_term(word), 1, "state")
    bare = _without_prefix(word)
    if bare in _TABLE:
        base = _TABLE[bare]
        return Side(base.concept, -base.sign, "state" if base.role == "contrast" else base.role)
    return Side(to_term(bare), -1, "state") if bare and to_term(bare) in marked else None


def find_negated_terms(text: str) -> frozenset[str]:
    """Return the terms of a text that also occur with a negative prefix, as "used" and "unused"."""
    terms = content_words(text)
    bare = {to_term(_without_prefix(word)) for word in _WORD.findall(fold(text))}
    return frozenset((bare & terms) - {""})


def _without_prefix(word: str) -> str:
    match = None if to_term(word) in _NO_PREFIX else _NEGATIVE_PREFIX.match(word)
    return word[match.end() :] if match else ""


def add_concepts(terms: Collection[str]) -> set[str]:
    """Return terms and the concepts of those with an opposite: "permitted" and "allowed" share one."""
    found = set(terms)
    found.update(f"={_BY_TERM[term]}" for term in found & _KNOWN)
    return found
