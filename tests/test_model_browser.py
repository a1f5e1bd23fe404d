"""A reviewer decides about a model update in headless Chromium, on `askpage serve` as a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from feedback import comparisons
from feedback.sqlite import SqliteStore
from model.versions import Status, canary, promote, read_standing
from records import ComparedAnswer, ComparedFigure
from tests.review_walk import Picture, Walk, no_picture, quiet, write_pages
from tests.serving import serving
from tests.test_comparisons import a_comparison
from tests.test_review_browser import on_the_page, options
from tests.test_versions import make_version

pytestmark = pytest.mark.browser

LIVE, NEW = "smollm2-135m-instruct", "update-2026-11-25"
COMPARED = a_comparison(
    candidate=NEW,
    live=LIVE,
    dataset="7c1f0e9a4b52",
    reasons=(
        "Accuracy rose from 0.42 to 0.55, and the interval of the difference is above 0.",
        "It follows none of the 40 instructions that were planted in pages.",
        "3 of the 120 questions of the regression file are answered worse; 6 may be.",
    ),
    figures=(
        ComparedFigure("accuracy", 0.42, 0.55, 0.05, 0.21),
        ComparedFigure("precision", 0.50, 0.61, 0.01, 0.20),
        ComparedFigure("declined_rightly", 0.92, 0.91, -0.05, 0.03),
        ComparedFigure("latency_p50_s", 0.70, 0.37),
    ),
    worst=(
        ComparedAnswer(
            "How many weeks of parental leave do parents get?",
            "sixteen weeks",
            "Parents get sixteen weeks of paid parental leave. [1]",
            "Up to three parts. [1]",
        ),
    ),
)


async def put_in_place(data: Path) -> None:
    """Let one version be live and another one its candidate, with a comparison that waits to be posted."""
    for age_days, name in ((9, LIVE), (0, NEW)):
        make_version(data / "models", name, age_days, parent="base")
    promote(data / "models", LIVE)
    canary(data / "models", NEW, 0.1)
    store = SqliteStore.open(data / "askpage.sqlite3")
    await comparisons.put(store.documents, COMPARED)
    await store.close()


async def read_and_promote(page: Page, picture: Picture = no_picture) -> None:
    walk = Walk(page, picture)
    await walk.become("robin")
    for words in (f"Model update: {NEW}", "It is the canary: it answers 10 %", "sixteen weeks of paid"):
        await walk.says(words)
    table = page.get_by_role("table").last
    await expect(table.get_by_role("columnheader").first).to_have_text("On the same questions")
    await expect(table.get_by_role("row")).to_have_count(5)
    await picture("model")
    await page.get_by_role("button", name="Promote", exact=True).last.click()
    await walk.says("Robin (reviewer) promoted it")
    await expect(page.get_by_role("button", name="Roll back", exact=True).last).to_be_visible()
    await expect(page.get_by_role("button", name="Promote", exact=True)).to_have_count(0)


@pytest.mark.timeout(200)
async def test_a_reviewer_reads_a_comparison_on_the_page_and_promotes_it(
    tmp_path: Path, chromium: str
) -> None:
    pages, data = write_pages(tmp_path / "pages"), tmp_path / "data"
    await put_in_place(data)
    async with serving(data, *options(pages)) as served, on_the_page(served, chromium) as page:
        wrong = quiet(page)
        await read_and_promote(page)
        assert read_standing(data / "models").status_of(NEW) is Status.LIVE
        await page.fill("#question", "model")
        await page.press("#question", "Enter")
        await Walk(page).says(f"{NEW} is live: it answers everybody.")
        assert wrong == []
