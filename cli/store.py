"""The commands around the store: `askpage store init | copy | retain | status`, `askpage export`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table as ScreenTable

from bot.instance import list_instances
from bot.stores import cosmos_config, pages_config, read_keys, read_retention
from cli.console import Json, out, print_json, progress_bar, progress_out, with_settings
from cli.tables import print_table
from core.files import sync_folder
from core.settings import Settings
from feedback.privacy.audit import Audit, AuditAction
from feedback.privacy.keys import name_operator
from feedback.privacy.retention import retain
from feedback.store.base import StoreError, StoreUnavailable
from feedback.store.copy import Copied, CopyFailed, Copying, Patient
from feedback.store.copy_journal import Journal, Known, NamedStore, parse_store_name
from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import definition, make_container
from feedback.store.offline_queue import OfflineQueue
from feedback.store.rows import TABLES, every_line
from feedback.store.sqlite import SqliteStore
from pages.index.cosmos_schema import make_page_container, page_container_definition

store_app = typer.Typer(
    help="The store of questions, answers, feedback and reviews: set up, copy, clean up.",
    no_args_is_help=True,
)

_LEAST_TIMEOUT_S = 30.0
"""An operator waits longer for one call than somebody who speaks to the bot."""

Wait = Annotated[
    float,
    typer.Option("--wait-s", min=0, help="How long to wait for a store that cannot be reached, seconds."),
]
Store = SqliteStore | CosmosStore


def read_known(settings: Settings) -> Known:
    """Return what the names of stores are short for."""
    config = cosmos_config(settings)
    patient = replace(config, timeout_s=max(config.timeout_s, _LEAST_TIMEOUT_S))
    return Known(settings.store_path, patient if config.endpoint else None, settings.data_dir / "copies")


@store_app.command("init")
@with_settings
def init_command(
    settings: Settings,
    show: Annotated[
        bool,
        typer.Option("--definition", help="Print the containers' definitions as JSON, and create nothing."),
    ] = False,
) -> None:
    """Create the database and containers in Cosmos DB, or update the indexes of an older container."""
    if show:
        containers = [definition(cosmos_config(settings))]
        if settings.page_index == "cosmos":
            containers.append(page_container_definition(pages_config(settings)))
        shown = containers if len(containers) > 1 else containers[0]
        print_json(shown, indent=2)
        return
    config = read_known(settings).cosmos
    if config is None:
        out.print(
            "No Cosmos DB account is named (setting cosmos_endpoint), so records are kept in "
            f"{settings.store_path}. That file needs no preparation: the bot makes it when it starts.",
            soft_wrap=True,
            markup=False,
        )
        return
    out.print(asyncio.run(make_container(config)), soft_wrap=True, markup=False)
    if settings.page_index == "cosmos":
        pages = replace(pages_config(settings), timeout_s=config.timeout_s)
        out.print(asyncio.run(make_page_container(pages)), soft_wrap=True, markup=False)


# Copying


@store_app.command("copy")
@with_settings
def copy_command(
    settings: Settings,
    source: Annotated[
        str, typer.Option("--from", help="sqlite:PATH or a path, cosmos: or cosmos:DATABASE/CONTAINER.")
    ],
    target: Annotated[str, typer.Option("--to", help="The target, named in the same way.")],
    into_existing: Annotated[
        bool,
        typer.Option(
            "--into-existing",
            help=(
                "Allow a target that has other records: they stay, and records that both have "
                "come from the source."
            ),
        ),
    ] = False,
    wait_s: Wait = 600.0,
) -> None:
    """Copy a whole store; the same command continues an interrupted copy.

    A second copy carries over what changed.
    """
    one, two = parse_store_name(source, read_known(settings)), parse_store_name(target, read_known(settings))
    if one.is_same(two):
        raise CopyFailed(f"Source and target are one store: {one.name}.")
    who = name_operator(read_keys(settings))
    copied = asyncio.run(_copy(one, two, who, into_existing=into_existing, wait_s=wait_s))
    _print_copied(copied)


async def _copy(
    source: NamedStore, target: NamedStore, who: str, *, into_existing: bool, wait_s: float
) -> Copied:
    async with source.open_store() as ours, target.open_store(new=True) as theirs:
        await Audit(ours.documents).write(who, AuditAction.COPIED)
        with Journal.open(target.journal) as journal, _show_progress("Copying") as shown:
            copying = Copying(
                Patient(ours, wait_s, shown.wait),
                Patient(theirs, wait_s, shown.wait),
                journal,
                into_existing=into_existing,
                tell=shown,
            )
            return await copying.run(source.name)


def _print_copied(copied: Copied) -> None:
    if copied.went_on:
        out.print("Went on where it had stopped.")
    out.print(f"{copied.put:,} records put, {copied.dropped:,} removed.")
    table = ScreenTable("Records", "Source", "Target", "SHA-256")
    for name, (ours, theirs) in copied.sums.items():
        table.add_row(name, f"{ours.count:,}", f"{theirs.count:,}", f"{ours.sha256[:16]}… in both")
    print_table(table)
    out.print("Both stores hold the same.")


# Exporting


@with_settings
def export_command(
    settings: Settings,
    source: Annotated[
        str, typer.Option("--from", help="A store, as `askpage store copy` names it; empty: the bot's.")
    ] = "",
    out_file: Annotated[
        Path | None,
        typer.Option("--out", help="File to write; it appears once it is complete. Empty: print."),
    ] = None,
    person: Annotated[str, typer.Option("--person", help="Only the records of this pseudonym.")] = "",
    wait_s: Wait = 600.0,
) -> None:
    """Write all records, or one person's, as JSON Lines."""
    store = parse_store_name(source, read_known(settings))
    try:
        with whole_file(out_file) if out_file else _open_stdout() as file:
            count = asyncio.run(
                _export(store, file, person or None, name_operator(read_keys(settings)), wait_s)
            )
    except BrokenPipeError:  # whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    where = f" to {out_file}" if out_file else ""
    progress_out.print(f"{count:,} records written{where}.", markup=False, highlight=False, soft_wrap=True)


