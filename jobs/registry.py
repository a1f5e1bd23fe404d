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

        `holder` names this process among those that do errands.
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
    "sample_reviews": Job(
        "Look at delivered answers that nobody looked at, for the sample.", "jobs.sample_reviews"
    ),
    "send_reviews": Job("Send the cards of waiting reviews that nobody sees.", "jobs.send_reviews"),
    "refresh_pages": Job(
        "Read the indexed pages again; send back what stands on changed ones.", "jobs.refresh_pages"
    ),
    "drain_spool": Job(
        "Carry over what waited for the store in folders of gone processes.", "jobs.drain_spool"
    ),
    "roll_up_metrics": Job("Sum up each day's figures into a document.", "jobs.roll_up_metrics"),
    "apply_retention": Job("Delete what is older than it may be kept.", "jobs.apply_retention"),
    "watch_canary": Job(
        "Roll back a canary that pleases less, fails or is slow; promote a good one.", "jobs.watch_canary"
    ),
    "send_to_data_explorer": Job(
        "Send what is kept to Data Explorer, without texts and people.", "jobs.send_to_data_explorer"
    ),
    "report_gaps": Job(
        "Group what was asked in vain, with the pages that should say it.", "jobs.report_gaps"
    ),
    "fit_search": Job(
        "Fit the search to what is reviewed; let it answer if it is better.", "jobs.fit_search"
    ),
    "update_model": Job(
        "Train on what is reviewed; let the candidate answer if it is better.", "jobs.update_model"
    ),
}
"""Every job there is; a module is imported when its job runs."""
