"""The scheduled work: each day's figures come from the records, again and again; retention; the command."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cli.jobs import jobs_list
from core.records import AnswerKind, Review, ReviewReason, Ruling
from core.settings import FIELDS, Settings
from exporters.in_memory import recording
from feedback.metrics import daily
from feedback.metrics.definitions import compute_figures
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import StoreUnavailable
from feedback.store.documents import Document, Wanted
from feedback.store.sqlite import SqliteStore
from jobs.registry import JOBS, JobContext, Store
from jobs.roll_up_metrics import roll_up
from jobs.scheduling.runner import run_job
from jobs.scheduling.schedule import read_schedule
from tests.builders.days import MONDAY, NOW, ask, settle, stars, store
from tests.builders.records import answer, question
from tests.conftest import ROOT
from tests.processes.forked import start_askpage

__all__ = ["store"]


async def documents(store: Store) -> dict[str, Document]:
    return {one.id: one for one in await store.documents.list_documents(Wanted(daily.KIND))}


async def on_day(store: Store, day: date) -> daily.Day:
    [found] = await daily.read_days(store.documents, day, day)
    return found


async def test_every_day_gets_a_document_and_running_again_changes_nothing(store: Store) -> None:
    first = await ask(store, 1, MONDAY)
    await ask(store, 2, MONDAY + timedelta(minutes=1), model_version="next")
    await ask(store, 3, MONDAY + timedelta(days=1), kind=AnswerKind.DECLINED)
    await store.put_feedback(stars(first, 4, MONDAY + timedelta(minutes=5)))
    done = await roll_up(store, NOW)
    assert done == {"days": 3, "answers": 3}
    kept = await documents(store)
    assert list(kept) == ["2026-11-23", "2026-11-24", "2026-11-25"]
    monday = await on_day(store, MONDAY.date())
    assert {(group.model_version, group.channel, group.site) for group in monday.groups} == {
        ("base", "msteams", "example.com"),
        ("next", "msteams", "example.com"),
    }
    figures = compute_figures(daily.select([monday]))
    assert (figures.answers, figures.satisfaction, figures.ignore_rate) == (2, 4.0, 0.5)
    assert figures.time_on_tool_s == pytest.approx(1.0)
    await roll_up(store, NOW)
    assert {name: one.body for name, one in (await documents(store)).items()} == {
        name: one.body for name, one in kept.items()
    }


async def test_a_late_word_and_a_late_ruling_update_their_answers_day_and_no_other(store: Store) -> None:
    one = await ask(store, 1, MONDAY)
    other = await ask(store, 2, MONDAY + timedelta(days=3))
    third = await ask(store, 3, MONDAY + timedelta(days=6))
    await roll_up(store, MONDAY + timedelta(days=8))
    before = await documents(store)
    now = MONDAY + timedelta(days=20)
    await store.put_feedback(stars(one, 2, now - timedelta(minutes=5)))
    await settle(store, other, Ruling.CORRECTED, now - timedelta(minutes=5))
    done = await roll_up(store, now)
    assert done == {"days": 3, "answers": 2}
    after = await documents(store)
    changed = {
        name for name, document in after.items() if document.version != before.get(name, document).version
    }
    assert changed == {one.answered_at.date().isoformat(), other.answered_at.date().isoformat()}
    assert (await on_day(store, third.answered_at.date())).groups
    late = compute_figures(daily.select([await on_day(store, one.answered_at.date())]))
    assert (late.satisfaction, late.ignore_rate) == (2.0, 1.0)
    judged = compute_figures(daily.select([await on_day(store, other.answered_at.date())]))
    assert judged.accuracy is not None
    assert (judged.accuracy.value, judged.accuracy.count) == (0.0, 1)


async def test_a_ruling_counts_also_when_its_page_has_changed_since(store: Store) -> None:
    one = await ask(store, 1, MONDAY)
    await roll_up(store, MONDAY + timedelta(days=1))
    now = MONDAY + timedelta(days=5)
    await settle(store, one, Ruling.APPROVED, now - timedelta(minutes=9))
    repository = ReviewRepository(store.documents)
    settled = await repository.review(one.id)
    assert settled is not None
    await repository.keep_round(settled)
    again = Review(one.id, (ReviewReason.STALE,), now, round=2, version=settled.version)
    assert await repository.change_review(again)
    await roll_up(store, now)
    judged = compute_figures(daily.select([await on_day(store, MONDAY.date())]))
    assert judged.accuracy is not None
    assert (judged.accuracy.value, judged.accuracy.count) == (1.0, 1)


async def test_who_changed_their_mind_later_has_not_ignored_the_answer(store: Store) -> None:
    early, late = await ask(store, 1, MONDAY), await ask(store, 2, MONDAY + timedelta(minutes=1))
    await store.put_feedback(stars(early, 2, MONDAY + timedelta(minutes=5)))
    for one in (early, late):
        await store.put_feedback(stars(one, 4, MONDAY + timedelta(hours=5)))
    await roll_up(store, NOW)
    figures = compute_figures(daily.select([await on_day(store, MONDAY.date())]))
    assert (figures.satisfaction, figures.ignore_rate) == (4.0, 0.5)


async def test_a_session_may_begin_the_day_before(store: Store) -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    for number, minutes in enumerate((-20, -5, 10)):
        at = midnight + timedelta(minutes=minutes)
        asked = question(number, asked_at=at - timedelta(minutes=1), asker="p", conversation="c")
        await store.add_question(asked)
        await store.add_answer(answer(asked, answered_at=at))
    await roll_up(store, NOW)
    monday = daily.select([await on_day(store, date(2026, 11, 23))])
    tuesday = daily.select([await on_day(store, date(2026, 11, 24))])
    assert (monday.sessions, monday.session_s) == (1, 60 + 15 * 60)
    assert (tuesday.sessions, tuesday.session_s) == (0, 15 * 60)


async def test_the_backlog_is_that_of_the_moment_and_stays_with_its_day(store: Store) -> None:
    repository = ReviewRepository(store.documents)
    for number, hours in enumerate((1, 2, 30)):
        one = await ask(store, number, NOW - timedelta(hours=hours))
        await repository.add_review(Review(one.id, (ReviewReason.THUMB_DOWN,), NOW - timedelta(hours=hours)))
    await roll_up(store, NOW)
    seen = (await on_day(store, NOW.date())).backlog
    assert seen is not None
    assert (seen.waiting, seen.oldest_s) == (3, 30 * 3600)
    assert seen.median_s == pytest.approx(2 * 3600, rel=0.01)
    [late, *_] = await store.answers_after(("", ""), 3)
    await store.put_feedback(stars(late, 1, NOW + timedelta(days=2)))
    await store.put_feedback(stars((await store.answers_after(("", ""), 3))[2], 1, NOW + timedelta(days=2)))
    await roll_up(store, NOW + timedelta(days=3))
    assert (await on_day(store, NOW.date())).backlog == seen


async def test_a_day_that_retention_has_thinned_out_stays_as_it_was(store: Store) -> None:
    old = await ask(store, 1, MONDAY)
    await roll_up(store, NOW, keep_days=30)
    now = MONDAY + timedelta(days=31)
    await store.put_feedback(stars(old, 1, now))
    await roll_up(store, now, keep_days=30)
    assert compute_figures(daily.select([await on_day(store, MONDAY.date())])).satisfaction is None


async def test_many_days_are_listed_by_their_span(store: Store) -> None:
    for number in range(daily.RECORDS_AT_ONCE + 7):
        await daily.keep(store.documents, daily.Day(date(2026, 1, 1) + timedelta(days=number)))
    first, last = date(2026, 1, 3), date(2026, 7, 21)
    days = [day.day for day in await daily.read_days(store.documents, first, last)]
    assert days == [first + timedelta(days=number) for number in range((last - first).days + 1)]
    assert await daily.read_days(store.documents, date(2025, 1, 1), date(2025, 12, 31)) == []


# The command


async def askpage(*options: str) -> tuple[int | None, bytes]:
    done = await start_askpage(*options, folder=ROOT)
    said, _ = await done.communicate()
    return done.returncode, said


async def test_a_job_prints_one_line_of_json_and_its_exit_status_says_how_it_went(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    for number in range(3):
        await ask(store, number, datetime.now(UTC) - timedelta(days=400 * number, minutes=1))
    await store.close()
    status, said = await askpage("jobs", "run", "apply_retention", "--data-dir", str(tmp_path))
    line = json.loads(said)
    assert (status, said.count(b"\n")) == (0, 1)
    assert (line["job"], line["outcome"], line["kinds"]) == ("apply_retention", "done", {"answer": 2})
    (tmp_path / "askpage.sqlite3").write_text("this is no database")
    status, said = await askpage("jobs", "run", "roll_up_metrics", "--data-dir", str(tmp_path))
    assert status == 1
    assert json.loads(said)["outcome"] == "failed"


def test_every_job_is_a_file_that_says_how_it_is_run_and_has_a_schedule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs_list.__wrapped__(Settings(data_dir=tmp_path), as_json=True)  # type: ignore[attr-defined]
    listed = json.loads(capsys.readouterr().out)
    assert [(one["job"], one["does"]) for one in listed] == [
        (name, job.sentence) for name, job in JOBS.items()
    ]
    everything = Settings(
        data_explorer_uri="https://askpage.westeurope.kusto.windows.net", cosmos_endpoint="https://cosmos"
    )
    assert sorted(read_schedule(everything).names) == sorted(JOBS)
    assert {name for name in FIELDS if name.startswith("schedule_")} == {f"schedule_{job}" for job in JOBS}
    assert "drain_spool" not in read_schedule(Settings()).names, "nothing ever waits for a file"
    assert "send_to_data_explorer" not in read_schedule(Settings()).names, "there is nowhere to send it"
    for name, job in JOBS.items():
        assert (ROOT / "jobs" / f"{name}.py").read_text("utf-8").count(f"askpage jobs run {name}") == 1
        assert job.module == f"jobs.{name}"
        assert callable(job.load())


async def test_how_a_job_ended_is_told_and_nothing_is_raised(tmp_path: Path) -> None:
    async def fine(context: JobContext) -> dict[str, object]:
        return {"sheep": 3}

    async def away(context: JobContext) -> dict[str, object]:
        raise StoreUnavailable("the store is away")

    async def broken(context: JobContext) -> dict[str, object]:
        raise ZeroDivisionError

    settings = Settings(data_dir=tmp_path)
    with recording() as told:
        lines = [await run_job("count_sheep", run, settings) for run in (fine, away, broken)]
    assert [line["outcome"] for line in lines] == ["done", "failed", "failed"]
    assert lines[0]["sheep"] == 3
    assert lines[1]["error"] == "the store is away"
    events = told.events("job_finished")
    assert [(event["job"], event["outcome"]) for event in events] == [
        ("count_sheep", "done"),
        ("count_sheep", "failed"),
        ("count_sheep", "failed"),
    ]
    assert [span.status.is_ok for span in told.spans] == [True, True, False]
