"""What feedback and review stand in, by the settings: for the bot, and for scheduled work that does a part of its.

    async with open_borrowed(settings, store, holder) as borrowed: …

Scheduled work has no front end: it reaches conversations of channels by their connector, and none of the local page,
whose server is another process.

What was learned from people: it is forgotten with them, and nothing is learned from who does not want that.

What an instance is made of, whichever way it is used (bot or command line): the pages, the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.channel import Connector
from bot.channels.privacy_handler import PrivacyTerms
from bot.dialogs.answerer import is_fresh
from bot.dialogs.verified_answers import VerifiedAnswers
from bot.http import names_loopback
from bot.services import FeedbackParts, Surroundings, rules_of
from bot.slack.config import slack_config
from bot.stores import Store, pages_config, retention_of
from bot.teams.auth import BotFrameworkConfig, OwnToken
from bot.teams.connector import BotConnector
from bot.web.pages import PATH
from core import telemetry
from core.records import Channel, Passage, Question
from core.settings import Settings
from feedback.examples.dataset import forget, trained_on
from feedback.privacy.deletion_log import ForgetExamples, ForgottenExamples
from feedback.privacy.keys import Keys, Recognising, keys_of
from feedback.reviews.repository import Desk
from feedback.store.deferred import AtOnce
from feedback.store.offline_queue import SpooledStore
from model.answering.chain import Answering, AnswerRules
from model.evaluation.report import forget_answers
from model.onnx_infer import EngineOptions
from model.registry.loading import ModelChoice, open_model
from model.registry.versions import list_versions
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.base import Indexes, IndexUnavailable
from pages.index.embeddings import Embedder, Embeds
from pages.index.sqlite import FileIndex
from pages.library import Library


def forgetting(settings: Settings) -> ForgetExamples:
    """Return what takes examples out of the data sets of this installation, and names the models that saw them.

    What stands of them in reports about versions is taken out, too.
    """

    def forget_now(answer_ids: Collection[str], person: str) -> Sequence[ForgottenExamples]:
        forget_answers(settings.models_dir, answer_ids)
        erased = forget(settings.datasets_dir, answer_ids, [person])
        if not erased:
            return []
        versions: dict[str, list[str]] = {}
        for version in list_versions(settings.models_dir):
            versions.setdefault(version.dataset, []).append(version.name)
        return [
            ForgottenExamples(name, tuple(trained_on([name], versions)), count)
            for name, count in erased.items()
        ]

    async def forget_examples(answer_ids: Collection[str], person: str) -> Sequence[ForgottenExamples]:
        return await asyncio.to_thread(forget_now, answer_ids, person)

    return forget_examples


REVIEWED_PASSAGES = 4
"""How many passages a reviewer of a changed page can choose from."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The pages: the index, the library that keeps it fresh, and what finds meaning in text."""

    index: Indexes
    library: Library
    embedder: Embeds

    def page_hash(self, url: str) -> str | None:
        """Return the hash of a page as it is now, None where it is not known."""
        entry = self.index.entry(url)
        return entry.page_hash if entry else None

    def public_pages(self) -> list[tuple[str, str]]:
        """Return (URL, title) of the pages that a source named: what somebody pasted is nobody else's."""
        return [(entry.url, entry.title) for entry in self.index.entries() if entry.source]

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
        extract_timeout_s=settings.extract_timeout_s,
    )
    embedder = await asyncio.to_thread(Embedder)
    index = await _open_index(settings, embedder)
    try:
        async with Fetcher(limits) as fetcher:
            library = Library(index, fetcher, public_url=site_url(settings, settings.port))
            try:
                yield Shelf(index, library, embedder)
            finally:
                await library.close()
    finally:
        await index.close()


async def _open_index(settings: Settings, embedder: Embeds) -> Indexes:
    if settings.page_index == "file":
        return await FileIndex.open(settings.index_dir, embedder, passage_tokens=settings.passage_tokens)
    if not settings.cosmos_endpoint:
        raise IndexUnavailable("The page index is to be in Cosmos DB: set cosmos_endpoint, too.")
    # 2 s and 50 MB that a bot with a file need not pay
    from pages.index.cosmos import CosmosIndex  # noqa: PLC0415

    return await CosmosIndex.open(pages_config(settings), embedder, passage_tokens=settings.passage_tokens)


@asynccontextmanager
async def open_answering(settings: Settings, shelf: Shelf, version: str = "") -> AsyncGenerator[Answering]:
    """Open the model, and answer from these pages with it. Raises ModelMissing with what to run.

    `version` names the model version; empty follows what is live.
    """
    rules = AnswerRules(
        passages=settings.passages,
        span_sentences=settings.span_sentences,
        least_similarity=settings.least_similarity,
        state_from=settings.state_confidence,
        decline_below=settings.decline_confidence,
        first_token_s=settings.first_token_budget_s,
    )
    async with open_model(replace(model_choice(settings), version=version)) as acquire:
        yield Answering(acquire, shelf.library.search, rules, shelf.library.section_of)


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
    return ModelChoice(
        models_dir=settings.models_dir,
        base=settings.base_model,
        answer_tokens=settings.answer_tokens,
        options=options,
        poll_s=settings.model_poll_s,
        drain_s=settings.answer_timeout_s,
        url=settings.models_url,
    )


