"""Where a correction stands when its reviewer chooses no place: how often rightly, how often wrongly.

Run as: python -m benchmarks.correction_places [SET ...] [--data DIR] [--index DIR] [--list]

SET is `handbook` or `docs`; both without one. Each question that the pages answer is asked without a model.
Then it is corrected twice: with its evidence word for word, and in the words of corrections.jsonl, which
somebody wrote who saw the evidence alone. Told is what the correction cites then
(`bot.cards.places.find_place`), by what the bot had cited itself:

- *right* stands in a passage with the evidence, *elsewhere* in another one. That need not be wrong, since a
  page may say it twice; --list shows them, and what lost its place.
- *turned* are the same corrections with a "not" more or less, or with another number. None of them should
  find a place where the evidence stands.

The rule was chosen on the handbook. The docs were asked once, after that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import question_sets
from benchmarks.learned_search import Bot, open_page_services
from benchmarks.question_sets import Asked
from benchmarks.questions import DOCS, NEWCOMERS, print_table
from bot.cards.places import AUTO, Draft, find_place
from core.records import Answer, Citation, Passage
from model.checks.polarity import parse_yes_no
from model.checks.restatement import rate_restatement
from model.evaluation.metrics import strip_markup
from model.evaluation.question_sets import PageQuestion, read_questions

SETS = ("handbook", "docs")
_WORDED = Path(__file__).with_name("corrections.jsonl")
_SAYS = re.compile(
    r"\b(can|may|must|should|will|is|are|do|does|has|have|need|needs)\b(?! not)", re.IGNORECASE
)
_DENIES = re.compile(r"\b(can)not\b|\b(ca|do|does|is|are)n['’]t\b| not\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Case:
    """A question, the bot's answer, and the passages that hold its evidence."""

    asked: PageQuestion
    answer: Answer
    right: tuple[Passage, ...]

    @property
    def own(self) -> Citation | None:
        """The place that the bot cites first."""
        return next(iter(self.answer.citations), None)

    def is_right(self, place: Citation) -> bool:
        """Tell whether a place is where the evidence stands."""
        return any(place.url == passage.url for passage in self.right)

    def describe_own(self) -> str:
        """Return what the correction finds: the bot's own place is right, another one is, or none."""
        if self.own and self.is_right(self.own):
            return "its own place is right"
        urls = {passage.url for passage in self.answer.passages}
        there = any(passage.url in urls for passage in self.right)
        return "another place is right" if there else "no place is right"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--index", type=Path, help="keep the page indexes in this folder")
    parser.add_argument("--list", action="store_true", help="show what is cited elsewhere, and what is lost")
    given = parser.parse_args()
    for name in given.sets or SETS:
        if name == "handbook" and not given.data.is_dir():
            print(f"skipped: the public data is not at {given.data}; name its folder with --data")
            continue
        asyncio.run(_measure(name, given))


async def _measure(name: str, given: argparse.Namespace) -> None:
    file, root = NEWCOMERS, DOCS
    if name == "handbook":
        file, root = given.data / "questions" / "dev.jsonl", given.data / "handbook" / "pages"
    asked = question_sets.over_pages(name, file, root)
    questions = [one for one in read_questions(file) if not one.is_absent]
    async with AsyncExitStack() as stack:
        folder = given.index or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bot = Bot(await open_page_services(stack, folder / name, asked))
        cases = [await _ask(bot, *one) for one in zip(questions, asked.asked, strict=True)]
    worded = {row["id"]: row["text"] for row in map(json.loads, _WORDED.read_text("utf-8").splitlines())}
    quoted = {one.asked.id: "\n".join(map(strip_markup, one.asked.evidence)) for one in cases}
    for kind, texts in (("in the page's words", quoted), ("in other words", worded)):
        print(f"\n### {name}, corrections {kind}\n")
        _print_found([one for one in cases if one.asked.id in texts], texts, shows=given.list)


async def _ask(bot: Bot, asked: PageQuestion, places: Asked) -> Case:
    case = await bot.ask(asked, places)
    found = await bot.search(asked.question, 100, asked.page)
    holds = tuple(hit.passage for hit in found if any(tells(hit) for tells in places.evidence))
    return Case(asked, case.answer, holds)


def _print_found(cases: Sequence[Case], texts: Mapping[str, str], *, shows: bool) -> None:
    counted: Counter[tuple[str, str]] = Counter()
    turned: Counter[str] = Counter()
    for case in cases:
        text = texts[case.asked.id]
        place = find_place(case.answer, AUTO, Draft(text, case.own))
        where = "none" if place is None else "own" if place == case.own else "another"
        held = "" if place is None else ", right" if case.is_right(place) else ", elsewhere"
        counted[case.describe_own(), where + held] += 1
        if shows and held != ", right":
            print(f"{case.asked.id} {where}{held}: {text!r} ← {place.quote if place else ''!r}")
        for kind, other in (("denied", _deny(text)), ("another number", _change_number(text))):
            says = any(rate_restatement(other, case.asked.question, one) for one in case.right)
            turned[kind] += bool(other)
            turned[f"{kind}, and found"] += bool(other) and says
    print_table(
        ("the bot", "cited then", "corrections"), [(*key, count) for key, count in sorted(counted.items())]
    )
    print()
    print_table(("turned", "corrections"), turned.items())


def _deny(text: str) -> str:
    """Return a text that says the opposite, roughly; "" where that is not to be had."""
    sign, said = parse_yes_no(text)
    if _DENIES.search(said):
        said = _DENIES.sub(lambda found: found[1] or found[2] or "", said, count=1)
    elif found := _SAYS.search(said):
        said = f"{said[: found.end()]} not{said[found.end() :]}"
    else:
        return ""
    return {1: "No. ", -1: "Yes. "}.get(sign, "") + said


def _change_number(text: str) -> str:
    found = re.search(r"\d+", text)
    return f"{text[: found.start()]}{int(found[0]) + 1}{text[found.end() :]}" if found else ""


if __name__ == "__main__":
    main()
