"""One card of a review in a channel, and what each who looks at it gets from the bot: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.channels.asides.own_views import MOST_PEOPLE, OwnViews
from core.records import Channel
from tests.builders.reviewing import (
    BOB,
    KIM,
    REVIEWERS_CHANNEL,
    ROBIN,
    actions_of,
    card_of,
    press_data,
    shown_in,
    subscribe,
    text_of,
    thumb_down,
    world,
)
from tests.builders.world import World
from tests.doubles.teams_connector import Call
from tests.doubles.teams_limits import broken_by_reply

__all__ = ["world"]

Json = dict[str, Any]
CARD = "application/vnd.microsoft.card.adaptive"
RULINGS = {"review.approve", "review.correct", "review.not_on_page", "review.reject"}


async def ask_for_a_review(world: World) -> Call:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    return await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")


def refresh_of(call: Call) -> Json:
    return card_of(call)["refresh"]["action"]["data"]


async def test_reviewers_see_buttons_and_everybody_else_how_it_stands(world: World) -> None:
    asked = await ask_for_a_review(world)
    assert card_of(asked)["refresh"]["userIds"] == ["29:robin"]  # who has said where cards go
    for person in (ROBIN, KIM):
        seen = await press_data(world, asked, refresh_of(asked), person)
        assert actions_of(seen["value"]).keys() >= RULINGS
    ada = {"id": "29:ada", "name": "Ada", "aadObjectId": "aad-ada"}
    for person in (BOB, ada, {"id": "29:x", "name": "Robin"}):
        seen = await press_data(world, asked, refresh_of(asked), person)
        assert seen["type"] == CARD
        assert "somebody disliked it" in text_of(seen["value"])
        assert not actions_of(seen["value"])
        assert "Action." not in text_of({"actions": seen["value"].get("actions")})

    await press_data(world, asked, actions_of(card_of(asked))["review.approve"], KIM)
    again = await shown_in(world, REVIEWERS_CHANNEL["id"], "Kim approved")
    assert set(card_of(again)["refresh"]["userIds"]) == {"29:robin", "29:kim"}
    for person, verbs in ((ROBIN, {"review.undo"}), (BOB, set[str]())):
        seen = await press_data(world, again, refresh_of(again), person)
        assert "Kim approved" in text_of(seen["value"])
        assert actions_of(seen["value"]).keys() == verbs


def forge(data: Json) -> Iterator[tuple[Json, Json]]:
    """Yield what no client of ours asks for: (data, where)."""
    here = REVIEWERS_CHANNEL
    for person_chat in ("a:chat", "19:another@thread.tacv2", "19:reviewers@thread.tacv3", "a:bobs", ""):
        yield data, here | {"id": person_chat or "x"}
    for tenant in ("", "t2", "T1", "t1 ", "t11", ["t1"]):
        yield data, here | {"tenantId": tenant}
    signature, answer = data["seal"], data["answer_id"]
    for signatures in (
        "",
        signature[:-1],
        signature + "0",
        signature[::-1],
        signature.upper() + "x",
        "0" * 32,
        "\ud800",
        "é" * 32,
        None,
        7,
        [signature],
    ):
        yield data | {"seal": signatures}, here
    others = (
        answer + "0",
        answer[1:],
        "",
        "nothing",
        " " + answer,
        answer.upper(),
        "../" + answer,
        "x" * 5_000,
        7,
        None,
    )
    for other in (*others, [answer], {"$ne": ""}):
        yield data | {"answer_id": other}, here
    for number in ("1", True, 1.5, None, [1], {}):
        yield data | {"round": number}, here
    yield {"verb": "review.refresh"}, here


async def test_what_no_card_of_ours_asks_for_shows_nothing_to_anybody(world: World) -> None:
    asked = await ask_for_a_review(world)
    before = dict(world.store.documents.kept), dict(world.store.feedback)
    count = 0
    for data, where in forge(refresh_of(asked)):
        for person in (ROBIN, BOB):
            activity = world.activity(
                "invoke",
                name="adaptiveCard/action",
                value={"action": {"type": "Action.Execute", "verb": "review.refresh", "data": data}},
                conversation=where,
                replyToId=asked.message_id,
                **{"from": person},
            )
            status, body = await world.post(activity)
            assert status in {200, 400, 403}, (data, where)
            assert "leave" not in body, (data, where)
            assert "Action.Execute" not in body, (data, where)
            count += 1
    assert count >= 80
    assert (dict(world.store.documents.kept), dict(world.store.feedback)) == before


async def test_a_question_that_was_deleted_is_shown_to_nobody_any_more(world: World) -> None:
    asked = await ask_for_a_review(world)
    await world.post(world.activity("messageDelete"))
    seen = await press_data(world, asked, refresh_of(asked), ROBIN)
    assert seen["type"] != CARD
    assert "deleted" in seen["value"]
    assert not list(broken_by_reply(seen))


def test_a_card_names_the_sixty_reviewers_who_spoke_last_and_only_in_rooms_of_teams() -> None:
    views = OwnViews()
    room = {"id": "19:r@thread;messageid=1", "channelId": Channel.TEAMS, "conversationType": "channel"}
    for number in range(100):
        views.note_reviewer(room, f"29:{number}")
    views.note_reviewer(room, "29:50")
    views.note_reviewer(room, "")
    found = views.find_people(room | {"id": "19:r@thread"})
    assert found is not None
    assert len(found) == MOST_PEOPLE
    assert found[-1] == "29:50"
    assert "29:39" not in found
    assert views.find_people(room | {"id": "19:other@thread"}) == ()
    for elsewhere in ({"conversationType": "personal"}, {"channelId": "slack"}, {"channelId": "local"}):
        views.note_reviewer(room | elsewhere, "29:1")
        assert views.find_people(room | elsewhere) is None
