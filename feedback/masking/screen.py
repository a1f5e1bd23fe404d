"""A quick look whether a short text may name somebody: without a language model, rather too careful.

For the serving process, where the masker (masker.py) takes too long and too much: nothing is masked, a text
that may be personal is left out whole. Plain are words in small letters, words that help to ask, months and
days, and whatever stands on the page that the text is about. Anything else with a capital letter may be a
name, and so may what follows "ask", "my manager" and the like. A name in small letters that nothing announces
is not seen: benchmarks/neighbours.py says how often.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from feedback.masking.vocabulary import CUES

_HAS_FORM = re.compile(
    r"[@#\\\[]|://|\bwww\.|(?:\d[\s./-]?){5}"
    r"|\b(?:born|birthday|birth date|date of birth|dob|geboren)\b\D{0,60}\d",
    re.IGNORECASE,
)
"""Addresses, mentions, placeholders, five digits in a row, whatever parts them, and dates of birth."""
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_POSSESSIVE = re.compile(r"['’]s?$")
_DATES = frozenset(
    """
    january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday
    """.split()  # noqa: SIM905 - a list of words reads better so
)


class PersonalScreen:
    """Knows the words that name nobody: `helping` are those that help to ask, in any letters."""

    def __init__(self, helping: Iterable[str]) -> None:
        self._plain = frozenset(map(str.casefold, helping)) | _DATES

    def may_be_personal(self, text: str, public: str) -> bool:
        """Tell whether a text may name somebody who does not stand in `public`, what its page says."""
        known = self._plain | set(_split_words(public))
        if _HAS_FORM.search(text):
            return True
        starts = {match.end() for cue in CUES for match in cue.pattern.finditer(text)}
        suspects = (
            match[0]
            for match in _WORD.finditer(text)
            if match[0] != match[0].lower() or match.start() in starts
        )
        return any(not set(_split_words(word)) <= known for word in suspects)


def _split_words(text: str) -> Iterable[str]:
    return (_POSSESSIVE.sub("", word) for word in _WORD.findall(text.casefold()))
