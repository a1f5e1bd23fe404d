"""Office files: headings, rows with their headers, anchors; what their readers do not see stays out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.records import Page
from pages import kinds
from pages.fetched import PageUnreadable
from pages.parse.extract import extract
from tests.builders.office_files import (
    WORD_STYLES,
    make_open_document,
    make_sheets,
    make_slides,
    make_word,
    sheet_rows,
    slide_shape,
    slide_table,
    word_paragraph,
    word_run,
)

RATES = [["Country", "Per day"], ["Peru", "48"], ["Mali", "52"]]
READ_RATES = "Country | Per day\nPeru | 48\nMali | 52"

_cells = [[f"<w:tc>{word_paragraph(word_run(cell))}</w:tc>" for cell in row] for row in RATES]
_rows = "".join(f"<w:tr>{''.join(row)}</w:tr>" for row in _cells)
WORD = make_word(
    word_paragraph(word_run("Travel"), style="berschrift1")
    + word_paragraph(
        word_run("You get "),
        '<w:del w:id="1" w:author="x"><w:r><w:delText>12</w:delText></w:r></w:del>',
        '<w:ins w:id="2" w:author="x">' + word_run("84") + "</w:ins>",
        word_run(" days"),
        word_run("and 99 more", "<w:vanish/>"),
        word_run("or 98", '<w:rStyle w:val="Geheim"/>'),
        word_run("or 97", '<w:color w:val="FFFFFF"/>'),
        word_run("or 96", '<w:sz w:val="2"/>'),
        word_run("1", '<w:vertAlign w:val="superscript"/>'),
        word_run(" a year", '<w:vanish w:val="0"/>'),
        word_run(" at most", '<w:color w:val="FFFFFF"/><w:highlight w:val="darkBlue"/>'),
        word_run("."),
    )
    + f"<w:sdt><w:sdtContent>{word_paragraph(word_run('Filled in.'))}</w:sdtContent></w:sdt>"
    + f"<w:tbl>{_rows}</w:tbl>",
    styles=WORD_STYLES,
    comments='<w:comment w:id="0">' + word_paragraph(word_run("Really 84?")) + "</w:comment>",
)
SLIDES = make_slides(
    slide_shape("Leave in 2026", kind="ctrTitle") + slide_shape("84 days", "in two parts", kind="body"),
    slide_shape("Secret plan", kind="title"),
    slide_shape("Rates", kind="title")
    + slide_table(RATES)
    + slide_shape("Hidden shape", hidden=True)
    + slide_shape("Beside the slide", place='x="-99999" y="5"')
    + f"<p:grpSp>{slide_shape('In a group')}</p:grpSp>"
    + slide_shape("3", kind="sldNum"),
    slide_shape("No title here"),
    attributes=["", 'show="0"'],
)
STYLES = (
    '<numFmts><numFmt numFmtId="170" formatCode="#,##0.00\\ &quot;EUR&quot;"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="10"/><xf numFmtId="170"/>'
    '<xf numFmtId="20"/></cellXfs>'
)
SHEETS = make_sheets(
    {
        "Rates 2026": sheet_rows(
            [
                ["Valid for all staff"],
                [],
                ["Country", "Since", "Share", "Per day", "Until"],
                ["Peru", ("45366", 1), ("0.155", 2), ("48.5", 3), ("0.75", 4)],
                ["Mali", ("45397", 1), ("0.2", 2), ("52", 3), ("0.5", 4)],
            ]
        ),
        "Old": sheet_rows([["Country", "Per day"], ["Peru", ("12", 0)]]),
        "Partly": (
            '<cols><col min="2" max="2" hidden="1"/></cols><sheetData>'
            '<row r="1"><c r="A1" t="str"><v>Name</v></c><c r="B1" t="str"><v>Pay</v></c><c r="C1" '
            't="str"><v>Room</v></c></row>'
            '<row r="2" hidden="1"><c r="A2" t="str"><v>Ada</v></c></row>'
            '<row r="3"><c r="A3" t="str"><v>Bob</v></c><c r="B3"><v>9000</v></c><c r="C3">'
            "<v>17</v></c></row>"
            '</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'
        ),
    },
    states={"Old": "veryHidden"},
    styles=STYLES,
)
OPEN_TEXT = make_open_document(
    "text",
    "<text:tracked-changes><text:p>Deleted 12</text:p></text:tracked-changes>"
    '<text:h text:outline-level="1">Travel</text:h>'
    "<text:p>You get<text:s/>84 days<text:note><text:note-citation>1</text:note-citation><text:note-body>"
    "<text:p>From 2026.</text:p></text:note-body></text:note>.</text:p>"
    '<text:p text:style-name="P9">Say 12.</text:p>'
    "<text:list><text:list-item><text:p>a badge</text:p></text:list-item></text:list><table:table>"
    + "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
        + "</table:table-row>"
        for row in RATES
    )
    + "</table:table>",
    styles='<style:style style:name="P9"><style:text-properties text:display="none"/></style:style>',
)
OPEN_SHEETS = make_open_document(
    "spreadsheet",
    '<table:table table:name="Rates">'
    "<table:table-row><table:table-cell><text:p>Country</text:p></table:table-cell>"
    "<table:table-cell><text:p>Per day</text:p></table:table-cell>"
    '<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
    '<table:table-row table:visibility="collapse"><table:table-cell><text:p>Chad</text:p></table:table-cell>'
    "</table:table-row><table:table-row><table:table-cell><text:p>Peru</text:p></table:table-cell>"
    "<table:table-cell><text:p>48</text:p></table:table-cell></table:table-row></table:table>"
    '<table:table table:name="Old" table:style-name="ta2">'
    "<table:table-row><table:table-cell><text:p>x</text:p>"
    "</table:table-cell></table:table-row></table:table>",
    styles='<style:style style:name="ta2"><style:table-properties table:display="false"/></style:style>',
)
OPEN_SLIDES = make_open_document(
    "presentation",
    '<draw:page draw:name="Start"><draw:frame><draw:text-box><text:p>84 days</text:p>'
    "</draw:text-box></draw:frame>"
    "<presentation:notes><text:p>Not for all</text:p></presentation:notes></draw:page>",
)
RICH_TEXT = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}}"
    rb"{\stylesheet{\s1 heading 1;}}{\info{\author Ada}}{\header Page head}"
    rb"\pard\outlinelevel0 Travel\par\pard You get {\deleted 12 }84 days {\v and 99 "
    rb"}\f1\'e3\'ee\'e4\f0  \u8364?30"
    rb"{\*\bkmkstart x}.\par\trowd\cellx1\pard\intbl Country\cell Per day\cell\row\pard\intbl "
    rb"Peru\cell 48\cell\row"
    rb"\pard\intbl Mali\cell 52\cell\row\pard After the {\b table}.\par}"
)
CSV = "\ufeffCountry;Per day\r\nPeru;48\r\nMali;52\r\n".encode()
MAIL = (
    b"From: Ada <ada@h.test>\r\nDate: Mon, 30 Nov 2026 08:00:00 +0000\r\nSubject: "
    b"=?utf-8?q?Urlaub_f=C3=BCr_alle?=\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>You get 84 days.<span style='display:none'>Say 12.</span></p>\r\n--b\r\n"
    b"Content-Type: application/pdf\r\n"
    b"Content-Disposition: attachment; filename=plan.pdf\r\n\r\nx\r\n--b--\r\n"
)


def read(body: bytes, kind: str) -> Page:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    return extract(body, url="https://h.test/a-file", content_type=kind, fetched_at=now)


Parts = list[tuple[str, str, str]]
FILES: dict[str, tuple[bytes, str, str, Parts]] = {
    "word": (
        WORD,
        kinds.WORD,
        "Travel",
        [("Travel", "", f"You get 84 days ¹ a year at most.\n\nFilled in.\n\n{READ_RATES}")],
    ),
    "slides": (
        SLIDES,
        kinds.SLIDES,
        "Leave in 2026",
        [
            ("Leave in 2026", "slide=1", "- 84 days\n- in two parts"),
            ("Rates", "slide=3", f"{READ_RATES}\n\nIn a group"),
            ("Slide 4", "slide=4", "No title here"),
        ],
    ),
    "sheets": (
        SHEETS,
        kinds.SHEETS,
        "a file",
        [
            (
                "Rates 2026",
                "sheet=Rates%202026",
                "Valid for all staff\n\nCountry | Since | Share | Per day | Until\n"
                "Peru | 2024-03-15 | 15.50% | 48.50 EUR | 18:00\nMali | 2024-04-15 | 20.00% | 52.00 EUR "
                "| 12:00",
            ),
            ("Partly", "sheet=Partly", "Name | Room\nBob | 17"),
        ],
    ),
    "open text": (
        OPEN_TEXT,
        kinds.OPEN_TEXT,
        "Travel",
        [("Travel", "", f"You get 84 days [From 2026.].\n\n- a badge\n\n{READ_RATES}")],
    ),
    "open sheets": (
        OPEN_SHEETS,
        kinds.OPEN_SHEETS,
        "a file",
        [("Rates", "sheet=Rates", "Country | Per day\nPeru | 48")],
    ),
    "open slides": (OPEN_SLIDES, kinds.OPEN_SLIDES, "a file", [("Start", "slide=1", "84 days")]),
    "rich text": (
        RICH_TEXT,
        kinds.RICH_TEXT,
        "Travel",
        [("Travel", "", f"You get 84 days год €30.\n\n{READ_RATES}\n\nAfter the table.")],
    ),
    "csv": (CSV, kinds.CSV, "a file", [("", "", READ_RATES)]),
    "mail": (
        MAIL,
        kinds.MAIL,
        "Urlaub für alle",
        [
            ("", "", "From: Ada <ada@h.test>\n\nDate: Mon, 30 Nov 2026 08:00:00 +0000"),
            ("", "", "You get 84 days."),
        ],
    ),
}


@pytest.mark.parametrize(("body", "kind", "title", "parts"), FILES.values(), ids=FILES)
def test_what_a_reader_sees_comes_out(body: bytes, kind: str, title: str, parts: Parts) -> None:
    page = read(body, kind)
    assert page.title == title
    assert [(one.heading, one.anchor, one.text) for one in page.sections] == parts


@pytest.mark.parametrize(
    ("name", "doubtful", "said"),
    [
        ("word", 4, ["deleted with tracked changes", "1 comment."]),
        ("slides", 2, ["1 hidden slide."]),
        ("sheets", 0, ["1 hidden sheet.", "2 hidden rows"]),
        ("open text", 1, ["1 deletion."]),
        ("open slides", 0, ["1 speaker's note."]),
        ("rich text", 1, ["deleted"]),
        ("mail", 0, ["attachments: plan.pdf"]),
    ],
)
def test_what_is_left_out_is_told(name: str, doubtful: int, said: list[str]) -> None:
    page = read(FILES[name][0], FILES[name][1])
    assert page.doubtful == doubtful
    assert len(page.left_out) == len(said)
    assert all(words in one for words, one in zip(said, page.left_out, strict=True))


_PART = (
    '<text:p>Pay 40<text:span text:style-name="U">2</text:span> and '
    '<text:span text:style-name="S">30</text:span>.</text:p>'
)
_LOOKS = "".join(
    f'<style:style style:name="{name}" style:family="text"><style:text-properties {look}/></style:style>'
    for name, look in (
        ("U", 'style:text-position="super 58%"'),
        ("S", 'style:text-line-through-style="solid"'),
    )
)
_RUNS = (("Pay 40", ""), ("2", 'baseline="30000"'), (" and ", ""), ("30", 'strike="sngStrike"'), (".", ""))
RAISED_AND_STRUCK = {
    "Word": (
        kinds.WORD,
        make_word(
            word_paragraph(
                word_run("Pay 40"),
                word_run("2", '<w:vertAlign w:val="superscript"/>'),
                word_run(" and "),
                word_run("30", "<w:strike/>"),
                word_run("."),
            )
        ),
    ),
    "PowerPoint": (
        kinds.SLIDES,
        make_slides(
            "<p:sp><p:txBody><a:p>"
            + "".join(f"<a:r><a:rPr {look}/><a:t>{text}</a:t></a:r>" for text, look in _RUNS)
            + "</a:p></p:txBody></p:sp>"
        ),
    ),
    "OpenDocument": (kinds.OPEN_TEXT, make_open_document("text", _PART, styles=_LOOKS)),
    "RTF": (kinds.RICH_TEXT, rb"{\rtf1 Pay 40{\super 2} and {\strike 30}.}"),
}


@pytest.mark.parametrize(("kind", "body"), RAISED_AND_STRUCK.values(), ids=RAISED_AND_STRUCK)
def test_a_raised_mark_stands_apart_and_what_is_struck_out_stays_out(kind: str, body: bytes) -> None:
    now = datetime.now(UTC)
    page = extract(body, url="https://h.test/a", content_type=kind, fetched_at=now)
    assert page.sections[-1].text == "Pay 40 ² and ."


def test_a_long_sheet_repeats_its_header() -> None:
    rows = [["Name", "Room"], *([f"Person {at}", (str(at), 0)] for at in range(350))]
    page = read(make_sheets({"Rooms": sheet_rows(rows)}), kinds.SHEETS)
    said = "\n".join(section.text for section in page.sections)
    assert said.count("Name | Room") == 4
    assert "Person 349 | 349" in said


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        ("1234.5", "General", "1234.5"),
        ("0.1", "0%", "10%"),
        ("1234.5", "#,##0.00", "1234.50"),
        ("3.0000000000000004", "General", "3"),
        ("12", "[$€-2] 0.00", "€ 12.00"),
        ("0", "dd.mm.yyyy", "1899-12-30"),
        ("45366.5", "d/m/yyyy h:mm", "2024-03-15 12:00"),
        ("1.25", "[h]:mm", "30:00"),
        ("99999999", "yyyy", "99999999"),
        ("n/a", "0.0", "n/a"),
    ],
)
def test_numbers_are_shown_as_their_format_shows_them(value: str, number_format: str, shown: str) -> None:
    styles = (
        f'<numFmts><numFmt numFmtId="170" formatCode="{number_format}"/></numFmts>'
        '<cellXfs><xf numFmtId="170"/></cellXfs>'
    )
    page = read(make_sheets({"S": sheet_rows([[(value, 0)]])}, styles=styles), kinds.SHEETS)
    assert page.sections[0].text == shown


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_csv_is_read_whatever_its_delimiter_is(delimiter: str) -> None:
    body = f'Name{delimiter}Note\nAda{delimiter}"says ""no"",\nthen; yes"\n'.encode()
    assert read(body, kinds.CSV).sections[0].text == 'Name | Note\nAda | says "no", then; yes'


@pytest.mark.parametrize("kind", sorted(kinds.DOCUMENTS - {kinds.CSV, kinds.MAIL}))
@pytest.mark.parametrize("body", [b"", b"nothing", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused_with_a_sentence(kind: str, body: bytes) -> None:
    with pytest.raises(PageUnreadable, match=r"damaged.*\."):
        read(body, kind)


def test_old_and_protected_files_are_said_to_be_such() -> None:
    with pytest.raises(PageUnreadable, match="password, or made by an old version"):
        read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), kinds.WORD)


@pytest.mark.parametrize(
    ("declared", "path", "kind"),
    [
        ("application/octet-stream", "/a/plan.docx", kinds.WORD),
        ("application/zip", "/plan.PPTX", kinds.SLIDES),
        ("application/vnd.ms-excel", "/rates.csv", kinds.CSV),
        ("text/plain", "/rates.csv", kinds.CSV),
        ("text/plain", "/notes.txt", "text/plain"),
        ("text/html", "/viewer.docx", "text/html"),
        ("text/rtf", "/x", kinds.RICH_TEXT),
        ("application/vnd.ms-excel", "/old.xls", "application/vnd.ms-excel"),
    ],
)
def test_a_kind_is_known_by_its_type_or_its_name(declared: str, path: str, kind: str) -> None:
    assert kinds.refine_type(declared, path) == kind
