"""The commands about gaps: `askpage gaps`, and its `show N`, `patch N` and `send`.

`askpage gaps` reads what was asked in vain, as the job `report_gaps` does every week, and keeps the report;
`show` and `patch` read the kept one, so that a number means the same gap until there is another report.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urldefrag

import typer
from rich.table import Table

from bot.bootstrap import open_pages
from bot.channels.owners.people import Owners
from bot.stores import open_store
from cli.console import Json, build_address, out, print_json, progress_out, with_settings
from cli.tables import print_table
from core.files import write_durably
from core.settings import Settings
from core.text import clip_text
from feedback.gaps.report import Gap, GapPlace, Report, is_current, read_report, to_public_gap, to_public_json
from feedback.privacy.deletion_log import list_excluded
from jobs.report_gaps import (
    DAYS,
    GapsUnavailable,
    IndexedPages,
    drop_deleted,
    open_masking,
    propose_patch,
    report_gaps,
    send_cards,
)
from pages.repair.files import PageFile
from pages.repair.patch import PatchRefused

gaps_app = typer.Typer(
    help="Gaps in your pages: questions that no page answers, and patches.", invoke_without_command=True
)
Number = Annotated[int, typer.Argument(min=1, help="The gap's number in `askpage gaps`.")]
_TEXT = 60
NO_REPORT = "There is no report of gaps yet; `askpage gaps` makes one."
_MASKED = re.compile(r"^\+.*\\\[[A-Za-z_]+(?: \d+)?\\\]", re.MULTILINE)
MASKED = (
    "Something personal in it is masked, [in brackets]: write it out, or leave it out, before you apply it."
)


@gaps_app.callback()
@with_settings
def gaps_command(
    settings: Settings,
    context: typer.Context,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="How many days of questions to read; 90 if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for gaps in recent questions, and list them."""
    if context.invoked_subcommand:
        return
    report = asyncio.run(_report(settings, days or DAYS))
    if as_json:
        print_json(to_public_json(report))
        return
    _print_list(report)


async def _report(settings: Settings, days: int) -> Report:
    mask = open_masking()
    async with open_store(settings) as store, open_pages(settings) as page_services:
        return await report_gaps(store, page_services, settings, mask, days)


def _print_list(report: Report) -> None:
    if not report.gaps:
        out.print(f"Nothing was asked in vain in the last {report.days} days.")
        return
    table = Table("", "People", "Asked", "Nearest page", "Owner", "Since the page changed")
    for number, gap in enumerate(report.gaps, 1):
        place = _shorten(gap.place.name) if gap.place else "(none)"
        table.add_row(
            str(number), str(gap.people), _shorten(gap.name), place, _shorten(gap.owner), gap.outcome or ""
        )
    print_table(table)
    out.print("`askpage gaps show N` tells more of one, `askpage gaps patch N` proposes a sentence.")


def _shorten(text: str) -> str:
    return clip_text(text.encode("utf-8", "replace").decode(), _TEXT)


@gaps_app.command("show")
@with_settings
def show_command(settings: Settings, number: Number, as_json: Json = False) -> None:
    """Show a gap of the last report: its questions, the reviewers' answer, the page and its owner."""
    gap, patch = asyncio.run(_show(settings, number))
    if as_json:
        print_json({**to_public_gap(gap, number), "patch": patch})
        return
    for line in _describe(gap, number, patch, settings):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


async def _show(settings: Settings, number: int) -> tuple[Gap, str]:
    async with _open_gap(settings, number) as (gap, pages):
        try:
            patch = await propose_patch(gap, pages)
        except PatchRefused as refused:
            patch = f"({refused})"
        return gap, patch


