"""Slots: generators that keep what they computed, and the requests that they serve, token by token.

A slot keeps its last request's tokens (and so its KV cache): a request takes the free slot that shares a
longer prefix with it than any other, and computes the rest only. Where none shares a quarter of its prompt,
it takes the one that was used longest ago: what people ask about now stays known.

An answer that has to be JSON of a schema is held to it by genai's guidance, which belongs to a generator from
its beginning: it gets one of its own in the slot that is missed least, and leaves that one empty.

A request whose version says that drafts pay (`model/registry/drafting.py`) gets several tokens from one pass
where its text repeats what stood before (`model/inference/drafts.py`). Every token is chosen as without: from
its own row of logits, bound and at random, too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime_genai as og

from model.inference.constrained import ConstrainedDecoder
from model.inference.drafts import DRAFT_TOKENS, LAST_LOGITS, PromptLookup

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownParameterType=false, reportMissingTypeStubs=false
# (onnxruntime_genai has no type stubs)

_SEEDS = 1 << 31
_WORTH = 4
"""A slot is of use to a prompt that shares one part in so many with it: the fixed part alone is a tenth of a
prompt with passages, and every slot has it."""
_Logits = np.ndarray[Any, np.dtype[np.float32]]
_Odds = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(slots=True)
class Ask:
    """One request. `at` counts the prompt's tokens that are in the cache, `new` the tokens that were made.

    `bound` holds it to words of a page (`model/inference/constrained.py`), `schema` to a JSON schema; without
    either it writes what it likes, at a `temperature` among the likeliest tokens that make up `top_p` of all.
    `chosen` is the token that was made last: it is computed when the next one is wanted, and never if
    it was the last of all. `drafted`: what may come next is guessed by `lookup`.
    """

    id: int
    ids: list[int]
    max_new: int
    temperature: float = 0.0
    seed: int | None = None
    top_p: float = 1.0
    schema: str = ""
    bound: ConstrainedDecoder | None = None
    drafted: bool = False
    lookup: PromptLookup | None = None
    at: int = 0
    new: int = 0
    chosen: int | None = None
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)


class Slot:
    """A generator with a KV cache of `context` tokens, and the request that it serves now.

    `tokens` are what the cache holds, each of them because it was appended here. Its memory is taken when the
    first request begins. `used` is the number of the request that it served last. The generator's own way to
    choose (generate_next_token) is left to answers with a schema, which nothing goes on from: it counts the
    last token before it is computed, and an end token never, so nobody could say how far to rewind.
    """

    def __init__(self, model: Any, context: int) -> None:
        self._model = model
        self._context = context
        self._generator: Any = None
        self.tokens: list[int] = []
        self.ask: Ask | None = None
        self.used = 0

    def shares(self, ids: list[int]) -> int:
        """Count the tokens of a prompt that are in the cache."""
        return count_shared_prefix(self.tokens, ids)

    def begin(self, ask: Ask) -> int:
        """Take a request; return how many tokens of its prompt need no computing."""
        self.ask = ask
        if ask.schema:
            self.tokens = []
            self._generator = self._make_generator(ask)
            return 0
        if self._generator is None:
            self._generator = self._make_generator()
        ask.at = self.shares(ask.ids)
        self._generator.rewind_to(ask.at)
        del self.tokens[ask.at :]
        return ask.at

    def read(self, ask: Ask, piece: int) -> None:
        """Compute the next piece of the prompt."""
        part = ask.ids[ask.at : ask.at + piece]
        self._append(part)
        ask.at += len(part)

    def next_tokens(self, ask: Ask, ends: Collection[int] = ()) -> list[int]:
        """Choose a token, or some more where a draft holds; the last of them may be one of `ends`.

        They come from the logits of the prompt, or of the token that was chosen before.
        """
        if ask.schema:  # its generator chooses, and has computed the last one
            self._generator.generate_next_token()
            ask.new += 1
            return [int(self._generator.get_next_tokens()[0])]
        if ask.chosen is None:
            return [self._choose(ask, self._read_logits("logits")[-1])]
        draft = self._guess(ask, ask.chosen, ends)
        self._append([ask.chosen, *draft])
        if not draft:
            return [self._choose(ask, self._read_logits("logits")[-1])]
        return self._check(ask, draft)

    def _guess(self, ask: Ask, chosen: int, ends: Collection[int]) -> list[int]:
        """Guess what comes after the token that was chosen last, and leave one token to be chosen."""
        if not ask.drafted:
            return []
        if ask.lookup is None:
            ask.lookup = PromptLookup([*self.tokens, chosen])
        return ask.lookup.guess(min(DRAFT_TOKENS, ask.max_new - ask.new - 1), ends)

    def _check(self, ask: Ask, draft: list[int]) -> list[int]:
        """Choose token by token as long as each is the drafted one; take the rest out of the cache."""
        rows = self._read_logits(LAST_LOGITS)[-1 - len(draft) :]
        chosen: list[int] = []
        for row, guessed in zip(rows, [*draft, None], strict=True):
            chosen.append(self._choose(ask, row))
            if chosen[-1] != guessed:
                break
        surplus = len(draft) + 1 - len(chosen)
        if surplus:
            self._generator.rewind_to(len(self.tokens) - surplus)
            del self.tokens[-surplus:]
        assert ask.lookup is not None  # noqa: S101 - it made the draft
        ask.lookup.note(len(draft), len(chosen) - 1)
        return chosen

    def _read_logits(self, name: str) -> _Logits:
        """Return the rows of an output of the last pass."""
        read = self._generator.get_logits() if name == "logits" else self._generator.get_output(name)
        logits = np.asarray(read)
        return logits.reshape(-1, logits.shape[-1])

    def _choose(self, ask: Ask, logits: _Logits) -> int:
        ask.chosen = choose_token(ask, logits)
        ask.new += 1
        if ask.lookup is not None:
            ask.lookup.add([ask.chosen])
        return ask.chosen

    def end(self) -> None:
        """Be free for the next request; what a schema held is of no use to it."""
        if self.ask is not None and self.ask.schema:
            self.begin_anew()
        self.ask = None

    def begin_anew(self) -> None:
        """Let go of the generator after an error: nobody knows what it holds.

        The next request makes another.
        """
        self.ask = None
        self.tokens = []
        self._generator = None

    def _append(self, tokens: list[int]) -> None:
        self._generator.append_tokens(tokens)
        self.tokens += tokens

    def _make_generator(self, guided: Ask | None = None) -> Any:
        params = og.GeneratorParams(self._model)
        params.set_search_options(max_length=self._context, do_sample=False, early_stopping=False)
        if guided is not None:
            if guided.temperature > 0:
                seed = int(guided.random.integers(_SEEDS))
                params.set_search_options(
                    do_sample=True, temperature=guided.temperature, top_p=guided.top_p, random_seed=seed
                )
            params.set_guidance("json_schema", guided.schema)
        return og.Generator(self._model, params)


def choose_token(ask: Ask, logits: _Logits) -> int:
    """Choose the likeliest token that may come, or one at random where the request asks for that."""
    if ask.bound is not None:
        allowed = ask.bound.list_allowed()
        token = allowed[int(logits[allowed].argmax())]
        ask.bound.take(token)
        return token
    if ask.temperature > 0:
        scaled = logits.astype(np.float64) / ask.temperature
        odds = np.exp(scaled - scaled.max())
        odds = _keep_likeliest(odds / odds.sum(), ask.top_p)
        return int(ask.random.choice(odds.size, p=odds / odds.sum()))
    return int(logits.argmax())


def _keep_likeliest(odds: _Odds, top_p: float) -> _Odds:
    """Return odds of 0 for all but the likeliest tokens that together make up `top_p`; one stays at least."""
    if top_p >= 1:
        return odds
    order = np.argsort(-odds)
    kept = order[: int(np.searchsorted(np.cumsum(odds[order]), top_p)) + 1]
    return np.where(np.isin(np.arange(odds.size), kept), odds, 0.0)


def count_shared_prefix(known: list[int], ids: list[int]) -> int:
    """Count the tokens of a prompt that are known; never its last one, whose logits are wanted."""
    limit = min(len(known), len(ids) - 1)
    return next((at for at in range(limit) if known[at] != ids[at]), limit)


def choose_slot(free: list[Slot], ask: Ask) -> Slot:
    """Choose the slot that knows most of a prompt; where none knows a quarter, one that is missed least.

    That is an empty one, or the one that was used longest ago. A schema begins with nothing: it takes that.
    """
    knowing = max(free, key=lambda slot: (slot.shares(ask.ids), -slot.used))
    if not ask.schema and knowing.shares(ask.ids) * _WORTH >= len(ask.ids):
        return knowing
    return min(free, key=lambda slot: (bool(slot.tokens), slot.used))
