"""The ONNX Runtime engine: prompts in, pieces of text out, for several people at once.

    engine = await asyncio.to_thread(Engine.load, folder, EngineOptions())
    async for piece in engine.generate(engine.render(messages), max_new_tokens=96): ...
    await engine.close()

The graph runs in a process of its own (`model/inference/worker.py` says why), so the event loop never waits
for it; if that process dies, its requests fail with a sentence and the next request starts another. Nothing
here is bound to one event loop, and nothing is global: two engines side by side are a hot swap.

    EngineError
    ├── EngineBusy       the queue is full; says when to try again     (a person sees it)
    ├── PromptTooLong    the prompt and the answer exceed the context  (a person sees it)
    ├── RequestRefused   a JSON schema cannot be used                  (a program sees it)
    └── EngineFailed     the model's process could not load or died    (a person sees it)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from core import telemetry
from model.inference.constrained import OutputConstraint, find_stretches
from model.inference.gpu import has_device, is_built_for_cuda
from model.inference.process import EngineProcess, EngineStats, Message, Tally, Usage
from model.inference.tokenizer import ChatText, Decoder


class EngineError(Exception):
    """The model did not answer; the message is for a person."""


class EngineBusy(EngineError):
    """The queue is full. `retry_after_s` is when the present queue will have been served."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"busy; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class PromptTooLong(EngineError):
    """The prompt and the room for its answer do not fit the model's context; all sizes are tokens."""

    def __init__(self, prompt: int, new: int, context: int) -> None:
        super().__init__(
            f"the prompt has {prompt} tokens and its answer may have {new}; together {context} fit the model"
        )
        self.prompt, self.new, self.context = prompt, new, context


class RequestRefused(EngineError):
    """What was asked for cannot be done by any model here, such as a JSON schema that is none."""


