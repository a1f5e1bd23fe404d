"""The command line: `askpage serve | ask | pages | evaluate | feedback | privacy | jobs | store | export | models | setup | …`.

Every command takes every setting of `settings.py` as an option. What a person can mend is one sentence on standard
error and exit status 2; `--json` prints one JSON object on standard output and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

from options import allows_telemetry, settings_table, with_settings
from quiet import keep_quiet

keep_quiet(allowed=allows_telemetry(sys.argv[1:]))  # first: what is imported below reports its own import

import typer
from pydantic import ValidationError
from rich.table import Table

from bot.app import CannotServe, listen, serve
from bot.parts import Shelf, open_parts, open_shelf
from cli_jobs import jobs_app
from cli_learn import examples_app
from cli_measure import evaluate_command, feedback_command
from cli_models import import_with_bar, models_app
from cli_privacy import privacy_app
from cli_store import export_command, store_app
from console import Json, out, progress_bar, progress_out, question_of, telling
from exporters import CannotExport
from feedback.datasets import DatasetError
from feedback.store import StoreError
from model.dataset import ExamplesInvalid
from model.evaluate import DatasetInvalid
from model.importing import ImportFailed
from model.loading import CANNED
from model.onnx_infer import EngineError
from model.training import TrainingFailed
from model.versions import VersionError
from pages.added import add_source, added_sources, drop_source
from pages.embed import EmbeddingModelMissing
from pages.fetch import Fetcher, FetchLimits, PageRefused
from pages.indexing import IndexUnavailable, PageEntry
from pages.library import Library, RefreshReport
from pages.sources import Problem, read_source
from records import Answer, Page
from settings import Settings

MISTAKES = (
    CannotExport,
    CannotServe,
    DatasetError,
    DatasetInvalid,
    EngineError,
    EmbeddingModelMissing,
    ExamplesInvalid,
    ImportFailed,
    IndexUnavailable,
    PageRefused,
    StoreError,
    TrainingFailed,
    VersionError,
)
"""What a person can mend: one sentence each, exit status 2."""
INTERRUPTED = 130

app = typer.Typer(
    name="askpage",
    help="The workplace bot that answers questions about your pages and learns from its corrections.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
pages_app = typer.Typer(help="The pages that the bot knows.", no_args_is_help=True)
app.add_typer(pages_app, name="pages")
app.add_typer(models_app, name="models")
app.add_typer(examples_app, name="examples")
app.add_typer(jobs_app, name="jobs")
app.command("evaluate")(evaluate_command)
app.command("feedback")(feedback_command)
app.add_typer(store_app, name="store")
app.add_typer(privacy_app, name="privacy")
app.command("export")(export_command)


# Serving


@app.command("serve")
@with_settings
def serve_command(settings: Settings) -> None:
    """Serve the bot, and its chat page on this machine; sets up what is missing first."""
    listener = listen(settings)
    with listener, telling(settings):
        _ensure_model(settings)
        late = asyncio.run(_serve(settings, listener))
    if late:
        progress_out.print(f"{late} questions are kept and will be answered at the next start.")


async def _serve(settings: Settings, listener: Any) -> int:
    def ready(address: str) -> None:
        progress_out.print(f"\n[bold green]askpage is ready.[/] Open [bold]{address}[/] and ask something.")
        progress_out.print("Ctrl-C stops it; what is being answered is finished first.")

    async with open_parts(settings) as parts:
        await _refresh(settings, parts.shelf)
        return await serve(parts, listener, ready)


@app.command("setup")
@with_settings
def setup_command(settings: Settings) -> None:
    """Import the model and index the pages, without serving. Done steps are skipped."""
    _ensure_model(settings)
    asyncio.run(_refresh_alone(settings))


def _ensure_model(settings: Settings) -> None:
    if settings.base_model != CANNED:
        import_with_bar(settings, settings.base_model)


async def _refresh(settings: Settings, shelf: Shelf) -> RefreshReport:
    """Read all sources again; what a source named that is no longer one is forgotten, unless machines share it."""
    sources = list(dict.fromkeys([*settings.pages, *added_sources(settings.index_dir)]))
    for other in sorted(filter(None, {entry.source for entry in shelf.index.entries()} - set(sources))):
        if shelf.index.shared:  # another machine's, or one that was added there
            sources.append(other)
        else:
            await shelf.library.forget_source(other)
    return await _refresh_with_bar(shelf.library, sources)


async def _refresh_alone(settings: Settings) -> RefreshReport:
    async with open_shelf(settings) as shelf:
        return await _refresh(settings, shelf)


async def _refresh_with_bar(library: Library, sources: list[str]) -> RefreshReport:
    with progress_bar() as bar:
        task = bar.add_task("Indexing the pages", total=None)

        def show(url: str, outcome: str) -> None:
            bar.update(task, advance=1, description=f"Indexing {url[-50:]} ({outcome})")

        report = await library.refresh(sources, show)
        done = report.added + report.changed + report.unchanged
        bar.update(task, description="Pages indexed", total=max(1, done), completed=max(1, done))
    for problem in report.problems:
        progress_out.print(
            f"{problem.url}: {problem.sentence}", style="yellow", highlight=False, markup=False
        )
    return report


# Asking


@app.command("ask")
@with_settings
def ask_command(
    settings: Settings,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    page: Annotated[str, typer.Option("--page", help="Answer from this page: a URL, or a file's path.")] = "",
    as_json: Json = False,
) -> None:
    """Answer one question and print the answer with its source."""
    if not question.strip():
        raise typer.BadParameter("the question is empty; write what you want to know, in quotes")
    answer = asyncio.run(_ask(settings, question, page))
    if as_json:
        print(json.dumps(as_dict(answer), ensure_ascii=False))  # noqa: T201 - the command's output
        return
    out.print(answer.text, markup=False)
    for number, citation in enumerate(answer.citations, 1):
        label = "Nearest" if answer.abstained else f"[{number}]"
        out.print(
            f"\n{label} {citation.title} – {citation.heading}\n{citation.url}\n“{citation.quote}”",
            markup=False,
        )


async def _ask(settings: Settings, text: str, page: str) -> Answer:
    async with open_parts(settings) as parts:
        if not page and not parts.shelf.index.entries():
            await _refresh(settings, parts.shelf)
        url = await _read_page(parts.shelf, page) if page else None
        return await parts.answering.answer(question_of(text, url))


async def _read_page(shelf: Shelf, page: str) -> str:
    """Read a page that the command line names; a file's path is allowed here, and nowhere in chat."""
    path = Path(page)
    if not await asyncio.to_thread(path.is_file):
        if "://" not in page:
            raise PageRefused(f"There is no file {page}. Name a file, or a web address with https://.")
        return (await shelf.library.ensure(page)).url
    async with Fetcher(FetchLimits()) as fetcher:
        async for item in read_source(str(path), fetcher=fetcher, known=lambda _: None):
            if isinstance(item, Page):
                known = shelf.index.entry(item.url)
                if known is None or known.page_hash != item.page_hash:
                    await shelf.index.add(item, source=known.source if known else None)
                return item.url
            if isinstance(item, Problem):
                raise PageRefused(item.sentence)
    raise PageRefused(f"{page} holds no page.")


