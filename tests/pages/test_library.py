"""The library: folders and sites are kept fresh, pasted pages are fetched, and stay with their asker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from core.readers import EVERYONE, Readers, reading_as
from core.records import Page, Section
from core.translation import speak
from pages.fetch.client import Fetcher, FetchLimits
from pages.fetched import AddressRefused, PageRefused, PageUnreachable
from pages.index.base import Indexes
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.parse.extract import page_hash
from pages.sources import NewReaders, Unchanged
from tests.builders.serving import served
from tests.doubles.cosmos_pages import a_page_container, machines

pytest_plugins = ["tests.builders.warm"]
pytestmark = pytest.mark.usefixtures("warm_reading")


@dataclass
class Site:
    """A web site on loopback; `texts` are pages by path, `asked` the requests; they wait for `gate`."""

    url: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    unchanged: int = 0
    spoken: dict[str, dict[str, str]] = field(default_factory=dict)  # headers of pages in several languages
    named: list[str] = field(default_factory=list)  # in the sitemap beside the texts
    dates: dict[str, str] = field(default_factory=dict)  # when pages without an ETag were changed
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        self.reached.set()
        await self.gate.wait()
        if request.path == "/moved":
            raise web.HTTPFound("/many")
        if request.path == "/old":
            raise web.HTTPFound("/leave")
        if request.path == "/sitemap.xml":
            places = "".join(f"<url><loc>{self.url}{path}</loc></url>" for path in [*self.texts, *self.named])
            return web.Response(
                text=f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>',
                content_type="application/xml",
            )
        if request.path in self.spoken:
            return self._in_language(request)
        if request.path not in self.texts:
            raise web.HTTPNotFound
        if request.path in self.dates:
            return self._dated(request, self.dates[request.path])
        etag = f'"{hash(self.texts[request.path])}"'
        if request.headers.get("If-None-Match") == etag:
            self.unchanged += 1
            return web.Response(status=304, headers={"ETag": etag})
        return web.Response(
            text=f"# Page\n\n{self.texts[request.path]}", content_type="text/markdown", headers={"ETag": etag}
        )

    def _in_language(self, request: web.Request) -> web.Response:
        """Answer in German to whoever asks for it first, else in English."""
        asked = request.headers.get("Accept-Language", "")
        text, language = (
            ("Alle haben 30 Tage.", "de") if asked.startswith("de") else ("All have 26 days.", "en")
        )
        etag = f'"{language}"'
        headers = {**self.spoken[request.path], "ETag": etag}
        if request.headers.get("If-None-Match") == etag:
            self.unchanged += 1
            return web.Response(status=304, headers=headers)
        return web.Response(text=f"# Page\n\n{text}", content_type="text/markdown", headers=headers)

    def _dated(self, request: web.Request, date: str) -> web.Response:
        headers = {"Last-Modified": date}
        if request.headers.get("If-Modified-Since") == date:
            self.unchanged += 1
            return web.Response(status=304, headers=headers)
        text = f"# Page\n\n{self.texts[request.path]}"
        return web.Response(text=text, content_type="text/markdown", headers=headers)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site(
        texts={"/leave": "Everyone gets 26 days of leave.", "/travel": "Keep every receipt of a taxi."}
    )
    site.gate.set()
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    async with served(app) as url:
        site.url = url
        yield site


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=("file", "cosmos"))
async def library(
    request: pytest.FixtureRequest, tmp_path: Path, site: Site, clock: Clock
) -> AsyncIterator[Library]:
    limits = FetchLimits(allowed_sites=(site.url.removeprefix("http://"),))
    async with AsyncExitStack() as closing:
        if request.param == "cosmos":
            url = request.getfixturevalue("cosmos_url")
            _, _, config = await closing.enter_async_context(a_page_container(url))
            index: Indexes = await (await closing.enter_async_context(machines(config)))()
        else:
            index = await FileIndex.open(tmp_path / "index", HashedEmbedder())
            closing.push_async_callback(index.close)
        fetcher = await closing.enter_async_context(Fetcher(limits, is_allowed_address=lambda _: True))
        library = Library(index, fetcher, public_url="https://bot.example.com/", now=clock)
        yield library
        await library.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\n\nEveryone gets 26 days of leave.")
    (folder / "travel.md").write_text("# Travel\n\nKeep every receipt of a taxi.")
    return folder


async def texts(library: Library, question: str, page_url: str | None = None) -> list[str]:
    return [hit.passage.text for hit in await library.search(question, 9, page_url)]


async def test_a_folder_is_read_once_and_then_only_what_changed(library: Library, folder: Path) -> None:
    told: list[tuple[str, str]] = []
    report = await library.refresh([str(folder)], lambda url, outcome: told.append((url, outcome)))
    assert (report.added, report.problems) == (2, [])
    assert sorted(told) == [("/site/docs/leave", "added"), ("/site/docs/travel", "added")]
    (folder / "travel.md").write_text("# Travel\n\nTake the train, always.")
    (folder / "new.md").write_text("# New\n\nThe kitchen closes at six.")
    report = await library.refresh([str(folder)])
    assert (report.added, report.changed, report.unchanged, report.removed) == (1, 1, 1, 0)
    assert "Keep every receipt of a taxi." not in await texts(library, "receipt of a taxi")


async def test_a_page_that_vanished_from_its_folder_is_forgotten(
    library: Library, folder: Path, site: Site
) -> None:
    await library.refresh([str(folder)])
    pasted = await library.ensure(f"{site.url}/travel")
    (folder / "leave.md").unlink()
    report = await library.refresh([str(folder)])
    assert (report.removed, report.unchanged) == (1, 1)
    assert [entry.url for entry in await library.pages()] == ["/site/docs/travel", pasted.url]


async def test_a_source_that_fails_as_a_whole_removes_nothing(library: Library, folder: Path) -> None:
    await library.refresh([str(folder)])
    await asyncio.to_thread(folder.rename, folder.with_name("moved"))
    report = await library.refresh([str(folder), str(folder.with_name("nowhere"))])
    assert report.removed == 0
    assert [str(folder) in problem.sentence for problem in report.problems] == [True, False]
    assert len(await library.pages()) == 2


async def test_an_emptied_folder_removes_nothing(library: Library, folder: Path) -> None:
    """A disk that is not mounted looks the same."""
    await library.refresh([str(folder)])
    for name in ("leave.md", "travel.md"):
        (folder / name).unlink()
    assert (await library.refresh([str(folder)])).removed == 0


async def test_a_site_is_read_by_its_sitemap_and_asked_only_for_changes(library: Library, site: Site) -> None:
    source = f"{site.url}/sitemap.xml"
    assert (await library.refresh([source])).added == 2
    site.texts["/travel"] = "Take the train."
    report = await library.refresh([source])
    assert (report.changed, report.unchanged) == (1, 1)
    assert site.unchanged == 1
    del site.texts["/travel"]
    assert (await library.refresh([source])).removed == 1


async def test_a_pasted_page_is_fetched_once_while_it_is_fresh(
    library: Library, site: Site, clock: Clock
) -> None:
    page = await library.ensure(f" {site.url}/leave#days ")
    assert page.url == f"{site.url}/leave"
    assert await library.ensure(page.url) == page
    assert site.asked == ["/leave"]
    clock.now += timedelta(seconds=301)
    assert (await library.ensure(page.url)).fetched_at == clock.now
    assert site.unchanged == 1
    await library.ensure(page.url)
    assert len(site.asked) == 2
    clock.now += timedelta(seconds=301)
    site.texts["/leave"] = "Everyone gets 30 days of leave."
    changed = await library.ensure(page.url)
    assert await texts(library, "leave", changed.url) == ["Everyone gets 30 days of leave."]


@pytest.mark.parametrize(
    "headers",
    [{"Vary": "Accept-Encoding, Accept-Language"}, {"Content-Language": "x"}, {}],
    ids=["a site that says so", "a site that names the language", "a site that says nothing"],
)
async def test_a_pasted_page_comes_in_the_language_of_whoever_asks(
    headers: dict[str, str], library: Library, site: Site, clock: Clock
) -> None:
    site.spoken["/many"] = headers
    url = f"{site.url}/many"
    for language, text in (
        ("de-AT", "Alle haben 30 Tage."),
        ("en", "All have 26 days."),
        ("de", "Alle haben"),
    ):
        with speak(language):
            page = await library.ensure(url)
            assert page.sections[-1].text.startswith(text)
            (found,) = await library.search("Tage days", 2, url)
            assert found.passage.text.startswith(text)
            assert found.passage.url.partition("#")[0] == url, "a link shows nothing of it"
    if headers:
        asked = len(site.asked)
        with speak("en"):
            assert (await library.ensure(url)).sections[-1].text == "All have 26 days."
        assert len(site.asked) == asked, "each language is kept by itself"
        clock.now += timedelta(minutes=10)
        with speak("en"):
            assert (await library.ensure(url)).sections[-1].text == "All have 26 days."
        assert site.unchanged == 1
    assert await library.forget(url)
    assert not await library.pages()


async def test_a_page_of_a_source_has_one_language_for_all(
    library: Library, site: Site, clock: Clock
) -> None:
    site.spoken["/many"] = {"Vary": "Accept-Language"}
    url = f"{site.url}/many"
    await library.refresh([url])
    with speak("de"):
        assert (await library.ensure(url)).sections[-1].text == "All have 26 days."
        clock.now += timedelta(minutes=10)
        for address in (url, f"{site.url}/moved"):
            assert (await library.ensure(address)).sections[-1].text == "All have 26 days."
    assert [one.url for one in await library.pages()] == [url]


async def test_what_somebody_pasted_is_in_nobody_elses_search(
    library: Library, site: Site, folder: Path
) -> None:
    site.texts["/leave"] = "The secret party is on Friday."
    await library.refresh([str(folder)])
    page = await library.ensure(f"{site.url}/leave")
    assert await texts(library, "secret party", page.url) == ["The secret party is on Friday."]
    assert not any("secret" in text for text in await texts(library, "secret party"))
    await library.refresh([page.url])
    assert (await texts(library, "secret party"))[0] == "The secret party is on Friday."


async def test_a_redirect_ends_at_the_page_it_leads_to(library: Library, site: Site) -> None:
    page = await library.ensure(f"{site.url}/old")
    assert page.url == f"{site.url}/leave"
    assert await library.ensure(f"{site.url}/old") == page
    assert site.asked == ["/old", "/leave"]
    assert len(await texts(library, "leave", f"{site.url}/old")) == 1


async def test_our_own_pages_are_never_fetched(
    library: Library, folder: Path, site: Site, clock: Clock
) -> None:
    await library.refresh([str(folder)])
    clock.now += timedelta(days=9)
    for url in ("/site/docs/leave#x", "https://bot.example.com/site/docs/leave", "/site/docs/leave/"):
        assert (await library.ensure(url)).url == "/site/docs/leave"
    with pytest.raises(PageUnreachable, match="no page /site/docs/other"):
        await library.ensure("https://bot.example.com/site/docs/other")
    assert site.asked == []


async def test_a_published_folder_is_read_from_the_folder(library: Library, folder: Path, site: Site) -> None:
    await library.refresh([f"{folder}={site.url}/help"])
    for url in (f"{site.url}/help/leave/", f"{site.url}/help/leave"):
        assert (await library.ensure(url)).url == f"{site.url}/help/leave/"
    assert site.asked == []


async def test_many_who_paste_a_page_share_one_fetch(library: Library, site: Site) -> None:
    site.gate.clear()
    askers = [asyncio.create_task(library.ensure(f"{site.url}/leave")) for _ in range(5)]
    await site.reached.wait()
    askers[0].cancel()
    site.gate.set()
    pages = await asyncio.gather(*askers, return_exceptions=True)
    assert isinstance(pages[0], asyncio.CancelledError)
    assert {page.url for page in pages[1:] if not isinstance(page, BaseException)} == {f"{site.url}/leave"}
    assert site.asked == ["/leave"]


async def test_a_page_of_a_source_outlives_its_site_and_a_pasted_one_does_not(
    library: Library, site: Site, clock: Clock
) -> None:
    await library.refresh([f"{site.url}/leave"])
    await library.ensure(f"{site.url}/travel")
    site.texts.clear()
    clock.now += timedelta(seconds=301)
    assert (await library.ensure(f"{site.url}/leave")).url == f"{site.url}/leave"
    with pytest.raises(PageUnreachable):
        await library.ensure(f"{site.url}/travel")


async def test_a_refused_address_is_refused_with_a_sentence(library: Library) -> None:
    for url in (
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://[",
        "//evil.example/x",
        "nonsense",
    ):
        with pytest.raises(AddressRefused):
            await library.ensure(url)


async def test_a_pasted_page_is_forgotten_after_a_week(library: Library, site: Site, clock: Clock) -> None:
    await library.ensure(f"{site.url}/leave")
    await library.refresh([f"{site.url}/travel"])
    clock.now += timedelta(days=8)
    report = await library.refresh([f"{site.url}/travel"])
    assert report.removed == 0
    assert [entry.url for entry in await library.pages()] == [f"{site.url}/travel"]


async def test_a_pasted_page_is_forgotten_without_a_refresh_and_leaves_nothing_in_the_file(
    tmp_path: Path, site: Site, clock: Clock
) -> None:
    site.texts["/leave"] = "The xylophone-omelette is served on Fridays."
    index = await FileIndex.open(tmp_path / "index", HashedEmbedder())
    limits = FetchLimits(allowed_sites=(site.url.removeprefix("http://"),))
    async with Fetcher(limits, is_allowed_address=lambda _: True) as fetcher:
        library = Library(index, fetcher, now=clock)
        await library.ensure(f"{site.url}/leave")

        def on_disk() -> bytes:
            return b"".join(path.read_bytes() for path in (tmp_path / "index").iterdir())

        assert b"xylophone" in on_disk()
        clock.now += timedelta(days=6)
        await library.forget_pasted()
        assert len(await library.pages()) == 1
        clock.now += timedelta(days=1, seconds=1)
        await library.forget_pasted()
        assert await library.pages() == []
        assert b"xylophone" not in on_disk()
        await library.close()
    await index.close()


async def test_pages_and_sources_can_be_forgotten(library: Library, folder: Path, site: Site) -> None:
    await library.refresh([str(folder), f"{site.url}/leave"])
    assert await library.forget("/site/docs/leave#x")
    assert not await library.forget("/site/docs/leave")
    assert await library.forget_source(str(folder)) == 1
    assert [entry.url for entry in await library.pages()] == [f"{site.url}/leave"]


async def test_a_server_that_only_dates_its_pages_is_asked_by_date(library: Library, site: Site) -> None:
    site.dates = {"/leave": "Mon, 23 Nov 2026 08:00:00 GMT", "/travel": "today"}
    await library.refresh([f"{site.url}/sitemap.xml"])
    report = await library.refresh([f"{site.url}/sitemap.xml"])
    assert (report.unchanged, site.unchanged) == (2, 1)
    site.texts["/leave"], site.dates["/leave"] = "Everyone gets 27 days.", "Mon, 23 Nov 2026 09:00:00 GMT"
    report = await library.refresh([f"{site.url}/sitemap.xml"])
    assert (report.changed, report.unchanged) == (1, 1)


async def test_a_page_that_its_sitemap_names_in_vain_is_forgotten(library: Library, site: Site) -> None:
    await library.refresh([f"{site.url}/sitemap.xml"])
    del site.texts["/travel"]
    site.named = ["/travel"]
    report = await library.refresh([f"{site.url}/sitemap.xml"])
    assert (report.removed, len(report.problems)) == (1, 1)
    assert [entry.url for entry in await library.pages()] == [f"{site.url}/leave"]


async def test_a_site_that_loses_most_of_its_pages_at_once_is_not_believed(
    library: Library, site: Site
) -> None:
    site.texts["/sick"] = "Call before nine."
    await library.refresh([f"{site.url}/sitemap.xml"])
    for path in ("/travel", "/sick"):
        del site.texts[path]
        site.named.append(path)
    report = await library.refresh([f"{site.url}/sitemap.xml"])
    assert report.removed == 0
    assert "a mistake there" in report.problems[-1].sentence
    assert len(await library.pages()) == 3


async def test_a_source_of_one_page_goes_with_its_page(library: Library, site: Site) -> None:
    source = f"{site.url}/leave"
    await library.refresh([source])
    del site.texts["/leave"]
    report = await library.refresh([source])
    assert (report.removed, await library.pages()) == (1, [])
    assert (await library.refresh([source])).removed == 0


HR = Readers(frozenset({"entra:group:hr"}))


async def close_page(library: Library, url: str, readers: Readers = HR) -> None:
    """Let a source that is signed in know a page, with text that only its readers see."""
    text = (Section("Pay", "pay", "The bonus is 12,000 euros."),)
    kept = Page(url, "Pay", text, page_hash("Pay", text), datetime.now(UTC), readers=readers)
    await library._index.add(kept, source="wiki")


async def refuse(library: Library, url: str, audience: tuple[str, ...] = ()) -> str:
    with reading_as(audience), pytest.raises(PageRefused) as refused:
        await library.ensure(url)
    return f"{type(refused.value).__name__}: {refused.value}".replace(url.partition("#")[0], "")


async def test_a_restricted_page_is_refused_as_if_nobody_had_read_it_in(library: Library, site: Site) -> None:
    for url, unknown in ((f"{site.url}/hr", f"{site.url}/none"), ("/site/hr", "/site/none")):
        await close_page(library, url)
        assert await refuse(library, url) == await refuse(library, unknown)
        assert await refuse(library, f"{url}#pay", ("entra:group:it",)) == await refuse(library, unknown)
        with reading_as(HR.principals or ()):
            assert (await library.ensure(url)).sections[0].text == "The bonus is 12,000 euros."
            assert [hit.passage.url for hit in await library.search("bonus", 5, url)] == [f"{url}#pay"]
        assert await library.search("bonus", 5, url) == []
    assert "/hr" in site.asked, "its site is asked as by anybody who does not sign in"


async def test_what_a_site_shows_to_anybody_does_not_open_a_restricted_page(
    library: Library, site: Site, clock: Clock
) -> None:
    url = f"{site.url}/leave"
    await close_page(library, url)
    clock.now += timedelta(hours=1)
    for asked in (url, f"{site.url}/old"):  # the second one leads to the first
        assert "SignInNeeded" in await refuse(library, asked)
        with reading_as(HR.principals or ()):
            assert (await library.ensure(asked)).sections[0].text == "The bonus is 12,000 euros."
    entry = await library._entry(url)
    assert entry is not None
    assert (entry.readers, entry.source) == (HR, "wiki")


async def test_a_folder_says_who_may_read_its_files_and_changes_its_mind(
    library: Library, tmp_path: Path
) -> None:
    folder = tmp_path / "plans"
    folder.mkdir()
    (folder / "open.md").write_text("# Leave\n\nEveryone gets 26 days.")
    pay = folder / "pay.md"

    async def refresh(front: str) -> tuple[set[str], set[str]]:
        pay.write_text(f"---\n{front}\n---\n# Pay\n\nThe bonus is 12,000 euros.")
        await library.refresh([str(folder)])
        with reading_as(HR.principals or ()):
            inside = {hit.passage.title for hit in await library.search("bonus and leave", 9)}
        return {hit.passage.title for hit in await library.search("bonus and leave", 9)}, inside

    assert await refresh("readers: entra:group:hr") == ({"Leave"}, {"Leave", "Pay"})
    assert await refresh("title: Pay") == ({"Leave", "Pay"}, {"Leave", "Pay"})
    assert await refresh("readers: nobody") == ({"Leave"}, {"Leave"})


async def test_a_source_says_anew_who_may_read_a_page_whose_text_is_as_it_was(library: Library) -> None:
    await close_page(library, "/site/hr")
    await library._take(Unchanged("/site/hr"), "wiki")
    assert library._index.restricted() == {"/site/hr": HR}
    await library._take(NewReaders("/site/hr", EVERYONE, ""), "wiki")
    assert library._index.restricted() == {}
    with reading_as(()):
        assert [hit.passage.url for hit in await library.search("bonus", 5)] == ["/site/hr#pay"]
