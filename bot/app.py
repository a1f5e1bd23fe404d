"""The parts of one instance, built once and wired here; the aiohttp application; graceful start and stop.

    store ─┐                          ┌─ Teams (bot/botframework.py)
    pages ─┼─ answering ─ dialogs.ask ┤
    model ─┘                          └─ the local page (bot/local.py)

Order at a start: parts, application, socket, then the questions that a crash left open. Order at a stop: no new
requests, the answers under way, then the parts. Whatever is not done in time is answered at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from bot.botframework import BotFrameworkConfig, BotFrameworkSeam
from bot.courier import Courier
from bot.delivery import Connector, StreamPace
from bot.dialogs.ask import Asking, Reply
from bot.directory import Directory, DirectoryConfig
from bot.feedback_parts import FeedbackParts, Surroundings, rules_of
from bot.forms import Forms
from bot.local import LocalChannel
from bot.local_activities import REVIEWER, directory_id
from bot.loopback import names_loopback
from bot.opens import PATH, open_route
from bot.page_answerer import PageAnswerer, Verified, is_fresh
from bot.reviewers import IsMember, Reviewers
from bot.site import site_routes
from bot.teams import TeamsFrontEnd, TeamsStyle
from bot.verified import VerifiedAnswers
from feedback.desk import Desk
from feedback.privacy import load_or_make_key, pseudonym
from feedback.sqlite import SqliteStore
from model.answering import Answering, AnswerRules
from model.loading import ModelChoice, open_model
from model.onnx_infer import EngineOptions
from pages.embed import Embedder, Embeds
from pages.fetch import Fetcher, FetchLimits
from pages.index import PageIndex
from pages.library import Library
from records import Channel, Passage, Question
from settings import Settings

EXAMPLES = (
    "How long does the bot remember a conversation?",
    "Who can see my questions?",
    "What happens when I delete my message?",
)
"""Questions that the project's own docs answer."""


REVIEWED_PASSAGES = 4
"""How many passages a reviewer of a changed page can choose from."""


class CannotServe(Exception):
    """The settings do not allow serving; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The pages: the index, the library that keeps it fresh, and what finds meaning in text."""

    index: PageIndex
    library: Library
    embedder: Embeds

    def page_hash(self, url: str) -> str | None:
        """Return the hash of a page as it is now, None where it is not known."""
        page = self.index.page(url)
        return page.page_hash if page else None

    async def look_again(self, question: Question) -> Sequence[Passage]:
        """Return what the pages say on a question now, for reviewers."""
        hits = await self.library.search(question.text, REVIEWED_PASSAGES, question.page_url)
        return [hit.passage for hit in hits]


@dataclass(frozen=True, slots=True)
class Parts:
    """What an instance is made of, whichever way it is used (bot or command line)."""

    settings: Settings
    shelf: Shelf
    answering: Answering


@asynccontextmanager
async def open_shelf(settings: Settings) -> AsyncGenerator[Shelf]:
    """Open the page index and what reads pages."""
    limits = FetchLimits(
        allowed_sites=tuple(settings.allowed_sites),
        timeout_s=settings.fetch_timeout_s,
        max_bytes=settings.fetch_max_bytes,
        max_redirects=settings.fetch_max_redirects,
    )
    embedder = await asyncio.to_thread(Embedder)
    index = await asyncio.to_thread(
        PageIndex.open, settings.index_dir, embedder, passage_tokens=settings.passage_tokens
    )
    try:
        async with Fetcher(limits) as fetcher:
            library = Library(index, fetcher, public_url=site_url(settings, settings.port))
            try:
                yield Shelf(index, library, embedder)
            finally:
                await library.close()
    finally:
        index.close()


@asynccontextmanager
async def open_answering(settings: Settings, shelf: Shelf) -> AsyncGenerator[Answering]:
    """Open the model, and answer from these pages with it. Raises ModelMissing with what to run."""
    rules = AnswerRules(
        passages=settings.passages,
        span_sentences=settings.span_sentences,
        least_similarity=settings.least_similarity,
    )
    async with open_model(model_choice(settings)) as model:
        yield Answering(model.chat, shelf.library.search, model.version, rules)


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncGenerator[Parts]:
    """Open pages and model, and close them afterwards. Raises ModelMissing with what to run."""
    async with open_shelf(settings) as shelf, open_answering(settings, shelf) as answering:
        yield Parts(settings, shelf, answering)


