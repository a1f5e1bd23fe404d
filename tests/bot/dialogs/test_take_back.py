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
from tests.builders.rulings import KIM, LEE, ROBIN, CutDocuments, Desk, Killed
from tests.builders.world import NO_SAMPLE, live

__all__ = ["opening"]

TEXTS = {"Robin": "30 days.", "Kim": "31 days.", "Lee": "32 days."}
PEOPLE = {ROBIN: "Robin", KIM: "Kim", LEE: "Lee"}


def at(store: FeedbackStore, rules: ReviewRules = NO_SAMPLE) -> Desk:
    return Desk(store, store.documents, rules)  # type: ignore[attr-defined]


@pytest.fixture
async def desk(opening: Opening) -> Desk:
    return at(await opening())


async def test_a_ruling_that_is_taken_back_is_served_no_more_and_its_review_is_open_again(desk: Desk) -> None:
    given = await desk.flagged()
    await desk.rule(given, "")
    assert desk.known.served.keys() == {given.id}
    review = await desk.undo(given)
    assert not await live(desk.desk)
    assert not desk.known.served
    assert await read_standing(desk.desk, given.id) is None
    [waiting], _ = await desk.desk.reviews(WAITING, 9)
    assert (waiting.round, waiting.reasons, waiting.proposal) == (2, review.reasons, None)
    change = waiting.change
    assert change is not None
    assert change.before is not None
    assert (change.reviewer_name, change.reason, change.before.ruling) == (
        "Kim",
        "a wrong press",
        Ruling.NOT_ON_PAGE,
    )
    again = await desk.rule(given, round_=2)
    assert [one.verified_at for one in await live(desk.desk)] == [again.settled_at]
    history = await read_history(desk.desk, given.id)
    assert [(one.ruling.text, one.holds, one.ended is not None) for one in history] == [
        ("", False, True),
        ("30 days.", True, False),
    ]


async def test_an_edited_answer_is_served_at_once_and_remembers_what_it_was(desk: Desk) -> None:
    given = await desk.flagged()
    first = await desk.rule(given)
    review = await desk.edit(given, "31 days.")
    assert [one.text for one in await live(desk.desk)] == ["31 days. [1]"]
    assert [one.text for one in desk.known.all()] == ["31 days. [1]"]
    assert review.settled_at is not None
    assert first.settled_at is not None
    assert review.settled_at > first.settled_at
    assert await desk.desk.find_settled(first.settled_at) is not None
    history = await read_history(desk.desk, given.id)
    assert [one.ruling.text for one in history] == ["30 days.", "31 days."]
    assert history[0].ended is not None
    assert (history[0].ended.kind, history[0].ended.reason) == (ChangeKind.EDITED, "a wrong press")
    with pytest.raises(Refused, match="says already"):
        await desk.edit(given, "31 days.", 2)


async def test_the_same_press_twice_changes_a_ruling_once(desk: Desk) -> None:
    given = await desk.flagged()
    await desk.rule(given)
    assert await desk.undo(given) == await desk.undo(given)
    with pytest.raises(Refused, match=r"Kim has already taken the decision back, .+ ago\."):
        await desk.undo(given, reviewer=LEE)
    with pytest.raises(Refused, match="You have already taken the decision back"):
        await desk.undo(given, source="another press")
    with pytest.raises(Refused, match="nothing to take back"):
        await desk.undo(given, 2, source="a third press")
    with pytest.raises(Refused, match="Kim took the decision back since this card was made"):
        await desk.rule(given, reviewer=LEE, source="late")


async def test_an_earlier_ruling_that_is_written_late_or_goes_stale_leaves_the_later_one_served(
    desk: Desk,
) -> None:
    given = await desk.flagged()
    await desk.rule(given)
    [earlier] = await live(desk.desk)
    review = await desk.edit(given, "31 days.")
    await desk.desk.put_verified(earlier)
    assert [one.verified_at for one in await live(desk.desk)] == [review.settled_at]
    await desk.reviewing.reopen(earlier)
    assert [one.verified_at for one in await live(desk.desk)] == [review.settled_at]
    assert [one.verified_at for one in desk.known.all()] == [review.settled_at]
    standing = await read_standing(desk.desk, given.id)
    assert standing is not None
    assert standing.text == "31 days. [1]"


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
        served = {verified.answer_id: verified.text for verified in await live(one.desk)}
        assert served.get(given.id) == ("31 days. [1]" if won.settled_at else None)
        first, *_ = await read_history(one.desk, given.id)
        assert first.ruling.text == "30 days."


