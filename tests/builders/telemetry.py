"""Everything that the bot can tell, told once, and the ways out to collect it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from bot.channel import ChannelError, Stopped, Undeliverable
from core.records import Answer, Question
from exporters import Export, To
from exporters.buffer import Pace
from feedback.store.base import StoreUnavailable
from model.onnx_infer import EngineBusy
from pages.fetch.client import PageRefused
from tests.builders.reviewing import (
    BOB,
    BOBS_CHAT,
    REVIEWERS_CHANNEL,
    press,
    shown_in,
    subscribe,
    thumb_down,
    with_verified_answers,
)
from tests.builders.world import CITED, PAGE, World, an_answer

KEY = "01234567-89ab-cdef-0123-456789abcdef"
QUICK = Pace(room=1000, batch=50, every_s=0.05, wait_s=0.01, longest_wait_s=0.05, tries=4)


def export_to(to: To, url: str, pace: Pace = QUICK, **changes: Any) -> Export:
    connection_string = f"InstrumentationKey={KEY};IngestionEndpoint={url}/"
    return Export(to, connection_string, url, pace, **{"close_within_s": 10.0, "timeout_s": 5.0, **changes})


RARE = "xylophone-omelette-7431"


# The whole bot


def rare(place: str) -> str:
    return f"{RARE}-{place}"


ADA = {"id": f"29:{rare('ada')}", "name": rare("Ada"), "aadObjectId": rare("aad")}
CHAT = {"id": f"a:{rare('chat')}", "conversationType": "personal", "tenantId": rare("tenant")}
ROBIN = {"id": f"29:{rare('robin')}", "name": rare("Robin"), "aadObjectId": "aad-robin"}
RARE_PAGE = replace(
    PAGE,
    url=f"https://{rare('host')}.example.com/x#y",
    title=rare("title"),
    heading=rare("heading"),
    text=rare("text"),
)


class RareAnswerer:
    """Answers with rare words, after it has failed with them."""

    def __init__(self) -> None:
        self.raises: list[Exception] = [
            RuntimeError(rare("bug")),
            EngineBusy(3.0),
            PageRefused(rare("refusal")),
            Stopped(rare("stop")),
            Undeliverable(rare("gone")),
            ChannelError(rare("channel")),
            StoreUnavailable(rare("store")),
        ]

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        if "fail" in question.text and self.raises:
            raise self.raises.pop(0)
        yield rare("draft")
        cited = replace(CITED, url=RARE_PAGE.url, title=rare("title"), quote=rare("quote"))
        form = {"passages": (RARE_PAGE,), "citations": (cited,), "form": "stars@3"}
        yield an_answer(question, rare("answer"), **form)


async def say_everything(world: World) -> None:
    """Let people do all that people do, with rare words and rare ids everywhere."""
    world.answerer = RareAnswerer()  # type: ignore[assignment]
    chat = {"conversation": CHAT, "from": ADA, "locale": f"{RARE}-US"}
    await subscribe(world, ROBIN)
    for number in range(7):
        await world.ask(f"fail {rare('question')}", **chat, id=rare(f"id{number}"))
        await world.settled()
    world.connector.forgive(
        "one stream of a chat at a time"
    )  # what fails as if by the channel ends no stream
    await world.ask(f"{RARE} https://{rare('pasted')}.example.com/", **chat, id=rare("asked"))
    await world.settled()
    shown = await shown_in(world, CHAT["id"], rare("answer"))
    await press(world, shown, "rate.stars", ADA, stars=2, comment=rare("comment"))
    await press(world, shown, "rate.stars", ADA, stars=1, comment="")
    await press(world, shown, "rate.expert", ADA)
    message_id = [*world.store.delivered.values()][-1]
    reactions = [{"type": rare("emoji")}, {"type": "heart"}]
    for change in ("reactionsAdded", "reactionsRemoved"):
        reacted = {"replyToId": message_id, change: reactions, **chat}
        await world.post(world.activity("messageReaction", **reacted))
    feedback = json.dumps({"reasons": [rare("reason")], "feedbackText": rare("words")})
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": feedback}}
    for reply_to in (message_id, rare("nowhere")):
        thumb = {"name": "message/submitAction", "value": value, **chat, "replyToId": reply_to}
        await world.post(world.activity("invoke", **thumb))
    card = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    await press(world, card, "review.correct", ROBIN, text=rare("correction"), span="", note=rare("note"))
    await shown_in(world, CHAT["id"], "Your correction is live")

    with_verified_answers(world)
    await world.ask(f"{RARE} once more", conversation=BOBS_CHAT, **{"from": ADA}, id=rare("again"))
    await world.settled()
    world.hashes[RARE_PAGE.url.partition("#")[0]] = "h2"
    await world.parts.card_sync.look_at_pages()
    await world.post(world.activity("messageDelete", **chat, id=rare("asked")))


async def review_a_question(world: World) -> None:
    """Ask, complain, correct, ask again."""
    with_verified_answers(world)
    await subscribe(world)
    await world.ask("Parents: how long is the leave?")
    await world.settled()
    await thumb_down(world)
    card = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    await press(world, card, "review.correct", text="Parents get 18 weeks.", span="c1")
    await shown_in(world, "a:chat", "Your correction is live")
    await world.ask("Parents get how much leave?", conversation=BOBS_CHAT, **{"from": BOB}, id="2")
    await world.settled()
