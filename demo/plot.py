"""The learning curve as an SVG picture, drawn of lines and words alone; it fits light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 190, 40, 48
_STYLE = (
    "text { font: 13px system-ui, sans-serif; fill: #444 }"
    " .grid { stroke: #8884 } .line { fill: none; stroke-width: 2.5 }"
    " @media (prefers-color-scheme: dark) { text { fill: #ccc } }"
)
_COLOURS = ("#1f77b4", "#d95f02", "#2a9d54", "#8a4fbf", "#c0392b", "#7f7f7f")
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_APART = 16


def curve(title: str, names: Sequence[str], lines: Mapping[str, Sequence[float | None]]) -> str:
    """Draw shares (0 to 1), one of each line over each name; None is a gap."""
    svg = Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "role": "img"},
    )
    SubElement(svg, "title").text = title
    SubElement(svg, "style").text = _STYLE
    _words(svg, (_LEFT, 22), title, style="font-size: 15px")
    for share in _TICKS:
        _line(svg, [(_LEFT, _y(share)), (_WIDTH - _RIGHT, _y(share))], {"class": "grid"})
        _words(svg, (_LEFT - 42, _y(share) + 4), f"{share:.2f}")
    for number, name in enumerate(names):
        _words(svg, (_x(number, len(names)), _HEIGHT - 20), name, style="text-anchor: middle")
    labels = _label_places({name: values[-1] for name, values in lines.items() if values})
    for at, (name, values) in enumerate(lines.items()):
        colour = _COLOURS[at % len(_COLOURS)]
        points = [
            (_x(number, len(names)), _y(value)) for number, value in enumerate(values) if value is not None
        ]
        _line(svg, points, {"class": "line", "stroke": colour})
        for x, y in points:
            SubElement(svg, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3.5", "fill": colour})
        if name in labels:
            _words(svg, (_WIDTH - _RIGHT + 12, labels[name] + 4), f"{name} {values[-1]:.2f}")
            _line(
                svg,
                [(_WIDTH - _RIGHT + 2, _y(values[-1] or 0.0)), (_WIDTH - _RIGHT + 9, labels[name])],
                {"stroke": colour},
            )
    return tostring(svg, "unicode") + "\n"


def _label_places(ends: Mapping[str, float | None]) -> dict[str, float]:
    """Return the height of each line's label: beside its end, moved down where labels would overlap."""
    places: dict[str, float] = {}
    lowest = float("-inf")
    known = [(value, name) for name, value in ends.items() if value is not None]
    for value, name in sorted(known, reverse=True):
        lowest = max(_y(value), lowest + _APART)
        places[name] = lowest
    return places


def _x(number: int, rounds: int) -> float:
    return _LEFT + 20 + number * (_WIDTH - _LEFT - _RIGHT - 40) / max(1, rounds - 1)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)


def _words(svg: Element, at: tuple[float, float], words: str, **how: str) -> None:
    SubElement(svg, "text", {"x": f"{at[0]:.1f}", "y": f"{at[1]:.1f}", **how}).text = words


def _line(svg: Element, points: Sequence[tuple[float, float]], how: Mapping[str, str]) -> None:
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    SubElement(svg, "polyline", {"points": drawn, "fill": "none", **how})
