"""Builds the parts of an instance from the settings: pages, model, feedback and review.

    async with open_borrowed(settings, store, holder) as borrowed: …

The bot, scheduled work and the command line use them. Scheduled work handles no activities: it reaches
conversations of channels by their connector, and none of the local page, whose server is another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from importlib import import_module
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from bot.channel import ChannelCapabilities
from bot.channels.asides.listening import UnaskedRules
from bot.channels.message import Connector
from bot.channels.owners.people import Owners
from bot.channels.privacy_handler import PrivacyTerms
from bot.dialogs.answerer import is_fresh
from bot.dialogs.verified_answers import VerifiedAnswers
from bot.http import names_loopback
from bot.readers.access import PageAccess
from bot.readers.audiences import AudienceLimits, Audiences
from bot.services import ChannelContext, OpenChannel, ServiceDependencies, Services, read_rules
from bot.stores import Store, pages_config, read_keys, read_retention
from bot.web.activities import REVIEWER, directory_id
from bot.web.pages import PATH
from core import telemetry
from core.readers import current_audience
from core.records import Channel, Page, Passage, Question
from core.settings import Settings
from feedback.examples.dataset import find_trained_versions, forget
from feedback.privacy.deletion_log import ForgetExamples, ForgottenExamples
from feedback.privacy.keys import Keys, Recognising
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import RunImmediately
from feedback.store.offline_store import OfflineStore
from model.answering.chain import Answering, AnswerRules
from model.answering.reranking import ScorePairs, score_nothing
from model.evaluation.report import forget_answers
from model.onnx_infer import EngineOptions
from model.registry.loading import ModelChoice, open_model
from model.registry.remote_models import ServerChoice
from model.registry.search_heads import forget_head_answers, read_live_head
from model.registry.versions import forget_confidence, list_versions
from model.training.launch import TrainingConfig
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.base import Indexes, IndexUnavailable
from pages.index.embeddings import Embedder, Embeds
from pages.index.reranker import Reranker
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.readers import ReaderRules
from pages.sources import SourceAccess, read_added_sources


def forgetting(settings: Settings) -> ForgetExamples:
    """Return what takes examples out of the data sets here, and names the models that saw them.

    What stands of them in reports about versions is taken out, too, and what versions' confidence was fitted
    to them.
    """

    def forget_now(answer_ids: Collection[str], person: str) -> Sequence[ForgottenExamples]:
        forget_answers(settings.models_dir, answer_ids)
        forget_head_answers(settings.search_dir, answer_ids)
        erased = forget(settings.datasets_dir, answer_ids, [person])
        forget_confidence(settings.models_dir, answer_ids, erased)
        if not erased:
            return []
        versions: dict[str, list[str]] = {}
        for version in list_versions(settings.models_dir):
            versions.setdefault(version.dataset, []).append(version.name)
        return [
            ForgottenExamples(name, tuple(find_trained_versions([name], versions)), count)
            for name, count in erased.items()
        ]

    async def forget_examples(answer_ids: Collection[str], person: str) -> Sequence[ForgottenExamples]:
        return await asyncio.to_thread(forget_now, answer_ids, person)

    return forget_examples


REVIEWED_PASSAGES = 4
"""How many passages a reviewer of a changed page can choose from."""


@dataclass(frozen=True, slots=True)
class PageServices:
    """The pages: the index, the library that keeps it fresh, and what finds meaning and relevance in text."""

    index: Indexes
    library: Library
    embedder: Embeds
    score_pairs: ScorePairs = score_nothing

    def page_hash(self, url: str) -> str | None:
        """Return the hash of a page as it is now, None where it is not known."""
        entry = self.library.find_entry(url)
        return entry.page_hash if entry else None

    def find_label(self, url: str) -> str:
        """Return the sensitivity label of a page as it is now, "" for none."""
        entry = self.library.find_entry(url)
        return entry.label if entry else ""

    def public_page_hash(self, url: str) -> str | None:
        """Return the hash of a page that a source named; None for one that somebody pasted, too.

        Of a page that may not be read by whom it is asked for (`core.readers.reading_as`) it is None as well.
        """
        entry = self.index.entry(url)
        if entry is None or not entry.source or not entry.readers.allow(current_audience()):
            return None
        return entry.page_hash

    def public_pages(self) -> list[tuple[str, str]]:
        """Return (URL, title) of the pages that a source named: what somebody pasted is nobody else's.

        Only of those that may be read by whom it is told (`core.readers.reading_as`).
        """
        audience = current_audience()
        known = (entry for entry in self.index.entries() if entry.source)
        return [(entry.url, entry.title) for entry in known if entry.readers.allow(audience)]

    async def page(self, url: str) -> Page | None:
        """Return a page that may be read by whom it is shown; None else, as if it were not there."""
        page = await self.index.page(url)
        return page if page is not None and page.readers.allow(current_audience()) else None

    @property
    def access(self) -> PageAccess:
        """What may be seen of answers, as the pages' readers are now."""
        return PageAccess(self.index.restricted, self._is_sourced)

    def _is_sourced(self, url: str) -> bool:
        entry = self.index.entry(url)
        return entry is not None and entry.source is not None

    async def look_again(self, question: Question) -> Sequence[Passage]:
        """Return what the pages say on a question now, for reviewers."""
        hits = await self.library.search(question.text, REVIEWED_PASSAGES, question.page_url)
        return [hit.passage for hit in hits]


