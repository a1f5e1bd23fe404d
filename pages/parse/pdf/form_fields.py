"""Form fields and remarks of a PDF's page: drawn into the page, values on the line of their labels.

PDFium draws them as a viewer does, those that are hidden left out. A value stands wherever its field puts it,
often half a line off its label.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import pypdfium2.raw as pdfium

from pages.parse.pdf.drawing import Box
from pages.parse.pdf.glyphs import Fragment

_MOST_FIELDS = 500
"""Fields of one page that are looked at."""


def open_page(document: Any, number: int) -> tuple[Any, list[Box]]:
    """Return a page, counted from 0, with its fields drawn into it, and where they are.

    Raises PdfiumError for one that is damaged.
    """
    page = document[number]
    if not pdfium.FPDFPage_GetAnnotCount(page.raw):
        return page, []
    fields = _field_boxes(page)
    if pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS:
        page.close()
        page = document[number]
    return page, fields


def _field_boxes(page: Any) -> list[Box]:
    boxes: list[Box] = []
    for at in range(min(_MOST_FIELDS, pdfium.FPDFPage_GetAnnotCount(page.raw))):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, at)
        box = pdfium.FS_RECTF()
        is_field = pdfium.FPDFAnnot_GetSubtype(annotation) == pdfium.FPDF_ANNOT_WIDGET
        if is_field and pdfium.FPDFAnnot_GetRect(annotation, ctypes.byref(box)):
            boxes.append((box.left, min(box.bottom, box.top), box.right, max(box.bottom, box.top)))
        pdfium.FPDFPage_CloseAnnot(annotation)
    return boxes


def align_fields(fragments: Sequence[Fragment], fields: Sequence[Box]) -> None:
    """Put each value that is one line on the line of the label that stands left of it."""
    for left, bottom, right, top in fields:
        beside = [one for one in fragments if bottom < (one.low + one.high) / 2 < top]
        inside = [one for one in beside if left <= (one.left + one.right) / 2 <= right]
        labels = [one for one in beside if one.right <= left + one.size]
        if len(inside) == 1 and labels:
            inside[0].base = max(labels, key=lambda one: one.right).base
