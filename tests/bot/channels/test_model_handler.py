"""Reviewers decide about model updates in their channel: bytes in, bytes out, and live.json follows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.dialogs.models import Press
from bot.dialogs.review import Refused
from core.records import Decision
from core.translation import speak
from exporters.in_memory import recording
from feedback.privacy.audit import AuditAction
from feedback.privacy.delete import delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.reviews import model_decisions
from feedback.reviews.model_decisions import UNPOSTED, Choice, ModelDecision, ModelNotice
from model.registry.rollout import promote, roll_back, start_canary
from model.registry.versions import VersionStatus, read_rollout
from tests.builders.comparisons import NOW, a_comparison
from tests.builders.pseudo import find_plain_words, speak_pseudo
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
)
from tests.builders.versions import make_version
from tests.builders.world import World, a_world, pseudonym
from tests.doubles.teams_connector import Call

Json = dict[str, Any]
CHANNEL = REVIEWERS_CHANNEL["id"]
HERE = REVIEWERS_CHANNEL | {"id": f"{CHANNEL};messageid=m3"}


@dataclass
class Scene:
    """A world with a live v1, a candidate v2, and their comparison on a card in the reviewers' channel."""

    world: World
    models_dir: Path
    card: Call

    def stands(self, name: str = "v2") -> VersionStatus:
        return read_rollout(self.models_dir).derive_status(name)

    async def posted(self) -> None:
        """Do what the bot's upkeep and card sync do again and again."""
        await self.world.parts.models.look()
        await self.world.parts.card_sync.process_outbox()

    async def now(self) -> Call:
        """Return the card as it is on screen by now."""
        await self.posted()
        return [call for call in self.world.connector.calls if is_card(call)][-1]

    async def decisions(self) -> list[ModelDecision]:
        return [*await self.world.parts.deciding.board.decisions("v2")]


def is_card(call: Call, conversation: str = CHANNEL) -> bool:
    return call.is_message and call.conversation == conversation and "Model update" in text_of(call.activity)


async def say(scene: Scene, words: str, conversation: Json, person: Json) -> None:
    await scene.world.post(
        scene.world.activity("message", text=words, conversation=conversation, **{"from": person}, id=words)
    )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    for name in ("v0", "v1", "v2", "v3"):
        make_version(tmp_path, name, parent="base")
    promote(tmp_path, "v0")
    promote(tmp_path, "v1")
    async with a_world(models_dir=tmp_path) as world:
        await subscribe(world)
        await model_decisions.put(world.store.documents, a_comparison())
        await world.parts.models.look()
        yield Scene(world, tmp_path, await shown_in(world, CHANNEL, "Model update"))


async def test_a_comparison_is_posted_once_with_its_figures_and_what_got_worse(scene: Scene) -> None:
    seen = text_of(card_of(scene.card))
    for words in (
        "Model update: v2",
        "The measurements speak for it",
        "F1 rose from 0.31 to 0.40.",
        "+0.09 (+0.02 to +0.16)",
        "240 questions",
        "30 days [1]",
        "It varies.",
        "It answers nobody yet; v1 is live.",
    ):
        assert words in seen, words
    assert list(actions_of(card_of(scene.card))) == ["model.promote", "model.hold"]
    before = len(scene.world.connector.calls)
    for _ in range(3):
        await scene.posted()
    assert len(scene.world.connector.calls) == before
    assert not await model_decisions.waiting(scene.world.store.documents)


async def test_a_promoted_candidate_answers_everybody_and_everyones_card_says_who_did_it(
    scene: Scene,
) -> None:
    await say(scene, "reviewers here", BOBS_CHAT, KIM)
    await scene.world.parts.deciding.add_outbox_entry("v2")
    await shown_in(scene.world, BOBS_CHAT["id"], "Model update")
    with recording() as told:
        body = await press(scene.world, scene.card, "model.promote")
    assert scene.stands() is VersionStatus.LIVE
    assert "Robin promoted it" in text_of(body["value"])
    assert "It is live: it answers everybody." in text_of(body["value"])
    assert list(actions_of(body["value"])) == ["model.roll_back"]
    for place in (CHANNEL, BOBS_CHAT["id"]):
        refreshed = await shown_in(scene.world, place, "Robin promoted it")
        assert refreshed.method == "PUT"
    assert [event["model_version"] for event in told.events("model_promoted")] == ["v2"]
    trail = [entry async for entry in scene.world.parts.reviewing.audit.entries()]
    assert [(one.who, one.what, one.model_version) for one in trail] == [
        (pseudonym("aad-robin"), AuditAction.PROMOTED, "v2")
    ]


