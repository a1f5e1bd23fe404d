"""The way of a complaint on the local page, walked in a browser; docs/screenshots.py takes its pictures."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, async_playwright, expect

from bot.web.chat_page import ADAPTIVE_CARDS
from tests.browser.windows import FLAGS
from tests.conftest import ROOT, need
from tests.processes.forked import start_askpage
from tests.processes.serving import Served


@asynccontextmanager
async def on_the_page(served: Served, chromium: str) -> AsyncGenerator[Page]:
    need(ROOT / ADAPTIVE_CARDS, "the card renderer is missing: run `make setup`")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1100, "height": 900})
        page.set_default_timeout(20_000)
        await page.goto(served.url)
        await expect(page.locator(".message .card").first).to_be_visible()
        yield page
        await browser.close()


def options(pages: Path, *more: str) -> tuple[str, ...]:
    settings = ("--review-interval-s", "0.5", "--sample-share", "0")
    return ("--base-model", "canned", "--pages", str(pages), *settings, *more)


async def change(data: Path, pages: Path) -> None:
    """Change the page and read it into the index, as an operator does while the bot runs."""
    write_pages(pages, "twenty")
    refresh = ("pages", "refresh", "--data-dir", str(data), "--pages", str(pages))
    process = await start_askpage(*refresh, folder=ROOT)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


LEAVE = """# Leave

## Annual leave

Everyone has thirty days of paid leave a year. Half days count as half.

## Parents

Parents get sixteen weeks of paid parental leave. It may be taken in up to three parts.

## Sick leave

Tell your manager before nine on the first day. A doctor's note is needed from the fourth day.
"""
QUESTION = "How many weeks of parental leave do parents get?"
PARAPHRASE = "how many weeks parental leave can parents have"
COMPLAINT = "It is eighteen weeks since May."
CORRECTION = "Parents get eighteen weeks of paid parental leave since May."

Picture = Callable[[str], Awaitable[None]]


async def no_picture(_: str) -> None: ...


class Walk:
    """One browser window on a running instance."""

    def __init__(self, page: Page, picture: Picture = no_picture) -> None:
        self.page = page
        self.picture = picture

    @property
    def last(self) -> Locator:
        return self.page.locator(".message.from-bot").last

    async def become(self, person: str) -> None:
        if await self.page.input_value("#person") != person:
            async with self.page.expect_response(lambda response: "/local/events" in response.url):
                await self.page.select_option("#person", person)
        await expect(self.page.locator("#messages")).not_to_have_attribute(
            "aria-busy", "true", timeout=20_000
        )
        await expect(self.page.locator(".message .card").first).to_be_visible(timeout=20_000)

    async def ask(self, text: str) -> None:
        answers = self.page.locator(".message.from-bot [data-key=react]")  # an answer that is done has it
        before = await answers.count()
        await self.page.fill("#question", text)
        await self.page.press("#question", "Enter")
        await expect(answers).to_have_count(before + 1, timeout=20_000)

    async def says(self, text: str) -> None:
        await expect(self.page.get_by_text(text).last).to_be_visible(timeout=20_000)

    async def complain(self) -> None:
        """Ask, and press thumbs down with a reason."""
        await self.ask(QUESTION)
        await self.says("Parents get sixteen weeks")
        await self.picture("answer")
        await self.page.locator("[data-key=dislike]").last.click()
        await self.page.locator(".thumb-form input[value=wrong]").last.check()
        await self.page.locator(".thumb-form textarea").last.fill(COMPLAINT)
        await self.picture("thumb")
        await self.page.get_by_role("button", name="Send feedback").click()
        await self.says("Under review by a colleague")
        await self.picture("under-review")

    async def correct(self) -> None:
        """Find the complaint as its reviewer, claim it, and write the right answer."""
        await self.says("Please review")
        for words in (QUESTION, COMPLAINT, "Details: "):
            await self.says(words)
        await self.picture("review")
        await self.page.get_by_role("button", name="Claim", exact=True).last.click()
        await self.says("has claimed this for now")
        await self.page.get_by_role("button", name="Correct…").last.click()
        await self.page.get_by_label("The right answer").last.fill(CORRECTION)
        await self.page.get_by_role("button", name="Send correction").last.scroll_into_view_if_needed()
        await self.picture("correct")
        await self.page.get_by_role("button", name="Send correction").last.click()
        await self.says("Robin (reviewer) corrected the answer")
        await self.picture("corrected")

    async def hear_of_it(self) -> None:
        """See, as the asker, that it mattered."""
        await self.says("Your correction is live")
        await self.says("Corrected by a reviewer")
        await self.picture("live")
        await self.page.fill("#question", "What changed because of me?")
        await self.page.press("#question", "Enter")
        await self.says("What changed because of you")
        await self.picture("changes")

    async def get_it_verified(self) -> None:
        """Ask nearly the same as somebody else."""
        await self.ask(PARAPHRASE)
        await self.says(CORRECTION)
        await expect(self.last).to_contain_text(
            re.compile(r"Verified by a reviewer, .*\b\d{1,2}, \d{4}"), timeout=20_000
        )
        await self.picture("verified")

    async def see_it_stale(self) -> None:
        """See, as the reviewer, that the page has changed."""
        await self.says("the page has changed since it was verified")
        await expect(self.page.get_by_role("button", name="Agree").last).to_be_visible(timeout=20_000)
        await self.picture("stale")

    async def whole_way(self, change_the_page: Callable[[], Awaitable[None]]) -> None:
        """Walk from the complaint to the verified answer, and on until its page has changed."""
        await self.become("alex")
        await self.complain()
        await self.become("robin")
        await self.correct()
        await self.become("alex")
        await self.hear_of_it()
        await self.become("sam")
        await self.get_it_verified()
        await change_the_page()
        await self.become("robin")
        await self.see_it_stale()


def write_pages(folder: Path, weeks: str = "sixteen") -> Path:
    """Write the page that the walk asks about; return its folder."""
    folder.mkdir(exist_ok=True)
    (folder / "leave.md").write_text(LEAVE.replace("sixteen", weeks), "utf-8")
    return folder


def quiet(page: Page) -> list[str]:
    """Return a list that fills with what goes wrong in the page."""
    wrong: list[str] = []

    def hear(message: Any) -> None:
        if message.type in {"error", "warning"}:
            wrong.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return wrong