@dataclass(frozen=True, slots=True)
class Parts:
    """What an instance is made of, whichever way it is used (bot or command line)."""

    settings: Settings
    page_services: PageServices
    answering: Answering


@asynccontextmanager
async def open_pages(settings: Settings, *, finished: bool = True) -> AsyncGenerator[PageServices]:
    """Open the page index and what reads pages; see `FileIndex.open` for what is to be `finished`."""
    limits = FetchLimits(**settings.fetch.values())
    embedder, reranker = await asyncio.gather(asyncio.to_thread(Embedder), asyncio.to_thread(Reranker))
    index = await _open_index(settings, embedder, finished=finished)
    try:
        async with Fetcher(limits) as fetcher:
            library = Library(
                index,
                fetcher,
                public_url=site_url(settings, settings.port),
                access=make_source_access(settings),
            )
            try:
                yield PageServices(index, library, embedder, reranker.score_pairs)
            finally:
                await library.close()
    finally:
        await index.close()


def make_source_access(settings: Settings) -> SourceAccess:
    """Say what gets into sources behind a sign-in; the bot's app reads SharePoint unless another is set."""
    given = settings.sources.values()
    if not settings.sources.sharepoint_client_id:
        given |= {
            "sharepoint_client_id": settings.app_id,
            "sharepoint_client_secret": settings.app_password.get_secret_value(),
        }
    given["sharepoint_tenant_id"] = settings.sources.sharepoint_tenant_id or settings.app_tenant_id
    return SourceAccess(
        settings.index_dir, **given, graph_url=settings.graph_url, login_url=settings.login_url
    )


async def _open_index(settings: Settings, embedder: Embeds, *, finished: bool) -> Indexes:
    rules = ReaderRules(settings.page_readers)
    if settings.page_index == "file":
        return await FileIndex.open(
            settings.index_dir,
            embedder,
            passage_tokens=settings.passage_tokens,
            rules=rules,
            finished=finished,
        )
    if not settings.cosmos.endpoint:
        raise IndexUnavailable("The page index is to be in Cosmos DB: set cosmos_endpoint, too.")
    # 2 s and 50 MB that a bot with a file need not pay
    from pages.index.cosmos import CosmosIndex  # noqa: PLC0415

    return await CosmosIndex.open(
        pages_config(settings), embedder, passage_tokens=settings.passage_tokens, rules=rules
    )


@asynccontextmanager
async def open_answering(
    settings: Settings, page_services: PageServices, version: str = "", *, may_wait: bool = False
) -> AsyncGenerator[Answering]:
    """Open the model, and answer from these pages with it. Raises ModelMissing with what to run.

    `version` names the model version; empty follows what is live. `may_wait`: quote the pages where nothing
    is live yet, until something is.
    """
    rules = AnswerRules(**settings.answering.values())
    async with open_model(replace(model_choice(settings), version=version, may_wait=may_wait)) as lend:
        answering = Answering(lend, page_services.library.search, rules, page_services.library.read_section)
        answering.head = await asyncio.to_thread(read_live_head, settings.search_dir)
        telemetry.use_search(answering.head.name)
        answering.score_pairs = page_services.score_pairs
        yield answering


@asynccontextmanager
async def open_parts(settings: Settings, *, serving: bool = False) -> AsyncGenerator[Parts]:
    """Open pages and model, and close them afterwards. Raises ModelMissing with what to run.

    `serving`: neither the pages nor the model need to be there at the beginning; they come.
    """
    async with (
        open_pages(settings, finished=not serving) as page_services,
        open_answering(settings, page_services, may_wait=serving) as answering,
    ):
        yield Parts(settings, page_services, answering)


