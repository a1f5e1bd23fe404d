"""The command about what people said: `askpage feedback`.

The command that measures: `askpage evaluate`, on questions in SQuAD's format or over a folder of pages.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, TextIO

import typer
from rich.progress import Progress
from rich.table import Table

from bot.answers.direct import make_question
from bot.bootstrap import PageServices, open_answering, open_pages
from bot.cards.answer_text import render_shown_text
from bot.stores import open_store
from cli.console import Json, out, print_json, progress_bar, with_settings
from cli.pages.sources import refresh_with_bar
from cli.tables import print_table
from core.records import Answer, Page, Section
from core.settings import Settings
from feedback.metrics.report import Report, report
from feedback.reviews.repository import ReviewRepository
from model.evaluation.metrics import Item, Judged, Scores, evaluate, read_squad, sample_evenly
from model.evaluation.question_scores import Calibration, QuestionOutcome, QuestionScores, ask_each
from model.evaluation.question_sets import PageQuestion, read_questions
from pages.index.base import Indexes
from pages.refresh_report import MANY_GONE

QUESTIONS_OVER_PAGES = ".jsonl"
"""How the name of a file ends that has questions over pages; any other one is in SQuAD's format."""


@with_settings
def evaluate_command(
    settings: Settings,
    file: Annotated[
        Path,
        typer.Argument(
            help="Questions: NAME.jsonl, asked over the sources of --pages; or SQuAD's format, each article "
            "a page."
        ),
    ],
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="Ask this many, spread over the file; 0 asks all.")
    ] = 0,
    version: Annotated[
        str, typer.Option("--version", help="Score this model version, not the live one.")
    ] = "",
    save: Annotated[
        Path | None, typer.Option("--save", help="Write each answer to this file, a line of JSON for each.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the bot with questions whose answers you know."""
    if file.suffix.lower() == QUESTIONS_OVER_PAGES:
        questions = sample_evenly(read_questions(file), limit)
        scores = asyncio.run(measure_questions(settings, questions, version, save))
        if as_json:
            print_json(scores.as_dict())
        else:
            print_scores(scores)
        return
    if save:
        raise typer.BadParameter(f"--save is for questions over pages, in a file NAME{QUESTIONS_OVER_PAGES}")
    squad_scores = asyncio.run(measure(settings, read_squad(file, limit or None), version)).as_dict()
    if as_json:
        print_json(squad_scores)
        return
    _print_table("Measure", "Value", rows=((_to_words(name), value) for name, value in squad_scores.items()))


async def measure_questions(
    settings: Settings, questions: Sequence[PageQuestion], version: str = "", save: Path | None = None
) -> QuestionScores:
    """Ask a model version (empty: the live one) each question over all pages, and score the answers."""
    async with AsyncExitStack() as stack:
        file = stack.enter_context(_open_output(save)) if save else None
        page_services = await stack.enter_async_context(open_pages(settings_beside(settings)))
        await index_pages(page_services, settings)
        answering = await stack.enter_async_context(open_answering(settings, page_services, version))
        bar = stack.enter_context(progress_bar())
        task = bar.add_task("Asking", total=len(questions))

        def on_reply(reply: QuestionOutcome) -> None:
            bar.update(task, advance=1, description=f"Asking ({reply.asked.page[-30:]})")
            if file:  # line by line: what was asked is there, however the run ends
                file.write(json.dumps(reply.as_dict(), ensure_ascii=False) + "\n")
                file.flush()

        return await ask_each(answering, questions, render_shown_text, on_reply)


def _open_output(file: Path) -> TextIO:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.open("w", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(
            f"the answers cannot be saved in {file}: {error.strerror or error}"
        ) from error


def settings_beside(settings: Settings) -> Settings:
    """Return settings whose page index is apart from the instance's own, and kept.

    It lies below `data_dir`, in a folder for these sources; it may be deleted at any time. Reading the
    sources again makes it follow their content, as it does for the instance's own pages.
    """
    sources = json.dumps(
        [os.path.abspath(source) if Path(source).exists() else source for source in settings.pages]
    )
    name = hashlib.sha256(sources.encode()).hexdigest()[:16]
    return settings.copy_with(data_dir=settings.data_dir / "evaluate" / name, page_index="file")


async def index_pages(page_services: PageServices, settings: Settings) -> None:
    """Read the sources as `askpage pages add` does.

    What they no longer have is forgotten, however much that is.
    """
    report = await refresh_with_bar(page_services.library, settings.pages)
    if any(problem.sentence == MANY_GONE for problem in report.problems):
        for source in settings.pages:
            await page_services.library.forget_source(source)
        await refresh_with_bar(page_services.library, settings.pages)
    if not page_services.index.entries():
        raise typer.BadParameter(
            f"there is no page in {', '.join(settings.pages)}; name a folder with --pages"
        )


def print_scores(scores: QuestionScores) -> None:
    """Print what a model reached, as tables for people."""
    row = scores.as_dict()
    kinds = row.pop("kinds")
    shares = {name: value for name, value in row.items() if not isinstance(value, dict)}
    _print_table("Measure", "Value", rows=((_to_words(name), value) for name, value in shares.items()))
    by_kind = ((kind, f"{share:.2f}", count) for kind, (share, count) in scores.right_by_kind.items())
    _print_table("Kind of question", "Right", "Questions", rows=by_kind)
    _print_table("Kind of answer", "Answers", rows=kinds.items())
    latency = ((name, _seconds(one.p50_s), _seconds(one.p95_s)) for name, one in scores.latency.items())
    _print_table("Seconds", "p50", "p95", rows=latency)
    for kind, calibration in scores.calibration.items():
        _print_calibration(kind, calibration)


def _print_calibration(kind: str, calibration: Calibration) -> None:
    out.print(f"Confidence of {calibration.count} {kind} answers; Brier score {calibration.brier:.3f}")
    rows = (
        (f"{one.low:.1f} to {one.high:.1f}", f"{one.confidence:.2f}", f"{one.right:.2f}", one.count)
        for one in calibration.bins
    )
    _print_table("Confidence", "Mean", "Right", "Answers", rows=rows)


def _print_table(*columns: str, rows: Iterable[Iterable[object]]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*("–" if value is None else str(value) for value in row))
    print_table(table)


def _to_words(name: str) -> str:
    return name.replace("_", " ")


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


async def measure(settings: Settings, items: list[Item], version: str = "") -> Scores:
    """Ask a model version (empty: the live one) every question of its article, and score the answers."""
    with TemporaryDirectory(prefix="askpage-evaluate-") as folder, progress_bar() as progress:
        # The articles are indexed apart from the instance's own pages.
        scratch = settings.copy_with(data_dir=Path(folder), page_index="file")
        async with (
            open_pages(scratch) as page_services,
            open_answering(settings, page_services, version) as answering,
        ):
            urls = await index_articles(page_services.index, items, progress)
            task = progress.add_task("Asking", total=len(items))

            async def ask(item: Item) -> Answer:
                return await answering.answer(make_question(item.question, urls[item.article.title]))

            def on_judged(result: Judged) -> None:
                progress.update(task, advance=1, description=f"Asking ({result.item.article.title[:30]})")

            return await evaluate(items, ask, on_judged)


async def index_articles(index: Indexes, items: list[Item], progress: Progress) -> dict[str, str]:
    """Make a page of each article; return their addresses by title."""
    articles = {item.article.title: item.article for item in items}
    task = progress.add_task("Indexing the articles", total=len(articles))
    urls: dict[str, str] = {}
    for number, (title, article) in enumerate(articles.items()):
        urls[title] = f"/articles/{number}"
        sections = tuple(Section("", f"p{at}", text) for at, text in enumerate(article.paragraphs))
        page = Page(urls[title], title.replace("_", " "), sections, f"article-{number}", datetime.now(UTC))
        await index.add(page, source="articles")
        progress.update(task, advance=1)
    return urls


@with_settings
def feedback_command(settings: Settings, as_json: Json = False) -> None:
    """Show how many people give feedback, how many reviews wait, the accuracy, and how reviewers agree."""
    found = asyncio.run(_report(settings))
    if as_json:
        print_json(asdict(found))
        return
    table = Table("Form", "Answers", "Somebody said something")
    for form, rate in found.forms.items():
        table.add_row(form, str(rate.asked), f"{rate.said} ({rate.share:.0%})")
    print_table(table)
    rulings = "".join(f", {count} {ruling}" for ruling, count in found.rulings.items())
    out.print(f"reviews: {found.waiting} waiting{rulings}")
    between = ""
    if found.accuracy_interval:
        between = " (95 %: {:.2f} to {:.2f})".format(*found.accuracy_interval)
    out.print(f"accuracy, from {found.sampled} sampled answers: {_figure(found.accuracy)}{between}")
    agree = f"agreement of reviewers (Cohen's kappa), from {found.double_reviewed} answers judged twice"
    out.print(f"{agree}: {_figure(found.kappa)}")
    for what, count in found.untied.items():
        out.print(f"belongs to no known answer: {count} × {what}")


def _figure(value: float | None) -> str:
    return "not known yet" if value is None else f"{value:.2f}"


async def _report(settings: Settings) -> Report:
    async with open_store(settings) as store:
        return await report(store, ReviewRepository(store.documents))
