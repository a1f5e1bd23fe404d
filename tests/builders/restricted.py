"""The bot over pages of different readers, wired as it is wired, with doubles at its edges.

    office.say(place, text)      everything that place's people read of what follows
    LEAKS(page)                  words that only that page, an answer from it, or a ruling on it has

The pages are five, one for each kind of readers; places are where people meet the bot.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.bootstrap import PageServices
from bot.card_tokens import RATE, REVIEW, CardSigner, parse_home_id
from bot.channels.asides.listening import UnaskedRules
from bot.channels.asides.one_person import ContactCipher
from bot.channels.handler import ActivityHandler, ChannelConfig
from bot.channels.incoming import Reference, parse_activity
from bot.channels.message import Connector, Message, Outgoing
from bot.channels.review_handler import Reviewers
from bot.dialogs.answerer import FollowUps, PageAnswerer, Verified, is_fresh
from bot.dialogs.ask import Asking
from bot.dialogs.learned_search import LearnedRatings
from bot.dialogs.neighbours import NeighbourFinder, People
from bot.dialogs.rate import RatingRules
from bot.dialogs.talk import Talking
from bot.dialogs.verified_answers import VerifiedAnswers
from bot.page_passes import PagePasses, Visitor
from bot.readers.audiences import Audiences
from bot.services import ServiceDependencies, Services
from bot.suggestions import Suggestions
from bot.teams.tab.drawing import draw_overview
from bot.web.access import RefusedError
from bot.web.dashboard.data import DashboardData, Query
from bot.web.pages import PATH, open_route, site_routes
from bot.web.reviews.presses import Presses, parse_press
from bot.web.reviews.reviewer_access import ReviewerAccess, ReviewerAccessFinder
from bot.web.reviews.served import ServedAnswers, ServedQuery
from bot.web.reviews.waiting import WaitingReviews
from core.readers import EVERYONE, NOBODY, Audience, Readers, reading_as
from core.records import (
    Answer,
    Channel,
    Citation,
    Feedback,
    FeedbackKind,
    Page,
    Passage,
    Question,
    ReviewReason,
    Ruling,
    Section,
    Timings,
    Verdict,
)
from feedback.examples.collect import gather
from feedback.examples.convert import ExampleRules
from feedback.privacy.export import export_person
from feedback.privacy.retention import Retention
from feedback.reviews.ratings import Scale
from feedback.reviews.repository import CardDestination, Notification, ReviewRepository, name_private_contact
from feedback.reviews.ruling_changes import read_standing
from feedback.store.base import moment
from feedback.store.documents import Document
from feedback.store.sqlite import SqliteStore
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.registry.versions import RolloutState
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.parse.extract import page_hash
from tests.builders.widget import Widget, a_visitor, a_widget
from tests.builders.world import KEY, NO_SAMPLE, pseudonym

Json = dict[str, Any]
SITE = "https://bot.example"

PAGES: Mapping[str, Readers] = {
    "open": EVERYONE,
    "group": Readers(frozenset({"entra:group:hr"})),
    "person": Readers(frozenset({"entra:user:ada"})),
    "channel": Readers(frozenset({"slack:channel:C1"})),
    "nobody": NOBODY,
}
STATES = ("as found", "closed", "opened", "removed")
"""What becomes of the pages' readers after everything was answered."""


def leaks(page: str) -> tuple[str, ...]:
    """Return the words that show that something of a page has crossed a line."""
    return tuple(f"{kind}{page}zq" for kind in ("page", "answer", "ruling", "title", "asked"))


def address(page: str) -> str:
    return f"/site/plans/{page}"


@dataclass(frozen=True)
class Place:
    """Where somebody speaks: an activity's fields. `reads` are the pages that may be read there."""

    name: str
    channel: str
    sender: str
    conversation: Json
    reads: frozenset[str]
    channel_data: Json | None = None

    def activity(self, kind: str = "message", **fields: Any) -> Json:
        return {
            "type": kind,
            "channelId": self.channel,
            "serviceUrl": "https://service.example",
            "from": {"id": f"29:{self.sender}", "aadObjectId": self.sender, "name": "Somebody"},
            "recipient": {"id": "28:bot", "name": "Bot"},
            "conversation": self.conversation,
            "channelData": self.channel_data or {},
        } | fields

    @property
    def person(self) -> str:
        return pseudonym(self.sender)


