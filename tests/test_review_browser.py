"""The way of a complaint in headless Chromium, on `askpage serve` as a process: all real, but for the canned model."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from bot.local import ADAPTIVE_CARDS
from feedback.sqlite import SqliteStore
from tests.conftest import ROOT, need
from tests.review_walk import CORRECTION, QUESTION, Walk, quiet, write_pages
from tests.serving import Served, serving
from tests.windows import FLAGS

pytestmark = pytest.mark.browser


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
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(ROOT / "cli.py"), "pages", "refresh", "--data-dir", str(data), "--pages", str(pages)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


@pytest.mark.timeout(200)
async def test_from_a_thumb_down_to_the_verified_answer_and_back_into_the_queue(
    tmp_path: Path, chromium: str
) -> None:
    pages, data = write_pages(tmp_path / "pages"), tmp_path / "data"
    async with serving(data, *options(pages)) as served, on_the_page(served, chromium) as page:
        wrong = quiet(page)
        walk = Walk(page)
        await walk.whole_way(lambda: change(data, pages))
        await walk.become("sam")
        await walk.ask("How many weeks of parental leave do parents have?")
        await walk.says("Parents get twenty weeks")
        assert wrong == []


@pytest.mark.timeout(200)
async def test_stars_a_comment_and_our_own_form_are_kept(tmp_path: Path, chromium: str) -> None:
    pages, data = write_pages(tmp_path / "pages"), tmp_path / "data"
    async with (
        serving(
            data, *options(pages, "--feedback-form", "reasons", "--feedback-form-version", "2")
        ) as served,
        on_the_page(served, chromium) as page,
    ):
        walk = Walk(page)
        await walk.ask(QUESTION)
        await page.locator("[data-key=like]").last.click()
        await page.get_by_label("Saved me time").check()
        await page.get_by_role("button", name="Send feedback").click()
        await expect(page.locator(".thumb-form").last).to_be_hidden()
    async with (
        serving(data, *options(pages, "--feedback-form", "stars", "--feedback-form-version", "3")) as served,
        on_the_page(served, chromium) as page,
    ):
        walk = Walk(page)
        await walk.ask("When is a doctor's note needed?")
        assert await page.locator("[data-key=like]").count() == 1  # the one of before
        await page.get_by_role("button", name="★ Rate").last.click()
        await page.get_by_label("2 – poor").last.check()
        await page.get_by_label("Comment (optional)").last.fill("too long")
        await page.locator(".card").last.get_by_role("button", name="Send", exact=True).click()
        await walk.says("You gave ★★☆☆☆. Your comment is kept. Thank you.")
    store = SqliteStore.open(data / "askpage.sqlite3")
    answers = await store.answers_after(("", ""), 10)
    assert [answer.form for answer in answers] == ["reasons@2", "stars@3"]
    kept = [word for answer in answers for word in await store.feedback_on(answer.id)]
    assert {(word.kind.value, word.value, word.comment, word.reasons) for word in kept} == {
        ("thumb", "like", "", ("saved_time",)),
        ("stars", "2", "", ()),
        ("comment", "", "too long", ()),
    }
    assert CORRECTION not in json.dumps([answer.text for answer in answers])
    await store.close()
