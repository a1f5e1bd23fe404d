"""Where telemetry goes: what leaves is as documented, and no endpoint slows or breaks an answer."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from core import telemetry
from exporters import CannotExport, Export, To, exporting
from exporters.appinsights import Connection, ConnectionInvalid, duration, parse, sender
from exporters.buffer import FULL, REFUSED, UNSENT, Outbox, Pace, Reply
from exporters.in_memory import recording
from tests.browser.chat import a_browser
from tests.builders.telemetry import KEY, QUICK, RARE, export_to, review_a_question, say_everything
from tests.builders.world import World, a_world
from tests.doubles.collector import HANG, collecting, partly
from tests.doubles.connection_watch import Watch, leaving
from tests.doubles.envelopes import check, data_of, links_of, of_type, outline
from tests.processes.serving import serving
from tests.processes.watched import QUESTION, an_environment, run_watched, watch

__all__ = ["watch"]


SENDERS: Sequence[To] = ("appinsights", "azuremonitor", "otlp")
OK, THROTTLED, BROKEN = 200, 429, 500


# The connection string


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (f"InstrumentationKey={KEY}", "https://dc.services.visualstudio.com"),
        (
            f"InstrumentationKey={KEY};IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;"
            "LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;ApplicationId=1",
            "https://westeurope-5.in.applicationinsights.azure.com",
        ),
        (f"endpointsuffix=ai.contoso.com; INSTRUMENTATIONKEY = {KEY.upper()};", "https://dc.ai.contoso.com"),
        (
            f"InstrumentationKey={KEY};EndpointSuffix=ai.contoso.com;Location=eu",
            "https://eu.dc.ai.contoso.com",
        ),
        (f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:99", "http://127.0.0.1:99"),
    ],
)
def test_a_connection_string_says_where_to(text: str, endpoint: str) -> None:
    assert parse(text) == Connection(KEY, endpoint)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ; ",
        "secret-of-nobody",
        "InstrumentationKey=secret-of-nobody",
        "IngestionEndpoint=https://example.com/",
        f"InstrumentationKey={KEY};Authorization=aad",
        f"InstrumentationKey={KEY};IngestionEndpoint=http://example.com",
        f"InstrumentationKey={KEY};IngestionEndpoint=file:///etc/passwd",
        f"InstrumentationKey={KEY};IngestionEndpoint=https://[secret-of-nobody",
        f"InstrumentationKey={KEY};IngestionEndpoint=https://example.com:99999",
    ],
)
def test_what_nothing_can_be_sent_with_is_refused_in_a_sentence_that_does_not_repeat_it(text: str) -> None:
    with pytest.raises(ConnectionInvalid) as invalid:
        parse(text)
    assert str(invalid.value).endswith((".", "…"))
    assert "secret-of-nobody" not in str(invalid.value)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0.00:00:00.000000"),
        (-5, "0.00:00:00.000000"),
        (1_234_567_890, "0.00:00:01.234567"),
        (90_061_000_000_000, "1.01:01:01.000000"),
    ],
)
def test_a_duration_is_written_as_the_service_reads_it(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_what_is_missing_is_said_in_a_sentence_before_anything_is_served() -> None:
    with (
        pytest.raises(CannotExport, match="applicationinsights_connection_string"),
        exporting(Export("appinsights")),
    ):
        pass
    with pytest.raises(CannotExport, match="GUID"), exporting(Export("azuremonitor", "InstrumentationKey=x")):
        pass


# The outbox


class Endpoint:
    """What an outbox sends to: answers as it is told, and keeps what it took."""

    def __init__(self, *replies: Reply | Exception) -> None:
        self.replies = list(replies)
        self.batches: list[list[Any]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, batch: Sequence[Any]) -> Reply:
        self.go.wait(30)
        self.batches.append(list(batch))
        reply = self.replies.pop(0) if self.replies else Reply()
        if isinstance(reply, Exception):
            raise reply
        return reply


def test_what_does_not_fit_is_dropped_and_counted_and_nobody_waits_for_a_hanging_endpoint() -> None:
    endpoint = Endpoint()
    endpoint.go.clear()
    outbox: Outbox[int] = Outbox("test", endpoint, Pace(room=100, batch=10, every_s=0.01))
    for number in range(1000):
        outbox.put(number)
    held = outbox.counts.dropped[FULL]
    assert 1000 - 100 - 10 <= held <= 900
    endpoint.go.set()
    outbox.close(20)
    assert (outbox.counts.sent, outbox.counts.dropped[FULL]) == (1000 - held, held)
    sent = [number for batch in endpoint.batches for number in batch]
    assert sent == sorted(sent), "what came first is sent first"


def test_what_is_not_taken_is_sent_again_and_dropped_after_a_while() -> None:
    failures = [ConnectionRefusedError("nobody there"), Reply(again=[1, 2, 3]), Reply(again=[2], never=1)]
    endpoint = Endpoint(*failures)
    outbox: Outbox[int] = Outbox("test", endpoint, QUICK)
    for number in (1, 2, 3):
        outbox.put(number)
    outbox.close(20)
    assert endpoint.batches == [[1, 2, 3], [1, 2, 3], [1, 2, 3], [2]]
    assert outbox.counts.sent == 2
    assert outbox.counts.dropped == {REFUSED: 1}

    gone = Endpoint(*[TimeoutError("no answer")] * 99)
    outbox = Outbox("test", gone, QUICK)
    outbox.put(1)
    while outbox.counts.dropped.total() == 0:
        threading.Event().wait(0.01)
    assert len(gone.batches) == QUICK.tries
    assert outbox.counts.dropped == {REFUSED: 1}
    outbox.close(20)


def test_at_the_end_what_waits_is_sent_and_who_hangs_is_not_waited_for() -> None:
    endpoint = Endpoint()
    outbox: Outbox[int] = Outbox("test", endpoint, Pace(every_s=3600))
    for number in range(250):
        outbox.put(number)
    outbox.close(20)
    assert (outbox.counts.sent, outbox.counts.dropped.total()) == (250, 0)
    outbox.put(1)
    assert outbox.counts.dropped == {UNSENT: 1}

    hanging = Endpoint()
    hanging.go.clear()
    outbox = Outbox("test", hanging, QUICK)
    for number in range(120):
        outbox.put(number)
    outbox.close(0.1)
    assert outbox.counts.dropped == {UNSENT: 120}
    hanging.go.set()


def test_what_cannot_be_written_is_dropped_alone() -> None:
    endpoint = Endpoint()
    outbox: Outbox[int] = Outbox("test", endpoint, QUICK, lambda number: [12 // number])
    for number in (3, 0, 4):
        outbox.put(number)
    outbox.close(20)
    assert endpoint.batches == [[4, 3]]
    assert (outbox.counts.sent, outbox.counts.dropped) == (2, {REFUSED: 1})


def test_what_was_lost_is_told_once_something_arrives_again() -> None:
    endpoint = Endpoint(Reply(never=3))
    with recording() as told:
        outbox: Outbox[int] = Outbox("test", endpoint, QUICK)
        for number in range(3):
            outbox.put(number)
        while not told.events("telemetry_dropped"):
            threading.Event().wait(0.01)
        outbox.put(4)
        outbox.close(20)
    assert told.events("telemetry_dropped") == [{"reason": "refused", "count": 3}]


# Real endpoints that fail


async def answered(world: World) -> bool:
    await world.ask("How much leave?")
    await world.settled()
    return len(world.store.delivered) == 1


@pytest.mark.parametrize("to", SENDERS)
async def test_an_endpoint_that_recovers_gets_everything(to: To) -> None:
    with collecting(THROTTLED, 503, OK) as collector, exporting(export_to(to, collector.url)) as sending:
        async with a_world() as world:
            assert await answered(world)
    assert sending.counts.dropped == {}
    assert sending.counts.sent > 0
    assert len(collector.bodies) > len(collector.taken)


@pytest.mark.parametrize(
    ("to", "status"),
    [*((to, status) for to in SENDERS for status in (THROTTLED, BROKEN)), ("appinsights", 400)],
)
async def test_an_endpoint_that_takes_nothing_costs_what_is_told_and_no_answer(to: To, status: int) -> None:
    with collecting(status) as collector:
        collector.headers = {"Retry-After": "0"}
        with exporting(export_to(to, collector.url, timeout_s=0.2, close_within_s=20)) as sending:
            async with a_world() as world:
                assert await answered(world)
    assert sending.counts.sent == 0
    assert sending.counts.dropped.total() > 0
    assert collector.bodies


@pytest.mark.parametrize("status", [307, 308])
def test_a_resource_that_is_elsewhere_is_asked_there_from_then_on(status: int) -> None:
    with collecting() as there, collecting(status) as front:
        front.headers = {"Location": f"{there.url}/v2/track"}
        send = sender(front.url)
        replies = [send([{"name": name}]) for name in "ab"]
        assert not any(reply.again or reply.never for reply in replies)
        assert (len(front.bodies), len(there.taken)) == (1, 2)


@pytest.mark.parametrize("place", ["", "ftp://127.0.0.1/", "http://telemetry.example/", "/v2/track"])
def test_who_is_sent_nowhere_or_round_in_circles_stops(place: str) -> None:
    with collecting(308) as front:
        front.headers = {"Location": place}
        reply = sender(front.url)([{"name": "a"}])
        assert (reply.never or len(reply.again)) == 1
        assert len(front.bodies) <= 5


@pytest.mark.parametrize("to", SENDERS)
async def test_an_endpoint_that_hangs_costs_what_is_told_and_no_answer(to: To) -> None:
    with collecting(HANG) as collector:
        with exporting(export_to(to, collector.url, timeout_s=30, close_within_s=0.1)) as sending:
            async with a_world() as world:
                assert await answered(world)
            collector.until(1)
            assert sending.counts.sent == 0
        assert sending.counts.dropped[UNSENT] > 0


@pytest.mark.parametrize("to", SENDERS)
async def test_nobody_listens_and_everybody_gets_an_answer(to: To) -> None:
    with collecting() as collector:
        url = collector.url  # free again
    with exporting(export_to(to, url, timeout_s=0.2)) as sending:
        async with a_world() as world:
            assert await answered(world)
    assert sending.counts.sent == 0
    assert sending.counts.dropped.total() > 0


async def test_of_a_batch_that_is_taken_in_part_the_rest_is_sent_again_or_dropped() -> None:
    with collecting(206, OK) as collector:
        collector.body = partly([200, 500, 400])
        pace = Pace(room=100, batch=3, every_s=3600, wait_s=0.01)
        with exporting(export_to("appinsights", collector.url, pace, metrics_every_s=3600)) as sending:
            for _ in range(3):
                telemetry.event("store_away")
            collector.until(2)
    first, second = (json.loads(body) for _, body in collector.bodies[:2])
    assert len(first) == 3
    assert second == [first[1]]
    assert sending.counts.dropped == {REFUSED: 1}


# What leaves


@pytest.mark.parametrize("to", ["appinsights", "azuremonitor"])
async def test_a_question_its_ruling_and_the_next_askers_verified_answer_are_transactions_that_lead_to_each_other(  # noqa: E501
    to: To,
) -> None:
    with collecting() as collector, exporting(export_to(to, collector.url)) as sending:
        async with a_world() as world:
            await review_a_question(world)
        asked, *_, again = world.store.questions.values()
        with telemetry.span("question"):
            telemetry.record_error(ValueError("whatever"))
    envelopes = collector.envelopes()
    check(envelopes)
    assert sending.counts.dropped == {}

    first, last = (question.trace.split("-")[1] for question in (asked, again))
    assert outline(envelopes, first) == [
        "Request POST /api/messages",
        "  RemoteDependency authenticate",
        "  RemoteDependency store",
        "  Event question_asked",
        "  Request question",
        "    RemoteDependency verified",
        "    RemoteDependency store",
        "    RemoteDependency send",
        "    Event answer_sent",
    ]
    rulings = [one for one in envelopes if data_of(one).get("name") == "ruling"]
    assert [links_of(ruling) for ruling in rulings] == [[first]]
    ruled = outline(envelopes, rulings[0]["tags"]["ai.operation.id"])
    assert ruled[0] == "Request POST /api/messages"
    assert "    Event review_ruled" in ruled
    followed = [one for one in of_type(envelopes, "RequestData") if data_of(one)["name"] == "follow_up"]
    assert {link for one in followed for link in links_of(one)} == {first}
    served = outline(envelopes, last)
    assert "    Event verified_served" in served
    [linked] = [
        links_of(one)
        for one in of_type(envelopes, "RequestData")
        if data_of(one)["name"] == "question" and one["tags"]["ai.operation.id"] == last
    ]
    assert linked == [first]
    [error] = of_type(envelopes, "ExceptionData")
    assert data_of(error)["exceptions"][0]["typeName"] == "ValueError"
    assert of_type(envelopes, "MetricData")


async def test_both_exporters_tell_application_insights_the_same_of_an_event() -> None:
    told: dict[str, Any] = {}
    for to in ("appinsights", "azuremonitor"):
        with collecting() as collector, exporting(export_to(to, collector.url)), telemetry.span("job"):
            telemetry.event("job_finished", job="roll_up_metrics", outcome="done", seconds=1.25, count=3)
            telemetry.event("answer_sent", abstained=False, verified=True, channel="msteams")
        [done, sent] = of_type(collector.envelopes(), "EventData")
        for envelope in (done, sent):
            data_of(envelope).setdefault("properties", {}).pop("logger_name", None)
            data_of(envelope).setdefault("measurements", {})
        told[to] = [data_of(done), data_of(sent)]
    assert told["appinsights"] == told["azuremonitor"]
    assert told["appinsights"][0] == {
        "ver": 2,
        "name": "job_finished",
        "properties": {"job": "roll_up_metrics", "outcome": "done"},
        "measurements": {"seconds": 1.25, "count": 3},
    }
    assert told["appinsights"][1]["properties"] == {
        "abstained": "False",
        "verified": "True",
        "channel": "msteams",
    }


async def test_a_collector_gets_spans_events_and_metrics_over_otlp() -> None:
    with collecting() as collector, exporting(export_to("otlp", collector.url)):
        async with a_world() as world:
            assert await answered(world)
    assert {path for path, _ in collector.taken} == {"/v1/traces", "/v1/logs", "/v1/metrics"}
    spans, events, metrics = set[str](), set[str](), set[str]()
    for path, body in collector.taken:
        if path == "/v1/traces":
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans |= {span.name for scope in group.scope_spans for span in scope.spans}
        elif path == "/v1/logs":
            for group in ExportLogsServiceRequest.FromString(body).resource_logs:
                events |= {log.event_name for scope in group.scope_logs for log in scope.log_records}
        else:
            for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                metrics |= {metric.name for scope in group.scope_metrics for metric in scope.metrics}
    assert spans == {"arrival", "authenticate", "store", "question", "send"}
    assert events == {"question_asked", "answer_sent"}
    assert metrics >= {"askpage.events", "askpage.answer.duration"}


@pytest.mark.parametrize("to", SENDERS)
async def test_no_word_that_anybody_wrote_leaves(to: To) -> None:
    with collecting() as collector, exporting(export_to(to, collector.url)):
        async with a_world() as world:
            await say_everything(world)
    bodies = b"".join(body for _, body in collector.taken)
    assert b"answer_sent" in bodies
    for word in (RARE, "1700000000001", "aad-robin", "example.com"):
        assert word.encode() not in bodies


async def test_the_console_gets_a_line_of_json_each(capsys: pytest.CaptureFixture[str]) -> None:
    with exporting(Export("console", pace=QUICK)), telemetry.span("job"):
        telemetry.event("job_finished", job="roll_up_metrics", outcome="done")
    out, err = capsys.readouterr()
    assert out == ""
    lines = [json.loads(line) for line in err.splitlines()]
    assert {line.get("name") or line.get("event_name") for line in lines} >= {"job", "job_finished"}


async def test_a_served_bot_tells_application_insights_of_a_question_from_its_search_to_its_answer(
    tmp_path: Path, docs_index: Path
) -> None:
    shutil.copytree(docs_index, tmp_path / "pages")
    with collecting() as collector:
        string = f"InstrumentationKey={KEY};IngestionEndpoint={collector.url}"
        options = ("--base-model", "canned", "--telemetry", "appinsights")
        insights = ("--applicationinsights-connection-string", string)
        async with (
            serving(tmp_path, *options, *insights) as served,
            a_browser(served) as browser,  # type: ignore[arg-type] - a served page is a chat
        ):
            await browser.begin()
            status, body = await browser.do("message", text=QUESTION)
            assert status == 200, body
            await asyncio.wait_for(browser.answered(), 60)
            assert await served.stop() == 0
    envelopes = collector.envelopes()
    check(envelopes)
    [sent] = [one for one in of_type(envelopes, "EventData") if data_of(one)["name"] == "answer_sent"]
    assert data_of(sent)["properties"]["channel"] == "local"
    assert data_of(sent)["properties"]["site"] == "own pages"
    drawn = outline(envelopes, sent["tags"]["ai.operation.id"])
    assert [line.strip() for line in drawn if line.startswith("    ")] == [
        "RemoteDependency verified",
        "RemoteDependency search",
        "RemoteDependency store",
        "RemoteDependency send",
        "Event answer_sent",
    ]
    assert QUESTION.encode() not in b"".join(body for _, body in collector.taken)


ELSEWHERE = """
import cli.main, time
from core import telemetry
from exporters import Export, exporting

string = "InstrumentationKey=01234567-89ab-cdef-0123-456789abcdef;IngestionEndpoint=http://127.0.0.1:9"
for to in ("azuremonitor", "appinsights", "otlp"):
    with exporting(Export(to, string, "http://127.0.0.1:9", timeout_s=1, close_within_s=2)), telemetry.span("job"):
        telemetry.event("store_away")
        time.sleep(1)
"""  # noqa: E501


def test_exporters_speak_to_their_endpoint_only(watch: Watch, tmp_path: Path) -> None:
    calls = run_watched(watch, ELSEWHERE, an_environment(tmp_path))
    assert [call for call in calls if "sin_port=htons(9)" in call], "nobody was seen to send"
    assert leaving(calls) == []
