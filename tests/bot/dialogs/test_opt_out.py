"""Who wants nothing to be learned from them: what they say from then on, and what they said before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.dialogs.rate import Rating, RatingRules, Said, Word, unbound
from bot.dialogs.review import Reviewing
from bot.services import read_rules
from core.records import Answer, Channel, FeedbackKind
from core.settings import Settings
from feedback.privacy.opt_out import OptOuts, list_opt_outs
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from tests.builders.records import Opening, answer, opening, question
from tests.builders.world import NO_SAMPLE, NothingKnown

__all__ = ["opening"]


class Scene:
    def __init__(self, store: Any, rules: RatingRules | None = None) -> None:
        self.store = store
        repository = ReviewRepository(store.documents)
        self.choices = OptOuts(store.documents)
        self.rating = Rating(store, Reviewing(repository, store, NothingKnown(), NO_SAMPLE), rules)

    async def answered(self, number: int = 1, **changes: Any) -> Answer:
        asked = question(number, **changes)
        given = answer(asked)
        await self.store.add_question(asked)
        await self.store.add_answer(given)
        await self.store.mark_delivered(asked.id, f"m{number}")
        return given

    async def says(self, giver: str, on: Answer) -> bool:
        word = Word(FeedbackKind.COMMENT, comment="no")
        kept = await self.rating.give(on, word, Said(giver, f"{giver} says", datetime.now(UTC)))
        [told] = [one for one in await self.store.feedback_on(on.id) if one.giver == giver][-1:]
        assert told == kept
        return kept.trainable


@pytest.fixture
async def scene(opening: Opening) -> Scene:
    return Scene(await opening())


async def test_what_is_said_is_trainable_until_its_giver_says_no_and_again_afterwards(scene: Scene) -> None:
    on = [await scene.answered(number) for number in range(4)]
    assert await scene.says("ada", on[0])
    assert await scene.choices.choose("ada", out=True, source="a1")
    assert not await scene.says("ada", on[1])
    assert await scene.says("bob", on[1])
    assert await scene.choices.choose("ada", out=False, source="a2")
    assert await scene.says("ada", on[2])


async def test_whoever_builds_a_data_set_learns_who_is_out(scene: Scene) -> None:
    for first in range(0, 600, 20):
        people = [f"p{number:04}" for number in range(first, first + 20)]
        await asyncio.gather(*(scene.choices.choose(person, out=True, source="s") for person in people))
    await scene.choices.choose("p0007", out=False, source="again")
    assert await list_opt_outs(scene.store.documents) == {f"p{number:04}" for number in range(600)} - {
        "p0007"
    }


async def test_an_old_choice_that_is_delivered_again_changes_nothing(scene: Scene) -> None:
    choices = scene.choices
    assert not await choices.choose("ada", out=False, source="a0")
    assert await choices.choose("ada", out=True, source="a1")
    assert not await choices.choose("ada", out=True, source="a2")
    assert await choices.choose("ada", out=False, source="a3")
    assert await choices.choose("ada", out=True, source="a4")
    assert not await choices.choose("ada", out=False, source="a3")
    assert await choices.is_out("ada")


async def test_of_many_choices_at_once_each_counts_once(scene: Scene) -> None:
    changed = await asyncio.gather(
        *(scene.choices.choose("ada", out=True, source=f"s{number}") for number in range(10))
    )
    assert sum(changed) == 1


async def test_a_channels_terms_decide_before_its_people_do(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    plain, open_ = Scene(store), Scene(store, read_rules(Settings(trainable_channels=["slack"]))[0])
    for number, (channel, by_default, when_set) in enumerate(
        [(Channel.TEAMS, True, False), (Channel.LOCAL, True, False), (Channel.SLACK, False, True)]
    ):
        on = await plain.answered(number, channel=channel)
        assert await plain.says("ada", on) is by_default
        assert await open_.says("bob", on) is when_set
    await store.close()


async def test_a_word_that_came_before_its_answer_asks_the_giver_when_it_is_tied(scene: Scene) -> None:
    word, at = Word(FeedbackKind.REACTION, "heart"), datetime.now(UTC)
    for giver in ("ada", "bob"):
        await scene.rating.keep_unmatched("chat", "m1", unbound(word, Said(giver, f"{giver}|1", at)))
    await scene.choices.choose("ada", out=True, source="a1")
    on = await scene.answered(1)
    await scene.rating.tie(on, "m1")
    assert {one.giver: one.trainable for one in await scene.store.feedback_on(on.id)} == {
        "ada": False,
        "bob": True,
    }
