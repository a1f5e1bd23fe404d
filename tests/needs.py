"""Where the project is, and what a test says when something that it needs is not installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def need(path: Path, otherwise: str) -> None:
    """Skip the test where something is not installed; where everything must be (CI=true), fail."""
    if path.exists():
        return
    if os.environ.get("CI") == "true":  # noqa: TID251 - not a setting
        pytest.fail(otherwise)
    pytest.skip(otherwise)


@contextmanager
def start_with(python: str) -> Iterator[None]:
    """Start processes with this Python meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", python)
        yield
