"""Search heads on disk: small files of weights, which of them orders the search, and what it was fitted to.

    search/head-HASH.json     weights, figures and the answers whose reviews it learned from; no text
    search/live.json          the head that counts, those before it, and those that were taken back

A file that is missing or damaged leaves the shipped weights: a search always has some. Whoever changes
something takes turns by a lock; a running bot looks at `live.json` now and then. What learned from a deleted
answer goes at once, with its file, wherever it stands; the next night fits one without.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from core.files import only_one, write_durably
from model.answering.search_head import SHIPPED_HEAD, SearchHead

LIVE = "live.json"
_LOCK = ".lock"
_DIGITS = 12
_KEPT = 10
"""Heads whose names are remembered, as those before and as those taken back."""


@dataclass(frozen=True, slots=True)
class HeadStanding:
    """Which head counts ("": the shipped weights), the ones before, and the ones taken back by a person."""

    live: str = ""
    before: tuple[str, ...] = ()
    taken_back: tuple[str, ...] = ()


def read_standing(folder: Path) -> HeadStanding:
    """Return where the heads stand."""
    try:
        known: dict[str, Any] = json.loads((folder / LIVE).read_text("utf-8"))
        return HeadStanding(known["live"], tuple(known["before"]), tuple(known["taken_back"]))
    except (OSError, ValueError, KeyError, TypeError):
        return HeadStanding()


def read_live_head(folder: Path) -> SearchHead:
    """Return the head that counts."""
    name = read_standing(folder).live
    return (read_head(folder, name) if name else None) or SHIPPED_HEAD


def read_head(folder: Path, name: str) -> SearchHead | None:
    """Return a head; None where its file is gone, is damaged, or is not what its name says."""
    try:
        known: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
        known["answers"] = tuple(known["answers"])
        head = SearchHead(**known)
        return head if name_head(head) == name else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def name_head(head: SearchHead) -> str:
    """Return the name of a head: the same weights from the same answers are the same head."""
    told = json.dumps([head.ranking, head.confidence, head.answers], sort_keys=True)
    return f"head-{hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]}"


def promote_head(folder: Path, head: SearchHead, now: datetime) -> str:
    """Let a head count from now on; return its name, "" where a person took it back. Raises OSError."""
    named = replace(head, name=name_head(head), made_at=now.isoformat(timespec="seconds"))

    def change(standing: HeadStanding) -> HeadStanding:
        if named.name in (standing.live, *standing.taken_back):
            return standing
        write_durably(folder / f"{named.name}.json", json.dumps(asdict(named), indent=1))
        return replace(standing, live=named.name, before=_put_first(standing.live, standing.before))

    return named.name if _change(folder, change).live == named.name else ""


def roll_back_head(folder: Path) -> HeadStanding:
    """Let the head before count, or the shipped weights; this one does not come back. Raises OSError."""

    def change(standing: HeadStanding) -> HeadStanding:
        if not standing.live:
            return standing
        before = next((name for name in standing.before if read_head(folder, name)), "")
        rest = tuple(name for name in standing.before if name != before)
        return HeadStanding(before, rest, _put_first(standing.live, standing.taken_back))

    return _change(folder, change)


def forget_head_answers(folder: Path, answer_ids: Collection[str]) -> list[str]:
    """Delete every head that learned from one of these answers; return their names. Raises OSError.

    Where one of them counted, the shipped weights do from now on.
    """
    if not answer_ids or not folder.is_dir():
        return []
    gone: list[str] = []

    def change(standing: HeadStanding) -> HeadStanding:
        for path in sorted(folder.glob("head-*.json")):
            head = read_head(folder, path.stem)
            if head is None or not set(head.answers).isdisjoint(answer_ids):
                gone.append(path.stem)
        before = tuple(name for name in standing.before if name not in gone)
        live = "" if standing.live in gone else standing.live
        return replace(standing, live=live, before=before)

    _change(folder, change)
    for name in gone:
        (folder / f"{name}.json").unlink(missing_ok=True)
    return gone


def _change(folder: Path, change: Callable[[HeadStanding], HeadStanding]) -> HeadStanding:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(folder / _LOCK):
        standing = read_standing(folder)
        changed = change(standing)
        if changed != standing:
            write_durably(folder / LIVE, json.dumps(asdict(changed)))
        return changed


def _put_first(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([name, *names] if name else names))[:_KEPT]
