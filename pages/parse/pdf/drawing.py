"""What a PDF's page draws besides letters: filled areas, pictures, rules; and which letters they hide.

PDFium gives a page's objects in the order in which they are painted. A letter is seen when it is painted at
all, inside the page, in a colour that differs from what lies below it, and with nothing opaque above it.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pypdfium2.raw as pdfium

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points from the page's lower left corner."""
Matrix = tuple[float, float, float, float, float, float]
Colour = tuple[int, int, int]

MOST_OBJECTS = 20_000
"""Objects of one page that are looked at: a map has more, and no tables."""
MOST_RULES = 2_000
_MOST_AREAS = 1_000
_DEEPEST = 8
_MOST_SEGMENTS = 400
_THIN = 3.0  # points: an area that is not wider is a rule
_FLAT = 0.5  # points that a rule's ends may differ in height
_SEE_THROUGH = 26  # of 255: a letter that is a tenth there is none
_OPAQUE = 230
_HARDLY_DIFFERENT = 48  # of 765: the sum of the differences in red, green and blue
_MOST_OF_PAGE = 0.5
_PAINTED_NOWHERE = frozenset({3, 7})
_OUTLINE_ONLY = frozenset({1, 5})

WHITE: Colour = (255, 255, 255)
_WHOLE: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(slots=True)
class Area:
    """Something painted: its place in the order, and its colour; None where that is many colours."""

    order: int
    box: Box
    colour: Colour | None
    opaque: bool = True


@dataclass(slots=True)
class Drawing:
    """What a page draws. `across` are horizontal rules (left, right, height), `down` vertical ones."""

    areas: list[Area] = field(default_factory=list[Area])
    pictures: list[Area] = field(default_factory=list[Area])
    across: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    down: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    order: dict[int, int] = field(default_factory=dict[int, int])

    def is_picture(self, page: Box) -> bool:
        """Tell whether pictures take more than half of the page, as in a scan."""
        whole = _size(page)
        return whole > 0 and sum(_size(one.box) for one in self.pictures) > _MOST_OF_PAGE * whole


def _size(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def read_drawing(page: Any) -> Drawing:
    """Look through a page's objects, those of its forms included."""
    drawing = Drawing()
    for order, (item, matrix) in enumerate(_objects(page)):
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            drawing.order[address(item)] = order
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            _take_path(drawing, item, matrix, order)
        elif kind in {pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING}:
            area = Area(order, _moved(_bounds(item), matrix), None)
            drawing.areas.append(area)
            if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
                drawing.pictures.append(area)
    return drawing


def address(item: Any) -> int:
    """Return what tells one object of a page from another."""
    return ctypes.cast(item, ctypes.c_void_p).value or 0


def _objects(page: Any) -> Iterator[tuple[Any, Matrix]]:
    """Yield the objects in the order in which they are painted, forms unfolded, without recursion."""
    seen = 0
    count = pdfium.FPDFPage_CountObjects(page)
    waiting = [(pdfium.FPDFPage_GetObject, page, count, 0, _WHOLE)]
    while waiting and seen < MOST_OBJECTS:
        get, holder, count, at, matrix = waiting.pop()
        while at < count and seen < MOST_OBJECTS:
            item = get(holder, at)
            at += 1
            seen += 1
            if pdfium.FPDFPageObj_GetType(item) == pdfium.FPDF_PAGEOBJ_FORM and len(waiting) < _DEEPEST:
                waiting.append((get, holder, count, at, matrix))
                inner = pdfium.FPDFFormObj_CountObjects(item)
                waiting.append(
                    (pdfium.FPDFFormObj_GetObject, item, inner, 0, _product(_matrix(item), matrix))
                )
                break
            yield item, matrix


def _matrix(item: Any) -> Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, ctypes.byref(found)):
        return _WHOLE
    return found.a, found.b, found.c, found.d, found.e, found.f


def _product(first: Matrix, then: Matrix) -> Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)


def _bounds(item: Any) -> Box:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium.FPDFPageObj_GetBounds(item, *map(ctypes.byref, (left, bottom, right, top)))
    return left.value, bottom.value, right.value, top.value


