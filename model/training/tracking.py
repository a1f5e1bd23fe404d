"""Experiment tracking of trainings: none, or MLflow in a file of this machine or on a server.

Nothing here is needed to train: a training speaks to `Tracking`, a Protocol of four lines. MLflow's own
reports to its makers are off (`core/usage_reporting.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# (MLflow is typed in parts only)

OFF = "off"
EXPERIMENT = "askpage"


class Tracking(Protocol):
    """Hears of a training."""

    def begin(self, name: str, parameters: Mapping[str, Any], run: str = "") -> str:
        """A training begins, or goes on as `run`; return what names it from then on."""
        ...

    def log_figures(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures of one step, by name."""
        ...

    def end(self, status: str, notes: Mapping[str, str]) -> None:
        """It is over: FINISHED, FAILED or KILLED; `notes` is what should stand beside it."""
        ...

    def log_comparison(
        self, run: str, figures: Mapping[str, float], notes: Mapping[str, str], files: Mapping[str, str]
    ) -> None:
        """Record that the version of `run` was compared with another; `files` are texts by their names."""
        ...


class Untracked:
    """Keeps nothing."""

    def begin(self, name: str, parameters: Mapping[str, Any], run: str = "") -> str:
        return ""

    def log_figures(self, step: int, figures: Mapping[str, float]) -> None:
        """Nobody hears of it."""

    def end(self, status: str, notes: Mapping[str, str]) -> None:
        """Nobody hears of it."""

    def log_comparison(
        self, run: str, figures: Mapping[str, float], notes: Mapping[str, str], files: Mapping[str, str]
    ) -> None:
        """Nobody hears of it."""


class MlflowTracking:
    """One run of MLflow. `uri` is a server, or sqlite:///FILE."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415 - seconds of imports, for trainings only

        self._client = MlflowClient(uri)
        self._artifacts = artifacts
        self._run = ""

    def begin(self, name: str, parameters: Mapping[str, Any], run: str = "") -> str:
        if run and self._goes_on(run):
            self._run = run
            return run
        found = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self._new_experiment()
        self._run = str(self._client.create_run(experiment, run_name=name).info.run_id)
        for key, value in parameters.items():
            self._client.log_param(self._run, key, value)
        return self._run

    def log_figures(self, step: int, figures: Mapping[str, float]) -> None:
        for key, value in figures.items():
            self._client.log_metric(self._run, key, value, step=step)

    def end(self, status: str, notes: Mapping[str, str]) -> None:
        for key, value in notes.items():
            self._client.set_tag(self._run, key, value)
        self._client.set_terminated(self._run, status)

    def log_comparison(
        self, run: str, figures: Mapping[str, float], notes: Mapping[str, str], files: Mapping[str, str]
    ) -> None:
        for key, value in figures.items():
            self._client.log_metric(run, key, value)
        for key, value in notes.items():
            self._client.set_tag(run, key, value)
        for name, text in files.items():
            self._client.log_text(run, text, f"gate/{name}")

    def _goes_on(self, run: str) -> bool:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with contextlib.suppress(MlflowException):  # kept elsewhere, or deleted since
            self._client.update_run(run, "RUNNING")
            return True
        return False

    def _new_experiment(self) -> str:
        """A server knows where its artifacts go.

        A file does not, and would put them into the working directory.
        """
        where = self._artifacts.resolve().as_uri() if self._artifacts.name else None
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=where))


def open_tracking(uri: str, models_dir: Path) -> Tracking:
    """Return where figures go: `off` nowhere, empty to a file beside the models, else to the URI."""
    if uri == OFF:
        return Untracked()
    if uri:
        return MlflowTracking(uri, models_dir / "tracking" if uri.startswith("sqlite:") else Path())
    folder = models_dir.resolve().parent / "tracking"
    folder.mkdir(parents=True, exist_ok=True)
    return MlflowTracking(f"sqlite:///{folder / 'mlflow.sqlite3'}", folder / "files")
