"""The way of a complaint in headless Chromium, on `askpage serve` as a process: all real but the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from feedback.store.sqlite import SqliteStore
from tests.browser.review_walk import (
    CORRECTION,
    QUESTION,
    Walk,
    change,
    on_the_page,
    options,
    quiet,
    write_pages,
)
from tests.processes.serving import serving

pytestmark = pytest.mark.browser


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
        await walk.says("You gave ★★☆☆☆. Your comment is saved. Thank you.")
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
