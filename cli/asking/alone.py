"""Answers a question where no bot runs: loads the pages and the model for this one."""

from __future__ import annotations

from bot.answers.direct import DirectAnswers, make_question
from bot.answers.reply import DirectReply
from bot.answers.wiring import open_answers
from bot.bootstrap import open_pages, open_parts, site_url
from bot.dialogs.talk import Talking
from cli.pages.sources import refresh
from core.settings import Settings


async def answer_alone(settings: Settings, question: str, page: str) -> DirectReply:
    """Answer as `DirectAnswers.reply_to` does, and raise what it raises."""
    site = site_url(settings, settings.port)
    if not page and Talking.is_small_talk(make_question(question, None)):  # needs no model
        async with open_pages(settings) as shelf:
            if not shelf.index.entries():
                await refresh(settings, shelf)
            said = await Talking(shelf.public_pages).reply_to(make_question(question, None))
            return DirectReply(talk=said, site=site)
    async with open_parts(settings) as parts:
        if not page and not parts.shelf.index.entries():
            await refresh(settings, parts.shelf)
        talking = Talking(parts.shelf.public_pages)
        async with open_answers(settings, parts.shelf, parts.answering) as answerer:
            return await DirectAnswers(parts.shelf, answerer, talking, site).reply_to(question, page)
