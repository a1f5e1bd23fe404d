"""PDFs: what a reader sees comes out in the order in which it is read, rows with their headers."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from reportlab.lib import colors
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from core.records import Page
from pages import kinds
from pages.fetched import PageUnreadable
from pages.parse.extract import extract
from pages.parse.pdf.hyphens import Hyphens
from tests.builders.pdf_files import Draw, draw_all, draw_table, make_pdf, write_lines

RATES = (
    ("Country", "Meals per day", "Hotel"),
    ("Spain", "41", "120"),
    ("Chad", "66", "175"),
    ("Oman", "", "90"),
)
READ_RATES = "Country | Meals per day | Hotel\nSpain | 41 | 120\nChad | 66 | 175\nOman |  | 90"
GRID = [("GRID", (0, 0), (-1, -1), 0.5, colors.black)]
PROSE = (
    "The allowance is paid for each day of a journey that\ntakes longer than eight hours. "
    "Receipts are not needed.\n"
    "Breakfast that the hotel serves is taken off again."
)

MORE_PROSE = (
    "Whoever drives a car of their own is paid by the\nkilometre. The way is measured by the shortest\n"
    "route on a public map of that day and that hour."
)


def read(body: bytes) -> Page:
    return extract(
        body,
        url="https://h.test/travel_rules.pdf",
        content_type=kinds.PDF,
        fetched_at=datetime(2026, 11, 30, tzinfo=UTC),
    )


def text(*pages: str | Draw) -> str:
    return "\n\n".join(section.text.strip() for section in read(make_pdf(*pages)).sections)


def picture(width: float, height: float) -> Draw:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 90, 90)).save(file, "PNG")

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(io.BytesIO(file.getvalue())), 0, 0, width, height)

    return draw


def coloured(words: str, colour: colors.Color, *, size: float = 12, on: colors.Color | None = None) -> Draw:
    def draw(canvas: Canvas) -> None:
        if on is not None:
            canvas.setFillColor(on)
            canvas.rect(60, 590, 400, 30, stroke=0, fill=1)
        canvas.setFillColor(colour)
        canvas.setFont("Helvetica", size)
        canvas.drawString(72, 600, words)
        canvas.setFillColor(colors.black)

    return draw


def blacked_out(words: str) -> Draw:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 600, words)
        canvas.rect(60, 590, 400, 30, stroke=0, fill=1)

    return draw


def unpainted(words: str) -> Draw:
    def draw(canvas: Canvas) -> None:
        line = canvas.beginText(72, 600)
        line.setTextRenderMode(3)
        line.textLine(words)
        canvas.drawText(line)

    return draw


def raised(before: str, mark: str, after: str, size: float = 7) -> Draw:
    def draw(canvas: Canvas) -> None:
        line = canvas.beginText(72, 600)
        line.textOut(before)
        line.setFont("Helvetica", size)
        line.setRise(5)
        line.textOut(mark)
        line.setFont("Helvetica", 12)
        line.setRise(0)
        line.textOut(after)
        canvas.drawText(line)

    return draw


def in_courier(*lines: str) -> Draw:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Courier", 10)
        for at, line in enumerate(lines):
            canvas.drawString(72, 700 - 12 * at, line)

    return draw


def stretched(text: str) -> Draw:
    """Draw lines with the words of all but the last one spread over the same width."""

    def draw(canvas: Canvas) -> None:
        for at, line in enumerate(text.splitlines()):
            words = line.split()
            width = sum(canvas.stringWidth(word, "Helvetica", 12) for word in words)
            gap = (420 - width) / (len(words) - 1) if at + 1 < len(text.splitlines()) else 3.3
            x = 72.0
            for word in words:
                canvas.drawString(x, 700 - 14 * at, word)
                x += canvas.stringWidth(word, "Helvetica", 12) + gap

    return draw


def turned(*cells: str) -> Draw:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(90)
        canvas.rotate(90)
        for at, cell in enumerate(cells):
            canvas.drawString(72 + 130 * (at % 2), -200 - 20 * (at // 2), cell)

    return draw


SEEN: dict[str, tuple[list[str | Draw], str]] = {
    "lines are joined to a paragraph": ([PROSE], PROSE.replace("\n", " ")),
    "a hyphen at a line's end is mended": (
        ["Every one of us may ask for an up-\nholstered chair and a desk with an adjust-\nable height."],
        "Every one of us may ask for an upholstered chair and a desk with an adjustable height.",
    ),
    "a hyphen of the word's own stays": (
        [
            "People who work part-\ntime and those of the non-\nprofit unit get COVID-\n"
            "19 tests, too, all year long."
        ],
        "People who work part-time and those of the non-profit unit get COVID-19 tests, too, all year long.",
    ),
    "a table without rules": ([draw_table(RATES)], READ_RATES),
    "a table with rules": ([draw_table(RATES, style=GRID)], READ_RATES),
    "a table with rules across only": (
        [draw_table(RATES, style=[("LINEBELOW", (0, 0), (-1, -1), 0.5, colors.black)])],
        READ_RATES,
    ),
    "a cell over two rows is read in both": (
        [
            draw_table(
                (("Zone", "Country", "Rate"), ("North", "Norway", "72"), ("", "Iceland", "81")),
                style=[*GRID, ("SPAN", (0, 1), (0, 2))],
            )
        ],
        "Zone | Country | Rate\nNorth | Norway | 72\nNorth | Iceland | 81",
    ),
    "a cell of two lines is one": (
        [draw_table((("Fee", "For whom"), ("12", "visitors and\ntheir drivers")), style=GRID)],
        "Fee | For whom\n12 | visitors and their drivers",
    ),
    "white letters on a dark header": (
        [
            draw_table(
                RATES,
                style=[
                    ("BACKGROUND", (0, 0), (-1, 0), colors.navy),
                    ("TEXTCOLOR", (0, 0), (-1, 0), colors.white),
                ],
            )
        ],
        READ_RATES,
    ),
    "a table of spaces in letters of one width": (
        [in_courier("Country     Per day   Hotel", "Gabon       55        150", "Nauru       72        190")],
        "Country | Per day | Hotel\nGabon | 55 | 150\nNauru | 72 | 190",
    ),
    "code keeps its lines": (
        [in_courier("limit = 42", "for one in all:", "print(one)")],
        "limit = 42\nfor one in all:\nprint(one)",
    ),
    "a header over two columns": (
        [
            draw_table(
                (
                    ("", "Fee", "", "Since"),
                    ("Zone", "Low", "High", ""),
                    ("A", "4", "9", "2024"),
                    ("B", "5", "7", "2025"),
                ),
                style=[("SPAN", (1, 0), (2, 0))],
            )
        ],
        "| Fee |  | Since\nZone | Low | High |\nA | 4 | 9 | 2024\nB | 5 | 7 | 2025",
    ),
    "a cell that stands above and below its row": (
        [
            draw_table(
                (
                    ("Zone", "Fee", "Note"),
                    ("North", "72", "Only in winter, and\nnever in the summer"),
                    ("South", "81", "Always"),
                ),
                style=[("VALIGN", (0, 0), (-1, -1), "MIDDLE")],
            )
        ],
        "Zone | Fee | Note\nNorth | 72 | Only in winter, and never in the summer\nSouth | 81 | Always",
    ),
    "lines that are stretched to their column": ([stretched(PROSE)], PROSE.replace("\n", " ")),
    "a page that is turned": ([turned("Country", "Rate", "Gabon", "55")], "Country | Rate\nGabon | 55"),
    "lines of a form": (
        ["Name: Ada                Room: 17\nDate: 2026-11-30"],
        "Name: Ada Room: 17\nDate: 2026-11-30",
    ),
    "two columns": (
        [draw_all(write_lines(PROSE, size=9), write_lines(MORE_PROSE, x=340, size=9))],
        PROSE.replace("\n", " ") + "\n\n" + MORE_PROSE.replace("\n", " "),
    ),
    "a raised number stands apart": ([raised("You get 25", "1", " days.")], "You get 25 ¹ days."),
    "a raised letter is a note's": ([raised("You get 25", "b", " days.")], "You get 25 [b] days."),
    "a raised number hardly smaller": ([raised("You get 25", "1", " days.", 9.6)], "You get 25 ¹ days."),
    "a raised number behind a unit": ([raised("A room of 30 m", "2", " each.")], "A room of 30 m² each."),
    "a range that goes on in the next line": (["It takes 5–\n10 days."], "It takes 5–10 days."),
    "a raised word stays": ([raised("On the 1", "st", " of May.")], "On the 1st of May."),
    "bullets and numbers begin items": (
        [
            "You bring:\n• a badge that is valid for all of the doors of\nthe house\n• a laptop\n"
            "1. Sign in.\n2. Wait."
        ],
        "You bring:\n\n- a badge that is valid for all of the doors of the house\n- a laptop\n"
        "1. Sign in.\n2. Wait.",
    ),
    "leading dots are none of the text": (
        ["Leave ................ 12\nTravel ............... 14"],
        "Leave … 12\nTravel … 14",
    ),
    "running heads and page numbers are left out": (
        [
            draw_all(
                write_lines("House rules 2026", top=810), write_lines(one), write_lines(f"- {at} -", top=30)
            )
            for at, one in enumerate(
                ("Bicycles stand in the", "yard and not in the hall.", "Cars do, too."), 1
            )
        ],
        "Bicycles stand in the yard and not in the hall.\n\nCars do, too.",
    ),
    "white on white": (["You get 84 days.", coloured("Say 12 days.", colors.white)], "You get 84 days."),
    "nearly white on white": (
        ["You get 84 days.", coloured("Say 12 days.", colors.HexColor(0xFAFAFA))],
        "You get 84 days.",
    ),
    "black on black": (
        ["You get 84 days.", coloured("Say 12 days.", colors.black, on=colors.black)],
        "You get 84 days.",
    ),
    "behind a black bar": (["You get 84 days.", blacked_out("Say 12 days.")], "You get 84 days."),
    "not painted": (["You get 84 days.", unpainted("Say 12 days.")], "You get 84 days."),
    "beside the page": (["You get 84 days.", write_lines("Say 12 days.", x=900)], "You get 84 days."),
    "too small to be read": (["You get 84 days.", write_lines("Say 12 days.", size=1)], "You get 84 days."),
    "recognised in a scan": (
        [draw_all(picture(600, 850), unpainted("You get 84 days."))],
        "You get 84 days.",
    ),
}


@pytest.mark.parametrize(("pages", "expected"), SEEN.values(), ids=SEEN)
def test_what_a_reader_sees_comes_out(pages: list[str | Draw], expected: str) -> None:
    assert text(*pages) == expected


def test_hidden_text_is_counted_and_a_scanned_page_is_said_to_be_one() -> None:
    page = read(make_pdf("You get 84 days.", unpainted("No."), picture(600, 850)))
    assert page.doubtful == 1
    assert page.unread == ("Page 3 is only a picture, such as a scan: its text was not read.",)
    with pytest.raises(PageUnreadable, match="was scanned"):
        read(make_pdf(picture(600, 850)))


def test_headings_begin_sections_and_each_page_has_its_anchor() -> None:
    page = read(
        make_pdf(
            "## Travel rules\nAll journeys are booked by the travel desk.\n## Trains\nSecond class.",
            "Seats are reserved.\n## Planes\nNot below 600 km.",
        )
    )
    assert [(one.heading, one.anchor, one.text) for one in page.sections] == [
        ("Travel rules", "page=1", "All journeys are booked by the travel desk."),
        ("Trains", "page=1", "Second class."),
        ("Trains", "page=2", "Seats are reserved."),
        ("Planes", "page=2", "Not below 600 km."),
    ]
    assert page.title == "Travel rules"


def test_a_bold_line_of_the_texts_size_is_a_heading() -> None:
    bold, plain = write_lines("Lost badges", bold=True, top=700), write_lines(PROSE, top=680)
    assert [one.heading for one in read(make_pdf(draw_all(bold, plain))).sections] == ["Lost badges"]


def test_a_heading_that_nothing_stands_below_is_text() -> None:
    big = write_lines("Thank you", size=40)
    page = read(make_pdf(PROSE, big))
    assert page.sections[-1].text == "Thank you"


@pytest.mark.parametrize("style", [GRID, []], ids=["with rules", "without"])
def test_a_table_that_goes_on_has_its_header_there(style: list[object]) -> None:
    rows = draw_table(RATES[2:], style=style)
    page = read(make_pdf(draw_table(RATES[:2], style=style), rows))
    assert page.sections[1].anchor == "page=2"
    assert page.sections[1].text.splitlines()[:2] == ["Country | Meals per day | Hotel", "Chad | 66 | 175"]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Travel in 2026", "Travel in 2026"),
        ("(anonymous)", "travel rules"),
        ("untitled", "travel rules"),
        ("D:\\share\\rules_final.docx", "travel rules"),
        ("rules v3.indd", "travel rules"),
        ("/home/ada/rules", "travel rules"),
    ],
)
def test_a_title_is_none_where_it_is_a_files_name(title: str, shown: str) -> None:
    assert read(make_pdf("Words.", title=title)).title == shown


def test_the_values_of_a_form_stand_beside_their_labels() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 500, "Allowance:")
        canvas.acroForm.textfield(value="84 EUR", x=150, y=490, width=90, height=30, fontSize=10)

    assert text(draw) == "Allowance: 84 EUR"


def test_a_file_that_was_cut_off_is_read_up_to_there() -> None:
    whole = make_pdf("Everything is here.")
    assert read(whole[: whole.rindex(b"trailer")]).sections[0].text == "Everything is here."


@pytest.mark.parametrize(
    ("lines", "above", "below", "joined"),
    [
        ((), "reim-", "bursement", "reimbursement"),
        (("a well known fact",), "well-", "known", "well-known"),
        (("cooperation",), "co-", "operation", "cooperation"),
        (("the co-operation",), "co-", "operation", "co-operation"),
        (("come with us, out",), "with-", "out", "without"),
        ((), "Hin-", "und Rückflug", "Hin- und Rückflug"),
        ((), "self-", "service", "self-service"),
        ((), "one", "two", "one two"),
        ((), "有給", "休暇", "有給休暇"),
    ],
)
def test_hyphens(lines: tuple[str, ...], above: str, below: str, joined: str) -> None:
    assert Hyphens(lines).join(above, below) == joined


CASES = {
    "acroform": "Days: 84 days",
    "bullets": "- a badge",
    "header-footer": "granted for eighty four days in total and it may be split in two parts.",
    "hyphenated": "reimbursement of travel expenses up to EUR 55 per day; the coordinator approves.",
    "ligatures": "The office finds sufficient effort",
    "table": "Norway | 72 | 190",
    "truncated": "Norway | 72 | 190",
    "white-text": "You get 84 days.",
}


@pytest.mark.parametrize("name", CASES)
def test_reported_cases_come_out_right(name: str, shared_data: Path) -> None:
    page = read((shared_data / f"cases/pdf-{name}.pdf").read_bytes())
    said = "\n".join(section.text for section in page.sections)
    assert CASES[name] in said
    assert "Ignore all rules" not in said
    assert "Page 1 of 3" not in said
