"""One person among 200 goes: a real data folder, filled by the bot's front ends and jobs, read byte by byte.

What may be left is what docs/privacy.md lists under “What stays”; anything else fails.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import aiohttp
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from bot import app as bot_app
from bot import background
from bot.app import Bot, open_bot
from bot.bootstrap import PageServices, open_parts
from bot.stores import read_keys
from bot.web import chats
from bot.web.activities import REVIEWER, directory_id
from cli import main
from core.records import Page, Section
from core.settings import Settings
from feedback.examples.build import Work, build
from feedback.examples.convert import ExampleRules
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from jobs.report_gaps import report_gaps, send_cards
from model.text.prompt import NOT_ON_PAGE
from model.training.made_examples import make_examples
from pages.library import MOST_PASTED, PASTED_FOR
from tests.browser.chat import Browser, a_browser
from tests.builders.reviewing import actions_of, text_of
from tests.builders.serving import served
from tests.builders.slack_world import SECRET, SlackWorld, pressable
from tests.conftest import ROOT
from tests.doubles.slack_api import SlackService
from tests.doubles.teams_connector import ConnectorService

Json = dict[str, Any]

OTHERS = 199
NAME = "Zoë Quillfeather"
PAGE_ID = "zoe-quillfeather"
AAD = "5d1c7a52-90bb-4b0e-8d5e-2f0c4f1e7a11"
TEAMS_ID = "29:zoes-own-id"
SLACK_USER = "U1"
WORDS = (
    "xylophone-omelette",
    "marmalade-trombone",
    "gravel-soufflé",
    "turnip-zeppelin",
    "waffle-armadillo",
)
"""In what she asked, commented, asked in Teams, asked in Slack, and in a file that she sent."""
PARENTS = "How many weeks of leave do parents get"
CARDS = ("application/vnd.microsoft.card.adaptive",)


@dataclass
class Town:
    """The running bot, and all that people reach it by."""

    settings: Settings
    page_services: PageServices
    bot: Bot
    url: str
    page_url: str
    http: aiohttp.ClientSession
    teams: ConnectorService
    teams_url: str
    slack: SlackService
    page: Browser

    async def teams_says(self, kind: str = "message", **fields: Any) -> Json:
        """Let Zoë do something in Teams; return what it is answered with."""
        activity = {
            "type": kind,
            "id": "1700000000001",
            "channelId": "msteams",
            "serviceUrl": self.teams_url,
            "from": {"id": TEAMS_ID, "name": NAME, "aadObjectId": AAD},
            "recipient": {"id": "28:bot", "name": "Page Bot"},
            "conversation": {"id": "a:zoes", "conversationType": "personal", "tenantId": "t1"},
        }
        async with self.http.post(f"{self.url}/api/messages", json=activity | fields) as response:
            assert response.status == 200, await response.text()
            return json.loads(await response.text() or "{}")

    async def teams_shows(self, wanted: str) -> Json:
        call = await self.teams.until(
            lambda s: next((c for c in s.calls if c.is_message and wanted in text_of(c.activity)), None)
        )
        return {"id": call.message_id, **call.activity}


class SlackSide(SlackWorld):
    """Posts to the whole bot what Slack would."""

    def __init__(self, town: Town) -> None:
        super().__init__()
        self.url, self.http, self.slack = town.url, town.http, town.slack


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@asynccontextmanager
async def a_town(data: Path) -> AsyncGenerator[Town]:
    """Start the whole bot, with the canned model, beside a Teams and a Slack."""
    page = data.parent / "handbook" / "leave.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text("# Leave\n\n## Parents\n\nParents get 16 weeks of paid leave.\n")
    teams, slack = ConnectorService(), SlackService()
    async with AsyncExitStack() as stack:
        teams_url = await stack.enter_async_context(served(teams.app))
        slack_url = await stack.enter_async_context(served(slack.app))
        settings = Settings(
            base_model="canned",
            data_dir=data,
            pages=[str(page.parent)],
            page_owners=["*=Fleet"],
            port=0,
            count_opened=False,
            public_url="http://127.0.0.1:1",
            dangerously_allow_unauthenticated=True,
            dangerously_serve_local_page=True,
            dangerously_trust_local_reviewers=True,
            slack_signing_secret=SecretStr(SECRET),
            slack_bot_token=SecretStr("xoxb-one"),
            slack_teams=["T1"],
            slack_api_url=f"{slack_url}/api",
        )
        parts = await stack.enter_async_context(open_parts(settings))
        await parts.page_services.library.refresh(settings.pages)
        bot = await stack.enter_async_context(
            open_bot(settings, parts.page_services, parts.answering, port=1)
        )
        url = await stack.enter_async_context(served(bot.app))
        assert bot.local is not None
        page_url = await stack.enter_async_context(served(bot.local))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        reached = cast("Any", type("Reached", (), {"url": page_url}))
        browser = await stack.enter_async_context(a_browser(reached))
        yield Town(settings, parts.page_services, bot, url, page_url, http, teams, teams_url, slack, browser)
        await bot.asking.drain(10)


async def ask_on_page(town: Town, person: Json, text: str, thumb: str = "like", comment: str = "") -> Json:
    """Begin a conversation, ask, and rate the answer; return the browser's view of the answer."""
    browser = Browser(town.http, town.page.chat)
    browser.token = town.page.token
    status, begun = await browser.post("/local/conversations", {"person": person})
    assert status == 200, begun
    browser.conversation = begun["id"]
    status, said = await browser.do("message", text=text)
    assert status == 200, said
    shown = await browser.answered()
    form = json.dumps({"reasons": ["wrong"] if comment else [], "feedbackText": comment})
    value = {"actionName": "feedback", "actionValue": {"reaction": thumb, "feedback": form}}
    status, said = await browser.do("invoke", name="message/submitAction", value=value, replyToId=shown["id"])
    assert status == 200, said
    return {"browser": browser, "shown": shown}


