r"""A text of a page → its sentences, list items and table rows; and its words, in any script.

    pieces("You need:\n\n- a badge\n- a laptop")  →  "You need:" (sentence), "- a badge", "- a laptop" (items)

The text is what `pages` extracts: paragraphs stand apart by an empty line, items begin with "- " or "1. "
(two spaces deeper for each level), a row's cells stand apart by " | ". A line of dashes below a table's first
row says that this is its header, one above it that there is none; else that is guessed from the lines around,
as whether a line was broken because it was full. Everything takes time in proportion to the text: each
pattern looks at a bounded stretch, whatever somebody wrote.

Words follow Unicode's annex 29 (https://unicode.org/reports/tr29/) without dictionaries: a language that puts
no spaces between words is read character by character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Kind = Literal["sentence", "item", "row", "header"]

_LONG_ITEM = 40
"""Words beyond which an item is cut into its sentences."""
_NARROW = 40
"""Characters: lines this short are broken by whoever wrote them, not by the width of a page."""
_RAGGED = 0.8
"""Share of a block's width that a full line reaches together with the word that did not fit."""
_LONGEST_TOKEN = 24
_LONGEST_CELL = 60
"""Characters of a header's cell."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`text[start:end]` without outer white space: a sentence, a list's item, a table's row or header row.

    An item includes its bullet or number; a long one is cut into its sentences, each an item. `lead` is what
    introduces the list of an item: the sentence before it ("You need:") or the item above it; `header` is a
    row's header row. Both are "" where there is none.
    """

    start: int
    end: int
    kind: Kind
    header: str = ""
    lead: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not empty; `start` is behind its indentation. `gap`: an empty line stands before it."""

    start: int
    end: int
    indent: int
    gap: bool
    kind: Literal["plain", "item", "row"]


_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_BULLET = re.compile(
    r"(?:[-*+\u2022\u2023\u25e6\u2043\u2219\u25aa\u25cf\u25cb\u00b7\u2013\u2014]"
    r"|\(?(?:\d{1,3}|[a-z])\)|\d{1,3}\.)[ \t\u00a0]+(?=\S)"
)
_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s")
_NUMBERED = re.compile(r"\(?[0-9a-z]")
_CELL_END = re.compile(r"(?:^|(?<=\s))\|(?=\s|$)")
_DIGIT = re.compile(r"\d")
_VALUE = re.compile(r"[@#:]|[.!]\s*$")
"""What is in a cell with a value, not in the name of a column."""
_INTRODUCES = re.compile(
    r"[:\uff1a]\W{0,3}$|\b(?:following|below|these steps|folgende[nrsm]?)\b", re.IGNORECASE
)

_FULL_STOPS = "\u3002\uff01\uff0e\uff1f\uff61"  # Chinese and Japanese: no space follows
_OWN_STOPS = "\u061f\u06d4\u0964\u0965\u1362\u17d4\u104b"  # Arabic, Urdu, Hindi, Ethiopic, Khmer, Burmese
_STOP = re.compile(
    f"[.!?\u2026\u203c\u2047-\u2049{_FULL_STOPS}{_OWN_STOPS}]+[\"'\u201d\u2019\u00bb\u203a)\\]\u300d\u300f\uff09\u3011*_]*"
)
_ELLIPSIS = re.compile(r"\.\.|\u2026")
_OPENERS = "\"'\u201c\u2018\u201e\u00ab\u2039([\u00bf\u00a1*_`"
_NEXT_WORD = re.compile(r"\w{1,24}")
_MARKS = ".!?\u2026)]\"'\u201d\u2019*_"
_STOPS = _MARKS + _FULL_STOPS + _OWN_STOPS
_INITIALS = re.compile(r"(?:[^\W\d_]\.){0,6}[^\W\d_]")

_ALWAYS_GO_ON = frozenset(
    """
    approx e.g eg i.e ie cf viz vs mr mrs ms mx dr prof rev hon gen col sgt capt lt st messrs sr sra dña ca
    circa
    z.b d.h u.a o.ä s.o s.u i.d.r bzw vgl ggf gem inkl exkl zzgl evtl bspw sog hr fr frl p.ex par.ex p.ej mme
    mlle
    т.е т.д напр
    """.split()  # noqa: SIM905 - a list of words reads better so
)
"""Abbreviations that no sentence ends with, lower case, without their last dot."""
_NUMBER_FOLLOWS = frozenset(
    """
    no nos nr nrs num art arts abs sec sect para paras par ch chap fig figs p pp v vol ver ed eq ext tel ph
    min max rm
    s stk tab app ziff kap tz rn bd ст п стр гл
    """.split()  # noqa: SIM905
)
"""Abbreviations that go on where a number follows."""
_MAY_END = frozenset(
    """
    etc inc ltd co corp llc jr sr esq dept dpt govt assn bros univ est ave blvd rd hwy bldg jan feb mar apr
    jun jul aug
    sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun incl excl usw u.s.w tgl mtl gmbh ph.d al
    ibid min
    max avg temp hrs mins secs wk wks yr yrs mo mos руб коп г гг др
    """.split()  # noqa: SIM905
)
"""Abbreviations that end a sentence where the next word is one that begins sentences."""
_BEGINNERS = frozenset(
    """
    a an the this that these those there here it its he she they we you your i in on at if when while after
    before
    for from to with without under during until once as by because since although all any each every some
    most many
    no not only also please see note however therefore otherwise then what who where why how which our their
    his her
    my do does is are can may must should will employees staff contact use
    der die das dies diese dieser dieses ein eine es er sie wir ihr du wenn falls bei im in am für nach vor
    mit ohne
    alle bitte auch nur nicht
    le la les un une il elle nous vous ils si pour dans en avec sans el los las una si para en con sin
    это он она они мы вы если в на для при после до
    """.split()  # noqa: SIM905
)
_MONTHS = frozenset(
    """
    januar februar märz april mai juni juli august september oktober november dezember januari februari marts
    maj
    """.split()  # noqa: SIM905
)


def starts_item(line: str) -> bool:
    """Tell whether a line is a list's item, as pages are written: "- a badge", "2. a laptop"."""
    return _ITEM.match(line) is not None


