"""Signed links to a person's data file, valid for a few minutes (`bot/web/data_download.py` serves it).

The signature covers all that the link says, so a changed one opens nothing.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.card_tokens import EXPORT, Seals

VALID_S = 600
HERE, EVERYWHERE = "/local/export/", "/privacy/export/"
MAX_TOKEN_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says: whose data, for which conversation, since when (seconds), and below which path."""

    path: str
    person: str
    conversation: str
    made: float

    @property
    def made_at(self) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(self.made, UTC)

    @property
    def expires_at(self) -> datetime:
        """When it stops working."""
        return self.made_at + timedelta(seconds=VALID_S)


class DataLinks:
    """Makes links to a person's data, and reads them."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals

    def link(self, path: str, person: str, conversation: str) -> Link:
        """Return a link that works from now on; `path` is HERE or EVERYWHERE."""
        return Link(path, person, conversation, round(time.time(), 6))

    def address(self, link: Link) -> str:
        """Return a link's path."""
        says = json.dumps([link.person, link.conversation, link.made]).encode()
        text = base64.urlsafe_b64encode(says).decode().rstrip("=")
        return f"{link.path}{text}.{self._seals.make(EXPORT, f'{link.path}{text}', {})}"

    def read(self, path: str, token: str) -> Link | None:
        """Return what a link says; None for one that is not ours, was altered, or is too old."""
        text, _, seal = token.partition(".")
        if len(token) > MAX_TOKEN_CHARACTERS or not self._seals.fits(seal, EXPORT, f"{path}{text}", {}):
            return None
        person, conversation, made = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        link = Link(path, person, conversation, made)
        return link if made <= time.time() and datetime.now(UTC) < link.expires_at else None