class EngineFailed(EngineError):
    """The model's process could not load, or it died."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The device, threads and limits of an engine.

    `threads` is of one forward pass, 0 for the cores there are. `concurrent` requests are worked on in turn,
    and `queue_limit` more may wait. The tokens of `remembered` earlier ones are kept beside those
    (-1: of as many as fit in a twentieth of `memory_gb`, four at most).
    `context_tokens` bounds prompt and answer together: a slot's KV cache is allocated whole (46 KB a token
    for the default model). `piece` is how many prompt tokens are computed at one go: the longest that
    somebody else's answer stands still. `spin_us` is how long a thread waits busily for the next piece of
    work, microseconds: unbounded spinning halves the speed beside another busy process, none costs a tenth on
    a quiet machine. `drafts`: several tokens come of one pass where an answer quotes; the version's graph has
    to have what checks them (`model/registry/drafting.py`). `cuda` holds provider options of ONNX Runtime, as
    text.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0
    concurrent: int = 2
    queue_limit: int = 16
    remembered: int = -1
    memory_gb: float | None = None
    context_tokens: int = 2048
    piece: int = 128
    spin_us: int = 30
    drafts: bool = False
    cuda: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Sampling:
    """The choice of tokens: at temperature 0 always the likeliest; `seed` repeats a random choice.

    `top_p` leaves the likeliest that together have so much of the odds. `schema` is a JSON schema that the
    answer must have ("": none). `drafted` False makes it token by token where the engine has drafts: the same
    tokens, later.
    """

    temperature: float = 0.0
    seed: int | None = None
    top_p: float = 1.0
    schema: str = ""
    drafted: bool = True


GREEDY = Sampling()


@dataclass(slots=True)
class _Request:
    """One request on its way. `put` hands an event to whoever waits for it, from any thread."""

    tokens_in: int
    put: Callable[[Message], None]
    asked_at: float
    begun_at: float = 0.0
    first_at: float = 0.0
    reused: int = 0
    new: int = 0


class Engine:
    """One loaded model version."""

    def __init__(self, folder: Path, options: EngineOptions) -> None:
        self.folder = folder
        self.options = options
        self.text = ChatText(folder)
        self.context_tokens = options.context_tokens
        self._numbers = itertools.count(1)
        self._requests: dict[int, _Request] = {}
        self._lock = threading.Lock()
        self._empty = threading.Condition(self._lock)
        self._tally = Tally()
        self._closed = False
        self._process = self._start()

    @classmethod
    def load(cls, folder: Path, options: EngineOptions | None = None) -> Engine:
        """Load a version. Takes seconds: call it in a thread. Raises EngineFailed."""
        try:
            engine = cls(folder, resolve(options or EngineOptions()))
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineFailed(f"the model in {folder} could not be loaded: {error}") from error
        try:
            engine.context_tokens = engine._process.ready.result()
        except OSError as error:
            more = ". `askpage doctor` says what is missing" if engine.options.device == "cuda" else ""
            raise EngineFailed(f"the model in {folder} could not be loaded: {error}{more}") from error
        return engine

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the prompt for messages {"role", "content"}; control words in content are broken."""
        return self.text.render(messages)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text."""
        return len(self.text.encode(text))

    async def generate(
        self,
        prompt: str | Sequence[int],
        *,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        within: OutputConstraint | None = None,
        on_done: Callable[[Usage], None] | None = None,
    ) -> AsyncGenerator[str]:
        """Yield the answer in pieces.

        Leaving the loop, or cancelling the task, stops the model within a step.

        `stop` strings end the answer and are not part of it. `within` binds it to pages. `on_done` gets the
        figures of an answer that came to its end. Raises EngineBusy at once when the queue is full,
        PromptTooLong, RequestRefused, EngineFailed.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Message] = asyncio.Queue()

        def put(event: Message) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(events.put_nowait, event)

        number = self._ask(prompt, max_new_tokens, self._how(sampling, within), put)
        decoder = Decoder(self.text, stop)
        try:
            while decoder.reason is None:
                if piece := _piece(decoder, await events.get()):
                    yield piece
            self._finish_request(number, decoder.reason, on_done)
        finally:
            self._leave(number)

    def generate_sync(
        self,
        prompt: str | Sequence[int],
        *,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        within: OutputConstraint | None = None,
        on_done: Callable[[Usage], None] | None = None,
    ) -> Generator[str]:
        """Do as `generate` does, for a thread without an event loop."""
        events: queue.SimpleQueue[Message] = queue.SimpleQueue()
        number = self._ask(prompt, max_new_tokens, self._how(sampling, within), events.put)
        decoder = Decoder(self.text, stop)
        try:
            while decoder.reason is None:
                if piece := _piece(decoder, events.get()):
                    yield piece
            self._finish_request(number, decoder.reason, on_done)
        finally:
            self._leave(number)

    @property
    def pid(self) -> int:
        """The process that holds the weights."""
        return self._process.pid

    def stats(self) -> EngineStats:
        """Return the figures since the engine was loaded."""
        with self._lock:
            under_way = len(self._requests)
            active = min(under_way, self.options.concurrent)
            return self._tally.stats(active=active, waiting=under_way - active)

    async def close(self, drain_s: float = 0.0) -> None:
        """Take no more requests, wait `drain_s` for those under way, cancel the rest, free memory."""
        await asyncio.to_thread(self.close_sync, drain_s)

    def close_sync(self, drain_s: float = 0.0) -> None:
        """Do as `close` does, for a thread without an event loop."""
        with self._lock:
            self._closed = True
            self._empty.wait_for(lambda: not self._requests, drain_s)
        self._process.close()

    def _start(self) -> EngineProcess:
        return EngineProcess(
            self.folder, asdict(self.options), on_message=self._take_message, on_end=self._process_ended
        )

    def _ask(
        self, prompt: str | Sequence[int], max_new: int, how: Message, put: Callable[[Message], None]
    ) -> int:
        ids = self.text.encode(prompt) if isinstance(prompt, str) else list(prompt)
        if not ids or max_new < 1:
            raise EngineError("an empty prompt, or an answer of no tokens, was asked for")
        if len(ids) + max_new > self.context_tokens:
            raise PromptTooLong(len(ids), max_new, self.context_tokens)
        with self._lock:
            if self._closed:
                raise EngineFailed("the model is being unloaded: ask again")
            if len(self._requests) >= self.options.concurrent + self.options.queue_limit:
                self._tally.refused += 1
                telemetry.engine("refused", 1)
                raise EngineBusy(self._tally.wait_s(len(self._requests), self.options.concurrent))
            if self._process.ended:
                self._process = self._start()
            number = next(self._numbers)
            self._requests[number] = _Request(len(ids), put, time.perf_counter())
            telemetry.engine("under_way", 1)
            self._process.send({"id": number, "ids": ids, "max_new": max_new, **how})
        return number

    def _how(self, sampling: Sampling, within: OutputConstraint | None) -> Message:
        """Return how the worker chooses tokens."""
        how: Message = asdict(sampling) | {"drafted": sampling.drafted and self.options.drafts}
        if within is None:
            return how
        stretches = find_stretches(self.text, within.pages, within.sentence)
        return how | {"within": {"stretches": stretches, "finish": self.text.encode(".")}}

    def _take_message(self, message: Message) -> None:
        """Take one message of the worker, in the reader's thread."""
        with self._lock:
            request = self._requests.get(message["id"])
            if request is None:
                return  # it was cancelled
            if "begun" in message:
                request.begun_at, request.reused = time.perf_counter(), message["begun"]
                return
            if "token" in message:
                request.first_at = request.first_at or time.perf_counter()
                request.new += 1
        request.put(message)

    def _process_ended(self, reason: str) -> None:
        with self._lock:
            requests = list(self._requests.values())
        for request in requests:
            request.put(
                {"error": "the model was unloaded" if self._closed else f"the model stopped: {reason}"}
            )

    def _finish_request(self, number: int, reason: str, on_done: Callable[[Usage], None] | None) -> None:
        now = time.perf_counter()
        with self._lock:
            request = self._requests[number]
            usage = Usage(
                request.tokens_in,
                request.reused,
                request.new,
                (request.first_at or now) - request.asked_at,
                now - request.asked_at,
                reason,
            )
            self._tally.add(usage, now - request.begun_at)
            self._forget(number)
            if reason == "stop":
                self._process.send({"cancel": number})
        _tell(request, usage, now)
        if on_done is not None:
            on_done(usage)

    def _leave(self, number: int) -> None:
        """Forget a request that nobody waits for any more, however far it came."""
        with self._lock:
            if number in self._requests:
                self._tally.cancelled += 1
                self._forget(number)
                self._process.send({"cancel": number})

    def _forget(self, number: int) -> None:
        del self._requests[number]
        telemetry.engine("under_way", -1)
        if not self._requests:
            self._empty.notify_all()


