"""The routes of `/admin`: what there is, and the one way in which it is changed."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from aiohttp import web

from bot.dialogs.review import Refused
from bot.page_passes import Visitor
from bot.web.access import RefusedError, read_object
from bot.web.admin.deeds import Deed, parse_deed
from bot.web.door import PageDoor

log = logging.getLogger(__name__)


class Administers(Protocol):
    """What the page stands on (`bot/administration/desk.py`)."""

    async def describe(self, visitor: Visitor) -> dict[str, Any]:
        """Return all that the page shows. Raises StoreError."""
        ...

    async def perform(self, deed: Deed, visitor: Visitor) -> str:
        """Do it; return what is said of it. Raises Refused and StoreError."""
        ...


def admin_routes(door: PageDoor, administration: Administers) -> list[web.RouteDef]:
    """Return the page, its files, and what it reads and sends."""

    async def show(_: web.Request, visitor: Visitor) -> web.StreamResponse:
        return web.json_response(await administration.describe(visitor) | {"me": visitor.name})

    async def do(request: web.Request, visitor: Visitor) -> web.StreamResponse:
        deed = parse_deed(await read_object(request))
        log.info("an operator presses %s", deed.verb)
        try:
            said = await administration.perform(deed, visitor)
        except Refused as refused:
            raise RefusedError(409, str(refused), "refused") from refused
        return web.json_response({"said": said})

    return door.routes({"data": show}, {"press": do})