def _moved(box: Box, matrix: Matrix) -> Box:
    if matrix == _WHOLE:
        return box
    corners = [_moved_point(x, y, matrix) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def _moved_point(x: float, y: float, matrix: Matrix) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _take_path(drawing: Drawing, item: Any, matrix: Matrix, order: int) -> None:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(item, ctypes.byref(fill), ctypes.byref(stroke))
    box = _moved(_bounds(item), matrix)
    wide, high = box[2] - box[0], box[3] - box[1]
    if fill.value:
        if min(wide, high) <= _THIN:
            _take_rule(drawing, box)
        elif len(drawing.areas) < _MOST_AREAS:
            colour, alpha = read_colour(item)
            drawing.areas.append(Area(order, box, colour, alpha >= _OPAQUE))
    if stroke.value:
        for piece in _straight_pieces(item, matrix):
            _take_rule(drawing, piece)


def _take_rule(drawing: Drawing, box: Box) -> None:
    left, bottom, right, top = box
    if len(drawing.across) + len(drawing.down) >= MOST_RULES:
        return
    if right - left > max(_THIN, top - bottom):
        drawing.across.append((left, right, (bottom + top) / 2))
    elif top - bottom > max(_THIN, right - left):
        drawing.down.append((bottom, top, (left + right) / 2))


def _straight_pieces(item: Any, matrix: Matrix) -> Iterator[Box]:
    """Yield what a stroked path has of horizontal and vertical lines."""
    count = pdfium.FPDFPath_CountSegments(item)
    if count > _MOST_SEGMENTS:
        return
    start = last = (0.0, 0.0)
    for number in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(item, number)
        x, y = ctypes.c_float(), ctypes.c_float()
        pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        point = _moved_point(x.value, y.value, _product(_matrix(item), matrix))
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            yield from _flat(last, point)
        if pdfium.FPDFPathSegment_GetClose(segment):
            yield from _flat(point, start)
        last = point


def _flat(one: tuple[float, float], other: tuple[float, float]) -> Iterator[Box]:
    if abs(one[0] - other[0]) <= _FLAT or abs(one[1] - other[1]) <= _FLAT:
        yield min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])


def read_colour(item: Any, *, outline: bool = False) -> tuple[Colour, int]:
    """Return the colour of an object, and how much of it is there, 0 to 255."""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    get = pdfium.FPDFPageObj_GetStrokeColor if outline else pdfium.FPDFPageObj_GetFillColor
    if not get(item, *map(ctypes.byref, (red, green, blue, alpha))):
        return (0, 0, 0), 255
    return (red.value, green.value, blue.value), alpha.value


def is_seen(drawing: Drawing, item: Any, box: Box, *, page: Box, large: bool) -> bool:
    """Tell whether a reader sees the letters of a text object that begin at a box.

    White letters over a picture cannot be decided: only large ones, a heading's, count as seen. What is
    painted nowhere above a scan is the text that was recognised in it.
    """
    mode = pdfium.FPDFTextObj_GetTextRenderMode(item)
    if mode in _PAINTED_NOWHERE:
        return drawing.is_picture(page)
    colour, alpha = read_colour(item, outline=mode in _OUTLINE_ONLY)
    if alpha < _SEE_THROUGH:
        return False
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    if not (page[0] <= x <= page[2] and page[1] <= y <= page[3]):
        return False
    order = drawing.order.get(address(item), MOST_OBJECTS)
    below: Area | None = None
    for area in drawing.areas:
        if area.opaque and area.box[0] <= x <= area.box[2] and area.box[1] <= y <= area.box[3]:
            if area.order > order:
                return False
            below = area
    if below is not None and below.colour is None:
        return large or not _is_like(colour, WHITE)
    return not _is_like(colour, WHITE if below is None or below.colour is None else below.colour)


def _is_like(one: Colour, other: Colour) -> bool:
    return sum(abs(first - second) for first, second in zip(one, other, strict=True)) < _HARDLY_DIFFERENT
