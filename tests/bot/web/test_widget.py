"""The widget's doors, without a browser: who is let in, from where, with what, and how much of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from bot.card_tokens import RATE, CardSigner
from bot.web.erase import PAGE_FILES
from bot.web.widget.limits import WidgetLimits
from bot.web.widget.routes import VISIT_COOKIE
from bot.web.widget.sessions import SESSION_S, TICKET_S, Sessions
from core.records import Channel
from tests.browser.chat import ANNUAL, Actor, Chat, Lines, a_browser, a_chat
from tests.builders.reviewing import actions_of
from tests.builders.widget import OTHER_SITE, SITE, Clock, Visitor, Widget, a_visitor, a_widget
from tests.builders.world import KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
ENDED, ELSEWHERE, GONE = "session has ended", "another website", "conversation no longer exists"
PAGE_OF_OTHERS, LINK = "another one", "cannot open that link"


@dataclass
class World:
    """Two visitors with an answer each; `clock` is the widget's."""

    chat: Chat
    widget: Widget
    ada: Visitor
    bob: Visitor
    clock: Clock
    local: str
    """A conversation of the chat page."""

    def sessions(self, key: bytes = KEY, at: float = 0.0, origins: tuple[str, ...] = (SITE,)) -> Sessions:
        """Return what makes sessions with a key, `at` seconds from now."""
        return Sessions(CardSigner(key), origins, 60.0, lambda: self.clock.now + at)

    def session(self, visitor: str = "", origin: str = SITE, **made: Any) -> str:
        """Return a session as somebody could make it; of Ada unless of another visitor."""
        sessions = self.sessions(**made)
        own = self.widget.sessions.read(self.ada.session)
        return sessions.sign(replace(sessions.begin(origin), visitor=visitor or own.visitor))

    async def state(self) -> Any:
        """Return all that anything sent could change."""
        kept = self.widget.chats.conversations
        shown = {chat.id: dict(chat.messages) for chat in kept.all()}
        store = self.chat.store
        return shown, dict(store.questions), dict(store.answers), dict(store.feedback)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("widget")
    clock = Clock()
    said = {"holiday": Lines("Everyone has thirty days [1].", (ANNUAL,))}
    limits = WidgetLimits(10_000, 10_000)
    async with (
        a_chat(Chat(folder, actor=Actor(said))) as chat,
        a_widget(Widget(chat, folder, clock=clock, limits=limits)) as widget,
        a_visitor(widget) as ada,
        a_visitor(widget) as bob,
        a_browser(chat) as browser,
    ):
        for visitor in (ada, bob):
            assert (await visitor.do("message", text="How much holiday is there?"))[0] == 200
        await chat.asking.drain(10)
        yield World(chat, widget, ada, bob, clock, await browser.begin())


@dataclass(frozen=True)
class Sent:
    """A request of somebody who should not be let in, as Ada's panel would send it but for one thing."""

    path: str = "/widget/activities"
    body: object = field(default_factory=lambda: {"type": "message", "text": "How much holiday?"})
    headers: dict[str, str] = field(default_factory=dict[str, str])
    token: Callable[[World], str] | None = None
    where: Callable[[World], str] | None = None
    get: bool = False


def alter(token: str, place: int) -> str:
    other = "A" if token[place] != "A" else "B"
    return token[:place] + other + token[place:][1:]


def text_of(world: World, visitor: str) -> str:
    """Return the signed part of a session of another visitor, with the signature of Ada's."""
    return world.session(visitor).partition(".")[0] + "." + world.ada.session.partition(".")[2]


def signed_as_card(world: World) -> str:
    text = world.ada.session.partition(".")[0]
    return f"{text}.{CardSigner(KEY).sign(RATE, text, {})}"


def message(**fields: object) -> Json:
    return {"type": "message", "text": "How much holiday?"} | fields


def packed() -> Sent:
    return Sent(headers={"Content-Encoding": "gzip"})


