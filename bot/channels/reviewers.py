"""Who may review: people by their directory id (Entra object id), and members of directory groups.

The channel's token vouches for the id. A name or a channel's own user id is no proof and is never looked at.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from core.bounded_dict import BoundedDict

IsMember = Callable[[str, Sequence[str]], Awaitable[bool]]
"""(directory id, group ids) → whether the person is in one of the groups. Raises OSError."""

log = logging.getLogger(__name__)

NOT_A_REVIEWER = "Only reviewers may do this, and you are not one of them. Nothing was changed."
NO_DIRECTORY = (
    "I cannot ask the directory who is a reviewer right now. Nothing was changed; please try again."
)
REMEMBERED_S = 300.0
REMEMBERED = 10_000


class Reviewers:
    """Knows who may decide about answers."""

    def __init__(
        self, ids: Collection[str], groups: Sequence[str] = (), is_member: IsMember | None = None
    ) -> None:
        self._ids = frozenset(one.casefold() for one in ids)
        self._groups = tuple(groups)
        self._is_member = is_member
        self._known: BoundedDict[str, tuple[bool, float]] = BoundedDict(REMEMBERED)

    async def refusal(self, directory_id: str) -> str:
        """Return why somebody may not do what reviewers do, "" when they may."""
        try:
            allowed = await self.allows(directory_id)
        except OSError as error:
            log.warning("the directory does not say who is a reviewer: %s", error)
            return NO_DIRECTORY
        return "" if allowed else NOT_A_REVIEWER

    async def allows(self, directory_id: str) -> bool:
        """Tell whether somebody may review. Raises OSError when the directory of groups does not answer."""
        person = directory_id.casefold()
        if not person:
            return False
        if person in self._ids:
            return True
        if not self._groups or self._is_member is None:
            return False
        member, until = self._known.get(person, (False, 0.0))
        if until < time.monotonic():
            member = await self._is_member(person, self._groups)
            self._known[person] = (member, time.monotonic() + REMEMBERED_S)
        return member
