"""What a sentence says for, and what against: "Smoking is prohibited" and "You may not smoke" agree, "You may smoke" does not.

Each claim of an answer (`model/claims.py`) is held against the claims of the page that share most terms with it. Where
the rules are in doubt they say that the two differ, and the page's own words are shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from model.antonyms import negative_prefixes, same_meaning
from model.claims import Claim, claims, residue

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
    r"\b(?:am|are|is|was|were|do|does|did|can|could|may|might|will|would|shall|should|must|has|have|had)(?:n['’]t)?\s+"
    r"(?:i|you|we|they|he|she|it|there|the|a|an|my|our|your|their|\w+)\b|^\W*(?:ist|sind|darf|kann|muss|est-ce|puis-je|можно|нужно)\b|(?:か|吗|까)[。？?\s]*$",
    re.IGNORECASE,
)
_ASKS_FOR_MORE = re.compile(r"\b(?:who|whom|whose|what|which|when|where|why|how)\b", re.IGNORECASE)


def asks_whether(question: str) -> bool:
    """Tell whether yes or no answers a question."""
    return bool(_WHETHER.search(question)) and not _ASKS_FOR_MORE.match(question.strip(" \t\"'“¿"))


def yes_or_no(answer: str) -> tuple[int, str]:
    """Return 1 for an answer that begins with a yes, -1 for a no, 0 for neither; and what follows it."""
    for sign, pattern in ((1, YES), (-1, NO)):
        if match := pattern.match(answer):
            return sign, answer[match.end() :]
    return 0, answer


def same_sense(question: str, answer: str, page: str, heading: str = "") -> bool:
    """Tell whether every clause of an answer has the polarity of what it says there on the page.

    `heading` is what the page's words answer where they begin with a yes or a no.
    """
    marked = negative_prefixes(f"{question} {answer} {page}")
    said = list(_page_claims(page, heading, marked))
    sign, rest = yes_or_no(answer)
    asked = claims(_NEGATIVE_QUESTION.sub(r"\1", question, count=1), marked)
    claimed = [claim for claim in claims(rest, marked) if claim.terms or claim.sides]
    if sign and asks_whether(question):
        more = frozenset(term for claim in claimed for term in claim.terms)
        main = [claim for claim in asked if not claim.conditional] or list(asked)
        propositions = [_proposition(claim, sign) for claim in main[-1:]]
        beyond = frozenset[str]() if any(claim.unless for claim in claimed) else more
        if not all(_agrees_somewhere(one, said, one.terms | more, beyond) for one in propositions):
            return False
    everything = frozenset(term for claim in claimed for term in claim.terms - claim.aside)
    return all(_stands(claim, asked, said, everything, answered=bool(sign)) for claim in claimed)


def _proposition(asked: Claim, sign: int) -> Claim:
    """Return what a yes or a no to a question claims; "Is the office open?" asks for the one thing that it names."""
    claim = asked if asked.turning else replace(asked, turning=asked.sides)
    return claim if sign > 0 else claim.turned()


def _page_claims(page: str, heading: str, marked: frozenset[str]) -> Iterator[Claim]:
    sign, rest = yes_or_no(page)
    if sign and heading:
        yield from (claim if sign > 0 else claim.turned() for claim in claims(heading, marked))
    yield from claims(rest if sign else page, marked)


def _stands(
    claim: Claim, asked: Sequence[Claim], said: Sequence[Claim], everything: frozenset[str], *, answered: bool
) -> bool:
    """Hold one claim against the page; a fragment ("12 weeks") says what the question asks about it."""
    if claim in said:
        return True
    alone = _agrees_somewhere(claim, said, claim.terms, everything)
    if claim.whole or claim.conditional or answered or not asked:
        return alone
    for one in asked:
        merged = replace(
            one,
            terms=one.terms | claim.terms,
            sides=one.sides | claim.sides,
            turning=one.turning | claim.turning,
        )
        if _agrees_somewhere(merged, said, claim.terms, everything):
            return True
    return alone and not any(one.turning for one in asked)


def _agrees_somewhere(
    claim: Claim, said: Sequence[Claim], near: frozenset[str], everything: frozenset[str]
) -> bool:
    """Hold a claim against those of the page that share most terms; one that shares none with any is not judged here."""
    shared = [len(same_meaning(near) & same_meaning(one.terms | one.aside)) for one in said]
    most = max(shared, default=0)
    if not most:
        return True
    return any(
        _agree(claim, one, everything) for one, count in zip(said, shared, strict=True) if count == most
    )


def _agree(claim: Claim, page: Claim, everything: frozenset[str]) -> bool:
    crossed = (claim.terms & page.aside) - page.terms - claim.aside or claim.aside & page.terms - page.aside
    if crossed or (everything & page.unless and not claim.unless):
        claim = claim.turned()
    ours, theirs = claim.stands, page.stands
    shared = {concept for concept, _ in ours} & {concept for concept, _ in theirs}
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
