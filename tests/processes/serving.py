"""`askpage serve` as a process of its own, for tests that stop and kill it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.browser.chat import Browser
from tests.conftest import ROOT
from tests.processes.forked import ForkedAskpage, start_askpage

CANNED = ("--base-model", "canned")
QUESTION = "For how many minutes does the bot use the conversation?"


async def ask(browser: Browser, text: str) -> None:
    await browser.begin()
    status, body = await browser.do("message", text=text)
    assert status == 200, body


_READY = re.compile(r"http://localhost:(\d+)")


@dataclass
class Served:
    """A running instance; `url` is where its page is."""

    process: asyncio.subprocess.Process | ForkedAskpage
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def read_pages(self) -> None:
        """Wait until no page is missing any more."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(180):
            while True:
                async with http.get(f"{self.url}/readyz") as reply:
                    if (await reply.json())["status"] != "reading":
                        return
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to stop; return its exit status."""
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def serving(
    data_dir: Path, *options: str, under: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Served]:
    """Run an instance on a free port, and wait until it says that it is ready and has read its pages.

    `under` stands before its command, which is a cold start then, and has to leave it its process id.
    `environment` is ours without our settings.
    """
    ours = os.environ if environment is None else environment  # noqa: TID251
    given = {name: value for name, value in ours.items() if not name.startswith("ASKPAGE_")}
    arguments = ("serve", "--data-dir", str(data_dir), "--port", "0", "--no-run-jobs-here", *options)
    given |= {"NO_COLOR": "1", "COLUMNS": "200"}
    if under:
        process = await asyncio.create_subprocess_exec(
            *(*under, sys.executable, "-m", "cli.main", *arguments),
            cwd=ROOT,
            env=given,
            stderr=asyncio.subprocess.PIPE,
        )
    else:
        process = await start_askpage(*arguments, folder=ROOT, environment=given)
    assert process.stderr is not None
    said: list[str] = []
    try:
        while not (ready := _READY.search(said[-1] if said else "")):
            line = await asyncio.wait_for(process.stderr.readline(), 180)
            assert line, "it ended: " + "".join(said)
            said.append(line.decode())
        drains = [asyncio.create_task(one.read()) for one in (process.stdout, process.stderr) if one]
        served = Served(process, int(ready.group(1)))
        await served.read_pages()
        yield served
        for drain in drains:
            drain.cancel()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if isinstance(process, ForkedAskpage):
            process.close()
