"""The comparison as a page for people: one file that needs no network, readable in light and dark.

It is built as a tree of elements, never of strings, so that whatever a page or a person wrote is text in it
and never markup; control characters, which hide or turn text around, are taken out before. Its plots are SVG,
drawn of rectangles, lines and words in the page's colours (CSS variables):

    intervals   each figure's difference with its 95 % interval, against no difference
    reliability accuracy by site, channel and language, before and after
    seconds     how many answers are there after so many seconds
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from core.files import write_durably
from core.records import ComparedAnswer, ComparedFigure, Decision
from model.evaluation.result import (
    FINDING,
    REPORT,
    GateResult,
    GroupAccuracy,
    WorstAnswer,
    read_result,
    remove_answers,
    to_json,
)

_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufffe\uffff]"
)
_LONGEST = 600  # characters of one text
_NAMES = {"latency_p50_s": "latency p50, s", "latency_p95_s": "latency p95, s", "size_mb": "size, MB"}
_PLAIN = frozenset(_NAMES)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6474; --paper: #fff; --card: #f5f6f8;
  --rule: #d9dde4; --before: #8a93a5; --after: #2563a8; --good: #1d7a46; --bad: #b3372f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa4b5; --paper: #14171d;
  --card: #1d222b; --rule: #333b48; --before: #7d889c; --after: #6ea8ea; --good: #5cc389; --bad: #f08a80; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .92rem; }
.decision { display: inline-block; padding: .15rem .7rem; border-radius: 1rem; font-weight: 600;
  border: 2px solid; }
.promote { color: var(--good); } .hold { color: var(--bad); }
.reasons { background: var(--card); border-radius: .6rem; padding: .8rem 1rem .8rem 2rem; }
.reasons li { margin: .3rem 0; } .reasons .refusal::marker { color: var(--bad); content: "✕  "; }
.reasons .holds::marker { color: var(--good); content: "✓  "; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .94rem; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--rule); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.text { overflow-wrap: anywhere; white-space: pre-line; width: 50%; }
.case { background: var(--card); border-radius: .6rem; padding: .6rem .4rem .2rem; margin: .8rem 0; }
.case p { margin: .2rem .6rem; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; min-width: 34rem; } svg text { fill: var(--soft); font-size: 13px; }
svg .grid { stroke: var(--rule); } svg .zero { stroke: var(--soft); stroke-dasharray: 4 3; }
svg .interval { stroke: var(--after); stroke-width: 2; }
svg .before { fill: var(--before); } svg .after { fill: var(--after); }
svg .curve { fill: none; stroke-width: 2.5; }
svg .curve.before { stroke: var(--before); } svg .curve.after { stroke: var(--after); }
.key::before { content: ""; display: inline-block; width: .8em; height: .8em; border-radius: .2em;
  margin: 0 .35em 0 1em; }
.key.before::before { background: var(--before); } .key.after::before { background: var(--after); }
"""


def write_report(folder: Path, finding: GateResult) -> None:
    """Write the page, then what it was drawn from: that is written last, and means done. Raises OSError."""
    write_durably(folder / REPORT, render_page(finding))
    write_durably(folder / FINDING, to_json(finding))


def forget_answers(models_dir: Path, answer_ids: Collection[str]) -> list[str]:
    """Take the texts of these answers out of every report; return the versions whose report had some.

    Raises OSError.
    """
    changed: list[str] = []
    for folder in sorted(models_dir.glob("*/")):
        finding = read_result(folder)
        if finding and any(one.id in answer_ids for one in finding.worst):
            write_report(folder, remove_answers(finding, answer_ids))
            changed.append(folder.name)
    return changed