def as_dict(answer: Answer) -> dict[str, object]:
    """Return what `ask --json` prints."""
    return {
        "answer": answer.text,
        "abstained": answer.abstained,
        "citations": [{"url": c.url, "heading": c.heading, "quote": c.quote} for c in answer.citations],
        "model_version": answer.model_version,
        "seconds": round(answer.timings.total_s, 4),
        "time_to_first_token_s": answer.timings.time_to_first_token_s
        and round(answer.timings.time_to_first_token_s, 4),
    }


# Pages


@pages_app.command("add")
@with_settings
def pages_add(
    settings: Settings,
    source: Annotated[str, typer.Argument(help="A folder, file, URL or sitemap; FOLDER=URL.")],
) -> None:
    """Read a source into the index, now and at every refresh from now on."""
    report = asyncio.run(_add(settings, source))
    _print_report(report)
    add_source(settings.index_dir, source)


@pages_app.command("refresh")
@with_settings
def pages_refresh(settings: Settings) -> None:
    """Read all sources again; unchanged pages are skipped."""
    _print_report(asyncio.run(_refresh_alone(settings)))


async def _add(settings: Settings, source: str) -> RefreshReport:
    async with open_shelf(settings) as shelf:
        return await _refresh_with_bar(shelf.library, [source])


def _print_report(report: RefreshReport) -> None:
    out.print(
        f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged, {report.removed} removed, "
        f"{len(report.problems)} not readable."
    )
    if report.problems and not (report.added or report.changed or report.unchanged):
        raise typer.Exit(2)


@pages_app.command("list")
@with_settings
def pages_list(settings: Settings, as_json: Json = False) -> None:
    """List the known pages."""
    entries = asyncio.run(_entries(settings))
    if as_json:
        print(json.dumps([{"url": e.url, "title": e.title, "passages": e.passages} for e in entries]))  # noqa: T201
        return
    table = Table("Page", "Title", "Passages")
    for entry in entries:
        table.add_row(entry.url, entry.title, str(entry.passages))
    out.print(table)


async def _entries(settings: Settings) -> list[PageEntry]:
    async with open_shelf(settings) as shelf:
        return await shelf.library.pages()


@pages_app.command("remove")
@with_settings
def pages_remove(
    settings: Settings, what: Annotated[str, typer.Argument(help="A source that was added, or a page's URL.")]
) -> None:
    """Forget a source with its pages, or one page."""

    async def remove() -> int:
        async with open_shelf(settings) as shelf:
            gone = await shelf.library.forget_source(what)
            return gone or int(await shelf.library.forget(what))

    was_added = drop_source(settings.index_dir, what)
    gone = asyncio.run(remove())
    if not gone and not was_added:
        raise typer.BadParameter(
            f"{what} is neither a source nor a known page; `askpage pages list` shows them"
        )
    out.print(f"{gone} pages are forgotten.", markup=False)


@app.command("settings")
@with_settings
def settings_command(settings: Settings) -> None:
    """Print every setting with the value in force here, as a table in Markdown; secrets stay hidden."""
    print(settings_table(settings))  # noqa: T201 - the command's output


def main() -> None:
    """Run the command line; turn what a person can mend into a sentence and exit status 2."""
    try:
        app()
    except ValidationError as invalid:
        for error in invalid.errors():
            name = "-".join(str(part) for part in error["loc"][:1]).replace("_", "-")
            _complain(f"--{name} {error.get('input')!r}: {error['msg']}")
        sys.exit(2)
    except MISTAKES as mistake:
        _complain(str(mistake))
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's word for Ctrl-C
            _complain("Interrupted. Run the same command again to go on where it stopped.")
        raise


def _complain(sentence: str) -> None:
    progress_out.print(f"askpage: {sentence}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
