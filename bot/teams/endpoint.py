"""The Bot Framework endpoint: authenticates, then reads, then hands over to the turn.

Tokens are checked by a library of the Bot Framework with our keys (`bot/teams/sdk/library.py`), off the event
loop; whom they are from, for whom, and for which address and channels, is checked here.

    POST /api/messages ─ authenticated? 401 ─ readable? 400, 413, 415 ─ token fits the body? 401
                       ─ tenant allowed? 403 ─ turn ─ 200 or invoke

Without an app id anyone who reaches the port could speak as anyone, so only this machine may: the peer, the
Host header (a page under a rebound name has another one), the Origin (a page elsewhere has another one) and
the address to answer to must all be loopback.

One activity is one turn of the library: its middleware runs around our activity handler, which reads the
activity as it came.

    seam.turns.use(SomeMiddleware())     what the library's middleware sends goes out by our connector
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import aiohttp
import jwt
from aiohttp import web
from yarl import URL

from bot.channels.handler import ActivityHandler
from bot.channels.incoming import MalformedError, to_object
from bot.http import PROXIED, names_loopback, read_body
from bot.teams.auth import BotCredentials, BotFrameworkConfig, KeysUnavailableError, KeyTimes, SigningKeys
from bot.teams.connector import BotConnector
from bot.teams.message_text import mark_heard, read_as_written
from bot.teams.rate_limit import Pace
from bot.teams.sdk.library import ISSUER, METADATA_URL, Library, TokenRules, load_library
from core import telemetry
from core.bounded_dict import BoundedDict
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
REMEMBERED_TOKENS = 1_000


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a valid token says: its end, the address it speaks for, and the channels that its key endorses."""

    expires_at: float
    service_url: str
    endorsements: tuple[str, ...]


class TeamsEndpoint:
    """The endpoint that channels post to, and the way back. Made inside a running event loop; close it."""

    def __init__(
        self,
        config: BotFrameworkConfig,
        front: ActivityHandler,
        *,
        pace: Pace | None = None,
        key_times: KeyTimes | None = None,
        own_token: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """`own_token` returns the bearer token of the bot's own calls; by default MSAL gets it from Entra."""
        self._config = config
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=200, ttl_dns_cache=60), cookie_jar=aiohttp.DummyCookieJar()
        )
        library = load_library(config.library)
        keys = SigningKeys(config.openid_metadata_url or METADATA_URL, self._session, key_times)
        self._tokens = _Tokens(config, keys, library)
        self.connector = BotConnector(self._session, own_token or BotCredentials(config).get, pace)
        self.turns = library.open_turns(partial(front.receive, connector=self.connector), self.connector)

    async def process(self, request: web.Request) -> web.Response:
        """Answer one POST of a channel. Never a redirect, never a trace of why a token was bad."""
        with telemetry.span("arrival"):
            response = await self._process(request)
            telemetry.record_response("POST", "/api/messages", response.status)
        return response

    async def _process(self, request: web.Request) -> web.Response:
        try:
            with telemetry.span("authenticate"):
                identity = await self._authenticate(request)
            activity = await _read_object(request)
            self._check_binding(identity, activity)
            check_tenants(activity, self._config.allowed_tenants)
            if self._config.hears_channels:
                activity = mark_heard(activity)
            reply = await self.turns.run(read_as_written(activity))
        except PermissionError as error:  # an OSError, so before anything that catches those
            return _refuse(error)
        except MalformedError as error:
            return _sentence(error.status, str(error))
        except (KeysUnavailableError, StoreUnavailable) as error:
            log.error("cannot take an activity now: %s", error)  # noqa: TRY400 - the sentence says it all
            return _sentence(503, "Not now. Please try again.", {"Retry-After": "5"})
        if reply is None:
            return web.Response(status=200)
        return web.json_response(reply.body, status=reply.status)

    async def close(self) -> None:
        await self._session.close()
        self._tokens.close()

    async def _authenticate(self, request: web.Request) -> _Identity | None:
        if self._config.app_id:
            return await self._tokens.check(request.headers.get("Authorization", ""))
        if self._config.dangerously_allow_unauthenticated:
            return None
        if not self._config.allow_unauthenticated:
            raise PermissionError("no app id is set, and nothing allows to do without")
        _check_from_here(request)
        return None

    def _check_binding(self, identity: _Identity | None, activity: Mapping[str, Any]) -> None:
        """Hold a token to the one address and the channels that it may speak for."""
        service_url, channel_id = activity.get("serviceUrl"), activity.get("channelId")
        if identity is None:
            if not (
                self._config.dangerously_allow_unauthenticated or names_loopback(_parse_host(service_url))
            ):
                raise PermissionError("the address to answer to is not on this machine")
            return
        if not identity.service_url or identity.service_url != service_url:
            raise PermissionError("the token is for another service URL")
        if not isinstance(channel_id, str) or not channel_id:
            raise PermissionError("the activity names no channel")
        if channel_id not in identity.endorsements:
            raise PermissionError("the token's key is not endorsed for this channel")


