"""The process in which the ONNX graph runs: token ids in, token ids out.

Run as: python -m model.inference.worker FOLDER OPTIONS  (JSON; `model/onnx_infer.py` starts it)

Why a process: onnxruntime-genai holds Python's lock for the whole of a forward pass. In the serving process a
prompt of 900 tokens would stop the event loop for seconds, and every token for tens of milliseconds.

One thread serves every request, a step at a time and in turn: a step is one token, or one piece of a prompt.
So all cores work on one step, nobody's answer stands still behind a long prompt for more than a piece of it,
and a cancelled request stops within a step. A slot is a generator that keeps its last request's tokens (and
so its KV cache): a request takes the free slot that shares a longer prefix with it than any other, and
computes the rest only. Where none shares a quarter of its prompt, it takes the one that was used longest ago:
what people ask about now stays known. There can be more slots than requests that are worked on. What goes
wrong with a request is an error of that request: its slot begins anew, and the process serves on. An answer
that has to be JSON of a schema is held to it by genai's guidance, which belongs to a generator from its
beginning: it gets one of its own in the slot that is missed least, and leaves that one empty.

Lines of JSON on standard input: {"id", "ids", "max_new", "temperature", "seed", "top_p", "schema", "within"}
asks, {"cancel": id} stops one, the end of the input ends the process. On standard output: {"ready",
"context"} once, then per request {"id", "begun": tokens reused}, {"id", "token"}..., and one of {"id",
"done": "eos" | "length" | "cancelled"}, {"id", "refused": why} (the schema cannot be used) and {"id",
"error"}.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime_genai as og

from core.usage_reporting import is_allowed
from model.inference.constrained import ConstrainedDecoder
from model.inference.gpu import load_cuda_libraries

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownParameterType=false, reportMissingTypeStubs=false
# (onnxruntime_genai has no type stubs)

_READ_BYTES = 1 << 16
_SEEDS = 1 << 31
_WORTH = 4
"""A slot is of use to a prompt that shares one part in so many with it: the fixed part alone is a tenth of a
prompt with passages, and every slot has it."""
_Odds = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(slots=True)
class Ask:
    """One request. `at` counts the prompt's tokens that are in the cache, `new` the tokens that were made.

    `bound` holds it to words of a page (`model/inference/constrained.py`), `schema` to a JSON schema; without
    either it writes what it likes, at a `temperature` among the likeliest tokens that make up `top_p` of all.
    `chosen` is the token that was made last: it is computed when the next one is wanted, and never if
    it was the last of all.
    """

    id: int
    ids: list[int]
    max_new: int
    temperature: float = 0.0
    seed: int | None = None
    top_p: float = 1.0
    schema: str = ""
    bound: ConstrainedDecoder | None = None
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

    def next_token(self, ask: Ask) -> int:
        """Choose a token, from the logits of the prompt or of the token that was chosen before."""
        if ask.schema:  # its generator chooses, and has computed the last one
            self._generator.generate_next_token()
            ask.new += 1
            return int(self._generator.get_next_tokens()[0])
        if ask.chosen is not None:
            self._append([ask.chosen])
        logits = np.asarray(self._generator.get_logits())
        ask.chosen = choose_token(ask, logits.reshape(-1, logits.shape[-1])[-1])
        ask.new += 1
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


def choose_token(ask: Ask, logits: np.ndarray[Any, np.dtype[np.float32]]) -> int:
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


class Worker:
    """The slots, the requests that wait for one, and whose turn it is.

    So many as `concurrent` are worked on (None: as there are slots); what else the slots hold is kept for
    whoever asks about it again.
    """

    def __init__(
        self, slots: list[Slot], eos: frozenset[int], piece: int, out: int, concurrent: int | None = None
    ) -> None:
        self._concurrent = concurrent or len(slots)
        self._begun = 0
        self._slots = slots
        self._eos = eos
        self._piece = piece
        self._out = out
        self._waiting: deque[Ask] = deque()

    def send(self, message: dict[str, Any]) -> None:
        """Write one line for the parent. Its end is gone when it died: then the next read ends us."""
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(self._out, line) :]

    def serve(self, lines: Lines) -> None:
        """Work until the input ends."""
        while lines.read(wait=not self._busy()):
            for message in lines.take():
                self._hear(message)
            self._seat()
            for slot in self._slots:
                if slot.ask is not None:
                    self._step(slot, slot.ask)

    def _busy(self) -> bool:
        return bool(self._waiting) or any(slot.ask for slot in self._slots)

    def _hear(self, message: dict[str, Any]) -> None:
        if "cancel" not in message:
            self._queue(message)
            return
        for ask in [ask for ask in self._waiting if ask.id == message["cancel"]]:
            self._waiting.remove(ask)
            self.send({"id": ask.id, "done": "cancelled"})
        for slot in self._slots:
            if slot.ask is not None and slot.ask.id == message["cancel"]:
                self._end(slot, "cancelled")

    def _queue(self, message: dict[str, Any]) -> None:
        within = message.pop("within", None)
        try:
            ask = Ask(**message, bound=ConstrainedDecoder(**within, eos=self._eos) if within else None)
        except Exception as error:  # noqa: BLE001 - as in a step: a seed can be out of range
            self.send({"id": message["id"], "error": str(error)})
        else:
            self._waiting.append(ask)

    def _seat(self) -> None:
        """Give the first in line a free slot."""
        while self._waiting and sum(slot.ask is not None for slot in self._slots) < self._concurrent:
            ask = self._waiting.popleft()
            slot = choose_slot([slot for slot in self._slots if slot.ask is None], ask)
            self._begun += 1
            slot.used = self._begun
            try:
                begun = slot.begin(ask)
            except Exception as error:  # noqa: BLE001 - as in a step
                self._fail(slot, ask, error, "refused" if ask.schema else "error")
            else:
                self.send({"id": ask.id, "begun": begun})

    def _step(self, slot: Slot, ask: Ask) -> None:
        try:
            if ask.at < len(ask.ids):
                slot.read(ask, self._piece)
                if ask.at < len(ask.ids):
                    return
            token = slot.next_token(ask)
        except Exception as error:  # noqa: BLE001 - whatever the native code says belongs to this request alone
            self._fail(slot, ask, error)
            return
        if token in self._eos:
            self._end(slot, "eos")
            return
        self.send({"id": ask.id, "token": token})
        if ask.new >= ask.max_new:
            self._end(slot, "length")

    def _fail(self, slot: Slot, ask: Ask, error: Exception, how: str = "error") -> None:
        """Tell a request's error; its slot forgets all, since the generator can be in any state."""
        self.send({"id": ask.id, how: str(error)})
        slot.begin_anew()

    def _end(self, slot: Slot, why: str) -> None:
        assert slot.ask is not None  # noqa: S101 - callers looked
        self.send({"id": slot.ask.id, "done": why})
        slot.end()


