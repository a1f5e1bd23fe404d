"""An `azd` of our own: goes through azure.yaml's workflow as the Azure Developer CLI does.

It knows `up`, `provision`, `deploy`, `down` and `env`; runs the hooks of azure.yaml with `az`; fills the
parameters file from its environment; builds the image in the registry, if the Dockerfile is there; and keeps
its environment after `down`, but for the outputs of the template.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.doubles.azure.azure_rules import rule_of
from tests.doubles.azure.bicep_runtime import SUBSCRIPTION
from tests.doubles.azure.bicep_template import read_template
from tests.doubles.azure.deployment import Deployment
from tests.doubles.azure.resource_manager import Azure, Refused, Resource
from tests.doubles.azure.shell import run_script

BUILD_S = 400.0
"""An image takes minutes to build, in which roles begin to count."""


class CommandFailed(Exception):
    """A command ended with a status other than 0; the message is what it printed."""


@dataclass
class DeveloperCli:
    """azd in a folder, with an environment; `backwards` is the other order of what may come in any."""

    root: Path
    azure: Azure
    environment: dict[str, str] = field(default_factory=dict[str, str])
    backwards: bool = False
    outputs: set[str] = field(default_factory=set[str])

    @functools.cached_property
    def project(self) -> dict[str, Any]:
        return yaml.safe_load((self.root / "azure.yaml").read_text("utf-8"))

    def up(self) -> None:
        """Do what azure.yaml says. Raises CommandFailed, DeploymentFailed, Refused."""
        for step in self.project["workflows"]["up"]["steps"]:
            command, *_ = step["azd"].split()
            getattr(self, command)()

    def provision(self) -> None:
        """Deploy the templates. Raises CommandFailed, DeploymentFailed."""
        self.environment["SERVICE_BOT_RESOURCE_EXISTS"] = str(self._app() is not None).lower()
        self._run_hook("preprovision")
        infra = self.project["infra"]
        folder = self.root / infra["path"]
        params = self._params(json.loads((folder / f"{infra['module']}.parameters.json").read_text("utf-8")))
        template = read_template(folder / f"{infra['module']}.bicep")
        deployment = Deployment(self.azure, template, params, "", self.backwards)
        outputs = deployment.run()
        self.outputs = set(outputs)
        self.environment |= {name: str(value) for name, value in outputs.items()}
        self._run_hook("postprovision")

    def _params(self, file: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, one in file["parameters"].items():
            value = re.sub(
                r"\$\{(\w+)(?:=([^}]*))?\}",
                lambda match: self.environment.get(match[1]) or match[2] or "",
                one["value"],
            )
            found[name] = int(value) if value.isdigit() else {"true": True, "false": False}.get(value, value)
        return found

    def deploy(self) -> None:
        """Build the image in the registry, and let the app run it. Raises CommandFailed, Refused."""
        bot = self.project["services"]["bot"]
        server = self.environment.get("AZURE_CONTAINER_REGISTRY_ENDPOINT")
        if (
            not server
            or not (self.root / bot["docker"]["path"]).is_file()
            or bot["docker"]["remoteBuild"] is not True
        ):
            raise CommandFailed(
                "could not determine container registry endpoint, or there is nothing to build"
            )
        number = len(self.azure.images) + 1
        image = f"{server}/askpage/bot-{self.environment['AZURE_ENV_NAME']}:azd-deploy-{number}"
        with self.azure.step("acr build"):
            self.azure.now_s += BUILD_S
            self.azure.images[image] = "built"
        app = self._app()
        if app is None:
            raise CommandFailed("unable to find a resource tagged with 'azd-service-name: bot'")
        body = json.loads(json.dumps(app.body))
        body["properties"]["template"]["containers"][0]["image"] = image
        self.azure.put(app.id, app.of, body, rule_of(app.of))
        self.environment["SERVICE_BOT_IMAGE_NAME"] = image

    def down(self) -> None:
        """Delete the group; the environment keeps everything but the outputs. Raises Refused."""
        self.azure.delete_group(f"rg-{self.environment['AZURE_ENV_NAME']}")
        for name in self.outputs:
            self.environment.pop(name, None)

    def _app(self) -> Resource | None:
        tagged = [
            one
            for one in self.azure.of_type("Microsoft.App/containerApps")
            if one.body.get("tags", {}).get("azd-service-name") == "bot"
        ]
        return tagged[0] if tagged else None

    def _run_hook(self, name: str) -> None:
        hook = self.project.get("hooks", {}).get(name)
        if hook is None:
            return
        text = (self.root / hook["run"]).read_text("utf-8")
        done = run_script(text, ["az"], self._answer_az, {**self.environment, "WAIT_S": "0"})
        if done.status:
            raise CommandFailed(f"the hook {name} failed: {done.said.strip()}")

    def _answer_az(self, _: str, _folder: Path, words: list[str]) -> tuple[int, str]:
        options = {words[at][2:]: words[at + 1] for at in range(len(words) - 1) if words[at].startswith("--")}
        plain = " ".join(word for word in words[:3] if not word.startswith("-"))
        self.azure.now_s += 5.0
        try:
            with self.azure.step(f"hook: az {plain}"):
                return 0, self._do_az(plain, options)
        except Refused as error:
            return 1, f"ERROR: ({error.code}) {error}"

    def _do_az(self, plain: str, options: dict[str, str]) -> str:
        match plain.split():
            case ["keyvault", "list-deleted"]:
                [name, location] = re.findall(r"=='([^']*)'", options["query"])
                found = [
                    f"{one.name}\n"
                    for one in self.azure.deleted_vaults.values()
                    if (one.body["tags"].get("azd-env-name"), one.body["location"]) == (name, location)
                ]
                return "".join(found)
            case ["group", "create"]:
                id_ = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{options['name']}"
                body = {"location": options["location"], "tags": {}}
                self.azure.put(id_, "Microsoft.Resources/resourceGroups", body, lambda _: None)
                return ""
            case ["keyvault", "recover"]:
                self.azure.recover_vault(options["name"])
                return ""
            case _:
                raise Refused("CommandNotFound", plain)
