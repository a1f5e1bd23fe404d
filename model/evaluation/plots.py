"""Three plots as SVG, drawn of rectangles, lines and words; colours are the page's (CSS variables), light and dark.

intervals   each figure's difference with its 95 % interval, against no difference
reliability accuracy by site, channel and language, before and after
seconds     how many answers are there after so many seconds
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from core.records import ComparedFigure
from model.evaluation.result import Group

_WIDTH = 720
_ROW = 30
_LEFT = 210
_RIGHT = 24
_MOST_GROUPS = 12
_CHARACTERS = 28


def intervals(figures: Sequence[ComparedFigure]) -> Element:
    """Draw the differences of shares, in points."""
    shown = [
        one for one in figures if one.before is not None and one.after is not None and one.low is not None
    ]
    reach = max([0.05, *(abs(edge) for one in shown for edge in (one.low or 0.0, one.high or 0.0))]) * 1.1
    height = _ROW * (len(shown) + 1) + 16

    def x(share: float) -> float:
        return _LEFT + (share / reach + 1) / 2 * (_WIDTH - _LEFT - _RIGHT)

    svg = _svg(height, "Differences between candidate and live version with their 95 % intervals")
    for share in (-reach / 1.1, -reach / 2.2, 0.0, reach / 2.2, reach / 1.1):
        _line(svg, (x(share), 8), (x(share), height - _ROW), "zero" if not share else "grid")
        _words(svg, (x(share), height - 10), f"{100 * share:+.0f}" if share else "no difference", "middle")
    for row, one in enumerate(shown):
        y = 8 + _ROW * (row + 0.5)
        low, high, change = one.low or 0.0, one.high or 0.0, (one.after or 0.0) - (one.before or 0.0)
        _words(svg, (_LEFT - 12, y + 4), one.name.replace("_", " "), "end")
        _line(svg, (x(low), y), (x(high), y), "interval")
        for edge in (low, high):
            _line(svg, (x(edge), y - 5), (x(edge), y + 5), "interval")
        SubElement(svg, "circle", {"cx": f"{x(change):.1f}", "cy": f"{y:.1f}", "r": "5", "class": "after"})
    return svg


def reliability(groups: Sequence[Group]) -> Element:
    """Draw accuracy before and after, group by group, the largest ones."""
    shown = sorted(groups, key=lambda one: -one.questions)[:_MOST_GROUPS]
    shown.sort(key=lambda one: one.kind)
    svg = _svg(height := _ROW * (len(shown) + 1) + 16, "Accuracy by site, channel and language")

    def x(share: float) -> float:
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _line(svg, (x(share), 8), (x(share), height - _ROW), "grid")
        _words(svg, (x(share), height - 10), f"{share:.0%}", "middle")
    for row, one in enumerate(shown):
        y = 8 + _ROW * row
        _words(svg, (_LEFT - 12, y + 19), f"{_short(one.name)} ({one.questions})", "end")
        for offset, share, side in ((5, one.before, "before"), (15, one.after, "after")):
            width = f"{max(1.0, x(share) - x(0)):.1f}"
            where = {"x": str(_LEFT), "y": str(y + offset), "width": width, "height": "9", "class": side}
            SubElement(svg, "rect", where)
    return svg


def seconds(before: Sequence[float], after: Sequence[float]) -> Element:
    """Draw which share of the answers is there after how long."""
    height = 220
    svg = _svg(height, "Share of the answers that are there after so many seconds")
    longest = max([0.1, *before, *after]) * 1.02
    bottom = height - _ROW

    def x(taken: float) -> float:
        return 56 + taken / longest * (_WIDTH - 56 - _RIGHT)

    def y(share: float) -> float:
        return 12 + (1 - share) * (bottom - 12)

    for share in (0.0, 0.5, 0.95):
        _line(svg, (x(0), y(share)), (x(longest), y(share)), "grid")
        _words(svg, (48, y(share) + 4), f"{share:.0%}", "end")
    for quarter in range(5):
        taken = quarter / 4 * longest
        _words(svg, (x(taken), height - 10), f"{taken:.2g} s", "middle" if quarter < 4 else "end")  # noqa: PLR2004
    for values, side in ((before, "before"), (after, "after")):
        steps = [f"{x(0):.1f},{y(0):.1f}"]
        for rank, taken in enumerate(sorted(values), 1):
            steps += [
                f"{x(taken):.1f},{y((rank - 1) / len(values)):.1f}",
                f"{x(taken):.1f},{y(rank / len(values)):.1f}",
            ]
        SubElement(svg, "polyline", {"points": " ".join(steps), "class": f"curve {side}"})
    return svg


def _svg(height: int, title: str) -> Element:
    box = {"viewBox": f"0 0 {_WIDTH} {height}", "role": "img", "xmlns": "http://www.w3.org/2000/svg"}
    svg = Element("svg", box)
    SubElement(svg, "title").text = title
    return svg


def _line(svg: Element, begin: tuple[float, float], end: tuple[float, float], kind: str) -> None:
    ends = {"x1": begin[0], "y1": begin[1], "x2": end[0], "y2": end[1]}
    SubElement(svg, "line", {name: f"{value:.1f}" for name, value in ends.items()} | {"class": kind})


def _words(svg: Element, at: tuple[float, float], text: str, anchor: str) -> None:
    where = {"x": f"{at[0]:.1f}", "y": f"{at[1]:.1f}", "text-anchor": anchor}
    SubElement(svg, "text", where).text = text


def _short(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"
