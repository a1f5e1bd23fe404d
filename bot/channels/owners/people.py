"""Who stands behind the owner that a page names: people, by the ids that their directory has of them.

A page's owner is a name ("People team"), a handle of CODEOWNERS ("@acme/people"), or several of them. The
setting `owner_people` says whose they are, as WHO=ID: an Entra object id, or T…:U… for a person in Slack.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.records import Channel

_PARTS = ", "
_IN_SLACK = re.compile(r"[TE][A-Z0-9]{1,30}:[UW][A-Z0-9]{1,30}")


class Owners:
    """Knows the people behind owners' names. Names are compared without capital letters, ids, too."""

    def __init__(self, rules: Sequence[str] = (), *, authors: bool = False) -> None:
        """`rules` are WHO=ID; one name may have several people. `authors` may own pages, too."""
        self._authors = authors
        pairs = [rule.rpartition("=") for rule in rules]
        self._people = [(who.strip().casefold(), _name_person(id_.strip())) for who, _, id_ in pairs]

    @property
    def has_any(self) -> bool:
        """Whether anybody is named at all."""
        return bool(self._people) or self._authors

    def list_people(self, owner: str) -> list[str]:
        """Return the directory ids behind an owner as a page names it, in the order of the setting."""
        names = _split_names(owner)
        return list(dict.fromkeys(person for who, person in self._people if who in names))

    def owns(self, directory_id: str, owner: str) -> bool:
        """Tell whether somebody is one of the people behind an owner."""
        person = directory_id.casefold()
        return bool(person) and person in {one.casefold() for one in self.list_people(owner)}

    def owns_any(self, directory_id: str) -> bool:
        """Tell whether somebody is one of the people behind any owner."""
        person = directory_id.casefold()
        return bool(person) and any(one.casefold() == person for _, one in self._people)


def _name_person(id_: str) -> str:
    """Return a person's id as their channel's directory has it."""
    return f"{Channel.SLACK}:{id_}" if _IN_SLACK.fullmatch(id_) else id_


def _split_names(owner: str) -> frozenset[str]:
    """Return an owner as a whole, the names of a list, and the handles that CODEOWNERS puts side by side."""
    whole = owner.strip().casefold()
    handles = whole.split() if whole.startswith("@") else []
    return frozenset((whole, *(one.strip() for one in whole.split(_PARTS)), *handles)) - {""}