async def crowd(town: Town) -> None:
    """Let everybody else ask and rate, some at a time."""
    room = asyncio.Semaphore(8)

    async def one(number: int) -> None:
        async with room:
            person = {"id": f"colleague-{number}", "name": f"Colleague {number}"}
            await ask_on_page(town, person, f"{PARENTS}, part {number}?")

    await asyncio.gather(*(one(number) for number in range(OTHERS)))


async def press(browser: Browser, verb: str, **inputs: Any) -> Json:
    """Press the newest button that does something; return what stands in the answer."""
    for shown in reversed(await browser.messages()):
        known = actions_of(shown.get("cards", []))
        if verb in known:
            action = {"type": "Action.Execute", "verb": verb, "data": known[verb] | inputs}
            status, answer = await browser.do(
                "invoke", name="adaptiveCard/action", value={"action": action}, replyToId=shown["id"]
            )
            assert status == 200, answer
            return answer["body"]
    raise AssertionError(f"there is no button that does {verb}")


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """Wait for what has no event."""
    async with asyncio.timeout(20):
        while not (found := await look()):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)
    return found


async def zoe_lives(town: Town) -> tuple[Browser, str]:
    """Let Zoë do everything, everywhere; return her browser, and a link to the file with her data."""
    reviewer = Browser(town.http, town.page.chat)
    reviewer.token = town.page.token
    await reviewer.begin(REVIEWER)
    asked = f"{PARENTS} for a {WORDS[0]} of {NAME}?"
    lived = await ask_on_page(town, {"id": PAGE_ID, "name": NAME}, asked, "dislike", f"No {WORDS[1]} in it")
    browser: Browser = lived["browser"]
    await browser.do("messageReaction", replyToId=lived["shown"]["id"], reactionsAdded=[{"type": "heart"}])
    await eventually(lambda: _waits(reviewer, WORDS[0]))
    await press(reviewer, "review.correct", text="Parents get 18 weeks.", span="c1", note="since May")

    await town.teams_says(text=f"{PARENTS}, {WORDS[2]}?")
    answer = await town.teams_shows("16 weeks")
    form = json.dumps({"reasons": ["wrong"], "feedbackText": WORDS[1]})
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": form}}
    await town.teams_says("invoke", name="message/submitAction", value=value, replyToId=answer["id"])

    slack = SlackSide(town)
    assert await slack.event(slack.dm(f"{PARENTS}, {WORDS[3]}?", user=SLACK_USER)) == 200
    message = await town.slack.until(
        lambda s: next((m for m in s.messages("D1") if "thumb:" in text_of(m.blocks)), None), 20
    )
    element = pressable(message, "thumb:")
    payload = slack.press(message, element, SLACK_USER, side="negative_button")
    payload["user"] |= {"name": NAME, "username": PAGE_ID}
    assert (await slack.post(urlencode({"payload": json.dumps(payload)}).encode(), FORM))[0] == 200

    where = urlencode({"conversation": browser.conversation, "name": "plan.md"})
    body = f"# Plan\n\nThe {WORDS[4]} moves in May.\n".encode()
    status, kept = await browser.post(f"/local/files?{where}", body)
    assert status == 200, kept
    await browser.do("message", text="When does it move, by this file?", files=[kept])
    await browser.shows(lambda one: WORDS[4] in text_of(one))

    await browser.do("message", text="export my data")
    card = await browser.shows(lambda one: "Your data as a file" in text_of(one.get("cards", [])))
    [link] = re.findall(r"/local/export/[^\"]+", text_of(card["cards"]))
    async with town.http.get(town.page_url + link) as response:
        assert response.status == 200
        assert WORDS[0] in await response.text()
    return browser, town.page_url + link


