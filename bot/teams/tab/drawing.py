"""What the tab shows, as JSON: somebody's overview in the words of the bot's cards.

A card's paragraphs, facts and sources become {kind, …} objects, which the page draws as text, never as HTML;
their dates stay marked (bot/cards/dates.py), and the browser writes them in its own zone.
"""

from __future__ import annotations

from typing import Any

from bot.cards.dates import day
from bot.cards.elements import Card, Element, Facts, Paragraph, Source, source
from bot.cards.notice import changes_card
from bot.cards.privacy import Buttons, privacy_card
from bot.channel import TalkReply
from bot.channels.asides.my_overview import MyOverview, MyQuestion
from core.records import AnswerKind, Ruling
from core.text import absolute, clip_text
from core.translation import mark, say
from feedback.privacy.retention import Retention

Json = dict[str, Any]
QUESTION_CHARACTERS = 500
ANSWER_CHARACTERS = 600
CHECKED, CORRECTED = mark("checked by a reviewer"), mark("corrected by a reviewer")
_KINDS = {
    AnswerKind.ANSWERED: mark("answered"),
    AnswerKind.QUOTED: mark("the page’s own words"),
    AnswerKind.DECLINED: mark("not found on the pages"),
}
_BUTTONS = Buttons(
    0, dict.fromkeys(("privacy.export", "privacy.learn", "privacy.stop", "privacy.delete"), "")
)
"""The tab has buttons of its own: those of the card are left out."""


def draw_overview(mine: MyOverview, retention: Retention, site_url: str) -> Json:
    """Return all that the tab shows of one person."""
    return {
        "questions": [_draw_question(one, site_url) for one in mine.questions],
        "asked": mine.asked,
        "changes": draw_card(changes_card(mine.changes)),
        "pages": _draw_pages(mine.pages, site_url),
        "privacy": draw_card(privacy_card(retention, _BUTTONS, out=mine.learning.out)),
        "learning": not mine.learning.out,
    }


def draw_card(card: Card) -> list[Json]:
    """Return what is read on a card; what is pressed or filled in is left out."""
    return [drawn for element in card.body if (drawn := _draw_element(element))]


def _draw_element(element: Element) -> Json:
    match element:
        case Paragraph():
            is_heading = all(run.bold for run in element.runs) and element.spacing == "Medium"
            kind = "heading" if is_heading else "title" if element.size == "Medium" else "line"
            return {"kind": kind, "text": element.text, "small": element.size == "Small"}
        case Facts():
            return {"kind": "facts", "pairs": [list(pair) for pair in element.pairs]}
        case Source():
            return {"kind": "source", "name": element.name, "quote": element.quote, "url": element.url}
        case _:
            return {}


def _draw_question(mine: MyQuestion, site_url: str) -> Json:
    said, sources = mine.say_now()
    drawn = (source(one, site_url) for one in sources)
    return {
        "text": clip_text(mine.question.text, QUESTION_CHARACTERS),
        "day": day(mine.question.asked_at),
        "answer": clip_text(said, ANSWER_CHARACTERS),
        "state": _name_state(mine),
        "sources": [{"name": one.name, "url": one.url} for one in drawn],
    }


def _name_state(mine: MyQuestion) -> str:
    if mine.answer is None:
        return ""
    if mine.is_checked:
        return say(CORRECTED if mine.ruling is Ruling.CORRECTED else CHECKED)
    return say(_KINDS[mine.answer.kind])


def _draw_pages(pages: TalkReply, site_url: str) -> Json:
    groups = [
        {
            "name": group.name,
            "pages": [{"name": name, "url": absolute(url, site_url)} for name, url in group.pages],
            "more": group.more,
        }
        for group in pages.groups
    ]
    return {"text": pages.text, "groups": groups, "more": pages.more}
