"""Pages of a SharePoint site, as Microsoft Graph tells them: their list, and their text as HTML.

Source: learn.microsoft.com/graph, sitePage, canvasLayout, textWebPart, standardWebPart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from pages.sources.foreign import find, find_objects, find_text, frame_html


def is_published(page: Mapping[str, Any]) -> bool:
    """Tell whether readers see the page as it is told: a draft is only its editors'."""
    return find_text(page, "publishingState", "level").lower() == "published"


def build_html(page: Mapping[str, Any]) -> str:
    """Return a page's text, from its web parts in the order of their places."""
    return frame_html(find_text(page, "title"), "".join(_read_part(part) for part in _web_parts(page)))


def _web_parts(page: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for section in find_objects(page, "canvasLayout", "horizontalSections"):
        for column in find_objects(section, "columns"):
            yield from find_objects(column, "webparts")
    yield from find_objects(page, "canvasLayout", "verticalSection", "webparts")


def _read_part(part: Mapping[str, Any]) -> str:
    """Return the HTML of a text, or what a part of another kind gives to the search of SharePoint."""
    inner = find_text(part, "innerHtml")
    if inner:
        return f"<div>{inner}</div>"
    content = find(part, "data", "serverProcessedContent")
    texts = [
        f"<p>{escape(find_text(one, 'value'))}</p>" for one in find_objects(content, "searchablePlainTexts")
    ]
    texts += [f"<div>{find_text(one, 'value')}</div>" for one in find_objects(content, "htmlStrings")]
    return "".join(texts)
