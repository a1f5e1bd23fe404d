"""Protection from SSRF: names are resolved once, and only checked addresses are connected to.

aiohttp asks `PinnedResolver` for addresses and `ConnectionGate.open_socket` for the socket: both know only
what `ConnectionGate.admit` let through. So the address that was checked is the one that is used, whatever the
name says a moment later.

Two checks decide which addresses may be opened, on purpose with nothing in common. `parse_address` accepts
only URLs that every parser reads the same way, so that what was checked is what is connected to; a spelling
that two programs could read differently is refused, not repaired. `explain_closed` looks at the numbers that
the name resolved to, whoever wrote them.

A site may lie in a private network (10/8, 172.16/12, 192.168/16, fc00::/7) only when the operator names its
host exactly in `allowed_sites`: "*" and ".example.com" never open one, because then a stranger's DNS could
point there. Loopback, link-local and the clouds' metadata addresses stay closed even then.
"""

from __future__ import annotations

import asyncio
import re
import socket
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Protocol
from urllib.parse import quote, urljoin

import idna
from aiohttp.abc import AbstractResolver, ResolveResult

from core.phrases import mark
from pages.fetched import AddressRefused, PageUnreachable

USUAL_PORTS = frozenset({80, 443, 8080, 8443})
LONGEST_URL = 4000
UNREADABLE = mark(
    "I may not open {site}: it leads to an unreadable address. Please send the address of a public page."
)
RESERVED = mark(
    "I may not open {site}: it leads to this computer or a reserved network. Please send the address of a "
    "public page."
)
PRIVATE = mark(
    "I may not open {site}: it leads to a private network. Please send the address of a public page."
)
LONGEST_NAME = 253

