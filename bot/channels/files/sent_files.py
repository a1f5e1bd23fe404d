"""Files sent with a question: read once, as a page that only their conversation knows.

    a message with files ─ kept as a question about /file/ID ─ acknowledged ─ fetched ─ read ─ answered from

The address follows from the message, so that a question that is answered again after a crash finds its file,
and an edited one keeps it. Where the channel has the files stands in `Question.reply_to`, which is erased
once the answer is there. A document of kind "file" says whose it is and in which conversation, and is written
before the page: a page without one belongs to nobody any more, and `sweep` forgets it.

A later question without a file is about it where it says so ("this file"), follows an answer from it, or is
the first one after a file that came without a question.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.channels.files.words import GONE, NOT_NOW, mentions_file
from bot.channels.incoming import Incoming, Reference, SentFile
from core.bounded_dict import BoundedDict
from core.records import FILE_ADDRESS, Channel, Page, Question
from core.text import Json
from feedback.analytics import events
from feedback.privacy.deletion_log import Deletion
from feedback.store.base import FeedbackStore, StoreUnavailable, moment
from feedback.store.documents import Document, Documents, Wanted, every_document
from model.text.question import is_follow_up
from pages.fetched import Fetched, PageRefused, PageUnreachable
from pages.index.base import IndexUnavailable, PageEntry

log = logging.getLogger(__name__)

KIND = "file"
KEPT_FOR = timedelta(days=7)
"""As long as a pasted page (`pages.library.PASTED_FOR`)."""
WAITS = timedelta(minutes=30)
"""How long a file without a question waits for one."""
SETTLES = timedelta(minutes=10)
"""A page without its document is not forgotten before: it may be just being written."""
REMEMBERED = 10_000


class FilePages(Protocol):
    """What reads and keeps files (`pages.library.Library`); pictures only where that is switched on."""

    @property
    def reads_pictures(self) -> bool: ...
    async def read_file(self, url: str, parts: Mapping[str, Fetched]) -> Page: ...
    async def is_known(self, url: str) -> bool: ...
    async def forget_files(self, urls: Sequence[str]) -> None: ...
    async def pages(self) -> list[PageEntry]: ...


class Downloader(Protocol):
    """Fetches a file from where its channel has it."""

    async def download(self, file: SentFile, conversation: Json) -> Fetched:
        """Return the file. Raises PageRefused."""
        ...

    async def release(self, file: SentFile) -> None:
        """The file was read, or cannot be: nobody needs it there any more."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file that is known: its address, who sent it and when, and whether no question came with it."""

    address: str
    person: str
    sent_at: datetime
    alone: bool
    names: tuple[str, ...]


def name_address(question_id: str) -> str:
    """Return the address of the files that came with a message; edits of it have the same."""
    return FILE_ADDRESS + hashlib.sha256(question_id.partition("#")[0].encode()).hexdigest()[:32]


