"""A SharePoint site as a source by Microsoft Graph: deltas, rights, pages, throttling, faults."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.readers import EVERYONE, NOBODY, Readers
from pages.fetch.client import FetchLimits
from pages.fetched import AddressRefused
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library as PageLibrary
from pages.sources import SourceAccess
from pages.sources.group_names import parse_group_names
from pages.sources.registry import find_author
from pages.sources.sharepoint.address import parse_site_address
from pages.sources.sharepoint.permissions import read_permissions
from tests.builders.source_reading import HERE, SourceReader
from tests.doubles.confluence import serve_on_loopback
from tests.doubles.graph_files import (
    EVERYONE_LOGIN,
    FILE_HOST,
    GRAPH_HOST,
    SECRET,
    SITE,
    GraphTenant,
    Library,
    group,
    link,
    site_group,
    user,
)

STAFF = Readers(frozenset({"entra:group:staff"}))


@pytest.fixture
async def tenant() -> AsyncIterator[GraphTenant]:
    tenant = GraphTenant()
    async with serve_on_loopback(tenant.answer) as tenant.port:
        yield tenant


@pytest.fixture
def docs(tenant: GraphTenant) -> Library:
    docs = tenant.library("b!docs", "Shared Documents")
    docs.add_folder("f1", "Leave & more")
    docs.add_file("i1", "leave.md", "# Leave\n\nEveryone gets 26 days of leave.", [group("staff")], "f1")
    docs.add_file("i2", "travel.txt", "Keep every receipt of a taxi.", [group("staff")])
    docs.add_file("i3", "photo.png", b"no page", [group("staff")])
    return docs


@pytest.fixture
def reader(tmp_path: Path, tenant: GraphTenant) -> SourceReader:
    hosts = (GRAPH_HOST, "login.example.com", FILE_HOST, "evil.example.com")
    sites = tuple(f"{host}:{tenant.port}" for host in hosts[:3])
    access = SourceAccess(
        tmp_path,
        sharepoint_tenant_id="tenant-1",
        sharepoint_client_id="app-1",
        sharepoint_client_secret=SECRET,
        graph_url=f"http://{GRAPH_HOST}:{tenant.port}",
        login_url=f"http://login.example.com:{tenant.port}/{{tenant}}",
    )
    limits = FetchLimits(allowed_sites=("*", *sites))
    return SourceReader(f"sharepoint+{SITE}", access, names={host: [HERE] for host in hosts}, limits=limits)


async def test_a_site_is_read_by_what_changed_and_a_folder_that_is_renamed_takes_its_files_along(
    tenant: GraphTenant, docs: Library, reader: SourceReader
) -> None:
    collected = await reader.read()
    assert (collected.failure, collected.problems, collected.remarks) == ("", [], [])
    assert sorted(collected.pages) == [
        f"{SITE}/Shared%20Documents/Leave%20%26%20more/leave.md",
        f"{SITE}/Shared%20Documents/travel.txt",
    ]
    assert {page.readers for page in collected.pages.values()} == {STAFF}
    assert tenant.leaked == []

    tenant.asked.clear()
    assert ((await reader.read()).unchanged, collected.fetched) == (2, 0)
    assert not [one for one in tenant.asked if one.endswith("/content")]

    docs.add_file("i1", "leave.md", "# Leave\n\nEveryone gets 28 days of leave.", [group("staff")], "f1")
    docs.add_folder("f1", "Leave")
    docs.remove("i2")
    docs.add_file("i4", "new.md", "# New\n\nIt is a new page.", [group("staff")], "f1")
    docs.add_file("i4", "newer.md", "# New\n\nIt is a newer page.", [group("staff")], "f1")
    await reader.read()
    assert sorted(collected.texts) == ["leave.md", "newer.md"]
    assert "28 days" in collected.texts["leave.md"]
    assert all("/Leave/" in url for url in collected.pages)

    docs.remove("f1", "@removed")
    await reader.read()
    assert collected.pages == {}


@pytest.mark.parametrize("says_where", [True, False])
async def test_a_link_that_is_too_old_lists_all_anew_and_what_is_not_there_is_gone(
    tenant: GraphTenant, docs: Library, reader: SourceReader, says_where: bool
) -> None:
    await reader.read()
    docs.remove("i2")
    tenant.oldest = len(docs.log) + 1
    tenant.resync_location = says_where
    docs.add_file("i5", "late.md", "# Late\n\nIt came later than the others.", [group("staff")])
    collected = await reader.read()
    assert (collected.failure, sorted(collected.texts)) == ("", ["late.md", "leave.md"])
    assert collected.fetched == 1


async def test_a_list_that_was_cut_off_goes_on_where_it_was_and_no_file_is_read_twice(
    tenant: GraphTenant, docs: Library, reader: SourceReader
) -> None:
    for at in range(9):
        docs.add_file(f"n{at}", f"n{at}.md", f"# N {at}\n\nThis is the page {at}.", [group("staff")])
    tenant.deltas_left = 2
    assert "longer pause" in (await reader.read()).failure
    assert not reader.collected.pages

    tenant.deltas_left = None
    tenant.asked.clear()
    await reader.read(most=4)
    assert len([one for one in tenant.asked if one.endswith("/delta")]) == 3  # of five
    collected = await reader.read()
    assert (len(collected.pages), collected.unchanged, collected.fetched) == (11, 4, 7)


async def test_rights_are_read_along_and_a_change_of_them_needs_no_new_look_at_a_file(
    tenant: GraphTenant, docs: Library, reader: SourceReader
) -> None:
    docs.rights["i1"] = [user("kim"), link("users", "lee"), link("organization", "max"), link("anonymous")]
    docs.rights["i2"] = [site_group("HR Members"), user("old", expirationDateTime="2020-01-01T00:00:00Z")]
    docs.add_file("i6", "rules.html", "<h1>Rules</h1><p>They hold for everybody here.</p>", [user("Kim")])
    collected = await reader.read()
    assert collected.pages[f"{SITE}/Shared%20Documents/Leave%20%26%20more/leave.md"].readers == Readers(
        frozenset({"entra:user:kim", "entra:user:lee", "entra:user:max"})
    )
    assert collected.pages[f"{SITE}/Shared%20Documents/travel.txt"].readers == NOBODY
    assert "“HR Members”" in collected.remarks[0]

    reader.access = replace(reader.access, sharepoint_groups=("HR Members=entra:group:hr",))
    docs.rights["i1"] = docs.rights["i6"] = [user("lee")]
    tenant.asked.clear()
    await reader.read()
    assert not [one for one in tenant.asked if one.endswith("/i6/content")]
    readers = {url.rpartition("/")[2]: str(page.readers) for url, page in collected.pages.items()}
    assert readers == {
        "leave.md": "entra:user:lee",
        "travel.txt": "entra:group:hr",
        "rules.html": "entra:user:lee",
    }
    assert collected.remarks == []


async def test_rights_that_cannot_be_read_close_a_page(
    tenant: GraphTenant, docs: Library, reader: SourceReader
) -> None:
    tenant.forbidden.add("/items/i2/permissions")
    collected = await reader.read()
    assert collected.pages[f"{SITE}/Shared%20Documents/travel.txt"].readers == NOBODY
    assert "rights of 1 pages cannot be read" in collected.remarks[0]
    assert "Sites.Selected" in collected.remarks[0]

    reader.source += "#readers=everyone"
    await reader.read()
    assert {page.readers for page in collected.pages.values()} == {EVERYONE}


async def test_published_pages_of_a_site_are_read_and_drafts_are_not(
    tenant: GraphTenant, reader: SourceReader
) -> None:
    library = tenant.library("b!pages", "SitePages", "list-1")
    library.add_file("p1", "Home.aspx", "", [group("staff")])
    library.add_file("p2", "Draft.aspx", "", [group("staff")])
    tenant.pages = {
        "1": _page("1", "Home", "Welcome to the team of HR."),
        "2": _page("2", "Draft", "Not yet."),
    }
    tenant.pages["2"]["publishingState"]["level"] = "draft"
    collected = await reader.read()
    assert collected.failure == ""
    (page,) = collected.pages.values()
    assert (page.url, page.title, page.readers) == (f"{SITE}/SitePages/Home.aspx", "Home", STAFF)
    assert "Welcome to the team of HR." in collected.texts["Home.aspx"]
    assert "Call 555" in collected.texts["Home.aspx"]

    tenant.pages["1"] |= {"eTag": "2", "publishingState": {"level": "draft"}}
    await reader.read()
    assert (collected.unchanged, len(collected.pages)) == (1, 1)

    tenant.forbidden.add("/pages/microsoft.graph.sitePage")
    await reader.read()
    assert (collected.failure, len(collected.pages)) == ("", 1)
    assert "only its files" in collected.remarks[0]
    assert "Sites.Read.All" in collected.remarks[0]

    tenant.forbidden.clear()
    del tenant.pages["1"]
    await reader.read()
    assert collected.pages == {}


def _page(number: str, name: str, text: str) -> dict[str, Any]:
    standard = {
        "data": {"serverProcessedContent": {"searchablePlainTexts": [{"key": "t", "value": "Call 555"}]}}
    }
    return {
        "id": number,
        "title": name,
        "name": f"{name}.aspx",
        "webUrl": f"{SITE}/SitePages/{name}.aspx",
        "eTag": "1",
        "publishingState": {"level": "published", "versionId": "1.0"},
        "canvasLayout": {
            "horizontalSections": [{"columns": [{"webparts": [{"innerHtml": f"<p>{text}</p>"}]}]}],
            "verticalSection": {"webparts": [standard]},
        },
    }


async def test_who_changed_a_file_or_a_page_last_is_told_when_asked_and_an_app_is_nobody(
    tenant: GraphTenant, docs: Library, reader: SourceReader, tmp_path: Path
) -> None:
    pages = tenant.library("b!pages", "SitePages", "list-1")
    pages.add_file("p1", "Home.aspx", "", [], lastModifiedBy={"user": {"id": "aad-kim"}})
    docs.items["i1"] |= {
        "createdBy": {"user": {"id": "aad-ada"}},
        "lastModifiedBy": {"application": {"id": "x"}},
    }
    docs.items["i2"] |= {"lastModifiedBy": {"application": {"id": "x"}}}
    index = await FileIndex.open(tmp_path / "pages", HashedEmbedder())
    async with reader.fetcher() as fetcher:
        library = PageLibrary(index, fetcher, access=reader.access)
        await library.refresh([reader.source])
        there = {urlsplit(one.url).path.rpartition("/")[2]: one.url for one in await library.pages()}
        assert await library.find_author(there["leave.md"]) == "aad-ada"
        assert await library.find_author(there["travel.txt"]) == ""
        assert await library.find_author(f"{SITE}/Unknown/leave.md") == ""
        source = reader.source
        assert await find_author(source, f"{SITE}/SitePages/Home.aspx", reader.access, fetcher) == "aad-kim"
        assert await find_author(source, "https://evil.example.com/Home.aspx", reader.access, fetcher) == ""
        assert await find_author(str(tmp_path), "/site/x", reader.access, fetcher) == ""
        await library.close()
    await index.close()


async def test_a_service_that_asks_for_patience_gets_it_in_batches_too(
    tenant: GraphTenant, docs: Library, reader: SourceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def wait(delay_s: float) -> None:
        waited.append(delay_s)

    monkeypatch.setattr("pages.sources.rest.pause", wait)
    tenant.busy = ["4"]
    tenant.busy_in_batch = 3
    collected = await reader.read()
    assert (collected.failure, len(collected.pages)) == ("", 2)
    assert waited == [4.0, 2.0, 2.0]


async def test_a_token_that_expired_is_got_anew_once(
    tenant: GraphTenant, docs: Library, reader: SourceReader
) -> None:
    tenant.expired.add("token-1")
    collected = await reader.read()
    assert (collected.failure, len(collected.pages), tenant.tokens) == ("", 2, 2)


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        (({}, {"sharepoint_client_secret": "wrong"}), "client secret is wrong"),
        (({}, {"sharepoint_client_secret": ""}), "set sharepoint_tenant_id"),
        (({"forbidden": {"/sites/"}}, {}), "Sites.Selected with a grant"),
        (({"forbidden": {"/delta"}}, {}), "Sites.Read.All"),
        (({"endless": True}, {}), "60 calls"),
        (({"next_host": "http://evil.example.com", "at_a_time": 1}, {}), "token must not go"),
        (({"expired": {f"token-{at}" for at in range(9)}}, {}), "does not take the app's token"),
    ],
)
async def test_a_fault_is_one_sentence_without_a_secret_and_nothing_is_forgotten(
    faults: tuple[dict[str, Any], dict[str, str]],
    sentence: str,
    tenant: GraphTenant,
    docs: Library,
    reader: SourceReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault, access = faults
    await reader.read()
    monkeypatch.setattr("pages.sources.rest.MOST_CALLS", 60)
    for name, value in fault.items():
        setattr(tenant, name, value)
    reader.access = replace(reader.access, **access)
    collected = await reader.read()
    assert sentence in collected.failure
    assert SECRET not in collected.failure + repr(reader.access)
    assert "token-" not in collected.failure
    assert len(collected.pages) == 2
    assert tenant.leaked == []


async def test_what_a_hostile_library_has_is_left_out_and_said(
    tenant: GraphTenant, docs: Library, reader: SourceReader
) -> None:
    docs.add_file("h1", "..", "x", [group("staff")])
    docs.add_folder("h2", "..")
    docs.add_file("h3", "up.md", "# Up\n\nIt stands in a folder of two dots.", [group("staff")], "h2")
    docs.add_file("h4", "a/b.md", "# Slash\n\nIts name has a slash in it.", [group("staff")])
    docs.add_file("h5", "big.txt", b"x", [group("staff")], size=9_000_000)
    docs.add_file("h6", "orphan.md", "# Orphan", [group("staff")], "nowhere")
    docs.add_folder("h7", "circle", "h8")
    docs.add_folder("h8", "circle", "h7")
    docs.add_file("h9", "round.md", "# Round", [group("staff")], "h7")
    docs.add_file("h10", "grown.txt", b"word " * 2_000_000, [group("staff")], size=10)
    collected = await reader.read()
    assert sorted(collected.texts) == ["a%2Fb.md", "leave.md", "travel.txt"]
    said = {one.url.rpartition("/")[2]: one.sentence for one in collected.problems}
    assert said.keys() == {"big.txt", "grown.txt"}
    assert all("larger than 5 MB" in one for one in said.values())


async def test_one_library_or_one_folder_of_it_can_be_named(
    tenant: GraphTenant, docs: Library, reader: SourceReader
) -> None:
    tenant.library("b!other", "Other").add_file(
        "o1", "other.md", "# Other\n\nAnother library.", [group("staff")]
    )
    reader.source = f"sharepoint+{SITE}/Shared%20Documents/Leave%20&%20more"
    assert sorted((await reader.read()).texts) == ["leave.md"]
    reader.source = f"sharepoint+{SITE}/Nothing"
    assert "has no library Nothing" in (await reader.read()).failure


@pytest.mark.parametrize(
    ("address", "path", "library", "folder"),
    [
        ("https://x.sharepoint.com", "", "", ()),
        ("https://x.sharepoint.com/sites/HR/", "/sites/HR", "", ()),
        ("https://x.sharepoint.com/sites/HR/SitePages/Home.aspx", "/sites/HR", "SitePages", ()),
        ("https://x.sharepoint.com/teams/HR/Docs/Forms/AllItems.aspx", "/teams/HR", "Docs", ()),
        (
            "https://x.sharepoint.com/sites/HR/Docs/Forms/AllItems.aspx?id=%2Fsites%2FHR%2FDocs%2FA%20b%2FC",
            "/sites/HR",
            "Docs",
            ("A b", "C"),
        ),
        ("https://x-my.sharepoint.com/personal/kim_x_com", "/personal/kim_x_com", "", ()),
    ],
)
def test_a_site_is_known_by_the_address_in_the_browser(
    address: str, path: str, library: str, folder: tuple[str, ...]
) -> None:
    found = parse_site_address(address)
    assert (found.path, found.library, found.folder) == (path, library, folder)


@pytest.mark.parametrize(
    "address",
    [
        "http://x.sharepoint.com/sites/HR",
        "https://x.sharepoint.com/:f:/r/sites/HR",
        "https://x.sharepoint.com/sites",
        "https://x.sharepoint.com/sites/HR/..%2F..",
        "https://x.sharepoint.com/sites/%2e%2e/HR",
    ],
)
def test_another_address_is_no_site(address: str) -> None:
    with pytest.raises(AddressRefused):
        parse_site_address(address)


def _granted(**identity: Any) -> dict[str, Any]:
    return {"roles": ["read"], "grantedToV2": identity}


GUID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("permission", "readers"),
    [
        (_granted(group={"id": GUID}, siteUser={"displayName": "Everyone"}), f"entra:group:{GUID}"),
        (_granted(siteUser={"loginName": f"c:0t.c|tenant|{GUID}"}), f"entra:group:{GUID}"),
        (
            _granted(siteUser={"loginName": f"c:0o.c|federateddirectoryclaimprovider|{GUID}"}),
            f"entra:group:{GUID}",
        ),
        (_granted(siteUser={"loginName": f"c:0o.c|federateddirectoryclaimprovider|{GUID}_o"}), "nobody"),
        (_granted(siteUser={"loginName": EVERYONE_LOGIN, "displayName": "Everyone except guests"}), "nobody"),
        (_granted(siteGroup={"displayName": "Staff of all"}), "everyone"),
        (_granted(siteGroup={"displayName": "hr members"}), "entra:group:a, entra:group:b"),
        (_granted(user={"id": "x,entra:user:y"}), "nobody"),
        (_granted(application={"id": "app"}), "nobody"),
        ({"roles": [], "grantedToV2": {"user": {"id": "kim"}}}, "nobody"),
        (user("kim", expirationDateTime="2026-11-30T10:00:00Z"), "nobody"),
        (user("kim", expirationDateTime="0001-01-01T00:00:00Z"), "entra:user:kim"),
        (user("kim", expirationDateTime="soon"), "nobody"),
        (link("anonymous"), "nobody"),
        (link("users", "lee"), "entra:user:lee"),
    ],
)
def test_a_permission_opens_a_file_to_those_whom_it_names(permission: dict[str, Any], readers: str) -> None:
    setting = ["HR Members=entra:group:a", "HR Members=entra:group:b", "Staff of all=everyone"]
    names = parse_group_names("sharepoint_groups", setting)
    assert str(read_permissions([permission], names, datetime(2026, 11, 30, 11, tzinfo=UTC))) == readers


@pytest.mark.parametrize("setting", ["HR Members", "=everyone", "HR Members=Kim"])
def test_names_of_groups_are_written_in_one_way(setting: str) -> None:
    with pytest.raises(Exception, match=r"sharepoint_groups|names no reader"):
        parse_group_names("sharepoint_groups", [setting])


async def test_what_is_remembered_has_no_secret_in_it(
    tenant: GraphTenant, docs: Library, reader: SourceReader
) -> None:
    await reader.read()
    kept = "".join(path.read_text() for path in reader.folder.rglob("*.json"))
    assert "leave.md" in kept
    assert SECRET not in kept
    assert "token-1" not in kept
    json.loads(kept)
