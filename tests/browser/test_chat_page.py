"""The local chat page in headless Chromium, as a person uses it; behind it everything is real but the model.

Whatever a test does, the browser may ask this machine only, and must not report an error.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.cards.answer_text import NOTHING_FOUND
from bot.channels.message import CitedSource, Message, ThumbsRequest
from bot.web.chat_page import ADAPTIVE_CARDS
from bot.web.chats import render_shown
from core.records import AnswerKind, Citation
from feedback.store.base import StoreUnavailable
from tests.browser.chat import ANNUAL, PARENTS, Actor, Chat, Lines, a_chat
from tests.browser.windows import CONTRAST, Watching, a_chromium
from tests.builders.pages import HOSTILE
from tests.builders.sent_files import a_library
from tests.conftest import ROOT, need

playwright = pytest.importorskip("playwright.async_api")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

LONG = "It may be taken in up to three parts. " * 20


SICK = Citation("/site/handbook/leave#parents", "Time off", "Sick leave", "Tell your manager by ten o’clock.")


def steps() -> asyncio.Semaphore:
    return asyncio.Semaphore(0)


def lines() -> dict[str, Lines]:
    return {
        "parents": Lines(
            "Parents get sixteen weeks [1], on top of thirty days [2].",
            (PARENTS, ANNUAL),
            drafts=("Parents get", "Parents get sixteen weeks [1], on"),
            steps=steps(),
        ),
        "holiday": Lines("Everyone has thirty days of paid leave a year [1].", (ANNUAL,)),
        "sick": Lines(
            "Tell your manager by ten o’clock, in the calendar or by telephone. After the third day:\n\n"
            "- a doctor’s note, as a photo\n- the form **S-7** from <b>People</b>\n  - also for part-timers\n"
            "- and nothing [else](https://evil.example/)\n\n"
            "Days | Who is told | What for\n1 | your manager | the rota\n"
            "3 | People | your pay",
            (SICK, ANNUAL, PARENTS),
            kind=AnswerKind.QUOTED,
            marked="Tell your manager by ten o’clock, in the calendar or by telephone.",
        ),
        "soon": Lines(
            "You have thirty days [1].",
            (ANNUAL,),
            drafts=("You have",),
            first=Lines(
                "Everyone has thirty days of paid leave a year.\n\n"
                "- Half days count as half.\n- Ten days move on.",
                (ANNUAL, PARENTS),
                kind=AnswerKind.QUOTED,
                marked="Everyone has thirty days of paid leave a year.",
            ),
            steps=steps(),
        ),
        "steps": Lines(
            "Do this [1]:\n\n1. Open the calendar.\n2. Press *Time off*.\n   - Half days, too.\n\nDone.",
            (ANNUAL,),
        ),
        "evil": Lines(HOSTILE, (), drafts=(HOSTILE[:40],)),
        "long": Lines(LONG + "[1]\n\n" + LONG, (PARENTS,)),
    }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Any]:
    need(ROOT / ADAPTIVE_CARDS, "the card renderer is missing: run `make setup`")
    async with a_chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    suggestions = ("How much holiday is there?", "What do parents get?")
    async with a_chat(Chat(tmp_path, actor=Actor(lines()), suggestions=suggestions, interval_s=0)) as running:
        yield running


class Screen(Watching):
    """A browser window with the chat page."""

    def __init__(self, browser: Any, chat: Chat) -> None:
        super().__init__(browser)
        self.chat = chat
        self.page: Any = None

    async def open(self, *, width: int = 1200, height: int = 800, scheme: str = "light") -> Any:
        permissions = ["clipboard-read", "clipboard-write"]
        self.page = await self.window(width=width, height=height, scheme=scheme, permissions=permissions)
        await self.page.goto(self.chat.url + "/")
        await expect(self.page.locator("#connection")).to_have_text("Connected")
        await expect(self.page.locator(".message .card")).to_be_visible()
        return self.page

    async def ask(self, text: str) -> Any:
        """Ask, and return the last message once it is a final answer."""
        answers = self.page.locator(".message.from-bot:has([data-key=like])")
        before = await answers.count()
        await self.page.fill("#question", text)
        await self.page.press("#question", "Enter")
        await expect(answers).to_have_count(before + 1)
        return answers.nth(before)


@pytest_asyncio.fixture(loop_scope="module")
async def screen(browser: Any, chat: Chat) -> AsyncIterator[Screen]:
    shown = Screen(browser, chat)
    yield shown
    await shown.close(chat.url)


async def test_three_questions_are_answered_and_a_citation_opens_its_section(
    chat: Chat, screen: Screen
) -> None:
    page = await screen.open()
    await page.get_by_role("button", name="How much holiday is there?").click()
    await expect(page.locator(".message").nth(2)).to_contain_text("Everyone has thirty days")
    await expect(page.locator("#suggestions")).to_be_hidden()
    await expect(page.locator("#title")).to_have_text("How much holiday is there?")

    going = chat.actor.lines["parents"].steps
    assert going
    await page.fill("#question", "What do parents get?")
    await page.press("#question", "Enter")
    grows = page.locator(".message.streaming .body")
    await expect(grows).to_have_text("Reading the pages…")
    going.release()
    await expect(grows).to_have_text("Parents get")
    going.release()
    await expect(grows).to_have_text("Parents get sixteen weeks [1], on")
    assert await page.locator("#announce").inner_text() != "", "the first answer was announced"
    assert "sixteen" not in await page.locator("#announce").inner_text(), "a growing one is not"
    going.release()
    answer = page.locator(".message").last
    await expect(answer.locator(".label")).to_have_text("AI-generated")
    await expect(page.locator("#announce")).to_contain_text(
        "Parents get sixteen weeks, on top of thirty days."
    )
    await expect(answer.locator(".card")).to_contain_text("Sources")

    third = await screen.ask("May I bring my dog?")
    await expect(third.locator(".body")).to_have_text(NOTHING_FOUND)
    await expect(third.locator(".card")).to_contain_text("The nearest section I found")

    citation = page.locator(".message").nth(4).locator("a.cite").first
    assert await citation.get_attribute("rel") == "noopener noreferrer"
    async with page.context.expect_page() as opening:
        await citation.click()
    site = await opening.value
    await expect(site.locator("mark").first).to_be_visible()
    assert " ".join((await site.locator("mark").inner_text()).split()) == PARENTS.quote
    assert site.url.endswith("#parents")
    assert 0 <= (await site.locator("#parents").bounding_box())["y"] < 200
    assert await site.evaluate("window.opener") is None

    async with page.context.expect_page() as opening:
        await third.get_by_role("link", name="Open").click()
    site = await opening.value
    await expect(site.locator("#annual-leave h2")).to_be_in_viewport()


async def test_a_thumb_with_a_comment_and_a_reaction_arrive(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    answer = await screen.ask("How much holiday is there?")
    message_id = await answer.get_attribute("data-id")
    await answer.get_by_role("button", name="Good answer").click()
    await answer.get_by_role("checkbox", name="Clear").check()
    await answer.get_by_role("textbox").fill('It says "thirty"')
    await answer.get_by_role("button", name="Send feedback").click()
    invoke = await chat.heard.came("message/submitAction")
    assert (invoke["type"], invoke["replyToId"]) == ("invoke", message_id)
    assert invoke["value"]["actionName"] == "feedback"
    assert invoke["value"]["actionValue"]["reaction"] == "like"
    said = json.loads(invoke["value"]["actionValue"]["feedback"])
    assert said == {"feedbackText": 'It says "thirty"', "reasons": ["clear"]}
    await expect(answer.locator(".thumb-form")).to_be_hidden()
    await expect(answer.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    (kept,) = chat.store.feedback.values()
    assert (kept.value, kept.comment) == ("like", 'It says "thirty"')

    await answer.get_by_role("button", name="React", exact=True).hover()
    await answer.get_by_role("menuitemcheckbox", name="Heart").click()
    reaction = await chat.heard.came("messageReaction")
    assert (reaction["replyToId"], reaction["reactionsAdded"]) == (message_id, [{"type": "heart"}])
    await answer.get_by_role("button", name="You reacted with Heart").click()
    assert (await chat.heard.came("messageReaction", 2))["reactionsRemoved"] == [{"type": "heart"}]
    await expect(answer.locator(".reaction-given")).to_have_count(0)
    await answer.get_by_role("button", name="Copy the answer").click()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[0] == "Everyone has thirty days of paid leave a year [1]."
    assert copied.splitlines()[1].endswith("/site/handbook/leave#annual-leave")


async def test_a_file_is_chosen_or_dropped_named_and_sent_with_a_question(
    browser: Any, tmp_path: Path
) -> None:
    async with (
        a_library(tmp_path / "pages") as library,
        a_chat(Chat(tmp_path, actor=Actor(lines()), file_pages=library)) as chat,
    ):
        screen = Screen(browser, chat)
        page = await screen.open()
        await expect(page.get_by_role("button", name="Add a file")).to_be_visible()
        plan = {"name": "plan.md", "mimeType": "text/markdown", "buffer": b"# Plan\n\nWe move in May."}
        await page.set_input_files("#file", [plan])
        await expect(page.locator("#files li")).to_contain_text("plan.md")
        await page.get_by_role("button", name="Leave out plan.md").click()
        await expect(page.locator("#files")).to_be_hidden()
        await page.evaluate(DROP)
        await expect(page.locator("#files li")).to_contain_text("dropped.md")
        await page.locator("#send").click()  # without a question
        await expect(page.locator(".message.from-user .files")).to_have_text("dropped.md")
        await expect(page.locator(".message").last).to_contain_text("I have read dropped.md")
        await expect(page.locator("#files")).to_be_hidden()
        await screen.close(chat.url)


DROP = """() => {
  const data = new DataTransfer();
  data.items.add(new File(["# Plan\\n\\nWe move in June."], "dropped.md"));
  const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  document.getElementById("composer").dispatchEvent(event);
}"""


async def test_an_answer_is_stopped_asked_for_again_and_shared_by_a_link(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    going = chat.actor.lines["parents"].steps
    assert going
    await page.fill("#question", "What do parents get?")
    await page.press("#question", "Enter")
    going.release()
    await expect(page.locator(".message.streaming .body")).to_contain_text("Parents get")
    await page.get_by_role("button", name="Stop the answer").click()
    going.release()
    stopped = page.locator(".message.from-bot").filter(has_text="Stopped")
    await expect(stopped.locator(".body")).to_have_text("Parents get")
    await expect(page.locator("#stop")).to_be_hidden()
    await expect(page.locator("#question")).to_be_focused()

    for _ in range(4):
        going.release()
    await page.get_by_role("button", name="Ask this again").click()
    answer = page.locator(".message.from-bot:has([data-key=like])")
    await expect(answer.locator(".body")).to_contain_text("on top of thirty days")
    assert (await chat.heard.came("message", 2))["text"] == "What do parents get?"

    await answer.get_by_role("button", name="Copy a link to this answer").click()
    link = await page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{chat.url}/#conversation=")
    await page.get_by_role("button", name="New conversation").first.click()
    await expect(answer).to_have_count(0)
    await page.goto("about:blank")
    await page.goto(link)
    await expect(stopped).to_have_count(1)
    await expect(answer).to_be_in_viewport()
    await page.goto("about:blank")
    await page.goto(re.sub("conversation=[^&]+", "conversation=gone", link))
    await expect(page.get_by_text("This link leads to something that no longer exists.")).to_be_visible()
    [gone] = screen.wrong
    assert "404" in gone
    screen.wrong.clear()


async def test_conversations_are_renamed_found_by_their_words_and_deleted(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    await screen.ask("How much holiday is there?")
    await page.get_by_role("button", name="New conversation").first.click()
    await expect(page.locator(".message.from-bot:has([data-key=like])")).to_have_count(0)
    await screen.ask("May I bring my dog?")
    chats = page.locator("#chats li")
    await expect(chats).to_have_count(2)

    await page.get_by_role("button", name="Rename this conversation").click()
    await expect(page.locator("#name")).to_be_focused()
    await page.keyboard.type("Animals")
    await page.keyboard.press("Enter")
    await expect(page.locator("#title")).to_have_text("Animals")
    await expect(chats.first).to_have_text("Animals")

    for words, found in (("holiday", ["How much holiday is there?"]), ("ANIMAL", ["Animals"]), ("zebra", [])):
        await page.fill("#find", words)
        await expect(chats).to_have_text(found)
    await expect(page.locator("#no-chats")).to_be_visible()
    await page.fill("#find", "")
    await expect(chats).to_have_count(2)

    await page.get_by_role("button", name="Delete this conversation").click()
    await page.locator("#ending").get_by_role("button", name="Delete").click()
    await expect(chats).to_have_count(1)
    await expect(page.locator("#title")).not_to_have_text("Animals")
    assert [one.text for one in chat.store.questions.values()] == ["How much holiday is there?"]


async def test_another_person_speaks_in_a_conversation_of_their_own(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    await screen.ask("How much holiday is there?")
    await page.select_option("#person", label="Robin (reviewer)")
    await expect(page.locator(".message")).to_have_count(1)
    await screen.ask("May I bring my dog?")
    assert (await chat.heard.came("message", 2))["from"]["name"] == "Robin (reviewer)"
    await page.select_option("#person", value="?")
    await page.fill("#other-name", "Søren Ж.")
    await page.press("#other-name", "Enter")
    await expect(page.locator(".message")).to_have_count(1)
    await screen.ask("May I bring my cat?")
    guest = (await chat.heard.came("message", 3))["from"]
    assert guest["name"] == "Søren Ж."
    assert re.fullmatch(r"29:local-guest-[a-z0-9-]+", guest["id"])
    await page.reload()
    await expect(page.locator(".message")).to_have_count(3)
    await page.select_option("#person", label="Alex")
    await expect(page.locator(".from-user .body")).to_have_text("How much holiday is there?")
    await page.get_by_role("button", name="New conversation").first.click()
    await expect(page.locator("#chats li")).to_have_count(2)
    await expect(page.locator(".from-user")).to_have_count(0)


async def test_asking_and_editing_need_no_mouse(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    keys = page.keyboard
    await expect(page.locator("#question")).to_be_focused()
    await keys.type("How much")
    await keys.press("Shift+Enter")
    await keys.type("holiday is there?")
    assert chat.heard.activities[-1]["type"] == "conversationUpdate"
    await keys.press("Enter")
    assert (await chat.heard.came("message"))["text"] == "How much\nholiday is there?"
    answer = page.locator(".message.from-bot").last
    await expect(answer.locator("a.cite")).to_be_visible()

    await keys.press("ArrowUp")
    await expect(page.locator("#editing")).to_be_visible()
    await keys.press("Escape")
    await expect(page.locator("#question")).to_have_value("")
    await keys.press("ArrowUp")
    await keys.press("Control+a")
    await keys.type("May I bring my dog?")
    await keys.press("Enter")
    assert (await chat.heard.came("messageUpdate"))["text"] == "May I bring my dog?"
    await expect(answer.locator(".body")).to_have_text(NOTHING_FOUND)
    await expect(page.locator(".from-user .meta")).to_contain_text("Edited")


async def test_thumbs_reactions_and_deletions_need_no_mouse(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    keys = page.keyboard
    answer = await screen.ask("How much holiday is there?")
    await answer.get_by_role("button", name="Bad answer").focus()
    await keys.press("Enter")
    await expect(answer.get_by_role("textbox", name="In your words (optional)")).to_be_focused()
    await keys.type("dogs!")
    await keys.press("Shift+Tab")
    await expect(answer.get_by_role("checkbox", name="It is on the page")).to_be_focused()
    await keys.press("Space")
    await keys.press("Tab")
    await keys.press("Tab")
    await keys.press("Tab")
    await keys.press("Enter")
    said = json.loads((await chat.heard.came("message/submitAction"))["value"]["actionValue"]["feedback"])
    assert said == {"feedbackText": "dogs!", "reasons": ["on_the_page"]}
    await expect(answer.get_by_role("button", name="Bad answer")).to_be_focused()

    await keys.press("Tab")
    await expect(answer.get_by_role("button", name="React", exact=True)).to_be_focused()
    await keys.press("Enter")
    await keys.press("ArrowRight")
    await keys.press("ArrowRight")
    await keys.press("Enter")
    assert (await chat.heard.came("messageReaction"))["reactionsAdded"] == [{"type": "laugh"}]
    await expect(answer.get_by_role("button", name="React", exact=True)).to_be_focused()

    await page.get_by_role("button", name="Delete this question").focus()
    await keys.press("Enter")
    await keys.press("Escape")
    await expect(page.locator(".from-user")).to_have_count(1)
    await keys.press("Enter")
    await keys.press("Tab")
    await keys.press("Enter")
    await chat.heard.came("messageDelete")
    await expect(page.locator(".message")).to_have_count(1)
    await expect(page.locator("#question")).to_be_focused()


async def test_what_arrives_meanwhile_takes_neither_focus_nor_words_away(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    answer = await screen.ask("How much holiday is there?")
    chats, message_id = page.locator("#chats"), await answer.get_attribute("data-id")
    here = await chat.here()
    changed = Message("Thirty-one.", thumbs=ThumbsRequest("a", "s", asks_why=False))
    await answer.get_by_role("button", name="React", exact=True).click()
    await page.keyboard.press("ArrowRight")
    await chat.channel.update(here, message_id, changed)
    await expect(answer.locator(".body")).to_have_text("Thirty-one.")
    await expect(answer.get_by_role("menuitemcheckbox", name="Heart")).to_be_focused()
    await page.keyboard.press("Enter")
    assert (await chat.heard.came("messageReaction"))["reactionsAdded"] == [{"type": "heart"}]
    await answer.get_by_role("button", name="Good answer").click()
    await answer.get_by_role("textbox").fill("half a thou")
    await chat.channel.update(here, message_id, replace(changed, text="Thirty-two."))
    await expect(answer.locator(".body")).to_have_text("Thirty-two.")
    await page.keyboard.type("ght")
    await expect(answer.get_by_role("textbox")).to_have_value("half a thought")
    await expect(chats).to_contain_text("How much holiday")


async def test_hostile_words_stay_words(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    title = "How evil is it? " + HOSTILE
    answer = await screen.ask(title)
    await expect(page.locator(".from-user .body")).to_have_text(title)
    body = answer.locator(".body")
    await expect(body).to_contain_text("onerror")
    assert await body.locator("a, img, script, b, strong").count() == 0
    link = {"type": "Action.OpenUrl", "title": "Press", "url": "javascript:document.title=3"}
    bodies = [
        {"type": "TextBlock", "text": HOSTILE, "wrap": True},
        {"type": "Image", "url": "https://evil.example/d"},
    ]
    card = {"type": "AdaptiveCard", "version": "1.5", "body": bodies[:1], "actions": [link]}
    cited = CitedSource(1, HOSTILE, HOSTILE, "javascript:alert(1)")
    said = Message(HOSTILE + " [1]", label="written", citations=(cited,))
    await chat.show(render_shown(said) | {"cards": [card]})
    raw = page.locator(".message").last
    await expect(raw.locator(".card")).to_contain_text("onerror")
    assert await raw.locator(".content a, .content img, .content script, .card strong").count() == 0
    await raw.get_by_role("link", name="Press").click()
    assert len(page.context.pages) == 1
    assert re.match(r"How evil is it", await page.title())


async def test_the_pages_that_the_bot_knows_are_links(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    await page.fill("#question", "Which pages do you know?")
    await page.press("#question", "Enter")
    answer = page.locator(".message").last
    await expect(answer.locator(".body")).to_contain_text("These are the pages that I know.")
    await expect(answer.locator("[data-key=like]")).to_have_count(0)
    async with page.context.expect_page() as opening:
        await answer.locator(".card").get_by_text("Time off", exact=True).click()
    assert (await opening.value).url == f"{chat.url}/site/handbook/leave"


async def test_a_picture_from_elsewhere_in_a_card_is_not_fetched(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    await screen.ask("How much holiday is there?")
    arrived: list[str] = []
    await page.context.route(
        re.compile("evil"), lambda route: arrived.append(route.request.url) or route.abort()
    )
    picture = {"type": "Image", "url": "https://evil.example/secret.png", "altText": "a picture"}
    card = {
        "type": "AdaptiveCard",
        "version": "1.5",
        "body": [picture, {"type": "TextBlock", "text": "Below it"}],
    }
    await chat.show(render_shown(Message()) | {"cards": [card]})
    await expect(page.locator(".card").last).to_contain_text("Below it")
    await page.locator(".card").last.screenshot()
    assert arrived == []
    refused = [words for words in screen.wrong if "Content Security Policy" in words]
    assert refused, "the browser was told not to"
    screen.wrong.clear()
    screen.asked[:] = [url for url in screen.asked if "evil" not in url]


async def test_the_page_goes_on_after_a_restart_and_keeps_what_could_not_be_sent(
    chat: Chat, screen: Screen
) -> None:
    page = await screen.open()
    await screen.ask("How much holiday is there?")
    await chat.stop()
    await expect(page.locator("#connection")).to_have_text("Reconnecting…")
    await page.fill("#question", "May I bring my dog?")
    await page.press("#question", "Enter")
    await expect(page.locator("#toast")).to_contain_text("cannot be reached")
    await expect(page.locator("#question")).to_have_value("May I bring my dog?")
    await chat.start()
    await expect(page.locator("#connection")).to_have_text("Connected")
    await expect(page.locator(".message")).to_have_count(3)
    await page.press("#question", "Enter")
    await expect(page.locator(".message").last.locator(".body")).to_have_text(NOTHING_FOUND)
    chat.heard.raises = StoreUnavailable("the disk is full")
    await page.fill("#question", "And my cat?")
    await page.press("#question", "Enter")
    await expect(page.locator(".failure")).to_contain_text("could not be saved")
    chat.heard.raises = None
    await page.get_by_role("button", name="Send again").click()
    await expect(page.locator(".message")).to_have_count(7)
    await expect(page.locator(".failure")).to_have_count(0)
    screen.wrong[:] = [words for words in screen.wrong if "Failed to load resource" not in words]


async def test_a_banner_tells_that_the_model_is_loading(chat: Chat, screen: Screen) -> None:
    chat.loading = lambda: "The model is being loaded: your first answer takes a little longer."
    page = await screen.open()
    await expect(page.locator("#banner")).to_contain_text("is being loaded")
    chat.loading = lambda: None
    await expect(page.locator("#banner")).to_be_hidden()


async def test_without_the_card_renderer_the_page_says_what_to_do(
    chat: Chat, screen: Screen, tmp_path: Path
) -> None:
    await chat.stop()
    chat.root = tmp_path
    await chat.start()
    page = await screen.open()
    await expect(page.locator("#banner")).to_contain_text("make setup")
    await expect(page.locator(".card-missing").first).to_contain_text("Hello")
    answer = await screen.ask("How much holiday is there?")
    await expect(answer.locator(".body")).to_contain_text("thirty days")
    screen.wrong[:] = [words for words in screen.wrong if "adaptivecards" not in words and "404" not in words]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_and_edges_have_the_contrast_of_wcag_aa(chat: Chat, screen: Screen, scheme: str) -> None:
    chat.loading = lambda: "The model is being loaded."
    page = await screen.open(scheme=scheme)
    await expect(page.locator("#suggestions")).to_be_visible()
    first = await page.evaluate(CONTRAST)
    answer = await screen.ask("How much holiday is there?")
    await answer.get_by_role("button", name="Bad answer").click()
    await answer.get_by_role("checkbox", name="Incomplete").check()
    await answer.locator("a.cite").hover()
    chat.heard.raises = StoreUnavailable("the disk is full")
    await page.fill("#question", "And my cat?")
    await page.press("#question", "Enter")
    await expect(page.locator(".failure")).to_be_visible()
    await page.evaluate(
        "Promise.all(document.getAnimations().map((one) => one.playState === 'running' && "
        "one.effect.getTiming().iterations === 1 && one.finished))"
    )
    second = await page.evaluate(CONTRAST)
    await page.goto(f"{chat.url}/site/handbook/leave?quote=Parents%20get#parents")
    third = await page.evaluate(CONTRAST)
    assert (first["bad"], second["bad"], third["bad"]) == ([], [], [])
    assert first["seen"] > 15
    assert second["seen"] > 25
    screen.wrong.clear()


async def test_the_theme_can_be_chosen_and_stays(chat: Chat, screen: Screen) -> None:
    page = await screen.open(scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(paper)
    await page.get_by_role("radio", name="Dark").check(force=True)
    dark = await page.evaluate(paper)
    assert light != dark
    await page.reload()
    assert await page.evaluate(paper) == dark
    await page.goto(f"{chat.url}/site/")
    assert await page.evaluate(paper) == dark


WORDS = """() => {
  const texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (!walk.currentNode.parentElement.closest("noscript, script, kbd")) texts.push(walk.currentNode.data);
  for (const one of document.querySelectorAll("body *"))
    for (const name of ["aria-label", "title", "placeholder"]) if (one.hasAttribute(name)) texts.push(one.getAttribute(name));
  return texts.flatMap((text) => text.match(/[A-Za-z]{2,}[A-Za-z .,:;?-]*/g) ?? []);
}"""  # noqa: E501
"""All Latin words that a page has for eyes and ears."""


async def test_the_language_can_be_chosen_and_all_of_the_page_is_in_it(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    await page.get_by_label("Language").select_option("ja")
    await expect(page.locator("#connection")).to_have_text("接続済み")
    await page.get_by_role("button", name="新しい会話").first.click()
    await expect(page.locator(".message .card")).to_contain_text("こんにちは")
    answer = await screen.ask("May I bring my dog?")
    await expect(answer.locator(".card")).to_contain_text("見つかった中で最も近い箇所")
    await answer.get_by_role("button", name="良くない回答").click()
    await expect(page.locator(".thumb-form:visible")).to_contain_text("どこが問題でしたか？")
    known = {"askpage", "Alex", "Sam", "Robin", "reviewer", "English", "Deutsch", "Espa", "Français", "AI"}
    known |= {
        *chat.suggestions,
        ANNUAL.quote,
        "May I bring my dog?",
        "Time off",
        "Annual leave",
        "site",
        "handbook",
    }
    seen = {words.strip(" .,:;-") for words in await page.evaluate(WORDS)}
    assert {words for words in seen if not any(words in one for one in known)} == set()
    assert await page.evaluate("document.documentElement.lang") == "ja"
    await page.get_by_label("言語").select_option("")
    await expect(page.locator("#connection")).to_have_text("Connected")


async def test_a_narrow_screen_shows_everything_without_scrolling_sideways(
    chat: Chat, screen: Screen
) -> None:
    page = await screen.open(width=360, height=640)
    answer = await screen.ask("How long is it? long " + "x" * 200)
    await answer.get_by_role("button", name="React", exact=True).click()
    menu = await answer.locator(".reaction-menu").bounding_box()
    assert 0 <= menu["x"] <= menu["x"] + menu["width"] <= 360
    await page.keyboard.press("Escape")
    await answer.locator("a.cite").focus()
    peek = await answer.locator(".peek").bounding_box()
    assert 0 <= peek["x"] <= peek["x"] + peek["width"] <= 360
    await answer.get_by_role("button", name="Good answer").click()
    wide = (
        "[...document.querySelectorAll('body *')].filter((e) => "
        "e.checkVisibility({visibilityProperty: true}) && !e.closest('.side, .unseen, .skip') && "
        "(e.getBoundingClientRect().right > 361 || e.getBoundingClientRect().left < -1))"
        ".map((e) => e.className)"
    )
    assert await page.evaluate(wide) == []
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await page.get_by_role("button", name="Open the menu").click()
    await expect(page.get_by_role("button", name="Close the menu")).to_be_focused()
    await expect(page.locator("#person")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Open the menu")).to_be_focused()


async def test_who_reads_further_up_is_not_pulled_down(chat: Chat, screen: Screen) -> None:
    page = await screen.open(height=420)
    await screen.ask("How long is it? long")
    await page.locator("#scroll").evaluate("(box) => { box.scrollTop = 0; }")
    await expect(page.locator("#latest")).to_be_visible()
    await chat.channel.send(await chat.here(), Message("By the way."))
    await expect(page.locator(".message").last).to_contain_text("By the way.")
    assert await page.locator("#scroll").evaluate("(box) => box.scrollTop") == 0
    await page.locator("#latest").click()
    await expect(page.locator(".message").last).to_be_in_viewport()
    await expect(page.locator("#latest")).to_be_hidden()


async def test_a_quotation_is_drawn_with_its_mark_its_list_and_its_table(screen: Screen) -> None:
    page = await screen.open()
    answer = await screen.ask("I am sick, what now?")
    body = answer.locator(".body")
    await expect(body.locator(".lead-in")).to_contain_text(
        "I am not certain, but “Time off › Sick leave” says:"
    )
    assert await body.locator("mark").all_inner_texts() == [
        "Tell your manager by ten o’clock, in the calendar or by telephone."
    ]
    items = await body.locator(".item > span:last-child").all_inner_texts()
    assert items == [
        "a doctor’s note, as a photo",
        "the form **S-7** from <b>People</b>",
        "also for part-timers",
        "and nothing [else](https://evil.example/)",
    ]
    assert await body.locator(".depth-1").count() == 1
    assert await body.locator("th").all_inner_texts() == ["Days", "Who is told", "What for"]
    assert await body.locator("td").all_inner_texts() == [
        "1",
        "your manager",
        "the rota",
        "3",
        "People",
        "your pay",
    ]
    assert not await body.locator("b, img, a[href*=evil]").count()
    await expect(answer.locator(".label")).to_have_text("Found by AI")
    await expect(answer.locator(".card")).to_contain_text("See also")
    await expect(answer.locator(".card")).not_to_contain_text("doctor’s note")
    for theme in ("light", "dark"):
        await page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        assert (await page.evaluate(CONTRAST))["bad"] == []


async def test_a_quotation_is_reviewed_on_the_card_that_asks_for_it(chat: Chat, screen: Screen) -> None:
    page = await screen.open()
    answer = await screen.ask("I am sick, what now?")
    await answer.get_by_role("button", name="Ask an expert").click()
    await expect(answer.locator(".card")).to_contain_text("I will tell you the result")
    await page.select_option("select", "robin")
    review = page.locator(".card").filter(has_text="The bot quoted")
    for _ in range(20):
        await chat.parts.card_sync.process_outbox()
        if await review.count():
            break
        await page.wait_for_timeout(100)
    await expect(review).to_contain_text("a doctor’s note, as a photo")
    await review.get_by_role("button", name="Correct…").click()
    await expect(review.locator("textarea")).to_have_value(re.compile("^Tell your manager by ten"))


async def test_a_quotation_is_there_at_once_until_the_answer_takes_its_place(
    chat: Chat, screen: Screen
) -> None:
    page = await screen.open()
    going = chat.actor.lines["soon"].steps
    assert going
    await page.fill("#question", "How soon is there leave?")
    await page.press("#question", "Enter")
    grows = page.locator(".message.streaming .body")
    await expect(grows).to_contain_text("I am not certain, but “Time off › Annual leave” says:")
    await expect(grows).to_contain_text("• Half days count as half.")
    going.release()
    await expect(grows).to_contain_text("…")
    await expect(grows).not_to_contain_text("You have")
    going.release()
    last = page.locator(".message").last
    await expect(last.locator(".body")).to_contain_text("You have thirty days")
    await expect(last.locator(".body")).not_to_contain_text("I am not certain")


async def test_steps_of_an_answer_are_a_list(screen: Screen) -> None:
    await screen.open()
    answer = await screen.ask("What are the steps?")
    assert await answer.locator(".body .sign").all_inner_texts() == ["1.", "2.", "•"]
    assert await answer.locator(".body .item > span:last-child").all_inner_texts() == [
        "Open the calendar.",
        "Press *Time off*.",
        "Half days, too.",
    ]
    assert await answer.locator(".body > p").count() == 2
    assert await answer.locator(".body .cite").count() == 1
