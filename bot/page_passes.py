"""Passes to the pages that only some people may see: `/reviews` for reviewers, `/admin` for operators.

    chat: "reviews page" ── link, 10 minutes, works once ──> browser ── exchanged for ──> pass, 8 hours

Who somebody is, their channel's token has vouched for in the chat; the link carries that to a browser. It
stands behind the # of its address, which browsers send to nobody, and the pass is kept in one tab and sent in
a header, so no other web site's page can use it. A pass is no permission: whether its holder still reviews,
or operates the bot, is asked at every request (`Gate`). With the key of the pseudonyms all passes end.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from bot.card_tokens import CardSigner
from feedback.store.base import moment
from feedback.store.documents import Document, Documents, Wanted

Page = Literal["reviews", "admin"]
LINK_S = 600.0
PASS_S = 8 * 3600.0
MAX_NAME = 80
USED = "used_link"
_FORGOTTEN_AT_ONCE = 50
_LINK, _PASS = "page link", "page pass"


class Gate(Protocol):
    """Knows who may do what a page is for (`bot/channels/review_handler.Reviewers`)."""

    async def refusal(self, directory_id: str) -> str:
        """Return why somebody may not, "" when they may."""
        ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page: their pseudonym, the id that the directory has of them, and where they said so.

    `chat` is the conversation in which they asked for the link: they may read here what they may read there
    (`bot/readers/audiences.py`). A browser on this machine has none.
    """

    person: str
    directory_id: str
    name: str
    channel: str
    chat: Mapping[str, Any] = field(default_factory=dict[str, Any])


class PagePasses:
    """Makes links and passes, and reads them."""

    def __init__(self, signer: CardSigner, documents: Documents) -> None:
        self._signer = signer
        self._documents = documents

    def make_link(self, page: Page, visitor: Visitor) -> str:
        """Return the path of a page with a link's token, for this person alone."""
        return f"/{page}#link={self._sign(_LINK, page, visitor, LINK_S)}"

    async def exchange(self, page: Page, token: str) -> str | None:
        """Return a pass for a link, once; None for one that was used, is too old, or is not ours.

        Raises StoreError.
        """
        visitor = self._read(_LINK, page, token)
        if visitor is None:
            return None
        now = datetime.now(UTC)
        forget_at = moment(now + timedelta(seconds=LINK_S))
        used = Document(USED, hashlib.sha256(token.encode()).hexdigest(), "", order=forget_at)
        if not await self._documents.add(used):
            return None
        await self._forget_used(moment(now))
        return self._sign(_PASS, page, visitor, PASS_S)

    def read(self, page: Page, token: str) -> Visitor | None:
        """Return whose pass this is; None for one that has ended, is for another page, or is not ours."""
        return self._read(_PASS, page, token)

    async def _forget_used(self, now: str) -> None:
        """Forget used links that are too old to be used anyway."""
        for used in await self._documents.list_documents(Wanted(USED, limit=_FORGOTTEN_AT_ONCE)):
            if used.order < now:
                await self._documents.remove(USED, used.id)

    def _sign(self, kind: str, page: Page, visitor: Visitor, valid_s: float) -> str:
        says = asdict(visitor) | {"name": visitor.name[:MAX_NAME], "until": round(time.time() + valid_s, 6)}
        return self._signer.sign_data(kind, f"{page} ", says)

    def _read(self, kind: str, page: Page, token: str) -> Visitor | None:
        says: dict[str, Any] | None = self._signer.read_data(kind, f"{page} ", token)
        return Visitor(**says) if says and says.pop("until") > time.time() else None
