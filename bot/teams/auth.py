"""The public keys that a channel signs its tokens with, fetched without holding up anything else.

Libraries fetch them with blocking calls: botbuilder without a timeout on the event loop, where a metadata
server that took 3 s froze every other request. These keys take the place of theirs (`bot/teams/sdk`).

Here, too: how the bot is registered with Microsoft, and the bearer token with which it answers.

    MultiTenant       app id and secret; the token comes from Bot Framework's own tenant
    SingleTenant      app id and secret; the token comes from the tenant of the app
    UserAssignedMSI   a managed identity of the machine in Azure, whose client id is the app id; no secret

No library's credentials are used: botbuilder's MSAL clients have no timeout, and for a managed identity they
ask for a resource that Azure does not know (a scope, with "/.default").
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# pyright: reportUnknownArgumentType=false
# MSAL is untyped.

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, cast

import aiohttp
import msal
import requests
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

from bot.channel import ChannelError

log = logging.getLogger(__name__)

LibraryName = Literal["botbuilder", "agents"]
"""The modules of `bot/teams/sdk`: Bot Framework SDK, Microsoft 365 Agents SDK."""
BOT_FRAMEWORK_SCOPE = "https://api.botframework.com/.default"
BOT_FRAMEWORK_TENANT = "botframework.com"
LOGIN_URL = "https://login.microsoftonline.com/{tenant}"
GOOD_S = 240.0
"""MSAL renews a token when less than five minutes are left of it, so asking every four keeps ours good."""
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class BotFrameworkConfig:
    """How the bot is registered. Empty addresses are Microsoft's public cloud.

    `{tenant}` in `login_url` is the tenant that the token comes from. `allowed_tenants` are those whose
    people may use the bot; empty: all. `hears_channels`: Teams sends what is said in channels without a
    mention, too. `library` is the one of the Bot Framework that checks tokens and runs turns.
    """

    app_id: str = ""
    app_password: str = field(default="", repr=False)
    app_type: str = "SingleTenant"
    tenant_id: str = ""
    openid_metadata_url: str = ""
    token_issuer: str = ""
    login_url: str = ""
    oauth_scope: str = ""
    allowed_tenants: tuple[str, ...] = ()
    allow_unauthenticated: bool = False
    dangerously_allow_unauthenticated: bool = False
    hears_channels: bool = False
    library: LibraryName = "botbuilder"


class BotCredentials:
    """The bot's own bearer token for its answers. MSAL blocks, so it runs in a thread, one at a time."""

    def __init__(self, config: BotFrameworkConfig) -> None:
        self._config = config
        self._ask: Callable[[], Any] | None = None
        self._lock = asyncio.Lock()
        self._token = ""
        self._fetched_at = -GOOD_S

    async def get(self) -> str:
        """Return the token, "" without an app id; raises ChannelError when there is none to be had."""
        if not self._config.app_id or self._is_good():
            return self._token
        async with self._lock:
            if not self._is_good():
                try:
                    self._token = await asyncio.wait_for(asyncio.to_thread(self._fetch), TIMEOUT_S)
                except Exception as error:  # MSAL and requests raise of many families; none may be lost
                    raise ChannelError(
                        f"no token for the channel: {type(error).__name__}: {error}"
                    ) from error
                self._fetched_at = time.monotonic()
        return self._token

    def _is_good(self) -> bool:
        return time.monotonic() - self._fetched_at < GOOD_S

    def _fetch(self) -> str:
        if self._ask is None:
            self._ask = _asks(self._config)
        got = cast("Mapping[str, Any]", self._ask() or {})
        if "access_token" not in got:
            raise PermissionError(f"{got.get('error', 'refused')}: {got.get('error_description', '')}")
        return str(got["access_token"])


