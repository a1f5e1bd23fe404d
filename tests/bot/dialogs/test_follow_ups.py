"""What can be asked after an answer: the page's other sections, by their headings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.dialogs.answerer import FollowUps
from core.records import AnswerKind, Channel, Hit, Page, Passage, Question, Section
from tests.builders.world import CITED, NOW, an_answer

HEADINGS = (
    "",
    "Annual leave",
    "Parents",
    "Who decides?",
    "ANNUAL LEAVE",
    "Sick leave",
    "Duty",
    "h" * 80,
    "See [x](https://e.example)",
)
PAGE = Page(
    "/site/leave",
    "Leave",
    tuple(
        Section(heading, f"s{number}" if heading != "Parents" else "parents", "text")
        for number, heading in enumerate(HEADINGS)
    ),
    "h1",
    NOW,
)
QUESTION = Question("q", "How much leave?", "p", "c", Channel.TEAMS, NOW)


async def page_of(url: str) -> Page | None:
    return PAGE if url == PAGE.url else None


async def search(question: str, limit: int, page_url: str | None) -> list[Hit]:
    """Find the section of this heading, but for one, which finds another page."""
    known = {one.heading.replace("[x](https://e.example)", "x"): one for one in PAGE.sections}
    url = f"/site/leave#{known[question].anchor}" if question != "Duty" else "/site/travel#duty"
    return [Hit(Passage(url, "", "", "", "h1", NOW), 1.0, 0.9)]


async def test_the_sections_around_the_cited_one_are_offered_nearest_first() -> None:
    offered = await FollowUps(page_of, search, 6).offers(an_answer(QUESTION))
    assert [title for title, _ in offered] == ["Who decides?", "Annual leave", "Sick leave", "See x"]
    assert dict(offered)["See x"] == "See x"
    assert len(await FollowUps(page_of, search, 2).offers(an_answer(QUESTION))) == 2


async def test_where_the_bot_declined_the_nearest_section_comes_first() -> None:
    offered = await FollowUps(page_of, search, 2).offers(an_answer(QUESTION, kind=AnswerKind.DECLINED))
    assert [title for title, _ in offered] == ["Parents", "Who decides?"]


async def test_a_page_that_was_pasted_is_named_again() -> None:
    asked = replace(QUESTION, page_url="https://example.org/leave")
    offered = await FollowUps(page_of, search, 1).offers(an_answer(asked))
    assert offered == [("Who decides?", "Who decides? https://example.org/leave")]


@pytest.mark.parametrize(
    ("most", "citations"), [(0, (CITED,)), (3, ()), (3, (replace(CITED, url="/site/gone#x"),))]
)
async def test_nothing_is_offered_where_that_is_off_or_nothing_is_cited(
    most: int, citations: tuple[object, ...]
) -> None:
    assert not await FollowUps(page_of, search, most).offers(an_answer(QUESTION, citations=citations))
