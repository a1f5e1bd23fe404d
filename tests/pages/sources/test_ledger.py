"""What is remembered of a source is written when it has changed, and then only."""

from __future__ import annotations

from pathlib import Path

from pages.sources.ledger import open_ledger


async def test_a_ledger_is_written_when_it_has_changed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, "wiki")
    ledger.notes["link"] = "one"
    await ledger.keep()
    first = ledger.path.stat().st_ino
    await ledger.keep()
    assert ledger.path.stat().st_ino == first  # a file is written under another name and moved
    ledger.refused["https://w.test/a"] = ["v1", "It is too large."]
    await ledger.keep()
    assert ledger.path.stat().st_ino != first
    assert open_ledger(tmp_path, "wiki").refused == ledger.refused


async def test_a_ledger_that_somebody_removed_is_written_again(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, "wiki")
    await ledger.keep()
    ledger.path.unlink()
    await ledger.keep()
    assert open_ledger(tmp_path, "wiki").notes == {}
    assert ledger.path.exists()
