"""Pages in the reader's language: what they chose on it, else what their browser asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

from aiohttp import web

from core.translation import get_language, list_languages, list_texts, say

COOKIE = "askpage-language"
_MOST_TAGS = 20
_TEXT = re.compile(r"\[\[([^\[\]]{1,300})\]\]")
_KEYS = {"{enter}": "Enter", "{shift}": "Shift", "{up}": "↑"}
"""Names of keys in a text; they are drawn as keys."""
SCRIPTS = "bot/static/"
"""Where the scripts of pages stand."""
PAGE_SCRIPTS = tuple(f"{SCRIPTS}{name}" for name in ("reviews.js", "review-parts.js", "entry.js"))
"""Those of the pages behind a guard."""


def list_tags(request: web.Request) -> list[str]:
    """Return the languages that somebody wants, the best first: the chosen one, then the browser's."""
    chosen = request.cookies.get(COOKIE, "")
    weighed: list[tuple[float, str]] = []
    for one in request.headers.get("Accept-Language", "").split(",")[:_MOST_TAGS]:
        tag, _, weight = one.strip().partition(";")
        weighed.append((_parse_weight(weight), tag.strip()))
    wanted = [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight > 0]
    return [chosen, *wanted]


def _parse_weight(text: str) -> float:
    """Return the weight of a language (RFC 9110, 12.5.4): "q=0.8" is 0.8, nothing is 1, nonsense 0."""
    name, _, value = text.replace(" ", "").partition("=")
    if not name:
        return 1.0
    digits = re.fullmatch(r"[01](?:\.\d{0,3})?", value)
    return float(value) if name == "q" and digits else 0.0


def describe_language(request: web.Request, scripts: Sequence[str] = ()) -> dict[str, object]:
    """Return what a page's scripts need: their texts, and which languages can be chosen.

    `scripts` are the page's own; without them it is all but those of other pages.
    """
    chosen = request.cookies.get(COOKIE, "")
    offered = list_languages()
    return {
        "texts": list_script_texts(scripts),
        "languages": offered,
        "chosen_language": chosen if chosen in offered else "",
    }


def list_script_texts(scripts: Sequence[str] = ()) -> Mapping[str, str | list[str]]:
    """Return what scripts say in the reader's language, by the English text."""
    if scripts:
        return list_texts(get_language(), tuple(scripts))
    return list_texts(get_language(), (SCRIPTS,), PAGE_SCRIPTS)


def translate_page(path: Path) -> str:
    """Return a page with its [[texts]] in the reader's language, and that language as {{language}}."""
    page = _TEXT.sub(lambda found: _say(found[1]), _read(path))
    return page.replace("{{language}}", get_language())


@lru_cache
def _read(path: Path) -> str:
    return path.read_text("utf-8")


def _say(text: str) -> str:
    said = escape(say(text))
    for name, key in _KEYS.items():
        said = said.replace(name, f"<kbd>{key}</kbd>")
    return said
