"""The model server's handlers under aiohttp, as `askpage model serve` runs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import hdrs, web

from model.serving.api import ModelApi
from model.serving.chat_request import ApiError

ReadBody = Callable[[web.Request, int], Awaitable[bytes | None]]
"""(request, most bytes) → the body, None where it is larger; in time, and never unpacked."""
_TIMEOUT = 408


class AiohttpExchange:
    """A request of aiohttp's; see `model.serving.exchange.HttpExchange`. `response` is there once begun."""

    def __init__(self, request: web.Request, read_body: ReadBody) -> None:
        self._request, self._read_body = request, read_body
        self.response: web.StreamResponse | None = None
        self.method, self.path = request.method, request.path
        self.headers: Mapping[str, str] = request.headers

    @property
    def begun(self) -> bool:
        """Whether the status has been sent."""
        return self.response is not None

    async def read_body(self, most_bytes: int) -> bytes | None:
        """Return the body; None where it is larger. Raises ApiError."""
        try:
            return await self._read_body(self._request, most_bytes)
        except web.HTTPException as error:
            refused = ApiError(error.status, error.text or error.reason)
            if hdrs.CONNECTION in error.headers or error.status == _TIMEOUT:  # its body is unread
                refused.headers[hdrs.CONNECTION] = "close"
            raise refused from None

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(self._request)
        self.response = response

    async def write(self, data: bytes) -> None:
        """Send more of the body."""
        assert self.response is not None  # noqa: S101 - begun
        await self.response.write(data)

    async def end(self) -> None:
        """Send the end."""
        assert self.response is not None  # noqa: S101 - begun
        await self.response.write_eof()


def build_aiohttp(api: ModelApi, read_body: ReadBody) -> web.Application:
    """Return the application. Whoever runs it lets a hang-up cancel the handler."""

    async def answer(request: web.Request) -> web.StreamResponse:
        exchange = AiohttpExchange(request, read_body)
        await api.answer(exchange)
        return exchange.response or web.Response()  # it hung up: nobody gets this one

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app
