"""Response rates, accuracy from the sample, agreement: by hand-made records and by hand-computed figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.records import Review, ReviewReason, Ruling, Verdict
from feedback.metrics.report import accuracy, cohens_kappa, report
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from tests.builders.records import NOON, answer, question, thumb
from tests.conftest import ROOT
from tests.processes.forked import run_askpage


def test_kappa_by_hand() -> None:
    """Twenty yes-yes, five yes-no, ten no-yes, fifteen no-no: observed 0.7, expected 0.5."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([("y", "y"), ("n", "n")]) == pytest.approx(1.0)
    assert cohens_kappa([]) is None
    assert cohens_kappa([("y", "y")]) is None


def settled(answer_id: str, *rulings: Ruling, weight: float = 0.0) -> Review:
    verdicts = tuple(Verdict(f"r{n}", "R", ruling, NOON) for n, ruling in enumerate(rulings))
    return Review(answer_id, (ReviewReason.SAMPLE,), NOON, weight=weight, verdicts=verdicts, settled_at=NOON)


def test_accuracy_counts_each_sampled_answer_for_as_many_as_it_stands_for() -> None:
    sample = [
        settled("a", Ruling.APPROVED, weight=5),
        settled("b", Ruling.CORRECTED, weight=20),
        settled("c", Ruling.APPROVED, weight=15),
        settled("d", Ruling.REJECTED, weight=20),
    ]
    assert accuracy(sample) == pytest.approx(0.5)
    assert accuracy([]) is None


async def test_the_report_of_a_store_and_its_command(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    repository = ReviewRepository(store.documents)
    for number in range(6):
        asked = question(number)
        given = answer(asked, form="stars@2" if number % 2 else "thumbs@1")
        await store.add_question(asked)
        await store.add_answer(given)
        if number in {0, 1, 2}:
            await store.put_feedback(replace(thumb(given), withdrawn_at=NOON if number == 2 else None))
        await repository.add_review(settled(given.id, Ruling.APPROVED, Ruling.APPROVED, weight=1.0))
    found = await report(store, repository)
    assert {form: (rate.asked, rate.said) for form, rate in found.forms.items()} == {
        "stars@2": (3, 1),
        "thumbs@1": (3, 1),
    }
    assert (found.sampled, found.accuracy, found.double_reviewed, found.kappa) == (6, 1.0, 6, None)
    await store.close()
    for options in ([], ["--json"]):
        done = run_askpage("feedback", "--data-dir", str(tmp_path), *options, folder=ROOT)
        assert done.returncode == 0
        assert "approved" in done.stdout
        said = done.stdout
    assert json.loads(said)["rulings"] == {"approved": 6}
