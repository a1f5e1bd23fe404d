"""Where questions, answers and feedback are kept: the protocol of a store, its errors, and deferred actions.

    StoreError
    ├── StoreUnavailable   the store cannot be reached or written: the asker is told to try again
    └── RecordInvalid      a record that cannot be kept (a programming error; nobody sees it)

Everything that returns has been written durably: a person may be told. Every write is idempotent: the same
record twice is one record. Forms: one SQLite file (feedback/store/sqlite.py, the default), Azure Cosmos DB
(feedback/store/cosmos.py), and Cosmos DB with a queue on disk for when it is away
(feedback/store/offline_store.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from core.records import FILE_ADDRESS, Answer, Feedback, Question


def derive_site(answer: Answer) -> str:
    """Return the host of the page that an answer stands on, or was looked for on."""
    urls = [citation.url for citation in answer.citations] + [passage.url for passage in answer.passages]
    if not urls:
        return "no page"
    ours = "sent file" if urls[0].startswith(FILE_ADDRESS) else "own pages"
    return urlsplit(urls[0]).hostname or ours


class StoreError(Exception):
    """Something about the store failed; the subclass says whether trying again can help."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written now."""


class RecordInvalid(StoreError):
    """A record breaks a rule of the store."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A question that was acknowledged and whose answer has not reached its asker.

    `answer` may exist already.
    """

    question: Question
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class ProcessLease:
    """How a process holds the questions that it answers, so that no other one answers them, too.

    `holder` names the process, also after a restart: it takes back its own at once. What it does not hold
    anew for `hold_s` seconds, by looking for the undelivered, belongs to whoever looks next.
    """

    holder: str = ""
    hold_s: float = 90.0

    def now(self) -> str:
        """Return this moment as stores write it."""
        return moment(datetime.now(UTC))

    def until(self) -> str:
        """Return when a hold that begins now ends."""
        return moment(datetime.now(UTC) + timedelta(seconds=self.hold_s))


def moment(time: datetime) -> str:
    """Return a time as text that sorts by time. Raises RecordInvalid for one without a zone."""
    if time.tzinfo is None:
        raise RecordInvalid(f"a time without a zone: {time}")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


ALONE = ProcessLease()


class FeedbackStore(Protocol):
    """Questions, answers and feedback, written durably before a call returns."""

    async def add_question(self, question: Question) -> bool:
        """Keep a question; False when this id is known already (a redelivery, nothing changes)."""
        ...

    async def add_answer(self, answer: Answer) -> Answer:
        """Keep the answer to a known question.

        Return the kept one, which is an earlier one if there is one.
        """
        ...

    async def mark_delivered(self, question_id: str, message_id: str) -> None:
        """The asker has the answer (or was told why not) as the channel's message `message_id`.

        Erases reply_to.
        """
        ...

    async def take_undelivered(self) -> Sequence[Undelivered]:
        """What a crash left open, oldest question first.

        Nobody else holds it, and this process does from now on.
        """
        ...

    async def hold_question(self, question: Question) -> bool:
        """Hold a question on, before its asker is shown anything; False where that is somebody else's now.

        Another process holds it, or its asker has the answer. True where there is nobody to ask: people are
        rather answered twice than never.
        """
        ...

    async def answer(self, answer_id: str) -> Answer | None:
        """Return the answer with this id, or None. How to reply is told by `take_undelivered` only."""
        ...

    async def answer_to_question(self, question_id: str) -> Answer | None:
        """Return the answer to this question, or None."""
        ...

    async def answer_in_message(self, conversation: str, message_id: str) -> Answer | None:
        """Return the answer that was delivered as this message of a conversation or its thread, or None."""
        ...

    async def find_message(self, question_id: str) -> str | None:
        """Return the id of the message that delivered the answer to this question, or None."""
        ...

    async def recent_answers(self, conversation: str, limit: int) -> Sequence[Answer]:
        """Return the last `limit` answers of a conversation, oldest first."""
        ...

    async def answers_after(self, after: tuple[str, str], limit: int) -> Sequence[Answer]:
        """Return `limit` answers in order after (`answered_at` as UTC ISO text with microseconds, id)."""
        ...

    async def forget_question(self, question_id: str) -> None:
        """Delete a question with its answer, their feedback and their documents.

        An unknown id is no error.
        """
        ...

    async def put_feedback(self, feedback: Feedback) -> None:
        """Keep or replace one person's word; a `withdrawn_at` withdraws it.

        Earlier values stay as history.
        """
        ...

    async def feedback_on(self, answer_id: str) -> Sequence[Feedback]:
        """Return the current feedback on an answer, withdrawn records included, oldest first."""
        ...

    async def close(self) -> None:
        """Write what is under way and let go of the files."""
        ...


T = TypeVar("T")

Entry = dict[str, Any]
"""What is to be done, as JSON; people stand in it as pseudonyms."""
Do = Callable[[Entry], Awaitable[object]]
"""Does what an entry says; doing it twice changes nothing.

Raises StoreUnavailable to be called again later.
"""


class DeferredActions(Protocol):
    """Runs an action now, or queues it on disk until the store is back."""

    @property
    def is_waiting(self) -> bool:
        """Whether something is queued: what comes now goes behind it."""
        ...

    async def keep(self, what: str, entry: Entry) -> None:
        """Queue an action. Raises StoreUnavailable when it cannot be kept."""
        ...

    async def attempt(self, do: Callable[[], Awaitable[T]], what: str, entry: Entry) -> T | None:
        """Run an action and return its result.

        None where `entry` was kept durably instead, behind what waits already. Raises StoreUnavailable when
        it can neither be done nor kept.
        """
        ...

    def register(self, what: str, do: Do) -> None:
        """Register what is done with queued entries of a kind."""
        ...


class RunImmediately:
    """Deferred actions without a queue: an action runs now, or fails."""

    is_waiting = False

    async def keep(self, what: str, entry: Entry) -> None:
        """Refuse: there is nowhere to keep it."""
        raise StoreUnavailable("The store is away, and this process keeps nothing for it.")

    async def attempt(self, do: Callable[[], Awaitable[T]], what: str, entry: Entry) -> T | None:
        return await do()

    def register(self, what: str, do: Do) -> None:
        """Nothing is ever kept."""
