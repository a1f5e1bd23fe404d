"""Fixtures of the tests that run a model: a tiny one with random weights, and the default one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.files import only_one
from model.registry.importing import import_base
from model.registry.rollout import promote
from tests.doubles.echo import LOWER, UPPER
from tests.needs import start_with

pytest_plugins = ["tests.builders.warm"]

ROOT = Path(__file__).resolve().parents[2]


def no_progress(_step: str, _done: float) -> None:
    """Tests do not look at a bar."""


@pytest.fixture(scope="session")
def tiny_llama(made_once: Path, warm_trainer: str) -> Path:
    """A Hugging Face directory with a Llama of random weights, whose tokens are bytes."""
    with start_with(warm_trainer):
        return a_tiny_llama(made_once / "llama" / "tiny", 7)


def a_tiny_llama(folder: Path, seed: int, letters: str = "") -> Path:
    """Make one, unless it is made, in a process of its own: tests do not import torch."""
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
    folder.parent.mkdir(exist_ok=True)
    with only_one(folder.parent / f"{folder.name}.lock"):
        if not (folder.parent / f"{folder.name}.made").exists():
            subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
            (folder.parent / f"{folder.name}.made").touch()
    return folder


def an_import(llama: Path, models_dir: Path) -> Path:
    """Import a model, unless it is imported; return its version's folder. A second process waits."""
    return import_base(str(llama), models_dir, "cpu", on_progress=no_progress)


@pytest.fixture(scope="session")
def tiny_models(
    tiny_llama: Path, made_once: Path, warm_trainer: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A models folder with the tiny Llama, imported."""
    with start_with(warm_trainer):
        made = an_import(tiny_llama, made_once / "models").parent
    return shutil.copytree(made, tmp_path_factory.mktemp("models") / "models")


@pytest.fixture(scope="session")
def an_echo(made_once: Path, warm_trainer: str) -> Path:
    """The version folder of an echo in lower-case letters (`tests/doubles/echo.py`)."""
    with start_with(warm_trainer):
        llama = a_tiny_llama(made_once / "llama" / "lower", 7, LOWER)
        return an_import(llama, made_once / "echo")


@pytest.fixture(scope="session")
def echoes(
    an_echo: Path, made_once: Path, warm_trainer: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A models folder with two echoes, lower-int8, which is live, and upper-int8."""
    models_dir = shutil.copytree(an_echo.parent, tmp_path_factory.mktemp("echoes") / "models")
    with start_with(warm_trainer):
        llama = a_tiny_llama(made_once / "llama" / "upper", 8, UPPER)
        upper = an_import(llama, made_once / "upper")
    shutil.copytree(upper, models_dir / "upper-int8")
    promote(models_dir, an_echo.name)
    return models_dir


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The default base model's version folder; imported once, where `make setup` puts it."""
    return import_base("smollm2-135m-instruct", ROOT / "data" / "models", "cpu", on_progress=no_progress)
