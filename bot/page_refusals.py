"""Why a page or a file cannot be read, in the asker's language: what kind of trouble it is, then the details.

The details come from where pages are fetched and parsed, in English (`pages/fetched.py`); they name sites,
limits and formats. Who reads English gets them alone.
"""

from __future__ import annotations

from core.translation import ENGLISH, get_language, mark, say
from model.text.languages import detect_language
from pages.fetched import (
    AddressRefused,
    PageGone,
    PageRefused,
    PageUnreachable,
    PageUnreadable,
    SignInNeeded,
)

_KINDS: tuple[tuple[type[PageRefused], str], ...] = (
    (AddressRefused, mark("I cannot open this address: {details}")),
    (SignInNeeded, mark("This page is shown only to people who sign in: {details}")),
    (PageGone, mark("I did not find that: {details}")),
    (PageUnreachable, mark("I could not get that: {details}")),
    (PageUnreadable, mark("I cannot read that: {details}")),
    (PageRefused, mark("I cannot use that: {details}")),
)
"""The first that fits counts: PageGone and SignInNeeded are PageUnreachable, too."""


def explain_refusal(refused: PageRefused) -> str:
    """Return the sentence for the asker; one that is in their language already stays as it is."""
    details = str(refused)
    if get_language() == ENGLISH or detect_language(details) == get_language():
        return details
    kind = next(text for kind, text in _KINDS if isinstance(refused, kind))
    return say(kind, details=details)
