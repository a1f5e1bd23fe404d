"""Why a page or a file cannot be read, in the asker's language.

What the catalogues have is said whole (`core.phrases`). What they cannot have, such as the words of another
program, stays in English behind a sentence that says what kind of trouble it is.
"""

from __future__ import annotations

from core.translation import ENGLISH, get_language, is_sayable, mark, say
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
    if is_sayable(refused.sentence):
        return say(refused.sentence)
    details = say(refused.sentence)
    if get_language() == ENGLISH or detect_language(details) == get_language():
        return details
    kind = next(text for kind, text in _KINDS if isinstance(refused, kind))
    return say(kind, details=details)
