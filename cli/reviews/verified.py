"""The commands about verified answers: `askpage verified list | show | edit | withdraw`.

They work on the store, beside a bot that runs: it serves nothing that was withdrawn from that moment on, and
shows what follows on cards and in chats when it next looks (`review_interval_s`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.cards.places import (
    AUTO,
    FIND_IT,
    NO_PLACE,
    NONE,
    NOT_FOUND,
    NoSuchPlace,
    find_choice,
    find_place,
    list_choices,
    list_places,
    read_served_draft,
)
from bot.dialogs.review import Refused
from bot.dialogs.rulings import build_correction
from cli.console import Json, out, print_json, with_settings
from cli.reviews.context import open_context
from cli.tables import print_table
from core.records import Answer, ChangeKind, Citation, Review, RulingChange
from core.settings import Settings
from core.text import CHANGED, RULED, clip_text, strip_markers
from core.translation import say
from feedback.metrics.verified_use import USE_DAYS, count_use
from feedback.privacy.audit import AuditAction
from feedback.reviews.ruling_changes import PastRuling, read_history
from feedback.reviews.verified_catalogue import CatalogueEntry, CatalogueFilter, list_verified, read_entries
from feedback.store.base import StoreError, moment

verified_app = typer.Typer(help="Verified answers: list, show, edit, withdraw.", no_args_is_help=True)

NAME = "An operator"
_TEXT = 60
_ID = 10
"""So many letters of an answer's id are shown in a table."""
AnswerId = Annotated[str, typer.Argument(help="The id that `askpage verified list` shows, or its beginning.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the record.")]


# Reading


@dataclass(frozen=True, slots=True)
class Listed:
    """A verified answer with how many people it served in USE_DAYS days."""

    entry: CatalogueEntry
    served: int


@dataclass(frozen=True, slots=True)
class _Use:
    """How often a verified answer must have been served: at least, or never."""

    least: int
    unused: bool

    def fits(self, served: int) -> bool:
        return served >= self.least and not (self.unused and served)


@verified_app.command("list")
@with_settings
def list_command(  # noqa: PLR0913, PLR0917 - options
    settings: Settings,
    about: Annotated[str, typer.Option("--about", help="Words of the question, answer or place.")] = "",
    page: Annotated[str, typer.Option("--page", help="A part of a page's address or title.")] = "",
    reviewer: Annotated[str, typer.Option("--reviewer", help="A part of the reviewer's name.")] = "",
    newer_than: Annotated[int | None, typer.Option("--newer-than", min=0, help="Days.")] = None,
    older_than: Annotated[int | None, typer.Option("--older-than", min=0, help="Days.")] = None,
    served_least: Annotated[
        int, typer.Option("--served-least", min=0, help="At least this many people got it.")
    ] = 0,
    unused: Annotated[bool, typer.Option("--unused", help="Only answers that nobody got.")] = False,
    as_json: Json = False,
) -> None:
    """List the verified answers, newest first."""
    now = datetime.now(UTC)
    wanted = CatalogueFilter(about, page, since=_days_ago(now, newer_than), until=_days_ago(now, older_than))
    found = [
        one
        for one in asyncio.run(_list(settings, wanted, _Use(served_least, unused)))
        if reviewer.casefold() in one.entry.name.casefold()
    ]
    if as_json:
        print_json({"verified": [to_json(one) for one in found]})
        return
    _print_list(found)