async def _export(named_store: NamedStore, file: IO[str], person: str | None, who: str, wait_s: float) -> int:
    count = 0
    async with named_store.open_store() as opened:
        await Audit(opened.documents).write(
            who, AuditAction.EXPORTED if person else AuditAction.COPIED, person=person or ""
        )
        with _show_progress("Exporting") as shown:
            store = Patient(opened, wait_s, shown.wait)
            total = 0 if person else sum([await store.count(table) for table in TABLES])
            async for line in every_line(store, person):
                file.write(line + "\n")
                count += 1
                shown("Exporting", count, total)
    file.flush()
    return count


@contextmanager
def _open_stdout() -> Generator[IO[str]]:
    yield sys.stdout


@contextmanager
def whole_file(path: Path) -> Generator[IO[str]]:
    """Write a file that appears under its name when it is whole, readable to this user only."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}.") from error


# Retention


@store_app.command("retain")
@with_settings
def retain_command(
    settings: Settings,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete records that are older than the settings keep_…_days allow."""
    dropped = asyncio.run(_retain(settings, dry_run=dry_run))
    if as_json:
        print_json({"dry_run": dry_run, "deleted": dropped})
        return
    if not dropped:
        out.print("Nothing is older than it may be.")
        return
    table = ScreenTable("Records", "To be deleted" if dry_run else "Deleted")
    for kind, count in dropped.items():
        table.add_row(kind, f"{count:,}")
    print_table(table)


async def _retain(settings: Settings, *, dry_run: bool) -> Mapping[str, int]:
    async with _open_named_store(settings) as opened:
        with _show_progress("Looking for old records") as shown:
            store = Patient(opened, 60.0, shown.wait)
            total = sum([await store.count(table) for table in TABLES])
            return await retain(
                store,
                read_retention(settings),
                datetime.now(UTC),
                lambda looked: shown("Looking for old records", looked, max(looked, total)),
                dry_run=dry_run,
            )


# Status


@dataclass(frozen=True)
class Waiting:
    """What waits in the file of one process; `failed` could not be done when the store was back."""

    instance: str
    running: bool
    waiting: int
    failed: int


@dataclass
class Status:
    """How the store stands.

    `away` says why it cannot be reached; `charges` what asking has cost, by operation.
    """

    store: str
    away: str = ""
    counts: dict[str, int] = field(default_factory=dict[str, int])
    spools: list[Waiting] = field(default_factory=list[Waiting])
    charges: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])


@store_app.command("status")
@with_settings
def status_command(settings: Settings, as_json: Json = False) -> None:
    """Show which store is in use, what it holds, and what waits for it on this machine."""
    status = asyncio.run(_status(settings))
    if as_json:
        print_json(asdict(status))
    else:
        _print_status(status)
    if status.away:
        raise StoreUnavailable(status.away)


async def _status(settings: Settings) -> Status:
    status = Status(parse_store_name("", read_known(settings)).name)
    try:
        async with _open_named_store(settings) as store:
            status.counts = {table: await store.count(table) for table in TABLES}
            if isinstance(store, CosmosStore):
                status.charges = {name: asdict(charge) for name, charge in store.charges.by_operation.items()}
    except StoreUnavailable as error:
        status.away = str(error)
    for instance, running in list_instances(settings.data_dir):
        near = await asyncio.to_thread(SqliteStore.open, instance.spool_path)
        try:
            spool = OfflineQueue(near, most=0)
            await spool.load()
            status.spools.append(Waiting(instance.folder.name, running, spool.records, spool.failed))
        finally:
            await near.close()
    return status


def _print_status(status: Status) -> None:
    out.print(f"Store: {status.store}", markup=False, highlight=False, soft_wrap=True)
    for name, count in status.counts.items():
        out.print(f"  {name} records: {count:,}")
    for spool in status.spools:
        state = "runs" if spool.running else "does not run"
        out.print(
            f"Process {spool.instance} ({state}): {spool.waiting:,} records wait for the store, "
            f"{spool.failed:,} failed"
        )
    for name, charge in status.charges.items():
        out.print(
            f"Asking has cost: {name}, {charge['trips']} round trips, {charge['units']:.1f} request units"
        )


@asynccontextmanager
async def _open_named_store(settings: Settings) -> AsyncGenerator[Store]:
    """Open the store that the settings name; the file may be new."""
    async with parse_store_name("", read_known(settings)).open_store(new=True) as store:
        yield store


# Progress


class _Shown:
    """Shows how far a command is: as a bar, and where nobody looks at a screen, as a line now and then."""

    def __init__(self, bar: Progress, what: str) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=None)
        self._said = ("", -1)

    def __call__(self, what: str, done: int, total: int) -> None:
        self._bar.update(self._task, description=what, completed=done, total=total or None)
        said = (what, done * 20 // total if total else done // 10_000)
        if said != self._said and not progress_out.is_terminal:
            self._say(f"{what}: {done:,}" + (f" of {total:,}" if total else ""))
        self._said = said

    def wait(self, error: StoreUnavailable, pause_s: float) -> None:
        """Say that a store is away."""
        self._say(f"{error} Trying again in {pause_s:.0f} s.")

    def _say(self, sentence: str) -> None:
        self._bar.console.print(sentence, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _show_progress(what: str) -> Generator[_Shown]:
    with progress_bar() as bar:
        yield _Shown(bar, what)
