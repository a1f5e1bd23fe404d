"""The Bot Framework endpoint, and all that imports its SDK: authenticates, then reads, then hands over.

The SDK's own `process` parses before it authenticates, turns bad tokens into 500, and writes invoke bodies
twice. From the SDK comes the validation of tokens (`JwtTokenExtractor`, with our keys in its cache), off the
event loop.

    POST /api/messages ─ authenticated? 401 ─ readable? 400, 413, 415 ─ token fits the body? 401
                       ─ tenant allowed? 403 ─ turn ─ 200 or invoke

Without an app id anyone who reaches the port could speak as anyone, so only this machine may: the peer, the
Host header (a page under a rebound name has another one), the Origin (a page elsewhere has another one) and
the address to answer to must all be loopback.

One activity is one turn of the Bot Framework SDK: its middleware runs around our front end.

    seam.turns.use(SomeMiddleware())     what the SDK's middleware sends goes out by our connector

The front end reads the activity as it came; middleware sees the SDK's Activity with the fields that turns are
decided by. A full deserialisation costs 0.7 ms, a fifth of all that the bot spends on a message; this costs
0.05 ms.
"""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportOptionalMemberAccess=false
# The SDK is untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import jwt
from aiohttp import web
from botbuilder.core import BotAdapter, TurnContext
from botbuilder.schema import (
    Activity,
    ChannelAccount,
    ConversationAccount,
    ConversationReference,
    ResourceResponse,
)
from botframework.connector.auth import (
    AuthenticationConstants,
    EndorsementsValidator,
    JwtTokenExtractor,
    VerifyOptions,
)
from yarl import URL

from bot.channels.handler import ActivityHandler
from bot.channels.incoming import MalformedError, to_object, to_text
from bot.channels.message import InvokeReply
from bot.http import PROXIED, names_loopback, read_body
from bot.teams.auth import BotCredentials, BotFrameworkConfig, KeysUnavailableError, KeyTimes, SigningKeys
from bot.teams.connector import BotConnector
from bot.teams.message_text import mark_heard, read_as_written
from bot.teams.rate_limit import Pace
from core import telemetry
from core.bounded_dict import BoundedDict
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
CLOCK_TOLERANCE_S = 300
REMEMBERED_TOKENS = 1_000


class Turns(BotAdapter):
    """The SDK's adapter over our front end and connector."""

    def __init__(self, front: ActivityHandler, connector: BotConnector) -> None:
        super().__init__()
        self._front = front
        self._connector = connector

    async def run(self, activity: Mapping[str, Any]) -> InvokeReply | None:
        """Run the turn of one authenticated activity; the middleware sees what the front end raises."""
        replies: list[InvokeReply | None] = []

        async def turn(_: TurnContext) -> None:
            replies.append(await self._front.receive(activity, self._connector))

        await self.run_pipeline(TurnContext(self, _to_sdk_activity(activity)), turn)
        return replies[0] if replies else None

    async def send_activities(
        self, context: TurnContext, activities: list[Activity]
    ) -> list[ResourceResponse]:
        """Send what middleware says, in order."""
        where = _conversation(context)
        return [
            ResourceResponse(id=await self._connector.post_activity(where, activity.serialize()))
            for activity in activities
        ]

    async def update_activity(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        """Write over a message."""
        await self._connector.put_activity(_conversation(context), activity.id, activity.serialize())
        return ResourceResponse(id=activity.id)

    async def delete_activity(self, context: TurnContext, reference: ConversationReference) -> None:
        """Take a message back."""
        await self._connector.delete(_conversation(context), reference.activity_id)


def _to_sdk_activity(activity: Mapping[str, Any]) -> Activity:
    sender, recipient = to_object(activity.get("from")), to_object(activity.get("recipient"))
    conversation = to_object(activity.get("conversation"))
    return Activity(
        type=to_text(activity.get("type")),
        id=to_text(activity.get("id")),
        name=to_text(activity.get("name")),
        text=to_text(activity.get("text")),
        channel_id=to_text(activity.get("channelId")),
        service_url=to_text(activity.get("serviceUrl")),
        from_property=ChannelAccount(id=to_text(sender.get("id")), name=to_text(sender.get("name"))),
        recipient=ChannelAccount(id=to_text(recipient.get("id")), name=to_text(recipient.get("name"))),
        conversation=ConversationAccount(
            id=to_text(conversation.get("id")),
            conversation_type=to_text(conversation.get("conversationType")),
            is_group=conversation.get("isGroup") is True,
        ),
        value=activity.get("value"),
        channel_data=activity.get("channelData"),
    )


def _conversation(context: TurnContext) -> dict[str, Any]:
    activity = context.activity
    return {
        "id": activity.conversation.id,
        "conversationType": activity.conversation.conversation_type,
        "serviceUrl": activity.service_url,
        "channelId": activity.channel_id,
    }


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
        self._tokens = _Tokens(config, SigningKeys(_metadata_url(config), self._session, key_times))
        self.connector = BotConnector(self._session, own_token or BotCredentials(config).get, pace)
        self.turns = Turns(front, self.connector)

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
        if not EndorsementsValidator.validate(channel_id, list(identity.endorsements)):
            raise PermissionError("the token's key is not endorsed for this channel")


class _Tokens:
    """Checks a channel's tokens; a good one is remembered by its hash until it expires."""

    def __init__(self, config: BotFrameworkConfig, keys: SigningKeys) -> None:
        self._app_id = config.app_id
        self._keys = keys
        self._good: BoundedDict[bytes, _Identity] = BoundedDict(REMEMBERED_TOKENS)
        self._metadata_url = _metadata_url(config)
        issuer = config.token_issuer or AuthenticationConstants.TO_BOT_FROM_CHANNEL_TOKEN_ISSUER
        JwtTokenExtractor.metadataCache[self._metadata_url] = keys
        self._extractor = JwtTokenExtractor(
            VerifyOptions([issuer], None, CLOCK_TOLERANCE_S, ignore_expiration=False),
            self._metadata_url,
            AuthenticationConstants.ALLOWED_SIGNING_ALGORITHMS,
        )

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
        try:
            identity = await self._extractor.get_identity("Bearer", token, channel_id="")
            key_id = cast("str", jwt.get_unverified_header(token).get("kid"))
            endorsements = (await self._keys.get(key_id)).endorsements
        except KeysUnavailableError:
            raise
        except Exception as error:  # the SDK and PyJWT raise a dozen kinds, bare Exception too
            raise PermissionError(f"bad token: {type(error).__name__}: {error}") from error
        if not (identity and identity.is_authenticated):
            raise PermissionError("bad token: another issuer")
        claims = cast("dict[str, Any]", identity.claims)
        if claims.get(AuthenticationConstants.AUDIENCE_CLAIM) != self._app_id:
            raise PermissionError("bad token: for another app")
        if not isinstance(claims.get("exp"), int | float):
            raise PermissionError("bad token: it never expires")
        service_url = claims.get(AuthenticationConstants.SERVICE_URL_CLAIM)
        return _Identity(
            float(claims["exp"]), service_url if isinstance(service_url, str) else "", endorsements
        )

    def close(self) -> None:
        JwtTokenExtractor.metadataCache.pop(self._metadata_url, None)


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


def _metadata_url(config: BotFrameworkConfig) -> str:
    return config.openid_metadata_url or AuthenticationConstants.TO_BOT_FROM_CHANNEL_OPENID_METADATA_URL


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