def _chat(name: str, channel: str, sender: str, *reads: str) -> Place:
    conversation = {"id": f"{'T1:D' if channel == 'slack' else 'a:'}{name}", "conversationType": "personal"}
    return Place(name, channel, sender, conversation, frozenset({"open", *reads}))


def _room(name: str, data: Json | None, *reads: str, kind: str = "channel") -> Place:
    conversation = {"id": f"19:{name}@thread;messageid=1", "conversationType": kind, "isGroup": True}
    return Place(name, "msteams", "ada", conversation, frozenset({"open", *reads}), data)


def _team(group: str, kind: str) -> Json:
    return {"team": {"id": "19:t", "aadGroupId": group}, "channel": {"id": "19:c", "type": kind}}


def _slack_room(channel: str, *reads: str) -> Place:
    conversation = {"id": f"T1:{channel};messageid=1.2", "conversationType": "channel"}
    return Place(f"slack {channel}", "slack", "slack:T1:USUE", conversation, frozenset({"open", *reads}))


PLACES = (
    _chat("ada", "msteams", "ada", "group", "person"),
    _chat("bob", "msteams", "bob"),
    _chat("eve", "msteams", "eve"),  # she is in the group, but the directory does not answer
    _room("hr team", _team("HR", "standard"), "group"),
    _room("hr private", _team("hr", "private"), "group"),
    _room("hr shared", _team("hr", "shared")),
    _room("hr unknown", _team("hr", "")),
    _room("other team", _team("it", "standard")),
    _room("group chat", None, kind="groupChat"),
    _chat("sue", "slack", "slack:T1:USUE", "channel"),
    _chat("tom", "slack", "slack:T1:UTOM"),
    _slack_room("C1", "channel"),
    _slack_room("C2"),
    _chat("web", "local", "ada"),  # a name that anybody can take there
    _chat("widget", "widget", "ada"),
)


LOOKED_AT_AGAIN = tuple(one for one in PLACES if one.name in {"ada", "bob", "hr team", "slack C1", "web"})
"""One of each kind."""
ROOMS = {
    "open": PLACES[11],
    "group": PLACES[3],
    "channel": PLACES[11],
}
"""Channels in which a page may be read."""


class Groups:
    """A directory in memory (`bot.readers.audiences.Directory`)."""

    def __init__(self, kind: str, groups: Mapping[str, set[str]]) -> None:
        self.kinds = (kind,)
        self._groups = groups
        self.asked = 0

    def name_person(self, person: str, conversation: Mapping[str, Any]) -> Audience:
        user = person.rpartition(":")[2]
        return frozenset({f"{'slack' if person.startswith('slack') else 'entra'}:user:{user}"})

    async def find_groups(self, person: str, conversation: Mapping[str, Any]) -> Audience:
        self.asked += 1
        if person not in self._groups:
            raise OSError("the directory does not answer")
        return frozenset(self._groups[person])


