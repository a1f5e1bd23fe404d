"""The model server on Ray Serve: replicas of it that share what is asked, on one machine or on many.

    build_application(...)    the deployment, as `serve run`, a Serve configuration and KubeRay take it
    serving_here(...)         the same in a Ray of its own on this machine, for development and tests

Every replica is the whole server with its own models (`model.serving.asgi.ModelAsgi`): the live version and
the canary, which takes its share of the users by name as on one machine, and follows what is promoted. Ray
starts them, sends each request to one of the two that have least to do, starts more where more is under way
than `at_once` a replica, lets one finish what it is at before it goes, and replaces what dies. A request that
was on a replica that died is lost there: clients ask again (`model/answering/server_stream.py`).

Ray's own ports take pickled Python: whoever is let in runs what he likes. So a Ray on this machine listens on
127.0.0.1, and every connection shows a token of this run; a cluster needs Ray's token authentication, too
(docs/scale.md). The dashboard is off, and what Ray reports of its use (`core/usage_reporting.py`).
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from model.serving.api import ServerRules
from model.serving.asgi import ModelAsgi, OpenModels

# pyright: basic, reportMissingImports=false
# (Ray is an extra, and typed in parts)

_NAME = "askpage"
_OBJECTS_BYTES = 80_000_000
"""Memory for objects that processes share, near the least that Ray takes: requests and answers are small."""
_LOOKS = 8
"""Requests that are no chats (models, health) that a busy replica takes as well."""
_UPSCALE_S, _DOWNSCALE_S = 10.0, 300.0
"""How long more, or fewer, replicas are needed before there are: loading takes as long as an answer."""
MISSING = "Ray is not installed here: pip install 'askpage[ray]'"


class RayMissing(Exception):
    """Ray is not installed; the message says what to do."""

    def __init__(self) -> None:
        super().__init__(MISSING)


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """How many replicas: `least` to `most`, as there are more than `at_once` chats a replica or fewer.

    A replica has `cpus` and `gpus` of its machine to itself, in Ray's counting; `waiting` chats wait in it
    for their turn, and the next one hears that it is busy. One that goes has `drain_s` seconds to finish.
    """

    least: int = 2
    most: int = 2
    at_once: int = 2
    waiting: int = 16
    cpus: float = 1.0
    gpus: float = 0.0
    drain_s: float = 60.0

    def options(self) -> dict[str, Any]:
        """Return them as options of a deployment."""
        return {
            "autoscaling_config": {
                "min_replicas": self.least,
                "max_replicas": max(self.least, self.most),
                "target_ongoing_requests": self.at_once,
                "upscale_delay_s": _UPSCALE_S,
                "downscale_delay_s": _DOWNSCALE_S,
            },
            "max_ongoing_requests": self.at_once + self.waiting + _LOOKS,
            "ray_actor_options": {"num_cpus": self.cpus, "num_gpus": self.gpus},
            "graceful_shutdown_timeout_s": self.drain_s,
            "graceful_shutdown_wait_loop_s": 0.5,
        }


def build_application(open_models: OpenModels, rules: ServerRules, plan: ReplicaPlan) -> Any:
    """Return the Serve application. What is given goes to the replicas pickled. Raises RayMissing."""
    serve = _import_serve()

    def make_app() -> ModelAsgi:
        return ModelAsgi(open_models, rules)

    class Replica:
        """What Serve calls one of our servers."""

    quiet = {"log_level": "WARNING", "enable_access_log": False}
    ingress = serve.ingress(make_app)(Replica)
    return serve.deployment(name="model", logging_config=quiet, **plan.options())(ingress).bind()


@contextmanager
def serving_here(
    open_models: OpenModels, rules: ServerRules, plan: ReplicaPlan, host: str, port: int
) -> Generator[None]:
    """Serve it on this machine until the end; then what is under way is finished. Takes seconds to begin.

    Raises RuntimeError where no replica could load its models.
    """
    keep_to_this_machine()
    application, serve = build_application(open_models, rules, plan), _import_serve()
    import ray  # noqa: PLC0415 - an extra

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="askpage-ray-", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local",
            num_cpus=max(1, round(plan.cpus * max(plan.least, plan.most) + 0.5)),
            num_gpus=None if plan.gpus else 0,
            include_dashboard=False,
            object_store_memory=_OBJECTS_BYTES,
            logging_level="WARNING",
            _temp_dir=folder,
        )
        try:
            quiet = {"log_level": "WARNING", "enable_access_log": False}
            serve.start(http_options={"host": host, "port": port}, logging_config=quiet)
            serve.run(application, name=_NAME, route_prefix="/", logging_config=quiet)
            yield
            serve.delete(_NAME)  # replicas finish before what brings them requests goes
        finally:
            ray.shutdown()


def keep_to_this_machine() -> None:
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


def _import_serve() -> Any:
    try:
        from ray import serve  # noqa: PLC0415 - an extra; its import takes a second
    except ImportError:
        raise RayMissing from None
    return serve
