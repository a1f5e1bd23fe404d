"""The bot as a listening program: wires its parts, opens its channels and ports, starts and stops in order.

    store ─┐                          ┌─ bot/teams
    pages ─┼─ answering ─ dialogs.ask ┼─ bot/slack
    model ─┘                          └─ bot/web, the chat page

Order at a start: ports, parts, application, then the questions that a crash left open, then the pages that
are not read yet, beside the answers. Order at a stop: no
new requests, the answers under way, then the parts. Whatever is not done in time is answered at the next
start.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.administration.opening import open_admin_guard, open_administration
from bot.answers.direct import DirectAnswers
from bot.answers.endpoint import AnswersEndpoint
from bot.answers.socket import listen_in
from bot.answers.wiring import wire_answers
from bot.background import FILES_EVERY_S, PASTED_EVERY_S, PeriodicTasks
from bot.bootstrap import (
    CHANNELS,
    LocalPage,
    PageServices,
    Parts,
    find_connector,
    find_local_page,
    is_public,
    make_dependencies,
    open_verified,
    share_telemetry_names,
    site_url,
    trusts_local_reviewers,
)
from bot.channel import ChannelMisconfigured, Reply
from bot.channels.message import Connector
from bot.dialogs.answerer import FollowUps, PageAnswerer, is_fresh
from bot.dialogs.ask import Asking
from bot.dialogs.askers import AskerLimits
from bot.dialogs.learned_search import RATINGS_EVERY_S
from bot.dialogs.similar_questions import CATCH_UP_S
from bot.dialogs.talk import Talking
from bot.http import BoundedSite, ConnectionLimits, make_runner, names_loopback
from bot.instance import Instance, open_instance
from bot.page_passes import Visitor
from bot.page_reading import PageReading
from bot.services import ChannelContext, OpenChannel, ServiceDependencies, Services, read_rules
from bot.stores import Store, open_store, read_keys
from bot.suggestions import Suggestions
from bot.web.activities import REVIEWER, directory_id
from bot.web.admin.routes import admin_routes
from bot.web.chat_page import PEOPLE
from bot.web.dashboard.data import DashboardData
from bot.web.dashboard.routes import DashboardAccess, dashboard_routes
from bot.web.data_download import DataDownload
from bot.web.page_guard import PageGuard
from bot.web.pages import about_routes, open_route, site_routes
from bot.web.reviews.routes import reviews_routes
from core import telemetry
from core.records import Channel, Question, VerifiedAnswer
from core.settings import Settings
from core.translation import LanguagePolicy, set_policy
from feedback.metrics.failures import FailureCounts
from feedback.metrics.tokens import TokenPrices
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import StoreUnavailable
from feedback.store.job_runs import job_runs
from model.answering.chain import Answering
from model.registry.search_heads import read_live_head
from model.registry.versions import read_rollout

log = logging.getLogger(__name__)

DOCS = Path(__file__).resolve().parent.parent / "docs"


class CannotServe(Exception):
    """The settings do not allow serving; the message is a sentence for the operator."""


def check_address(settings: Settings) -> None:
    """Refuse to listen where strangers could speak as anyone. Raises CannotServe."""
    if settings.app_id or settings.dangerously_allow_unauthenticated or names_loopback(settings.host):
        return
    raise CannotServe(
        f"Without an app id anyone who reaches {settings.host} could speak as anyone. Set ASKPAGE_APP_ID and "
        "ASKPAGE_APP_PASSWORD, or listen on 127.0.0.1. (To let everyone in regardless: "
        "--dangerously-allow-unauthenticated.)"
    )


def check_channels(settings: Settings) -> None:
    """Refuse to serve a channel with settings that do not fit together. Raises CannotServe."""
    for plug in CHANNELS:
        if plug.is_on(settings):
            try:
                plug.load().check_settings(settings)
            except ChannelMisconfigured as error:
                raise CannotServe(str(error)) from error


@asynccontextmanager
async def open_bot(
    settings: Settings,
    page_services: PageServices,
    answering: Answering,
    *,
    port: int,
    reading: PageReading | None = None,
    preparing: Callable[[], str | None] = lambda: None,
) -> AsyncGenerator[Bot]:
    """Wire store, dialogs and channels into an application; `port` is the one that is listened on.

    `reading` is what reads the pages beside it, and is its caller's to run. `preparing` says what else is not
    there yet, None where all is.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    set_policy(LanguagePolicy(**settings.language.values()))
    async with contextlib.AsyncExitStack() as closing:
        instance = closing.enter_context(open_instance(settings.data_dir))
        store = await closing.enter_async_context(open_store(settings, instance))
        builder = BotBuilder(settings, page_services, store, instance, closing, preparing)
        yield await builder.build(answering, port, reading or PageReading.of_nothing(page_services))