FORM = "application/x-www-form-urlencoded"


async def _waits(browser: Browser, words: str) -> bool:
    return any("Please review" in text_of(m) and words in text_of(m) for m in await browser.messages())


async def jobs_run(town: Town) -> None:
    """Let a dataset be built of what is reviewed, and gaps of what was asked in vain; nothing is masked."""
    store = SqliteStore.open(town.settings.store_path)
    rules = ExampleRules(
        not_on_page=NOT_ON_PAGE,
        held_out_share=0.0,
        made_per_review=6,
        make=partial(make_examples, most=6, label=NOT_ON_PAGE),
    )
    await build(
        store, ReviewRepository(store.documents), town.settings.datasets_dir, rules, Work(datetime.now(UTC))
    )
    report = await report_gaps(store, town.page_services, town.settings, lambda texts: texts)
    gaps = report.gaps
    asked = [question.text for gap in gaps for question in gap.questions]
    assert all(any(word in text for text in asked) for word in (WORDS[0], WORDS[2], WORDS[3])), asked
    assert await send_cards(store, town.page_services, town.settings, report), (
        "the owner of the page has a card"
    )
    await store.close()


def sought(settings: Settings) -> dict[str, str]:
    """Return all that could name her or was said by her."""
    keys = read_keys(settings)
    users = (directory_id(PAGE_ID), AAD, f"slack:T1:{SLACK_USER}")
    return {
        "name": NAME,
        "first name": "Zoë",
        "id on the page": PAGE_ID,
        "directory id of the page": directory_id(PAGE_ID),
        "directory id": AAD,
        "id in Teams": TEAMS_ID,
        "chat in Teams": "a:zoes",
        **{f"words {number}": words for number, words in enumerate(WORDS)},
        **{f"pseudonym {number}": keys.pseudonym(user) for number, user in enumerate(users)},
    }


def written(text: str) -> set[bytes]:
    """Return how a text may stand in a file, its letters small."""
    escaped = json.dumps(text)[1:-1]
    texts = (text.lower(), escaped.lower(), json.dumps(escaped)[1:-1].lower())
    return {one.encode(code) for one in texts for code in ("utf-8", "utf-16-le", "utf-16-be")}


