"""An answer that can only be words of a page: which tokens may come next, and where it may end.

A model that learned to answer in the page's words still writes others now and then, and a check drops those
answers. Bound to the page, the same model chooses the likeliest stretch of whole words of it, or declines:
half of the dropped answers become right ones (LOG.md).

`find_stretches` is for the process that knows text, `ConstrainedDecoder` for the one that knows tokens alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from model.inference.tokenizer import ChatText


@dataclass(frozen=True, slots=True)
class OutputConstraint:
    """An answer may only be a stretch of whole words of the `pages`, or the `sentence` instead."""

    pages: tuple[str, ...]
    sentence: str


_WORD = re.compile(r"(?P<open>[\"“‘(\[$€£])?(?P<core>\w+(?:[-'’.,:/]\w+)*)(?P<close>[%°²\"”’)\]$€£])?")
"""A word with what joins its parts, and what may stand at either end of it: 3.50, isn't, co-op, (café)."""
_LONGEST_CHARACTERS = 240
"""How long a stretch can be; what people ask for is shorter."""

Stretch = dict[str, list[int]]
"""{"ids": tokens, "ends": after how many of them a whole word has ended}"""


def find_stretches(text: ChatText, pages: Iterable[str], sentence: str) -> list[Stretch]:
    """Return the stretches that begin at each word of the pages, and the sentence, which is indivisible."""
    lines = [text.neutralise(line) for page in pages for line in page.splitlines()]
    ids = text.encode(sentence)
    return [*(found for line in lines for found in _stretches(text, line)), {"ids": ids, "ends": [len(ids)]}]


def _stretches(text: ChatText, line: str) -> Iterator[Stretch]:
    words = list(_WORD.finditer(line))
    ends = {word.end(part) for word in words for part in ("core", "close")}
    for start in sorted({word.start(part) for word in words for part in ("open", "core")} - {-1}):
        tokens = text.tokenize(line[start : start + _LONGEST_CHARACTERS])
        begins = [*(begin for _, begin, _ in tokens[1:]), _LONGEST_CHARACTERS]
        yield {
            "ids": [token for token, _, _ in tokens],
            # A token that is a piece of a character ends where the next one begins again: not yet.
            "ends": [
                at
                for at, ((_, _, end), begin) in enumerate(zip(tokens, begins, strict=True), 1)
                if start + end in ends and end <= begin
            ],
        }


class ConstrainedDecoder:
    """The state of constrained decoding: how far an answer is along which stretches.

    After its last word come `finish` (a full stop) and one of `eos`.
    """

    def __init__(self, stretches: Sequence[Stretch], finish: Iterable[int], eos: Iterable[int]) -> None:
        self._along = list(stretches)
        self._finish, self._eos = set(finish), set(eos)
        self._at, self._last = 0, -1

    def list_allowed(self) -> list[int]:
        """Return the tokens that may come next; never none."""
        if not self._along:
            return sorted(self._eos)
        onwards = {one["ids"][self._at] for one in self._along if len(one["ids"]) > self._at}
        ended = not onwards or any(self._at in one["ends"] for one in self._along)
        finish = self._finish - {self._last}
        return sorted(onwards | finish | self._eos if ended else onwards)

    def take(self, token: int) -> None:
        """Go on with a token; along no stretch any more, only the end can follow."""
        at, self._at, self._last = self._at, self._at + 1, token
        self._along = [one for one in self._along if one["ids"][at : at + 1] == [token]]