class _Tokens:
    """Checks a channel's tokens; a good one is remembered by its hash until it expires."""

    def __init__(self, config: BotFrameworkConfig, keys: SigningKeys, library: Library) -> None:
        metadata_url = config.openid_metadata_url or METADATA_URL
        self._rules = TokenRules(config.token_issuer or ISSUER, config.app_id, metadata_url)
        self._keys = keys
        self._good: BoundedDict[bytes, _Identity] = BoundedDict(REMEMBERED_TOKENS)
        self._validator = library.open_validator(self._rules, keys)

    async def check(self, header: str) -> _Identity:
        """Return what the token says. Raises PermissionError for every bad one, and KeysUnavailableError."""
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token:
            raise PermissionError("no bearer token")
        digest = hashlib.sha256(token.encode()).digest()
        known = self._good.get(digest)
        if known is not None and known.expires_at > time.time():
            return known
        identity = await self._validate(token)
        self._good[digest] = identity
        return identity

    async def _validate(self, token: str) -> _Identity:
        claims = await self._validator.read_claims(token)
        if claims.get("iss") != self._rules.issuer:
            raise PermissionError("bad token: another issuer")
        if claims.get("aud") != self._rules.app_id:
            raise PermissionError("bad token: for another app")
        if not isinstance(claims.get("exp"), int | float):
            raise PermissionError("bad token: it never expires")
        key_id = cast("str", jwt.get_unverified_header(token).get("kid"))
        service_url = claims.get("serviceurl")
        endorsements = (await self._keys.get(key_id)).endorsements
        return _Identity(
            float(claims["exp"]), service_url if isinstance(service_url, str) else "", endorsements
        )

    def close(self) -> None:
        self._validator.close()


class ForeignTenant(PermissionError):
    """Somebody of a tenant that may not use the bot, or of none that is named."""


def check_tenants(activity: Mapping[str, Any], allowed: Collection[str]) -> None:
    """Raise ForeignTenant unless every tenant that an activity names is allowed; without a list all are."""
    if not allowed:
        return
    account, person = to_object(activity.get("conversation")), to_object(activity.get("from"))
    channel = to_object(to_object(activity.get("channelData")).get("tenant"))
    named = (account.get("tenantId"), person.get("tenantId"), channel.get("id"))
    tenants = {str(one).strip().lower() for one in named if one}
    if not tenants or not tenants <= {one.lower() for one in allowed}:
        raise ForeignTenant(f"the tenant {', '.join(sorted(tenants)) or '(none)'} is not allowed")


def _refuse(error: PermissionError) -> web.Response:
    log.warning("refused an activity: %s", error)
    if isinstance(error, ForeignTenant):
        return _sentence(403, "This bot is not for your organisation.")
    return _sentence(401, "Not authorised.")


async def _read_object(request: web.Request) -> dict[str, Any]:
    try:
        body = await read_body(request, MAX_BODY_BYTES)
    except web.HTTPUnsupportedMediaType as error:
        raise MalformedError(error.text or "", 415) from None
    if body is None:
        raise MalformedError("The activity is too large.", 413)
    try:
        activity = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is not JSON") from error
    if not isinstance(activity, dict):
        raise MalformedError("the body is not a JSON object")
    return cast("dict[str, Any]", activity)


def _check_from_here(request: web.Request) -> None:
    """Raise PermissionError unless a program on this machine, and no web page, sent the request."""
    if not names_loopback(request.remote or ""):
        raise PermissionError("without an app id only this machine may speak")
    if any(name in request.headers for name in PROXIED):
        raise PermissionError("a proxy brought this from somewhere else")
    if not names_loopback(_parse_host(f"http://{request.host}")):
        raise PermissionError("the Host header is not this machine's")
    origin = request.headers.get("Origin")
    if origin is not None and not names_loopback(_parse_host(origin)):
        raise PermissionError("a web page from elsewhere sent this")
    if request.content_type != "application/json":  # a page can send other types without asking first
        raise PermissionError("an activity is application/json")


def _parse_host(url: object) -> str:
    """Return the host of a web address as the HTTP client reads it; "" where there is none."""
    try:
        parsed = URL(url, encoded=True) if isinstance(url, str) else URL()
    except ValueError:
        return ""
    return parsed.host or "" if parsed.scheme in {"http", "https"} else ""


def _sentence(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": sentence}, status=status, headers=headers)
