"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The public test data, which is not part of the project; skips where it is absent."""
    folder = Path(os.environ.get("ASKPAGE_DATA", ROOT.parent / "shared" / "data"))  # noqa: TID251 - not a setting
    if not folder.is_dir():
        pytest.skip(f"the public test data is not at {folder}; set ASKPAGE_DATA to its folder")
    return folder
