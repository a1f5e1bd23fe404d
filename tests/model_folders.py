"""Fixtures of the tests that run a model: a tiny one with random weights, and the default one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from model.importing import import_base

ROOT = Path(__file__).resolve().parent.parent


def no_progress(_step: str, _done: float) -> None:
    """Tests do not look at a bar."""


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face directory with a Llama of random weights, whose tokens are bytes."""
    return a_tiny_llama(tmp_path_factory.mktemp("llama") / "tiny", 7)


@pytest.fixture(scope="session")
def other_tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with other weights."""
    return a_tiny_llama(tmp_path_factory.mktemp("llama") / "other-tiny", 8)


def a_tiny_llama(folder: Path, seed: int) -> Path:
    """Make one, in a process of its own: tests do not import torch."""
    script = ROOT / "tests" / "tiny_llama.py"
    command = [sys.executable, "-W", "ignore", str(script), str(folder), str(seed)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def tiny_models(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the tiny Llama, imported."""
    models_dir = tmp_path_factory.mktemp("models")
    import_base(str(tiny_llama), models_dir, "cpu", on_progress=no_progress)
    return models_dir


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The default base model's version folder; imported once, where `make setup` puts it."""
    return import_base("smollm2-135m-instruct", ROOT / "data" / "models", "cpu", on_progress=no_progress)
