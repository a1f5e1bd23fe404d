"""The commands about what the bot learns from: `askpage examples build | show | list | diff`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from bot.stores import open_store
from cli.console import Json, out, print_json, progress_bar, with_settings
from cli.tables import print_table
from core.settings import Settings
from feedback.examples.dataset import difference, find_dataset, list_datasets, read_card
from feedback.examples.dataset_card import Card

examples_app = typer.Typer(
    help="Datasets of training examples, made from reviewed answers.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A dataset's name, or the beginning of it; latest is the newest.")]
_MOST_LISTED = 20


@examples_app.command("build")
@with_settings
def examples_build(settings: Settings, as_json: Json = False) -> None:
    """Build a dataset from all reviews; the same reviews always give the same dataset."""
    card = asyncio.run(_build(settings))
    if as_json:
        print_json(asdict(card))
        return
    _print_card(card)
    out.print(f"\nThe dataset lies in {settings.datasets_dir / card.name}.", markup=False, soft_wrap=True)


async def _build(settings: Settings) -> Card:
    from jobs.update_model import build_dataset  # noqa: PLC0415 - seconds, which the other commands need not take

    with progress_bar() as bar:
        task = bar.add_task("Opening the store", total=None)
        done = {"": 0}

        def tell(step: str, more: int) -> None:
            done[step] = done.get(step, 0) + more
            bar.update(task, description=step, completed=done[step])

        async with open_store(settings) as store:
            return await build_dataset(settings, store, tell)


@examples_app.command("show")
@with_settings
def examples_show(settings: Settings, name: Name = "latest", as_json: Json = False) -> None:
    """Show a dataset's card: what is in it, what was left out, and what it does not cover."""
    card = read_card(find_dataset(settings.datasets_dir, name))
    if as_json:
        print_json(asdict(card))
        return
    _print_card(card)


def _print_card(card: Card) -> None:
    here = card.examples - card.erased
    gone = f", {card.erased} of them erased since" if card.erased else ""
    out.print(
        f"Dataset {card.name}, made {card.made_at}: {card.examples} examples from {card.reviews} "
        f"reviews{gone}; {here} are here, {card.held_out} were held out. {card.waiting} reviews wait.",
        markup=False,
        highlight=False,
    )
    for part, counts in card.by.items():
        out.print(f"by {part}: {_counts(counts)}", markup=False, highlight=False)
    if card.made:
        out.print(f"made from them: {_counts(card.made)}", markup=False, highlight=False)
    out.print(f"left out: {_counts(card.left_out) or 'nothing'}", markup=False, highlight=False)
    out.print(f"people: {_counts(card.people)}", markup=False, highlight=False)
    if card.unsupported:
        said = f"{card.unsupported} completions say mostly what their passages do not."
        out.print(said, markup=False, highlight=False)
    _print_topics(card)
    for answer_id, found in card.set_aside.items():
        out.print(f"set aside: {answer_id} ({', '.join(found)})", markup=False, highlight=False)
    for sentence in card.missing:
        out.print(f"missing: {sentence}", style="yellow", markup=False, highlight=False)


def _print_topics(card: Card) -> None:
    topics = card.covered.get("topic", {})
    if not topics:
        return
    table = Table("Topic", f"Asked (of {card.sampled})", "Examples")
    for name, one in sorted(topics.items(), key=lambda item: -item[1].asked):
        table.add_row(name, str(one.asked), str(one.examples))
    print_table(table)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


@examples_app.command("list")
@with_settings
def examples_list(settings: Settings, as_json: Json = False) -> None:
    """List the datasets, oldest first."""
    cards = list_datasets(settings.datasets_dir)
    if as_json:
        fields = ("name", "made_at", "examples", "held_out", "erased", "masked")
        print_json([{name: getattr(card, name) for name in fields} for card in cards])
        return
    if not cards:
        out.print("There is no dataset yet: `askpage examples build` makes one of what reviewers decided.")
        return
    table = Table("Dataset", "Made", "Examples", "Held out", "Erased")
    for card in cards:
        table.add_row(card.name, card.made_at, *(str(n) for n in (card.examples, card.held_out, card.erased)))
    print_table(table)


@examples_app.command("diff")
@with_settings
def examples_diff(settings: Settings, before: Name, after: Name = "latest", as_json: Json = False) -> None:
    """Compare two datasets: what each has that the other does not."""
    folders = [find_dataset(settings.datasets_dir, name) for name in (before, after)]
    found = asdict(difference(*folders))
    if as_json:
        print_json({"before": folders[0].name, "after": folders[1].name, **found})
        return
    for what, answers in found.items():
        out.print(f"{len(answers)} {what}", markup=False, highlight=False)
        for answer_id, kind in list(answers.items())[:_MOST_LISTED]:
            out.print(f"  {answer_id} ({kind})", markup=False, highlight=False)
        if len(answers) > _MOST_LISTED:
            out.print(f"  and {len(answers) - _MOST_LISTED} more", highlight=False)
