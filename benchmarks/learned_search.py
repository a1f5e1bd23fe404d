"""How well the search learns from reviewers: rulings on one half of the pages, questions about both.

Run as: python -m benchmarks.learned_search [--data DIR] [--index DIR] [--paraphrases FILE …] [--write-fixed]

The handbook's pages are dealt to two halves by a hash of their names. Reviewers approve what is right of what
the questions about one half get, and correct the rest with the reference evidence. Then all are asked again:
a *miss* is a question whose first hit has none of its evidence. Then the nightly fit (jobs/fit_search.py)
gets the same rulings, once as they are and once with places dealt out by chance, which its gate has to
refuse; what the fit would do without its gate is measured on the other half, and what it would do with the
reviewed questions in other words beside them (model/training/rephrasing.py).

A line of a file of paraphrases has a `page`, a `question`, and texts that ask the `same`, and something
`different`: the question is corrected with the best passage of its page, and the others are asked. --index
keeps the page index. --write-fixed asks benchmarks/newcomers.jsonl over docs/ instead, and writes how the
search orders what it finds into model/fixed/search_order.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import question_sets
from benchmarks.question_sets import Asked, QuestionSet
from benchmarks.questions import DOCS, NEWCOMERS, print_table
from bot.answers.direct import make_question
from bot.bootstrap import PageServices
from bot.dialogs.review import build_verified_answer
from core.records import Answer, AnswerKind, Citation, Hit, Question, Ruling, Verdict, VerifiedAnswer
from core.sentences import pieces, words
from jobs.fit_search import FIXED, Ruled, ask_again, order_as_served, read_fixed
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.answering.grounding import cite
from model.answering.learned_places import LearnedPlaces, Recalled, read_lesson
from model.answering.search_head import SHIPPED, SearchHead, list_weights
from model.evaluation.question_sets import PageQuestion, assign_fold, is_right, read_questions
from model.evaluation.search_fit import ReviewedQuestion, fit_confidence, fit_head, fit_ranking
from model.text import question as asking
from model.training.made_examples import WEIGHT
from model.training.rephrasing import rephrase_question
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import Embedder
from pages.index.reranker import Reranker
from pages.index.sqlite import FileIndex
from pages.library import Library

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_SHARE = 0.7
_SEARCHED = 20
_REPHRASED = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A question, the places that answer it, and what came of it."""

    asked: PageQuestion
    places: Asked
    half: int
    answer: Answer
    hits: tuple[Hit, ...]

    @property
    def missed(self) -> bool:
        """Whether the first hit has none of the evidence."""
        return not any(tells(hit) for hit in self.hits[:1] for tells in self.places.evidence)

    @property
    def right(self) -> bool:
        """Whether what is shown is right."""
        return is_right(self.asked, self.answer.text, declined=self.answer.abstained)

    @property
    def stated(self) -> bool:
        """Whether it is given as an answer."""
        return self.answer.kind is AnswerKind.ANSWERED


class Bot:
    """A bot over indexed pages that quotes and states, and whose model is silent."""

    def __init__(self, page_services: PageServices) -> None:
        self.page_services = page_services
        silent = always_acquire(CannedChatModel([""]), "none")
        self.answering = Answering(silent, self.search, AnswerRules(), page_services.library.read_section)
        self.answering.score_pairs = page_services.score_pairs

    async def search(self, query: str, limit: int, page: str | None) -> Sequence[Hit]:
        """Search all pages, or one, by its name in the folder."""
        return await self.page_services.index.search(query, limit=limit, page_url=page)

    async def ask(self, asked: PageQuestion, places: Asked) -> Case:
        """Ask a question, after the one before it."""
        before = [await self.answering.answer(make_question(asked.before, None))] if asked.before else []
        question = make_question(asked.question, None)
        found = await self.answering.find(question, before)
        answer = await self.answering.answer(question, before)
        return Case(asked, places, assign_fold(asked.page, 2), answer, found.hits)

    def learn(self, taught: Sequence[VerifiedAnswer]) -> None:
        """Let the search recall these rulings, and no others."""
        lessons = [lesson for one in taught if (lesson := read_lesson(one))]
        texts = [one.question_text for one in taught if read_lesson(one)]
        places = LearnedPlaces(tuple(lessons), self.page_services.embedder.embed(texts) if texts else None)

        async def recall(query: str, _: Question) -> Sequence[Recalled]:
            return places.recall(self.page_services.embedder.embed([query])[0])

        self.answering.recall = recall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the public data")
    parser.add_argument("--index", type=Path, help="keep the page index in this folder")
    parser.add_argument("--paraphrases", nargs="+", type=Path, default=[], help="more questions")
    parser.add_argument("--write-fixed", action="store_true", help="write the gate's fixed questions")
    given = parser.parse_args()
    if not given.write_fixed and not given.data.is_dir():
        print(f"skipped: the public data is not at {given.data}; name its folder with --data")
        return
    asyncio.run(_run(given))


