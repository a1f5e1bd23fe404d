"""Claims of a text, clause by clause: words, sides of concepts with an opposite, and negation.

Nothing is parsed: the rules are about words and their neighbours, so they cost microseconds and can be read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from model.checks.terms import Side, content_words, find_side, fold, word_set

_PHRASES = tuple(
    (re.compile(pattern), written)
    for pattern, written in (
        (r"\bcannot\b", "can not"),
        (r"\b(ca|wo|sha)n['’]t\b", r"\1n not"),
        (r"n['’]t\b", " not"),
        (
            r"\b(?:do|does|did) not (?:hesitate|forget|fail|delay) to\b|\bfeel free to\b|\bwhether or not\b"
            r"|\bor not\b",
            " ",
        ),
        (
            r"\bnot (?:only|just|merely)\b|\bno (?:matter|doubt|problem|wonder)\b|\bif (?:any|not|so)\b"
            r"|\bnot least\b",
            " ",
        ),
        (r"\b(?:no|not) later than\b", "by"),
        (
            r"\b(?:no|not) (?:more|greater|longer|higher) than\b|\b(?:not|never) (?:to )?exceed(?:ing)?\b",
            "most-bound",
        ),
        (r"\b(?:no|not) (?:less|fewer|shorter|lower) than\b", "least-bound"),
        (
            r"\bat least\b|\b(?:minimum|min\.?) of\b|\bor (?:more|longer|over)\b|\bmindestens\b|\bau moins\b"
            r"|\bal menos\b",
            "least-bound",
        ),
        (
            r"\bat (?:the )?most\b|\bup to\b|\b(?:maximum|max\.?) of\b|\bor (?:less|fewer|under)\b"
            r"|\bhochstens\b|\bau plus\b",
            "most-bound",
        ),
        (r"\bno longer\b|\bnot (?:any ?more|any longer)\b|\bno-?one\b(?= )", "not"),
        (r"\bnot until\b", "only after"),
        (r"\bnone of\b|\bno one\b", "nobody"),
        (r"\b(?:with no|instead of|rather than|in the absence of|lack(?:s|ing)? (?:of )?)\b", "without"),
        (r"\b(?:has|have|had|having) to\b|\bmussen\b", "must"),
        (r"\bunable to\b", "not able to"),
        (
            r"\b(?:other than|apart from|aside from|with the exception of|excluding|excepting|save for)\b",
            "except",
        ),
        (r"\b(?:fails?|failed|refrains?|refrained) (?:to|from)\b|\bstop(?:s|ped)? (?=\w+ing\b)", "not "),
        (r"(?<!to )\bprevent(?:s|ed)?\b", "not"),
        (r"\b(?:at )?no (?:extra |additional )?(?:charge|cost|fee)s?\b|\bfree of charge\b", "gratis"),
        (r"\bfree (?:to|from|of)\b", " "),
        (r"\b(?:and|but) not (?=(?:to|in|on|at|by|for|with|from|the|an?)\b)", ", not "),
        (r"\boff[ -]limits\b|\bout of bounds\b|\bagainst the rules\b", "prohibited"),
        (r"\b(is|are|was|were|be|been|being) declined\b", r"\1 rejected"),
        (r"\bdeclines? to\b", "refuse to"),
        (r"(?<!to )\bavoid(?:s|ed)?\b", "not"),
    )
)
_NEGATORS = word_set(
    """
    not never nobody nothing neither nor none nowhere no nicht kein keine keinen keinem keiner keines nie
    niemals niemand nichts weder не нет ни нельзя никто никогда لا ليس لم لن غير nao
    """
)
_DETERMINERS = word_set("no neither nobody none kein keine keinen keinem keiner keines nobody nothing weder")
_ONCE = word_set(
    """
    ne pas jamais aucun aucune rien nunca jamas ningun ninguno ninguna nadie nada tampoco mai nessuno
    """
)
"""Two of them in one clause make one negation, as in "ne … pas"."""
_SPACELESS_NEGATION = re.compile(
    "ない|ません|ずに|なし|不|没有|沒有|没|無|无|禁止|勿|非ず|않|없|못|금지|ไม่|ห้าม"
)
_MODALS = word_set("can could may might must shall should")
_GRANTS = word_set("can could may might")
_FORMS_OF_BE = word_set(
    """
    is are was were be been being become becomes remain remains stay stays deemed considered am get gets got
    ist sind est sont es
    """
)
_LIGHT = _FORMS_OF_BE | word_set(
    """
    yet currently generally usually always automatically also ever a an the any fully strictly really
    necessarily have had has to normally entirely completely absolutely expressly explicitly typically do does
    did
    """
)
_SUBJECTS = word_set("i you we they he she it there ich du wir man")
_AUXILIARIES = _FORMS_OF_BE | _MODALS | word_set("have has had do does did will would")
_FINITE = {"is", "are", "was", "were", "do", "does", "will", "has", "have"}
_CLAUSE = re.compile(
    r"[;!?()•¦|。、；！？]|[.:,–—](?=\s|$)"
    r"|\b(?=(?:but|however|although|though|while|whereas|because|since|if|when|unless|until|except|who|which"
    r"|where|wenn|aber"
    r"|sofern|weil|mais|pero|но|если)\b)"
    rf"|\band (?=(?:{'|'.join(sorted(_MODALS | _SUBJECTS | _FINITE))})\b)"
)
_PARTS = re.compile(r"(?:who|which|where|while|when)\b")
_TOKEN = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_CONDITIONAL = word_set("if when unless until because since although though while whereas wenn sofern weil")
_NAMING = re.compile(r"\s*(?:it|that|this|they|these|those) (?:is|was|are|were)\b")
"""What only leads to the answer: "It is 12 weeks" says no more than "12 weeks"."""
_SHORT_CLAUSE = 4
"""Words of "drink or gamble", which stands under the "not" of the clause before it."""
_LONGEST_CONTRAST = 7
"""Words of ", not by HR"."""
_WITHOUT = word_set("without ohne sans sin без بدون sem")
_NOT = word_set("not")
_NOR = word_set("nor")
_NEAR = 4
"""Words in which a "without" has its noun."""
_LONGEST = 4000
"""Characters of a text that are looked at."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One clause.

    `sides` are pairs (concept, sign); `turning` those of them that turn the clause where they are negative.

    `aside`: terms behind an "except" or a "without"; `unless`: those behind an "unless". `grants`: it says
    "may" or "can". `whole`: it has a verb or a subject that we know, so it says something by itself. `soft`:
    concepts that are negative only by their word ("inactive"), without a "not".
    """

    terms: frozenset[str]
    sides: frozenset[tuple[str, int]]
    turning: frozenset[tuple[str, int]]
    negated: bool
    aside: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    grants: bool = False
    conditional: bool = False
    whole: bool = True
    soft: frozenset[str] = frozenset()

    @property
    def stands(self) -> frozenset[tuple[str, int]]:
        """Every concept with the side that the clause takes of it after its "not"."""
        if not self.negated:
            return self.sides
        return self.sides - self.turning | {(concept, -sign) for concept, sign in self.turning}

    def negate(self) -> Claim:
        """Return the claim turned into its opposite."""
        return replace(self, negated=not self.negated)


def residue(claim: Claim, shared: Collection[str]) -> bool:
    """Tell whether a claim is turned by its own "not" and the concepts that are not `shared` with another."""
    turned = sum(1 for concept, sign in claim.turning if sign < 0 and concept not in shared)
    return claim.negated ^ bool(turned % 2)


def parse_claims(text: str, marked: frozenset[str] = frozenset()) -> tuple[Claim, ...]:
    """Cut a text into its claims.

    `marked` are terms that stand with a negative prefix in one of the texts compared.
    """
    return _claims(text[:_LONGEST], marked)


@lru_cache(maxsize=1024)
def _claims(text: str, marked: frozenset[str]) -> tuple[Claim, ...]:
    found: list[Claim] = []
    parts = _join_around_exception(_clauses(to_plain_statement(text)))
    for clause, aside in [half for part in parts for half in _halves(part, marked)]:
        tokens = _TOKEN.findall(clause)
        claim = _claim(clause, tokens, marked, frozenset(content_words(aside)))
        if found and tokens[:1] == ["not"] and len(tokens) <= _LONGEST_CONTRAST and not has_verb(clause):
            found[-1] = replace(found[-1], aside=found[-1].aside | claim.terms)
            continue
        if (
            found
            and claim.turning
            and len(tokens) <= _SHORT_CLAUSE
            and residue(claim, ())
            and not has_verb(clause)
        ):
            found[-1] = replace(found[-1], aside=found[-1].aside | claim.terms)  # "…, interns excluded"
        if tokens[:1] == ["unless"] and found:
            found[-1] = replace(found[-1], unless=found[-1].unless | claim.terms)
        if found and _goes_on(tokens, claim, found[-1]):
            claim = replace(claim, negated=True)
        found.append(claim)
    if len(found) > 1 and parts[0][0].lstrip().startswith("unless"):
        found[1] = replace(found[1], unless=found[0].terms)
    return tuple(found)


def to_plain_statement(text: str) -> str:
    """Return a text folded, with its turns of phrase written in the words that the rules know."""
    text = fold(text)
    for pattern, written in _PHRASES:
        text = pattern.sub(written, text)
    return text


def _clauses(text: str) -> list[str]:
    """Cut at marks and conjunctions, but not inside a subject ("travel while on leave is …")."""
    found: list[str] = []
    start, joins = 0, False
    for match in [*_CLAUSE.finditer(text), None]:
        clause = text[start : match.start() if match else len(text)]
        if joins and found and not has_verb(found[-1]):
            found[-1] += clause
        elif clause.strip():
            found.append(clause)
        if match:
            start, joins = match.end(), not match[0] and _PARTS.match(text, match.end()) is not None
    return found


def has_verb(clause: str) -> bool:
    """Tell whether words say something of something, rather than name it.

    It knows auxiliaries, not every verb.
    """
    tokens = _TOKEN.findall(clause)
    return (
        not tokens or tokens[0] in _CONDITIONAL or any(token in _AUXILIARIES | _SUBJECTS for token in tokens)
    )


def _join_around_exception(clauses: Sequence[str]) -> list[tuple[str, str]]:
    """Join the clause around an exception: "all staff, except contractors, are eligible"."""
    found: list[tuple[str, str]] = []
    for clause in clauses:
        words = clause.split()
        if words[0] != "except":
            found.append((clause, ""))
            continue
        end = next((at for at, word in enumerate(words) if at and word in _AUXILIARIES), len(words))
        before, aside = found.pop() if found else ("", "")
        found.append((f"{before} {' '.join(words[end:])}", f"{aside} {' '.join(words[1:end])}"))
    return found


def _halves(part: tuple[str, str], marked: frozenset[str]) -> list[tuple[str, str]]:
    """Cut a clause that says one thing and its opposite: "open on Monday and closed on Sunday"."""
    clause, aside = part
    before, both, behind = clause.partition(" and ")
    if not both:
        return [part]
    one, other = (
        {(side.concept, side.sign) for token in _TOKEN.findall(half) if (side := find_side(token, marked))}
        for half in (before, behind)
    )
    contrary = any((concept, -sign) in other for concept, sign in one)
    return [(before, aside), (behind, aside)] if contrary else [part]


def _goes_on(tokens: Sequence[str], claim: Claim, before: Claim) -> bool:
    """Tell whether a clause stands under the "not" before it: "do not smoke, drink or gamble"."""
    known = claim.negated or claim.turning or claim.whole or claim.conditional
    return residue(before, ()) and not known and 0 < len(tokens) <= _SHORT_CLAUSE


def _claim(clause: str, tokens: Sequence[str], marked: frozenset[str], aside: frozenset[str]) -> Claim:
    without = _behind_without(tokens)
    kept = [token for at, token in enumerate(tokens) if at not in without]
    terms = content_words(clause)
    aside |= content_words(
        " ".join(token for at, token in enumerate(tokens) if at in without and token not in _WITHOUT)
    )
    negated, sides, turning, soft = _weigh_tokens(kept, marked)
    if _SPACELESS_NEGATION.search(clause) or any(token in _ONCE for token in kept):
        negated = True
    return Claim(
        frozenset(terms - aside),
        frozenset(sides),
        frozenset(turning),
        negated,
        frozenset(aside),
        grants=any(token in _GRANTS for token in kept),
        conditional=bool(tokens) and tokens[0] in _CONDITIONAL,
        whole=negated
        or bool(turning)
        or any(
            token in _AUXILIARIES or token in _SUBJECTS
            for token in tokens[_NAMING.match(clause) is not None and 2 :]
        ),
        soft=frozenset(soft),
    )


def _behind_without(tokens: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for at, token in enumerate(tokens):
        if token in _WITHOUT:
            end = at + 1
            while end < min(len(tokens), at + 1 + _NEAR) and tokens[end] not in _AUXILIARIES | _SUBJECTS:
                end += 1
            found.update(range(at, end))
    return found


def _weigh_tokens(
    tokens: Sequence[str], marked: frozenset[str]
) -> tuple[bool, set[tuple[str, int]], set[tuple[str, int]], set[str]]:
    """Return whether a "not" turns the clause, its sides, those that turn it, and the soft ones."""
    known = [find_side(token, marked) for token in tokens]
    flipped, forbids, loose = _negations(tokens, known)
    sides: set[tuple[str, int]] = set()
    turning: set[tuple[str, int]] = set()
    soft = {
        side.concept for at, side in enumerate(known) if side and side.role == "state" and at not in flipped
    }
    for at, side in enumerate(known):
        if side is None or (tokens[at] == "must" and at + 1 < len(tokens) and tokens[at + 1] == "not"):
            continue
        taken = (side.concept, -side.sign if at in flipped else side.sign)
        sides.add(taken)
        if at in flipped or _turns(tokens, at, side):
            turning.add(taken)
    if forbids:
        sides.add(("allow", -1))
        turning.add(("allow", -1))
    return loose, sides, turning, soft


def _negations(tokens: Sequence[str], known: Sequence[Side | None]) -> tuple[set[int], bool, bool]:
    """Return the negated concepts, if there is a "may not", and if another "not" turns the clause."""
    flipped: set[int] = set()
    forbids = loose = False
    for at, token in enumerate(tokens):
        if token not in _NEGATORS or (token in _NOR and "neither" in tokens[:at]):
            continue
        own = None if token in _DETERMINERS else _behind(tokens, known, at)
        if own is not None:
            flipped ^= {own}
        elif at and tokens[at - 1] == "need":
            flipped ^= {at - 1}
        elif token in _NOT and at and tokens[at - 1] in _MODALS - {"should", "might"}:
            forbids = not forbids
        else:
            loose = not loose
    return flipped, forbids, loose


def _behind(tokens: Sequence[str], known: Sequence[Side | None], at: int) -> int | None:
    """Return the concept that a "not" stands before: "not allowed", "not yet been paid"."""
    for place in range(at + 1, min(len(tokens), at + 1 + _NEAR)):
        side = known[place]
        if side is not None:
            return place if side.role != "contrast" else None
        if tokens[place] not in _LIGHT:
            return None
    return None


def _turns(tokens: Sequence[str], at: int, side: Side) -> bool:
    """Tell whether a concept is a predicate, and no mere attribute as in "unpaid leave"."""
    if side.role == "contrast":
        return False
    before = at - 1
    while before >= 0 and tokens[before] in _LIGHT | _NEGATORS and tokens[before] not in _FORMS_OF_BE:
        before -= 1
    is_said = before >= 0 and tokens[before] in _FORMS_OF_BE
    follows = content_words(tokens[at + 1]) if at + 1 < len(tokens) else set[str]()
    if side.role == "state":
        inverted = all(token in _QUESTION_WORDS for token in tokens[: max(before, 0)])  # "Is unpaid leave …"
        return is_said and not (follows and inverted)
    return is_said or not follows or not tokens[at].endswith(("ed", "en"))


_QUESTION_WORDS = word_set("what which who whom where when why how many much")
