"""The schedule as it runs: processes start, catch up, are stopped or missed; the real program, killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL

import pytest
from apscheduler.triggers.cron import CronTrigger

from core.settings import FIELDS, Settings, build_environment
from feedback.store.base import moment
from feedback.store.documents import Documents
from feedback.store.job_runs import (
    DIED,
    DONE,
    RUNNING,
    JobRun,
    Lease,
    job_run,
    keep_run,
    name_lease,
    who_holds,
)
from feedback.store.sqlite import SqliteStore
from jobs.scheduling import scheduler
from jobs.scheduling.schedule import Schedule
from jobs.scheduling.scheduler import JobLauncher, Runner, keep_running, schedule_beside
from tests.needs import ROOT
from tests.processes.commands import Commands, until

LONG_AGO = "2026-01-01T00:00:00+00:00"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    yield store
    await store.close()


class Started:
    """A job's process in this test: says its pid in a file, and ends, waits or dies as `does` says."""

    def __init__(self, folder: Path, does: str = "pass", first: str = "") -> None:
        self.folder = folder
        self.first = first
        self.does = does

    def command(self, name: str) -> list[str]:
        told = self.folder / f"{name}.pids"
        script = (
            f"import os, signal, sys, time\n{self.first}\n"
            f"open({str(told)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
            f"print('a line of {name}')\n{self.does}\n"
        )
        return [sys.executable, "-S", "-c", script]

    def pids(self, name: str) -> list[int]:
        told = self.folder / f"{name}.pids"
        return [int(pid) for pid in told.read_text().split()] if told.exists() else []


@asynccontextmanager
async def running(documents: Documents, schedule: Schedule, launcher: JobLauncher) -> AsyncIterator[Runner]:
    runner, stop = Runner(documents, schedule, launcher), asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    yield runner
    stop.set()
    await asyncio.wait_for(task, 30)


def a_way(started: Started, **changes: float) -> JobLauncher:
    return replace(JobLauncher(started.command, {}, look_every_s=0.2), **changes)  # type: ignore[arg-type]


async def stands(documents: Documents, name: str, holds: Callable[[JobRun], bool]) -> JobRun:
    """Wait until a job stands in a way."""
    async with asyncio.timeout(60):
        while not holds(run := await job_run(documents, name)):  # noqa: ASYNC110 - a store tells nobody
            await asyncio.sleep(0.02)
    return run


async def missed(documents: Documents, *names: str) -> None:
    for name in names:
        await keep_run(documents, JobRun(name, known_since=LONG_AGO))


async def test_a_schedule_that_is_new_here_runs_nothing_at_once_and_says_what_is_next(
    store: SqliteStore, tmp_path: Path
) -> None:
    started = Started(tmp_path)
    schedule = Schedule({"one": "0 3 * * *", "off": ""})
    async with running(store.documents, schedule, a_way(started)) as runner:
        run = await stands(store.documents, "one", lambda run: bool(run.next_at))
        await runner.look()
    assert started.pids("one") == []
    assert run.known_since <= moment(datetime.now(UTC)) < run.next_at
    assert not (await job_run(store.documents, "off")).known_since


async def test_a_job_runs_when_its_moment_comes(store: SqliteStore, tmp_path: Path) -> None:
    started = Started(tmp_path)
    schedule = Schedule({"one": "* * * * *"})
    schedule.triggers["one"] = CronTrigger(second="*", timezone="UTC")
    async with running(store.documents, schedule, a_way(started, look_every_s=600)):
        await until(lambda: bool(started.pids("one")))


async def test_what_was_missed_is_made_up_for_once_at_the_start(store: SqliteStore, tmp_path: Path) -> None:
    started = Started(tmp_path, "time.sleep(60)")
    await missed(store.documents, "one", "two")
    daily = Schedule({"one": "0 3 * * *", "two": "0 * * * *", "never": "0 0 1 1 *"})
    async with running(store.documents, daily, a_way(started, stop_within_s=10)):
        await until(lambda: bool(started.pids("one") and started.pids("two")))
        await asyncio.sleep(0.6)  # some looks
    assert [len(started.pids(name)) for name in ("one", "two", "never")] == [1, 1, 0]
    for name in ("one", "two"):
        with pytest.raises(ProcessLookupError):  # both were told to stop
            os.kill(started.pids(name)[0], 0)


