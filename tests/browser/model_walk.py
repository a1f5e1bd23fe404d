"""A reviewer's way from a comparison to a promoted version, walked in a browser."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from core.records import ComparedAnswer, ComparedFigure
from feedback.reviews import model_decisions
from feedback.store.sqlite import SqliteStore
from model.registry.versions import promote, start_canary
from tests.browser.review_walk import Picture, Walk, no_picture
from tests.builders.comparisons import a_comparison
from tests.builders.versions import make_version

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
    start_canary(data / "models", NEW, 0.1)
    store = SqliteStore.open(data / "askpage.sqlite3")
    await model_decisions.put(store.documents, COMPARED)
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
