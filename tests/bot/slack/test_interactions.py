"""Reviewing in a Slack channel, and what people see and do on the bot's home page and about their data."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from bot.dialogs.review import build_verified_answer
from core.records import FeedbackKind, Review, ReviewReason, Ruling, Verdict
from feedback.examples.convert import LeftOut, Refusal, Reviewed, build_candidate
from feedback.store.documents import Wanted
from tests.builders.examples import RULES
from tests.builders.slack_world import ADA, BOB, CONFIG, ROBIN, SlackWorld, a_slack_world, pressable
from tests.builders.world import NOW, live, pseudonym
from tests.doubles.slack_api import Message, elements_in


@pytest.fixture
async def world() -> AsyncGenerator[SlackWorld]:
    async with a_slack_world() as world:
        yield world


async def doubted(world: SlackWorld, text: str = "How much leave?") -> tuple[Message, Message]:
    """Ask and complain; return the answer and the reviewers' card."""
    answer = await world.ask(text)
    await world.interact(world.press(answer, pressable(answer, "thumb"), side="negative_button"))
    await world.settled()
    await world.card_sync()
    card = next(m for m in reversed(world.slack.messages("C9")) if "Please review" in m.words)
    return answer, card


async def press(world: SlackWorld, card: Message, action: str, user: str = ROBIN) -> str:
    """Press a button of a card; return what the person is told, "" for nothing."""
    told = len(world.slack.whispers)
    status, _ = await world.interact(world.press(card, pressable(card, action), user))
    assert status == 200
    await world.settled()
    return "".join(one["text"] for one in world.slack.whispers[told:])


async def review(world: SlackWorld) -> Any:
    (answer,) = world.store.answers.values()
    return await world.parts.repository.review(answer.id)


async def test_a_complaint_becomes_a_card_in_the_reviewers_channel(world: SlackWorld) -> None:
    _, card = await doubted(world)
    assert "How much leave?" in card.words
    assert "somebody disliked it" in card.words
    assert "16 weeks of paid leave" in card.words
    assert [one["action_id"] for one in elements_in(card.blocks)] == [
        "act:review.approve",
        "open:review.correct",
        "act:review.not_on_page",
        "act:review.claim",
        "act:review.reject",
        "open:review.skip",
    ]


@pytest.mark.parametrize(
    ("action", "ruling"),
    [
        ("act:review.approve", Ruling.APPROVED),
        ("act:review.not_on_page", Ruling.NOT_ON_PAGE),
        ("act:review.reject", Ruling.REJECTED),
    ],
)
async def test_one_press_decides_and_the_card_and_the_answer_show_it(
    world: SlackWorld, action: str, ruling: Ruling
) -> None:
    answer, card = await doubted(world)
    assert await press(world, card, action) == ""
    if ruling is Ruling.NOT_ON_PAGE:  # a sentence of the page speaks against it: they are asked once more
        assert "No, it is not on the page" in card.words
        assert await press(world, card, action) == ""
    verdict = (await review(world)).ruling
    assert (verdict.ruling, verdict.channel) == (ruling, "slack")
    assert verdict.reviewer == pseudonym(f"slack:T1:{ROBIN}")
    assert verdict.reviewer_name == f"name of {ROBIN}"
    await world.card_sync()
    assert "Reviewed" in card.words
    assert [one["action_id"] for one in elements_in(card.blocks)] == ["act:review.undo"]
    assert "eviewer" in answer.words  # verified, corrected or looked at
    assert "reviewer" in world.slack.messages("D1")[-1].words.lower()  # who complained is told


