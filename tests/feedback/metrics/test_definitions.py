"""The figures, against values that were computed by hand."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    Feedback,
    FeedbackKind,
    Review,
    ReviewReason,
    Ruling,
    Timings,
    Verdict,
)
from feedback.metrics.daily import MOST_SITES, OTHER_SITES, Day, Group, select
from feedback.metrics.definitions import (
    Known,
    Sums,
    add_answer,
    add_turn,
    compute_figures,
    is_ignored,
    is_right,
)
from feedback.metrics.statistics import ACCURACY, QuantileSketch, Share, Weighted, wilson
from feedback.store.base import derive_site
from feedback.store.serialization import parse_answer, to_json
from tests.builders.records import answer, question

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


def written(minutes: float, *, number: int = 1, took_s: float = 2.0, **changes: object) -> Answer:
    """Return an answer that was written so many minutes after noon."""
    at = NOON + timedelta(minutes=minutes)
    asked = question(number, asked_at=at - timedelta(seconds=took_s))
    plain = answer(asked, f"a{number}", answered_at=at, timings=Timings(0.1, took_s / 2, took_s))
    return replace(plain, **changes)  # type: ignore[arg-type]


def word(kind: FeedbackKind, value: str, minutes: float, *, withdrawn: bool = False) -> Feedback:
    at = NOON + timedelta(minutes=minutes)
    return Feedback("a1", "p", kind, value, True, at, at if withdrawn else None)


def ruled(ruling: Ruling, weight: float = 1.0) -> Review:
    verdict = Verdict("r", "R", ruling, NOON)
    return Review("a1", (ReviewReason.SAMPLE,), NOON, weight=weight, verdicts=(verdict,), settled_at=NOON)


# Shares


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [
        (0.5, 10, 0.236593, 0.763407),
        (1.0, 10, 0.722467, 1.0),
        (0.0, 10, 0.0, 0.277533),
        (0.9, 100, 0.825634, 0.944770),
        (1.0, 1, 0.206549, 1.0),
    ],
)
def test_wilsons_interval_as_tables_have_it(share: float, count: float, low: float, high: float) -> None:
    assert wilson(share, count) == pytest.approx((low, high), abs=2e-6)


def test_judgements_that_stand_for_different_numbers_tell_less_than_as_many_equal_ones() -> None:
    sums = Weighted()
    assert sums.share() is None
    for weight, right in ((5.0, True), (20.0, False), (15.0, True)):
        sums.add(weight, right=right)
    share = sums.share()
    assert share is not None
    assert share.value == pytest.approx(0.5)
    assert share.count == 3
    assert (share.low, share.high) == pytest.approx(wilson(0.5, 1600 / 650))
    equal = Weighted(total=3.0, right=1.5, squares=3.0, count=3).share()
    assert equal is not None
    assert equal.high - equal.low < share.high - share.low


# Spreads


def test_percentiles_are_right_within_a_hundredth_of_their_value() -> None:
    draw = random.Random(7)  # noqa: S311 - no secret
    values = [draw.lognormvariate(0, 2) + 0.01 for _ in range(5_000)]
    spread = QuantileSketch()
    for value in values:
        spread.add(value)
    values.sort()
    for share in (0.01, 0.5, 0.9, 0.95, 0.99, 1.0):
        exact = values[max(1, math.ceil(share * len(values))) - 1]
        assert spread.percentile(share) == pytest.approx(exact, rel=ACCURACY * 1.001)
    assert len(spread.buckets) < 1_200


@pytest.mark.parametrize("values", [[], [3.0], [0.0, -1.0], [1.0, 1.0, 1.0]])
def test_few_and_equal_values_have_percentiles_too(values: list[float]) -> None:
    spread = QuantileSketch()
    for value in values:
        spread.add(value)
    expected = None if not values else pytest.approx(max(values[0], 0.001), rel=ACCURACY)
    assert spread.percentile(0.5) == spread.percentile(0.95) == expected
    assert QuantileSketch.load(json.loads(json.dumps(spread.dump()))) == spread


# What counts


@pytest.mark.parametrize(
    ("words", "ignored"),
    [
        ([], True),
        ([word(FeedbackKind.THUMB, "like", 1)], False),
        ([word(FeedbackKind.REACTION, "wow", 30)], False),
        ([word(FeedbackKind.REACTION, "wow", 30.1)], True),
        ([word(FeedbackKind.STARS, "4", 5, withdrawn=True)], False),
        ([word(FeedbackKind.COMMENT, "", 5)], False),
        ([word(FeedbackKind.EXPERT, "", 5)], False),
        ([word(FeedbackKind.IMPLICIT, "opened", 5)], False),
        ([word(FeedbackKind.IMPLICIT, "follow_up", 5)], False),
        ([word(FeedbackKind.IMPLICIT, "abandoned", 0)], True),
    ],
)
def test_an_answer_is_ignored_when_nothing_happens_to_it_within_half_an_hour(
    words: list[Feedback], ignored: bool
) -> None:
    assert is_ignored(written(0), words) is ignored


@pytest.mark.parametrize(
    ("ruling", "right"),
    [
        (Ruling.APPROVED, True),
        (Ruling.CORRECTED, False),
        (Ruling.NOT_ON_PAGE, False),
        (Ruling.REJECTED, None),
    ],
)
def test_only_what_reviewers_approve_is_right_and_no_question_is_not_judged(
    ruling: Ruling, right: bool | None
) -> None:
    assert is_right(ruled(ruling)) is right
    assert is_right(replace(ruled(ruling), settled_at=None)) is None


def test_the_site_of_an_answer_is_its_sources_host() -> None:
    elsewhere = Citation("https://example.com/a#b", "", "", "")
    assert derive_site(written(0, citations=(elsewhere,))) == "example.com"
    assert derive_site(written(0, citations=(replace(elsewhere, url="/site/a"),))) == "own pages"
    assert derive_site(written(0, citations=(replace(elsewhere, url="/file/a"),))) == "sent file"
    assert derive_site(written(0, citations=(), passages=())) == "no page"


# A day, by hand


def test_the_figures_of_a_day_by_hand() -> None:
    """Five answers, four of them old enough to be ignored; three were sampled, one of which was declined."""
    sums = Sums()
    day = [
        (written(0, number=1, took_s=1.0), [word(FeedbackKind.STARS, "5", 2)], [ruled(Ruling.APPROVED, 2.0)]),
        (
            written(10, number=2, took_s=2.0),
            [word(FeedbackKind.STARS, "2", 11), word(FeedbackKind.THUMB, "dislike", 12)],
            [ruled(Ruling.CORRECTED, 4.0), ruled(Ruling.APPROVED, 0.0)],
        ),
        (written(20, number=3, took_s=3.0, kind=AnswerKind.DECLINED), [], [ruled(Ruling.APPROVED, 2.0)]),
        (written(30, number=4, took_s=4.0, verified_by="r"), [], [ruled(Ruling.REJECTED, 9.0)]),
        (written(60 * 23.9, number=5, took_s=10.0), [word(FeedbackKind.THUMB, "like", 1440)], []),
    ]
    for one, words, rounds in day:
        add_answer(sums, Known(one, words, words, rounds), LATER)
    figures = compute_figures(sums)
    assert figures.answers == 5
    assert figures.accuracy is not None
    assert figures.precision is not None
    assert (figures.accuracy.value, figures.accuracy.count) == (pytest.approx(4 / 8), 3)
    assert (figures.precision.value, figures.precision.count) == (pytest.approx(2 / 6), 2)
    assert figures.satisfaction == 3.5
    assert figures.liked_share == 0.5
    assert figures.ignore_rate == 2 / 4
    assert (figures.abstained_share, figures.verified_share) == (0.2, 0.2)
    assert figures.response_p50_s == pytest.approx(3.0, rel=ACCURACY)
    assert figures.response_p95_s == pytest.approx(10.0, rel=ACCURACY)
    assert figures.first_token_p50_s == pytest.approx(1.5, rel=ACCURACY)


def test_quotations_are_counted_apart_and_are_not_attempted() -> None:
    sums = Sums()
    for number, (kind, ruling) in enumerate(
        [
            (AnswerKind.ANSWERED, Ruling.APPROVED),
            (AnswerKind.ANSWERED, Ruling.CORRECTED),
            (AnswerKind.QUOTED, Ruling.APPROVED),
            (AnswerKind.DECLINED, Ruling.APPROVED),
        ]
    ):
        one = answer(question(number), kind=kind)
        verdict = Verdict("r", "R", ruling, NOON)
        review = Review(
            one.id, (ReviewReason.SAMPLE,), NOON, weight=5.0, verdicts=(verdict,), settled_at=NOON
        )
        add_answer(sums, Known(one, rounds=[review]), NOON)
    figures = compute_figures(Sums.load(json.loads(json.dumps(sums.dump()))))
    assert (figures.answered_share, figures.quoted_share, figures.abstained_share) == (0.5, 0.25, 0.25)
    shares = [figures.accuracy, figures.precision, figures.quote_precision]
    assert [(share.value, share.count) for share in shares if share] == [(0.75, 4), (0.5, 2), (1.0, 1)]


def test_days_from_before_there_were_quotations_are_read() -> None:
    older = Sums(answers=3, abstained=1).dump()
    del older["quoted"], older["quotes"]
    figures = compute_figures(Sums.load(older))
    assert (figures.answered_share, figures.quoted_share, figures.quote_precision) == (2 / 3, 0.0, None)


def test_of_nothing_nothing_is_known() -> None:
    figures = compute_figures(Sums())
    assert figures.answers == 0
    assert {value for name, value in _as_dict(figures).items() if name != "answers"} == {None}


def _as_dict(figures: object) -> dict[str, object]:
    return {name: getattr(figures, name) for name in figures.__slots__}  # type: ignore[attr-defined]


def test_a_session_lasts_from_its_first_question_to_its_last_answer_and_thirty_idle_minutes_end_it() -> None:
    sums = Sums()
    turns = [
        written(0, took_s=60.0),
        written(10, took_s=60.0),
        written(41, took_s=60.0),
        written(80, took_s=60.0),
    ]
    before = None
    for one in turns:
        add_turn(sums, one, before)
        before = one.answered_at
    # From -1 to 41 minutes: the pause before the third question is 30 minutes, which is not too long; then
    # from 79 to 80.
    assert (sums.sessions, sums.session_s) == (2, 42 * 60 + 60)
    assert compute_figures(sums).time_on_tool_s == (42 * 60 + 60) / 2


def test_groups_and_days_add_up_to_what_they_are_together() -> None:
    draw = random.Random(1)  # noqa: S311 - no secret
    whole, parts = Sums(), {}
    for number in range(200):
        one = written(
            draw.uniform(0, 1000),
            number=number,
            took_s=draw.uniform(0.1, 20),
            model_version=draw.choice(["a", "b"]),
            kind=AnswerKind.DECLINED if draw.random() < 0.2 else AnswerKind.ANSWERED,
        )
        words = [word(FeedbackKind.STARS, str(draw.randint(1, 5)), draw.uniform(0, 1000))]
        rounds = [ruled(draw.choice(list(Ruling)), draw.choice([0.0, 5.0, 20.0]))]
        day = parts.setdefault(number % 3, Day(date(2026, 11, 23)))
        for sums in (whole, day.find_sums(one)):
            add_answer(sums, Known(one, words, words, rounds), LATER)
            add_turn(sums, one, None)
    together = select([*parts.values()])
    assert together.session_s == pytest.approx(whole.session_s)
    whole.session_s = together.session_s
    assert together == whole
    assert Sums.load(json.loads(json.dumps(together.dump()))) == together
    of_a = select([*parts.values()], lambda group: group.model_version == "a")
    of_b = select([*parts.values()], lambda group: group.model_version == "b")
    assert of_a.answers + of_b.answers == 200
    assert 0 < of_a.answers < 200


def test_a_day_has_only_so_many_sites_of_its_own() -> None:
    day = Day(date(2026, 11, 23))
    for number in range(MOST_SITES + 20):
        url = f"https://site{number}.example.com/"
        day.find_sums(written(0, citations=(Citation(url, "", "", ""),)))
    sites = {group.site for group in day.groups}
    assert len(sites) == MOST_SITES + 1
    assert OTHER_SITES in sites
    assert Group("base", Channel.TEAMS, "site0.example.com") in day.groups


def test_a_share_says_how_many_were_judged() -> None:
    sums = Weighted()
    sums.add(20.0, right=True)
    assert sums.share() == Share(1.0, *wilson(1.0, 1), 1)


@pytest.mark.parametrize(("abstained", "kind"), [(False, AnswerKind.ANSWERED), (True, AnswerKind.DECLINED)])
def test_answers_from_before_there_were_quotations_count_by_whether_they_declined(
    abstained: bool, kind: AnswerKind
) -> None:
    written = json.loads(to_json(answer(question(1))))
    for name in ("kind", "confidence", "marked"):
        del written[name]
    read = parse_answer(json.dumps(written | {"abstained": abstained}), question(1))
    assert (read.kind, read.abstained, read.confidence, read.marked) == (kind, abstained, None, "")
    sums = Sums()
    add_answer(sums, Known(read), NOON)
    assert (sums.abstained, sums.quoted) == (abstained, 0)


def test_a_quotation_survives_the_store() -> None:
    quoted = answer(question(1), kind=AnswerKind.QUOTED, confidence=0.4, marked="26 days")
    assert parse_answer(to_json(quoted), quoted.question) == quoted
