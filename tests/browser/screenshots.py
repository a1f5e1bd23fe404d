"""Take the pictures of asking.md, feedback.md, reviewing.md, admin.md, models.md, dashboard.md and teams.md.

Run as: python -m tests.browser.screenshots [--into docs/images] [--only dashboard]

Those of chats are taken on the way that tests/browser/review_walk.py walks, on a real instance with the
canned model; that of a quotation on the page with a scripted one (tests/browser/chat.py); those of the
dashboard over the made-up company of tests/builders/company.py.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image
from playwright.async_api import async_playwright, expect

from core.records import AnswerKind, Citation, ReviewReason, Ruling, Verdict
from feedback.reviews.repository import Notification
from feedback.store.base import moment
from feedback.store.sqlite import SqliteStore
from model.registry.versions import RolloutState
from tests.browser.chat import Actor, Chat, Lines, a_chat
from tests.browser.dashboards import Board, Run, a_board
from tests.browser.model_walk import put_in_place, read_and_promote
from tests.browser.review_walk import Walk, change, write_pages
from tests.browser.review_walk import options as settings_of
from tests.browser.reviews_page import ROBIN, flag, serve_reviews_page, some_answers
from tests.browser.windows import FLAGS
from tests.builders.company import CANARY_SHARE, VERSIONS, fill, sum_up
from tests.builders.tab import ADA, a_tab
from tests.builders.world import a_world
from tests.conftest import ROOT
from tests.doubles.entra import TENANT
from tests.doubles.teams_frame import open_in_teams
from tests.processes.serving import CANNED, serving


async def take(into: Path) -> None:
    """Walk the way once."""
    with tempfile.TemporaryDirectory() as folder:
        pages, data = write_pages(Path(folder) / "pages"), Path(folder) / "data"
        async with serving(data, *settings_of(pages)) as served, async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = await browser.new_page(viewport={"width": 900, "height": 860})
            await page.goto(served.url)
            await expect(page.locator(".message .card").first).to_be_visible()

            async def picture(name: str) -> None:
                await page.wait_for_timeout(400)  # what moves has come to rest
                await page.screenshot(path=into / f"{name}.png")

            await Walk(page, picture).whole_way(lambda: change(data, pages))
            await browser.close()


async def take_dashboard(into: Path) -> None:
    """Look at sixty made-up days, by day and by night."""
    now = datetime(2026, 11, 24, 16, 20, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "askpage.sqlite3")
        await fill(store, now, busy=2.2)
        await sum_up(store, now)
        runs = (
            Run("apply_retention", "done", "2026-11-24T03:00:02Z", 2.1, "2026-11-25T03:00:00Z"),
            Run(
                "refresh_pages",
                "failed",
                "2026-11-24T15:00:31Z",
                30.9,
                "2026-11-24T17:00:00Z",
                "The site did not answer.",
            ),
            Run("roll_up_metrics", "done", "2026-11-24T16:00:03Z", 2.6, "2026-11-24T17:00:00Z"),
        )
        standing = RolloutState(VERSIONS[1].name, (VERSIONS[0].name,), VERSIONS[2].name, CANARY_SHARE)
        async with a_board(Board(store, now, standing, runs)) as url, async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            for name, scheme, span in (("light", "light", "30"), ("dark", "dark", "90")):
                page = await browser.new_page(viewport={"width": 1280, "height": 1230}, color_scheme=scheme)
                await page.goto(f"{url}/dashboard?range={span}")
                await expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
                if span == "30":
                    await page.locator("#card-accuracy .plot-box").hover(position={"x": 300, "y": 60})
                await page.wait_for_timeout(400)  # what moves has come to rest
                await page.screenshot(path=into / f"dashboard-{name}.png")
                make_small(into / f"dashboard-{name}.png")
                if span == "30":
                    await page.locator("#learning").screenshot(path=into / "learning.png")
                    make_small(into / "learning.png")
            await browser.close()
        await store.close()


SICK = Lines(
    "Tell your manager by ten o’clock, in the calendar or by telephone. From the third day on send:\n\n"
    "- a doctor’s note, as a photo\n- the form S-7, signed\n\n"
    "Days | Who is told\n1 to 2 | your manager\n3 and more | People",
    (
        Citation("/site/handbook/leave#sick", "Time off", "Sick leave", "Tell your manager by ten o’clock."),
        Citation("/site/handbook/leave#days", "Time off", "Annual leave", "Days of sickness are given back."),
    ),
    kind=AnswerKind.QUOTED,
    marked="Tell your manager by ten o’clock, in the calendar or by telephone.",
)


async def take_quotation(into: Path) -> None:
    """Take the picture of a quotation."""
    with tempfile.TemporaryDirectory() as folder:
        chat = Chat(Path(folder), actor=Actor({"sick": SICK}))
        async with a_chat(chat), async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = await browser.new_page(viewport={"width": 900, "height": 860})
            await page.goto(chat.url)
            await page.fill("#question", "I am sick today, what do I have to do?")
            await page.press("#question", "Enter")
            await expect(page.locator("mark")).to_be_visible()
            await page.wait_for_timeout(400)  # what moves has come to rest
            await page.screenshot(path=into / "quotation.png")
            make_small(into / "quotation.png")
            await browser.close()


def make_small(path: Path) -> None:
    """Let a picture do with 128 colours."""
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


async def take_reviews_page(into: Path) -> None:
    """Take the pictures of the reviewers' page and of the operators'."""
    with tempfile.TemporaryDirectory() as folder:
        async with a_world() as world, serve_reviews_page(world) as url, async_playwright() as driver:
            await flag(world, *some_answers())
            browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = await browser.new_page(viewport={"width": 1180, "height": 930})
            await page.goto(url + world.parts.passes.make_link("reviews", ROBIN))
            await page.locator("#list button").nth(2).click()
            await page.keyboard.press("c")
            await expect(page.locator("textarea")).to_be_focused()
            await page.screenshot(path=into / "reviews.png")
            make_small(into / "reviews.png")
            async with serving(
                Path(folder) / "data", *CANNED, "--pages", "docs/asking.md,docs/faq.md"
            ) as bot:
                await page.goto(f"{bot.url}/admin")
                await expect(page.locator("#sources-list li").first).to_be_visible()
                await page.screenshot(path=into / "admin.png")
            make_small(into / "admin.png")
            await browser.close()


ASKED = ("How long is the leave of parents?", "When does parental leave begin?", "Who pays it?")


async def take_model(into: Path) -> None:
    """Take the picture of a comparison that waits for a decision."""
    with tempfile.TemporaryDirectory() as folder:
        pages, data = write_pages(Path(folder) / "pages"), Path(folder) / "data"
        await put_in_place(data)
        async with serving(data, *settings_of(pages)) as served, async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = await browser.new_page(viewport={"width": 900, "height": 1260})
            await page.goto(served.url)
            await expect(page.locator(".message .card").first).to_be_visible()

            async def picture(name: str) -> None:
                await page.wait_for_timeout(400)
                await page.screenshot(path=into / f"{name}.png")

            await read_and_promote(page, picture)
            await browser.close()


async def take_tab(into: Path) -> None:
    """Take the pictures of the tab in Teams, by day and by night."""
    async with a_world() as world, a_tab(world) as tab, async_playwright() as driver:
        sender = {"id": "29:ada", "aadObjectId": ADA, "name": "Ada"}
        chat = {"id": "a:ada", "conversationType": "personal", "tenantId": TENANT}
        for number, text in enumerate(ASKED):
            await world.ask(text, id=str(number), conversation=chat, **{"from": sender})
            await world.settled()
        asked = list(world.store.answers.values())
        said = ((Ruling.CORRECTED, "Parents get 18 weeks."), (Ruling.APPROVED, ""))
        for answer, (ruling, text) in zip(asked, said, strict=False):
            await world.parts.reviewing.flag(answer, ReviewReason.THUMB_DOWN)
            at = datetime.now(UTC)
            cited = answer.citations[0] if text else None
            verdict = Verdict("robin", "Robin", ruling, at, text, cited)
            await world.parts.reviewing.rule(answer.id, 1, verdict)
            notice = Notification(answer.id, world.parts.pseudonym(ADA), moment(at))
            await world.parts.repository.add_notice(notice)
        browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name, theme in (("tab", "default"), ("tab-dark", "dark")):
            page = await browser.new_page(viewport={"width": 1100, "height": 900})
            frame = await open_in_teams(page, tab.url, tab.entra.token(ADA), theme)
            await expect(frame.locator("#mine")).to_be_visible()
            await page.screenshot(path=into / f"{name}.png")
            make_small(into / f"{name}.png")
        await browser.close()


def main() -> None:
    """Read the options and take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--only", choices=("chats", "quotation", "dashboard", "desks", "model", "tab"))
    options = parser.parse_args()
    into: Path = options.into
    into.mkdir(parents=True, exist_ok=True)
    ways = {
        "chats": take,
        "quotation": take_quotation,
        "dashboard": take_dashboard,
        "desks": take_reviews_page,
        "model": take_model,
        "tab": take_tab,
    }
    for name, taken in ways.items():
        if options.only in (None, name):
            asyncio.run(taken(into))


if __name__ == "__main__":
    main()
