"""One run of a job at a time, on both stores: what is noted of it, who else hears, when it is stopped."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from exporters.in_memory import recording
from feedback.store.base import StoreUnavailable, moment
from feedback.store.documents import Documents
from feedback.store.job_runs import (
    DONE,
    FAILED,
    LEASE,
    RUNNING,
    STOPPED,
    JobRun,
    Lease,
    job_run,
    job_runs,
    keep_run,
    name_lease,
    who_holds,
)
from jobs.registry import Result
from jobs.scheduling.runner import ELSEWHERE, LOST, NOT_DUE, TOLD, run_alone, who_we_are
from jobs.scheduling.schedule import Schedule
from tests.builders.stores import documents

__all__ = ["documents"]

HOURLY = Schedule({"count_sheep": "0 * * * *"})


async def sheep() -> Result:
    return {"sheep": 3}


class Long:
    """Work that goes on until it is cancelled."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> Result:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return {}


async def test_a_run_says_what_it_did_and_leaves_it_in_the_store(documents: Documents) -> None:
    line = await run_alone(documents, "count_sheep", sheep, HOURLY)
    assert line == {"job": "count_sheep", "outcome": DONE, "seconds": line["seconds"], "sheep": 3}
    [run] = await job_runs(documents)
    assert (run.name, run.outcome, run.said, run.by) == ("count_sheep", DONE, {"sheep": 3}, who_we_are())
    assert run.covers == run.started_at <= run.ended_at == run.done_at < run.next_at
    assert run.next_at.endswith(":00:00.000000+00:00")
    assert await who_holds(documents, name_lease("count_sheep")) is None


async def test_a_second_run_says_in_a_sentence_who_is_at_it_and_does_nothing(documents: Documents) -> None:
    long = Long()
    first = asyncio.create_task(run_alone(documents, "count_sheep", long, HOURLY))
    await long.began.wait()
    assert (await job_run(documents, "count_sheep")).outcome == RUNNING
    line = await run_alone(documents, "count_sheep", sheep, HOURLY)
    assert (line["outcome"], line["by"]) == (ELSEWHERE, who_we_are())
    assert str(line["sentence"]).startswith(f"count_sheep is being run by {who_we_are()} since 20")
    assert (await run_alone(documents, "count_goats", sheep, HOURLY))["outcome"] == DONE
    first.cancel()
    assert (await first)["outcome"] == STOPPED
    assert (await run_alone(documents, "count_sheep", sheep, HOURLY))["outcome"] == DONE


async def test_a_stopped_run_is_written_down_and_is_still_due(documents: Documents) -> None:
    hours_ago = moment(datetime.now(UTC) - timedelta(hours=3))
    await keep_run(documents, JobRun("count_sheep", known_since=hours_ago))
    long = Long()
    running = asyncio.create_task(run_alone(documents, "count_sheep", long, HOURLY, if_due=True))
    await long.began.wait()
    running.cancel()
    line = await running
    assert (line["outcome"], line["error"], long.cancelled) == (STOPPED, TOLD, True)
    run = await job_run(documents, "count_sheep")
    assert (run.outcome, run.error, run.covers) == (STOPPED, TOLD, "")
    assert HOURLY.is_due(run, datetime.now(UTC))
    assert (await run_alone(documents, "count_sheep", sheep, HOURLY, if_due=True))["outcome"] == DONE
    assert (await run_alone(documents, "count_sheep", sheep, HOURLY, if_due=True))["outcome"] == NOT_DUE


async def test_of_two_schedules_that_make_up_for_a_run_one_does(documents: Documents) -> None:
    await keep_run(documents, JobRun("count_sheep", known_since="2026-01-01T00:00:00+00:00"))
    lines = [await run_alone(documents, "count_sheep", sheep, HOURLY, if_due=True) for _ in range(2)]
    assert [line["outcome"] for line in lines] == [DONE, NOT_DUE]


async def test_a_runner_that_lost_its_lease_stops_its_work_and_leaves_the_others_word(
    documents: Documents,
) -> None:
    long = Long()
    slow = asyncio.create_task(run_alone(documents, "count_sheep", long, HOURLY, hold_s=1.2))
    await long.began.wait()
    name = name_lease("count_sheep")
    other = Lease(documents, name, "another machine")
    taken = False
    while not taken:
        document = await documents.get(LEASE, name)
        assert document is not None
        body = json.dumps(json.loads(document.body) | {"until": "2020"})
        taken = await documents.replace(replace(document, body=body)) and await other.take() is None
    await keep_run(documents, JobRun("count_sheep", outcome=RUNNING, by="another machine"))
    line = await asyncio.wait_for(slow, 20)
    assert (line["outcome"], line["error"], long.cancelled) == (STOPPED, LOST, True)
    assert (await job_run(documents, "count_sheep")).by == "another machine"
    held = await who_holds(documents, name)
    assert held is not None
    assert held.who == "another machine"


async def test_what_failed_is_told_and_of_an_unknown_error_only_its_kind_is_kept(
    documents: Documents,
) -> None:
    async def away() -> Result:
        raise StoreUnavailable("the store is away")

    async def broken() -> Result:
        raise ValueError("what somebody asked")

    with recording() as told:
        line = await run_alone(documents, "count_sheep", away, HOURLY)
        assert (line["outcome"], line["error"]) == (FAILED, "the store is away")
        line = await run_alone(documents, "count_sheep", broken, HOURLY)
    assert line["error"] == "ValueError: what somebody asked"
    run = await job_run(documents, "count_sheep")
    assert run.outcome == FAILED
    assert "ValueError" in run.error
    assert "somebody asked" not in run.error
    assert run.covers == run.started_at  # a run that failed waits for its next time
    assert [event["outcome"] for event in told.events("job_finished")] == ["failed", "failed"]


async def test_what_the_last_good_run_did_stays_beside_a_bad_one(documents: Documents) -> None:
    async def away() -> Result:
        raise StoreUnavailable("the store is away")

    await run_alone(documents, "count_sheep", sheep, HOURLY)
    good = await job_run(documents, "count_sheep")
    await run_alone(documents, "count_sheep", away, HOURLY)
    bad = await job_run(documents, "count_sheep")
    assert (bad.said, bad.done_at, bad.outcome) == ({"sheep": 3}, good.done_at, FAILED)
    assert (await run_alone(documents, "count_sheep", sheep, HOURLY))["outcome"] == DONE
    assert (await job_run(documents, "count_sheep")).error == ""