def _describe(gap: Gap, number: int, patch: str, settings: Settings) -> Iterator[str]:
    yield gap.sentence
    if gap.outcome:
        yield gap.outcome
    yield "What they asked:"
    for question in gap.questions:
        yield f"  {question.times} × {question.text}"
    yield "How that is known: " + ", ".join(f"{count} {lack}" for lack, count in gap.lacks.items())
    yield f"A reviewer says: {gap.correction}" if gap.correction else "No reviewer has answered it yet."
    if gap.place is not None:
        yield f"Nearest page: {gap.place.name}, {build_address(settings, gap.place.url)}"
    yield f"Owner: {gap.owner or 'nobody is named (front matter owner:, CODEOWNERS, setting page_owners)'}"
    if gap.correction:
        yield patch
        if not patch.startswith("("):
            yield f"`askpage gaps patch {number} --to FILE` writes this patch for `git apply`."


@gaps_app.command("send")
@with_settings
def send_command(settings: Settings) -> None:
    """Send the last report's gaps to the owners of the pages, as cards in their chats with the bot."""
    names, unnamed = asyncio.run(_send(settings))
    out.print(f"Cards that are ready: {len(names)}. A running bot brings them to their owners.")
    if unnamed:
        out.print("Nobody gets these cards, as the setting owner_people does not name their owners:")
    for owner in unnamed:
        out.print(f"  {owner}", markup=False, highlight=False, soft_wrap=True)


async def _send(settings: Settings) -> tuple[list[str], list[str]]:
    """Return the names of the cards, and the owners whom no setting names. Raises GapsUnavailable."""
    owners = Owners(settings.owner_people)
    async with open_store(settings) as store, open_pages(settings) as page_services:
        report = await read_report(store.documents)
        if report is None:
            raise GapsUnavailable(NO_REPORT)
        report = await drop_deleted(store, report)
        names = await send_cards(store, page_services, settings, report)
    named = dict.fromkeys(gap.owner for gap in report.gaps if gap.owner)
    return names, [owner for owner in named if not owners.list_people(owner)]


@gaps_app.command("patch")
@with_settings
def patch_command(
    settings: Settings,
    number: Number,
    to: Annotated[Path | None, typer.Option("--to", help="Write it into this file.")] = None,
) -> None:
    """Print a patch that puts the reviewer's sentence at the end of the nearest section."""
    if to is not None and not to.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {to.absolute().parent}")
    patch, file = asyncio.run(_patch(settings, number))
    if _MASKED.search(patch):
        progress_out.print(MASKED, markup=False, soft_wrap=True, highlight=False)
    if to is None:
        print(patch, end="")  # noqa: T201 - the command's output
    else:
        write_durably(to, patch)
        progress_out.print(
            f"Apply it in {file.root}: git apply {to.absolute()}",
            markup=False,
            soft_wrap=True,
            highlight=False,
        )


async def _patch(settings: Settings, number: int) -> tuple[str, PageFile]:
    async with _open_gap(settings, number) as (gap, pages):
        patch = await propose_patch(gap, pages)
        file = await pages.find_file(urldefrag(gap.place.url).url) if gap.place else None
        assert file is not None  # noqa: S101 - there is a patch for it
        return patch, file


@asynccontextmanager
async def _open_gap(settings: Settings, number: int) -> AsyncGenerator[tuple[Gap, IndexedPages]]:
    """Open a gap of the kept report. Raises GapsUnavailable for one that is not there, or not any more."""
    async with open_store(settings) as store, open_pages(settings) as page_services:
        report = await read_report(store.documents)
        if report is None:
            raise GapsUnavailable(NO_REPORT)
        if number > len(report.gaps):
            raise GapsUnavailable(f"The last report has {len(report.gaps)} gaps; `askpage gaps` lists them.")
        gap, pages = report.gaps[number - 1], IndexedPages(page_services, settings.page_owners)
        current = await is_current(store, gap, await list_excluded(store.documents))
        if not current or not _is_open(gap.place, pages):
            raise GapsUnavailable(
                "What this gap was made of is deleted or closed since; `askpage gaps` makes a new report."
            )
        yield gap, pages


def _is_open(place: GapPlace | None, pages: IndexedPages) -> bool:
    return place is None or pages.find_hash(urldefrag(place.url).url) is not None
