"""Numbers of a workbook as its reader sees them: 0.15 in the format 0% is 15%, 45366 in d/m/y is a date.

A cell names its format by number (ECMA-376, 18.8.30). Dates are days since 1899-12-30, or 1904-01-01 in files
that say so, and are written as 2024-03-15 whatever their order in the sheet is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pages.parse.office.archive import read_xml

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_BUILT_IN = {
    **dict.fromkeys((14, 15, 16, 17, 27, 30, 36, 50, 57), "yyyy-mm-dd"),
    **dict.fromkeys((18, 19, 20, 21, 45, 46, 47), "h:mm"),
    22: "yyyy-mm-dd h:mm",
    2: "0.00",
    4: "#,##0.00",
    9: "0%",
    10: "0.00%",
}
_QUOTED = re.compile(r"\"([^\"]{0,100})\"|\[\$([^\]\-]{0,20})[^\]]{0,20}\]|\[[^\]]{0,40}\]|[\\_*](.)")
_DECIMALS = re.compile(r"\.(0+)")
_DAYS = 2_958_466  # the last day of the year 9999
_NOON = 1e-6
_LARGE = 1e15
_LONGEST_FORMAT = 500


@dataclass(frozen=True, slots=True)
class _Format:
    """What a format says: of a date its signs; of others how many decimals (None: as many as there are)."""

    date: str = ""
    decimals: int | None = None
    percent: bool = False
    before: str = ""
    after: str = ""


def _parse_format(written: str) -> _Format:
    positive = written[:_LONGEST_FORMAT].split(";", maxsplit=1)[0]
    signs = _QUOTED.sub("", positive)
    plain = signs.lower()
    if any(sign in plain for sign in "ydh") or "mm" in plain:
        return _Format(date=plain)
    found = _DECIMALS.search(signs)
    decimals = min(len(found[1]), 10) if found is not None else 0 if signs.strip("#,% ") == "0" else None
    before, after = _units(positive, signs)
    return _Format("", decimals, "%" in signs, before, after)


def _units(written: str, signs: str) -> tuple[str, str]:
    """Return the words and the currency that a format puts before and behind its number."""
    place = min((at for at in (written.find("0"), written.find("#")) if at >= 0), default=0)
    before = after = ""
    for found in _QUOTED.finditer(written):
        unit = (found[1] or found[2] or "").strip()
        if unit and found.start() < place:
            before += f"{unit} "
        elif unit:
            after += f" {unit}"
    return "".join(sign for sign in "€$£¥" if sign in signs) + before, after


class NumberFormats:
    """The number formats of one workbook."""

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._formats: list[_Format] = []
        self._start = datetime(1899, 12, 30)  # noqa: DTZ001 - a day of a calendar, nowhere
        workbook = read_xml(parts, "xl/workbook.xml").find(f"{_S}workbookPr")
        if workbook is not None and workbook.get("date1904") in {"1", "true"}:
            self._start = datetime(1904, 1, 1)  # noqa: DTZ001
        if "xl/styles.xml" not in parts:
            return
        root = read_xml(parts, "xl/styles.xml")
        own = {one.get("numFmtId"): one.get("formatCode") or "" for one in root.iter(f"{_S}numFmt")}
        parsed: dict[str, _Format] = {}
        for style in root.iter(f"{_S}cellXfs"):
            for one in style.iterchildren():
                number = one.get("numFmtId") or "0"
                if number not in parsed:
                    built_in = _BUILT_IN.get(int(number), "") if number.isdigit() and len(number) < 6 else ""  # noqa: PLR2004
                    parsed[number] = _parse_format(own.get(number, built_in))
                self._formats.append(parsed[number])

    def show(self, value: str, style: str) -> str:
        """Return a number as its format shows it; one that cannot be shown so stays as it is."""
        at = int(style) if style.isascii() and style.isdigit() and len(style) < 8 else -1  # noqa: PLR2004
        shown = self._formats[at] if 0 <= at < len(self._formats) else _Format()
        try:
            number = float(value)
        except ValueError:
            return value
        if shown.date:
            return self._show_date(number, shown.date) or value
        percent = "%" if shown.percent else ""
        number = number * 100 if shown.percent else number
        return f"{shown.before}{_round(number, shown.decimals)}{percent}{shown.after}"

    def _show_date(self, number: float, signs: str) -> str:
        if not 0 <= number < _DAYS:
            return ""
        when = self._start + timedelta(seconds=round(number * 86400))
        if "y" not in signs and "d" not in signs:
            return f"{int(number) * 24 + when.hour}:{when.minute:02}"
        has_time = "h" in signs and abs(number - round(number)) > _NOON
        return when.strftime("%Y-%m-%d %H:%M" if has_time else "%Y-%m-%d")


def _round(number: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{number:.{decimals}f}"
    return f"{number:.10f}".rstrip("0").rstrip(".") if abs(number) < _LARGE else f"{number:g}"
