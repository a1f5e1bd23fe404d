"""Slack, from the signed bytes that arrive to the calls that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from bot.cards.answer_text import NOTHING_FOUND
from bot.slack.blocks import QUOTE_LABEL
from core.records import AnswerKind, Channel, FeedbackKind
from tests.builders.slack_world import ADA, SlackWorld, a_slack_world, pressable
from tests.builders.world import ScriptedAnswerer, pseudonym


@pytest.fixture
async def world() -> AsyncGenerator[SlackWorld]:
    async with a_slack_world() as world:
        yield world


async def test_a_mention_is_answered_in_its_thread_streamed_with_sources_and_thumbs(
    world: SlackWorld,
) -> None:
    world.answerer = ScriptedAnswerer(["You get ", "You get 16 weeks."])
    world.answerer.step = asyncio.Semaphore(0)
    event = world.mention("How much leave, &amp; from when?")
    assert await world.event(event) == 200
    world.answerer.step.release()
    await world.slack.until(lambda s: s.of("chat.startStream"))
    world.answerer.step.release()
    await world.settled()
    (message,) = world.slack.messages("C1")
    assert message.thread == event["ts"]
    assert message.markdown == "You get 16 weeks [1]."
    assert "https://bot.example/site/leave#parents" in message.words
    assert "16 weeks of paid leave" in message.words
    assert pressable(message, "thumb")["type"] == "feedback_buttons"
    assert [c.method for c in world.slack.calls if c.method.startswith("chat")] == [
        "chat.startStream",
        "chat.stopStream",
    ]
    (question,) = world.answerer.asked
    assert question.text == "How much leave, & from when?"
    assert question.channel is Channel.SLACK
    assert question.asker == pseudonym("slack:T1:U1")
    assert "U1" not in repr(question).replace(question.reply_to, "")


async def test_a_personal_chat_is_answered_there(world: SlackWorld) -> None:
    message = await world.ask("How much leave?")
    assert (message.channel, message.thread) == ("D1", "")
    assert "You get 16 weeks " in json.dumps(message.blocks)
    assert world.answerer.asked[0].conversation == "T1:D1"


async def test_a_thumb_is_kept_and_thanked_for_to_who_gave_it(world: SlackWorld) -> None:
    message = await world.ask("How much leave?")
    status, _ = await world.interact(
        world.press(message, pressable(message, "thumb"), side="negative_button")
    )
    assert status == 200
    await world.settled()
    (word,) = world.store.feedback.values()
    assert (word.kind, word.value, word.trainable) == (FeedbackKind.THUMB, "dislike", False)
    assert word.giver == pseudonym(f"slack:T1:{ADA}")
    assert "Thank you" in world.slack.whispers[-1]["text"]


# How answers reach people


async def drafted(world: SlackWorld, event: dict[str, Any], *until: str) -> Any:
    """Ask; let the answerer write one draft after the other, each once the bot has called the next method."""
    world.answerer.step = asyncio.Semaphore(0)
    world.answerer.go.clear()
    before = {method: len(world.slack.of(method)) for method in until}
    assert await world.event(event) == 200
    for number, method in enumerate(until):
        world.answerer.step.release()
        seen = before[method] + until[: number + 1].count(method)
        await world.slack.until(lambda s, m=method, n=seen: len(s.of(m)) >= n)
    world.answerer.go.set()
    await world.settled()
    return world.slack.messages()[-1]


async def test_in_a_chat_without_threads_the_message_is_edited(world: SlackWorld) -> None:
    world.answerer = ScriptedAnswerer(["You get ", "You get 16 weeks of "])
    message = await drafted(world, world.dm("How much leave?"), "chat.postMessage", "chat.update")
    assert len(world.slack.messages()) == 1
    assert "16 weeks " in message.words
    assert pressable(message, "thumb")
    assert not world.slack.of("chat.startStream")


async def test_where_a_workspace_has_no_streams_messages_are_edited_from_then_on(world: SlackWorld) -> None:
    world.slack.streams = False
    world.answerer = ScriptedAnswerer(["You get "])
    for expected in (1, 1):
        await drafted(world, world.mention("How much leave?"), "chat.postMessage")
        tried = [call for call in world.slack.calls if call.method == "chat.startStream"]
        assert len(tried) == expected
    assert all("16 weeks" in message.words for message in world.slack.messages("C1"))


async def test_where_channels_have_no_streams_chats_still_do(world: SlackWorld) -> None:
    world.slack.fail("chat.startStream", "channel_type_not_supported")
    world.answerer = ScriptedAnswerer(["You get "])
    await drafted(world, world.mention("How much leave?"), "chat.postMessage")
    await drafted(world, world.mention("How much leave?"), "chat.postMessage")
    pane = world.dm("How much leave?", thread_ts="1700000000.100000")
    await drafted(world, pane, "chat.startStream")
    assert [call.error for call in world.slack.calls if call.method == "chat.startStream"] == [
        "channel_type_not_supported",
        "",
    ]


async def test_a_stream_that_slack_closed_by_itself_is_written_over(world: SlackWorld) -> None:
    world.answerer = ScriptedAnswerer(["You get "])
    world.slack.fail("chat.stopStream", "message_not_in_streaming_state")
    world.answerer.go.clear()
    await world.event(world.mention("How much leave?"))
    (message,) = await world.slack.until(lambda s: s.messages("C1"))
    message.streaming = False
    world.answerer.go.set()
    await world.settled()
    assert "You get 16 weeks " in json.dumps(message.blocks)
    assert len(world.slack.messages()) == 1


async def test_an_answer_that_reads_otherwise_than_its_drafts_is_written_over_the_stream(
    world: SlackWorld,
) -> None:
    world.answerer = ScriptedAnswerer(
        ["It is unclear "], text="That is not on this page.", kind=AnswerKind.DECLINED
    )
    message = await drafted(world, world.mention("How much leave?"), "chat.startStream")
    assert "unclear" not in message.words
    assert NOTHING_FOUND in message.words
    assert not message.streaming


async def test_a_quotation_is_a_message_that_the_answer_is_written_over(world: SlackWorld) -> None:
    world.answerer = ScriptedAnswerer(["You get 16 weeks of "])
    world.answerer.quotes = True
    world.answerer.step = asyncio.Semaphore(0)
    await world.event(world.mention("How much leave?"))
    (first,) = await world.slack.until(lambda s: s.messages("C1"))
    assert "I am not certain, but “Leave › Parents” says:" in first.words
    assert "feedback_buttons" not in first.words
    world.answerer.step.release()
    await world.settled()
    (message,) = world.slack.messages("C1")
    assert "You get 16 weeks " in message.words
    assert "I am not certain" not in message.words
    assert pressable(message, "thumb")
    assert not world.slack.of("chat.startStream")
    assert len(world.slack.of("chat.update")) == 1


async def test_a_quotation_keeps_its_letters_its_lines_and_what_answers_best(world: SlackWorld) -> None:
    world.answerer = ScriptedAnswerer(text="")
    world.answerer.quotes = True
    message = await world.ask("How much leave?")
    parts = [part for block in message.blocks if block["type"] == "rich_text" for part in block["elements"]]
    (quotation, _) = [part["elements"] for part in parts if part["type"] == "rich_text_quote"]
    assert "".join(piece["text"] for piece in quotation) == (
        "Parents get 16 weeks of paid leave. It is for *both*:\n• <b>mothers</b>\n"
        "• fathers, see [here](https://evil.example/)\n\u2003• and `__others__`"
    )
    bold = [piece["text"] for piece in quotation if piece.get("style", {}).get("bold")]
    assert bold == ["Parents get 16 weeks of paid leave."]
    assert QUOTE_LABEL in message.words
    assert "<" not in message.text


async def test_a_long_answer_grows_word_by_word_and_ends_as_one_message(world: SlackWorld) -> None:
    words = ["You", "get", "16", "weeks", "of", "leave,", "and", "more", "where", "the", "page", "says", "so"]
    world.answerer = ScriptedAnswerer([" ".join(words[:n]) + " " for n in range(3, 12, 3)], " ".join(words))
    methods = ("chat.startStream", "chat.appendStream", "chat.appendStream")
    message = await drafted(world, world.mention("Leave?"), *methods)
    assert message.markdown == " ".join(words)
    assert len(world.slack.messages()) == 1


async def test_the_assistant_pane_gets_questions_to_choose_from_and_shows_that_it_works(
    world: SlackWorld,
) -> None:
    started = {
        "type": "assistant_thread_started",
        "assistant_thread": {
            "user_id": ADA,
            "context": {"channel_id": "C1", "team_id": "T1", "enterprise_id": None},
            "channel_id": "D1",
            "thread_ts": "1700000000.100000",
        },
        "event_ts": "1700000000.100001",
    }
    assert await world.event(started) == 200
    await world.settled()
    (call,) = world.slack.of("assistant.threads.setSuggestedPrompts")
    assert [p["message"] for p in call.params["prompts"]] == ["Who am I?", "help"]
    message = await world.ask("How much leave?", thread_ts="1700000000.100000")
    assert message.thread == "1700000000.100000"
    (status,) = world.slack.of("assistant.threads.setStatus")
    assert status.params["status"] == "is reading the pages…"
    assert world.answerer.asked[0].conversation == "T1:D1;messageid=1700000000.100000"


async def test_a_follow_up_in_a_thread_is_of_the_same_conversation(world: SlackWorld) -> None:
    first = world.mention("How much leave?")
    await world.event(first)
    await world.settled()
    await world.event(world.mention("And for part-timers?", thread_ts=first["ts"]))
    await world.settled()
    assert len({question.conversation for question in world.answerer.asked}) == 1
    assert {message.thread for message in world.slack.messages("C1")} == {first["ts"]}


async def test_what_slack_sends_again_is_answered_once(world: SlackWorld) -> None:
    body = json.dumps(world.envelope(world.mention("How much leave?"))).encode()
    world.answerer.go.clear()
    again = {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    assert [(await world.post(body, headers=h))[0] for h in ({}, again, again)] == [200, 200, 200]
    world.answerer.go.set()
    await world.settled()
    assert len(world.slack.messages()) == 1
    assert len(world.answerer.asked) == 1


async def test_a_question_that_could_not_be_kept_in_time_is_not_acknowledged(
    world: SlackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.slack.endpoint.ACK_S", 0.05)
    kept = asyncio.Event()
    add = world.store.add_question

    async def slow(question: Any) -> bool:
        await kept.wait()
        return await add(question)

    world.store.add_question = slow
    body = json.dumps(world.envelope(world.mention("How much leave?"))).encode()
    assert (await world.post(body))[0] == 503
    assert not world.store.questions
    kept.set()
    assert (await world.post(body, headers={"X-Slack-Retry-Num": "1"}))[0] == 200
    await world.settled()
    assert len(world.slack.messages()) == 1


async def test_a_question_left_open_is_answered_after_a_restart(world: SlackWorld) -> None:
    world.slack.fail("chat.postMessage", "internal_error", status=500, times=4)
    await world.event(world.dm("How much leave?"))
    await world.settled()
    assert not world.slack.messages()
    resumed = await world.asking.resume(world.bot.restore_reply)
    await world.settled()
    assert resumed == 1
    assert "16 weeks " in world.slack.messages("D1")[0].words


async def test_when_slack_says_too_fast_the_bot_waits_as_long_as_it_says(world: SlackWorld) -> None:
    world.slack.fail("chat.postMessage", "ratelimited", status=429, headers={"Retry-After": "3"})
    await world.ask("How much leave?")
    refused, done = (call for call in world.slack.calls if call.method == "chat.postMessage")
    assert refused.error == "ratelimited"
    assert done.at - refused.at >= 3 * world.slack.second_s


async def test_many_answers_in_one_channel_keep_its_pace(world: SlackWorld) -> None:
    await asyncio.gather(*(world.event(world.mention(f"How much leave, {n}?")) for n in range(12)))
    await world.settled()
    assert len(world.slack.messages("C1")) == 12  # and no rule is broken


async def test_help_says_what_the_bot_does_and_its_buttons_ask(world: SlackWorld) -> None:
    message = await world.ask("help")
    assert "Ask me about your pages" in message.words
    await world.interact(world.press(message, pressable(message, "say")))
    await world.settled()
    assert world.answerer.asked[0].text == "Who am I?"


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("<@UBOT>  what about &lt;b&gt;?", "what about <b>?"),
        ("<@UBOT> see <https://example.org/a?b=1&amp;c=2|this page>", "see"),
        ("ask <@U7|bob> in <#C7|general> <!here|here> now", "ask bob in #general here now"),
        ("<@UBOT>", ""),
    ],
)
async def test_slacks_markup_is_written_out_in_questions(world: SlackWorld, text: str, question: str) -> None:
    await world.event(world.mention("") | {"text": text})
    await world.settled()
    assert [one.text for one in world.answerer.asked] == ([question] if question else [])


async def test_an_edited_question_is_answered_anew_over_the_answer_before(world: SlackWorld) -> None:
    before = world.dm("How much leave?")
    await world.event(before)
    await world.settled()
    world.answerer = ScriptedAnswerer(text="You get 4 weeks [1].")
    after = {key: before[key] for key in ("type", "user", "ts", "team")} | {"text": "How much vacation?"}
    changed = {
        "type": "message",
        "subtype": "message_changed",
        "channel": "D1",
        "channel_type": "im",
        "message": after | {"edited": {"user": ADA, "ts": "1700000001.000000"}},
        "previous_message": before,
        "ts": "1700000001.000000",
        "event_ts": "1700000001.000000",
    }
    assert await world.event(changed) == 200
    await world.settled()
    (message,) = world.slack.messages("D1")
    assert "4 weeks" in message.words
    assert [answer.question.text for answer in world.store.answers.values()] == ["How much vacation?"]


async def test_a_deleted_question_is_forgotten_and_its_answer_taken_back(world: SlackWorld) -> None:
    asked = world.dm("How much leave?")
    await world.event(asked)
    await world.settled()
    assert await world.event(world.deletion(asked)) == 200
    await world.settled()
    assert not world.slack.messages()
    assert not world.store.questions
    assert not world.store.answers


@pytest.mark.parametrize(
    "changes",
    [
        {"bot_id": "B7"},
        {"user": "UBOT"},
        {"subtype": "bot_message", "bot_id": "B7"},
        {"subtype": "channel_join"},
        {"subtype": "assistant_app_thread"},
        {"channel_type": "channel", "channel": "C1"},
        {"user": None},
    ],
)
async def test_what_nobody_asked_is_no_question(world: SlackWorld, changes: dict[str, Any]) -> None:
    assert await world.event(world.dm("How much leave?", **changes)) == 200
    await world.settled()
    assert not world.store.questions
    assert not world.slack.messages()


# What people think


async def test_reactions_are_kept_and_withdrawn_whatever_their_skin(world: SlackWorld) -> None:
    first = world.mention("How much leave?")
    await world.event(first)
    await world.settled()
    (message,) = world.slack.messages("C1")
    item = {"type": "message", "channel": "C1", "ts": message.ts}
    reaction = {"user": "U2", "reaction": "+1::skin-tone-3", "item": item, "item_user": "UBOT"}
    await world.event({"type": "reaction_added", "event_ts": world.ts(), **reaction})
    (word,) = world.store.feedback.values()
    assert (word.kind, word.value, word.withdrawn_at) == (FeedbackKind.REACTION, "+1", None)
    await world.event({"type": "reaction_removed", "event_ts": world.ts(), **reaction})
    (word,) = world.store.feedback.values()
    assert word.withdrawn_at is not None


async def test_a_reaction_to_an_answer_that_is_still_written_finds_it(world: SlackWorld) -> None:
    world.answerer = ScriptedAnswerer(["You get "])
    world.answerer.go.clear()
    await world.event(world.mention("How much leave?"))
    (started,) = await world.slack.until(lambda s: s.messages("C1"))
    item = {"type": "message", "channel": "C1", "ts": started.ts}
    await world.event({"type": "reaction_added", "user": "U2", "reaction": "x", "item": item})
    assert not world.store.feedback
    world.answerer.go.set()
    await world.settled()
    (word,) = world.store.feedback.values()
    assert word.value == "x"


async def test_in_a_chat_thanks_are_an_ordinary_message_where_slack_has_no_other(world: SlackWorld) -> None:
    message = await world.ask("How much leave?")
    world.slack.fail("chat.postEphemeral", "channel_not_found")
    await world.interact(world.press(message, pressable(message, "thumb")))
    await world.settled()
    assert "Thank you" in world.slack.messages("D1")[-1].words


async def test_stars_are_chosen_in_a_list_and_a_comment_in_a_form(world: SlackWorld) -> None:
    world.answerer.changes["form"] = "stars@1"
    message = await world.ask("How much leave?")
    await world.interact(world.press(message, pressable(message, "stars"), option=3))
    await world.settled()
    assert "You gave ★★★★☆." in world.slack.whispers[-1]["text"]
    await world.interact(world.press(message, pressable(message, "open:rate.comment")))
    await world.settled()
    (view,) = world.slack.views
    status, body = await world.interact(world.submission(view, {"comment": "Which page is that?"}))
    assert (status, body) == (200, "")
    await world.settled()
    kept = {word.kind: word for word in world.store.feedback.values()}
    assert kept[FeedbackKind.STARS].value == "4"
    assert kept[FeedbackKind.COMMENT].comment == "Which page is that?"


async def test_a_form_that_lacks_something_says_so_and_stays_open(world: SlackWorld) -> None:
    message = await world.ask("How much leave?")
    await world.interact(world.press(message, pressable(message, "open:rate.comment")))
    await world.settled()
    (view,) = world.slack.views
    _, body = await world.interact(world.submission(view, {"comment": "  "}))
    assert json.loads(body) == {
        "response_action": "errors",
        "errors": {"comment": "Please write something first."},
    }
    assert not world.store.feedback


async def test_a_thumb_that_asks_why_opens_its_form_and_keeps_the_reasons(world: SlackWorld) -> None:
    world.answerer.changes["form"] = "reasons@1"
    message = await world.ask("How much leave?")
    await world.interact(world.press(message, pressable(message, "thumb"), side="negative_button"))
    await world.settled()
    (word,) = world.store.feedback.values()
    assert (word.value, word.reasons) == ("dislike", ())  # kept before the form is
    (view,) = world.slack.views
    assert view["title"]["text"] == "What went wrong?"
    values = {"reasons": ["wrong", "outdated"], "feedbackText": "It says 20 weeks."}
    await world.interact(world.submission(view, values))
    await world.settled()
    (word,) = world.store.feedback.values()
    assert (word.value, word.reasons, word.comment) == (
        "dislike",
        ("wrong", "outdated"),
        "It says 20 weeks.",
    )


async def test_whoever_asks_for_an_expert_is_told_and_reviewers_get_a_card(world: SlackWorld) -> None:
    message = await world.ask("How much leave?")
    await world.interact(world.press(message, pressable(message, "act:rate.expert")))
    await world.settled()
    assert "A colleague will look at this" in world.slack.whispers[-1]["text"]
    await world.card_sync()
    assert "Please review" in world.slack.messages("C9")[0].words
    assert "Under review by a colleague" in world.slack.messages("D1")[0].words
