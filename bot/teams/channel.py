"""The channel for Microsoft Teams, put together from the settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import aiohttp
from aiohttp import web

from bot.channel import ChannelCapabilities, ChannelMisconfigured, Reply, StreamPace
from bot.channels.handler import ActivityHandler, ChannelConfig, Handlers
from bot.channels.message import Connector
from bot.channels.review_handler import Reviewers
from bot.http import is_https
from bot.services import ChannelContext
from bot.teams.auth import BotCredentials, BotFrameworkConfig
from bot.teams.connector import BotConnector
from bot.teams.endpoint import TeamsEndpoint
from bot.teams.extension import answer_extension
from bot.teams.files import HOSTS, TeamsFiles
from bot.teams.graph import GRAPH, Directory, DirectoryConfig, EntraPeople
from bot.teams.reviewer_chats import ReviewerChats, TeamsAddress, begin_chat
from bot.teams.tab.page import NO_LIBRARY, TabPage, TabServices, find_teams_js
from bot.teams.tab.tokens import TabConfig
from core.records import Channel, Question
from core.settings import Settings
from feedback.store.base import StoreError
from feedback.store.rows import WholeStore
from pages.fetch.client import Fetcher, FetchLimits

CAPABILITIES = ChannelCapabilities()
log = logging.getLogger(__name__)

REACH_EVERY_S = 900.0
"""Time between two tries to reach named reviewers."""
PACE = StreamPace(grace_s=0.3)
"""A quotation is there by then."""


class TeamsChannel:
    """Teams as a bot meets it that listens: a `bot.services.OpenChannel`."""

    def __init__(self, context: ChannelContext, *, is_public: bool) -> None:
        settings = context.settings
        self._directory = open_directory(settings)
        is_member = self._directory.is_member if settings.reviewer_groups else None
        people = EntraPeople(self._directory, settings.app_tenant_id)
        context.services.audiences.add(Channel.TEAMS, people)
        reviewers = Reviewers(settings.reviewers, settings.reviewer_groups, is_member)
        config = ChannelConfig(
            examples=context.examples,
            pace=PACE,
            offers=context.offers,
            answer_extension=partial(answer_extension, previews=context.services.page_previews),
        )
        handlers = context.services.handlers(context.asking, reviewers)
        self._handler = ActivityHandler(handlers, config)
        self._files = Fetcher(replace(FetchLimits(**settings.fetch.values()), allowed_sites=HOSTS))
        self._endpoint = TeamsEndpoint(to_config(settings, is_public=is_public), self._handler)
        way = TeamsFiles(self._files, self._endpoint.connector)
        context.services.files.downloaders[Channel.TEAMS] = way
        self.connector: Connector = self._endpoint.connector
        self._tab = open_tab(context, handlers) if settings.teams_tab else None
        self._named = settings.reviewers if settings.review_chats and settings.app_id else []
        address = TeamsAddress(settings.app_id, settings.app_tenant_id)
        self._chats = ReviewerChats(
            context.services.repository,
            handlers.reviews,
            self._endpoint.connector,
            context.services.pseudonym,
            address,
        )
        if settings.owner_chats and settings.app_id:
            begin = partial(begin_chat, self._endpoint.connector, address)
            context.services.owner_cards.begin_chat[Channel.TEAMS] = begin

    def routes(self) -> Sequence[web.RouteDef]:
        """Return where the Bot Framework delivers activities, and the tab."""
        tab = self._tab.routes() if self._tab else []
        return [web.post("/api/messages", self._endpoint.process), *tab]

    def restore_reply(self, question: Question) -> Reply | None:
        """Make the way back to who asked in Teams."""
        return self._handler.restore_reply(question, self.connector)

    async def run(self) -> None:
        """Begin chats with named reviewers who never wrote, where that is wanted, until cancelled."""
        while self._named:
            try:
                await self._chats.reach(self._named)
            except StoreError as error:
                log.warning("reviewers are not reached yet: %s", error)
            await asyncio.sleep(REACH_EVERY_S)
        await asyncio.Event().wait()

    async def hang_up(self) -> None:
        """Nobody holds a connection open for long."""

    async def close(self) -> None:
        """Wait for the cards that are on their way, then let go of connections."""
        await self._handler.close()
        await self._endpoint.close()
        await self._files.close()
        await self._directory.close()
        if self._tab:
            await self._tab.close()


def check_settings(settings: Settings) -> None:
    """Refuse half of an app's registration: no answer could be delivered. Raises ChannelMisconfigured."""
    if not settings.app_id:
        return
    if settings.app_type != "UserAssignedMSI" and not settings.app_password.get_secret_value():
        raise ChannelMisconfigured(
            f"An app of type {settings.app_type} needs its client secret: set ASKPAGE_APP_PASSWORD. (A"
            " managed identity has none: ASKPAGE_APP_TYPE=UserAssignedMSI.)"
        )
    if settings.app_type == "SingleTenant" and not settings.app_tenant_id:
        raise ChannelMisconfigured(
            "An app of one tenant gets its tokens there: set ASKPAGE_APP_TENANT_ID, or"
            " ASKPAGE_APP_TYPE=MultiTenant."
        )
    if settings.teams_tab:
        check_tab(settings)


