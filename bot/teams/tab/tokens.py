"""Who looks at the tab: access tokens of Microsoft Entra ID that Teams gets for the bot's app, checked.

Teams' library asks Entra for a token without asking the person (single sign-on). It has to be

    signed      by a key of the tenant that it names, with RS256; the tenant is one of those that are let in
    from        https://login.microsoftonline.com/TENANT/v2.0
    for         the bot's app: its id, or the address of its API (api://HOST/APP-ID)
    with        the right `access_as_user`, which the app gives to Teams' two clients alone, so asked by one
    about       a person, by the id that the directory has of them: the one that Teams' activities carry

Sources: https://learn.microsoft.com/microsoftteams/platform/tabs/how-to/authentication/tab-sso-overview
and https://learn.microsoft.com/entra/identity-platform/access-tokens
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
from jwt.exceptions import PyJWTError

from bot.channels.incoming import to_text
from bot.teams.auth import LOGIN_URL, KeyTimes, SigningKeys
from bot.teams.package import name_resource

TEAMS_CLIENTS = frozenset({"1fec8e78-bce4-4aaf-ab1b-5451cc387264", "5e3ce6c0-2b1f-4285-8d4b-75ee78787346"})
"""Teams for desktop and mobile, and Teams for the web, as Microsoft publishes their ids."""
SCOPE = "access_as_user"
CLOCK_TOLERANCE_S = 300
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_METADATA = "/v2.0/.well-known/openid-configuration"
_NEEDED = ["iss", "aud", "exp", "nbf", "iat", "tid", "oid", "scp", "azp", "ver"]


class ForeignPerson(PermissionError):
    """Somebody of a tenant that may not use the bot."""


@dataclass(frozen=True, slots=True)
class TabConfig:
    """For which app tokens have to be, and from which tenants. `public_url` is the bot's address.

    `{tenant}` in `login_url` is the tenant; empty: Microsoft's public cloud.
    """

    app_id: str
    tenants: tuple[str, ...]
    public_url: str
    login_url: str = ""


@dataclass(frozen=True, slots=True)
class TabPerson:
    """Who looks: the directory's id of a person, and their tenant."""

    directory_id: str
    tenant: str


class TabTokens:
    """Checks tokens. One per process; each tenant's keys are fetched with its first token."""

    def __init__(
        self, config: TabConfig, session: aiohttp.ClientSession, times: KeyTimes | None = None
    ) -> None:
        self._audiences = {config.app_id.lower(), name_resource(config.app_id, config.public_url)}
        login = (config.login_url or LOGIN_URL).rstrip("/")
        self._issuers = {
            tenant: login.replace("{tenant}", tenant) for tenant in map(str.lower, config.tenants)
        }
        self._keys = {
            tenant: SigningKeys(address + _METADATA, session, times)
            for tenant, address in self._issuers.items()
        }

    async def check(self, header: str) -> TabPerson:
        """Return whose token an Authorization header carries.

        Raises PermissionError, ForeignPerson among it, and KeysUnavailableError.
        """
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token:
            raise PermissionError("no bearer token")
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            tenant = self._find_tenant(jwt.decode(token, options={"verify_signature": False}))
            key = await self._keys[tenant].get(key_id if isinstance(key_id, str) else None)
            claims = jwt.decode(
                token,
                key.public_key,
                algorithms=["RS256"],
                issuer=f"{self._issuers[tenant]}/v2.0",
                leeway=CLOCK_TOLERANCE_S,
                options={"require": _NEEDED, "verify_aud": False},
            )
        except (PyJWTError, ValueError, TypeError, UnicodeError) as error:
            raise PermissionError(f"bad token: {type(error).__name__}: {error}") from error
        return self._find_person(claims, tenant)

    def _find_tenant(self, claims: Mapping[str, Any]) -> str:
        """Return the tenant that a token says that it is from, before anything of it is believed."""
        tenant = claims.get("tid")
        if not isinstance(tenant, str) or tenant.lower() not in self._keys:
            raise ForeignPerson(f"the tenant {to_text(tenant)[:64] or '(none)'} is not allowed")
        return tenant.lower()

    def _find_person(self, claims: Mapping[str, Any], tenant: str) -> TabPerson:
        """Return whom a signed token is about, if it is for this app, its API and one of Teams' clients."""
        audience, person = to_text(claims.get("aud")).lower(), to_text(claims.get("oid")).lower()
        if audience not in self._audiences:
            raise PermissionError("bad token: for another app")
        if claims.get("ver") != "2.0":
            raise PermissionError("bad token: not of version 2 (requestedAccessTokenVersion of the app)")
        if claims.get("azp") not in TEAMS_CLIENTS:
            raise PermissionError("bad token: no client of Teams asked for it")
        if SCOPE not in to_text(claims.get("scp")).split():
            raise PermissionError(f"bad token: it does not give {SCOPE}")
        if str(claims.get("tid")).lower() != tenant or not _GUID.fullmatch(person):
            raise PermissionError("bad token: about nobody")
        return TabPerson(person, tenant)
