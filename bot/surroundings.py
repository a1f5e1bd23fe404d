"""What feedback and review stand in, by the settings: for the bot, and for scheduled work that does a part of its.

    async with open_borrowed(settings, store, holder) as borrowed: …

Scheduled work has no front end: it reaches conversations of channels by their connector, and none of the local page,
whose server is another process.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp

import telemetry
from bot.connector import BotConnector
from bot.delivery import Connector
from bot.feedback_parts import FeedbackParts, Surroundings, rules_of
from bot.keys import Keys, Recognising, keys_of
from bot.learned import forgetting
from bot.opens import PATH
from bot.own_token import BotFrameworkConfig, OwnToken
from bot.page_answerer import is_fresh
from bot.parts import Shelf, is_public, open_shelf, site_url
from bot.privacy_desk import PrivacyTerms
from bot.slack_config import slack_config
from bot.storing import Store, retention_of
from bot.verified import VerifiedAnswers
from feedback.desk import Desk
from feedback.later import AtOnce
from feedback.spool import SpooledStore
from records import Channel
from settings import Settings

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
    from bot.slack_parts import connector_of  # noqa: PLC0415

    connector = connector_of(slack_config(settings), store)
    closing.push_async_callback(connector.api.close)
    return connector
