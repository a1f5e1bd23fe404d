"""`askpage pages who`: who may read a page, why, and whether somebody may.

The first look when somebody gets no answer from a page that a colleague gets one from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from bot.bootstrap import open_pages
from cli.console import Json, out, print_json, with_settings
from core.readers import Readers, UnreadableReaders, parse_readers
from core.settings import Settings
from pages.index.base import PageEntry
from pages.readers import ReaderRules

_PERSON = "entra:user:"


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether somebody with these principals may read a page, by which of them, or why not."""

    may: bool
    by: tuple[str, ...]
    why: str


@with_settings
def pages_who_command(
    settings: Settings,
    page: Annotated[str, typer.Argument(help="The address of a known page.")],
    principals: Annotated[
        list[str] | None,
        typer.Option("--as", help="Somebody: entra:user:ID, slack:channel:ID …; may be given several times."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show who may read a page, and with --as whether somebody may, and why."""
    entry = asyncio.run(_find(settings, page))
    if entry is None:
        raise typer.BadParameter(f"{page} is no known page; `askpage pages list` shows them")
    try:
        asked = [one for given in principals or () for one in parse_readers(given).principals or ()]
    except UnreadableReaders as error:
        raise typer.BadParameter(str(error)) from None
    rules = ReaderRules(settings.page_readers).explain(entry.url, entry.source)
    found = asyncio.run(_with_groups(settings, asked)) if asked else []
    ruling = judge(entry.readers, found) if principals else None
    if as_json:
        print_json(_describe(entry, rules, ruling))
        return
    lines = [f"{entry.url} may be read by {entry.readers}.", *(f"By a rule: {rule}" for rule in rules)]
    if ruling is not None:
        lines.append(f"{', '.join(asked)}: {'yes' if ruling.may else 'no'}, {ruling.why}.")
    for line in lines:
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def judge(readers: Readers, principals: Sequence[str]) -> Ruling:
    """Tell whether somebody with these principals may read what has these readers."""
    if readers.principals is None:
        return Ruling(True, (), "everyone may")
    shared = tuple(sorted(readers.principals.intersection(principals)))
    if shared:
        return Ruling(True, shared, f"the page names {', '.join(shared)}")
    if not readers.principals:
        return Ruling(False, (), "nobody may")
    return Ruling(False, (), f"the page names none of {', '.join(sorted(principals)) or 'these'}")


def _describe(entry: PageEntry, rules: Sequence[str], ruling: Ruling | None) -> dict[str, object]:
    told: dict[str, object] = {
        "url": entry.url,
        "readers": entry.readers.to_list(),
        "rules": list(rules),
    }
    if ruling is not None:
        told |= {"may": ruling.may, "by": list(ruling.by), "why": ruling.why}
    return told


async def _find(settings: Settings, url: str) -> PageEntry | None:
    bare = url.partition("#")[0]
    async with open_pages(settings, finished=False) as page_services:
        for spelling in (bare, bare.removesuffix("/") if bare.endswith("/") else f"{bare}/"):
            if entry := page_services.index.entry(spelling):
                return entry
    return None


async def _with_groups(settings: Settings, principals: Sequence[str]) -> list[str]:
    """Add the groups of the people of Entra among them, as the bot would find them. Raises OSError."""
    people = [one.removeprefix(_PERSON) for one in principals if one.startswith(_PERSON)]
    if not people or not settings.app_id:
        return list(principals)
    from bot.teams.channel import open_directory  # noqa: PLC0415 - the SDK takes seconds

    found = list(principals)
    directory = open_directory(settings)
    try:
        for person in people:
            found += [f"entra:group:{group}" for group in await directory.list_groups(person)]
    finally:
        await directory.close()
    return found
