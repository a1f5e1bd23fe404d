"""Who only got a verified answer is told once that a reviewer took it back or changed it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urldefrag

import pytest

from bot.cards.elements import Card
from bot.cards.notice import ASK_AGAIN, CHANGED, LOOKED_AT, TAKEN_BACK, TAKES_THE_PLACE
from bot.channels.asides import served_notices
from bot.channels.asides.one_person import Cards
from bot.channels.asides.served_notices import OUTBOX_PREFIX, ServedNotices
from bot.channels.incoming import Reference
from bot.channels.notices import SendNews
from bot.readers.access import PageAccess
from core.readers import Readers
from core.records import Answer, derive_answer_id
from feedback.privacy.delete import delete
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.export import export_person
from feedback.reviews.repository import Notification
from feedback.reviews.served import KIND, keep_served
from feedback.store.base import moment
from feedback.store.documents import Wanted
from tests.builders.records import Opening, answer, opening, question
from tests.builders.reviewing import (
    BOB,
    BOBS_CHAT,
    KIM,
    REVIEWERS_CHANNEL,
    press,
    shown_in,
    subscribe,
    text_of,
    thumb_down,
    with_verified_answers,
    world,
)
from tests.builders.rulings import KIM as KIM_HERE
from tests.builders.rulings import CutDocuments, Killed, ReviewProcess
from tests.builders.world import GROUP, World, pseudonym
from tests.doubles.teams_connector import Call

__all__ = ["opening", "world"]

EVE = {"id": "29:eve", "name": "Eve", "aadObjectId": "aad-eve"}
QUESTION = "Parents: how long is the leave?"
BOBS = "Parents, may they go for longer?"


async def a_verified_answer(world: World) -> Call:
    """Let Ada complain, a reviewer correct, and Bob get the correction; return the reviewers' card."""
    with_verified_answers(world)
    await subscribe(world)
    await world.ask(QUESTION)
    await world.settled()
    await thumb_down(world)
    asked = await shown_in(world, REVIEWERS_CHANNEL["id"], "Please review")
    await press(world, asked, "review.correct", text="Parents get 81 weeks.", span="c1")
    await bob_asks(world)
    return await shown_in(world, REVIEWERS_CHANNEL["id"], "Robin corrected the answer")


async def bob_asks(world: World, id_: str = "9", conversation: Any = BOBS_CHAT, person: Any = BOB) -> None:
    await world.ask(BOBS, conversation=conversation, **{"from": person}, id=id_)
    await world.settled()
    await shown_in(world, conversation["id"], "Parents get 81 weeks.")


async def told(world: World, words: str, conversation: str = BOBS_CHAT["id"]) -> list[str]:
    """Return what a conversation was told with these words, after all that is to be done was done thrice."""
    for _ in range(3):
        await world.parts.card_sync.process_outbox()
    return [
        text_of(call.activity)
        for call in world.connector.calls
        if call.method == "POST" and call.is_message and call.conversation == conversation
        if words in text_of(call.activity)
    ]


async def test_who_got_it_hears_once_that_it_was_taken_back_and_once_what_holds_instead(world: World) -> None:
    settled = await a_verified_answer(world)
    assert not await told(world, TAKEN_BACK)
    await press(world, settled, "review.undo", KIM)
    [words] = await told(world, TAKEN_BACK)
    assert BOBS in words, "their own question"
    assert QUESTION not in words, "and nobody else's"
    assert len(await told(world, TAKEN_BACK, "a:chat")) == 1, "the asker, as before"
    again = await shown_in(world, REVIEWERS_CHANNEL["id"], "Kim undid the decision")
    await press(world, again, "review.correct", text="Parents get 18 weeks.", span="c1")
    [words] = await told(world, CHANGED)
    assert "Parents get 18 weeks." in words
    assert TAKES_THE_PLACE in words
    assert BOBS in words
    assert len(await told(world, TAKEN_BACK)) == 1
    assert not await told(world, CHANGED, "a:chat"), "Ada is told in her words, not a second time"
    assert len(await told(world, "Your correction is live", "a:chat")) == 2


async def test_in_a_group_each_is_told_alone_and_where_nothing_leads_there_all_once(world: World) -> None:
    settled = await a_verified_answer(world)
    for number, person in enumerate((BOB, EVE)):
        await bob_asks(world, f"g{number}", GROUP, person)
    world.connector.fail(403, when=lambda one: TAKEN_BACK in json.dumps(one) and "29:eve" in json.dumps(one))
    await press(world, settled, "review.undo", KIM)
    await told(world, TAKEN_BACK)
    calls = [call for call in world.connector.calls if TAKEN_BACK in text_of(call.activity)]
    seen = [(call.conversation, call.targeted) for call in calls if call.conversation != "a:chat"]
    assert sorted(seen) == sorted([(GROUP["id"], True), (GROUP["id"], True), (GROUP["id"], False)]), (
        "Bob alone, where he asked last; Eve is tried alone; then in front of all"
    )


