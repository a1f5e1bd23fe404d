"""The commands about the known pages: `askpage pages add | refresh | list | text | who | remove`."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bot.bootstrap import PageServices, find_sources, open_pages
from bot.page_reading import PageReading, log_problems
from cli.console import Json, build_address, out, print_json, progress_bar, progress_out, with_settings
from cli.pages.readers import pages_who_command
from cli.pages.text import page_text_command
from cli.tables import print_table
from core.settings import Settings
from pages.index.base import PageEntry
from pages.library import Library
from pages.readers import ReaderRules
from pages.refresh_report import RefreshReport
from pages.sources import add_source, drop_source

log = logging.getLogger(__name__)
pages_app = typer.Typer(
    help="The bot's pages: add, list, refresh, remove, and show what is read.", no_args_is_help=True
)
pages_app.command("text")(page_text_command)
pages_app.command("who")(pages_who_command)


async def refresh(settings: Settings, page_services: PageServices) -> RefreshReport:
    """Read all sources again, and forget what a source named that is no longer one."""
    return await refresh_with_bar(page_services.library, await drop_old_sources(settings, page_services))


async def drop_old_sources(settings: Settings, page_services: PageServices) -> list[str]:
    """Forget what a source named that is no longer one; return those that are."""
    sources, gone = await asyncio.to_thread(find_sources, settings, page_services)
    for source in gone:
        await page_services.library.forget_source(source)
    return sources


async def plan_reading(settings: Settings, page_services: PageServices) -> PageReading:
    """Return what reads the sources beside the answers: with a bar on a terminal, else in the log."""
    reading = await PageReading.plan(page_services, await drop_old_sources(settings, page_services))
    reading.on_done.append(lambda _: warn_of_idle_rules(settings, page_services))
    if not progress_out.is_terminal:
        reading.on_done.append(log_problems)
        return reading
    bar = ReadingBar()
    reading.watchers.append(lambda url, outcome: bar.show(url, outcome, reading.progress))
    reading.on_done.append(bar.finish)
    return reading


def warn_of_idle_rules(settings: Settings, page_services: PageServices) -> None:
    """Tell in the log of rules that are about no page: what they were meant to close may be open."""
    pages = [(entry.url, entry.source) for entry in page_services.index.entries()]
    for pattern in ReaderRules(settings.page_readers).list_idle(pages):
        log.warning("a rule of page_readers is about no page: %s", pattern)


class ReadingBar:
    """A bar on standard error for sources that are read beside something else."""

    def __init__(self) -> None:
        self._bar = progress_bar()
        self._task = self._bar.add_task("Indexing the pages", total=None)

    def show(self, url: str, outcome: str, progress: tuple[int, int] | None = None) -> None:
        """Show how far it is, and with which page."""
        self._bar.start()
        done, total = progress or (self._bar.tasks[0].completed + 1, None)
        self._bar.update(
            self._task, completed=done, total=total, description=f"Indexing {url[-50:]} ({outcome})"
        )

    def finish(self, report: RefreshReport) -> None:
        """Show that it is done, and what could not be read."""
        done = max(1, report.added + report.changed + report.unchanged)
        self._bar.update(self._task, description="Pages indexed", total=done, completed=done)
        self._bar.stop()
        _print_problems(report)


async def refresh_alone(settings: Settings) -> RefreshReport:
    """Do it with an index that is opened for it."""
    async with open_pages(settings) as page_services:
        report = await refresh(settings, page_services)
        await asyncio.to_thread(warn_of_idle_rules, settings, page_services)
        return report


async def refresh_with_bar(library: Library, sources: list[str]) -> RefreshReport:
    """Read sources with a bar; what could not be read is told on standard error."""
    with progress_bar() as bar:
        task = bar.add_task("Indexing the pages", total=None)

        def show(url: str, outcome: str) -> None:
            bar.update(task, advance=1, description=f"Indexing {url[-50:]} ({outcome})")

        report = await library.refresh(sources, show)
        done = report.added + report.changed + report.unchanged
        bar.update(task, description="Pages indexed", total=max(1, done), completed=max(1, done))
    _print_problems(report)
    return report


def _print_problems(report: RefreshReport) -> None:
    for problem in report.problems:
        progress_out.print(
            f"{problem.url}: {problem.sentence}", style="yellow", highlight=False, markup=False
        )
    for remark in report.remarks():
        progress_out.print(remark, style="yellow", highlight=False, markup=False)


@pages_app.command("add")
@with_settings
def pages_add(
    settings: Settings,
    source: Annotated[
        str, typer.Argument(help="A folder, file, URL or sitemap; FOLDER=URL; git+https://… and the like.")
    ],
) -> None:
    """Add a source: it is read now and at every refresh."""
    report = asyncio.run(_add(settings, source))
    _print_report(report)
    add_source(settings.index_dir, source)


@pages_app.command("refresh")
@with_settings
def pages_refresh(settings: Settings) -> None:
    """Read all sources again; unchanged pages are skipped."""
    _print_report(asyncio.run(refresh_alone(settings)))


async def _add(settings: Settings, source: str) -> RefreshReport:
    async with open_pages(settings) as page_services:
        return await refresh_with_bar(page_services.library, [source])


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
        print_json([_describe_entry(entry) for entry in entries])
        return
    table = Table("Page", "Title", "Passages", "Readers")
    for entry in entries:
        address = build_address(settings, entry.url)
        opens = Text(address, overflow="fold", style=f"link {address}")  # a click opens it, however it is cut
        table.add_row(opens, entry.title, str(entry.passages), str(entry.readers))
    print_table(table)


def _describe_entry(entry: PageEntry) -> dict[str, Any]:
    return {
        "url": entry.url,
        "title": entry.title,
        "passages": entry.passages,
        "readers": entry.readers.to_list(),
    }


async def _entries(settings: Settings) -> list[PageEntry]:
    async with open_pages(settings) as page_services:
        return await page_services.library.pages()


@pages_app.command("remove")
@with_settings
def pages_remove(
    settings: Settings, what: Annotated[str, typer.Argument(help="A source that was added, or a page's URL.")]
) -> None:
    """Remove a source with its pages, or one page."""

    async def remove() -> int:
        async with open_pages(settings) as page_services:
            gone = await page_services.library.forget_source(what)
            is_page = what.lower().startswith(("http://", "https://", "/"))
            return gone or (int(await page_services.library.forget(what)) if is_page else 0)

    was_added = drop_source(settings.index_dir, what)
    gone = asyncio.run(remove())
    if not gone and not was_added:
        raise typer.BadParameter(
            f"{what} is neither a source nor a known page; `askpage pages list` shows them"
        )
    out.print(f"{gone} pages are forgotten.", markup=False)
