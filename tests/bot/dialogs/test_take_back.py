"""Rulings that are taken back and edited: who wins, what is served, what is kept, whoever is killed when."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import datetime

import pytest

from bot.dialogs.review import Refused, ReviewRules
from core.records import Answer, ChangeKind, Review, Ruling
from feedback.metrics.report import report
from feedback.reviews.repository import SETTLED, WAITING
from feedback.reviews.ruling_changes import read_history, read_standing
from feedback.store.base import FeedbackStore
from tests.builders.records import Opening, opening
from tests.builders.rulings import KIM, LEE, ROBIN, CutDocuments, Killed, ReviewProcess
from tests.builders.world import NO_SAMPLE, live

__all__ = ["opening"]

TEXTS = {"Robin": "30 days.", "Kim": "31 days.", "Lee": "32 days."}
PEOPLE = {ROBIN: "Robin", KIM: "Kim", LEE: "Lee"}


def at(store: FeedbackStore, rules: ReviewRules = NO_SAMPLE) -> ReviewProcess:
    return ReviewProcess(store, store.documents, rules)  # type: ignore[attr-defined]


@pytest.fixture
async def process(opening: Opening) -> ReviewProcess:
    return at(await opening())


async def test_a_ruling_that_is_taken_back_is_served_no_more_and_its_review_is_open_again(
    process: ReviewProcess,
) -> None:
    given = await process.flagged()
    await process.rule(given, "")
    assert process.known.served.keys() == {given.id}
    review = await process.undo(given)
    assert not await live(process.repository)
    assert not process.known.served
    assert await read_standing(process.repository, given.id) is None
    [waiting], _ = await process.repository.reviews(WAITING, 9)
    assert (waiting.round, waiting.reasons, waiting.proposal) == (2, review.reasons, None)
    change = waiting.change
    assert change is not None
    assert change.before is not None
    assert (change.reviewer_name, change.reason, change.before.ruling) == (
        "Kim",
        "a wrong press",
        Ruling.NOT_ON_PAGE,
    )
    again = await process.rule(given, round_=2)
    assert [one.verified_at for one in await live(process.repository)] == [again.settled_at]
    history = await read_history(process.repository, given.id)
    assert [(one.ruling.text, one.holds, one.ended is not None) for one in history] == [
        ("", False, True),
        ("30 days.", True, False),
    ]


async def test_an_edited_answer_is_served_at_once_and_remembers_what_it_was(process: ReviewProcess) -> None:
    given = await process.flagged()
    first = await process.rule(given)
    review = await process.edit(given, "31 days.")
    assert [one.text for one in await live(process.repository)] == ["31 days."]
    assert [one.text for one in process.known.all()] == ["31 days."]
    assert review.settled_at is not None
    assert first.settled_at is not None
    assert review.settled_at > first.settled_at
    assert await process.repository.find_settled(first.settled_at) is not None
    history = await read_history(process.repository, given.id)
    assert [one.ruling.text for one in history] == ["30 days.", "31 days."]
    assert history[0].ended is not None
    assert (history[0].ended.kind, history[0].ended.reason) == (ChangeKind.EDITED, "a wrong press")
    with pytest.raises(Refused, match="already says"):
        await process.edit(given, "31 days.", 2)


async def test_the_same_press_twice_changes_a_ruling_once(process: ReviewProcess) -> None:
    given = await process.flagged()
    await process.rule(given)
    assert await process.undo(given) == await process.undo(given)
    with pytest.raises(Refused, match=r"Kim has already undone the decision, .+ ago\."):
        await process.undo(given, reviewer=LEE)
    with pytest.raises(Refused, match="You have already undone the decision"):
        await process.undo(given, source="another press")
    with pytest.raises(Refused, match="nothing to undo"):
        await process.undo(given, 2, source="a third press")
    with pytest.raises(Refused, match="Kim undid the decision since this card was made"):
        await process.rule(given, reviewer=LEE, source="late")


async def test_an_earlier_ruling_that_is_written_late_or_goes_stale_leaves_the_later_one_served(
    process: ReviewProcess,
) -> None:
    given = await process.flagged()
    await process.rule(given)
    [earlier] = await live(process.repository)
    review = await process.edit(given, "31 days.")
    await process.repository.put_verified(earlier)
    assert [one.verified_at for one in await live(process.repository)] == [review.settled_at]
    await process.reviewing.reopen(earlier)
    assert [one.verified_at for one in await live(process.repository)] == [review.settled_at]
    assert [one.verified_at for one in process.known.all()] == [review.settled_at]
    standing = await read_standing(process.repository, given.id)
    assert standing is not None
    assert standing.text == "31 days."


async def test_of_reviewers_in_two_processes_who_change_a_ruling_at_once_one_wins(opening: Opening) -> None:
    one, other = at(await opening()), at(await opening())
    for number in range(6):
        given = await one.flagged(number)
        await one.rule(given)
        ended = await asyncio.gather(
            one.undo(given, reviewer=KIM, reviewer_name="Kim"),
            other.edit(given, "31 days.", reviewer=LEE, reviewer_name="Lee"),
            other.undo(given, reviewer=ROBIN, reviewer_name="Robin"),
            return_exceptions=True,
        )
        [won] = [end for end in ended if isinstance(end, Review)]
        assert [type(end) for end in ended if end is not won] == [Refused, Refused]
        served = {verified.answer_id: verified.text for verified in await live(one.repository)}
        assert served.get(given.id) == ("31 days." if won.settled_at else None)
        first, *_ = await read_history(one.repository, given.id)
        assert first.ruling.text == "30 days."


async def test_however_three_people_rule_edit_and_undo_at_once_only_what_holds_is_served(
    opening: Opening,
) -> None:
    processes = [at(await opening()) for _ in range(2)]
    given = await processes[0].flagged()
    await asyncio.gather(*(act_at_random(process, given, who) for process in processes for who in PEOPLE))
    review = await processes[0].repository.review(given.id)
    assert review is not None
    standing = await read_standing(processes[0].repository, given.id)
    holds = [] if review.settled_at is None else [review.settled_at]
    assert [one.verified_at for one in await live(processes[0].repository)] == holds
    assert ([standing.verified_at] if standing else []) == holds
    for process in processes:
        await process.restart()
        assert [one.verified_at for one in process.known.all()] == holds
    rounds = sorted(one.round for one in await processes[0].repository.rounds(given.id))
    assert rounds == list(range(1, review.round + 1))
    assert review.round > 2
    times: list[datetime] = [one.since for one in await read_history(processes[0].repository, given.id)]
    assert times == sorted(set(times))


async def act_at_random(process: ReviewProcess, given: Answer, who: str) -> None:
    lots = random.Random(who)  # noqa: S311
    for step in range(6):
        review = await process.repository.review(given.id)
        assert review is not None
        me = {"reviewer": who, "reviewer_name": PEOPLE[who], "source": f"{who} {step} {lots.random()}"}
        try:
            if review.settled_at is None:
                await process.rule(given, TEXTS[PEOPLE[who]], review.round, **me)
            elif lots.random() < 0.5:
                await process.undo(given, review.round, **me)
            else:
                await process.edit(given, f"{step} of {who}", review.round, **me)
        except Refused:
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["undo", "edit"])
async def test_whenever_a_process_is_killed_nothing_is_lost_and_nothing_served_that_was_changed(
    opening: Opening, kind: str
) -> None:
    store = await opening()
    whole = at(store)
    outcomes: list[int] = []
    for writes in range(20):
        given = await whole.flagged(writes)
        first = await whole.rule(given)
        cut = ReviewProcess(store, CutDocuments(store.documents, writes))  # type: ignore[attr-defined]
        try:
            await (cut.undo(given) if kind == "undo" else cut.edit(given, "31 days."))
        except Killed:
            killed = True
        else:
            killed = False
        review = await whole.repository.review(given.id)
        assert review is not None
        outcomes.append(review.round)
        served = await read_standing(whole.repository, given.id)  # before anybody cleans up
        assert served is None or served.verified_at == review.settled_at
        assert review.round == 2 or served is not None
        assert (review.round, kind) != (2, "undo") or served is None
        await whole.restart()
        if review.round == 2:  # its entry was left before
            assert given.id in {name for name, _ in await whole.repository.claim_outbox_entries(99)}
        await whole.reviewing.follow(review)
        standing = {one.answer_id: one.verified_at for one in await live(whole.repository)}
        assert standing.get(given.id) == review.settled_at
        history = await read_history(whole.repository, given.id)
        assert (history[0].ruling.text, history[0].since) == ("30 days.", first.settled_at)
        assert len(history) == (2 if kind == "edit" and review.round == 2 else 1)
        assert len({one.round for one in await whole.repository.rounds(given.id)}) == review.round
        if not killed:
            break
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {1, 2}
    settled, _ = await whole.repository.reviews(SETTLED, 99)
    past, _ = await whole.repository.past_reviews(99)
    names = [(one.answer_id, one.round) for one in (*settled, *past)]
    assert len(names) == len(set(names))


async def test_a_judgement_that_was_taken_back_does_not_count_in_the_sample(opening: Opening) -> None:
    process = at(await opening(), ReviewRules(sample_share=1.0, double_share=0.0))
    given = await process.flagged()
    await process.reviewing.consider(given)
    await process.rule(given, "")
    assert (await report(process.store, process.repository)).accuracy == 0.0
    await process.undo(given)
    found = await report(process.store, process.repository)
    assert (found.sampled, found.accuracy) == (0, None)
    await process.rule(given, round_=2, ruling=Ruling.APPROVED)
    found = await report(process.store, process.repository)
    assert (found.sampled, found.accuracy) == (1, 1.0)
    await process.edit(given, "31 days.", 2)
    found = await report(process.store, process.repository)
    assert (found.sampled, found.accuracy) == (1, 0.0)
    await process.edit(given, "32 days.", 3)
    found = await report(process.store, process.repository)
    assert (found.sampled, found.accuracy) == (1, 0.0)


async def test_who_waits_for_a_second_reviewer_may_take_their_own_ruling_back(opening: Opening) -> None:
    process = at(await opening(), replace(NO_SAMPLE, second_for_corrections=True))
    given = await process.flagged()
    await process.rule(given)
    with pytest.raises(Refused, match="nothing to undo"):
        await process.undo(given)
    review = await process.undo(given, reviewer=ROBIN)
    assert (review.round, review.verdicts, review.change) == (1, (), None)
    await process.rule(given, "31 days.")
    await process.rule(given, ruling=Ruling.APPROVED, reviewer=KIM, source="2")
    assert [one.text for one in await live(process.repository)] == ["31 days."]
    review = await process.edit(given, "33 days.")
    assert review.proposal is not None
    assert not await live(process.repository)
    await process.rule(given, round_=2, ruling=Ruling.APPROVED, reviewer=LEE, source="3")
    assert [one.text for one in await live(process.repository)] == ["33 days."]
