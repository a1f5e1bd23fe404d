"""Fetching what wants to get in: odd spellings, redirects, rebinding names, and bodies without end.

Nothing here may reach an address that is not public, nor end in anything but a `PageRefused` with its
sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
import json
import random
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urljoin

import pytest

from pages.fetch.client import Fetcher, FetchLimits, FixedResolver, PageRefused
from pages.fetch.ssrf import ConnectionGate, Resolver, SocketTarget, explain_closed, join_url

HERE = "127.0.0.5"
"""Where the test's servers are. The rest of the loopback network stays closed, as it is in production."""

Respond = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[int]]


class Recorder:
    """A resolver as credulous as the worst, and sockets that note where they were to go, and go nowhere."""

    def __init__(self) -> None:
        self.resolved: list[str] = []
        self.connected: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]  # what getaddrinfo makes of 0x7f.1
        except OSError:
            local = host == "localhost" or host.endswith((".localhost", ".internal", ".nip.io"))
            return ["127.0.0.1"] if local else ["93.184.215.14"]

    def open_socket(self, target: SocketTarget) -> socket.socket:
        self.connected.append(str(target[4][0]))
        raise OSError("the test connects nowhere")

    def fetcher(self, *sites: str) -> Fetcher:
        return Fetcher(FetchLimits(sites or ("*",)), resolver=self, open_socket=self.open_socket)


async def refusal(fetcher: Fetcher, url: str) -> str:
    """Return the sentence with which a URL is refused; anything but a PageRefused fails the test."""
    with pytest.raises(PageRefused) as raised:
        await fetcher.fetch(url)
    sentence = str(raised.value)
    assert sentence.endswith(".")
    assert 20 < len(sentence) < 300
    return sentence


SPELLINGS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://0177.1/",
    "http://127.0.0.01/",
    "http://127.000.000.001/",
    "http://0X7F.0X0.0X0.0X1/",
    "http://4294967295/",
    "http://127.0.0.1.:80/",
    "http://127.255.255.254/",
    "http://3232235777/",
    "http://0xc0a80101/",
    "http://192.168.257/",
    "http://10.1/",
    "http://169.254.43518/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://100.64.0.1/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:7f00:0001]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1%25lo]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[100::1]/",
    "http://[5f00::1]/",
    "http://[3fff::1]/",
    "http://[::1]:80/",
    "http://[::1].example.com/",
    "http://[127.0.0.1]/",
    "http://[v1.127]/",
    "http://::1/",
    "http://[::1/",
    "http://::ffff:7f00:1/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://localhost../",
    "http://x.localhost/",
    "http://127.0.0.1.nip.io/",
    "http://metadata.google.internal/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "http://loc\xadalhost/",
    "http://local\u200bhost/",
    "http://%31%32%37.0.0.1/",
    "http://127%2e0%2e0%2e1/",
    "http://%6c%6f%63alhost/",
    "http://127.0.0.1%2f@example.com/",
    "http://127.0.0.1%00.example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@127.0.0.1/",
    "http://@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "http://a:b@example.com/",
    "http://example.com%40127.0.0.1/",
    "http://:@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http:\\\\127.0.0.1/",
    "http:/\\127.0.0.1/",
    "http://127.0.0.1\\.example.com/",
    "http://example.com/\\..\\127.0.0.1",
    "http:127.0.0.1",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http:////127.0.0.1/",
    "//127.0.0.1/",
    "///127.0.0.1",
    "127.0.0.1",
    "127.0.0.1:80",
    "localhost",
    "localhost:80/x",
    "http://",
    "https:///",
    "http://?",
    "http://#",
    "http://.",
    "http://..",
    "http://.localhost/",
    "http://-/",
    "http://a..b/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:65536/",
    "http://example.com:22/",
    "http://example.com:6379/",
    "http://example.com:11211/",
    "http://example.com:-1/",
    "http://example.com:8०/",
    "http://example.com:80:80/",
    "http://example.com:/",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "FILE:///etc/passwd",
    "ftp://example.com/",
    "gopher://127.0.0.1:6379/_x",
    "dict://127.0.0.1:11211/",
    "ldap://127.0.0.1/",
    "jar:http://example.com!/",
    "javascript:alert(1)",
    "data:text/html,hi",
    "blob:http://example.com/x",
    "about:blank",
    "ws://example.com/",
    "view-source:http://a.com",
    "mailto:a@b.c",
    "urn:x",
    "netdoc:///etc/passwd",
    "unix:/var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "httpx://a.com",
]


