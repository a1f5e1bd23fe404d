"""Word documents (.docx) → sections, with mammoth (BSD-2, 55 KB, and cobble), which makes HTML of them.

It reads styles by their names, lists, tables with header rows, footnotes, text boxes and content controls,
and leaves out what is deleted with tracked changes. What it does not know is what a reader cannot see: hidden
runs are taken out before. It gets the XML parts only, and no picture is opened.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import mammoth
from lxml import etree

from core.phrases import mark
from pages.fetched import PageUnreadable
from pages.parse.extracted import Extracted, count_of
from pages.parse.office.archive import is_xml, pack, read_parts, read_relations, read_title, read_xml
from pages.parse.office.markup import read_markup
from pages.visibility.html_tree import Element

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = b"http://purl.oclc.org/ooxml/"
_STYLES = (
    "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh\nr[style-name='Strong'] => strong"
)
_TINY = 4  # half points
_OFF = frozenset({"0", "false", "off"})
_MOST_PARAGRAPHS = 20_000
"""Paragraphs, those in cells included: some 600 pages, ten seconds of work."""


def read_word(body: bytes) -> Extracted:
    """Return what a document says. Raises PageUnreadable."""
    parts = read_parts(body, is_xml)
    if _STRICT in parts.get("_rels/.rels", b""):
        raise PageUnreadable(
            mark(
                "That document is saved as “Strict Open XML”; please save it as a plain .docx and send that."
            )
        )
    main = next((one for one in read_relations(parts, "").values() if _is_document(parts, one)), "")
    hidden = _hidden_styles(parts)
    unseen = deleted = 0
    for name in [name for name in parts if name == main or name.endswith(("footnotes.xml", "endnotes.xml"))]:
        root = read_xml(parts, name)
        if sum(1 for _ in root.iter(f"{_W}p")) > _MOST_PARAGRAPHS:
            raise PageUnreadable(
                mark("That document has more than {most} paragraphs; please send a part of it."),
                most=_MOST_PARAGRAPHS,
            )
        deleted += sum(1 for _ in root.iter(f"{_W}del"))
        unseen += _drop_hidden(root, hidden)
        parts[name] = etree.tostring(cast("Any", root))
    title = read_title(parts)
    pictures = mammoth.images.img_element(_show_nothing)
    made = mammoth.convert_to_html(pack(parts), style_map=_STYLES, convert_image=pictures)
    html = cast("str", made.value)
    sections = read_markup(html.replace(">↑</a>", "></a>"))
    return Extracted(title or _first_heading(html), sections, unseen, tuple(_left_out(parts, deleted)))


def _is_document(parts: dict[str, bytes], name: str) -> bool:
    return name in parts and str(read_xml(parts, name).tag) == f"{_W}document"


def _show_nothing(_: Any) -> dict[str, str]:
    return {}


def _hidden_styles(parts: dict[str, bytes]) -> frozenset[str]:
    if "word/styles.xml" not in parts:
        return frozenset()
    styles = read_xml(parts, "word/styles.xml").iter(f"{_W}style")
    return frozenset(
        style.get(f"{_W}styleId") or "" for style in styles if _is_on(style.find(f"{_W}rPr/{_W}vanish"))
    )


def _is_on(switch: Element | None) -> bool:
    return switch is not None and (switch.get(f"{_W}val") or "") not in _OFF


def _drop_hidden(root: Element, styles: frozenset[str]) -> int:
    """Empty the runs that nobody sees; return how many they were."""
    runs = [run for run in root.iter(f"{_W}r") if _is_hidden(run, styles)]
    for run in runs:
        run.clear(keep_tail=True)
    return len(runs)


def _is_hidden(run: Element, styles: frozenset[str]) -> bool:
    look = run.find(f"{_W}rPr")
    if look is None or run.find(f"{_W}t") is None:
        return False
    style = look.find(f"{_W}rStyle")
    size = look.find(f"{_W}sz")
    points = (size.get(f"{_W}val") or "") if size is not None else ""
    vanish = look.find(f"{_W}vanish")
    by_style = vanish is None and style is not None and style.get(f"{_W}val") in styles
    tiny = points.isascii() and points.isdigit() and int(points[:4]) < _TINY
    return _is_on(vanish) or by_style or tiny or (_is_white(look) and not _is_shaded(run))


def _is_white(look: Element) -> bool:
    colour = look.find(f"{_W}color")
    return colour is not None and (colour.get(f"{_W}val") or "").upper() == "FFFFFF"


def _is_shaded(run: Element) -> bool:
    """Tell whether something may lie behind white letters: a shade, or a table's or a shape's own look."""
    around: Element | None = run
    while around is not None:
        tag = str(around.tag).rpartition("}")[2]
        if tag in {"tbl", "txbxContent"} or _has_shade(around, tag):
            return True
        around = around.getparent()
    return False


def _has_shade(element: Element, tag: str) -> bool:
    look = element.find(f"{_W}{tag}Pr")
    return look is not None and any(look.find(f"{_W}{one}") is not None for one in ("shd", "highlight"))


def _first_heading(html: str) -> str:
    start, end = html.find("<h1>"), html.find("</h1>")
    root = etree.fromstring(html[start : end + 5]) if 0 <= start < end else None
    return "" if root is None else "".join(str(text) for text in root.itertext())


def _left_out(parts: dict[str, bytes], deleted: int) -> Iterator[str]:
    if deleted:
        yield f"{count_of(deleted, 'passage')} deleted with tracked changes."
    if "word/comments.xml" in parts:
        comments = sum(1 for _ in read_xml(parts, "word/comments.xml").iter(f"{_W}comment"))
        if comments:
            yield f"{count_of(comments, 'comment')}."
