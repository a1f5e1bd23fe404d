"""Small pages of every awkward kind, asked end to end: people are shown the answer, whole and right."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.answers.direct import make_question
from bot.cards.answer_text import render_shown_text
from core.records import AnswerKind, Hit, Passage
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from pages.index.sqlite import FileIndex
from pages.parse.extract import extract

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
ABOUT = "<p>This is where people who work in the warehouse look up what holds for them, and whom to ask.</p>"
OTHERS = (
    "<h2>Breaks</h2><p>A break of half an hour is due after six hours of work.</p>"
    "<h2>Lockers</h2><p>Every locker has a number and a lock of its own.</p>"
)


def page(main: str, language: str = "en") -> str:
    return (
        f"<html lang={language}><title>Warehouse</title><main><h1>Warehouse</h1>{ABOUT}{main}{OTHERS}</main>"
    )


async def shown(index: FileIndex, asked: str, *, page_url: str | None) -> str:
    """Ask with a model that has nothing to say: the words are the page's."""

    async def search(question: str, limit: int, url: str | None) -> list[Hit]:
        return await index.search(question, limit=limit, page_url=url)

    async def section_of(passage: Passage) -> str:
        found = await index.page(passage.url.partition("#")[0])
        sections = found.sections if found else ()
        return next((one.text for one in sections if passage.text in one.text), "")

    bot = Answering(always_acquire(CannedChatModel([""]), "silent"), search, AnswerRules(), section_of)
    answer = await bot.answer(make_question(asked, page_url))
    assert answer.kind is not AnswerKind.DECLINED
    return render_shown_text(answer)


KINDS = {
    "an abbreviation ends no sentence": (
        page(
            "<h2>Trial</h2><p>The trial period of a driver is approx. 12 weeks, i.e. a quarter of a year.</p>"
        ),
        "How long is the trial period of drivers?",
        ("approx. 12 weeks",),
    ),
    "a list is whole": (
        page(
            "<h2>What a new driver brings</h2><p>Bring with you:</p><ul><li>the driving licence</li>"
            "<li>a photograph</li><li>the tax number</li></ul>"
        ),
        "what does a new driver have to bring",
        ("driving licence", "photograph", "tax number"),
    ),
    "a row is read with its header": (
        page(
            "<h2>Shifts</h2><table><tr><th>Shift</th><th>Begins</th><th>Ends</th></tr>"
            "<tr><td>Early</td><td>5:30</td><td>13:30</td></tr><tr><td>Late</td><td>13:30</td><td>21:30</td></tr></table>"
        ),
        "when does the late shift end",
        ("Shift | Begins | Ends", "Late | 13:30 | 21:30"),
    ),
    "a heading is the question": (
        page("<h2>How many pallets fit into a lorry?</h2><p>33, of which two stand across.</p>"),
        "How many pallets fit into a lorry?",
        ("33, of which two stand across.",),
    ),
    "an address is the answer": (
        page(
            "<h2>Roster</h2>"
            "<p>The roster stands at https://roster.corp.example/week and is new every Friday.</p>"
        ),
        "Where do I find the roster?",
        ("https://roster.corp.example/week",),
    ),
    "what is forbidden": (
        page("<h2>Forklifts</h2><p>Taking passengers along on a forklift is strictly prohibited.</p>"),
        "May I take somebody along on the forklift?",
        ("prohibited",),
    ),
    "a raised mark": (
        page(
            "<h2>Bonus</h2>"
            "<p>The bonus for nights is 40<sup>3</sup> euros each.</p><p><sup>3</sup> Since May.</p>"
        ),
        "What is the bonus for nights?",
        ("40 ³ euros",),
    ),
    "another language": (
        page(
            "<h2>Pausen</h2><p>Nach sechs Stunden Arbeit steht allen eine Pause von 45 Minuten zu.</p>", "de"
        ),
        "Wie lange ist die Pause nach sechs Stunden Arbeit?",
        ("45 Minuten",),
    ),
}


@pytest.mark.model
@pytest.mark.parametrize("scope", ["the page", "all pages"])
@pytest.mark.parametrize("kind", list(KINDS))
async def test_the_words_that_answer_are_shown_whole(index: FileIndex, kind: str, scope: str) -> None:
    html, asked, expected = KINDS[kind]
    url = "https://h.test/warehouse"
    await index.add(extract(html.encode(), url=url, content_type="text/html", fetched_at=NOW), source="here")
    said = await shown(index, asked, page_url=url if scope == "the page" else None)
    assert [words for words in expected if words not in said] == [], said


@pytest.mark.model
@pytest.mark.parametrize("wrap", ["<pre>{}</pre>", "{}"])
async def test_lines_that_were_broken_by_width_are_read_as_one_sentence(index: FileIndex, wrap: str) -> None:
    text = (
        "Rules of the yard\n\nLorries that arrive after eight in the evening have to wait at the gate\n"
        "until the guard has opened, which takes at most twenty minutes on\nworking days.\n\n"
        "The yard is swept once a week, and everybody who works there lends a\nhand.\n"
    )
    kind = "text/plain" if wrap == "{}" else "text/html"
    body = wrap.format(text) if kind == "text/plain" else page(wrap.format(text))
    url = "https://h.test/yard"
    await index.add(extract(body.encode(), url=url, content_type=kind, fetched_at=NOW), source="here")
    said = await shown(index, "How long do lorries wait at the gate in the evening?", page_url=url)
    assert "twenty minutes" in said
