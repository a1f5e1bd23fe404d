"""What version 0.1 stored is read as it was meant, and what is stored now is what that version reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.records import Answer
from feedback.examples.dataset import list_datasets, read_examples, read_lineage
from feedback.metrics import daily
from feedback.privacy.deletion_log import Deletions
from feedback.privacy.opt_out import OptOuts
from feedback.reviews import model_decisions
from feedback.reviews.model_decisions import DRAFT, ModelBoard
from feedback.reviews.repository import SETTLED, WAITING, ReviewRepository
from feedback.reviews.unmatched import count_unmatched, list_unmatched
from feedback.store.cosmos_schema import to_row
from feedback.store.job_runs import job_runs
from feedback.store.rows import TABLES, Row, build_row_key
from feedback.store.sqlite import SqliteStore
from tests.builders import stored
from tests.builders.stored import ANSWERS, COMPARISON, QUESTIONS, REVIEWS, VERIFIED, WORDS

KEPT: dict[str, Any] = json.loads(Path(__file__).with_name("stored_by_version_0_1.json").read_text("utf-8"))


def rows_of(form: str) -> list[Row]:
    """Return what a form of the store had kept, as rows."""
    if form == "cosmos":
        return [to_row(item) for item in KEPT["cosmos"]]
    rows: list[Row] = []
    for line in KEPT["sqlite"]:
        fields = {name: value for name, value in line.items() if name != "table"}
        rows.append(Row(line["table"], build_row_key(line["table"], fields), fields))
    return rows


@pytest.fixture(params=["sqlite", "cosmos"])
async def older(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """A store with the records that version 0.1 kept in a file, or in Cosmos DB."""
    store = SqliteStore.open(tmp_path / "older.sqlite3")
    rows = rows_of(request.param)
    for table in TABLES:
        await store.put_rows([row for row in rows if row.table == table])
    yield store
    await store.close()


def delivered(answer: Answer) -> Answer:
    return replace(answer, question=replace(answer.question, reply_to=""))


async def test_questions_answers_and_words_are_read(older: SqliteStore) -> None:
    assert [await older.answer(one.id) for one in ANSWERS] == [delivered(one) for one in ANSWERS]
    assert [left.question for left in await older.take_undelivered()] == [QUESTIONS[0], QUESTIONS[3]]
    assert await older.feedback_on(ANSWERS[0].id) == WORDS


async def test_reviews_and_verified_answers_are_read(older: SqliteStore) -> None:
    repository = ReviewRepository(older.documents)
    assert (await repository.reviews(SETTLED, 9))[0] == [REVIEWS[0]]
    assert (await repository.reviews(WAITING, 9))[0] == [REVIEWS[1]]
    assert await repository.rounds(ANSWERS[0].id) == [REVIEWS[0], stored.PAST_REVIEW]
    assert [await repository.read_verified(one.answer_id) for one in VERIFIED] == VERIFIED
    assert dict((await repository.list_verified_since(""))[0]) == {
        ANSWERS[0].id: VERIFIED[0],
        ANSWERS[1].id: None,
    }


async def test_what_is_on_screens_and_waits_for_people_is_read(older: SqliteStore) -> None:
    repository = ReviewRepository(older.documents)
    assert await repository.places() == [stored.PLACE]
    assert await repository.list_shown(ANSWERS[0].id) == [stored.SHOWN]
    assert await repository.list_left_cards(9) == [replace(stored.SHOWN, place="")]
    assert await repository.notices_on(ANSWERS[0].id) == [stored.NOTICE]
    assert await list_unmatched(repository.documents, "19:chat", "m9") == [("untied-1", WORDS[2])]
    assert await count_unmatched(repository.documents) == {"thumb": 1}
    asked = QUESTIONS[2]
    assert await repository.list_declined(stored.NOON, 9) == [(ANSWERS[2].id, asked.asker, asked.text, None)]


async def test_what_is_decided_about_models_is_read(older: SqliteStore) -> None:
    board = ModelBoard(older.documents)
    assert await model_decisions.latest(older.documents) == COMPARISON
    assert await board.decisions("c-1") == [stored.DECISION]
    assert await board.notices(DRAFT) == [stored.MODEL_NOTICE]
    assert await board.watch() == stored.WATCH
    assert await model_decisions.strike_out(older.documents, [ANSWERS[0].id]) == 1
    assert await model_decisions.latest(older.documents) == replace(COMPARISON, worst=COMPARISON.worst[1:])


async def test_deletions_choices_jobs_and_figures_are_read(older: SqliteStore) -> None:
    [deletion] = await Deletions(older.documents).list_deletions(stored.EVE)
    assert replace(deletion, changed_at=stored.DELETION_KEPT.changed_at) == replace(
        stored.DELETION_KEPT, version=1
    )
    assert await OptOuts(older.documents).is_out(stored.EVE)
    assert not await OptOuts(older.documents).choose(stored.EVE, out=False, source="a5")
    assert await job_runs(older.documents) == [stored.JOB_RUN]
    day = stored.DAY.day
    assert await daily.read_days(older.documents, day, day) == [stored.DAY]
    assert await daily.read_worst(older.documents, day, day) == [stored.RATED]


def test_a_dataset_is_read(tmp_path: Path) -> None:
    folder = tmp_path / stored.CARD.name
    folder.mkdir()
    for name, text in KEPT["dataset"].items():
        (folder / name).write_text(text, "utf-8")
    assert list_datasets(tmp_path) == [stored.CARD]
    assert list(read_examples(folder)) == [stored.EXAMPLE]
    assert [replace(one, example="") for one in read_lineage(folder)] == [stored.LINEAGE]


NEW_FIELDS = (
    '"similar":[],',
    '"search_version":"",',
    '"reviewed":"",',
    '"tokens":null,',
    '"change":null,',
    '"about":"",',
    '"readers":{"principals":null},',
    '"phrases":"",',
    '\\"phrases\\":\\"\\",',
)
"""What later versions write in addition where there is nothing to say."""


def without_new_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as version 0.1 would have written it."""
    known = dict(fields)
    for new in NEW_FIELDS:
        known = {name: one.replace(new, "") if isinstance(one, str) else one for name, one in known.items()}
    return known


def meant(value: Any) -> Any:
    """Return what stored text means to a reader: JSON within it, and times, however they are written."""
    if isinstance(value, dict):
        return {name: meant(one) for name, one in value.items() if name != "place"}  # when it was kept
    if isinstance(value, list):
        return [meant(one) for one in value]
    if isinstance(value, str):
        for read in (json.loads, datetime.fromisoformat):
            with suppress(ValueError):
                return meant(read(value))
    return value


async def test_what_is_written_now_is_what_version_0_1_wrote(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "now.sqlite3")
    await stored.fill(store)
    for table in TABLES:
        written = {row.key: without_new_fields(row.fields) for row in await store.rows(table)}
        kept = {row.key: row.fields for row in rows_of("sqlite") if row.table == table}
        assert written.keys() == kept.keys()
        for key, fields in kept.items():
            assert meant(dict(written[key])) == meant(dict(fields))
            assert [written[key].get(part) for part in ("record", "question")] == [
                fields.get(part) for part in ("record", "question")
            ]
    await store.close()