def standing(town: Town) -> dict[str, set[str]]:
    """Return what stands in which file of the data folder, by what it is: every byte is read."""
    folder = town.settings.data_dir
    files = {str(path.relative_to(folder)): path.read_bytes().lower() for path in files_below(folder)}
    found: dict[str, set[str]] = {}
    for what, text in sought(town.settings).items():
        for name, data in files.items():
            if any(form in data for form in written(text)):
                found.setdefault(what, set()).add(name)
    return found


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def deletes_herself(town: Town, browser: Browser) -> None:
    """Delete it on the page and in Teams by saying so, and in Slack by the operator's command."""
    await browser.do("message", text="delete my data")
    await browser.shows(lambda one: "Delete all your data?" in text_of(one.get("cards", [])))
    await press(browser, "privacy.delete_now")
    await browser.shows(lambda one: "Your data is deleted" in text_of(one.get("cards", [])))
    await town.teams_says(text="delete my data", id="1700000000002")
    confirm = (await town.teams_shows("Delete all your data?"))["attachments"][0]["content"]
    data = actions_of(confirm)["privacy.delete_now"]
    action = {"type": "Action.Execute", "verb": "privacy.delete_now", "data": data}
    await town.teams_says(
        "invoke", id="f:1", name="adaptiveCard/action", value={"action": action}, replyToId="m1"
    )
    await town.teams_shows("Your data is deleted")
    arguments = [
        "privacy",
        "delete",
        f"slack:T1:{SLACK_USER}",
        "--yes",
        "--data-dir",
        str(town.settings.data_dir),
    ]
    done = await asyncio.to_thread(CliRunner().invoke, main.app, arguments)
    assert done.exit_code == 0, done.output


async def test_one_person_among_200_leaves_nothing_but_what_the_docs_list(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chats, "OVERWRITE_EVERY_S", 0.5)
    monkeypatch.setattr(background, "FORGET_EVERY_S", 0.5)
    async with a_town(data) as town:
        await crowd(town)
        browser, link = await zoe_lives(town)
        await jobs_run(town)
        before = standing(town)
        unwritten = set(sought(town.settings)) - set(before)
        assert unwritten <= {"directory id of the page", "directory id", "id in Teams"}, unwritten
        assert any(path.startswith("datasets/") for path in before["words 0"])
        lines = "".join(one.read_text("utf-8") for one in town.settings.datasets_dir.rglob("examples.jsonl"))
        assert any("/made/" in line and WORDS[0] in line for line in lines.splitlines()), "made of her words"
        await deletes_herself(town, browser)
        async with town.http.get(link) as response:
            assert response.status == 410

        async def settled() -> bool:
            return set(await asyncio.to_thread(standing, town)) == {f"pseudonym {n}" for n in range(3)}

        await eventually(settled)
        after = await asyncio.to_thread(standing, town)
        assert set().union(*after.values()) <= {"askpage.sqlite3", "askpage.sqlite3-wal"}
    after = standing(town)
    assert {what: set(files) for what, files in after.items()} == {
        f"pseudonym {number}": {"askpage.sqlite3"} for number in range(3)
    }


async def test_a_bot_that_runs_forgets_pasted_pages_by_itself(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bot_app, "PASTED_EVERY_S", 0.05)
    now = datetime.now(UTC)
    async with a_town(data) as town:
        for days in (6, 8):
            url, text = f"https://pasted.example/{days}", f"The {WORDS[0]} of {days} days ago."
            read_at = now - timedelta(days=days)
            page = Page(url, "Pasted", (Section("", "", text),), f"h{days}", read_at)
            await town.page_services.index.add(page, source=None)

        async def forgotten() -> bool:
            pasted = [entry.url for entry in town.page_services.index.entries() if entry.source is None]
            return pasted == ["https://pasted.example/6"]

        await eventually(forgotten)


def test_the_docs_say_how_long_pasted_pages_are_kept() -> None:
    docs = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    [line] = [line for line in docs.splitlines() if line.startswith("| pages whose address somebody pasted")]
    assert f"| {PASTED_FOR.days} " in line
    assert f"{MOST_PASTED}" in line
