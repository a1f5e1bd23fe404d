"""A page is read where people find it: onward, under its own address, never behind a sign-in, and once."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from core.records import Page
from pages.fetch.client import Fetcher, FetchLimits, FixedResolver
from pages.fetch.page_reader import read_page
from pages.fetched import NotModified, PageRefused
from pages.index.base import PageEntry
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.parse.extract import RECIPE
from pages.sources import Item, Problem, read_source
from tests.builders.serving import served

pytest_plugins = ["tests.builders.warm"]
pytestmark = pytest.mark.usefixtures("warm_reading")

HERE = "127.0.0.5"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEXT = "<p>" + "Everyone gets 26 days of leave. " * 20
LINK = "<link rel=canonical href='{}'>"


@dataclass
class Site:
    """A site under three names; `pages` are answers by path, `asked` the requests but those of robots.txt."""

    port: int = 0
    pages: dict[str, web.Response | str | bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)

    def url(self, path: str, host: str = "site.test") -> str:
        return f"http://{host}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/robots.txt":
            self.asked.append(f"{request.host.partition(':')[0]}{request.path_qs}")
        self.languages.append(request.headers.get("Accept-Language", ""))
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        if isinstance(page, bytes):
            return web.Response(body=page, content_type="text/html")
        if isinstance(page, str):
            return web.Response(text=page, content_type="text/html")
        if etag := page.headers.get("ETag"):
            self.conditions.append(request.headers.get("If-None-Match", ""))
            if self.conditions[-1] == etag:
                return web.Response(status=304)
        return web.Response(body=page.body, status=page.status, headers=page.headers)

    def fetcher(self, **limits: tuple[str, ...]) -> Fetcher:
        hosts = ("site.test", "www.site.test", "other.test")
        return Fetcher(
            FetchLimits(tuple(f"{host}:{self.port}" for host in hosts), **limits),
            resolver=FixedResolver({host: [HERE] for host in (*hosts, "closed.test")}),
            is_allowed_address=HERE.__eq__,
        )


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    application = web.Application()
    application.router.add_get("/{path:.*}", site.answer)
    async with served(application, host=HERE) as url:
        site.port = int(url.rpartition(":")[2])
        yield site


def onward(target: str) -> str:
    return f"<meta http-equiv=refresh content='0; url={target}'><p>You are being redirected."


def moved(target: str) -> web.Response:
    return web.Response(status=302, headers={"Location": target})


def no_page(_: str) -> None:
    return None


def entry(page: Page) -> PageEntry:
    return PageEntry(page.url, page.title, page.page_hash, page.fetched_at, 1, "docs", page.etag)


async def test_a_page_is_found_where_it_sends_its_readers(site: Site) -> None:
    site.pages |= {
        "/old": onward("/older"),
        "/older": onward("leave?a=1"),
        "/leave": TEXT,
        "/self": onward("/self#top") + TEXT,
        "/packed": gzip.compress(TEXT.encode()),
        "/notes.md": web.Response(text="# Leave\n\n## Days\n\n26 days.", content_type="text/plain"),
    }
    async with site.fetcher() as fetcher:
        for path, ends in (("/old", "/leave?a=1"), ("/self", "/self"), ("/packed", "/packed")):
            page = await read_page(fetcher, site.url(path), no_page, NOW)
            assert isinstance(page, Page)
            assert page.url == site.url(ends)
            assert "26 days of leave" in page.sections[-1].text
        page = await read_page(fetcher, site.url("/notes.md"), no_page, NOW)
        assert isinstance(page, Page)
        assert [section.anchor for section in page.sections] == ["days"]


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/circle", onward("/circle2"), "keeps redirecting"),
        ("/away", onward("http://127.0.0.1:1/secret"), "I may not open"),
        ("/metadata", onward("http://169.254.169.254:8080/latest"), "I may not open"),
        ("/script", onward("javascript:alert(1)"), "http"),
        ("/file", onward("file:///etc/passwd"), "http"),
        ("/x", moved("/login?next=/x"), "people who sign in"),
        (
            "/m",
            onward("https://login.microsoftonline.com/a/oauth2/authorize?client_id=1"),
            "people who sign in",
        ),
        ("/o", moved("https://acme.okta.com/login"), "people who sign in"),
        ("/bare", moved("/login"), "people who sign in"),
        ("/gone", "<title>Page not found</title><h1>404</h1>", "no such page"),
        ("/app", "<div id=root></div><script src=a.js></script>", "program in the browser builds"),
        ("/app2", "<div id=app>Loading…</div><script src=a.js></script>", "program in the browser builds"),
        ("/ok#/settings/leave", TEXT, "after the #"),
        ("/ok#!leave", TEXT, "after the #"),
        ("/cookies", moved("/cookies"), "need cookies"),
    ],
)
async def test_what_is_no_page_is_refused_with_its_own_sentence(
    site: Site, path: str, answer: str | web.Response, words: str
) -> None:
    site.pages["/circle2"] = onward("/circle")
    site.pages["/login"] = "<form><input name=user><input type=password></form>"
    site.pages[path.partition("#")[0]] = answer
    async with site.fetcher() as fetcher:
        with pytest.raises(PageRefused, match=words):
            await read_page(fetcher, site.url(path), no_page, NOW)
    assert not [asked for asked in site.asked if "next=" in asked]


@pytest.mark.parametrize(
    ("path", "canonical", "known_as"),
    [
        ("/leave?utm_source=mail", "/leave", "/leave"),
        ("/print/leave", "http://site.test:{port}/leave", "/leave"),
        ("/index.html", "/", "/"),
        ("/leave", "/", "/leave"),
        ("/leave", "http://other.test:{port}/leave", "/leave"),
        ("/leave", "http://user:pw@site.test/x", "/leave"),
        ("/leave", "/changed", "/leave"),
    ],
)
async def test_a_page_has_the_address_that_it_calls_its_own_if_it_may(
    site: Site, path: str, canonical: str, known_as: str
) -> None:
    written = LINK.format(canonical.format(port=site.port))
    site.pages[path.partition("?")[0]] = f"<head>{written}</head>{TEXT}"
    other = PageEntry(site.url("/changed"), "Other", "another hash", NOW, 1, "docs")
    async with site.fetcher() as fetcher:
        page = await read_page(fetcher, site.url(path), {other.url: other}.get, NOW)
    assert isinstance(page, Page)
    assert page.url == site.url(known_as)


async def test_what_did_not_change_costs_one_request_and_is_not_read_again(site: Site) -> None:
    site.pages["/old"] = moved("/leave")
    site.pages["/leave"] = web.Response(text=TEXT, content_type="text/html", headers={"ETag": '"v1"'})
    site.pages["/plain"] = TEXT
    known: dict[str, PageEntry] = {}
    async with site.fetcher() as fetcher:
        for path in ("/leave", "/plain"):
            page = await read_page(fetcher, site.url(path), known.get, NOW)
            assert isinstance(page, Page)
            known[page.url] = entry(page)
    site.asked.clear()
    async with site.fetcher() as fetcher:
        for path, at in (("/leave", "/leave"), ("/old", "/leave"), ("/plain", "/plain")):
            assert await read_page(fetcher, site.url(path), known.get, NOW) == NotModified(site.url(at))
        assert fetcher.sandbox.pids == frozenset(), "nothing was read"
        assert site.asked == ["site.test/leave", "site.test/old", "site.test/leave", "site.test/plain"]
        older = known[site.url("/leave")]
        assert older.etag == f'{RECIPE} "v1"'
        known[older.url] = replace(older, etag=f'{RECIPE - 1} "v1"')
        assert isinstance(await read_page(fetcher, site.url("/leave"), known.get, NOW), Page)
    assert site.conditions == ["", '"v1"', '"v1"', ""]


def sitemap(*places: str) -> str:
    return "<urlset>" + "".join(f"<url><loc>{place}</loc></url>" for place in places) + "</urlset>"


def xml(text: str, kind: str = "application/xml") -> web.Response:
    return web.Response(text=text, content_type=kind)


async def crawl(
    site: Site, path: str, listed: Callable[[], list[str]] = list, **limits: tuple[str, ...]
) -> tuple[list[Item], str]:
    """Return what a source gives, and what it is refused with at its end."""
    items: list[Item] = []
    async with site.fetcher(**limits) as fetcher:
        try:
            async for item in read_source(site.url(path), fetcher=fetcher, known=no_page, listed=listed):
                items.append(item)  # noqa: PERF401 - what came before a refusal counts
        except PageRefused as refused:
            return items, str(refused)
    return items, ""


def paths(site: Site, items: list[Item]) -> list[str]:
    return sorted(item.url.removeprefix(site.url("")) for item in items if isinstance(item, Page))


async def test_a_page_is_asked_for_in_the_languages_of_the_setting_and_again_when_they_change(
    site: Site,
) -> None:
    site.pages["/leave"] = web.Response(
        text=TEXT, content_type="text/html", headers={"ETag": '"v1"', "Vary": "Accept-Language"}
    )
    known: dict[str, PageEntry] = {}
    steps: list[tuple[tuple[str, ...], str, str]] = [
        ((), "", ""),
        (("de", "en-GB"), "de, en-GB;q=0.9, *;q=0.1", ""),
        (("de", "en-GB"), "de, en-GB;q=0.9, *;q=0.1", '"v1"'),
        (("fr",), "fr, *;q=0.1", ""),
    ]
    for languages, header, condition in steps:
        async with site.fetcher(page_languages=languages) as fetcher:
            page = await read_page(fetcher, site.url("/leave"), known.get, NOW)
        assert (site.languages[-1], site.conditions[-1]) == (header, condition)
        assert isinstance(page, NotModified if condition else Page)
        if isinstance(page, Page):
            known[page.url] = entry(page)


async def test_robots_txt_is_kept_to_and_ones_own_site_is_not_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages |= dict.fromkeys(("/a", "/b", "/private/c"), TEXT)
    site.pages["/map.xml"] = xml(sitemap(*map(site.url, ("/a", "/b", "/private/c"))))
    rules = "User-agent: *\nDisallow: /\nUser-agent: askpage\nDisallow: /pri*/c\nCrawl-delay: 0.3\n"
    site.pages["/robots.txt"] = web.Response(text=rules)
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    monkeypatch.setattr("pages.sources.items.pause", sleep)
    items, _ = await crawl(site, "/map.xml")
    assert paths(site, items) == ["/a", "/b"]
    assert waits == [0.3]
    [problem] = [item for item in items if isinstance(item, Problem)]
    assert "own_sites" in problem.sentence
    assert not problem.gone
    assert "site.test/private/c" not in site.asked
    items, _ = await crawl(site, "/map.xml", own_sites=(f"site.test:{site.port}",))
    assert paths(site, items) == ["/a", "/b", "/private/c"]
    site.pages["/robots.txt"] = web.Response(status=503)
    items, refused = await crawl(site, "/map.xml")
    assert (items, "robots.txt of site.test" in refused) == ([], True)


ATOM = (
    '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><link href="/self"/>'
    "<entry><title>A</title>"
    '<link rel="edit" href="/edit"/><link rel="alternate" type="text/html" href="/a"/></entry>'
    '<entry><link href="/b"/></entry></feed>'
)
RSS = (
    "<rss version='2.0'><channel><link>/</link><item><link>/a</link></item><item><link>/b</link></item>"
    "</channel></rss>"
)
TWIN = "http://www.site.test:{port}"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/feed", xml(ATOM, "application/atom+xml")),
        ("/feed.rss", xml(RSS, "application/rss+xml")),
        ("/feed.xml", xml(RSS, "text/xml")),
        ("/map.xml", xml(" \n<?xml version='1.0'?>" + sitemap("/a", "/b"))),
        (
            "/map2.xml",
            xml("\ufeff" + sitemap(f"{TWIN}/a", f"{TWIN}/b")),
        ),
        ("/cut.xml", xml(sitemap("/a", "/b", "/almost")[: -len("st</loc></url></urlset>")])),
    ],
)
async def test_a_list_of_pages_is_read_in_the_forms_that_sites_have(
    site: Site, path: str, answer: web.Response
) -> None:
    site.pages |= {"/a": TEXT, "/b": TEXT}
    assert answer.text is not None
    site.pages[path] = xml(answer.text.replace("{port}", str(site.port)), answer.content_type)
    items, refused = await crawl(site, path)
    assert [item.url.rpartition("/")[2] for item in items if isinstance(item, Page)] == ["a", "b"]
    assert ("cut off" in refused) is ("cut" in path)


async def test_what_a_feed_named_before_stays_until_its_site_says_that_it_is_gone(
    site: Site, tmp_path: Path
) -> None:
    site.pages |= {"/a": TEXT, "/b": TEXT, "/feed": xml(ATOM, "application/atom+xml")}
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    async with site.fetcher() as fetcher:
        library = Library(index, fetcher)
        assert (await library.refresh([site.url("/feed")])).added == 2
        site.pages["/feed"] = xml(ATOM.replace('href="/b"', 'href="/a"'), "application/atom+xml")
        report = await library.refresh([site.url("/feed")])
        assert (report.removed, report.unchanged) == (0, 2)
        assert [entry.url for entry in index.entries()] == [site.url("/a"), site.url("/b")]
    await index.close()


async def test_two_addresses_of_a_page_are_one_page_to_whoever_asks(site: Site, tmp_path: Path) -> None:
    for path in ("/leave", "/print"):
        site.pages[path] = f"<head><title>Leave</title>{LINK.format('/leave')}</head>{TEXT}"
    site.pages["/map.xml"] = xml(sitemap("/leave", "/print"))
    index = await FileIndex.open(tmp_path, HashedEmbedder())
    async with site.fetcher() as fetcher:
        library = Library(index, fetcher)
        await library.refresh([site.url("/map.xml")])
        assert [entry.url for entry in index.entries()] == [site.url("/leave")]
        assert (await library.ensure(site.url("/print"))).url == site.url("/leave")
        again = await library.refresh([site.url("/map.xml")])
        assert (again.added, again.changed, again.removed) == (0, 0, 0)
        with pytest.raises(PageRefused, match="after the #"):
            await library.ensure(site.url("/leave#/settings"))
        await library.close()
    await index.close()