async def test_what_is_live_is_rolled_back_from_its_card(scene: Scene) -> None:
    await press(scene.world, scene.card, "model.promote")
    body = await press(scene.world, await scene.now(), "model.roll_back", KIM)
    assert "Kim rolled it back" in text_of(body["value"])
    assert "It is retired" in text_of(body["value"])
    assert not actions_of(body["value"])
    assert (read_rollout(scene.models_dir).name, scene.stands()) == ("v1", VersionStatus.RETIRED)


async def test_a_canary_that_is_held_stays_and_one_that_is_rolled_back_is_retired(scene: Scene) -> None:
    start_canary(scene.models_dir, "v2", 0.1)
    card = await scene.now()
    assert "it answers 10 % of the conversations" in text_of(card_of(card))
    assert list(actions_of(card_of(card))) == ["model.promote", "model.hold", "model.roll_back"]
    body = await press(scene.world, card, "model.hold")
    assert scene.stands() is VersionStatus.CANARY
    assert list(actions_of(body["value"])) == ["model.promote", "model.roll_back"]
    await press(scene.world, await scene.now(), "model.roll_back")
    assert (read_rollout(scene.models_dir).name, scene.stands()) == ("v1", VersionStatus.RETIRED)
    assert [one.choice for one in await scene.decisions()] == [Choice.HOLD, Choice.ROLL_BACK]


@pytest.mark.parametrize(
    "person",
    [BOB, {"id": "29:x", "name": "Robin"}, {"id": "aad-robin", "name": "Robin"}, {}],
    ids=["a stranger", "a reviewer's name", "a reviewer's id as the channel's", "nobody"],
)
async def test_who_is_no_reviewer_is_refused_and_nothing_changes(scene: Scene, person: Json) -> None:
    before = dict(scene.world.store.documents.kept)
    for verb in ("model.promote", "model.hold"):
        body = await press(scene.world, scene.card, verb, person)
        assert "Only reviewers may do this" in body["value"]
    assert scene.world.store.documents.kept == before
    assert scene.stands() is VersionStatus.CANDIDATE


async def send(scene: Scene, verb: str, data: Json, **fields: Any) -> str:
    """Send an action as Robin's client would, whatever is in it; return what it is answered with."""
    value = {"action": {"type": "Action.Execute", "verb": verb, "data": data}}
    activity = scene.world.activity(
        "invoke", name="adaptiveCard/action", value=value, conversation=HERE, **{"from": ROBIN}, **fields
    )
    _, said = await scene.world.post(activity)
    return said


FORGED: dict[str, tuple[Json, str]] = {
    "another comparison": ({"answer_id": "0" * 32}, "was not sent to this conversation"),
    "no signature": ({"seal": ""}, "was not sent to this conversation"),
    "half a signature": ({"seal": "0" * 16}, "was not sent to this conversation"),
    "a signature that is a list": ({"seal": ["x"]}, "no such action"),
    "a number before the first": ({"round": -1}, "no such action"),
    "a number that is text": ({"round": "0"}, "no such action"),
    "a number that was not yet": ({"round": 7}, "has changed in the meantime"),
    "an id that is too long": ({"answer_id": "x" * 5_000}, "no such action"),
}


@pytest.mark.parametrize("case", FORGED)
async def test_a_forged_action_is_refused_and_nothing_changes(scene: Scene, case: str) -> None:
    changes, sentence = FORGED[case]
    data = actions_of(card_of(scene.card))["model.promote"] | changes
    assert sentence in await send(scene, "model.promote", data)
    assert scene.stands() is VersionStatus.CANDIDATE
    assert not await scene.decisions()


async def test_a_card_in_another_conversation_and_a_verb_of_nobody_are_refused(scene: Scene) -> None:
    elsewhere = replace(scene.card, activity=scene.card.activity | {"conversation": BOBS_CHAT})
    elsewhere = replace(elsewhere, conversation=BOBS_CHAT["id"])
    body = await press(scene.world, elsewhere, "model.promote")
    assert "was not sent to this conversation" in body["value"]
    data = actions_of(card_of(scene.card))["model.promote"]
    for verb in ("model.retire", "model.", "model.canary"):
        assert "no such action" in await send(scene, verb, data)
    assert scene.stands() is VersionStatus.CANDIDATE


