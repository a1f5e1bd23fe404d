"""A call of a service's API and its reply: what `Fetcher.send` takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request. What it carries may be secret, and is not shown when it is printed."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: object = field(default=None, repr=False)
    most_bytes: int = 20_000_000
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class ApiReply:
    """What came: the headers by their names in lower case, and the body, unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    content_type: str