def model_choice(settings: Settings) -> ModelChoice:
    """Say which model runs, and how."""
    options = EngineOptions(
        device=settings.device,
        threads=settings.model_threads,
        concurrent=settings.concurrent_answers,
        queue_limit=settings.queue_limit,
        context_tokens=settings.prompt_tokens + settings.answer_tokens,
        cuda={
            "device_id": str(settings.cuda_device_id),
            "arena_extend_strategy": settings.cuda_arena_extend_strategy,
            "cudnn_conv_algo_search": settings.cuda_cudnn_conv_algo_search,
            "do_copy_in_default_stream": str(int(settings.cuda_do_copy_in_default_stream)),
            **({"gpu_mem_limit": str(settings.cuda_gpu_mem_limit)} if settings.cuda_gpu_mem_limit else {}),
        },
    )
    return ModelChoice(settings.models_dir, settings.base_model, settings.answer_tokens, options)


def check_address(settings: Settings) -> None:
    """Refuse to listen where strangers could speak as anyone. Raises CannotServe."""
    if settings.app_id or settings.dangerously_allow_unauthenticated or names_loopback(settings.host):
        return
    raise CannotServe(
        f"Without an app id anyone who reaches {settings.host} could speak as anyone. Set ASKPAGE_APP_ID and "
        "ASKPAGE_APP_PASSWORD, or listen on 127.0.0.1. (To let everyone in regardless: "
        "--dangerously-allow-unauthenticated.)"
    )


def site_url(settings: Settings, port: int) -> str:
    """Return the address at which people open our own pages, without a slash at its end."""
    return settings.public_url.rstrip("/") or f"http://localhost:{port}"


@dataclass(frozen=True, slots=True)
class Bot:
    """The application with what its start and stop need."""

    app: web.Application
    asking: Asking
    reply_for: Callable[[Question], Reply | None]


