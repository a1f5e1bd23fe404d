"""Fixtures that start our processes warm (`tests/processes/warm_server.py`): for tests of what these do.

In a module that uses one, the processes that the fixture names have their libraries already. How they start
from nothing is for the tests that start one: tests/pages/test_sandbox.py, and the step of the default model
in tests/model/test_qlora_update.py (`cold_starts`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.needs import ROOT, start_with
from tests.processes.warm_server import launcher_text

PYTHON = sys.executable


@contextmanager
def serve_warm(modules: tuple[str, ...], libraries: tuple[str, ...]) -> Iterator[str]:
    """Yield the path of a program that takes Python's place and starts these modules warm.

    Only Linux tells of a process's end as a file that can be waited for: elsewhere it is Python itself.
    """
    if not hasattr(os, "pidfd_open"):
        yield PYTHON
        return
    with tempfile.TemporaryDirectory(prefix="warm") as folder:  # a socket's path may have 100 bytes
        address, launcher = f"{folder}/socket", Path(folder) / "python"
        launcher.write_text(launcher_text(PYTHON, address, modules), "utf-8")
        launcher.chmod(0o700)
        with subprocess.Popen(
            [PYTHON, "-W", "ignore", "-m", "tests.processes.warm_server", address, *libraries],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"it listens\n"
            yield str(launcher)
            server.communicate()


@pytest.fixture(scope="session")
def warm_reader() -> Iterator[str]:
    """A Python that starts the sandbox of foreign pages warm."""
    libraries = ("pages.parse.extract", "pages.parse.landing", "pages.parse.sitemaps", "protego")
    with serve_warm(("pages.parse.sandbox_worker",), libraries) as python:
        yield python


@pytest.fixture(scope="module")
def warm_reading(warm_reader: str) -> Iterator[None]:
    """Start the sandbox warm, in all tests of a module."""
    with start_with(warm_reader):
        yield


@pytest.fixture(scope="session")
def warm_trainer() -> Iterator[str]:
    """A Python that trains, exports and compares warm; without bitsandbytes, which only 4 bits need."""
    libraries = (
        "jobs.update_model",
        "feedback.examples.build",
        "!bitsandbytes",
        "model.training.trainer",
        "model.training.export_check",
        "mlflow.tracking",
    )
    libraries += ("onnxruntime_genai.models.builder", "transformers.models.llama.modeling_llama")
    libraries += ("transformers.models.auto.tokenization_auto", "peft", "model.evaluation.compare")
    libraries += ("torch.distributed.run",)
    modules = ("model.qlora_update", "model.registry.export_onnx", "model.evaluation.gate")
    modules += ("torch.distributed.run", "tests.processes.tiny_llama", "tests.processes.update_run")
    with serve_warm(modules, libraries) as python:
        yield python


@pytest.fixture(scope="module")
def warm_training(warm_trainer: str) -> Iterator[None]:
    """Train, export and compare warm, in all tests of a module."""
    with start_with(warm_trainer), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_EXEC", warm_trainer)  # what PyTorch's launcher starts
        yield


@pytest.fixture(scope="session")
def cold_starts() -> Callable[[], AbstractContextManager[None]]:
    """Return what starts processes from nothing meanwhile, as everywhere else."""
    return partial(start_with, PYTHON)
