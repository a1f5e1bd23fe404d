"""A canary that pleases less, fails or is slow is rolled back by itself, and noise is not taken for that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.canary import Kind, one_canary
from core.phrases import Phrase
from core.records import Answer, Feedback, FeedbackKind, Question
from core.settings import Settings
from core.translation import say, speak
from exporters.in_memory import recording
from feedback.privacy.audit import Audit
from feedback.reviews.model_decisions import DRAFT, UNPOSTED, Choice, ModelBoard, ModelDecision, ModelNotice
from jobs.registry import JOBS, Store
from jobs.scheduling.runner import run_job
from jobs.watch_canary import watch_canary
from model.evaluation.canary import (
    CanaryRules,
    CanaryStats,
    Step,
    is_surely_less,
    is_surely_more,
    judge_canary,
)
from model.registry.rollout import promote, roll_back, start_canary
from model.registry.versions import VersionStatus, read_rollout
from tests.builders.examples import STORES, either_store
from tests.builders.records import answer, question
from tests.builders.swapping import Memory, says, swapping
from tests.builders.versions import make_version

RULES = CanaryRules()
DAY = timedelta(days=1)
GOOD, BAD = [1.0] * 8 + [0.0] * 2, [1.0] * 4 + [0.0] * 6
FAST = [0.5, 0.9, 1.0, 1.1, 1.5] * 20

# What is decided


def heard(votes: list[float] | None = None, **changes: Any) -> CanaryStats:
    return replace(CanaryStats(votes or GOOD * 10, FAST), **changes)


def step(canary: CanaryStats, live: CanaryStats | None = None, age: timedelta = DAY, **rules: Any) -> Step:
    return judge_canary(live or heard(), canary, age, replace(RULES, **rules)).step


def test_a_canary_as_good_as_the_live_version_is_kept_until_its_time_is_up_and_then_promoted() -> None:
    assert step(heard()) is Step.KEEP
    assert step(heard(), age=7 * DAY) is Step.PROMOTE
    assert step(heard(), age=365 * DAY, days=0) is Step.KEEP, "0: reviewers promote"


def test_a_canary_that_pleases_less_is_rolled_back_with_a_sentence_that_says_so() -> None:
    found = judge_canary(heard(), heard(BAD * 10), DAY, RULES)
    assert (found.step, found.reason) == (Step.ROLL_BACK, "satisfaction")
    assert found.sentence == (
        "People like it less. Votes on it: 100, on average 0.4 of 1;"
        " on the live version: 100, on average 0.8."
    )


def test_within_the_margin_nothing_is_rolled_back_but_what_seems_worse_is_not_promoted() -> None:
    worse = heard([1.0] * 780 + [0.0] * 220)
    many = heard(GOOD * 100)
    assert step(worse, many, 9 * DAY, margin=0.03) is Step.PROMOTE
    assert step(worse, many, 9 * DAY, margin=0.01) is Step.KEEP


@pytest.mark.parametrize(("mine", "theirs"), [([], GOOD * 10), ([0.0] * 29, GOOD * 10), ([0.0] * 90, GOOD)])
def test_too_few_votes_decide_nothing_however_bad_they_are(mine: list[float], theirs: list[float]) -> None:
    found = judge_canary(heard(theirs), replace(heard(), votes=mine), 99 * DAY, RULES)
    assert found.step is Step.KEEP
    assert "too few votes" in found.sentence


def test_a_canary_that_fails_is_rolled_back_without_a_vote_unless_the_live_one_fails_as_often() -> None:
    failing = CanaryStats(seconds=FAST, failed=25)
    found = judge_canary(CanaryStats(seconds=FAST), failing, DAY, RULES)
    assert (found.step, found.reason) == (Step.ROLL_BACK, "errors")
    assert "failed on 25 of its 125 questions" in found.sentence
    assert step(failing, CanaryStats(seconds=FAST, failed=30)) is Step.KEEP, "something else is broken"
    assert step(failing, CanaryStats(seconds=FAST), max_error_rate=0.3) is Step.KEEP
    assert step(CanaryStats(failed=1), CanaryStats(seconds=FAST)) is Step.KEEP, "once is nothing"


def test_a_canary_whose_answers_take_too_long_is_rolled_back() -> None:
    slow = replace(heard(), seconds=[2 * one for one in FAST])
    found = judge_canary(heard(), slow, DAY, RULES)
    assert (found.step, found.reason) == (Step.ROLL_BACK, "latency")
    assert "take 2 s, those of the live version 1 s" in found.sentence
    assert step(replace(heard(), seconds=[1.4 * one for one in FAST])) is Step.KEEP
    assert step(slow, max_latency_ratio=3) is Step.KEEP
    assert step(replace(heard(), seconds=[9.0] * 3)) is Step.KEEP, "three answers are none"


def test_noise_alone_is_rolled_back_rarely_however_often_one_looks() -> None:
    """benchmarks/canary.py has the figures; here are enough of the same to see that the order is right."""
    dice = random.Random(5)  # noqa: S311 - nothing secret
    ends = [one_canary(Kind(), dice, RULES) for _ in range(40)]
    assert sum(bool(end.reason) for end in ends) <= 2
    bad = [one_canary(Kind(pleases=0.5), dice, RULES) for _ in range(6)]
    assert [end.reason for end in bad] == ["satisfaction"] * 6


def test_the_tests_hold_at_the_edges() -> None:
    assert not is_surely_more(0, 0, 0.5)
    assert not is_surely_more(5, 5, 1.0)
    assert is_surely_more(20, 20, 0.5)
    assert not is_surely_less([1.0] * 40, [1.0] * 40, 0.0)
    assert is_surely_less([0.0] * 40, [1.0] * 40, 0.5)
    assert not is_surely_less([0.0] * 40, [1.0] * 40, 1.0)


# What is done


BOTH = pytest.mark.parametrize("store", STORES, indirect=True)


@pytest.fixture(params=("sqlite",))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with either_store(request, tmp_path) as opened:
        yield opened


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    for age_days, name in enumerate(("first", "second", "third")):
        make_version(tmp_path / "models", name, age_days, parent="base")
    promote(tmp_path / "models", "first")
    return tmp_path / "models"


class Crowd:
    """People who ask and vote since the canary began; `now` goes on with every question."""

    def __init__(self, store: Store, models_dir: Path) -> None:
        self.store = store
        self.models_dir = models_dir
        self.now = datetime.now(UTC) + timedelta(seconds=1)
        self.number = 0

    async def asks(self, version: str, **changes: Any) -> Answer:
        self.now += timedelta(seconds=20)
        answered_at = self.now + timedelta(seconds=1)
        asked = await self._question(f"conversation {self.number}")
        given = replace(answer(asked, answered_at=answered_at), model_version=version, **changes)
        await self.store.add_answer(given)
        await self.store.mark_delivered(asked.id, f"m{asked.id}")
        return given

    async def _question(self, conversation: str) -> Question:
        self.number += 1
        asked = question(self.number, asked_at=self.now, conversation=conversation, asker="p")
        await self.store.add_question(asked)
        return asked

    async def is_failed(self, version: str, *, stopped: bool = False) -> None:
        """Ask in a conversation that this version answers, and get no answer."""
        standing = read_rollout(self.models_dir)
        names = (f"{version} {number}" for number in range(self.number, 10**9))
        asked = await self._question(next(one for one in names if standing.choose_version(one) == version))
        await self.store.mark_delivered(asked.id, "" if stopped else "sorry")

    async def votes(self, on: Answer, value: str, **changes: Any) -> None:
        kind = FeedbackKind.THUMB if value in {"like", "dislike"} else FeedbackKind.STARS
        word = Feedback(on.id, "p", kind, value, trainable=True, given_at=self.now + timedelta(seconds=9))
        await self.store.put_feedback(replace(word, **changes))

    async def hear(self, version: str, likes: int, dislikes: int, **changes: Any) -> list[Answer]:
        answers = await asyncio.gather(*(self.asks(version, **changes) for _ in range(likes + dislikes)))
        said = ["like"] * likes + ["dislike"] * dislikes
        await asyncio.gather(*(self.votes(one, value) for one, value in zip(answers, said, strict=True)))
        return answers

    async def watch(self, **rules: Any) -> dict[str, object]:
        return {**await watch_canary(self.store, self.models_dir, replace(RULES, **rules), self.now)}


@pytest.fixture
def crowd(store: Store, models_dir: Path) -> Crowd:
    start_canary(models_dir, "second", 0.5)
    return Crowd(store, models_dir)


@BOTH
async def test_a_canary_that_pleases_less_is_rolled_back_by_itself_and_who_answers_follows(
    crowd: Crowd,
) -> None:
    standing = read_rollout(crowd.models_dir)
    mine = next(f"c{n}" for n in range(99) if standing.choose_version(f"c{n}") == "second")
    async with swapping(crowd.models_dir, Memory()) as running:
        assert says(running, mine) == "second"
        await crowd.hear("first", 32, 8)
        await crowd.hear("second", 12, 28)
        with recording() as told:
            said = await crowd.watch()
        async with asyncio.timeout(30):
            while says(running, mine) != "first":  # noqa: ASYNC110 - a file is what it waits for
                await asyncio.sleep(0.01)
    assert (said["step"], said["votes"]) == (Step.ROLL_BACK, 40)
    assert read_rollout(crowd.models_dir).derive_status("second") is VersionStatus.RETIRED
    why = [(event["model_version"], event["reason"]) for event in told.events("model_rolled_back")]
    assert why == [("second", "satisfaction")]
    [notice] = await ModelBoard(crowd.store.documents).notices(UNPOSTED)
    assert notice.title == "The canary second was rolled back"
    with speak("de"):
        texts = [*map(say, notice.read_texts()[:2])]
    assert texts[0] == "Die Probeversion second wurde zurückgenommen"
    assert texts[1].startswith("Sie gefällt weniger. Stimmen zu ihr: 40, im Mittel 0,3 von 1 wert;")
    assert "People like it less. Votes on it: 40, on average 0.3" in notice.sentence
    trail = [entry async for entry in Audit(crowd.store.documents).entries()]
    assert [(one.who, str(one.what), one.model_version) for one in trail] == [
        ("askpage", "rolled back a model version", "second")
    ]
    assert (await crowd.watch())["step"] == "none", "there is no canary any more"
    assert len(await ModelBoard(crowd.store.documents).notices(UNPOSTED)) == 1


async def test_what_was_said_before_the_canary_began_and_of_verified_answers_does_not_count(
    crowd: Crowd,
) -> None:
    began = crowd.now
    crowd.now -= DAY
    before = await crowd.hear("first", 40, 0)
    crowd.now = began
    await crowd.votes(before[0], "like", given_at=began + timedelta(hours=1))
    await crowd.hear("first", 3, 1)
    await crowd.hear("second", 1, 2, verified_by="r", verified_at=began)
    [last, *_] = await crowd.hear("second", 2, 3)
    await crowd.votes(last, "dislike", withdrawn_at=crowd.now + timedelta(minutes=1))
    said = await crowd.watch()
    assert (said["step"], said["votes"]) == (Step.KEEP, 4)
    watch = await ModelBoard(crowd.store.documents).watch()
    assert watch is not None
    assert watch.canary == "second"
    assert all(isinstance(text, Phrase) for pair in watch.read_texts().facts for text in pair)
    assert dict(watch.facts) == {
        "The canary, votes": "4, on average 0.25 of 1",
        "The canary, questions": "5, without an answer: 0; median 1 s",
        "The live version, votes": "4, on average 0.75 of 1",
        "The live version, questions": "4, without an answer: 0; median 1 s",
    }


@BOTH
async def test_late_votes_count_for_the_answer_that_they_are_about_and_change_no_ended_canary(
    crowd: Crowd,
) -> None:
    await crowd.hear("first", 32, 8)
    answers = await asyncio.gather(*(crowd.asks("second") for _ in range(40)))
    assert (await crowd.watch())["step"] == Step.KEEP
    crowd.now += 3 * DAY
    await asyncio.gather(*(crowd.votes(one, "1") for one in answers))
    assert (await crowd.watch())["step"] == Step.ROLL_BACK
    start_canary(crowd.models_dir, "third", 0.5)
    await asyncio.gather(*(crowd.votes(one, "dislike") for one in answers))
    said = await crowd.watch()
    assert (said["canary"], said["step"], said["votes"]) == ("third", Step.KEEP, 0)
    assert read_rollout(crowd.models_dir).canary == "third"


@BOTH
async def test_a_canary_that_fails_is_rolled_back_and_what_its_asker_stopped_is_no_failure(
    crowd: Crowd,
) -> None:
    await crowd.hear("first", 10, 0)
    for _ in range(8):
        await crowd.is_failed("second", stopped=True)
    assert (await crowd.watch())["step"] == Step.KEEP
    await crowd.hear("second", 3, 0)
    for _ in range(4):
        await crowd.is_failed("second")
    with recording() as told:
        said = await crowd.watch()
    assert said["step"] == Step.ROLL_BACK
    assert "failed on 4 of its 7 questions" in str(said["why"])
    assert [event["reason"] for event in told.events("model_rolled_back")] == ["errors"]


async def test_a_slow_canary_is_rolled_back(crowd: Crowd) -> None:
    await crowd.hear("first", 30, 0)
    for _ in range(12):
        await crowd.asks("second", answered_at=crowd.now + timedelta(seconds=60))
    said = await crowd.watch()
    assert said["step"] == Step.ROLL_BACK
    assert "of the live version 1 s" in str(said["why"])


async def test_a_good_canary_is_promoted_when_its_time_is_up_unless_a_reviewer_holds_it(crowd: Crowd) -> None:
    await crowd.hear("first", 24, 6)
    await crowd.hear("second", 25, 5)
    assert (await crowd.watch())["step"] == Step.KEEP
    crowd.now += 8 * DAY
    board = ModelBoard(crowd.store.documents)
    hold = ModelDecision("second", 1, Choice.HOLD, "robin", "Robin", crowd.now)
    await board.decide(hold)
    said = await crowd.watch()
    assert said["step"] == Step.KEEP
    assert "A reviewer has put it on hold" in str(said["why"])
    await board.take_back(hold)
    assert (await crowd.watch())["step"] == Step.PROMOTE
    assert read_rollout(crowd.models_dir).name == "second"
    [notice] = await board.notices(UNPOSTED)
    assert notice.title == "The canary second answers everybody now"


@pytest.mark.parametrize("done", [True, False])
async def test_a_run_that_was_killed_is_told_of_if_it_had_rolled_back_and_else_forgotten(
    crowd: Crowd, done: bool
) -> None:
    board = ModelBoard(crowd.store.documents)
    draft = ModelNotice("second|x|roll_back", "second", "The canary second was rolled back", "…", crowd.now)
    await board.draft(draft)
    if done:
        roll_back(crowd.models_dir, "second")
    await crowd.watch()
    assert [*await board.notices(UNPOSTED)] == ([draft] if done else [])
    assert not await board.notices(DRAFT)


async def test_what_a_reviewer_was_faster_with_stays(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    await crowd.hear("first", 32, 8)
    await crowd.hear("second", 12, 28)
    draft = ModelBoard.draft

    async def promote_first(board: ModelBoard, notice: ModelNotice) -> None:
        promote(crowd.models_dir, "second")  # by a reviewer, while the votes were counted
        await draft(board, notice)

    monkeypatch.setattr(ModelBoard, "draft", promote_first)
    await crowd.watch()
    assert read_rollout(crowd.models_dir).name == "second"
    for state in (DRAFT, UNPOSTED):
        assert not await ModelBoard(crowd.store.documents).notices(state)


async def test_the_job_runs_where_there_is_no_canary_and_no_model(tmp_path: Path) -> None:
    line = await run_job("watch_canary", JOBS["watch_canary"].load(), Settings(data_dir=tmp_path))
    assert (line["outcome"], line["step"]) == ("done", "none")
