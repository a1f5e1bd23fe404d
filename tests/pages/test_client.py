"""Fetching what should arrive: pages, redirects, validators, packed bodies, and the sentence if not."""

from __future__ import annotations

import gzip
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from pages.fetch.client import (
    AddressRefused,
    Fetcher,
    FetchLimits,
    FixedResolver,
    PageUnreachable,
    PageUnreadable,
)
from pages.fetch.ssrf import SystemResolver, parse_address
from tests.builders.certificates import write_certificate

HERE = "127.0.0.5"
"""Where the test's servers are; the rest of the loopback network stays closed as it is in production."""

Serve = Callable[..., Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a site from paths and handlers; returns its port."""
    runners: list[web.AppRunner] = []

    async def start(
        tls: ssl.SSLContext | None = None, **paths: Callable[..., Awaitable[web.StreamResponse]]
    ) -> int:
        application = web.Application()
        for path, handler in paths.items():
            application.router.add_get(f"/{path}", handler)
        runner = web.AppRunner(application)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, HERE, 0, ssl_context=tls)
        await site.start()
        return runner.addresses[0][1]

    yield start
    for runner in runners:
        await runner.cleanup()


def fetcher_for(*sites: str, tls: ssl.SSLContext | None = None, **limits: float) -> Fetcher:
    names = {parse_address(f"http://{site}").host for site in sites}
    return Fetcher(
        FetchLimits(allowed_sites=sites, **limits),  # pyright: ignore[reportArgumentType]
        resolver=FixedResolver({name: [HERE] for name in names}),
        is_allowed_address=HERE.__eq__,
        tls=tls,
    )


def page(text: str = "<p>Hello", **more: object) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(**{"text": text, "content_type": "text/html", **more})  # type: ignore[arg-type]

    return handle


async def test_a_page_arrives_with_its_type_charset_and_validator(serve: Serve) -> None:
    port = await serve(leave=page("Grüße", charset="iso-8859-1", headers={"ETag": '"v1"'}))
    async with fetcher_for(f"site.test:{port}") as fetcher:
        fetched = await fetcher.fetch(f"http://site.test:{port}/leave?a=b#part")
    assert fetched is not None
    assert fetched.url == f"http://site.test:{port}/leave?a=b"
    assert fetched.body == "Grüße".encode("latin-1")
    assert (fetched.content_type, fetched.charset, fetched.etag) == ("text/html", "iso-8859-1", '"v1"')


async def test_a_page_that_did_not_change_is_none(serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=304 if request.headers.get("If-None-Match") == '"v1"' else 200, text="new")

    port = await serve(leave=handle)
    async with fetcher_for(f"site.test:{port}") as fetcher:
        assert await fetcher.fetch(f"http://site.test:{port}/leave", etag='"v1"') is None
        assert await fetcher.fetch(f"http://site.test:{port}/leave", etag='"v0"') is not None
        assert await fetcher.fetch(f"http://site.test:{port}/leave", etag='"v1"\r\nX: y') is not None


async def test_a_304_that_nobody_asked_for_is_refused(serve: Serve) -> None:
    port = await serve(leave=page(status=304))
    async with fetcher_for(f"site.test:{port}") as fetcher:
        with pytest.raises(PageUnreachable, match="error 304"):
            await fetcher.fetch(f"http://site.test:{port}/leave")


async def test_redirects_are_followed_and_the_last_address_is_the_pages(serve: Serve) -> None:
    async def to_relative(_: web.Request) -> web.Response:
        return web.Response(status=301, headers={"Location": "there?x=1#frag"})

    port = await serve(here=to_relative, there=page("<p>there"))
    async with fetcher_for(f"site.test:{port}") as fetcher:
        fetched = await fetcher.fetch(f"http://site.test:{port}/here")
    assert fetched is not None
    assert fetched.url == f"http://site.test:{port}/there?x=1"


async def test_gzip_is_unpacked(serve: Serve) -> None:
    packed = gzip.compress(b"<p>one") + gzip.compress(b"<p>two")
    port = await serve(p=page(text=None, body=packed, headers={"Content-Encoding": "gzip"}))
    async with fetcher_for(f"site.test:{port}") as fetcher:
        fetched = await fetcher.fetch(f"http://site.test:{port}/p")
    assert fetched is not None
    assert fetched.body == b"<p>one<p>two"


@pytest.mark.parametrize(
    ("path", "declared", "understood"),
    [
        ("leave.md", "application/octet-stream", "text/markdown"),
        ("leave.pdf", "binary/octet-stream", "application/pdf"),
        ("leave.md", "text/x-markdown; charset=utf-8", "text/markdown"),
        ("leave", "TEXT/HTML", "text/html"),
    ],
)
async def test_a_vague_type_is_read_from_the_name(
    serve: Serve, path: str, declared: str, understood: str
) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=b"x", headers={"Content-Type": declared})

    port = await serve(**{path: handle})
    async with fetcher_for(f"site.test:{port}") as fetcher:
        fetched = await fetcher.fetch(f"http://site.test:{port}/{path}")
    assert fetched is not None
    assert fetched.content_type == understood


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "no such page"),
        (410, "no such page"),
        (401, "sign in"),
        (403, "sign in"),
        (503, "busy"),
        (500, "error 500"),
    ],
)
async def test_an_error_of_the_site_is_said_in_a_sentence(serve: Serve, status: int, words: str) -> None:
    port = await serve(p=page(status=status))
    async with fetcher_for(f"site.test:{port}") as fetcher:
        with pytest.raises(PageUnreachable, match=words):
            await fetcher.fetch(f"http://site.test:{port}/p")


async def test_no_cookie_no_referrer_no_proxy_and_an_honest_name_are_sent(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    arrived: list[dict[str, str]] = []

    async def first(request: web.Request) -> web.Response:
        arrived.append(dict(request.headers))
        return web.Response(status=302, headers={"Location": "/second", "Set-Cookie": "id=1"})

    async def second(request: web.Request) -> web.Response:
        arrived.append(dict(request.headers))
        return web.Response(text="ok")

    port = await serve(first=first, second=second)
    async with fetcher_for(f"site.test:{port}") as fetcher:
        await fetcher.fetch(f"http://site.test:{port}/first")
    assert len(arrived) == 2
    for headers in arrived:
        assert not {"Cookie", "Referer", "Authorization"} & set(headers)
        assert headers["User-Agent"].startswith("askpage/")


async def test_only_allowed_sites_are_opened(serve: Serve) -> None:
    port = await serve(p=page())
    async with fetcher_for(f"one.test:{port}") as fetcher:
        with pytest.raises(AddressRefused, match=r"pages of two\.test"):
            await fetcher.fetch("http://two.test/p")
        with pytest.raises(AddressRefused, match="port"):
            await fetcher.fetch(f"http://one.test:{port + 1}/p")


async def test_a_name_without_an_address_is_said(serve: Serve) -> None:
    async with Fetcher(resolver=FixedResolver({})) as fetcher:
        with pytest.raises(PageUnreachable, match=r"no site called nowhere\.test"):
            await fetcher.fetch("http://nowhere.test/")


async def test_a_site_that_is_down_is_said() -> None:
    async with fetcher_for("site.test:9") as fetcher:
        with pytest.raises(PageUnreachable, match="cannot be reached"):
            await fetcher.fetch("http://site.test:9/")


async def test_an_intranet_host_opens_only_when_it_is_named_exactly() -> None:
    async def reason(address: str, *sites: str) -> str:
        resolver = FixedResolver({"wiki.corp.test": [address]})
        async with Fetcher(
            FetchLimits(allowed_sites=sites, timeout_s=0.05), resolver=resolver, open_socket=_no_socket
        ) as it:
            with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what is asked
                await it.fetch("http://wiki.corp.test/")
        return f"{type(raised.value).__name__}: {raised.value}"

    for address in ("10.1.2.3", "172.16.0.1", "192.168.1.1", "fd12:3456::1"):
        assert "private network" in await reason(address, "*")
        assert "private network" in await reason(address, ".corp.test")
        assert "cannot be reached" in await reason(address, "*", "wiki.corp.test")
    closed = "127.0.0.1 169.254.169.254 fd00:ec2::254 100.100.100.200 ::1 fe80::1 0.0.0.0 168.63.129.16"
    for address in closed.split():
        assert "AddressRefused" in await reason(address, "wiki.corp.test")


def _no_socket(_: object) -> object:
    raise OSError("the test connects nowhere")


async def test_the_systems_resolver_gives_addresses_as_text() -> None:
    resolver = SystemResolver()
    found = await resolver.resolve("localhost", 80)
    resolver.close()
    assert found
    assert all(ipaddress.ip_address(one).is_loopback for one in found)


async def test_tls_verifies_the_name_although_the_checked_address_is_connected_to(
    serve: Serve, tmp_path: Path
) -> None:
    file = write_certificate(tmp_path, "secure.test")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=file)
    server.load_cert_chain(file)
    port = await serve(tls=server, p=page())
    async with fetcher_for(f"secure.test:{port}", f"other.test:{port}", tls=client) as fetcher:
        assert await fetcher.fetch(f"https://secure.test:{port}/p")
        with pytest.raises(PageUnreachable, match="certificate"):
            await fetcher.fetch(f"https://other.test:{port}/p")
    async with fetcher_for(f"secure.test:{port}") as fetcher:
        with pytest.raises(PageUnreachable, match="certificate"):
            await fetcher.fetch(f"https://secure.test:{port}/p")


async def test_a_page_that_is_no_page_is_refused(serve: Serve) -> None:
    port = await serve(p=page(content_type="image/png"), q=page(headers={"Content-Encoding": "zstd"}))
    async with fetcher_for(f"site.test:{port}") as fetcher:
        with pytest.raises(PageUnreadable, match="image/png"):
            await fetcher.fetch(f"http://site.test:{port}/p")
        with pytest.raises(PageUnreadable, match="compresses"):
            await fetcher.fetch(f"http://site.test:{port}/q")
