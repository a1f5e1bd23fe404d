"""The widget on a page of another site, with a strict Content-Security-Policy, in headless Chromium.

Nothing but the site and the bot may be asked, no rule of the site may be broken, and nothing may go wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from bot.web.chat_page import ADAPTIVE_CARDS
from core.records import Channel, FeedbackKind
from tests.browser.chat import ANNUAL, PARENTS, Actor, Browser, Chat, Lines, a_browser, a_chat
from tests.browser.windows import Watching, a_chromium
from tests.builders.widget import Widget, a_widget
from tests.conftest import ROOT, need

playwright = pytest.importorskip("playwright.async_api")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
LOOK = """() => axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
  violations.map(({id, nodes}) => `${id}: ${nodes.map(({target, failureSummary}) => `${target} ${failureSummary}`).join(" | ")}`))"""  # noqa: E501
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Leave</title>
<link rel="canonical" href="/leave"></head>
<body><main><h1>Leave</h1><p><a href="/">All pages</a> Everyone has thirty days.</p></main>
<script src="{bot}/widget.js" async></script></body></html>"""
POLICY = (
    "default-src 'none'; script-src {bot}; frame-src {bot}; base-uri 'none'; form-action 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)


class Site:
    """A page of another origin that carries the widget."""

    def __init__(self) -> None:
        self.bot = self.policy = ""
        self._app = web.Application()
        self._app.router.add_get("/{path:.*}", self._show)

    async def start(self) -> None:
        self._runner = web.AppRunner(self._app, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://localhost:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _show(self, request: web.Request) -> web.Response:
        if request.path == "/favicon.ico":
            return web.Response(status=204)
        policy = (self.policy or POLICY).format(bot=self.bot)
        text = PAGE.format(bot=self.bot)
        headers = {"Content-Security-Policy": policy, "Cross-Origin-Embedder-Policy": "require-corp"}
        return web.Response(text=text, content_type="text/html", headers=headers)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Any]:
    need(ROOT / ADAPTIVE_CARDS, "the card renderer is missing: run `make setup`")
    async with a_chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def widget(tmp_path: Path, site: Site) -> AsyncIterator[Widget]:
    said = {
        "holiday": Lines("Everyone has thirty days of paid leave a year [1].", (ANNUAL,)),
        "parents": Lines("Parents get sixteen weeks [1].", (PARENTS,)),
    }
    async with (
        a_chat(Chat(tmp_path, actor=Actor(said))) as chat,
        a_widget(Widget(chat, tmp_path, origins=[site.url])) as running,
    ):
        site.bot = running.url
        yield running


class Window(Watching):
    """A browser's window with the site's page; `panel` is the frame in it."""

    async def open(self, site: Site, **look: Any) -> Any:
        self.page = await self.window(permissions=["clipboard-write"], **look)
        await self.page.goto(f"{site.url}/leave?from=mail#top")
        await expect(self.button).to_be_visible()
        return self.page

    @property
    def button(self) -> Any:
        return self.page.get_by_role("button", name="Ask about this page")

    @property
    def dialog(self) -> Any:
        return self.page.get_by_role("dialog", name="Ask about this page")

    @property
    def panel(self) -> Any:
        return self.page.frame_locator("iframe")

    async def press_button(self) -> None:
        await self.button.click()
        await expect(self.panel.locator("#messages:not([aria-busy])")).to_be_attached()

    async def ask(self, text: str) -> Any:
        answers = self.panel.locator(".message.from-bot:has([data-key=like])")
        before = await answers.count()
        await self.panel.locator("#question").fill(text)
        await self.panel.locator("#question").press("Enter")
        await expect(answers).to_have_count(before + 1)
        return answers.nth(before)

    async def focused(self) -> str:
        """Return what has the focus: in the panel, else on the site's page."""
        inside = next(frame for frame in self.page.frames if "/widget/panel" in frame.url)
        if await inside.evaluate("document.hasFocus()"):
            return "panel " + await inside.evaluate("document.activeElement.id")
        return await self.page.evaluate(
            "document.activeElement.shadowRoot?.activeElement?.className ?? document.activeElement.tagName"
        )


@pytest_asyncio.fixture(loop_scope="module")
async def window(browser: Any, site: Site, widget: Widget) -> AsyncIterator[Window]:
    opened = Window(browser)
    yield opened
    for context in browser.contexts:
        await context.close()
    assert {asked for asked in opened.asked if not asked.startswith((site.url, widget.url))} == set()
    assert opened.wrong == []


async def test_a_visitor_asks_about_the_page_goes_on_rates_and_sees_the_correction(
    site: Site, widget: Widget, window: Window
) -> None:
    page = await window.open(site)
    assert not [one for one in window.asked if "/widget/" in one], "nothing is asked before the button"
    await window.press_button()
    await expect(window.panel.locator("#page-title")).to_have_text("Leave")
    first = await window.ask("How much holiday is there?")
    await expect(first).to_contain_text("thirty days of paid leave")
    await expect(first.locator("a.cite")).to_have_attribute("target", "_blank")
    await window.panel.locator("#about").uncheck()
    await window.ask("What do parents get?")
    asked = widget.chat.actor.asked
    assert [one.page_url for one in asked] == [f"{site.url}/leave", None]
    assert {one.channel for one in asked} == {Channel.WIDGET}

    await first.get_by_role("button", name="Bad answer").click()
    form = window.panel.locator(".thumb-form:not([hidden])")
    await form.locator("textarea").fill("It is thirty-two now.")
    await form.get_by_role("button", name="Send").last.click()
    await expect(form).to_have_count(0)
    [word] = widget.chat.store.feedback.values()
    assert (word.kind, word.value, word.comment) == (FeedbackKind.THUMB, "dislike", "It is thirty-two now.")
    assert not word.trainable, "nothing is learned from strangers unless the operator says so"

    async with a_browser(widget.chat) as reviewer:
        await reviewer.begin("robin")
        await _correct(reviewer, widget, "Everyone has thirty-two days.")
    await expect(window.panel.locator(".messages")).to_contain_text("Everyone has thirty-two days.")

    await page.reload()
    await window.press_button()
    await expect(window.panel.locator(".messages")).to_contain_text("Everyone has thirty-two days.")


async def _correct(reviewer: Browser, widget: Widget, text: str) -> None:
    """Correct the answer that was complained about, with the card that the reviewer has."""
    await widget.chat.parts.card_sync.process_outbox()
    card = await reviewer.shows(lambda shown: "review.correct" in str(shown.get("cards")))
    [data] = [one["data"] for one in _actions(card["cards"]) if one.get("verb") == "review.correct"]
    pressed = {"type": "Action.Execute", "verb": "review.correct", "data": data | {"text": text}}
    value = {"action": pressed}
    status, said = await reviewer.do("invoke", name="adaptiveCard/action", value=value, replyToId=card["id"])
    assert status == 200, said
    await widget.chat.parts.card_sync.process_outbox()


def _actions(part: Any) -> list[Any]:
    """Return everything in a card that is an action."""
    if isinstance(part, list):
        return [one for each in part for one in _actions(each)]
    if not isinstance(part, dict):
        return []
    own = [part] if str(part.get("type", "")).startswith("Action.Execute") else []
    return own + [one for each in part.values() for one in _actions(each)]


async def test_the_keyboard_opens_stays_inside_and_escape_leads_back(site: Site, window: Window) -> None:
    page = await window.open(site)
    await window.button.focus()
    await page.keyboard.press("Enter")
    await expect(window.panel.locator("#empty")).to_be_visible()
    await expect(window.panel.locator("#question")).to_be_focused()
    assert await window.button.get_attribute("aria-expanded") == "true"
    places = set()
    for pressed in range(90):
        await page.keyboard.press("Tab")
        places.add(await window.focused())
        if pressed >= 20 and "close" in places:
            break
    assert "close" in places, "once around, and a slow machine needs more than one look at a place"
    assert not places & {"A", "open"}, "the page around is out of reach"
    await window.panel.locator("#question").focus()

    answer = await window.ask("How much holiday is there?")
    await answer.get_by_role("button", name="Good answer").press("Enter")
    form = window.panel.locator(".thumb-form:not([hidden])")
    await expect(form).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(form).to_have_count(0)
    await expect(window.dialog).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(window.dialog).to_be_hidden()
    assert await window.focused() == "open"
    await page.keyboard.press("Enter")
    await expect(window.panel.locator("#question")).to_be_focused()
    await window.dialog.get_by_role("button", name="Close").press("Escape")
    await expect(window.dialog).to_be_hidden()
    assert await window.focused() == "open"


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light")])
async def test_axe_finds_nothing_on_the_page_and_in_the_panel(
    site: Site, window: Window, width: int, scheme: str
) -> None:
    need(AXE, "axe-core is missing: run `make setup`")
    page = await window.open(site, width=width, scheme=scheme)
    for look in range(2):
        if look:
            await window.press_button()
            await window.ask("How much holiday is there?")
            await window.ask("May I bring my dog?")
            await window.panel.get_by_role("button", name="Bad answer").first.click()
        for frame in page.frames:  # the tool's own calls are not held to the pages' rules for scripts
            await frame.evaluate(AXE.read_text())
            assert await frame.evaluate(LOOK) == [], frame.url
            wide = await frame.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not wide, frame.url


async def test_a_site_that_is_not_named_shows_no_panel(site: Site, widget: Widget, window: Window) -> None:
    page = await window.open(site)
    stranger = page.url.replace("localhost", "127.0.0.1")
    await page.goto(stranger)
    async with page.expect_event("requestfailed", lambda request: "/widget/panel" in request.url):
        await window.button.click()
    await expect(window.panel.locator("#question")).to_have_count(0)
    window.wrong.clear()  # the browser says that it does not show the frame
    window.asked = [asked for asked in window.asked if not asked.startswith(stranger.partition("/leave")[0])]
