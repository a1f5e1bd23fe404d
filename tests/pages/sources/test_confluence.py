"""A space of Confluence as a source, Cloud and Data Center: deletions, restrictions, throttling, faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.readers import EVERYONE, NOBODY, Readers
from pages.fetch.client import FetchLimits
from pages.fetched import AddressRefused
from pages.sources import SourceAccess
from pages.sources.confluence.address import parse_space_address
from pages.sources.confluence.readers import combine, read_restriction, read_space_readers
from pages.sources.group_names import parse_group_names
from tests.builders.source_reading import HERE, SourceReader
from tests.doubles.confluence import Confluence, Content, File, serve_on_loopback

CLOUD, SERVER = "example.atlassian.net", "wiki.example.com"
TOKEN = "tok-SECRET"  # noqa: S105
STAFF = Readers(frozenset({"confluence:group:staff", "entra:group:s-1"}))


@pytest.fixture(params=["cloud", "data center"])
async def wiki(request: pytest.FixtureRequest) -> AsyncIterator[Confluence]:
    if request.param == "cloud":
        wiki = Confluence(True, "Basic a2ltQGV4YW1wbGUuY29tOnRvay1TRUNSRVQ=")
    else:
        wiki = Confluence(False, f"Bearer {TOKEN}", context="")
    wiki.add(
        Content("1", "Home", "<p>Welcome to the handbook of the company.</p>"),
        Content("2", "Leave", "<p>Everyone gets 26 days of leave.</p>", ancestors=("1",)),
        Content("3", "News", "<p>The office is closed on Friday.</p>", type="blogpost"),
    )
    async with serve_on_loopback(wiki.answer) as wiki.port:
        yield wiki


@pytest.fixture
def reader(tmp_path: Path, wiki: Confluence) -> SourceReader:
    site = f"{CLOUD if wiki.cloud else SERVER}:{wiki.port}"
    user = "kim@example.com:" if wiki.cloud else ""
    return SourceReader(
        f"confluence+http://{site}{wiki.context}/spaces/HR",
        SourceAccess(
            tmp_path,
            confluence_tokens=f"other.example.com=x, {site}={user}{TOKEN}",
            confluence_groups=("Staff=entra:group:S-1", "confluence-users=everyone", "board=entra:group:b"),
        ),
        names={CLOUD: [HERE], SERVER: [HERE], "media.example.com": [HERE]},
        limits=FetchLimits(allowed_sites=("*", site, f"media.example.com:{wiki.port}")),
    )


async def test_a_space_is_read_and_what_changed_or_vanished_there_is_so_here(
    wiki: Confluence, reader: SourceReader
) -> None:
    collected = await reader.read()
    assert (collected.failure, collected.problems, collected.remarks) == ("", [], [])
    assert {page.title for page in collected.pages.values()} == {"Home", "Leave", "News"}
    assert "26 days" in collected.texts["2"]
    assert {page.readers for page in collected.pages.values()} == {STAFF}
    assert all(
        page.url.startswith("http://") and "/spaces/HR/pages/" in page.url
        for page in collected.pages.values()
    )

    wiki.asked.clear()
    assert ((await reader.read()).unchanged, collected.fetched) == (3, 0)
    assert not [one for one in wiki.asked if one.endswith(("pages/2", "content/2"))]

    wiki.add(replace(wiki.contents["2"], version=2, html="<p>Everyone gets 28 days of leave.</p>"))
    del wiki.contents["3"]
    await reader.read()
    assert (collected.fetched, collected.unchanged, sorted(collected.texts)) == (1, 1, ["1", "2"])
    assert "28 days" in collected.texts["2"]


async def test_a_page_is_open_to_those_whom_it_and_the_pages_above_it_let_in(
    wiki: Confluence, reader: SourceReader
) -> None:
    wiki.add(
        Content("4", "Pay", "<p>What the board earns in a year.</p>", groups=("board", "hr team")),
        Content("5", "Bonus", "<p>What the board may add to it.</p>", ancestors=("4",), groups=("hr team",)),
        Content(
            "6", "Kim", "<p>A page for Kim and nobody else.</p>", users=("kim-1",), hides_restrictions=True
        ),
        Content("7", "Below", "<p>It stands below the pay.</p>", ancestors=("1", "4")),
        Content("8", "Both", "<p>Nobody is in both groups.</p>", ancestors=("4",), groups=("others",)),
    )
    wiki.subjects = [("group", "staff"), ("group", "confluence-users")]
    collected = await reader.read()
    board, team = {"confluence:group:board", "entra:group:b"}, {"confluence:group:hr%20team"}
    readers = {url.rpartition("/")[2]: page.readers for url, page in collected.pages.items()}
    assert readers["2"] == EVERYONE
    assert readers["4"] == readers["7"] == Readers(frozenset(board | team))
    assert readers["5"] == Readers(frozenset(team))
    assert readers["6"] == Readers(frozenset({"confluence:user:kim-1"}))
    assert readers["8"] == NOBODY
    assert "“hr team”, “others”" in collected.remarks[0]
    assert "such as “Both”" in collected.remarks[1]

    wiki.add(replace(wiki.contents["4"], groups=("board",)))  # no new version of the page
    await reader.read()
    readers = {url.rpartition("/")[2]: page.readers for url, page in collected.pages.items()}
    assert collected.fetched == 0
    assert readers["4"] == readers["7"] == Readers(frozenset(board))
    assert readers["5"] == NOBODY


async def test_files_of_pages_are_read_by_those_who_may_read_the_pages(
    wiki: Confluence, reader: SourceReader
) -> None:
    wiki.add(Content("4", "Pay", "<p>What the board earns in a year.</p>", groups=("board",)))
    csv = b"Grade,Days\nA,26\nB,28\n"
    files = [
        File("att1", "2", "days.csv", csv, "text/csv"),
        File("att2", "4", "pay.md", b"# Pay\n\nThe board earns enough."),
        File("att3", "2", "photo.png", b"\x89PNG", "image/png"),
        File("att4", "99", "draft.md", b"Of a page that is not listed."),
        File("att5", "2", "far.md", b"Elsewhere.", download="//evil.example.com/far.md"),
    ]
    wiki.files = {one.id: one for one in files}
    collected = await reader.read()
    readers = {url.rpartition("/")[2]: page.readers for url, page in collected.pages.items()}
    assert {name for name in readers if "." in name} == {"days.csv", "pay.md"}
    assert readers["days.csv"] == readers["2"] == STAFF
    assert readers["pay.md"] == readers["4"]
    assert readers["4"] != STAFF
    assert "Grade | Days" in collected.texts["days.csv"]

    assert ((await reader.read()).fetched, collected.failure) == (0, "")
    wiki.add(replace(wiki.contents["2"], groups=("board",)))  # its file follows it
    wiki.files["att2"] = replace(files[1], version=2, body=b"# Pay\n\nThe board earns less.")
    del wiki.files["att1"]
    await reader.read()
    assert "earns less" in collected.texts["pay.md"]
    assert "days.csv" not in collected.texts


async def test_where_no_files_can_be_listed_the_pages_are_read(
    wiki: Confluence, reader: SourceReader
) -> None:
    if wiki.cloud:
        return  # its pages are listed by the same call
    wiki.forbidden.add("/rest/api/content/search")
    collected = await reader.read()
    assert sorted(collected.texts) == ["1", "2", "3"]
    assert "Files that are attached to its pages are not read" in collected.remarks[0]


async def test_what_cannot_be_told_is_closed_and_said(wiki: Confluence, reader: SourceReader) -> None:
    wiki.add(Content("9", "Below a hidden page", "<p>Who may read this is not known.</p>", ancestors=("77",)))
    wiki.forbidden.add("/api/v2/spaces/98306/permissions" if wiki.cloud else "/rest/api/space/HR/permissions")
    collected = await reader.read()
    assert {page.readers for page in collected.pages.values()} == {NOBODY}
    assert "administer it" in collected.remarks[0]
    assert "restrictions of 1 pages cannot be read" in collected.remarks[1]

    reader.source += "#readers=everyone"
    await reader.read()
    assert {page.readers for page in collected.pages.values()} == {EVERYONE}
    assert collected.remarks == []


async def test_a_service_that_asks_for_patience_gets_it(
    wiki: Confluence, reader: SourceReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def wait(delay_s: float) -> None:
        waited.append(delay_s)

    monkeypatch.setattr("pages.sources.rest.pause", wait)
    wiki.busy = ["3", "Mon, 01 Jan 2024 00:00:00 GMT", "soon"]
    collected = await reader.read()
    assert (len(collected.pages), waited) == (3, [3.0, 0.0, 5.0])

    wiki.busy = ["100000"]
    assert "longer pause" in (await reader.read()).failure
    assert len(collected.pages) == 3

    wiki.busy = ["1"] * 50
    assert "is busy" in (await reader.read()).failure


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"authorization": "Bearer another"}, "is wrong or has expired"),
        ({"forbidden": {"/rest/api/content", "/api/v2/spaces"}}, "permission to view the space HR"),
        ({"endless": True}, "in a circle|more than 10 pages"),
        ({"next_host": "http://evil.example.com", "at_a_time": 1}, "token must not go"),
    ],
)
async def test_a_fault_is_one_sentence_without_the_token_and_nothing_is_forgotten(
    fault: dict[str, object],
    sentence: str,
    wiki: Confluence,
    reader: SourceReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pages.sources.rest.MOST_CALLS", 60)
    await reader.read()
    for name, value in fault.items():
        setattr(wiki, name, value)
    collected = await reader.read()
    assert any(one in collected.failure for one in [*sentence.split("|"), "more than 60 calls"])
    assert TOKEN not in collected.failure
    assert len(collected.pages) == 3


async def test_a_page_that_a_list_leaves_out_by_mistake_is_not_forgotten(
    wiki: Confluence, reader: SourceReader
) -> None:
    await reader.read()
    wiki.unlisted = {"2"}
    collected = await reader.read()
    assert "the page 2 is there and not listed" in collected.failure
    assert len(collected.pages) == 3
    wiki.unlisted = set()
    assert ((await reader.read()).failure, collected.unchanged) == ("", 3)


async def test_a_token_is_for_one_host_and_a_redirect_does_not_get_it(
    wiki: Confluence, reader: SourceReader
) -> None:
    reader.access = replace(reader.access, confluence_tokens=f"other.example.com={TOKEN}")
    assert "put one into the setting confluence_tokens" in (await reader.read()).failure
    assert wiki.asked == []
    assert TOKEN not in repr(reader.access)


async def test_a_part_of_a_space_is_a_page_with_what_stands_below_it(
    wiki: Confluence, reader: SourceReader
) -> None:
    reader.source += "/pages/1/Home"
    assert sorted((await reader.read()).texts) == ["1", "2"]


async def test_the_old_service_tells_who_may_see_a_space(wiki: Confluence, reader: SourceReader) -> None:
    wiki.has_permissions_api = False
    wiki.subjects = [("user", "kim"), ("group", "staff")]
    collected = await reader.read()
    assert {page.readers for page in collected.pages.values()} == {
        Readers(STAFF.principals and STAFF.principals | {"confluence:user:kim"})
    }


async def test_links_of_a_hostile_service_stay_on_its_site(wiki: Confluence, reader: SourceReader) -> None:
    wiki.contents.clear()
    wiki.add(
        Content("1", "Out", "<p>Its link leads to another host.</p>", webui="//evil.example.com/x"),
        Content("2", "Script", "<p>Its link is a script of a kind.</p>", webui="javascript:alert(1)"),
        Content("3", "<b>Bold</b>", "<p>Its title has tags, which are no tags.</p>", webui="/../../x\\y"),
    )
    collected = await reader.read()
    assert len(collected.pages) == 3
    assert {parse_space_address(reader.source.partition("+")[2]).site.site} == {
        url.split("/")[2] for url in collected.pages
    }
    assert "<b>Bold</b>" in {page.title for page in collected.pages.values()}


@pytest.mark.parametrize(
    ("address", "base", "space", "page"),
    [
        (
            "https://example.atlassian.net/wiki/spaces/HR/overview",
            "https://example.atlassian.net/wiki",
            "HR",
            "",
        ),
        ("https://wiki.example.com/display/HR", "https://wiki.example.com", "HR", ""),
        ("https://wiki.example.com/display/~kim/Notes", "https://wiki.example.com", "~kim", ""),
        (
            "https://example.com/confluence/spaces/HR/pages/12/Leave",
            "https://example.com/confluence",
            "HR",
            "12",
        ),
        ("https://wiki.example.com/spaces/viewspace.action?key=HR", "https://wiki.example.com", "HR", ""),
    ],
)
def test_a_space_is_known_by_the_address_in_the_browser(
    address: str, base: str, space: str, page: str
) -> None:
    found = parse_space_address(address)
    assert (found.base, found.space, found.page) == (base, space, page)


@pytest.mark.parametrize(
    "address",
    ["https://wiki.example.com/", "https://wiki.example.com/display/H%22R", "https://x/wiki/spaces/"],
)
def test_another_address_is_no_space(address: str) -> None:
    with pytest.raises(AddressRefused, match="is the address of a space"):
        parse_space_address(address)


def test_readers_are_as_closed_as_the_closest() -> None:
    names = parse_group_names("confluence_groups", ["all=everyone", "Kim-1=entra:user:K"])
    group = {"type": "group", "name": "staff"}
    assert read_space_readers([{"type": "anonymous"}, group], names) == EVERYONE
    assert read_space_readers([group, {"type": "group", "name": "ALL"}], names) == EVERYONE
    assert read_space_readers([{"type": "role", "id": "5"}], names) == NOBODY
    assert read_restriction({}, names) == EVERYONE
    assert read_restriction({"user": {"results": [], "size": 0}, "group": {"size": 0}}, names) == EVERYONE
    assert read_restriction({"user": {"results": [], "size": 2}}, names) == NOBODY
    assert read_restriction({"user": {"results": [{}], "size": 1}}, names) == NOBODY
    kim = read_restriction({"user": {"results": [{"accountId": "kim-1"}]}}, names)
    assert str(kim) == "confluence:user:kim-1, entra:user:k"
    assert combine(EVERYONE, [EVERYONE, kim]) == kim
    assert combine(read_space_readers([group], names), [kim]) == NOBODY
    assert combine(NOBODY, [EVERYONE]) == NOBODY
    assert names.unknown == {"staff"}