async def test_who_may_not_read_the_page_any_more_is_told_no_words_of_it(world: World) -> None:
    settled = await a_verified_answer(world)
    await press(world, settled, "review.undo", KIM)
    closed = Readers(frozenset({"group:board"}))
    [passage, *_] = next(iter(world.store.answers.values())).passages
    world.parts.audiences.access = PageAccess(lambda: {urldefrag(passage.url).url: closed})
    [words] = await told(world, LOOKED_AT)
    assert ASK_AGAIN in words
    assert BOBS in words
    assert not await told(world, TAKEN_BACK)


async def test_it_is_kept_without_words_exported_and_deleted_with_the_person(world: World) -> None:
    settled = await a_verified_answer(world)
    [kept] = await world.store.documents.list_documents(Wanted(KIND))
    bob = pseudonym("aad-bob")
    assert kept.person == bob
    assert "weeks" not in kept.body
    exported = await export_person(world.store, bob)  # type: ignore[arg-type]
    assert [one["kind"] for one in exported["kept_about_you"]].count(KIND) == 1
    later = datetime.fromisoformat(kept.order) + timedelta(seconds=1)
    deletion = await Deletions(world.store.documents).begin(Deletion(bob, "one", later, by=bob))
    await delete(world.store, deletion)  # type: ignore[arg-type]
    assert not await world.store.documents.list_documents(Wanted(KIND))
    await press(world, settled, "review.undo", KIM)
    assert not await told(world, TAKEN_BACK)


# Both stores, and a process that is killed


class Bot:
    """What one process tells: who was sent which card."""

    def __init__(self, store: Any, documents: Any, sent: list[tuple[str, str]], days: float = 14) -> None:
        self.process = ReviewProcess(store, documents)
        self.sent = sent
        self.fails = ""
        self.on_card: Callable[[Card], None] = lambda _: None
        self.sync: Any = SimpleNamespace(wake=lambda: None, make_news=lambda *_: self.way())
        self.notices = ServedNotices(store, self.sync, self.process.repository, days)

    def way(self) -> SendNews:
        return SendNews(self.send, self.send_alone, "https://bot.example", lambda _: True)

    async def send(self, stored: str, card: Card) -> None:
        reference = Reference.load(stored)
        assert reference is not None
        place = reference.conversation["id"]
        if place == self.fails:
            raise ConnectionError("the channel is away")
        self.sent.append((place, card.fallback))
        self.on_card(card)

    async def send_alone(self, encrypted: str, person: str, cards: Cards) -> bool:
        return False

    async def work(self, on: Answer) -> None:
        """Do what the outbox entry of a changed ruling leads to."""
        review = await self.process.repository.review(on.id)
        assert review is not None
        await self.process.reviewing.follow(review)
        await self.notices.leave(review)
        is_left = True
        while is_left:
            taken = await self.process.repository.claim_outbox_entry(f"{OUTBOX_PREFIX}{on.id}")
            assert taken is not None
            version, is_left = taken
            await self.notices.look_after(on.id)
            await self.process.repository.complete_outbox_entry(f"{OUTBOX_PREFIX}{on.id}", version)


async def served(bot: Bot, on: Answer, number: int, person: str = "", at: datetime | None = None) -> Answer:
    """Serve a verified answer to somebody in their own chat."""
    verified = await bot.process.repository.read_verified(on.id)
    assert verified is not None
    person = person or f"p{number}"
    asked = replace(question(100 + number), asker=person, conversation=f"chat {person}")
    given = replace(
        answer(asked),
        id=derive_answer_id(asked.id),
        text=verified.text,
        reviewed=on.id,
        verified_at=verified.verified_at,
        answered_at=at or datetime.now(UTC),
    )
    await bot.process.store.add_question(asked)
    await bot.process.store.add_answer(given)
    await keep_served(bot.process.repository.documents, given)
    reference = Reference({"id": asked.conversation, "conversationType": "personal"}, {}, {}, "a")
    await bot.process.repository.put_contact(asked.conversation, reference.dump(), person)
    return given