EXAMPLES = (
    "How long does the bot remember a conversation?",
    "Who can see my questions?",
    "What happens when I delete my message?",
)
"""Questions that the project's own docs answer."""


@dataclass(frozen=True, slots=True)
class Bot:
    """The application with what its start and stop need.

    `local` has what is for this machine only, where that is on a port of its own, `direct` what the command
    line asks, by a socket in `folder`. `services` are feedback and review as they are wired here.
    """

    app: web.Application
    local: web.Application | None
    direct: web.Application
    folder: Path
    asking: Asking
    upkeep: PeriodicTasks
    services: Services


class BotBuilder:
    """Builds a Bot; what has to be closed goes onto `closing` as it is opened."""

    def __init__(
        self,
        settings: Settings,
        page_services: PageServices,
        store: Store,
        instance: Instance,
        closing: contextlib.AsyncExitStack,
        preparing: Callable[[], str | None],
    ) -> None:
        self._preparing = preparing
        self._settings = settings
        self._page_services = page_services
        self._store = store
        self._instance = instance
        self._closing = closing
        self._channels: dict[Channel, OpenChannel] = {}
        self._keys = read_keys(settings)
        self._examples = EXAMPLES if "docs" in settings.pages else ()
        share_telemetry_names(self._keys, page_services)

    async def build(self, answering: Answering, port: int, reading: PageReading) -> Bot:
        """Wire the parts, open the channels, and let everything run that runs beside the requests."""
        settings, store = self._settings, self._store
        known = open_verified(settings, self._page_services)
        dependencies = make_dependencies(
            settings, self._page_services, store, self._keys, self._connector, port=port
        )
        not_changed = partial(self._may_be_unchanged, reading=reading)
        services = self._services(replace(dependencies, known=known, fresh=not_changed))
        wired = wire_answers(settings, self._page_services, answering, services, reading)
        talking = Talking(self._page_services.public_pages, self._examples, services.files.ensure)
        asking = self._asking(wired.answerer, talking, services, reading)
        app = web.Application(client_max_size=1_000_000)
        local = self._for_this_machine(app, services)
        suggestions = Suggestions(self._page_services, answering, lambda: asking.under_way > 0)
        context = self._channel_context(asking, services, reading)
        context = replace(context, suggestions=lambda: suggestions.questions)
        self._open_channels(context, app, local)
        self._add_routes(app, services, port)
        try:
            await services.privacy.catch_up()
            await services.reviewing.catch_up()
            await services.paraphrases.catch_up()
        except StoreUnavailable:
            log.warning("the store is away: verified answers are served once it is back")
        upkeep = PeriodicTasks(asking, self._restore_reply, store, self._instance.hold, services.privacy)
        upkeep.also("paraphrases", CATCH_UP_S, services.paraphrases.catch_up)
        if wired.ratings is not None:
            upkeep.also("ratings", RATINGS_EVERY_S, wired.ratings.catch_up)
        upkeep.also("models", settings.review_interval_s, services.models.look)
        upkeep.also("search head", settings.review_interval_s, partial(self._follow_head, answering))
        upkeep.also("files", FILES_EVERY_S, services.files.sweep)
        upkeep.also("pasted pages", PASTED_EVERY_S, self._page_services.library.forget_pasted)
        self._closing.push_async_callback(services.deciding.close)
        upkeep.pages = lambda: reading.progress
        app.add_routes([web.get("/readyz", upkeep.ready)])
        self._run(services.card_sync.run(settings.review_interval_s), "card_sync")
        self._run(services.previews.run(), "previews")
        self._suggest(suggestions, reading, wanted=local is not None and not self._examples)
        self._run(upkeep.run(), "upkeep")
        for name, channel in self._channels.items():
            self._run(channel.run(), str(name))
        site = site_url(settings, port)
        direct = DirectAnswers(self._page_services, wired.answerer, talking, site, context.preparing)
        return Bot(
            app,
            None if local is app else local,
            AnswersEndpoint(direct, settings).application(),
            self._instance.folder,
            asking,
            upkeep,
            services,
        )

    def _add_routes(self, app: web.Application, services: Services, port: int) -> None:
        app.add_routes([web.get("/healthz", _healthy), *about_routes(DOCS)])
        is_restricted, opened = self._page_services.access.is_restricted, services.looking.on_opened
        site = site_url(self._settings, port)
        app.add_routes([open_route(self._store, opened, site, is_restricted)])
        app.add_routes(DataDownload(services.links, services.privacy).routes())
        app.add_routes(self._browser_routes(services))

    def _browser_routes(self, services: Services) -> list[web.RouteDef]:
        """Return the pages that are served to browsers beside the chat page."""
        here = find_local_page(self._settings) is LocalPage.ON_THE_PORT
        reviews, admin = self._reviews(services, local=here), self._admin(services, local=here)
        return [*self._viewer(), *self._dashboard(services.repository), *reviews, *admin]

    def _suggest(self, suggestions: Suggestions, reading: PageReading, *, wanted: bool) -> None:
        """Look for first questions now, and again when the pages were read."""
        if not wanted:
            return
        news = asyncio.Event()
        news.set()
        reading.on_done.append(lambda _: news.set())

        async def look() -> None:
            while True:
                await news.wait()
                news.clear()
                await suggestions.find()

        self._run(look(), "suggestions")

    def _may_be_unchanged(self, verified: VerifiedAnswer, *, reading: PageReading) -> bool:
        """Tell whether a verified answer's pages are as they were, or not read yet: then nobody can tell."""
        return reading.is_partial or is_fresh(verified, self._page_services.page_hash)

    async def _follow_head(self, answering: Answering) -> None:
        """Take over the search head that counts now."""
        answering.head = await asyncio.to_thread(read_live_head, self._settings.search_dir)
        telemetry.use_search(answering.head.name)

    def _services(self, dependencies: ServiceDependencies) -> Services:
        repository = ReviewRepository(self._store.documents, self._instance.hold.holder)
        services = Services(self._store, repository, self._keys.now, dependencies, read_rules(self._settings))
        self._closing.push_async_callback(services.privacy.close)
        return services

    def _asking(
        self, answerer: PageAnswerer, talking: Talking, services: Services, reading: PageReading
    ) -> Asking:
        settings = self._settings
        asking = Asking(
            self._store,
            answerer,
            services.looking,
            timeout_s=settings.answer_timeout_s,
            talking=talking,
            limits=read_limits(settings),
        )
        asking.find_audience, asking.access = services.audiences.find_for, services.audiences.access
        asking.on_failed = FailureCounts(self._store.documents).count
        reading.yield_to(lambda: asking.under_way > 0)
        reading.on_done.append(lambda _: share_telemetry_names(self._keys, self._page_services))
        return asking

    # Channels

    def _channel_context(self, asking: Asking, services: Services, reading: PageReading) -> ChannelContext:
        """Return what every channel is opened with."""
        settings = self._settings
        follow_ups = FollowUps(
            self._page_services.page, self._page_services.library.search, settings.follow_ups
        )
        return ChannelContext(
            settings=settings,
            asking=asking,
            store=self._store,
            services=services,
            examples=self._examples,
            offers=follow_ups.offers,
            is_public=is_public(settings),
            trusts_local_reviewers=trusts_local_reviewers(self._settings),
            preparing=lambda: reading.describe() or self._preparing(),
            pages=self._page_services.public_pages,
        )

    def _open_channels(
        self, context: ChannelContext, app: web.Application, local: web.Application | None
    ) -> None:
        """Open every channel that is on. Raises ChannelMisconfigured."""
        for plug in CHANNELS:
            if not plug.is_on(context.settings):
                continue
            module = plug.load()
            where = local if module.CAPABILITIES.this_machine_only else app
            if where is None:
                continue
            channel = module.open_channel(context)
            self._channels[plug.channel] = channel
            self._closing.push_async_callback(channel.close)
            where.add_routes(channel.routes())
            where.on_shutdown.append(partial(_hang_up, channel))

    def _connector(self, conversation: Mapping[str, Any]) -> Connector | None:
        return find_connector(
            {name: channel.connector for name, channel in self._channels.items()}, conversation
        )

    def _restore_reply(self, question: Question) -> Reply | None:
        channel = self._channels.get(question.channel)
        return channel.restore_reply(question) if channel else None

    # For browsers

    def _for_this_machine(self, app: web.Application, services: Services) -> web.Application | None:
        """Return where the chat page is served: in the one application, or on a port of its own, or nowhere.

        Once people elsewhere are to reach the port, a request that comes from this machine may be anybody's:
        a proxy beside the bot need not say whom it speaks for.
        """
        where = find_local_page(self._settings)
        if where is not LocalPage.ON_ITS_OWN_PORT:
            return app if where is LocalPage.ON_THE_PORT else None
        local = web.Application()
        viewer = site_routes(self._page_services.page, self._page_services.public_pages, local=True)
        figures = self._figures(services.repository)
        local.add_routes([*viewer, *dashboard_routes(figures, DashboardAccess(local=True))])
        local.add_routes(self._reviews(services, local=True))
        return local

    def _viewer(self) -> list[web.RouteDef]:
        return site_routes(
            self._page_services.page,
            self._page_services.public_pages,
            everyone=self._settings.site_for_everyone,
            local=not is_public(self._settings),
        )

    def _dashboard(self, repository: ReviewRepository) -> list[web.RouteDef]:
        settings = self._settings
        access = DashboardAccess(
            local=find_local_page(settings) is LocalPage.ON_THE_PORT,
            token=settings.dashboard_token.get_secret_value(),
            reviewers=settings.dashboard_reviewer_token.get_secret_value(),
        )
        return dashboard_routes(self._figures(repository), access)

    def _reviews(self, services: Services, *, local: bool) -> list[web.RouteDef]:
        """Return the reviewers' page; a browser here is Robin, where Robin's word counts."""
        robin = None
        if local and trusts_local_reviewers(self._settings):
            [name] = [one["name"] for one in PEOPLE if one["id"] == REVIEWER]
            directory = directory_id(REVIEWER)
            robin = Visitor(self._keys.pseudonym(directory), directory, name, str(Channel.LOCAL))
        guard = PageGuard("reviews", services.passes, services.reviewer_gates, robin)
        return reviews_routes(guard, services.review_actions, services.known)

    def _admin(self, services: Services, *, local: bool) -> list[web.RouteDef]:
        administration = open_administration(self._settings, self._page_services, services)
        self._closing.push_async_callback(administration.close)
        return admin_routes(open_admin_guard(services, self._keys, local=local), administration)

    def _figures(self, repository: ReviewRepository) -> DashboardData:
        standing = partial(read_rollout, self._settings.models_dir)
        figures = DashboardData(self._store, repository, standing, partial(job_runs, repository.documents))
        figures.prices = TokenPrices(**self._settings.token_price.values())
        figures.is_restricted = self._page_services.access.is_kept_apart
        figures.are_restricted = self._page_services.access.are_restricted
        return figures

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        running = asyncio.create_task(work, name=name)

        self._closing.push_async_callback(_stop, running)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets to listen on: everybody's, and one for this machine only where it has its own port."""

    everybody: socket.socket
    local: socket.socket | None


