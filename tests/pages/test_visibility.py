"""What a page hides is no text of it: from its bytes through the index to what a person is told."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.answers.direct import make_question
from core.records import Hit, Page, Passage
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from pages.fetch.client import Fetcher, FetchLimits
from pages.fetched import PageUnreadable
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.parse.extract import extract
from tests.builders.hidden_pages import HIDDEN, HIDINGS, READABLE, SEEN, WHOLE, Spelling, page_of

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)
URL = "https://h.test/parking"
SPELLINGS = [(kind, spelling) for kind, spellings in HIDINGS.items() for spelling in spellings]


def read(html: str, kind: str = "text/html") -> Page:
    return extract(html.encode(), url=URL, content_type=kind, fetched_at=NOW)


def words(page: Page) -> str:
    return "\n".join(f"{section.heading}\n{section.text}" for section in page.sections)


@pytest.mark.parametrize(("kind", "spelling"), SPELLINGS)
def test_what_a_page_hides_is_no_text_of_it(kind: str, spelling: Spelling) -> None:
    text = words(read(page_of(spelling)))
    assert "999" not in text
    assert SEEN in text
    assert "a pump that everybody may use" in text


@pytest.mark.parametrize("kind", READABLE)
def test_what_only_looks_hidden_is_text(kind: str) -> None:
    css, body = READABLE[kind]
    text = words(read(page_of((css, body.replace("{}", SEEN)), seen="Permits are for cars.")))
    assert SEEN in text
    assert "a pump that everybody may use" in text


def test_there_are_forty_pages_of_ten_kinds_and_as_many_that_can_be_read() -> None:
    assert len(HIDINGS) == 10
    assert all(len(spellings) >= 4 for spellings in HIDINGS.values())
    assert len(READABLE) >= 40


@pytest.mark.parametrize("whole", WHOLE)
def test_a_page_that_its_scripts_show_is_read(whole: str) -> None:
    page = read(f"<html><title>T</title>{whole.replace('{}', f'<h1>Parking</h1><p>{SEEN}</p>')}</html>")
    assert SEEN in words(page)


def test_a_page_that_shows_a_sentence_is_not_one_that_its_scripts_show() -> None:
    hidden = f"<div style='display:none'><p>{HIDDEN}</p><p>{HIDDEN * 20}</p></div>"
    assert words(read(f"<body><p>{SEEN}</p>{hidden}</body>")) == f"\n{SEEN}"


def test_doubtful_pieces_are_counted() -> None:
    body = (
        f"<p class=sr-only>{HIDDEN}</p>"
        f"<p style='color:#eee'>{HIDDEN}</p><p hidden>{HIDDEN}</p><i class=sr-only>new</i>"
    )
    assert read(page_of(("", body))).doubtful == 2
    assert read(page_of(("", ""))).doubtful == 0


def test_what_opens_or_appears_belongs_to_the_page(shared_data: Path) -> None:
    for name in (
        "accordion-bootstrap",
        "accordion-style-none",
        "accordion-uswds-hidden",
        "body-display-none-clickjack",
        "body-visibility-hidden",
        "webflow-opacity0",
    ):
        expected = (shared_data / "cases" / f"{name}.expected.txt").read_text()
        text = words(read((shared_data / "cases" / f"{name}.html").read_text()))
        assert [part for part in re.findall(r"'([^']+)'", expected) if part not in text] == [], name


async def test_a_refresh_tells_how_many_doubtful_pieces_were_left_out(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for name, classes in (
        ("one.html", ["sr-only"]),
        ("two.html", ["sr-only", "visually-hidden"]),
        ("three.html", []),
    ):
        body = "".join(f"<p class={one}>{HIDDEN}</p>" for one in classes)
        (tmp_path / "site" / name).write_text(page_of(("", body)))
    async with Fetcher(FetchLimits(allowed_sites=())) as fetcher:
        index = await FileIndex.open(tmp_path / "index", HashedEmbedder())
        library = Library(index, fetcher)
        report = await library.refresh([str(tmp_path / "site")])
        assert (report.added, report.problems) == (3, [])
        assert report.doubt == (
            "3 pieces of text on 2 pages may not be visible to readers "
            "and are left out; most on /site/site/two.html."
        )
        assert (await library.refresh([str(tmp_path / "site")])).doubt == ""
        await library.close()
        await index.close()


def test_a_list_and_a_row_lose_what_is_hidden_and_keep_their_form() -> None:
    page = read(
        "<main><p>Prices of the house</p>"
        "<ul><li>one</li><li style='visibility:hidden'>two</li><li>three</li></ul>"
        "<table><tr><th>Car</th><th>Price</th></tr>"
        "<tr><td><span style='color:white'>x</span></td><td>42</td></tr></table>"
    )
    assert page.sections[0].text == "Prices of the house\n\n- one\n- three\n\nCar | Price\n | 42"


async def told(index: FileIndex, model: str) -> str:
    """Return all that an answer says and cites, from a model that says what it is given here."""

    async def search(question: str, limit: int, url: str | None) -> list[Hit]:
        return await index.search(question, limit=limit, page_url=url)

    async def section_of(passage: Passage) -> str:
        found = await index.page(passage.url.partition("#")[0])
        return next((one.text for one in found.sections if passage.text in one.text), "") if found else ""

    bot = Answering(always_acquire(CannedChatModel([model]), "canned"), search, AnswerRules(), section_of)
    answer = await bot.answer(make_question("What does the parking permit cost a month?", URL))
    return "\n".join([answer.text, answer.marked, *(citation.quote for citation in answer.citations)])


@pytest.mark.model
@pytest.mark.parametrize("model", ["", f"{HIDDEN} [1]"], ids=["a silent model", "a model that says it"])
@pytest.mark.parametrize("kind", HIDINGS)
async def test_what_is_hidden_is_neither_stated_nor_quoted(index: FileIndex, kind: str, model: str) -> None:
    for spelling in HIDINGS[kind]:
        await index.add(read(page_of(spelling)), source="here")
        said = await told(index, model)
        assert "999" not in said
        assert "42 euros" in said


HOSTILE = {
    "many rules": "<style>" + ".a .b>c~d:not(.e){color:red}\n" * 40_000 + "</style><p>x</p>",
    "more rules than are read": "<style>" + "p{color:red}\n" * 400_000 + "</style><p>x</p>",
    "a rule that is tried on everything": "<style>"
    + "* * * * * * * * *[z]{color:red}" * 200
    + "</style>"
    + "<div>" * 150
    + "<p>x</p>" * 3000,
    "siblings of siblings": "<style>i~i~i~i~b{color:red}</style>" + "<i>x</i>" * 20_000 + "<b>x</b>" * 20_000,
    "the nth of many": "<style>i:nth-last-of-type(2n+1){color:red}</style>" + "<i>x</i>" * 50_000,
    "has": "<style>div:has(i b u){color:red}</style>" + "<div>" * 200 + "<i>x</i>" * 20_000,
    "brackets": "<style>" + "p:not(" * 5000 + "</style><p>x</p>",
    "blocks": "<style>" + "a{" * 50_000 + "</style><p>x</p>",
    "calc": f"<p style='left:calc{'(' * 20_000}1px'>x</p>",
    "variables that grow": "<style>p{--a0:x;"
    + "".join(f"--a{n}:var(--a{n - 1}) var(--a{n - 1});" for n in range(1, 40))
    + "color:var(--a39)}</style>"
    + "<p>x</p>" * 500,
    "variables in a circle": "<style>p{--a:var(--b);--b:var(--a);color:var(--a)}</style><p>x</p>",
    "many variables": "<style>"
    + "".join(f"p{{--v{n}:1}}" for n in range(3000))
    + "</style>"
    + "<p><p>x</p></p>" * 5000,
    "styles of thousands": "<p style='color:#123;background:#456'>x</p>" * 60_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_style_sheets_end_in_seconds(kind: str) -> None:
    started = time.process_time()
    with contextlib.suppress(PageUnreadable):
        read(HOSTILE[kind])
    assert time.process_time() - started < 20


def test_a_page_whose_style_sheets_are_too_large_is_refused_with_a_sentence() -> None:
    with pytest.raises(PageUnreadable, match="style sheets of that page are too large"):
        read(HOSTILE["more rules than are read"])


def test_markdown_hides_with_the_same_rules() -> None:
    text = words(
        read(f"# Parking\n\n{SEEN}\n\n<p style='color:#fff'>{HIDDEN}</p>\n\nAnd more.\n", "text/markdown")
    )
    assert "999" not in text
    assert SEEN in text
