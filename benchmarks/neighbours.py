"""What reviewed answers in the prompt are worth to a model that reads whole passages.

Run as: python -m benchmarks.neighbours [--data DIR] [--data-dir DIR] [--version NAME] [--tokens 1000]
[--limit 40] [--save FILE.jsonl]

Of each page of the public handbook that has two questions or more the first one is verified, with the
sentence of the page that is its evidence; the others are asked of all pages together, with those neighbours
and without, and judged as `askpage evaluate` does. `--tokens` is what may be read before the first word, the
same on both sides: what neighbours take, passages lose. *written rightly* is what the model wrote and what
passed its checks, whatever was shown. Differences are paired; their intervals are a bootstrap's over the
questions, 95 of 100. No constant was chosen on these questions.

First it prints how well the quick look for personal data does (feedback/masking/screen.py): on the half of
`personal_texts.txt` that chose no rule, and on the handbook's questions, which name nobody.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from benchmarks.masking import REPORTING, read_labelled
from benchmarks.questions import print_table
from bot.answers.direct import make_question
from bot.bootstrap import PageServices, model_choice, open_pages
from bot.cards.answer_text import render_shown_text
from bot.dialogs.answerer import Verified
from bot.dialogs.neighbours import NeighbourFinder, People
from bot.dialogs.verified_answers import VerifiedAnswers
from cli.measure import index_pages, settings_beside
from core.records import Answer, AnswerKind, Citation, Passage, Question, Timings, VerifiedAnswer
from core.sentences import words
from core.settings import Settings
from feedback.masking.screen import PersonalScreen
from model.answering.chain import Answering, AnswerRules
from model.answering.grounding import spans
from model.answering.reading import CountTokens, FindNeighbours, fit_neighbours
from model.evaluation.metrics import percentile, sample_evenly
from model.evaluation.question_scores import QuestionOutcome, ask
from model.evaluation.question_sets import PageQuestion, is_right, read_questions
from model.evaluation.statistics import Quotient, bootstrap_difference, compute_mcnemar
from model.registry.loading import open_model
from model.text.languages import FUNCTION_WORDS
from model.text.prompt import Neighbour

_LOOKED_AT = 8
_MARKS = re.compile(r"\]\([^()]*\)|https?://\S+|[*_`#\[\]|]")
_NOW = datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question on one side: the shown answer, and what the model wrote."""

    shown: QuestionOutcome
    written: str

    @property
    def is_written_rightly(self) -> bool:
        return bool(self.written) and is_right(self.shown.asked, self.written, declined=False)


@dataclass
class Side:
    """One side of the comparison; remembers the checked words of the model behind the last answer."""

    answering: Answering
    written: str = ""
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    async def stream(
        self, question: Question, history: Sequence[Answer] = ()
    ) -> AsyncGenerator[str | Answer]:
        self.written = ""
        async with aclosing(self.answering.stream(question, history)) as items:
            async for item in items:
                self.written = item if isinstance(item, str) else self.written
                yield item

    async def ask(self, asked: PageQuestion) -> None:
        shown = await ask(self, asked, render_shown_text)
        self.outcomes.append(Outcome(shown, self.written))


