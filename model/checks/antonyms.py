"""Words and their opposites: "ineligible" is the opposite of "eligible", and "prohibited" of "allowed".

A concept has two sides. What role it plays says what follows where only one of two sentences has it:

    rule       a predicate (allowed, required, accepted): its negative side turns the sentence, as "not" does
    state      an adjective (paid, valid, available): turns it only behind a form of "be", not as in "unpaid leave"
    contrast   two ends of one scale (before, after): says nothing about a sentence that has neither
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from model.checks.terms import content_words, fold, term_of

Role = Literal["rule", "state", "contrast"]


@dataclass(frozen=True, slots=True)
class Side:
    """What a word means: a concept, and which of its two sides, 1 or -1."""

    concept: str
    sign: int
    role: Role


_RULES = """
allow allowed allows permit permitted permits permissible authorize authorized authorise authorised legal lawful erlaubt
    gestattet zulässig autorisé permis permitido autorizado разрешено разрешается
    | prohibit prohibited prohibits prohibiting forbid forbids forbidden forbade ban bans banned bar barred disallow
    disallowed illegal unlawful impermissible unauthorized unauthorised taboo verboten untersagt unzulässig interdit interdite
    défendu prohibido prohibida запрещено запрещается запрещена
eligible entitled qualify qualifies qualified | ineligible disqualified disqualify
require required requires require requirement must mandatory obligatory compulsory need needs needed necessary erforderlich
    obligatoire obligatorio | optional voluntary unnecessary unneeded freiwillig facultatif opcional
include included includes including cover covered covers | exclude excluded excludes omit omitted
accept accepted accepts approve approved approves grant granted grants admit admitted | reject rejected rejects deny denied
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
increase increased increases rise rises raise raised grow grows | decrease decreased decreases fall falls reduce reduced drop drops shrink decline declined declines
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
    term_of(word)
    for word in """
    income inform information invoice instance indeed input install installation intern intend inner invest include impact
    impress improve discount display discover discovery discuss disease union unit until under understand uniform universe university
    dispatch inset dismiss distance inflow intake insight industry individual interest international
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_BY_TERM: Mapping[str, str] = MappingProxyType({term_of(word): side.concept for word, side in _TABLE.items()})


_KNOWN = _BY_TERM.keys()


def side_of(word: str, marked: Collection[str] = ()) -> Side | None:
    """Return what a folded word means; None for one that has no opposite. `marked` is what `negative_prefixes` returns."""
    if word in _TABLE:
        return _TABLE[word]
    if marked and term_of(word) in marked:
        return Side(term_of(word), 1, "state")
    bare = _without_prefix(word)
    if bare in _TABLE:
        base = _TABLE[bare]
        return Side(base.concept, -base.sign, "state" if base.role == "contrast" else base.role)
    return Side(term_of(bare), -1, "state") if bare and term_of(bare) in marked else None


def negative_prefixes(text: str) -> frozenset[str]:
    """Return the terms of a text that it has with a negative prefix, too: that tells "unused" from "income"."""
    terms = content_words(text)
    bare = {term_of(_without_prefix(word)) for word in _WORD.findall(fold(text))}
    return frozenset((bare & terms) - {""})


def _without_prefix(word: str) -> str:
    match = None if term_of(word) in _NO_PREFIX else _NEGATIVE_PREFIX.match(word)
    return word[match.end() :] if match else ""


def same_meaning(terms: Collection[str]) -> set[str]:
    """Return terms, and the concepts of those that have an opposite: "permitted" and "allowed" share theirs."""
    found = set(terms)
    found.update(f"={_BY_TERM[term]}" for term in found & _KNOWN)
    return found
