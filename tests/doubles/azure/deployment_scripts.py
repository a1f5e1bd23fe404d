"""Deployment scripts: run for real, as their identity, with an `az` that asks the local Resource Manager.

A script runs again only where something of it changed, or where it failed before. Each question of `az` takes
the time that the script waits between two of them, and is a step that may fail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles import automation_az
from tests.doubles.azure.bicep_runtime import MANAGEMENT
from tests.doubles.azure.container_rules import principal_of
from tests.doubles.azure.resource_manager import Azure, Change, Refused
from tests.doubles.azure.shell import run_script

WRITE_SECRETS = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
PUBLISH = "f353d9bd-d4a6-484e-a77a-8050b599b867"
WAITS_S = {"make-pseudonym-key": 30.0, "publish-runbook": 15.0}
MOST = 32_000
"""Characters of a script; Microsoft's limit. The variables together are kept below twice that here."""
LATE = 3
"""So many readings of a text show what was there before: an upload is only accepted at first."""


def run_deployment_script(change: Change) -> None:
    """A script that fails, or is too long; one that is done and unchanged is not run again."""
    before = change.before
    if before and before.body["properties"] == change.body["properties"]:
        return
    text, given = change.properties["scriptContent"], change.properties["environmentVariables"]
    if len(text) > MOST or sum(len(one["value"]) for one in given) > 2 * MOST:
        change.refuse("DeploymentScriptInvalidInputs", "the script or its variables are too long")
    [identity] = change.body["identity"]["userAssignedIdentities"]
    asker = Asker(change.azure, change.name, principal_of(change, identity))
    around = {"AZ_SCRIPTS_OUTPUT_PATH": "output", "WAIT_S": "0"}
    done = run_script(text, ["az"], asker.answer, {**{one["name"]: one["value"] for one in given}, **around})
    if done.status:
        change.refuse("DeploymentScriptError", done.said.strip() or f"exit status {done.status}")


@dataclass(slots=True)
class Asker:
    """Who runs a script, and what `az` answers them."""

    azure: Azure
    script: str
    principal: str

    def answer(self, name: str, folder: Path, words: list[str]) -> tuple[int, str]:
        """Answer one call; return its exit status and what it prints."""
        options = {words[at][2:]: words[at + 1] for at in range(len(words) - 1) if words[at].startswith("--")}
        self.azure.now_s += WAITS_S[self.script]
        try:
            with self.azure.step(f"{self.script}: {name} {self._call_name(words, options)}"):
                return 0, self._do(words, folder, options)
        except Refused as error:
            return 1, f"ERROR: ({error.code}) {error}"

    def _call_name(self, words: list[str], options: dict[str, str]) -> str:
        if words[0] != "rest":
            return " ".join(words[:3])
        path = options["url"].partition("?")[0].rpartition("/automationAccounts/")[2].partition("/")[2]
        asked = path.partition("/")[0] if path.startswith("jobSchedules/") else path
        return f"{options['method']} {asked}"

    def _do(self, words: list[str], folder: Path, options: dict[str, str]) -> str:
        match words[:3]:
            case ["keyvault", "secret", verb]:
                return self._secret(verb, folder, options)
            case ["rest", *_]:
                return self._rest(folder, options)
            case _:
                raise Refused("CommandNotFound", " ".join(words))

    def _secret(self, verb: str, folder: Path, options: dict[str, str]) -> str:
        vaults = {one.name: one for one in self.azure.of_type("Microsoft.KeyVault/vaults")}
        vault = vaults[options["vault-name"]]
        if not self.azure.holds_role(self.principal, WRITE_SECRETS, vault.id):
            raise Refused("Forbidden", "Caller is not authorized to perform action on resource")
        kept = self.azure.secrets[vault.name]
        if verb == "show":
            if options["name"] not in kept:
                raise Refused("SecretNotFound", f"A secret with (name/id) {options['name']} was not found")
            return "https://kv/secrets/id\n"
        kept.setdefault(options["name"], []).append((folder / options["file"]).read_text())
        return ""

    def _rest(self, folder: Path, options: dict[str, str]) -> str:
        account, _, path = options["url"].partition("?")[0].partition("/automationAccounts/")
        name, _, path = path.partition("/")
        id_ = f"/{account.removeprefix(MANAGEMENT)}/automationAccounts/{name}"
        if not self.azure.holds_role(self.principal, PUBLISH, id_):
            raise Refused("AuthorizationFailed", "does not have authorization to perform action")
        for option in ("body", "output-file"):
            value = options.get(option, "")
            if option == "output-file" and value:
                options[option] = str(folder / value)
            elif value.startswith("@"):
                options[option] = f"@{folder / value[1:]}"
        state = self._account(id_)
        try:
            return automation_az.answer(state, options["method"], path, options)
        except automation_az.Refused as error:
            raise Refused("Conflict" if "Conflict" in str(error) else "NotFound", str(error)) from error

    def _account(self, id_: str) -> dict[str, Any]:
        """Return the account's texts and links, with the schedules that it has by now."""
        fresh = json.loads(json.dumps(automation_az.FRESH))
        state = self.azure.accounts.setdefault(id_.lower(), {**fresh, "late": LATE})
        of = "Microsoft.Automation/automationAccounts/schedules"
        state["schedules"] = [one.name for one in self.azure.of_type(of)]
        return state
