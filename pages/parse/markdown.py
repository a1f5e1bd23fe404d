"""Markdown as sites are written in it → a title and HTML: front matter, dialects, Liquid tags, heading ids.

The HTML goes through the same pass as any other page (`pages.parse.html_sections`), so raw HTML inside
Markdown, its tables and hidden parts need no second set of rules. Headings get the ids that GitHub gives
them, or their own `{#custom}`.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from lxml.html import defs  # pyright: ignore[reportMissingTypeStubs]
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.admon import admon_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.subscript import sub_plugin
from mdit_py_plugins.superscript import superscript_plugin

from core.phrases import mark
from core.readers import EVERYONE, Readers
from pages.fetched import PageUnreadable
from pages.parse.markdown_dialects import explain, rewrite_dialects, rewrite_words
from pages.readers import read_front_matter

LONGEST = 400_000
"""Longest Markdown text, characters; hostile text takes the parser up to 0.1 ms for each."""

_LONGEST_PARAGRAPH = 50_000
"""Beyond this a paragraph's emphasis and links stay as they are written."""

_LOOKED_AT = 4_000
_FRONT_MATTER = re.compile(
    r"\A\ufeff?---[ \t]*\r?\n(.{0,65536}?)(?:^|\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL
)
_TITLE_LINE = re.compile(r"^title:(.+)$", re.MULTILINE)
_COMMENT_TAG = re.compile(r"\{%-?\s*(end)?comment\b[^%]{0,200}%\}")
_TAG = re.compile(r"\{%-?\s*+(\w[\w-]*+)?+([^%]{0,500}+)%\}")
_OUTPUT = re.compile(r"\{\{-?([^{}]{0,500})-?\}\}")
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_CUSTOM_ID = re.compile(r"(?:(?<!\s)\s+)?\{:?\s*#([^\s{}#]++)[^{}]*+\}\s*$")
_ATTRIBUTES = re.compile(r"\{[:.][^{}\n]{0,200}\}")
_TAG_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9-]*)")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


def _inline(state: StateCore) -> None:
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = []
        if len(token.content) <= _LONGEST_PARAGRAPH:
            state.md.inline.parse(token.content, state.md, state.env, token.children)
        else:
            token.children.append(Token("text", "", 0, content=token.content))


_parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_parser.use(footnote_plugin).use(deflist_plugin).use(admon_plugin).use(superscript_plugin).use(sub_plugin)
_parser.core.ruler.at("inline", _inline)


def front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Split a Markdown text into its front matter and the rest.

    Unreadable front matter gives what can be had.
    """
    found = _FRONT_MATTER.match(text)
    if found is None:
        return {}, text
    rest = text[found.end() :]
    try:
        values: object = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
        title = _TITLE_LINE.search(found[1])
        return ({"title": title[1].strip("\"' \t")} if title else {}), rest
    return ({str(key): value for key, value in values.items()} if isinstance(values, dict) else {}), rest  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def read_readers(text: str) -> tuple[Readers, str]:
    """Return who may read a Markdown text, and a sentence where that is not written as it should be."""
    found = _FRONT_MATTER.match(text)
    if found is None:  # also one without its end, which was meant as one
        begins = text[:_LOOKED_AT].removeprefix("\ufeff").startswith("---")
        return read_front_matter({}, text[:_LOOKED_AT]) if begins else (EVERYONE, "")
    return read_front_matter(front_matter(text)[0], found[1])


def to_html(text: str) -> tuple[str, str]:
    """Return the title that the front matter gives ("" for none) and the page as HTML."""
    if len(text) > LONGEST:
        raise PageUnreadable(
            mark("That page has more than {most} characters; please split it."), most=LONGEST
        )
    values, rest = front_matter(text)
    title = values.get("title")
    if not rest.strip() and isinstance(values.get("redirect_to"), str):
        raise PageUnreadable(
            mark("That page only leads to {url}; please ask about that one."), url=values["redirect_to"][:200]
        )
    plain, abbreviations = rewrite_dialects(rest)
    environment: dict[str, Any] = {}
    tokens = _parser.parse(_without_liquid(plain), environment)
    _finish(tokens, abbreviations)
    rendered: str = _parser.renderer.render(tokens, _parser.options, environment)
    return (str(title) if isinstance(title, str | int | float) else ""), rendered


def _without_comments(text: str) -> str:
    """Drop what stands between comment tags; a comment without an end is none."""
    kept: list[str] = []
    position = 0
    opened: re.Match[str] | None = None
    for tag in _COMMENT_TAG.finditer(text):
        if not tag[1]:
            opened = opened or tag
        elif opened:
            kept.append(text[position : opened.start()])
            position, opened = tag.end(), None
    return "".join([*kept, text[position:]])


def _without_liquid(text: str) -> str:
    text = _without_comments(text)
    return _OUTPUT.sub(_output_text, _TAG.sub(_tag_text, text))


def _tag_text(tag: re.Match[str]) -> str:
    """Return what a Liquid tag shows, as far as that is known without the site."""
    name = tag[1] or ""
    said = tag[2].removesuffix("-")
    quoted = [double or single for double, single in _QUOTED.findall(said)]
    if name in {"link", "page", "post_url", "url"}:
        return quoted[0] if quoted else said.strip()
    if name == "slack_channel" and quoted:
        return f"#{quoted[0]}"
    if name.startswith("image"):
        return quoted[-1] if len(quoted) > 1 else ""
    if name == "alert" and quoted and quoted[0]:
        return f"**{quoted[0]}**"
    return ""


def _output_text(output: re.Match[str]) -> str:
    """Return the literal that `{{ "..." | filter }}` shows; a variable's value is the site's secret."""
    literal = _QUOTED.match(output[1].strip())
    return (literal[1] or literal[2] or "") if literal else ""


def _finish(tokens: list[Token], abbreviations: dict[str, str]) -> None:
    """Give headings their ids, and turn what only looks like HTML (`<your name>`) back into words."""
    seen: dict[str, int] = {}
    for number, token in enumerate(tokens):
        children = token.children or []
        if token.type == "inline" and number and tokens[number - 1].type == "heading_open":
            tokens[number - 1].attrSet("id", _take_custom_id(children) or _slug(children, seen))
        _clean_inline(children)
        if abbreviations and token.children:
            token.children = explain(children, abbreviations)


def _clean_inline(children: list[Token]) -> None:
    for child in children:
        if child.type == "html_inline":
            name = _TAG_NAME.match(child.content)
            if name and name[1].lower() not in defs.tags:
                child.type = "text"
        elif child.type == "text":
            child.content = rewrite_words(_ATTRIBUTES.sub("", child.content))


def _take_custom_id(children: list[Token]) -> str:
    if not children or children[-1].type != "text":
        return ""
    found = _CUSTOM_ID.search(children[-1].content)
    if found is None:
        return ""
    children[-1].content = children[-1].content[: found.start()]
    return found[1]


def _slug(children: list[Token], seen: dict[str, int]) -> str:
    words = "".join(child.content for child in children if child.type in {"text", "code_inline", "softbreak"})
    slug = base = _NOT_IN_SLUG.sub("", words.strip().lower()).replace(" ", "-")
    while slug in seen:
        seen[base] += 1
        slug = f"{base}-{seen[base]}"
    seen[slug] = 0
    return slug
