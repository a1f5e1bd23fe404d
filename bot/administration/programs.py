"""The command line of askpage, run by the bot for an operator: jobs, and the doctor's findings.

Each is a process of its own, started as the schedule starts jobs: it takes nothing from the answers but time,
and ends with the bot. Only names that the schedule has are run.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from bot.dialogs.review import Refused
from core.processes import run_process

log = logging.getLogger(__name__)

AT_ONCE = 2
STOP_WITHIN_S = 10.0
PROGRAM = (sys.executable, "-m", "cli.main")
NO_JOB = "There is no such job."
RUNNING = "This job was started here and is not done yet."
ENOUGH = "Two jobs were started here and are not done yet: please wait for one of them."


@dataclass(slots=True)
class Programs:
    """Runs them; one per process. `environment` carries the settings, `program` is how the command begins."""

    environment: Mapping[str, str]
    jobs: Collection[str]
    program: Sequence[str] = PROGRAM
    findings: Sequence[Mapping[str, str]] = ()
    looked_at: datetime | None = None
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict[str, "asyncio.Task[None]"])
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def running(self) -> Collection[str]:
        """The jobs that were started here and are not done."""
        return tuple(self._running)

    def run_job(self, name: str) -> str:
        """Start a job; return what is said of that. Raises Refused."""
        if name not in self.jobs:
            raise Refused(NO_JOB)
        if name in self._running:
            raise Refused(RUNNING)
        if len(self._running) >= AT_ONCE:
            raise Refused(ENOUGH)
        task = asyncio.create_task(self._run(name), name=f"job {name}")
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name, None))
        return f"{name} is started; how it went is shown here once it is done."

    async def look(self) -> str:
        """Let the doctor look, and keep what it finds. Raises Refused where it cannot."""
        async with self._looking:
            said = await self._communicate("doctor", "--json")
            try:
                found = json.loads(said)["findings"]
            except (ValueError, KeyError, TypeError):
                raise Refused("The doctor found no words: run `askpage doctor` on the machine.") from None
            self.findings, self.looked_at = cast("list[dict[str, str]]", found), datetime.now(UTC)
        return "The doctor has looked."

    async def close(self) -> None:
        """Stop what runs; it is made up for."""
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait(self._running.values())

    async def _run(self, name: str) -> None:
        said = await self._communicate("jobs", "run", name, "--with-parent")
        log.info("%s", said.strip() or f"{name} said nothing")

    async def _communicate(self, *arguments: str) -> str:
        _, said = await run_process([*self.program, *arguments], self.environment, STOP_WITHIN_S)
        return said
