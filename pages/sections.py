"""Sections as JSON has them: in the indexes, and on their way out of the sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from core.records import Section

_PLAIN = 4
"""Fields of a section without links."""


def dump_section(section: Section) -> list[Any]:
    """Return a section as a list; links only where it has some."""
    links = [list(link) for link in section.links]
    return [section.heading, section.anchor, section.text, section.level, *([links] if links else [])]


def load_sections(kept: Iterable[Sequence[Any]]) -> tuple[Section, ...]:
    """Read what `dump_section` wrote; older ones have no level, and no links."""
    return tuple(
        Section(*one[:_PLAIN], links=_load_links(one[_PLAIN] if len(one) > _PLAIN else ())) for one in kept
    )


def _load_links(kept: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((words, address) for words, address in kept)
