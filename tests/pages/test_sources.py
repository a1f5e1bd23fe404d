"""A word of the settings → pages: folders, files, published folders, URLs, sitemaps; and what goes wrong."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from reportlab.pdfgen.canvas import Canvas

from core.records import Page
from pages.fetch.client import Fetcher, FetchLimits, FixedResolver, PageRefused
from pages.sources import AT_ONCE, Item, Problem, Unchanged, read_source

pytest_plugins = ["tests.builders.warm"]
pytestmark = pytest.mark.usefixtures("warm_reading")

HERE = "127.0.0.5"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def nothing(_: str) -> Page | None:
    return None


async def read(
    source: str | Path, known: Callable[[str], Page | None] = nothing, **limits: int
) -> list[Item]:
    async with Fetcher(FetchLimits(**limits), resolver=FixedResolver({})) as fetcher:
        return [item async for item in read_source(str(source), fetcher=fetcher, known=known)]


def urls(items: list[Item]) -> dict[str, str]:
    return {item.url: type(item).__name__ for item in items}


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for name, text in {
        "index.md": "# Start\n\nWelcome.",
        "asking.md": "---\ntitle: Asking\n---\nHow to ask.",
        "guide/index.md": "# Guide\n\nThe guide.",
        "guide/leave plan.md": "---\npermalink: /holidays/\n---\n# Leave\n\nText.",
        "old.html": "<title>Old</title><p>An old page.",
        "notes.txt": "Some notes.",
        "empty.md": "",
        "picture.png": "no page",
        ".hidden.md": "hidden",
        ".git/x.md": "hidden",
        "node_modules/p/readme.md": "hidden",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    canvas = Canvas(str(folder / "plan.pdf"))
    canvas.drawString(72, 720, "A plan.")
    canvas.save()
    return folder


async def test_an_unpublished_folder_is_known_under_our_own_addresses(docs: Path) -> None:
    items = await read(docs)
    assert urls(items) == {
        "/site/docs/asking": "Page",
        "/site/docs/empty": "Problem",
        "/site/docs/index": "Page",
        "/site/docs/notes.txt": "Page",
        "/site/docs/old.html": "Page",
        "/site/docs/plan.pdf": "Page",
        "/site/docs/guide/index": "Page",
        "/site/docs/guide/leave%20plan": "Page",
    }
    assert await read(f"{docs}/") == items or urls(await read(f"{docs}/")) == urls(items)


async def test_a_published_folder_is_known_under_its_public_addresses(docs: Path) -> None:
    (docs / "empty.md").unlink()
    assert sorted(urls(await read(f"{docs}=https://help.example.com/x"))) == [
        "https://help.example.com/x/",
        "https://help.example.com/x/asking/",
        "https://help.example.com/x/guide/",
        "https://help.example.com/x/holidays/",
        "https://help.example.com/x/notes.txt",
        "https://help.example.com/x/old.html",
        "https://help.example.com/x/plan.pdf",
    ]


@pytest.mark.parametrize(
    "permalink", ["/../../etc/", "https://evil.test/", "//evil.test/", "/:slug/", "/{{x}}/", "false", "[a]"]
)
async def test_a_permalink_that_is_no_path_is_ignored(tmp_path: Path, permalink: str) -> None:
    (tmp_path / "a.md").write_text(f"---\npermalink: {permalink}\n---\nText")
    [page] = await read(f"{tmp_path}=https://h.test/base/")
    assert page.url.startswith("https://h.test/base/")
    assert ".." not in page.url


async def test_single_files_have_addresses_too(docs: Path) -> None:
    assert urls(await read(docs / "asking.md")) == {"/site/docs/asking": "Page"}
    assert urls(await read(f"{docs}/asking.md=https://h.test/ask")) == {"https://h.test/ask": "Page"}


async def test_files_that_did_not_change_are_not_read_again(docs: Path) -> None:
    known = {item.url: item for item in await read(docs) if isinstance(item, Page)}
    (docs / "asking.md").write_text("# New\n\nAnother text.")
    items = {item.url: item for item in await read(docs, known.get)}
    assert isinstance(items.pop("/site/docs/asking"), Page)
    assert isinstance(items.pop("/site/docs/empty"), Problem)
    assert all(isinstance(item, Unchanged) for item in items.values())


async def test_links_out_of_the_folder_and_large_files_are_problems(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (docs / "leak.txt").symlink_to(tmp_path / "secret.txt")
    (docs / "inside.txt").symlink_to(docs / "notes.txt")
    (docs / "dangling.md").symlink_to(docs / "nowhere.md")
    (docs / "large.txt").write_text("x" * 5001)
    (docs / "out").symlink_to(tmp_path)
    items = {item.url: item for item in await read(docs, max_bytes=5000)}
    for name, words in (("leak.txt", "outside"), ("large.txt", "larger"), ("dangling", "not a regular file")):
        problem = items[f"/site/docs/{name}"]
        assert isinstance(problem, Problem)
        assert words in problem.sentence
    assert isinstance(items["/site/docs/inside.txt"], Page)
    assert not any("/out/" in url for url in items)


async def test_two_files_with_one_address_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide/index.md").write_text("one")
    (tmp_path / "guide.md").write_text("two")
    assert [type(item) for item in await read(f"{tmp_path}=https://h.test/")] == [Page, Problem]


@pytest.mark.parametrize(
    "source",
    [
        "no/such/folder",
        "",
        "x=https://h.test/",
        "x=https://u:p@h.test/",
        "ftp://h.test/",
        "https://",
        "https://127.0.0.1/",
    ],
)
async def test_a_source_that_is_nothing_is_refused(
    source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if not source:
        assert await read(source) == []  # the folder that we stand in, which is empty
        return
    with pytest.raises(PageRefused):
        await read(source)


async def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.exe").write_text("x")
    with pytest.raises(PageRefused, match="no kind"):
        await read(tmp_path / "x.exe")


class Site:
    """A site under made-up names on this machine; counts what is asked at the same time."""

    def __init__(self) -> None:
        self.answers: dict[str, web.Response | bytes | str] = {}
        self.asked: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, HERE, 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    def url(self, path: str, host: str = "site.test") -> str:
        return f"http://{host}:{self.port}{path}"

    async def read(
        self, path: str, known: Callable[[str], Page | None] = nothing, **limits: int
    ) -> list[Item]:
        items: list[Item] = []
        async with self.fetcher(**limits) as fetcher:
            items.extend([item async for item in read_source(self.url(path), fetcher=fetcher, known=known)])
        return items

    def fetcher(self, **limits: int) -> Fetcher:
        hosts = ("site.test", "other.test")
        return Fetcher(
            FetchLimits(tuple(f"{host}:{self.port}" for host in hosts), **limits),
            resolver=FixedResolver({host: [HERE] for host in hosts}),
            is_allowed_address=HERE.__eq__,
        )

    def sitemap(self, *paths: str, kind: str = "urlset", entry: str = "url") -> str:
        located = "".join(
            f"<{entry}><loc> {path if '//' in path else self.url(path)} </loc></{entry}>" for path in paths
        )
        return f'<?xml version="1.0"?><{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{located}</{kind}>'

    def index(self, *paths: str) -> str:
        return self.sitemap(*paths, kind="sitemapindex", entry="sitemap")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/robots.txt":
            self.asked.append(request.path)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            for _ in range(5):
                await asyncio.sleep(0)  # let others come
            return self._answer(request)
        finally:
            self._at_once -= 1

    def _answer(self, request: web.Request) -> web.StreamResponse:
        body = self.answers.get(request.path)
        if body is None:
            return web.Response(status=404)
        if isinstance(body, web.Response):
            return body
        if isinstance(body, bytes):
            return web.Response(body=body, content_type="application/gzip")
        etag = f'"{hash(body) & 0xFFFF}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        kind = "application/xml" if request.path.endswith(".xml") else "text/html"
        return web.Response(text=body, content_type=kind, headers={"ETag": etag})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.stop()


async def test_one_url_is_one_page_and_is_not_read_again_while_its_validator_holds(site: Site) -> None:
    site.answers["/leave"] = "<title>Leave</title><p>Text"
    [page] = await site.read("/leave#part")
    assert isinstance(page, Page)
    assert (page.url, page.title) == (site.url("/leave"), "Leave")
    assert await site.read("/leave", {page.url: page}.get) == [Unchanged(page.url)]


async def test_every_page_of_a_sitemap_is_read_and_bad_ones_are_problems(site: Site) -> None:
    for number in range(30):
        site.answers[f"/p{number}"] = f"<p>Page {number}"
    site.answers["/map.xml"] = site.sitemap(
        *[f"/p{number}" for number in range(30)],
        "/gone",
        "/p1",
        "http://127.0.0.1/x",
        "ftp://site.test/",
        "http://other.test/y",
    )
    items = await site.read("/map.xml")
    pages = [item.url for item in items if isinstance(item, Page)]
    problems = [item for item in items if isinstance(item, Problem)]
    assert sorted(pages) == sorted(site.url(f"/p{number}") for number in range(30))
    assert len(problems) == 3
    assert any("no such page" in problem.sentence for problem in problems)
    assert any("2 addresses" in problem.sentence for problem in problems)
    assert 1 < site.most_at_once <= AT_ONCE


async def test_nested_and_packed_sitemaps_are_read_once_each(site: Site) -> None:
    site.answers["/p1"], site.answers["/p2"] = "<p>one", "<p>two"
    site.answers["/index.xml"] = site.index("/a.xml", "/b.xml.gz", "/index.xml", "/a.xml")
    site.answers["/a.xml"] = site.sitemap("/p1")
    site.answers["/b.xml.gz"] = gzip.compress(site.sitemap("/p2", "/p1").encode())
    assert sorted(urls(await site.read("/index.xml"))) == [site.url("/p1"), site.url("/p2")]
    assert len(site.asked) == 5


async def test_a_lost_part_of_a_sitemap_is_told_after_the_rest(site: Site) -> None:
    site.answers["/p1"] = "<p>one"
    site.answers["/index.xml"] = site.index("/gone.xml", "/a.xml")
    site.answers["/a.xml"] = site.sitemap("/p1")
    came: list[Item] = []

    async def take(fetcher: Fetcher) -> None:
        async for item in read_source(site.url("/index.xml"), fetcher=fetcher, known=nothing):
            came.append(item)  # noqa: PERF401 - what came before the refusal is what is asked

    async with site.fetcher() as fetcher:
        with pytest.raises(PageRefused, match="no such page"):
            await take(fetcher)
    assert urls(came) == {site.url("/p1"): "Page"}


async def test_sitemaps_without_end_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.sources.named.MOST_SITEMAPS", 5)
    monkeypatch.setattr("pages.sources.named.MOST_PAGES", 3)
    for number in range(20):
        site.answers[f"/m{number}.xml"] = site.index(f"/m{number + 1}.xml")
        site.answers[f"/p{number}"] = "<p>x"
    assert await site.read("/m0.xml") == []
    assert len(site.asked) == 5
    site.answers["/many.xml"] = site.sitemap(*[f"/p{number}" for number in range(20)])
    with pytest.raises(PageRefused, match="more than 3 pages"):
        await site.read("/many.xml")


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>',
        '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>&a;</loc></url></urlset>',
        "<urlset>" + "<a>" * 5000,
        "<rss/>",
        "no xml",
        "",
        "<urlset><url><loc>file:///etc/passwd</loc></url></urlset>",
    ],
)
async def test_a_hostile_sitemap_leads_nowhere(site: Site, body: str) -> None:
    site.answers["/map.xml"] = body
    try:
        items = await site.read("/map.xml")
    except PageRefused:
        items = []
    assert not any(isinstance(item, Page) for item in items)
    assert site.asked == ["/map.xml"]


async def test_a_packed_bomb_of_a_sitemap_is_refused(site: Site) -> None:
    site.answers["/map.xml.gz"] = gzip.compress(b" " * 10_000_000)
    with pytest.raises(PageRefused, match="larger"):
        await site.read("/map.xml.gz", max_bytes=100_000)


async def test_leaving_in_the_middle_stops_the_requests(site: Site) -> None:
    for number in range(50):
        site.answers[f"/p{number}"] = "<p>x"
    site.answers["/map.xml"] = site.sitemap(*[f"/p{number}" for number in range(50)])
    async with site.fetcher() as fetcher:
        items = read_source(site.url("/map.xml"), fetcher=fetcher, known=nothing)
        await anext(items)
        await items.aclose()
    assert len(site.asked) < 15
