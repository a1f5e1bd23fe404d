"""RTF → sections: paragraphs, headings (by their outline level), tables; hidden and deleted text stays out.

The libraries for RTF give plain text without any of these (striprtf, BSD, was tried: hidden and deleted words
come out among the others). Control words are those of Microsoft's Rich Text Format Specification 1.9.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from core.phrases import mark
from pages.fetched import PageUnreadable
from pages.parse.elements.note_marks import ends_with_unit, write_mark
from pages.parse.extracted import Extracted, count_of
from pages.parse.office.markup import read_markup, write_heading, write_paragraph, write_table

_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z'])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_DEEPEST = 1000
_ELSEWHERE = frozenset(
    """
    colortbl filetbl fonttbl footer footerf footerl footerr header headerf headerl headerr info listtable
    listoverridetable object pict revtbl stylesheet annotation atnid atnauthor xe tc bkmkstart bkmkend
    fldinst ftnsep ftnsepc aftnsep generator themedata colorschememapping datastore pntext
    """.split()  # noqa: SIM905
)
"""Groups whose words stand elsewhere than in the text, or nowhere."""
_SIGNS = {
    "tab": " ",
    "line": "\n",
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "emspace": " ",
    "enspace": " ",
    "~": "\u00a0",
    "_": "\u2011",
    "{": "{",
    "}": "}",
    "\\": "\\",
}
_LOOKS = {
    "v": "hidden",
    "deleted": "deleted",
    "strike": "struck",
    "striked": "struck",
} | dict.fromkeys(("super", "sub", "nosupersub", "up", "dn"), "raised")
"""Words for how letters look → what they switch."""
_ENDS = frozenset({"par", "sect", "page", "\n", "\r"})
_CODE_PAGES = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "big5", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250",
}  # fmt: skip
"""Of a font's character set; others are that of the file."""
_FONT = re.compile(r"\\f(\d{1,5})\b[^;{}]{0,200}?\\fcharset(\d{1,3})\b")
_FONT_TABLE = 100_000  # characters of a file in which its fonts are looked for
_LARGEST_SIGN = 0x10000
_BODY = 9


@dataclass(frozen=True, slots=True)
class _State:
    """What holds in a group, and ends with it."""

    skipped: bool = False
    hidden: bool = False
    deleted: bool = False
    struck: bool = False
    raised: bool = False
    after_unicode: int = 1
    encoding: str = ""


def read_rich_text(body: bytes) -> Extracted:
    """Return what an RTF file says. Raises PageUnreadable."""
    if not body.lstrip()[:5].startswith(b"{\\rtf"):
        raise PageUnreadable(
            mark("That RTF file is damaged and cannot be read; please send another copy of it.")
        )
    text = body.decode("latin-1")
    reader = _Reader(text)
    for token in _TOKEN.finditer(text):
        reader.take(token)
    html = reader.finish()
    said = (f"{count_of(reader.deleted, 'piece')} deleted with tracked changes.",) if reader.deleted else ()
    return Extracted(reader.first_heading, read_markup(html), reader.unseen, said)


