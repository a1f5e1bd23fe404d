"""What is kept goes to Data Explorer: from a store's records to the bytes at a cluster and in its storage."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.bootstrap import open_pages
from core import telemetry
from core.records import (
    Answer,
    Channel,
    Feedback,
    FeedbackKind,
    Page,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Section,
    Verdict,
)
from core.settings import Settings
from core.telemetry.vocabulary import EVENTS
from exporters.data_explorer import DataExplorer, Target
from feedback.analytics.event_log import AGAIN, ASIDE, Outgoing
from feedback.reviews.repository import ReviewRepository
from feedback.store.cosmos import CosmosStore
from feedback.store.sqlite import SqliteStore
from jobs.registry import JOBS, JobContext, JobFailed, Store
from jobs.roll_up_metrics import roll_up
from jobs.scheduling.runner import run_job
from jobs.send_to_data_explorer import KIND, run, send_to_data_explorer
from tests.builders.days import MONDAY, NOW, ask, settle, stars
from tests.builders.queries import Explorer
from tests.builders.serving import served
from tests.doubles.azurite import Azurite, azurite
from tests.doubles.cosmos import a_cosmos
from tests.doubles.kusto_cluster import Cluster, Fault, Storage
from tests.needs import ROOT

PACKAGES = ("bot", "exporters", "feedback", "jobs", "model", "pages")
TO = "there"
RARE = "zyzzogeton"
"""A word that nobody writes by chance; it stands in everything that people write, and in all their ids."""


@pytest.fixture(autouse=True)
def named() -> Iterator[None]:
    telemetry.use_key(b"a key", ["example.com"])
    yield
    telemetry.use_key(b"")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    found = SqliteStore.open(tmp_path / "askpage.sqlite3")
    yield found
    await found.close()


@pytest.fixture
async def cluster() -> AsyncIterator[tuple[Cluster, str]]:
    found = Cluster()
    async with served(found.app()) as url:
        yield found, url
        found.over.set()


@pytest.fixture(scope="module")
def blobs_and_queues() -> Iterator[Azurite]:
    with azurite() as server:
        yield server


@pytest.fixture
def storage(blobs_and_queues: Azurite) -> Iterator[Storage]:
    found = Storage(blobs_and_queues)
    yield found
    found.close()


class Sender:
    """Runs the job again and again, as one machine does."""

    def __init__(self, store: Store, url: str, folder: Path, within_s: float = 20.0) -> None:
        self.store = store
        self.folder = folder
        self.target = Target(url, "askpage", within_s)
        self.most_bytes = 1_000_000

    async def __call__(self, now: Any = NOW) -> Any:
        explorer = DataExplorer(self.target)
        try:
            outgoing = Outgoing(self.folder, self.most_bytes)
            return await send_to_data_explorer(self.store, explorer, outgoing, {"heart": "up"}, TO, now)
        finally:
            explorer.close()

    @property
    def aside(self) -> list[dict[str, Any]]:
        path = self.folder / ASIDE
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    @property
    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*.json"))


@pytest.fixture
def send(store: SqliteStore, cluster: tuple[Cluster, str], tmp_path: Path) -> Sender:
    return Sender(store, cluster[1], tmp_path / "outgoing")


@pytest.fixture
def heard(cluster: tuple[Cluster, str]) -> Cluster:
    return cluster[0]


async def some_answers(store: Store, count: int = 3) -> list[Answer]:
    return [await ask(store, number, MONDAY + timedelta(minutes=number)) for number in range(count)]


# What is sent


async def test_answers_words_rulings_and_days_arrive_once_in_the_names_of_telemetry(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    first, second, _ = await some_answers(store)
    await store.put_feedback(stars(first, 4, MONDAY + timedelta(hours=1)))
    reaction = Feedback(
        second.id,
        "p",
        FeedbackKind.REACTION,
        "heart",
        trainable=True,
        given_at=MONDAY + timedelta(hours=1),
    )
    await store.put_feedback(reaction)
    await settle(store, second, Ruling.APPROVED, MONDAY + timedelta(hours=2))
    await roll_up(store, NOW)
    assert await send() == {"sent": 7, "streamed": 7, "queued": 0, "aside": 0, "waiting": 0}
    by_name = {name: [one for one in heard.taken if one["name"] == name] for name in EVENTS}
    assert {name: len(found) for name, found in by_name.items() if found} == {
        "answer_sent": 3,
        "feedback_given": 2,
        "review_ruled": 1,
        "day_summed": 1,
    }
    for line in heard.taken:
        said = {**line["customDimensions"], **line["customMeasurements"]}
        assert set(said) <= set(EVENTS[line["name"]].properties)
    starred, hearted = by_name["feedback_given"]
    assert starred["customDimensions"]["answer"] == telemetry.hash_answer_id(first.id)
    assert (starred["customDimensions"]["value"], starred["customMeasurements"]["stars"]) == ("4", 4)
    assert hearted["customDimensions"]["value"] == "up"
    assert by_name["review_ruled"][0]["customMeasurements"]["weight"] == 5.0
    assert by_name["answer_sent"][0]["customDimensions"]["site"] == "example.com"
    assert by_name["day_summed"][0]["customMeasurements"]["answers"] == 3
    assert (await send())["sent"] == 0, "all is sent"
    assert len(heard.last) == len(heard.taken) == 7
    assert send.waiting == []


@pytest.mark.model
async def test_sites_have_the_names_of_the_bots_own_events(
    cluster: tuple[Cluster, str], store: SqliteStore, tmp_path: Path
) -> None:
    """A folder that is read in the place of its site names the site, too."""
    heard, url = cluster
    settings = Settings(data_dir=tmp_path, pages=["docs=https://example.com"], data_explorer_uri=url)
    page = Page("https://example.com/leave", "Leave", (Section("", "", "Sixteen weeks."),), "h1", MONDAY)
    async with open_pages(settings) as page_services:
        await page_services.index.add(page, source="docs=https://example.com")
    await some_answers(store, 1)
    assert (await run(JobContext(settings, store)))["sent"] == 1
    assert heard.taken[0]["customDimensions"]["site"] == "example.com"


async def test_what_arrives_is_what_the_tables_and_queries_take(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    first, second, third = await some_answers(store)
    await store.put_feedback(stars(first, 4, MONDAY + timedelta(hours=1)))
    await settle(store, second, Ruling.APPROVED, MONDAY + timedelta(hours=2))
    await settle(store, third, Ruling.CORRECTED, MONDAY + timedelta(hours=2))
    await roll_up(store, NOW)
    await send()
    explorer = Explorer()
    for body in [*heard.bodies, heard.bodies[0]]:  # the same batch twice, as a retry may bring it
        for line in body.splitlines():
            explorer.ingest(line)
    explorer.spread()
    [month] = [row for row in explorer.ask("months") if row[2]]
    assert month[1:] == ("base", 3, 1.0, 1.0, 2, 0.5)
    days = explorer.connection.execute(
        "SELECT answers, starred, judged, weights, rights FROM Days"
    ).fetchall()
    assert days == [(3, 1, 2, 10.0, 5.0)] * 2
    assert len(set(explorer.connection.execute("SELECT record, revised FROM Days").fetchall())) == 1


async def test_nothing_that_anybody_wrote_and_nobodys_id_is_sent(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    question = Question(
        f"chat/{RARE}",
        f"Where is {RARE}?",
        f"person-{RARE}",
        f"room-{RARE}",
        Channel.TEAMS,
        MONDAY,
        f"https://{RARE}.example/{RARE}",
        language=RARE,
    )
    await store.add_question(question)
    [other] = [await ask(store, 9, MONDAY)]
    cited = replace(other.citations[0], url=f"https://{RARE}.example/{RARE}", quote=RARE, title=RARE)
    answer = await store.add_answer(
        replace(other, id=f"id-{RARE}", question=question, text=f"It is {RARE}.", citations=(cited,))
    )
    at = MONDAY + timedelta(hours=1)
    for kind, value in ((FeedbackKind.COMMENT, ""), (FeedbackKind.REACTION, RARE), (FeedbackKind.STARS, "2")):
        word = Feedback(
            answer.id,
            f"giver-{RARE}",
            kind,
            value,
            trainable=True,
            given_at=at,
            comment=RARE,
            reasons=(RARE,),
        )
        await store.put_feedback(word)
    await settle(store, answer, Ruling.CORRECTED, at)
    await roll_up(store, NOW)
    done = await send()
    assert (done["sent"], done["aside"]) == (8, 0)
    everything = "\n".join([*heard.bodies, *heard.heard]).lower()
    assert RARE not in everything
    for person in (
        "p9",
        "c9",
        "p0",
        "giver",
        telemetry.hash_answer_id(question.asker),
        telemetry.hash_answer_id(f"giver-{RARE}"),
    ):
        assert f'"{person}"' not in everything
    assert telemetry.hash_answer_id(answer.id) in everything
    values = {value for line in heard.taken for value in line["customDimensions"].values()}
    assert {"other", "base"} <= values
    user = os.environ.get("USER") or os.environ.get("USERNAME")  # noqa: TID251 - not a setting
    assert not user or f"'{user}'" not in everything, "nor who is logged in"


async def test_a_word_that_is_taken_back_and_a_day_that_changes_are_told_again(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    [first, *_] = await some_answers(store)
    word = stars(first, 4, MONDAY + timedelta(hours=1))
    await store.put_feedback(word)
    await roll_up(store, NOW)
    assert (await send())["sent"] == 5
    later = NOW + timedelta(minutes=5)
    await store.put_feedback(replace(word, withdrawn_at=later))
    await roll_up(store, NOW + timedelta(hours=1))
    assert (await send(NOW + timedelta(hours=1)))["sent"] == 2
    taken_back, again = heard.taken[-2:]
    assert taken_back["customDimensions"]["withdrawn"] == "True"
    assert taken_back["customMeasurements"]["starred"] == 0
    [_, day] = [one for one in heard.taken if one["name"] == "day_summed"]
    assert day == again == heard.last[day["record"]]
    assert day["customMeasurements"]["starred"] == 0


async def test_what_was_kept_late_is_told_and_what_was_told_is_not_told_again(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    await ask(store, 1, NOW - timedelta(hours=3))
    assert (await send())["sent"] == 1
    await ask(store, 2, NOW - AGAIN + timedelta(hours=1))  # it had waited on a disk
    assert (await send(NOW + timedelta(minutes=10)))["sent"] == 1
    assert (await send(NOW + timedelta(minutes=20)))["sent"] == 0
    assert (await send(NOW + AGAIN * 3))["sent"] == 0
    assert len(heard.last) == len(heard.taken) == 2


async def test_a_review_that_begins_again_is_told_once_a_round(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    [one] = await some_answers(store, 1)
    await settle(store, one, Ruling.APPROVED, NOW - timedelta(hours=1))
    assert (await send())["sent"] == 2
    repository = ReviewRepository(store.documents)
    settled = await repository.review(one.id)
    assert settled is not None
    await repository.keep_round(settled)
    verdict = Verdict("r", "R", Ruling.CORRECTED, NOW)
    again = Review(one.id, (ReviewReason.STALE,), NOW, round=2, version=settled.version)
    assert await repository.change_review(
        replace(again, verdicts=(verdict,), settled_at=NOW + timedelta(minutes=1))
    )
    assert (await send(NOW + timedelta(hours=1)))["sent"] == 1
    rounds = [one["customMeasurements"]["round"] for one in heard.taken if one["name"] == "review_ruled"]
    assert rounds == [1, 2]


async def test_what_is_kept_in_cosmos_goes_the_same_way(
    heard: Cluster, cluster: tuple[Cluster, str], cosmos_url: str, tmp_path: Path
) -> None:
    async with a_cosmos(cosmos_url) as (_, config):
        far = await CosmosStore.open(config)
        [first, second, _] = await some_answers(far)
        await far.put_feedback(stars(first, 4, NOW - timedelta(hours=1)))
        await settle(far, second, Ruling.APPROVED, NOW - timedelta(hours=2))
        await roll_up(far, NOW)
        send = Sender(far, cluster[1], tmp_path / "outgoing")
        assert (await send())["sent"] == 6
        assert (await send(NOW + timedelta(minutes=30)))["sent"] == 0
        await far.put_feedback(stars(second, 1, NOW))
        assert (await send(NOW + timedelta(hours=1)))["sent"] == 1
        await far.close()
    assert len(heard.last) == len(heard.taken) == 7


# When it goes wrong


@pytest.mark.parametrize(
    "fault",
    [
        Fault(400, "BadRequest_StreamingIngestionPolicyNotEnabled"),
        Fault(413, "TooLarge"),
        Fault(429, "Throttled"),
    ],
    ids=lambda fault: fault.code,
)
async def test_where_streaming_is_refused_a_blob_and_a_message_wait_for_the_service(
    fault: Fault, send: Sender, heard: Cluster, store: SqliteStore, storage: Storage, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    heard.storage, heard.always = storage, fault
    await some_answers(store)
    assert await send() == {"sent": 3, "streamed": 0, "queued": 3, "aside": 0, "waiting": 0}
    [message] = storage.messages()
    assert (message["DatabaseName"], message["TableName"]) == ("askpage", "Told")
    about = message["AdditionalProperties"]
    tag = json.loads(about["tags"])
    assert tag == [f"ingest-by:{json.loads(about['ingestIfNotExists'])[0]}"]
    assert about["ingestionMappingReference"] == "told"
    assert storage.blob(message) == heard.bodies[0]
    assert len({json.loads(line)["record"] for line in storage.blob(message).splitlines()}) == 3


async def test_a_queued_batch_that_comes_again_has_the_same_tag(
    send: Sender, heard: Cluster, store: SqliteStore, storage: Storage, monkeypatch: Any
) -> None:
    heard.storage, heard.always = storage, Fault(400, "BadRequest_StreamingIngestionPolicyNotEnabled")
    await some_answers(store)
    refused = store.documents.put

    async def away(document: Any) -> None:
        if document.kind == KIND:
            raise OSError("the process ends here")
        await refused(document)

    monkeypatch.setattr(store.documents, "put", away)
    with pytest.raises(OSError, match="ends here"):
        await send()
    monkeypatch.undo()
    await ask(store, 7, NOW - timedelta(hours=1))  # the batch is the same, whatever came since
    assert (await send())["queued"] == 4
    once, again, rest = storage.messages()
    tags = [one["AdditionalProperties"]["ingestIfNotExists"] for one in (once, again, rest)]
    assert tags[0] == tags[1] != tags[2]
    assert storage.blob(once) == storage.blob(again)


async def test_a_poisoned_line_is_set_aside_and_the_others_arrive(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    answers = await some_answers(store, 9)
    bad = telemetry.hash_answer_id(answers[4].id)
    heard.poisons = {bad}
    done = await send()
    assert (done["sent"], done["aside"]) == (8, 1)
    assert set(heard.last) == {telemetry.hash_answer_id(one.id) for one in answers} - {bad}
    [aside] = send.aside
    assert (aside["record"], aside["name"]) == (bad, "answer_sent")
    assert "BadRequest_InvalidBlob" in aside["reason"]
    assert json.loads(aside["line"])["record"] == bad
    assert (await send())["sent"] == 0, "it does not come again"


async def test_a_record_that_cannot_be_told_is_set_aside_without_its_words(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    await some_answers(store, 2)
    await ask(store, 5, MONDAY, model_version=f"a version of {RARE}!")
    done = await send()
    assert (done["sent"], done["aside"]) == (2, 1)
    [aside] = send.aside
    assert aside["reason"] == "model_version is not of the form that is allowed"
    assert RARE not in json.dumps(aside)


async def test_a_cluster_that_refuses_everything_is_no_reason_to_set_everything_aside(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    answers = await some_answers(store, 30)
    heard.always = Fault(400, "BadRequest_EntityNotFound")
    with pytest.raises(JobFailed, match="30 wait"):
        await send()
    assert send.aside == []
    heard.always = None
    assert (await send())["sent"] == 30
    assert set(heard.last) == {telemetry.hash_answer_id(one.id) for one in answers}


async def test_a_cluster_that_hangs_is_left_at_the_deadline_and_gets_everything_later(
    send: Sender, heard: Cluster, store: SqliteStore, tmp_path: Path
) -> None:
    await some_answers(store)
    heard.always = Fault(hang="before")
    send.target = replace(send.target, within_s=0.3)
    with pytest.raises(JobFailed, match=r"did not answer within 0.3 s.*0 records were sent; 3 wait in"):
        await send()
    await ask(store, 8, NOW - timedelta(hours=1))
    with pytest.raises(JobFailed, match="4 wait"):
        await send(NOW + timedelta(hours=1))
    assert send.waiting == ["000000001.json", "000000002.json"]
    assert await store.documents.get(KIND, TO) is None, "nothing was accepted"
    heard.always = None
    send.target = replace(send.target, within_s=20.0)
    assert (await send(NOW + timedelta(hours=2)))["sent"] == 4
    assert send.waiting == []
    assert len(heard.last) == len(heard.taken) == 4


async def test_storage_that_cannot_be_reached_holds_nobody_up_beyond_the_deadline(
    send: Sender, heard: Cluster, store: SqliteStore
) -> None:
    await some_answers(store)
    nowhere = "http://127.0.0.1:9/account/name?sig=none"
    heard.storage = cast("Storage", SimpleNamespace(queue_url=nowhere, container_url=nowhere))
    heard.always = Fault(400, "BadRequest_StreamingIngestionPolicyNotEnabled")
    send.target = replace(send.target, within_s=0.5)
    with pytest.raises(JobFailed, match=r"did not answer within 0.5 s.*3 wait in"):
        await send()
    heard.always = None
    send.target = replace(send.target, within_s=20.0)
    assert (await send())["sent"] == 3
    assert len(heard.last) == len(heard.taken) == 3


async def test_a_full_folder_takes_no_more_and_nothing_is_lost(
    send: Sender, heard: Cluster, store: SqliteStore, monkeypatch: Any
) -> None:
    monkeypatch.setattr("jobs.send_to_data_explorer.BATCH", 5)
    await some_answers(store, 20)
    heard.always, send.most_bytes = Fault(403, "Forbidden"), 6_000
    with pytest.raises(JobFailed, match="No more fits there"):
        await send()
    assert 1 <= len(send.waiting) < 4
    heard.always = None
    assert (await send())["sent"] == 20
    assert len(heard.last) == len(heard.taken) == 20


async def test_another_machine_goes_on_and_what_waited_here_is_not_sent_twice(
    send: Sender, heard: Cluster, store: SqliteStore, tmp_path: Path
) -> None:
    await some_answers(store)
    heard.always = Fault(403, "Forbidden")
    with pytest.raises(JobFailed):
        await send()
    heard.always = None
    elsewhere = Sender(store, send.target.uri, tmp_path / "elsewhere")
    assert (await elsewhere())["sent"] == 3
    assert send.waiting
    assert (await send())["sent"] == 0
    assert send.waiting == []
    assert len(heard.taken) == 3


CHILD = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
from core import telemetry
from exporters.data_explorer import DataExplorer, Target
from feedback.analytics.event_log import Outgoing
from feedback.store.sqlite import SqliteStore
from jobs.send_to_data_explorer import send_to_data_explorer

telemetry.use_key(b"a key", ["example.com"])
path, url, folder, now = sys.argv[1:]
store = SqliteStore.open(Path(path))
explorer = DataExplorer(Target(url, "askpage"))
outgoing = Outgoing(Path(folder), 1_000_000)
asyncio.run(send_to_data_explorer(store, explorer, outgoing, {}, "there", datetime.fromisoformat(now)))
"""


