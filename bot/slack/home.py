"""The bot's home page in Slack: what somebody asked, what changed because of them, the pages, and their data.

Only that person sees it; Slack says who it is, and it has what they may read at the moment it is opened.
Buttons say words in the person's own chat with the bot.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from bot.cards.dates import day
from bot.cards.notice import changes_card
from bot.channel import TalkReply, Undeliverable
from bot.channels.asides.my_overview import MyOverview, MyOverviews, MyQuestion
from bot.channels.incoming import to_text
from bot.slack.blocks import (
    fit_blocks,
    plain_text,
    quote,
    render_card,
    rich_text,
    say_button,
    section,
    text_run,
    text_runs,
)
from bot.slack.client import SlackApi, Workspace
from bot.slack.events import Place, to_conversation, to_person_id
from core.records import Ruling
from core.text import Json, absolute, clip_text, strip_markers
from core.translation import mark, say
from feedback.store.base import StoreError

log = logging.getLogger(__name__)

MOST_QUESTIONS = 10
QUESTION_CHARACTERS = 300
ANSWER_CHARACTERS = 250
HEADER_CHARACTERS = 150
WELCOME = mark(
    "Ask me about your pages: here in my chat, in the assistant pane, or by mentioning me in a channel. I "
    "answer from them, show you the source, and say so if they do not have the answer."
)
AWAY = mark("I cannot reach my records right now. Please open this page again in a minute.")
NOTHING_ASKED = mark("You have not asked anything yet.")
CORRECTED, CHECKED = mark("Corrected by a reviewer: {answer}"), mark("Checked by a reviewer: {answer}")
LEARNED_FROM, NOT_LEARNED_FROM = (
    mark("I learn from what you rate and ask."),
    mark("I do not learn from you."),
)
BUTTONS = (
    (mark("What is stored about me"), "privacy"),
    (mark("Export my data"), "export my data"),
    (mark("Delete my data…"), "delete my data"),
)
STOP, LEARN = (
    (mark("Stop learning from me"), "stop learning from me"),
    (mark("Learn from me again"), "learn from me again"),
)


class SlackHome:
    """Draws home pages. One per process; links lead to pages of `site_url`."""

    def __init__(self, api: SlackApi, overviews: MyOverviews, site_url: str) -> None:
        self._api = api
        self._overviews = overviews
        self._site_url = site_url

    async def show(self, where: Workspace, event: Mapping[str, Any], person: str) -> None:
        """Draw the page of who has opened it. `person` is the pseudonym, `event` Slack's."""
        user = to_text(event.get("user"))
        chat = to_conversation(Place(where, to_text(event.get("channel"))), personal=True)
        try:
            mine = await self._overviews.read(person, to_person_id(where.team, user), chat)
            blocks = draw_home(mine, self._site_url)
        except StoreError:
            log.exception("a home page could not be drawn")
            blocks = [rich_text(section(text_run(say(AWAY))))]
        view = {"type": "home", "blocks": fit_blocks(blocks)}
        try:
            await self._api.call("views.publish", where, {"user_id": user, "view": view})
        except (Undeliverable, OSError) as error:
            log.warning("a home page was not shown: %s", error)


def draw_home(mine: MyOverview, site_url: str) -> list[Json]:
    """Return the blocks of somebody's page."""
    choice, buttons = (
        (NOT_LEARNED_FROM, (*BUTTONS, LEARN)) if mine.learning.out else (LEARNED_FROM, (*BUTTONS, STOP))
    )
    pressed = [say_button(say(title), words, number) for number, (title, words) in enumerate(buttons)]
    return [
        _header("askpage"),
        rich_text(section(text_run(say(WELCOME)))),
        _header(say("My questions")),
        *_draw_questions(mine),
        *render_card(changes_card(mine.changes)),
        _header(say("The pages that I know")),
        *_draw_pages(mine.pages, site_url),
        _header(say("My data")),
        rich_text(section(text_run(say(choice)))),
        {"type": "actions", "elements": pressed},
    ]


def _header(text: str) -> Json:
    return {"type": "header", "text": plain_text(text, HEADER_CHARACTERS)}


def _draw_questions(mine: MyOverview) -> Iterator[Json]:
    if not mine.questions:
        yield rich_text(section(text_run(say(NOTHING_ASKED))))
        return
    for one in mine.questions[:MOST_QUESTIONS]:
        asked = text_run(clip_text(one.question.text, QUESTION_CHARACTERS))
        said = text_run(clip_text(describe_answer(one), ANSWER_CHARACTERS))
        yield rich_text(section(*text_runs(f"{day(one.question.asked_at)}  ", bold=True), asked), quote(said))
    if mine.asked > MOST_QUESTIONS:
        yield rich_text(
            section(
                text_run(
                    say("These are the latest {shown} of {count}.", shown=MOST_QUESTIONS, count=mine.asked)
                )
            )
        )


def describe_answer(mine: MyQuestion) -> str:
    """Return what holds now on a question: what a reviewer wrote takes the place of what they corrected."""
    words, _ = mine.say_now()
    if mine.ruling is Ruling.CORRECTED:
        return say(CORRECTED, answer=words)
    if mine.answer is None or mine.ruling is Ruling.NOT_ON_PAGE:
        return words
    words = " ".join(strip_markers(words).split())
    return say(CHECKED, answer=words) if mine.is_checked else words


def _draw_pages(pages: TalkReply, site_url: str) -> Iterator[Json]:
    yield rich_text(section(text_run(pages.text)))
    for group in pages.groups:
        lines = [text_run(f"{group.name}\n", bold=True)] if group.name else []
        for title, url in group.pages:
            name = clip_text(title, QUESTION_CHARACTERS)
            lines += [text_run(name, url=absolute(url, site_url)), text_run("\n")]
        yield rich_text(section(*lines, *([text_run(group.more)] if group.more else [])))
    if pages.more:
        yield rich_text(section(text_run(pages.more)))
