"""The bot between a channel's token issuer and connector, both real servers. Only the model is scripted."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bot.channels.asides.listening import UnaskedRules
from bot.channels.asides.own_reactions import Rule
from bot.channels.asides.page_previews import ListedPages
from bot.channels.files.sent_files import FilePages
from bot.channels.handler import ActivityHandler, ChannelConfig
from bot.channels.owners.people import Owners
from bot.channels.privacy_handler import PrivacyTerms
from bot.channels.review_handler import Reviewers
from bot.dialogs.ask import Asking
from bot.dialogs.askers import AskerLimits
from bot.dialogs.rate import RatingRules
from bot.dialogs.review import ReviewRules
from bot.dialogs.talk import Talking
from bot.services import ServiceDependencies, Services
from bot.teams.auth import BotFrameworkConfig, KeyTimes
from bot.teams.endpoint import TeamsEndpoint
from bot.teams.extension import answer_extension
from bot.web.data_download import DataDownload
from core.records import Answer, AnswerKind, Citation, Feedback, Passage, Question, Timings, VerifiedAnswer
from feedback.privacy import keys
from feedback.reviews.paraphrases import Paraphrase
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import RunImmediately, StoreUnavailable, Undelivered, moment
from feedback.store.cosmos import CosmosStore
from feedback.store.documents import Document, Wanted
from feedback.store.offline_store import OfflineStore
from feedback.store.rows import PAGE as PAGE_OF_ROWS
from feedback.store.rows import Row, Table, build_row_key
from feedback.store.serialization import derive_reaction, parse_answer, parse_question, to_json
from feedback.store.sqlite import SqliteStore
from model.answering.chain import StopWriting
from tests.builders.serving import served
from tests.doubles.teams_connector import ConnectorService
from tests.doubles.teams_limits import TEST_STREAM, quick_pace
from tests.doubles.tokens import APP_ID, ISSUER, Issuer

GROUP = {"id": "19:group@thread.v2", "conversationType": "groupChat", "isGroup": True}

Json = dict[str, Any]

NOW = datetime(2026, 11, 23, tzinfo=UTC)
GOOD = "a good token"
NOT_HEARD = UnaskedRules()
KEY = b"a key of the tests"
CHANNEL_WAITS_S = 10.0
"""How long Teams waits for the answer to its POST."""
REVIEWERS = ("aad-robin", "aad-kim")
NO_SAMPLE = ReviewRules(sample_share=0.0)
BOT = {"id": "28:bot", "name": "Page Bot"}
PAGE = Passage("/site/leave#parents", "Leave", "Parents", "Parents get 16 weeks of paid leave.", "h1", NOW)
LISTED = (("/site/leave", "Leave"), ("https://pages.example/travel", "Travel"))
"""The pages that the bot knows, when it is asked which."""
CITED = Citation(PAGE.url, PAGE.title, PAGE.heading, "16 weeks of paid leave")


FURTHER = Citation("/site/leave#dates", "Leave", "Dates", "It begins at the birth.")
QUOTE = (
    "Parents get 16 weeks of paid leave. It is for *both*:\n\n"
    "- <b>mothers</b>\n- fathers, see [here](https://evil.example/)\n  - and `__others__`"
)
"""Words of a page that would be markup wherever they are taken for it."""


def a_quote(question: Question, **changes: Any) -> Answer:
    """Return a quoted answer, with words that are markup elsewhere."""
    quoted = an_answer(question, QUOTE, kind=AnswerKind.QUOTED, citations=(CITED, FURTHER))
    marked = "Parents get 16 weeks of paid leave."
    return replace(quoted, marked=marked, confidence=0.4, **changes)


def an_answer(question: Question, text: str = "You get 16 weeks [1].", **changes: Any) -> Answer:
    answer = Answer(
        id=f"answer to {question.id}",
        question=question,
        text=text,
        passages=(PAGE,),
        citations=(CITED,),
        model_version="scripted",
        timings=Timings(),
        answered_at=NOW,
    )
    return replace(answer, **changes)


class ScriptedAnswerer:
    """Drafts first, then the answer with `changes`. It stops before the answer until `go` is set.

    With `quotes` a quotation comes before all of it; without `text` it is the answer.
    """

    def __init__(
        self, drafts: Sequence[str] = (), text: str = "You get 16 weeks [1].", **changes: Any
    ) -> None:
        self.drafts = drafts
        self.text = text
        self.changes = changes
        self.quotes = False
        self.asked: list[Question] = []
        self.raises: Exception | None = None
        self.step: asyncio.Semaphore | None = None
        self.go = asyncio.Event()
        self.go.set()

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        self.asked.append(question)
        if self.raises:
            raise self.raises
        changes = {name: value for name, value in self.changes.items() if name != "kind"}
        if self.quotes:
            yield a_quote(question, **changes)
        for draft in self.drafts:
            if self.step:
                await self.step.acquire()
            try:
                yield draft
            except StopWriting:
                yield an_answer(question, draft, **self.changes, stopped=True)
                return
        await self.go.wait()
        if self.text or not self.quotes:
            yield an_answer(question, self.text, **self.changes)


class MemoryDocuments:
    """A Documents that lasts as long as its test. `refused` are kinds that cannot be kept."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Document] = {}
        self.refused: set[str] = set()

    async def add(self, document: Document) -> bool:
        new = (document.kind, document.id) not in self.kept
        if new:
            await self.put(document)
        return new

    async def replace(self, document: Document) -> bool:
        before = self.kept.get((document.kind, document.id))
        if before is None or before.version != document.version:
            return False
        await self.put(document)
        return True

    async def put(self, document: Document) -> None:
        if document.kind in self.refused:
            raise StoreUnavailable("the disk is full")
        before = self.kept.get((document.kind, document.id))
        version = before.version + 1 if before else 1
        self.kept[document.kind, document.id] = replace(document, version=version)

    async def get(self, kind: str, id_: str, answer_id: str = "") -> Document | None:
        document = self.kept.get((kind, id_))
        return document if document and document.answer_id == answer_id else None

    async def list_documents(self, wanted: Wanted) -> Sequence[Document]:
        filters = {"answer_id": wanted.answer_id, "person": wanted.person, "state": wanted.state}
        found = [
            document
            for document in self.kept.values()
            if document.kind == wanted.kind
            and (document.order, document.id) > wanted.after
            and all(value in (None, getattr(document, name)) for name, value in filters.items())
        ]
        return sorted(found, key=lambda document: (document.order, document.id))[: wanted.limit]

    async def count(self, kind: str, id_: str) -> int:
        await self.put(Document(kind, id_, ""))
        return self.kept[kind, id_].version

    async def remove(self, kind: str, id_: str, answer_id: str = "", *, version: int | None = None) -> bool:
        before = await self.get(kind, id_, answer_id)
        if before is None or version not in (None, before.version):
            return False
        del self.kept[kind, id_]
        return True


