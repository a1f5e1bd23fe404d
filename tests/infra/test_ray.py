"""The manifests for Ray: both the same, settings that exist, no secret in them, an image of what is locked.

What cannot be tested here is a cluster. KubeRay's own schema is a megabyte and lies on no registry; the
manifest was held against it by hand (LOG.md).
"""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.app import CannotServe
from cli.models.ray_app import build
from core.settings import FIELDS, Settings
from tests.needs import ROOT

FOLDER = ROOT / "infra" / "ray"
SERVE: dict[str, Any] = yaml.safe_load((FOLDER / "serve.yaml").read_text("utf-8"))
SERVICE: dict[str, Any] = yaml.safe_load((FOLDER / "rayservice.yaml").read_text("utf-8"))
NETWORK: dict[str, Any] = yaml.safe_load((FOLDER / "network.yaml").read_text("utf-8"))
IMAGE = (FOLDER / "Dockerfile").read_text("utf-8")
[APPLICATION] = SERVE["applications"]
CLUSTER = SERVICE["spec"]["rayClusterConfig"]
GROUPS = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]
PODS = [group["template"] for group in GROUPS]


def test_the_service_has_the_configuration_that_serve_deploy_takes() -> None:
    assert yaml.safe_load(SERVICE["spec"]["serveConfigV2"]) == SERVE


def test_the_application_is_there_and_its_arguments_are_settings(tmp_path: Path) -> None:
    module, _, name = APPLICATION["import_path"].partition(":")
    assert getattr(import_module(module), name) is build
    assert set(APPLICATION["args"]) <= set(FIELDS)
    settings = Settings(**(APPLICATION["args"] | {"data_dir": tmp_path}))
    assert settings.model_server.most_replicas >= settings.model_server.replicas
    assert not [name for name in APPLICATION["args"] if "SecretStr" in str(FIELDS[name].annotation)]


def test_other_machines_are_not_served_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="ASKPAGE_MODEL_SERVER_KEY"):
        build({"data_dir": str(tmp_path)})


def test_the_cluster_has_room_for_every_replica_and_ray_asks_for_its_token() -> None:
    [worker] = CLUSTER["workerGroupSpecs"]
    [container] = worker["template"]["spec"]["containers"]
    args = APPLICATION["args"]
    assert worker["maxReplicas"] >= args["model_server_most_replicas"]
    assert int(container["resources"]["limits"]["cpu"]) >= args["model_server_replica_cpus"]
    assert int(container["resources"]["limits"]["nvidia.com/gpu"]) >= args["model_server_replica_gpus"]
    assert CLUSTER["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert CLUSTER["authOptions"] == {"mode": "token"}
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert wanted["ray"] == [f"ray[serve]=={CLUSTER['rayVersion']}"]


@pytest.mark.parametrize("pod", PODS, ids=["head", "worker"])
def test_a_pod_runs_as_nobody_tells_ray_to_be_quiet_and_gets_its_key_as_a_secret(pod: dict[str, Any]) -> None:
    [container] = pod["spec"]["containers"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    given = {one["name"]: one for one in container["env"]}
    assert given["RAY_USAGE_STATS_ENABLED"]["value"] == "0"
    assert "secretKeyRef" in given["ASKPAGE_MODEL_SERVER_KEY"]["valueFrom"]
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pod["spec"]["volumes"]
    }
    assert all("emptyDir" in one for one in pod["spec"]["volumes"]), "versions come from models_url"


def test_only_bots_reach_the_chat_api_and_nobody_else_reaches_ray() -> None:
    selected = NETWORK["spec"]["podSelector"]["matchLabels"]
    assert all(pod["metadata"]["labels"] == selected for pod in PODS)
    bots, ours = NETWORK["spec"]["ingress"]
    assert [one["port"] for one in bots["ports"]] == [SERVE["http_options"]["port"]]
    assert ours["from"][0]["podSelector"]["matchLabels"] == selected


def test_the_image_installs_what_is_locked_and_runs_as_nobody() -> None:
    steps = re.findall(r"pip install ((?:(?!&&|;|[|]).)+)", IMAGE.replace("\\\n", " "))
    assert len(steps) == 2
    assert steps[0].startswith("--require-hashes --only-binary :all: --no-deps ")
    layers = re.findall(r"locks/([\w-]+)\.txt", steps[0])
    assert {"base", "gpu", "models", "azure-blob", "ray"} <= set(layers)
    assert IMAGE.rindex("USER 10001:10001") > IMAGE.rindex("RUN ")
    assert f"EXPOSE {SERVE['http_options']['port']}" in IMAGE
