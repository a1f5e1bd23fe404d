"""The dashboard's section on gaps, as JSON: what pages leave open, who owns them, and what repairs brought.

It shows the last report (feedback/gaps/report.py) to those who may see questions. What somebody has asked who
is to be left out since, and what stands on a page that not everyone may read since, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urldefrag

from bot.web.dashboard.learning import write_time
from core.readers import EVERYONE
from feedback.gaps.owner_cards import OwnerCard, Step, list_cards, list_decisions
from feedback.gaps.report import Gap, Report, is_current, read_report
from feedback.metrics.askers import AreClosed
from feedback.metrics.daily import Records
from feedback.privacy.deletion_log import list_excluded
from feedback.store.documents import Documents

MOST = 20
"""Gaps that are shown; all of them are in `askpage gaps`."""
Json = dict[str, Any]


@dataclass(slots=True)
class GapList:
    """Reads them; one per process.

    Whose questions are behind a gap is looked up again once a report, or who is left out, changes.
    """

    store: Records
    documents: Documents
    _checked: tuple[object, Sequence[Gap]] = field(default=(None, ()))

    async def describe(self, are_closed: AreClosed) -> Json | None:
        """Return the gaps, None before the first report. Raises StoreError."""
        report = await read_report(self.documents)
        if report is None:
            return None
        excluded = await list_excluded(self.documents)
        current = [gap for gap in await self._select(report, excluded) if not _is_closed(gap, are_closed)]
        cards = await list_cards(self.documents)
        decisions = await list_decisions(self.documents)
        return {
            "made_at": write_time(report.made_at),
            "days": report.days,
            "count": len(current),
            "gaps": [_describe(gap, _find_decision(gap, cards, decisions.get)) for gap in current[:MOST]],
        }

    async def _select(self, report: Report, excluded: Collection[str]) -> Sequence[Gap]:
        """Return the gaps that may still be shown, in their order."""
        key = (report, frozenset(excluded))
        if self._checked[0] != key:
            found = [gap for gap in report.gaps if await is_current(self.store, gap, excluded)]
            self._checked = (key, found)
        return self._checked[1]


def _is_closed(gap: Gap, are_closed: AreClosed) -> bool:
    return gap.place is not None and are_closed([(urldefrag(gap.place.url).url, EVERYONE)])


def _find_decision(
    gap: Gap, cards: Sequence[OwnerCard], decision_of: Callable[[str], Step | None]
) -> Step | None:
    """Return what the owner has said of all that a gap comes from."""
    answers = set(gap.answers)
    about = [card for card in cards if answers <= set(card.gap.answers)]
    found = [decision for card in about if (decision := decision_of(card.id)) is not None]
    return max(found, key=lambda step: step.at, default=None)


def _describe(gap: Gap, decision: Step | None) -> Json:
    return {
        "question": gap.name,
        "people": gap.people,
        "count": gap.times,
        "questions": len(gap.questions),
        "page": gap.place.name if gap.place else "",
        "url": gap.place.url if gap.place else "",
        "owner": gap.owner,
        "corrected": bool(gap.correction),
        "changed": gap.changed,
        "repaired": gap.repaired,
        "before": asdict(gap.before) if gap.changed else None,
        "after": asdict(gap.after) if gap.changed else None,
        "decision": str(decision.choice) if decision else "",
    }