class _Reader:
    """Turns control words and text into HTML."""

    def __init__(self, text: str) -> None:
        self._fonts = {
            number: _CODE_PAGES.get(int(charset), "") for number, charset in _FONT.findall(text[:_FONT_TABLE])
        }
        self._encoding = "cp1252"
        self._state = _State()
        self._stack: list[_State] = []
        self._skip = 0
        self._bytes = bytearray()
        self._words: list[str] = []
        self._level = _BODY
        self._in_table = False
        self._row: list[str] = []
        self._rows: list[list[str]] = []
        self._html: list[str] = []
        self._starts_group = False
        self.unseen = 0
        self.deleted = 0
        self.first_heading = ""

    def take(self, token: re.Match[str]) -> None:
        word, argument, code, sign, brace, plain = token.groups()
        if code is not None:
            self._take_byte(int(code, 16))
            return
        self._flush()
        starts, self._starts_group = self._starts_group, brace == "{"
        if brace:
            self._group(brace)
        elif word is not None:
            self._control(word, int(argument) if argument else None)
        elif sign is not None:
            self._take_sign(sign, starts_group=starts)
        elif plain is not None:
            self._add_plain(plain)

    def _take_sign(self, sign: str, *, starts_group: bool) -> None:
        if sign == "*" and starts_group:
            self._state = replace(self._state, skipped=True)
        elif sign in _ENDS:
            self._end_paragraph()
        else:
            self._add(_SIGNS.get(sign, ""))

    def finish(self) -> str:
        self._flush()
        self._end_paragraph()
        self._end_table()
        return "".join(self._html)

    def _group(self, brace: str) -> None:
        self._skip = 0
        if brace == "{":
            if len(self._stack) >= _DEEPEST:
                raise PageUnreadable(mark("That RTF file is nested too deeply; please save it once more."))
            self._stack.append(self._state)
        elif self._stack:
            self._state = self._stack.pop()

    def _control(self, word: str, number: int | None) -> None:
        if word in _ELSEWHERE:
            self._state = replace(self._state, skipped=True)
        elif word in _LOOKS:
            self._look(word, number, is_on=number != 0)
        elif word == "plain":
            self._state = replace(
                self._state, hidden=False, deleted=False, struck=False, raised=False, encoding=""
            )
        elif word == "f":
            self._state = replace(self._state, encoding=self._fonts.get(str(number), ""))
        elif word in {"u", "uc", "ansicpg"}:
            self._encode(word, number or 0)
        elif word in _SIGNS:
            self._add(_SIGNS[word])
        elif not self._state.skipped:
            self._lay_out(word, number)

    def _look(self, word: str, number: int | None, *, is_on: bool) -> None:
        switch = _LOOKS[word]
        if switch == "raised":
            is_on = (word == "super" and is_on) or (word == "up" and (number is None or number > 0))
        switched: dict[str, bool] = {switch: is_on}
        self._state = replace(self._state, **switched)  # type: ignore[arg-type]

    def _encode(self, word: str, number: int) -> None:
        if word == "u":
            self._add(chr(number % _LARGEST_SIGN))
            self._skip = self._state.after_unicode
        elif word == "uc":
            self._state = replace(self._state, after_unicode=min(max(number, 0), 10))
        else:
            try:
                b"".decode(f"cp{number}")
                self._encoding = f"cp{number}"
            except LookupError:
                self._encoding = "utf-8" if number == 65001 else self._encoding  # noqa: PLR2004 - its number

    def _lay_out(self, word: str, number: int | None) -> None:
        if word == "outlinelevel":
            self._level = _BODY if number is None else number
        elif word == "pard":
            self._level, self._in_table = _BODY, False
        elif word == "intbl":
            self._in_table = True
        elif word in _ENDS:
            self._end_paragraph()
        elif word in {"cell", "nestcell"}:
            self._row.append(self._take_words())
        elif word in {"row", "nestrow"}:
            self._rows.append(self._row)
            self._row = []
        elif word == "footnote":
            self._add(" ")

    def _take_byte(self, code: int) -> None:
        if self._skip:
            self._skip -= 1
        else:
            self._bytes.append(code)

    def _flush(self) -> None:
        if self._bytes:
            self._add(self._bytes.decode(self._state.encoding or self._encoding, errors="replace"))
            self._bytes.clear()

    def _add_plain(self, plain: str) -> None:
        skip, self._skip = min(self._skip, len(plain)), 0
        self._add(plain[skip:])

    def _add(self, text: str) -> None:
        state = self._state
        if state.skipped or state.struck or not text:
            return
        if state.hidden or state.deleted:
            self.unseen += state.hidden and bool(text.strip())
            self.deleted += state.deleted and bool(text.strip())
            return
        before = "".join(self._words[-3:])
        mark = write_mark(text.strip(), before) if state.raised else ""
        self._words.append((mark if ends_with_unit(before) else f" {mark}") if mark else text)

    def _take_words(self) -> str:
        text = "".join(self._words).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self._words = []
        return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()

    def _end_paragraph(self) -> None:
        if self._state.skipped:
            return
        if self._in_table:
            self._words.append(" ")
            return
        self._end_table()
        text = self._take_words()
        if text and self._level < _BODY:
            self.first_heading = self.first_heading or text
            self._html.append(write_heading(text, "", min(self._level + 1, 6)))
        elif text:
            self._html.append(write_paragraph(text))

    def _end_table(self) -> None:
        if self._rows:
            self._html.append(write_table(self._rows, header=True))
            self._rows = []
