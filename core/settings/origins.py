"""Where the settings in force come from, and how they may be shown: secrets never are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from core.settings import FIELDS, Settings
from core.settings.names import PREFIX

MASK = "••••••"
_LOGIN = re.compile(r"(?<=://)[^/\s@]{1,500}@")
"""A name and a password in an address."""


class Origin(StrEnum):
    """Who gave a setting its value: an option wins over the environment, that over the file."""

    OPTION = "option"
    ENVIRONMENT = "environment"
    FILE = ".env"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting as it may be shown."""

    name: str
    value: str
    default: str
    origin: Origin
    description: str


def list_settings(
    settings: Settings, environment: Mapping[str, str] | None = None, env_file: Path = Path(".env")
) -> list[ShownSetting]:
    """Return every setting with its value in force; `environment` is this process's where it is None."""
    given = os.environ if environment is None else environment  # noqa: TID251 - this is the place
    named = {name.upper() for name in given}
    in_file = {name.upper() for name in dotenv_values(env_file)} if env_file.is_file() else set[str]()
    values = settings.flat()
    return [
        ShownSetting(
            name,
            _show(values[name]),
            _show(field.default),
            _find_origin(name, values[name] == field.default, named, in_file),
            field.description or "",
        )
        for name, field in FIELDS.items()
    ]


def _find_origin(name: str, is_default: bool, environment: set[str], in_file: set[str]) -> Origin:
    variable = PREFIX + name.upper()
    if variable in environment:
        return Origin.ENVIRONMENT
    if variable in in_file:
        return Origin.FILE
    return Origin.DEFAULT if is_default else Origin.OPTION


def _show(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, list):
        return _LOGIN.sub(f"{MASK}@", ", ".join(str(one) for one in value))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return _LOGIN.sub(f"{MASK}@", "" if value is None else str(value))