def resolve(options: EngineOptions) -> EngineOptions:
    """Return options with `auto` and 0 replaced by what this machine has. Raises EngineFailed."""
    device = options.device
    if device == "auto":
        device = "cuda" if is_built_for_cuda() and has_device() else "cpu"
    elif device == "cuda" and not is_built_for_cuda():
        raise EngineFailed("the device cuda needs the wheel onnxruntime-genai-cuda: install askpage[gpu]")
    return replace(options, device=device, threads=options.threads or len(os.sched_getaffinity(0)))


def _tell(request: _Request, usage: Usage, now: float) -> None:
    """Tell how long each step of an answer took, and what went through."""
    first_at = request.first_at or now
    telemetry.past_span("queue", request.asked_at, request.begun_at)
    telemetry.past_span("prefill", request.begun_at, first_at)
    telemetry.past_span("decode", first_at, now)
    telemetry.engine("tokens_in", usage.tokens_in)
    telemetry.engine("tokens_reused", usage.tokens_reused)
    telemetry.engine("tokens_out", usage.tokens_out)


def _piece(decoder: Decoder, event: Message) -> str:
    if "error" in event:
        raise EngineFailed(str(event["error"]))
    if "refused" in event:
        raise RequestRefused(str(event["refused"]))
    return decoder.feed(event["token"]) if "token" in event else decoder.end(event["done"])
