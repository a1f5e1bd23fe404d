"""Microsoft Graph, for an app of its own (client credentials): its token, and its errors in sentences.

Sources: learn.microsoft.com/graph, OAuth 2.0 client credentials flow, throttling, JSON batching, error
responses.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from pages.fetch.calls import ApiCall, ApiReply
from pages.fetch.client import Fetcher
from pages.fetched import AddressRefused, PageUnreachable, PageUnreadable, refuse_too_large
from pages.sources import rest as rest_client
from pages.sources.foreign import find_number, find_object, find_objects, find_text
from pages.sources.plug import SourceAccess
from pages.sources.rest import BearerToken, RestClient

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com/{tenant}"
MOST_IN_BATCH = 20
"""Requests that one batch may have."""
_TRIES = 5
_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503, 504})
_LOGIN_ERRORS = {
    7000215: "its client secret is wrong: sharepoint_client_secret is the secret's value, not its id",
    7000222: "its client secret has expired: make a new one, and set sharepoint_client_secret",
    700016: "the tenant has no such app: look at sharepoint_client_id and sharepoint_tenant_id",
    90002: "there is no such tenant: look at sharepoint_tenant_id",
}
"""Codes of Microsoft Entra (AADSTS…) that an operator can do something about."""


class Graph:
    """One look at Microsoft Graph; `site` is named in its errors."""

    def __init__(self, access: SourceAccess, fetcher: Fetcher, site: str) -> None:
        self._access = access
        self._fetcher = fetcher
        self._site = site
        base = (access.graph_url.rstrip("/") or GRAPH) + "/v1.0"
        token = BearerToken(self._ask_for_token, _explain_login)
        self._rest = RestClient(fetcher, base, token.authorize, self._explain)

    async def get(self, link: str) -> Any:
        """Return what a path or a link gives. Raises ApiRefused, PageRefused."""
        return await self._rest.get_json(link)

    def resolve(self, link: str) -> str:
        """Return the address of a path or a link. Raises PageUnreachable where it leaves Graph."""
        return self._rest.resolve(link)

    async def pages(self, link: str, headers: Mapping[str, str] | None = None) -> AsyncGenerator[Any, None]:
        """Yield the pages of a list."""
        async with aclosing(self._rest.pages(link, _next_link, headers)) as found:
            async for page in found:
                yield page

    async def list_all(self, link: str, most: int) -> list[dict[str, Any]]:
        """Return the objects of a list. Raises PageUnreadable beyond `most`."""
        found: list[dict[str, Any]] = []
        async with aclosing(self.pages(link)) as pages:
            async for page in pages:
                found += find_objects(page, "value")
                if len(found) > most:
                    raise PageUnreadable(
                        f"{self._site} lists more than {most:,} things; please name a part of it."
                    )
        return found

    async def get_many(self, links: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
        """Return (status, body) of each of some paths, by batches; those that are to wait are tried again."""
        found: dict[int, tuple[int, dict[str, Any]]] = {}
        for first in range(0, len(links), MOST_IN_BATCH):
            waiting = dict(enumerate(links[first : first + MOST_IN_BATCH], first))
            for _ in range(_TRIES):
                delay_s = await self._run_batch(waiting, found)
                if not waiting:
                    break
                await rest_client.pause(min(delay_s, rest_client.LONGEST_WAIT_S))
            if waiting:
                raise PageUnreachable(
                    f"Microsoft Graph is busy; {self._site} is read on at the next refresh."
                )
        return [found[at] for at in range(len(links))]

    async def _run_batch(
        self, waiting: dict[int, str], found: dict[int, tuple[int, dict[str, Any]]]
    ) -> float:
        """Ask once for what is waited for; return the seconds that the service wants to be left alone."""
        asked = [{"id": str(at), "method": "GET", "url": link} for at, link in waiting.items()]
        reply = await self._rest.post_json("/$batch", {"requests": asked})
        delay_s = 1.0
        for one in find_objects(reply, "responses"):
            at, status = find_text(one, "id"), find_number(one, "status") or 0
            if not at.isdigit() or int(at) not in waiting:
                continue
            if status in _BUSY:
                headers = {name.lower(): value for name, value in find_object(one, "headers").items()}
                delay_s = max(delay_s, rest_client.read_delay(find_text(headers, "retry-after")))
                continue
            found[int(at)] = (status, find_object(one, "body"))
            del waiting[int(at)]
        return delay_s

    async def download(self, link: str) -> bytes:
        """Return the bytes of a file. Raises PageRefused.

        Graph says where they are, for whoever has that address: no token goes there.
        """
        limit = self._fetcher.limits.max_bytes
        reply = await self._rest.get(link)
        if reply.status in _REDIRECTS:
            place = reply.headers.get("location", "")
            reply = await self._fetcher.send(ApiCall(place, headers={"Accept": "*/*"}, most_bytes=limit))
        if reply.status != _OK:
            raise PageUnreachable(
                f"A file of {self._site} was not sent ({reply.status}); it is asked for again."
            )
        if len(reply.body) > limit:
            raise refuse_too_large(self._site, limit)
        return reply.body

    async def _ask_for_token(self) -> ApiReply:
        access = self._access
        given = (access.sharepoint_tenant_id, access.sharepoint_client_id, access.sharepoint_client_secret)
        if not all(given):
            raise AddressRefused(
                "SharePoint is read by an app of Microsoft Entra: set sharepoint_tenant_id, "
                "sharepoint_client_id and "
                "sharepoint_client_secret."
            )
        login = (access.login_url.rstrip("/") or LOGIN).replace("{tenant}", quote(given[0], safe=""))
        form = {
            "grant_type": "client_credentials",
            "client_id": given[1],
            "client_secret": given[2],
            "scope": f"{access.graph_url.rstrip('/') or GRAPH}/.default",
        }
        return await self._fetcher.send(ApiCall(f"{login}/oauth2/v2.0/token", "POST", form=form))

    def _explain(self, status: int, code: str) -> str:
        if status == 401:  # noqa: PLR2004 - Unauthorized
            return "Microsoft Graph does not take the app's token; please look at sharepoint_tenant_id."
        if status == 403:  # noqa: PLR2004 - Forbidden
            return (
                f"Microsoft Graph does not let the app read {self._site}: it needs the application "
                f"permission "
                f"Sites.Read.All (for OneDrive Files.Read.All), or Sites.Selected with a grant of “read” "
                f"for this "
                f"site, consented to by an administrator."
            )
        if status == 404:  # noqa: PLR2004 - Not Found
            return f"Microsoft Graph knows no {self._site}, or nothing of that name there; check the source."
        return f"Microsoft Graph answered with error {status} {code}; it is asked again at the next refresh."


def _next_link(page: object) -> str:
    return find_text(page, "@odata.nextLink")


def _explain_login(status: int, found: Mapping[str, Any]) -> str:
    codes = found.get("error_codes")
    known = [_LOGIN_ERRORS[one] for one in _LOGIN_ERRORS if isinstance(codes, list) and one in codes]
    said = (
        known[0] if known else "look at sharepoint_tenant_id, sharepoint_client_id, sharepoint_client_secret"
    )
    return f"Microsoft Entra gives the app no token ({status}): {said}."
