"""What every FeedbackStore must do, on SQLite and on Cosmos DB; what only SQLite does stands below."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from core.records import AnswerKind, FeedbackKind
from feedback.store.base import FeedbackStore, ProcessLease, RecordInvalid, StoreUnavailable
from feedback.store.cosmos import CosmosStore
from feedback.store.sqlite import SCHEMA, SqliteStore
from tests.builders.records import NOON, Opening, answer, opening, question, store, thumb
from tests.doubles.cosmos import a_cosmos
from tests.doubles.cosmos_search import Searched

__all__ = ["opening", "store"]


ROOT = Path(__file__).resolve().parents[3]

RARE_WORDS = "xylophone-omelette-7431"


async def test_a_redelivered_question_is_known_and_changes_nothing(store: FeedbackStore) -> None:
    assert await store.add_question(question())
    assert not await store.add_question(question(text="something else"))
    [left] = await store.take_undelivered()
    assert left.question == question()


async def test_of_many_redeliveries_at_once_exactly_one_is_new(store: FeedbackStore) -> None:
    assert sum(await asyncio.gather(*(store.add_question(question()) for _ in range(50)))) == 1


async def test_an_answer_comes_back_as_it_was_with_what_the_model_saw(store: FeedbackStore) -> None:
    asked = question(asked_at=datetime(2026, 11, 23, 14, tzinfo=timezone(timedelta(hours=2))))
    given = answer(asked, verified_by="r1", kind=AnswerKind.QUOTED, confidence=0.4, marked="26 days")
    await store.add_question(asked)
    await store.add_answer(given)
    given = replace(given, question=replace(asked, reply_to=""))
    assert await store.answer(given.id) == given
    assert await store.answer_to_question(asked.id) == given
    assert await store.answer("another") is None
    assert await store.answer_to_question("another") is None


async def test_of_two_answers_to_a_question_the_first_one_is_kept(store: FeedbackStore) -> None:
    given = answer(question())
    await store.add_question(question())
    assert await store.add_answer(given) == given
    assert await store.add_answer(replace(given, text="changed")) == given
    assert await store.add_answer(replace(given, id="another id", text="changed")) == given
    assert [one.text for one in await store.recent_answers("chat", 9)] == [given.text]


async def test_an_answer_to_an_unknown_question_is_refused(store: FeedbackStore) -> None:
    with pytest.raises(RecordInvalid):
        await store.add_answer(answer(question()))


async def test_a_crash_leaves_open_what_was_not_delivered_oldest_first(store: FeedbackStore) -> None:
    for number in (3, 1, 2):
        await store.add_question(question(number))
    await store.add_answer(answer(question(1)))
    await store.mark_delivered(question(2).id, "m2")
    first, second = await store.take_undelivered()
    assert (first.question, first.answer) == (question(1), answer(question(1)))
    assert (second.question, second.answer) == (question(3), None)


async def test_what_another_process_answers_is_left_to_it_until_it_lets_go(opening: Opening) -> None:
    one, two = await opening(ProcessLease("one", hold_s=1.0)), await opening(ProcessLease("two", hold_s=60.0))
    await one.add_question(question())
    assert await two.take_undelivered() == []
    assert len(await one.take_undelivered()) == 1
    restarted = await opening(ProcessLease("one", hold_s=1.0))
    assert len(await restarted.take_undelivered()) == 1
    assert await two.take_undelivered() == []
    await asyncio.sleep(1.1)
    taken = await asyncio.gather(
        two.take_undelivered(), (await opening(ProcessLease("three"))).take_undelivered()
    )
    assert sorted(map(len, taken)) == [0, 1]


async def test_a_question_is_held_on_by_one_process_until_its_asker_has_the_answer(opening: Opening) -> None:
    one, two = await opening(ProcessLease("one", hold_s=0.5)), await opening(ProcessLease("two", hold_s=60.0))
    await one.add_question(question())
    assert await one.hold_question(question())
    assert not await two.hold_question(question())
    await asyncio.sleep(0.6)  # one was stopped for longer than it holds
    both = await asyncio.gather(two.hold_question(question()), two.hold_question(question()))
    assert any(both)
    assert not await one.hold_question(question())
    await two.mark_delivered(question().id, "m1")
    assert not await two.hold_question(question())
    assert await two.hold_question(question(2)), "forgotten: add_answer says so"


async def test_delivery_erases_how_to_reply(store: FeedbackStore) -> None:
    await store.add_question(question())
    await store.add_answer(answer(question()))
    await store.mark_delivered(question().id, "m1")
    assert await store.take_undelivered() == []
    given = await store.answer_in_message("chat", "m1")
    assert given == answer(question(reply_to=""))
    assert await store.find_message(question().id) == "m1"
    await store.mark_delivered("another", "m1")


async def test_message_ids_are_unique_within_their_conversation_only(store: FeedbackStore) -> None:
    for conversation in ("chat", "team"):
        asked = question(id=f"{conversation}/1", conversation=conversation)
        await store.add_question(asked)
        await store.add_answer(answer(asked))
        await store.mark_delivered(asked.id, "1")
    given = await store.answer_in_message("team", "1")
    assert given is not None
    assert given.question.conversation == "team"
    assert await store.answer_in_message("hall", "1") is None


async def test_an_answer_that_could_not_be_delivered_is_in_no_message(store: FeedbackStore) -> None:
    await store.add_question(question())
    await store.add_answer(answer(question()))
    await store.mark_delivered(question().id, "")
    assert await store.take_undelivered() == []
    assert await store.answer_in_message("chat", "") is None
    assert await store.find_message(question().id) is None
    assert await store.find_message("another") is None


async def test_recent_answers_are_the_last_of_their_conversation_oldest_first(store: FeedbackStore) -> None:
    for number in (4, 2, 3, 1):
        await store.add_question(question(number))
        await store.add_answer(answer(question(number)))
    other = question(9, conversation="hall")
    await store.add_question(other)
    await store.add_answer(answer(other))
    assert [one.question.id for one in await store.recent_answers("chat", 3)] == [
        "chat/2",
        "chat/3",
        "chat/4",
    ]
    assert await store.recent_answers("nowhere", 3) == []
    assert await store.recent_answers("chat", 0) == []


async def test_a_newer_thumb_replaces_an_older_one(store: FeedbackStore) -> None:
    given = answer(question())
    await store.add_question(question())
    await store.add_answer(given)
    await store.put_feedback(thumb(given))
    await store.put_feedback(thumb(given, "dislike", 70, comment="It is 24.", reasons=("wrong", "old")))
    await store.put_feedback(thumb(given))  # delivered again, late
    assert await store.feedback_on(given.id) == [
        thumb(given, "dislike", 70, comment="It is 24.", reasons=("wrong", "old"))
    ]


async def test_people_kinds_and_reactions_stand_side_by_side(store: FeedbackStore) -> None:
    given = answer(question())
    await store.add_question(question())
    await store.add_answer(given)
    words = [
        thumb(given),
        thumb(given, seconds=61, giver="a2", trainable=False),
        thumb(given, "4", 62, kind=FeedbackKind.STARS),
        thumb(given, "heart", 63, kind=FeedbackKind.REACTION),
        thumb(given, "laugh", 64, kind=FeedbackKind.REACTION),
        thumb(given, "thanks", 65, kind=FeedbackKind.COMMENT),
    ]
    for word in reversed(words):
        await store.put_feedback(word)
        await store.put_feedback(word)
    assert await store.feedback_on(given.id) == words
    assert await store.feedback_on("another") == []


async def test_feedback_is_withdrawn_and_given_again(store: FeedbackStore) -> None:
    given = answer(question())
    heart = thumb(given, "heart", kind=FeedbackKind.REACTION)
    await store.add_question(question())
    await store.add_answer(given)
    await store.put_feedback(heart)
    withdrawn = replace(heart, withdrawn_at=NOON + timedelta(seconds=90))
    await store.put_feedback(withdrawn)
    assert await store.feedback_on(given.id) == [withdrawn]
    again = replace(heart, given_at=NOON + timedelta(seconds=95))
    await store.put_feedback(again)
    assert await store.feedback_on(given.id) == [again]


async def test_feedback_on_an_unknown_answer_is_refused(store: FeedbackStore) -> None:
    with pytest.raises(RecordInvalid):
        await store.put_feedback(thumb(answer(question())))


async def test_a_forgotten_question_takes_everything_with_it(store: FeedbackStore) -> None:
    for number in (1, 2):
        await store.add_question(question(number))
        await store.add_answer(answer(question(number)))
        await store.put_feedback(thumb(answer(question(number))))
        await store.mark_delivered(question(number).id, f"m{number}")
    await store.forget_question(question(1).id)
    await store.forget_question("another")
    assert await store.answer(answer(question(1)).id) is None
    assert await store.feedback_on(answer(question(1)).id) == []
    assert await store.answer_in_message("chat", "m1") is None
    assert await store.find_message(question(1).id) is None
    assert [one.question.id for one in await store.recent_answers("chat", 9)] == [question(2).id]
    assert len(await store.feedback_on(answer(question(2)).id)) == 1
    assert await store.add_question(question(1))


async def test_times_without_a_zone_are_refused(store: FeedbackStore) -> None:
    with pytest.raises(RecordInvalid):
        await store.add_question(question(asked_at=NOON.replace(tzinfo=None)))


@pytest.mark.parametrize(
    "text", ["", "\0", "\ud83d", "'; DROP TABLE questions; --", "😀" * 5000, "\u202e\ufeff"]
)
async def test_any_text_comes_back(store: FeedbackStore, text: str) -> None:
    asked = question(text=text)
    await store.add_question(asked)
    await store.add_answer(answer(asked, text=text))
    assert await store.answer_to_question(asked.id) == answer(replace(asked, reply_to=""), text=text)


async def test_an_id_that_is_no_text_is_refused(store: FeedbackStore) -> None:
    with pytest.raises(RecordInvalid):
        await store.add_question(question(id="\ud83d"))
    assert await store.add_question(question())


async def test_a_closed_store_says_so(store: FeedbackStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.add_question(question())
    with pytest.raises(StoreUnavailable):
        await store.take_undelivered()


# What only SQLite does


async def test_many_writers_share_commits_and_a_refused_one_harms_nobody(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    writes = [store.add_question(question(number)) for number in range(500)]
    strays = [store.add_answer(answer(question(7000 + number))) for number in range(20)]
    results = await asyncio.gather(*writes, *strays, return_exceptions=True)
    assert results[:500] == [True] * 500
    assert all(isinstance(result, RecordInvalid) for result in results[500:])
    assert len(await store.take_undelivered()) == 500
    await store.close()


async def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "new" / "s")
    await store.add_question(question())
    await store.close()
    store = SqliteStore.open(tmp_path / "new" / "s")
    assert not await store.add_question(question())
    await store.close()
    assert (tmp_path / "new" / "s").stat().st_mode & 0o777 == 0o600


async def test_two_stores_on_one_file_see_each_others_writes(tmp_path: Path) -> None:
    one, two = SqliteStore.open(tmp_path / "s"), SqliteStore.open(tmp_path / "s")
    stores = [one, two]
    await asyncio.gather(*(stores[number % 2].add_question(question(number)) for number in range(200)))
    assert len(await one.take_undelivered()) == len(await two.take_undelivered()) == 200
    await one.close()
    await two.close()


async def test_forgotten_words_are_in_none_of_the_files(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    asked = question(text=RARE_WORDS)
    given = answer(asked, text=RARE_WORDS * 900)
    await store.add_question(asked)
    await store.add_answer(given)
    await store.put_feedback(thumb(given, comment=RARE_WORDS))
    await store.put_feedback(thumb(given, "dislike", 70))

    def holds_them() -> bool:
        return any(RARE_WORDS.encode() in file.read_bytes() for file in tmp_path.iterdir())

    assert holds_them()
    await store.forget_question(asked.id)
    assert not holds_them()
    await store.close()
    assert not holds_them()


async def test_a_file_of_a_newer_program_is_refused_with_a_sentence(tmp_path: Path) -> None:
    await SqliteStore.open(tmp_path / "s").close()
    newer = sqlite3.connect(tmp_path / "s")
    newer.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    newer.close()
    with pytest.raises(StoreUnavailable, match="newer askpage"):
        SqliteStore.open(tmp_path / "s")


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("Dear diary, " * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        SqliteStore.open(tmp_path / "s")
    with pytest.raises(StoreUnavailable, match="cannot be"):
        SqliteStore.open(tmp_path)


async def test_a_file_that_another_program_locks_is_unavailable_and_recovers(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s", busy_timeout_s=0.05)
    other = sqlite3.connect(tmp_path / "s", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.add_question(question())
    other.execute("ROLLBACK")
    other.close()
    assert await store.add_question(question())
    await store.close()


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from feedback.store.sqlite import SqliteStore
from feedback.store.base import StoreUnavailable
from tests.builders.records import question

async def main():
    store = SqliteStore.open(Path(sys.argv[1]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    kept = refused = 0
    for number in range(60):
        try:
            kept += await store.add_question(question(number, text="x" * 50_000))
        except StoreUnavailable as error:
            refused += 1
            sentence = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await store.add_question(question(99))
    print(kept + 1, refused, len(await store.take_undelivered()), sentence, sep="|")
    await store.close()

asyncio.run(main())
"""


