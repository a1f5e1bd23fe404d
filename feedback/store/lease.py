"""Who may do something now, of all processes on all machines: a document with an owner and an end.

    lease = Lease(documents, "job|roll_up_metrics", "host, process 123")
    if (other := await lease.take()) is None: … it is ours, while `keep` renews it; `give_back` at the end

Every change compares versions, so of two who take a free lease at once one gets it. One that is not renewed
ends by itself, and whoever comes next takes it over; whoever lost it so must stop what it allowed. The
document stays when the lease is given back: its version must never begin anew, or somebody slow could renew
what is another's by now.

Ends are told by each machine's own clock. They may differ by HOLD_S less the time between two renewals.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from feedback.store.base import StoreUnavailable, moment
from feedback.store.documents import TRIES, Document, Documents
from feedback.store.serialization import from_json, to_json

log = logging.getLogger(__name__)

KIND = "lease"
HOLD_S = 90.0
_A_HOLD = 6
"""How often a lease is renewed in the time for which it holds."""


@dataclass(frozen=True, slots=True)
class Held:
    """Who has a lease.

    `who` is for people, `owner` names the one process; since when, and until (ISO text).
    """

    owner: str
    who: str
    since: str
    until: str

    @property
    def holds(self) -> bool:
        """Whether it has not ended."""
        return bool(self.owner) and self.until > moment(datetime.now(UTC))


NOBODY = Held("", "", "", "")


async def who_holds(documents: Documents, name: str) -> Held | None:
    """Return who has a lease now, None when it is free."""
    document = await documents.get(KIND, name)
    held = _read(document)
    return held if held.holds else None


async def free_of(documents: Documents, name: str, who: str) -> None:
    """Free a lease of a process that is known to have died."""
    document = await documents.get(KIND, name)
    if document is not None and _read(document).who == who:
        await documents.replace(Document(KIND, name, to_json(NOBODY), version=document.version))


class Lease:
    """One process's hand on a lease."""

    def __init__(self, documents: Documents, name: str, who: str, *, hold_s: float = HOLD_S) -> None:
        self._documents = documents
        self._name = name
        self._who = who
        self._hold_s = hold_s
        self._owner = secrets.token_hex(8)
        self._since = ""
        self._version = 0

    async def take(self) -> Held | None:
        """Take it; None when it is ours now, otherwise who has it. Raises StoreUnavailable."""
        for _ in range(TRIES):
            document = await self._documents.get(KIND, self._name)
            held = _read(document)
            if held.holds and held.owner != self._owner:
                return held
            self._since = moment(datetime.now(UTC))
            self._version = document.version if document else 0
            if document is None:
                taken = await self._documents.add(self._document())
                self._version = 1
            else:
                taken = await self._write(self._document())
            if taken:
                return None
        raise StoreUnavailable(f"the lease {self._name} changes too fast")

    async def renew(self) -> bool:
        """Hold it for another while; False when somebody else has it."""
        if await self._write(self._document()):
            return True
        document = await self._documents.get(KIND, self._name)
        if document is None or _read(document).owner != self._owner:
            return False
        self._version = document.version  # ours, by a write whose reply was lost
        return await self._write(self._document())

    async def keep(self) -> None:
        """Renew it until cancelled.

        Returns when it is lost: to somebody else, or as it could not be renewed in time.
        """
        pause_s = self._hold_s / _A_HOLD
        ends = time.monotonic() + self._hold_s
        while True:
            await asyncio.sleep(pause_s)
            asked = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, ends - asked)):
                    if not await self.renew():
                        return
                ends = asked + self._hold_s
            except (StoreUnavailable, TimeoutError) as error:
                log.warning("the lease %s is not renewed: %s", self._name, error)
                if time.monotonic() + pause_s >= ends:
                    return

    async def give_back(self) -> None:
        """Let others have it at once."""
        await self._write(Document(KIND, self._name, to_json(NOBODY), version=self._version))

    async def _write(self, document: Document) -> bool:
        written = await self._documents.replace(document)
        self._version += written
        return written

    def _document(self) -> Document:
        until = datetime.now(UTC) + timedelta(seconds=self._hold_s)
        held = Held(self._owner, self._who, self._since, moment(until))
        return Document(KIND, self._name, to_json(held), version=self._version)


def _read(document: Document | None) -> Held:
    return from_json(Held, document.body) if document else NOBODY
