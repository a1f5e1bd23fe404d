"""A client of one service's REST API: its token, its errors in sentences, its pace, its pages of results.

    rest = RestClient(fetcher, "https://example.atlassian.net/wiki", authorize, explain)
    async for page in rest.pages("/rest/api/content?limit=100", next_link): …

Everything goes through `pages.fetch.client`, with its rules about addresses. The token is sent to the host
of the base address only, whatever a link in a reply says. A service that asks for patience (429, 503, 504)
gets it, as long as it says (Retry-After) within bounds.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from core.retries import read_retry_after
from pages.fetch.calls import ApiCall, ApiReply
from pages.fetch.client import Fetcher
from pages.fetch.ssrf import join_url, parse_address
from pages.fetched import AddressRefused, PageUnreachable, SignInNeeded
from pages.sources.foreign import find_number, find_text, parse_object

MOST_CALLS = 50_000
"""Most calls for one look at a source: a service that lists without end is left."""
LONGEST_WAIT_S = 120.0
"""Longest pause that a service may ask for at once, seconds."""
PATIENCE_S = 600.0
"""Longest time that is waited for a service during one look at a source, seconds."""
_USUAL_WAIT_S, _LONGEST_UNASKED_S = 5.0, 60.0
_TRIES = 6
_EARLY_S = 120.0
"""So long before its end a token is renewed."""
_BUSY = frozenset({429, 502, 503, 504})
_UNAUTHORIZED, _FORBIDDEN = 401, 403

Authorize = Callable[[bool], Awaitable[Mapping[str, str]]]
"""Returns the headers that a call carries; True: the ones before were refused, new ones are needed."""


class ApiRefused(PageUnreachable):
    """The service refused a call; the message says what to do."""

    def __init__(self, sentence: str, status: int, code: str = "", location: str = "") -> None:
        super().__init__(sentence)
        self.status, self.code, self.location = status, code, location


Explain = Callable[[int, str], str]
"""Status and code of an error → a sentence that says what to do."""
ReadCode = Callable[[bytes], str]


class BearerToken:
    """A token of OAuth 2.0: asked for when a call needs one, and again before it expires."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[ApiReply]],
        explain: Callable[[int, Mapping[str, Any]], str],
    ) -> None:
        """`ask` asks the token endpoint; `explain` says of its status and body what an operator can do."""
        self._ask = ask
        self._explain = explain
        self._token, self._until = "", 0.0
        self._asking = asyncio.Lock()

    async def authorize(self, renew: bool) -> Mapping[str, str]:
        """Return the header that a call carries (an `Authorize`). Raises PageRefused."""
        async with self._asking:
            if renew or time.monotonic() >= self._until:
                await self._renew()
        return {"Authorization": f"Bearer {self._token}"}

    async def _renew(self) -> None:
        reply = await self._ask()
        found = parse_object(reply.body)
        self._token = find_text(found, "access_token")
        if reply.status != HTTPStatus.OK or not self._token:
            raise SignInNeeded(self._explain(reply.status, found))
        self._until = time.monotonic() + (find_number(found, "expires_in") or 0) - _EARLY_S


async def pause(delay_s: float) -> None:
    """Wait as long as a service asks for."""
    await asyncio.sleep(delay_s)


