"""The local chat page over HTTP: who may use it, what the front end receives, what a browser is told."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.cards.answer_text import NOTHING_FOUND
from bot.channel import Undeliverable
from bot.channels.incoming import Reference
from bot.channels.message import CitedSource, InvokeReply, Message, StreamPart, Typing
from bot.channels.reply import READING
from bot.http import is_loopback
from bot.web.access import BODY_LIMIT, is_own_host
from bot.web.chat_page import count_pages
from bot.web.chats import openable, render_shown, with_quote
from bot.web.conversations import CHANGES_LIMIT, CONVERSATIONS_LIMIT, MESSAGES_LIMIT, Conversations
from feedback.store.base import StoreUnavailable
from tests.browser.chat import PARENTS, Actor, Browser, Chat, Lines, a_browser, a_chat
from tests.builders.world import pseudonym

Json = dict[str, Any]

ALEX = {"id": "29:local-alex", "name": "Alex", "aadObjectId": "dc4f103b-0616-5596-97e9-2a17ae9872ac"}


def reference(conversation: str) -> Reference:
    return Reference({"id": conversation}, {}, {}, "")


def lines() -> dict[str, Lines]:
    return {"parents": Lines("Parents get sixteen weeks [1].", (PARENTS,), drafts=("Parents", "Parents get"))}


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    async with a_chat(Chat(tmp_path, actor=Actor(lines()))) as running:
        yield running


@pytest.fixture
async def browser(chat: Chat) -> AsyncIterator[Browser]:
    async with a_browser(chat) as opened:
        yield opened


# Who may use it


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "localhost", "127.0.0.1:1", "localhost.evil.example:{port}", ""],
)
async def test_another_name_for_this_machine_is_refused(chat: Chat, browser: Browser, host: str) -> None:
    for path in ("/", "/static/chat.js", "/local/conversations?person=alex", "/local/events?conversation=x"):
        async with browser.http.get(
            chat.url + path, headers={"Host": host.format(port=chat.port)}
        ) as response:
            assert response.status == 403
            assert browser.token not in await response.text()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "LocalHost", "[::1]"])
async def test_the_names_of_loopback_are_served(chat: Chat, browser: Browser, name: str) -> None:
    async with browser.http.get(chat.url + "/", headers={"Host": f"{name}:{chat.port}"}) as response:
        assert response.status == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
async def test_who_comes_through_a_tunnel_is_refused(chat: Chat, browser: Browser, header: str) -> None:
    async with browser.http.get(chat.url + "/", headers={header: "203.0.113.9"}) as response:
        assert response.status == 403
        assert "proxy" in await response.text()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"X-Askpage-Token": ""}, 403),
        ({"X-Askpage-Token": "guessed"}, 403),
        ({"X-Askpage-Token": "größer"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_a_post_needs_our_page(
    chat: Chat, browser: Browser, headers: dict[str, str], status: int
) -> None:
    person = {"person": {"id": "alex", "name": "Alex"}}
    answered, body = await browser.post("/local/conversations", person, **headers)
    assert answered == status, body
    assert len(chat.heard.activities) == (1 if status == 200 else 0)


async def test_a_post_from_our_own_origin_is_taken(chat: Chat, browser: Browser) -> None:
    person = {"person": {"id": "alex", "name": "Alex"}}
    assert (await browser.post("/local/conversations", person, Origin=chat.url))[0] == 200


def test_peers_on_this_machine_are_told_from_others() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "::1%lo"]))
    assert not any(
        map(is_loopback, ["10.0.0.1", "::ffff:10.0.0.1", "169.254.1.1", "", "localhost", "8.8.8.8"])
    )
    assert is_own_host("localhost", 80)
    assert not is_own_host("localhost", 3978)
    assert not is_own_host("[::1]", 3978)
    assert not is_own_host("127.0.0.1:3978:3978", 3978)


async def test_every_answer_forbids_scripts_from_elsewhere_and_frames(chat: Chat, browser: Browser) -> None:
    for path, status in (("/", 200), ("/static/chat.css", 200), ("/static/nothing.js", 404)):
        async with browser.http.get(chat.url + path) as response:
            assert response.status == status
            policy = response.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "http" not in policy
            assert "frame-ancestors 'none'" in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_the_page_has_no_inline_script_and_nothing_from_elsewhere(chat: Chat, browser: Browser) -> None:
    page = await browser.load()
    assert re.findall(r"<script(?![^>]*\bsrc=\"/static/)", page) == []
    own = r"/static/|#|/site/\"|/dashboard\"|/reviews\"|/admin\""
    assert re.findall(rf"(?:src|href)=\"(?!{own})", page) == []
    assert re.findall(r"\s(?:on\w+|style)=", page) == []


async def test_only_files_of_the_page_are_served(chat: Chat, browser: Browser) -> None:
    for name in ("..%2Flocal.py", "index.html", "logo", "chat.js%00.svg", "adaptivecards.js"):
        async with browser.http.get(f"{chat.url}/static/{name}") as response:
            assert response.status == 404


async def test_without_the_card_renderer_the_page_is_told(tmp_path: Path) -> None:
    async with a_chat(Chat(tmp_path / "data", root=tmp_path)) as chat, a_browser(chat) as browser:
        assert "&quot;cards&quot;: false" in await browser.load()
        async with browser.http.get(f"{chat.url}/static/adaptivecards.min.js") as response:
            assert response.status == 404


# What is refused with a sentence


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b"[" * 20_000, 400),
        (b'{"conversation": "nobody", "type": "message", "text": "x"}', 404),
        (b" " * (BODY_LIMIT + 1), 413),
    ],
)
async def test_a_bad_body_is_a_sentence(browser: Browser, body: bytes, status: int) -> None:
    answered, error = await browser.post("/local/activities", body)
    assert answered == status
    assert error["error"]["message"].endswith(".")


async def test_a_packed_body_is_refused_with_a_sentence(browser: Browser) -> None:
    browser.http.headers["Content-Encoding"] = "gzip"
    answered, error = await browser.post("/local/activities", gzip.compress(b" " * 10_000_000))
    assert answered == 415
    assert error["error"]["message"].endswith("without Content-Encoding.")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"type": "message"}, 400),
        ({"type": "message", "text": "  \n"}, 400),
        ({"type": "message", "text": 5}, 400),
        ({"type": "message", "text": "x" * 20_001}, 413),
        ({"type": "message", "text": "x", "id": "123"}, 400),
        ({"type": "message", "value": {"a": 1}}, 404),
        ({"type": "messageUpdate", "id": "1", "text": "x"}, 404),
        ({"type": "messageDelete", "id": "1"}, 404),
        ({"type": "messageReaction", "replyToId": "1", "reactionsAdded": [{"type": "like"}]}, 404),
        ({"type": "invoke", "name": "config/fetch", "value": {}}, 400),
        ({"type": "invoke", "name": "message/submitAction", "value": []}, 400),
        ({"type": "conversationUpdate"}, 400),
        ({"type": ["message"]}, 400),
        ({}, 400),
    ],
)
async def test_what_nobody_can_do_on_the_page_never_reaches_the_front_end(
    chat: Chat, browser: Browser, fields: Json, status: int
) -> None:
    conversation = await browser.begin()
    answered, error = await browser.post("/local/activities", {"conversation": conversation, **fields})
    assert answered == status, error
    assert error["error"]["message"].endswith(".")
    assert len(chat.heard.activities) == 1, "the first contact only"


@pytest.mark.parametrize("reactions", [[{"type": "bomb"}], [], "like", [{"type": "like"}] * 9, [5]])
async def test_an_unknown_reaction_is_refused(browser: Browser, reactions: object) -> None:
    await browser.begin()
    await browser.do("message", text="What do parents get?")
    shown = await browser.answered()
    status, _ = await browser.do("messageReaction", replyToId=shown["id"], reactionsAdded=reactions)
    assert status == 400


@pytest.mark.parametrize(
    "person",
    [
        None,
        {},
        {"id": "A", "name": "A"},
        {"id": "a/b", "name": "x"},
        {"id": "a", "name": " "},
        {"id": "a", "name": "x" * 61},
    ],
)
async def test_a_person_needs_an_id_and_a_name(browser: Browser, person: object) -> None:
    assert (await browser.post("/local/conversations", {"person": person}))[0] == 400


# What arrives at the front end


async def test_first_contact_is_a_conversation_update_and_brings_the_welcome_card(
    chat: Chat, browser: Browser
) -> None:
    conversation = await browser.begin()
    activity = await chat.heard.came("conversationUpdate")
    assert activity["membersAdded"] == [{"id": "28:askpage"}, {k: ALEX[k] for k in ("id", "aadObjectId")}]
    assert activity["channelId"] == "local"
    assert activity["conversation"] == {
        "id": conversation,
        "conversationType": "personal",
        "tenantId": "local",
    }
    shown = await browser.shows(lambda shown: bool(shown.get("cards")))
    assert "Hello" in json.dumps(shown["cards"])


async def test_a_question_has_the_shape_that_teams_gives_it(chat: Chat, browser: Browser) -> None:
    conversation = await browser.begin()
    status, answer = await browser.do("message", text="What do parents get?")
    activity = await chat.heard.came("message")
    assert status == 200
    assert re.fullmatch(r"\d{13}", activity.pop("id"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", activity.pop("timestamp"))
    assert activity == {
        "type": "message",
        "channelId": "local",
        "serviceUrl": "http://localhost/local",
        "from": ALEX,
        "conversation": {"id": conversation, "conversationType": "personal", "tenantId": "local"},
        "recipient": {"id": "28:askpage", "name": "askpage"},
        "channelData": {"tenant": {"id": "local"}},
        "locale": "en-US",
        "text": "What do parents get?",
        "textFormat": "plain",
    }
    assert answer["status"] == 200


async def test_a_thumb_with_a_comment_is_kept_on_its_answer(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    await browser.do("message", text="What do parents get?")
    shown = await browser.answered()
    said = json.dumps({"feedbackText": "found it at once", "reasons": ["correct"]})
    value = {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": said}}
    status, answer = await browser.do(
        "invoke", name="message/submitAction", replyToId=shown["id"], value=value
    )
    assert (status, answer["status"], answer["body"]) == (200, 200, {})
    activity = await chat.heard.came("message/submitAction")
    assert (activity["type"], activity["value"], activity["replyToId"]) == ("invoke", value, shown["id"])
    (kept,) = chat.store.feedback.values()
    assert (kept.value, kept.comment, kept.giver) == (
        "like",
        "found it at once",
        pseudonym(ALEX["aadObjectId"]),
    )
    (mine,) = [m for m in await browser.messages() if m["id"] == shown["id"]]
    assert mine["thumb"] == {"reaction": "like", "text": "found it at once", "reasons": ["correct"]}


async def test_reactions_come_and_go(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    await browser.do("message", text="What do parents get?")
    shown = await browser.answered()
    await browser.do("messageReaction", replyToId=shown["id"], reactionsAdded=[{"type": "heart"}])
    await browser.do("messageReaction", replyToId=shown["id"], reactionsAdded=[{"type": "like"}])
    await browser.do("messageReaction", replyToId=shown["id"], reactionsRemoved=[{"type": "heart"}])
    first = await chat.heard.came("messageReaction")
    third = await chat.heard.came("messageReaction", 3)
    assert (first["replyToId"], first["reactionsAdded"]) == (shown["id"], [{"type": "heart"}])
    assert "reactionsRemoved" not in first
    assert (third["reactionsRemoved"], "reactionsAdded" in third) == ([{"type": "heart"}], False)
    assert {(f.value, f.withdrawn_at is None) for f in chat.store.feedback.values()} == {
        ("heart", False),
        ("like", True),
    }
    (mine,) = [m for m in await browser.messages() if m["id"] == shown["id"]]
    assert mine["reactions"] == ["like"]


async def test_an_edit_is_answered_again_in_the_place_of_the_answer(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    _, sent = await browser.do("message", text="What about dogs?")
    first = await browser.answered()
    assert first["text"] == NOTHING_FOUND
    await browser.do("messageUpdate", id=sent["id"], text="What do parents get?")
    activity = await chat.heard.came("messageUpdate")
    assert (activity["id"], activity["text"]) == (sent["id"], "What do parents get?")
    assert activity["channelData"] == {"eventType": "editMessage", "tenant": {"id": "local"}}
    await browser.shows(lambda shown: shown["id"] == first["id"] and "sixteen" in shown["text"])
    question = (await browser.messages())[-2]
    assert (question["text"], question["edited"]) == ("What do parents get?", True)


async def test_a_deletion_takes_the_answer_away_and_the_words_from_the_disk(
    chat: Chat, browser: Browser
) -> None:
    await browser.begin()
    _, sent = await browser.do("message", text="What do parents get? zebra")
    answer = await browser.answered()
    await browser.do("messageDelete", id=sent["id"])
    activity = await chat.heard.came("messageDelete")
    assert (activity["id"], activity["channelData"]["eventType"]) == (sent["id"], "softDeleteMessage")
    assert {m["id"] for m in await browser.messages()} & {sent["id"], answer["id"]} == set()
    await chat.restart()
    assert b"zebra" not in b"".join(path.read_bytes() for path in chat.data_dir.iterdir())


async def test_an_action_of_a_card_is_an_invoke_and_its_card_takes_the_place(
    chat: Chat, browser: Browser
) -> None:
    await browser.begin()
    await browser.do("message", text="What do parents get?")
    shown = await browser.answered()
    action = {"type": "Action.Execute", "verb": "approve", "data": {"a": 1}}
    value = {"action": action, "trigger": "manual"}
    status, refused = await browser.do(
        "invoke", name="adaptiveCard/action", replyToId=shown["id"], value=value
    )
    assert (status, refused["status"]) == (200, 400), "no card of ours has that action"
    card = {"type": "AdaptiveCard", "version": "1.5", "body": []}
    body = {"statusCode": 200, "type": "application/vnd.microsoft.card.adaptive", "value": card}
    chat.heard.reply = InvokeReply(200, body)
    await browser.do("invoke", name="adaptiveCard/action", replyToId=shown["id"], value=value)
    activity = await chat.heard.came("adaptiveCard/action", 2)
    assert (activity["value"], activity["replyToId"]) == (value, shown["id"])
    (refreshed,) = [m for m in await browser.messages() if m["id"] == shown["id"]]
    assert refreshed["cards"] == [card]


async def test_a_submit_of_a_card_is_a_message_with_a_value(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    await browser.do("message", text="What do parents get?")
    shown = await browser.answered()
    await browser.do("message", value={"question": "And part-timers?"}, replyToId=shown["id"])
    activity = await chat.heard.came("message", 2)
    assert (activity["value"], activity["replyToId"], "text" in activity) == (
        {"question": "And part-timers?"},
        shown["id"],
        False,
    )


async def test_what_could_not_be_kept_is_marked_and_can_be_sent_again(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    chat.heard.raises = StoreUnavailable("the disk is full")
    status, error = await browser.do("message", text="What do parents get?")
    assert (status, error["error"]["code"]) == (503, "unavailable")
    (mine,) = [m for m in await browser.messages() if m["sender"] == "user"]
    assert mine["failed"] == error["error"]["message"]
    chat.heard.raises = None
    assert (await browser.do("message", id=mine["id"], text=mine["text"]))[0] == 200
    assert (await chat.heard.came("message", 2))["id"] == mine["id"]
    await browser.answered()
    (mine,) = [m for m in await browser.messages() if m["sender"] == "user"]
    assert "failed" not in mine


@pytest.mark.parametrize("raised", [RuntimeError("a bug"), OSError("no"), ValueError("malformed")])
async def test_a_front_end_that_fails_gets_the_person_a_sentence(
    chat: Chat, browser: Browser, raised: Exception
) -> None:
    await browser.begin()
    chat.heard.raises = raised
    status, error = await browser.do("message", text="What do parents get?")
    assert (status, error["error"]["message"]) == (500, "Something went wrong here. Please try again.")


async def test_half_a_surrogate_pair_is_a_question_too(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    body = (
        b'{"conversation": "%s", "type": "message", "text": "half \\ud83d of it"}'
        % browser.conversation.encode()
    )
    assert (await browser.post("/local/activities", body))[0] == 200
    assert (await chat.heard.came("message"))["text"] == "half � of it"
    assert (await browser.answered())["text"] == NOTHING_FOUND


# What a browser is told


async def test_an_answer_streams_and_ends_with_label_citations_card_and_thumbs(tmp_path: Path) -> None:
    steps = asyncio.Semaphore(0)
    actor = Actor({"parents": Lines("Parents get [1].", (PARENTS,), drafts=("Pa", "Parents"), steps=steps)})
    async with a_chat(Chat(tmp_path, actor=actor, interval_s=0)) as chat, a_browser(chat) as browser:
        await browser.begin()
        await browser.do("message", text="What do parents get?")
        texts: list[str] = []

        def seen(name: str, data: Json) -> bool:
            for shown in data["messages"] if name == "conversation" else [data] if name == "message" else []:
                if shown["sender"] == "bot" and not shown["cards"] and shown["text"] not in texts:
                    texts.append(shown["text"])
                    assert (shown["ai"], shown["loop"], shown["citations"]) == (False, False, [])
                    steps.release()
                elif shown.get("loop"):
                    texts.append(shown["text"])
                    return True
            return False

        await browser.until(seen)
        final = (await browser.messages())[-1]
        assert texts == [READING, "Pa", "Parents", "Parents get [1]."]
        assert (final["state"], final["ai"], final["loop"]) == ("final", True, True)
        (citation,) = final["citations"]
        assert citation["position"] == 1
        assert (
            citation["url"] == f"{chat.url}/site/handbook/leave"
            "?quote=Parents%20get%20sixteen%20weeks%20of%20paid%20leave#parents"
        )
        assert "Source" in json.dumps(final["cards"])


async def test_a_lost_connection_goes_on_where_it_was(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    await browser.do("message", text="What do parents get?")
    await browser.answered()
    last, _ = await browser.until(lambda name, _: name == "conversation")
    await browser.do("message", text="And dogs?")
    events: list[tuple[str, Json]] = []
    async for _, name, data in browser.events(after=last):
        events.append((name, data))
        if data.get("loop"):
            break
    assert "conversation" not in [name for name, _ in events]
    assert {data["text"] for name, data in events if name == "message"} >= {
        "And dogs?",
        NOTHING_FOUND,
    }


@pytest.mark.parametrize("after", ["0000-1", "x", "-", "9" * 40, "{epoch}-99999", "{epoch}--1", "{epoch}-²"])
async def test_an_id_of_no_use_gives_the_whole_conversation(chat: Chat, browser: Browser, after: str) -> None:
    await browser.begin()
    last, _ = await browser.until(lambda name, _: name == "conversation")
    epoch = last.partition("-")[0]
    async for _, name, _data in browser.events(after=after.format(epoch=epoch)):
        if name != "status":
            assert name == "conversation"
            break


async def test_a_restart_shows_the_conversation_again_and_gives_the_page_its_new_token(
    chat: Chat, browser: Browser
) -> None:
    await browser.begin()
    await browser.do("message", text="What do parents get?")
    before = await browser.answered()
    await browser.do("messageReaction", replyToId=before["id"], reactionsAdded=[{"type": "heart"}])
    shown = await browser.messages()
    await chat.restart()
    assert await browser.messages() == shown
    status, error = await browser.do("message", text="And dogs?")
    assert (status, error["error"]["code"]) == (403, "stale_token")
    _, told = await browser.until(lambda name, _: name == "status")
    browser.token = told["token"]
    status, sent = await browser.do("message", text="And dogs?")
    assert status == 200
    assert int(sent["id"]) > int(before["id"])
    assert [m["id"] for m in await browser.messages()] == sorted(m["id"] for m in await browser.messages())


async def test_half_an_answer_is_not_kept_over_a_restart(chat: Chat, browser: Browser) -> None:
    here = reference(await browser.begin())
    message_id = await chat.channel.send(here, StreamPart("Half an", 1, "", informative=False))
    assert (await browser.messages())[-1]["text"] == "Half an"
    await chat.restart()
    assert message_id not in [m["id"] for m in await browser.messages()]
    again = await chat.channel.send(here, Message("Half an answer.", stream_id=message_id))
    assert again == message_id
    assert (await browser.messages())[-1]["text"] == "Half an answer."


async def test_each_person_has_conversations_of_their_own(chat: Chat, browser: Browser) -> None:
    first = await browser.begin("alex")
    await browser.do("message", text="What do parents get?")
    second = await browser.begin("alex")
    await browser.begin("sam")
    async with browser.http.get(f"{chat.url}/local/conversations?person=alex") as response:
        mine = await response.json()
    assert [(one["id"], one["title"]) for one in mine] == [(second, ""), (first, "What do parents get?")]
    await browser.do("message", text="Me too")
    assert (await chat.heard.came("message", 2))["from"]["id"] == "29:local-sam"


async def test_the_page_hears_when_the_model_is_ready(tmp_path: Path) -> None:
    chat = Chat(tmp_path, loading=lambda: "The model is being loaded.")
    async with a_chat(chat), a_browser(chat) as browser:
        await browser.begin()
        heard: list[str | None] = []
        async for _, name, data in browser.events():
            if name == "status":
                heard.append(data["loading"])
                chat.loading = lambda: None
            if len(heard) == 2:
                break
    assert heard == ["The model is being loaded.", None]


async def test_an_unknown_conversation_is_told_to_the_browser_and_to_the_front_end(
    chat: Chat, browser: Browser
) -> None:
    browser.conversation = "a:local-gone"
    _, data = await browser.until(lambda name, _: name == "gone")
    assert data == {}
    with pytest.raises(Undeliverable):
        await chat.channel.send(reference("a:local-gone"), Message("x"))


async def test_a_stop_ends_the_streams_of_open_pages(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    opened = asyncio.Event()

    async def watch() -> None:
        async for _ in browser.events():
            opened.set()

    watching = asyncio.create_task(watch())
    await opened.wait()
    chat.channel.hang_up()
    await asyncio.wait_for(watching, 5)


async def test_typing_is_shown_until_the_bot_speaks(chat: Chat, browser: Browser) -> None:
    here = reference(await browser.begin())
    last, _ = await browser.until(lambda name, _: name == "conversation")
    await chat.channel.send(here, Typing())
    await browser.until(lambda name, _: name == "typing", after=last)
    await chat.channel.send(here, Message("Here I am."))
    async for _, name, data in browser.events(after=last):
        assert name != "typing"
        if data.get("text") == "Here I am.":
            break


# What is kept


async def test_what_comes_after_the_end_is_an_error_that_a_later_start_can_mend(tmp_path: Path) -> None:
    chat = Chat(tmp_path)
    async with a_chat(chat), a_browser(chat) as browser:
        here = reference(await browser.begin())
    with pytest.raises(OSError, match="closed"):
        await chat.channel.send(here, Message("too late"))


async def test_conversations_and_messages_are_bounded(tmp_path: Path) -> None:
    kept = Conversations(tmp_path / "local.sqlite3")
    chats = [await kept.begin({"id": "alex", "name": "Alex"}) for _ in range(CONVERSATIONS_LIMIT + 3)]
    last = chats[-1]
    for _ in range(MESSAGES_LIMIT + 20):
        await kept.put(last, {"id": kept.new_id(), "sender": "user", "text": "x"})
    assert kept.get(chats[2].id) is None
    assert kept.get(chats[3].id) is not None
    assert len(last.messages) == MESSAGES_LIMIT
    assert len(last.changes) <= CHANGES_LIMIT
    assert last.since(0) is None, "too long ago to tell"
    await kept.close()
    again = Conversations(tmp_path / "local.sqlite3")
    assert len(again.of_person("alex")) == CONVERSATIONS_LIMIT
    assert again.get(last.id) is not None
    assert list(again.of_person("alex")[0].messages) == list(last.messages)
    await again.close()


# What is shown of an activity


@pytest.mark.parametrize(
    ("url", "opens"),
    [
        ("https://example.org/a#b", True),
        ("/site/docs/a#b", True),
        ("javascript:alert(1)", False),
        ("JavaScript:alert(1)", False),
        (" data:text/html,x", False),
        ("//evil.example/x", False),
        ("/\\evil.example", False),
        ("site/x", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_addresses_of_the_web_open(url: str, opens: bool) -> None:
    assert bool(openable(url)) is opens


def test_a_quote_goes_to_our_own_pages_only() -> None:
    assert with_quote("/site/a#b", "x & y") == "/site/a?quote=x%20%26%20y#b"
    assert with_quote("http://localhost:1/site/a", "x") == "http://localhost:1/site/a?quote=x"
    for url in ("https://example.org/site/a#b", "/site/a?b=c", "/other"):
        assert with_quote(url, "x") == url


def test_a_citation_opens_addresses_of_the_web_and_quotes_on_our_own_pages() -> None:
    cited = (
        CitedSource(1, "Leave", "16 weeks", "/site/leave#parents"),
        CitedSource(2, "Evil", "x", "javascript:alert(1)"),
    )
    shown = render_shown(Message("16 weeks [1] [2].", label="written", citations=cited))
    assert [one["url"] for one in shown["citations"]] == ["/site/leave?quote=16%20weeks#parents", ""]
    assert (shown["ai"], shown["state"], shown["loop"], shown["cards"]) == (True, "final", False, [])


async def test_two_pages_of_one_person_see_the_same(chat: Chat, browser: Browser) -> None:
    await browser.begin()
    async with aiohttp.ClientSession() as http:
        other = Browser(http, chat)
        other.conversation = browser.conversation
        await browser.do("message", text="What do parents get?")
        assert (await other.answered())["id"] == (await browser.answered())["id"]


# Conversations of one's own


async def test_conversations_are_renamed_found_and_deleted_with_their_questions(
    chat: Chat, browser: Browser
) -> None:
    await browser.begin()
    await browser.do("message", text="What do parents get?")
    await chat.heard.came("message")
    first = browser.conversation
    await browser.post("/local/rename", {"conversation": first, "title": "  Babies &\n co "})
    await browser.begin()
    await browser.do("message", text="Where is the canteen?")
    await chat.heard.came("message", 2)

    async def listed(words: str = "") -> list[str]:
        query = {"person": "alex", "words": words}
        async with browser.http.get(f"{chat.url}/local/conversations", params=query) as response:
            return [one["title"] for one in await response.json()]

    assert await listed() == ["Where is the canteen?", "Babies & co"]
    assert await listed("PARENTS get") == ["Babies & co"], "in what was said"
    assert await listed("babies") == ["Babies & co"], "in the name"
    assert await listed("canteen parents") == []
    async with browser.http.get(f"{chat.url}/local/conversations/{first}") as response:
        assert (await response.json())["person"]["id"] == "alex"
    await chat.asking.drain(10)
    await chat.restart()
    assert chat.channel.conversations.get(first).title == "Babies & co", "it survives a restart"  # type: ignore[union-attr]
    await browser.load()
    assert (await browser.post("/local/rename", {"conversation": first, "title": " "}))[0] == 200
    assert await listed() == ["Where is the canteen?", "What do parents get?"]
    assert (await browser.post("/local/end", {"conversation": first}))[0] == 200
    assert await listed() == ["Where is the canteen?"]
    assert [one.text for one in chat.store.questions.values()] == ["Where is the canteen?"]
    assert (await browser.post("/local/end", {"conversation": first}))[0] == 404
    await chat.restart()
    assert chat.channel.conversations.get(first) is None


async def test_a_stopped_answer_stays_as_it_was_on_screen(chat: Chat, browser: Browser) -> None:
    steps = asyncio.Semaphore(0)
    drafts = ("Parents", "Parents get", "Parents get sixteen")
    chat.actor.lines["slow"] = Lines("It ends [1].", (PARENTS,), drafts=drafts, steps=steps)
    await browser.begin()
    await browser.do("message", text="What is slow?")
    steps.release()
    shown = chat.channel.conversations.get(browser.conversation)
    assert shown is not None
    for _ in range(200):
        if any(one.get("state") == "streaming" for one in shown.messages.values()):
            break
        await asyncio.sleep(0.02)
    assert (await browser.post("/local/stop", {"conversation": browser.conversation}))[0] == 200
    for _ in range(3):
        steps.release()
    await chat.asking.drain(10)
    last = [*shown.messages.values()][-1]
    assert (last["text"], last["state"], last["stopped"]) == ("Parents", "final", True)
    await browser.do("message", text="What do parents get?")
    await chat.asking.drain(10)
    assert "sixteen weeks" in [*shown.messages.values()][-1]["text"], "the next one is answered"


@pytest.mark.parametrize("path", ["/local/rename", "/local/end", "/local/stop"])
async def test_nobody_elsewhere_changes_a_conversation(chat: Chat, browser: Browser, path: str) -> None:
    await browser.begin()
    body = {"conversation": browser.conversation, "title": "mine"}
    for headers in ({}, {"X-Askpage-Token": browser.token, "Origin": "https://evil.example"}):
        async with browser.http.post(chat.url + path, json=body, headers=headers) as response:
            assert response.status == 403
    kept = chat.channel.conversations.get(browser.conversation)
    assert kept is not None
    assert kept.name == ""


def test_pages_are_counted_by_folder_and_site() -> None:
    pages = [("/site/handbook/leave", "Leave"), ("/site/handbook/it/vpn", "VPN"), ("https://x.example/a", "")]
    assert count_pages(pages) == [{"name": "handbook", "count": 2}, {"name": "x.example", "count": 1}]