class MemoryStore:
    """A FeedbackStore that lasts as long as its test. `down` makes it unavailable."""

    def __init__(self) -> None:
        self.documents = MemoryDocuments()
        self.questions: dict[str, Question] = {}
        self.answers: dict[str, Answer] = {}
        self.delivered: dict[str, str] = {}
        self.feedback: dict[tuple[str, ...], Feedback] = {}
        self.down = False

    async def add_question(self, question: Question) -> bool:
        if self.down:
            raise StoreUnavailable("the disk is full")
        if question.id in self.questions:
            return False
        self.questions[question.id] = question
        return True

    async def add_answer(self, answer: Answer) -> Answer:
        return self.answers.setdefault(answer.question.id, answer)

    async def mark_delivered(self, question_id: str, message_id: str) -> None:
        if question_id in self.questions:
            self.delivered[question_id] = message_id

    async def take_undelivered(self) -> Sequence[Undelivered]:
        waiting = [q for q in self.questions.values() if q.id not in self.delivered]
        return [Undelivered(question, self.answers.get(question.id)) for question in waiting]

    async def hold_question(self, question: Question) -> bool:
        return question.id not in self.delivered

    async def answer(self, answer_id: str) -> Answer | None:
        return next((a for a in self.answers.values() if a.id == answer_id), None)

    async def answer_to_question(self, question_id: str) -> Answer | None:
        return self.answers.get(question_id)

    async def answer_in_message(self, conversation: str, message_id: str) -> Answer | None:
        return next(
            (
                answer
                for answer in self.answers.values()
                if answer.question.conversation.partition(";")[0] == conversation.partition(";")[0]
                and self.delivered.get(answer.question.id) == message_id
            ),
            None,
        )

    async def find_message(self, question_id: str) -> str | None:
        return self.delivered.get(question_id)

    async def recent_answers(self, conversation: str, limit: int) -> Sequence[Answer]:
        return [a for a in self.answers.values() if a.question.conversation == conversation][-limit:]

    async def answers_after(self, after: tuple[str, str], limit: int) -> Sequence[Answer]:
        known = sorted(self.answers.values(), key=lambda a: (moment(a.answered_at), a.id))
        return [answer for answer in known if (moment(answer.answered_at), answer.id) > after][:limit]

    async def forget_question(self, question_id: str) -> None:
        self.questions.pop(question_id, None)
        answer = self.answers.pop(question_id, None)
        kept = self.documents.kept
        for name in [name for name, document in kept.items() if answer and document.answer_id == answer.id]:
            del kept[name]
        self.delivered.pop(question_id, None)

    async def put_feedback(self, feedback: Feedback) -> None:
        if self.down:
            raise StoreUnavailable("the disk is full")
        name = (feedback.answer_id, feedback.giver, feedback.kind, derive_reaction(feedback))
        before = self.feedback.get(name)
        if before is None or _changed(before) <= _changed(feedback):
            self.feedback[name] = feedback

    async def feedback_on(self, answer_id: str) -> Sequence[Feedback]:
        return [feedback for feedback in self.feedback.values() if feedback.answer_id == answer_id]

    async def rows(
        self, table: Table, after: str = "", limit: int = PAGE_OF_ROWS, person: str | None = None
    ) -> Sequence[Row]:
        if self.down:
            raise StoreUnavailable("the disk is full")
        whose = {"question": "asker", "answer": "asker", "feedback": "giver", "document": "person"}[table]
        found = [row for row in self._rows(table) if row.key > after and person in (None, row.fields[whose])]
        return sorted(found, key=lambda row: row.key)[:limit]

    async def put_rows(self, rows: Sequence[Row]) -> None:
        for row in rows:  # what changes in place: answers that lose a reviewer
            answer = parse_answer(row.fields["record"], parse_question(row.fields["question"]))
            self.answers[answer.question.id] = answer

    async def drop_rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.table == "document":
                self.documents.kept.pop((row.fields["kind"], row.fields["id"]), None)
            else:
                assert row.table == "feedback"
                self.feedback = {
                    name: one for name, one in self.feedback.items() if _number(name) != row.fields["number"]
                }

    async def overwrite(self, *, whole: bool = False) -> None: ...

    def _rows(self, table: Table) -> list[Row]:
        match table:
            case "question":
                of = [
                    {"id": q.id, "asker": q.asker, "asked_at": moment(q.asked_at), "record": to_json(q)}
                    for q in self.questions.values()
                ]
            case "answer":
                of = [
                    {
                        "id": a.id,
                        "asker": a.question.asker,
                        "record": to_json(a),
                        "question": to_json(a.question),
                    }
                    for a in self.answers.values()
                ]
            case "feedback":
                of = [
                    {
                        "number": _number(name),
                        "answer_id": one.answer_id,
                        "giver": one.giver,
                        "kind": str(one.kind),
                        "reaction": derive_reaction(one),
                        "given_at": moment(one.given_at),
                        "record": to_json(one),
                    }
                    for name, one in self.feedback.items()
                ]
            case "document":
                of = [
                    asdict(document) | {"place": document.order} for document in self.documents.kept.values()
                ]
                for fields in of:
                    del fields["order"]
        return [Row(table, build_row_key(table, fields), fields) for fields in of]

    async def close(self) -> None: ...


