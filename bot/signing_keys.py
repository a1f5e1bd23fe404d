"""The public keys that a channel signs its tokens with, fetched without holding up anything else.

The SDK fetches them with a blocking call without a timeout, on the event loop; a metadata server that took 3 s froze
every other request. These keys take the place of the SDK's own (see `bot/botframework.py`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

log = logging.getLogger(__name__)


class KeysUnavailableError(Exception):
    """The keys cannot be fetched now, so nobody's token can be checked: the channel should try again."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and the channels that it may speak for."""

    public_key: Any
    endorsements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """Seconds: how long keys are good, how long before an unknown key or a failure is worth another fetch."""

    good_s: float = 24 * 3600.0
    unknown_key_s: float = 300.0
    failure_s: float = 5.0
    timeout_s: float = 10.0


class SigningKeys:
    """The keys behind one OpenID metadata address. One fetch at a time; old keys serve while new ones fail to come."""

    def __init__(self, url: str, session: aiohttp.ClientSession, times: KeyTimes | None = None) -> None:
        self._url = url
        self._session = session
        self._times = times or KeyTimes()
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def get(self, key_id: str | None) -> SigningKey:
        """Return the key of this id. Raises PermissionError for an unknown one, and KeysUnavailableError."""
        key = self._keys.get(key_id or "")
        if self._worth_a_fetch(known=key is not None):
            async with self._lock:
                if self._worth_a_fetch(known=(key_id or "") in self._keys):
                    await self._fetch()
            key = self._keys.get(key_id or "")
        if not self._keys:
            raise KeysUnavailableError("the channel's signing keys cannot be fetched")
        if key is None:
            raise PermissionError("signed with a key that the channel does not publish")
        return key

    def _worth_a_fetch(self, *, known: bool) -> bool:
        now = time.monotonic()
        if self._tried_at is not None and now - self._tried_at < self._times.failure_s:
            return False
        age_s = now - self._fetched_at if self._fetched_at is not None else float("inf")
        return age_s >= (self._times.good_s if known else self._times.unknown_key_s)

    async def _fetch(self) -> None:
        try:
            metadata = await self._read(self._url)
            keys = _parsed(await self._read(str(metadata["jwks_uri"])))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the channel's signing keys cannot be fetched: %s: %s", type(error).__name__, error)
        else:
            self._keys = keys
            self._fetched_at = time.monotonic()
        self._tried_at = time.monotonic()

    async def _read(self, url: str) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self._times.timeout_s)
        async with self._session.get(url, timeout=timeout) as response:
            response.raise_for_status()
            return cast("dict[str, Any]", await response.json(content_type=None))


def _parsed(document: dict[str, Any]) -> dict[str, SigningKey]:
    """Read a JWKS document: the RSA keys in it, by their ids. A key that cannot be read is left out."""
    keys: dict[str, SigningKey] = {}
    for entry in cast("list[dict[str, Any]]", document["keys"]):
        try:
            public_key = RSAAlgorithm.from_jwk(entry)
        except (PyJWTError, ValueError, KeyError) as error:
            log.warning("a signing key cannot be read: %s", error)
            continue
        endorsements = tuple(str(channel) for channel in entry.get("endorsements") or ())
        keys[str(entry.get("kid", ""))] = SigningKey(public_key, endorsements)
    if not keys:
        raise ValueError("no usable key in the document")
    return keys
