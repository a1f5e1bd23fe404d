"""Drafts by prompt lookup: what may come next, guessed from where the same tokens stood before.

An answer that quotes repeats stretches of its prompt. The tokens that followed the last three (or two) where
these stood before are a guess; one pass of the model over all of them says how many it would have chosen
itself (`model/inference/worker.py`), and the rest is taken back. So a guess changes how fast an answer comes,
and never what it says, where the graph computes a token alone as it does among others
(`model/registry/graph_changes.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

DRAFT_TOKENS = 8
"""The longest draft."""
LAST_LOGITS = "last_logits"
"""The graph's output with the logits of the last DRAFT_TOKENS + 1 tokens."""
_SIZES = (3, 2)
_MORE = 2


class PromptLookup:
    """What a prompt and its answer hold so far, to be looked up by the tokens that stand last.

    A draft is as long as drafts were right lately: one that held whole makes the next one twice as long,
    and after another the next is two tokens longer than what held of it.
    """

    def __init__(self, tokens: Iterable[int]) -> None:
        self._tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        self._reach = DRAFT_TOKENS
        self.add(tokens)

    def add(self, tokens: Iterable[int]) -> None:
        """Go on with tokens that were made."""
        for token in tokens:
            for size in _SIZES:
                if len(self._tokens) >= size:
                    self._after[tuple(self._tokens[-size:])] = len(self._tokens)
            self._tokens.append(token)

    def guess(self, most: int, ends: Collection[int]) -> list[int]:
        """Return at most so many tokens that may come next, none of them an end; the latest place counts."""
        for size in _SIZES:
            at = self._after.get(tuple(self._tokens[-size:]))
            if at is not None:
                draft = self._tokens[at : at + min(most, self._reach)]
                return draft[: next((place for place, token in enumerate(draft) if token in ends), None)]
        return []

    def note(self, drafted: int, held: int) -> None:
        """Take note of how many tokens of a draft the model chose, too."""
        self._reach = min(DRAFT_TOKENS, self._reach * 2 if held == drafted else held + _MORE)