class Screens:
    """A connector that remembers what is said where."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Outgoing]] = []
        self._ids = itertools.count(1)

    async def send(self, reference: Reference, message: Outgoing) -> str:
        self.said.append((str(reference.conversation["id"]), message))
        return f"m{next(self._ids)}"

    async def update(self, reference: Reference, message_id: str, message: Message) -> None:
        await self.send(reference, message)

    async def delete(self, conversation: Mapping[str, Any], message_id: str) -> None: ...


class Listening:
    """The answerer, and what it is shown of the conversation before."""

    def __init__(self, answerer: PageAnswerer) -> None:
        self.history: list[str] = []
        self._answerer = answerer

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        self.history = [one.text for one in history]
        async for item in self._answerer.stream(question, history):
            yield item


class Office:
    """The parts of one bot."""

    def __init__(self, page_services: PageServices, store: SqliteStore) -> None:
        self.page_services, self.store = page_services, store
        self.repository = ReviewRepository(store.documents)
        self.screens = Screens()
        self.entra = Groups("entra:group:", {"ada": {"entra:group:hr"}, "bob": set()})
        slack = Groups("slack:channel:", {"slack:T1:USUE": {"slack:channel:C1"}, "slack:T1:UTOM": set()})
        self.audiences = Audiences(page_services.access, {"msteams", "slack"})
        self.audiences.add("msteams", self.entra)
        self.audiences.add("slack", slack)
        self.known = VerifiedAnswers(page_services.embedder)
        self.known.access = page_services.access
        fresh = partial(is_fresh, page_hash=page_services.page_hash)
        dependencies = ServiceDependencies(
            known=self.known,
            look_again=page_services.look_again,
            fresh=fresh,
            connector=lambda _: self.screens,
            site_url=SITE,
            audiences=self.audiences,
            listed_pages=page_services.library,
            unasked=UnaskedRules(is_on=True, precision=0.0),
        )
        self.services = Services(store, self.repository, KEY, dependencies, (RatingRules(), NO_SAMPLE))
        rules = AnswerRules(least_similarity=-1.0, decline_below=0.0)
        model = always_acquire(CannedChatModel(["I do not know."]), "canned")
        answering = Answering(model, page_services.library.search, rules, page_services.library.read_section)
        kept = partial(read_standing, self.repository)
        self.verified = Verified(self.known, fresh, kept, access=page_services.access)
        self.answerer = Listening(PageAnswerer(page_services.library, answering, self.verified))
        self.answering = answering
        self.cipher = ContactCipher(KEY)
        self.access_finder = ReviewerAccessFinder(self.audiences)
        self.asking = Asking(store, self.answerer, talking=Talking(page_services.public_pages))
        self.asking.find_audience, self.asking.access = self.audiences.find_for, self.audiences.access
        self.offers = FollowUps(page_services.page, page_services.library.search, 3).offers
        reviewers = Reviewers([place.sender for place in PLACES])
        handlers = self.services.handlers(self.asking, reviewers)
        self.handlers = {
            str(channel): ActivityHandler(handlers, ChannelConfig(channel, offers=self.offers))
            for channel in (Channel.TEAMS, Channel.SLACK, Channel.LOCAL, Channel.WIDGET)
        }
        self._ids = itertools.count(1)
        self.parts, self.connectors = self.services, dict[str, Connector]()  # for a widget before all this

    # What there is

    async def fill(self) -> None:
        """Keep an answer of each page and a ruling on another, and one more answer in each place."""
        for name, readers in PAGES.items():
            await self.page_services.index.add(_page(name, readers), source="plans")
        for name in PAGES:
            await self.keep_answer(f"a {name}", name, f"What pays the {name} plan?", "elsewhere")
            await self.keep_answer(f"v {name}", name, _ruled_question(name), "elsewhere")
            await self.services.reviewing.flag(await self.answer(f"a {name}"), ReviewReason.THUMB_DOWN)
            await self.rule(f"v {name}", name)
            given_at = datetime.now(UTC)
            stars = Feedback(f"a {name}", "somebody", FeedbackKind.STARS, "1", True, given_at)
            await self.store.put_feedback(stars)
            for place in PLACES:
                conversation = parse_activity(place.activity()).conversation_id
                await self.keep_answer(
                    f"h {name} {place.name}", name, f"The {name} plan?", conversation, place.person
                )
            room = parse_activity(ROOMS.get(name, ROOMS["open"]).activity()).conversation_id
            for place in LOOKED_AT_AGAIN:
                await self.keep_answer(f"o {name} {place.name}", name, "Is it good?", room, place.person)

    async def keep_answer(self, id_: str, page: str, text: str, conversation: str, asker: str = "p1") -> None:
        passage = await self.passage(page)
        now = datetime.now(UTC)
        question = Question(f"q {id_}", text, asker, conversation, Channel.TEAMS, now)
        cited = Citation(passage.url, passage.title, passage.heading, passage.text)
        said = f"It pays answer{page}zq [1]."
        await self.store.add_question(question)
        await self.store.add_answer(
            Answer(id_, question, said, (passage,), (cited,), "canned", Timings(), now, support=1.0)
        )
        await self.store.mark_delivered(question.id, f"m {id_}")

    async def passage(self, page: str) -> Passage:
        known = await self.page_services.index.page(address(page))
        assert known is not None
        section = known.sections[0]
        return Passage(
            f"{known.url}#pay",
            known.title,
            section.heading,
            section.text,
            known.page_hash,
            known.fetched_at,
            known.readers,
        )

    async def answer(self, id_: str) -> Answer:
        found = await self.store.answer(id_)
        assert found is not None
        return found

    async def rule(self, id_: str, page: str) -> None:
        """Let a reviewer correct an answer, with the page as the source."""
        answer = await self.answer(id_)
        await self.services.reviewing.flag(answer, ReviewReason.THUMB_DOWN)
        text = f"The reward is ruling{page}zq."
        now = datetime.now(UTC)
        verdict = Verdict("r1", "Robin", Ruling.CORRECTED, now, text, answer.citations[0])
        await self.services.reviewing.rule(id_, 1, verdict)

    async def change(self, state: str) -> None:
        """Let the pages' readers become what they are in a state."""
        for name in PAGES:
            if state == "removed":
                await self.page_services.index.remove(address(name))
            elif state != "as found":
                readers = NOBODY if state == "closed" else EVERYONE
                now = datetime.now(UTC)
                await self.page_services.index.touch(
                    address(name), source="plans", fetched_at=now, readers=readers
                )

    # What people do

    async def say(self, place: Place, text: str) -> str:
        """Return what is on that place's screen of what follows from these words."""
        before = len(self.screens.said)
        handler = self.handlers[place.channel]
        await handler.receive(place.activity(id=f"i{next(self._ids)}", text=text), self.screens)
        assert await self.asking.drain(20.0) == 0
        await handler.close()
        return self.read_screen(place, before)

    async def press(self, place: Place, verb: str, answer_id: str, purpose: str) -> str:
        """Press a button that a card in this place would have, and return all that comes of it."""
        before = len(self.screens.said)
        incoming = parse_activity(place.activity())
        signature = self.services.view.signer.sign(purpose, answer_id, incoming.conversation)
        data = {"verb": verb, "answer_id": answer_id, "seal": signature, "round": 1, "reason": "busy"}
        action = {"action": {"type": "Action.Execute", "verb": verb, "data": data}}
        activity = place.activity(
            "invoke", name="adaptiveCard/action", value=action, id=f"i{next(self._ids)}"
        )
        reply = await self.handlers[place.channel].receive(activity, self.screens)
        return f"{reply}{self.read_screen(place, before)}"

    def read_screen(self, place: Place, before: int) -> str:
        here = str(place.conversation["id"]).partition(";")[0]
        said = self.screens.said[before:]
        return " ".join(repr(message) for where, message in said if where.partition(";")[0] == here)

    async def audience(self, place: Place) -> Audience:
        incoming = parse_activity(place.activity())
        return await self.audiences.find(incoming.conversation, incoming.directory_id)

    async def get(self, path: str) -> str:
        """Return what a browser gets, where it is sent, too."""
        app = web.Application()
        app.add_routes(site_routes(self.page_services.page, self.page_services.public_pages, everyone=True))
        opened = self.services.looking.on_opened
        app.add_routes(
            [open_route(self.store, opened, "http://localhost:1", self.page_services.access.is_restricted)]
        )
        async with TestClient(TestServer(app)) as client:
            response = await client.get(path, allow_redirects=False)
            return f"{await response.text()} {response.headers.get('Location', '')}"


