"""The way from an answer's card to its source, over the bot, so that it is known which sources people open.

It leads to nothing but the citations of a stored answer: nobody can be sent elsewhere with it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.shown import with_quote
from bot.wording import absolute
from feedback.store import FeedbackStore, StoreUnavailable
from records import Answer

log = logging.getLogger(__name__)

PATH = "/open/{answer}/{number}"

Opened = Callable[[Answer, int], Awaitable[None]]


def open_route(store: FeedbackStore, opened: Opened, site_url: str) -> web.RouteDef:
    """Return the route; `opened` hears which citation of which answer, from 1."""

    async def lead(request: web.Request) -> web.StreamResponse:
        place = int(request.match_info["number"])
        answer = await store.answer(request.match_info["answer"])
        citations = answer.citations if answer else ()
        cited = citations[place - 1] if 1 <= place <= len(citations) else None
        url = with_quote(absolute(cited.url, site_url), cited.quote) if cited else ""
        if answer is None or not url:
            return web.Response(
                status=404, text="This source is not here any more: its question was deleted."
            )
        try:
            await opened(answer, place)
        except StoreUnavailable:
            log.warning("it was not counted that a source was opened")
        raise web.HTTPFound(url)

    return web.get(PATH.replace("{number}", "{number:[0-9]{1,3}}"), lead, allow_head=False)
