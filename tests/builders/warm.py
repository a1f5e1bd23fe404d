"""Fixtures that start our processes warm (`tests/processes/warm_server.py`): for tests of what these do.

In a module that uses one, the processes that the fixture names have their libraries already. How they start
from nothing is for the tests that start one: tests/pages/test_sandbox.py, and the step of the default model
in tests/model/test_qlora_update.py (`cold_starts`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.needs import start_with
from tests.processes.warm_server import SharedRun, serve_warm

PYTHON = sys.executable


@pytest.fixture(scope="session")
def shared_run(request: pytest.FixtureRequest, made_once: Path) -> SharedRun:
    """The run of the tests that this is one process of."""
    return SharedRun(made_once, os.getppid() if hasattr(request.config, "workerinput") else os.getpid())


@pytest.fixture(scope="session")
def warm_reader(shared_run: SharedRun) -> str:
    """A Python that starts the sandbox of foreign pages warm."""
    libraries = ("pages.parse.extract", "pages.parse.landing", "pages.parse.sitemaps", "protego")
    return serve_warm(shared_run, "reading-python", ("pages.parse.sandbox_worker",), libraries)


@pytest.fixture(scope="module")
def warm_reading(warm_reader: str) -> Iterator[None]:
    """Start the sandbox warm, in all tests of a module."""
    with start_with(warm_reader):
        yield


@pytest.fixture(scope="session")
def warm_trainer(shared_run: SharedRun) -> str:
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
    return serve_warm(shared_run, "training-python", modules, libraries)


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