def _days_ago(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


async def _list(settings: Settings, wanted: CatalogueFilter, use: _Use) -> Sequence[Listed]:
    async with open_context(settings) as context:
        await context.record(AuditAction.READ_VERIFIED)
        served = await count_use(context.store, context.store.documents, datetime.now(UTC))
        entries = await read_entries(context.repository, await list_verified(context.repository, wanted))
    listed = [Listed(one, served.get(moment(one.verified.verified_at), 0)) for one in entries]
    return [one for one in listed if use.fits(one.served)]


def to_json(one: Listed) -> dict[str, Any]:
    """Return a verified answer as `--json` prints it."""
    verified = one.entry.verified
    return {
        "answer": verified.answer_id,
        "question": verified.question_text,
        "text": strip_markers(verified.text),
        "not_on_the_pages": verified.abstained,
        "places": [{"url": place.url, "quote": place.quote} for place in verified.citations],
        "pages": [url for url, _ in verified.pages],
        "reviewer": one.entry.name,
        "verified_at": moment(verified.verified_at),
        "round": one.entry.review.round,
        "served": one.served,
    }


def _print_list(found: Sequence[Listed]) -> None:
    table = Table("Id", "Question", "Answer", "By", "Since")
    table.add_column(f"Served\nin {USE_DAYS} days", justify="right")
    for one in found:
        verified = one.entry.verified
        said = "(not on the pages)" if verified.abstained else strip_markers(verified.text)
        texts = (_shorten(verified.question_text), _shorten(said), _shorten(one.entry.name))
        table.add_row(verified.answer_id[:_ID], *texts, f"{verified.verified_at:%Y-%m-%d}", str(one.served))
    if found:
        print_table(table)
    else:
        out.print("No verified answer is like that.", highlight=False)


def _shorten(text: str) -> str:
    return clip_text(" ".join(text.encode("utf-8", "replace").decode().split()), _TEXT)


@verified_app.command("show")
@with_settings
def show_command(settings: Settings, answer: AnswerId, as_json: Json = False) -> None:
    """Show one verified answer: what people get, where the page says it, and its history."""
    shown, history, places = asyncio.run(_show(settings, answer))
    if as_json:
        steps = [_step_to_json(step) for step in history]
        offered = {value: place.quote for value, place in places}
        print_json(to_json(shown) | {"history": steps, "can_stand_on": offered})
        return
    for sentence in _describe(shown, history, places):
        out.print(sentence, markup=False, highlight=False, soft_wrap=True)


Places = Sequence[tuple[str, Citation]]


async def _show(settings: Settings, beginning: str) -> tuple[Listed, Sequence[PastRuling], Places]:
    async with open_context(settings) as context:
        entry = await context.find(beginning)
        answer = await context.read_answer(entry.review)
        await context.record(AuditAction.OPENED, answer)
        served = await count_use(context.store, context.store.documents, datetime.now(UTC))
        history = await read_history(context.repository, answer.id)
    places = list_places(answer, read_served_draft(entry.verified).text)
    return Listed(entry, served.get(moment(entry.verified.verified_at), 0)), history, places


def _step_to_json(step: PastRuling) -> dict[str, Any]:
    ended = step.ended
    change = None
    if ended is not None:
        at = moment(ended.changed_at)
        change = {"what": str(ended.kind), "by": ended.reviewer_name, "at": at, "reason": ended.reason}
    return {
        "round": step.round,
        "since": moment(step.since),
        "ruling": str(step.ruling.ruling),
        "by": step.ruling.reviewer_name,
        "text": step.ruling.text,
        "holds": step.holds,
        "ended": change,
    }


def _describe(shown: Listed, history: Sequence[PastRuling], places: Places) -> list[str]:
    verified = shown.entry.verified
    said = "That is not on the pages." if verified.abstained else strip_markers(verified.text)
    lines = [
        f"Question: {verified.question_text}",
        f"People get: {said}",
        *(_say_place(place) for place in verified.citations),
        f"Served {shown.served} times in {USE_DAYS} days.",
    ]
    for step in history:
        text = f": “{step.ruling.text}”" if step.ruling.text else ""
        lines.append(f"{_stamp(step.since)} {step.ruling.reviewer_name} {RULED[step.ruling.ruling]}{text}")
        if step.ended is not None:
            why = f" ({step.ended.reason})" if step.ended.reason else ""
            done = f"{step.ended.reviewer_name} {CHANGED[step.ended.kind]}{why}"
            lines.append(f"{_stamp(step.ended.changed_at)} {done}")
    return [
        *lines,
        "Places for `edit --place`:",
        f"  {AUTO}  {say(FIND_IT)}",
        *(f"  {value}  “{place.quote}”" for value, place in places),
        f"  {NONE}  {say(NO_PLACE)}",
    ]


def _say_place(place: Citation) -> str:
    return f"Based on {place.url}: “{place.quote}”"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC:"


# Changing


@verified_app.command("edit")
@with_settings
def edit_command(
    settings: Settings,
    answer: AnswerId,
    text: Annotated[str, typer.Option("--text", help="The text that people will get.")],
    place: Annotated[
        str,
        typer.Option("--place", help="Where the page says it: `auto`, `none`, or a place that `show` lists."),
    ] = "",
    reason: Reason = "",
) -> None:
    """Replace the text of a verified answer; the old text stays in its history."""
    if not text.strip():
        raise typer.BadParameter("The text is empty; to serve nothing, use `askpage verified withdraw`.")
    review = asyncio.run(_edit(settings, answer, (text.strip(), place), reason))
    cited = review.verdicts[-1].citation
    live = (
        "It is served from now on."
        if review.settled_at
        else "A second reviewer is asked before it is served."
    )
    based = _say_place(cited) if cited else say(NOT_FOUND)
    for sentence in (live, based):
        out.print(sentence, markup=False, highlight=False, soft_wrap=True)


async def _edit(settings: Settings, beginning: str, said: tuple[str, str], reason: str) -> Review:
    async with open_context(settings) as context:
        entry = await context.find(beginning)
        citation = _choose_place(await context.read_answer(entry.review), entry, *said)
        change = _make_change(context.operator, ChangeKind.EDITED, reason)
        verdict = replace(build_correction(change, said[0]), citation=citation)
        try:
            return await context.taking_back.edit(
                entry.verified.answer_id, entry.review.round, change, verdict
            )
        except Refused as refused:
            raise StoreError(str(refused)) from refused


def _choose_place(answer: Answer, entry: CatalogueEntry, text: str, place: str) -> Citation | None:
    """Return where a new text stands: the named place; else that of the text before, where it says this, too.

    A place that somebody chose for a text that it does not say by its words is kept.
    """
    before = read_served_draft(entry.verified)
    if not place and find_choice(answer, before) != AUTO:
        return before.place
    try:
        return find_place(answer, place, replace(before, text=text))
    except NoSuchPlace as error:
        known = ", ".join(value for value, _ in list_choices(answer))
        raise StoreError(f"There is no place {place!r}: choose one of {known or NONE}.") from error


@verified_app.command("withdraw")
@with_settings
def withdraw_command(settings: Settings, answer: AnswerId, reason: Reason = "") -> None:
    """Withdraw a verified answer; its review is open again."""
    asyncio.run(_withdraw(settings, answer, reason))
    out.print("It is served no more, and its review is open again.")


async def _withdraw(settings: Settings, beginning: str, reason: str) -> Review:
    async with open_context(settings) as context:
        entry = await context.find(beginning)
        change = _make_change(context.operator, ChangeKind.WITHDRAWN, reason)
        try:
            return await context.taking_back.take_back(entry.verified.answer_id, entry.review.round, change)
        except Refused as refused:
            raise StoreError(str(refused)) from refused


def _make_change(operator: str, kind: ChangeKind, reason: str) -> RulingChange:
    source = f"command {secrets.token_hex(8)}"
    return RulingChange(kind, operator, NAME, datetime.now(UTC), reason.strip(), source=source)
