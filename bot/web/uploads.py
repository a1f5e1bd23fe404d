"""Files that people upload on the chat page: on disk from when they are taken until they are read.

    POST /local/files?conversation=ID&name=NAME   the bytes; answered with {"id", "name"}

The id names its conversation, so that no other one can send the file. What nobody sent is forgotten after an
hour, and whatever a person uploaded goes when their data does.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Collection
from pathlib import Path

from aiohttp import web

from bot.channels.files.words import GONE, sort_files
from bot.channels.incoming import FILE_INFO, MAX_FILE_NAME, SentFile, to_objects, to_text
from bot.http import read_body
from bot.web.access import RefusedError
from core.files import write_durably
from core.text import Json, printable
from core.translation import say
from pages.fetched import Fetched, PageGone
from pages.kinds import choose_sent_kind

FOLDER = "uploads"
MOST_WAITING = 100
"""Files that are on disk at once; the oldest ones make room."""
WAITS_S = 3_600.0
_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}")


class Uploads:
    """The files of one data folder: a `bot.channels.files.sent_files.Downloader`."""

    def __init__(self, data_dir: Path, most_bytes: int, *, pictures: bool = False) -> None:
        """`pictures`: whether the text of pictures is read."""
        self._folder = data_dir / FOLDER
        self._pictures = pictures
        self.most_bytes = most_bytes

    async def take(self, request: web.Request, conversation: str) -> Json:
        """Keep the bytes of a request; return what the page says of them later. Raises RefusedError."""
        name = " ".join(printable(request.query.get("name", "")).split())
        name = Path(name.replace("\\", "/")).name[-MAX_FILE_NAME:]
        if not name:
            raise RefusedError(400, say("A file needs a name."), "bad_request")
        _, refused = sort_files([SentFile(name=name, address="here")], pictures=self._pictures)
        if refused:
            raise RefusedError(415, refused[0], "unreadable")
        try:
            body = await read_body(request, self.most_bytes)
        except web.HTTPUnsupportedMediaType as error:
            raise RefusedError(415, error.text or "", "packed") from None
        if body is None:
            most = f"{self.most_bytes / 1_000_000:g} MB"
            raise RefusedError(
                413,
                say("{name} is too large: at most {most}. Please send a part of it.", name=name, most=most),
                "too_long",
            )
        if not body:
            raise RefusedError(400, say("{name} is empty.", name=name), "bad_request")
        file_id = f"{_digest(conversation)}-{secrets.token_hex(16)}"
        await asyncio.to_thread(self._write, file_id, body)
        return {"id": file_id, "name": name}

    def attach(self, conversation: str, files: object) -> list[Json]:
        """Return what the page says it sends as attachments of an activity. Raises RefusedError."""
        attachments: list[Json] = []
        for one in to_objects(files):
            file_id, name = to_text(one.get("id")), to_text(one.get("name"))[:MAX_FILE_NAME]
            if not self._is_ours(file_id, conversation) or not name or not (self._folder / file_id).is_file():
                raise RefusedError(404, say(GONE), "gone")
            content = {"downloadUrl": file_id, "uniqueId": file_id}
            attachments.append({"contentType": FILE_INFO, "name": name, "content": content})
        return attachments

    async def download(self, file: SentFile, conversation: Json) -> Fetched:
        """Return a file that was uploaded in this conversation. Raises PageGone."""
        if not self._is_ours(file.address, str(conversation.get("id"))):
            raise PageGone(GONE)
        try:
            body = await asyncio.to_thread((self._folder / file.address).read_bytes)
        except OSError as error:
            raise PageGone(GONE) from error
        return Fetched(file.address, body, choose_sent_kind(file.name))

    async def release(self, file: SentFile) -> None:
        """Erase a file that was read, or cannot be."""
        if _ID.fullmatch(file.address):
            await asyncio.to_thread((self._folder / file.address).unlink, missing_ok=True)

    def forget(self, conversations: Collection[str]) -> None:
        """Erase what was uploaded in these conversations and not read yet."""
        begins = {_digest(one) for one in conversations}
        for path in self._list():
            if path.name.partition("-")[0] in begins:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Erase what nobody sent in an hour. A question that waits longer for an answer has lost its file."""
        for path in self._list():
            if time.time() - path.stat().st_mtime > WAITS_S:
                path.unlink(missing_ok=True)

    def _write(self, file_id: str, body: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        waiting = sorted(self._list(), key=lambda path: path.stat().st_mtime)
        for oldest in waiting[: max(0, len(waiting) - MOST_WAITING + 1)]:
            oldest.unlink(missing_ok=True)
        write_durably(self._folder / file_id, body)

    def _list(self) -> list[Path]:
        return list(self._folder.iterdir()) if self._folder.is_dir() else []

    @staticmethod
    def _is_ours(file_id: str, conversation: str) -> bool:
        return bool(_ID.fullmatch(file_id)) and file_id.startswith(f"{_digest(conversation)}-")


def _digest(conversation: str) -> str:
    return hashlib.sha256(conversation.encode()).hexdigest()[:16]
