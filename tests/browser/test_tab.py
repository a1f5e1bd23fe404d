"""The tab in headless Chromium, in a frame as Teams has it, with Microsoft's own library."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.teams.tab.page import find_teams_js
from tests.browser.windows import CONTRAST, Watching, a_chromium
from tests.builders.tab import ADA, Tab, a_tab
from tests.builders.world import a_world
from tests.doubles.entra import FOREIGN_TENANT, TENANT
from tests.doubles.teams_frame import BOT, TEAMS, open_in_teams
from tests.needs import ROOT, need

playwright = pytest.importorskip("playwright.async_api")
expect = playwright.expect
pytestmark = [pytest.mark.browser]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FINDINGS = "async () => (await axe.run()).violations.map((one) => `${one.id}: ${one.nodes[0].html}`)"
ORIGINS = "https://res.cdn.office.net/teams-js/validDomains/json/validDomains.json"
"""A list that Microsoft's library asks for, and does without: the page lets it ask the bot alone."""


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with a_world() as world, a_tab(world) as tab:
        sender = {"id": "29:ada", "aadObjectId": ADA, "name": "Ada"}
        chat = {"id": "a:ada", "conversationType": "personal", "tenantId": TENANT}
        await world.ask("How <b>much</b> leave?", conversation=chat, **{"from": sender})
        await world.settled()
        yield tab


def forgive_origins(seen: Watching) -> None:
    """Leave out that the browser refused Microsoft's library its list."""
    seen.wrong = [one for one in seen.wrong if ORIGINS not in one]
    assert not [one for one in seen.asked if not one.startswith((TEAMS, BOT))]


async def test_somebody_sees_what_is_theirs_and_has_it_deleted_in_every_light(tab: Tab) -> None:
    need(AXE, "axe-core is missing: run `make node_modules/.test-installed`")
    need(find_teams_js() or AXE.with_name("missing"), "run `make node_modules/.test-installed`")
    async with a_chromium() as browser:
        seen = Watching(browser)
        page = await seen.window(width=1100, height=900)
        frame = await open_in_teams(page, tab.url, tab.entra.token(ADA))
        await expect(frame.locator("#questions h3")).to_have_text("How <b>much</b> leave?")
        await expect(frame.locator("#pages a")).to_have_text(["Leave", "Travel"])
        await frame.evaluate(AXE.read_text("utf-8"))
        for theme in ("default", "dark", "contrast"):
            await page.evaluate("(theme) => window.turn(theme)", theme)
            light = "light" if theme == "default" else "dark"
            await expect(frame.locator("html")).to_have_attribute("data-theme", light)
            assert await frame.evaluate(FINDINGS) == []
            assert (await frame.evaluate(CONTRAST))["bad"] == []
        await page.set_viewport_size({"width": 360, "height": 700})
        assert await frame.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        await frame.locator("#learning").press("Enter")
        await expect(frame.locator("#learning")).to_have_text("Learn from me again")
        await frame.locator("#export").click()
        link = await frame.locator("#file a").get_attribute("href")
        assert str(link).startswith(f"{BOT}/privacy/export/")
        await frame.locator("#delete").click()
        assert await frame.evaluate(FINDINGS) == []
        await page.keyboard.press("Enter")  # on what keeps the data
        assert len(tab.world.store.questions) == 1
        await frame.locator("#delete").click()
        await frame.locator("dialog .danger").click()
        await expect(frame.locator("#said")).to_contain_text("is being deleted")
        await tab.world.parts.privacy.wait_until_settled()
        assert not tab.world.store.questions
        assert await page.evaluate("() => window.strange") == []
        forgive_origins(seen)
        assert seen.wrong == []


async def test_who_is_not_let_in_is_told_why_and_sees_nothing(tab: Tab) -> None:
    need(find_teams_js() or AXE.with_name("missing"), "run `make node_modules/.test-installed`")
    async with a_chromium() as browser:
        for token, says in (
            (tab.entra.token(ADA, FOREIGN_TENANT), "not for your organisation"),
            (None, "could not sign you in: consent_required"),
        ):
            page = await Watching(browser).window()
            frame = await open_in_teams(page, tab.url, token)
            await expect(frame.locator("#said")).to_contain_text(says)
            await expect(frame.locator("#mine")).to_be_hidden()
        outside = await Watching(browser).window()
        await outside.goto(f"{tab.url}/teams/tab")
        await expect(outside.locator("#said")).to_contain_text("open it there")


async def test_the_tab_speaks_the_language_of_teams_whatever_the_browser_asks_for(tab: Tab) -> None:
    need(find_teams_js() or AXE.with_name("missing"), "run `make node_modules/.test-installed`")
    async with a_chromium() as browser:
        page = await Watching(browser).window()
        frame = await open_in_teams(page, tab.url, tab.entra.token(ADA), locale="de-de")
        await expect(frame.locator("#questions-title")).to_have_text("Meine Fragen")
        await expect(frame.locator("#questions .state")).to_contain_text("beantwortet")
        await expect(frame.locator("#learning")).to_have_text("Nicht mehr von mir lernen")
        assert await frame.evaluate("() => document.documentElement.lang") == "de"
