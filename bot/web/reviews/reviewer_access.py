"""What one reviewer sees on the page: only what stands on pages that they themselves may read.

Who they are their chat's channel has vouched for (`bot/page_passes.py`), so their groups are asked for as in
that chat; a browser on this machine is nobody whom a page can name. What may not be read is refused as if it
were not there, and is in no list and no count. Readers are asked for at every request, not remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.page_passes import Visitor
from bot.readers.access import PageAccess
from bot.readers.audiences import Audiences
from core.readers import Audience
from core.records import Answer, Review, VerifiedAnswer
from feedback.reviews.ruling_changes import PastRuling


@dataclass(frozen=True, slots=True)
class ReviewerAccess:
    """What one reviewer may see at this moment."""

    audience: Audience
    access: PageAccess

    def may_see(self, answer: Answer, review: Review | None = None) -> bool:
        """Tell whether they may see an answer, and what a review says of it; a file is its conversation's."""
        return not answer.from_file and self.access.may_see(self.audience, answer, review)

    def select_verified(self, verified: Iterable[VerifiedAnswer]) -> list[VerifiedAnswer]:
        """Return the verified answers that they may see."""
        return [one for one in verified if self.access.may_see_verified(self.audience, one)]

    def select_steps(self, history: Sequence[PastRuling]) -> list[PastRuling]:
        """Return the rulings of a history whose places they may read."""
        return self.access.select_steps(history, self.audience)


class ReviewerAccessFinder:
    """Finds what reviewers may see. One per process."""

    def __init__(self, audiences: Audiences) -> None:
        self._audiences = audiences

    async def find(self, visitor: Visitor) -> ReviewerAccess:
        """Return what somebody may see now."""
        audience = await self._audiences.find(visitor.chat, visitor.directory_id)
        return ReviewerAccess(audience, self._audiences.access.freeze())