async def _run(given: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        folder = given.index or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        name, file, root = (
            "handbook",
            given.data / "questions" / "dev.jsonl",
            given.data / "handbook" / "pages",
        )
        if given.write_fixed:
            name, file, root = "docs", NEWCOMERS, DOCS
        asked = question_sets.over_pages(name, file, root)
        bot = Bot(await open_page_services(stack, folder / name, asked))
        questions = [one for one in read_questions(file) if not one.is_absent]
        if given.write_fixed:
            await _write_fixed(bot, asked)
            return
        before = [await bot.ask(*one) for one in zip(questions, asked.asked, strict=True)]
        for half in (1, 2):
            await _measure_half(bot, before, half)
        for path in given.paraphrases:
            await _measure_paraphrases(bot, path)


async def open_page_services(stack: AsyncExitStack, folder: Path, asked: QuestionSet) -> PageServices:
    """Index the pages of a set of questions, or read their index."""
    embedder = Embedder()
    index = await FileIndex.open(folder, embedder)
    stack.push_async_callback(index.close)
    for page in asked.pages:
        await index.add(page, source="benchmark")
    fetcher = await stack.enter_async_context(Fetcher(FetchLimits()))
    return PageServices(index, Library(index, fetcher), embedder, Reranker().score_pairs)


async def _measure_half(bot: Bot, before: Sequence[Case], half: int) -> None:
    taught = [ruling for one in before if one.half == half and (ruling := await _rule(bot, one))]
    bot.learn(taught)
    after = [await bot.ask(one.asked, one.places) for one in before]
    bot.learn([])
    print(f"\n### Rulings on {len(taught)} questions about half {half} of the pages\n")
    rows = [
        _count(name, [pair for pair in zip(before, after, strict=True) if (pair[0].half == half) is same])
        for name, same in (("questions of this half, asked again", True), ("of the other half", False))
    ]
    print_table(("", *rows[0]), [("", *row.values()) for row in rows])
    ruled = [Ruled(one, lesson, 1.0) for one in taught if (lesson := read_lesson(one))]
    fitted = await ask_again(ruled, bot.page_services, lambda _step, _share: None)
    made = await ask_again(_rephrase(ruled), bot.page_services, lambda _step, _share: None)
    await _measure_fit(bot, (fitted, made), [one for one in before if one.half != half])


def _rephrase(ruled: Sequence[Ruled]) -> list[Ruled]:
    """Return rulings on other ways to ask what was ruled on; each weighs less than a reviewer's."""
    return [
        Ruled(replace(one.verified, question_text=other.text), one.lesson, WEIGHT)
        for one in ruled
        for other in rephrase_question(one.verified.question_text)[:_REPHRASED]
    ]


def _count(name: str, pairs: Sequence[tuple[Case, Case]]) -> Mapping[str, object]:
    return {
        "questions": f"{name}: {len(pairs)}",
        "misses before": sum(old.missed for old, _ in pairs),
        "gone": sum(old.missed and not new.missed for old, new in pairs),
        "new": sum(new.missed and not old.missed for old, new in pairs),
        "right before": sum(old.right for old, _ in pairs),
        "right": sum(new.right for _, new in pairs),
        "stated wrongly before": sum(old.stated and not old.right for old, _ in pairs),
        "stated wrongly": sum(new.stated and not new.right for _, new in pairs),
    }


async def _measure_fit(
    bot: Bot, learned: tuple[Sequence[ReviewedQuestion], Sequence[ReviewedQuestion]], others: Sequence[Case]
) -> None:
    """Print what the gate says, also of chance, and what the fit does without it.

    Learned from are the reviewed questions, and the same in other words.
    """
    fixed, state_from = read_fixed(), AnswerRules().state_from
    fitted, made = learned
    for name, questions in (("as ruled", fitted), ("by chance", _shuffle(fitted))):
        _, reasons = fit_head(questions, fixed, state_from)
        print(f"\nThe gate, {name}: {' '.join(reasons)}")
    heads = {"shipped": SearchHead()}
    for name, known in (("", fitted), (", with other words", [*fitted, *made])):
        ranked = [one.ranking for one in known if one.ranking and any(one.ranking.right)]
        weights = dict(zip(SHIPPED, fit_ranking(ranked).tolist(), strict=True))
        confidence = {"page": fit_confidence([one for one in known if one.signals], "page")}
        heads[f"order fitted{name}"] = SearchHead(weights)
        heads[f"confidence fitted{name}"] = SearchHead(confidence=confidence)
    rows: list[tuple[object, ...]] = []
    for name, head in heads.items():
        bot.answering.head = head
        cases = [await bot.ask(one.asked, one.places) for one in others]
        stated = [one.right for one in cases if one.stated]
        rows.append((name, sum(one.missed for one in cases), sum(stated), len(stated) - sum(stated)))
    bot.answering.head = SearchHead()
    print(f"\nWithout the gate, on {len(others)} questions of the other half:\n")
    print_table(("weights", "misses", "stated rightly", "stated wrongly"), rows)


def _shuffle(questions: Sequence[ReviewedQuestion]) -> list[ReviewedQuestion]:
    """Deal out by chance which hit is the right one, and what was right."""
    chance = random.Random(7)  # noqa: S311 - the same at every run
    dealt: list[ReviewedQuestion] = []
    for one in questions:
        right = list(one.ranking.right) if one.ranking else []
        chance.shuffle(right)
        ranking = replace(one.ranking, right=tuple(right)) if one.ranking else None
        told = chance.random() < 0.5
        dealt.append(replace(one, ranking=ranking, page=told, quote=told))
    return dealt


async def _rule(bot: Bot, case: Case) -> VerifiedAnswer | None:
    """Rule as a reviewer would who knows the reference; None where the index has no such passage."""
    verdict = Verdict("robin", "Robin", Ruling.APPROVED, _NOW)
    if not case.right:
        cited = await _cite_evidence(bot, case)
        if cited is None:
            return None
        verdict = replace(verdict, ruling=Ruling.CORRECTED, text=cited.quote, citation=cited)
    return build_verified_answer(case.answer, verdict, _NOW)


async def _cite_evidence(bot: Bot, case: Case) -> Citation | None:
    """Return the pieces of a passage that the reference evidence is made of."""
    found = await bot.search(case.asked.question, 100, case.asked.page)
    for tells, evidence in zip(case.places.evidence, case.asked.evidence, strict=True):
        hit = next((one for one in found if tells(one)), None)
        if hit is None:
            continue
        wanted, text = set(words(evidence)), hit.passage.text
        inside = [
            piece
            for piece in pieces(text)
            if (own := set(words(text[piece.start : piece.end]))) and len(own & wanted) >= _SHARE * len(own)
        ]
        return cite(hit.passage, text[inside[0].start : inside[-1].end] if inside else text)
    return None


# Other questions


async def _measure_paraphrases(bot: Bot, path: Path) -> None:
    """Correct each question with the best passage of its page, and ask what means the same or not."""
    read = await asyncio.to_thread(path.read_text, "utf-8")
    rows: list[dict[str, Any]] = [json.loads(line) for line in read.splitlines()]
    texts = [text for row in rows for text in (*row["same"], *(one["text"] for one in row["different"]))]
    before = {text: await _find_first(bot, text) for text in texts}
    taught: list[VerifiedAnswer] = []
    for row in rows:
        answer = await bot.answering.answer(make_question(row["question"], None))
        there = await bot.search(row["question"], 1, row["page"])
        if there:
            cited = cite(there[0].passage, there[0].passage.text)
            verdict = Verdict("robin", "Robin", Ruling.CORRECTED, _NOW, text=cited.quote, citation=cited)
            ruling = build_verified_answer(answer, verdict, _NOW)
            taught += [ruling] if ruling else []
    bot.learn(taught)
    after = {text: await _find_first(bot, text) for text in texts}
    bot.learn([])
    same = [(row["page"], before[text][0], after[text][0]) for row in rows for text in row["same"]]
    different = [one["text"] for row in rows for one in row["different"]]
    print(f"\n### {path.name}: {len(taught)} corrections\n")
    figures = {
        "questions in other words": len(same),
        "right page first, before": sum(page == old for page, old, _ in same),
        "right page first": sum(page == new for page, _, new in same),
        "right page first no more": sum(page == old != new for page, old, new in same),
        "other questions": len(different),
        "other first passage than before": sum(before[text] != after[text] for text in different),
    }
    print_table(("measure", "value"), figures.items())


async def _find_first(bot: Bot, text: str) -> tuple[str, str]:
    """Return the page and the text of the first hit."""
    found = await bot.answering.find(make_question(text, None), [])
    return next(((one.url.partition("#")[0], one.text) for one in found.passages), ("", ""))


# What the gate asks beside the held-out questions


async def _write_fixed(bot: Bot, asked: QuestionSet) -> None:
    rows: list[dict[str, object]] = []
    for one in asked.asked:
        query = asking.build_queries(one.question)[0]
        hits = await bot.search(query, _SEARCHED, None)
        kind = asking.classify_question(one.question)
        order = await order_as_served(query, kind, hits, bot.page_services.score_pairs)
        case = order.make_case([any(tells(hit) for tells in one.evidence) for hit in order.compared])
        scores, features = case.scores.round(3).tolist(), case.features.round(3).tolist()
        right = list(case.right)
        rows.append({"scores": scores, "features": features, "right": right})
    FIXED.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", "utf-8")
    first = sum(one.find_rank(list_weights(SHIPPED)) == 1 for one in read_fixed())
    print(f"{len(rows)} questions, {first} with their evidence first: {FIXED}")


if __name__ == "__main__":
    np.set_printoptions(precision=3)
    main()
