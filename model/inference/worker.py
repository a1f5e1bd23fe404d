"""The process in which the ONNX graph runs: token ids in, token ids out.

Run as: python -m model.inference.worker FOLDER OPTIONS  (JSON; `model/onnx_infer.py` starts it)

Why a process: onnxruntime-genai holds Python's lock for the whole of a forward pass. In the serving process a
prompt of 900 tokens would stop the event loop for seconds, and every token for tens of milliseconds.

One thread serves every request, a step at a time and in turn: a step is one token, or one piece of a prompt.
So all cores work on one step, nobody's answer stands still behind a long prompt for more than a piece of it,
and a cancelled request stops within a step. A slot (`model/inference/slots.py`) keeps what it computed; there
can be more of them than requests that are worked on. What goes wrong with a request is an error of that
request: its slot begins anew, and the process serves on.

Lines of JSON on standard input: {"id", "ids", "max_new", "temperature", "seed", "top_p", "schema", "drafted",
"within"} asks, {"cancel": id} stops one, the end of the input ends the process. On standard output:
{"ready", "context"} once, then per request {"id", "begun": tokens reused}, {"id", "token"}..., and one of
{"id", "done": "eos" | "length" | "cancelled"}, {"id", "refused": why} (the schema cannot be used) and {"id",
"error"}.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime_genai as og

from core.usage_reporting import is_allowed
from model.inference.constrained import ConstrainedDecoder
from model.inference.gpu import load_cuda_libraries
from model.inference.slots import Ask, Slot, choose_slot

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownParameterType=false, reportMissingTypeStubs=false
# (onnxruntime_genai has no type stubs)

_READ_BYTES = 1 << 16
_MOST_REMEMBERED = 4
_SHARE_REMEMBERED = 0.05
"""Of the device's memory, what is kept of prompts that nobody waits for."""


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
            tokens = slot.next_tokens(ask, self._eos)
        except Exception as error:  # noqa: BLE001 - whatever the native code says belongs to this request alone
            self._fail(slot, ask, error)
            return
        for token in tokens:
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


def count_cache_bytes(decoder: Mapping[str, int], context: int, device: str) -> int:
    """Return what a slot's cache takes, by genai's description of the decoder: keys and values, 4 bytes each.

    On a GPU they have 2 at the least.
    """
    numbers = decoder["num_hidden_layers"] * decoder["num_key_value_heads"] * decoder["head_size"]
    return 2 * numbers * context * (2 if device == "cuda" else 4)


def count_remembered(cache_bytes: int, memory_gb: float | None) -> int:
    """Return how many prompts are kept beside those of answers in progress; none where nothing tells."""
    return min(_MOST_REMEMBERED, int((memory_gb or 0.0) * 1e9 * _SHARE_REMEMBERED / cache_bytes))


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
    remembered = options["remembered"]
    if remembered < 0:
        kept_bytes = count_cache_bytes(written["decoder"], context, options["device"])
        remembered = count_remembered(kept_bytes, options["memory_gb"])
    slots = [Slot(model, context) for _ in range(concurrent + remembered)]
    ends = frozenset([eos] if isinstance(eos, int) else eos)
    worker = Worker(slots, ends, options["piece"], out, concurrent)
    worker.send({"ready": True, "context": context})
    worker.serve(Lines(0))


if __name__ == "__main__":
    main()
