"""What a person leaves on this machine beside the store: the chat page's file and the spools."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

from bot.conversations import Conversations
from bot.dialogs.privacy import CHOICE, DELETION
from bot.instance import abandoned_in
from bot.local_activities import directory_id
from bot.review_desk import WISH, nameless
from feedback.deletions import Deletion
from feedback.later import Entry
from feedback.spool import Spool
from feedback.sqlite import SqliteStore
from feedback.store import StoreUnavailable

PAGE_FILE = "local.sqlite3"

IsTheirs = Callable[[str], bool]
"""Tells by a directory id whether somebody of the chat page is the person."""


async def forget_shown(conversations: Conversations, deletion: Deletion, is_theirs: IsTheirs) -> None:
    """Erase what the chat page shows of a person from before a deletion.

    The conversation in which they asked for it stays, empty, until they were told there what was deleted.
    """
    until = deletion.begun_at.astimezone(UTC).isoformat(timespec="milliseconds")
    for chat in conversations.all():
        if is_theirs(directory_id(chat.person["id"])):
            await conversations.forget(chat, until, keep=chat.id in deletion.reply_to)
    await conversations.overwrite()


async def forget_here(data_dir: Path, deletion: Deletion, is_theirs: IsTheirs) -> None:
    """Erase what a person left in the chat page's file, and in the spools of processes that do not run.

    Those that run do it themselves (`bot/dialogs/privacy.py`).
    """
    page = data_dir / PAGE_FILE
    if await asyncio.to_thread(page.exists):
        conversations = Conversations(page)
        try:
            await forget_shown(conversations, deletion, is_theirs)
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(f"{page}: {error}. Run this again in a minute.") from error
        finally:
            await conversations.close()
    if not await asyncio.to_thread((data_dir / "instances").is_dir):
        return
    with abandoned_in(data_dir) as instances:
        for instance in instances:
            near = await asyncio.to_thread(SqliteStore.open, instance.spool_path)
            try:
                spool = Spool(near, most=0)
                await spool.load()
                await forget_waiting(spool, deletion)
            finally:
                await near.close()


async def forget_waiting(spool: Spool, deletion: Deletion) -> None:
    """Forget what a person said that waits for the store; wishes for the own data stay, rulings lose their name."""
    kept: dict[str, Callable[[Entry], Entry]] = {DELETION: dict, CHOICE: dict, WISH: nameless}
    await spool.forget_person(deletion.person, deletion.begun_at, kept)
