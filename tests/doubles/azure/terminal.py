"""An operator's terminal: runs the commands of a page in a real shell, with azd and az of our own, no docker.

What is asked of a person (`azd env set-secret`) is answered with a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.doubles.azure.deployment import DeploymentFailed
from tests.doubles.azure.developer_cli import BUILD_S, CommandFailed, DeveloperCli
from tests.doubles.azure.resource_manager import Refused
from tests.doubles.azure.shell import Done, run_script


@dataclass(slots=True)
class Terminal:
    """A shell in a clone of the project; `said` are the commands that were given."""

    cli: DeveloperCli
    said: list[str] = field(default_factory=list[str])

    def run(self, commands: str) -> Done:
        """Run commands as a script that ends with the first one that fails."""
        return run_script(f"set -e\n{commands}", ["azd", "az", "docker"], self._answer, {})

    def _answer(self, program: str, _: Path, words: list[str]) -> tuple[int, str]:
        self.said.append(" ".join([program, *words]))
        try:
            if program == "azd":
                return 0, self._answer_azd(words)
            if program == "az":
                return 0, self._answer_az(words)
        except (CommandFailed, DeploymentFailed, Refused) as error:
            return 1, f"ERROR: {error}\n"
        return 127, f"{program} is not installed\n"

    def _answer_azd(self, words: list[str]) -> str:
        match words:
            case ["env", "set", name, value]:
                self.cli.environment[name] = value
            case ["env", "set-secret", name]:
                self.cli.environment[name] = "a secret"
            case ["env", "get-value", name]:
                if name not in self.cli.environment:
                    raise CommandFailed(f"key '{name}' not found in the environment values")
                return f"{self.cli.environment[name]}\n"
            case ["up" | "provision" | "deploy" | "down" as verb]:
                getattr(self.cli, verb)()
            case _:
                raise CommandFailed(f"unknown command: azd {' '.join(words)}")
        return ""

    def _answer_az(self, words: list[str]) -> str:
        match words:
            case ["acr", "build", "--registry", server, "--image", image, "--file", file, "."]:
                if not (self.cli.root / file).is_file():
                    raise CommandFailed(f"unable to find '{file}'")
                with self.cli.azure.step("az acr build"):
                    self.cli.azure.now_s += BUILD_S
                    self.cli.azure.images[f"{server}/{image}"] = "built"
            case ["provider", "show", *_] | ["containerapp", "env", "workload-profile", "list-supported", *_]:
                pass
            case _:
                raise CommandFailed(f"unknown command: az {' '.join(words)}")
        return ""
