"""Owners of pages get cards about what their pages leave open: bytes in, bytes out, in their own chats."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from bot.card_tokens import NOT_SENT_HERE
from bot.cards.gap import HEAD
from bot.channels.asides.one_person import ContactCipher
from bot.channels.owners import handler
from bot.channels.owners.people import Owners
from bot.teams.reviewer_chats import TeamsAddress, begin_chat
from core.readers import Readers
from core.records import Channel
from exporters.in_memory import recording
from feedback.gaps.authors import (
    AUTHOR,
    PageAuthor,
    drop_authors_before,
    is_author,
    keep_author,
    read_author,
)
from feedback.gaps.owner_cards import (
    OwnerChoice,
    Proposal,
    forget_answers,
    issue_cards,
    list_cards,
    list_elsewhere,
    read_decision,
)
from feedback.gaps.report import Gap, GapPlace, GapQuestion, Report, keep_report, read_report
from feedback.privacy.audit import Audit, AuditAction
from feedback.privacy.delete import delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.export import export_person
from feedback.store.documents import Wanted
from tests.builders.reviewing import BOB, BOBS_CHAT, KIM, actions_of, card_of, press, press_data, text_of
from tests.builders.slack_world import BOB as BOB_IN_SLACK
from tests.builders.slack_world import a_slack_world, pressable
from tests.builders.world import KEY, World, a_world, pseudonym
from tests.doubles.teams_connector import Call
from tests.doubles.tokens import APP_ID

Json = dict[str, Any]
KIMS_CHAT = {"id": "a:kims", "conversationType": "personal", "tenantId": "t1"}
PAGE = "https://pages.example/leave"
PATCH = "--- a/leave.md\n+++ b/leave.md\n@@ -1 +1,3 @@\n Leave\n+\n+5 days, says \\[person\\].\n"
OPEN_ACTIONS = ["gap.done", "gap.not_this_page"]


@dataclass
class Scene:
    """A world where Bob and Kim own pages, and Ada asked in vain."""

    world: World
    gap: Gap
    number: int = 0

    async def say(self, words: str, person: Json = BOB, chat: Json = BOBS_CHAT) -> None:
        self.number += 1
        await self.world.post(
            self.world.activity(
                "message", text=words, conversation=chat, **{"from": person}, id=f"17{self.number}"
            )
        )
        await self.world.settled()

    async def report(self, *gaps: Gap) -> list[str]:
        """Do what the weekly job does once its report is made, and what a running bot does then."""
        report = Report(datetime.now(UTC), 90, gaps or (self.gap,))
        repository = self.world.parts.repository
        await keep_report(repository.documents, report)
        issued = await issue_cards(repository, report, self.propose, report.made_at)
        await self.sync()
        return issued

    async def propose(self, gap: Gap) -> Proposal:
        return Proposal(PATCH if gap.correction else "", "")

    async def sync(self) -> None:
        await self.world.parts.card_sync.process_outbox()
        await self.world.parts.card_sync.take_back_left()

    def cards(self, chat: Json = BOBS_CHAT) -> list[Call]:
        """Return the cards that are on screen in a chat, each as it is drawn by now."""
        shown: dict[str, Call] = {}
        posted = 0
        for call in self.world.connector.calls:
            posted += call.method == "POST"
            name = call.message_id or f"m{posted}"
            if call.method == "DELETE":
                shown.pop(name, None)
            elif call.is_message and call.conversation == chat["id"] and HEAD in text_of(call.activity):
                shown[name] = call
        return list(shown.values())

    def last(self, chat: Json = BOBS_CHAT) -> str:
        calls = [one for one in self.world.connector.calls if one.is_message]
        calls = [one for one in calls if one.conversation == chat["id"]]
        return text_of(calls[-1].activity)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with a_world(owners=["People team=aad-bob", "@acme/people=aad-kim", "Fleet=T1:U9"]) as world:
        await world.ask("Can I carry over leave?")
        await world.settled()
        [answer] = world.store.answers.values()
        place = GapPlace(f"{PAGE}#annual", "Leave", "Annual leave", "h1")
        asked = (GapQuestion("Can I carry over leave?", 3),)
        name, why = asked[0].text, {"declined": 3}
        gap = Gap(name, 3, 3, why, asked, (answer.id,), place, "People team", "5 days, says [person]")
        yield Scene(world, gap)


async def test_an_owner_gets_the_card_once_decides_and_takes_it_back(scene: Scene) -> None:
    await scene.say("hello")  # an owner whom the bot has a chat with
    [name] = await scene.report()
    await scene.report()
    [call] = scene.cards()
    seen = text_of(card_of(call))
    for words in ("3 people asked", "Annual leave", "5 days", "git apply", "masked", PAGE, "3 ×"):
        assert words in seen, words
    assert list(actions_of(card_of(call))) == OPEN_ACTIONS

    body = await press(scene.world, call, "gap.done", BOB)
    assert "Bob marked it as done" in text_of(body)
    documents = scene.world.parts.repository.documents
    decided = await read_decision(documents, name)
    assert decided is not None
    assert (decided.choice, decided.person) == (OwnerChoice.DONE, pseudonym("aad-bob"))
    assert handler.FASTER in text_of(await press(scene.world, call, "gap.done", BOB))  # sent again
    assert AuditAction.DECIDED_GAP in [one.what async for one in Audit(documents).entries()]

    await scene.sync()
    [now] = scene.cards()
    assert list(actions_of(card_of(now))) == ["gap.undo"]
    assert not await scene.report()  # nobody has asked since
    await press(scene.world, now, "gap.undo", BOB)
    assert await read_decision(documents, name) is None
    await scene.sync()
    assert list(actions_of(card_of(scene.cards()[0]))) == OPEN_ACTIONS


async def test_what_an_owner_decides_is_told_without_who_it_was(scene: Scene) -> None:
    await scene.say("hello")
    await scene.report()
    [call] = scene.cards()
    with recording() as told:
        await press(scene.world, call, "gap.not_this_page", BOB)
        await press(scene.world, call, "gap.not_this_page", BOB)  # sent again
    assert told.events("gap_decided") == [{"outcome": "not_this_page"}]


async def test_gaps_shows_an_owner_their_own_cards_alone_and_everybody_else_nothing(scene: Scene) -> None:
    cars = GapPlace("https://pages.example/cars", "Cars", "", "h2")
    other = replace(scene.gap, name="Of the fleet?", owner="Fleet, @other", place=cars)
    await scene.report(scene.gap, other)
    assert not scene.cards()  # the bot has no chat with Bob yet
    await scene.say("Gaps.")
    assert len(scene.cards()) == 1
    await scene.say("gaps")
    assert len(scene.cards()) == 2
    await scene.sync()
    assert len(scene.cards()) == 1  # the older one is taken back
    await scene.say("gaps", KIM, KIMS_CHAT)
    assert not scene.cards(KIMS_CHAT)
    assert "no open question" in scene.last(KIMS_CHAT)
    nobody = {"id": "29:eve", "name": "Eve", "aadObjectId": "aad-eve"}
    eves = KIMS_CHAT | {"id": "a:eves"}
    await scene.say("gaps", nobody, eves)
    assert "Only owners of pages" in scene.last(eves)
    room = {"id": "19:room@thread.tacv2", "conversationType": "channel", "tenantId": "t1"}
    await scene.say("gaps", BOB, room)
    assert handler.IN_YOUR_CHAT in scene.last(room)


async def test_presses_of_others_forged_ones_and_late_ones_change_nothing(scene: Scene) -> None:
    await scene.say("hello")
    await scene.report()
    [call] = scene.cards()
    good = actions_of(card_of(call))["gap.done"]
    documents = scene.world.parts.repository.documents
    before = dict(scene.world.store.documents.kept)
    tries: list[tuple[Json, Json, str]] = [
        (good, KIM, handler.NOT_YOUR_PAGE),
        (good, {"id": "29:eve", "name": "Eve"}, handler.NOT_YOUR_PAGE),
        (good | {"seal": "0" * 32}, BOB, NOT_SENT_HERE),
        (good | {"answer_id": "another"}, BOB, NOT_SENT_HERE),
        (good | {"round": 5}, BOB, handler.FASTER),
        (good | {"round": -1}, BOB, "no such action"),
        (good | {"verb": "gap.undo"}, BOB, handler.FASTER),
        (good | {"verb": "gap.publish"}, BOB, "no such action"),
    ]
    for data, person, said in tries:
        assert said in text_of(await press_data(scene.world, call, data, person)), data
    assert dict(scene.world.store.documents.kept) == before
    elsewhere = replace(call, conversation="a:kims", activity=call.activity | {"conversation": KIMS_CHAT})
    assert NOT_SENT_HERE in text_of(await press_data(scene.world, elsewhere, good, BOB))
    await forget_answers(documents, scene.gap.answers)
    assert handler.GONE in text_of(await press_data(scene.world, call, good, BOB))


async def test_a_page_that_is_closed_or_a_question_that_goes_takes_the_card_from_the_screen(
    scene: Scene,
) -> None:
    await scene.say("hello")
    [name] = await scene.report()
    documents = scene.world.parts.repository.documents
    access = scene.world.parts.audiences.access
    access._restricted = lambda: {PAGE: Readers(frozenset({"group:hr"}))}
    [call] = scene.cards()
    assert handler.GONE in text_of(await press(scene.world, call, "gap.done", BOB))
    await scene.world.parts.owner_cards.look_after(name)
    await scene.sync()
    assert not scene.cards()
    assert not await list_cards(documents)

    access._restricted = dict
    await scene.report()
    assert len(scene.cards()) == 1
    begun = await Deletions(documents).begin(
        Deletion(pseudonym("aad-ada"), "one", datetime.now(UTC), by=pseudonym("aad-ada"))
    )
    await delete(scene.world.store, begun)  # type: ignore[arg-type]
    await scene.sync()
    assert not scene.cards()
    assert not await list_cards(documents)
    report = await read_report(documents)
    assert report is not None
    assert not report.gaps


async def test_not_this_page_is_known_to_the_next_report_and_done_ends_when_more_people_ask(
    scene: Scene,
) -> None:
    await scene.say("hello")
    [name] = await scene.report()
    documents = scene.world.parts.repository.documents
    await press(scene.world, scene.cards()[0], "gap.not_this_page", BOB)
    assert await list_elsewhere(documents) == {PAGE: frozenset(scene.gap.answers)}
    await scene.sync()
    await press(scene.world, scene.cards()[0], "gap.undo", BOB)
    await scene.sync()
    assert not await list_elsewhere(documents)
    await press(scene.world, scene.cards()[0], "gap.done", BOB)
    await scene.world.ask("May I carry leave over?", id="1700000000009")
    await scene.world.settled()
    [newer] = {one.id for one in scene.world.store.answers.values() if "May I" in one.question.text}
    more = replace(scene.gap, answers=tuple(sorted((*scene.gap.answers, newer))), people=4)
    [again] = await scene.report(more)
    assert again != name
    assert [list(actions_of(card_of(call))) for call in scene.cards()] == [["gap.undo"], OPEN_ACTIONS]


async def test_an_owner_in_slack_gets_the_card_decides_and_takes_it_back() -> None:
    async with a_slack_world(owners=[f"People team=T1:{BOB_IN_SLACK}"]) as world:
        await world.ask("Can I carry over leave?")
        [answer] = world.store.answers.values()
        place = GapPlace(f"{PAGE}#annual", "Leave", "Annual leave", "h1")
        gap = Gap(
            "Carry over?", 1, 1, {}, (GapQuestion("Carry over?", 1),), (answer.id,), place, "People team"
        )

        async def propose(_: Gap) -> Proposal:
            return Proposal(PATCH)

        report = Report(datetime.now(UTC), 90, (gap,))
        [name] = await issue_cards(world.parts.repository, report, propose, report.made_at)
        await world.ask("gaps", channel="D2", user=BOB_IN_SLACK)
        [card] = [one for one in world.slack.messages("D2") if HEAD in one.words]
        documents = world.parts.repository.documents
        stranger = world.press(card, pressable(card, "act:gap.done"), "U1")
        await world.interact(stranger)
        await world.settled()
        assert await read_decision(documents, name) is None
        for action, choice in (("gap.not_this_page", OwnerChoice.NOT_THIS_PAGE), ("gap.undo", None)):
            [card] = [one for one in world.slack.messages("D2") if HEAD in one.words]
            pressed = world.press(card, pressable(card, f"act:{action}"), BOB_IN_SLACK)
            assert (await world.interact(pressed))[0] == 200
            await world.settled()
            await world.card_sync()
            decided = await read_decision(documents, name)
            assert (decided and decided.choice) == choice


async def test_an_owner_who_never_wrote_gets_a_chat_where_that_is_wanted_and_one_without_the_app_none(
    scene: Scene,
) -> None:
    world = scene.world
    world.connector.chats["aad-kim"] = KIMS_CHAT["id"]
    for_kim = replace(scene.gap, owner="@acme/people @acme/nobody")
    await scene.report(for_kim)
    assert not scene.cards(KIMS_CHAT), "nobody is written to unasked"
    address = TeamsAddress(APP_ID, "t1", world.service_url)
    begin = partial(begin_chat, world.seam.connector, address)
    world.parts.owner_cards.begin_chat[Channel.TEAMS] = begin
    await scene.report(for_kim)
    await scene.report(for_kim)
    [call] = scene.cards(KIMS_CHAT)
    assert "Kim marked it as done" in text_of(await press(world, call, "gap.done", KIM))
    await scene.report(replace(scene.gap, answers=("another",)))  # Bob has no app
    assert not scene.cards()


async def test_an_owner_in_slack_who_never_wrote_gets_a_chat() -> None:
    async with a_slack_world(owners=[f"People team=T1:{BOB_IN_SLACK}"]) as world:
        await world.ask("Can I carry over leave?")
        [answer] = world.store.answers.values()
        world.parts.owner_cards.begin_chat[Channel.SLACK] = world.bot.connector.begin_chat
        place = GapPlace(f"{PAGE}#annual", "Leave", "Annual leave", "h1")
        asked = (GapQuestion("Carry over?", 1),)
        gap = Gap("Carry over?", 1, 1, {}, asked, (answer.id,), place, "People team")

        async def propose(_: Gap) -> Proposal:
            return Proposal(PATCH)

        report = Report(datetime.now(UTC), 90, (gap,))
        await issue_cards(world.parts.repository, report, propose, report.made_at)
        await world.card_sync()
        assert [HEAD in one.words for one in world.slack.messages("D2")] == [True]


async def test_the_author_of_a_page_gets_its_card_alone_decides_and_is_forgotten_with_their_data(
    scene: Scene,
) -> None:
    world, documents = scene.world, scene.world.parts.repository.documents
    kim, now = pseudonym("aad-kim"), datetime.now(UTC)
    author = PageAuthor(PAGE, kim, ContactCipher(KEY).encrypt("aad-kim"))
    await keep_author(documents, author, now)
    world.connector.chats["aad-kim"] = KIMS_CHAT["id"]
    address = TeamsAddress(APP_ID, "t1", world.service_url)
    world.parts.owner_cards.begin_chat[Channel.TEAMS] = partial(begin_chat, world.seam.connector, address)
    [name] = await scene.report(replace(scene.gap, owner=AUTHOR))
    [call] = scene.cards(KIMS_CHAT)
    assert "Author in SharePoint" in text_of(card_of(call))
    assert handler.NOT_YOUR_PAGE in text_of(await press(world, call, "gap.done", BOB))
    assert await read_decision(documents, name) is None
    assert "Kim marked it as done" in text_of(await press(world, call, "gap.done", KIM))
    kept = await documents.list_documents(Wanted("page_author"))
    assert all("aad-kim" not in one.body and "Kim" not in one.body for one in kept)

    told = await export_person(world.store, kim)  # type: ignore[arg-type]
    assert PAGE in json.dumps(told["kept_about_you"])
    later = now + timedelta(seconds=1)
    deletion = await Deletions(documents).begin(Deletion(kim, "one", later, by=kim))
    await delete(world.store, deletion)  # type: ignore[arg-type]
    assert await read_author(documents, PAGE) is None
    assert not await is_author(documents, kim)
    await drop_authors_before(documents, later + timedelta(days=7))
    assert not await documents.list_documents(Wanted("page_author"))


async def test_an_owner_who_goes_leaves_the_decision_without_a_name_and_finds_it_in_their_file(
    scene: Scene,
) -> None:
    await scene.say("hello")
    [name] = await scene.report()
    await press(scene.world, scene.cards()[0], "gap.done", BOB)
    bob, documents = pseudonym("aad-bob"), scene.world.parts.repository.documents
    told = json.dumps(await export_person(scene.world.store, bob))  # type: ignore[arg-type]
    assert '"choice": "done"' in told
    assert "carry over leave" not in told  # what others asked
    later = datetime.now(UTC) + timedelta(seconds=1)
    await delete(scene.world.store, await Deletions(documents).begin(Deletion(bob, "one", later, by=bob)))  # type: ignore[arg-type]
    decided = await read_decision(documents, name)
    assert decided is not None
    assert (decided.choice, decided.person, decided.name) == (OwnerChoice.DONE, "", "A former owner")
    await scene.sync()
    assert not scene.cards()


@pytest.mark.parametrize(
    ("owner", "people"),
    [
        ("People team", ["aad-bob"]),
        ("people TEAM, Ada", ["aad-bob"]),
        ("@acme/people @acme/legal", ["aad-kim"]),
        ("Fleet", ["slack:T1:U9"]),
        ("team", []),
        ("", []),
    ],
)
def test_people_stand_behind_names_lists_and_handles(owner: str, people: list[str]) -> None:
    owners = Owners(["People team=aad-bob", "@acme/people=aad-kim", "Fleet=T1:U9"])
    assert owners.list_people(owner) == people
    assert [person for person in ("aad-BOB", "aad-kim", "") if owners.owns(person, owner)] == [
        one.replace("bob", "BOB") for one in people if one.startswith("aad")
    ]