class SentFiles:
    """The files of all conversations. One per process; without `pages`, files are not read here."""

    def __init__(self, store: FeedbackStore, documents: Documents, pages: FilePages | None = None) -> None:
        self.downloaders: dict[Channel, Downloader] = {}
        self._store = store
        self._documents = documents
        self._pages = pages
        self._known: BoundedDict[str, list[_Kept]] = BoundedDict(REMEMBERED)

    def are_read(self, channel: Channel) -> bool:
        """Tell whether files of a channel are read."""
        return self._pages is not None and channel in self.downloaders

    @property
    def reads_pictures(self) -> bool:
        """Whether the text of pictures is read."""
        return self._pages is not None and self._pages.reads_pictures

    async def find(self, incoming: Incoming, person: str) -> str | None:
        """Return the address of the file that a message without one is about. Raises StoreUnavailable."""
        if self._pages is None:
            return None
        place = _digest(incoming.conversation_id)
        text = incoming.text
        known = self._known.get(place)
        if known is None or mentions_file(text):
            known = self._known[place] = await self._list(place)
        now = datetime.now(UTC)
        known = [one for one in known if now - one.sent_at < KEPT_FOR]
        if not known:
            return None
        named = [one for one in known if mentions_file(text, one.names)]
        if named:
            return named[-1].address
        last = [
            one
            for one in await self._store.recent_answers(incoming.conversation_id, 3)
            if one.question.asker == person
        ]
        if last and last[-1].question.about_file and is_follow_up(text):
            return last[-1].question.page_url
        newest = known[-1]
        waits = newest.alone and newest.person == person and now - newest.sent_at < WAITS
        answered = any(one.question.asked_at > newest.sent_at for one in last)
        return newest.address if waits and not answered else None

    async def find_sent_with(self, question_id: str) -> str | None:
        """Return the address of the files that came with a message. Raises StoreUnavailable."""
        address = name_address(question_id)
        return address if await self._documents.get(KIND, _id(address)) is not None else None

    async def ensure(self, question: Question) -> tuple[str, ...]:
        """Read the files that a question is about, if they are not read yet; return their names.

        Raises PageRefused.
        """
        address = question.page_url or ""
        kept = await self._documents.get(KIND, _id(address))
        if kept is not None and kept.state != _digest(question.conversation):
            raise PageUnreachable(GONE)
        reference = Reference.load(question.reply_to)
        files = reference.files if reference else ()
        names = tuple(one.name for one in files) or (_read(kept).names if kept else ())
        if self._pages is None or (kept is not None and await self._pages.is_known(address)):
            return names
        if reference is None or not files or address != name_address(question.id):
            raise PageUnreachable(GONE)
        await self._keep(question, names)
        began, done = time.monotonic(), False
        try:
            await self._read_files(address, reference, self.downloaders[question.channel])
            done = True
        finally:
            events.file_read(question, len(files), time.monotonic() - began, done=done)
        return names

    async def forget_message(self, question_id: str) -> None:
        """Forget the files of a message that was deleted. Raises StoreError."""
        address = name_address(question_id)
        if await self._documents.remove(KIND, _id(address)):
            self._known.clear()
            await self._forget_pages([address])

    async def forget_person(self, deletion: Deletion) -> None:
        """Forget the files of a person from before a deletion. Raises StoreError."""
        wanted = Wanted(KIND, person=deletion.person)
        until = moment(deletion.begun_at)
        theirs = [one async for one in every_document(self._documents, wanted) if one.order <= until]
        self._known.clear()
        await self._forget_pages([FILE_ADDRESS + one.id for one in theirs])
        await self.sweep()

    async def sweep(self) -> None:
        """Forget files that are too old, and pages whose document is gone. Raises StoreError."""
        if self._pages is None:
            return
        now = datetime.now(UTC)
        entries = [one for one in await self._pages.pages() if one.url.startswith(FILE_ADDRESS)]
        orphans = [
            one.url
            for one in entries
            if now - one.fetched_at > SETTLES and await self._documents.get(KIND, _id(one.url)) is None
        ]
        known = {one.url for one in entries}
        until = moment(now - KEPT_FOR)
        async for one in every_document(self._documents, Wanted(KIND)):
            if one.order >= until:
                break
            if FILE_ADDRESS + one.id not in known:
                await self._documents.remove(KIND, one.id)
        await self._forget_pages(orphans)

    async def _read_files(self, address: str, reference: Reference, downloader: Downloader) -> None:
        """Fetch and read the files of a message as one page. Raises PageRefused."""
        assert self._pages is not None  # noqa: S101 - looked at before
        parts: dict[str, Fetched] = {}
        try:
            for number, file in enumerate(reference.files, start=1):
                name = file.name if file.name not in parts else f"{number}-{file.name}"
                parts[name] = await _download(downloader, file, reference.conversation)
            await self._pages.read_file(address, parts)
        except IndexUnavailable as error:
            log.warning("a file that was sent could not be kept: %s", error)
            raise PageUnreachable(NOT_NOW) from error
        except PageRefused:
            await self._documents.remove(KIND, _id(address))
            self._known.clear()
            raise
        finally:
            for file in reference.files:
                await downloader.release(file)

    async def _keep(self, question: Question, names: Sequence[str]) -> None:
        """Note whose files these are, before they are read."""
        place, address = _digest(question.conversation), question.page_url or ""
        body = json.dumps({"names": list(names), "alone": not question.text}, ensure_ascii=False)
        sent_at = moment(question.asked_at)
        document = Document(KIND, _id(address), body, person=question.asker, state=place, order=sent_at)
        await self._documents.put(document)
        self._known.pop(place, None)

    async def _list(self, place: str) -> list[_Kept]:
        since = (moment(datetime.now(UTC) - KEPT_FOR), "")
        found = await self._documents.list_documents(Wanted(KIND, state=place, after=since))
        return [_read(one) for one in found]

    async def _forget_pages(self, addresses: Sequence[str]) -> None:
        if self._pages is None or not addresses:
            return
        try:
            await self._pages.forget_files(addresses)
        except IndexUnavailable as error:
            raise StoreUnavailable(f"files are not forgotten yet: {error}") from error


async def _download(downloader: Downloader, file: SentFile, conversation: Json) -> Fetched:
    try:
        return await downloader.download(file, conversation)
    except PageRefused as refused:
        raise type(refused)("{name}: {why}", name=file.name, why=refused.sentence) from None


def _digest(conversation: str) -> str:
    return hashlib.sha256(conversation.encode()).hexdigest()[:32]


def _id(address: str) -> str:
    return address.removeprefix(FILE_ADDRESS)


def _read(document: Document) -> _Kept:
    body = json.loads(document.body)
    return _Kept(
        address=FILE_ADDRESS + document.id,
        person=document.person,
        sent_at=datetime.fromisoformat(document.order),
        alone=bool(body["alone"]),
        names=tuple(str(name) for name in body["names"]),
    )