@pytest.mark.parametrize("hang", ["before", "after"])
async def test_a_job_that_is_killed_while_it_sends_loses_nothing_and_doubles_nothing(
    hang: str, send: Sender, heard: Cluster, store: SqliteStore, tmp_path: Path, cluster: tuple[Cluster, str]
) -> None:
    answers = await some_answers(store)
    heard.faults = [Fault(hang=hang)]
    arguments = [str(tmp_path / "askpage.sqlite3"), cluster[1], str(send.folder), NOW.isoformat()]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, *arguments, cwd=ROOT)
    await asyncio.wait_for(heard.met.wait(), 60)
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    assert send.waiting == ["000000001.json"]
    await ask(store, 7, NOW - timedelta(hours=1))
    assert (await send(NOW + timedelta(minutes=1)))["sent"] == 4
    assert heard.bodies[0] == heard.bodies[1], "the same batch again"
    expected = {telemetry.hash_answer_id(one.id) for one in answers} | {
        telemetry.hash_answer_id("answer to chat/7")
    }
    assert set(heard.last) == expected
    lines = [json.dumps(one, sort_keys=True) for one in heard.taken]
    assert len(set(lines)) == 4, "what came twice is the same line, under the same record"
    assert len(lines) == (7 if hang == "after" else 4)