async def test_a_correction_is_written_in_a_form_and_its_asker_hears_that_it_is_live(
    world: SlackWorld,
) -> None:
    answer, card = await doubted(world)
    await press(world, card, "open:review.correct")
    (view,) = world.slack.views
    fields = {block["block_id"]: block["element"] for block in view["blocks"]}
    assert fields["text"]["initial_value"] == "You get 16 weeks."
    span = fields["span"]["options"][0]["value"]
    values = {"text": "Parents get 16 weeks, fully paid.", "span": span, "note": "said so twice"}
    status, body = await world.interact(world.submission(view, values, ROBIN))
    assert (status, body) == (200, "")
    await world.settled()
    (verified,) = await live(world.parts.repository)
    assert verified.text == "Parents get 16 weeks, fully paid. [1]"
    await world.card_sync()
    assert "✎ Corrected by a reviewer" in answer.words
    (notice,) = [m for m in world.slack.messages("D1") if "Your correction is live" in m.words]
    assert "Parents get 16 weeks, fully paid." in notice.words
    await world.card_sync()
    assert len([m for m in world.slack.messages("D1") if "Your correction is live" in m.words]) == 1


async def test_a_claim_is_shown_and_a_colleague_hears_of_it() -> None:
    async with a_slack_world(replace(CONFIG, reviewers=(ROBIN, BOB))) as world:
        _, card = await doubted(world)
        await press(world, card, "act:review.claim")
        assert f"name of {ROBIN} has claimed this for now" in card.words
        assert "has claimed this" in await press(world, card, "act:review.approve", BOB)
        assert (await review(world)).ruling is None


async def test_a_skip_needs_a_reason_and_leaves_the_card_to_others(world: SlackWorld) -> None:
    _, card = await doubted(world)
    await press(world, card, "open:review.skip")
    (view,) = world.slack.views
    await world.interact(world.submission(view, {"reason": "not my field"}, ROBIN))
    await world.settled()
    waiting = await review(world)
    assert [skip.reason for skip in waiting.skips] == ["not my field"]
    assert waiting.ruling is None


async def test_who_is_too_late_is_told_so_in_the_form(world: SlackWorld) -> None:
    _, card = await doubted(world)
    await press(world, card, "open:review.correct")
    (view,) = world.slack.views
    await press(world, card, "act:review.approve")
    values = {"text": "Something else.", "span": "", "note": ""}
    _, body = await world.interact(world.submission(view, values, ROBIN))
    assert "You have already approved the answer" in json.loads(body)["errors"]["text"]


async def test_members_of_a_user_group_may_review() -> None:
    async with a_slack_world(replace(CONFIG, reviewers=(), reviewer_groups=("S5",))) as world:
        _, card = await doubted(world)
        world.slack.groups["S5"] = [BOB]
        assert "Only reviewers may do this" in await press(world, card, "act:review.approve")
        await press(world, card, "act:review.approve", BOB)
        assert (await review(world)).ruling.ruling is Ruling.APPROVED
        assert len(world.slack.of("usergroups.users.list")) == 2  # each asked for once, then remembered


async def test_a_directory_that_does_not_answer_lets_nobody_review() -> None:
    async with a_slack_world(replace(CONFIG, reviewers=(), reviewer_groups=("S5",))) as world:
        _, card = await doubted(world)
        assert "cannot look up" in await press(world, card, "act:review.approve")
        assert (await review(world)).ruling is None


async def test_what_slack_brings_is_not_learned_from_unless_the_operator_lets_it(world: SlackWorld) -> None:
    _, card = await doubted(world)
    await press(world, card, "act:review.approve")
    (answer,) = world.store.answers.values()
    settled = await review(world)
    reviewed = Reviewed(settled, answer, ())
    refused = build_candidate(reviewed, RULES)
    assert isinstance(refused, Refusal)
    assert refused.why is LeftOut.UNTRAINABLE
    open_ = replace(RULES, trainable=frozenset({"slack"}))
    assert not isinstance(build_candidate(reviewed, open_), Refusal)


async def test_a_ruling_given_in_slack_on_a_question_from_teams_is_not_learned_from(
    world: SlackWorld,
) -> None:
    _, card = await doubted(world)
    await press(world, card, "act:review.approve")
    (answer,) = world.store.answers.values()
    elsewhere = replace(answer, question=replace(answer.question, channel="msteams"))
    settled = await review(world)
    refused = build_candidate(Reviewed(settled, elsewhere, ()), RULES)
    assert isinstance(refused, Refusal)
    assert refused.why is LeftOut.UNTRAINABLE
    in_teams = replace(settled, verdicts=tuple(replace(one, channel="msteams") for one in settled.verdicts))
    assert not isinstance(build_candidate(Reviewed(in_teams, elsewhere, ()), RULES), Refusal)