def model_choice(settings: Settings) -> ModelChoice:
    """Say which model runs, and how."""
    options = EngineOptions(
        **settings.engine.values(),
        context_tokens=settings.prompt_tokens + settings.answer_tokens,
        cuda=settings.cuda.options(),
    )
    return ModelChoice(
        models_dir=settings.models_dir,
        base=settings.base_model,
        answer_tokens=settings.answer_tokens,
        options=options,
        poll_s=settings.model_poll_s,
        drain_s=settings.answer_timeout_s,
        url=settings.models_url,
        server=ServerChoice(**settings.model_url.values()) if settings.model_url.url else None,
    )


class ChannelModule(Protocol):
    """What the module `channel.py` of a channel has."""

    CAPABILITIES: ChannelCapabilities

    def check_settings(self, settings: Settings, /) -> None:
        """Raise ChannelMisconfigured where the settings do not fit together."""
        ...

    def open_channel(self, context: ChannelContext, /) -> OpenChannel:
        """Open the channel for a bot that listens."""
        ...

    async def open_connector(
        self, settings: Settings, store: Store, closing: AsyncExitStack, /
    ) -> Connector | None:
        """Open only the connector, for a process that hears nothing; None where none works from elsewhere."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelPlug:
    """A channel that there is: its module, imported where it is on, and what its settings say.

    `is_public`: people elsewhere speak to the bot by it.
    """

    channel: Channel
    module: str
    is_on: Callable[[Settings], bool] = lambda _: True
    is_public: Callable[[Settings], bool] = lambda _: False

    def load(self) -> ChannelModule:
        """Import the channel's module."""
        return cast("ChannelModule", import_module(self.module))


def _has_slack(settings: Settings) -> bool:
    return bool(settings.slack.signing_secret.get_secret_value())


def _has_widget(settings: Settings) -> bool:
    return bool(settings.widget.origins)


def _has_public_widget(settings: Settings) -> bool:
    """Tell whether the widget may stand on sites beyond this machine: those are named with HTTPS."""
    return any(one.startswith("https:") for one in settings.widget.origins)


CHANNELS = (
    ChannelPlug(Channel.TEAMS, "bot.teams.channel", is_public=lambda settings: bool(settings.app_id)),
    ChannelPlug(Channel.LOCAL, "bot.web.channel"),
    ChannelPlug(Channel.WIDGET, "bot.web.widget.channel", is_on=_has_widget, is_public=_has_public_widget),
    ChannelPlug(Channel.SLACK, "bot.slack.channel", is_on=_has_slack, is_public=_has_slack),
)
"""Every channel, one line each. Activities of any other channel come through the Bot Framework."""


def find_connector(
    connectors: Mapping[Channel, Connector | None], conversation: Mapping[str, Any]
) -> Connector | None:
    """Return what reaches a conversation; None where this process cannot."""
    channel = conversation.get("channelId")
    return connectors.get(Channel(channel) if channel in set(Channel) else Channel.TEAMS)


def training_config(settings: Settings) -> TrainingConfig:
    """Return how a model learns."""
    return TrainingConfig(**settings.training.values(), device=settings.engine.device)


def is_public(settings: Settings) -> bool:
    """Tell whether people elsewhere are meant to reach the port.

    Then a request from this machine may be anybody's: a proxy on the same machine hands over what the
    internet sends, and neither the peer nor a header need tell.
    """
    host = urlsplit(settings.public_url).hostname or ""
    elsewhere = bool(settings.public_url) and not names_loopback(host)
    channels = any(plug.is_public(settings) for plug in CHANNELS)
    return channels or elsewhere or not names_loopback(settings.host)


class LocalPage(Enum):
    """Where the chat page is, with the dashboard and the pages: browsers here need no token for them."""

    OFF = auto()
    ON_THE_PORT = auto()
    ON_ITS_OWN_PORT = auto()


def find_local_page(settings: Settings) -> LocalPage:
    """Return where the chat page is served: where the port is public, nowhere or on another one."""
    if not settings.local_page:
        return LocalPage.OFF
    if not is_public(settings):
        return LocalPage.ON_THE_PORT
    return LocalPage.ON_ITS_OWN_PORT if settings.dangerously_serve_local_page else LocalPage.OFF


def trusts_local_reviewers(settings: Settings) -> bool:
    """Tell whether the word of the chat page's reviewer counts where people elsewhere would get it."""
    return not is_public(settings) or settings.dangerously_trust_local_reviewers


def list_untrusted(settings: Settings, keys: Keys) -> frozenset[str]:
    """Return the pseudonyms of the chat page's reviewer, where what they decide counts on that page only."""
    robin = directory_id(REVIEWER)
    both = {keys.pseudonym(robin), keys.earlier(robin)}
    return frozenset() if trusts_local_reviewers(settings) else frozenset(both - {""})


