"""What dialects of Markdown add to it → plain Markdown: admonitions, tabs, includes, wiki links.

Of MkDocs, GitHub, Docusaurus, VuePress, Obsidian, Hugo, Quarto and mdBook; footnotes, definition lists,
raised and lowered text are plugins of the parser (`pages.parse.markdown`). Code stays as it is written.
What a page includes from elsewhere is said to be missing: its reader sees more there than is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from markdown_it.token import Token

_FENCE = re.compile(r"\s{0,12}(?:>\s?){0,6}(`{3,}|~{3,})")
_CALLOUT = re.compile(r"((?:\s{0,3}>){1,6}\s?)\[!([A-Za-z-]{2,30})\][+-]?[ \t]*+(.{0,200})")
_TAB = re.compile(r"(\s{0,40})={3}[!+]{0,2} (\"[^\"\n]{1,200}\")\s*")
_BOX = re.compile(r"\s{0,12}:{3,}[ \t]*+(?:\{?\.?([A-Za-z][\w-]{0,30})\}?)?[ \t]*+(.{0,200})")
_BOX_TITLE = re.compile(r"(?:title\s?=\s?)?[\[\"']?([^\]\"'{}]{1,150})[\]\"']?")
_ADMONITIONS = frozenset(
    "note tip info important warning caution danger attention hint error example success question".split()  # noqa: SIM905
)
_ABBREVIATION = re.compile(r"\*\[([^\]\n]{1,40})\]:[ \t]*+(.{1,200})")
_CONTENTS = re.compile(r"\s{0,3}(?:\[TOC\]|\[\[_?TOC_?\]\]|\{:\s?toc\s?\}|\$\{toc\})\s*", re.IGNORECASE)
_IMPORT = re.compile(r"import\s[^\n]{1,200}\sfrom\s+['\"][^'\"\n]{1,200}['\"];?\s*")
_SHORTCODE = re.compile(r"\{\{[<%][^{}]{0,500}[>%]\}\}")
_FILE = r"[\"']?([\w./ -]{1,120}\.\w{1,8})(?::[\w:,-]{0,40})?[\"']?"
_INCLUDES = tuple(
    re.compile(one)
    for one in (
        rf"\s{{0,20}}-{{1,2}}8<-{{1,2}}[ \t]*+{_FILE}\s*",
        rf"\s{{0,20}}\{{!>?[ \t]*+{_FILE}\s?!\}}\s*",
        rf"\s{{0,20}}\{{\{{[ \t]*+#include[ \t]++{_FILE}\s?\}}\}}\s*",
        rf"\s{{0,20}}\{{\{{<[ \t]*+(?:include|readfile|embed)[ \t]++(?:file=)?{_FILE}\s?>\}}\}}\s*",
        r"\s{0,20}\{%-?[ \t]*+include(?:_relative)?[ \t]++[\"']?"
        r"([\w./-]{1,120}\.(?:md|markdown|mdx|txt|rst|adoc))[\"']?[^%\n]{0,100}%\}\s*",
        rf"\s{{0,20}}\.\. (?:include|literalinclude)::[ \t]*+{_FILE}\s*",
        rf"\s{{0,20}}!?@(?:include|import)\s?[(\"']{{1,2}}{_FILE}[)\"']{{0,2}};?\s*",
        r"\s{0,20}!\[\[([^\]\n|#]{1,120})(?:[|#][^\]\n]{0,120})?\]\]\s*",
    )
)
_SNIPPETS = re.compile(r"\s{0,20}-{1,2}8<-{1,2}\s*")
_PICTURE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|pdf|mp4|bmp)$", re.IGNORECASE)
_WIKI_LINK = re.compile(r"(!?)\[\[(?=[^\s\]])([^\]\[|\n]{1,200})(?:\\?\|([^\]\[\n]{0,200}))?\]\]")
_HIGHLIGHT = re.compile(r"==(?=[^\s=])([^=\n]{1,300})(?<=[^\s=])==")
_LONGEST = 2000
"""Characters of a line that is looked at: signs of dialects stand in short ones."""


def rewrite_dialects(text: str) -> tuple[str, dict[str, str]]:
    """Return a text in plain Markdown, and its abbreviations with what they stand for."""
    abbreviations: dict[str, str] = {}
    return "\n".join(_rewrite_lines(text.split("\n"), abbreviations)), abbreviations


def _rewrite_lines(lines: list[str], abbreviations: dict[str, str]) -> Iterator[str]:
    fence = ""
    listing = False  # within --8<-- and --8<--
    for line in lines:
        found = _FENCE.match(line)
        if fence or found:
            fence = _follow_fence(fence, found)
            yield line
        elif _SNIPPETS.fullmatch(line):
            listing = not listing
        elif listing and line.strip():
            yield _say_missing(line.strip())
        elif (short := _ABBREVIATION.fullmatch(line)) is not None:
            abbreviations[short[1]] = short[2].strip()
        else:
            yield from _rewrite_line(line) if len(line) <= _LONGEST else (line,)


def _follow_fence(fence: str, found: re.Match[str] | None) -> str:
    if not fence:
        return found[1] if found else ""
    closes = found is not None and found[1][0] == fence[0] and len(found[1]) >= len(fence)
    return "" if closes else fence


def _rewrite_line(line: str) -> Iterator[str]:
    included = next((found[1] for one in _INCLUDES if (found := one.fullmatch(line))), None)
    if included is not None:
        yield "" if _PICTURE.search(included) else _say_missing(included)
    elif (callout := _CALLOUT.fullmatch(line)) is not None:
        yield f"{callout[1]}**{callout[3].strip() or callout[2].capitalize()}**"
        yield callout[1].rstrip()
    elif (tab := _TAB.fullmatch(line)) is not None:
        yield f"{tab[1]}!!! tab {tab[2]}"
    elif (box := _BOX.fullmatch(line)) is not None:
        yield from _rewrite_box(box)
    elif _CONTENTS.fullmatch(line) or _IMPORT.fullmatch(line):
        yield ""
    else:
        yield _SHORTCODE.sub("", line)


def _rewrite_box(box: re.Match[str]) -> Iterator[str]:
    """Begin or end a box: its title, or its kind where that is a usual one, stands above its text."""
    kind = (box[1] or "").lower()
    title = _BOX_TITLE.fullmatch(box[2].strip()) if kind else None
    yield ""
    if title is not None or kind in _ADMONITIONS:
        yield f"**{title[1].strip() if title else kind.capitalize()}**"
        yield ""


def _say_missing(name: str) -> str:
    return f"\n*(This page includes {name.strip(chr(34) + chr(39))}, which was not read.)*\n"


def rewrite_words(text: str) -> str:
    """Return a stretch of text without the signs around links of a wiki and highlighted words."""
    if "[[" in text:
        text = _WIKI_LINK.sub(_name_link, text)
    return _HIGHLIGHT.sub(r"\1", text) if "==" in text else text


def _name_link(link: re.Match[str]) -> str:
    if link[1] and _PICTURE.search(link[2]):
        return ""
    return (link[3] or "").strip() or link[2].partition("#")[0].strip() or link[2].lstrip("#")


def explain(children: list[Token], abbreviations: dict[str, str]) -> list[Token]:
    """Mark each abbreviation where it stands first, as HTML does; those that were found are taken out."""
    done: list[Token] = []
    for child in children:
        found = _find_first(child.content, abbreviations) if child.type == "text" and abbreviations else None
        if found is None:
            done.append(child)
            continue
        start, short = found
        title = escape(abbreviations.pop(short), quote=True)
        before, after = child.content[:start], child.content[start + len(short) :]
        marked = Token("html_inline", "", 0, content=f'<abbr title="{title}">{escape(short)}</abbr>')
        done += [Token("text", "", 0, content=before), marked]
        done += explain([Token("text", "", 0, content=after)], abbreviations)
    return done


def _find_first(text: str, abbreviations: dict[str, str]) -> tuple[int, str] | None:
    for short in abbreviations:
        at = text.find(short)
        if at >= 0 and not text[at - 1 : at].isalnum() and not text[at + len(short) :][:1].isalnum():
            return at, short
    return None
