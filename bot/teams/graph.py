"""Microsoft Entra's groups, asked through Microsoft Graph: who is a member, also through groups in groups.

The app needs the application permission GroupMember.Read.All (and User.Read.All), granted by an
administrator. Groups whose members are hidden are told of only with Member.Read.Hidden; without it nobody is
in them.

Graph pages its lists (`@odata.nextLink`) and answers 429 with `Retry-After` to who asks too often
(Microsoft's documentation, "Microsoft Graph throttling guidance" and "Paging Microsoft Graph data").
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from bot.channels.incoming import to_object, to_objects, to_text
from bot.http import retry_wait_s
from core.readers import keep_principals

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com/{tenant}"
TIMEOUT_S = 10.0
MOST_GROUPS = 20
"""How many groups Graph takes in one question."""
MOST_PAGES = 25
"""Pages of one person's groups that are read; of more the person's groups are not known."""
_LIST = "/v1.0/users/{person}/transitiveMemberOf/microsoft.graph.group?$select=id&$top=999&$count=true"
_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_ATTEMPTS = 10
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

    async def list_groups(self, person: str) -> frozenset[str]:
        """Return the object ids of all groups that a person is in, also through others.

        Waits as long as Graph wants between two requests; whoever asks bounds it.

        Raises DirectoryUnavailable.
        """
        base = self._config.graph_url.rstrip("/") or GRAPH
        url = base + _LIST.format(person=quote(person, safe=""))
        groups: set[str] = set()
        for _ in range(MOST_PAGES):
            status, body = await self._get_patiently(url)
            if status == HTTPStatus.NOT_FOUND:  # nobody of this tenant
                return frozenset()
            if status != HTTPStatus.OK:
                raise DirectoryUnavailable(
                    f"Microsoft Graph answered {status} when asked for somebody's groups. The app needs the"
                    " application permissions GroupMember.Read.All and User.Read.All."
                )
            groups.update(_read_ids(body.get("value")))
            url = str(body.get("@odata.nextLink") or "")
            if not url:
                return frozenset(groups)
            if not url.startswith(f"{base}/"):  # the token goes nowhere else
                raise DirectoryUnavailable("Microsoft Graph names a next page elsewhere.")
        raise DirectoryUnavailable("Somebody is in more groups than are read.")

    async def _get_patiently(self, url: str) -> tuple[int, dict[str, Any]]:
        """Ask again when Graph wants to be asked later. Raises DirectoryUnavailable."""
        for attempt in range(_ATTEMPTS):
            headers = {
                "Authorization": f"Bearer {await self._own_token()}",
                "ConsistencyLevel": "eventual",  # a list of groups alone is an advanced query
            }
            status, body, retry_after = await self._request("GET", url, headers=headers)
            if status not in _LATER:
                return status, body
            await asyncio.sleep(retry_wait_s(attempt, retry_after))
        raise DirectoryUnavailable("Microsoft Graph is too busy to be asked now.")

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
        status, body, _ = await self._request("POST", url, **options)
        return status, body

    async def _request(self, method: str, url: str, **options: Any) -> tuple[int, dict[str, Any], str]:
        """Return the status, the body, and when to ask again. Raises DirectoryUnavailable."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        try:
            address = URL(url, encoded=True)
            async with self._http.request(method, address, allow_redirects=False, **options) as response:
                later = response.status in _LATER
                body = {} if later else to_object(await response.json())
                return response.status, body, response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise DirectoryUnavailable(f"The directory does not answer: {error}") from error


def _read_ids(value: object) -> list[str]:
    """Return the ids of the objects in a list; what is none has none."""
    return [found.casefold() for one in to_objects(value) if (found := to_text(one.get("id")))]


class EntraPeople:
    """What Teams' people are in pages' lists of readers: a `bot.readers.audiences.Directory`."""

    kinds = ("entra:group:",)

    def __init__(self, directory: Directory, tenant_id: str = "") -> None:
        """`tenant_id` is the directory's own, "" where it is not known: then people of all tenants count."""
        self._directory = directory
        self._tenant = tenant_id.casefold()

    def name_person(self, person: str, conversation: Mapping[str, Any]) -> frozenset[str]:
        """Return who somebody is in the directory; nobody, where they belong to another one."""
        tenant = str(conversation.get("tenantId") or "").casefold()
        if self._tenant and tenant != self._tenant:
            return frozenset()
        return keep_principals(f"entra:user:{person.casefold()}")

    async def find_groups(self, person: str, conversation: Mapping[str, Any]) -> frozenset[str]:
        """Return the principals of somebody's groups, wherever they speak. Raises DirectoryUnavailable."""
        return frozenset(f"entra:group:{group}" for group in await self._directory.list_groups(person))
