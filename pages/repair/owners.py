"""Who owns a page: its front matter, else CODEOWNERS of its repository or folder, else a setting.

    owner: Ada Lovelace              in the front matter; a list, too
    /docs/leave/ @people-team        in CODEOWNERS, .github/CODEOWNERS or docs/CODEOWNERS; the last one counts
    https://wiki.example/hr/*=HR     in the setting `page_owners`; the last one that fits counts

CODEOWNERS is read as GitHub documents it: the patterns of .gitignore, without `!` and `[]`; the sections of
GitLab are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

from pages.readers import fits_pattern
from pages.repair.files import PageFile

_PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
_LONGEST_NAME = 200
_MOST_BYTES = 3_000_000
"""What GitHub reads of a CODEOWNERS file."""
_SPACE = re.compile(r"(?<!\\)\s+")


def find_owner(url: str, source: str, file: PageFile | None, rules: Sequence[str]) -> str:
    """Return who owns a page, "" where nobody is named. `rules` are PATTERN=WHO. Waits for the disk."""
    if file is not None:
        owner = _read_value(file.read_values().get("owner")) or _read_codeowners(file)
        if owner:
            return owner
    return find_in_rules(url, source, rules)


def find_in_rules(url: str, source: str, rules: Sequence[str]) -> str:
    """Return whom the last rule names that fits an address, or its source's own word."""
    for rule in reversed(rules):
        pattern, _, who = rule.rpartition("=")
        if fits_pattern(pattern.strip(), url, source):
            return who.strip()
    return ""


def find_in_codeowners(text: str, name: str) -> str:
    """Return whom the last line names that fits a file, with spaces between several; "" for nobody."""
    owner = ""
    for line in text.splitlines():
        pattern, *owners = _SPACE.split(line.strip())
        if not pattern or pattern[0] in "#[^":
            continue
        if _fits(pattern.replace("\\ ", " "), name):
            comment = next((at for at, one in enumerate(owners) if one.startswith("#")), len(owners))
            owner = " ".join(owners[:comment])
    return owner


def _read_value(value: object) -> str:
    many = cast("list[object]", value) if isinstance(value, list) else [value]
    return ", ".join(" ".join(one.split()) for one in many if isinstance(one, str))[:_LONGEST_NAME]


def _read_codeowners(file: PageFile) -> str:
    for place in _PLACES:
        path = file.root / place
        if path.is_file() and path.stat().st_size <= _MOST_BYTES:
            return find_in_codeowners(_read(path), file.name)
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _fits(pattern: str, name: str) -> bool:
    """Tell whether a pattern is about a file, or about a folder that it is in."""
    parts = [part for part in pattern.split("/") if part]
    if not parts:
        return False
    if "/" not in pattern.rstrip("/"):
        parts.insert(0, "**")
    if pattern.endswith("/"):
        parts.append("**")
        return _match(parts, name.split("/"))
    wanted = name.split("/")
    return _match(parts, wanted) or (parts[-1] != "*" and _match([*parts, "**"], wanted))


def _match(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Tell whether the parts of a pattern fit those of a path, "**" any number of them, one row at a time."""
    fits = [True] + [False] * len(names)
    for part in parts:
        if part == "**":
            for at in range(1, len(fits)):
                fits[at] = fits[at] or fits[at - 1]
        else:
            fits = [False] + [
                before and fnmatchcase(name, part) for before, name in zip(fits, names, strict=False)
            ]
    return fits[-1]