async def test_words_that_were_written_in_slack_are_not_learned_from_wherever_they_are_said_again(
    world: SlackWorld,
) -> None:
    _, card = await doubted(world)
    await press(world, card, "open:review.correct")
    (view,) = world.slack.views
    values = {"text": "Parents get 16 weeks, fully paid.", "span": "", "note": ""}
    await world.interact(world.submission(view, values, ROBIN))
    await world.settled()
    (verified,) = await live(world.parts.repository)
    assert verified.written_on == "slack"
    (answer,) = world.store.answers.values()
    in_teams = replace(answer.question, channel="msteams")
    served = replace(answer, question=in_teams, text=verified.text, written_on=verified.written_on)
    approved = Verdict("r", "Kim", Ruling.APPROVED, NOW, channel="msteams")
    settled = Review(answer.id, (ReviewReason.SAMPLE,), NOW, verdicts=(approved,), settled_at=NOW)
    refused = build_candidate(Reviewed(settled, served, ()), RULES)
    assert isinstance(refused, Refusal)
    assert refused.why is LeftOut.UNTRAINABLE
    again = build_verified_answer(served, approved, NOW)
    assert again is not None
    assert again.written_on == "slack"
    by_the_model = replace(served, written_on="")
    assert not isinstance(build_candidate(Reviewed(settled, by_the_model, ()), RULES), Refusal)


async def test_reviewers_can_have_the_cards_in_their_own_chat(world: SlackWorld) -> None:
    await world.ask("reviewers here", channel="D9", user=ROBIN)
    await doubted(world)
    assert any("Please review" in message.words for message in world.slack.messages("D9"))


async def test_a_channel_without_the_bot_gets_its_cards_once_it_is_invited(world: SlackWorld) -> None:
    world.slack.channels["T1"].remove("C9")
    answer = await world.ask("How much leave?")
    await world.interact(world.press(answer, pressable(answer, "act:rate.expert")))
    await world.settled()
    await world.card_sync()
    assert world.slack.broken == ["chat.postMessage: channel_not_found C9"]
    world.slack.broken.clear()
    world.slack.channels["T1"].add("C9")
    await world.bot.keep_review_place()
    await world.card_sync()
    assert "Please review" in world.slack.messages("C9")[0].words


async def test_a_very_long_review_fits_into_one_message(world: SlackWorld) -> None:
    world.answerer.text = "Leave is long. " * 600 + "[1]"
    _, card = await doubted(world, "How much leave? " * 60)
    assert len(card.blocks) <= 50
    (answer,) = world.store.answers.values()
    await world.parts.reviewing.flag(answer, ReviewReason.LOW_SUPPORT)
    await world.card_sync()


# The home page


async def home(world: SlackWorld, user: str = ADA) -> dict[str, Any]:
    opened = {"type": "app_home_opened", "user": user, "channel": "D1", "tab": "home", "event_ts": "1.1"}
    assert await world.event(opened) == 200
    await world.settled()
    return world.slack.homes[user]


def pressed_at_home(world: SlackWorld, view: dict[str, Any], say: str) -> dict[str, Any]:
    element = next(one for one in elements_in(view["blocks"]) if json.loads(one["value"]).get("say") == say)
    payload = world.press(Message("", "", ""), element)
    for name in ("channel", "message", "response_url"):
        del payload[name]
    return payload | {"container": {"type": "view", "view_id": "V1"}, "view": view | {"type": "home"}}


async def test_the_home_page_has_my_questions_and_what_changed_because_of_me(world: SlackWorld) -> None:
    assert "You have not asked anything yet" in json.dumps(await home(world))
    _, card = await doubted(world)
    await world.ask("Somebody else's question?", channel="D2", user=BOB)
    await press(world, card, "act:review.not_on_page")
    await press(world, card, "act:review.not_on_page")  # asked once more
    await world.card_sync()
    shown = json.dumps(await home(world))
    assert "How much leave?" in shown
    assert "it is not on the page" in shown
    assert "Somebody else" not in shown


