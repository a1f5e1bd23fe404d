"""The parts of an office file, which is a zip archive: only those that are read, each within bounds.

Nothing is believed that the archive says of itself: a part is unpacked up to its bound and no further. XML
that declares a document type is refused, so there are no entities, and nothing outside of the file is ever
named to a parser.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from core.phrases import mark
from pages.fetched import PageUnreadable
from pages.visibility.html_tree import Element, parse_xml

MOST_PARTS = 20_000
"""Entries of an archive; a deck of a thousand slides has some 5,000."""
LARGEST_PART = 40_000_000
LARGEST_FILE = 80_000_000
"""Bytes of all parts that are read, unpacked."""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
_BOMB = re.compile(rb"<!(?:DOCTYPE|ENTITY)|<\0!\0[DE]\0|\0<\0!\0[DE]")
_BROKEN = mark("That file is damaged and cannot be read; please send another copy of it.")
_OLD = mark(
    "That file is protected by a password, or made by an old version of Office; please save it without a "
    "password as .docx, .xlsx or .pptx and send that."
)
_BOMBED = mark("That file declares entities, which no office program writes; I do not read it.")


def read_parts(body: bytes, is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the parts whose names are wanted. Raises PageUnreadable."""
    if body.startswith(_OLE):
        raise PageUnreadable(_OLD)
    if not body.startswith(_ZIP):
        raise PageUnreadable(_BROKEN)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return _read_entries(archive, is_wanted)
    except (PageUnreadable, MemoryError):
        raise
    except Exception as error:  # zlib, lzma and bz2 have errors of their own
        raise PageUnreadable(_BROKEN) from error


def _read_entries(archive: zipfile.ZipFile, is_wanted: Callable[[str], bool]) -> dict[str, bytes]:
    room = LARGEST_FILE
    parts: dict[str, bytes] = {}
    entries = archive.infolist()
    if len(entries) > MOST_PARTS:
        raise PageUnreadable(
            mark("That file has more than {most} parts; please send a part of it."), most=MOST_PARTS
        )
    for entry in entries:
        if not is_wanted(entry.filename) or entry.filename in parts:
            continue
        if entry.flag_bits & 1:
            raise PageUnreadable(_OLD)
        parts[entry.filename] = _unpack(archive, entry, min(room, LARGEST_PART))
        room -= len(parts[entry.filename])
    return parts


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    with archive.open(entry) as opened:
        part = opened.read(limit + 1)
    if len(part) > limit:
        raise PageUnreadable(
            mark("That file unpacks to more than {size} MB of text; please send a part of it."),
            size=LARGEST_PART / 1_000_000,
        )
    if _BOMB.search(part):
        raise PageUnreadable(_BOMBED)
    return part


def is_xml(name: str) -> bool:
    """Tell whether a part is one that is read: XML, and what says how parts belong together."""
    return name.lower().endswith((".xml", ".rels"))


def read_xml(parts: Mapping[str, bytes], name: str) -> Element:
    """Return a part as a tree. Raises PageUnreadable."""
    root = parse_xml(parts[name]) if name in parts else None
    if root is None:
        raise PageUnreadable(_BROKEN)
    return root


def read_relations(parts: Mapping[str, bytes], name: str) -> dict[str, str]:
    """Return which parts a part names, by their ids; what lies outside of the file is left out."""
    path = PurePosixPath(name)
    relations = f"{path.parent}/_rels/{path.name}.rels" if path.parent.name else f"_rels/{path.name}.rels"
    if relations not in parts:
        return {}
    found: dict[str, str] = {}
    for one in read_xml(parts, relations).iterchildren():
        target = one.get("Target") or ""
        if one.get("TargetMode") != "External":
            found[one.get("Id") or ""] = _resolve(path.parent, target)
    return found


def _resolve(folder: PurePosixPath, target: str) -> str:
    if target.startswith("/"):
        return target.lstrip("/")
    kept: list[str] = []
    for step in (*folder.parts, *PurePosixPath(target).parts):
        if step == ".." and kept:
            kept.pop()
        elif step not in {"..", "."}:
            kept.append(step)
    return "/".join(kept)


def pack(parts: Mapping[str, bytes]) -> io.BytesIO:
    """Return parts as an archive again, for a library that wants one."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    file.seek(0)
    return file


def read_title(parts: Mapping[str, bytes], name: str = "docProps/core.xml") -> str:
    """Return the title that a file gives itself ("" for none)."""
    root = parse_xml(parts[name]) if name in parts else None
    found = root.find(".//{http://purl.org/dc/elements/1.1/}title") if root is not None else None
    title = (found.text or "").strip() if found is not None else ""
    is_none = title.lower() in {
        "untitled",
        "powerpoint presentation",
        "powerpoint-präsentation",
        "presentation",
    }
    return "" if is_none or re.search(r"[\\/]|\.\w{3,4}$", title) else title