def site_url(settings: Settings, port: int) -> str:
    """Return the address at which people open our own pages, without a slash at its end."""
    return settings.public_url.rstrip("/") or f"http://localhost:{port}"


Connect = Callable[[Mapping[str, Any]], Connector | None]
"""Reaches a conversation; None where this process cannot."""


@dataclass(frozen=True, slots=True)
class JobServices:
    """The parts that scheduled work uses."""

    page_services: PageServices
    parts: Services
    connect: Connect


def find_sources(settings: Settings, page_services: PageServices) -> tuple[list[str], list[str]]:
    """Return what to read: the sources of the settings and the added ones, and what is a source no more.

    Where machines share the index, what is no source here is another machine's, or was added there.
    """
    sources = list(dict.fromkeys([*settings.pages, *read_added_sources(settings.index_dir)]))
    others = sorted(filter(None, {entry.source for entry in page_services.index.entries()} - set(sources)))
    return ([*sources, *others], []) if page_services.index.shared else (sources, others)


def make_dependencies(
    settings: Settings, page_services: PageServices, store: Store, keys: Keys, connect: Connect, *, port: int
) -> ServiceDependencies:
    """Say what feedback and review stand in."""
    site = site_url(settings, port)
    reachable = settings.public_url or not settings.app_id
    return ServiceDependencies(
        known=open_verified(settings, page_services),
        audiences=Audiences(
            page_services.access, list_vouched(settings), AudienceLimits(settings.groups_remembered_s)
        ),
        look_again=page_services.look_again,
        fresh=partial(is_fresh, page_hash=page_services.page_hash),
        connector=connect,
        site_url=site,
        opens_url=site + PATH if settings.count_opened and reachable else "",
        later=store.spool if isinstance(store, OfflineStore) else RunImmediately(),
        terms=PrivacyTerms(read_retention(settings), settings.public_url),
        recognise=Recognising(store, keys),
        forget_examples=forgetting(settings),
        key_before=keys.before,
        models_dir=settings.models_dir,
        operators=frozenset(settings.operators),
        owners=Owners(settings.owner_people, authors=settings.sharepoint_authors),
        file_pages=page_services.library,
        listed_pages=page_services.library,
        find_label=page_services.find_label,
        own_reactions=settings.own_reactions,
        unasked=UnaskedRules(settings.answer_unasked, settings.unasked_precision),
        local_reviewers=list_untrusted(settings, keys),
        capabilities={plug.channel: plug.load().CAPABILITIES for plug in CHANNELS if plug.is_on(settings)},
    )


@asynccontextmanager
async def open_services(settings: Settings, store: Store, holder: str = "") -> AsyncGenerator[JobServices]:
    """Open the pages, and wire feedback and review over them.

    `holder` names this process among those that work off the outbox.
    """
    async with AsyncExitStack() as closing:
        page_services = await closing.enter_async_context(open_pages(settings))
        share_telemetry_names(read_keys(settings), page_services)
        connectors = {
            plug.channel: await plug.load().open_connector(settings, store, closing)
            for plug in CHANNELS
            if plug.is_on(settings)
        }
        connect = partial(find_connector, connectors)
        parts = make_services(settings, page_services, store, connect, holder)
        closing.push_async_callback(parts.privacy.close)
        yield JobServices(page_services, parts, connect)


def make_services(
    settings: Settings, page_services: PageServices, store: Store, connect: Connect, holder: str
) -> Services:
    """Wire feedback and review over a store, with everything that may have waited for it."""
    keys = read_keys(settings)
    dependencies = make_dependencies(settings, page_services, store, keys, connect, port=settings.port)
    repository = ReviewRepository(store.documents, holder)
    return Services(store, repository, keys.now, dependencies, read_rules(settings))


def open_verified(settings: Settings, page_services: PageServices) -> VerifiedAnswers:
    """Return the verified answers, none of them yet, over these pages."""
    known = VerifiedAnswers(page_services.embedder, least_similarity=settings.verified.least_similarity)
    known.access = page_services.access
    return known


def list_vouched(settings: Settings) -> frozenset[str]:
    """Return the channels that prove who speaks: without that, nobody is known to be in any group."""
    teams = bool(settings.app_id) and not settings.dangerously_allow_unauthenticated
    proven = ((Channel.TEAMS, teams), (Channel.SLACK, _has_slack(settings)))
    return frozenset(str(channel) for channel, is_proven in proven if is_proven)


def share_telemetry_names(keys: Keys, page_services: PageServices) -> None:
    """Let this process tell of answers and sites by the same names as all others of this installation."""
    named = {urlsplit(entry.url).hostname or "" for entry in page_services.index.entries() if entry.source}
    telemetry.use_key(keys.now, named - {""})
