"""From a thumb down to the next asker's corrected answer and back into the queue: bytes in, bytes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.dialogs.rate import RatingRules
from core.records import ReviewReason, Ruling
from feedback.metrics.learning import measure_days
from feedback.reviews.unmatched import count_unmatched
from feedback.store.sqlite import SqliteStore
from tests.builders.reviewing import (
    BOB,
    BOBS_CHAT,
    KIM,
    REVIEWERS_CHANNEL,
    ROBIN,
    actions_of,
    card_of,
    press,
    shown_in,
    subscribe,
    text_of,
    thumb_down,
    with_verified_answers,
    world,
)
from tests.builders.world import NO_SAMPLE, PAGE, World, a_world, live

__all__ = ["world"]


async def test_a_complaint_becomes_the_next_askers_verified_answer_until_the_page_changes(
    world: World,
) -> None:
    with_verified_answers(world)
    await subscribe(world)

    await world.ask("Parents: how long is the leave?")
    await world.settled()
    await thumb_down(world)

    asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    seen = text_of(card_of(asked))
    for words in (
        "Parents: how long",
        "You get 16 weeks",
        "16 weeks of paid leave",
        "it is 18 now",
        "Not correct",
        "h1",
    ):
        assert words in seen
    assert "Under review" in text_of((await shown_in(world, "a:chat", "Under review")).activity)

    body = await press(
        world, asked, "review.correct", text="Parents get 18 weeks.", span="c1", note="since May"
    )
    assert body["type"] == "application/vnd.microsoft.card.adaptive"
    assert "Robin corrected the answer" in text_of(body["value"])
    settled = await shown_in(world, REVIEWERS_CHANNEL["id"], "Robin corrected the answer")
    assert settled.method == "PUT"
    assert set(actions_of(card_of(settled))) == {"review.undo"}
    told = await shown_in(world, "a:chat", "Your correction is live")
    assert "Parents get 18 weeks." in text_of(told.activity)
    assert "Robin" not in text_of(told.activity)
    assert "Corrected by a reviewer" in text_of((await shown_in(world, "a:chat", "Corrected by")).activity)

    await world.ask("Parents get how much leave?", conversation=BOBS_CHAT, **{"from": BOB}, id="2")
    await world.settled()
    served = await shown_in(world, "a:bobs", "Parents get 18 weeks.")
    assert "Verified by a reviewer" in text_of(served.activity)
    assert len(world.answerer_asked) == 1  # type: ignore[attr-defined]

    world.hashes[PAGE.url.partition("#")[0]] = "h2"
    await world.parts.card_sync.look_at_pages()
    again = await shown_in(world, REVIEWERS_CHANNEL["id"], "the page has changed since it was verified")
    assert again.method == "POST"
    assert "Robin corrected the answer" in text_of(card_of(again))
    assert actions_of(card_of(again))["review.approve"]["round"] == 2
    await world.ask("Parents have what leave?", conversation=BOBS_CHAT, **{"from": BOB}, id="3")
    await world.settled()
    assert len(world.answerer_asked) == 2  # type: ignore[attr-defined]

    tellings = [call for call in world.connector.calls if "Your correction is live" in text_of(call.activity)]
    assert len(tellings) == 1
    await world.ask("What changed because of me?")
    assert "Parents get 18 weeks." in text_of((await shown_in(world, "a:chat", "because of you")).activity)


async def test_two_reviewers_see_the_same_card_and_the_second_hears_of_the_first(world: World) -> None:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    body = await press(world, asked, "review.claim")
    assert "Robin has claimed this" in text_of(body["value"])
    assert "Robin has claimed this" in text_of(
        (await shown_in(world, REVIEWERS_CHANNEL["id"], "Robin has claimed this")).activity
    )
    body = await press(world, asked, "review.approve", KIM)
    assert body == {
        "statusCode": 200,
        "type": "application/vnd.microsoft.activity.message",
        "value": body["value"],
    }
    assert body["value"].startswith("Robin has claimed this; the claim ends in 1")
    await press(world, asked, "review.approve")
    body = await press(world, asked, "review.approve", KIM)
    assert body["value"].startswith("Robin has already approved the answer")


async def test_the_queue_in_a_reviewers_own_chat_is_the_same_one(world: World) -> None:
    chat = {"id": "a:robins", "conversationType": "personal", "tenantId": "t1"}
    await world.ask("queue", conversation=chat, **{"from": ROBIN}, id="5")
    assert "Nothing is waiting" in text_of((await shown_in(world, "a:robins", "Nothing is waiting")).activity)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    await world.ask("queue", conversation=chat, **{"from": ROBIN}, id="6")
    mine = await shown_in(world, "a:robins", "Please review")
    assert (await press(world, mine, "review.skip", reason="not my field"))["type"].endswith("adaptive")
    assert (await press(world, mine, "review.reject"))["type"].endswith("adaptive")
    await shown_in(world, "a:robins", "decided that it is not a real question")


@pytest.mark.parametrize("words", ["queue", "reviewers here", "reviewers stop"])
async def test_who_is_no_reviewer_is_told_so_and_nothing_changes(world: World, words: str) -> None:
    await world.ask(words)
    assert "Only reviewers may do this" in text_of(
        (await shown_in(world, "a:chat", "Only reviewers")).activity
    )
    assert not await world.parts.repository.places()


async def test_a_deleted_question_takes_its_review_cards_along(world: World) -> None:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    cards = len(world.connector.shown)
    await world.post(world.activity("messageDelete"))
    assert len(world.connector.shown) == cards - 2  # the answer and the card
    assert not await world.parts.repository.claim_outbox_entries(10)


async def test_what_the_channel_does_not_take_is_carried_again(world: World) -> None:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    world.connector.fail(503, times=30, when=lambda activity: "Please review" in text_of(activity))
    await thumb_down(world)
    await world.parts.card_sync.process_outbox()
    assert await world.parts.repository.claim_outbox_entries(10)
    world.connector.recover()
    await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    assert not await world.parts.repository.claim_outbox_entries(10)


async def test_a_reaction_that_comes_before_its_answer_finds_it(world: World) -> None:
    await world.post(world.activity("messageReaction", replyToId="m1", reactionsAdded=[{"type": "angry"}]))
    assert await count_unmatched(world.parts.repository.documents) == {"reaction": 1}
    await world.ask("How much leave?")
    await world.settled()
    [kept] = world.store.feedback.values()
    assert (kept.value, kept.model_version, kept.page_hash) == ("angry", "scripted", PAGE.page_hash)
    assert await count_unmatched(world.parts.repository.documents) == {}
    assert await world.parts.repository.review(kept.answer_id)


async def test_stars_comment_and_expert_are_kept_and_thanked_for_on_the_card(world: World) -> None:
    world.answerer.changes["form"] = "stars@3"
    await world.ask("How much leave?")
    await world.settled()
    answer = await shown_in(world, "a:chat", "You get 16 weeks")
    assert "feedbackLoop" not in answer.activity.get("channelData", {})
    ada = {"id": "29:ada", "name": "Ada", "aadObjectId": "aad-ada"}
    body = await press(world, answer, "rate.stars", ada, stars=4, comment="nearly")
    assert "You gave ★★★★☆. Your comment is saved. Thank you." in text_of(body["value"])
    await press(world, answer, "rate.stars", ada, stars="1", comment="")
    await press(world, answer, "rate.expert", ada)
    kept = {(word.kind.value, word.value, word.comment) for word in world.store.feedback.values()}
    assert kept == {("stars", "1", ""), ("comment", "", "nearly"), ("expert", "", "")}
    [review], _ = await world.parts.repository.reviews("waiting", 5)
    assert set(review.reasons) == {"few_stars", "expert"}


async def test_an_older_client_submits_the_same_button_as_a_message(world: World) -> None:
    await subscribe(world)
    await world.ask("How much leave?")
    await world.settled()
    await thumb_down(world)
    asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    data = actions_of(card_of(asked))["review.approve"]
    for person, said in ((BOB, "Only reviewers may do this"), (ROBIN, "it is saved")):
        await world.post(
            world.activity(
                "message", value=data, conversation=REVIEWERS_CHANNEL, **{"from": person}, id=person["id"]
            )
        )
        await shown_in(world, REVIEWERS_CHANNEL["id"], said)
    assert len(await live(world.parts.repository)) == 1


async def test_the_queue_offers_what_teaches_most_where_it_is_set() -> None:
    rules = replace(NO_SAMPLE, order="teaches_most")
    async with a_world(rules=(RatingRules(), rules)) as world:
        for number, text in enumerate(("How much leave?", "Who pays?", "Who pays?", "Who pays?")):
            await world.ask(text, id=str(number))
            await world.settled()
        first, second, *_ = [answer.id for answer in world.store.answers.values()]
        for answer_id in (first, second):
            answer = await world.store.answer(answer_id)
            assert answer is not None
            await world.parts.reviewing.flag(answer, ReviewReason.EXPERT)
            await world.parts.previews.compute(answer_id)
        chat = {"id": "a:robins", "conversationType": "personal", "tenantId": "t1"}
        await world.ask("queue", conversation=chat, **{"from": ROBIN}, id="9")
        await shown_in(world, "a:robins", "How much leave?")
        shown = [text_of(card_of(call)) for call in world.connector.calls if call.conversation == "a:robins"]
        assert ["Who pays?" in card for card in shown if "Please review" in card] == [True, False]


async def test_what_a_correction_does_is_measured_from_what_the_bot_kept(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "askpage.sqlite3")
    async with a_world(store=store, rules=(RatingRules(), NO_SAMPLE)) as world:
        with_verified_answers(world)
        await subscribe(world)
        await world.ask("Parents: how long is the leave?")
        await world.settled()
        await thumb_down(world)
        asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
        await press(world, asked, "review.correct", text="Parents get 18 weeks.", span="c1")
        await world.ask("Parents get how much?", conversation=BOBS_CHAT, **{"from": BOB}, id="9")
        await world.settled()
        found = await measure_days(store, world.parts.repository, 2, datetime.now(UTC))
    await store.close()
    assert (found.reviews, found.rulings, found.unserved, found.answers) == (1, 1, 0, 1)
    assert (found.lag.count, found.kept.count, list(found.lags)) == (1, 1, ["msteams"])
    assert found.lag.p50_s is not None
    assert found.kept.p50_s is not None
    assert 0 < found.kept.p50_s < found.lag.p50_s < 60
    assert found.other is not None
    assert found.other.value == 1.0
    assert [(one.text, one.ruling) for one in found.top] == [
        ("Parents: how long is the leave?", Ruling.CORRECTED)
    ]
