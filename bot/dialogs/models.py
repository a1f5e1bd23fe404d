"""Reviewers decide about model versions: promote, hold, roll back.

    a Comparison waits ─> decide ─> kept ─> done (model/registry/rollout.py) ─> its cards everywhere show it

A decision is kept before it is done. A process killed in between leaves an outbox entry, so that it is done
later. Of two reviewers at once one wins, and the other hears who it was and what they did (`Refused`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.cards.model import STATUSES, ModelView, choices, who_did
from bot.dialogs.review import Refused
from core.records import Comparison
from core.translation import format_ago, mark, say
from feedback.privacy.audit import Audit, AuditAction
from feedback.reviews import model_decisions
from feedback.reviews.model_decisions import Choice, ModelBoard, ModelDecision
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import StoreError
from model.registry.rollout import promote, roll_back
from model.registry.versions import RolloutState, VersionError, VersionStatus, find_version, read_rollout

log = logging.getLogger(__name__)

OUTBOX_PREFIX = "model:"
"""Begins the names of the entries and cards of comparisons; those of answers are hexadecimal."""
GONE = mark("This comparison no longer exists.")
PATIENCE_S = 4.0
"""How long a press of a button waits: looking at large files takes longer than a channel has patience."""
_AUDIT_ACTIONS: Mapping[Choice, AuditAction] = {
    Choice.PROMOTE: AuditAction.PROMOTED,
    Choice.HOLD: AuditAction.HELD,
    Choice.ROLL_BACK: AuditAction.ROLLED_BACK,
}
_PROMOTABLE = (VersionStatus.CANDIDATE, VersionStatus.CANARY, VersionStatus.LIVE)  # live: it is done already


@dataclass(frozen=True, slots=True)
class Press:
    """A reviewer pressed a button of the card that knew `known` decisions. `source` names the press."""

    candidate: str
    known: int
    choice: Choice
    reviewer: str
    reviewer_name: str
    source: str


class Deciding:
    """Decides what becomes of candidates. `wake` is called when cards have to be drawn anew."""

    def __init__(self, repository: ReviewRepository, models_dir: Path) -> None:
        self.board = ModelBoard(repository.documents)
        self.wake: Callable[[], None] = lambda: None
        self._repository = repository
        self._audit = Audit(repository.documents)
        self._models_dir = models_dir
        self._under_way: set[asyncio.Task[None]] = set()

    async def standing(self) -> RolloutState:
        """Return who answers whom. Raises ModelDamaged."""
        return await asyncio.to_thread(read_rollout, self._models_dir)

    async def latest(self) -> Comparison | None:
        """Return the last comparison, if there is one."""
        return await model_decisions.latest(self._repository.documents)

    async def view(self, candidate: str, signature: str = "") -> ModelView | None:
        """Return a comparison as it is now; None where it is gone."""
        comparison = await model_decisions.get(self._repository.documents, candidate)
        if comparison is None:
            return None
        standing, present = await asyncio.to_thread(self._look, comparison.candidate)
        decisions = await self.board.decisions(candidate)
        return ModelView(comparison, standing, present, decisions, signature)

    async def decide(self, press: Press) -> None:
        """Do what a reviewer wants with a version. The same press twice is one. Raises Refused."""
        view = await self.view(press.candidate)
        if view is None:
            raise Refused(say(GONE))
        if _is_known(press, view):
            return
        self._check(press, view)
        decision = ModelDecision(
            press.candidate,
            press.known + 1,
            press.choice,
            press.reviewer,
            press.reviewer_name,
            datetime.now(UTC),
            press.source,
        )
        await self.add_outbox_entry(press.candidate)  # before it is kept: whoever finds it will do it
        if not await self.board.decide(decision):
            raise Refused(_faster(await self.board.decisions(press.candidate)))
        doing = asyncio.create_task(self._do(decision), name="model decision")
        self._under_way.add(doing)
        doing.add_done_callback(self._under_way.discard)
        await self._record(press)
        await asyncio.wait([doing], timeout=PATIENCE_S)
        if doing.done():
            doing.result()

    async def close(self) -> None:
        """Wait for what is being done."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def catch_up(self, candidate: str) -> None:
        """Do what was decided, where whoever took it up was killed."""
        for decision in await self.board.decisions(candidate):
            if not decision.done:
                try:
                    await self._do(decision)
                except Refused as refused:
                    log.warning("what a reviewer decided about a model version cannot be done: %s", refused)

    async def add_outbox_entry(self, candidate: str) -> None:
        """Let the cards of a comparison be looked after."""
        await self._repository.add_outbox_entry(f"{OUTBOX_PREFIX}{candidate}", datetime.now(UTC))
        self.wake()

    def _look(self, candidate: str) -> tuple[RolloutState, bool]:
        try:
            version = find_version(self._models_dir, candidate)
            present = all((version.folder / name).is_file() for name in version.files)
        except VersionError:
            present = False
        return read_rollout(self._models_dir), present

    def _check(self, press: Press, view: ModelView) -> None:
        """Refuse what others did first, what the standing forbids, and versions whose files are gone."""
        if press.known != len(view.decisions):
            raise Refused(_faster(view.decisions))
        candidate = view.comparison.candidate
        if press.choice is Choice.PROMOTE and not view.present:
            raise Refused(
                say(
                    "The files of {name} are missing, so it cannot answer. Nothing was changed.",
                    name=candidate,
                )
            )
        if press.choice not in choices(view):
            raise Refused(
                say(
                    "{name} is now {status}, which does not allow that. Nothing was changed.",
                    name=candidate,
                    status=say(STATUSES[view.status]),
                )
            )

    async def _do(self, decision: ModelDecision) -> None:
        """Carry a decision out; twice changes nothing. Raises Refused, which undoes the decision."""
        try:
            await asyncio.to_thread(_act, self._models_dir, decision)
        except VersionError as error:
            await self.board.take_back(decision)
            self.wake()
            raise Refused(
                say("This cannot be done: {error}. Nothing was changed.", error=error.why)
            ) from error
        await self.board.mark_done(decision)
        await self.add_outbox_entry(decision.candidate)

    async def _record(self, press: Press) -> None:
        """Write it into the audit trail; it is done, whether that works or not."""
        try:
            await self._audit.write(
                press.reviewer, _AUDIT_ACTIONS[press.choice], model_version=press.candidate
            )
        except StoreError:
            log.exception("the audit trail misses that a reviewer %s", _AUDIT_ACTIONS[press.choice])


def _act(models_dir: Path, decision: ModelDecision) -> None:
    """Let the version stand where it should."""
    candidate = decision.candidate
    if decision.choice is Choice.PROMOTE:
        promote(models_dir, candidate, _PROMOTABLE)
    taken_back = read_rollout(models_dir).derive_status(candidate) is VersionStatus.RETIRED
    if decision.choice is Choice.ROLL_BACK and not taken_back:
        roll_back(models_dir, candidate)


def _is_known(press: Press, view: ModelView) -> bool:
    """Tell whether a press is one that was decided already: delivered again, or the button pressed twice."""
    for decision in view.decisions:
        mine = (decision.reviewer, decision.choice) == (press.reviewer, press.choice)
        if mine and (decision.source == press.source or decision.number == press.known + 1):
            return True
    return False


def _faster(decisions: Sequence[ModelDecision]) -> str:
    """Say who decided before somebody else could."""
    if not decisions:  # it was decided, and then it could not be done
        return say("This card has changed in the meantime. Please look at it again; nothing was changed.")
    latest = decisions[-1]
    return say(
        "{decision}: that was before your decision. Nothing was changed.",
        decision=who_did(latest, format_ago(latest.decided_at)),
    )
