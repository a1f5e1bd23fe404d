"""The model server on Ray Serve: replicas of it that share what is asked, on one machine or on many.

    build_application(...)    the deployment, as `serve run`, a Serve configuration and KubeRay take it
    serving_here(...)         the same in a Ray of its own on this machine, for development and tests

Every replica is the whole server with its own models (`http_servers.ModelAsgi`): the live version and the
canary, which takes its share of the users by name as on one machine, and follows what is promoted. Ray starts
them, sends each request to one of the two that have least to do, starts more where more is under way than
`at_once` a replica, lets one finish what it is at before it goes, and replaces what dies. A request that was
on a replica that died is lost there: clients ask again (`model/answering/server_stream.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from model.registry.ray_cluster import import_ray, started_here
from model.serving.api import ServerRules
from model.serving.http_servers import ModelAsgi, OpenModels

# pyright: basic, reportMissingImports=false
# (Ray is an extra, and typed in parts)

_NAME = "askpage"
_LOOKS = 8
"""Requests that are no chats (models, health) that a busy replica takes as well."""
_UPSCALE_S, _DOWNSCALE_S = 10.0, 300.0
"""How long more, or fewer, replicas are needed before there are: loading takes as long as an answer."""
_QUIET = {"log_level": "WARNING", "enable_access_log": False}


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

    ingress = serve.ingress(make_app)(Replica)
    return serve.deployment(name="model", logging_config=_QUIET, **plan.options())(ingress).bind()


@contextmanager
def serving_here(
    open_models: OpenModels, rules: ServerRules, plan: ReplicaPlan, host: str, port: int
) -> Generator[None]:
    """Serve it on this machine until the end; then what is under way is finished. Takes seconds to begin.

    Raises RayMissing, and RuntimeError where no replica could load its models.
    """
    with started_here(plan.cpus * max(plan.least, plan.most), gpus=plan.gpus > 0):
        serve = _import_serve()
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(http_options={"host": host, "port": port}, logging_config=_QUIET)
        application = build_application(open_models, rules, plan)
        serve.run(application, name=_NAME, route_prefix="/", logging_config=_QUIET)
        yield
        serve.delete(_NAME)  # replicas finish before what brings them requests goes


def _import_serve() -> Any:
    import_ray()
    from ray import serve  # noqa: PLC0415 - an extra

    return serve