async def test_however_three_people_rule_edit_and_undo_at_once_only_what_holds_is_served(
    opening: Opening,
) -> None:
    desks = [at(await opening()) for _ in range(2)]
    given = await desks[0].flagged()
    await asyncio.gather(*(act_at_random(desk, given, who) for desk in desks for who in PEOPLE))
    review = await desks[0].desk.review(given.id)
    assert review is not None
    standing = await read_standing(desks[0].desk, given.id)
    holds = [] if review.settled_at is None else [review.settled_at]
    assert [one.verified_at for one in await live(desks[0].desk)] == holds
    assert ([standing.verified_at] if standing else []) == holds
    for desk in desks:
        await desk.restart()
        assert [one.verified_at for one in desk.known.all()] == holds
    rounds = sorted(one.round for one in await desks[0].desk.rounds(given.id))
    assert rounds == list(range(1, review.round + 1))
    assert review.round > 2
    times: list[datetime] = [one.since for one in await read_history(desks[0].desk, given.id)]
    assert times == sorted(set(times))


async def act_at_random(desk: Desk, given: Answer, who: str) -> None:
    lots = random.Random(who)  # noqa: S311
    for step in range(6):
        review = await desk.desk.review(given.id)
        assert review is not None
        me = {"reviewer": who, "reviewer_name": PEOPLE[who], "source": f"{who} {step} {lots.random()}"}
        try:
            if review.settled_at is None:
                await desk.rule(given, TEXTS[PEOPLE[who]], review.round, **me)
            elif lots.random() < 0.5:
                await desk.undo(given, review.round, **me)
            else:
                await desk.edit(given, f"{step} of {who}", review.round, **me)
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
        cut = Desk(store, CutDocuments(store.documents, writes))  # type: ignore[attr-defined]
        try:
            await (cut.undo(given) if kind == "undo" else cut.edit(given, "31 days."))
        except Killed:
            killed = True
        else:
            killed = False
        review = await whole.desk.review(given.id)
        assert review is not None
        outcomes.append(review.round)
        served = await read_standing(whole.desk, given.id)  # before anybody cleans up
        assert served is None or served.verified_at == review.settled_at
        assert review.round == 2 or served is not None
        assert (review.round, kind) != (2, "undo") or served is None
        await whole.restart()
        if review.round == 2:  # its entry was left before
            assert given.id in {name for name, _ in await whole.desk.claim_outbox_entries(99)}
        await whole.reviewing.follow(review)
        standing = {one.answer_id: one.verified_at for one in await live(whole.desk)}
        assert standing.get(given.id) == review.settled_at
        history = await read_history(whole.desk, given.id)
        assert (history[0].ruling.text, history[0].since) == ("30 days.", first.settled_at)
        assert len(history) == (2 if kind == "edit" and review.round == 2 else 1)
        assert len({one.round for one in await whole.desk.rounds(given.id)}) == review.round
        if not killed:
            break
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {1, 2}
    settled, _ = await whole.desk.reviews(SETTLED, 99)
    past, _ = await whole.desk.past_reviews(99)
    names = [(one.answer_id, one.round) for one in (*settled, *past)]
    assert len(names) == len(set(names))


async def test_a_judgement_that_was_taken_back_does_not_count_in_the_sample(opening: Opening) -> None:
    desk = at(await opening(), ReviewRules(sample_share=1.0, double_share=0.0))
    given = await desk.flagged()
    await desk.reviewing.consider(given)
    await desk.rule(given, "")
    assert (await report(desk.store, desk.desk)).accuracy == 0.0
    await desk.undo(given)
    found = await report(desk.store, desk.desk)
    assert (found.sampled, found.accuracy) == (0, None)
    await desk.rule(given, round_=2, ruling=Ruling.APPROVED)
    found = await report(desk.store, desk.desk)
    assert (found.sampled, found.accuracy) == (1, 1.0)
    await desk.edit(given, "31 days.", 2)
    found = await report(desk.store, desk.desk)
    assert (found.sampled, found.accuracy) == (1, 0.0)
    await desk.edit(given, "32 days.", 3)
    found = await report(desk.store, desk.desk)
    assert (found.sampled, found.accuracy) == (1, 0.0)


async def test_who_waits_for_a_second_reviewer_may_take_their_own_ruling_back(opening: Opening) -> None:
    desk = at(await opening(), replace(NO_SAMPLE, second_for_corrections=True))
    given = await desk.flagged()
    await desk.rule(given)
    with pytest.raises(Refused, match="nothing to take back"):
        await desk.undo(given)
    review = await desk.undo(given, reviewer=ROBIN)
    assert (review.round, review.verdicts, review.change) == (1, (), None)
    await desk.rule(given, "31 days.")
    await desk.rule(given, ruling=Ruling.APPROVED, reviewer=KIM, source="2")
    assert [one.text for one in await live(desk.desk)] == ["31 days. [1]"]
    review = await desk.edit(given, "33 days.")
    assert review.proposal is not None
    assert not await live(desk.desk)
    await desk.rule(given, round_=2, ruling=Ruling.APPROVED, reviewer=LEE, source="3")
    assert [one.text for one in await live(desk.desk)] == ["33 days. [1]"]
