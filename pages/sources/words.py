"""A source word of a service behind a sign-in: KIND+ADDRESS#OPTION=VALUE&…, as pip has them.

    git+https://github.com/example/handbook@main#subdirectory=docs
    confluence+https://example.atlassian.net/wiki/spaces/HR
    sharepoint+https://example.sharepoint.com/sites/HR#readers=entra:group:ID

`readers` says for any of them who may read its pages, in place of what the service says: "everyone", or
principals (`core.readers`), one `readers=` each. A word names no secret: words are listed and logged.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from core.readers import Readers, UnreadableReaders, parse_readers
from pages.fetched import AddressRefused

_WORD = re.compile(
    r"(?P<kind>[a-z]{2,20})\+(?P<address>[a-z]{2,20}://[^#\s]{1,3000})(?:#(?P<options>[^#\s]*))?"
)
_USER_AND_SECRET = re.compile(r"//[^/@]*:[^/@]*@")
_MOST_OPTIONS = 50


@dataclass(frozen=True, slots=True)
class SourceWord:
    """A source word, `text`, taken apart. `readers` None: as the service says."""

    text: str
    kind: str
    address: str
    options: Mapping[str, str]
    readers: Readers | None = None


def kind_of(source: str) -> str:
    """Return what stands before the + of a source word, "" for another word."""
    found = re.match(r"([a-z]{2,20})\+[a-z]{2,20}://", source)
    return found[1] if found else ""


def show_source(source: str) -> str:
    """Return a source word for logs and errors: a secret that somebody wrote into it is left out."""
    return _USER_AND_SECRET.sub("//…@", source)


def parse_word(source: str, known_options: Collection[str]) -> SourceWord:
    """Take a word apart. Raises AddressRefused where it is not written as one."""
    parts = _WORD.fullmatch(source)
    if parts is None:
        raise AddressRefused(
            "That source cannot be read; it should look like git+https://host/repository#subdirectory=docs."
        )
    if _USER_AND_SECRET.search(source):
        raise AddressRefused(
            "That source has a password in its address, where lists and logs show it; please take it out, "
            "and put it into the setting for the tokens of such sources."
        )
    options = _parse_options(parts["options"] or "")
    unknown = sorted(options.keys() - {*known_options, "readers"})
    if unknown:
        raise AddressRefused(
            f"A source of this kind has no option {unknown[0]}; it has "
            f"{', '.join(sorted({*known_options, 'readers'}))}."
        )
    readers = _parse_readers(options.pop("readers", []))
    several = [name for name, values in options.items() if len(values) > 1]
    if several:
        raise AddressRefused(f"The option {several[0]} stands in that source more than once.")
    given = {name: one[0] for name, one in options.items()}
    return SourceWord(source, parts["kind"], parts["address"], given, readers)


def _parse_options(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(
            text.replace("+", "%2B"),
            keep_blank_values=True,
            strict_parsing=bool(text),
            max_num_fields=_MOST_OPTIONS,
        )
    except ValueError:
        raise AddressRefused(
            "What stands behind the # of that source cannot be read; it should look like #subdirectory=docs."
        ) from None


def _parse_readers(names: list[str]) -> Readers | None:
    if not names:
        return None
    try:
        return parse_readers(names)
    except UnreadableReaders as error:
        raise AddressRefused(f"In what stands behind the # of that source: {error}") from None
