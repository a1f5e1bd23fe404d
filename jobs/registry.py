"""The jobs by name, and what a job gets to work with.

A job is a file with a function `run`, a line here, and a setting `schedule_NAME`. It may be stopped at any
moment and run again, and run twice at once: then work is done twice, and nothing else happens. What it
returns is printed as JSON; what a person can mend, it raises.

    JobFailed     a job came to nothing for a reason that a person can mend; the message is a sentence
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from core.settings import Settings
from core.subprocess_step import OnProgress
from feedback.metrics.daily import Records
from feedback.store.documents import Documents

if TYPE_CHECKING:
    from bot.bootstrap import JobServices, PageServices
    from bot.stores import Store as OpenStore

Result = Mapping[str, object]
"""What a job did: names and figures."""


class JobFailed(Exception):
    """A job came to nothing for a reason that a person can mend; the message is a sentence."""


class Store(Records, Protocol):
    """A store with all that it can do."""

    @property
    def documents(self) -> Documents:
        """Where its documents are."""
        ...

    async def overwrite(self, *, whole: bool = False) -> None:
        """Overwrite what was deleted or changed, as in feedback/store/rows.py."""
        ...


def _to_nobody(step: str, share: float) -> None: ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job works with.

    Pages and services are opened when it asks: they take seconds, and some need none.
    """

    settings: Settings
    store: OpenStore
    tell: OnProgress = _to_nobody

    def pages(self) -> AbstractAsyncContextManager[PageServices]:
        """Open the page index, and what reads pages."""
        from bot.bootstrap import open_pages  # noqa: PLC0415

        return open_pages(self.settings)

    def services(self, holder: str = "") -> AbstractAsyncContextManager[JobServices]:
        """Open feedback and review as the bot has them.

        `holder` names this process among those that work off the outbox.
        """
        from bot.bootstrap import open_services  # noqa: PLC0415

        return open_services(self.settings, self.store, holder)


Run = Callable[[JobContext], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Job:
    """What a job does (a sentence), and the module whose `run` does it."""

    sentence: str
    module: str

    def load(self) -> Run:
        """Import what does it."""
        return import_module(self.module).run


JOBS = {
    "sample_reviews": Job("Send a random sample of answers to reviewers.", "jobs.sample_reviews"),
    "send_reviews": Job(
        "Send the cards of waiting reviews that no reviewer has on screen.", "jobs.send_reviews"
    ),
    "refresh_pages": Job(
        "Read the pages again, and have reviewers check answers whose page changed.", "jobs.refresh_pages"
    ),
    "drain_spool": Job(
        "Store records that wait on disk, also those of processes that have ended.", "jobs.drain_spool"
    ),
    "roll_up_metrics": Job("Sum up the figures of each day.", "jobs.roll_up_metrics"),
    "apply_retention": Job("Delete records that have been kept long enough.", "jobs.apply_retention"),
    "watch_canary": Job("Promote a canary that does well, or roll it back.", "jobs.watch_canary"),
    "send_to_data_explorer": Job(
        "Send records to Data Explorer, without texts and people.", "jobs.send_to_data_explorer"
    ),
    "report_gaps": Job(
        "Group unanswered questions into gaps, and send cards to the owners of pages.", "jobs.report_gaps"
    ),
    "fit_search": Job("Train the search on reviews, and use it if it is better.", "jobs.fit_search"),
    "update_model": Job("Train a model version on reviews, and use it if it is better.", "jobs.update_model"),
}
"""Every job there is; a module is imported when its job runs."""
