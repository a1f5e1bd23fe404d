"""The sensitivity label of a page, by its name: what its front matter says, or the label of an Office file.

Labels that Microsoft Purview gives are written into Word, Excel and PowerPoint files as properties named
`MSIP_Label_{id}_Name` and `…_Enabled`, wherever the file then lies (SharePoint, OneDrive, a folder).
Source: https://learn.microsoft.com/information-protection/develop/concept-mip-metadata
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.text import printable
from pages import kinds

LONGEST = 80
NAMES = frozenset({"sensitivity", "sensitivity_label", "sensitivity-label", "sensitivitylabel"})
CLASSES = re.compile(
    r"(?:(?:highly|strictly) )?(?:public|general|internal|confidential|restricted|secret)(?: use only)?",
    re.IGNORECASE,
)
"""What a plain `label` has to say to be one of sensitivity: menus have labels, too."""
_PROPERTIES = "docProps/custom.xml"
_NAMED = re.compile(r"MSIP_Label_[0-9A-Fa-f-]{36}_(Name|Enabled)")
_OFFICE = frozenset({kinds.WORD, kinds.SLIDES, kinds.SHEETS})


def find_label(values: Mapping[str, object]) -> str:
    """Return the label that a front matter names, "" for none.

    >>> find_label({"Sensitivity": "Confidential"}), find_label({"label": "Home"})
    ('Confidential', '')
    """
    lowered = {name.strip().lower(): value for name, value in values.items()}
    named = [value for name, value in lowered.items() if name in NAMES]
    plain = lowered.get("label")
    if isinstance(plain, str) and CLASSES.fullmatch(plain.strip()):
        named.append(plain)
    return next((label for value in named if (label := tidy_label(value))), "")


def tidy_label(value: object) -> str:
    """Return a label on one line and not too long; of what is no text, none."""
    return " ".join(printable(value).split())[:LONGEST].rstrip() if isinstance(value, str) else ""


def read_file_label(body: bytes, content_type: str) -> str:
    """Return the label that an Office file has, "" for none. Raises PageUnreadable for a damaged one."""
    if content_type not in _OFFICE:
        return ""
    from pages.parse.office.archive import read_parts  # noqa: PLC0415 - memory that other pages need not pay
    from pages.visibility.html_tree import parse_xml  # noqa: PLC0415 - the same

    part = read_parts(body, lambda name: name == _PROPERTIES).get(_PROPERTIES, b"")
    root = parse_xml(part) if part and b"<!" not in part else None
    said: dict[str, str] = {}
    for one in root.iter() if root is not None else ():
        name, text = one.get("name") or "", "".join(one.itertext()).strip()
        if found := _NAMED.fullmatch(name):
            said.setdefault(found[1], text)
    return tidy_label(said.get("Name")) if said.get("Enabled", "true").casefold() == "true" else ""
