"""How far what people say and press travels through the program before it is done and answered.

Each bound is what the trip takes today: one more stop is a file that hands on, or one that is asked twice.
"""

from __future__ import annotations

import json

from tests.builders.reviewing import REVIEWERS_CHANNEL, press, shown_in, subscribe, thumb_down
from tests.builders.slack_world import ROBIN, a_slack_world, pressable
from tests.builders.trips import followed
from tests.builders.world import a_world


async def test_a_question_of_teams_is_taken_up_within_25_stops() -> None:
    text = "Parents: how long is the leave?"
    async with a_world() as world:
        with followed(text, "bot/channels/handler.py") as trip:
            await world.ask(text)
        await world.settled()
    assert len(trip.stops) <= 25, trip.stops
    assert trip.returns <= 7, trip.stops


async def test_a_correction_in_teams_is_live_and_shown_within_19_stops() -> None:
    text = "Parents get 18 weeks since May."
    async with a_world() as world:
        await subscribe(world)
        await world.ask("Parents: how long is the leave?")
        await world.settled()
        await thumb_down(world)
        asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
        with followed(text, "bot/channels/review_handler.py") as trip:
            await press(world, asked, "review.correct", text=text, span="c1", note="since May")
    assert {"feedback/store/serialization.py", "bot/cards/adaptive.py"} <= set(trip.stops)
    assert len(trip.stops) <= 19, trip.stops
    assert trip.returns <= 6, trip.stops


async def test_the_token_of_a_button_that_decides_in_slack_makes_16_stops_at_the_most() -> None:
    async with a_slack_world() as world:
        answer = await world.ask("How much leave?")
        await world.interact(world.press(answer, pressable(answer, "thumb"), side="negative_button"))
        await world.settled()
        await world.card_sync()
        card = next(m for m in reversed(world.slack.messages("C9")) if "Please review" in m.words)
        approve = pressable(card, "act:review.approve")
        with followed(json.loads(approve["value"])["seal"], "bot/slack/interactions.py") as trip:
            await world.interact(world.press(card, approve, ROBIN))
            await world.settled()
    assert {"bot/card_tokens.py", "bot/slack/client.py"} <= set(trip.stops)
    assert len(trip.stops) <= 16, trip.stops
    assert trip.returns <= 2, trip.stops


async def test_an_answer_on_its_way_out_to_slack_makes_8_stops_at_the_most() -> None:
    text = "You get 16 weeks"
    async with a_slack_world() as world:
        with followed(text, "bot/slack/connector.py", "bot/slack/client.py") as trip:
            await world.ask("How much leave?")
    assert {"bot/slack/blocks.py", "bot/cards/dates.py", "bot/slack/client.py"} <= set(trip.stops)
    assert len(trip.stops) <= 8, trip.stops
    assert trip.returns <= 3, trip.stops
