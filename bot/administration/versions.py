"""Model versions as an operator sees and moves them: promote, hold, roll back.

A version with a comparison is decided about as reviewers do it in chat (`bot/dialogs/models.py`): its card
shows it, and of two who decide at once one wins. One without, such as an imported one, is promoted as
`askpage models promote` does it; the last step is taken back as by `askpage models rollback`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.cards.model import choices
from bot.dialogs.models import Deciding, Press
from bot.dialogs.review import Refused
from bot.page_passes import Visitor
from bot.web.admin.actions import AdminAction
from feedback.privacy.audit import Audit, AuditAction
from feedback.reviews.model_decisions import Choice
from model.registry.rollout import promote, roll_back
from model.registry.sync import publish_to
from model.registry.versions import RolloutState, VersionError, VersionStatus, list_versions, read_rollout

Json = dict[str, Any]
NOT_NOW = "{name} is now {status}, which does not allow that. Nothing was changed."


@dataclass(frozen=True, slots=True)
class VersionAdmin:
    """Moves the versions of one folder. `models_url` as the setting."""

    deciding: Deciding
    audit: Audit
    models_dir: Path
    models_url: str = ""

    async def list(self) -> list[Json]:
        """Return the versions, the newest first, with what may be done to each."""
        versions, standing = await asyncio.to_thread(self._read)
        return [
            {
                "name": one.name,
                "status": str(standing.derive_status(one.name)),
                "share": standing.find_share(one.name),
                "base": one.base,
                "created_at": one.created_at.isoformat(timespec="seconds"),
                **await self._describe_choices(one.name, standing),
            }
            for one in versions
        ]

    async def _describe_choices(self, name: str, standing: RolloutState) -> Json:
        view = await self.deciding.view(name)
        if view is None:
            return {"decisions": 0, "may": [str(one) for one in _list_plain(name, standing)], "why": []}
        may = [str(one) for one in choices(view)]
        return {"decisions": len(view.decisions), "may": may, "why": list(view.comparison.reasons)}

    async def decide(self, action: AdminAction, choice: Choice, visitor: Visitor) -> str:
        """Do it; return what is said of it. Raises Refused and StoreError."""
        name, source = action.what, f"admin page {action.press}"
        if await self.deciding.view(name) is not None:
            press = Press(name, action.known, choice, visitor.person, visitor.name, source)
            await self.deciding.decide(press)
        else:
            await self._move(name, choice, visitor)
        standing = await self.deciding.standing()
        return f"{standing.name or 'Nothing'} is live."

    async def _move(self, name: str, choice: Choice, visitor: Visitor) -> None:
        standing = await self.deciding.standing()
        if choice not in _list_plain(name, standing):
            raise Refused(NOT_NOW.format(name=name, status=standing.derive_status(name)))
        action = AuditAction.PROMOTED if choice is Choice.PROMOTE else AuditAction.ROLLED_BACK
        await self.audit.write(visitor.person, action, model_version=name)
        try:
            await asyncio.to_thread(self._step, name, choice)
        except VersionError as error:
            raise Refused(f"This cannot be done: {error}. Nothing was changed.") from error

    def _step(self, name: str, choice: Choice) -> None:
        publish = publish_to(self.models_dir, self.models_url)
        if choice is Choice.PROMOTE:
            promote(self.models_dir, name, publish=publish)
        else:
            roll_back(self.models_dir, name, publish=publish)

    def _read(self) -> tuple[Any, RolloutState]:
        found = sorted(list_versions(self.models_dir), key=lambda one: one.created_at, reverse=True)
        try:
            return found, read_rollout(self.models_dir)
        except VersionError:
            return found, RolloutState()


def _list_plain(name: str, standing: RolloutState) -> tuple[Choice, ...]:
    """Return what may be done to a version that was compared with none."""
    match standing.derive_status(name):
        case VersionStatus.LIVE:
            return (Choice.ROLL_BACK,) if standing.before and not standing.canary else ()
        case VersionStatus.CANARY:
            return (Choice.PROMOTE, Choice.ROLL_BACK)
        case _:
            return (Choice.PROMOTE,)
