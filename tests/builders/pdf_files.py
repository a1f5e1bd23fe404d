"""PDFs as programs write them, made with reportlab."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table

Draw = Callable[[Canvas], None]


def make_pdf(*pages: str | Draw, title: str = "", password: str = "") -> bytes:
    """Return a PDF; a page is the lines on it, or draws itself."""
    out = io.BytesIO()
    canvas = Canvas(out, encrypt=password or None)
    if title:
        canvas.setTitle(title)
    for page in pages:
        draw_page = write_lines(page) if isinstance(page, str) else page
        draw_page(canvas)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def write_lines(text: str, *, x: float = 72, top: float = 720, size: float = 12, bold: bool = False) -> Draw:
    """Return what draws lines below each other; of "##" at the beginning of a line, larger and bold."""

    def draw(canvas: Canvas) -> None:
        for number, line in enumerate(text.splitlines()):
            large = line.startswith("## ")
            font = "Helvetica-Bold" if large or bold else "Helvetica"
            canvas.setFont(font, size * 1.5 if large else size)
            canvas.drawString(x, top - 1.2 * size * number, line.removeprefix("## "))

    return draw


def draw_table(
    rows: Sequence[Sequence[str]], *, style: Sequence[Any] = (), x: float = 72, top: float = 700
) -> Draw:
    """Return what draws a table as reportlab does, with rules where `style` says so."""

    def draw(canvas: Canvas) -> None:
        table = Table([list(row) for row in rows], style=list(style))
        _, height = table.wrapOn(canvas, 400, 400)
        table.drawOn(canvas, x, top - height)

    return draw


def draw_all(*parts: Draw) -> Draw:
    """Return what draws several things on one page."""

    def draw(canvas: Canvas) -> None:
        for part in parts:
            part(canvas)

    return draw
