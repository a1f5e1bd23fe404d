"""Files that are made to hold up their reader: each costs seconds and a sentence."""

from __future__ import annotations

import io
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pages import kinds
from pages.fetched import Fetched, PageRefused
from pages.parse.extract import extract
from pages.parse.sandbox import Sandbox
from tests.builders.office_files import (
    make_open_document,
    make_sheets,
    make_slides,
    make_word,
    pack,
    sheet_rows,
    slide_shape,
    word_paragraph,
    word_run,
)
from tests.builders.pdf_files import make_pdf
from tests.processes.hostile_site import PAGES

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LONGEST_S = 10.0
"""Processor time of the slowest, several times what a quiet machine takes."""
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + at)} "{f"&{chr(97 + at)};" * 10}">' for at in range(10))
    + "]>"
)


def stream(content: bytes, page: str = "") -> bytes:
    """Return a PDF whose only page draws `content`, packed."""
    packed = zlib.compress(content, 9)
    head = (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    )
    body = (
        f"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 "
        f"R/Resources<</Font<</F 5 0 R>>{page}>>"
        ">>endobj\n5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
        f"4 0 obj<</Length {len(packed)}/Filter/FlateDecode>>stream\n"
    )
    return head + body.encode() + packed + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF"


def parts_of(body: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return an office file with one of its parts changed."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = {one: archive.read(one) for one in archive.namelist()}
    return pack({**parts, name: change(parts[name])})


def with_entities(part: bytes) -> bytes:
    return LAUGHS.encode() + part.replace(b"84", b"&k;")


def quine() -> bytes:
    """Return an archive that says of a part that it is small, and unpacks to a hundred megabytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", b" " * 100_000_000)
    return out.getvalue().replace((100_000_000).to_bytes(4, "little"), (500).to_bytes(4, "little"))


WORD = make_word(word_paragraph(word_run("84 days")))
DOCUMENT, CONTENT = "word/document.xml", "content.xml"
NESTED_WORD = "<w:sdt><w:sdtContent>" * 20_000 + "</w:sdtContent></w:sdt>" * 20_000
FILES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a part that unpacks to 100 MB": (kinds.WORD, quine, ""),
    "a document of 50 MB": (
        kinds.WORD,
        lambda: make_word(word_paragraph(word_run("84 days ")) * 900_000),
        "unpacks to more than",
    ),
    "a document of 100,000 paragraphs": (
        kinds.WORD,
        lambda: make_word(word_paragraph(word_run("84 days ")) * 100_000),
        "paragraphs",
    ),
    "entities in a document": (kinds.WORD, lambda: parts_of(WORD, DOCUMENT, with_entities), "entities"),
    "entities in UTF-16": (
        kinds.WORD,
        lambda: parts_of(WORD, DOCUMENT, lambda part: with_entities(part).decode().encode("utf-16")),
        "entities",
    ),
    "an external entity": (
        kinds.OPEN_TEXT,
        lambda: parts_of(
            make_open_document("text", "<text:p>84</text:p>"),
            CONTENT,
            lambda part: (
                b'<!DOCTYPE x [<!ENTITY k SYSTEM "file:///etc/passwd">]>' + part.replace(b"84", b"&k;")
            ),
        ),
        "entities",
    ),
    "elements nested 40,000 deep": (kinds.WORD, lambda: make_word(NESTED_WORD), "damaged"),
    "20,001 parts": (
        kinds.SLIDES,
        lambda: pack({f"ppt/slides/slide{at}.xml": "" for at in range(20_001)}),
        "parts",
    ),
    "an overlapping archive": (kinds.SHEETS, lambda: WORD[:40] + WORD[40:] * 3, ""),
    "a cell at the far end": (
        kinds.SHEETS,
        lambda: make_sheets(
            {"S": '<sheetData><row r="1048576"><c r="XFD1048576" t="str"><v>84</v></c></row></sheetData>'}
        ),
        "no text",
    ),
    "hidden columns without end": (
        kinds.SHEETS,
        lambda: make_sheets(
            {"S": '<cols><col min="1" max="99999999" hidden="1"/></cols>' + sheet_rows([["84"]])}
        ),
        "no text",
    ),
    "a sheet of 201,000 cells": (
        kinds.SHEETS,
        lambda: make_sheets({"S": sheet_rows([[("1", 0)] * 100] * 2_010)}),
        "cells",
    ),
    "one number format of 100 KB": (
        kinds.SHEETS,
        lambda: make_sheets(
            {"S": sheet_rows([[("1", 0)]])},
            styles=f'<numFmts><numFmt numFmtId="170" formatCode="{"[$" * 50_000}"/></numFmts>'
            '<cellXfs><xf numFmtId="170"/></cellXfs>',
        ),
        "",
    ),
    "groups of shapes nested 100 deep": (
        kinds.SLIDES,
        lambda: make_slides("<p:grpSp>" * 100 + slide_shape("84 days") + "</p:grpSp>" * 100),
        "",
    ),
    "a repeated cell": (
        kinds.OPEN_SHEETS,
        lambda: make_open_document(
            "spreadsheet",
            '<table:table><table:table-row table:number-rows-repeated="99999">'
            '<table:table-cell table:number-columns-repeated="99999"><text:p>84</text:p></table:table-cell>'
            "</table:table-row></table:table>",
        ),
        "",
    ),
    "RTF of braces": (kinds.RICH_TEXT, lambda: b"{\\rtf1" + b"{" * 4_000_000, "nested"),
    "RTF of control words": (kinds.RICH_TEXT, lambda: b"{\\rtf1" + b"\\a" * 400_000, "no text"),
    "RTF of cells": (kinds.RICH_TEXT, lambda: b"{\\rtf1" + b"\\intbl\\cell\\row" * 60_000 + b"}", ""),
    "CSV of one quote": (kinds.CSV, lambda: b'a,"' + b"b\n" * 2_000_000, "damaged"),
    "CSV of commas": (kinds.CSV, lambda: b"," * 4_900_000, "cells"),
    "mail within mail": (
        kinds.MAIL,
        lambda: b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(1_500)
        ),
        "",
    ),
    "pages that are their own pages": (kinds.PDF, PAGES["pdf-loop"][1], "1,000,000 pages"),
    "a page of a million letters": (
        kinds.PDF,
        lambda: stream(b"BT /F 9 Tf (" + b"a " * 1_700_000 + b") Tj ET"),
        "",
    ),
    "a page of 100,000 pieces": (
        kinds.PDF,
        lambda: stream(b"BT /F 9 Tf " + b"1 0 Td (a) Tj " * 100_000 + b" ET"),
        "",
    ),
    "a page of 50,000 rules": (
        kinds.PDF,
        lambda: stream(
            b"".join(b"0 %d m 600 %d l S %d 0 m %d 800 l S " % (at, at, at, at) for at in range(600)) * 160
        ),
        "no text",
    ),
    "a stream of 100 MB": (kinds.PDF, lambda: stream(b" " * 100_000_000), "no text"),
    "2,001 pages": (kinds.PDF, lambda: make_pdf(*[""] * 2_001), "2,001 pages"),
}


@pytest.mark.parametrize(("kind", "make", "words"), FILES.values(), ids=FILES)
def test_a_hostile_file_costs_seconds_and_a_sentence(
    kind: str, make: Callable[[], bytes], words: str
) -> None:
    body = make()
    before = time.process_time()
    said = ""
    try:
        page = extract(body, url="https://h.test/x", content_type=kind, fetched_at=NOW)
        assert sum(len(section.text) for section in page.sections) < 5_000_000
    except PageRefused as refused:
        said = str(refused)
        assert said.endswith(".")
    assert words in said
    assert time.process_time() - before < LONGEST_S


async def test_forms_within_forms_end_with_their_process() -> None:
    """PDFium cannot be stopped in the middle of a page; its process can, for its time or its memory."""
    sandbox = Sandbox(2.0)
    fetched = Fetched("https://h.test/x", PAGES["pdf-forms"][1](), kinds.PDF)
    with pytest.raises(PageRefused, match=r"takes longer than 2 seconds|could not be read"):
        await sandbox.extract(fetched, NOW)
    await sandbox.close()
