"""The sandbox for foreign bytes: a few processes with limits of time and memory, killed at need.

    sandbox = Sandbox(timeout_s=10)
    page = await sandbox.extract(fetched, fetched_at)
    await sandbox.close()

A thread would not do: a single regular expression or a parser in C holds the interpreter, and with it the
event loop, for as long as it takes. The processes are started when there is something to read, and stay. One
that passes a limit is killed, the page is refused with a sentence, and the next page gets another process.
One that stands at the limit of its memory is given a second more: without a byte to spare it may take minutes
to free what it has read.
They are given nothing of our environment, open no network, and end when the pipe to them closes, however we
end (`pages.parse.sandbox_worker`).

What may arrive is bytes and JSON in both directions: nothing that a process sends is run here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from core.phrases import Phrase, mark
from core.processes import read_peak_memory
from core.readers import Readers
from core.records import Page
from pages.fetched import TOO_MUCH_MEMORY, Fetched, PageUnreachable, PageUnreadable
from pages.parse.landing import PageSigns
from pages.parse.ocr import OcrRules
from pages.parse.sitemaps import Sitemap
from pages.sections import load_sections

log = logging.getLogger(__name__)

WORKERS = 3
"""Most processes: pages that are read at the same time."""
MEMORY_BYTES = 1 << 30
"""Most address space of a process, its own 100 MB included; the largest honest pages take 300 MB."""
PATIENCE_S = 60.0
"""Longest wait for a process that is free, seconds."""
SOURCE_TIMEOUT_S = 60.0
"""Longest time to read a page that the operator named and nobody waits for, seconds: a PDF of 500 pages takes
20."""

_LOOK_S = 0.25
"""How often the memory of a process that reads is looked at, seconds."""
_SPARE_BYTES = 8_000_000
"""A process that has come so near to its limit is at it: its memory grows by one to eight megabytes."""
_LAST_S = 1.0
"""As long as such a process may still take, seconds."""
_OCR_SHARE = 0.6
"""Share of a page's time in which pictures may be read; what it takes must not cost the rest of the file."""
_START_S = 60.0
_MOST_TASKS = 1000  # pages that one process reads: what leaks leaks for so long
_MOST_REPLY = 64_000_000  # bytes; the longest page's text takes 12 MB
_ROOT = Path(__file__).resolve().parents[2]
_NEEDED_TO_START = (
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "PATH",
    "LANG",
    "SYSTEMROOT",
)

BUSY = mark("I am reading several other pages right now; please ask again in a minute.")
CANNOT_READ = mark(
    "I could not read that page: it is built in a way that I cannot follow. Please send another copy of it."
)


