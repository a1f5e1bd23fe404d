"""A reviewer's way from a comparison to a promoted version, walked in a browser."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from core.phrases import write_phrases
from core.records import ComparedAnswer, ComparedFigure
from feedback.reviews import model_decisions
from feedback.store.sqlite import SqliteStore
from model.evaluation.result import GateCriteria, PairedOutcome, decide
from model.registry.rollout import promote, start_canary
from tests.browser.review_walk import Picture, Walk, no_picture
from tests.builders.comparisons import a_comparison
from tests.builders.versions import make_version

LIVE, NEW = "smollm2-135m-instruct", "update-2026-11-25"
FIGURES = (
    ComparedFigure("accuracy", 0.42, 0.55, 0.05, 0.21),
    ComparedFigure("precision", 0.50, 0.61, 0.01, 0.20),
    ComparedFigure("right_abstentions", 0.92, 0.91, -0.05, 0.03),
    ComparedFigure("regression_accuracy", 0.80, 0.775, -0.08, 0.03),
    ComparedFigure("attack_success", 0.0, 0.0),
    ComparedFigure("latency_p95_s", 1.9, 1.2, -0.9, -0.4),
)
FOUND = decide(
    GateCriteria(),
    FIGURES,
    PairedOutcome(120, 50, 66, 19, 3, 0.0009),
    40,
    PairedOutcome(120, 96, 93, 2, 5, 0.45),
)
REASONS = FOUND.refusals + FOUND.speaks_for
COMPARED = a_comparison(
    candidate=NEW,
    live=LIVE,
    dataset="7c1f0e9a4b52",
    decision=FOUND.decision,
    reasons=REASONS,
    phrases=write_phrases(REASONS),
    figures=FIGURES,
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
    await expect(table.get_by_role("row")).to_have_count(len(FIGURES) + 1)
    await picture("model")
    await page.get_by_role("button", name="Promote", exact=True).last.click()
    await walk.says("Robin (reviewer) promoted it")
    await expect(page.get_by_role("button", name="Roll back", exact=True).last).to_be_visible()
    await expect(page.get_by_role("button", name="Promote", exact=True)).to_have_count(0)
