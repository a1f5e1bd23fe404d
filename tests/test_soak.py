"""A minute of `make soak` at most: load on both channels with faults, and nothing lost, doubled or broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.soak import soak


@pytest.mark.soak
@pytest.mark.timeout(200)
async def test_half_a_minute_of_mixed_load_with_faults_loses_and_doubles_nothing(tmp_path: Path) -> None:
    tally, table = await soak(0.5, people=4, seed=7, folder=tmp_path)
    assert not tally.complaints, "\n".join([*table, *tally.complaints])
    assert all(tally.asked.values())
    assert tally.words
    assert tally.rulings
