r"""Plain text → one section: lines that were broken because they were full are joined.

    join_wrapped_lines("Lorries that arrive after eight in the\nevening wait.")  →  one line

Lists, tables, code, addresses and verses keep their lines. `looks_like_markdown` tells Markdown that a server
sends as plain text.
"""

from __future__ import annotations

import re

from core.records import Section
from core.sentences import unwrapped_spans

_LEAST_PROSE = 0.9
"""Share of letters and spaces from which a text is prose, and not code."""
_COLUMNS = re.compile(r"\S(?: {3,}|\t)\S|[{};\\]\s*$", re.MULTILINE)
_MARKDOWN_NAME = re.compile(r"\.(?:md|markdown|mdown|mkd|mdx|qmd|rmd)$", re.IGNORECASE)
_TITLE = re.compile(r"\s{0,50}(?:---\n[a-z_]{1,30}: |# {1,4}[^\s#!])")
_MARKDOWN_SIGNS = (
    re.compile(r"^#{2,4} \S", re.MULTILINE),
    re.compile(r"\[[^\]\n]{1,200}\]\([^)\s]{1,500}\)"),
    re.compile(r"^(?:```|~~~)", re.MULTILINE),
    re.compile(r"^\|? ?:?-{3,}:? ?\|", re.MULTILINE),
    re.compile(r"\*\*\w[^*\n]{0,200}\*\*"),
)
_LOOKED_AT = 20_000


def read_plain(text: str) -> tuple[Section, ...]:
    """Return the one section of a plain text, none for white space."""
    lines = "\n".join(line.rstrip() for line in text.splitlines()).strip()
    return (Section("", "", join_wrapped_lines(lines)),) if lines else ()


def looks_like_markdown(path: str, text: str) -> bool:
    """Tell whether plain text is Markdown: by its name, or by a title and what else Markdown has."""
    if _MARKDOWN_NAME.search(path):
        return True
    head = text[:_LOOKED_AT]
    return _TITLE.match(head) is not None and any(sign.search(head) for sign in _MARKDOWN_SIGNS)


def join_wrapped_lines(text: str) -> str:
    """Join the lines of each paragraph that were broken because they were full."""
    joined: list[str] = []
    last = 0
    for start, end in unwrapped_spans(text):
        stretch = text[start:end]
        joined += [text[last:start], _join_lines(stretch) if is_prose(stretch) else stretch]
        last = end
    return "".join([*joined, text[last:]])


def _join_lines(text: str) -> str:
    return " ".join(line.strip() for line in text.split("\n"))


def is_prose(text: str) -> bool:
    """Tell whether a text is written to be read, and is no code or table."""
    letters = sum(sign.isalpha() or sign.isspace() or sign in ".,'" for sign in text)
    return letters >= _LEAST_PROSE * len(text) and _COLUMNS.search(text) is None
