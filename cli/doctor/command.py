"""The command `askpage doctor`, and the list of its checks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.text import Text

from cli.console import Json, out, print_json, with_settings
from cli.doctor.channels import check_slack, check_teams
from cli.doctor.device import check_device
from cli.doctor.findings import Check, Finding, Level, fault, ok, warn
from cli.doctor.machine import check_clock, check_disk, check_index, check_store
from cli.doctor.model_fit import check_model
from core.settings import Settings
from core.settings.origins import find_unread_names

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "bold red"}


async def check_setting_names(_: Settings) -> list[Finding]:
    """Look for settings that are misspelt."""
    todo = "Mend the name, or take it away."
    unread = [warn("settings", one.describe(), todo) for one in find_unread_names()]
    return unread or [ok("settings", "every name in the environment and in .env is read")]


CHECKS: Sequence[Check] = (
    check_device,
    check_model,
    check_store,
    check_index,
    check_teams,
    check_slack,
    check_setting_names,
    check_clock,
    check_disk,
)
"""Every matter, in the order in which people read of them."""


@with_settings
def doctor_command(settings: Settings, as_json: Json = False) -> None:
    """Check this machine, the model, the store and the channels; exit status 1 if something does not work."""
    findings = asyncio.run(run_checks(settings, CHECKS))
    faulty = any(one.level is Level.FAULT for one in findings)
    if as_json:
        print_json({"ok": not faulty, "findings": [asdict(one) for one in findings]})
    else:
        for one in findings:
            out.print(draw(one), soft_wrap=True)
    if faulty:
        raise typer.Exit(1)


async def run_checks(settings: Settings, checks: Sequence[Check]) -> list[Finding]:
    """Run them side by side; one that fails itself is a fault, and the others go on."""
    found = await asyncio.gather(*(check(settings) for check in checks), return_exceptions=True)
    return [
        one
        for check, each in zip(checks, found, strict=True)
        for one in (_explain(check, each) if isinstance(each, BaseException) else each)
    ]


def _explain(check: Check, error: BaseException) -> list[Finding]:
    if not isinstance(error, Exception):
        raise error
    name = getattr(check, "__name__", "check").removeprefix("check_")
    return [fault(name, f"it could not be looked at: {type(error).__name__}: {error}")]


def draw(finding: Finding) -> Text:
    """Return a finding as a line, and what to do about it below."""
    line = Text.assemble(
        (f"{finding.level:<8}", _COLOURS[finding.level]), (f"{finding.matter:<17}", "bold"), finding.says
    )
    return line.append(f"\n{'':25}→ {finding.todo}") if finding.todo else line
