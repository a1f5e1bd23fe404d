"""The alerts' queries: each fires on rows that call for it, stays quiet on rows that do not, and on none.

DuckDB runs the very files that the rules load (tests/infra/test_kql.py).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from core.telemetry.vocabulary import EVENTS
from feedback.metrics.statistics import wilson
from tests.builders.bicep import read
from tests.builders.queries import FOLDER, NOW, Insights, events_in, problems
from tests.needs import ROOT

FILES = sorted((FOLDER / "alerts").glob("*.kql"))
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
PAGES = ROOT / "docs" / "runbooks"
BICEP = read(ROOT / "infra" / "modules" / "alerts.bicep")


@pytest.fixture
def insights() -> Insights:
    return Insights()


def fires(insights: Insights, alert: str) -> list[Any]:
    return insights.ask(f"alerts/{alert}")


# The files


def test_every_alert_is_valid() -> None:
    found = problems({path.name: path.read_text("utf-8") for path in FILES})
    assert found == {path.name: [] for path in FILES}
    assert len(FILES) == 9


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_alert_asks_for_what_is_told(path: Any) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("// Fires when ")
    names = events_in(text)
    told_of = {name for event in names & set(EVENTS) for name in EVENTS[event].properties}
    assert names <= {*EVENTS}
    assert set(re.findall(r'custom\w+\["(\w+)"\]', text)) <= told_of


def test_an_alert_looks_no_further_back_than_azure_lets_it() -> None:
    """Azure cuts what a rule's query sees to its window, and a window to two days."""
    units = {"m": 60, "h": 3600, "d": 86400}
    windows = {rule["name"]: rule["window"] for rule in BICEP.variables["rules"]}
    for path in FILES:
        backs = re.findall(r"now\(\) - (\d+)([mhd])", path.read_text("utf-8"))
        furthest = max(int(number) * units[unit] for number, unit in backs)
        number, unit = re.fullmatch(r"PT?(\d+)([MHD])", windows[path.stem]).groups()  # type: ignore[union-attr]
        assert furthest == int(number) * units[unit.lower()], path.stem
        assert furthest <= 2 * 86400