def check_tab(settings: Settings) -> None:
    """Refuse a tab that nobody could open. Raises ChannelMisconfigured."""
    if not is_https(settings.public_url):
        raise ChannelMisconfigured(
            "Teams opens tabs by https: set ASKPAGE_PUBLIC_URL to https://…, or ASKPAGE_TEAMS_TAB=false."
        )
    if not list_tab_tenants(settings):
        raise ChannelMisconfigured(
            "The tab has to know whose people it lets in: set ASKPAGE_APP_TENANT_ID or"
            " ASKPAGE_ALLOWED_TENANTS, or ASKPAGE_TEAMS_TAB=false."
        )
    if find_teams_js() is None:
        raise ChannelMisconfigured(NO_LIBRARY)


def list_tab_tenants(settings: Settings) -> tuple[str, ...]:
    """Return the tenants whose people the tab lets in: those that the bot answers, else the app's own."""
    return tuple(settings.allowed_tenants or filter(None, [settings.app_tenant_id]))


def open_tab(context: ChannelContext, handlers: Handlers) -> TabPage:
    """Open the tab over what every channel stands on."""
    settings, services = context.settings, context.services
    config = TabConfig(settings.app_id, list_tab_tenants(settings), settings.public_url, settings.login_url)
    parts = TabServices(
        overviews=services.make_overviews(context.pages),
        privacy=services.privacy,
        links=services.links,
        recognise=handlers.recognise,
        pseudonym=services.pseudonym,
        terms=services.terms,
        site_url=settings.public_url.rstrip("/"),
    )
    return TabPage(config, parts)


def open_channel(context: ChannelContext) -> TeamsChannel:
    """Open Teams for a bot that listens."""
    return TeamsChannel(context, is_public=context.is_public)


async def open_connector(settings: Settings, _: WholeStore, closing: AsyncExitStack) -> Connector:
    """Open the way to Teams alone, for a process that hears nothing from there."""
    session = await closing.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
    return BotConnector(session, BotCredentials(to_config(settings, is_public=True)).get)


def to_config(settings: Settings, *, is_public: bool) -> BotFrameworkConfig:
    """Return the bot's registration. Only a bot that is not public takes unsigned local requests."""
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
        allow_unauthenticated=not is_public,
        dangerously_allow_unauthenticated=settings.dangerously_allow_unauthenticated,
        hears_channels=settings.answer_unasked,
        library=settings.teams_library,
    )


def open_directory(settings: Settings) -> Directory:
    """Open the way to the directory of the app's tenant; its owner closes it."""
    identity = None
    if settings.app_type == "UserAssignedMSI":
        for_graph = replace(to_config(settings, is_public=True), oauth_scope=f"{GRAPH}/.default")
        identity = BotCredentials(for_graph).get
    return Directory(
        DirectoryConfig(
            app_id=settings.app_id,
            app_password=settings.app_password.get_secret_value(),
            tenant_id=settings.app_tenant_id,
            login_url=settings.login_url,
            graph_url=settings.graph_url,
            own_token=identity,
        )
    )