async def test_pressing_twice_is_one_decision(scene: Scene) -> None:
    for _ in range(3):  # each a press of its own, of the card as it was
        body = await press(scene.world, scene.card, "model.promote")
        assert "Robin promoted it" in text_of(body["value"])
    assert len(await scene.decisions()) == 1
    assert read_rollout(scene.models_dir).before == ("v0", "v1")


async def test_a_press_that_is_delivered_again_later_changes_nothing(scene: Scene) -> None:
    data = actions_of(card_of(scene.card))["model.promote"]
    await send(scene, "model.promote", data, id="f:one")
    await press(scene.world, await scene.now(), "model.roll_back", KIM)
    await send(scene, "model.promote", data, id="f:one")
    assert scene.stands() is VersionStatus.RETIRED
    assert [one.choice for one in await scene.decisions()] == [Choice.PROMOTE, Choice.ROLL_BACK]


async def test_of_two_reviewers_at_once_one_wins_and_the_other_hears_who_it_was(scene: Scene) -> None:
    bodies = await asyncio.gather(
        press(scene.world, scene.card, "model.promote", ROBIN),
        press(scene.world, scene.card, "model.hold", KIM),
    )
    [decision] = await scene.decisions()
    slower = next(body for body in bodies if isinstance(body["value"], str))
    assert slower["value"].startswith(f"{decision.reviewer_name} ")
    assert "that was before you" in slower["value"]
    assert scene.stands() is (
        VersionStatus.LIVE if decision.choice is Choice.PROMOTE else VersionStatus.CANDIDATE
    )


async def test_a_candidate_whose_files_are_gone_is_not_promoted_and_its_card_says_so(scene: Scene) -> None:
    shutil.rmtree(scene.models_dir / "v2")
    body = await press(scene.world, scene.card, "model.promote")
    assert "The files of v2 are missing" in body["value"]
    assert not await scene.decisions()
    card = await shown_in(scene.world, CHANNEL, "Its files are missing")
    assert not actions_of(card_of(card))
    assert read_rollout(scene.models_dir).name == "v1"


async def test_a_candidate_with_other_files_than_it_had_is_not_promoted(scene: Scene) -> None:
    (scene.models_dir / "v2" / "model.onnx").write_bytes(b"something else")
    body = await press(scene.world, scene.card, "model.promote")
    assert "has changed" in body["value"]
    assert not await scene.decisions()
    assert read_rollout(scene.models_dir).name == "v1"