FORGED: dict[str, Sent] = {
    "no session": Sent(token=lambda _: ""),
    "a made-up one": Sent(token=lambda _: "e30.0123456789abcdef0123456789abcdef"),
    "words": Sent(token=lambda _: "let me in"),
    "a changed signature": Sent(token=lambda world: alter(world.ada.session, -1)),
    "changed words": Sent(token=lambda world: alter(world.ada.session, 12)),
    "another visitor under one's own signature": Sent(token=lambda world: text_of(world, "0" * 32)),
    "the signature of a card": Sent(token=signed_as_card),
    "a visit": Sent(token=lambda world: world.ada.visit),
    "a ticket": Sent(token=lambda world: world.widget.sessions.make_ticket(SITE)),
    "another key": Sent(token=lambda world: world.session(key=b"x" * 32)),
    "a session that has ended": Sent(token=lambda world: world.session(at=-SESSION_S - 1)),
    "a visitor that is no number": Sent(token=lambda world: world.session("robin")),
    "one that is too long": Sent(token=lambda world: world.ada.session + "0" * 2_000),
    "one with more behind it": Sent(token=lambda world: world.ada.session + "=="),
    "not in the alphabet": Sent(
        token=lambda _: "ä!.0123456789abcdef0123456789abcdef".encode().decode("latin-1")
    ),
    "following without one": Sent("/widget/events", token=lambda _: "", get=True),
    "following with one that has ended": Sent(
        "/widget/events", token=lambda world: world.session(at=-SESSION_S - 1), get=True
    ),
}
REFUSED: list[tuple[str, Sent, int, str]] = [
    *((name, sent, 401, ENDED) for name, sent in FORGED.items()),
    (
        "a site that is allowed no more",
        Sent(
            token=lambda world: world.session(
                origin="https://gone.example", origins=("https://gone.example",)
            )
        ),
        403,
        "can no longer be asked on this site",
    ),
    # other people's conversations
    ("somebody else's conversation", Sent(where=lambda world: world.bob.conversation), 404, GONE),
    ("ending it", Sent("/widget/end", where=lambda world: world.bob.conversation), 404, GONE),
    ("stopping it", Sent("/widget/stop", where=lambda world: world.bob.conversation), 404, GONE),
    (
        "following it",
        Sent("/widget/events", where=lambda world: world.bob.conversation, get=True),
        404,
        GONE,
    ),
    ("a conversation of the chat page", Sent(where=lambda world: world.local), 404, GONE),
    ("none", Sent(where=lambda _: ""), 404, GONE),
    (
        "one's own number on another site",
        Sent(token=lambda world: world.session(origin=OTHER_SITE, origins=(OTHER_SITE,))),
        404,
        GONE,
    ),
    # other sites' pages
    ("the site's own page", Sent(headers={"Origin": SITE}), 403, ELSEWHERE),
    ("a page of no origin", Sent(headers={"Origin": "null"}), 403, ELSEWHERE),
    ("no origin", Sent(headers={"Origin": ""}), 403, ELSEWHERE),
    ("another port", Sent(headers={"Origin": "http://127.0.0.1:1"}), 403, ELSEWHERE),
    (
        "another host's name",
        Sent(headers={"Host": "evil.example", "Origin": "http://evil.example"}),
        403,
        ELSEWHERE,
    ),
    ("a browser that says so", Sent(headers={"Sec-Fetch-Site": "cross-site"}), 403, ELSEWHERE),
    ("a neighbour", Sent(headers={"Sec-Fetch-Site": "same-site"}), 403, ELSEWHERE),
    (
        "following from elsewhere",
        Sent("/widget/events", headers={"Sec-Fetch-Site": "cross-site"}, get=True),
        403,
        ELSEWHERE,
    ),
    ("a session from elsewhere", Sent("/widget/session", {}, {"Origin": SITE}), 403, ELSEWHERE),
    # tickets and visits
    ("no ticket", Sent("/widget/session", {}), 401, ENDED),
    ("a made-up ticket", Sent("/widget/session", {"ticket": "abc"}), 401, "opened a while ago"),
    ("a made-up visit", Sent("/widget/session", {"visit": "abc.def"}), 401, ENDED),
    ("a list for a ticket", Sent("/widget/session", {"ticket": [1]}), 401, "opened a while ago"),
    # the panel's page
    (
        "a site that is not named",
        Sent("/widget/panel?origin=https://evil.example", get=True),
        403,
        "may not show",
    ),
    ("no site", Sent("/widget/panel", get=True), 403, "may not show"),
    ("a site of no origin", Sent("/widget/panel?origin=null", get=True), 403, "may not show"),
    ("a site with a path", Sent(f"/widget/panel?origin={SITE}/", get=True), 403, "may not show"),
    ("a site in capitals", Sent(f"/widget/panel?origin={SITE.upper()}", get=True), 403, "may not show"),
    (
        "a window of its own",
        Sent(f"/widget/panel?origin={SITE}", headers={"Sec-Fetch-Dest": "document"}, get=True),
        403,
        "belongs in a web page",
    ),
    ("a file that is not the panel's", Sent("/widget/files/chat.js", get=True), 404, "no such file"),
    ("a file above", Sent("/widget/files/..%2Fweb%2Fdoor.py", get=True), 404, "no such file"),
    # what is sent
    ("no JSON", Sent(body=b"{"), 400, "not valid JSON"),
    ("a list", Sent(body=[]), 400, "JSON object"),
    ("too much", Sent(body=message(text="x" * 70_000)), 413, "too long"),
    ("a packed body", packed(), 415, "Content-Encoding"),
    ("something else", Sent(body={"type": "event"}), 400, "neither a message"),
    ("no words", Sent(body=message(text=" ")), 400, "needs some text"),
    ("too many words", Sent(body=message(text="x" * 20_001)), 413, "too long"),
    ("a message that is here already", Sent(body=message(id="1")), 400, "did not arrive"),
    (
        "a thumb on nothing",
        Sent(body={"type": "messageReaction", "replyToId": "1"}),
        404,
        "no longer exists",
    ),
    (
        "an unknown action",
        Sent(body={"type": "invoke", "name": "signin/verifyState", "value": {}}),
        400,
        "action",
    ),
    # pages
    ("another site's page", Sent(body=message(page="https://evil.example/")), 400, PAGE_OF_OTHERS),
    ("one that looks like it", Sent(body=message(page=f"{SITE}.evil.example/")), 400, PAGE_OF_OTHERS),
    (
        "one behind a name",
        Sent(body=message(page="https://intranet.example@evil.example/")),
        400,
        PAGE_OF_OTHERS,
    ),
    ("with a password", Sent(body=message(page="https://u:p@intranet.example/")), 400, PAGE_OF_OTHERS),
    ("without HTTPS", Sent(body=message(page="http://intranet.example/")), 400, PAGE_OF_OTHERS),
    ("a script", Sent(body=message(page="javascript:alert(1)")), 400, PAGE_OF_OTHERS),
    ("a file of the machine", Sent(body=message(page="file:///etc/passwd")), 400, PAGE_OF_OTHERS),
    ("a number", Sent(body=message(page=7)), 400, PAGE_OF_OTHERS),
    ("an address with a line's end", Sent(body=message(page=f"{SITE}/a\nb")), 400, PAGE_OF_OTHERS),
    ("an address without end", Sent(body=message(page=f"{SITE}/" + "a" * 2_000)), 400, PAGE_OF_OTHERS),
    ("a pasted link", Sent(body=message(text="What is in https://wiki.intern.example/x?")), 400, LINK),
    ("a machine's number", Sent(body=message(text="What is in http://10.0.0.1/?")), 400, LINK),
    (
        "a link behind one's page",
        Sent(body=message(text="And https://evil.example/?", page=f"{SITE}/a")),
        400,
        LINK,
    ),
    (
        "a wrapped link",
        Sent(body=message(text="https://www.google.com/url?q=http%3A%2F%2F10.0.0.1%2F")),
        400,
        LINK,
    ),
    (
        "a link in a button",
        Sent(
            body={"type": "message", "value": {"question": "What is in http://10.0.0.1/?"}, "replyToId": "A"}
        ),
        400,
        LINK,
    ),
    (
        "a link in an edit",
        Sent(body={"type": "messageUpdate", "id": "Q", "text": "http://10.0.0.1/"}),
        400,
        LINK,
    ),
]


