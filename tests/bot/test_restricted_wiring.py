"""A bot as `open_bot` wires it asks who reads: its questions, its pages in a browser, and its directories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest

from bot.app import open_bot
from bot.bootstrap import PageServices, list_vouched
from bot.channels.answer_message import IN_ROOMS
from bot.channels.incoming import Reference
from bot.dialogs.talk_words import NO_PAGES
from core.readers import EVERYONE, Readers
from core.records import (
    AnswerKind,
    Channel,
    Feedback,
    FeedbackKind,
    Page,
    Passage,
    ReviewReason,
    Section,
)
from core.settings import Settings
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.parse.extract import page_hash
from tests.builders.asking import ReplyRecorder, question
from tests.builders.serving import served
from tests.builders.tab import ADA as ADAS_ID
from tests.builders.tab import BOB as BOBS_ID
from tests.builders.widget import Visitor
from tests.builders.world import an_answer
from tests.doubles.entra import TENANT, EntraDouble
from tests.doubles.tokens import APP_ID

ADA = Readers(frozenset({"entra:user:ada", "slack:channel:C1"}))
BONUS = "The bonus of the board is 12,000 euros."
CHAT = {"id": "a:ada", "conversationType": "personal", "channelId": "msteams", "tenantId": "ours"}
ROOM = {"id": "19:x@thread;messageid=1", "conversationType": "channel", "channelId": "msteams"}
TEAMS = {"app_id": "app", "app_password": "a secret", "app_tenant_id": "ours"}


@pytest.fixture
async def page_services(tmp_path: Path) -> AsyncIterator[PageServices]:
    index = await FileIndex.open(tmp_path / "index", HashedEmbedder())
    sections = (Section("Pay", "pay", BONUS),)
    page = Page("/site/pay", "Pay", sections, page_hash("Pay", sections), datetime.now(UTC), readers=ADA)
    await index.add(page, source="plans")
    async with Fetcher(FetchLimits()) as fetcher:
        library = Library(index, fetcher)
        yield PageServices(index, library, HashedEmbedder())
        await library.close()
    await index.close()


def answering(page_services: PageServices) -> Answering:
    rules = AnswerRules(least_similarity=-1.0, decline_below=0.0)
    model = always_acquire(CannedChatModel(["I do not know."]), "canned")
    return Answering(model, page_services.library.search, rules, page_services.library.read_section)


async def test_a_bot_answers_whoever_may_read_and_shows_nobody_the_page(
    page_services: PageServices, tmp_path: Path
) -> None:
    settings = Settings(base_model="canned", data_dir=tmp_path / "data", pages=[], port=0, **TEAMS)
    async with open_bot(settings, page_services, answering(page_services), port=1) as bot:
        audiences = bot.services.audiences
        bob = CHAT | {"id": "a:bob"}
        for number, (person, where, sees) in enumerate(
            [("ada", CHAT, True), ("bob", bob, False), ("ada", ROOM, False), ("", CHAT, False)]
        ):
            asked = question(number)
            way = Reference(where, {}, {"id": "29:x"}, "1").dump()
            asked = replace(asked, text="What is the bonus of the board?", reply_to=way)
            heard = ReplyRecorder()
            if number == 3:
                audiences._chats.clear()  # what was known of the chat is over
            audiences.note_asker(asked.id, person)
            await bot.asking.receive(asked, heard)
            await bot.asking.drain(30)
            assert ("12,000" in f"{heard.said}{heard.previews}") is sees, (person, where)
        listed = ReplyRecorder()
        await bot.asking.receive(replace(question(9), text="which pages do you have?"), listed)
        await bot.asking.drain(30)
        assert listed.said == [NO_PAGES]
        assert bot.services.view.audiences is audiences
        assert set(audiences._directories) == {"msteams"}


async def test_a_browser_gets_no_restricted_page(page_services: PageServices, tmp_path: Path) -> None:
    settings = Settings(base_model="canned", data_dir=tmp_path / "data", pages=[], port=0)
    async with (
        open_bot(settings, page_services, answering(page_services), port=1) as bot,
        served(bot.app) as url,
        aiohttp.ClientSession() as http,
    ):
        for path, status in (("/site/pay", 404), ("/site/none", 404), ("/site/", 200)):
            async with http.get(f"{url}{path}") as reply:
                shown = await reply.text()
                assert reply.status == status
                assert "12,000" not in shown
                assert "Pay" not in shown


async def test_a_browser_here_gets_nothing_that_was_answered_from_it_or_from_a_file(
    page_services: PageServices, tmp_path: Path
) -> None:
    settings = Settings(base_model="canned", data_dir=tmp_path / "data", pages=[], port=0)
    page = await page_services.index.page("/site/pay")
    assert page is not None
    board = Passage("/site/pay#pay", "Pay", "Pay", BONUS, page.page_hash, datetime.now(UTC), ADA)
    own = replace(board, url="/file/1", title="payslip.pdf", readers=Readers(None), text="It is 12,000 net.")
    canteen = replace(
        board, url="/site/canteen", title="Canteen", readers=Readers(None), text="Lunch is at 12."
    )
    async with (
        open_bot(settings, page_services, answering(page_services), port=1) as bot,
        served(bot.app) as url,
        aiohttp.ClientSession() as http,
    ):
        store, reviewing = bot.services.review_actions.store, bot.services.reviewing
        for number, passage in enumerate((board, own, canteen)):
            asked = replace(question(number), text=f"What says {passage.title}?", asked_at=datetime.now(UTC))
            asked = replace(asked, page_url="/file/1" if passage is own else None)
            given = an_answer(asked, passage.text, passages=(passage,), citations=())
            given = replace(given, id=f"a{number}", answered_at=datetime.now(UTC))
            await store.add_question(asked)
            await store.add_answer(given)
            bad = Feedback(given.id, "p", FeedbackKind.STARS, "1", True, datetime.now(UTC))
            await store.put_feedback(bad)
            await reviewing.flag(given, ReviewReason.FEW_STARS)
        for path in ("dashboard/data?range=hours", "reviews/queue", "reviews/queue/a0", "reviews/count"):
            async with http.get(f"{url}/{path}") as reply:
                shown = await reply.text()
            for word in ("12,000", "says Pay", "payslip"):
                assert word not in shown, path
            assert ("Canteen" in shown) is (path in {"dashboard/data?range=hours", "reviews/queue"}), path
        assert shown == '{"waiting": 1}'


async def test_a_visitor_of_the_widget_gets_what_everybody_may_read(
    page_services: PageServices, tmp_path: Path
) -> None:
    settings = Settings(
        base_model="canned",
        data_dir=tmp_path / "data",
        pages=[],
        port=0,
        widget_origins="http://localhost:8080",
    )
    async with (
        open_bot(settings, page_services, answering(page_services), port=1) as bot,
        served(bot.app) as url,
        aiohttp.ClientSession() as http,
    ):
        visitor = Visitor(http, SimpleNamespace(url=url), "http://localhost:8080")  # type: ignore[arg-type]
        await visitor.enter()
        assert bot.local is None, "the chat page is on the same port: nobody beyond this machine may ask"
        for readers, told in ((ADA, False), (EVERYONE, True)):
            now = datetime.now(UTC)
            await page_services.index.touch("/site/pay", source="plans", fetched_at=now, readers=readers)
            assert (await visitor.do("message", text="What is the bonus of the board?"))[0] == 200
            assert await bot.asking.drain(30) == 0
            assert ("12,000" in str(await visitor.messages())) is told
        async with http.get(f"{url}/widget.js") as reply:
            assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
            assert reply.headers["Content-Type"].startswith("text/javascript")


async def test_rooms_are_told_the_same_below_every_answer_that_declines(
    page_services: PageServices, tmp_path: Path
) -> None:
    settings = Settings(base_model="canned", data_dir=tmp_path / "data", pages=[], port=0, **TEAMS)
    async with open_bot(settings, page_services, answering(page_services), port=1) as bot:
        view = bot.services.view
        for text in ("Nothing near.", "Something else."):
            declined = an_answer(question(), text, kind=AnswerKind.DECLINED, citations=(), passages=())
            stated = an_answer(question(), text, citations=(), passages=())
            for where, answer, told in (
                (ROOM, declined, True),
                (CHAT, declined, False),
                (ROOM, stated, False),
                (ROOM | {"conversationType": "groupChat"}, declined, True),
            ):
                assert (IN_ROOMS in repr(view.make_messages(where, answer))) is told
        await page_services.index.touch(
            "/site/pay", source="plans", fetched_at=datetime.now(UTC), readers=Readers(None)
        )
        assert IN_ROOMS not in repr(view.make_messages(ROOM, declined)), "nothing is restricted any more"


@pytest.mark.parametrize(
    ("settings", "vouched"),
    [
        ({}, set()),
        (TEAMS, {"msteams"}),
        (TEAMS | {"dangerously_allow_unauthenticated": True}, set()),
        ({"slack_signing_secret": "s"}, {"slack"}),
        (TEAMS | {"slack_signing_secret": "s"}, {"msteams", "slack"}),
    ],
)
def test_only_channels_that_prove_who_speaks_count(
    settings: dict[str, object], vouched: set[str], tmp_path: Path
) -> None:
    assert list_vouched(Settings(data_dir=tmp_path, **settings)) == vouched
    assert str(Channel.LOCAL) not in vouched


async def test_the_tab_of_a_bot_shows_a_page_to_whoever_may_read_it(
    page_services: PageServices, tmp_path: Path
) -> None:
    sections = (Section("Plan", "plan", "There is a plan."),)
    theirs = Readers(frozenset({f"entra:user:{ADAS_ID}"}))
    page = Page(
        "/site/plan", "The plan", sections, page_hash("Plan", sections), datetime.now(UTC), readers=theirs
    )
    await page_services.index.add(page, source="plans")
    entra = EntraDouble()
    async with served(entra.app) as entra.url:
        told = TEAMS | {"app_id": APP_ID, "app_tenant_id": TENANT, "login_url": entra.login_url}
        told |= {"public_url": "https://bot.example", "base_model": "canned"}
        settings = Settings(**told, data_dir=tmp_path / "data", pages=[], teams_tab=True)
        async with (
            open_bot(settings, page_services, answering(page_services), port=1) as bot,
            served(bot.app) as url,
            aiohttp.ClientSession() as http,
        ):
            shown: dict[str, str] = {}
            for person in (ADAS_ID, BOBS_ID):
                headers = {"Authorization": f"Bearer {entra.token(person)}"}
                async with http.get(f"{url}/teams/tab/overview", headers=headers) as response:
                    assert response.status == 200
                    shown[person] = await response.text()
        assert ["The plan" in shown[person] for person in (ADAS_ID, BOBS_ID)] == [True, False]
        async with (
            open_bot(
                settings.model_copy(update={"teams_tab": False}),
                page_services,
                answering(page_services),
                port=1,
            ) as bot,
            served(bot.app) as url,
            aiohttp.ClientSession() as http,
            http.get(f"{url}/teams/tab") as response,
        ):
            assert response.status == 404, "nobody wished for it"
