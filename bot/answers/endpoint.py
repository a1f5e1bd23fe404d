"""What the command line asks a running bot, by HTTP over the socket of `bot/answers/socket.py`.

    POST /answers {"question", "page", "settings"} -> a DirectReply, or {"error": {"code", "message"}}

The file is the door: who cannot open it does not come here, and the system is asked whose process connected.
What a browser or a proxy has touched is refused all the same, in case somebody forwards the socket. Sent
again, a request is answered again: it changes nothing. `settings` are those that a person gave for this
question: where the bot has others, it refuses, and the command answers by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from bot.answers.direct import DirectAnswers
from bot.answers.reply import HOST, OTHER_SETTINGS, PATH, encode_reply
from bot.answers.socket import is_ours
from bot.dialogs.ask import StillReading
from bot.http import PROXIED
from bot.web.access import RefusedError, read_object, refuse
from core.settings import Settings
from feedback.store.base import StoreError
from model.onnx_infer import EngineFailed
from pages.fetch.client import PageRefused
from pages.index.base import IndexUnavailable

_BROWSERS = ("Origin", "Referer", "Cookie", "Sec-Fetch-Site")
_AT_ONCE = 2
_MOST_WAITING = 8


class AnswersEndpoint:
    """Takes the requests. So many are answered at once: those of a chat wait for none of them for long."""

    def __init__(self, direct: DirectAnswers, settings: Settings) -> None:
        self._direct = direct
        self._settings = settings
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def application(self) -> web.Application:
        """Return what is served at the socket."""
        app = web.Application()
        app.add_routes([web.post(PATH, self._take)])
        return app

    async def _take(self, request: web.Request) -> web.StreamResponse:
        try:
            _check_sender(request)
            body = await read_object(request)
            question, page = _read_text(body, "question"), _read_text(body, "page", may_be_empty=True)
            self._check_settings(body.get("settings"))
            return web.Response(text=await self._answer(question, page), content_type="application/json")
        except RefusedError as refused:
            return refuse(refused)

    async def _answer(self, question: str, page: str) -> str:
        if self._waiting >= _MOST_WAITING:
            raise RefusedError(429, "Too many questions wait for the bot already. Ask again soon.", "busy")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._settings.answer_timeout_s), self._free:
                return encode_reply(await self._direct.reply_to(question, page))
        except TimeoutError:
            seconds = self._settings.answer_timeout_s
            raise RefusedError(504, f"The bot had no answer within {seconds:g} s.", "too_late") from None
        except (PageRefused, StillReading, EngineFailed, IndexUnavailable, StoreError) as error:
            raise RefusedError(422, str(error), "refused") from error
        finally:
            self._waiting -= 1

    def _check_settings(self, given: object) -> None:
        ours = self._settings.flat()
        wanted = cast("dict[str, object]", given) if isinstance(given, dict) else {}
        others = sorted(name for name, value in wanted.items() if str(ours.get(name)) != value)
        if others:
            raise RefusedError(
                409, ", ".join(f"--{name.replace('_', '-')}" for name in others), OTHER_SETTINGS
            )


def _read_text(body: Mapping[str, Any], name: str, *, may_be_empty: bool = False) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or not (may_be_empty or value.strip()):
        raise RefusedError(400, f"“{name}” must be a text.", "bad_request")
    return value


def _check_sender(request: web.Request) -> None:
    """Refuse other users, and whatever came by way of a browser or a proxy. Raises RefusedError."""
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None or not is_ours(connection):
        raise RefusedError(403, "This is for the user who runs the bot.")
    forwarded = any(name in request.headers for name in (*PROXIED, *_BROWSERS))
    if forwarded or request.headers.get("Host") != HOST:
        raise RefusedError(403, "This is for the command line only.")