async def send(world: World, sent: Sent) -> tuple[int, Json, aiohttp.ClientResponse]:
    """Send it as Ada's panel would, but for what is wrong with it."""
    token = world.ada.session if sent.token is None else sent.token(world)
    where = world.ada.conversation if sent.where is None else sent.where(world)
    body = sent.body
    if isinstance(body, dict) and sent.path != "/widget/session":
        own = world.widget.chats.conversations.get(world.ada.conversation)
        assert own is not None
        ids = {"A": list(own.messages)[-1], "Q": next(iter(own.messages))}
        body = {"conversation": where} | body
        body |= {key: ids.get(body[key], body[key]) for key in ("replyToId", "id") if key in body}
    headers = {"Authorization": f"Bearer {token}"} | sent.headers
    if not sent.get:
        headers = {"Origin": world.widget.url} | headers
    headers = {name: value for name, value in headers.items() if value}
    query = {"conversation": where} if sent.get and sent.path == "/widget/events" else {}
    url = URL(world.widget.url + sent.path, encoded="%2F" in sent.path).update_query(query)
    method = "GET" if sent.get else "POST"
    json = None if sent.get or isinstance(body, bytes) else body
    data = body if isinstance(body, bytes) and not sent.get else None
    async with world.ada.http.request(method, url, headers=headers, json=json, data=data) as response:
        return response.status, await response.json(), response


