"""The API of Google Drive for a service account: its token, its errors in sentences, its pages of results.

Sources: developers.google.com: OAuth 2.0 for service accounts (JWT bearer grant, RFC 7523), Drive API v3
resolve errors, usage limits.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import urlencode

import jwt

from pages.fetch.calls import ApiCall, ApiReply
from pages.fetch.client import Fetcher
from pages.fetched import AddressRefused, PageUnreachable
from pages.sources.foreign import find_objects, find_text, parse_object
from pages.sources.plug import SourceAccess
from pages.sources.rest import BearerToken, RestClient

API = "https://www.googleapis.com/drive/v3"
LOGIN = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/drive.readonly"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MOST_MEGABYTES_EXPORTED = 10
_LIFE_S = 3600
_OK = 200
_BUSY = frozenset({"userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded", "backendError"})
"""Reasons of a 403 that pass when one waits."""
_NOT_HANDED_OUT = "Its owner lets readers not download it, so that it cannot be read."
_SENTENCES = {
    "exportSizeLimitExceeded": f"Google exports no document of more than {MOST_MEGABYTES_EXPORTED} MB; "
    "please split it.",
    "cannotDownloadFile": _NOT_HANDED_OUT,
    "cannotExportFile": _NOT_HANDED_OUT,
    "accessNotConfigured": "The Google Drive API is switched off in the service account's project; switch it "
    "on.",
    "401": "Google Drive does not take the service account's token; please look at google_drive_key.",
    "403": "Google Drive does not let {email} read that: share the folder or the drive with it.",
    "404": "Google Drive has nothing there that {email} may see: share it with that address.",
}
"""By the reason of an error, else by its status."""
_KEY = "the setting google_drive_key has to be the JSON key of a service account, as Google Cloud gives it"


class DriveApi:
    """One look at Google Drive."""

    def __init__(self, access: SourceAccess, fetcher: Fetcher) -> None:
        """Raises AddressRefused where there is no key."""
        self._login = access.google_login_url or LOGIN
        self._email, self._key = _read_key(access.google_drive_key)
        self._subject = access.google_drive_subject
        self._fetcher = fetcher
        base = access.google_drive_url or API
        token = BearerToken(self._ask_for_token, _explain_login)
        self._rest = RestClient(
            fetcher, base, token.authorize, self._explain, read_code=read_reason, busy_codes=_BUSY
        )

    async def get(self, path: str, **asked: str) -> Any:
        """Return what a path gives, parsed. Raises ApiRefused, PageRefused."""
        return await self._rest.get_json(_write_link(path, asked))

    async def pages(self, path: str, **asked: str) -> AsyncGenerator[Any, None]:
        """Yield the pages of a list. Raises ApiRefused, PageRefused."""

        def find_next(page: object) -> str:
            token = find_text(page, "nextPageToken")
            return _write_link(path, {**asked, "pageToken": token}) if token else ""

        async with aclosing(self._rest.pages(_write_link(path, asked), find_next)) as found:
            async for page in found:
                yield page

    async def download(self, path: str, **asked: str) -> bytes:
        """Return the bytes of a file. Raises ApiRefused, PageRefused."""
        reply = await self._rest.get(_write_link(path, asked), {"Accept": "*/*"})
        if reply.status != _OK:
            raise PageUnreachable(
                f"Google Drive did not send a file ({reply.status}); it is asked for again."
            )
        return reply.body

    async def _ask_for_token(self) -> ApiReply:
        now = int(time.time())
        claims: dict[str, object] = {"iss": self._email, "scope": SCOPE, "aud": self._login, "iat": now}
        claims |= {"exp": now + _LIFE_S} | ({"sub": self._subject} if self._subject else {})
        try:
            signed = await asyncio.to_thread(jwt.encode, claims, self._key, "RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise AddressRefused(f"The private key for Google Drive cannot be read: {_KEY}.") from None
        form = {"grant_type": GRANT, "assertion": signed}
        return await self._fetcher.send(ApiCall(self._login, "POST", form=form))

    def _explain(self, status: int, code: str) -> str:
        said = _SENTENCES.get(code) or _SENTENCES.get(str(status), "")
        return (
            said.format(email=self._email)
            if said
            else (f"Google Drive answered with error {status} {code}; it is asked again at the next refresh.")
        )


def read_reason(body: bytes) -> str:
    """Return the reason that an error of Google's names ({"error": {"errors": [{"reason": …}]}}), else ""."""
    for error in find_objects(parse_object(body[:20_000]), "error", "errors"):
        reason = find_text(error, "reason")
        if reason.isascii() and reason.isalnum():
            return reason[:80]
    return ""


def _read_key(secret: str) -> tuple[str, str]:
    """Return address and private key of a service account; the secret is its JSON, or that in base64."""
    if not secret:
        raise AddressRefused(
            "There is no key for Google Drive: put the JSON key of a service account into the setting "
            "google_drive_key."
        )
    try:
        text = secret if secret.lstrip().startswith("{") else base64.b64decode(secret, validate=True).decode()
        found = json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        raise AddressRefused(
            f"The key for Google Drive cannot be read: {_KEY}, or the same in base64."
        ) from None
    email, key = find_text(found, "client_email"), find_text(found, "private_key")
    if not email or not key:
        raise AddressRefused(f"The key for Google Drive names no account or no private key: {_KEY}.")
    return email, key


def _explain_login(status: int, found: Mapping[str, Any]) -> str:
    what = {
        "invalid_grant": "the key was deleted or the clock of this machine is wrong; or there is no such "
        "google_drive_subject",
        "unauthorized_client": "the service account may not act for google_drive_subject: an administrator "
        f"is to give it domain-wide delegation for {SCOPE}",
    }
    said = what.get(find_text(found, "error"), "look at google_drive_key")
    return f"Google gives the service account no token ({status}): {said}."


def _write_link(path: str, asked: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(asked)}" if asked else path
