"""The chat page's file after a deletion: no name, id or word of the person, and nobody else's lost."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.web.activities import directory_id
from bot.web.conversations import Conversation, Conversations
from bot.web.erase import forget_here
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.store.base import StoreUnavailable
from tests.browser.chat import ANNUAL, Actor, Browser, Chat, Lines, a_browser, a_chat
from tests.builders.people import bytes_in
from tests.builders.world import pseudonym

RARE = "xylophone-omelette"
PERSON = {"id": "zoe-quillfeather", "name": "Zoe Quillfeather"}
THEIRS = (b"quillfeather", RARE.encode())


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    lines = {"holiday": Lines("Everyone has thirty days of paid leave a year [1].", (ANNUAL,))}
    async with a_chat(Chat(tmp_path, actor=Actor(lines), interval_s=0)) as running:
        yield running


def left(folder: Path) -> list[bytes]:
    """Return what of the person stands in any file of the page."""
    data = bytes_in(folder).lower()
    return [words for words in THEIRS if words in data]


async def asks(browser: Browser, text: str = f"How much holiday, {RARE}?") -> None:
    status, begun = await browser.post("/local/conversations", {"person": PERSON})
    assert status == 200
    browser.conversation = begun["id"]
    await browser.do("message", text=text)
    await browser.answered()


async def deletes(browser: Browser, chat: Chat) -> None:
    await browser.do("message", text="delete my data")
    shown = await browser.shows(lambda one: "Delete all" in json.dumps(one.get("cards")))
    now, _ = shown["cards"][0]["actions"]
    action = {"type": "Action.Execute", "verb": now["verb"], "data": now["data"]}
    await browser.do("invoke", name="adaptiveCard/action", replyToId=shown["id"], value={"action": action})
    await chat.parts.privacy.wait_until_settled()
    await browser.shows(lambda one: "Your data is deleted" in json.dumps(one.get("cards")))


async def test_name_and_id_leave_the_file_though_the_conversation_stays_on_screen(
    chat: Chat, tmp_path: Path
) -> None:
    async with a_browser(chat) as browser:
        await asks(browser)
        assert left(tmp_path) == list(THEIRS)
        await deletes(browser, chat)
        assert left(tmp_path) == []
        [told] = await browser.messages()
        assert "Your data is deleted" in json.dumps(told["cards"])
    await chat.restart()
    assert chat.channel.conversations.all() == []


async def test_whoever_goes_on_in_the_same_conversation_finds_it_again_after_a_restart(
    chat: Chat, tmp_path: Path
) -> None:
    async with a_browser(chat) as browser:
        await asks(browser)
        await deletes(browser, chat)
        await browser.do("message", text="How much holiday?")
        await browser.answered()
        before = await browser.messages()
        assert left(tmp_path) == [THEIRS[0]], "they are somebody again, with what they say from now on"
        await chat.restart()
        await browser.load()
        assert await browser.messages() == before


async def test_somebody_who_has_spoken_since_keeps_the_conversation(chat: Chat, tmp_path: Path) -> None:
    async with a_browser(chat) as browser:
        await asks(browser)
        begun_at = datetime.now(UTC)
        await asyncio.sleep(0.01)
        await browser.do("message", text="How much holiday is left?")
        await chat.asking.drain(10)
        wished = Deletion(pseudonym(directory_id(PERSON["id"])), "n", begun_at, by="operator 7")
        await Deletions(chat.store.documents).begin(wished)
        await chat.parts.privacy.catch_up()
        texts = [one["text"] for one in await browser.messages()]
        assert "How much holiday is left?" in texts
        assert left(tmp_path) == [THEIRS[0]]


async def test_pieces_of_what_was_taken_from_others_conversations_go_with_the_next_cleaning(
    tmp_path: Path,
) -> None:
    """SQLite moves records within its pages and overwrites those that are deleted, not those it moved."""
    page = Conversations(tmp_path / "local.sqlite3")
    await page.overwrite()
    chats = [await page.begin({"id": f"person-{number}", "name": "Robin"}) for number in range(60)]
    rng = random.Random(3)  # noqa: S311 - the same messages every time
    there: list[tuple[Conversation, str]] = []
    for number in range(2_500):
        chat = rng.choice(chats)
        text = f"{RARE} {'y' * rng.randrange(3_000)} end of {RARE}"
        shown: Any = {"id": str(number), "sender": "bot", "text": text, "at": page.now(), "state": "final"}
        await page.put(chat, shown)
        there.append((chat, shown["id"]))
        if rng.random() < 0.5:
            await page.remove(*there.pop(rng.randrange(len(there))))
        if rng.random() < 0.3 and there:
            chat, known = rng.choice(there)
            await page.put(chat, {**chat.messages[known], "text": RARE + "z" * rng.randrange(4_000)})
    for chat, known in there:  # nobody's words are left, but every message is
        await page.put(chat, {**chat.messages[known], "text": "y" * rng.randrange(3_000)})
    await page._write("PRAGMA wal_checkpoint(TRUNCATE)", ())
    assert RARE.encode() in bytes_in(tmp_path), "SQLite left nothing: the test shows nothing"
    await page.overwrite()
    assert RARE.encode() not in bytes_in(tmp_path)
    size, changed = (tmp_path / "local.sqlite3").stat().st_size, page._db.total_changes
    await page.overwrite()  # nothing went since, so nothing is done
    assert ((tmp_path / "local.sqlite3").stat().st_size, page._db.total_changes) == (size, changed)
    await page.close()


async def test_a_command_that_cannot_write_the_file_anew_says_so_and_can_be_run_again(tmp_path: Path) -> None:
    page = Conversations(tmp_path / "local.sqlite3")
    await page.begin(PERSON)
    await page.close()
    await asyncio.sleep(0.01)
    person = pseudonym(directory_id(PERSON["id"]))
    wished = Deletion(person, "n", datetime.now(UTC), by="operator 7")

    def theirs(directory: str) -> bool:
        return pseudonym(directory) == person

    busy = sqlite3.connect(tmp_path / "local.sqlite3", isolation_level=None)
    busy.execute("BEGIN")
    busy.execute("SELECT * FROM conversation").fetchall()
    writing = sqlite3.connect(tmp_path / "local.sqlite3", isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="Run this again in a minute"):
        await forget_here(tmp_path, wished, theirs)
    writing.execute("ROLLBACK")
    busy.close()
    writing.close()
    await forget_here(tmp_path, wished, theirs)
    assert left(tmp_path) == []