def _ruled_question(page: str) -> str:
    return f"How large is the asked{page}zq reward?"


def _page(name: str, readers: Readers) -> Page:
    text = f"The {name} bonus pays page{name}zq euros a year, plan and reward included."
    sections = (
        Section(f"Pay title{name}zq", "pay", text),
        Section(f"More title{name}zq", "more", f"More on the {name} bonus stands here: page{name}zq."),
    )
    title = f"Plan title{name}zq"
    hash_ = page_hash(title, sections)
    return Page(address(name), title, sections, hash_, datetime.now(UTC), readers=readers)


@asynccontextmanager
async def an_office(folder: Path) -> AsyncGenerator[Office]:
    async with AsyncExitStack() as closing:
        embedder = HashedEmbedder()
        index = await FileIndex.open(folder, embedder)
        closing.push_async_callback(index.close)
        fetcher = await closing.enter_async_context(Fetcher(FetchLimits()))
        library = Library(index, fetcher, public_url=SITE)
        closing.push_async_callback(library.close)
        store = SqliteStore.open(folder / "store.sqlite3")
        closing.push_async_callback(store.close)
        office = Office(PageServices(index, library, embedder), store)
        closing.push_async_callback(office.services.privacy.close)
        yield office


# Surfaces: what of each page shows in a place, by the name of the surface


