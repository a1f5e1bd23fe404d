"""What operators do with one person's data: `askpage privacy show | export | delete | opt-out | scan | …`.

A person is named by the id that their channel has for them (in Teams: the Entra object id), by `local:NAME`
for the chat page's people, or by the pseudonym. Every command is on record in the audit trail, those that
read before they do.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.bootstrap import forgetting, open_pages
from bot.stores import open_store, read_keys
from bot.web.activities import directory_id
from bot.web.erase import forget_here
from cli.console import Json, out, print_json, progress_bar, progress_out, with_settings
from cli.scan import LEAST_CHARACTERS, LOCAL, PSEUDONYM, Scan, print_scan, scan, sought
from cli.store import whole_file
from cli.tables import print_table
from core.settings import Settings
from feedback.privacy.audit import Audit, AuditAction, Entry
from feedback.privacy.delete import DeletionHooks, delete, export_person
from feedback.privacy.deletion_log import Deletion, Deletions
from feedback.privacy.keys import Keys, before_path, finish, fresh_key, key_path, name_operator, rotate
from feedback.privacy.opt_out import OptOuts
from feedback.store.base import StoreError
from feedback.store.rows import WholeStore, every_page

privacy_app = typer.Typer(
    help="One person's data: show, export, delete; and the audit trail.", no_args_is_help=True
)

Person = Annotated[
    str, typer.Argument(help="A channel's user id, local:NAME of the chat page, or a pseudonym.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


@dataclass(frozen=True, slots=True)
class PrivacyContext:
    """What a command works with: the open store, the keys, its audit trail, and who the operator is there."""

    settings: Settings
    store: WholeStore
    keys: Keys
    operator: str

    async def record(self, action: AuditAction, person: str = "") -> None:
        """Write what is done into the audit trail. Raises StoreError: then it must not be done."""
        await Audit(self.store.documents).write(self.operator, action, person=person)


@asynccontextmanager
async def _open_context(settings: Settings) -> AsyncGenerator[PrivacyContext]:
    keys = _keys(settings)
    async with open_store(settings) as store:
        yield PrivacyContext(settings, store, keys, name_operator(keys))


def _keys(settings: Settings) -> Keys:
    if not settings.pseudonym_key.get_secret_value() and not key_path(settings.data_dir).exists():
        raise StoreError(
            f"There is no key of pseudonyms at {key_path(settings.data_dir)}: name the bot's data folder "
            "(--data-dir), or its key."
        )
    try:
        return read_keys(settings)
    except (OSError, ValueError) as error:
        raise StoreError(str(error)) from error


def _pseudonyms(keys: Keys, given: str) -> list[str]:
    """Return what stands for a person: the pseudonym, and the one under the earlier key while that counts."""
    if PSEUDONYM.fullmatch(given):
        return [given]
    user_id = directory_id(given.removeprefix(LOCAL)) if given.startswith(LOCAL) else given
    earlier = keys.earlier(user_id)
    return [keys.pseudonym(user_id), *([earlier] if earlier else [])]


# Reading


@dataclass
class Standing:
    """How much is kept of a person. Times are UTC, "" where there is no question."""

    pseudonym: str
    questions: int = 0
    words: int = 0
    documents: dict[str, int] = field(default_factory=dict[str, int])
    first_question: str = ""
    last_question: str = ""
    learning_stopped: bool = False
    deletions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@privacy_app.command("show")
@with_settings
def show_command(settings: Settings, person: Person, as_json: Json = False) -> None:
    """Show how much is stored about a person, without its content."""
    found = asyncio.run(_show(settings, person))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        _print_standing(one)


async def _show(settings: Settings, person: str) -> list[Standing]:
    async with _open_context(settings) as context:
        names = _pseudonyms(context.keys, person)
        for name in names:
            await context.record(AuditAction.LOOKED, name)
        return [await _standing(context.store, name) for name in names]


async def _standing(store: WholeStore, person: str) -> Standing:
    kinds: Counter[str] = Counter()
    found = Standing(person)
    async for page in every_page(store, "question", person=person):
        times = sorted(row.fields["asked_at"] for row in page)
        found.questions += len(page)
        found.first_question = min(found.first_question or times[0], times[0])
        found.last_question = max(found.last_question, times[-1])
    async for page in every_page(store, "feedback", person=person):
        found.words += len(page)
    async for page in every_page(store, "document", person=person):
        kinds.update(row.fields["kind"] for row in page)
    found.documents = dict(kinds)
    found.learning_stopped = await OptOuts(store.documents).is_out(person)
    for one in await Deletions(store.documents).list_deletions(person):
        found.deletions.append(
            {
                "begun_at": one.begun_at.isoformat(),
                "by": one.by,
                "state": one.state,
                "counts": dict(one.counts),
            }
        )
    return found


def _print_standing(found: Standing) -> None:
    table = Table("Of", found.pseudonym)
    table.add_row("Questions, with their answers", f"{found.questions:,}")
    table.add_row("First and last question", f"{found.first_question[:10]} – {found.last_question[:10]}")
    table.add_row("Words on answers, their changes included", f"{found.words:,}")
    for kind, count in sorted(found.documents.items()):
        table.add_row(f"Documents: {kind}", f"{count:,}")
    table.add_row("Learning", "stopped by the person" if found.learning_stopped else "as the settings say")
    for one in found.deletions:
        table.add_row(f"Deletion of {one['begun_at'][:16]}", f"{one['state']}, by {one['by'][:24]}")
    print_table(table)


@privacy_app.command("export")
@with_settings
def export_command(
    settings: Settings,
    person: Person,
    to: Annotated[
        Path | None, typer.Option("--to", help="File to write, readable to you only. Empty: print.")
    ] = None,
) -> None:
    """Export everything that is stored about a person, as JSON that explains its fields."""
    text = json.dumps(asyncio.run(_export(settings, person)), indent=1)
    if to is None:
        print(text)  # noqa: T201 - the command's output
        return
    with whole_file(to) as file:
        file.write(text + "\n")
    progress_out.print(f"Written to {to}.", markup=False, highlight=False, soft_wrap=True)


async def _export(settings: Settings, person: str) -> object:
    async with _open_context(settings) as context, open_pages(settings, finished=False) as page_services:
        told: list[object] = []
        for name in _pseudonyms(context.keys, person):
            await context.record(AuditAction.EXPORTED, name)
            told.append(await export_person(context.store, name, page_services.access.is_restricted))
        return told[0] if len(told) == 1 else told


# Changing


@privacy_app.command("delete")
@with_settings
def delete_command(settings: Settings, person: Person, yes: Yes = False, as_json: Json = False) -> None:
    """Delete everything that is stored about a person, here and in the store.

    It can be interrupted: run it again to go on.
    """
    if not yes:
        typer.confirm("All that is kept of this person goes for good. Go on?", abort=True, err=True)
    done = asyncio.run(_delete(settings, person))
    if as_json:
        told = [
            {
                "person": one.person,
                "begun_at": one.begun_at.isoformat(),
                "state": one.state,
                "counts": dict(one.counts),
                "examples": [asdict(found) for found in one.sum_examples()],
            }
            for one in done
        ]
        print_json(told)
        return
    for one in done:
        _print_deleted(one)


async def _delete(settings: Settings, person: str) -> list[Deletion]:
    async with _open_context(settings) as context:
        with progress_bar() as bar:
            task = bar.add_task("Deleting", total=None)

            def tell(what: str, done: int) -> None:
                bar.update(task, description=f"Deleting ({what})", completed=done)

            return [await _delete_one(context, name, tell) for name in _pseudonyms(context.keys, person)]


async def _delete_one(context: PrivacyContext, person: str, tell: Callable[[str, int], None]) -> Deletion:
    now = datetime.now(UTC)
    deletions = Deletions(context.store.documents)
    wished = Deletion(person, now.isoformat(), now, by=context.operator)
    begun = await deletions.begin(wished)
    keys = context.keys

    def is_theirs(directory: str) -> bool:
        return person in (keys.pseudonym(directory), keys.earlier(directory))

    await forget_here(context.settings.data_dir, begun, is_theirs)
    hooks = DeletionHooks(forget_examples=forgetting(context.settings), tell=tell)
    done = await delete(context.store, begun, hooks)
    for earlier in await deletions.list_deletions(
        person
    ):  # what was interrupted has nothing left to do, and ends
        if not earlier.is_gone:
            await delete(context.store, earlier, hooks)
    try:
        await context.record(AuditAction.DELETED, person)
    except StoreError as error:  # it is done all the same
        progress_out.print(f"The audit trail misses this: {error}", markup=False, soft_wrap=True)
    return done


def _print_deleted(done: Deletion) -> None:
    table = Table("Deleted", done.person)
    for kind, count in done.counts.items():
        if count:
            table.add_row(kind, f"{count:,}")
    for found in done.sum_examples():
        models = f", which {', '.join(found.models)} learned from" if found.models else ""
        table.add_row(f"examples in {found.dataset}{models}", f"{found.examples:,}")
    print_table(table)
    out.print(
        "Bots that run hear of it within seconds and look once more after two minutes;"
        " `askpage privacy scan` shows where the pseudonym still stands.",
        soft_wrap=True,
        markup=False,
    )


@privacy_app.command("opt-out")
@with_settings
def opt_out_command(
    settings: Settings,
    person: Person,
    undo: Annotated[bool, typer.Option("--undo", help="Allow learning from them again.")] = False,
) -> None:
    """Learn nothing from a person, as if they had asked for it."""
    asyncio.run(_opt_out(settings, person, out_=not undo))
    out.print("Something may be learned from this person again." if undo else "Nothing is learned from them.")


async def _opt_out(settings: Settings, person: str, *, out_: bool) -> None:
    async with _open_context(settings) as context:
        for name in _pseudonyms(context.keys, person):
            source = f"{context.operator} {datetime.now(UTC).isoformat()}"
            if await OptOuts(context.store.documents).choose(name, out=out_, source=source):
                await context.record(AuditAction.OPTED_OUT if out_ else AuditAction.OPTED_IN, name)


# Proving


@privacy_app.command("scan")
@with_settings
def scan_command(
    settings: Settings,
    who: Annotated[str, typer.Argument(help="A pseudonym, a user id, local:NAME, a name, or any text.")],
    as_json: Json = False,
) -> None:
    """Show where a person or a text appears, in the store and in every file of the data folder."""
    if len(who.removeprefix(LOCAL).strip()) < LEAST_CHARACTERS:
        raise typer.BadParameter(
            f"this is too short to look for: at least {LEAST_CHARACTERS} characters, or it is found by chance"
        )
    found = asyncio.run(_scan(settings, who))
    if as_json:
        print_json(found.as_dict())
        return
    print_scan(found)


async def _scan(settings: Settings, who: str) -> Scan:
    async with _open_context(settings) as context:
        # An entry that named the person would be found by the search, and be there for ever.
        await context.record(AuditAction.SCANNED)
        return await scan(settings, context.store, sought(context.keys, who))


@privacy_app.command("audit")
@with_settings
def audit_command(
    settings: Settings,
    person: Annotated[
        str, typer.Option("--person", help="Only entries about this person, or by this person.")
    ] = "",
    since: Annotated[str, typer.Option("--since", help="A day (2026-11-01) or a moment, UTC.")] = "",
    as_json: Json = False,
) -> None:
    """Show who did what with whose records, and when."""
    found = asyncio.run(_audit(settings, person, _moment(since) if since else None))
    if as_json:
        told = [asdict(one) | {"at": one.at.isoformat()} for one in found]
        print_json(told)
        return
    table = Table("When (UTC)", "Who", "What", "Whose", "Answer or model")
    for one in found:
        at = f"{one.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(
            at,
            one.who[:25],
            str(one.what),
            one.person[:16],
            (one.answer_id or one.model_version or one.about)[:16],
        )
    print_table(table)


async def _audit(settings: Settings, person: str, since: datetime | None) -> list[Entry]:
    async with _open_context(settings) as context:
        await context.record(AuditAction.READ_TRAIL)
        names = _pseudonyms(context.keys, person) if person else [""]
        trail = Audit(context.store.documents)
        return [entry for name in names async for entry in trail.entries(name, since)]


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no day and no moment; write 2026-11-01") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# The key


@privacy_app.command("rotate-key")
@with_settings
def rotate_command(
    settings: Settings,
    end: Annotated[
        bool,
        typer.Option(
            "--finish",
            help="Forget the previous key: anybody who has not been seen since counts as a new person.",
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Change the key of the pseudonyms.

    People keep their records: these are moved over when they next show up.
    """
    keys = _keys(settings)
    what = _FINISH if end else _ROTATE
    if not yes:
        typer.confirm(f"{what} Go on?", abort=True, err=True)
    if settings.pseudonym_key.get_secret_value():
        out.print(
            _IN_SETTINGS_END if end else _IN_SETTINGS.format(key=fresh_key()), soft_wrap=True, markup=False
        )
        return
    asyncio.run(_record_rotation(settings))
    if end:
        finished = finish(settings.data_dir)
        out.print("The earlier key is gone." if finished else "There is no earlier key.")
        return
    try:
        rotate(settings.data_dir)
    except FileExistsError:
        raise StoreError(
            f"The change before is not finished: {before_path(settings.data_dir)} is there. Run this with "
            "--finish first."
        ) from None
    out.print(_ROTATED.format(before=before_path(settings.data_dir)), soft_wrap=True, markup=False)
    assert read_keys(settings).before == keys.now  # noqa: S101 - what the next start relies on


async def _record_rotation(settings: Settings) -> None:
    async with _open_context(settings) as context:
        await context.record(AuditAction.ROTATED)


_ROTATE = "Every process of the bot has to be stopped now, and started again afterwards."
_FINISH = (
    "Whoever has not shown up since the change becomes a new person, and loses their records and choices."
)
_ROTATED = (
    "There is a new key, and the earlier one is kept at {before}. Start the bot again: whoever shows up "
    "keeps their"
    " records. When as many days have passed as records are kept (keep_questions_days), run this with "
    "--finish."
)
_IN_SETTINGS = (
    "The key is a setting, so it is changed where settings are kept. Set pseudonym_key_before to the present "
    "key and"
    " pseudonym_key to a new one, for example {key}, for all processes at once; then start them again. When "
    "as many days have passed as records are kept (keep_questions_days), empty pseudonym_key_before."
)
_IN_SETTINGS_END = (
    "The key is a setting: empty pseudonym_key_before where settings are kept, and start the bot again."
)
