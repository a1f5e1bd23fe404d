"""MathML → a formula in one line: <mfrac> is (a)/(b), <msup> is a^b, <msqrt> is √(a).

Only presentation markup is read: annotations repeat it, and no reader sees them.
"""

from __future__ import annotations

import re

from pages.visibility.html_tree import Element, to_one_line

_DEEPEST = 40
_MOST_ELEMENTS = 2000
_SILENT = frozenset({"annotation", "annotation-xml", "mphantom", "mspace", "script", "style"})
_LEAVES = frozenset({"mi", "mn", "mo", "mtext", "ms"})
_ATOM = re.compile(r"[\w.,%\u00b0]+")
_FORMS = {
    ("mfrac", 2): "{0}/{1}",
    ("msup", 2): "{0}^{1}",
    ("msub", 2): "{0}_{1}",
    ("mover", 2): "{0}^{1}",
    ("munder", 2): "{0}_{1}",
    ("msubsup", 3): "{0}_{1}^{2}",
    ("munderover", 3): "{0}_{1}^{2}",
    ("mroot", 2): "{1}\u221a{0}",
}
_SPACED = re.compile(r"[=<>+\u2212\u00d7\u00b7\u2264\u2265\u2260\u2248\u00f7\u2212\u2192\u2208*/-]|[a-z]{2,}")
_INVISIBLE = str.maketrans("", "", "\u2061\u2062\u2063\u2064")


def write_formula(math: Element) -> str:
    """Return what a <math> element shows, "" for one that is too large to be a formula."""
    if sum(1 for _, _ in zip(math.iter("*"), range(_MOST_ELEMENTS + 1), strict=False)) > _MOST_ELEMENTS:
        return ""
    return to_one_line(_write(math, 0))


def _write(element: Element, depth: int) -> str:
    tag = _name_of(element)
    if tag in _SILENT or depth > _DEEPEST:
        return ""
    if tag in _LEAVES:
        return _write_leaf(tag, "".join(element.itertext()).translate(_INVISIBLE).strip())
    inner = [_write(child, depth + 1) for child in element.iterchildren()]
    form = _FORMS.get((tag, len(inner)))
    if form is not None:
        return form.format(*map(_group, inner))
    if tag == "mfenced":
        listed = ", ".join(one.strip() for one in inner)
        return f"{element.get('open') or '('}{listed}{element.get('close') or ')'}"
    if tag in {"mtr", "mlabeledtr"}:
        return f"{', '.join(one.strip() for one in inner)}; "
    whole = (element.text or "").strip() + _join(inner)
    return f"\u221a({whole.strip()})" if tag == "msqrt" else whole.strip("; ") if tag == "mtable" else whole


def _name_of(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].rpartition(":")[2].lower()


def _write_leaf(tag: str, said: str) -> str:
    return f" {said} " if tag in {"mtext", "ms"} or (tag == "mo" and _SPACED.fullmatch(said)) else said


def _join(inner: list[str]) -> str:
    """Join the parts of a row; two names or numbers side by side are a product, and stay two."""
    written = ""
    for part in inner:
        apart = written[-1:].isalnum() and part[:1].isalnum()
        written += f" {part}" if apart else part
    return written


def _group(part: str) -> str:
    part = part.strip()
    return part if _ATOM.fullmatch(part) else f"({part})"
