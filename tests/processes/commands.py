"""`askpage …` as a process of its own beside a Cosmos DB of the test, which may kill it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals

from feedback.store.cosmos_schema import CosmosConfig
from tests.doubles.cosmos import Fault, Front
from tests.processes.forked import ForkedAskpage, start_askpage


@dataclass(frozen=True)
class Done:
    """How a command ended; `code` is negative where a signal ended it. `said` is both of its outputs."""

    code: int
    out: bytes
    err: str

    @property
    def said(self) -> str:
        return " ".join((self.out.decode() + self.err).split())


@dataclass(frozen=True)
class Commands:
    """Runs commands in a folder. Without `config` there is no Cosmos DB."""

    folder: Path
    config: CosmosConfig | None = None
    limit_s: float = 240.0

    async def start(self, *arguments: str) -> ForkedAskpage:
        """Start a command."""
        options = ["--data-dir", "data"]
        if self.config:
            options += ["--cosmos-endpoint", self.config.endpoint, "--cosmos-key", self.config.key]
            options += [
                "--cosmos-database",
                self.config.database,
                "--cosmos-container",
                self.config.container,
            ]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("ASKPAGE_")}  # noqa: TID251
        return await start_askpage(
            *arguments,
            *options,
            folder=self.folder,
            environment=plain | {"NO_COLOR": "1", "COLUMNS": "250"},
        )

    async def run(self, *arguments: str) -> Done:
        """Run a command to its end."""
        return await ended(await self.start(*arguments), self.limit_s)

    async def killed(self, front: Front, at_request: int, *arguments: str, by: Signals = SIGKILL) -> Done:
        """Run a command, and send it a signal when its so many-th request for records arrives."""
        process = await self.start(*arguments)
        seen = 0

        def kill(method: str, path: str) -> bool:
            nonlocal seen
            seen += method == "POST" and "/docs" in path
            if seen == at_request:
                process.send_signal(by)
            return seen >= at_request

        front.faults = [Fault("drop before", times=1_000, when=kill)]
        done = await ended(process, self.limit_s)
        front.faults = []
        return done


async def ended(process: ForkedAskpage, limit_s: float = 240.0) -> Done:
    """Wait for the end of a command."""
    async with asyncio.timeout(limit_s):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, out, err.decode())


@asynccontextmanager
async def counted(front: Front) -> AsyncGenerator[list[int]]:
    """Count the requests for records: one number, there after the block."""
    before, count = len(front.requests), [0]
    yield count
    count[0] = sum(method == "POST" and "/docs" in path for method, path in front.requests[before:])


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that has no event."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)
