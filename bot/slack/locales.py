"""The language that somebody reads Slack in: `users.info` with `include_locale`, asked once in a while.

No event and no press tells it. The app needs the scope users:read; where a workspace has not granted that, or
does not answer in time, the language is not known, and the default one is spoken.
Source: https://docs.slack.dev/reference/methods/users.info
"""

from __future__ import annotations

import asyncio
import logging
import time

from bot.channel import Undeliverable
from bot.channels.incoming import to_object, to_text
from bot.slack.client import SlackApi, Workspace
from core.bounded_dict import BoundedDict
from feedback.store.base import StoreError

log = logging.getLogger(__name__)

REMEMBERED = 10_000
KNOWN_FOR_S, UNKNOWN_FOR_S = 86_400.0, 3_600.0
PATIENCE_S = 0.3
"""How long a question waits for it, of the second that Slack gives; the next one finds it known."""


class SlackLocales:
    """One per process."""

    def __init__(self, api: SlackApi) -> None:
        self._api = api
        self._known: BoundedDict[tuple[str, str], tuple[str, float]] = BoundedDict(REMEMBERED)
        self._asked: dict[tuple[str, str], asyncio.Task[str]] = {}

    async def find(self, where: Workspace, user: str) -> str:
        """Return somebody's locale ("de-DE"), "" where it is not known (yet)."""
        person = (where.team, user)
        locale, until = self._known.get(person, ("", 0.0))
        if not user or time.monotonic() < until:
            return locale
        task = self._asked.get(person)
        if task is None:
            task = self._asked[person] = asyncio.create_task(self._ask(where, user), name="slack locale")
            task.add_done_callback(lambda _: self._asked.pop(person, None))
        done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
        return task.result() if done else locale

    async def _ask(self, where: Workspace, user: str) -> str:
        try:
            told = await self._api.call(
                "users.info", where, {"user": user, "include_locale": True}, hurried=True
            )
        except (Undeliverable, OSError, StoreError) as error:
            log.info("the language of somebody in Slack is not known: %s", error)
            told = {}
        locale = to_text(to_object(told.get("user")).get("locale"))
        lasts_s = KNOWN_FOR_S if locale else UNKNOWN_FOR_S
        self._known[where.team, user] = (locale, time.monotonic() + lasts_s)
        return locale
