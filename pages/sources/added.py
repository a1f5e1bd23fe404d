"""The sources that were added by command: a small JSON list under the index's folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from core.files import write_durably

FILE = "sources.json"


def read_added_sources(folder: Path) -> list[str]:
    """Return the added sources, oldest first."""
    path = folder / FILE
    return [str(word) for word in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def add_source(folder: Path, source: str) -> None:
    """Remember a source; one that is known already stays where it is."""
    known = read_added_sources(folder)
    if source not in known:
        _write(folder, [*known, source])


def drop_source(folder: Path, source: str) -> bool:
    """Forget a source; False when it was not added."""
    known = read_added_sources(folder)
    if source not in known:
        return False
    _write(folder, [word for word in known if word != source])
    return True


def _write(folder: Path, sources: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / FILE, json.dumps(list(sources), ensure_ascii=False, indent=2))
