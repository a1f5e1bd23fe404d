"""The bot's home page in Slack: what somebody asked, what changed because of them, and their data.

Only that person sees it; Slack says who it is. Buttons say words in the person's own chat with the bot.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bot.cards.dates import day
from bot.cards.notice import changes_card
from bot.channel import Undeliverable
from bot.channels.review_handler import ReviewHandler
from bot.slack.blocks import (
    fit_blocks,
    plain_text,
    render_card,
    rich_text,
    say_button,
    section,
    text_run,
    text_runs,
)
from bot.slack.client import SlackApi, Workspace
from core.records import Question
from core.text import Json, clip_text
from feedback.store.base import StoreError
from feedback.store.rows import PAGE, WholeStore
from feedback.store.serialization import parse_question

log = logging.getLogger(__name__)

MOST_QUESTIONS = 10
MOST_PAGES = 5
QUESTION_CHARACTERS = 300
HEADER_CHARACTERS = 150
WELCOME = (
    "Ask me about your pages: here in my chat, in the assistant pane, or by mentioning me in a channel. I"
    " answer from what stands there, show you the place, and say so when the pages do not tell."
)
AWAY = "I cannot reach my records just now. Please open this page again in a minute."
BUTTONS = (
    ("What is kept of me", "privacy"),
    ("Export my data", "export my data"),
    ("Stop learning from me", "stop learning from me"),
    ("Delete my data…", "delete my data"),
)


class SlackHome:
    """Draws home pages. One per process."""

    def __init__(self, api: SlackApi, store: WholeStore, reviews: ReviewHandler) -> None:
        self._api = api
        self._store = store
        self._reviews = reviews

    async def show(self, where: Workspace, user: str, person: str) -> None:
        """Draw a person's page, for the user in a workspace. `person` is the pseudonym."""
        try:
            blocks = await self._draw_blocks(person)
        except StoreError:
            log.exception("a home page could not be drawn")
            blocks = [rich_text(section(text_run(AWAY)))]
        view = {"type": "home", "blocks": fit_blocks(blocks)}
        try:
            await self._api.call("views.publish", where, {"user_id": user, "view": view})
        except (Undeliverable, OSError) as error:
            log.warning("a home page was not shown: %s", error)

    async def _draw_blocks(self, person: str) -> list[Json]:
        questions = await self._questions(person)
        changes = changes_card(await self._reviews.changes(person))
        return [
            {"type": "header", "text": plain_text("askpage", HEADER_CHARACTERS)},
            rich_text(section(text_run(WELCOME))),
            {"type": "header", "text": plain_text("My questions", HEADER_CHARACTERS)},
            *_draw_questions(questions),
            *render_card(changes),
            {"type": "header", "text": plain_text("My data", HEADER_CHARACTERS)},
            {
                "type": "actions",
                "elements": [say_button(title, words, n) for n, (title, words) in enumerate(BUTTONS)],
            },
        ]

    async def _questions(self, person: str) -> Sequence[Question]:
        """Return somebody's latest questions, of the first few hundred that are found."""
        found: list[Question] = []
        after = ""
        for _ in range(MOST_PAGES):
            page = await self._store.rows("question", after, PAGE, person)
            found += [parse_question(row.fields["record"]) for row in page]
            if len(page) < PAGE:
                break
            after = page[-1].key
        return sorted(found, key=lambda question: question.asked_at, reverse=True)[:MOST_QUESTIONS]


def _draw_questions(questions: Sequence[Question]) -> list[Json]:
    if not questions:
        return [rich_text(section(text_run("You have not asked anything yet.")))]
    lines = [
        [
            *text_runs(f"{day(question.asked_at)}  ", bold=True),
            text_run(clip_text(question.text, QUESTION_CHARACTERS)),
        ]
        for question in questions
    ]
    return [rich_text(*(section(*line, text_run("\n")) for line in lines))]