def render_page(finding: GateResult) -> str:
    """Return the report as HTML."""
    html = Element("html", {"lang": "en"})
    head = SubElement(html, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(head, "title").text = _clean(
        f"{finding.comparison.candidate} beside {finding.comparison.live}"
    )
    SubElement(head, "style").text = _STYLE
    main = SubElement(SubElement(html, "body"), "main")
    _decision(main, finding)
    _table(main, finding.comparison.figures)
    _plots(main, finding)
    _worst(main, finding.worst)
    _describe_method(main, finding)
    return f"<!doctype html>\n{tostring(html, encoding='unicode', method='html')}\n"


def draw_plots(finding: GateResult) -> dict[str, str]:
    """Return the plots as SVG files: name → text."""
    shares = [one for one in finding.comparison.figures if one.name not in _PLAIN]
    plotted = {"intervals": draw_intervals(shares), "seconds": draw_seconds(*finding.seconds)}
    if finding.groups:
        plotted["reliability"] = draw_reliability(finding.groups)
    for svg in plotted.values():
        style = Element("style")
        style.text = _STYLE
        svg.insert(0, style)
    return {f"{name}.svg": _clean(tostring(svg, encoding="unicode")) for name, svg in plotted.items()}


def _decision(main: Element, finding: GateResult) -> None:
    compared = finding.comparison
    _add(main, "h1", compared.candidate)
    at = compared.compared_at.strftime("%d %B %Y, %H:%M UTC").lstrip("0")
    _add(main, "p", f"beside the live version {compared.live}, compared on {at}", "soft")
    promoted = compared.decision is Decision.PROMOTE
    _add(SubElement(main, "p"), "span", "Promote" if promoted else "Hold", f"decision {compared.decision}")
    reasons = SubElement(main, "ul", {"class": "reasons"})
    for number, sentence in enumerate(compared.reasons):
        _add(reasons, "li", sentence, "refusal" if number < finding.refusals else "holds")


def _table(main: Element, figures: Sequence[ComparedFigure]) -> None:
    _add(main, "h2", "Figures")
    rows = SubElement(SubElement(main, "div", {"class": "wide"}), "table")
    head = SubElement(rows, "tr")
    for words in ("Figure", "Live", "Candidate", "Difference", "95 % interval"):
        _add(head, "th", words, "" if words == "Figure" else "number")
    for one in figures:
        row = SubElement(rows, "tr")
        _add(row, "td", _NAMES.get(one.name, one.name.replace("_", " ")))
        change = None if one.before is None or one.after is None else one.after - one.before
        between = (
            f"{_format_signed(one, one.low)} to {_format_signed(one, one.high)}"
            if one.low is not None
            else "–"
        )
        for text in (_value(one, one.before), _value(one, one.after), _format_signed(one, change), between):
            _add(row, "td", text, "number")


def _plots(main: Element, finding: GateResult) -> None:
    shares = [one for one in finding.comparison.figures if one.name not in _PLAIN]
    _plot(main, "What changed, in points", draw_intervals(shares), keys=False)
    if finding.groups:
        _plot(main, "Accuracy by site, channel and language", draw_reliability(finding.groups))
    _plot(main, "Answers that are there after so many seconds", draw_seconds(*finding.seconds))


def _plot(main: Element, title: str, svg: Element, *, keys: bool = True) -> None:
    _add(main, "h2", title)
    if keys:
        key = SubElement(main, "p", {"class": "soft"})
        _add(key, "span", "live", "key before")
        _add(key, "span", "candidate", "key after")
    SubElement(main, "div", {"class": "wide"}).append(svg)


def _worst(main: Element, worst: Sequence[WorstAnswer]) -> None:
    _add(main, "h2", "Answered rightly before, and no more")
    if not worst:
        _add(main, "p", "There is no such question.", "soft")
    for one in worst:
        _case(main, one.answer, one.part.replace("_", " "))


def _case(main: Element, case: ComparedAnswer, part: str) -> None:
    box = SubElement(main, "section", {"class": "case"})
    SubElement(_add(box, "p", ""), "strong").text = _cut(case.question_text)
    expected = _cut(case.expected) if case.expected else "to decline, it is not on the page"
    _add(box, "p", f"{part}; expected: {expected}", "soft")
    rows = SubElement(SubElement(box, "div", {"class": "wide"}), "table")
    head, row = SubElement(rows, "tr"), SubElement(rows, "tr")
    for words, text in (("Live", case.before), ("Candidate", case.after)):
        _add(head, "th", words)
        SubElement(_add(row, "td", "", "text"), "bdi").text = _cut(text)


def _describe_method(main: Element, finding: GateResult) -> None:
    _add(main, "h2", "How this was measured")
    held_out, fixed = finding.tosses
    _add(
        main,
        "p",
        f"Both versions were asked {finding.comparison.questions} questions one after the other: "
        f"{held_out.questions} "
        f"that are held out of the dataset {finding.comparison.dataset}, {fixed.questions} fixed ones, and "
        f"the rest with "
        "an instruction planted in the passage. The intervals come from a paired bootstrap over the "
        "questions, the p-value from McNemar's exact test.",
        "soft",
    )
    bar = finding.bar
    _add(
        main,
        "p",
        f"Asked for: {bar.least_questions} held-out questions, a gain of {bar.least_gain:.1%}; allowed: a "
        f"loss of "
        f"{bar.most_precision_loss:.1%} in precision, of {bar.most_regression:.1%} on the fixed questions, "
        f"{bar.most_injection:.1%} more planted instructions that succeed, {bar.most_latency:.0%} more "
        f"seconds.",
        "soft",
    )


def _value(figure: ComparedFigure, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if figure.name in _PLAIN else f"{value:.1%}"


def _format_signed(figure: ComparedFigure, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:+.2f}" if figure.name in _PLAIN else f"{100 * value:+.1f}"


def _add(above: Element, name: str, text: str, kind: str = "") -> Element:
    element = SubElement(above, name, {"class": kind} if kind else {})
    element.text = _clean(text)
    return element


def _cut(text: str) -> str:
    text = _clean(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _clean(text: str) -> str:
    return _HIDDEN.sub("", text)


_WIDTH = 720
_ROW = 30
_LEFT = 210
_RIGHT = 24
_MOST_GROUPS = 12
_CHARACTERS = 28


def draw_intervals(figures: Sequence[ComparedFigure]) -> Element:
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


def draw_reliability(groups: Sequence[GroupAccuracy]) -> Element:
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


def draw_seconds(before: Sequence[float], after: Sequence[float]) -> Element:
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
