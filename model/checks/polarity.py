"""Compares what two sentences say: "Smoking is prohibited" and "You may not smoke" agree.

Each claim of an answer (`model/checks/claims.py`) is held against the claims of the page that share most
terms with it. Where the rules are in doubt they say that the two differ, and the page's own words are shown.

An answer that drops a page's condition ("only if", "unless", "except", "if") says more than the page.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from model.checks.claims import Claim, parse_claims, residue, to_plain_statement
from model.checks.terms import add_concepts, content_words, find_negated_terms

_STRICT = re.compile(
    r"\b(?:only (?:[a-z]{2,12} )?(?:if|when|with|after|for|in|on|by|during|until|through|at|to|from|within"
    r"|where|while)|unless|except(?: for| if| when)?"
    r"|provided(?: that)?|as long as|so long as|on (?:the )?condition|subject to|nur wenn|sauf|excepto"
    r"|salvo)\b"
)
_ANY = re.compile(_STRICT.pattern[:-3] + r"|if|when|once|wenn|sofern|falls|si)\b")
_EXCEPTIONS = re.compile(r"\b(?:unless|except(?: for| if| when)?|sauf|excepto|salvo)\b")
_END = re.compile(r"[,;:.!?](?=\s|$)|\b(?:but|however|and (?:you|they|we|it|the))\b")
_ONLY_SUBJECT = re.compile(
    r"(?:^|[.;,:]\s+)only ((?:[\w'-]+ ){1,6}?)(?=(?:can|may|must|will|is|are|should|has|have|do|does)\b)"
)
_BINDS = frozenset({"allow", "eligible", "require", "accept", "include", "pay", "available"})
_LONGEST = 2000
_KEPT = 0.5
"""Share of a condition's words that must come back."""


def keeps_condition(question: str, answer: str, page: str) -> bool:
    """Tell whether the answer or the question names the condition that the page's sentence sets.

    A yes has to carry every condition, a no and a sentence that allows or requires something the strict ones
    ("only if", "unless", "except"). A fact that is named without a verb carries none.
    """
    sign, _ = parse_yes_no(answer)
    judged = sign if asks_whether(question) else 0
    if not judged and not _rules(answer):
        return True
    there = content_words(f"{question} {answer}")
    pattern = _ANY if judged > 0 else _EXCEPTIONS if _denies(answer) else _STRICT
    return all(
        len(condition & there) >= _KEPT * len(condition)
        for condition in _conditions(to_plain_statement(page[:_LONGEST]), pattern)
        if condition
    )


def _rules(answer: str) -> bool:
    """Tell whether an answer says that something may, must or will be."""
    return any(
        claim.grants or any(concept in _BINDS for concept, _ in claim.sides) for claim in parse_claims(answer)
    )


def _denies(answer: str) -> bool:
    """Tell whether an answer is all negative: an "only" leaves it as it is."""
    return all(residue(claim, ()) for claim in parse_claims(answer) if claim.terms)


def _conditions(page: str, pattern: re.Pattern[str]) -> Iterator[set[str]]:
    for match in pattern.finditer(page):
        end = _END.search(page, match.end())
        yield content_words(page[match.end() : end.start() if end else len(page)])
    for match in () if pattern is _EXCEPTIONS else _ONLY_SUBJECT.finditer(page):
        yield content_words(match[1])


YES = re.compile(
    r"\W*(?:yes|yep|yeah|ja|oui|si|da|да|نعم|はい|是的|correct|absolutely)\b[\W]*", re.IGNORECASE
)
NO = re.compile(
    r"\W*(?:no|nope|nein|non|нет|لا|いいえ|不是)\b(?=\W*$|\s*[,.;:!]|\s+[–—-])[\W]*", re.IGNORECASE
)
_NEGATIVE_QUESTION = re.compile(
    r"^(\W*\w+)(?:n['’]t| not)\b|(?<=^can i) not\b|(?<=^do i) not\b", re.IGNORECASE
)
_WHETHER = re.compile(
    r"\b(?:am|are|is|was|were|do|does|did|can|could|may|might|will|would|shall|should|must|has|have"
    r"|had)(?:n['’]t)?\s+"
    r"(?:i|you|we|they|he|she|it|there|the|a|an|my|our|your|their|\w+)\b|^\W*(?:ist|sind|darf|kann|muss"
    r"|est-ce|puis-je|можно|нужно)\b|(?:か|吗|까)[。？?\s]*$",
    re.IGNORECASE,
)
_ASKS_FOR_MORE = re.compile(r"\b(?:who|whom|whose|what|which|when|where|why|how)\b", re.IGNORECASE)


def asks_whether(question: str) -> bool:
    """Tell whether yes or no answers a question."""
    return bool(_WHETHER.search(question)) and not _ASKS_FOR_MORE.match(question.strip(" \t\"'“¿"))


def parse_yes_no(answer: str) -> tuple[int, str]:
    """Return 1 for an answer that begins with a yes, -1 for a no, 0 for neither; and what follows it."""
    for sign, pattern in ((1, YES), (-1, NO)):
        if match := pattern.match(answer):
            return sign, answer[match.end() :]
    return 0, answer