# The command


async def test_the_job_is_off_until_it_has_an_address_and_sends_then(
    heard: Cluster, cluster: tuple[Cluster, str], tmp_path: Path
) -> None:
    job = "send_to_data_explorer", JOBS["send_to_data_explorer"].load()
    settings = Settings(data_dir=tmp_path)
    done = await run_job(*job, settings)
    assert (done["outcome"], done["sent"], done["off"]) == ("done", 0, "data_explorer_uri is empty")
    there = Settings(data_dir=tmp_path, data_explorer_uri=cluster[1])
    done = await run_job(*job, there)
    assert (done["outcome"], done["sent"]) == ("done", 0)
    wrong = Settings(data_dir=tmp_path, data_explorer_uri="http://cluster.example.com")
    done = await run_job(*job, wrong)
    assert done["outcome"] == "failed"
    assert "is no address of a cluster" in str(done["error"])


def test_only_one_module_knows_kustos_client() -> None:
    knowing: set[str] = set()
    for path in (ROOT.glob(pattern) for pattern in ("*.py", *(f"{one}/**/*.py" for one in PACKAGES))):
        for file in path:
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
                if any(re.match(r"azure\.(kusto|storage)\b", name) for name in names):
                    knowing.add(file.relative_to(ROOT).as_posix())
    assert knowing == {"exporters/data_explorer.py"}