async def test_no_spelling_of_a_closed_address_is_opened() -> None:
    assert len(SPELLINGS) >= 150
    recorder = Recorder()
    async with recorder.fetcher() as fetcher:
        for url in SPELLINGS:
            await refusal(fetcher, url)
    assert recorder.connected == []


async def test_naming_a_closed_address_in_the_allowed_sites_does_not_open_it() -> None:
    recorder = Recorder()
    sites = (
        "*",
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
        "metadata.google.internal",
        "100.100.100.200",
    )
    async with recorder.fetcher(*sites) as fetcher:
        for site in sites[1:]:
            assert "reserved network" in await refusal(fetcher, f"http://{site}/")
    assert recorder.connected == []


async def test_control_characters_and_spaces_make_no_other_address() -> None:
    recorder = Recorder()
    async with recorder.fetcher() as fetcher:
        for character in [
            "\0",
            "\t",
            "\n",
            "\r",
            "\x0b",
            "\x7f",
            "\x85",
            "\u2028",
            "\u202e",
            "\ufeff",
            "\ud800",
            " ",
            "\xa0",
        ]:
            for url in (
                f"http://127.0.0.1{character}.example.com/",
                f"ht{character}tp://example.com/",
                f"http:/{character}/a.com",
            ):
                await refusal(fetcher, url)
        await refusal(fetcher, "http://example.com/" + "a" * 5000)
        await refusal(fetcher, "http://" + "a." * 130 + "com/")
        await refusal(fetcher, "http://" + "ü" * 200 + "/")
        await refusal(fetcher, "")
    assert recorder.connected == []


async def test_public_addresses_are_asked_for_under_the_name_that_was_written() -> None:
    recorder = Recorder()
    async with recorder.fetcher() as fetcher:
        for url in (
            "https://example.com",
            "  HTTPS://EXAMPLE.COM./a b?q=ü#x  ",
            "http://8.8.8.8/",
            "http://[2606:4700::1111]:8443/",
            "https://bücher.example/straße",
        ):
            assert "cannot be reached" in await refusal(fetcher, url)
    assert recorder.resolved == ["example.com", "example.com", "xn--bcher-kva.example"]
    assert recorder.connected == [
        "93.184.215.14",
        "93.184.215.14",
        "8.8.8.8",
        "2606:4700::1111",
        "93.184.215.14",
    ]


async def test_every_url_of_the_web_platform_tests_stays_outside(shared_data: Path) -> None:
    cases = [
        case
        for case in json.loads((shared_data / "security/urltestdata.json").read_text())
        if isinstance(case, dict)
    ]
    assert len(cases) > 800
    recorder = Recorder()
    async with recorder.fetcher() as fetcher:
        for case in cases:
            for url in _readings(case["input"], case["base"]):
                await refusal(fetcher, url)
    assert recorder.connected  # the plain ones got as far as the socket
    for address in recorder.connected:
        assert ipaddress.ip_address(address).is_global, address


def _readings(written: str, base: str | None) -> list[str]:
    """Return what a case may mean: as it stands, and as a link on its base, by us and by urllib."""
    readings = [written]
    if base:
        with contextlib.suppress(PageRefused):
            readings.append(join_url(base, written))
        with contextlib.suppress(ValueError):
            readings.append(urljoin(base, written))
    return readings


async def test_mangled_urls_are_refused_without_a_crash() -> None:
    dice = random.Random(7)  # noqa: S311 - for repeatable tests
    alphabet = "ahtps:/.@[]%0127fx\\#? \t\0ü１。-_~&=;,|<>{}\"'^`\ud83d\U0001f4a9"
    recorder = Recorder()
    async with recorder.fetcher() as fetcher:
        for _ in range(1500):
            tail = "".join(dice.choice(alphabet) for _ in range(dice.randrange(1, 25)))
            await refusal(
                fetcher,
                dice.choice(["http://", "https://", "http://127.0.0.1", "//", "http://a.com/", ""]) + tail,
            )
    assert all(ipaddress.ip_address(address).is_global for address in recorder.connected)