class Sandbox:
    """The processes that read; of one event loop. Close it."""

    def __init__(
        self,
        timeout_s: float = 10.0,
        *,
        workers: int = WORKERS,
        memory_bytes: int = MEMORY_BYTES,
        ocr: OcrRules | None = None,
    ) -> None:
        """`timeout_s` is the longest time for one page, from the moment that a process has it.

        `ocr` says what is read of pictures; nothing without it. Its seconds follow from `timeout_s`.
        """
        self._ocr = ocr if ocr and ocr.languages else None
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._slots = asyncio.Semaphore(workers)
        # one after the other: at each, the system holds us until the process is there
        self._starting = asyncio.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    @property
    def pids(self) -> frozenset[int]:
        """The processes that there are now."""
        return frozenset(worker.pid for worker in self._all)

    async def extract(
        self, fetched: Fetched, fetched_at: datetime, *, timeout_s: float | None = None
    ) -> Page:
        """Return the page that was fetched (`pages.parse.extract`).

        Raises PageUnreadable, and PageUnreachable when busy.
        """
        found = await self._run("page", fetched, timeout_s or self._timeout_s)
        return _build_page(found, fetched, fetched_at)

    async def land(
        self, fetched: Fetched, fetched_at: datetime, *, timeout_s: float | None = None
    ) -> tuple[PageSigns, Page | None]:
        """Return what a page of HTML says about itself (`pages.parse.landing`), and the page if it is one.

        Raises PageUnreadable, and PageUnreachable when busy.
        """
        found = await self._run("landing", fetched, timeout_s or self._timeout_s)
        page = _build_page(found, fetched, fetched_at) if "sections" in found else None
        return PageSigns(**found["signs"]), page

    async def robots(self, fetched: Fetched, agent: str, urls: Sequence[str]) -> tuple[frozenset[str], float]:
        """Return which addresses a robots.txt keeps `agent` from, and the seconds between two requests.

        Raises PageUnreadable, and PageUnreachable when busy.
        """
        found = await self._run("robots", fetched, SOURCE_TIMEOUT_S, agent=agent, urls=list(urls))
        return frozenset(found["closed"]), found["delay_s"]

    async def sitemap(self, fetched: Fetched, max_bytes: int) -> Sitemap:
        """Return what a sitemap names (`pages.parse.extract`).

        Raises PageUnreadable, and PageUnreachable when busy.
        """
        found = await self._run("sitemap", fetched, SOURCE_TIMEOUT_S, max_bytes=max_bytes)
        pages, sitemaps = tuple(found["pages"]), tuple(found["sitemaps"])
        return Sitemap(pages, sitemaps, is_feed=found["is_feed"], is_cut=found["is_cut"])

    async def permalink(self, body: bytes) -> str | None:
        """Return the permalink of a Markdown text's front matter.

        Raises PageUnreadable, and PageUnreachable when busy.
        """
        fetched = Fetched("", body, "text/markdown")
        return (await self._run("permalink", fetched, self._timeout_s))["permalink"]

    async def close(self) -> None:
        """End the processes, whatever they are at."""
        for worker in list(self._all):
            await self._end(worker)

    async def _run(self, task: str, fetched: Fetched, timeout_s: float, **more: object) -> dict[str, Any]:
        head = {
            "task": task,
            "url": fetched.url,
            "content_type": fetched.content_type,
            "charset": fetched.charset,
            "timeout_s": timeout_s,
            "ocr": [self._ocr.languages, self._ocr.pages, _OCR_SHARE * timeout_s] if self._ocr else [],
            **more,
        }
        try:
            async with self._worker() as worker, asyncio.timeout(timeout_s):
                reply = await worker.ask(head, fetched.body)
        except TimeoutError:
            raise PageUnreadable(
                mark(
                    "That page takes longer than {seconds} seconds to read; please send a simpler or "
                    "shorter one."
                ),
                seconds=timeout_s,
            ) from None
        except (EOFError, OSError, ValueError) as error:
            log.warning("the process that read a page ended: %r", error)
            raise PageUnreadable(CANNOT_READ) from None
        if "refused" in reply:
            raise PageUnreadable(Phrase.from_json(reply["refused"]))
        if "failed" in reply:
            log.error("reading a page failed: %s", reply["failed"])
            raise PageUnreadable(CANNOT_READ)
        return reply

    @asynccontextmanager
    async def _worker(self) -> AsyncGenerator[_Worker]:
        """Give a process that is free; it is ended unless all goes well."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._slots.acquire()
        except TimeoutError:
            raise PageUnreachable(BUSY) from None
        try:
            worker = self._free() or await self._start()
            try:
                yield worker
            except BaseException:
                await self._end(worker)
                raise
            if worker.goes_on and worker in self._all:
                self._idle.append(worker)
            else:
                await self._end(worker)
        finally:
            self._slots.release()

    def _free(self) -> _Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            self._all.discard(worker)
        return None

    async def _start(self) -> _Worker:
        try:
            async with self._starting, asyncio.timeout(_START_S):
                worker = await _Worker.start(self._memory_bytes)
        except (TimeoutError, EOFError, OSError) as error:
            log.error("the process that reads pages does not start: %r", error)  # noqa: TRY400 - it says all
            raise PageUnreachable(
                mark("I cannot read pages at the moment; please try again later.")
            ) from None
        self._all.add(worker)
        return worker

    async def _end(self, worker: _Worker) -> None:
        self._all.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        await worker.end()


def _build_page(found: dict[str, Any], fetched: Fetched, fetched_at: datetime) -> Page:
    return Page(
        url=fetched.url,
        title=found["title"],
        sections=load_sections(found["sections"]),
        page_hash=found["hash"],
        fetched_at=fetched_at,
        etag=fetched.etag,
        doubtful=found["doubtful"],
        left_out=tuple(found["left_out"]),
        unread=tuple(found["unread"]),
        readers=Readers.from_list(found["readers"]),
        label=found["label"],
    )


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - the type checker's, both are pipes
        assert process.stdout is not None  # noqa: S101
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self.goes_on = True
        self._tasks = 0
        self._memory_bytes = -1  # the limit that the process says to have; none until then
        self._is_out_of_memory = False

    @classmethod
    async def start(cls, memory_bytes: int) -> _Worker:
        """Start one, and wait until it is ready. Raises EOFError and OSError when it is not."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pages.parse.sandbox_worker", str(memory_bytes)),
            cwd=_ROOT,
            env={name: os.environ[name] for name in _NEEDED_TO_START if name in os.environ},  # noqa: TID251 - no settings
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us, and we end it
        )
        worker = cls(process)
        try:
            worker._memory_bytes = int((await worker._read())["memory_bytes"])
        except BaseException:
            await worker.end()
            raise
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._stdout.at_eof()

    async def ask(self, head: dict[str, Any], body: bytes) -> dict[str, Any]:
        """Return what the process makes of a body. Raises EOFError or OSError when it dies."""
        self._tasks += 1
        watching = asyncio.create_task(self._watch_memory())
        reply: dict[str, Any] = {"refused": [TOO_MUCH_MEMORY, {}], "ends": True}
        try:
            reply = await self._exchange(head, body)
        except (EOFError, OSError):
            if not self._is_out_of_memory:
                raise
        finally:
            watching.cancel()
        self.goes_on = self._tasks < _MOST_TASKS and not reply.get("ends") and not self._is_at_limit()
        return reply

    async def _exchange(self, head: dict[str, Any], body: bytes) -> dict[str, Any]:
        for frame in (json.dumps(head).encode(), body):
            self._stdin.write(len(frame).to_bytes(8, "big"))
            self._stdin.write(frame)
        await self._stdin.drain()
        return await self._read()

    async def _watch_memory(self) -> None:
        """Kill the process a second after it has come to the limit of its memory."""
        while not self._is_at_limit():  # noqa: ASYNC110 - the system sets no event
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(_LAST_S)
        self._is_out_of_memory = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _is_at_limit(self) -> bool:
        return 0 < self._memory_bytes - _SPARE_BYTES <= read_peak_memory(self.pid)

    async def _read(self) -> dict[str, Any]:
        size = int.from_bytes(await self._stdout.readexactly(8), "big")
        if size > _MOST_REPLY:
            raise EOFError("it says more than it may")
        return json.loads(await self._stdout.readexactly(size))

    async def end(self) -> None:
        """Kill it; what it is at is nothing that could be lost."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._stdin.close()
        await self._process.wait()
        await self._stdout.read()  # up to its end, so that nothing of the pipe stays open