async def test_the_home_page_has_what_holds_now_the_pages_and_whether_i_am_learned_from(
    world: SlackWorld,
) -> None:
    await doubted(world)
    assert "16 weeks" in json.dumps(await home(world))
    (answer,) = world.store.answers.values()
    review = await world.parts.repository.review(answer.id)
    assert review is not None
    corrected = Verdict("robin", "Robin", Ruling.CORRECTED, NOW, "Parents get 18 weeks.", source="page")
    await world.parts.repository.change_review(replace(review, verdicts=(corrected,), settled_at=NOW))
    view = await home(world)
    shown = json.dumps(view)
    assert "Corrected by a reviewer: Parents get 18 weeks." in shown
    assert "16 weeks" not in shown  # what was corrected holds no more
    links = {urlsplit(piece["url"]).path for piece in pieces_of(view) if piece["type"] == "link"}
    assert links >= {"/site/leave", "/travel"}
    assert [piece for piece in pieces_of(view) if piece["type"] == "date"]  # in the reader's own zone
    assert "I learn from what you rate and ask." in shown
    assert (await world.interact(pressed_at_home(world, view, "stop learning from me")))[0] == 200
    await world.settled()
    view = await home(world)
    assert "I do not learn from you." in json.dumps(view)
    assert pressed_at_home(world, view, "learn from me again")


def pieces_of(view: dict[str, Any]) -> list[dict[str, Any]]:
    texts = [block for block in view["blocks"] if block["type"] == "rich_text"]
    return [piece for block in texts for part in block["elements"] for piece in part["elements"]]


async def test_buttons_of_the_home_page_speak_in_the_persons_own_chat(world: SlackWorld) -> None:
    view = await home(world)
    assert (await world.interact(pressed_at_home(world, view, "privacy")))[0] == 200
    await world.settled()
    assert "Your data" in world.slack.messages("D1")[-1].words


async def test_a_home_page_without_a_store_says_so(world: SlackWorld) -> None:
    world.store.down = True
    assert "cannot reach my records" in json.dumps(await home(world))


# A person's own data


async def test_privacy_commands_work_in_the_chat(world: SlackWorld) -> None:
    await world.ask("How much leave?")
    card = await world.ask("privacy")
    assert "How long it is kept" in card.words
    await world.interact(world.press(card, pressable(card, "act:privacy.stop")))
    await world.settled()
    assert "Learning from you is off" in card.words
    export = await world.ask("export my data")
    (link,) = [one for one in elements_in(export.blocks) if one.get("url")]
    assert link["url"].startswith("https://bot.example/privacy/export/")


async def test_a_persons_data_is_deleted_after_a_second_press_of_theirs_alone(world: SlackWorld) -> None:
    await world.ask("How much leave?")
    confirm = await world.ask("delete my data")
    stolen = world.press(confirm, pressable(confirm, "act:privacy.delete_now"), BOB)
    await world.interact(stolen)
    await world.settled()
    assert "somebody else's" in world.slack.whispers[-1]["text"]
    assert world.store.questions
    await world.interact(world.press(confirm, pressable(confirm, "act:privacy.delete_now")))
    await world.settled()
    await world.parts.privacy.wait_until_settled()
    assert not world.store.questions
    assert not world.store.answers
    assert "was deleted" in world.slack.messages("D1")[-1].words or "deleted" in confirm.words


async def test_what_changed_because_of_me_is_told_on_asking(world: SlackWorld) -> None:
    assert "Nothing yet" in (await world.ask("What changed because of me?")).words


async def test_every_word_kept_from_slack_is_marked_as_not_trainable(world: SlackWorld) -> None:
    await doubted(world)
    assert {word.trainable for word in world.store.feedback.values()} == {False}
    assert {word.kind for word in world.store.feedback.values()} == {FeedbackKind.THUMB}
    assert await world.store.documents.list_documents(Wanted("review"))
