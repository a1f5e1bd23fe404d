"""The commands about the pages that the bot knows: `askpage pages add | refresh | list | text | remove`."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.table import Table

from bot.bootstrap import PageServices, open_pages
from cli.console import Json, out, progress_bar, progress_out, with_settings
from cli.page_text import page_text_command
from core.settings import Settings
from pages.index.base import PageEntry
from pages.library import Library, RefreshReport
from pages.sources import add_source, drop_source, read_added_sources

pages_app = typer.Typer(help="The pages that the bot knows.", no_args_is_help=True)
pages_app.command("text")(page_text_command)


async def refresh(settings: Settings, shelf: PageServices) -> RefreshReport:
    """Read all sources again.

    What a source named that is no longer one is forgotten, unless machines share it.
    """
    sources = list(dict.fromkeys([*settings.pages, *read_added_sources(settings.index_dir)]))
    for other in sorted(filter(None, {entry.source for entry in shelf.index.entries()} - set(sources))):
        if shelf.index.shared:  # another machine's, or one that was added there
            sources.append(other)
        else:
            await shelf.library.forget_source(other)
    return await refresh_with_bar(shelf.library, sources)


async def refresh_alone(settings: Settings) -> RefreshReport:
    """Do it with an index that is opened for it."""
    async with open_pages(settings) as shelf:
        return await refresh(settings, shelf)


async def refresh_with_bar(library: Library, sources: list[str]) -> RefreshReport:
    """Read sources with a bar; what could not be read is told on standard error."""
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
    for remark in report.remarks():
        progress_out.print(remark, style="yellow", highlight=False, markup=False)
    return report


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
    _print_report(asyncio.run(refresh_alone(settings)))


async def _add(settings: Settings, source: str) -> RefreshReport:
    async with open_pages(settings) as shelf:
        return await refresh_with_bar(shelf.library, [source])


def _print_report(report: RefreshReport) -> None:
    out.print(
        f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged, {report.removed} "
        f"removed, {len(report.problems)} not readable."
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
    async with open_pages(settings) as shelf:
        return await shelf.library.pages()


@pages_app.command("remove")
@with_settings
def pages_remove(
    settings: Settings, what: Annotated[str, typer.Argument(help="A source that was added, or a page's URL.")]
) -> None:
    """Forget a source with its pages, or one page."""

    async def remove() -> int:
        async with open_pages(settings) as shelf:
            gone = await shelf.library.forget_source(what)
            return gone or int(await shelf.library.forget(what))

    was_added = drop_source(settings.index_dir, what)
    gone = asyncio.run(remove())
    if not gone and not was_added:
        raise typer.BadParameter(
            f"{what} is neither a source nor a known page; `askpage pages list` shows them"
        )
    out.print(f"{gone} pages are forgotten.", markup=False)
