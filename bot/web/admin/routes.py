"""The routes of `/admin`: what there is, and the one way in which it is changed."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from aiohttp import web

from bot.dialogs.review import Refused
from bot.page_passes import Visitor
from bot.web.access import RefusedError, read_object
from bot.web.admin.actions import AdminAction, parse_action
from bot.web.page_guard import PageGuard

log = logging.getLogger(__name__)


class Administers(Protocol):
    """What the page stands on (`bot/administration/console.py`)."""

    async def describe(self, visitor: Visitor) -> dict[str, Any]:
        """Return all that the page shows. Raises StoreError."""
        ...

    async def perform(self, action: AdminAction, visitor: Visitor) -> str:
        """Do it; return what is said of it. Raises Refused and StoreError."""
        ...


def admin_routes(guard: PageGuard, administration: Administers) -> list[web.RouteDef]:
    """Return the page, its files, and what it reads and sends."""

    async def show(_: web.Request, visitor: Visitor) -> web.StreamResponse:
        return web.json_response(await administration.describe(visitor) | {"me": visitor.name})

    async def do(request: web.Request, visitor: Visitor) -> web.StreamResponse:
        action = parse_action(await read_object(request))
        log.info("an operator presses %s", action.verb)
        try:
            said = await administration.perform(action, visitor)
        except Refused as refused:
            raise RefusedError(409, str(refused), "refused") from refused
        return web.json_response({"said": said})

    return guard.routes({"data": show}, {"press": do})
