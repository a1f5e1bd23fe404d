"""The whole bot, asked on the chat page: what a reviewer corrected stands in the next question's prompt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from bot.app import open_bot
from bot.bootstrap import open_pages
from bot.dialogs.review import build_verified_answer
from bot.stores import open_store
from core.records import Channel, Citation, Ruling, Verdict
from core.settings import Settings
from feedback.reviews.repository import ReviewRepository
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.profile import Profile
from tests.browser.chat import a_browser
from tests.builders.records import answer, question
from tests.builders.serving import served

CAPABLE = Profile(5000.0, 80.0, "cuda", 1, 8_000_000_000)
PAGE = "# Leave\n\n## Days\n\nYou get 26 days of leave. Ask your supervisor two weeks ahead.\n"


async def test_what_was_verified_stands_in_the_prompt_of_the_next_question(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "leave.md").write_text(PAGE)
    settings = Settings(
        base_model="canned", data_dir=tmp_path / "data", pages=[str(tmp_path / "pages")], port=0
    )
    chat = CannedChatModel(["You get 26 days of leave."])
    async with open_pages(settings) as page_services:
        await page_services.library.refresh(settings.pages)
        [hit, *_] = await page_services.library.search("How many days of leave?", 1, None)
        found = hit.passage
        given = answer(question(text="How far ahead do I ask?", page_url=None, channel=Channel.LOCAL))
        citation = Citation(found.url, found.title, found.heading, "Ask your supervisor two weeks ahead.")
        given = replace(given, text="A day ahead [1].", passages=(found,), citations=(citation,))
        ruled = Verdict("robin", "Robin", Ruling.CORRECTED, datetime.now(UTC), "Two weeks ahead.", citation)
        async with open_store(settings) as store:
            await store.add_question(given.question)
            await store.add_answer(given)
            verified = build_verified_answer(given, ruled, ruled.given_at)
            assert verified is not None
            await ReviewRepository(store.documents).put_verified(verified)
        answering = Answering(
            always_acquire(chat, "canned", None, CAPABLE),
            page_services.library.search,
            AnswerRules(neighbours=3),
        )
        async with open_bot(settings, page_services, answering, port=1) as bot, served(bot.app) as url:
            async with a_browser(cast("Any", type("Reached", (), {"url": url}))) as browser:
                await browser.begin()
                await browser.do("message", text="How many days of leave do I get?")
                await browser.answered()
            await bot.asking.drain(10)
    assert (
        "Earlier question: How far ahead do I ask?\nRight: Two weeks ahead.\nNot: A day ahead.\n\n"
        "Question: How many days of leave do I get?\n"
    ) in chat.chats[-1][-1].text