def test_a_full_disk_refuses_what_it_cannot_keep_and_recovers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "s")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kept, refused, found, sentence = done.stdout.split("|")
    assert int(refused) > 0
    assert kept == found
    assert "full" in sentence


WRITER = """
import asyncio, sys
from pathlib import Path
from feedback.store.sqlite import SqliteStore
from tests.builders.records import question

async def add(store, first):
    for number in range(first, 10**9, 8):
        await store.add_question(question(number, id=f"{sys.argv[2]}/{number}"))
        sys.stdout.write(f"{sys.argv[2]}/{number}\\n")
        sys.stdout.flush()

async def main():
    store = SqliteStore.open(Path(sys.argv[1]))
    await asyncio.gather(*(add(store, first) for first in range(8)))

asyncio.run(main())
"""


async def _question_ids(path: Path) -> set[str]:
    store = SqliteStore.open(path)
    left = await store.take_undelivered()
    await store.close()
    return {one.question.id for one in left}


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for life in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "s"), str(life)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(700 + 50 * life)]
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.stdout.close()
        writer.wait()
        acknowledged |= {line.strip() for line in lines if line.endswith("\n")}
    kept = asyncio.run(_question_ids(tmp_path / "s"))
    assert len(acknowledged) >= 2000
    assert acknowledged <= kept


async def test_the_change_feed_goes_on_where_it_ended(cosmos_url: str) -> None:
    async with a_cosmos(cosmos_url) as (front, config):
        front.lacking = Searched()  # the local server has no places
        store = await CosmosStore.open(config)
        await store.add_question(question(1))
        first, place = await store.changes()
        await store.add_question(question(2))
        second, _ = await store.changes(place)
        await store.close()
    assert [row.key for row in first] == ["chat/1"]
    assert [row.key for row in second] == ["chat/2"]
