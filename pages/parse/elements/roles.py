"""Elements that are something else by their role or style than by their tag → the tags that say so.

Tables of <div> and <span> with roles (WAI-ARIA 1.2), cells with nothing but an icon, code that is no <pre>.
Done once it is known what is seen: style sheets name the tags as they were.
"""

from __future__ import annotations

import re
from itertools import islice

from pages.visibility.html_tree import Element, to_one_line

_TABLES = frozenset({"table", "grid", "treegrid"})
_TAG_OF_ROLE = {
    "table": "table",
    "grid": "table",
    "treegrid": "table",
    "rowgroup": "tbody",
    "row": "tr",
    "cell": "td",
    "gridcell": "td",
    "columnheader": "th",
    "rowheader": "th",
}
_RETAGGED = ("div", "span", "ul", "ol", "li", "section", "p", "a", "dl", "dt", "dd", "article")
_LONGEST_NAME = 40
"""Characters of what an icon says: a cell's "yes", no text that nobody sees."""
_MOST_IN_CELL = 12
_PRE = re.compile(r"white-space\s*+:\s*+(?:pre|break-spaces)")


def write_roles(root: Element) -> None:
    """Give elements the tags of their roles, and cells the names of their icons."""
    for table in list(root.iter(*_RETAGGED)):
        if table.get("role") in _TABLES and any(one.get("role") == "row" for one in table.iter("*")):
            _retag(table)
    for cell in root.iter("td", "th"):
        if not cell.text and next(cell.iterchildren(), None) is not None:
            _name_icon(cell)
    for code in list(root.iter("code", "samp")):
        if "\n" in (code.text or "") and _PRE.search((code.get("style") or "").lower()):
            code.tag = "pre"


def _retag(table: Element) -> None:
    for element in list(table.iter(*_RETAGGED)):
        tag = _TAG_OF_ROLE.get(element.get("role") or "")
        if tag and (element is table or tag != "table"):
            element.tag = tag


def _name_icon(cell: Element) -> None:
    """Write what an icon is called into a cell that has nothing else."""
    inside = list(islice(cell.iter("*"), _MOST_IN_CELL + 1))
    if len(inside) > _MOST_IN_CELL or any(to_one_line(text) for text in cell.itertext()):
        return
    if any(one.get("alt") for one in inside):
        return
    names = (to_one_line(one.get("aria-label") or one.get("title") or "") for one in inside[1:])
    name = next((one for one in names if one), "")
    if len(name) <= _LONGEST_NAME:
        inside[-1].text = name
