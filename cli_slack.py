"""The command around Slack: `askpage slack-manifest`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bot.slack_manifest import BadManifest, check_manifest, manifest
from bot.wiring import EXAMPLES
from console import out, progress_out
from options import with_settings
from settings import Settings


@with_settings
def manifest_command(
    settings: Settings,
    to: Annotated[Path | None, typer.Option("--to", help="File to write; without it, the terminal.")] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Say what is wrong with this manifest (JSON), and write none."),
    ] = None,
) -> None:
    """Write the manifest to make the Slack app from: its scopes, events and addresses, as public_url says."""
    try:
        if check is not None:
            check_manifest(json.loads(check.read_text()))
            out.print("This manifest works.")
            return
        made = manifest(
            settings.public_url,
            installed=bool(settings.slack_client_id),
            groups=bool(settings.slack_reviewer_groups),
            examples=EXAMPLES if "docs" in settings.pages else (),
        )
    except (BadManifest, ValueError, OSError) as error:
        progress_out.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    text = json.dumps(made, indent=2, ensure_ascii=False)
    if to is not None:
        to.write_text(text + "\n")
        progress_out.print(f"Written to {to}. In Slack: api.slack.com/apps, Create New App, From a manifest.")
        return
    print(text)  # noqa: T201 - the command's output
