"""Where the settings in force come from, how they may be shown (secrets never are), and names that are none.

What is misspelt in the environment is silently a default.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from core.settings import FIELDS, Settings

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


PREFIX = "ASKPAGE_"
READ_ELSEWHERE = frozenset({"ASKPAGE_DATA"})
"""What the tests read."""
_LIKENESS = 0.72


@dataclass(frozen=True, slots=True)
class UnreadName:
    """A name that nobody reads, where it stands, and the setting that it resembles ("" for none)."""

    name: str
    place: str
    meant: str

    def describe(self) -> str:
        """Return a sentence for whoever wrote it."""
        meant = f": did you mean {self.meant}?" if self.meant else "; `askpage settings` lists all settings."
        return f"{self.name} ({self.place}) is no setting and is not read{meant}"


def find_unread_names(
    environment: Mapping[str, str] | None = None, env_file: Path = Path(".env")
) -> list[UnreadName]:
    """Return the names of this process's environment and of `.env` that nobody reads."""
    given = os.environ if environment is None else environment  # noqa: TID251 - this is the place
    in_file = dotenv_values(env_file) if env_file.is_file() else {}
    return [*_find(given, "environment"), *_find(in_file, str(env_file))]


def describe_unread_names(unread: Sequence[UnreadName]) -> str:
    """Return one line on all of them, for the start of the bot."""
    first = unread[0].describe()
    more = f" ({len(unread) - 1} more: `askpage doctor` names them)" if len(unread) > 1 else ""
    return f"askpage: {first}{more}"


def _find(names: Iterable[str], place: str) -> list[UnreadName]:
    known = [PREFIX + name.upper() for name in FIELDS]
    ours = {name.upper(): name for name in names if name.upper().startswith(PREFIX)}
    unread = sorted(ours.keys() - set(known) - READ_ELSEWHERE)
    return [UnreadName(ours[name], place, _guess(name, known)) for name in unread]


def _guess(name: str, known: list[str]) -> str:
    """Return the setting that a name resembles most, by its letters without what all have in common."""
    bare = {one.removeprefix(PREFIX): one for one in known}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=_LIKENESS)
    return bare[near[0]] if near else ""