async def by_search(office: Office, place: Place, page: str) -> str:
    return await office.say(place, f"How much is the {page} bonus?")


async def by_verified_answer(office: Office, place: Place, page: str) -> str:
    return await office.say(place, _ruled_question(page))


async def by_pasted_address(office: Office, place: Place, page: str) -> str:
    return await office.say(place, f"How much is it in {SITE}{address(page)} ?")


async def by_offers(office: Office, place: Place, page: str) -> str:
    with reading_as(await office.audience(place)):
        return repr(await office.offers(await office.answer(f"a {page}")))


async def by_section(office: Office, place: Place, page: str) -> str:
    found = (await office.answer(f"a {page}")).passages[0]
    with reading_as(await office.audience(place)):
        return await office.page_services.library.read_section(found)


async def by_similar(office: Office, place: Place, page: str) -> str:
    await office.audience(place)
    shown = replace(await office.answer("a open"), similar=(f"v {page}",), citations=(), passages=(), text="")
    taken = Feedback(shown.id, "p", FeedbackKind.SIMILAR, f"same v {page}", True, datetime.now(UTC))
    conversation = parse_activity(place.activity()).conversation
    view = office.services.view
    return repr([view.make_messages(conversation, shown, words=words) for words in ((), (taken,))])


async def by_neighbours(office: Office, place: Place, page: str) -> str:
    async def is_out(_: str) -> bool:
        return False

    found = (await office.answer(f"v {page}")).passages[0].url
    finder = NeighbourFinder(office.verified, People(office.store.answer, is_out))
    question = (await office.answer(f"a {page}")).question
    with reading_as(await office.audience(place)):
        return repr(await finder.find(question, [found], 5))


async def by_history(office: Office, place: Place, page: str) -> str:
    await office.say(place, "And in Lisbon?")
    return " ".join(office.answerer.history)


async def by_list(office: Office, place: Place, page: str) -> str:
    return await office.say(place, "which pages do you have?")


async def by_review_card(office: Office, place: Place, page: str) -> str:
    incoming = parse_activity(place.activity())
    await office.audience(place)
    reference = incoming.channel_contact.dump()
    destination = CardDestination(place.name, reference)
    await office.repository.put_place(destination)
    before = len(office.screens.said)
    review = await office.repository.review(f"a {page}")
    assert review is not None
    await office.services.card_sync.post(review)
    await office.repository.remove_place(destination.id)
    return office.read_screen(place, before)


async def by_queue(office: Office, place: Place, page: str) -> str:
    return await office.say(place, "queue")


async def by_press(office: Office, place: Place, page: str) -> str:
    return await office.press(place, "review.skip", f"a {page}", REVIEW)


async def by_verified_list(office: Office, place: Place, page: str) -> str:
    listed = await office.say(place, "verified answers")
    return listed + await office.press(place, "review.verified", f"v {page}", REVIEW)


async def by_rating(office: Office, place: Place, page: str) -> str:
    return await office.press(place, "rate.expert", f"h {page} {place.name}", RATE)


async def by_changes(office: Office, place: Place, page: str) -> str:
    notice = Notification(f"v {page}", place.person, moment(datetime.now(UTC)))
    await office.repository.add_notice(notice)
    return await office.say(place, "what changed because of me?")


