"""Who may read a page, as its source says: the front matter of a file, rules of the settings, or a service.

A source that knows its readers sets `Page.readers`; they are `EVERYONE` unless it does. In a Markdown file
the front matter has them:

    readers: entra:group:7d3f…            or a list of such words; "everyone", "nobody"

A rule of the settings closes whatever it matches, whoever reads it in:

    /site/handbook/board/*=entra:group:7d3f… entra:user:91ac…
    https://wiki.example/hr/=slack:channel:C024BE91L
    handbook/board=nobody                 a source, by its own word

Rules narrow and never open: what a rule and its source restrict may be read by those whom both name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from urllib.parse import unquote

from core.readers import EVERYONE, NOBODY, Readers, UnreadableReaders, parse_readers

_WRITTEN = re.compile(r"^[ \t]*[\"']?readers[\"']?[ \t]*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ReaderRule:
    """Readers of the pages whose address, or whose source's word, fits a pattern (`*` is anything)."""

    pattern: str
    readers: Readers

    def fits(self, url: str, source: str | None) -> bool:
        """Tell whether it is about a page."""
        return fits_pattern(self.pattern, url, source)


def fits_pattern(pattern: str, url: str, source: str | None) -> bool:
    """Tell whether a pattern of a setting is about a page, by its address or its source's word.

    `*` is anything, and a slash at the end has all that lies below it; capital letters and escapes make no
    difference.
    """
    compiled = _compile(pattern)
    bare = url.partition("#")[0]
    names = {url, bare, unquote(url), unquote(bare), source or ""}
    return any(compiled.match(one.casefold()) is not None for one in names if one)


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str]:
    whole = f"{pattern}*" if pattern.endswith("/") else pattern
    return re.compile(translate(whole.casefold()))


def parse_rule(written: str) -> ReaderRule:
    """Read PATTERN=PRINCIPAL PRINCIPAL…; a pattern with a slash at its end has all that lies below it.

    Raises UnreadableReaders.
    """
    pattern, equals, names = written.rpartition("=")
    pattern = pattern.strip()
    if not equals or not pattern:
        raise UnreadableReaders(f"“{written[:80]}” is no rule: write PATTERN=READERS.")
    return ReaderRule(pattern, parse_readers(names))


class ReaderRules:
    """All rules of the settings."""

    def __init__(self, rules: Iterable[str] = ()) -> None:
        """Raises UnreadableReaders."""
        self._rules = tuple(map(parse_rule, rules))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._rules)

    def narrow(self, readers: Readers, url: str, source: str | None) -> Readers:
        """Return who may read a page that its own source gives to `readers`."""
        for rule in self._rules:
            if rule.fits(url, source):
                readers = readers.intersect(rule.readers)
        return readers

    def list_idle(self, pages: Sequence[tuple[str, str | None]]) -> list[str]:
        """Return the patterns that fit none of these pages (URL, source): they may be misspelt."""
        return [one.pattern for one in self._rules if not any(one.fits(*page) for page in pages)]

    def explain(self, url: str, source: str | None) -> list[str]:
        """Return the rules that are about a page, as an operator reads them."""
        return [f"{one.pattern}: {one.readers}" for one in self._rules if one.fits(url, source)]


def read_front_matter(values: Mapping[str, object], raw: str) -> tuple[Readers, str]:
    """Return who may read a file, and what is wrong with how that is written ("": nothing).

    `values` is its front matter as far as it could be read, `raw` as it is written. Readers that cannot be
    read close the page: whoever wrote them meant to close it to somebody.
    """
    written = [value for name, value in values.items() if name.strip().casefold() == "readers"]
    if not written:
        unread = not values or set(values) == {"title"}
        if unread and _WRITTEN.search(raw):
            return NOBODY, "Its front matter cannot be read, and names readers: nobody may read the page."
        return EVERYONE, ""
    readers = EVERYONE
    try:
        for one in written:
            readers = readers.intersect(parse_readers(one))
    except UnreadableReaders as error:
        return NOBODY, f"{error} Nobody may read the page until then."
    none_left = len(written) > 1 and readers == NOBODY
    return readers, "Its front matter names readers twice, and none in both: nobody may read it." * none_left
