"""“Your correction is live” in a channel is for one person; a corrected answer loses its old words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.cards.answer import REPLACED, Standing
from bot.channels.answer_message import compose_messages, compose_thanks
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Feedback,
    FeedbackKind,
    Question,
    ReviewReason,
    Ruling,
    Verdict,
)
from tests.builders.slack_world import ADA, a_slack_world
from tests.builders.world import GROUP, NOW, a_quote, a_world, an_answer

Json = dict[str, Any]
LIVE = "Your correction is live"


async def correct(world: Any, answer: Answer) -> None:
    """Let a reviewer correct an answer, and everybody be told."""
    reviewing = world.parts.reviewing
    await reviewing.flag(answer, ReviewReason.THUMB_DOWN)
    verdict = Verdict("robin", "Robin", Ruling.CORRECTED, datetime.now(UTC), "You get 18 weeks.")
    await reviewing.rule(answer.id, 1, verdict)
    await world.parts.card_sync.process_outbox()


def the_answer(world: Any) -> Answer:
    (answer,) = world.store.answers.values()
    return answer


async def test_in_a_group_of_teams_only_the_asker_sees_it() -> None:
    async with a_world() as world:
        await world.ask("How long is leave?", id="q1", conversation=GROUP)
        await world.settled()
        await correct(world, the_answer(world))
        (told,) = [call for call in world.connector.calls if LIVE in json.dumps(call.activity)]
        assert told.targeted
        assert "29:ada" not in repr(world.store.documents.kept)  # who that is, is kept encrypted
        assert told.activity["recipient"]["id"] == "29:ada"
        await world.parts.card_sync.process_outbox()
        assert len([call for call in world.connector.calls if LIVE in json.dumps(call.activity)]) == 1


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_where_teams_does_not_take_it_the_asker_is_told_in_their_own_chat(status: int) -> None:
    async with a_world() as world:
        await world.ask("hello there, who are you?", id="q0")  # so their chat is known
        await world.ask("How long is leave?", id="q1", conversation=GROUP)
        await world.settled()
        world.connector.fail(status, when=lambda one: LIVE in json.dumps(one))
        await correct(world, the_answer(world))
        told = [call for call in world.connector.calls if LIVE in json.dumps(call.activity)]
        assert [(call.conversation, call.targeted) for call in told] == [
            (GROUP["id"], True),
            ("a:chat", False),
        ]


async def test_where_nothing_leads_to_them_alone_they_are_told_in_front_of_all_once() -> None:
    async with a_world() as world:
        await world.ask("How long is leave?", id="q1", conversation=GROUP)
        await world.settled()
        world.connector.fail(403, when=lambda one: LIVE in json.dumps(one))
        await correct(world, the_answer(world))
        told = [call for call in world.connector.calls if LIVE in json.dumps(call.activity)]
        assert [call.targeted for call in told] == [True, False]


async def test_what_may_pass_is_tried_again_and_told_once() -> None:
    async with a_world() as world:
        await world.ask("How long is leave?", id="q1", conversation=GROUP)
        await world.settled()
        world.connector.fail(500, when=lambda one: LIVE in json.dumps(one))
        await correct(world, the_answer(world))
        await world.parts.card_sync.process_outbox()
        told = [call for call in world.connector.calls if LIVE in json.dumps(call.activity)]
        assert [(call.status, call.targeted) for call in told] == [(500, True), (201, True)]


async def test_in_a_channel_of_slack_it_is_ephemeral_and_in_the_thread() -> None:
    async with a_slack_world() as world:
        asked = world.mention("How long is leave?")
        await world.event(asked)
        await world.settled()
        await correct(world, the_answer(world))
        await world.settled()
        (whisper,) = world.slack.whispers
        assert LIVE in json.dumps(whisper)
        assert (whisper["user"], whisper["thread_ts"]) == (ADA, asked["ts"])
        assert not any(LIVE in message.words for message in world.slack.messages("C1"))
        assert REPLACED["corrected"] in "".join(message.words for message in world.slack.messages("C1"))


def a_question() -> Question:
    return Question("q", "How long is leave?", "ada", "c", Channel.TEAMS, NOW)


@pytest.mark.parametrize("state", ["corrected", "not_on_page"])
@pytest.mark.parametrize("make", [an_answer, a_quote])
def test_a_corrected_answer_has_neither_its_old_words_nor_their_label(state: Any, make: Any) -> None:
    (message,) = compose_messages(
        make(a_question()), "https://bot.example", Standing(state, NOW, "18 weeks.")
    )
    assert message.text == REPLACED[state]
    assert not message.label
    assert not message.citations
    assert "16 weeks" not in repr(message)


@pytest.mark.parametrize(("written_on", "label"), [("", "written"), ("slack", "")])
def test_what_a_reviewer_wrote_is_not_called_generated(written_on: str, label: str) -> None:
    answer = an_answer(a_question(), kind=AnswerKind.ANSWERED, written_on=written_on, verified_by="robin")
    assert compose_messages(answer, "https://bot.example")[-1].label == label


def test_once_a_colleague_has_looked_nobody_is_promised_to_hear() -> None:
    word = Feedback("a", "ada", FeedbackKind.EXPERT, "", trainable=True, given_at=NOW)
    assert "you will hear" in compose_thanks([word])
    assert "you will hear" not in compose_thanks([word], promises=False)