_DEFAULT_PORT = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>[^:/?#]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?", re.DOTALL
)
_IPV6_AUTHORITY = re.compile(r"\[(?P<host>[0-9a-f:.]*)\](?::(?P<port>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
_NAME_AUTHORITY = re.compile(r"(?P<host>[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PATH_CHARACTERS = "/:@!$&'()*+,;=~-._%"

# 168.63.129.16 is Azure's own, 192.0.0.192 Oracle's, 100.100.100.200 Alibaba's: metadata outside 169.254/16.
_NEVER_4 = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_PRIVATE_4 = tuple(ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
# Of IPv6 only the global unicast block is open, without what embeds other addresses or belongs to
# documentation.
_GLOBAL_6 = ip_network("2000::/3")
_NEVER_6 = tuple(
    ip_network(block)
    for block in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
        "fd00:ec2::/32",
        "fd20:ce::/32",
        "fd00:c1::/32",
    )
)
_PRIVATE_6 = ip_network("fc00::/7")
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL; `host` is lower-case ASCII, no trailing dot, an IPv6 literal without brackets."""

    scheme: str
    host: str
    port: int
    path_and_query: str

    @property
    def site(self) -> str:
        """`host` or `host:port`, the way people write it and `allowed_sites` names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"

    @property
    def bare_host(self) -> str:
        """The host without `www.`: a site mostly answers under both names."""
        return self.host.removeprefix("www.")

    @property
    def url(self) -> str:
        """The whole URL, without a fragment."""
        return f"{self.scheme}://{self.site}{self.path_and_query}"


def parse_address(url: str) -> Address:
    """Take a URL apart, or raise AddressRefused when it is not plainly an http(s) address."""
    url = url.strip(" \t\r\n")
    if len(url) > LONGEST_URL:
        raise AddressRefused(
            mark("That address is longer than {most} characters; please send a shorter one."),
            most=LONGEST_URL,
        )
    parts = _URL.fullmatch(url)
    if parts is None:
        raise AddressRefused(
            mark("That is not a whole web address; it should look like https://example.com/page.")
        )
    scheme = parts["scheme"].lower()
    if scheme not in _DEFAULT_PORT:
        raise AddressRefused(mark("I can only open addresses that begin with https:// or http://."))
    if "\\" in parts["authority"] + parts["path"] or any(_is_invisible(character) for character in url):
        raise AddressRefused(
            mark(
                "That address has characters that do not belong in one; please copy it from the "
                "address bar of a browser."
            )
        )
    host, port = _host_and_port(parts["authority"])
    return Address(scheme, host, port or _DEFAULT_PORT[scheme], _escape(parts["path"], parts["query"]))


def join_url(base: str, link: str) -> str:
    """Return the address that a link on the page `base` means; it still has to pass `parse_address`."""
    if "\\" in link or any(_is_invisible(character) for character in link):
        raise AddressRefused(
            mark("The page leads to an address that cannot be read; please open it in a browser.")
        )
    try:
        return urljoin(base, link)
    except ValueError:
        raise AddressRefused(mark("The page leads to an address that cannot be read.")) from None


def is_site_allowed(address: Address, allowed_sites: tuple[str, ...]) -> bool:
    """Tell whether the operator's list covers this host and port."""
    if is_named_exactly(address, allowed_sites):
        return True
    return address.port in USUAL_PORTS and any(
        site == "*" or (site.startswith(".") and (address.host == site[1:] or address.host.endswith(site)))
        for site in map(str.lower, allowed_sites)
    )


def is_named_exactly(address: Address, allowed_sites: tuple[str, ...]) -> bool:
    """Tell whether the operator named this very host, which may then be private.

    `host:port` names one port of it.
    """
    host = f"[{address.host}]" if ":" in address.host else address.host
    names = {site.lower() for site in allowed_sites}
    return f"{host}:{address.port}" in names or (address.port in USUAL_PORTS and host in names)


def parse_ip_literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a host is written as, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def explain_closed(address: str, *, named_exactly: bool = False) -> str | None:
    """Return why an IP address is closed, in a sentence about its {site}; None when it is open."""
    try:
        number = ip_address(address)
    except ValueError:
        return UNREADABLE
    if isinstance(number, IPv6Address):
        return _why_closed_6(number, named_exactly=named_exactly)
    if any(number in block for block in _NEVER_4):
        return RESERVED
    if any(number in block for block in _PRIVATE_4) and not named_exactly:
        return PRIVATE
    return None


def _why_closed_6(number: IPv6Address, *, named_exactly: bool) -> str | None:
    if number in _NAT64:  # on IPv6-only hosts DNS64 gives every IPv4 site this form: the IPv4 rules decide
        return explain_closed(str(IPv4Address(number.packed[-4:])))
    if number.scope_id or any(number in block for block in _NEVER_6):
        return RESERVED
    if number in _GLOBAL_6 or (named_exactly and number in _PRIVATE_6):
        return None
    return PRIVATE if number in _PRIVATE_6 else RESERVED


def _is_invisible(character: str) -> bool:
    """Control and format characters, lone surrogates, separators other than a plain space."""
    category = unicodedata.category(character)
    return category in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise AddressRefused(mark("That address has a user name or password in it; please send it without."))
    match = (_IPV6_AUTHORITY if authority.startswith("[") else _NAME_AUTHORITY).fullmatch(authority)
    if match is None:
        raise AddressRefused(
            mark("The site's name in that address cannot be read; please check how it is written.")
        )
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 2**16:
        raise AddressRefused(
            mark("The port in that address does not exist; please check the number after the colon.")
        )
    return (_ipv6(match["host"]) if authority.startswith("[") else _name(match["host"])), port


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise AddressRefused(
            mark("The IPv6 address in that link is not a valid one; please check it.")
        ) from None


def _name(text: str) -> str:
    """Return a host name or IPv4 address in lower-case ASCII.

    Whatever could be read as another number is refused.
    """
    try:
        host = _ascii(unicodedata.normalize("NFKC", text)).lower().removesuffix(".")
    except UnicodeError:  # idna.IDNAError is one
        host = ""
    labels = host.split(".")
    if len(host) > LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused(
            mark("The site's name in that address cannot be read; please check how it is written.")
        )
    if _NUMBER.fullmatch(labels[-1]) and (parse_ip_literal(host) is None or text != host):
        raise AddressRefused(
            mark("That address writes a number where a site's name belongs; please use the site's name.")
        )
    return host


def _ascii(name: str) -> str:
    return name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")


def _escape(path: str, query: str | None) -> str:
    path = quote(path or "/", safe=_PATH_CHARACTERS)
    return path if query is None else f"{path}?{quote(query, safe=_PATH_CHARACTERS + '?')}"


SocketTarget = tuple[int, int, int, str, tuple[Any, ...]]
"""What `socket.getaddrinfo` gives: family, type, protocol, canonical name, and the address to connect to."""

MakeSocket = Callable[[SocketTarget], socket.socket]


class Resolver(Protocol):
    """Resolves names to addresses."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, as text; raises OSError when it has none."""
        ...


class SystemResolver:
    """The system's resolver, in threads of its own: a slow name server must not starve other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="names")

    async def resolve(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        """Let the threads go; lookups under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class FixedResolver:
    """The double: knows the names it was given, and no others."""

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int) -> list[str]:
        if host not in self._addresses:
            raise socket.gaierror(socket.EAI_NONAME, f"no address for {host}:{port}")
        return list(self._addresses[host])


class ConnectionGate:
    """Decides which addresses may be connected to for a host, and remembers what it let through."""

    def __init__(
        self,
        sites: tuple[str, ...],
        resolver: Resolver,
        is_allowed_address: Callable[[str], bool],
        make_socket: MakeSocket | None,
    ) -> None:
        self._sites = sites
        self._resolver = resolver
        self._is_allowed_address = is_allowed_address
        self._make_socket = make_socket or _make_socket
        self._open: set[str] = set()

    async def admit(self, address: Address) -> list[str]:
        """Resolve a host once; every address it has must be open. Raises AddressRefused, PageUnreachable."""
        number = parse_ip_literal(address.host)
        try:
            found = [address.host] if number else await self._resolver.resolve(address.host, address.port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise PageUnreachable(
                mark("There is no site called {host}; please check the address."), host=address.host
            )
        named = is_named_exactly(address, self._sites)
        for one in found:
            closed = None if self._is_allowed_address(one) else explain_closed(one, named_exactly=named)
            if closed:
                raise AddressRefused(closed, site=address.site)
        self._open.update(found)
        return found

    def open_socket(self, target: SocketTarget) -> socket.socket:
        """Make the socket for an address that was admitted; the last gate, right before the connection."""
        where = str(target[4][0])
        if where not in self._open:
            raise PermissionError(f"{where} was not checked")
        return self._make_socket(target)

    def close(self) -> None:
        """Let the resolver go, where it is ours."""
        if isinstance(self._resolver, SystemResolver):
            self._resolver.close()


def _make_socket(target: SocketTarget) -> socket.socket:
    family, kind, protocol, _, _ = target
    return socket.socket(family=family, type=kind, proto=protocol)


class PinnedResolver(AbstractResolver):
    """Hands aiohttp exactly the addresses that the gate admits."""

    def __init__(self, gate: ConnectionGate) -> None:
        self._gate = gate

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        admitted = await self._gate.admit(Address("http", host, port, "/"))
        return [
            ResolveResult(
                hostname=host,
                host=one,
                port=port,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for one in admitted
        ]

    async def close(self) -> None:
        """Nothing is held."""