class RestClient:
    """One look at one service; see the module."""

    def __init__(
        self,
        fetcher: Fetcher,
        base: str,
        authorize: Authorize,
        explain: Explain,
        *,
        read_code: ReadCode | None = None,
        busy_codes: frozenset[str] = frozenset(),
    ) -> None:
        """`read_code` finds the code in an error's body; a 403 with one of `busy_codes` asks for patience."""
        self._fetcher = fetcher
        self._read_code = read_code or read_error_code
        self._busy_codes = busy_codes
        self._base = parse_address(base)
        self._authorize = authorize
        self._explain = explain
        self._calls = 0
        self._waited_s = 0.0

    def resolve(self, link: str) -> str:
        """Return the address that a path or a link means. Raises PageUnreachable where it leaves the host."""
        context = self._base.path_and_query.rstrip("/")
        if link.startswith("/") and not (context and link.startswith(f"{context}/")):
            link = context + link
        found = parse_address(join_url(self._base.url, link))
        if (found.scheme, found.host, found.port) != (self._base.scheme, self._base.host, self._base.port):
            raise PageUnreachable(
                f"{self._base.site} sends its reader on to another host, where its token must not go."
            )
        return found.url

    async def get_json(self, link: str, headers: Mapping[str, str] | None = None) -> Any:
        """Return what a path or a link gives, parsed. Raises ApiRefused, PageRefused."""
        return await self._parse(await self.get(link, headers))

    async def post_json(self, link: str, given: object) -> Any:
        """Return the reply to a posted object, parsed. Raises ApiRefused, PageRefused."""
        return await self._parse(await self._call(ApiCall(self.resolve(link), "POST", json=given)))

    async def get(self, link: str, headers: Mapping[str, str] | None = None) -> ApiReply:
        """Return what a path or a link gives; a redirect as such. Raises ApiRefused, PageRefused."""
        return await self._call(ApiCall(self.resolve(link), headers=headers or {}))

    async def pages(
        self, link: str, next_link: Callable[[object], str], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Any, None]:
        """Yield the pages of a list, in turn. Raises PageUnreachable where it goes in a circle."""
        been: set[str] = set()
        while link:
            url = self.resolve(link)
            if url in been:
                raise PageUnreachable(
                    f"{self._base.site} lists its pages in a circle; please tell its owner."
                )
            been.add(url)
            page = await self.get_json(url, headers)
            yield page
            link = next_link(page)

    async def _call(self, call: ApiCall) -> ApiReply:
        renewing = renewed = False
        for number in range(_TRIES):
            self._count_call()
            given = {**call.headers, **await self._authorize(renewing)}
            reply = await self._send(ApiCall(call.url, call.method, given, json=call.json))
            if self._is_busy(reply):
                await self._wait(reply, number)
            elif reply.status == _UNAUTHORIZED and not renewed:  # the token may have expired meanwhile
                renewed = True
            else:
                return self._check(reply)
            renewing = reply.status == _UNAUTHORIZED
        raise PageUnreachable(f"{self._base.site} is busy right now; it is asked again at the next refresh.")

    async def _send(self, call: ApiCall) -> ApiReply:
        """Make one call, once more where the connection broke: of thousands of calls one may."""
        try:
            try:
                return await self._fetcher.send(call)
            except PageUnreachable:
                await pause(_USUAL_WAIT_S)
                return await self._fetcher.send(call)
        except AddressRefused as refused:
            raise AddressRefused(
                f"{refused} A source's host in your own network has to be named in the setting allowed_sites."
            ) from None

    def _count_call(self) -> None:
        self._calls += 1
        if self._calls > MOST_CALLS:
            raise PageUnreachable(
                f"{self._base.site} lists more than {MOST_CALLS:,} calls can tell; please name a part of it."
            )

    def _is_busy(self, reply: ApiReply) -> bool:
        if reply.status == _FORBIDDEN and self._busy_codes:
            return self._read_code(reply.body) in self._busy_codes
        return reply.status in _BUSY

    async def _wait(self, reply: ApiReply, number: int) -> None:
        """Wait as long as the service says, else longer each time."""
        asked = reply.headers.get("retry-after", "")
        delay_s = read_delay(asked) if asked else min(_USUAL_WAIT_S * 2**number, _LONGEST_UNASKED_S)
        self._waited_s += delay_s
        if delay_s > LONGEST_WAIT_S or self._waited_s > PATIENCE_S:
            raise PageUnreachable(
                f"{self._base.site} asks for a longer pause ({delay_s:.0f} s); it is asked again at the "
                f"next refresh."
            )
        await pause(delay_s)

    def _check(self, reply: ApiReply) -> ApiReply:
        if reply.status < 400:  # noqa: PLR2004 - where HTTP's errors begin
            return reply
        code = self._read_code(reply.body)
        raise ApiRefused(
            self._explain(reply.status, code), reply.status, code, reply.headers.get("location", "")
        )

    async def _parse(self, reply: ApiReply) -> Any:
        if reply.status != 200:  # noqa: PLR2004 - a redirect, mostly to a page to sign in
            raise ApiRefused(
                f"{self._base.site} sent status {reply.status} where its API should answer; please look at "
                f"the "
                f"source's address and its token.",
                reply.status,
            )
        try:
            return await asyncio.to_thread(json.loads, reply.body)
        except (ValueError, RecursionError):
            raise PageUnreachable(
                f"{self._base.site} answered something else than its API does; please look at the source's "
                f"address."
            ) from None


def read_error_code(body: bytes) -> str:
    """Return the code that an error names, as Microsoft Graph does ({"error": {"code": …}}), "" for none."""
    try:
        found = json.loads(body[:20_000])
        code = found["error"]["code"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return code[:80] if isinstance(code, str) and code.isascii() and code.isprintable() else ""


def read_delay(header: str) -> float:
    """Return the seconds of a Retry-After, those that are usual where it says none."""
    asked_s = read_retry_after(header)
    return _USUAL_WAIT_S if asked_s is None else asked_s
