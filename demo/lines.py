"""Lines of JSON that are kept as they come: a killed run goes on behind the last whole one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def read_lines(kept: Path) -> list[dict[str, Any]]:
    """Return what is kept; a last line that a kill cut in two is not there."""
    found: list[dict[str, Any]] = []
    for line in kept.read_text("utf-8").splitlines() if kept.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def add_line(kept: Path, row: Mapping[str, Any]) -> None:
    """Keep one more; it is on the disk when this returns."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        file.write(f"\n{json.dumps(row, ensure_ascii=False)}\n")
        file.flush()
        os.fsync(file.fileno())
