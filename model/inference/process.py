"""The parent's end of the process in which the ONNX graph runs: it is started, written to, read, and ended.

Reading and writing have a thread each: a pipe that is full for a moment never holds up an event loop. `Tally`
counts what an engine has done, and estimates how long its queue takes.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LATENCIES = 32  # answers whose durations make the estimate
_FIRST_GUESS_S = 5.0  # duration of an answer, before there was one


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and seconds of one answer; `reason` is "eos", "stop" (a stop string) or "length"."""

    tokens_in: int
    tokens_reused: int
    tokens_out: int
    ttft_s: float
    total_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters of an engine since it was loaded. Times are seconds; None before the first answer."""

    active: int = 0
    waiting: int = 0
    answered: int = 0
    cancelled: int = 0
    refused: int = 0
    tokens_in: int = 0
    tokens_reused: int = 0
    tokens_out: int = 0
    last_ttft_s: float | None = None
    mean_ttft_s: float | None = None
    tokens_per_s: float | None = None


@dataclass(slots=True)
class Tally:
    """The running sums. Its owner's lock guards it."""

    answered: int = 0
    cancelled: int = 0
    refused: int = 0
    tokens_in: int = 0
    tokens_reused: int = 0
    tokens_out: int = 0
    last_ttft_s: float | None = None
    ttft_s: float = 0.0
    decode_s: float = 0.0
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))

    def add(self, usage: Usage, duration_s: float) -> None:
        """Count one answer; `duration_s` is from the moment when its turn came."""
        self.answered += 1
        self.tokens_in += usage.tokens_in
        self.tokens_reused += usage.tokens_reused
        self.tokens_out += usage.tokens_out
        self.last_ttft_s = usage.ttft_s
        self.ttft_s += usage.ttft_s
        self.decode_s += usage.total_s - usage.ttft_s
        self.durations.append(duration_s)

    def wait_s(self, under_way: int, concurrent: int) -> float:
        """Estimate the seconds until `under_way` requests are served, by the last answers; at least 1.

        An answer's duration contains its neighbours' turns, so `concurrent` of them end in one duration.
        Those being worked on are taken to be half done.
        """
        typical_s = sum(self.durations) / len(self.durations) if self.durations else _FIRST_GUESS_S
        ahead = max(0, under_way - concurrent) + min(under_way, concurrent) / 2
        return max(1.0, typical_s * ahead / concurrent)

    def stats(self, *, active: int, waiting: int) -> EngineStats:
        """Return the figures."""
        decoded = self.tokens_out - self.answered  # the first token of an answer belongs to its prompt
        return EngineStats(
            active=active,
            waiting=waiting,
            answered=self.answered,
            cancelled=self.cancelled,
            refused=self.refused,
            tokens_in=self.tokens_in,
            tokens_reused=self.tokens_reused,
            tokens_out=self.tokens_out,
            last_ttft_s=self.last_ttft_s,
            mean_ttft_s=self.ttft_s / self.answered if self.answered else None,
            tokens_per_s=decoded / self.decode_s if decoded > 0 and self.decode_s > 0 else None,
        )


Message = dict[str, Any]

_ROOT = Path(__file__).resolve().parents[2]
_END_TIMEOUT_S = 5.0
_WORDS_OF_FAREWELL = 2000  # characters of what a dying process wrote that are read


class EngineProcess:
    """One worker process.

    `ready` becomes its context length in tokens, or an OSError that says why it died.
    """

    def __init__(
        self,
        folder: Path,
        options: Mapping[str, Any],
        *,
        on_message: Callable[[Message], None],
        on_end: Callable[[str], None],
    ) -> None:
        self.ready: Future[int] = Future()
        self.ended = False
        self._on_message, self._on_end = on_message, on_end
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _end
        self._outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(  # noqa: S603 - our own module and our own settings
            [
                sys.executable,
                "-m",
                "model.inference.worker",
                str(folder.resolve()),
                json.dumps(dict(options)),
            ],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._threads = [
            threading.Thread(target=work, daemon=True, name=f"engine-{work.__name__.strip('_')}")
            for work in (self._write, self._read)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Queue one line for the worker; it is lost when the worker has died."""
        self._outbox.put(message)

    def close(self) -> None:
        """End the process: it ends by itself when its input does, between two steps.

        Takes up to some seconds.
        """
        self._outbox.put(None)
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if threading.current_thread() not in self._threads:
            for thread in self._threads:
                thread.join()

    def _write(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            with self._process.stdin as pipe:
                while (message := self._outbox.get()) is not None:
                    pipe.write(json.dumps(message).encode() + b"\n")
                    pipe.flush()
        except OSError:
            pass  # it died: the reader tells

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with self._process.stdout as pipe:
            for line in pipe:
                message = json.loads(line)
                if "ready" in message:
                    self.ready.set_result(message["context"])
                else:
                    self._on_message(message)
        self._end()

    def _end(self) -> None:
        self._process.wait()
        self.ended = True
        self._outbox.put(None)
        with self._errors as errors:
            size = errors.seek(0, 2)
            errors.seek(max(0, size - _WORDS_OF_FAREWELL))
            words = errors.read().decode(errors="replace").strip().splitlines()
        reason = f"it ended with status {self._process.returncode}" + (f": {words[-1]}" if words else "")
        if not self.ready.done():
            self.ready.set_exception(OSError(reason))
        self._on_end(reason)
