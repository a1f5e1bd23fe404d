"""A Ray to work on: the cluster that an address names, or one of this machine's own.

    connected(RayPlan(address))    the module `ray`, connected

Ray's own ports take pickled Python: whoever is let in runs what he likes. So a Ray on this machine listens on
127.0.0.1, and every connection shows a token of this run; a cluster needs Ray's token authentication, too
(docs/scale.md). The dashboard is off, and what Ray reports of its use (`core/usage_reporting.py`).
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# pyright: basic, reportMissingImports=false
# (Ray is an extra, and typed in parts)

_OBJECTS_BYTES = 80_000_000
"""Memory for objects that processes share, near the least that Ray takes: requests and examples are small."""
_LEAST_CPUS = 1


class RayMissing(Exception):
    """Ray is not installed; the message says what to do."""

    def __init__(self) -> None:
        super().__init__("Ray is not installed here: pip install 'askpage[ray]'")


@dataclass(frozen=True, slots=True)
class RayPlan:
    """Which Ray, and what a task has of a machine.

    `address` as Ray has it ("auto": the cluster that this machine belongs to), empty for one of this
    machine's own. A task that was lost with its machine is tried `retries` times more.
    """

    address: str = ""
    cpus: float = 1.0
    gpus: float = 0.0
    retries: int = 3


@contextmanager
def connected(plan: RayPlan) -> Generator[Any]:
    """Yield Ray, connected; a Ray of this machine's own ends with the block. Raises RayMissing."""
    if plan.address:
        ray = import_ray()
        ray.init(address=plan.address, logging_level="WARNING")
        try:
            yield ray
        finally:
            ray.shutdown()
    else:
        with started_here(plan.cpus, gpus=plan.gpus > 0) as ray:
            yield ray


@contextmanager
def started_here(cpus: float, *, gpus: bool) -> Generator[Any]:
    """Start a Ray with room for so many `cpus`, as Ray counts them, and yield it. Raises RayMissing."""
    _keep_to_this_machine()
    ray = import_ray()
    with tempfile.TemporaryDirectory(prefix="askpage-ray-", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local",
            num_cpus=max(_LEAST_CPUS, round(cpus + 0.5)),
            num_gpus=None if gpus else 0,
            include_dashboard=False,
            object_store_memory=_OBJECTS_BYTES,
            logging_level="WARNING",
            _temp_dir=folder,
        )
        try:
            yield ray
        finally:
            ray.shutdown()


def import_ray() -> Any:
    """Return Ray, which is an extra, and whose import takes a second. Raises RayMissing."""
    try:
        import ray  # noqa: PLC0415
    except ImportError:
        raise RayMissing from None
    return ray


def _keep_to_this_machine() -> None:
    """Let a Ray that this process starts listen on 127.0.0.1, and let nobody in without a token of this run.

    Ray reads all of this when it is imported, from the environment alone.
    """
    os.environ.update(  # noqa: TID251 - Ray listens to nothing else
        {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # no cluster: its node's address is 127.0.0.1
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
    )
