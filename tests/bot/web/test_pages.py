"""The viewer of indexed pages: anchors, quotes, escaping, and what is not there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from bot.web.pages import article, blocks, find_quote, site_routes
from core.records import Page, Section
from tests.builders.serving import served

HOSTILE = '<script>alert(1)</script> <img src="https://evil.example/x" onerror="alert(1)"> "&'
PAGE = Page(
    url="/site/docs/asking",
    title="Asking & answering",
    sections=(
        Section("Asking & answering", "", "The first words.\nA second line."),
        Section(
            'Two "kinds"', "two-kinds", "Before:\n- one thing\n- another thing\n\nAfter.\n1. First\n2) Second"
        ),
        Section(HOSTILE, 'a"b', HOSTILE),
        Section("Again", "two-kinds", "The same anchor twice."),
    ),
    page_hash="h",
    fetched_at=datetime(2026, 11, 23, tzinfo=UTC),
)
UMLAUT = replace(PAGE, url="/site/docs/%C3%9Cbersicht", title="Übersicht")
FROM_WEB = replace(PAGE, url="https://example.org/asking?a=1&b=2")


def served_from(pages: dict[str, Page]) -> Callable[[str], Awaitable[Page | None]]:
    async def page(url: str) -> Page | None:
        return pages.get(url)

    return page


@pytest.fixture
async def site() -> AsyncIterator[str]:
    pages = {page.url: page for page in (PAGE, UMLAUT)} | {"/site/web": FROM_WEB}
    app = web.Application()
    app.add_routes(
        site_routes(served_from(pages), lambda: [(url, page.title) for url, page in pages.items()])
    )
    async with served(app) as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def read(http: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with http.get(url) as response:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "script-src" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        return response.status, await response.text()


async def test_a_page_has_an_id_at_every_anchor_and_each_id_once(
    http: aiohttp.ClientSession, site: str
) -> None:
    status, page = await read(http, f"{site}/site/docs/asking")
    assert status == 200
    assert "<h1>Asking &amp; answering</h1>" in page
    assert re.findall(r'<section id="([^"]*)">', page) == ["two-kinds", "a&quot;b"]
    assert "<h2>Two &quot;kinds&quot;</h2>" in page
    assert "<h2>Asking" not in page, "a heading that repeats the title is not shown twice"


async def test_the_text_of_a_page_is_never_markup(http: aiohttp.ClientSession, site: str) -> None:
    _, page = await read(http, f"{site}/site/docs/asking?quote=" + "alert(1)")
    assert "<script" not in page
    assert "<img src=" not in page.replace('<img src="/site-files/logo.svg"', "")
    assert "&lt;script&gt;<mark>alert(1)</mark>&lt;/script&gt;" in page


async def test_lists_become_lists() -> None:
    assert (
        "<p>Before:</p><ul><li>one thing</li><li>another thing</li></ul>"
        "<p>After.</p><ol><li>First</li><li>Second</li></ol></section>" in article(PAGE)
    )


def test_a_numbered_list_goes_on_counting() -> None:
    page = replace(PAGE, sections=(Section("", "", "1. One\n2. Two\n\n- Between\n\n3. Three"),))
    assert '<ul><li>Between</li></ul><ol start="3"><li>Three</li></ol>' in article(page)


async def test_a_quote_is_marked_where_it_stands_whatever_white_space_is_between_its_words(
    http: aiohttp.ClientSession, site: str
) -> None:
    _, page = await read(http, f"{site}/site/docs/asking?quote=first+words.%20%20A+second")
    assert "The <mark>first words.\nA second</mark> line." in page
    _, page = await read(http, f"{site}/site/docs/asking?quote=one+thing+-+another")
    assert "<li><mark>one thing</mark></li><li><mark>another</mark> thing</li>" in page
    _, page = await read(http, f"{site}/site/docs/asking?quote=The+first…")
    assert "<mark>The first</mark>" in page
    _, page = await read(http, f"{site}/site/docs/asking?quote=nowhere&x=%3Cscript%3E")
    assert "<mark>" not in page


async def test_a_page_that_is_not_known_is_a_sentence(http: aiohttp.ClientSession, site: str) -> None:
    for path in ("/site/nothing", "/site//docs/asking", "/site/%2Fetc%2Fpasswd", "/site/docs/asking/"):
        status, page = await read(http, site + path)
        assert status == 404
        assert "There is no such page" in page


async def test_a_page_from_the_web_links_to_where_it_was_read(http: aiohttp.ClientSession, site: str) -> None:
    _, page = await read(http, f"{site}/site/web")
    assert 'href="https://example.org/asking?a=1&amp;b=2" rel="noopener noreferrer"' in page
    _, page = await read(http, f"{site}/site/docs/asking")
    assert "Read from" not in page


async def test_the_address_may_be_percent_encoded(http: aiohttp.ClientSession, site: str) -> None:
    status, page = await read(http, f"{site}/site/docs/%C3%9Cbersicht")
    assert (status, "<h1>Übersicht</h1>" in page) == (200, True)


async def test_the_list_names_every_page(http: aiohttp.ClientSession, site: str) -> None:
    for path in ("/site", "/site/"):
        status, page = await read(http, site + path)
        assert status == 200
        assert '<a href="/site/docs/asking">Asking &amp; answering</a>' in page
        assert page.count("<li>") == 3


async def test_the_theme_chosen_on_the_chat_page_holds_here(http: aiohttp.ClientSession, site: str) -> None:
    for chosen, theme in (("dark", "dark"), ("light", "light"), ('x"><script>', "system"), ("", "system")):
        async with http.get(f"{site}/site/", headers={"Cookie": f"askpage-theme={chosen}"}) as response:
            assert f'data-theme="{theme}"' in await response.text()


async def test_its_own_files_are_served_and_no_others(http: aiohttp.ClientSession, site: str) -> None:
    async with http.get(f"{site}/site-files/site.css") as response:
        assert (response.status, response.content_type) == (200, "text/css")
    async with http.get(f"{site}/site-files/logo.svg") as response:
        assert (response.status, response.content_type) == (200, "image/svg+xml")
    async with http.get(f"{site}/site-files/index.html") as response:
        assert response.status == 404


def test_blocks_cover_the_text_in_order() -> None:
    text = "\n\n one\n two\n\n\n- three\n  four\n* five\n\n1999 was a year\n12) six\n-\nseven"
    assert [(block.tag, text[block.start : block.end].split()) for block in blocks(text)] == [
        ("p", ["one", "two"]),
        ("ul", ["three", "four"]),
        ("ul", ["five"]),
        ("p", ["1999", "was", "a", "year"]),
        ("ol", ["six"]),
        ("ul", ["seven"]),
    ]
    assert list(blocks("")) == list(blocks(" \n\n-\n")) == []


def test_a_quote_is_words_and_not_a_pattern() -> None:
    assert find_quote("costs (about) $5.00 a+b", "(about) $5.00 a+b") == (6, 23)
    assert find_quote("anything", ".*") is None
    assert find_quote("anything", "  … ") is None


@pytest.mark.parametrize("headers", [{"Host": "rebound.example"}, {"X-Forwarded-For": "203.0.113.7"}])
@pytest.mark.parametrize("path", ["/site/", "/site/docs/asking"])
async def test_strangers_read_no_page_unless_the_operator_lets_everyone_in(
    path: str, headers: dict[str, str]
) -> None:
    for everyone, status in ((False, 403), (True, 200)):
        app = web.Application()
        app.add_routes(
            site_routes(served_from({PAGE.url: PAGE}), lambda: [(PAGE.url, PAGE.title)], everyone=everyone)
        )
        async with (
            served(app) as url,
            aiohttp.ClientSession() as http,
            http.get(f"{url}{path}", headers=headers) as response,
        ):
            assert response.status == status
            assert ("Asking &amp; answering" in await response.text()) is everyone


def test_headings_keep_their_levels_and_none_is_left_out_between_them() -> None:
    levels = [("Leave", 2), ("Parents", 3), ("Fathers", 6), ("", 2), ("Sick", 3), ("Odd", 1)]
    sections = tuple(Section(heading, heading, f"On {heading}.", level) for heading, level in levels)
    html = article(Page("/site/x", "Handbook", sections, "h", datetime(2026, 11, 23, tzinfo=UTC)))
    assert re.findall(r"<h(\d)>(\w+)", html) == [
        ("1", "Handbook"),
        ("2", "Leave"),
        ("3", "Parents"),
        ("4", "Fathers"),
        ("3", "Sick"),
        ("2", "Odd"),
    ]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://x.example/a?b=1&c=2, or ask.", ["https://x.example/a?b=1&amp;c=2"]),
        ("(http://x.example/a)", ["http://x.example/a"]),
        ('"><script> https://x.example/"onclick=alert(1)', ["https://x.example/"]),
        ("javascript://x.example/ data:text/html,x ftp://x.example", []),
        ("https://", []),
    ],
)
def test_addresses_in_a_text_can_be_opened_and_nothing_else_of_it(text: str, links: list[str]) -> None:
    sections = (Section("A", "a", text),)
    html = article(Page("/site/x", "T", sections, "h", datetime(2026, 11, 23, tzinfo=UTC)))
    assert re.findall(r'<a href="([^"]*)" rel="noopener noreferrer nofollow">', html) == links
    assert "<script" not in html


@pytest.mark.parametrize(
    ("href", "opened"),
    [
        ("https://x.example/a?b=1&c=2", "https://x.example/a?b=1&amp;c=2"),
        ("//x.example/a", "https://x.example/a"),
        ("carry-over.md#when", "https://docs.example/hr/carry-over.md#when"),
        ("#when", "https://docs.example/hr/leave#when"),
        ("javascript:alert(1)", ""),
        ("java\nscript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("mailto:hr@x.example", ""),
        ("http://[::1", ""),
        ('https://x.example/"onclick="alert(1)', "https://x.example/&quot;onclick=&quot;alert(1)"),
    ],
)
def test_words_that_are_a_link_on_the_page_are_one_in_its_view_and_nothing_runs(
    href: str, opened: str
) -> None:
    sections = (Section("A", "a", "- See carry over.\n- Or carry over.", 2, (("carry over", href),)),)
    page = Page("https://docs.example/hr/leave", "T", sections, "h", datetime(2026, 11, 23, tzinfo=UTC))
    html = article(page, quote="See carry")
    links = re.findall(
        r'<a href="([^"]*)" rel="noopener noreferrer nofollow" title="[^"]*">([^<]*)</a>', html
    )
    assert links == ([(opened, "carry"), (opened, " over")] if opened else [])
    assert html.count('onclick="') == 0
    assert "<li>Or carry over.</li>" in html, "once a link, once not"


def test_a_link_between_pages_of_a_folder_opens_the_bots_own_and_nothing_else_of_the_bot() -> None:
    links = (("Privacy", "privacy.md#what"), ("Delete", "/erase?all"), ("Up", "../../dashboard"))
    sections = (Section("A", "a", "Privacy, Delete, Up", 2, links),)
    html = article(Page("/site/docs/asking", "T", sections, "h", datetime(2026, 11, 23, tzinfo=UTC)))
    assert re.findall(r'href="([^"]*)"', html) == ["/site/docs/privacy#what"]
