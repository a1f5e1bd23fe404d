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
        async with open_pages(settings) as page_services:
            if not page_services.index.entries():
                await refresh(settings, page_services)
            said = await Talking(page_services.public_pages).reply_to(make_question(question, None))
            return DirectReply(talk=said, site=site)
    async with open_parts(settings) as parts:
        if not page and not parts.page_services.index.entries():
            await refresh(settings, parts.page_services)
        talking = Talking(parts.page_services.public_pages)
        async with open_answers(settings, parts.page_services, parts.answering) as answerer:
            return await DirectAnswers(parts.page_services, answerer, talking, site).reply_to(question, page)