def is_public(settings: Settings) -> bool:
    """Whether people elsewhere are meant to reach the port: then a request from this machine may be anybody's.

    A proxy on the same machine hands over what the internet sends, and neither the peer nor a header need tell.
    """
    host = urlsplit(settings.public_url).hostname or ""
    elsewhere = bool(settings.public_url) and not names_loopback(host)
    slack = bool(settings.slack_signing_secret.get_secret_value())
    return bool(settings.app_id) or slack or elsewhere or not names_loopback(settings.host)


class LocalPage(Enum):
    """Where the chat page is, with the dashboard and the pages that this machine's browsers need no token for."""

    OFF = auto()
    ON_THE_PORT = auto()
    ON_ITS_OWN_PORT = auto()


def local_page_of(settings: Settings) -> LocalPage:
    """Return where the chat page is served: where the port is public, nowhere or on another one."""
    if not settings.local_page:
        return LocalPage.OFF
    if not is_public(settings):
        return LocalPage.ON_THE_PORT
    return LocalPage.ON_ITS_OWN_PORT if settings.dangerously_serve_local_page else LocalPage.OFF


def site_url(settings: Settings, port: int) -> str:
    """Return the address at which people open our own pages, without a slash at its end."""
    return settings.public_url.rstrip("/") or f"http://localhost:{port}"


Connect = Callable[[Mapping[str, Any]], Connector | None]
"""Reaches a conversation; None where this process cannot."""


@dataclass(frozen=True, slots=True)
class Borrowed:
    """The parts that scheduled work uses."""

    shelf: Shelf
    parts: FeedbackParts
    connect: Connect


def surroundings_of(
    settings: Settings, shelf: Shelf, store: Store, keys: Keys, connect: Connect, *, port: int
) -> Surroundings:
    """Say what feedback and review stand in."""
    site = site_url(settings, port)
    reachable = settings.public_url or not settings.app_id
    return Surroundings(
        known=VerifiedAnswers(shelf.embedder),
        look_again=shelf.look_again,
        fresh=partial(is_fresh, page_hash=shelf.page_hash),
        connector=connect,
        site_url=site,
        opens_url=site + PATH if settings.count_opened and reachable else "",
        later=store.spool if isinstance(store, SpooledStore) else AtOnce(),
        terms=PrivacyTerms(retention_of(settings), settings.public_url),
        recognise=Recognising(store, keys),
        forget_examples=forgetting(settings),
        key_before=keys.before,
        models_dir=settings.models_dir,
    )


@asynccontextmanager
async def open_borrowed(settings: Settings, store: Store, holder: str = "") -> AsyncGenerator[Borrowed]:
    """Open the pages, and wire feedback and review over them. `holder` names this process among those that do errands."""
    async with AsyncExitStack() as closing:
        shelf = await closing.enter_async_context(open_shelf(settings))
        name_in_telemetry(keys_of(settings), shelf)
        session = await closing.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        )
        connector = BotConnector(session, OwnToken(framework_of(settings)).get)
        connect = partial(reach, connector, slack=_slack(settings, store, closing))
        parts = parts_over(settings, shelf, store, connect, holder)
        closing.push_async_callback(parts.privacy.close)
        yield Borrowed(shelf, parts, connect)


def parts_over(
    settings: Settings, shelf: Shelf, store: Store, connect: Connect, holder: str
) -> FeedbackParts:
    """Wire feedback and review over a store, with everything that may have waited for it."""
    keys = keys_of(settings)
    around = surroundings_of(settings, shelf, store, keys, connect, port=settings.port)
    desk = Desk(store.documents, holder)
    return FeedbackParts(store, desk, keys.now, around, rules_of(settings))


def name_in_telemetry(keys: Keys, shelf: Shelf) -> None:
    """Let this process tell of answers and sites by the same names as all others of this installation."""
    named = {urlsplit(entry.url).hostname or "" for entry in shelf.index.entries() if entry.source}
    telemetry.use_key(keys.now, named - {""})


def framework_of(settings: Settings) -> BotFrameworkConfig:
    """Return how the bot is registered."""
    return BotFrameworkConfig(
        app_id=settings.app_id,
        app_password=settings.app_password.get_secret_value(),
        app_type=settings.app_type,
        tenant_id=settings.app_tenant_id,
        openid_metadata_url=settings.openid_metadata_url,
        token_issuer=settings.token_issuer,
        login_url=settings.login_url,
        oauth_scope=settings.oauth_scope,
        allowed_tenants=tuple(settings.allowed_tenants),
        allow_unauthenticated=not is_public(settings),
        dangerously_allow_unauthenticated=settings.dangerously_allow_unauthenticated,
    )


def reach(
    connector: Connector, conversation: Mapping[str, Any], *, slack: Connector | None = None
) -> Connector | None:
    """Return what reaches a conversation from a process without a front end: nothing does the local page's."""
    own: Mapping[object, Connector | None] = {Channel.LOCAL: None, Channel.SLACK: slack}
    return own.get(conversation.get("channelId"), connector)


def _slack(settings: Settings, store: Store, closing: AsyncExitStack) -> Connector | None:
    """Open the way to Slack; None where it is not set up: then nothing of it is imported."""
    if not settings.slack_signing_secret.get_secret_value():
        return None
    # 32 MB and 0.3 s that scheduled work without Slack need not pay
    from bot.slack.channel import connector_of  # noqa: PLC0415

    connector = connector_of(slack_config(settings), store)
    closing.push_async_callback(connector.api.close)
    return connector
