"""Fixtures of the tests that run a model: a tiny one with random weights, and the default one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model.registry.importing import import_base
from model.registry.versions import promote
from tests.doubles.echo import LOWER, UPPER

ROOT = Path(__file__).resolve().parents[2]


def no_progress(_step: str, _done: float) -> None:
    """Tests do not look at a bar."""


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face directory with a Llama of random weights, whose tokens are bytes."""
    return a_tiny_llama(tmp_path_factory.mktemp("llama") / "tiny", 7)


def a_tiny_llama(folder: Path, seed: int, letters: str = "") -> Path:
    """Make one, in a process of its own: tests do not import torch."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.processes.tiny_llama",
        str(folder),
        str(seed),
        letters,
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return folder


@pytest.fixture(scope="session")
def tiny_models(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the tiny Llama, imported."""
    models_dir = tmp_path_factory.mktemp("models")
    import_base(str(tiny_llama), models_dir, "cpu", on_progress=no_progress)
    return models_dir


@pytest.fixture(scope="session")
def an_echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The version folder of an echo in lower-case letters (`tests/doubles/echo.py`)."""
    llama = a_tiny_llama(tmp_path_factory.mktemp("llama") / "lower", 7, LOWER)
    return import_base(str(llama), tmp_path_factory.mktemp("echo"), "cpu", on_progress=no_progress)


@pytest.fixture(scope="session")
def echoes(an_echo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with two echoes, lower-int8, which is live, and upper-int8."""
    models_dir = shutil.copytree(an_echo.parent, tmp_path_factory.mktemp("echoes") / "models")
    llama = a_tiny_llama(tmp_path_factory.mktemp("llama") / "upper", 8, UPPER)
    import_base(str(llama), models_dir, "cpu", on_progress=no_progress)
    promote(models_dir, an_echo.name)
    return models_dir


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The default base model's version folder; imported once, where `make setup` puts it."""
    return import_base("smollm2-135m-instruct", ROOT / "data" / "models", "cpu", on_progress=no_progress)
