"""The seam to what can wait.

Something that somebody said is done now, or kept and done once the store is back. Forms: `AtOnce` where there
is no spool, and the spool of a process (feedback/store/offline_queue.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Entry = dict[str, Any]
"""What is to be done, as JSON; people stand in it as pseudonyms."""
Do = Callable[[Entry], Awaitable[object]]
"""Does what an entry says; doing it twice changes nothing. Raises StoreUnavailable to be called again later.
Does what an entry says; doing it twice changes nothing. Raises StoreUnavailable to be called again later."""


class Later(Protocol):
    """Where something goes that the store cannot take now."""

    async def attempt(self, do: Callable[[], Awaitable[T]], what: str, entry: Entry) -> T | None:
        """Do something and return its result.

        None where `entry` was kept durably instead, behind what waits already. Raises StoreUnavailable when
        it can neither be done nor kept.
        """
        ...

    def on(self, what: str, do: Do) -> None:
        """Say what is done with kept entries of a kind."""
        ...


class AtOnce:
    """A Later that keeps nothing."""

    async def attempt(self, do: Callable[[], Awaitable[T]], what: str, entry: Entry) -> T | None:
        return await do()

    def on(self, what: str, do: Do) -> None:
        """Nothing is ever kept."""
