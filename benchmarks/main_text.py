"""How clean the main text of article pages comes out, beside other libraries: F1, precision, recall.

Run as: python -m benchmarks.main_text [--cache DIR] [--half looked|counted|all] [--source NAME] [--pages]

The pages are those of `benchmarks.article_sets`; nothing is tuned on the counted half. F1, precision and
recall are of words (of characters, where a writing has no spaces), as a bag, on average over pages. A segment
is a block of a page's text with at least four words: wanted where the right text has it, kept where the
extracted text has it. Both shares are of all segments of a half. Times are of this thread's processor time,
without the start of the libraries.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import justext
import trafilatura

from benchmarks.article_sets import Article, read_articles
from pages.fetched import PageRefused
from pages.parse.extract import extract
from pages.visibility.html_tree import Element, parse_html

_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f\u1000-\u109f]|\w+")
_BLOCKS = (
    "p",
    "div",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "td",
    "th",
    "blockquote",
    "figcaption",
    "dt",
    "dd",
    "section",
    "article",
    "header",
    "footer",
)
_LEAST = 4
_PRESENT = 0.9
"""Share of a right text's words from which a page really has it."""


@dataclass(slots=True)
class Score:
    """What came of one page: words, and segments as wanted and kept."""

    f1: float
    precision: float
    recall: float
    segments: Counter[tuple[bool, bool]]
    seconds: float


def main() -> None:
    """Measure each extractor on one half, and print a row of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/askpage-benchmarks").expanduser())
    parser.add_argument("--half", choices=("looked", "counted", "all"), default="counted")
    parser.add_argument("--source", help="one package's pages only")
    parser.add_argument("--only", choices=tuple(EXTRACTORS), help="one extractor only")
    parser.add_argument("--pages", action="store_true", help="a line for each page, too")
    options = parser.parse_args()
    articles = [
        one
        for one in read_articles(options.cache)
        if options.half in ("all", "counted" if one.counted_only else "looked")
        and options.source in (None, one.source)
        and _has_its_text(one)
    ]
    print(f"{len(articles)} pages, {options.half}")
    print(f"{'':22}  F1    prec  recall  unwanted kept  wanted kept   ms a page")
    for name, run in EXTRACTORS.items():
        if options.only in (None, name):
            scores = [score(article, run) for article in articles]
            if options.pages:
                for article, one in sorted(zip(articles, scores, strict=True), key=lambda pair: pair[1].f1):
                    print(
                        f"  {one.f1:.3f} {one.precision:.3f} {one.recall:.3f} {article.source} {article.site}"
                        f" {article.name}"
                    )
            print(describe(name, scores))


def describe(name: str, scores: list[Score]) -> str:
    """Return the row of an extractor."""
    total: Counter[tuple[bool, bool]] = Counter()
    for one in scores:
        total.update(one.segments)
    unwanted = total[False, True] / max(1, total[False, True] + total[False, False])
    wanted = total[True, True] / max(1, total[True, True] + total[True, False])
    means = [
        sum(getattr(one, field) for one in scores) / len(scores) for field in ("f1", "precision", "recall")
    ]
    spent = 1000 * sum(one.seconds for one in scores) / len(scores)
    words = " ".join(f"{mean:.3f}" for mean in means)
    return f"{name:22}  {words}  {unwanted:8.3f}      {wanted:8.3f}    {spent:8.0f}"


def score(article: Article, run: Callable[[str], str]) -> Score:
    """Extract one page and compare."""
    began = time.thread_time()
    got = run(article.page)
    spent = time.thread_time() - began
    titles = _titles(article.page)
    got, right = _without(got, titles), _without(article.right, titles)
    have, want = Counter(_tokens(got)), Counter(_tokens(right))
    both = sum((have & want).values())
    precision, recall = both / max(1, have.total()), both / max(1, want.total())
    f1 = 2 * precision * recall / (precision + recall) if both else 0.0
    wanted_in, kept_in = _as_text(right), _as_text(got)
    segments = Counter(
        (f" {one} " in wanted_in, f" {one} " in kept_in) for one in set(_segments(article.page)) - titles
    )
    return Score(f1, precision, recall, segments, spent)


def _titles(page: str) -> set[str]:
    """Return the headlines of a page, as words: some right texts have them, and they do not count."""
    root = parse_html(page)
    found = [] if root is None else [" ".join(one.itertext()) for one in root.iter("h1", "title")]
    return {" ".join(_tokens(one)) for one in found}


def _without(text: str, lines: set[str]) -> str:
    return "\n".join(line for line in text.split("\n") if " ".join(_tokens(line)) not in lines)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())


def _as_text(text: str) -> str:
    return f" {' '.join(_tokens(text))} "


def _has_its_text(article: Article) -> bool:
    root = parse_html(article.page)
    if root is None:
        return False
    have, want = Counter(_tokens(" ".join(root.itertext()))), Counter(_tokens(article.right))
    return sum((have & want).values()) >= _PRESENT * want.total()


def _segments(page: str) -> list[str]:
    """Return the blocks of text of a page, each with the inline elements that are in it."""
    root = parse_html(page)
    found = [] if root is None else _gather(root)
    return [text for text in (" ".join(_tokens(one)) for one in found) if text.count(" ") >= _LEAST - 1]


def _gather(root: Element) -> list[str]:
    for dead in list(root.iter("script", "style", "noscript", "template", "head")):
        dead.clear(keep_tail=True)
    return [
        " ".join(block.itertext())
        for block in root.iter(*_BLOCKS)
        if not any(True for _ in block.iterdescendants(*_BLOCKS))
    ]


def take_ours(page: str) -> str:
    """Return what the bot reads."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    try:
        found = extract(page.encode(), url="https://example.com/a", content_type="text/html", fetched_at=at)
    except PageRefused:
        return ""
    return "\n".join(f"{one.heading}\n{one.text}" for one in found.sections)


def take_with_trafilatura(page: str) -> str:
    """Return what trafilatura takes with its settings as they come, without comments."""
    return trafilatura.extract(page, include_comments=False) or ""


def take_with_trafilatura_recall(page: str) -> str:
    """Return what trafilatura takes when it is told to rather take more."""
    return trafilatura.extract(page, include_comments=False, favor_recall=True) or ""


def take_with_justext(page: str) -> str:
    """Return what jusText takes, with its words of English."""
    found = justext.justext(page.encode(), justext.get_stoplist("English"), encoding="utf-8")
    return "\n".join(one.text for one in found if not one.is_boilerplate)


EXTRACTORS: dict[str, Callable[[str], str]] = {
    "ours": take_ours,
    "trafilatura": take_with_trafilatura,
    "trafilatura, recall": take_with_trafilatura_recall,
    "justext": take_with_justext,
}


if __name__ == "__main__":
    main()
