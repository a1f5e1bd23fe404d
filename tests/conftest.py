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


def need(path: Path, otherwise: str) -> None:
    """Skip the test where something is not installed; where everything must be (CI=true), fail."""
    if path.exists():
        return
    if os.environ.get("CI") == "true":  # noqa: TID251 - not a setting
        pytest.fail(otherwise)
    pytest.skip(otherwise)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    path = Path("/usr/bin/chromium")
    need(path, "Chromium is missing: install the package chromium")
    return str(path)
