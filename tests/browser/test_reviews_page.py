"""The reviewers' page in headless Chromium: a whole review from the keyboard, readable in every light."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.page_language import PAGE_SCRIPTS
from core.records import Ruling
from core.translation import list_texts
from tests.browser.reviews_page import ROBIN, flag, serve_reviews_page, some_answers, thumb_down
from tests.browser.windows import CONTRAST, Watching, a_chromium
from tests.builders.reviewing import world
from tests.builders.world import World, live
from tests.needs import ROOT

__all__ = ["world"]

playwright = pytest.importorskip("playwright.async_api")
expect = playwright.expect

pytestmark = [pytest.mark.browser]
REVIEWS = ROOT / "bot" / "static" / "reviews.html"
WIDER = "() => document.documentElement.scrollWidth - innerWidth"


async def open_page(seen: Watching, world: World, url: str, **window: Any) -> Any:
    page = await seen.window(**window)
    await page.goto(url + world.parts.passes.make_link("reviews", ROBIN))
    await expect(page.locator("article")).to_be_visible()
    return page


async def test_the_queue_is_done_from_the_keyboard_and_taken_back_and_words_stay_words(world: World) -> None:
    answers = some_answers()
    await flag(world, *answers)
    await world.store.put_feedback(thumb_down(answers[0], "<img src=x onerror=alert(1)>"))
    async with a_chromium() as browser, serve_reviews_page(world) as url:
        seen = Watching(browser)
        page = await open_page(seen, world, url)
        assert "#" not in page.url, "the link is gone from the address"
        await expect(page.locator("article")).to_contain_text("<img src=x onerror=alert(1)>")
        await expect(page.locator("article")).to_contain_text("answered 23 Nov, 00:00 · ")  # in its own zone
        await page.keyboard.press("a")
        await expect(page.locator("#said")).to_contain_text("Done.")
        await expect(page.locator("#waiting")).to_have_text("4")
        await page.keyboard.press("j")
        await expect(page.locator("article h3").nth(1)).to_have_text("The bot declined")
        await page.keyboard.press("c")
        await expect(page.locator("textarea")).to_be_focused()
        assert (
            await page.locator("textarea").input_value() == answers[2].passages[0].text.split(". ")[0] + "."
        )
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#waiting")).to_have_text("3")
        served = {one.answer_id: one.text for one in await live(world.parts.repository)}
        assert set(served) == {answers[0].id, answers[2].id}
        await page.keyboard.press("u")
        await expect(page.locator("#said")).to_have_text("The decision was undone.")
        assert {one.answer_id for one in await live(world.parts.repository)} == {answers[0].id}
        await page.keyboard.press("g")
        await page.keyboard.press("v")
        await expect(page.locator("#list li")).to_have_count(1)
        await page.keyboard.press("w")
        await expect(page.locator("article details[open] input")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#none")).to_have_text("No verified answer matches.")
        assert await live(world.parts.repository) == []
        review = await world.parts.repository.review(answers[0].id)
        assert review is not None
        assert review.change is not None
        assert review.change.before is not None
        assert review.change.before.ruling is Ruling.APPROVED
        await seen.close(url)


async def test_everything_is_readable_by_day_by_night_and_on_a_phone(world: World) -> None:
    await flag(world, *some_answers())
    async with a_chromium() as browser, serve_reviews_page(world) as url:
        seen = Watching(browser)
        for window in ({}, {"scheme": "dark"}, {"width": 390}):
            page = await open_page(seen, world, url, **window)
            await page.locator("[data-verb='review.skip']").click()
            found = await page.evaluate(CONTRAST)
            assert found["bad"] == []
            assert found["seen"] > 20
            assert await page.evaluate(WIDER) <= 0
        await seen.close(url)


async def test_in_japanese_no_text_of_the_page_is_left_in_english(world: World) -> None:
    answers = some_answers()
    await flag(world, *answers)
    await world.store.put_feedback(thumb_down(answers[0], "δ"))
    ours = {*list_texts("ja", PAGE_SCRIPTS), *re.findall(r"\[\[(.+?)\]\]", REVIEWS.read_text("utf-8"))}
    ours -= {"all", "Words", "skip", "Page"}  # words of the questions, too
    async with a_chromium() as browser, serve_reviews_page(world) as url:
        seen = Watching(browser)
        page = await open_page(seen, world, url, locale="ja-JP")
        assert await page.locator("html").get_attribute("lang") == "ja"

        async def look() -> None:
            shown = await page.evaluate("() => document.body.innerText")
            assert not {
                text for text in ours if len(text) > 3 and re.search(rf"\b{re.escape(text)}\b", shown)
            }

        await expect(page.locator("#list-title")).to_have_text("レビュー待ち 5 件")
        await look()
        await page.keyboard.press("?")
        await expect(page.locator("#keys")).to_be_visible()
        await look()
        await page.keyboard.press("Escape")
        await page.keyboard.press("a")
        await expect(page.locator("#said")).to_contain_text("完了しました。")
        await look()
        await page.keyboard.press("g")
        await page.keyboard.press("v")
        await expect(page.locator("#list li")).to_have_count(1)
        await expect(page.locator("#list-title")).to_have_text("確認済みの回答 1 件")
        await page.wait_for_load_state("networkidle")  # what is cut off is an error of the page
        await look()
        await seen.close(url)