def test_every_block_that_is_not_public_is_closed() -> None:
    dice = random.Random(7)  # noqa: S311 - for repeatable tests
    for number in (dice.getrandbits(32) for _ in range(20_000)):
        address = ipaddress.IPv4Address(number)
        if not address.is_global or address.is_multicast or address.is_reserved:
            assert explain_closed(str(address)), address
    for number in (dice.getrandbits(128) for _ in range(20_000)):
        six = ipaddress.IPv6Address(number)
        if not six.is_global or six.is_multicast:
            assert explain_closed(str(six)), six
    assert explain_closed("no address at all")


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server that speaks bytes: `respond` gets the head and writes what it likes; gives the port."""
    servers: list[asyncio.Server] = []

    async def start(respond: Respond, host: str = HERE, port: int = 0) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await respond(await reader.readuntil(b"\r\n\r\n"), writer)
                await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, host, port)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()


def says(head: str, body: bytes = b"") -> Respond:
    """Return a respond that always answers with this head (its lines joined by newlines) and body."""

    async def respond(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)

    return respond


def opening(port: int, resolver: Resolver | None = None, **limits: float) -> Fetcher:
    return Fetcher(
        FetchLimits(allowed_sites=("*", f"site.test:{port}"), **limits),  # pyright: ignore[reportArgumentType]
        resolver=resolver
        or FixedResolver({"site.test": [HERE], "inner.test": ["127.0.0.1"], "local.test": ["::1"]}),
        is_allowed_address=HERE.__eq__,
    )


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://127.0.0.1/", "reserved network"),
        ("http://127.1/", "number"),
        ("http://[::ffff:127.0.0.1]/", "reserved network"),
        ("http://169.254.169.254/latest/meta-data/", "reserved network"),
        ("http://[fd00:ec2::254]/", "reserved network"),
        ("http://inner.test/", "reserved network"),
        ("http://local.test/", "reserved network"),
        ("//inner.test/", "reserved network"),
        ("https://10.0.0.1/", "private network"),
        ("file:///etc/passwd", "https"),
        ("ftp://site.test/", "https"),
        ("data:text/html,hi", "whole web address"),
        ("javascript:alert(1)", "whole web address"),
        ("http://user:secret@site.test/", "password"),
        ("http://site.test:22/", "port"),
        ("/\\127.0.0.1/", "cannot be read"),
        ("\\\\127.0.0.1\\", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("\x01", "cannot be read"),
        ("", "without saying where"),
        ("http://\xff\xfe/", "cannot be read"),
        ("/" + "a" * 5000, "longer"),
    ],
)
async def test_a_redirect_opens_nothing_that_a_link_would_not(
    serve: Serve, location: str, words: str
) -> None:
    port = await serve(says(f"HTTP/1.1 302 Found\nLocation: {location}\nContent-Length: 0"))
    async with opening(port) as fetcher:
        assert words in await refusal(fetcher, f"http://site.test:{port}/")


async def test_a_redirect_without_a_location_is_refused(serve: Serve) -> None:
    port = await serve(says("HTTP/1.1 301 Moved\nContent-Length: 0"))
    async with opening(port) as fetcher:
        assert "without saying where" in await refusal(fetcher, f"http://site.test:{port}/")


async def test_a_redirect_loop_ends(serve: Serve) -> None:
    asked: list[bytes] = []

    async def respond(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        writer.write(b"HTTP/1.1 307 Again\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")

    port = await serve(respond)
    async with opening(port, max_redirects=3) as fetcher:
        assert "more than 3 times" in await refusal(fetcher, f"http://site.test:{port}/")
    assert len(asked) == 4


class Rebinding:
    """A resolver that gives a harmless address first, and another one ever after."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self._answers[min(self.asked, len(self._answers)) - 1]


async def test_a_name_that_turns_to_us_is_not_followed(serve: Serve) -> None:
    reached: list[bytes] = []

    async def inner(head: bytes, writer: asyncio.StreamWriter) -> None:
        reached.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nsecret")

    port = await serve(inner, host="127.0.0.1")
    again = says("HTTP/1.1 302 Found\nLocation: /again\nConnection: close\nContent-Length: 0")
    await serve(again, port=port)
    resolver = Rebinding([HERE], ["127.0.0.1"])
    async with opening(port, resolver) as fetcher:
        assert "reserved network" in await refusal(fetcher, f"http://site.test:{port}/")
    assert resolver.asked == 2
    assert reached == []


