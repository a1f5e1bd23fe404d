"""The bot speaks the language of whoever reads, on every channel; reviewers and colleagues read in theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cards.answer_text import NEAREST, NOTHING_FOUND
from core.records import AnswerKind
from core.translation import say, speak
from tests.builders.surfaces import ASKER, COLLEAGUE, REVIEWER, SURFACES, Surface

QUESTION, AGAIN = "Parents: how long is the leave?", "Parents get how much leave?"
RIGHT = "Parents get 18 weeks."
WORDS = {"de": ("Hilfe", "Datenschutz"), "ja": ("ヘルプ", "プライバシー")}
"""What people type for help and for privacy."""
ENGLISH = (
    NOTHING_FOUND,
    NEAREST,
    "Under review",
    "Your correction is live",
    "Corrected by",
    "How long it is kept",
    "Ask an expert",
    "Written by AI",
)


def render(language: str, text: str) -> str:
    """Return what a language says for the beginning of a text, up to what is filled in."""
    with speak(language):
        return say(text).partition("{")[0]


async def let_it_decline_and_answer(surface: Surface, language: str) -> None:
    model = surface.script.model
    model.changes["kind"] = AnswerKind.DECLINED
    await surface.ask(ASKER, QUESTION)
    for text in (NOTHING_FOUND, NEAREST):
        await surface.sees(ASKER, render(language, text))
    model.changes["kind"] = AnswerKind.ANSWERED
    await surface.ask(ASKER, QUESTION)
    await surface.sees(ASKER, "You get 16 weeks")


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("name", SURFACES)
async def test_a_whole_conversation_is_in_the_askers_language(
    name: str, language: str, tmp_path: Path
) -> None:
    async with SURFACES[name](tmp_path) as surface:
        surface.read_in(ASKER, language)
        await surface.reviews()
        help_word, privacy_word = WORDS[language]
        await surface.ask(ASKER, help_word)
        await surface.sees(ASKER, render(language, "What I can do"))
        await surface.ask(ASKER, "ok")
        await surface.sees(ASKER, render(language, "Good. Is there anything else you would like to know?"))
        await let_it_decline_and_answer(surface, language)

        await surface.thumb(ASKER, "dislike", "it is 18 now")
        await surface.sees(REVIEWER, "Please review")
        await surface.sees(ASKER, render(language, "Under review by a colleague"))
        correction = {"text": RIGHT, "span": "c1", "note": "since May"}
        assert "corrected the answer" in await surface.press(REVIEWER, "review.correct", correction)
        await surface.sees(ASKER, render(language, "Your correction is live"))
        await surface.sees(ASKER, render(language, "✎ Corrected by a reviewer, {day}"))

        await surface.ask(COLLEAGUE, AGAIN)
        await surface.sees(COLLEAGUE, "Verified by a reviewer")
        await surface.ask(ASKER, privacy_word)
        await surface.sees(ASKER, render(language, "How long it is kept"))
        screen = await surface.screen(ASKER)
        assert [text for text in ENGLISH if text in screen] == []
