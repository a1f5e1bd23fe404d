"""What is told: only what the tables have, nothing that anybody wrote, one trace a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.dialogs.rate import RatingRules, Said, Word
from core import telemetry
from core.records import Feedback, FeedbackKind
from core.telemetry.vocabulary import EVENTS, PROPERTIES, NotAllowed
from exporters.in_memory import Recording, recording
from tests.builders.reviewing import BOB, press, shown_in
from tests.builders.telemetry import ADA, RARE, ROBIN, say_everything
from tests.builders.world import NO_SAMPLE, a_world, pseudonym


@pytest.fixture
def told() -> Iterator[Recording]:
    with recording() as told:
        yield told


@pytest.fixture
def leniently() -> Iterator[None]:
    telemetry.be_strict(strict=False)
    yield
    telemetry.be_strict()


async def test_small_talk_is_not_told_as_a_question(told: Recording) -> None:
    async with a_world() as world:
        await world.ask("thanks!", id="1")
        await world.settled()
        assert not any(told.events(name) for name in ("question_asked", "answer_sent", "answer_failed"))
        await world.ask("how long is the leave?", id="2")
        await world.settled()
    assert len(told.events("question_asked")) == 1


# The tables


def test_every_property_of_every_event_is_one_that_may_be_told() -> None:
    for name, event in EVENTS.items():
        assert set(event.properties) <= set(PROPERTIES), name
    assert {name for event in EVENTS.values() for name in event.properties} == set(PROPERTIES)


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("somebody_sneezed", {}),
        ("job_finished", {"text": "hello"}),
        ("job_finished", {"channel": "msteams"}),  # another event's
        ("job_finished", {"job": "How much leave do I get?"}),
        ("job_finished", {"outcome": "splendid"}),
        ("job_finished", {"seconds": "1"}),
        ("job_finished", {"seconds": float("nan")}),
        ("job_finished", {"count": True}),
        ("answer_sent", {"abstained": "perhaps"}),
        ("answer_sent", {"answer": "a:chat/1700000000001"}),
        ("answer_sent", {"model_version": "What is the meaning of life?"}),
    ],
)
def test_what_the_tables_do_not_have_raises_here_and_is_left_out_in_production(
    name: str, properties: dict[str, Any], told: Recording, leniently: None
) -> None:
    telemetry.event(name, **properties)
    assert told.events(name) == ([{}] if name in EVENTS else [])
    telemetry.be_strict()
    with pytest.raises(NotAllowed) as refused:
        telemetry.event(name, **properties)
    assert not any(str(value) in str(refused.value) for value in properties.values()), "the value is repeated"


def test_a_span_that_the_table_does_not_have_raises() -> None:
    with pytest.raises(NotAllowed), telemetry.span("How much leave?"):
        pass
    with pytest.raises(NotAllowed):
        telemetry.past_span("nap", 0.0, 1.0)


def test_what_a_channel_calls_a_language_and_a_site_that_nobody_named_are_not_repeated(
    told: Recording,
) -> None:
    telemetry.use_key(b"a key", ["handbook.example.com"])
    try:
        for language in ("en", "", "zz", RARE):
            telemetry.event("answer_failed", language=language)
        for site in ("handbook.example.com", "own pages", f"{RARE}.example.com", None):
            telemetry.event("answer_sent", site=site)
        hashed = telemetry.hash_answer_id("an answer")
    finally:
        telemetry.use_key(b"")
    assert [event["language"] for event in told.events("answer_failed")] == [
        "en",
        "unknown",
        "other",
        "other",
    ]
    sites = [event.get("site") for event in told.events("answer_sent")]
    assert sites == ["handbook.example.com", "own pages", "other", None]
    assert hashed != telemetry.hash_answer_id("an answer"), "without the key, nobody can find an answer again"


def test_an_exception_tells_its_kind_and_its_place_in_the_code_and_no_word_of_it(told: Recording) -> None:
    error = ValueError(RARE)
    try:
        with telemetry.span("search"):
            raise error
    except ValueError:
        with telemetry.span("question"):
            telemetry.record_error(error)
    search, question = told.spans
    assert (search.status.is_ok, search.attributes) == (False, {"error.type": "ValueError"})
    [event] = question.events
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "ValueError"
    assert "tests/core/test_telemetry.py" in str(event.attributes["exception.stacktrace"])
    assert RARE not in all_of(told)


def all_of(told: Recording) -> str:
    """Return all that was told, as JSON."""
    spans = [span.to_json() for span in told.spans]
    events = [record.to_json() for record in told.records]
    metrics = [f"{name} {data.to_json()}" for name, data in told.metrics()]
    return "\n".join([*spans, *events, *metrics])


async def test_no_word_that_anybody_wrote_and_no_id_is_told_whatever_people_do(told: Recording) -> None:
    async with a_world(rules=(RatingRules(), NO_SAMPLE)) as world:
        await say_everything(world)
        ids = {asked.id for asked in world.store.questions.values()}
        ids |= {answer.id for answer in world.store.answers.values()}
        ids |= {pseudonym(person["aadObjectId"]) for person in (ADA, ROBIN)}
    names = {record.log_record.event_name for record in told.records}
    assert names == {
        *("question_asked", "answer_sent", "answer_failed", "question_forgotten", "feedback_given"),
        *("review_opened", "review_ruled", "verified_served"),
    }
    reasons = {event["reason"] for event in told.events("answer_failed")}
    assert reasons == {"error", "busy", "page_refused", "stopped", "undeliverable", "not_delivered"}
    assert {event["value"] for event in told.events("feedback_given")} >= {"other", "up", "1", "2", "dislike"}
    everything = all_of(told)
    assert "answer_sent" in everything
    assert RARE not in everything
    for one in ids | {"aad-robin", "19:reviewers", "1700000000001", "29:", "example.com"}:
        assert one not in everything, one


async def test_a_change_of_mind_is_told_with_what_the_answer_has_then(told: Recording) -> None:
    async with a_world() as world:
        world.answerer.changes["form"] = "stars@3"
        await world.ask("How much leave?")
        await world.settled()
        answer = await shown_in(world, "a:chat", "You get 16 weeks")
        ada = {"id": "29:ada", "name": "Ada", "aadObjectId": "aad-ada"}
        for person, stars in ((ada, 2), (ada, 5), (BOB, 3), (BOB, 3)):
            await press(world, answer, "rate.stars", person, stars=stars, comment="")
    assert [
        (event["value"], event["stars"], event["starred"]) for event in told.events("feedback_given")
    ] == [
        ("2", 2, 1),
        ("5", 5, 1),
        ("3", 8, 2),
        ("3", 8, 2),
    ]


async def test_where_nobody_listens_no_word_is_looked_up_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_world() as world:
        await world.ask("How much leave?")
        await world.settled()
        looked: list[str] = []

        async def feedback_on(answer_id: str) -> Sequence[Feedback]:
            looked.append(answer_id)
            return []

        monkeypatch.setattr(world.store, "feedback_on", feedback_on)
        [answer] = world.store.answers.values()
        said = Said("p", "", datetime.now(UTC))
        await world.parts.rating.give(answer, Word(FeedbackKind.THUMB, "like"), said)
        assert looked == []
        with recording():
            await world.parts.rating.give(answer, Word(FeedbackKind.THUMB, "like"), said)
        assert looked == [answer.id]


async def test_another_search_head_is_told_once_and_named_with_each_answer_after_it(told: Recording) -> None:
    head = "head-0123456789ab"
    async with a_world() as world:
        await world.ask("how long is the leave?", id="1")
        await world.settled()
        try:
            for name in (head, head, ""):
                telemetry.use_search(name)
                await world.ask("how long is the leave?", id=f"2{name}{len(told.events('answer_sent'))}")
                await world.settled()
        finally:
            telemetry.use_search("")
    assert [one["search_version"] for one in told.events("search_changed")] == [head, "shipped"]
    named = [one["search_version"] for one in told.events("answer_sent")]
    assert named == ["shipped", head, head, "shipped"]
