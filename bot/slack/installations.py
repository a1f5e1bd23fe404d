"""The workspaces where the app is installed, with its tokens: encrypted in the store, read when needed.

    slack_installation   id: the workspace, or the organisation where the app is installed for all of it
                         body: Fernet (AES-128-CBC with HMAC-SHA256) of the record as JSON; the key is a
                         setting

A record names its workspace inside the encryption, so that one cannot be put in another's place. With one
workspace and the setting `slack_bot_token` nothing is stored at all. `Grants` tells Bolt who we are where.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.async_context import AsyncBoltContext

from bot.slack.client import Workspace
from bot.slack.config import KEY_HOW
from feedback.store.base import moment
from feedback.store.documents import Document, Documents

log = logging.getLogger(__name__)

INSTALLATION = "slack_installation"
REMEMBERED_S = 60.0
"""How long another process may not know that the app was installed or removed."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The app in one workspace or organisation (`home`); who installed it is not kept."""

    home: str
    token: str = field(repr=False)
    bot_user: str = ""
    bot_id: str = ""
    scopes: str = ""
    installed_at: str = ""


class BadStoreKey(ValueError):
    """The key of the installations is none; the message says how to make one."""


def make_cipher(keys: str) -> MultiFernet | None:
    """Return what encrypts with the first of these keys (commas between them) and reads all; None for no key.

    Raises BadStoreKey.
    """
    words = [key.strip() for key in keys.split(",") if key.strip()]
    try:
        return MultiFernet([Fernet(key) for key in words]) if words else None
    except ValueError as error:
        raise BadStoreKey(KEY_HOW) from error


class Installations:
    """The app's installations. One per process."""

    def __init__(
        self,
        documents: Documents,
        cipher: MultiFernet | None,
        teams: Collection[str],
        only: Installed | None = None,
    ) -> None:
        """`teams` are the workspaces that may use the bot; `only` is the one whose token is a setting."""
        self.teams = frozenset(teams)
        self._documents = documents
        self._cipher = cipher
        self._only = only
        self._known: dict[str, tuple[Installed | None, float]] = {}

    def allows(self, team: str) -> bool:
        """Tell whether people of this workspace may use the bot."""
        return team in self.teams

    async def get(self, where: Workspace) -> Installed | None:
        """Return the app as it is installed there; None where it is not. Raises StoreError."""
        if not self.allows(where.team):
            return None
        if self._only is not None:
            return self._only if self._only.home in {where.team, where.enterprise} else None
        return await self._load_cached(where.enterprise or where.team)

    async def token(self, where: Workspace) -> str:
        """Return the token there, "" where the app is not installed. Raises StoreError."""
        installed = await self.get(where)
        return installed.token if installed else ""

    def learn(self, bot_user: str, bot_id: str) -> None:
        """Take note who we are where the token is a setting."""
        if self._only is not None:
            self._only = Installed(self._only.home, self._only.token, bot_user, bot_id)

    async def save(self, installed: Installed) -> None:
        """Keep an installation in place of an earlier one. Raises StoreError; BadStoreKey without a key."""
        if self._cipher is None:
            raise BadStoreKey("Set slack_store_key: tokens are kept encrypted only.")
        body = self._cipher.encrypt(json.dumps(asdict(installed)).encode()).decode()
        now = moment(datetime.now(UTC))
        await self._documents.put(Document(INSTALLATION, installed.home, body, order=now))
        self._known.pop(installed.home, None)

    async def remove(self, home: str) -> bool:
        """Forget the token of a workspace or organisation; False where there was none. Raises StoreError."""
        self._known.pop(home, None)
        return bool(home) and await self._documents.remove(INSTALLATION, home)

    async def _load_cached(self, home: str) -> Installed | None:
        known, until = self._known.get(home, (None, 0.0))
        if until < time.monotonic():
            document = await self._documents.get(INSTALLATION, home)
            known = self._read(document) if document else None
            self._known[home] = (known, time.monotonic() + REMEMBERED_S)
        return known

    def _read(self, document: Document) -> Installed | None:
        if self._cipher is None:
            log.warning("an installation of Slack is kept, but slack_store_key is not set")
            return None
        try:
            installed = Installed(**json.loads(self._cipher.decrypt(document.body.encode())))
        except (InvalidToken, ValueError, TypeError):
            log.warning(
                "an installation of Slack cannot be read: slack_store_key is another one, or it was altered"
            )
            return None
        return installed if installed.home == document.id else None


class Grants(AsyncAuthorize):
    """Tells bolt who we are in a workspace."""

    def __init__(self, installations: Installations) -> None:
        self._installations = installations

    async def __call__(
        self, *, context: AsyncBoltContext, enterprise_id: str | None, team_id: str | None, **_: Any
    ) -> AuthorizeResult:
        whole = (enterprise_id or "") if context.is_enterprise_install else ""
        installed = await self._installations.get(Workspace(team_id or "", whole))
        return AuthorizeResult(  # without a token, bolt would write to the request's own address
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=installed.bot_user if installed else None,
            bot_id=installed.bot_id if installed else None,
            bot_token=installed.token if installed else None,
        )
