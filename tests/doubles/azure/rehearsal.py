"""A rehearsal of `azd up`: everything that it runs, with Azure, azd and az played, and a fault at every step.

Run as: python -m tests.doubles.azure.rehearsal         (every step fails in a subscription of its own, too)

Resources that may be made in any order are made in both. A fault is either a refusal, or an answer that is
lost after the work was done. After it, the same command must do the rest.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from tests.doubles.azure.deployment import DeploymentFailed
from tests.doubles.azure.developer_cli import CommandFailed, DeveloperCli
from tests.doubles.azure.resource_manager import Azure, Fault, Refused
from tests.needs import ROOT

GIVEN = {
    "AZURE_ENV_NAME": "rehearsal",
    "AZURE_LOCATION": "swedencentral",
    "AZURE_SUBSCRIPTION_ID": "rehearsed",
    "ALERT_EMAIL": "operators@example.com",
}
FAILURES = (CommandFailed, DeploymentFailed, Refused)


def new_installation(*, backwards: bool = False, role_s: float = 60.0, **given: str) -> DeveloperCli:
    """Return an azd with an empty subscription."""
    return DeveloperCli(ROOT, Azure(role_s=role_s), {**GIVEN, **given}, backwards)


def essence(cli: DeveloperCli) -> dict[str, Any]:
    """Return what is there, without what differs from one making to the next: times, and links' ids."""
    azure = cli.azure
    account = {
        id_: {
            "published": state["published"],
            "links": sorted(
                (one["schedule"]["name"], *one["parameters"].values()) for one in state["links"].values()
            ),
        }
        for id_, state in azure.accounts.items()
    }
    resources = {id_: one.body for id_, one in azure.resources.items()}
    secrets = {vault: sorted(kept) for vault, kept in azure.secrets.items()}
    return _without_numbers({"resources": resources, "accounts": account, "secrets": secrets})


def _without_numbers(value: Any) -> Any:
    """Return a value with the numbers of images left out: a build whose answer got lost counts, too."""
    if isinstance(value, dict):
        return {key: _without_numbers(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_numbers(one) for one in value]
    return re.sub(r"azd-deploy-\d+", "azd-deploy", value) if isinstance(value, str) else value


def keys_made(cli: DeveloperCli) -> int:
    """Return how often a key of the pseudonyms was written; more than once makes strangers of everybody."""
    return sum(len(kept.get("pseudonym-key", [])) for kept in cli.azure.secrets.values())


def fail_once(cli: DeveloperCli, fault: Fault) -> str:
    """Say `azd up` with a fault; return what it said, "" where it went well. Raises nothing of Azure's."""
    cli.azure.fault = fault
    try:
        cli.up()
    except FAILURES as error:
        return str(error) or type(error).__name__
    finally:
        cli.azure.fault = None
    return ""


def fail_each_step_once(cli: DeveloperCli, *, after: bool) -> Iterator[tuple[str, str]]:
    """Say `azd up` again and again in one subscription, another step failing each time, until none is left.

    Yields the step, and what was said.
    """
    failed: set[str] = set()
    while True:
        fault = Fault(lambda step: step not in failed, after)
        said = fail_once(cli, fault)
        if not fault.step:
            return
        failed.add(fault.step)
        yield fault.step, said


def steps_of_first_time(*, backwards: bool = False) -> list[str]:
    """Return the steps of a first `azd up`, each once."""
    cli = new_installation(backwards=backwards)
    cli.up()
    return [*dict.fromkeys(cli.azure.steps)]


def rehearse_one(step: str, *, after: bool, backwards: bool = False) -> tuple[str, DeveloperCli]:
    """Let one step of a first `azd up` fail, and say it again; return what was said the first time."""
    cli = new_installation(backwards=backwards)
    said = fail_once(cli, Fault(lambda name: name == step, after))
    cli.up()
    return said, cli


def _rehearse() -> int:
    """Let every step fail in a subscription of its own, both ways; print how it went."""
    clean = new_installation()
    clean.up()
    clean.up()
    wanted, bad = essence(clean), 0
    for step in steps_of_first_time():
        for after in (False, True):
            said, cli = rehearse_one(step, after=after)
            good = essence(cli) == wanted and keys_made(cli) == 1 and (not said or step in said)
            bad += not good
            how = "answer lost" if after else "refused"
            sys.stdout.write(f"{'ok ' if good else 'BAD'} {step} ({how}): {said[:100] or 'waited out'}\n")
    sys.stdout.write(f"{bad} of these left something undone or unsaid\n")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(_rehearse())