async def by_overview(office: Office, place: Place, page: str) -> str:
    """A tab or an app's home: what somebody asked (their own words, left out here), what changed, pages."""
    incoming = parse_activity(place.activity())
    overviews = office.services.make_overviews(office.page_services.public_pages)
    mine = await overviews.read(place.person, incoming.directory_id, incoming.conversation)
    answers = [one.answer for one in mine.questions if one.answer]
    tab = draw_overview(mine, Retention(), SITE)
    drawn = [tab[part] for part in ("changes", "pages", "privacy")]
    drawn += [one | {"text": ""} for one in tab["questions"]]
    found = [(one.text, one.passages, one.citations) for one in answers]
    return repr([found, mine.changes, mine.pages, drawn])


async def by_notice(office: Office, place: Place, page: str) -> str:
    incoming = parse_activity(place.activity())
    await office.audience(place)
    await office.repository.put_contact(incoming.conversation_id, incoming.contact.dump())
    before = len(office.screens.said)
    await office.rule(f"h {page} {place.name}", page)
    for _ in range(3):  # so many are done at once, and presses have left some
        await office.services.card_sync.process_outbox()
    return office.read_screen(place, before)


async def by_told_alone(office: Office, place: Place, page: str) -> str:
    """What somebody hears in their chat of a ruling on what they asked where others could read it."""
    room = ROOMS.get(page, ROOMS["open"])
    asked_in = parse_activity(room.activity())
    alone = parse_activity(place.activity())
    await office.audience(room)
    await office.audience(place)
    id_ = f"o {page} {place.name}"
    await office.repository.put_contact(asked_in.conversation_id, asked_in.contact.dump())
    contact = name_private_contact(asked_in.conversation_id, place.person)
    await office.repository.put_contact(contact, office.cipher.encrypt(asked_in.contact.dump()), place.person)
    await office.repository.put_contact(alone.conversation_id, alone.contact.dump(), place.person)
    before = len(office.screens.said)
    await office.rule(id_, page)
    for _ in range(3):
        await office.services.card_sync.process_outbox()
    return office.read_screen(place, before) if alone.personal else ""


async def by_unasked(office: Office, place: Place, page: str) -> str:
    """What the bot says where it was not mentioned: from pages that everyone may read, whoever is there."""
    home = parse_home_id(parse_activity(place.activity()).conversation)
    await office.store.documents.put(Document("listens", home, ""))
    data = (place.channel_data or {}) | {"heard": True}
    conversation = place.conversation | {"id": home}  # no reply in a thread
    here = replace(place, channel_data=data, conversation=conversation)
    return await office.say(here, _ruled_question(page))


async def _open_reviews_page(office: Office, place: Place) -> tuple[ReviewerAccess, Visitor]:
    """Return what somebody sees on the reviewers' page who asked for its link in a place."""
    incoming = parse_activity(place.activity())
    known = PagePasses(CardSigner(KEY), office.store.documents)
    who = Visitor(place.person, incoming.directory_id, "R", place.channel, incoming.conversation)
    link = known.make_link("reviews", who).partition("#link=")[2]
    visitor = known.read("reviews", await known.exchange("reviews", link) or "")
    assert visitor is not None
    return await office.access_finder.find(visitor), visitor


async def by_reviews_queue(office: Office, place: Place, page: str) -> str:
    access, visitor = await _open_reviews_page(office, place)
    waiting = WaitingReviews(office.services.review_actions, office.known, access)
    listed = await waiting.list(visitor.person)
    assert listed["waiting"] == await waiting.count(visitor.person) == len(listed["shown"])
    return f"{listed} {await waiting.describe(f'a {page}', visitor.person)}"


async def by_reviews_served(office: Office, place: Place, page: str) -> str:
    access, _ = await _open_reviews_page(office, place)
    served = ServedAnswers(office.services.review_actions, office.known, access)
    listed = await served.list(ServedQuery(words=f"ruling{page}zq"))
    assert bool(listed["count"]) == bool(listed["shown"])
    return f"{listed} {await served.describe(f'v {page}', SITE)}"


