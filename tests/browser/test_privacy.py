"""A person's data on the chat page, in a browser: told once, got as a file, deleted to the last byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.dialogs.privacy import HERE
from bot.web.chat_page import ADAPTIVE_CARDS
from feedback.privacy.deletion_log import Deletion, Deletions
from tests.browser.chat import ANNUAL, Actor, Chat, Lines, a_browser, a_chat
from tests.browser.windows import a_chromium
from tests.builders.people import bytes_in
from tests.builders.world import pseudonym
from tests.conftest import ROOT, need

playwright = pytest.importorskip("playwright.async_api")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

RARE = "xylophone-omelette"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Any]:
    need(ROOT / ADAPTIVE_CARDS, "the card renderer is missing: run `make setup`")
    async with a_chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    lines = {"holiday": Lines("Everyone has thirty days of paid leave a year [1].", (ANNUAL,))}
    async with a_chat(Chat(tmp_path, actor=Actor(lines), interval_s=0)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Any, chat: Chat) -> AsyncIterator[Any]:
    context = await browser.new_context(viewport={"width": 900, "height": 860}, locale="en-GB")
    context.set_default_timeout(15_000)
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page = await context.new_page()
    await page.goto(chat.url + "/")
    await expect(page.locator(".message .card").first).to_be_visible()
    yield page
    await context.close()
    assert wrong == []


async def ask(page: Any, text: str) -> None:
    answers = page.locator(".message.from-bot:has([data-key=like])")
    before = await answers.count()
    await say(page, text)
    await expect(answers).to_have_count(before + 1)


async def say(page: Any, text: str) -> None:
    await page.fill("#question", text)
    await page.press("#question", "Enter")


async def test_the_welcome_tells_once_what_is_kept_and_its_button_tells_more(page: Any) -> None:
    await expect(page.locator(".message .card")).to_contain_text("Before we begin")
    await page.get_by_role("button", name="Privacy").click()
    card = page.locator(".message .card").last
    for words in (
        "Your data",
        "How long it is kept",
        "365 days",
        "Who sees it",
        "Learning from you is on",
    ):
        await expect(card).to_contain_text(words)
    await page.get_by_role("button", name="Stop learning from me").click()
    await expect(card).to_contain_text("Learning from you is off")
    await expect(page.get_by_role("button", name="Learn from me again")).to_be_visible()
    await page.click("#new")
    await expect(page.locator(".message .card")).to_have_count(1)
    await expect(page.locator(".message .card")).not_to_contain_text("Before we begin")


async def test_the_file_is_downloaded_and_has_what_was_said(page: Any) -> None:
    await ask(page, f"How much holiday, {RARE}?")
    await say(page, "export my data")
    async with page.expect_download() as downloaded:
        await page.get_by_role("link", name="Download").click()
    download = await downloaded.value
    assert download.suggested_filename.startswith("askpage-my-data-")
    file = json.loads(await asyncio.to_thread(Path(await download.path()).read_text))
    [question] = file["questions"]
    assert question["record"]["text"] == f"How much holiday, {RARE}?"
    assert question["answer"]["text"] == "Everyone has thirty days of paid leave a year [1]."
    await page.get_by_role("button", name="Back").click()
    await expect(page.locator(".message .card").last).to_contain_text("How long it is kept")


async def test_deleting_clears_the_screen_and_every_file_and_says_how_much_went(
    chat: Chat, page: Any, tmp_path: Path
) -> None:
    await ask(page, f"How much holiday, {RARE}?")
    await page.click("#new")
    await expect(page.locator(".message")).to_have_count(1)
    await ask(page, f"And how much holiday for an {RARE}?")
    await page.locator("[data-key=like]").last.click()
    await page.get_by_role("button", name="Send feedback").click()
    await expect(page.locator("[data-key=like]").last).to_have_attribute("aria-pressed", "true")
    assert RARE.encode() in bytes_in(tmp_path)
    await say(page, "meine Daten löschen")
    await expect(page.locator(".message .card").last).to_contain_text("Delete all your data?")
    await page.get_by_role("button", name="Delete everything").click()
    await expect(page.locator(".message")).to_have_count(1)
    told = page.locator(".message .card")
    for words in (
        "Your data is deleted",
        "2 questions",
        "2 answers",
        "1 rating or comment by you",
    ):
        await expect(told).to_contain_text(words)
    await expect(page.locator("#chats li")).to_have_count(1)
    await expect(page.locator("#title")).to_have_text("New conversation")
    assert RARE.encode() not in bytes_in(tmp_path)
    assert not chat.store.questions
    await ask(page, "How much holiday?")  # and on it goes, and tells again what is kept
    await expect(page.locator(".message").last).to_contain_text("Before we begin")


async def test_keeping_it_keeps_it(chat: Chat, page: Any) -> None:
    await ask(page, "How much holiday?")
    await say(page, "delete my data")
    await page.get_by_role("button", name="Keep it").click()
    await expect(page.locator(".message .card").last).to_contain_text("How long it is kept")
    assert chat.store.questions


# Without a window


async def test_a_link_opens_only_for_the_person_and_conversation_that_it_was_made_for(chat: Chat) -> None:
    async with a_browser(chat) as browser:
        alexs = await browser.begin("alex")
        sams = await browser.begin("sam")
        made = chat.parts.links
        alex = pseudonym(chat.channel.owner(alexs))
        cases = {
            made.address(made.link(HERE, alex, alexs)): 200,
            made.address(made.link(HERE, alex, sams)): 404,
            made.address(made.link(HERE, pseudonym("somebody"), alexs)): 404,
            made.address(made.link(HERE, alex, "a:gone")): 404,
            made.address(made.link(HERE, pseudonym(""), "a:gone")): 404,
        }
        for path, status in cases.items():
            async with browser.http.get(chat.url + path) as response:
                assert response.status == status
        proxied = {"X-Forwarded-For": "203.0.113.7"}
        async with browser.http.get(chat.url + next(iter(cases)), headers=proxied) as response:
            assert response.status == 403


async def test_whoever_deletes_leaves_the_others_conversations_alone(chat: Chat) -> None:
    async with a_browser(chat) as browser:
        await browser.begin("sam")
        await browser.do("message", text=f"How much holiday, {RARE}?")
        await browser.answered()
        sams = browser.conversation
        await browser.begin("alex")
        await browser.do("message", text="delete my data")
        shown = await browser.shows(lambda one: "Delete all" in json.dumps(one.get("cards")))
        now, _ = shown["cards"][0]["actions"]
        action = {"type": "Action.Execute", "verb": now["verb"], "data": now["data"]}
        await browser.do(
            "invoke", name="adaptiveCard/action", replyToId=shown["id"], value={"action": action}
        )
        await chat.parts.privacy.wait_until_settled()
        browser.conversation = sams
        assert any(RARE in one["text"] for one in await browser.messages())
        assert len(chat.store.questions) == 1


async def test_another_process_that_deletes_is_heard_of_by_the_page(chat: Chat, tmp_path: Path) -> None:
    async with a_browser(chat) as browser:
        await browser.begin("alex")
        await browser.do("message", text=f"How much holiday, {RARE}?")
        await browser.answered()
        await asyncio.sleep(0.01)
        person = pseudonym(chat.channel.owner(browser.conversation))
        wished = Deletion(person, "by an operator", datetime.now(UTC), by="operator 7")
        await Deletions(chat.store.documents).begin(wished)
        await chat.parts.privacy.catch_up()
        assert RARE.encode() not in bytes_in(tmp_path)
        assert chat.channel.owner(browser.conversation) == ""