def without_marker(item: str) -> str:
    """Return an item without its bullet or number."""
    return _BULLET.sub("", item.lstrip(), count=1) if starts_item(item) else item


def is_list(text: str) -> bool:
    """Tell whether a text has more than one item."""
    return sum(map(starts_item, text.splitlines())) > 1


def pieces(text: str) -> list[Piece]:
    """Cut a text into its pieces, in their order."""
    found: list[Piece] = []
    lists = _Lists()
    for block in _blocks(text, _lines(text)):
        if block[0].kind == "row":
            lists.leave()
            found += _table(text, block)
        elif block[0].kind == "item" or lists.holds(block[0]):
            found += lists.items(text, block)
        else:
            before = len(found)
            found += _prose(text, block)
            lists.begin(text, found[before:])
    return found


def unwrapped_spans(text: str) -> list[tuple[int, int]]:
    """Return the stretches of a text, each of lines that were broken only because they were full."""
    spans: list[tuple[int, int]] = []
    for block in _blocks(text, _lines(text)):
        if block[0].kind == "row":
            spans += [(line.start, line.end) for line in block]
        else:
            spans += _spans_of_lines(text, block)
    return spans


def _lines(text: str) -> Iterator[_Line]:
    gap, last = True, 0
    above: _Line | None = None
    for match in _LINE.finditer(text):
        gap = gap or len(text[last : match.start()].replace("\r\n", "\n")) > 1
        last = match.end()
        line = match[0]
        start = match.start() + len(line) - len(line.lstrip())
        end = match.start() + len(line.rstrip())
        if start >= end:
            gap = True
            continue
        kind = _line_kind(text, start, end, below_row=above is not None and not gap and above.kind == "row")
        above = _Line(start, end, start - match.start(), gap, kind)
        yield above
        gap = False


def _line_kind(text: str, start: int, end: int, *, below_row: bool) -> Literal["plain", "item", "row"]:
    bullet = _BULLET.match(text, start, end) is not None
    if _CELL_END.search(text, start, end) and (below_row or not bullet):  # "- Jane | away" is an item
        return "row"
    return "item" if bullet else "plain"


