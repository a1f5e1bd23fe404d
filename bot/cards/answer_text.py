"""The text of an answer by its kind: words around a quotation, the sentence of one that found nothing.

An answered one says its own text. A quoted one has the page's words alone in `Answer.text`: who says them,
and where else to look, is said here. A declined one says a sentence of ours, whatever its text is; nothing
compares it. Every surface draws from here what it shows, and whoever judges answers reads them as people do,
with `render_shown_text`.

The words of a page on a card, letter by letter as they stand there: a line each for its paragraphs, items and
rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.cards.elements import Paragraph, Quotation, TextRun, name_place, read_quote
from core.records import Answer, AnswerKind, Citation
from core.text import absolute, calm, clip_text, escape_markdown, printable
from core.translation import mark, name_language, say
from model.answering.quoting import MOST_FURTHER
from model.text.languages import OTHER, build_language_hint, detect_language

MOST_LINES = 60
CHARACTERS, SUMMARY_CHARACTERS = 4_000, 1_000
"""More than any quotation has; a record from elsewhere must not burst a message."""
_INDENT = "\u2003"
SEE_ALSO = mark("See also")
SOURCES = mark("From")
NEAREST = mark("The nearest section I found")
NOTHING_FOUND = mark("I found nothing about this on the pages I know.")
NOT_THERE = mark("That is not on this page.")
NOT_IN_FILE = mark("That is not in this file.")
ASK_IN = mark("The pages are in {language}: a question in {language} may find more.")
_NEAR, _LOOKED_AT = 3, 2_000
"""Passages, and characters of them, that show in which language the pages are."""
_ITEM = re.compile(r"(\s*)([-*+•]|\d{1,4}[.)])\s+(?=\S)")
_LEAST_INDENT = 2
_BULLET = "•"


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a quoted line; the marked one answers best."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A paragraph, a list's item or a table's row of a quotation.

    `sign` is what stands before an item ("•", "2."; "" for no item), `depth` how many lists it stands inside
    of.
    """

    runs: tuple[Run, ...]
    sign: str = ""
    depth: int = 0

    @property
    def text(self) -> str:
        """The line's words, without its sign."""
        return "".join(run.text for run in self.runs)


def lead_in(answer: Answer, *, verified: bool = False) -> str:
    """Say where the words of a quoted answer stand, and that nobody is certain of them unless a reviewer is.

    Who asked in another language than the page's is told so in their own.
    """
    hint = build_language_hint(answer.question.text, answer.text, answer.question.language)
    return f"{hint} {_lead_in(answer, verified=verified)}".lstrip()


def _lead_in(answer: Answer, *, verified: bool) -> str:
    if not answer.citations:
        return say("The page says:") if verified else say("I am not certain, but the page says:")
    place = name_place(answer.citations[0])
    if verified:
        return say("“{place}” says:", place=place)
    return say("I am not certain, but “{place}” says:", place=place)


def say_nothing_found(answer: Answer) -> str:
    """Say that nothing was found: on the page or in the file that was asked about, or on all pages.

    Who asked in another language than that of the nearest pages is told which one finds more.
    """
    if answer.question.about_file:
        nothing = say(NOT_IN_FILE)
    else:
        nothing = say(NOT_THERE) if answer.question.page_url else say(NOTHING_FOUND)
    other = find_other_language(answer)
    return f"{nothing} {say(ASK_IN, language=name_language(other))}" if other else nothing


def find_other_language(answer: Answer) -> str:
    """Return the language of the pages that were found, "" where it is the question's or one is unknown."""
    question = answer.question
    asked = detect_language(question.text) or question.language
    near = answer.passages[:_NEAR]
    written = detect_language(" ".join(one.text for one in near)[:_LOOKED_AT]) if near else ""
    return written if asked and written not in {"", OTHER, asked} else ""


def further(answer: Answer) -> Sequence[Citation]:
    """Return the other places of a quoted answer."""
    return answer.citations[1 : 1 + MOST_FURTHER] if answer.kind is AnswerKind.QUOTED else ()


