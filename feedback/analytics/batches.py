"""What waits to be sent elsewhere.

A folder with one file a batch, written before the batch is sent for the first time.

    000000042.json     the place that everything is read to with this batch, and its lines; gone once it is accepted
    aside.jsonl        what cannot be sent, with the reason; kept for a person

So a batch that is sent again, by whichever process, is the same batch. Files are numbered on from the last
batch that was accepted: others belong to a past that another machine has gone on from, and go. Blocks for as
long as the disk does.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from feedback.analytics.event_log import Poison
from feedback.store.base import moment

ASIDE = "aside.jsonl"
MOST_ASIDE_BYTES = 10_000_000
"""More than that is counted and not written down."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that are sent together.

    `place` is where reading goes on after them (feedback.analytics.event_log.Place.dump).
    """

    number: int
    place: str
    lines: tuple[str, ...]


def name_of(lines: Sequence[str]) -> str:
    """Return the name of lines that are sent together: equal for equal lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


class Outgoing:
    """The folder. `most_bytes` bounds all batches together."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob("*.new"):  # of a process that was killed while it wrote
            left.unlink()

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._folder

    def after(self, number: int) -> list[Batch]:
        """Return the batches that follow a number without a gap, and forget all others."""
        found: list[Batch] = []
        for path in sorted(self._folder.glob("*.json")):
            if path.stem.isdecimal() and int(path.stem) == number + len(found) + 1:
                kept = json.loads(path.read_text("utf-8"))
                found.append(Batch(int(path.stem), kept["place"], tuple(kept["lines"])))
            else:
                path.unlink()
        return found

    def keep(self, batch: Batch) -> bool:
        """Keep a batch, in the place of one with its number; False where no more fits."""
        path = self._path(batch.number)
        data = json.dumps({"place": batch.place, "lines": batch.lines}).encode()
        others = sum(one.stat().st_size for one in self._folder.glob("*.json") if one != path)
        if others + len(data) > self._most_bytes:
            return False
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        self._sync()
        return True

    def drop(self, batch: Batch) -> None:
        """Forget a batch."""
        self._path(batch.number).unlink(missing_ok=True)

    def set_aside(self, poison: Poison, line: str = "") -> None:
        """Write down what cannot be sent, and its line where there is one.

        After a crash it may stand there twice.
        """
        path = self._folder / ASIDE
        if path.exists() and path.stat().st_size > MOST_ASIDE_BYTES:
            return
        said = json.dumps({"set_aside_at": moment(datetime.now(UTC)), **asdict(poison), "line": line})
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{said}\n")

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:09}.json"

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
