"""One trace a question, from its arrival to its answer; what follows later is linked to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from core import telemetry
from core.records import Answer, Channel, Hit, Passage, Question
from exporters.in_memory import Recording, recording
from feedback.store.sqlite import SqliteStore
from model.answering.chain import Answering, always_acquire
from model.answering.chat_model import OnnxChatModel
from model.onnx_infer import Engine, EngineOptions
from model.registry.versions import find_live_version
from pages.fetch.client import Fetcher, FetchLimits, PageRefused
from pages.library import Library
from tests.builders.reviewing import BOB
from tests.builders.telemetry import review_a_question
from tests.builders.world import a_world, an_answer

pytest_plugins = ["tests.builders.model_folders"]


def called(told: Recording, name: str) -> list[ReadableSpan]:
    return [span for span in told.spans if span.name == name]


def trace_of(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}"


def parent_of(span: ReadableSpan, told: Recording) -> str:
    """Return the name of the span above, "" for none that is known."""
    if span.parent is None:
        return ""
    [name] = [
        other.name
        for other in told.spans
        if (context := other.get_span_context()) and context.span_id == span.parent.span_id
    ]
    return name


def linked(span: ReadableSpan) -> list[str]:
    return [f"{link.context.trace_id:032x}" for link in span.links]


async def test_a_question_is_one_trace_and_its_steps_are_below_it() -> None:
    with recording() as told:
        async with a_world() as world:
            await world.ask("How much leave?")
            await world.settled()
        [answer] = world.store.answers.values()
    steps = {span.name: parent_of(span, told) for span in told.spans}
    assert steps == {
        "arrival": "",
        "authenticate": "arrival",
        "store": "question",
        "question": "arrival",
        "send": "question",
    }
    assert [parent_of(span, told) for span in called(told, "store")] == ["arrival", "question"]
    assert len({trace_of(span) for span in told.spans}) == 1
    kinds = {span.name: span.kind for span in told.spans if span.kind is not SpanKind.INTERNAL}
    assert kinds == {"arrival": SpanKind.SERVER, "question": SpanKind.CONSUMER}
    [arrival] = called(told, "arrival")
    assert arrival.attributes == {
        "http.request.method": "POST",
        "http.route": "/api/messages",
        "http.response.status_code": 200,
    }
    assert answer.question.trace.split("-")[1] == trace_of(arrival)
    assert {f"{record.log_record.trace_id:032x}" for record in told.records} == {trace_of(arrival)}


async def test_a_stranger_is_a_request_that_was_refused() -> None:
    with recording() as told:
        async with a_world() as world:
            assert (await world.post(world.activity(text="Let me in"), token=None))[0] == 401
    [authenticate, arrival] = told.spans
    assert arrival.attributes is not None
    assert arrival.attributes["http.response.status_code"] == 401
    assert authenticate.attributes == {"error.type": "PermissionError"}
    assert not authenticate.status.is_ok


async def test_a_question_that_a_crash_left_open_goes_on_in_its_trace(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    with recording() as told:
        async with a_world(store=store) as world:
            world.connector.fail(503, times=30)
            await world.ask("How much leave?")
            await world.settled()
            world.connector.recover()
            await world.asking.resume(
                lambda question: world.front.restore_reply(question, world.seam.connector)
            )
            await world.settled()
        await store.close()
    first, again = called(told, "question")
    assert trace_of(first) == trace_of(again)
    assert [event["reason"] for event in told.events("answer_failed")] == ["not_delivered"]
    assert [event["resumed"] for event in told.events("answer_sent")] == [True]


async def test_ruling_notice_and_verified_answer_are_linked_to_the_question_that_they_follow_from() -> None:
    with recording() as told:
        async with a_world() as world:
            await review_a_question(world)
    asked, later = called(told, "question")
    assert trace_of(asked) != trace_of(later)
    [ruling] = called(told, "ruling")
    assert parent_of(ruling, told) == "arrival"
    assert linked(ruling) == [trace_of(asked)]
    followed = called(told, "follow_up")
    assert followed
    assert {link for span in followed for link in linked(span)} == {trace_of(asked)}
    assert {parent_of(span, told) for span in followed} == {""}
    assert linked(later) == [trace_of(asked)]
    assert parent_of(*called(told, "verified")[1:], told) == "question"
    [served] = told.events("verified_served")
    [first, second] = told.events("answer_sent")
    assert (served["reviewed"], served["answer"]) == (first["answer"], second["answer"])


async def test_nothing_is_kept_of_a_trace_where_nothing_is_traced() -> None:
    async with a_world() as world:
        await world.ask("How much leave?")
        await world.settled()
        assert [asked.trace for asked in world.store.questions.values()] == [""]
    with telemetry.span("question", parent="", linked="no traceparent"):
        telemetry.link("00-garbage-01")
        telemetry.link("")
    assert telemetry.here() == ""


# The model


async def found(question: str, limit: int, page: str | None) -> Sequence[Hit]:
    passage = Passage("/site/leave", "Leave", "", "Parents get 16 weeks.", "h", datetime.now(UTC))
    return [Hit(passage, 1.0, 0.9)]


async def test_search_queue_prefill_and_decode_are_steps_of_their_question(tiny_models: Path) -> None:
    version = find_live_version(tiny_models)
    engine = await asyncio.to_thread(Engine.load, version.folder, EngineOptions(context_tokens=2048))
    question = Question("q", "How long?", "a", "c", Channel.LOCAL, datetime.now(UTC))
    try:
        with recording() as told:
            with telemetry.span("question"):
                chat = OnnxChatModel(engine, max_tokens=4)
                answer = await Answering(always_acquire(chat, version.name), found).answer(question)
            metrics = {name: data.data_points for name, data in told.metrics()}
    finally:
        await engine.close()
    assert [(span.name, parent_of(span, told)) for span in told.spans] == [
        ("search", "question"),
        ("queue", "question"),
        ("prefill", "question"),
        ("decode", "question"),
        ("question", ""),
    ]
    queue, prefill, decode = told.spans[1:4]
    assert queue.start_time is not None
    assert prefill.end_time is not None
    assert queue.start_time <= (queue.end_time or 0) <= (prefill.start_time or 0) + 1_000_000
    assert prefill.end_time <= (decode.end_time or 0)
    assert answer.model_version == version.name
    [under_way] = metrics["askpage.engine.under_way"]
    [tokens_out] = metrics["askpage.engine.tokens_out"]
    assert (under_way.value, tokens_out.value) == (0, 4)  # type: ignore[union-attr]


# Pages


async def test_a_pasted_page_that_is_not_read_is_told_by_its_reason_alone() -> None:
    class NoIndex:
        def entry(self, url: str) -> None: ...
        def source_of(self, url: str) -> None: ...

    with recording() as told:
        async with Fetcher(FetchLimits(allowed_sites=("handbook.example.com",))) as fetcher:
            library = Library(NoIndex(), fetcher)  # type: ignore[arg-type]
            for url in ("https://elsewhere.example.com/secret", "/site/nowhere"):
                with pytest.raises(PageRefused):
                    await library.ensure(url)
            await library.close()
    assert told.events("fetch_refused") == [{"reason": "address"}, {"reason": "unreachable"}]


async def test_the_pause_before_a_question_is_of_its_asker() -> None:
    class Answerer:
        async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
            yield replace(an_answer(question), answered_at=datetime.now(UTC))

    with recording() as told:
        async with a_world() as world:
            world.answerer = Answerer()  # type: ignore[assignment]
            chat = {"id": "19:group", "conversationType": "groupChat", "tenantId": "t1"}
            for number, person in enumerate(({}, {"from": BOB}, {}, {"from": BOB})):
                await world.ask("How much leave?", conversation=chat, id=f"170{number}", **person)
                await world.settled()
    pauses = [event.get("pause_seconds") for event in told.events("answer_sent")]
    assert pauses[:2] == [None, None]
    assert all(pause is not None and pause >= 0 for pause in pauses[2:])