async def test_a_name_is_resolved_once_for_a_connection(serve: Serve) -> None:
    port = await serve(says("HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 2", b"ok"))
    resolver = Rebinding([HERE], ["127.0.0.1"])
    async with opening(port, resolver) as fetcher:
        fetched = await fetcher.fetch(f"http://site.test:{port}/")
    assert fetched is not None
    assert resolver.asked == 1


@pytest.mark.parametrize(
    "answer", [[HERE, "127.0.0.1"], ["127.0.0.1", HERE], [HERE, "fe80::1%lo"], [HERE, "nonsense"], []]
)
async def test_one_closed_address_among_several_closes_the_name(serve: Serve, answer: list[str]) -> None:
    port = await serve(says("HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 2", b"ok"))
    async with opening(port, Rebinding(answer)) as fetcher:
        await refusal(fetcher, f"http://site.test:{port}/")


def test_no_socket_is_made_for_an_address_that_was_not_checked() -> None:
    gate = ConnectionGate(("*",), FixedResolver({}), HERE.__eq__, None)
    with pytest.raises(PermissionError):
        gate.open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 80)))


async def _drip(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _flood(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def _headers_without_end(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: x\r\n" * 50)
        await writer.drain()


async def _silence(_: bytes, writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    await asyncio.sleep(30)


_BOMB = gzip.compress(bytes(20_000_000))
_NESTED = b"\x1f\x8b" + b"\xff" * 100


@pytest.mark.parametrize(
    ("respond", "words"),
    [
        (_drip, "took longer than 0.3 seconds"),
        (_silence, "took longer than 0.3 seconds"),
        (_flood, "larger than 1 MB"),
        (_headers_without_end, "cannot read"),
        (says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 99999999"), "larger than 1 MB"),
        (says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip", _BOMB), "larger than 1 MB"),
        (
            says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip", _NESTED),
            "is damaged",
        ),
        (
            says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip", _BOMB[:50]),
            "without its end",
        ),
        (
            says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip", zlib.compress(b"x")),
            "is damaged",
        ),
        (says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: gzip, gzip", _BOMB), "larger"),
        (says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: compress", _BOMB), "compresses"),
        (says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 50", b"short"), "cannot read"),
        (
            says("HTTP/1.1 200 OK\nContent-Type: text/html\nTransfer-Encoding: chunked", b"zz\r\n"),
            "cannot read",
        ),
        (says("HTTP/1.1 200 OK\nContent-Type: application/zip", b"PK"), "application/zip"),
        (says("HTTP/1.1 200 OK\nContent-Type: video/mp4", b""), "video/mp4"),
        (says("HTTP/1.1 200 OK\nContent-Type: " + "x" * 500 + "/y", b""), "is not a page; I can read"),
        (says("HTTP/1.1 200 OK", b"?"), "octet-stream"),
        (says("HTTP/1.1 200 OK\nX-Huge: " + "x" * 100_000), "cannot read"),
        (says("HTTP/1.1 999 What"), "error 999"),
        (says("HTTP/1.1 204 No Content"), "error 204"),
        (says("HTTP/9.9 200 OK"), "cannot read"),
        (says("SSH-2.0-OpenSSH_9.6"), "cannot read"),
        (says("\0\0\0"), "cannot read"),
        (says(""), "cannot"),
        (says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: -1"), "cannot read"),
        (
            says("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 1\nContent-Length: 2", b"x"),
            "cannot read",
        ),
    ],
)
async def test_a_hostile_answer_is_refused_with_its_sentence(
    serve: Serve, respond: Respond, words: str
) -> None:
    port = await serve(respond)
    timeout_s = 0.3 if "took longer" in words else 20.0  # who answers is waited for, on a busy machine, too
    async with asyncio.timeout(30), opening(port, timeout_s=timeout_s, max_bytes=1_000_000) as fetcher:
        assert words in await refusal(fetcher, f"http://site.test:{port}/")


async def test_a_name_server_that_hangs_is_not_waited_for() -> None:
    class Hanging:
        async def resolve(self, host: str, port: int) -> list[str]:
            await asyncio.Event().wait()
            return []

    async with Fetcher(FetchLimits(timeout_s=0.1), resolver=Hanging()) as fetcher:
        assert "took longer" in await refusal(fetcher, "http://example.com/")