@asynccontextmanager
async def open_bot(
    settings: Settings, shelf: Shelf, answering: Answering, *, port: int
) -> AsyncGenerator[Bot]:
    """Wire store, dialogs and front ends into an application; `port` is the one that is listened on."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = await asyncio.to_thread(SqliteStore.open, settings.store_path)
    async with contextlib.AsyncExitStack() as closing:
        closing.push_async_callback(store.close)
        wiring = _Wiring(settings, shelf, store, closing)
        yield await wiring.bot(answering, port)


class _Wiring:
    """Builds a Bot; what has to be closed goes onto `closing` as it is opened."""

    def __init__(
        self, settings: Settings, shelf: Shelf, store: SqliteStore, closing: contextlib.AsyncExitStack
    ) -> None:
        self._settings = settings
        self._shelf = shelf
        self._store = store
        self._closing = closing
        self._connectors: dict[str, Connector] = {}
        self._key = _key(settings)
        self._examples = EXAMPLES if "docs" in settings.pages else ()

    async def bot(self, answering: Answering, port: int) -> Bot:
        settings, store = self._settings, self._store
        site = site_url(settings, port)
        known = VerifiedAnswers(self._shelf.embedder)
        parts = self._feedback(known, site)
        forms = forms_of(settings)
        verified = Verified(known, partial(is_fresh, page_hash=self._shelf.page_hash), parts.desk.verified)
        answerer = PageAnswerer(self._shelf.library, answering, verified, forms)
        asking = Asking(store, answerer, parts.looking, timeout_s=settings.answer_timeout_s)
        app = web.Application(client_max_size=1_000_000)
        teams, seam = self._teams(asking, parts)
        app.add_routes([web.post("/api/messages", seam.process), web.get("/healthz", _healthy)])
        app.add_routes([open_route(store, parts.looking.opened, site), *self._site()])
        local_front = self._local(asking, parts, app) if settings.local_page else None
        await parts.reviewing.catch_up()
        await self._start(parts.courier)

        def reply_for(question: Question) -> Reply | None:
            if question.channel is Channel.LOCAL:
                local = self._connectors.get(Channel.LOCAL)
                return local_front.reply_for(question, local) if local_front and local else None
            return teams.reply_for(question, seam.connector)

        return Bot(app, asking, reply_for)

    def _feedback(self, known: VerifiedAnswers, site: str) -> FeedbackParts:
        settings, shelf = self._settings, self._shelf
        reachable = settings.public_url or not settings.app_id
        around = Surroundings(
            known=known,
            look_again=shelf.look_again,
            fresh=partial(is_fresh, page_hash=shelf.page_hash),
            connector=self._connector,
            site_url=site,
            opens_url=site + PATH if settings.count_opened and reachable else "",
        )
        desk = Desk(self._store.documents)
        return FeedbackParts(self._store, desk, self._key, around, rules_of(settings))

    def _connector(self, conversation: Mapping[str, Any]) -> Connector | None:
        channel = conversation.get("channelId")
        return self._connectors.get(Channel.LOCAL if channel == Channel.LOCAL else Channel.TEAMS)

    def _teams(self, asking: Asking, parts: FeedbackParts) -> tuple[TeamsFrontEnd, BotFrameworkSeam]:
        settings = self._settings
        reviewers = Reviewers(settings.reviewers, settings.reviewer_groups, self._groups())
        style = TeamsStyle(examples=self._examples)
        front = TeamsFrontEnd(
            asking, self._store, partial(pseudonym, self._key), parts.hands(reviewers), style
        )
        seam = BotFrameworkSeam(_framework(settings), front)
        self._connectors[Channel.TEAMS] = seam.connector
        self._closing.push_async_callback(seam.close)
        self._closing.push_async_callback(front.close)
        return front, seam

    def _local(self, asking: Asking, parts: FeedbackParts, app: web.Application) -> TeamsFrontEnd:
        reviewers = Reviewers([*self._settings.reviewers, directory_id(REVIEWER)])
        style = TeamsStyle(Channel.LOCAL, self._examples, StreamPace(interval_s=0.1))
        named = partial(pseudonym, self._key)
        front = TeamsFrontEnd(asking, self._store, named, parts.hands(reviewers), style)
        local = LocalChannel(front, self._settings.data_dir, suggestions=self._examples)
        self._connectors[Channel.LOCAL] = local
        self._closing.push_async_callback(local.close)
        self._closing.push_async_callback(front.close)
        app.add_routes(local.routes())

        async def hang_up(_: web.Application) -> None:
            local.hang_up()

        app.on_shutdown.append(hang_up)
        return front

    def _site(self) -> list[web.RouteDef]:
        index = self._shelf.index
        return site_routes(
            index.page,
            lambda: [(entry.url, entry.title) for entry in index.pages() if entry.source],
            everyone=self._settings.site_for_everyone,
        )

    def _groups(self) -> IsMember | None:
        settings = self._settings
        if not settings.reviewer_groups:
            return None
        directory = Directory(
            DirectoryConfig(
                app_id=settings.app_id,
                app_password=settings.app_password.get_secret_value(),
                tenant_id=settings.app_tenant_id,
                login_url=settings.login_url,
                graph_url=settings.graph_url,
            )
        )
        self._closing.push_async_callback(directory.close)
        return directory.is_member

    async def _start(self, courier: Courier) -> None:
        running = asyncio.create_task(courier.run(self._settings.review_interval_s), name="courier")

        async def stop() -> None:
            running.cancel()
            await asyncio.wait([running])

        self._closing.push_async_callback(stop)


def forms_of(settings: Settings) -> Forms:
    """Return how feedback is asked for."""
    return Forms(
        form=settings.feedback_form,
        version=settings.feedback_form_version,
        after=settings.feedback_after,
        share=settings.feedback_share,
        trial=settings.feedback_trial_form,
        trial_share=settings.feedback_trial_share,
    )


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _key(settings: Settings) -> bytes:
    secret = settings.pseudonym_key.get_secret_value()
    return secret.encode() if secret else load_or_make_key(settings.data_dir / "pseudonym.key")


def _framework(settings: Settings) -> BotFrameworkConfig:
    return BotFrameworkConfig(
        app_id=settings.app_id,
        app_password=settings.app_password.get_secret_value(),
        app_type=settings.app_type,
        tenant_id=settings.app_tenant_id,
        openid_metadata_url=settings.openid_metadata_url,
        token_issuer=settings.token_issuer,
        login_url=settings.login_url,
        oauth_scope=settings.oauth_scope,
        allow_unauthenticated=not settings.app_id,
        dangerously_allow_unauthenticated=settings.dangerously_allow_unauthenticated,
    )


def listen(settings: Settings) -> socket.socket:
    """Take the port, before the slow work. Raises CannotServe with what to do."""
    check_address(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=128)
    except OSError as error:
        raise CannotServe(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
            "Stop what runs there, or choose another with --port."
        ) from error


async def serve(parts: Parts, listener: socket.socket, ready: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM; `ready` hears the address. Return how many answers the next start owes."""
    settings = parts.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    port: int = listener.getsockname()[1]
    async with open_bot(settings, parts.shelf, parts.answering, port=port) as bot:
        runner = web.AppRunner(bot.app, access_log=None, shutdown_timeout=settings.drain_timeout_s)
        await runner.setup()
        try:
            site = web.SockSite(runner, listener)
            await site.start()
            await bot.asking.resume(bot.reply_for)
            ready(site_url(settings, port))
            await stop.wait()
            await site.stop()
            return await bot.asking.drain(settings.drain_timeout_s)
        finally:
            await runner.cleanup()