async def test_whenever_a_process_is_killed_everybody_is_told_and_nobody_more_than_it_may_be(
    opening: Opening,
) -> None:
    store = await opening()
    for writes in range(40):
        sent: list[tuple[str, str]] = []
        whole = Bot(store, store.documents, sent)  # type: ignore[attr-defined]
        given = await whole.process.flagged(writes)
        await whole.process.rule(given)
        people = [f"{writes}-{name}" for name in "ab"]
        for number, person in enumerate(people):
            await served(whole, given, writes * 10 + number, person)
        await whole.process.undo(given)
        cut = Bot(store, CutDocuments(store.documents, writes), sent)  # type: ignore[attr-defined]
        try:
            await cut.work(given)
        except Killed:
            killed = True
        else:
            killed = False
        await whole.work(given)
        places = [place for place, _ in sent]
        assert set(places) == {f"chat {person}" for person in people}
        assert len(places) <= 3, "at most the one in whose moment it was killed hears it again"
        await whole.work(given)
        assert [place for place, _ in sent] == places
        if not killed:
            assert len(places) == 2
            break
    else:
        raise AssertionError("it was never whole")


async def test_only_the_last_to_get_it_within_the_days_are_told_once_each(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opening()
    sent: list[tuple[str, str]] = []
    bot = Bot(store, store.documents, sent)  # type: ignore[attr-defined]
    given = await bot.process.flagged()
    await bot.process.rule(given)
    now = datetime.now(UTC)
    await served(bot, given, 1, "long ago", now - timedelta(days=15))
    await served(bot, given, 2, "early", now - timedelta(days=3))
    for number in (3, 4):
        await served(bot, given, number, "often")
    review = await bot.process.edit(given, "31 days.")
    hears = Notification(given.id, "often", moment(review.settled_at or now), about="round 2")
    monkeypatch.setattr(served_notices, "MOST", 1)
    await bot.process.repository.add_notice(hears)
    await bot.work(given)
    assert sent == [], "who was the last hears of it as the asker"
    monkeypatch.setattr(served_notices, "MOST", 2)
    await bot.work(given)
    assert [place for place, _ in sent] == ["chat early"]
    silent = Bot(store, store.documents, sent, days=0)  # type: ignore[attr-defined]
    await bot.process.edit(given, "32 days.", 2)
    await silent.work(given)
    assert len(sent) == 1


async def test_who_read_what_holds_is_told_only_if_they_were_told_of_other_words(
    opening: Opening,
) -> None:
    store = await opening()
    sent: list[tuple[str, str]] = []
    bot = Bot(store, store.documents, sent)  # type: ignore[attr-defined]
    given = await bot.process.flagged()
    await bot.process.rule(given)
    await served(bot, given, 1, "first")
    await bot.process.edit(given, "31 days.")
    await served(bot, given, 2, "second")
    await bot.process.edit(given, "30 days.", 2)
    await bot.work(given)
    assert [place for place, _ in sent] == ["chat second"], "nobody had told the first of the 31"
    await bot.process.undo(given, 3)
    await bot.work(given)
    assert sorted(place for place, _ in sent[1:]) == ["chat first", "chat second"]
    await bot.process.rule(given, round_=4)
    await bot.work(given)
    assert sorted(place for place, _ in sent[3:]) == ["chat first", "chat second"], "as they were promised"


async def test_a_chat_that_cannot_be_reached_keeps_nobody_else_waiting(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opening()
    sent: list[tuple[str, str]] = []
    bot = Bot(store, store.documents, sent)  # type: ignore[attr-defined]
    given = await bot.process.flagged()
    await bot.process.rule(given)
    for number in range(5):
        await served(bot, given, number)
    await bot.process.undo(given)
    bot.fails = "chat p3"
    with pytest.raises(ConnectionError, match="the channel is away"):
        await bot.work(given)
    assert {place for place, _ in sent} == {f"chat p{number}" for number in (0, 1, 2, 4)}
    bot.fails = ""
    monkeypatch.setattr(served_notices, "_AT_ONCE", 1)
    await bot.work(given)
    assert [place for place, _ in sent[4:]] == ["chat p3"]


async def test_what_the_chat_pages_reviewer_decides_is_not_repeated_elsewhere(opening: Opening) -> None:
    store = await opening()
    cards: list[Card] = []
    bot = Bot(store, store.documents, [])  # type: ignore[attr-defined]
    given = await bot.process.flagged()
    await bot.process.rule(given)
    await served(bot, given, 1)
    await bot.process.edit(given, "A hundred days.")
    bot.notices = ServedNotices(store, bot.sync, bot.process.repository, 14, {KIM_HERE})
    bot.on_card = cards.append
    await bot.work(given)
    [card] = cards
    assert card.fallback.startswith(LOOKED_AT)
    assert "A hundred days." not in repr(card)
