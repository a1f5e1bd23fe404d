"""Tokens of hosts, as a setting has them: HOST=TOKEN or HOST=USER:TOKEN, with commas between.

A token belongs to one host and is sent to no other. It stands in no message, no log and no argument of a
process.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

from pages.fetched import AddressRefused

_PAIR = re.compile(
    r"\s*(?P<host>[A-Za-z0-9._-]{1,253}(?::[0-9]{1,5})?)\s*=\s*(?:(?P<user>[^:\s]*):)?(?P<token>\S+)\s*"
)


@dataclass(frozen=True, slots=True)
class Credential:
    """A token, and whose it is ("": the service does not ask)."""

    user: str
    token: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of a header Authorization, Basic (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.token}".encode()).decode()

    @property
    def bearer(self) -> str:
        """The value of a header Authorization, Bearer (RFC 6750)."""
        return f"Bearer {self.token}"


def find_credential(setting: str, secret: str, site: str) -> Credential | None:
    """Return the token for a site (host, or host:port); `setting` is named where the secret cannot be read.

    Raises AddressRefused.
    """
    found: Credential | None = None
    for part in filter(None, (one.strip() for one in secret.split(","))):
        pair = _PAIR.fullmatch(part)
        if pair is None:
            raise AddressRefused(
                f"A part of the setting {setting} is not written as HOST=TOKEN or HOST=USER:TOKEN; please "
                f"mend it."
            )
        if pair["host"].lower() == site.lower():
            found = Credential(pair["user"] or "", pair["token"])
    return found
