"""Elements that say their text in a way of their own → plain ones, before anybody looks at what is seen.

Formulas become one line; a text box that nobody can write into is the text in it.
"""

from __future__ import annotations

from pages.parse.elements.mathml import write_formula
from pages.visibility.html_tree import Element, empty

_LONGEST_TEX = 400


def write_plain_elements(root: Element) -> None:
    """Rewrite formulas and locked text boxes; their attributes stay, so that what hides them does."""
    for math in list(root.iter("math")):
        _write_math(math)
    for box in list(root.iter("textarea")):
        if box.get("readonly") is not None or box.get("disabled") is not None:
            box.tag = "pre"


def _write_math(math: Element) -> None:
    written = write_formula(math) or (math.get("alttext") or "")[:_LONGEST_TEX]
    drawn = _find_drawn(math)
    tail = math.tail
    for child in list(math.iterchildren()):
        empty(child)
        child.tail = None
    math.tag, math.text, math.tail = "span", written, tail
    if drawn is not None and _same_signs(written, drawn):
        _show_instead(drawn, written)
        math.text = ""


def _find_drawn(math: Element) -> Element | None:
    """Return KaTeX's drawing of a formula, which stands beside it; style sheets hide the formula itself."""
    above = math.getparent()
    if above is None or "katex-mathml" not in (above.get("class") or ""):
        return None
    beside = above.getnext()
    return beside if beside is not None and "katex-html" in (beside.get("class") or "") else None


def _same_signs(written: str, drawn: Element) -> bool:
    """Tell whether a drawing shows the letters and digits of a formula: then nothing else is said by it."""
    shown = "".join(drawn.itertext())
    return sorted(filter(str.isalnum, written)) == sorted(filter(str.isalnum, shown))


def _show_instead(drawn: Element, written: str) -> None:
    for child in list(drawn.iterchildren()):
        empty(child)
        child.tail = None
    drawn.text = written
    drawn.set("aria-hidden", "false")
