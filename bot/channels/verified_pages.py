"""Verified answers in chat: the words that ask for them, a page of the list, and one of them to be changed.

verified answers [PAGE] [by me] [about WORDS]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.card_tokens import REVIEW, CardSigner
from bot.cards.elements import Card
from bot.cards.verified import ON_A_PAGE, VerifiedPage, VerifiedView, verified_card, verified_list_card
from bot.channels.incoming import Incoming
from bot.readers.access import PageAccess
from core.readers import Audience
from core.records import Answer
from feedback.metrics.verified_use import count_use
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.ruling_changes import read_history, read_standing
from feedback.reviews.verified_catalogue import CatalogueEntry, CatalogueFilter, list_verified, read_entries
from feedback.store.base import FeedbackStore, moment

_WORDS = re.compile(r"verified answers(?: (\d{1,4}))?( by me)?(?: about (\S.{0,200}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VerifiedQuery:
    """What somebody asks for: a page of the list, their own answers only, and words to search for."""

    page: int = 1
    mine: bool = False
    words: str = ""

    @property
    def said(self) -> str:
        """How it was said, without the page."""
        return " ".join(part for part in ("by me" if self.mine else "", self._about) if part)

    @property
    def _about(self) -> str:
        return f"about {self.words}" if self.words else ""


def parse_query(text: str) -> VerifiedQuery | None:
    """Read the words that ask for verified answers; None for anything else."""
    found = _WORDS.fullmatch(" ".join(text.strip(" .!?").split()))
    if found is None:
        return None
    page, mine, words = found.groups()
    return VerifiedQuery(max(1, int(page or 1)), bool(mine), (words or "").strip())


class VerifiedPages:
    """Draws the cards. One per process."""

    def __init__(
        self, store: FeedbackStore, repository: ReviewRepository, signer: CardSigner, site_url: str
    ) -> None:
        self._store = store
        self._repository = repository
        self._signer = signer
        self._site_url = site_url
        self.access = PageAccess()

    async def draw_list(
        self, query: VerifiedQuery, incoming: Incoming, person: str, audience: Audience = frozenset()
    ) -> Card:
        """Return a page of the list, of what an audience may see; one behind the last is the last.

        Raises StoreError.
        """
        wanted = CatalogueFilter(words=query.words, reviewer=person if query.mine else "")
        found = self.access.select_visible(await list_verified(self._repository, wanted), audience)
        number = min(query.page, max(1, -(-len(found) // ON_A_PAGE)))
        some = found[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]
        use = await count_use(self._store, self._repository.documents, datetime.now(UTC))
        views = [
            self._view(entry, incoming, use.get(moment(entry.verified.verified_at), 0))
            for entry in await read_entries(self._repository, some)
        ]
        return verified_list_card(VerifiedPage(views, number, len(found), query.said))

    async def draw_one(self, answer: Answer, incoming: Incoming, audience: Audience) -> Card | None:
        """Return one verified answer, with those rulings of its history that an audience may see.

        None where its ruling is not in force any more. Raises StoreError.
        """
        standing = await read_standing(self._repository, answer.id)
        for entry in await read_entries(self._repository, [standing] if standing else ()):
            history = self.access.select_steps(await read_history(self._repository, answer.id), audience)
            return verified_card(self._view(entry, incoming), answer, history, self._site_url)
        return None

    def _view(self, entry: CatalogueEntry, incoming: Incoming, served: int | None = None) -> VerifiedView:
        signature = self._signer.sign(REVIEW, entry.verified.answer_id, incoming.conversation)
        return VerifiedView(entry.verified, entry.name, entry.review.round, signature, served)
