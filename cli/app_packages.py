"""`askpage teams-package`: the package that a Teams administrator uploads.

The command around Slack: `askpage slack-manifest`.
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Annotated, cast

import typer

from bot.slack.manifest import BadManifest, check_manifest, manifest
from bot.teams.package import Package, package
from cli.console import out, progress_out, with_settings
from core.settings import Settings
from pages.sources import list_hosts, read_added_sources


@with_settings
def manifest_command(
    settings: Settings,
    to: Annotated[Path | None, typer.Option("--to", help="File to write; empty: print.")] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Check this manifest (JSON) instead of writing one."),
    ] = None,
) -> None:
    """Write the manifest of the Slack app, with its scopes, events and addresses."""
    if check is not None:
        check_manifest(_read(check))
        out.print("This manifest works.")
        return
    made = manifest(
        settings.public_url,
        installed=bool(settings.slack.client_id),
        groups=bool(settings.slack.reviewer_groups),
        hears=settings.answer_unasked,
        domains=_list_domains(settings),
    )
    text = json.dumps(made, indent=2, ensure_ascii=False)
    if to is None:
        print(text)  # noqa: T201 - the command's output
        return
    to.write_text(text + "\n", encoding="utf-8")
    progress_out.print(f"Written to {to}. In Slack: api.slack.com/apps, Create New App, From a manifest.")


def _list_domains(settings: Settings) -> list[str]:
    """Return the hosts whose links unfurl: those of the pages, and the bot's own."""
    return list_hosts([*settings.pages, *read_added_sources(settings.index_dir), settings.public_url])


def _read(path: Path) -> dict[str, object]:
    """Read a manifest. Raises BadManifest."""
    try:
        read: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadManifest(f"{path} is no manifest: {error}") from error
    return cast("dict[str, object]", read) if isinstance(read, dict) else {}


@with_settings
def teams_package_command(
    settings: Settings,
    to: Annotated[Path, typer.Option("--to", help="File to write.")] = Path("askpage-teams.zip"),
    app_version: Annotated[
        str,
        typer.Option(help="Version of the package; increase it with every upload. Empty: askpage’s own."),
    ] = "",
) -> None:
    """Write the app package for Microsoft Teams, with manifest and icons."""
    wanted = Package(
        app_id=settings.app_id,
        public_url=settings.public_url,
        version=app_version or importlib.metadata.version("askpage"),
        **settings.teams_package.values(),
        hears_channels=settings.answer_unasked,
        domains=tuple(_list_domains(settings)),
        has_tab=settings.teams_tab,
    )
    to.write_bytes(package(wanted))
    out.print(
        f"{to} is ready: upload it in the Teams admin center, or in Teams under Apps › Manage your apps."
    )
