"""Processes that read foreign bytes: what they give back, and what becomes of one that does not come back."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.processes import read_peak_memory
from pages.fetched import TOO_MUCH_MEMORY, Fetched, Inflater, PageUnreadable, inflate
from pages.parse.extract import extract
from pages.parse.sandbox import Sandbox
from tests.builders.timing import least_seconds
from tests.conftest import ROOT

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PAGE = Fetched(
    "https://example.com/leave",
    b"# Leave\n\nEveryone gets 26 days.\n\n## Asking\n\nIn writing.",
    "text/markdown",
)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(10.0)
    yield sandbox
    await sandbox.close()


def of_process(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text("utf-8", errors="replace")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in of_process(pid, "status")


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.02)


async def test_a_page_comes_out_as_it_does_in_our_own_process(sandbox: Sandbox) -> None:
    for body, kind in ((PAGE.body, "text/markdown"), ("<h1>Ü</h1><p>Über 26 €".encode(), "text/html")):
        fetched = Fetched("https://example.com/a-page", body, kind, etag='"1"')
        ours = extract(body, url=fetched.url, content_type=kind, etag='"1"', fetched_at=NOW)
        assert await sandbox.extract(fetched, NOW) == ours


async def test_a_page_that_cannot_be_read_is_refused_with_its_own_sentence(sandbox: Sandbox) -> None:
    with pytest.raises(PageUnreadable, match="no text on that page"):
        await sandbox.extract(Fetched("https://example.com/", b"<script>1</script>", "text/html"), NOW)
    assert await sandbox.extract(PAGE, NOW)
    assert len(sandbox.pids) == 1, "the process stays"


async def test_several_pages_are_read_at_once_by_no_more_processes_than_allowed() -> None:
    sandbox = Sandbox(workers=2)
    pages = await asyncio.gather(*(sandbox.extract(PAGE, NOW) for _ in range(10)))
    assert len(set(pages)) == 1
    assert len(sandbox.pids) == 2
    await sandbox.close()
    assert not sandbox.pids


async def test_a_page_that_takes_too_long_is_refused_and_its_process_ended(sandbox: Sandbox) -> None:
    await sandbox.extract(PAGE, NOW)
    (pid,) = sandbox.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(PageUnreadable, match=r"takes longer than 0\.2 seconds to read"):
        await sandbox.extract(PAGE, NOW, timeout_s=0.2)
    assert not is_there(pid)
    assert await sandbox.extract(PAGE, NOW), "the next page gets another process"


async def test_whoever_leaves_takes_the_process_along(sandbox: Sandbox) -> None:
    await sandbox.extract(PAGE, NOW)
    (pid,) = sandbox.pids
    os.kill(pid, signal.SIGSTOP)
    task = asyncio.create_task(sandbox.extract(PAGE, NOW))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_there(pid)


async def test_a_page_that_takes_too_much_memory_is_refused() -> None:
    sandbox = Sandbox(60.0, memory_bytes=150_000_000)
    with pytest.raises(PageUnreadable) as refused:
        await sandbox.extract(Fetched("https://example.com/", b"<p>a</p>" * 190_000, "text/html"), NOW)
    assert str(refused.value) == TOO_MUCH_MEMORY
    assert await sandbox.extract(PAGE, NOW)
    await sandbox.close()


async def test_a_process_that_hangs_at_the_end_of_its_memory_costs_a_second() -> None:
    limit = 150_000_000
    sandbox = Sandbox(60.0, memory_bytes=limit)
    paragraphs = Fetched("https://example.com/", b"<p>a</p>" * 190_000, "text/html")
    reading = asyncio.create_task(sandbox.extract(paragraphs, NOW))
    while not (sandbox.pids and read_peak_memory(next(iter(sandbox.pids))) > limit - 7_500_000):
        await asyncio.sleep(0)
        assert not reading.done()
    stopped = time.monotonic()
    os.kill(next(iter(sandbox.pids)), signal.SIGSTOP)
    with pytest.raises(PageUnreadable) as refused:
        await reading
    assert str(refused.value) == TOO_MUCH_MEMORY
    assert time.monotonic() - stopped < 20
    assert await sandbox.extract(PAGE, NOW)
    await sandbox.close()


async def test_a_process_that_came_near_the_end_of_its_memory_reads_no_other_page(sandbox: Sandbox) -> None:
    await sandbox.extract(PAGE, NOW)
    (pid,) = sandbox.pids
    narrow = Sandbox(60.0, memory_bytes=read_peak_memory(pid) + 5_000_000)
    assert await narrow.extract(PAGE, NOW)
    assert not narrow.pids
    await narrow.close()


async def test_a_process_that_died_while_nothing_was_read_is_replaced(sandbox: Sandbox) -> None:
    await sandbox.extract(PAGE, NOW)
    (pid,) = sandbox.pids
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not is_there(pid))
    await asyncio.sleep(0.1)
    assert await sandbox.extract(PAGE, NOW)
    assert pid not in sandbox.pids


async def test_a_page_costs_a_few_milliseconds_more_than_in_our_own_process(sandbox: Sandbox) -> None:
    await sandbox.extract(PAGE, NOW)
    took: list[float] = []
    for _ in range(20):
        before = time.perf_counter()
        await sandbox.extract(PAGE, NOW)
        took.append(time.perf_counter() - before)
    assert min(took) < 0.02


SIDE = """
import asyncio, sys
from datetime import UTC, datetime
from pages.fetched import Fetched
from pages.parse.sandbox import Sandbox

