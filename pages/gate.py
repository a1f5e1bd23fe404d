"""The gate in front of every connection: names are resolved once, and only checked addresses are connected to.

aiohttp asks `PinnedResolver` for addresses and `Gate.open_socket` for the socket: both know only what `Gate.admit`
let through. So the address that was checked is the one that is used, whatever the name says a moment later.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from pages.addresses import Address, is_named_exactly, literal, why_closed
from pages.refusals import AddressRefused, PageUnreachable

SocketTarget = tuple[int, int, int, str, tuple[Any, ...]]
"""What `socket.getaddrinfo` gives: family, type, protocol, canonical name, and the address to connect to."""

MakeSocket = Callable[[SocketTarget], socket.socket]


class Resolver(Protocol):
    """How names become addresses."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, as text; raises OSError when it has none."""
        ...


class SystemResolver:
    """The operating system's resolver, in threads of its own: a slow name server must not starve other work."""

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


class Gate:
    """Which addresses may be connected to, for which host; remembers what it let through."""

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
        number = literal(address.host)
        try:
            found = [address.host] if number else await self._resolver.resolve(address.host, address.port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise PageUnreachable(f"There is no site called {address.host}; please check the address.")
        named = is_named_exactly(address, self._sites)
        for one in found:
            closed = None if self._is_allowed_address(one) else why_closed(one, named_exactly=named)
            if closed:
                raise AddressRefused(
                    f"I may not open {address.site}: it leads to {closed}. Please send the address of a public page."
                )
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

    def __init__(self, gate: Gate) -> None:
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