@contextmanager
def listening(settings: Settings) -> Generator[Listeners]:
    """Take the ports, before the slow work. Raises CannotServe with what to do."""
    check_channels(settings)
    check_address(settings)
    with contextlib.ExitStack() as closing:
        everybody = closing.enter_context(listen(settings.host, settings.port, "--port"))
        local = None
        if find_local_page(settings) is LocalPage.ON_ITS_OWN_PORT:
            local = closing.enter_context(listen("127.0.0.1", settings.local_page_port, "--local-page-port"))
        yield Listeners(everybody, local)


def listen(host: str, port: int, option: str) -> socket.socket:
    """Take a port. Raises CannotServe with the option that names another."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise CannotServe(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            f"Stop what runs there, or choose another with {option}."
        ) from error


def read_connection_limits(settings: Settings) -> ConnectionLimits:
    """Return how long a connection may wait for its client, and how many there may be."""
    return ConnectionLimits(settings.keepalive_s, settings.body_timeout_s, settings.most_connections)


async def serve(
    parts: Parts,
    listeners: Listeners,
    ready: Callable[[], None],
    reading: PageReading | None = None,
    preparing: Callable[[], str | None] = lambda: None,
) -> int:
    """Serve until SIGINT or SIGTERM, and call `ready`. Return how many answers the next start owes.

    `reading` begins once the bot listens: nobody waits for it. For `preparing` see `open_bot`.
    """
    settings = parts.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    port: int = listeners.everybody.getsockname()[1]
    async with (
        open_bot(
            settings, parts.page_services, parts.answering, port=port, reading=reading, preparing=preparing
        ) as bot,
        contextlib.AsyncExitStack() as closing,
    ):
        sites = [await _start(bot.app, listeners.everybody, settings, closing)]
        if bot.local is not None and listeners.local is not None:
            sites.append(await _start(bot.local, listeners.local, settings, closing))
        if (near := closing.enter_context(listen_in(bot.folder))) is not None:
            sites.append(await _start(bot.direct, near, settings, closing, cancels=True))
        with contextlib.suppress(StoreUnavailable):  # upkeep tries again
            await bot.upkeep.resume()
        gc.collect()
        gc.freeze()  # collecting all that is imported would stop everybody for 0.1 s, again and again
        ready()
        if reading is not None:
            closing.push_async_callback(_stop, asyncio.create_task(reading.run(), name="read the pages"))
        await stop.wait()
        for site in sites:
            await site.stop()
        return await bot.asking.drain(settings.drain_timeout_s)


async def _stop(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _start(
    app: web.Application,
    listener: socket.socket,
    settings: Settings,
    closing: contextlib.AsyncExitStack,
    *,
    cancels: bool = False,
) -> BoundedSite:
    """Begin to serve an application; its connections end with `closing`. `cancels` as in `make_runner`."""
    limits = read_connection_limits(settings)
    runner = make_runner(app, limits, settings.drain_timeout_s, cancels=cancels)
    await runner.setup()
    closing.push_async_callback(runner.cleanup)
    site = BoundedSite(runner, listener, limits.most)
    await site.start()
    return site


def read_limits(settings: Settings) -> AskerLimits:
    """Return how much one person may ask."""
    return AskerLimits(**settings.askers.values())


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _hang_up(channel: OpenChannel, _: web.Application) -> None:
    await channel.hang_up()