def _number(name: tuple[str, ...]) -> int:
    """Return a number for a word that stays when others go."""
    return int.from_bytes(hashlib.sha256(repr(name).encode()).digest()[:6])


def _changed(feedback: Feedback) -> datetime:
    return feedback.withdrawn_at or feedback.given_at


class NothingKnown:
    """No verified answers; a question is like another one that has the same words."""

    def __init__(self) -> None:
        self.served: dict[str, VerifiedAnswer] = {}
        self.conflicting: set[str] = set()
        self.paraphrases: dict[tuple[str, str], Paraphrase] = {}

    def put(self, verified: VerifiedAnswer) -> None:
        self.drop(verified.answer_id)
        if verified.stale_at is None:
            self.served[verified.answer_id] = verified

    def drop(self, answer_id: str) -> None:
        self.served.pop(answer_id, None)

    def all(self) -> Sequence[VerifiedAnswer]:
        return list(self.served.values())

    def alike(self, text: str, others: Sequence[str]) -> list[bool]:
        return [text == other for other in others]

    def find_conflicts(self, verified: VerifiedAnswer) -> Sequence[VerifiedAnswer]:
        return [self.served[name] for name in self.conflicting - {verified.answer_id}]

    def get_public(self, answer_id: str) -> VerifiedAnswer | None:
        return self.served.get(answer_id)

    def put_paraphrases(self, paraphrases: Iterable[Paraphrase]) -> None:
        self.paraphrases |= {(one.answer_id, one.verified_id): one for one in paraphrases}

    def replace_paraphrases(self, paraphrases: Iterable[Paraphrase]) -> None:
        self.paraphrases = {(one.answer_id, one.verified_id): one for one in paraphrases}

    def forget_asker(self, asker: str) -> None:
        self.paraphrases = {name: one for name, one in self.paraphrases.items() if one.asker != asker}


