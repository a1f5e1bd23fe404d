"""What a person sees of themselves on a page of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.channels.asides.my_overview import MOST_QUESTIONS, MyOverviews
from core.records import Channel, Question
from feedback.store.sqlite import SqliteStore
from tests.builders.restricted import Office, an_office
from tests.builders.world import NOW

CHAT = {"channelId": "msteams", "id": "tab", "conversationType": "personal"}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with an_office(tmp_path) as opened:
        yield opened


def overviews(office: Office) -> MyOverviews:
    return office.services.make_overviews(office.page_services.public_pages)


async def ask(store: SqliteStore, number: int, asker: str = "p1") -> None:
    asked_at = NOW + timedelta(minutes=number)
    id_ = f"msteams:a:chat{number % 3}:{9_999 - number}"  # ids that sort the other way round
    await store.add_question(
        Question(id_, f"Question {number}?", asker, f"a:chat{number % 3}", Channel.TEAMS, asked_at)
    )


async def test_of_many_questions_in_several_chats_the_latest_are_shown_and_all_are_counted(
    office: Office,
) -> None:
    for number in range(30):
        await ask(office.store, number)
    await ask(office.store, 99, "p2")
    mine = await overviews(office).read("p1", "ada", CHAT)
    assert mine.asked == 30
    assert [one.question.text for one in mine.questions] == [
        f"Question {29 - number}?" for number in range(MOST_QUESTIONS)
    ]


async def test_an_answer_from_a_page_that_was_closed_since_is_not_shown(office: Office) -> None:
    await office.fill()
    await office.keep_answer("mine", "group", "What is my bonus?", "a:ada", "p1")
    by_member = await overviews(office).read("p1", "ada", CHAT)
    by_stranger = await overviews(office).read("p1", "bob", CHAT)
    by_nobody = await overviews(office).read("p1", "", CHAT)
    mine = [
        next(one for one in seen.questions if one.question.text == "What is my bonus?")
        for seen in (by_member, by_stranger, by_nobody)
    ]
    assert [(one.answer is not None, one.closed) for one in mine] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    titles = [repr(seen.pages) for seen in (by_member, by_stranger)]
    assert ["titlegroupzq" in shown for shown in titles] == [True, False]


async def test_who_stopped_the_learning_sees_that_it_is_off(office: Office) -> None:
    assert not (await overviews(office).read("p1", "ada", CHAT)).learning.out
    await office.services.privacy.choose("p1", out=True, source="s1")
    assert (await overviews(office).read("p1", "ada", CHAT)).learning.out
