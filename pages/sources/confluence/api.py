"""Confluence's REST API, as far as pages are read by it: Cloud's and Data Center's, as one thing.

| | Cloud | Data Center |
|---|---|---|
| list, with restrictions | v1 `content/search` by CQL, pages by a cursor | v1 `content`, pages by start |
| files, with their pages | v1 `content/search` by CQL | the same |
| bytes of a file | v1 `content/ID/child/attachment/ID/download`, a redirect | `_links.download` |
| text | v2 `pages/ID`, `blogposts/ID` | v1 `content/ID` |
| restrictions of one page | v1 `content/ID/restriction` | the same |
| who may see a space | v2 `spaces/ID/permissions` | v1 `space/KEY/permissions` from 9.1 on, else JSON-RPC |

Sources: developer.atlassian.com, Confluence Cloud REST API v1 and v2, Confluence Data Center REST API;
CONFSERVER-100505 has what the permissions of a space look like.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode

from pages.fetch.calls import ApiCall
from pages.fetch.client import Fetcher
from pages.fetch.ssrf import join_url
from pages.fetched import PageUnreachable, PageUnreadable, refuse_too_large
from pages.sources.confluence.address import SpaceAddress
from pages.sources.confluence.attachments import ATTACHMENT, Attachment
from pages.sources.credentials import Credential
from pages.sources.foreign import find_object, find_objects, find_text
from pages.sources.rest import ApiRefused, RestClient

AT_A_TIME = 100
"""Pages that are asked for in one call; where restrictions are read along, a service may give fewer."""
_WITH = "version,ancestors,restrictions.read.restrictions.user,restrictions.read.restrictions.group"
_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_FOUND = 404
_FORBIDDEN = 403


class ConfluenceApi:
    """One look at one space."""

    def __init__(self, address: SpaceAddress, credential: Credential, fetcher: Fetcher) -> None:
        self.address = address
        self._credential = credential
        self._fetcher = fetcher
        self._rest = RestClient(fetcher, address.base, self._authorize, self._explain)

    async def check_space(self) -> str:
        """Return the space's id. Raises ApiRefused, PageUnreadable where there is none for this token."""
        key = quote(self.address.space, safe="")
        if not self.address.is_cloud:
            return find_text(await self._rest.get_json(f"/rest/api/space/{key}"), "id")
        found = find_objects(await self._rest.get_json(f"/api/v2/spaces?keys={key}&limit=1"), "results")
        if not found:
            raise PageUnreadable(self._explain(_NOT_FOUND, ""))
        return find_text(found[0], "id")

    async def list_contents(self) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the space's pages and blog posts without their text, as many as come at a time."""
        for link in self._links():
            async with aclosing(self._rest.pages(link, _next_link)) as found:
                async for page in found:
                    yield find_objects(page, "results")

    def _links(self) -> list[str]:
        given = {"expand": _WITH, "limit": str(AT_A_TIME)}
        space = self.address.space
        if self.address.is_cloud:
            cql = f'space = "{space}" and type in (page, blogpost)'
            return [f"/rest/api/content/search?{urlencode({'cql': cql, **given})}"]
        return [
            f"/rest/api/content?{urlencode({'spaceKey': space, 'type': kind, 'status': 'current', **given})}"
            for kind in ("page", "blogpost")
        ]

    async def list_attachments(self) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the files of the space's pages, with the pages that they are attached to."""
        cql = f'space = "{self.address.space}" and type = {ATTACHMENT}'
        given = {"cql": cql, "expand": "version,container", "limit": str(AT_A_TIME)}
        async with aclosing(
            self._rest.pages(f"/rest/api/content/search?{urlencode(given)}", _next_link)
        ) as found:
            async for page in found:
                yield find_objects(page, "results")

    async def download(self, attachment: Attachment) -> bytes:
        """Return the bytes of a file. Raises PageRefused.

        The Cloud says where they are, for whoever has that address: no token goes there.
        """
        link = attachment.link
        if self.address.is_cloud:
            page, number = quote(attachment.page, safe=""), quote(attachment.id, safe="")
            link = f"/rest/api/content/{page}/child/attachment/{number}/download"
        limit, site = self._fetcher.limits.max_bytes, self.address.site.site
        reply = await self._rest.get(link)
        if reply.status in _REDIRECTS:
            place = join_url(self.address.base, reply.headers.get("location", ""))
            reply = await self._fetcher.send(ApiCall(place, headers={"Accept": "*/*"}, most_bytes=limit))
        if reply.status != _OK:
            raise PageUnreachable(f"A file of {site} was not sent ({reply.status}); it is asked for again.")
        if len(reply.body) > limit:
            raise refuse_too_large(site, limit)
        return reply.body

    async def read_html(self, content_id: str, kind: str) -> str:
        """Return the text of a page as HTML, with its macros carried out. Raises ApiRefused."""
        number = quote(content_id, safe="")
        if self.address.is_cloud:
            place = "blogposts" if kind == "blogpost" else "pages"
            link = f"/api/v2/{place}/{number}?body-format=export_view"
        else:
            link = f"/rest/api/content/{number}?expand=body.export_view"
        return find_text(await self._rest.get_json(link), "body", "export_view", "value")

    async def is_there(self, content_id: str, kind: str) -> bool:
        """Tell whether a page that was not listed exists all the same. Raises ApiRefused."""
        number = quote(content_id, safe="")
        place = {"blogpost": "blogposts", ATTACHMENT: "attachments"}.get(kind, "pages")
        link = f"/api/v2/{place}/{number}" if self.address.is_cloud else f"/rest/api/content/{number}"
        try:
            return find_text(await self._rest.get_json(link), "status") == "current"
        except ApiRefused as refused:
            if refused.status in {_NOT_FOUND, _FORBIDDEN}:
                return False
            raise

    async def read_restrictions(self, content_id: str) -> dict[str, Any]:
        """Return who a page is restricted to: {"user": …, "group": …}. Raises ApiRefused."""
        link = f"/rest/api/content/{quote(content_id, safe='')}/restriction"
        found = await self._rest.get_json(f"{link}?expand=restrictions.user,restrictions.group")
        for one in find_objects(found, "results"):
            if find_text(one, "operation") == "read":
                return find_object(one, "restrictions")
        return find_object(found, "read", "restrictions")

    async def read_space_permissions(self, space_id: str) -> list[dict[str, Any]]:
        """Return who may see the space, as subjects of Data Center: {"type", "name" …}. Raises ApiRefused."""
        if self.address.is_cloud:
            return [one async for one in self._cloud_permissions(space_id)]
        try:
            found = await self._rest.get_json(
                f"/rest/api/space/{quote(self.address.space, safe='')}/permissions"
            )
        except ApiRefused as refused:
            if refused.status != _NOT_FOUND:
                raise
            return await self._old_permissions()
        return [
            find_object(one, "subject") or {"type": "anonymous"}
            for one in find_objects({"all": found}, "all")
            if _reads_space(
                find_text(one, "operation", "operationKey"), find_text(one, "operation", "targetType")
            )
        ]

    async def _cloud_permissions(self, space_id: str) -> AsyncGenerator[dict[str, Any], None]:
        link = f"/api/v2/spaces/{quote(space_id, safe='')}/permissions?limit=250"
        async with aclosing(self._rest.pages(link, _next_link)) as found:
            async for page in found:
                for one in find_objects(page, "results"):
                    if _reads_space(
                        find_text(one, "operation", "key"), find_text(one, "operation", "targetType")
                    ):
                        yield await self._name_principal(find_object(one, "principal"))

    async def _name_principal(self, principal: Mapping[str, Any]) -> dict[str, Any]:
        """Return a principal of the Cloud, groups by the names that restrictions have."""
        kind, number = find_text(principal, "type").lower(), find_text(principal, "id")
        if kind != "group":
            return {"type": kind, "accountId": number}
        group = await self._rest.get_json(f"/rest/api/group/by-id?id={quote(number, safe='')}")
        return {"type": "group", "name": find_text(group, "name")}

    async def _old_permissions(self) -> list[dict[str, Any]]:
        """Ask as before 9.1: getSpacePermissionSets of the JSON-RPC service."""
        asked = {
            "jsonrpc": "2.0",
            "method": "getSpacePermissionSets",
            "id": 1,
            "params": [self.address.space],
        }
        found = await self._rest.post_json("/rpc/json-rpc/confluenceservice-v2", asked)
        return [
            _old_subject(one)
            for kind in find_objects(found, "result")
            if find_text(kind, "type") == "VIEWSPACE"
            for one in find_objects(kind, "spacePermissions")
        ]

    async def _authorize(self, _: bool) -> Mapping[str, str]:
        given = self._credential.basic if self._credential.user else self._credential.bearer
        return {"Authorization": given}

    def _explain(self, status: int, _: str) -> str:
        site, space = self.address.site.site, self.address.space
        if status == 401:  # noqa: PLR2004 - Unauthorized
            return (
                f"{site} does not take the token in confluence_tokens: it is wrong or has expired. Please "
                f"make "
                f"a new one (in the Cloud: HOST=E-MAIL:TOKEN; in Data Center: HOST=TOKEN)."
            )
        if status == _FORBIDDEN:
            return (
                f"{site} lets the account of the token not do that: it needs the permission to view the "
                f"space "
                f"{space}, and to administer it where its permissions are to be read."
            )
        if status == _NOT_FOUND:
            return f"{site} has no space {space}, or the token's account may not view it; please check both."
        return f"{site} answered with error {status}; it is asked again at the next refresh."


def _next_link(page: object) -> str:
    return find_text(page, "_links", "next")


def _reads_space(operation: str, target: str) -> bool:
    return operation == "read" and target in {"", "space"}


def _old_subject(permission: Mapping[str, Any]) -> dict[str, Any]:
    group, user = find_text(permission, "groupName"), find_text(permission, "userName")
    if group:
        return {"type": "group", "name": group}
    return {"type": "user", "username": user} if user else {"type": "anonymous"}
