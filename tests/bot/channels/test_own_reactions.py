"""The bot's own reactions: at work, answered, corrected; they disturb nothing and are nobody's opinion."""

from __future__ import annotations

from typing import Any

import pytest

from core.records import AnswerKind
from tests.builders.slack_world import a_slack_world
from tests.builders.world import BOT, GROUP, World, a_world

Json = dict[str, Any]


async def in_group(world: World, text: str = "How long is leave?", **fields: Any) -> None:
    await world.ask(text, id="q1", conversation=GROUP, **fields)
    await world.settled()


async def test_in_a_group_of_teams_the_bot_is_seen_at_work_and_then_to_have_answered() -> None:
    async with a_world(own_reactions="shared") as world:
        world.answerer.go.clear()
        await world.ask("How long is leave?", id="q1", conversation=GROUP)
        place = (GROUP["id"], "q1")
        await world.connector.until(lambda one: one.reactions.get(place) == ["1f440_eyes"])
        world.answerer.go.set()
        await world.settled()
        assert world.connector.reactions[place] == ["2705_whiteheavycheckmark"]
        await world.ask("How long is leave?", id="q2")  # a chat of one person
        await world.settled()
        assert list(world.connector.reactions) == [place]


@pytest.mark.parametrize("kind", [AnswerKind.DECLINED])
async def test_what_was_declined_has_no_sign_of_an_answer(kind: AnswerKind) -> None:
    async with a_world(own_reactions="all") as world:
        world.answerer.changes["kind"] = kind
        await in_group(world)
        assert world.connector.reactions[GROUP["id"], "q1"] == []


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
async def test_a_reaction_that_teams_refuses_takes_nothing_from_the_answer(status: int) -> None:
    async with a_world(own_reactions="shared") as world:
        world.connector.fail(status, times=9, when=lambda activity: activity.get("type") == "reaction")
        await in_group(world)
        assert "16 weeks" in str(world.connector.calls[-1].activity)
        assert not any(world.connector.reactions.values())


async def test_our_own_reaction_is_nobodys_opinion() -> None:
    async with a_world(own_reactions="shared") as world:
        await in_group(world)
        reaction = world.activity(
            "messageReaction",
            conversation=GROUP,
            replyToId="m1",
            reactionsAdded=[{"type": "2705_whiteheavycheckmark"}],
            **{"from": BOT},
        )
        assert (await world.post(reaction))[0] == 200
        assert not world.store.feedback


@pytest.mark.parametrize(("rule", "shown"), [("shared", ["white_check_mark"]), ("off", [])])
async def test_in_a_channel_of_slack_the_setting_decides(rule: Any, shown: list[str]) -> None:
    async with a_slack_world(own_reactions=rule) as world:
        asked = world.mention("How long is leave?")
        assert await world.event(asked) == 200
        await world.settled()
        assert world.slack.reactions["C1", asked["ts"]] == shown
        named = [
            (call.method, call.params["name"]) for call in world.slack.of("reactions.add", "reactions.remove")
        ]
        expected = [
            ("reactions.add", "eyes"),
            ("reactions.remove", "eyes"),
            ("reactions.add", "white_check_mark"),
        ]
        assert sorted(named) == (sorted(expected) if shown else [])


async def test_slack_may_lack_the_scope() -> None:
    async with a_slack_world(own_reactions="all", clean=False) as world:
        world.slack.scopes["xoxb-one"].discard("reactions:write")
        assert "16 weeks" in (await world.ask("How long is leave?")).words
