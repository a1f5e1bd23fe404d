"""Names in the environment that look like settings and are none: what is misspelt is silently a default."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from core.settings import FIELDS

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
