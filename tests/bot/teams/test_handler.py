"""Teams, from the bytes that arrive to the bytes that leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.channel import StreamPace
from bot.channels.handler import FILES_UNREAD
from bot.channels.links import ABOUT_THE_PAGE, split_page
from bot.channels.reply import StreamedReply
from bot.dialogs.ask import WENT_WRONG
from core.records import Answer, AnswerKind, Channel, FeedbackKind
from core.text import utf16_bytes
from feedback.gaps.report import Gap, Report, keep_report, read_report
from feedback.reviews.unmatched import count_unmatched
from feedback.store.sqlite import SqliteStore
from model.onnx_infer import EngineBusy
from pages.fetch.client import PageRefused
from tests.builders.world import BOT, CITED, GROUP, ScriptedAnswerer, World, a_world, pseudonym
from tests.doubles.teams_connector import Call

THREAD = {
    "id": "19:channel@thread.tacv2;messageid=1700000000000",
    "conversationType": "channel",
    "isGroup": True,
}

STOP = '{"error":{"code":"ContentStreamNotAllowed","message":"Content stream was canceled by user."}}'


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with a_world() as world:
        yield world


def card(call: Call) -> dict[str, Any]:
    (attachment,) = call.activity["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    return attachment["content"]


async def thumb(world: World, reaction: str, feedback: Any = None, **fields: Any) -> tuple[int, str]:
    value = {"actionName": "feedback", "actionValue": {"reaction": reaction, "feedback": feedback}}
    return await world.post(world.activity("invoke", name="message/submitAction", value=value, **fields))


# Questions


async def test_a_personal_chat_streams_and_ends_with_label_citations_thumbs_and_sources(world: World) -> None:
    world.answerer = ScriptedAnswerer(["You get", "You get 16 weeks"])
    world.answerer.step = asyncio.Semaphore(0)
    await world.ask("How much leave?")
    for part in range(1, 3):
        await world.connector.until(lambda s, part=part: len(s.calls) == part)
        world.answerer.step.release()
    (last,) = await world.connector.messages()
    first, *drafts = world.connector.calls[:-1]
    assert first.stream == {"type": "streaminfo", "streamType": "informative", "streamSequence": 1}
    assert [(d.activity["text"], d.stream["streamType"]) for d in drafts[:1]] == [("You get", "streaming")]
    assert last.stream == {"type": "streaminfo", "streamType": "final", "streamId": "m1"}
    label = last.activity["entities"][1]
    assert label["additionalType"] == ["AIGeneratedContent"]
    assert label["citation"] == [
        {
            "@type": "Claim",
            "position": 1,
            "appearance": {
                "@type": "DigitalDocument",
                "name": "Leave",
                "abstract": "16 weeks of paid leave",
                "url": "https://bot.example/site/leave#parents",
            },
        }
    ]
    assert last.activity["channelData"]["feedbackLoop"] == {"type": "default"}
    assert "https://bot.example/site/leave#parents" in json.dumps(card(last))
    await world.settled()
    assert world.store.delivered == {"msteams:a:chat:1700000000001": "m1"}


async def test_a_group_chat_and_a_channel_see_typing_and_one_message_in_the_thread(world: World) -> None:
    world.answerer = ScriptedAnswerer(["You get"])
    for number, conversation in enumerate((GROUP, THREAD)):
        text = "<at>Page Bot</at> How much&nbsp;leave, <at>Bob</at>?"
        mentions = [
            {"type": "mention", "text": "<at>Page Bot</at>", "mentioned": BOT},
            {"type": "mention", "text": "<at>Bob</at>", "mentioned": {"id": "29:bob", "name": "Bob"}},
        ]
        await world.ask(text, conversation=conversation, entities=mentions, id=str(number))
        await world.settled()
        typing, message = world.connector.calls[-2:]
        assert typing.activity["type"] == "typing"
        assert not typing.stream
        assert message.conversation == conversation["id"]
        assert message.activity["replyToId"] == str(number)
        assert world.answerer.asked[-1].text == "How much leave, Bob ?"
        assert world.answerer.asked[-1].conversation == conversation["id"]


async def test_the_asker_is_a_pseudonym_and_nothing_else_of_the_person_is_kept(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    (question,) = world.answerer.asked
    assert question.asker == pseudonym("aad-ada")
    assert question.channel is Channel.TEAMS
    assert "Ada" not in repr(question)
    assert "aad-ada" not in repr(question)


async def test_a_redelivered_message_is_answered_once(world: World) -> None:
    await asyncio.gather(*(world.ask("How much leave?") for _ in range(5)))
    await world.settled()
    assert len(await world.connector.messages()) == 1


@pytest.mark.parametrize(
    ("text", "question", "page"),
    [
        ("What is on https://example.org/a?b=1#c?", "What is on?", "https://example.org/a?b=1#c"),
        ("(see https://example.org/x_(y)) leave?", "(see) leave?", "https://example.org/x_(y)"),
        ("[it](https://example.org/z) leave?", "leave?", "https://example.org/z"),
        ("https://example.org", ABOUT_THE_PAGE, "https://example.org"),
        ("<https://example.org/> ?", ABOUT_THE_PAGE, "https://example.org/"),
        ("HTTPS://EXAMPLE.org/x, leave", ", leave", "HTTPS://EXAMPLE.org/x"),
        ("two https://a.example https://b.example", "two https://b.example", "https://a.example"),
        ("no address, ftp://x.example", "no address, ftp://x.example", None),
    ],
)
def test_an_address_in_a_question_is_its_page(text: str, question: str, page: str | None) -> None:
    assert split_page(text) == (question, page)


async def test_help_and_an_empty_message_get_the_help_card(world: World) -> None:
    for number, text in enumerate(["help", " Help! ", "", "<at>Page Bot</at>"]):
        mention = [{"type": "mention", "text": "<at>Page Bot</at>", "mentioned": BOT}]
        await world.ask(text, id=str(number), entities=mention)
        await world.front.close()
        assert "Ask me about your pages" in json.dumps(card(world.connector.calls[-1]))
    assert not world.answerer.asked


FILE = {
    "contentType": "application/vnd.microsoft.teams.file.download.info",
    "contentUrl": "https://contoso.sharepoint.com/personal/leave.pdf",
    "name": "leave.pdf",
    "content": {"downloadUrl": "https://download.example/leave.pdf", "uniqueId": "1", "fileType": "pdf"},
}
PICTURE = {"contentType": "image/*", "contentUrl": "https://smba.example/v3/attachments/1/views/original"}


@pytest.mark.parametrize("attached", [FILE, PICTURE])
@pytest.mark.parametrize("text", ["What does it say?", ""])
async def test_of_a_file_it_is_said_that_nobody_reads_it(world: World, text: str, attached: Any) -> None:
    await world.ask(text, attachments=[attached])
    await world.settled()
    assert not world.answerer.asked
    assert FILES_UNREAD in json.dumps(world.connector.calls[-1].activity)


async def test_a_file_beside_the_address_of_a_page_is_no_hindrance(world: World) -> None:
    html_part = {"contentType": "text/html", "content": "<p>How long is leave?</p>"}
    await world.ask("How long is leave? https://example.org/a", attachments=[FILE, html_part])
    await world.ask("How long is leave?", attachments=[html_part], id="2")
    await world.settled()
    assert len(world.answerer.asked) == 2


async def test_an_example_of_the_help_card_asks_in_clients_that_only_submit(world: World) -> None:
    await world.post(world.activity(value={"question": "Who am I?"}))
    await world.settled()
    assert world.answerer.asked[0].text == "Who am I?"
    await world.post(world.activity(value={"unknown": 1}, id="2"))
    assert len(world.answerer.asked) == 1


async def test_refusals_and_failures_are_told_in_a_sentence(world: World) -> None:
    for number, (error, sentence) in enumerate(
        [
            (EngineBusy(7), "about 7 seconds"),
            (PageRefused("This site is not allowed."), "not allowed"),
            (RuntimeError("a bug"), WENT_WRONG),
        ]
    ):
        world.answerer.raises = error
        await world.ask("How much leave?", id=str(number))
        await world.settled()
        assert sentence in world.connector.calls[-1].activity["text"]


async def test_a_question_that_cannot_be_kept_is_refused_in_words(world: World) -> None:
    world.store.down = True
    await world.ask("How much leave?")
    (message,) = await world.connector.messages()
    assert "ask again" in message.activity["text"]
    assert not world.answerer.asked


async def test_what_a_bot_says_is_no_question(world: World) -> None:
    await world.ask("How much leave?", **{"from": {"id": "28:other", "role": "bot"}})
    assert not world.store.questions


# Streams and failing channels


async def test_where_streaming_is_refused_the_answer_is_one_plain_message(world: World) -> None:
    world.connector.fail(
        403, times=99, when=lambda a: any(e["type"] == "streaminfo" for e in a.get("entities", []))
    )
    world.answerer = ScriptedAnswerer(["You get"])
    await world.ask("How much leave?")
    (message,) = await world.connector.messages()
    assert not message.stream
    assert message.activity["text"] == "You get 16 weeks [1]."


async def test_a_stream_that_cannot_be_finished_becomes_a_plain_message(world: World) -> None:
    world.connector.fail(400, when=lambda a: a["type"] == "message")
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    world.answerer.go.set()
    (message,) = await world.connector.messages()
    assert not message.stream


@pytest.mark.parametrize("status", [0, 504])
async def test_a_stream_whose_channel_hung_up_is_still_ended_as_one_message(
    world: World, status: int
) -> None:
    times = 1 if status == 0 else 4
    headers = {"Retry-After": "0"}
    world.answerer = ScriptedAnswerer(["You", "You get"])
    world.answerer.step = asyncio.Semaphore(1)
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: [call for call in s.calls if call.stream and call.status < 300])
    world.connector.fail(status, times=times, headers=headers, when=lambda a: a["type"] == "typing")
    world.answerer.step.release()
    failed = [status] * times
    await world.connector.until(
        lambda s: [call.status for call in s.calls if call.status == status] == failed
    )
    world.answerer.go.set()
    (message,) = await world.connector.messages()
    assert message.stream["streamType"] == "final"
    assert len(world.connector.shown) == 1


def _ends(activity: dict[str, Any]) -> bool:
    return any(entity.get("streamType") == "final" for entity in activity.get("entities", []))


async def _asked_while_the_end_fails(world: World, times: int) -> None:
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    world.connector.fail(0, times=times, when=_ends)
    world.answerer.go.set()
    await world.connector.until(lambda s: s.calls[-1].activity.get("text") == "The answer is below.")


async def _at_work_on_another(world: World, message_id: str) -> dict[str, Any]:
    """Ask once more; return the stream that shows the bot is at work: nothing where it does not stream."""
    world.answerer.go.clear()
    before = len(world.connector.calls)
    await world.ask("How much leave, again?", id=message_id)
    await world.connector.until(lambda s: len(s.calls) > before)
    world.answerer.go.set()
    return world.connector.calls[before].stream


async def test_a_stream_whose_end_fails_twice_is_ended_below_its_answer(world: World) -> None:
    await _asked_while_the_end_fails(world, times=2)
    assert [one["text"] for one in world.connector.shown.values()] == [
        "The answer is below.",
        "You get 16 weeks [1].",
    ]
    while world.front._streaming:  # noqa: ASYNC110 - until the bot has heard that the end was taken
        await asyncio.sleep(0.01)
    assert await _at_work_on_another(world, "1700000000002")


async def test_while_a_stream_is_left_open_in_a_chat_no_other_one_begins_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _asked_while_the_end_fails(world, times=3)
    assert not await _at_work_on_another(world, "1700000000002")
    await world.connector.messages(2)
    monkeypatch.setattr("bot.channels.reply.LASTS_S", 0.0)
    monkeypatch.setattr("tests.doubles.teams_limits.STREAM_LASTS_S", 0.0)
    assert await _at_work_on_another(world, "1700000000003")
    await world.connector.messages(3)
    world.connector.forgive("exceeded streaming time")


async def test_a_stream_that_lasts_too_long_ends_with_a_plain_message(world: World) -> None:
    world.front._config = replace(world.front._config, pace=StreamPace(0.0, limit_s=0.0))
    world.answerer = ScriptedAnswerer(["You get"])
    world.answerer.step = asyncio.Semaphore(0)
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    world.answerer.step.release()
    (message,) = await world.connector.messages()
    assert not message.stream


async def test_drafts_wait_for_nobody_and_only_the_newest_is_sent(world: World) -> None:
    world.answerer = ScriptedAnswerer(["draft " * n for n in range(1, 500)])
    world.connector.hold.clear()
    await world.ask("How much leave?")
    world.connector.hold.set()
    await world.settled()
    assert len(world.connector.calls) < 10


async def test_updates_of_a_stream_keep_their_distance(world: World) -> None:
    world.front._config = replace(world.front._config, pace=StreamPace(interval_s=0.05))
    world.answerer = ScriptedAnswerer(["draft " * n for n in range(1, 4)])
    world.answerer.step = asyncio.Semaphore(0)
    await world.ask("How much leave?")
    for count in range(1, 4):
        await world.connector.until(lambda s, count=count: len(s.calls) >= count)
        world.answerer.step.release()
    await world.settled()
    times = [call.at for call in world.connector.calls if not call.is_message]
    assert len(times) >= 3
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.04


async def test_an_asker_who_presses_stop_stops_the_answer(world: World) -> None:
    world.answerer = ScriptedAnswerer(["one " * n for n in range(1, 50)])
    world.answerer.step = asyncio.Semaphore(0)
    world.connector.fail(403, body=STOP, when=lambda a: a["text"].startswith("one"))
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    world.answerer.step.release()
    await world.connector.until(lambda s: s.calls[-1].status == 403)
    while world.asking.under_way:
        world.answerer.step.release()
        await asyncio.sleep(0.01)
    assert not [call for call in world.connector.calls if call.is_message]
    assert list(world.store.delivered.values()) == ["m1"]
    (kept,) = world.store.answers.values()
    assert (kept.text.split()[0], kept.stopped) == ("one", True)
    (word,) = world.store.feedback.values()
    assert (word.value, word.answer_id, word.model_version) == ("abandoned", kept.id, "scripted")
    await world.post(world.activity("messageDelete"))
    assert not world.connector.shown
    assert not world.store.answers


# Quotations


async def test_a_quotation_streams_first_and_the_answer_takes_its_place(world: World) -> None:
    world.answerer = ScriptedAnswerer(["You get"])
    world.answerer.quotes = True
    world.answerer.step = asyncio.Semaphore(0)
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(
        lambda s: any("I am not certain" in c.activity.get("text", "") for c in s.calls)
    )
    world.answerer.step.release()
    await world.connector.until(lambda s: s.calls[-1].activity["text"].endswith("… "))
    world.answerer.go.set()
    (last,) = await world.connector.messages()
    parts = [call.activity["text"] for call in world.connector.calls if call.activity["type"] == "typing"]
    assert not [part for part in parts if "You get" in part]
    assert last.stream["streamType"] == "final"
    assert last.activity["text"] == "You get 16 weeks [1]."
    (kept,) = world.store.answers.values()
    assert kept.kind is AnswerKind.ANSWERED


async def test_a_quotation_that_is_the_answer_stands_on_the_card_letter_by_letter(world: World) -> None:
    world.answerer = ScriptedAnswerer(text="")
    world.answerer.quotes = True
    await world.ask("How much leave?")
    (last,) = await world.connector.messages()
    assert last.activity["text"] == "I am not certain, but “Leave › Parents” says: [1]"
    assert last.activity["summary"].startswith(
        "I am not certain, but “Leave › Parents” says:\n\nParents get 16"
    )
    (label,) = [one for one in last.activity["entities"] if "additionalType" in one]
    assert [claim["position"] for claim in label["citation"]] == [1, 2]
    quotation, *others = card(last)["body"]
    lines = ["".join(run["text"] for run in item["inlines"]) for item in quotation["items"]]
    assert lines == [
        "Parents get 16 weeks of paid leave. It is for *both*:",
        "• <b>mothers</b>",
        "• fathers, see [here](https://evil.example/)",
        "\u2003• and `__others__`",
    ]
    bold = [
        run["text"] for item in quotation["items"] for run in item["inlines"] if run.get("weight") == "Bolder"
    ]
    assert bold == ["Parents get 16 weeks of paid leave."]
    assert {item["type"] for item in quotation["items"]} == {"RichTextBlock"}
    assert "See also" in json.dumps(others)


async def test_a_quotation_in_a_stream_is_no_markup(world: World) -> None:
    world.answerer = ScriptedAnswerer(["You get"])
    world.answerer.quotes = True
    world.answerer.step = asyncio.Semaphore(0)
    await world.ask("How much leave?")
    shown = await world.connector.until(
        lambda s: [c for c in s.calls if "I am not certain" in c.activity.get("text", "")]
    )
    world.answerer.step.release()
    text = shown[0].activity["text"]
    assert not set("*_`<[") & set(text)
    assert "\n\n• fathers, see here\n\n" in text


async def test_who_stops_while_a_quotation_is_shown_keeps_it(world: World) -> None:
    world.answerer = ScriptedAnswerer(["one " * n for n in range(1, 50)])
    world.answerer.quotes = True
    world.answerer.step = asyncio.Semaphore(0)
    world.connector.fail(403, body=STOP, when=lambda a: a["text"].rstrip().endswith("…"))
    await world.ask("How much leave?")
    await world.connector.until(
        lambda s: any("I am not certain" in c.activity.get("text", "") for c in s.calls)
    )
    while world.asking.under_way:
        world.answerer.step.release()
        await asyncio.sleep(0.01)
    (kept,) = world.store.answers.values()
    assert (kept.kind, kept.stopped) == (AnswerKind.QUOTED, True)
    assert not [call for call in world.connector.calls if call.is_message]


async def test_words_that_come_in_time_are_the_first_thing_that_is_shown(world: World) -> None:
    world.front._config = replace(world.front._config, pace=replace(world.front._config.pace, grace_s=5.0))
    world.answerer = ScriptedAnswerer(["You get"])
    world.answerer.step = asyncio.Semaphore(1)
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    world.answerer.go.set()
    await world.settled()
    assert [call.activity["text"] for call in world.connector.calls] == ["You get", "You get 16 weeks [1]."]


async def test_who_presses_stop_at_the_last_moment_gets_no_second_message(world: World) -> None:
    world.connector.fail(403, body=STOP, when=lambda a: a["type"] == "message")
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    world.answerer.go.set()
    await world.settled()
    assert [call.status for call in world.connector.calls if call.activity["type"] == "message"] == [403]
    (word,) = world.store.feedback.values()
    assert word.value == "abandoned"


async def test_a_stopped_answer_goes_to_no_reviewer_and_is_not_sent_after_a_crash(world: World) -> None:
    world.answerer.changes["stopped"] = True
    await world.ask("How much leave?")
    await world.settled()
    assert not [call for call in world.connector.calls if call.is_message]
    assert list(world.store.delivered.values()) == [""]


async def test_of_two_questions_at_once_in_one_chat_the_second_is_answered_after_the_first(
    world: World,
) -> None:
    world.answerer = ScriptedAnswerer(["You get"])
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    await world.ask("How much sick leave?", id="2")
    await asyncio.sleep(0.05)
    assert [asked.text for asked in world.answerer.asked] == ["How much leave?"]
    world.answerer.go.set()
    assert (await world.connector.messages(2))[0].stream
    assert [asked.text for asked in world.answerer.asked] == ["How much leave?", "How much sick leave?"]


async def test_of_two_bots_that_answer_in_one_chat_one_streams_and_the_other_shows_that_it_is_at_work() -> (
    None
):
    async with a_world() as one, a_world() as two:
        two.service_url = one.service_url
        one.connector.bots = 2
        for bot in (one, two):
            bot.answerer = ScriptedAnswerer(["You get"])
            bot.answerer.step = asyncio.Semaphore(0)
            bot.answerer.go.clear()
        await one.ask("How much leave?")
        await one.connector.until(lambda s: s.calls)
        await two.ask("How much sick leave?", id="2")
        await one.connector.until(lambda s: s.calls[-1].status == 403)
        two.answerer.step.release()
        await one.connector.until(
            lambda s: s.calls[-1].activity["type"] == "typing" and not s.calls[-1].stream
        )
        two.answerer.go.set()
        (plain,) = await one.connector.messages()
        one.answerer.step.release()
        one.answerer.go.set()
        _, streamed = await one.connector.messages(2)
        assert (bool(plain.stream), bool(streamed.stream)) == (False, True)
        assert [one["text"] for one in one.connector.shown.values()] == ["You get 16 weeks [1]."] * 2


async def test_a_draft_that_is_not_the_one_before_and_more_is_not_streamed(world: World) -> None:
    world.answerer = ScriptedAnswerer(["You get", "They get", "You get 16"])
    world.answerer.step = asyncio.Semaphore(0)
    await world.ask("How much leave?")
    for seen in ("You get", "", "You get 16"):
        world.answerer.step.release()
        await world.connector.until(
            lambda s, seen=seen: any(seen in c.activity.get("text", "") for c in s.calls)
        )
    await world.settled()
    assert "They get" not in [call.activity.get("text") for call in world.connector.calls]


@pytest.mark.parametrize("status", [412, 429, 502, 504])
async def test_a_busy_channel_is_asked_again_after_the_time_it_wants(world: World, status: int) -> None:
    world.connector.fail(
        status, times=2, headers={"Retry-After": "0.01"}, when=lambda a: a["type"] == "message"
    )
    await world.ask("How much leave?", conversation=GROUP)
    assert len(await world.connector.messages()) == 1


async def test_a_conversation_that_is_gone_closes_the_question(world: World) -> None:
    world.connector.fail(404, times=99)
    await world.ask("How much leave?")
    await world.settled()
    assert await world.store.take_undelivered() == []


async def test_what_a_crash_left_open_is_answered_from_the_stored_question_alone(world: World) -> None:
    world.connector.fail(500, times=99)
    await world.ask("How much leave?")
    await world.settled()
    (left,) = await world.store.take_undelivered()
    assert left.answer is not None
    world.connector._failures.clear()
    assert (
        await world.asking.resume(lambda question: world.front.restore_reply(question, world.seam.connector))
        == 1
    )
    (message,) = await world.connector.messages()
    assert message.conversation == "a:chat"
    for unusable in ("", "null", "[]", "{", '{"conversation": 1}'):
        assert (
            world.front.restore_reply(replace(left.question, reply_to=unusable), world.seam.connector) is None
        )
    other = replace(left.question, channel=Channel.LOCAL)
    assert world.front.restore_reply(other, world.seam.connector) is None
    assert isinstance(world.front.restore_reply(left.question, world.seam.connector), StreamedReply)


# Edits and deletions


async def test_an_edited_question_is_answered_over_its_earlier_answer(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    world.answerer.text = "Ten days [1]."
    for _ in range(2):
        await world.post(world.activity("messageUpdate", text="How much sick leave?"))
        await world.settled()
    world.answerer.text = "Five [1]."
    await world.post(world.activity("messageUpdate", text="How much special leave?"))
    await world.settled()
    assert [question.text for question in world.answerer.asked] == [
        "How much leave?",
        "How much sick leave?",
        "How much special leave?",
    ]
    assert list(world.connector.shown) == ["m1"]
    assert world.connector.shown["m1"]["text"] == "Five [1]."
    assert [question.text for question in world.store.questions.values()] == ["How much special leave?"]


async def test_an_edit_that_changes_nothing_is_not_answered_again(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    await world.post(world.activity("messageUpdate", text="How  much leave?"))
    await world.settled()
    assert len(world.answerer.asked) == 1


async def test_an_edit_while_the_answer_streams_takes_over_its_message(world: World) -> None:
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    await world.post(world.activity("messageUpdate", text="How much sick leave?"))
    world.answerer.go.set()
    await world.settled()
    assert list(world.connector.shown) == ["m1"]
    assert world.connector.shown["m1"]["text"] == "You get 16 weeks [1]."
    assert [question.text for question in world.store.questions.values()] == ["How much sick leave?"]


async def test_a_deleted_question_is_forgotten_with_its_answer_on_screen(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    await world.post(world.activity("messageUpdate", text="How much sick leave?"))
    await world.settled()
    assert (await world.post(world.activity("messageDelete")))[0] == 200
    assert not world.connector.shown
    assert not world.store.questions


async def test_a_deleted_question_is_in_no_gap_of_the_last_report(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    answer = await world.store.answer_to_question(next(iter(world.store.questions)))
    assert answer is not None
    gaps = [Gap(f"Of {name}?", 1, 1, {}, (), (name,)) for name in (answer.id, "another")]
    await keep_report(world.store.documents, Report(answer.answered_at, 90, tuple(gaps)))
    await world.post(world.activity("messageDelete"))
    assert await read_report(world.store.documents) == Report(answer.answered_at, 90, (gaps[1],))


async def test_a_question_that_is_deleted_while_it_streams_leaves_nothing(world: World) -> None:
    world.answerer.go.clear()
    await world.ask("How much leave?")
    await world.connector.until(lambda s: s.calls)
    await world.post(world.activity("messageDelete"))
    assert not world.connector.shown
    assert not world.store.questions
    assert world.asking.under_way == 0


# What people think of it


async def test_thumbs_of_every_shape_are_kept_with_their_comment(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    shapes = ['{"feedbackText":"wrong page"}', {"feedbackText": "wrong page"}, "wrong page"]
    for shape in [*shapes, None, "{", "", [], 7]:
        for reply_to in ("m1", None):
            assert await thumb(world, "dislike", shape, replyToId=reply_to) == (200, "{}")
            (feedback,) = world.store.feedback.values()
            assert (feedback.kind, feedback.value) == (FeedbackKind.THUMB, "dislike")
            assert feedback.giver == pseudonym("aad-ada")
            assert feedback.trainable
            assert feedback.comment == ("wrong page" if shape in shapes else "{" if shape == "{" else "")
    await thumb(world, "like")
    assert [feedback.value for feedback in world.store.feedback.values()] == ["like"]


async def test_the_reasons_ticked_beside_a_thumb_are_kept(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    form = '{"feedbackText":"","reasons":["wrong","unclear",7,"' + "x" * 99 + '"]}'
    assert await thumb(world, "dislike", form, replyToId="m1") == (200, "{}")
    (feedback,) = world.store.feedback.values()
    assert feedback.reasons == ("wrong", "unclear", "x" * 40)


async def test_a_thumb_that_fits_several_answers_is_counted_and_not_guessed(world: World) -> None:
    for number in range(2):
        await world.ask("How much leave?", id=str(number))
        await world.settled()
    assert await thumb(world, "like") == (200, "{}")
    assert await thumb(world, "like", replyToId="somebody-elses") == (200, "{}")
    assert not world.store.feedback
    assert await count_unmatched(world.parts.repository.documents) == {"thumb": 2}
    await thumb(world, "like", replyToId="m2")
    assert [feedback.answer_id for feedback in world.store.feedback.values()] == [
        "answer to msteams:a:chat:1"
    ]


@pytest.mark.parametrize(
    "value", [{}, {"actionName": "other"}, {"actionName": "feedback", "actionValue": 3}, None, "x"]
)
async def test_a_submit_that_is_no_thumb_is_acknowledged_and_keeps_nothing(world: World, value: Any) -> None:
    await world.ask("How much leave?")
    await world.settled()
    status, body = await world.post(world.activity("invoke", name="message/submitAction", value=value))
    assert (status, body) == (200, "{}")
    assert not world.store.feedback


async def test_reactions_are_kept_and_taken_back(world: World) -> None:
    await world.ask("How much leave?")
    await world.settled()
    added = {"reactionsAdded": [{"type": "like"}, {"type": "heart"}]}
    await world.post(world.activity("messageReaction", replyToId="m1", **added))
    await world.post(world.activity("messageReaction", replyToId="m1", **{"from": {"id": "29:bob"}}, **added))
    await world.post(world.activity("messageReaction", replyToId="m1", reactionsRemoved=[{"type": "like"}]))
    await world.post(world.activity("messageReaction", replyToId="m1", reactionsRemoved=[{"type": "sad"}]))
    kept = {(f.giver, f.value): f.withdrawn_at is None for f in world.store.feedback.values()}
    ada, bob = pseudonym("aad-ada"), pseudonym("29:bob")
    given = {(ada, "like"): False, (ada, "heart"): True, (bob, "like"): True, (bob, "heart"): True}
    assert kept == given | {(ada, "sad"): False}  # taken back before it came
    await world.post(world.activity("messageReaction", replyToId="somebody-elses", **added))
    await world.post(world.activity("messageReaction", **added))
    assert await count_unmatched(world.parts.repository.documents) == {"reaction": 4}


async def test_a_channel_that_is_named_without_its_thread_is_looked_through(world: World) -> None:
    await world.ask("How much leave?", conversation=THREAD)
    await world.settled()
    channel = THREAD | {"id": THREAD["id"].split(";")[0]}
    await thumb(world, "like", replyToId="m2", conversation=channel)  # m1 was typing
    assert [feedback.value for feedback in world.store.feedback.values()] == ["like"]
    await thumb(world, "dislike", conversation=channel)
    assert await count_unmatched(world.parts.repository.documents) == {"thumb": 1}


async def test_question_edit_feedback_and_deletion_with_the_embedded_store(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "store.sqlite3")
    async with a_world(store=store) as world:
        await asyncio.gather(*(world.ask("How much leave?") for _ in range(3)))
        await world.settled()
        await world.post(world.activity("messageUpdate", text="How much sick leave?"))
        await world.settled()
        assert list(world.connector.shown) == ["m1"]
        answer = await store.answer_in_message("a:chat", "m1")
        assert answer is not None
        assert answer.question.text == "How much sick leave?"
        await thumb(world, "dislike", {"feedbackText": "wrong page"})
        await world.post(
            world.activity("messageReaction", replyToId="m1", reactionsAdded=[{"type": "heart"}])
        )
        await world.post(
            world.activity("messageReaction", replyToId="m1", reactionsRemoved=[{"type": "heart"}])
        )
        kept = {(f.value, f.comment, f.withdrawn_at is None) for f in await store.feedback_on(answer.id)}
        assert kept == {("dislike", "wrong page", True), ("heart", "", False)}
        await world.post(world.activity("messageDelete"))
        assert not world.connector.shown
        assert await store.answer(answer.id) is None
        assert await store.take_undelivered() == []
    await store.close()


# Invokes and joining


@pytest.mark.parametrize(
    "value",
    [None, {}, {"action": None}, {"action": {"type": "Action.Execute"}}, {"action": {"verb": 1}}, "x", []],
)
async def test_a_card_action_that_nobody_knows_gets_a_body_and_no_500(world: World, value: Any) -> None:
    status, body = await world.post(world.activity("invoke", name="adaptiveCard/action", value=value))
    assert status == 400
    assert json.loads(body)["type"] == "application/vnd.microsoft.error"


async def test_other_invokes(world: World) -> None:
    status, body = await world.post(world.activity("invoke", name="message/fetchTask", value={}))
    assert status == 200
    assert json.loads(body)["task"]["value"]["card"]["content"]["type"] == "AdaptiveCard"
    for name in ("task/fetch", "composeExtension/selectItem", "", None):
        assert (await world.post(world.activity("invoke", name=name)))[0] == 501
    status, body = await world.post(world.activity("invoke", name="composeExtension/query"))
    assert status == 400
    assert "no such command" in body


async def test_the_bot_says_hello_once_where_it_is_added(world: World) -> None:
    added = {"membersAdded": [{"id": "29:ada"}, {"id": BOT["id"]}]}
    await world.post(world.activity("conversationUpdate", **added))
    await world.post(world.activity("installationUpdate", action="add"))
    await world.post(world.activity("conversationUpdate", **added))
    await world.post(world.activity("conversationUpdate", membersAdded=[{"id": "29:ada"}]))
    await world.post(world.activity("installationUpdate", action="remove"))
    await world.post(world.activity("endOfConversation"))
    await world.front.close()
    (message,) = await world.connector.messages()
    assert "Hello" in json.dumps(card(message))
    assert message.activity["summary"]


# What pages, models and people write


async def test_no_link_image_or_mention_of_a_model_reaches_the_screen(world: World) -> None:
    world.answerer.text = (
        "See ![x](https://evil.example/?q=secret) and [this](https://evil.example) <at>Everyone</at> "
        "<img src='https://evil.example/p'> [1](https://evil.example) "
        "[1]: https://evil.example www.evil.example "
        "[2] [a][b] https://bot.example/site/leave [1]."
    )
    await world.ask("How much leave?")
    (message,) = await world.connector.messages()
    text = message.activity["text"]
    assert "evil" not in text
    assert "<at" not in text
    assert "<img" not in text
    assert "[1] : " in text
    assert "(2) (a)(b) https://bot.example/site/leave [1]." in text


async def test_a_very_long_answer_stays_under_the_limit(world: World) -> None:
    quotes = tuple(
        replace(CITED, quote="𝄞" * 5_000, title="t" * 5_000, url=f"/{n}/" + "u" * 1_900) for n in range(40)
    )
    world.answerer = ScriptedAnswerer(text="𝄞" * 100_000, citations=quotes)
    await world.ask("How much leave?")
    await world.settled()
    messages = await world.connector.messages(8)
    assert all(utf16_bytes(message.activity) < 80_000 for message in messages)
    assert messages[-1].activity["text"].endswith("…")
    assert len(messages[-1].activity["entities"][-1]["citation"]) == 20


LONG = "\n\n".join(
    ["Leave is for everybody. " * 500 + "[1]", "Parents get more. " * 600 + "[2]", "That is all [1]."]
)


async def test_an_answer_in_several_messages_has_each_citation_where_it_is_named(world: World) -> None:
    world.answerer = ScriptedAnswerer(text=LONG, citations=(CITED, replace(CITED, title="Parents")))
    await world.ask("How much leave?")
    await world.settled()
    *first, last = (call.activity for call in await world.connector.messages(2))
    assert [part["entities"][-1]["citation"][0]["position"] for part in first] == [1]
    assert [claim["position"] for claim in last["entities"][-1]["citation"]] == [1, 2]
    assert not any("attachments" in part or "channelData" in part for part in first)
    assert last["channelData"] == {"feedbackLoop": {"type": "default"}}
    assert "".join(part["text"] for part in [*first, last]).replace("\n", "") == LONG.replace("\n", "")
    await thumb(world, "like", replyToId="m2")
    assert len(world.store.feedback) == 1


async def test_an_answer_in_several_messages_is_edited_and_deleted_as_one(world: World) -> None:
    world.answerer = ScriptedAnswerer(text=LONG)
    await world.ask("How much leave?")
    await world.settled()
    assert len(world.connector.shown) == 2
    world.answerer.text = "Ten days [1]."
    await world.post(world.activity("messageUpdate", text="How much sick leave?"))
    await world.settled()
    assert [message["text"] for message in world.connector.shown.values()] == ["Ten days [1]."]
    world.answerer.text = LONG
    await world.post(world.activity("messageUpdate", text="How much special leave?"))
    await world.settled()
    assert len(world.connector.shown) == 2
    await world.post(world.activity("messageDelete"))
    assert not world.connector.shown


async def test_what_else_the_page_tells_is_offered_in_a_personal_chat(world: World) -> None:
    async def offers(_: Answer) -> list[tuple[str, str]]:
        return [("Sick leave", "What does the page say about “Sick leave”?")]

    world.front._config = replace(world.front._config, offers=offers)
    for number, conversation in enumerate((None, GROUP)):
        where = {"conversation": conversation} if conversation else {}
        await world.ask("How much leave?", id=str(number), **where)
        await world.settled()
    alone, together = await world.connector.messages(2)
    assert alone.activity["suggestedActions"] == {
        "to": ["29:ada"],
        "actions": [
            {"type": "imBack", "title": "Sick leave", "value": "What does the page say about “Sick leave”?"}
        ],
    }
    assert "suggestedActions" not in together.activity


async def test_an_answer_does_not_fail_with_what_could_be_offered_below_it(world: World) -> None:
    async def offers(_: Answer) -> list[tuple[str, str]]:
        raise OSError("the index is away")

    world.front._config = replace(world.front._config, offers=offers)
    await world.ask("How much leave?")
    (message,) = await world.connector.messages()
    assert message.activity["text"] == "You get 16 weeks [1]."


async def test_naughty_strings_are_answered_each_and_change_nothing_else(
    world: World, shared_data: Path
) -> None:
    strings = json.loads((shared_data / "security" / "blns.json").read_text("utf-8"))
    strings += ["\ud800 half", "nul \x00 here", "a" * 100_000]
    for number, text in enumerate(strings):
        world.answerer.text = f"You wrote {text} [1]."
        world.answerer.changes = {
            "citations": (replace(CITED, title=text, heading=text, quote=text, url=text),)
        }
        await world.ask(text, id=str(number), conversation=GROUP)
        await world.settled()
    messages = [call.activity for call in world.connector.calls if call.is_message]
    helped = [message for message in messages if "replyToId" not in message]
    assert len({message.get("replyToId") for message in messages} - {None}) + len(helped) == len(strings)
    assert WENT_WRONG not in {message.get("text") for message in messages}
    assert not [call for call in world.connector.calls if call.status >= 400]