FIGURES: Mapping[str, Callable[[Outcome], bool]] = {
    "right": lambda one: one.shown.right,
    "stated rightly": lambda one: one.shown.right and one.shown.kind is AnswerKind.ANSWERED,
    "stated wrongly": lambda one: not one.shown.right and one.shown.kind is AnswerKind.ANSWERED,
    "declined wrongly": lambda one: one.shown.kind is AnswerKind.DECLINED,
    "written rightly": lambda one: one.is_written_rightly,
    "written wrongly": lambda one: bool(one.written) and not one.is_written_rightly,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the models are")
    parser.add_argument("--version", default="", help="the model version, not the live one")
    parser.add_argument("--tokens", type=int, default=1000, help="how many may be read before the first word")
    parser.add_argument("--limit", type=int, default=40, help="ask this many, spread over all; 0 asks all")
    parser.add_argument("--save", type=Path, help="file for the answers of both sides")
    given = parser.parse_args()
    questions = read_questions(given.data / "questions" / "dev.jsonl")
    verified, asked = split_questions(questions)
    pages = given.data / "handbook" / "pages"
    print_screen([*verified, *asked], pages)
    asyncio.run(_compare(given, verified, sample_evenly(asked, given.limit)))


def split_questions(questions: Sequence[PageQuestion]) -> tuple[list[PageQuestion], list[PageQuestion]]:
    """Return what is verified, one question a page, and what is asked: the others of these pages."""
    by_page: defaultdict[str, list[PageQuestion]] = defaultdict(list)
    for one in questions:
        if one.evidence and not one.is_absent and not one.before:
            by_page[one.page].append(one)
    shared = [of_page for of_page in by_page.values() if len(of_page) > 1]
    return [first for first, *_ in shared], [one for _, *others in shared for one in others]


def print_screen(questions: Sequence[PageQuestion], pages: Path) -> None:
    """Print how much personal data the quick look misses, and how many questions it leaves out."""
    screen = PersonalScreen(chain.from_iterable(FUNCTION_WORDS.values()))
    personal = [one.text for one in read_labelled(REPORTING) if one.places]
    missed = [text for text in personal if not screen.may_be_personal(text, "")]
    left_out = [
        one
        for one in questions
        if screen.may_be_personal(one.question, (pages / one.page).read_text("utf-8"))
    ]
    print(f"screen: misses {len(missed)} of {len(personal)} texts with personal data;", end=" ")
    print(f"leaves out {len(left_out)} of {len(questions)} questions that have none\n")


async def _compare(
    given: argparse.Namespace, verified: Sequence[PageQuestion], asked: Sequence[PageQuestion]
) -> None:
    settings = Settings(data_dir=given.data_dir, pages=[str(given.data / "handbook" / "pages")])
    choice = replace(model_choice(settings), version=given.version)
    async with open_pages(settings_beside(settings)) as page_services, open_model(choice) as lend:
        await index_pages(page_services, settings)
        with lend("") as loaded:
            if loaded.profile is None or not loaded.reads_whole:
                raise SystemExit(f"{loaded.version} reads no whole passages: it gets no neighbours")
            first_token_s = given.tokens / loaded.profile.prefill_tokens_s
        rules = AnswerRules(first_token_s=first_token_s, neighbours=3)
        shown: list[int] = []
        finder = await _verify(page_services, verified)
        find = _count_fitting(finder.find, shown, loaded.chat.get_num_tokens, given.tokens)
        library = page_services.library
        without, beside = (Side(Answering(lend, library.search, rules, library.read_section)) for _ in "ab")
        beside.answering.neighbours = find
        for number, one in enumerate(asked, 1):
            for side in (without, beside) if number % 2 else (beside, without):
                await side.ask(one)
            print(f"{number} of {len(asked)}", flush=True)
            if given.save:
                _save(given.save, without.outcomes, beside.outcomes)
    asked_of = f"{loaded.version}, {len(asked)} questions, {given.tokens} tokens"
    print(f"\n{asked_of}: {sum(shown)} neighbours stood in {sum(map(bool, shown))} prompts\n")
    print_comparison(without.outcomes, beside.outcomes)


async def _verify(page_services: PageServices, questions: Sequence[PageQuestion]) -> NeighbourFinder:
    """Let reviewers have marked the sentence that answers each of the questions."""
    known = VerifiedAnswers(page_services.embedder)
    answers: dict[str, tuple[Answer, VerifiedAnswer]] = {}
    for one in questions:
        passage, sentence = await _find_evidence(page_services, one)
        question = make_question(one.question, None)
        citation = Citation(passage.url, passage.title, passage.heading, sentence)
        answer = Answer(one.id, question, "", (passage,), (citation,), "", Timings(), _NOW)
        pages = ((passage.url.partition("#")[0], passage.page_hash),)
        ruled = VerifiedAnswer(
            one.id, one.question, None, f"{sentence} [1]", (citation,), (passage,), pages, False, "r", _NOW
        )
        answers[one.id] = (answer, ruled)
        known.put(ruled)

    async def read_kept(answer_id: str) -> VerifiedAnswer | None:
        return answers[answer_id][1]

    async def read_answer(answer_id: str) -> Answer | None:
        return answers[answer_id][0]

    async def is_out(_: str) -> bool:
        return False

    return NeighbourFinder(Verified(known, lambda _: True, read_kept), People(read_answer, is_out))


async def _find_evidence(page_services: PageServices, asked: PageQuestion) -> tuple[Passage, str]:
    """Return the sentence of the page that shares most words with the evidence, and its passage."""
    evidence = set(words(_MARKS.sub(" ", asked.evidence[0])))
    hits = await page_services.library.search(" ".join(words(asked.evidence[0])), _LOOKED_AT, None)

    def overlap(span: tuple[Passage, str]) -> float:
        there = set(words(span[1]))
        return len(there & evidence) / len(there | evidence)

    return max(spans([hit.passage for hit in hits]), key=overlap)


def _count_fitting(find: FindNeighbours, shown: list[int], count: CountTokens, tokens: int) -> FindNeighbours:
    """Find neighbours, and remember how many of them fit into the prompt."""

    async def find_and_count(question: Question, urls: Sequence[str], limit: int) -> Sequence[Neighbour]:
        found = await find(question, urls, limit)
        shown.append(len(fit_neighbours(found, count, tokens)))
        return found

    return find_and_count


def print_comparison(before: Sequence[Outcome], after: Sequence[Outcome]) -> None:
    """Print both sides' figures, their paired differences, and the seconds to the first word."""
    rows: list[tuple[object, ...]] = []
    for name, counts in FIGURES.items():
        old, new = ([counts(one) for one in side] for side in (before, after))
        before_and_after = [Quotient([*map(float, side)], [1.0] * len(side)) for side in (old, new)]
        found = bootstrap_difference(before_and_after[0], before_and_after[1])
        gained, lost, p = compute_mcnemar(old, new)
        between = f"{found.low:+.2f} to {found.high:+.2f}" if found else None
        rows.append((name, sum(old), sum(new), between, f"+{gained} -{lost}", f"{p:.2f}"))
    print_table(("figure", "without", "with", "difference, 95 %", "changed", "McNemar's p"), rows)
    for name, side in (("without", before), ("with", after)):
        first = [one.shown.answer.timings.time_to_first_token_s or 0.0 for one in side if one.shown.answer]
        print(f"{name}: median {percentile(first, 50):.1f} s to the first word")


def _save(file: Path, before: Sequence[Outcome], after: Sequence[Outcome]) -> None:
    sides = (("without", before), ("with", after))
    rows = (
        one.shown.as_dict() | {"side": name, "written": one.written} for name, side in sides for one in side
    )
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    main()
