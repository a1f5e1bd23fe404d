"""The commands about what the bot learns from: `askpage examples build | show | list | diff`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.table import Table

from bot.stores import open_store
from cli.console import Json, out, progress_bar
from cli.options import with_settings
from core.settings import Settings
from feedback.examples.build import Work, build
from feedback.examples.collect import Tell
from feedback.examples.convert import ExampleRules, Mask
from feedback.examples.dataset import DatasetError, difference, find_dataset, list_datasets, read_card
from feedback.examples.dataset_card import Card
from feedback.examples.trust import RatingScale
from feedback.privacy.deletion_log import left_out
from feedback.reviews.repository import Desk
from jobs.registry import Store
from model.text import prompt
from model.text.question import is_follow_up
from pages.index.embeddings import Embedder

examples_app = typer.Typer(
    help="The datasets of training examples that reviewed answers make.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A dataset's name, or the beginning of it; latest is the newest.")]
_MOST_LISTED = 20
_SAID = 3
"""Texts of an example that people wrote; those of its page follow."""
_NO_MASKING = (
    "Personal data cannot be masked here, so no example is made of anything: install askpage with the extra `training`"
    ' (pip install -e ".[cpu,import,training]").'
)


@examples_app.command("build")
@with_settings
def examples_build(settings: Settings, as_json: Json = False) -> None:
    """Make a dataset of everything that is reviewed; the same reviews make the same dataset."""
    card = asyncio.run(_build(settings))
    if as_json:
        print(json.dumps(asdict(card)))  # noqa: T201 - the command's output
        return
    _print_card(card)
    out.print(f"\nThe dataset lies in {settings.datasets_dir / card.name}.", markup=False, soft_wrap=True)


async def _build(settings: Settings) -> Card:
    with progress_bar() as bar:
        task = bar.add_task("Opening the store", total=None)
        done = {"": 0}

        def tell(step: str, more: int) -> None:
            done[step] = done.get(step, 0) + more
            bar.update(task, description=step, completed=done[step])

        async with open_store(settings) as store:
            return await build_dataset(settings, store, tell)


async def build_dataset(settings: Settings, store: Store, tell: Tell) -> Card:
    """Make the dataset of everything that is reviewed, masked. Raises DatasetError, StoreError and OSError."""
    embedder = await asyncio.to_thread(Embedder)
    masks = await asyncio.to_thread(masking)
    work = Work(datetime.now(UTC), embedder.embed, tell, opted_out=partial(left_out, store.documents))
    rules = replace(example_rules(settings), mask=masks)
    return await build(store, Desk(store.documents), settings.datasets_dir, rules, work)


def masking() -> Mask:
    """Return what masks the texts of one example: the question, the completion, what was rejected, and the page's.

    What stands on the page stays, also where the question says it. Raises DatasetError where nothing can be masked here:
    then nothing is kept for training.
    """
    try:
        from feedback.masking.masker import Masker, MaskingModelMissing  # noqa: PLC0415 - seconds, and packages of its own
    except ModuleNotFoundError as error:
        raise DatasetError(_NO_MASKING) from error
    try:
        masker = Masker()
    except MaskingModelMissing as error:
        raise DatasetError(_NO_MASKING) from error

    def mask(texts: Sequence[str]) -> Sequence[str]:
        said, page = texts[:_SAID], texts[_SAID:]
        return [*(one.text for one in masker.masked_together(said, public=" ".join(page))), *page]

    return mask


def example_rules(settings: Settings) -> ExampleRules:
    """Return what becomes an example, in the model's words."""
    return ExampleRules(
        not_on_page=prompt.NOT_ON_PAGE,
        label_version=prompt.LABEL_VERSION,
        completes=prompt.to_completion,
        follows=is_follow_up,
        hosts=frozenset({urlsplit(settings.public_url).hostname or ""}),
        trainable=frozenset(settings.trainable_channels),
        scale=RatingScale(
            frozenset(settings.reactions_up), frozenset(settings.reactions_down), settings.few_stars
        ),
        held_out_share=settings.held_out_share,
        per_asker=settings.examples_per_asker,
        per_reviewer=settings.examples_per_reviewer,
    )


@examples_app.command("show")
@with_settings
def examples_show(settings: Settings, name: Name = "latest", as_json: Json = False) -> None:
    """Show a dataset's card: what is in it, what was left out, whose questions it does not know."""
    card = read_card(find_dataset(settings.datasets_dir, name))
    if as_json:
        print(json.dumps(asdict(card)))  # noqa: T201 - the command's output
        return
    _print_card(card)


def _print_card(card: Card) -> None:
    here = card.examples - card.erased
    gone = f", {card.erased} of them erased since" if card.erased else ""
    out.print(
        f"Dataset {card.name}, made {card.made_at}: {card.examples} examples from {card.reviews} reviews{gone}; "
        f"{here} are here, {card.held_out} were held out. {card.waiting} reviews wait.",
        markup=False,
        highlight=False,
    )
    for part, counts in card.by.items():
        out.print(f"by {part}: {_counts(counts)}", markup=False, highlight=False)
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
    out.print(table)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


@examples_app.command("list")
@with_settings
def examples_list(settings: Settings, as_json: Json = False) -> None:
    """List the datasets, the oldest first."""
    cards = list_datasets(settings.datasets_dir)
    if as_json:
        fields = ("name", "made_at", "examples", "held_out", "erased", "masked")
        print(json.dumps([{name: getattr(card, name) for name in fields} for card in cards]))  # noqa: T201
        return
    table = Table("Dataset", "Made", "Examples", "Held out", "Erased")
    for card in cards:
        table.add_row(card.name, card.made_at, *(str(n) for n in (card.examples, card.held_out, card.erased)))
    out.print(table)


@examples_app.command("diff")
@with_settings
def examples_diff(settings: Settings, before: Name, after: Name = "latest", as_json: Json = False) -> None:
    """Compare two datasets: what the second one has that the first has not, and the other way round."""
    folders = [find_dataset(settings.datasets_dir, name) for name in (before, after)]
    found = asdict(difference(*folders))
    if as_json:
        print(json.dumps({"before": folders[0].name, "after": folders[1].name, **found}))  # noqa: T201
        return
    for what, answers in found.items():
        out.print(f"{len(answers)} {what}", markup=False, highlight=False)
        for answer_id, kind in list(answers.items())[:_MOST_LISTED]:
            out.print(f"  {answer_id} ({kind})", markup=False, highlight=False)
        if len(answers) > _MOST_LISTED:
            out.print(f"  and {len(answers) - _MOST_LISTED} more", highlight=False)
