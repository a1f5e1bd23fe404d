"""placeholder: being written; the signatures are final."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from pages.refusals import AddressRefused, PageRefused, PageUnreachable, PageUnreadable

__all__ = ["AddressRefused", "Fetched", "FetchLimits", "Fetcher", "FixedResolver", "PageRefused", "PageUnreachable", "PageUnreadable", "Resolver"]


@dataclass(frozen=True, slots=True)
class FetchLimits:
    allowed_sites: tuple[str, ...] = ("*",)
    timeout_s: float = 10.0
    max_bytes: int = 5_000_000
    max_redirects: int = 5


@dataclass(frozen=True, slots=True)
class Fetched:
    url: str
    body: bytes
    content_type: str
    charset: str | None
    etag: str | None


class Resolver(Protocol):
    async def resolve(self, host: str, port: int) -> list[str]: ...


class FixedResolver:
    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None: ...

    async def resolve(self, host: str, port: int) -> list[str]:
        raise NotImplementedError


class Fetcher:
    def __init__(
        self,
        limits: FetchLimits | None = None,
        *,
        resolver: Resolver | None = None,
        is_allowed_address: Callable[[str], bool] | None = None,
    ) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None: ...

    async def fetch(self, url: str, *, etag: str | None = None) -> Fetched | None:
        raise NotImplementedError
