"""The parent's end of the process in which the ONNX graph runs: it is started, written to, read, and ended.

Reading and writing have a thread each: a pipe that is full for a moment never holds up an event loop.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

Message = dict[str, Any]

_ROOT = Path(__file__).resolve().parent.parent
_END_TIMEOUT_S = 5.0
_WORDS_OF_FAREWELL = 2000  # characters of what a dying process wrote that are read


class EngineProcess:
    """One worker process. `ready` becomes its context length in tokens, or an OSError that says why it died."""

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
            [sys.executable, "-m", "model.engine_worker", str(folder.resolve()), json.dumps(dict(options))],
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
        """End the process: it ends by itself when its input does, between two steps. Takes up to some seconds."""
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