async def by_reviews_press(office: Office, place: Place, page: str) -> str:
    access, visitor = await _open_reviews_page(office, place)
    presses = Presses(office.services.review_actions, access)
    said: list[str] = []
    for verb, number in (("claim", 9), ("skip", 9), ("correct", 9)):
        body = {"verb": f"review.{verb}", "answer": f"a {page}", "press": f"{number:032}", "round": number}
        press = parse_press(body | {"text": "x", "note": "n"})
        try:
            said.append(repr(await presses.perform(press, visitor)))
        except RefusedError as refused:
            said.append(str(refused))
    lead = parse_press({"verb": "review.reject", "answer": "a open", "press": "0" * 32, "round": 9})
    with suppress(RefusedError):
        said.append(repr(await presses.perform_all(lead, [(f"a {page}", 9)], visitor)))
    return repr(said)


async def by_preview(office: Office, place: Place, page: str) -> str:
    previews = office.services.page_previews
    found = [
        await previews.find(f"{SITE}{address(page)}"),
        (await previews.choose([f"{SITE}{address(page)}"]))[1],
    ]
    return repr([*found, *await previews.look_up(f"How much is the {page} bonus?")])


async def by_suggestions(office: Office, place: Place, page: str) -> str:
    suggestions = Suggestions(office.page_services, office.answering)
    suggestions_of = [office.page_services.public_pages(), await office.page_services.page(address(page))]
    await suggestions.find()
    return repr([suggestions.questions, suggestions_of])


async def by_ratings(office: Office, place: Place, page: str) -> str:
    """What ratings teach the search of a page, in the words of what may be told: nothing but its lessons."""
    ratings = LearnedRatings(office.known, office.store, office.page_services.public_page_hash, Scale())
    answer = await office.answer(f"a {page}")
    if await office.repository.review(answer.id) is None:
        return ""
    rated = replace(answer, id=f"r {page}", question=replace(answer.question, id=f"q r {page}"))
    await office.store.add_question(rated.question)
    await office.store.add_answer(rated)
    now = datetime.now(UTC)
    await office.store.put_feedback(Feedback(rated.id, "p9", FeedbackKind.THUMB, "like", True, now))
    await ratings.learn(rated)
    with reading_as(await office.audience(place)):
        return repr(
            await ratings.recall(answer.question.text, replace(answer.question, channel=Channel.LOCAL))
        )


async def by_viewer(office: Office, place: Place, page: str) -> str:
    return await office.get(address(page)) + await office.get("/site/")


async def by_link(office: Office, place: Place, page: str) -> str:
    return await office.get(PATH.format(answer=f"a {page}", number=1))


async def by_dashboard(office: Office, place: Place, page: str) -> str:
    figures = DashboardData(office.store, office.repository, RolloutState, fresh_s=0.0)
    figures.is_restricted = office.page_services.access.is_kept_apart
    figures.are_restricted = office.page_services.access.are_restricted
    return repr(await figures.read(Query("hours"), datetime.now(UTC), questions=True))


async def by_export(office: Office, place: Place, page: str) -> str:
    told = await export_person(office.store, "p1", office.page_services.access.is_restricted)
    return repr([one["answer"] for one in told["questions"]])


async def by_training(office: Office, place: Place, page: str) -> str:
    rules = ExampleRules("-", is_restricted=office.page_services.access.is_kept_apart)
    return repr((await gather(office.store, office.repository, rules, datetime.now(UTC))).candidates)


async def by_widget(office: Office, place: Place, page: str) -> str:
    """What a visitor of another site gets, asking about the page that they read, and about all."""
    known = office.page_services.public_pages()
    with TemporaryDirectory() as kept:
        widget = Widget(office, Path(kept), origins=[SITE], known=known)
        async with a_widget(widget), a_visitor(widget, SITE) as visitor:
            for text in (f"How much is the {page} bonus?", _ruled_question(page)):
                for about in (f"{SITE}{address(page)}", ""):
                    status, said = await visitor.do("message", text=text, page=about)
                    assert status == 200, said
                    assert await office.asking.drain(20.0) == 0
            shown = await visitor.messages()
    return repr([one for one in shown if one["sender"] == "bot"])


async def by_plain_search(office: Office, place: Place, page: str) -> str:
    """Whatever searches without saying for whom: the command line, jobs, LangChain programs."""
    return repr(await office.page_services.library.search(f"How much is the {page} bonus?", 5))