async def main():
    sandbox = Sandbox()
    await sandbox.extract(Fetched("https://example.com/", b"# Leave\\n\\n26 days", "text/markdown"), datetime.now(UTC))
    print(*sandbox.pids, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""  # noqa: E501


async def test_a_parent_that_is_killed_leaves_no_process_behind() -> None:
    side = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SIDE, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert side.stdout is not None
    pid = int(await side.stdout.readline())
    assert is_there(pid)
    side.kill()
    await side.wait()
    await until(lambda: not is_there(pid))


async def test_a_process_has_none_of_our_secrets_and_leaves_our_terminal_alone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKPAGE_APP_PASSWORD", "s3cret")
    await sandbox.extract(PAGE, NOW)
    (pid,) = sandbox.pids
    assert "s3cret" not in of_process(pid, "environ")
    assert os.getsid(pid) == pid != os.getsid(0)
    mapped = of_process(pid, "maps")
    assert "torch" not in mapped
    assert "onnxruntime" not in mapped


SHUT_IN = """
import os, socket, subprocess, sys
from pages.parse.sandbox_worker import _confine_process
_confine_process(1 << 30)
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.getaddrinfo("example.com", 80),
    lambda: subprocess.run(["true"]),
):
    try:
        attempt()
    except PermissionError as refused:
        print(refused)
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
try:
    os.write(file, b"x")
except OSError as refused:
    print("no file:", refused.strerror)
"""


async def test_a_process_opens_no_connection_starts_no_program_and_writes_no_file(tmp_path: Path) -> None:
    side = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SHUT_IN, tmp_path / "file"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said = (await side.communicate())[0].decode()
    assert said.count("nothing that reading a page needs") == 3, said
    assert "no file: File too large" in said, said


def test_gzip_is_unpacked_in_time_that_grows_with_its_length() -> None:
    member = gzip.compress(b"")

    def took(members: int) -> float:
        packed = member * members
        assert inflate(packed, 1_000_000, "x") == b""
        return least_seconds(lambda: inflate(packed, 1_000_000, "x"))

    assert took(250_000) < 0.05 + 60 * took(12_500), "five megabytes of empty members"


def test_gzip_that_comes_in_pieces_is_the_same() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"") + b"\0" * 20 + gzip.compress(b"two") + b"\0" * 9000
    for size in (1, 7, 4096):
        inflater = Inflater(100, "x")
        for at in range(0, len(packed), size):
            inflater.feed(packed[at : at + size])
        assert inflater.finish() == b"one two"


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"x" * 50)[:-4], b"\0" + gzip.compress(b"x"), b"no gzip"],
    ids=["cut off", "a byte before", "no gzip"],
)
def test_broken_gzip_is_refused(packed: bytes) -> None:
    with pytest.raises(PageUnreadable, match="compressed data"):
        inflate(packed, 1000, "x")


def test_a_bomb_is_refused_at_the_limit_and_costs_no_more_than_that() -> None:
    inflater = Inflater(100_000, "x")
    with pytest.raises(PageUnreadable, match="larger than"):
        inflater.feed(gzip.compress(b"\0" * 50_000_000))
    assert len(inflater.body) == 100_001
