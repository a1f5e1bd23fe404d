"""placeholder: being written; the signature is final."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from pages.fetch import Fetcher
from records import Page


@dataclass(frozen=True, slots=True)
class Unchanged:
    url: str


@dataclass(frozen=True, slots=True)
class Problem:
    url: str
    sentence: str


async def read_source(
    source: str, *, fetcher: Fetcher, known: Callable[[str], Page | None]
) -> AsyncIterator[Page | Unchanged | Problem]:
    raise NotImplementedError
    yield