def _asks(config: BotFrameworkConfig) -> Callable[[], Any]:
    """Return what asks MSAL for the token; it keeps it, and renews it in time."""
    scope = config.oauth_scope or BOT_FRAMEWORK_SCOPE
    if config.app_type == "UserAssignedMSI":
        identity = msal.UserAssignedManagedIdentity(client_id=config.app_id)
        machine = msal.ManagedIdentityClient(identity, http_client=_Session())
        return partial(machine.acquire_token_for_client, resource=scope.removesuffix("/.default"))
    tenant = config.tenant_id if config.app_type == "SingleTenant" else BOT_FRAMEWORK_TENANT
    app = msal.ConfidentialClientApplication(
        client_id=config.app_id,
        client_credential=config.app_password,
        authority=(config.login_url or LOGIN_URL).replace("{tenant}", tenant),
        timeout=TIMEOUT_S / 2,
        instance_discovery=False if config.login_url else None,
    )
    return partial(app.acquire_token_for_client, scopes=[scope])


class _Session(requests.Session):
    """A session that does not wait for ever."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        options["timeout"] = options.get("timeout") or TIMEOUT_S / 2
        return super().send(request, **options)


class KeysUnavailableError(Exception):
    """The keys cannot be fetched now, so nobody's token can be checked: the channel should try again."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and the channels that it may speak for."""

    public_key: Any
    endorsements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """Seconds: how long keys are good, how long before an unknown key or a failure is worth another fetch."""

    good_s: float = 24 * 3600.0
    unknown_key_s: float = 300.0
    failure_s: float = 5.0
    timeout_s: float = 10.0


class SigningKeys:
    """The keys behind one OpenID metadata address. One fetch at a time; old keys serve while fetches fail."""

    def __init__(self, url: str, session: aiohttp.ClientSession, times: KeyTimes | None = None) -> None:
        self._url = url
        self._session = session
        self._times = times or KeyTimes()
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def get(self, key_id: str | None) -> SigningKey:
        """Return the key of this id. Raises PermissionError for an unknown one, and KeysUnavailableError."""
        key = self._keys.get(key_id or "")
        if self._worth_a_fetch(known=key is not None):
            async with self._lock:
                if self._worth_a_fetch(known=(key_id or "") in self._keys):
                    await self._fetch()
            key = self._keys.get(key_id or "")
        if not self._keys:
            raise KeysUnavailableError("the channel's signing keys cannot be fetched")
        if key is None:
            raise PermissionError("signed with a key that the channel does not publish")
        return key

    def _worth_a_fetch(self, *, known: bool) -> bool:
        now = time.monotonic()
        if self._tried_at is not None and now - self._tried_at < self._times.failure_s:
            return False
        age_s = now - self._fetched_at if self._fetched_at is not None else float("inf")
        return age_s >= (self._times.good_s if known else self._times.unknown_key_s)

    async def _fetch(self) -> None:
        try:
            metadata = await self._read(self._url)
            keys = _parse_jwks(await self._read(str(metadata["jwks_uri"])))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the channel's signing keys cannot be fetched: %s: %s", type(error).__name__, error)
        else:
            self._keys = keys
            self._fetched_at = time.monotonic()
        self._tried_at = time.monotonic()

    async def _read(self, url: str) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self._times.timeout_s)
        async with self._session.get(url, timeout=timeout) as response:
            response.raise_for_status()
            return cast("dict[str, Any]", await response.json(content_type=None))


def _parse_jwks(document: dict[str, Any]) -> dict[str, SigningKey]:
    """Read a JWKS document: the RSA keys in it, by their ids. A key that cannot be read is left out."""
    keys: dict[str, SigningKey] = {}
    for entry in cast("list[dict[str, Any]]", document["keys"]):
        try:
            public_key = RSAAlgorithm.from_jwk(entry)
        except (PyJWTError, ValueError, KeyError) as error:
            log.warning("a signing key cannot be read: %s", error)
            continue
        endorsements = tuple(str(channel) for channel in entry.get("endorsements") or ())
        keys[str(entry.get("kid", ""))] = SigningKey(public_key, endorsements)
    if not keys:
        raise ValueError("no usable key in the document")
    return keys