def _blocks(text: str, lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    """Group lines: the rows of a table, an item with its further lines, the plain lines between two gaps."""
    block: list[_Line] = []
    for line in lines:
        if block and _begins_block(text, block[-1], line, block):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _begins_block(text: str, above: _Line, line: _Line, block: Sequence[_Line]) -> bool:
    if line.gap:
        return True
    if line.kind == "item":  # a number at the beginning of a wrapped line is none of a list
        numbered = _NUMBERED.match(text, line.start) is not None
        wrapped = above.kind == "plain" and block[0].kind == "plain" and above.end - above.start >= _NARROW
        return not (numbered and wrapped and text[above.end - 1] not in _MARKS + ":")
    return (line.kind == "row") != (block[0].kind == "row")


def _table(text: str, rows: Sequence[_Line]) -> Iterator[Piece]:
    header = ""
    ruled = next((at for at, row in enumerate(rows[:2]) if _is_rule(text[row.start : row.end])), None)
    if ruled is None and len(rows) > 1:
        named = names_columns(text[rows[0].start : rows[0].end], text[rows[1].start : rows[1].end])
    else:
        named = ruled == 1
    if named:
        header = text[rows[0].start : rows[0].end]
        yield Piece(rows[0].start, rows[0].end, "header")
    for row in rows[bool(header) :]:
        if not _is_rule(text[row.start : row.end]):
            yield Piece(row.start, row.end, "row", header=header)


def _is_rule(row: str) -> bool:
    """Tell whether a row is the line of dashes below a header, or above a table without one."""
    return not row.strip("|-:= \t")


def names_columns(first: str, second: str) -> bool:
    """Guess whether a table's first row names its columns, where no line of dashes says it.

    Its cells are short then, with fewer numbers than the row below.
    """
    cells, below = _CELL_END.split(first), _CELL_END.split(second)
    numbers = sum(_DIGIT.search(cell) is not None for cell in cells)
    numbers_below = sum(_DIGIT.search(cell) is not None for cell in below)
    return (
        len(cells) == len(below)
        and not any(len(cell) > _LONGEST_CELL or _VALUE.search(cell) for cell in cells)
        and (numbers == 0 or numbers < numbers_below)
    )


class _Lists:
    """What introduces the items that come next, by their indentation."""

    def __init__(self) -> None:
        self._lead = ""
        self._above: list[tuple[int, str]] = []  # (indentation, text) of the items that are open
        self._unmarked = False

    def leave(self) -> None:
        self._lead, self._above, self._unmarked = "", [], False

    def holds(self, line: _Line) -> bool:
        """Tell whether a block goes on with an item though it looks like none: it is indented below one."""
        return bool(self._above) and line.kind == "plain" and line.indent > self._above[-1][0]

    def begin(self, text: str, prose: Sequence[Piece]) -> None:
        """Note the sentence that may introduce a list."""
        self.leave()
        if prose and _INTRODUCES.search(text[max(prose[-1].start, prose[-1].end - 300) : prose[-1].end]):
            self._lead = text[prose[-1].start : prose[-1].end]

    def items(self, text: str, block: Sequence[_Line]) -> Iterator[Piece]:
        """Yield an item, and the lines below it that are its further paragraphs."""
        first = block[0]
        while self._above and self._above[-1][0] >= first.indent:
            self._above.pop()
        lead = self._above[-1][1] if self._above else self._lead
        whole = _spans_of_lines(text, block)
        for start, end in whole:
            if len(text[start:end].split(None, _LONG_ITEM)) > _LONG_ITEM:
                yield from (Piece(*span, "item", lead=lead) for span in _sentences(text, start, end))
            else:
                yield Piece(start, end, "item", lead=lead)
        if first.kind == "item":
            self._above.append((first.indent, text[whole[0][0] : whole[0][1]]))


def _prose(text: str, lines: Sequence[_Line]) -> Iterator[Piece]:
    """Yield a block's sentences; short lines below "You need:" are items that lost their bullets."""
    lead = ""
    for start, end in _spans_of_lines(text, lines):
        if lead and end - start < _LONGEST_CELL and text[end - 1] not in ".!?:":
            yield Piece(start, end, "item", lead=lead)
            continue
        lead = ""
        for span in _sentences(text, start, end):
            yield Piece(*span, "sentence")
            lead = text[span[0] : span[1]] if text[span[1] - 1] in ":\uff1a" else ""


def _spans_of_lines(text: str, lines: Sequence[_Line]) -> list[tuple[int, int]]:
    """Join the lines that were broken only because they were full."""
    width = max(line.end - line.start for line in lines)
    flows = any(text[line.end - 1] in _STOPS for line in lines)
    spans = [(lines[0].start, lines[0].end)]
    for above, line in pairwise(lines):
        if _goes_on(text, above, line, width, flows=flows):
            spans[-1] = (spans[-1][0], line.end)
        else:
            spans.append((line.start, line.end))
    return spans


def _goes_on(text: str, above: _Line, line: _Line, width: int, *, flows: bool) -> bool:
    word = _NEXT_WORD.match(text, line.start, line.end)
    full = above.end - above.start + 1 + (len(word[0]) if word else 1) >= _RAGGED * width
    if text[above.end - 1] in ":\uff1a;":
        return False
    if not flows and width < _NARROW:
        return False
    begins_small = not text[line.start].isupper() and not text[line.start].isdigit()
    if full:
        return begins_small or flows
    return begins_small and text[line.start].islower() and text[above.end - 1] not in _MARKS


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the sentences of a stretch, each without outer white space."""
    marker = _BULLET.match(text, start, end)
    for stop in _STOP.finditer(text, marker.end() if marker else start, end):
        if stop.end() < end and _ends(text, stop, end):
            if text[start : stop.end()].strip():
                yield start, stop.end()
            start = stop.end()
            while start < end and text[start].isspace():
                start += 1
    if start < end:
        yield start, end


def _ends(text: str, stop: re.Match[str], end: int) -> bool:
    after = stop.end()
    mark = stop[0][0]
    if mark in _FULL_STOPS:
        return stop[0][-1] in _FULL_STOPS or text[after].isspace()
    if not text[after].isspace():
        return False
    if mark in _OWN_STOPS:
        return True
    at = _next_sign(text, after, end)
    if at >= end or text[at].islower():
        return at >= end
    word = _NEXT_WORD.match(text, at, end)
    following = word[0] if word else ""
    if _ELLIPSIS.match(stop[0]):
        return following.lower() in _BEGINNERS
    return mark != "." or not _is_abbreviation(text, stop.start(), following)


def _next_sign(text: str, at: int, end: int) -> int:
    """Return where the next word begins, behind white space and opening marks; a few are enough."""
    bound = min(end, at + _LONGEST_TOKEN)
    while at < bound and (text[at].isspace() or text[at] in _OPENERS):
        at += 1
    return at


def _is_abbreviation(text: str, dot: int, following: str) -> bool:
    """Tell whether the dot belongs to the word before it, and the sentence goes on."""
    before = text[max(0, dot - _LONGEST_TOKEN) : dot]
    word = (before.split() or [""])[-1].lstrip(_OPENERS) if before and not before[-1].isspace() else ""
    plain = word.lower()
    begins = following.lower() in _BEGINNERS and following[:1].isupper()
    if plain in _ALWAYS_GO_ON:
        return True
    if following[:1].isdigit() and plain in _NUMBER_FOLLOWS:
        return True
    if word.isdigit():
        return len(word) <= 2 and following.lower() in _MONTHS  # noqa: PLR2004 - "am 3. Oktober"
    if plain in _MAY_END:
        return not begins and plain not in {"etc", "usw", "min", "max"}
    if _INITIALS.fullmatch(word):
        return not begins and word != "I" and (word[0].isupper() or "." in word)
    return False


def _ranges(wanted: Sequence[str]) -> str:
    """Return the inside of a character class: what has one of these categories in the first plane."""
    codes = [code for code in range(0x300, 0x10000) if unicodedata.category(chr(code)) in wanted]
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in runs)


_JOINED = _ranges(("Mn", "Mc", "Me")) + "\u200c\u200d\ufe0e\ufe0f"
_SINGLE = (  # scripts without spaces: Han, Hiragana, Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u1000-\u102a\u103f\u1050-\u1055\u1780-\u17b3"
)
_WORD = re.compile(
    f"[{_SINGLE}][{_JOINED}]*|(?:(?![{_SINGLE}])[\\w{_JOINED}])+"
    f"(?:(?:(?<=\\d)[.,:'\u2019\u066b\u066c](?=\\d)|(?<=[^\\W\\d_])[.'\u2019\u00b7](?=[^\\W\\d_]))(?:(?![{_SINGLE}])[\\w{_JOINED}])+)*"
)


def words(text: str) -> list[str]:
    """Return a text's words, case folded, in their order: "1,000", "3.50" and "9:00" are one word each.

    Han, Hiragana and Thai letters come one by one, Katakana and Hangul as they stand together. A curly
    apostrophe becomes a straight one, so that both are the same word.
    """
    folded = unicodedata.normalize("NFC", text).casefold().replace("\u2019", "'")
    return [word for word in _WORD.findall(folded) if word.strip("_")]