async def live(repository: ReviewRepository) -> list[VerifiedAnswer]:
    """Return what every process serves, or will."""
    return [verified for _, verified in (await repository.list_verified_since(""))[0] if verified]


def some_dependencies(
    connector: Callable[[], Any], site_url: str = "https://bot.example"
) -> ServiceDependencies:
    """What feedback and review stand in where a test says no more: no verified answers, no changed pages."""
    return ServiceDependencies(
        known=NothingKnown(),
        look_again=no_passages,
        fresh=lambda _: True,
        connector=lambda _: connector(),
        site_url=site_url,
    )


async def no_passages(_: Question) -> Sequence[Passage]:
    return ()


def pseudonym(person: str) -> str:
    return keys.pseudonym(KEY, person)


class World:
    """What a test talks to: `post` is the channel, `connector` is where the bot's words end."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.answerer = ScriptedAnswerer()
        self.issuer = Issuer()
        self.connector = ConnectorService()
        self.url = ""
        self.service_url = ""
        self._ids = itertools.count(1)
        self.known = NothingKnown()
        self.hashes: dict[str, str] = {}
        self.parts: Services
        self.asking: Asking
        self.front: ActivityHandler
        self.seam: TeamsEndpoint
        self.http: aiohttp.ClientSession

    def activity(self, kind: str = "message", **fields: Any) -> Json:
        """Return what Teams would post from a personal chat, but for the given fields; None leaves it out."""
        own_id = kind in {"invoke", "messageReaction"}  # the others carry the id of their message
        activity: Json = {
            "type": kind,
            "id": f"f:{next(self._ids)}" if own_id else "1700000000001",
            "channelId": "msteams",
            "serviceUrl": self.service_url,
            "from": {"id": "29:ada", "name": "Ada", "aadObjectId": "aad-ada"},
            "recipient": BOT,
            "conversation": {"id": "a:chat", "conversationType": "personal", "tenantId": "t1"},
        }
        return {name: value for name, value in (activity | fields).items() if value is not None}

    async def post(self, activity: Any, *, token: str | None = GOOD, **options: Any) -> tuple[int, str]:
        """Post an activity (or raw bytes) and return the status and the body."""
        headers = dict(options.pop("headers", {}))
        if token:
            good = self.issuer.token(self.service_url) if token == GOOD else token
            headers["Authorization"] = f"Bearer {good}"
        body = {"data": activity} if isinstance(activity, bytes) else {"json": activity}
        try:
            async with asyncio.timeout(CHANNEL_WAITS_S):
                async with self.http.post(self.url, headers=headers, **body, **options) as response:
                    return response.status, await response.text()
        except TimeoutError:
            self.connector.broken.append(f"a POST that was not answered within {CHANNEL_WAITS_S:g} s")
            raise

    async def ask(self, text: str, **fields: Any) -> None:
        status, _ = await self.post(self.activity(text=text, **fields))
        assert status == 200

    async def settled(self) -> None:
        """Wait until every question under way is done."""
        await self.asking.drain(10)
        await self.front.close()


@asynccontextmanager
async def a_world(
    config: BotFrameworkConfig | None = None,
    *,
    key_times: KeyTimes | None = None,
    store: SqliteStore | CosmosStore | OfflineStore | None = None,
    rules: tuple[RatingRules, ReviewRules] = (RatingRules(), NO_SAMPLE),
    models_dir: Path = Path("no models"),
    own_token: bool = True,
    limits: AskerLimits | None = None,
    file_pages: FilePages | None = None,
    listed_pages: ListedPages | None = None,
    own_reactions: Rule = "off",
    unasked: UnaskedRules = NOT_HEARD,
    owners: Sequence[str] = (),
) -> AsyncGenerator[World]:
    """Start the three servers on ports of the system's choice; `store` takes the place of the one in memory.

    `own_token` gives the bot the token of its answers; without, it has to get one.
    """
    world = World()
    talking = Talking(lambda: LISTED, ("Who am I?",))
    async with served(world.issuer.app) as issuer_url, served(world.connector.app) as connector_url:
        world.service_url = connector_url
        config = config or BotFrameworkConfig(app_id=APP_ID, hears_channels=unasked.is_on)
        config = replace(config, openid_metadata_url=f"{issuer_url}/metadata", token_issuer=ISSUER)
        kept = store or world.store
        dependencies = replace(
            some_dependencies(lambda: world.seam.connector),
            known=world.known,
            terms=PrivacyTerms(public_url="https://bot.example"),
            fresh=lambda verified: all(world.hashes.get(url, then) == then for url, then in verified.pages),
            later=kept.spool if isinstance(kept, OfflineStore) else RunImmediately(),
            models_dir=models_dir,
            file_pages=file_pages,
            own_reactions=own_reactions,
            listed_pages=listed_pages,
            unasked=unasked,
            owners=Owners(owners),
        )
        world.parts = Services(kept, ReviewRepository(kept.documents), KEY, dependencies, rules)
        talking.read_file = world.parts.files.ensure
        world.asking = Asking(kept, _Late(world), world.parts.looking, talking=talking, limits=limits)
        extension = partial(answer_extension, previews=world.parts.page_previews)
        style = ChannelConfig(examples=("Who am I?",), pace=TEST_STREAM, answer_extension=extension)
        hands = world.parts.handlers(world.asking, Reviewers(REVIEWERS))
        world.front = ActivityHandler(hands, style)
        world.seam = TeamsEndpoint(
            config,
            world.front,
            pace=quick_pace(),
            key_times=key_times,
            own_token=_own_token if config.app_id and own_token else None,
        )
        app = web.Application()
        app.router.add_post("/api/messages", world.seam.process)
        app.add_routes(DataDownload(world.parts.links, world.parts.privacy).routes())
        async with served(app) as bot_url, aiohttp.ClientSession() as world.http:
            world.url = f"{bot_url}/api/messages"
            yield world
            await world.settled()
            await world.parts.privacy.close()
        await world.seam.close()


class _Late:
    """Whatever answerer the world has when it is asked."""

    def __init__(self, world: World) -> None:
        self._world = world

    def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        return self._world.answerer.stream(question, history)


async def _own_token() -> str:
    return "the-bots-own"
