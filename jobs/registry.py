"""What every job is: a file with a function, and a line in the table of `cli/jobs.py`.

A job may be stopped at any moment and run again, and run twice at once: then work is done twice, and nothing else
happens. What it returns is printed as JSON; what a person can mend, it raises.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from core.settings import Settings
from feedback.metrics.daily import Records
from feedback.store.documents import Documents


class Store(Records, Protocol):
    """A store with all that it can do."""

    @property
    def documents(self) -> Documents:
        """Where its documents are."""
        ...

    async def overwrite(self, *, whole: bool = False) -> None:
        """Overwrite what was deleted or changed, as in feedback/store/rows.py."""
        ...


class JobFailed(Exception):
    """A job came to nothing for a reason that a person can mend; the message is a sentence."""


Result = Mapping[str, object]
"""What a job did: names and figures."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job's name, what it does (a sentence), and the function that does it."""

    name: str
    sentence: str
    run: Callable[[Settings, Store], Awaitable[Result]]
