"""The operators' page over HTTP: forged, replayed, by the wrong person; and of two at once one wins."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from bot.administration.console import Administration, Shown
from bot.administration.programs import Programs
from bot.administration.sources import SourceAdmin
from bot.administration.versions import VersionAdmin
from bot.bootstrap import PageServices
from bot.card_tokens import CardSigner
from bot.dialogs.models import Deciding
from bot.page_invites import Operators
from bot.page_passes import LINK_S, PASS_S, PagePasses, Visitor
from bot.web.access import BODY_LIMIT
from bot.web.admin.routes import admin_routes
from bot.web.page_guard import PageGuard
from feedback.privacy.audit import Audit, AuditAction
from feedback.reviews import model_decisions
from feedback.reviews.model_decisions import Choice
from feedback.reviews.repository import ReviewRepository
from model.registry.rollout import promote
from model.registry.versions import read_rollout
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.sources import read_added_sources
from tests.builders.comparisons import a_comparison
from tests.builders.serving import served
from tests.builders.versions import make_version
from tests.builders.world import (
    KEY,
    MemoryDocuments,
)

Json = dict[str, Any]
OLGA = Visitor("p-olga", "aad-olga", "Olga", "msteams")
PETE = Visitor("p-pete", "aad-pete", "Pete", "msteams")
BOB = Visitor("p-bob", "aad-bob", "Bob", "msteams")
HERE = Visitor("p-here", "here", "The operator of this machine", "local")
SAYS = "import json, sys; print(json.dumps({'findings': [{'matter': 'disk', 'level': 'ok', 'says': ' '.join(sys.argv[1:])}]}))"  # noqa: E501
SETTING = {"name": "port", "value": "1", "default": "2", "origin": "option", "description": ""}


@dataclass
class Office:
    """The page on a port, with all that it stands on."""

    url: str
    http: aiohttp.ClientSession
    documents: MemoryDocuments
    passes: PagePasses
    administration: Administration
    folder: Path
    models_dir: Path
    tokens: dict[str, str] = field(default_factory=dict[str, str])

    def show_pass(self, who: Visitor) -> dict[str, str]:
        token = self.tokens.setdefault(who.person, make_token(self.passes, who))
        return {"Authorization": f"Bearer {token}"}

    async def read(self, who: Visitor = OLGA) -> Json:
        async with self.http.get(f"{self.url}/admin/data", headers=self.show_pass(who)) as response:
            assert response.status == 200
            return await response.json()

    async def press(self, verb: str, what: str = "", who: Visitor = OLGA, **more: Any) -> tuple[int, str]:
        """Press a button of the page as it is now, unless `seen` says which one; return what is said."""
        seen = more.pop("seen", None) or (await self.read(who))["seen"]
        body = {"verb": verb, "what": what, "press": str(uuid4()), "seen": seen} | more
        return await self.send(body, self.show_pass(who))

    async def send(self, body: Any, headers: dict[str, str]) -> tuple[int, str]:
        async with self.http.post(f"{self.url}/admin/press", json=body, headers=headers) as response:
            told = await response.json()
            return response.status, told.get("said") or told["error"]["message"]

    async def audited_actions(self) -> list[tuple[str, AuditAction, str]]:
        entries = Audit(self.documents).entries()
        return [(one.who, one.what, one.about or one.model_version) async for one in entries]


def make_token(passes: PagePasses, who: Visitor, page: str = "admin", valid_s: float = PASS_S) -> str:
    return passes._sign("page pass", page, who, valid_s)  # type: ignore[arg-type]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "leave.md").write_text("# Leave\n\nParents get 16 weeks.")
    models_dir = tmp_path / "models"
    for name, age in (("v1", 9), ("v2", 1), ("v3", 0)):
        make_version(models_dir, name, age)
    promote(models_dir, "v1")
    documents = MemoryDocuments()
    repository = ReviewRepository(documents)
    await model_decisions.put(documents, a_comparison(candidate="v2", live="v1"))
    async with AsyncExitStack() as closing:
        index = await FileIndex.open(tmp_path / "index", HashedEmbedder(), finished=False)
        closing.push_async_callback(index.close)
        library = Library(index, await closing.enter_async_context(Fetcher(FetchLimits())))
        closing.push_async_callback(library.close)
        deciding = Deciding(repository, models_dir)
        closing.push_async_callback(deciding.close)
        page_services = PageServices(index, library, HashedEmbedder())
        administration = Administration(
            repository,
            SourceAdmin(page_services, tmp_path / "index", [str(docs)]),
            VersionAdmin(deciding, Audit(documents), models_dir),
            Programs({}, ["roll_up_metrics"], (sys.executable, "-c", SAYS)),
            Shown([SETTING], {"operators": ["aad-olga"]}, {"roll_up_metrics": "35 * * * *"}),
        )
        closing.push_async_callback(administration.close)
        passes = PagePasses(CardSigner(KEY), documents)
        gates = {
            "msteams": Operators(frozenset({"aad-Olga", "aad-pete"})),
            "local": Operators(frozenset({"here"})),
        }
        app = web.Application()
        app.add_routes(admin_routes(PageGuard("admin", passes, gates, HERE), administration))
        url = await closing.enter_async_context(served(app))
        http = await closing.enter_async_context(aiohttp.ClientSession())
        yield Office(url, http, documents, passes, administration, tmp_path / "index", models_dir)


GOOD = {"verb": "model.promote", "what": "v3", "press": "0" * 32}


def passes_of_strangers(office: Office) -> dict[str, dict[str, str]]:
    """Return headers that open nothing, by what is wrong with them."""
    good = make_token(office.passes, OLGA)
    text, _, signature = good.partition(".")
    another = PagePasses(CardSigner(b"another key"), MemoryDocuments())
    link = office.passes._sign("page link", "admin", OLGA, LINK_S)
    tokens = {
        "garbage": "garbage",
        "without a signature": text,
        "an empty signature": f"{text}.",
        "another's signature": f"{text}.{make_token(office.passes, PETE).partition('.')[2]}",
        "a cut signature": f"{text}.{signature[:-1]}",
        "a long signature": f"{text}.{signature}0",
        "a changed text": f"{text[:-2]}AA.{signature}",
        "too long": f"{text}{'A' * 5_000}.{signature}",
        "another key": make_token(another, OLGA),
        "ended": make_token(office.passes, OLGA, valid_s=-1),
        "a pass for the reviewers' page": make_token(office.passes, OLGA, "reviews"),
        "a link": link,
        "a card's signature": CardSigner(KEY).sign("review", "x", {}),
        "no operator": make_token(office.passes, BOB),
        "nobody": make_token(office.passes, replace(OLGA, directory_id="")),
        "an operator of another channel": make_token(office.passes, replace(OLGA, channel="slack")),
        "a channel that is not there": make_token(office.passes, replace(OLGA, channel="pigeons")),
        "an operator's name and another's id": make_token(office.passes, replace(BOB, name="Olga")),
        "this machine's id from Teams": make_token(office.passes, replace(HERE, channel="msteams")),
    }
    return {wrong: {"Authorization": f"Bearer {token}"} for wrong, token in tokens.items()}


def ways_from_elsewhere(_: Office) -> dict[str, dict[str, str]]:
    """Return headers of a browser here that does not look at our page."""
    return {
        "no token": {},
        "an empty token": {"X-Askpage-Token": ""},
        "another start's token": {"X-Askpage-Token": "x" * 32},
        "another site": {"Origin": "https://evil.example"},
        "another port": {"Origin": "http://127.0.0.1:1"},
        "no origin at all": {"Origin": "null"},
        "a cross-site fetch": {"Sec-Fetch-Site": "cross-site"},
        "a same-site fetch": {"Sec-Fetch-Site": "same-site"},
        "a rebound name": {"Host": "evil.example"},
        "a name that begins like ours": {"Host": "localhost.evil.example"},
        "a proxy": {"X-Forwarded-For": "203.0.113.9"},
        "a tunnel": {"Forwarded": "for=203.0.113.9"},
        "a cookie": {"Cookie": "askpage-admin-pass=1"},
        "a basic login": {"Authorization": "Basic b2xnYTpvbGdh"},
    }


@pytest.mark.parametrize("make", [passes_of_strangers, ways_from_elsewhere])
async def test_whoever_is_not_let_in_reads_and_changes_nothing(
    office: Office, make: Callable[[Office], dict[str, dict[str, str]]]
) -> None:
    async with office.http.get(f"{office.url}/admin") as response:
        [token] = re.findall(r"&quot;token&quot;: &quot;([\w-]+)&quot;", await response.text())
    seen = (await office.read())["seen"]
    before = await office.audited_actions()
    for wrong, given in make(office).items():
        keeps_token = make is ways_from_elsewhere and "token" not in wrong and "Authorization" not in given
        headers = ({"X-Askpage-Token": token} if keeps_token and wrong != "a cookie" else {}) | given
        status, said = await office.send(GOOD | {"seen": seen}, headers)
        assert status in (401, 403), wrong
        assert said, wrong
        if make is passes_of_strangers:
            async with office.http.get(f"{office.url}/admin/data", headers=headers) as response:
                assert response.status in (401, 403), wrong
    assert read_rollout(office.models_dir).name == "v1"
    assert await office.audited_actions() == before
    assert (await office.read())["seen"] == seen


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "model.delete"},
        {"verb": "source.add\n"},
        {"verb": None},
        {"verb": ["job.run"]},
        {"what": None},
        {"what": "x" * 3_000},
        {"press": "short"},
        {"press": None},
        {"press": "G" * 32},
        {"seen": ""},
        {"seen": "-1"},
        {"seen": "1 or 1"},
        {"seen": 1},
        {"known": "0"},
        {"pad": "x" * BODY_LIMIT},
    ],
)
async def test_an_operators_request_that_the_page_does_not_send_is_refused(
    office: Office, changes: Json
) -> None:
    seen = (await office.read())["seen"]
    status, _ = await office.send(GOOD | {"seen": seen} | changes, office.show_pass(OLGA))
    assert status in (400, 413)
    assert read_rollout(office.models_dir).name == "v1"


async def test_a_request_that_is_sent_again_does_nothing_whoever_sends_it(office: Office) -> None:
    seen = (await office.read())["seen"]
    body = GOOD | {"seen": seen}
    assert (await office.send(body, office.show_pass(OLGA)))[1] == "v3 is live."
    assert (await office.send(body, office.show_pass(OLGA)))[1] == "v3 is live.", "the same press is one"
    assert (await office.press("model.roll_back", "v3"))[1] == "v1 is live."
    for again in (body, body | {"press": "1" * 32}):
        for who in (OLGA, PETE):
            status, said = await office.send(again, office.show_pass(who))
            if (again, who) != (body, OLGA):
                assert status == 409
                assert "changed since" in said
    assert read_rollout(office.models_dir).name == "v1"
    moved = [one for one in await office.audited_actions() if one[1] is not AuditAction.READ_ADMIN]
    assert moved == [("p-olga", AuditAction.PROMOTED, "v3"), ("p-olga", AuditAction.ROLLED_BACK, "v3")]


async def test_of_two_operators_at_once_one_wins_and_the_other_is_told(office: Office) -> None:
    seen = (await office.read())["seen"]
    told = await asyncio.gather(
        office.press("model.promote", "v3", seen=seen), office.press("model.promote", "v2", PETE, seen=seen)
    )
    assert sorted(status for status, _ in told) == [200, 409]
    [won] = [said for status, said in told if status == 200]
    assert won == f"{read_rollout(office.models_dir).name} is live."


async def test_a_version_that_was_compared_is_decided_about_as_in_chat(office: Office) -> None:
    rows = {one["name"]: one for one in (await office.read())["models"]}
    assert rows["v2"]["may"] == ["promote", "hold"]
    assert rows["v1"]["may"] == []
    assert (await office.press("model.hold", "v2", known=0))[0] == 200
    status, said = await office.press("model.promote", "v2", PETE, known=0)
    assert (status, "Olga" in said) == (409, True), "the page did not know of her decision"
    [decision] = await office.administration.versions.deciding.board.decisions("v2")
    assert (decision.choice, decision.reviewer_name) == (Choice.HOLD, "Olga")
    assert (await office.press("model.promote", "v2", PETE, known=1))[1] == "v2 is live."
    assert (await office.press("model.promote", "v9"))[0] == 409


async def read_until(office: Office, done: Callable[[list[Json]], bool]) -> list[Json]:
    """Read the sources until something is done that was begun."""
    for _ in range(1_000):
        sources: list[Json] = (await office.read())["sources"]
        if done(sources):
            return sources
        await asyncio.sleep(0.02)
    raise AssertionError("it was not done in time")


async def test_sources_are_added_read_and_removed_and_the_machine_stays_shut(office: Office) -> None:
    for wrong in ("/etc", "file:///etc/passwd", "docs", "ftp://x.example/", "https://x.example/ /etc", ""):
        status, said = await office.press("source.add", wrong)
        assert (status, said.startswith("Only addresses of the web")) == (409, True), wrong
    inside = f"{office.url}/admin"
    assert (await office.press("source.add", inside))[0] == 200
    assert (await office.press("source.add", inside))[1] == "This source is there already."
    assert read_added_sources(office.folder) == [inside]
    configured, added = await read_until(office, lambda sources: not sources[1]["reading"])
    assert (configured["origin"], added["origin"], added["pages"]) == ("setting", "added", 0)
    assert len(added["problems"]) == 1, "an address inside is not fetched"
    assert (await office.press("source.refresh", configured["name"]))[0] == 200
    await read_until(office, lambda sources: sources[0]["pages"] == 1)
    status, said = await office.press("source.remove", configured["name"])
    assert (status, "stands in the setting" in said) == (409, True)
    assert (await office.press("source.remove", inside))[0] == 200
    assert (await office.press("source.remove", inside))[1] == "There is no such source."
    assert read_added_sources(office.folder) == []
    told = [one[1:] for one in await office.audited_actions()]
    assert (AuditAction.ADDED_SOURCE, inside) in told
    assert (AuditAction.REMOVED_SOURCE, inside) in told


async def test_jobs_and_the_doctor_are_the_command_lines_and_only_known_jobs_run(office: Office) -> None:
    for wrong in ("", "rm -rf /", "../jobs", "--help"):
        assert await office.press("job.run", wrong) == (409, "There is no such job.")
    status, said = await office.press("job.run", "roll_up_metrics")
    assert (status, "is started" in said) == (200, True)
    assert (await office.press("job.run", "roll_up_metrics", PETE))[0] == 409, "it runs"
    assert await office.press("doctor.look") == (200, "The doctor has looked.")
    shown = await office.read()
    assert shown["doctor"]["findings"] == [{"matter": "disk", "level": "ok", "says": "doctor --json"}]
    assert shown["settings"] == [SETTING]
    assert shown["reviewers"]["named"] == {"operators": ["aad-olga"]}


async def test_a_browser_here_is_the_operator_and_reading_is_noted_once_an_hour(office: Office) -> None:
    async with office.http.get(f"{office.url}/admin") as response:
        [token] = re.findall(r"&quot;token&quot;: &quot;([\w-]+)&quot;", await response.text())
    for _ in range(3):
        async with office.http.get(f"{office.url}/admin/data") as response:
            body = await response.json()
            assert (response.status, body["me"]) == (200, HERE.name)
    status, said = await office.send(GOOD | {"seen": body["seen"]}, {"X-Askpage-Token": token})
    assert (status, said) == (200, "v3 is live.")
    assert await office.audited_actions() == [
        ("p-here", AuditAction.READ_ADMIN, ""),
        ("p-here", AuditAction.PROMOTED, "v3"),
    ]