async def test_why_a_step_is_refused_is_said_in_the_reviewers_language(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    deciding, press = scene.world.parts.deciding, Press("v2", 0, Choice.PROMOTE, "r", "Robin", "a1")
    (scene.models_dir / "v2" / "model.onnx").write_bytes(b"something else")
    with speak("de"), pytest.raises(Refused, match="hat sich geändert: Löschen Sie den Ordner"):
        await deciding.decide(press)
    with speak_pseudo(monkeypatch), pytest.raises(Refused) as refused:
        await deciding.decide(replace(press, choice=Choice.ROLL_BACK))
    text = str(refused.value)
    assert find_plain_words({"text": text}) == set()
    assert text.startswith("v2")


async def test_a_decision_whose_process_was_killed_is_done_by_the_next_one(scene: Scene) -> None:
    parts = scene.world.parts
    decision = ModelDecision("v2", 1, Choice.PROMOTE, pseudonym("aad-robin"), "Robin", NOW)
    await parts.deciding.add_outbox_entry("v2")
    await parts.deciding.board.decide(decision)  # and there it was killed
    assert scene.stands() is VersionStatus.CANDIDATE
    assert "✓ Robin promoted it" in text_of(card_of(await shown_in(scene.world, CHANNEL, "✓ Robin")))
    assert scene.stands() is VersionStatus.LIVE


async def test_while_the_store_is_away_nothing_is_decided_and_the_reviewer_hears_so(scene: Scene) -> None:
    scene.world.store.documents.refused = {"errand"}
    body = await press(scene.world, scene.card, "model.promote")
    assert "I cannot reach my records" in body["value"]
    assert scene.stands() is VersionStatus.CANDIDATE
    scene.world.store.documents.refused = set()
    await press(scene.world, scene.card, "model.promote")
    assert scene.stands() is VersionStatus.LIVE


async def test_a_comparison_whose_posting_was_killed_is_posted(scene: Scene) -> None:
    later = a_comparison(candidate="v3", decision=Decision.HOLD)
    await model_decisions.put(scene.world.store.documents, later)
    await scene.world.parts.deciding.add_outbox_entry("v3")  # and there it was killed, before it was marked
    await shown_in(scene.world, CHANNEL, "Model update: v3")
    await scene.posted()
    posts = [call for call in scene.world.connector.calls if "Model update: v3" in text_of(call.activity)]
    assert [call.method for call in posts] == ["POST"]
    assert "speak against it" in text_of(card_of(posts[0]))


async def test_a_place_that_is_added_later_gets_what_waits_for_a_decision_and_nothing_else(
    scene: Scene,
) -> None:
    await say(scene, "reviewers here", BOBS_CHAT, KIM)
    await shown_in(scene.world, BOBS_CHAT["id"], "Model update: v2")
    await press(scene.world, scene.card, "model.promote")
    other = {"id": "19:later@thread.tacv2", "conversationType": "channel", "tenantId": "t1"}
    await say(scene, "reviewers here", other, KIM)
    await scene.posted()
    assert not [call for call in scene.world.connector.calls if is_card(call, other["id"])]


async def test_what_the_job_did_is_told_once_in_each_place(scene: Scene) -> None:
    await say(scene, "reviewers here", BOBS_CHAT, KIM)
    start_canary(scene.models_dir, "v2", 0.1)
    await scene.now()
    board = scene.world.parts.deciding.board
    notice = ModelNotice(
        "n", "v2", "The canary v2 was rolled back", "People like it less.", NOW, (("Votes", "40"),)
    )
    await board.draft(notice)
    roll_back(scene.models_dir, "v2")
    await scene.posted()
    assert not [call for call in scene.world.connector.calls if "was rolled back" in text_of(call.activity)]
    await board.mark(notice, UNPOSTED)
    for _ in range(3):
        await scene.posted()
    told = [call for call in scene.world.connector.calls if "was rolled back" in text_of(call.activity)]
    assert sorted(call.conversation for call in told) == sorted([CHANNEL, BOBS_CHAT["id"]])
    assert "People like it less." in text_of(card_of(told[0]))
    assert "It is retired" in text_of(card_of(await scene.now()))


async def test_a_step_on_the_command_line_changes_the_card_too(scene: Scene) -> None:
    promote(scene.models_dir, "v3")
    assert "the live version is now v3" in text_of(card_of(await scene.now()))
    start_canary(scene.models_dir, "v2", 0.25)
    assert "25 %" in text_of(card_of(await scene.now()))
    roll_back(scene.models_dir)
    assert "It is retired" in text_of(card_of(await scene.now()))


async def test_another_versions_canary_is_not_rolled_back_by_a_card(scene: Scene) -> None:
    await press(scene.world, scene.card, "model.promote")
    card = await scene.now()
    start_canary(scene.models_dir, "v3", 0.1)
    body = await press(scene.world, card, "model.roll_back")
    assert "Nothing was changed" in body["value"]
    assert (scene.stands(), scene.stands("v3")) == (VersionStatus.LIVE, VersionStatus.CANARY)


async def test_model_tells_reviewers_what_is_live_and_shows_the_comparison_again(scene: Scene) -> None:
    start_canary(scene.models_dir, "v2", 0.1)
    await say(scene, "Model?", REVIEWERS_CHANNEL, ROBIN)
    told = await shown_in(scene.world, CHANNEL, "The model now")
    seen = text_of(card_of(told))
    assert "v1 is live: it answers 90 % of the conversations." in seen
    assert "v2 is the canary: it answers 10 %, since" in seen
    assert "have not been counted yet" in seen
    calls = scene.world.connector.calls
    assert [call.message_id for call in calls if call.method == "DELETE"] == ["m2"]  # the one of before
    card = await scene.now()
    assert card.method == "POST"
    await press(scene.world, card, "model.promote")
    assert scene.stands() is VersionStatus.LIVE


async def test_model_is_for_reviewers(scene: Scene) -> None:
    await say(scene, "model", BOBS_CHAT, BOB)
    *_, last = [call for call in scene.world.connector.calls if call.conversation == BOBS_CHAT["id"]]
    assert "Only reviewers may do this" in text_of(last.activity)
    assert not scene.world.answerer.asked


async def test_a_reviewer_who_is_gone_has_no_name_on_the_card_any_more(tmp_path: Path, scene: Scene) -> None:
    await press(scene.world, scene.card, "model.hold")
    documents = scene.world.store.documents
    robin = pseudonym("aad-robin")
    now = datetime.now(UTC)  # what was decided before it goes
    await delete(scene.world.store, await Deletions(documents).begin(Deletion(robin, "Robin", now, by=robin)))
    [decision] = await scene.decisions()
    assert (decision.reviewer, decision.reviewer_name, decision.source) == ("", "A former reviewer", "")