def choose_slot(free: list[Slot], ask: Ask) -> Slot:
    """Choose the slot that knows most of a prompt; where none knows a quarter, one that is missed least.

    That is an empty one, or the one that was used longest ago. A schema begins with nothing: it takes that.
    """
    knowing = max(free, key=lambda slot: (slot.shares(ask.ids), -slot.used))
    if not ask.schema and knowing.shares(ask.ids) * _WORTH >= len(ask.ids):
        return knowing
    return min(free, key=lambda slot: (bool(slot.tokens), slot.used))


class Lines:
    """Standard input as messages, read without waiting while there is work."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._rest = b""

    def read(self, *, wait: bool) -> bool:
        """Read what is there; False once the input has ended."""
        if select.select([self._source], [], [], None if wait else 0)[0]:
            block = os.read(self._source, _READ_BYTES)
            self._rest += block
            return bool(block)
        return True

    def take(self) -> list[dict[str, Any]]:
        """Return the complete messages that were read."""
        *whole, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in whole]


def make_config(folder: str, options: dict[str, Any]) -> Any:
    """Return the genai configuration: `options` are the fields of EngineOptions, with device cpu or cuda."""
    session: dict[str, Any] = {
        "intra_op_num_threads": options["threads"],
        "session.intra_op.spin_duration_us": str(options["spin_us"]),
        "session.force_spinning_stop": "1",  # nothing spins between two steps
    }
    config = og.Config(folder)
    config.overlay(json.dumps({"model": {"decoder": {"session_options": session}}}))
    config.clear_providers()
    if options["device"] == "cuda":
        config.append_provider("cuda")
        for name, value in options["cuda"].items():
            config.set_provider_option("cuda", name, value)
    return config


def main() -> None:
    """Load the model, say so, and serve."""
    for name in ("SIGINT", "SIGTERM"):  # the parent decides when we end: it may be draining
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    out = os.dup(1)
    os.dup2(2, 1)  # what native code prints must not land between our lines
    if not is_allowed():
        og.disable_telemetry_events()
    folder, options = sys.argv[1], json.loads(sys.argv[2])
    written = json.loads((Path(folder) / "genai_config.json").read_text("utf-8"))["model"]
    eos = written["eos_token_id"]
    context = min(options["context_tokens"], written["context_length"])
    if options["device"] == "cuda":
        load_cuda_libraries()
    model = og.Model(make_config(folder, options))
    concurrent = options["concurrent"]
    slots = [Slot(model, context) for _ in range(concurrent + options["remembered"])]
    ends = frozenset([eos] if isinstance(eos, int) else eos)
    worker = Worker(slots, ends, options["piece"], out, concurrent)
    worker.send({"ready": True, "context": context})
    worker.serve(Lines(0))


if __name__ == "__main__":
    main()
