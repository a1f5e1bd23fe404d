"""What operators see and change on `/admin`, through the functions of the command line.

Every change carries the number of the changes that its page knew of (`seen`), and takes the next number, by
comparing versions in the store: of two operators at once one wins, and the other is told to look again. A
request that is sent again later, by whomever, does nothing; the same press twice is one. Who changes what is
written into the audit trail before it is done.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.administration.programs import Programs
from bot.administration.sources import SourceAdmin
from bot.administration.versions import VersionAdmin
from bot.dialogs.review import Refused
from bot.page_passes import Visitor
from bot.web.admin.actions import CHANGED_SINCE, AdminAction
from core.bounded_dict import BoundedDict
from feedback.privacy.audit import Audit, AuditAction
from feedback.reviews.model_decisions import Choice
from feedback.reviews.repository import SETTLED, ReviewRepository
from feedback.store.base import moment
from feedback.store.documents import Document
from feedback.store.job_runs import job_runs
from feedback.store.rows import every

_STATE = Document("administration", "changes", "")
_REMEMBERED = 1_000
_COUNTED_AGAIN = timedelta(minutes=3)
"""So old the counts of rulings may be that the page shows."""
_ACTIVE = timedelta(days=90)
_NOTED = timedelta(hours=1)
Json = dict[str, Any]

_AUDIT_ACTIONS: Mapping[str, AuditAction] = {
    "source.add": AuditAction.ADDED_SOURCE,
    "source.refresh": AuditAction.REFRESHED_SOURCE,
    "source.remove": AuditAction.REMOVED_SOURCE,
    "job.run": AuditAction.RAN_JOB,
    "doctor.look": AuditAction.LOOKED_AFTER,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What an operator sees of the settings: themselves, who reviews, and when jobs run."""

    settings: Sequence[Json]
    reviewers: Mapping[str, Sequence[str]]
    schedule: Mapping[str, str]


@dataclass(slots=True)
class Administration:
    """One per process: `bot.web.admin.routes.Administers`."""

    repository: ReviewRepository
    sources: SourceAdmin
    versions: VersionAdmin
    programs: Programs
    shown: Shown
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _active: list[Json] = field(default_factory=list[Json])
    _counted_at: datetime | None = None
    _read_at: BoundedDict[str, datetime] = field(default_factory=lambda: BoundedDict(_REMEMBERED))
    _pressed: BoundedDict[tuple[str, str], str] = field(default_factory=lambda: BoundedDict(_REMEMBERED))

    async def describe(self, visitor: Visitor) -> Json:
        """Return all that the page shows. Raises StoreError."""
        await self._note_reading(visitor)
        sources, models, jobs = await self._sources(), await self.versions.list(), await self._jobs()
        looked_at = self.programs.looked_at
        return {
            "sources": sources,
            "models": models,
            "jobs": jobs,
            "reviewers": await self._reviewers(),
            "settings": self.shown.settings,
            "doctor": {
                "findings": list(self.programs.findings),
                "looked_at": looked_at.isoformat() if looked_at else None,
            },
            "seen": str((await self._read_state()).version),
        }

    async def _note_reading(self, visitor: Visitor) -> None:
        """Write down that somebody reads the page: once an hour, for it is read again every few seconds."""
        now = datetime.now(UTC)
        if self._read_at.get(visitor.person, now - _NOTED) <= now - _NOTED:
            await Audit(self.repository.documents).write(visitor.person, AuditAction.READ_ADMIN)
            self._read_at[visitor.person] = now

    async def perform(self, action: AdminAction, visitor: Visitor) -> str:
        """Do it; return what is said of it. Raises Refused and StoreError."""
        async with self._turn:
            known = self._pressed.get((visitor.person, action.press))
            if known is not None:
                return known
            await self._take_turn(action)
            said = await self._do(action, visitor)
            self._pressed[visitor.person, action.press] = said
            return said

    async def close(self) -> None:
        """Stop what operators have begun."""
        await self.sources.close()
        await self.programs.close()

    async def _do(self, action: AdminAction, visitor: Visitor) -> str:
        if action.matter == "model":
            choice = Choice(action.verb.partition(".")[2])
            return await self.versions.decide(action, choice, visitor)
        await Audit(self.repository.documents).write(
            visitor.person, _AUDIT_ACTIONS[action.verb], about=action.what
        )
        if action.verb == "job.run":
            return self.programs.run_job(action.what)
        doing: Mapping[str, Callable[[], Awaitable[str]]] = {
            "source.add": lambda: self.sources.add(action.what),
            "source.refresh": lambda: self.sources.refresh(action.what),
            "source.remove": lambda: self.sources.remove(action.what),
            "doctor.look": self.programs.look,
        }
        return await doing[action.verb]()

    async def _take_turn(self, action: AdminAction) -> None:
        """Take the next number of change. Raises Refused where the page did not know of the last one."""
        state = await self._read_state()
        if str(state.version) != action.seen or not await self.repository.documents.replace(state):
            raise Refused(CHANGED_SINCE)

    async def _read_state(self) -> Document:
        documents = self.repository.documents
        await documents.add(_STATE)
        return await documents.get(_STATE.kind, _STATE.id) or _STATE

    async def _sources(self) -> list[Json]:
        return [
            {
                "name": one.name,
                "origin": one.origin,
                "pages": one.pages,
                "passages": one.passages,
                "read_at": one.read_at.isoformat() if one.read_at else None,
                "reading": one.reading is not None and one.reading.ended_at is None,
                "read": one.reading.pages if one.reading else 0,
                "problems": list(one.problems),
            }
            for one in await self.sources.list()
        ]

    async def _jobs(self) -> list[Json]:
        runs = {one.name: one for one in await job_runs(self.repository.documents)}
        return [
            {
                "name": name,
                "schedule": schedule,
                "running": name in self.programs.running,
                **{
                    key: value
                    for key, value in (asdict(runs[name]) if name in runs else {}).items()
                    if key in {"outcome", "ended_at", "seconds", "error", "next_at", "said"}
                },
            }
            for name, schedule in self.shown.schedule.items()
        ]

    async def _reviewers(self) -> Json:
        """Return who may review by the settings, and who has ruled lately, by the name on their rulings."""
        now = datetime.now(UTC)
        if self._counted_at is None or self._counted_at + _COUNTED_AGAIN <= now:
            self._active, self._counted_at = await self._count_rulings(now - _ACTIVE), now
        return {
            "named": {key: list(ids) for key, ids in self.shown.reviewers.items()},
            "active": self._active,
            "places": len(await self.repository.places()),
        }

    async def _count_rulings(self, since: datetime) -> list[Json]:
        counts: Counter[str] = Counter()

        async def settled(limit: int, after: tuple[str, str]) -> Any:
            return await self.repository.reviews(SETTLED, limit, after)

        async for review in every(settled, (moment(since), "")):
            counts.update(one.reviewer_name for one in review.verdicts)
        return [{"name": name, "rulings": count} for name, count in counts.most_common(50)]
