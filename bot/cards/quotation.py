"""The words of a page on a card, letter by letter as they stand there: a line each for its paragraphs, items and rows."""

from __future__ import annotations

from dataclasses import replace

from bot.answer_text import Line, Run, quotation
from bot.cards.parts import Json
from bot.wording import clipped, printable
from records import Answer

QUOTATION = "quotation"
"""The id of the element: surfaces that can do more than a card draw it their own way."""
MOST_LINES = 60
CHARACTERS = 4_000
"""More than any quotation has; a record from elsewhere must not burst a message."""
_INDENT = "\u2003"


def quotation_of(answer: Answer, characters: int = CHARACTERS) -> Json:
    """Draw the words of a quoted answer, cut to so many characters; what answers best is bold."""
    lines = quotation(replace(answer, text=clipped(answer.text, characters)))
    items = [_line(line) for line in lines[:MOST_LINES]] or [_line(Line((Run("…"),)))]
    return {"type": "Container", "id": QUOTATION, "style": "emphasis", "items": items}


def _line(line: Line) -> Json:
    sign = _INDENT * line.depth + (f"{line.sign} " if line.sign else "")
    pieces = [_run(sign)] if sign else []
    pieces += [_run(run.text, bold=run.marked) for run in line.runs]
    return {"type": "RichTextBlock", "spacing": "Small", "inlines": pieces}


def _run(text: str, *, bold: bool = False) -> Json:
    return {"type": "TextRun", "text": printable(text), "weight": "Bolder" if bold else "Default"}