def test_alerts_rules_and_pages_go_together() -> None:
    rules = BICEP.variables["rules"]
    names = [rule["name"] for rule in rules]
    assert names == [re.search(r"alerts/(\w+)\.kql", rule["query"].text)[1] for rule in rules]  # type: ignore[index]
    assert sorted(names) == [path.stem for path in FILES]
    assert sorted([*names, "unreachable"]) == sorted(path.stem for path in PAGES.glob("*.md"))
    text = BICEP.path.read_text("utf-8")
    assert "docs/runbooks/${rule.name}.md'" in text
    assert "docs/runbooks/unreachable.md'" in text


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_a_page_says_what_it_means_how_to_look_and_what_to_do(path: Any) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("---\ntitle: ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["What it means", "How to look", "What to do"]
    if path.stem != "unreachable":
        assert f"infra/kql/alerts/{path.stem}.kql" in text
        for number in re.findall(
            r"^let \w*(?:target|least|most) = ([\d.]+);", query(path.stem), re.MULTILINE
        ):
            shown = {
                number,
                number.removesuffix(".0"),
                f"{float(number):.0%}",
                f"{float(number) * 100:.0f} %",
            }
            assert any(re.search(rf"(?<![\d.]){re.escape(one)}(?![\d])", text) for one in shown), number


def query(name: str) -> str:
    return (FOLDER / "alerts" / f"{name}.kql").read_text("utf-8")


# No rows


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_where_nothing_happened_only_silence_fires(path: Any, insights: Insights) -> None:
    assert bool(fires(insights, path.stem)) == (path.stem == "silence")


# Each


def ruled(insights: Insights, answer: str, ruling: str, ago: timedelta = HOUR, **more: Any) -> None:
    usual = {"model_version": "v1", "weight": 20.0, "round": 1, "seconds": 60.0}
    insights.event("review_ruled", NOW - ago, answer=answer, ruling=ruling, **{**usual, **more})


def test_accuracy_fires_when_it_is_surely_too_low(insights: Insights) -> None:
    for number in range(9):
        ruled(insights, f"a{number}", "corrected")
    assert fires(insights, "accuracy") == [], "nine tell too little"
    ruled(insights, "a9", "approved")
    [(version, accuracy, high, judged)] = fires(insights, "accuracy")
    assert (version, judged) == ("v1", 10)
    assert accuracy == pytest.approx(0.1)
    assert high == pytest.approx(0.404, abs=0.001)  # Wilson, 1 of 10


def test_accuracy_that_may_be_good_enough_does_not_fire(insights: Insights) -> None:
    for number in range(10):
        ruled(insights, f"a{number}", "approved" if number < 5 else "corrected")  # 0.5, but up to 0.76
        ruled(insights, f"flagged{number}", "corrected", weight=0.0)  # complaints are no sample
        ruled(insights, f"old{number}", "corrected", ago=49 * HOUR)
        ruled(insights, f"none{number}", "rejected")
    assert fires(insights, "accuracy") == []


def test_a_bad_version_is_named_though_a_good_one_answers_in_the_same_hour(insights: Insights) -> None:
    for number in range(12):
        ruled(insights, f"a{number}", "corrected", model_version="v2")
        ruled(insights, f"b{number}", "approved")
    assert [row[0] for row in fires(insights, "accuracy")] == ["v2"]


def said(insights: Insights, answer: str, ago: timedelta = HOUR, **more: Any) -> None:
    usual = {
        "model_version": "v1",
        "kind": "stars",
        "value": "2",
        "likes": 0,
        "dislikes": 0,
        "late_seconds": 60.0,
    }
    insights.event("feedback_given", NOW - ago, answer=answer, **{**usual, "stars": 0, "starred": 0, **more})


def test_satisfaction_fires_on_few_stars_or_on_thumbs_down(insights: Insights) -> None:
    for number in range(10):
        said(insights, f"a{number}", stars=3, starred=1)
    assert fires(insights, "satisfaction") == [("v1", 3.0, 10, None, 0)]
    for number in range(10):
        said(insights, f"a{number}", ago=MINUTE, stars=4, starred=1)  # they changed their minds
    assert fires(insights, "satisfaction") == []
    for number in range(10):
        said(insights, f"b{number}", kind="thumb", value="dislike", likes=0, dislikes=1)
    assert fires(insights, "satisfaction") == [("v1", 4.0, 10, 0.0, 10)]


def test_few_unhappy_people_do_not_fire(insights: Insights) -> None:
    for number in range(9):
        said(insights, f"a{number}", stars=1, starred=1)
        said(insights, f"old{number}", ago=50 * HOUR, stars=1, starred=1)
    assert fires(insights, "satisfaction") == []


def test_latency_fires_on_the_slow_twentieth_of_the_last_hour(insights: Insights) -> None:
    for number in range(20):
        insights.sent(f"a{number}", NOW - 30 * MINUTE, seconds=1.0 if number else 60.0)
        insights.sent(f"old{number}", NOW - 61 * MINUTE, seconds=60.0)
    assert fires(insights, "latency") == [], "one of twenty is what the target allows"
    insights.sent("a0", NOW - 20 * MINUTE, seconds=99.0)  # told again
    insights.sent("slow", NOW - 30 * MINUTE, seconds=9.0)
    assert fires(insights, "latency") == [("v1", 1.0, 9.0, 21)]


def test_ignored_fires_when_nothing_happens_to_nearly_all(insights: Insights) -> None:
    for number in range(60):
        insights.sent(f"a{number}", NOW - 5 * HOUR)
    assert fires(insights, "ignored") == [("v1", 1.0, 60)]
    for number in range(6):
        said(insights, f"a{number}", kind="implicit", value="opened")
    assert fires(insights, "ignored") == [], "six of sixty: at the target, not above it"


def test_answers_of_the_last_half_hour_are_not_ignored_yet(insights: Insights) -> None:
    for number in range(60):
        insights.sent(f"a{number}", NOW - 20 * MINUTE)
    assert fires(insights, "ignored") == []


def test_backlog_fires_when_five_have_waited_for_a_day(insights: Insights) -> None:
    for number in range(5):
        insights.event("review_opened", NOW - 30 * HOUR, answer=f"a{number}", reason="sampled", round=1)
        insights.event("review_opened", NOW - 2 * HOUR, answer=f"new{number}", reason="sampled", round=1)
    [(waiting, oldest)] = fires(insights, "backlog")
    assert (waiting, oldest) == (5, (NOW - 30 * HOUR).replace(tzinfo=None))
    ruled(insights, "a0", "approved")
    assert fires(insights, "backlog") == []
    insights.event("review_opened", NOW - 25 * HOUR, answer="a0", reason="page_changed", round=2)
    assert len(fires(insights, "backlog")) == 1, "another round is another review"
    insights.event("question_forgotten", NOW - HOUR, answer="a1")
    assert fires(insights, "backlog") == []


def failed(insights: Insights, reason: str, ago: timedelta = MINUTE) -> None:
    insights.event("answer_failed", NOW - ago, reason=reason)


def test_errors_fires_on_a_share_and_a_number_of_failures(insights: Insights) -> None:
    for number in range(40):
        insights.sent(f"a{number}", NOW - 10 * MINUTE)
    for _ in range(4):
        failed(insights, "error")
        failed(insights, "stopped")
        failed(insights, "too_fast")
        failed(insights, "too_many")
        failed(insights, "error", ago=31 * MINUTE)
    assert fires(insights, "errors") == []
    failed(insights, "too_slow")
    assert fires(insights, "errors") == [(5, 45, pytest.approx(1 / 9), 0, 0)]


def test_errors_fires_when_channels_are_refused_or_nothing_more_can_be_kept(insights: Insights) -> None:
    for number in range(5):
        row = ((NOW - MINUTE).replace(tzinfo=None), "POST /api/messages", str(number == 0), 10.0)
        insights.connection.execute("INSERT INTO requests VALUES (?, ?, ?, ?)", row)
    assert fires(insights, "errors") == []
    insights.connection.execute("UPDATE requests SET success = 'False'")
    assert fires(insights, "errors") == [(0, 0, 0.0, 5, 0)]
    insights.connection.execute("DELETE FROM requests")
    insights.event("spool_full", NOW - MINUTE, count=100_000)
    assert fires(insights, "errors") == [(0, 0, 0.0, 0, 1)]


def test_silence_ends_with_one_event_of_a_job(insights: Insights) -> None:
    insights.event("job_finished", NOW - 4 * HOUR, job="roll_up_metrics", outcome="done", seconds=1.0)
    assert fires(insights, "silence") == [(0,)]
    insights.event("job_finished", NOW - 2 * HOUR, job="roll_up_metrics", outcome="done", seconds=1.0)
    assert fires(insights, "silence") == []


def sampled(insights: Insights, answer: str, ruling: str, confidence: float, **more: Any) -> None:
    version = more.get("model_version", "v1")
    insights.sent(answer, NOW - 3 * HOUR, confidence=confidence, model_version=version)
    ruled(insights, answer, ruling, **more)


def test_confidence_fires_when_the_bot_is_surely_surer_than_right(insights: Insights) -> None:
    for number in range(9):
        sampled(insights, f"a{number}", "approved" if number < 3 else "corrected", 0.9)
        sampled(insights, f"fair{number}", "approved" if number < 4 else "corrected", 0.5, model_version="v2")
    assert fires(insights, "confidence") == [], "nine tell too little"
    sampled(insights, "a9", "approved", 0.8)
    sampled(insights, "fair9", "approved", 0.5, model_version="v2")
    [(version, confidence, right, high, judged)] = fires(insights, "confidence")
    assert (version, judged) == ("v1", 10)
    assert (confidence, right) == (pytest.approx(0.89), pytest.approx(0.4))
    assert high == pytest.approx(wilson(0.4, 10)[1], abs=1e-4)


def test_confidence_leaves_out_what_was_not_sampled_not_judged_or_sent_before(insights: Insights) -> None:
    for number in range(20):
        sampled(insights, f"flagged{number}", "corrected", 0.9, weight=0.0)
        sampled(insights, f"none{number}", "rejected", 0.9)
        ruled(insights, f"old{number}", "corrected")
    assert fires(insights, "confidence") == []


def test_declined_fires_when_most_find_nothing(insights: Insights) -> None:
    for number in range(20):
        insights.sent(f"a{number}", NOW - 5 * HOUR, abstained=number < 12)
        insights.sent(f"v{number}", NOW - 5 * HOUR, verified=True)
        insights.sent(f"old{number}", NOW - 7 * HOUR, abstained=True)
    assert fires(insights, "declined") == [], "twelve of twenty: at the share, not above it"
    insights.sent("a12", NOW - 4 * HOUR, abstained=True)  # told again
    assert fires(insights, "declined") == [(0.65, 20)]