async def test_a_job_that_does_not_stop_is_killed(
    store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started = Started(tmp_path, "time.sleep(60)", first="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    await missed(store.documents, "one")
    async with running(store.documents, Schedule({"one": "0 3 * * *"}), a_way(started, stop_within_s=0.3)):
        await until(lambda: bool(started.pids("one")))
    assert "is killed" in caplog.text
    with pytest.raises(ProcessLookupError):
        os.kill(started.pids("one")[0], 0)


async def test_no_more_than_two_jobs_run_beside_each_other(store: SqliteStore, tmp_path: Path) -> None:
    started = Started(tmp_path, "time.sleep(60)")
    names = ("a", "b", "c", "d")
    await missed(store.documents, *names)
    async with running(store.documents, Schedule(dict.fromkeys(names, "0 3 * * *")), a_way(started)):
        await until(lambda: sum(bool(started.pids(name)) for name in names) == 2)
        await asyncio.sleep(0.5)
        assert sum(bool(started.pids(name)) for name in names) == 2


async def test_a_job_whose_process_is_killed_is_noted_freed_and_waits_for_its_next_time(
    store: SqliteStore, tmp_path: Path
) -> None:
    started = Started(tmp_path, "time.sleep(60)")
    await missed(store.documents, "one")
    async with running(store.documents, Schedule({"one": "0 3 * * *"}), a_way(started)):
        await until(lambda: bool(started.pids("one")))
        [pid] = started.pids("one")
        who = f"{os.uname().nodename}, process {pid}"
        assert await Lease(store.documents, name_lease("one"), who).take() is None  # as it would have
        run = await job_run(store.documents, "one")
        now = moment(datetime.now(UTC))
        await keep_run(store.documents, replace(run, outcome=RUNNING, by=who, started_at=now))
        os.kill(pid, SIGKILL)
        run = await stands(store.documents, "one", lambda run: run.outcome == DIED)
        await asyncio.sleep(0.5)  # some looks
    assert "SIGKILL" in run.error
    assert len(started.pids("one")) == 1
    assert await who_holds(store.documents, name_lease("one")) is None


# Beside the bot


async def test_a_schedule_beside_the_bot_that_crashes_is_started_again_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Started(tmp_path, "time.sleep(600)")
    monkeypatch.setattr(scheduler, "_command", lambda: started.command("schedule"))
    monkeypatch.setattr(scheduler, "PAUSES_S", (0.05,))
    async with schedule_beside(Settings(data_dir=tmp_path, run_jobs_here=False)):
        await asyncio.sleep(0.2)
    assert not started.pids("schedule")
    beside = asyncio.create_task(keep_running(Settings(data_dir=tmp_path), (0.05,)))
    for number in (1, 2):
        await until(lambda number=number: len(started.pids("schedule")) == number)
        os.kill(started.pids("schedule")[-1], SIGKILL)
    await until(lambda: len(started.pids("schedule")) == 3)
    beside.cancel()
    await asyncio.wait({beside})
    with pytest.raises(ProcessLookupError):
        os.kill(started.pids("schedule")[-1], 0)


def test_a_process_of_ours_gets_the_settings_as_they_are() -> None:
    settings = Settings(
        pages=["a", "b=https://x.test/y"],  # type: ignore[arg-type]
        cosmos_key="secret",  # type: ignore[arg-type]
        telemetry_buffer=777,
        local_page=False,
        schedule_roll_up_metrics="",
    )
    given = build_environment(settings)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in given.items():
            patched.setenv(name, value)
        assert Settings() == settings


# The real program


async def said(process: asyncio.subprocess.Process, words: str) -> str:
    """Wait until a program's log has some words; return that line."""
    assert process.stderr is not None
    async with asyncio.timeout(120):
        while line := (await process.stderr.readline()).decode():
            if words in line:
                return line
    raise AssertionError(f"it ended without {words!r}")


async def test_a_schedule_that_is_killed_and_started_again_makes_up_for_what_was_missed(
    tmp_path: Path,
) -> None:
    commands = Commands(tmp_path)
    (tmp_path / "data").mkdir()
    schedules = [name for name in FIELDS if name.startswith("schedule_")]
    others = [f"--{name.replace('_', '-')}=" for name in schedules if name != "schedule_roll_up_metrics"]
    first = await commands.start("jobs", "serve", *others)
    await said(first, "the schedule of roll_up_metrics begins")
    store = SqliteStore.open(tmp_path / "data" / "askpage.sqlite3")
    run = await stands(store.documents, "roll_up_metrics", lambda run: bool(run.known_since))
    first.kill()
    await first.wait()
    await keep_run(  # hours go by
        store.documents, replace(run, known_since=moment(datetime.now(UTC) - timedelta(hours=5)))
    )
    second = await commands.start("jobs", "serve", *others)
    line = await said(second, '"roll_up_metrics"')
    assert json.loads(line.partition("jobs.scheduling.scheduler: ")[2])["outcome"] == "done"
    second.terminate()
    assert await asyncio.wait_for(second.wait(), 30) == 0
    run = await job_run(store.documents, "roll_up_metrics")
    assert (run.outcome, run.said["days"]) == (DONE, 1)
    assert await who_holds(store.documents, name_lease("roll_up_metrics")) is None
    await store.close()


def test_the_schedule_takes_little_memory_since_it_imports_neither_the_model_nor_what_is_wired() -> None:
    """It runs for as long as the bot does, and starts everything else as processes."""
    code = "import jobs.scheduling.scheduler, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    for heavy in (
        "model",
        "pages",
        "bot.bootstrap",
        "bot.services",
        "azure",
        "numpy",
        "onnxruntime",
        "aiohttp",
    ):
        assert heavy not in modules, heavy


def test_what_scheduled_work_is_wired_of_leaves_slack_alone_where_it_is_not_set_up() -> None:
    code = "import bot.bootstrap, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "slack_sdk" not in done.stdout.split()
