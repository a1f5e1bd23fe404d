"""The whole bot as a process: it starts, answers, stops in good order, keeps its word when killed."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from feedback.store.sqlite import SqliteStore
from model.registry.rollout import promote, roll_back
from model.registry.versions import MANIFEST, find_live_version, write_version
from tests.browser.chat import a_browser
from tests.conftest import ROOT, need
from tests.processes.serving import CANNED, QUESTION, Served, ask, serving


@pytest.fixture
def with_model(tmp_path: Path, docs_index: Path) -> Path:
    """A data folder of its own around the model that the set-up imported, with pages that are read."""
    models = ROOT / "data" / "models"
    need(models / "live.json", "no model is imported: run `make setup`")
    (tmp_path / "models").symlink_to(models)
    shutil.copytree(docs_index, tmp_path / "pages")
    return tmp_path


async def test_it_serves_the_page_and_its_health_and_stops_in_good_order(
    tmp_path: Path, docs_index: Path
) -> None:
    shutil.copytree(docs_index, tmp_path / "pages")
    async with serving(tmp_path, *CANNED, under=["env"]) as served, aiohttp.ClientSession() as http:
        async with http.get(f"{served.url}/healthz") as health:
            assert await health.json() == {"status": "ok"}
        async with http.get(f"{served.url}/site/docs/asking") as page:
            assert "Follow-up questions" in await page.text()
        async with http.get(f"{served.url}/dashboard/data") as figures:
            assert (await figures.json())["worst"] == []
        assert await served.stop() == 0


async def test_two_instances_run_side_by_side(tmp_path: Path, docs_index: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(docs_index, tmp_path / name / "pages")
    async with serving(tmp_path / "a", *CANNED) as one, serving(tmp_path / "b", *CANNED) as other:
        assert one.port != other.port
        async with aiohttp.ClientSession() as http:
            for served in (one, other):
                async with http.get(f"{served.url}/healthz") as health:
                    assert health.status == 200


@pytest.mark.model
async def test_a_question_that_was_acknowledged_is_answered_after_a_kill(with_model: Path) -> None:
    async with serving(with_model) as served, a_browser(served) as browser:  # type: ignore[arg-type]
        await ask(browser, QUESTION)
        await served.kill()  # right after the acknowledgement
        conversation = browser.conversation
    async with serving(with_model) as served, a_browser(served) as browser:  # type: ignore[arg-type]
        browser.conversation = conversation
        shown = await asyncio.wait_for(browser.answered(), 60)
        assert shown["text"]
        answers = [message for message in await browser.messages() if message.get("loop")]
        assert len(answers) == 1
        assert await served.stop() == 0


@pytest.mark.model
async def test_a_stop_lets_the_answer_under_way_finish(with_model: Path) -> None:
    async with serving(with_model) as served, a_browser(served) as browser:  # type: ignore[arg-type]
        await ask(browser, QUESTION)
        conversation = browser.conversation
        assert await served.stop() == 0
    async with serving(with_model, *CANNED) as served, a_browser(served) as browser:  # type: ignore[arg-type]
        browser.conversation = conversation
        shown = await asyncio.wait_for(browser.answered(), 30)
        assert shown["text"]


@pytest.mark.model
async def test_a_promotion_reaches_a_running_bot_and_a_roll_back_too(
    tmp_path: Path, docs_index: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(docs_index, tmp_path / "pages")
    need(ROOT / "data" / "models" / "live.json", "no model is imported: run `make setup`")
    live = find_live_version(ROOT / "data" / "models")
    for name in (live.name, "trained"):
        shutil.copytree(live.folder, models / name, copy_function=os.link)
        (models / name / MANIFEST).unlink()  # linked: it would be changed for both
        write_version(replace(live, name=name, weights_uri=str(models / name)))
    promote(models, live.name)

    async def until_answered_by(name: str) -> None:
        async with asyncio.timeout(120):
            while True:
                await ask(browser, QUESTION)
                await browser.answered()
                if await answered_by(tmp_path) == name:
                    return

    quickly = ("--model-poll-s", "0.1", "--questions-per-minute-per-person", "0")
    async with serving(tmp_path, *quickly) as served, a_browser(served) as browser:  # type: ignore[arg-type]
        await until_answered_by(live.name)
        await asyncio.to_thread(promote, models, "trained")
        await until_answered_by("trained")
        await asyncio.to_thread(roll_back, models)
        await until_answered_by(live.name)
        assert await served.stop() == 0


async def answered_by(data_dir: Path) -> str:
    """Return the model version of the newest answer in a bot's store."""
    store = await asyncio.to_thread(SqliteStore.open, data_dir / "askpage.sqlite3")
    try:
        answers = await store.answers_after(("", ""), 1000)
    finally:
        await store.close()
    return answers[-1].model_version


async def _three_questions(page: Any, served: Served) -> list[str]:
    texts: list[str] = []
    for question in (QUESTION, "Which licence does the default model have?", "How large may a page be?"):
        answers = page.locator(".message.from-bot:has([data-key=like])")
        before = await answers.count()
        await page.fill("#question", question)
        await page.press("#question", "Enter")
        await answers.nth(before).wait_for(timeout=60_000)
        texts.append(await answers.nth(before).inner_text())
    return texts


@pytest.mark.model
@pytest.mark.browser
async def test_the_real_model_answers_three_questions_on_the_page(with_model: Path, chromium: str) -> None:
    playwright = pytest.importorskip("playwright.async_api")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    async with serving(with_model) as served, playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=flags)
        page = await browser.new_page()
        grown: list[str] = []
        await page.expose_function("grew", lambda text: grown.append(text))  # noqa: PLW0108
        await page.goto(served.url + "/")
        await page.locator(".message .card").wait_for()
        await page.evaluate(
            "new MutationObserver(() => {"
            "const body = document.querySelector('.message.streaming .body'); if (body) grew(body.innerText)"
            "}).observe(document.body, {subtree: true, childList: true, characterData: true})"
        )
        texts = await _three_questions(page, served)
        assert len(texts) == 3
        assert any("[1]" in text or "1" in text for text in texts)
        assert len(set(grown)) >= 2, "nothing streamed"
        answered = page.locator(".message.from-bot:has([data-key=like]):has(a.cite)").first
        async with page.context.expect_page() as opening:
            await answered.locator("a.cite").first.click()
        opened = await opening.value
        await opened.wait_for_load_state()
        assert "/site/docs/" in opened.url
        assert await opened.locator(":target").count() == 1
        await browser.close()
