"""A URL → its bytes, without letting whoever wrote the URL reach into our own networks.

    async with Fetcher(FetchLimits(allowed_sites=("handbook.example.com",))) as fetcher:
        fetched = await fetcher.fetch("https://handbook.example.com/leave", etag=known_etag)

Every hop, redirects included, passes the same three checks: the URL must be plainly written and its site
allowed (`pages.fetch.ssrf`); its name is resolved once, by the gate (`pages.fetch.ssrf`), and every address
of the answer must be open; and the socket is made by the gate, which refuses every address that it did not
let through. A name that resolves differently the next time changes nothing: the checked address is the one
that is connected to, while TLS verifies the host's name. Proxies of the environment are ignored, cookies and
referrers are never sent.

Everything that goes wrong is a `PageRefused` (the tree is drawn in `pages.fetched`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import aiohttp
from yarl import URL

from core.phrases import Phrase, mark
from pages.fetch.calls import ApiCall, ApiReply
from pages.fetch.packing import unpack
from pages.fetch.response import (
    check_status,
    explain_error,
    make_condition,
    read_content_type,
    read_redirect,
    read_validator,
    refuse_as_private,
    varies_by_language,
)
from pages.fetch.sign_in import is_sign_in
from pages.fetch.ssrf import (
    USUAL_PORTS,
    Address,
    ConnectionGate,
    FixedResolver,
    MakeSocket,
    PinnedResolver,
    Resolver,
    SystemResolver,
    is_site_allowed,
    parse_address,
    parse_ip_literal,
)
from pages.fetched import (
    AddressRefused,
    Fetched,
    NotModified,
    PageGone,
    PageRefused,
    PageUnreachable,
    PageUnreadable,
    refuse_too_large,
)
from pages.kinds import READABLE, choose_sent_kind
from pages.parse.ocr import OcrRules
from pages.parse.sandbox import Sandbox

__all__ = [
    "AddressRefused",
    "FetchLimits",
    "Fetched",
    "Fetcher",
    "FixedResolver",
    "PageRefused",
    "PageUnreachable",
    "PageUnreadable",
    "Resolver",
    "SystemResolver",
]

_HEADERS = {
    "User-Agent": "askpage/0.1 (answers questions about pages that people name; not a crawler)",
    "Accept": "text/html, application/xhtml+xml, text/markdown, text/plain, application/pdf,"
    " application/xml;q=0.8, */*;q=0.5",
    "Accept-Encoding": "gzip",
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
IN_A_CIRCLE = mark(
    "{site} redirects more than {most} times, in a circle, as sites do that want cookies kept; please send "
    "the address at which the page ends up."
)
TOO_LONG_A_WAY = mark(
    "{site} redirects more than {most} times; please send the address at which the page ends up."
)
_CHUNK = 32 * 1024
_LANGUAGES = 8
_WEB = frozenset({"text/html", "application/xhtml+xml"})
_PACKED = frozenset({"application/gzip", "application/x-gzip", "application/pdf"})
"""Kinds whose bytes are not text: they stay as they are."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of fetching: which sites, how much, how long.

    `allowed_sites`: "*" is any public host, ".example.com" that domain and everything below it,
    "handbook.example.com" that host alone, "handbook.example.com:9000" that host on that port. Without a port
    the usual ones (80, 443, 8080, 8443) are meant. Only a host that is named exactly may lie in a private
    network. `own_sites`, written in the same way, are crawled without asking their robots.txt. Pages are
    asked for in `page_languages`, the best one first; without any, the site decides. `timeout_s` is
    for everything together, redirects and names included; `max_bytes` holds on the wire and unpacked.
    `extract_timeout_s` is for reading what came, in a process of its own
    (`pages.parse.sandbox`); `ocr_languages` and `ocr_pages` are for the text in pictures (`pages.parse.ocr`).
    """

    allowed_sites: tuple[str, ...] = ("*",)
    own_sites: tuple[str, ...] = ()
    page_languages: tuple[str, ...] = ()
    timeout_s: float = 10.0
    max_bytes: int = 5_000_000
    max_redirects: int = 5
    extract_timeout_s: float = 10.0
    ocr_languages: tuple[str, ...] = ()
    ocr_pages: int = 20


Validator = Callable[[str], str | None]
"""An address → the validator that its server sent with what is known of it, None for an unknown one."""


def _is_never_stopped(_: str) -> bool:
    return False


class Fetcher:
    """Fetches pages within limits; one per process, used by many at once.

    Close it, or use it with `async with`.

    `sandbox` is where what it fetched is read; it is closed with it. `resolver` and `is_allowed_address` are
    there for tests: the first says where names lead, the second opens single addresses that are closed
    otherwise (a server of the test's own on 127.0.0.x); production leaves both alone. `open_socket` makes the
    sockets once everything is checked; `tls` replaces the system's trusted certificates.
    """

    def __init__(
        self,
        limits: FetchLimits | None = None,
        *,
        resolver: Resolver | None = None,
        is_allowed_address: Callable[[str], bool] = _is_never_stopped,
        open_socket: MakeSocket | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or FetchLimits()
        self._gate = ConnectionGate(
            self.limits.allowed_sites, resolver or SystemResolver(), is_allowed_address, open_socket
        )
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self.sandbox = Sandbox(
            self.limits.extract_timeout_s,
            ocr=OcrRules(tuple(self.limits.ocr_languages), self.limits.ocr_pages),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections, and end the processes that read."""
        await self.sandbox.close()
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._gate.close()

    async def fetch(self, url: str, *, etag: str | None = None) -> Fetched | None:
        """Return what lies at `url`, or None when the server says that `etag` is still current.

        Raises PageRefused and nothing else.
        """
        found = await self.follow(url, lambda _: etag)
        return found if isinstance(found, Fetched) else None

    async def follow(
        self, url: str, validator: Validator, languages: Sequence[str] | None = None
    ) -> Fetched | NotModified:
        """Return what lies at `url`, or at the end of its redirects, if it is new there.

        `validator` gives what is known of an address (called in a thread); `languages` are asked for, by
        default those of the limits. Raises PageRefused and nothing else.
        """
        wanted = _name_languages(self.limits.page_languages if languages is None else languages)
        address = asked = parse_address(url)
        been: set[str] = set()
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                for _ in range(self.limits.max_redirects + 1):
                    known_as = await asyncio.to_thread(validator, address.url)
                    found = await self._hop(address, known_as, wanted)
                    if not isinstance(found, Address):
                        return found
                    been.add(address.url)
                    refuse_sign_in(asked, found)
                    address = found
        except TimeoutError:
            raise PageUnreachable(
                mark("{site} took longer than {seconds} seconds; please try again later."),
                site=address.site,
                seconds=self.limits.timeout_s,
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise explain_error(error, address) from error
        sentence = IN_A_CIRCLE if address.url in been else TOO_LONG_A_WAY
        raise PageUnreachable(sentence, site=address.site, most=self.limits.max_redirects)

    async def download(self, url: str, name: str, headers: Mapping[str, str] | None = None) -> Fetched:
        """Return a file that somebody sent, of the kind that its `name` says.

        `headers` go to every hop: let `allowed_sites` name only hosts that may read them. Raises PageRefused
        and nothing else.
        """
        asked = address = parse_address(url)
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                for _ in range(self.limits.max_redirects + 1):
                    found = await self._download_hop(address, name, headers or {})
                    if isinstance(found, Fetched):
                        return found
                    if address.scheme == "https" != found.scheme:
                        raise AddressRefused(mark("That file lies at an address without encryption."))
                    refuse_sign_in(asked, found)
                    address = found
        except TimeoutError:
            raise PageUnreachable(
                mark("The file took longer than {seconds} seconds to fetch; please send it again."),
                seconds=self.limits.timeout_s,
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise explain_error(error, address) from error
        raise PageUnreachable(
            mark("{site} sends me on and on for the file; please send it again."), site=address.site
        )

    async def _download_hop(
        self, address: Address, name: str, headers: Mapping[str, str]
    ) -> Fetched | Address:
        self._check_site(address)
        if parse_ip_literal(address.host):
            await self._gate.admit(address)
        url = URL(address.url, encoded=True)
        async with self._open_session().get(url, headers=headers, allow_redirects=False) as response:
            if response.status in _REDIRECTS:
                return read_redirect(address, response)
            if response.status in {401, 403, 404, 410}:
                raise PageGone(mark("That file is not handed out (any more); please send it again."))
            check_status(address, response.status)
            kind = _check_kind(name, response.content_type)
            body = await self._read(address, response, kind, self.limits.max_bytes)
            return Fetched(address.url, body, kind, response.charset)

    async def _hop(
        self, address: Address, etag: str | None, wanted: Mapping[str, str]
    ) -> Fetched | Address | NotModified:
        """Make one request, with headers for what is wanted; an Address is where it redirects to."""
        self._check_site(address)
        if parse_ip_literal(address.host):  # aiohttp asks its resolver about names only
            await self._gate.admit(address)
        condition = make_condition(etag or "")
        headers = {**condition, **wanted}
        url = URL(address.url, encoded=True)
        async with self._open_session().get(url, headers=headers, allow_redirects=False) as response:
            if response.status in _REDIRECTS:
                return read_redirect(address, response)
            if response.status == 304 and condition:  # noqa: PLR2004 - Not Modified
                return NotModified(address.url)
            check_status(address, response.status)
            content_type = read_content_type(address, response)
            body = await self._read(address, response, content_type, self.limits.max_bytes)
            return Fetched(
                address.url,
                body,
                content_type,
                response.charset,
                read_validator(response),
                varies_by_language(response),
            )

    async def check_address(self, address: Address) -> list[str]:
        """Return the network addresses of a host, for another program that is to connect to these alone.

        Raises AddressRefused, PageUnreachable.
        """
        self._check_site(address)
        return await self._gate.admit(address)

    async def send(self, call: ApiCall) -> ApiReply:
        """Make one call of a service's API, whatever its reply says.

        Redirects are not followed: what the call carries is for this host. Raises PageRefused.
        """
        address = parse_address(call.url)
        self._check_site(address)
        try:
            async with asyncio.timeout(call.timeout_s):
                if parse_ip_literal(address.host):
                    await self._gate.admit(address)
                async with self._open_session().request(
                    call.method,
                    URL(address.url, encoded=True),
                    headers={"Accept": "application/json", **call.headers},
                    data=call.form,
                    json=call.json,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=call.timeout_s),
                ) as response:
                    declared = response.content_type.lower() if "Content-Type" in response.headers else ""
                    body = await self._read(address, response, "application/gzip", call.most_bytes)
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    return ApiReply(response.status, headers, body, declared)
        except TimeoutError:
            raise PageUnreachable(
                mark("{site} took longer than {seconds} seconds; please try again later."),
                site=address.site,
                seconds=call.timeout_s,
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise explain_error(error, address) from None

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=PinnedResolver(self._gate),
                use_dns_cache=False,
                family=socket.AF_UNSPEC,
                socket_factory=self._gate.open_socket,
                ssl=self._tls or True,
                limit=32,
                limit_per_host=8,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                auto_decompress=False,  # `Inflater` unpacks, and stops at the limit
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=self.limits.timeout_s),
            )
        return self._session

    def _check_site(self, address: Address) -> None:
        sites = self.limits.allowed_sites
        if is_site_allowed(address, sites):
            return
        if address.port not in USUAL_PORTS:
            raise AddressRefused(
                mark("I may not open port {port} of {host}; please send an address without a port."),
                port=str(address.port),
                host=address.host,
            )
        if not sites:
            raise AddressRefused(
                mark("I may not open pages of {host}, nor of any other site."), host=address.host
            )
        raise AddressRefused(
            mark("I may not open pages of {host}; please ask about a page of: {sites}."),
            host=address.host,
            sites=", ".join(sites[:5]),
        )

    async def _read(
        self, address: Address, response: aiohttp.ClientResponse, content_type: str, limit: int
    ) -> bytes:
        if response.content_length is not None and response.content_length > limit:
            raise refuse_too_large(address.site, limit)
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise refuse_too_large(address.site, limit)
            await asyncio.sleep(0)  # what has arrived already is given without a pause
        packing = response.headers.get("Content-Encoding", "")
        is_text = content_type not in _PACKED
        return await asyncio.to_thread(unpack, bytes(body), packing, limit, address.site, is_text=is_text)


def refuse_sign_in(asked: Address, found: Address) -> None:
    """Raise SignInNeeded where a page sends its reader to sign in, before anything is asked there."""
    if is_sign_in(asked, found):
        raise refuse_as_private(asked)


def _name_languages(languages: Sequence[str]) -> dict[str, str]:
    """Return the header that asks for languages, each worth a tenth less than the one before (RFC 9110)."""
    if not languages:
        return {}
    worth = (f"{name};q=0.{10 - rank}" if rank else name for rank, name in enumerate(languages[:_LANGUAGES]))
    return {"Accept-Language": ", ".join((*worth, "*;q=0.1"))}


def _check_kind(name: str, declared: str) -> str:
    """Return the kind of a file that was sent. Raises PageUnreadable, also where a page came in its place."""
    kind = choose_sent_kind(name, declared)
    if not kind:
        raise PageUnreadable(
            mark("That is no file that I can read; I can read {kinds}."), kinds=Phrase(READABLE)
        )
    if declared in _WEB and kind not in _WEB:
        raise PageUnreadable(mark("A web page came in place of the file: I may not fetch it there."))
    return kind
