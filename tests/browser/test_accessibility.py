"""axe finds nothing wrong with any page, by day, by night and on a phone: one browser, page after page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from bot.card_tokens import CardSigner
from bot.page_invites import Operators
from bot.page_passes import PagePasses, Visitor
from bot.web.admin.actions import AdminAction
from bot.web.admin.routes import admin_routes
from bot.web.chat_page import ADAPTIVE_CARDS
from bot.web.dashboard.routes import DashboardAccess
from bot.web.page_guard import PageGuard
from bot.web.pages import about_routes
from core.records import AnswerKind, Ruling
from feedback.gaps.report import Asking, Gap, GapPlace, Report, keep_report
from feedback.store.sqlite import SqliteStore
from tests.browser.accessibility import find_violations
from tests.browser.chat import ANNUAL, PARENTS, Actor, Chat, Lines, a_chat
from tests.browser.dashboards import Board, Run, a_board
from tests.browser.reviews_page import ROBIN, flag, serve_reviews_page, some_answers
from tests.browser.windows import Watching, a_chromium
from tests.builders.days import ask, settle, stars
from tests.builders.world import KEY, MemoryDocuments, a_world, served
from tests.conftest import ROOT, need

playwright = pytest.importorskip("playwright.async_api")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

NOW = datetime(2026, 11, 25, 15, tzinfo=UTC)
HERE = Visitor("operator", "here", "The operator of this machine", "local")
JOB = {"outcome": "done", "ended_at": "2026-11-25T03:00:02Z", "seconds": 2.0, "error": "", "next_at": ""}
ADMIN: dict[str, Any] = {
    "sources": [
        {
            "name": "https://pages.example/",
            "origin": "added",
            "pages": 3,
            "passages": 9,
            "read_at": NOW.isoformat(),
            "reading": False,
            "read": 0,
            "problems": ["https://pages.example/x: it is gone."],
        }
    ],
    "models": [
        {
            "name": name,
            "status": status,
            "share": share,
            "base": "b",
            "created_at": NOW.isoformat(),
            "decisions": 0,
            "may": ["promote", "hold", "roll_back"],
            "why": ["F1 rose."],
        }
        for name, status, share in (("v2", "canary", 0.2), ("v1", "live", 0.8))
    ],
    "jobs": [
        {"name": "roll_up_metrics", "schedule": "35 * * * *", "running": False, "said": {"days": 3}, **JOB},
        {
            "name": "update_model",
            "schedule": "",
            "running": False,
            **JOB,
            "outcome": "failed",
            "error": "No.",
        },
    ],
    "reviewers": {
        "named": {"reviewers": ["aad-robin"], "operators": []},
        "active": [{"name": "Robin", "rulings": 3}],
        "places": 1,
    },
    "settings": [
        {"name": "pages", "value": "docs", "origin": "environment", "description": "Sources."},
        {"name": "operators", "value": "", "origin": "default", "description": "Who may."},
    ],
    "doctor": {
        "findings": [
            {"matter": "store", "level": "warning", "says": "It is slow.", "todo": "Look at the disk."},
            {"matter": "clock", "level": "fault", "says": "It is late.", "todo": ""},
            {"matter": "model", "level": "ok", "says": "It fits.", "todo": ""},
        ],
        "looked_at": NOW.isoformat(),
    },
    "seen": "1",
}


UNLABELLED = """() => {
  document.querySelector("#confirm").close();
  document.querySelector("#source").id = "x";
  document.querySelector("#x").removeAttribute("placeholder");
}"""


class Scripted:
    """Stands for the administration behind the page: it shows one of everything."""

    async def describe(self, visitor: Visitor) -> dict[str, Any]:
        return ADMIN

    async def perform(self, action: AdminAction, visitor: Visitor) -> str:
        return f"{action.verb} is done."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Any]:
    need(ROOT / ADAPTIVE_CARDS, "the card renderer is missing: run `make setup`")
    async with a_chromium() as started:
        yield started


@asynccontextmanager
async def an_admin(local: Visitor | None) -> AsyncGenerator[str]:
    gates = {"local": Operators(frozenset({"here"})), "msteams": Operators(frozenset())}
    guard = PageGuard("admin", PagePasses(CardSigner(KEY), MemoryDocuments()), gates, local)
    app = web.Application()
    app.add_routes([*admin_routes(guard, Scripted()), *about_routes(ROOT / "docs")])
    async with served(app) as url:
        yield url


async def test_nothing_is_wrong_with_the_chat_its_viewer_and_what_is_refused(
    browser: Any, tmp_path: Path
) -> None:
    said = {
        "parents": Lines("Parents get sixteen weeks [1].", (PARENTS, ANNUAL)),
        "leave": Lines("Thirty days.\n\n- Half days count.", (ANNUAL,), marked="Thirty days."),
    }
    async with a_chat(Chat(tmp_path, actor=Actor(said), suggestions=("What do parents get?",))) as chat:
        seen = Watching(browser)
        page = await seen.window()
        await page.goto(f"{chat.url}/")
        await expect(page.locator(".message .card")).to_be_visible()
        assert await find_violations(page) == []
        for number, text in enumerate(("What do parents get?", "How much leave?", "Why?", "privacy"), 1):
            await page.fill("#question", text)
            await page.press("#question", "Enter")
            await expect(page.locator(".message.from-bot")).to_have_count(number + 1)
        await page.locator("[data-key=dislike]").first.click()
        await expect(page.locator(".thumb-form:visible")).to_be_visible()
        assert await find_violations(page) == []
        viewer = await Watching(browser).window()  # whose console says that a page is not there
        for path in ("/site", "/site/handbook/leave", "/site/handbook/no-such-page"):
            await viewer.goto(chat.url + path)
            assert await find_violations(viewer) == [], path
        await seen.close(chat.url)


async def test_nothing_is_wrong_with_the_dashboard_and_its_door(browser: Any, tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    for number in range(12):
        given = await ask(
            store,
            number,
            NOW - timedelta(hours=4 * number),
            kind=(AnswerKind.ANSWERED, AnswerKind.QUOTED, AnswerKind.DECLINED)[number % 3],
        )
        await store.put_feedback(stars(given, 1 + number % 5, given.answered_at))
        await settle(store, given, Ruling.CORRECTED if number % 2 else Ruling.APPROVED, given.answered_at)
    gap = Gap("Carry over?", 3, 3, {}, (), (), GapPlace("/site/a", "A", "", ""), "HR", before=Asking(3, 3, 3))
    await keep_report(store.documents, Report(NOW, 90, (gap,)))
    runs = [Run("roll_up_metrics", "failed", NOW.isoformat(), 1.5, error="StoreUnavailable")]
    seen = Watching(browser)
    async with a_board(Board(store, NOW, runs=runs)) as url:
        page = await seen.window()
        await page.goto(f"{url}/dashboard?range=7")
        await expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
        await expect(page.locator("#gaps")).to_be_visible()
        await page.locator("#card-accuracy summary").click()
        assert await find_violations(page) == []
    async with a_board(Board(store, NOW, access=DashboardAccess(local=False, token="t" * 24))) as url:
        await page.goto(f"{url}/dashboard")
        await expect(page.locator("#door")).to_be_visible()
        assert await find_violations(page) == []
    await page.context.close()
    await store.close()


async def test_nothing_is_wrong_with_the_reviewers_page_and_its_refusal(browser: Any) -> None:
    async with a_world() as world, serve_reviews_page(world) as url:
        await flag(world, *some_answers())
        seen = Watching(browser)
        page = await seen.window()
        await page.goto(url + world.parts.passes.make_link("reviews", ROBIN))
        await expect(page.locator("article")).to_be_visible()
        assert await find_violations(page) == []
        await page.keyboard.press("a")
        await expect(page.locator("#said")).to_contain_text("Done.")
        await page.keyboard.press("g")
        await page.keyboard.press("v")
        await expect(page.locator("#list li")).to_have_count(1)
        assert await find_violations(page) == []
        stranger = await Watching(browser).window()  # whose console says that it is refused
        await stranger.goto(f"{url}/reviews")
        await expect(stranger.locator("#said")).to_contain_text("reviews page")
        assert await find_violations(stranger) == []
        await seen.close(url)


async def test_nothing_is_wrong_with_the_operators_page_its_refusal_and_the_words_about_privacy(
    browser: Any,
) -> None:
    seen = Watching(browser)
    page = await seen.window()
    async with an_admin(HERE) as url:
        await page.goto(f"{url}/admin")
        await expect(page.locator("#sources-list > li")).to_have_count(1)
        for summary in await page.locator("summary").all():
            await summary.click()
        assert await find_violations(page) == []
        await page.get_by_role("button", name="Remove: https://pages.example/").click()
        await expect(page.locator("#confirm")).to_be_visible()
        assert await find_violations(page) == []
        await page.evaluate(UNLABELLED)
        assert any("label" in one for one in await find_violations(page)), "axe sees what is wrong"
        await page.goto(f"{url}/about/privacy")
        assert await find_violations(page) == []
    async with an_admin(None) as url:
        await page.goto(f"{url}/admin")
        await expect(page.locator("#said")).to_contain_text("admin page")
        assert await find_violations(page) == []
    await page.context.close()