def quotation(answer: Answer) -> Sequence[Line]:
    """Return the words of a quoted answer: a line each for its paragraphs, items and rows, none empty."""
    text, marked = answer.text, answer.marked
    begin = text.find(marked) if marked else -1
    end = begin + len(marked) if begin >= 0 else -1
    lines: list[Line] = []
    at = 0
    for raw in text.split("\n"):
        item = _ITEM.match(raw)
        skip = item.end() if item else len(raw) - len(raw.lstrip())
        kept = raw[skip:].rstrip()
        if kept:
            runs = _runs(kept, begin - at - skip, end - at - skip)
            lines.append(Line(runs, _sign(item[2]), len(item[1]) // _LEAST_INDENT) if item else Line(runs))
        at += len(raw) + 1
    return lines


def build_quotation(answer: Answer, characters: int = CHARACTERS) -> Quotation:
    """Draw the words of a quoted answer, cut to so many characters; what answers best is bold."""
    lines = quotation(replace(answer, text=clip_text(answer.text, characters)))
    return Quotation(tuple(_draw_line(line) for line in lines[:MOST_LINES] or [Line((Run("…"),))]))


def _draw_line(line: Line) -> Paragraph:
    sign = _INDENT * line.depth + (f"{line.sign} " if line.sign else "")
    runs = tuple(TextRun(run.text, run.marked) for run in line.runs)
    return Paragraph((TextRun(sign), *runs) if sign else runs, spacing="Small")


def _runs(line: str, begin: int, end: int) -> tuple[Run, ...]:
    """Cut a line where its marked part begins and ends."""
    begin, end = max(0, min(begin, len(line))), max(0, min(end, len(line)))
    pieces = (Run(line[:begin]), Run(line[begin:end], marked=True), Run(line[end:]))
    return tuple(piece for piece in pieces if piece.text)


def _sign(written: str) -> str:
    return written if written[0].isdigit() else _BULLET


def render_quoted_text(answer: Answer) -> str:
    """Return the words of a quoted answer as plain text, an item or a row a line."""
    return "\n".join("  " * line.depth + f"{line.sign} {line.text}".lstrip() for line in quotation(answer))


def render_words(answer: Answer) -> str:
    """Return an answer's own words as plain text, without what leads in to them and without other places."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            return answer.text
        case AnswerKind.QUOTED:
            return render_quoted_text(answer)
        case AnswerKind.DECLINED:
            return say_nothing_found(answer)


def render_shown_text(answer: Answer) -> str:
    """Return an answer as a person sees it, as plain text: with what leads in, and where else to look."""
    parts = [render_words(answer)]
    if answer.kind is AnswerKind.QUOTED:
        parts = [lead_in(answer), *parts, _list_places(say(SEE_ALSO), further(answer))]
    elif answer.kind is AnswerKind.DECLINED:
        parts.append(_list_places(say(NEAREST), answer.citations[:1]))
    else:
        parts.append(
            _list_places(say(SOURCES), [one for one in answer.citations if one.quote not in answer.text])
        )
    return "\n\n".join(part for part in parts if part)


def _list_places(title: str, places: Sequence[Citation]) -> str:
    named = [f"{name_place(one)}: “{read_quote(one)}”" for one in places]
    return "\n".join([f"{title}:", *named]) if named else ""


def message_text(answer: Answer, site_url: str, *, verified: bool) -> str:
    """Return the text of an answer's message as Markdown with nothing but our own marks in it."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            cited = {absolute(citation.url, site_url) for citation in answer.citations}
            return printable(calm(answer.text, keep_urls=cited, markers=len(answer.citations)))
        case AnswerKind.QUOTED:
            says = escape_markdown(calm(lead_in(answer, verified=verified), keep_urls=()))
            return printable(f"{says} [1]" if answer.citations else says)
        case AnswerKind.DECLINED:
            return say_nothing_found(answer)


def summarise(answer: Answer) -> str:
    """Return what a notification shows of an answer whose words stand in its card."""
    return clip_text(calm(render_shown_text(answer), keep_urls=()), SUMMARY_CHARACTERS)


def full_text(answer: Answer, site_url: str, *, shows_line_breaks: bool) -> str:
    """Return all that an answer says as one text: for a stream, or where no card can stand below it.

    Addresses are left out, since a client makes links of them; on the card they stand as words.
    """
    if answer.kind is AnswerKind.ANSWERED:
        return message_text(answer, site_url, verified=False)
    text = escape_markdown(calm(render_shown_text(answer), keep_urls=()))
    if shows_line_breaks:
        return text
    return re.sub(r"\n+", "\n\n", text)  # Teams draws lines together that have no empty one between them
