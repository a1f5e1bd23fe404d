"""`askpage teams-package`: the package that a Teams administrator uploads."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

from bot.teams_package import Package, package
from console import out
from options import with_settings
from settings import Settings


@with_settings
def teams_package_command(
    settings: Settings,
    to: Annotated[Path, typer.Option("--to", help="File to write.")] = Path("askpage-teams.zip"),
    app_version: Annotated[
        str, typer.Option(help="Version of the package; raise it with every upload. Empty: askpage’s own.")
    ] = "",
) -> None:
    """Write the app package for Microsoft Teams: manifest and icons, from the settings."""
    wanted = Package(
        app_id=settings.app_id,
        public_url=settings.public_url,
        version=app_version or importlib.metadata.version("askpage"),
        name=settings.teams_name,
        developer=settings.teams_developer,
        privacy_url=settings.privacy_url,
        terms_url=settings.terms_url,
    )
    to.write_bytes(package(wanted))
    out.print(
        f"{to} is ready: upload it in the Teams admin center, or in Teams under Apps › Manage your apps."
    )
