"""Under which condition a page says what it says: "only if", "unless", "except", "if". An answer that drops it says more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from model.claims import claims, plainly
from model.polarity import asks_whether, yes_or_no
from model.terms import content_words

_STRICT = re.compile(
    r"\b(?:only (?:if|when|with|after|for|in|on|by|during|until|through|at|to|from|within|where|while)|unless|except(?: for| if| when)?"
    r"|provided(?: that)?|as long as|so long as|on (?:the )?condition|subject to|nur wenn|sauf|excepto|salvo)\b"
)
_ANY = re.compile(_STRICT.pattern[:-3] + r"|if|when|once|wenn|sofern|falls|si)\b")
_END = re.compile(r"[,;:.!?](?=\s|$)|\b(?:but|however|and (?:you|they|we|it|the))\b")
_ONLY_SUBJECT = re.compile(
    r"(?:^|[.;,:]\s+)only ((?:[\w'-]+ ){1,6}?)(?=(?:can|may|must|will|is|are|should|has|have|do|does)\b)"
)
_BINDS = frozenset({"allow", "eligible", "require", "accept", "include", "pay", "available"})
_LONGEST = 2000
_KEPT = 0.5
"""Share of a condition's words that must come back."""


def condition_kept(question: str, answer: str, page: str) -> bool:
    """Tell whether an answer says the condition that the page's sentence sets, or the question has brought it along.

    A yes has to carry every condition, a no and a sentence that allows or requires something the strict ones ("only if",
    "unless", "except"). A fact that is named without a verb carries none.
    """
    sign, _ = yes_or_no(answer)
    judged = sign if asks_whether(question) else 0
    if not judged and not _rules(answer):
        return True
    there = content_words(f"{question} {answer}")
    pattern = _ANY if judged > 0 else _STRICT
    return all(
        len(condition & there) >= _KEPT * len(condition)
        for condition in _conditions(plainly(page[:_LONGEST]), pattern)
        if condition
    )


def _rules(answer: str) -> bool:
    """Tell whether an answer says that something may, must or will be."""
    return any(
        claim.grants or any(concept in _BINDS for concept, _ in claim.sides) for claim in claims(answer)
    )


def _conditions(page: str, pattern: re.Pattern[str]) -> Iterator[set[str]]:
    for match in pattern.finditer(page):
        end = _END.search(page, match.end())
        yield content_words(page[match.end() : end.start() if end else len(page)])
    for match in _ONLY_SUBJECT.finditer(page):
        yield content_words(match[1])