def has_same_sense(question: str, answer: str, page: str, heading: str = "") -> bool:
    """Tell whether every clause of an answer has the polarity of what it says there on the page.

    `heading` is what the page's words answer where they begin with a yes or a no.
    """
    marked = find_negated_terms(f"{question} {answer} {page}")
    said = list(_page_claims(page, heading, marked))
    sign, rest = parse_yes_no(answer)
    asked = parse_claims(_NEGATIVE_QUESTION.sub(r"\1", question, count=1), marked)
    claimed = [claim for claim in parse_claims(rest, marked) if claim.terms or claim.sides]
    if sign and asked and asks_whether(question):
        more = frozenset(term for claim in claimed if not claim.conditional for term in claim.terms)
        main = [claim for claim in asked if not claim.conditional] or list(asked)
        there = add_concepts({term for claim in said for term in claim.terms})
        proposition = _proposition(max(main, key=lambda one: len(add_concepts(one.terms) & there)), sign)
        beyond = frozenset[str]() if any(claim.unless for claim in claimed) else more
        if not _agrees_somewhere(proposition, said, proposition.terms | more, beyond):
            return False
    everything = frozenset(term for claim in claimed for term in claim.terms - claim.aside)
    return all(_stands(claim, asked, said, everything, answered=bool(sign)) for claim in claimed)


def _proposition(asked: Claim, sign: int) -> Claim:
    """Return what a yes or a no to a question claims.

    "Is the office open?" asks for the one thing that it names.
    """
    claim = asked if asked.turning else replace(asked, turning=asked.sides)
    return claim if sign > 0 else claim.negate()


def _page_claims(page: str, heading: str, marked: frozenset[str]) -> Iterator[Claim]:
    sign, rest = parse_yes_no(page)
    if sign and heading:
        yield from (claim if sign > 0 else claim.negate() for claim in parse_claims(heading, marked))
    yield from parse_claims(rest if sign else page, marked)


def _stands(
    claim: Claim, asked: Sequence[Claim], said: Sequence[Claim], everything: frozenset[str], *, answered: bool
) -> bool:
    """Hold one claim against the page; a fragment ("12 weeks") says what the question asks about it."""
    if claim in said:
        return True
    if _sets_aside(claim, said):
        return False
    # a reason or a condition: no "not" of the page is its own
    if claim.conditional and not residue(claim, ()):
        said = [replace(one, turning=frozenset(), negated=False) for one in said]
    if claim.whole or claim.conditional or answered or not asked:
        return _agrees_somewhere(claim, said, claim.terms, everything)
    for one in asked:
        merged = replace(
            one,
            terms=one.terms | claim.terms,
            sides=one.sides | claim.sides,
            turning=one.turning | claim.turning,
        )
        if _agrees_somewhere(merged, said, claim.terms, everything):
            return True
    if any(one.sides for one in asked):
        return False
    plain = [
        replace(one, turning=frozenset(side for side in one.turning if side[0] not in one.soft))
        for one in said
    ]
    return _agrees_somewhere(claim, plain, claim.terms, everything)


def _sets_aside(claim: Claim, said: Sequence[Claim]) -> bool:
    """Tell whether an answer does "without" something that the page uses and nowhere sets aside."""
    aside = claim.aside - {term for one in said for term in one.aside}
    return any(aside & one.terms and not residue(one, ()) for one in said)


def _agrees_somewhere(
    claim: Claim, said: Sequence[Claim], near: frozenset[str], everything: frozenset[str]
) -> bool:
    """Hold a claim against those of the page that share most terms.

    One that shares none with any is not judged here.
    """
    shared = [len(add_concepts(near) & add_concepts(one.terms | one.aside)) for one in said]
    most = max(shared, default=0)
    if not most:
        return True
    return any(
        _agree(claim, one, everything) for one, count in zip(said, shared, strict=True) if count == most
    )


def _agree(claim: Claim, page: Claim, everything: frozenset[str]) -> bool:
    crossed = (claim.terms & page.aside) - page.terms - claim.aside | claim.aside & (page.terms - page.aside)
    if crossed or (everything & page.unless and not claim.unless):
        claim = claim.negate()
    named = {concept.removeprefix("=") for concept in add_concepts(crossed)}
    ours, theirs = claim.stands, page.stands
    shared = {concept for concept, _ in ours} & {concept for concept, _ in theirs} - named
    for concept in shared:
        if not {side for side in ours if side[0] == concept} & theirs:
            return False
    if not _same_duty(ours, theirs, page):
        return False
    turning = {concept for concept, _ in claim.turning} & {concept for concept, _ in page.turning}
    return bool(shared & turning) or residue(claim, shared) == residue(page, shared)


def _same_duty(ours: Collection[tuple[str, int]], theirs: Collection[tuple[str, int]], page: Claim) -> bool:
    """Tell "you need not" from "you must not", and "you must" from "you may"."""
    duty, grant = {concept for concept, _ in ours}, {concept for concept, _ in theirs}
    if ("require", -1) in ours and ("allow", -1) in theirs and "require" not in grant:
        return False
    if ("allow", -1) in ours and ("require", -1) in theirs and "allow" not in grant | duty - {"allow"}:
        return False
    return not (("require", 1) in ours and "require" not in grant and page.grants and not page.unless)