@pytest.mark.parametrize(
    ("sent", "status", "sentence"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
async def test_what_is_forged_foreign_or_out_of_bounds_is_refused_and_changes_nothing(
    world: World, sent: Sent, status: int, sentence: str
) -> None:
    before = await world.state()
    got, body, response = await send(world, sent)
    assert got == status, body
    assert sentence in body["error"]["message"]
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert await world.state() == before


async def test_there_are_enough_of_them() -> None:
    assert len(REFUSED) >= 40


async def test_a_ticket_works_once_and_not_for_long(world: World) -> None:
    visitor = Visitor(world.ada.http, world.widget)
    ticket = (await visitor.load())["ticket"]
    assert (await visitor.post("/widget/session", {"ticket": ticket}))[0] == 200
    status, said = await visitor.post("/widget/session", {"ticket": ticket})
    assert (status, said["error"]["code"]) == (401, "ticket_used")
    late = (await visitor.load())["ticket"]
    world.clock.now += TICKET_S
    assert (await visitor.post("/widget/session", {"ticket": late}))[0] == 401
    world.clock.now -= TICKET_S


async def test_a_visitor_comes_back_to_their_conversation_and_on_another_site_is_somebody_else(
    world: World,
) -> None:
    async with a_visitor(world.widget) as first:
        again = Visitor(first.http, world.widget)
        again.visit = first.visit
        await again.enter()
        assert again.conversation == first.conversation
        away = Visitor(first.http, world.widget, OTHER_SITE)
        away.visit = first.visit
        await away.enter()
        assert away.conversation != first.conversation
        status, told = await first.post("/widget/session", {"visit": first.visit})
        assert status == 200, "a session is renewed without a ticket"
        assert told["conversation"] == first.conversation


async def test_the_cookie_of_a_visit_is_for_the_session_alone(world: World) -> None:
    visitor = Visitor(world.ada.http, world.widget)
    body = {"ticket": (await visitor.load())["ticket"]}
    headers = {"Origin": world.widget.url}
    async with visitor.http.post(
        f"{world.widget.url}/widget/session", json=body, headers=headers
    ) as response:
        cookie = response.headers["Set-Cookie"]
        visit = (await response.json())["visit"]
    for word in ("HttpOnly", "Secure", "SameSite=None", "Partitioned", "Path=/widget/session"):
        assert word in cookie.split("; ")
    headers["Cookie"] = f"{VISIT_COOKIE}={visit}"
    async with visitor.http.post(f"{world.widget.url}/widget/session", json={}, headers=headers) as response:
        assert response.status == 200, "the cookie renews"
    headers["Origin"] = SITE
    async with visitor.http.post(f"{world.widget.url}/widget/session", json={}, headers=headers) as response:
        assert response.status == 403, "but not for a page of the site"


async def test_the_panel_may_be_framed_by_its_one_site_and_runs_its_own_files_only(world: World) -> None:
    for site in (SITE, OTHER_SITE):
        async with world.ada.http.get(f"{world.widget.url}/widget/panel?origin={site}") as response:
            policy = response.headers["Content-Security-Policy"].split("; ")
            page = await response.text()
        assert f"frame-ancestors {site}" in policy
        assert "script-src 'self'" in policy
        assert "X-Frame-Options" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"
        assert "style=" not in page
        assert "<script>" not in page


async def test_the_page_that_one_reads_is_asked_about_and_small_talk_is_about_none(world: World) -> None:
    async with a_visitor(world.widget) as visitor:
        asked = len(world.chat.actor.asked)
        for text in ("How much holiday is there?", "thank you", "my data"):
            status, said = await visitor.do("message", text=text, page=f"{SITE}/leave#parents")
            assert status == 200, said
            await world.chat.asking.drain(10)
        [question] = world.chat.actor.asked[asked:]
        assert (question.page_url, question.channel) == (f"{SITE}/leave", Channel.WIDGET)
        linked = await visitor.do("message", text=f"And the holiday in {OTHER_SITE}/b?", page=f"{SITE}/a")
        assert linked[0] == 200
        await world.chat.asking.drain(10)
        assert world.chat.actor.asked[-1].page_url == f"{OTHER_SITE}/b", "a link in the words comes first"


async def test_a_page_that_the_bot_knows_and_everybody_may_read_can_be_linked(world: World) -> None:
    world.widget.known.append(("https://docs.example/a", "A"))
    for address, status in (("https://docs.example/a#x", 200), ("https://docs.example/b", 400)):
        assert (await world.ada.do("message", text=f"The holiday in {address}?"))[0] == status
    world.widget.known.pop()
    await world.chat.asking.drain(10)


async def test_a_visitor_is_known_to_nobody_and_reviews_nothing(world: World) -> None:
    async with a_visitor(world.widget) as visitor:
        for text in ("reviewers here", "reviews page", "admin page"):
            assert (await visitor.do("message", text=text))[0] == 200
        await world.chat.asking.drain(10)
        shown = str(await visitor.messages())
    assert "/reviews#" not in shown
    assert "/admin#" not in shown
    [gate] = [gate for name, gate in world.chat.parts.reviewer_gates.items() if name == Channel.WIDGET]
    for person in ("", "29:widget-x"):
        assert await gate.refusal(person)


async def test_a_store_that_is_away_is_said_to_be(world: World) -> None:
    world.chat.store.down = True
    try:
        chat = world.widget.chats.conversations.get(world.ada.conversation)
        assert chat is not None
        answer = next(one for one in chat.messages.values() if one.get("loop"))
        status, said = await world.ada.do(
            "messageReaction", replyToId=answer["id"], reactionsAdded=[{"type": "like"}]
        )
        assert (status, said["error"]["code"]) == (503, "unavailable")
    finally:
        world.chat.store.down = False


async def test_more_visitors_and_questions_than_a_site_may_have_are_asked_to_wait(tmp_path: Path) -> None:
    limits = WidgetLimits(visitors_per_minute=1, questions_per_minute=1)
    async with (
        a_chat(Chat(tmp_path)) as chat,
        a_widget(Widget(chat, tmp_path, limits=limits)) as widget,
        a_visitor(widget) as visitor,
    ):
        late = Visitor(visitor.http, widget)
        body = {"ticket": (await late.load())["ticket"]}
        status, said = await late.post("/widget/session", body)
        assert (status, said["error"]["code"]) == (429, "too_many")
        assert (await visitor.do("message", text="How much holiday?"))[0] == 200
        assert (await visitor.do("message", text="And in May?"))[0] == 429
        assert len(widget.chats.conversations.all()) == 1
        assert isinstance(widget.clock, Clock)
        widget.clock.now += 60
        assert (await late.post("/widget/session", body))[0] == 200, "the ticket waited, too"


async def test_what_a_visitor_deletes_and_what_nobody_comes_back_to_leaves_the_widgets_file(
    tmp_path: Path,
) -> None:
    async with (
        a_chat(Chat(tmp_path)) as chat,
        a_widget(Widget(chat, tmp_path)) as widget,
        a_visitor(widget) as visitor,
        a_visitor(widget) as other,
    ):
        for one, word in ((visitor, "xylophone"), (other, "zeppelin")):
            assert (await one.do("message", text=f"How much is a {word}?"))[0] == 200
        await chat.asking.drain(10)
        assert (await visitor.do("message", text="delete my data"))[0] == 200
        asked = (await visitor.messages())[-1]
        action = actions_of(asked["cards"])["privacy.delete_now"]
        pressed = {"type": "Action.Execute", "verb": "privacy.delete_now", "data": action}
        borrowed = {"name": "adaptiveCard/action", "value": {"action": pressed}}
        theirs = (await other.messages())[-1]["id"]
        status, said = await other.do("invoke", replyToId=theirs, **borrowed)
        assert "xylophone" in str(chat.store.questions), said
        status, said = await visitor.do("invoke", replyToId=asked["id"], **borrowed)
        assert status == 200, said
        await chat.parts.privacy.wait_until_settled()
        assert "xylophone" not in str(chat.store.questions)
        kept = tmp_path / PAGE_FILES[Channel.WIDGET]
        assert b"xylophone" not in kept.read_bytes()
        assert b"zeppelin" in kept.read_bytes() + kept.with_name(kept.name + "-wal").read_bytes()
        await widget.chats.conversations.end_unused("2020-01-01")
        assert widget.chats.conversations.of_person(widget.sessions.read(other.session).visitor)
        await widget.chats.conversations.end_unused("9999-01-01")
        await widget.chats.conversations.overwrite()
        assert b"zeppelin" not in kept.read_bytes()
