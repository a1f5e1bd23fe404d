"""Microsoft Entra's groups, asked through Microsoft Graph: who is a member, also through groups in groups.

The app needs the application permission GroupMember.Read.All (and User.Read.All), granted by an
administrator.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com/{tenant}"
TIMEOUT_S = 10.0
MOST_GROUPS = 20
"""How many groups Graph takes in one question."""
_EARLY_S = 60.0


class DirectoryUnavailable(OSError):
    """The directory does not answer, or refuses; the message names the setting or permission to look at."""


@dataclass(frozen=True, slots=True)
class DirectoryConfig:
    """The app that asks, and where; empty addresses are Microsoft's.

    `own_token` returns the token of an app without a secret (a managed identity); it may raise OSError.
    """

    app_id: str
    app_password: str
    tenant_id: str
    login_url: str = ""
    graph_url: str = ""
    own_token: Callable[[], Awaitable[str]] | None = None


class Directory:
    """One per process; its connections are opened with the first question."""

    def __init__(self, config: DirectoryConfig) -> None:
        self._config = config
        self._http: aiohttp.ClientSession | None = None
        self._token = ""
        self._token_until = 0.0
        self._getting = asyncio.Lock()

    async def is_member(self, person: str, groups: Sequence[str]) -> bool:
        """Tell whether a person is in one of the groups (all object ids). Raises DirectoryUnavailable."""
        base = self._config.graph_url.rstrip("/") or GRAPH
        url = f"{base}/v1.0/users/{quote(person, safe='')}/checkMemberGroups"
        for first in range(0, len(groups), MOST_GROUPS):
            asked = list(groups[first : first + MOST_GROUPS])
            headers = {"Authorization": f"Bearer {await self._own_token()}"}
            status, body = await self._post(url, headers=headers, json={"groupIds": asked})
            if status == HTTPStatus.NOT_FOUND:  # nobody of this tenant: a guest from another one, or gone
                return False
            if status != HTTPStatus.OK:
                raise DirectoryUnavailable(
                    f"Microsoft Graph answered {status} when asked for the reviewers' groups. The app needs"
                    " the application permission GroupMember.Read.All, and reviewer_groups are object ids."
                )
            if body.get("value"):
                return True
        return False

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.close()

    async def _own_token(self) -> str:
        if self._config.own_token is not None:
            try:
                return await self._config.own_token()
            except OSError as error:
                raise DirectoryUnavailable(f"No token for Microsoft Graph: {error}") from error
        async with self._getting:
            if time.monotonic() >= self._token_until:
                config = self._config
                login = config.login_url.rstrip("/") or LOGIN
                base = login.replace("{tenant}", quote(config.tenant_id, safe=""))
                form = {
                    "grant_type": "client_credentials",
                    "client_id": config.app_id,
                    "client_secret": config.app_password,
                    "scope": f"{GRAPH}/.default",
                }
                status, body = await self._post(f"{base}/oauth2/v2.0/token", data=form)
                if status != HTTPStatus.OK or not isinstance(body.get("access_token"), str):
                    raise DirectoryUnavailable(
                        f"No token for Microsoft Graph ({status}): look at app_id, app_password and"
                        " app_tenant_id."
                    )
                self._token = body["access_token"]
                self._token_until = time.monotonic() + float(body.get("expires_in", 0)) - _EARLY_S
            return self._token

    async def _post(self, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        try:
            async with self._http.post(url, allow_redirects=False, **options) as response:
                return response.status, await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DirectoryUnavailable(f"The directory does not answer: {error}") from error
