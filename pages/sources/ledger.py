"""What is remembered of a source between two looks at it: a small JSON file each, written whole.

`notes` are the service's own: a delta link, the id of a commit, what was listed. `refused` are documents
that cannot be read as they are, by their address: [version, sentence]; they are not fetched again until
they change.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from core.files import write_durably
from pages.sources.items import Expect

log = logging.getLogger(__name__)

FOLDER = "sources"
_FORMAT = 1


def _nobody(_: int) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Ledger:
    """The file of one source; `expect` is told how many documents are listed so far, the first time."""

    path: Path
    notes: dict[str, Any] = field(default_factory=dict[str, Any])
    refused: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    expect: Expect = _nobody
    _written: bytes = b""
    """Digest of what the file has."""

    async def keep(self) -> None:
        """Write it down if it has changed; whatever happens to this process, it is there at the next look."""
        kept = {"format": _FORMAT, "notes": self.notes, "refused": self.refused}
        await asyncio.to_thread(self._write, kept)

    def _write(self, kept: dict[str, Any]) -> None:
        text = json.dumps(kept, ensure_ascii=False)
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
        if digest == self._written and self.path.exists():
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self.path, text)
        self._written = digest


def open_ledger(folder: Path, source: str, expect: Expect = _nobody) -> Ledger:
    """Return what is remembered of a source; of a file that cannot be read, nothing: all is listed anew."""
    path = _name_file(folder, source)
    try:
        kept = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        if kept["format"] == _FORMAT:
            return Ledger(path, dict(kept["notes"]), dict(kept["refused"]), expect)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        log.warning("what was remembered of a source cannot be read, and all of it is listed anew: %s", path)
    return Ledger(path, expect=expect)


def own_folder(folder: Path, source: str) -> Path:
    """Return a folder of a source's own, for what is larger than notes."""
    return _name_file(folder, source).with_suffix("")


def drop_ledger(folder: Path, source: str) -> None:
    """Forget what was remembered of a source."""
    for path in (_name_file(folder, source), _name_file(folder, source).with_suffix(".lock")):
        path.unlink(missing_ok=True)
    shutil.rmtree(own_folder(folder, source), ignore_errors=True)


def _name_file(folder: Path, source: str) -> Path:
    return folder / FOLDER / f"{hashlib.sha256(source.encode()).hexdigest()[:32]}.json"
