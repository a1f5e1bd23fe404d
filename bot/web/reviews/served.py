"""Verified answers as JSON: the searched and filtered list, and one with its history, use and conflicts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.cards.places import find_choice, list_choices, read_served_draft
from bot.cards.review_actions import CORRECTION_CHARACTERS, NOTE_CHARACTERS, to_reviewed
from bot.cards.rulings import describe_change, describe_ruling
from bot.channels.review_actions import ReviewActions
from bot.dialogs.review import Known
from bot.dialogs.verified_answers import contradicts
from bot.readers.access import list_pages
from bot.web.reviews.reviewer_access import ReviewerAccess
from bot.web.reviews.waiting import describe_place, describe_served
from core.records import VerifiedAnswer
from feedback.metrics.reach import Served
from feedback.metrics.verified_use import USE_DAYS, read_use
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.ruling_changes import PastRuling, read_history, read_standing
from feedback.reviews.verified_catalogue import CatalogueEntry, CatalogueFilter, list_verified, read_entries
from feedback.store.base import moment

ON_A_PAGE = 25
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServedQuery:
    """Which verified answers are asked for: as `CatalogueFilter`, and more.

    `reviewer` is a part of the name. Days are counted back from now, None leaves them open. `use` is "",
    "none" (nobody got it) or "some".
    """

    words: str = ""
    page: str = ""
    reviewer: str = ""
    newer_than: int | None = None
    older_than: int | None = None
    use: str = ""
    number: int = 1

    def build_filter(self, now: datetime) -> CatalogueFilter:
        """Return what the catalogue looks at itself."""
        since = None if self.newer_than is None else now - timedelta(days=self.newer_than)
        until = None if self.older_than is None else now - timedelta(days=self.older_than)
        return CatalogueFilter(self.words, self.page, since=since, until=until)

    def fits(self, entry: CatalogueEntry, served: int) -> bool:
        """Tell whether an entry is wanted that the catalogue has found."""
        used = {"none": served == 0, "some": served > 0}.get(self.use, True)
        return used and self.reviewer.casefold() in entry.name.casefold()


class ServedAnswers:
    """Describes what is served as verified to one reviewer, who sees what `access` lets them."""

    def __init__(self, actions: ReviewActions, known: Known, access: ReviewerAccess) -> None:
        self._actions = actions
        self._known = known
        self._access = access

    @property
    def _repository(self) -> ReviewRepository:
        return self._actions.reviewing.repository

    async def list(self, query: ServedQuery) -> Json:
        """Return a page of what is wanted, the newest first. Raises StoreError."""
        now = datetime.now(UTC)
        use = await self._read_use(now)
        found = self._access.select_verified(await list_verified(self._repository, query.build_filter(now)))
        entries = [
            one
            for one in await read_entries(self._repository, found)
            if self._access.access.allows(self._access.audience, list_pages(None, one.review))
        ]
        wanted = [one for one in entries if query.fits(one, _count(use, one.verified))]
        number = min(query.number, max(1, -(-len(wanted) // ON_A_PAGE)))
        shown = wanted[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]
        rivals = await asyncio.to_thread(lambda: [self._find_rivals(one.verified) for one in shown])
        rows = [
            _summarise(one, use) | {"conflicts": len(others)}
            for one, others in zip(shown, rivals, strict=True)
        ]
        return {"count": len(wanted), "page": number, "on_a_page": ON_A_PAGE, "days": USE_DAYS, "shown": rows}

    async def describe(self, answer_id: str, site_url: str) -> Json | None:
        """Return one; None where its ruling is not in force any more, or it is not theirs to see.

        Raises StoreError.
        """
        standing = await read_standing(self._repository, answer_id)
        answer = await self._actions.store.answer(answer_id)
        entries = await read_entries(self._repository, [standing] if standing and answer else ())
        if not entries or answer is None:
            return None
        entry, verified = entries[0], entries[0].verified
        if not self._access.may_see(answer, entry.review) or not self._access.select_verified([verified]):
            return None
        seen = to_reviewed(answer, entry.review.passages)
        use, steps = await self._read_use(datetime.now(UTC)), await read_history(self._repository, answer_id)
        draft = read_served_draft(verified)
        rivals = await asyncio.to_thread(self._find_rivals, verified)
        return _summarise(entry, use) | {
            "places": [describe_place(one, site_url) for one in verified.citations],
            "choices": [{"value": value, "title": title} for value, title in list_choices(seen, draft.text)],
            "chosen": find_choice(seen, draft),
            "most": {"text": CORRECTION_CHARACTERS, "note": NOTE_CHARACTERS},
            "history": [_describe_step(one) for one in self._access.select_steps(steps)],
            "rivals": [describe_served(one) for one in rivals],
            "stale": verified.stale_at is not None,
        }

    def _find_rivals(self, verified: VerifiedAnswer) -> Sequence[VerifiedAnswer]:
        """Return the other verified answers to the same question that say something else."""
        others = [
            one
            for one in self._access.select_verified(self._known.all())
            if one.page_url == verified.page_url and contradicts(one, verified)
        ]
        same = self._known.alike(verified.question_text, [one.question_text for one in others])
        return [one for one, is_same in zip(others, same, strict=True) if is_same]

    async def _read_use(self, now: datetime) -> Mapping[str, Served]:
        return await read_use(self._actions.store, self._repository.documents, now)


def _count(use: Mapping[str, Served], verified: VerifiedAnswer) -> int:
    served = use.get(moment(verified.verified_at))
    return served.answers if served else 0


def _summarise(entry: CatalogueEntry, use: Mapping[str, Served]) -> Json:
    verified = entry.verified
    served = use.get(moment(verified.verified_at))
    return describe_served(verified) | {
        "round": entry.review.round,
        "reviewer": entry.name,
        "place": next((" › ".join(filter(None, (one.title, one.heading))) for one in verified.citations), ""),
        "pages": [url for url, _ in verified.pages],
        "use": {
            "served": served.answers if served else 0,
            "same": served.same if served else 0,
            "other": served.other if served else 0,
            "down": served.down if served else 0,
            "wrong": served.wrong if served else 0,
            "first_at": served.first_at if served else None,
        },
    }


def _describe_step(step: PastRuling) -> Json:
    ended = step.ended
    change = None
    if ended is not None:
        change = {
            "what": describe_change(ended),
            "at": moment(ended.changed_at),
            "reason": ended.reason,
        }
    return {
        "round": step.round,
        "ruled": describe_ruling(step.ruling.ruling, step.ruling.reviewer_name, step.since),
        "text": step.ruling.text,
        "note": step.ruling.note,
        "holds": step.holds,
        "ended": change,
    }
