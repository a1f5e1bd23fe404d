"""The command that replays the whole learning story on public questions: `askpage learn-demo`.

Read it from top to bottom: `_replay` is the play. Each round asks, rates and reviews through the bot's own
dialogs, builds a dataset, trains a candidate, measures it on articles that nobody ever asked about, and lets
it answer where it is no worse. Everything is done in a folder of its own, and nothing is done twice
(demo/checkpoint.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.bootstrap import open_pages, training_config
from bot.stores import open_store
from cli.console import Json, Tell, out, progress_bar, progress_out, show_step, time_step, with_settings
from cli.models.catalogue import bring_model
from cli.replay.handbook import QUICK as QUICK_HANDBOOK
from cli.replay.handbook import HandbookFiles, print_handbook, replay_handbook
from cli.tables import print_table
from core.settings import Settings
from demo.checkpoint import ALONE, Folder, Round
from demo.questions import Asked, Plan, Size, page_of, plan
from demo.rounds import Figures, Opens, ask_all, figures_of, open_alone, open_bot, play_round
from demo.simulated_users import People
from feedback.examples.dataset_card import Card
from jobs.update_model import build_dataset
from jobs.version_confidence import fit_now
from model.evaluation.metrics import DatasetInvalid, Judged, read_squad, score
from model.registry.rollout import promote, retire
from model.registry.versions import find_live_version
from model.training.launch import Training, train

DATA = Path("../shared/data/xquad/xquad.en.json")
QUICK = Size(rounds=1, limit=12, measured=8)
QUICK_TAKES = "This takes about three minutes on two cores that nobody else uses, two of them to train."
QUICK_TAKES_PAGES = "This takes one to two minutes on two cores that nobody else uses."
_QUICK_TRAINING = {"training_rank": 4, "training_epochs": 1, "training_validation_share": 0.0}
_COLUMNS = {
    "accuracy": "accuracy",
    "precision": "precision",
    "strict": "strict_accuracy",
    "F1": "f1",
    "found": "contained",
    "false no": "false_abstentions",
    "stars": "satisfaction",
    "p50 s": "latency_p50_s",
}
"""What stands over a column → the measure in it."""


@dataclass(frozen=True, slots=True)
class Play:
    """What is replayed, where, and with whom."""

    settings: Settings
    folder: Folder
    plan: Plan
    people: People


@with_settings
def learn_demo_command(  # noqa: PLR0913, PLR0917 - options
    settings: Settings,
    file: Annotated[
        Path | None, typer.Argument(help="Questions in SQuAD's format; without one, the public test data.")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of asking and learning.")] = 3,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Questions a round; 0 asks all.")] = 0,
    measured: Annotated[
        int, typer.Option("--measured", min=0, help="Held-out questions that measure; 0 takes all.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed for who asks what, and how they rate.")] = 7,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            help="Replay on the sources of --pages instead, with these questions over them, NAME.jsonl.",
        ),
    ] = None,
    paraphrases: Annotated[
        Path | None,
        typer.Option("--paraphrases", help="Other words for questions on those pages, NAME.jsonl."),
    ] = None,
    trains: Annotated[
        bool, typer.Option("--train", help="On pages: update the model after each round, too; hours.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Minutes, not hours, and it says how many."),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Folder of the replay; default: learn-demo in the data folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay how the bot learns, on public questions with simulated people: ask, rate, review, train.

    Give --questions to replay it on a folder of pages.
    """
    size = Size(rounds, limit, measured)
    where = Folder(folder or settings.data_dir / "learn-demo")
    own = _own(settings, where, quick=quick)
    if quick:
        progress_out.print(QUICK_TAKES_PAGES if questions else QUICK_TAKES)
    if questions:
        if file:
            raise typer.BadParameter("--questions is for pages: name no file in SQuAD's format beside it")
        # no article measures here: the job that updates the model keeps questions apart, as it always does
        own = own.copy_with(held_out_share=settings.examples.held_out_share, canary_share=1.0)
        dealt = (QUICK_HANDBOOK if quick else size, seed, trains)
        files = HandbookFiles(questions, paraphrases, quick)
        show = partial(print_handbook, where, replay_handbook(settings, own, where, files, dealt))
    elif paraphrases or trains:
        raise typer.BadParameter("--paraphrases and --train are for pages: give --questions, too")
    else:
        told = (file, QUICK if quick else size, seed)
        show = partial(_print, *_replay_articles(settings, own, where, told))
    if as_json:
        print((where.path / "results.json").read_text("utf-8"))  # noqa: T201 - the command's output
        return
    show()


def _replay_articles(
    settings: Settings, own: Settings, where: Folder, told: tuple[Path | None, Size, int]
) -> tuple[Figures, list[Round], Folder]:
    """Replay on the articles of a file, of a size and with a seed. Raises DatasetInvalid."""
    file, size, seed = told
    path = _questions_file(file)
    try:
        dealt = plan(read_squad(path), size, seed)
    except ValueError as error:
        raise DatasetInvalid(f"{path} cannot be replayed: {error}") from error
    where.begin([path], size, seed, asdict(training_config(own)))
    bring_model(settings, own)
    alone, done = _replay(Play(own, where, dealt, People(seed)))
    where.finish(alone, done, f"Learning from reviews, seed {seed}")
    return alone, done, where


def _questions_file(file: Path | None) -> Path:
    path = file or DATA
    if not path.is_file():
        raise DatasetInvalid(
            f"there is no file {path}. The replay needs questions with answers in SQuAD's format, as SQuAD "
            "and XQuAD "
            'are published: name one, as in "askpage learn-demo xquad.en.json"'
        )
    return path


def _own(settings: Settings, where: Folder, *, quick: bool) -> Settings:
    """Return the settings of the replay: its own store, pages and models, and every answer reviewed.

    Every question of the rounds may train, since other articles measure.
    """
    apart: dict[str, Any] = {
        "data_dir": where.data_dir,
        "pages": [],
        "page_index": "file",
        "cosmos_endpoint": "",
        "models_url": "",
        "app_id": "",
        "slack_signing_secret": "",
        "public_url": "",
        "questions_per_minute_per_person": 0,
        "questions_waiting_per_person": 0,
        "tracking_uri": "off",
        "sample_share": 1.0,
        "double_share": 0.0,
        "held_out_share": 0.0,
    }
    return settings.copy_with(**apart, **(_QUICK_TRAINING if quick else {}))


# The play


def _replay(play: Play) -> tuple[Figures, list[Round]]:
    """Do what is not done yet. Returns the figures of the untrained model by itself, and the rounds."""
    asyncio.run(_bring_pages(play))
    done = [play.folder.round(0) or _measure_untrained(play)]
    alone = _measure(play, done[0].live, "The model alone: measuring", "alone", open_alone)
    for number in range(1, len(play.plan.rounds) + 1):
        done.append(play.folder.round(number) or _round(play, number, done[-1].live))
    return alone, done


def _measure_untrained(play: Play) -> Round:
    base = find_live_version(play.settings.models_dir).name
    took: dict[str, float] = {}
    with time_step(took, "measuring"):
        figures = _measure(play, base, "Untrained: measuring")
    done = Round(0, base, base, False, 0, None, "", 0, (None, None), took, figures)
    play.folder.keep(done)
    return done


def _round(play: Play, number: int, live: str) -> Round:
    """Ask, learn and measure once more; `live` is the version that answered when the round began."""
    settings, asked = play.settings, play.plan.rounds[number - 1]
    took: dict[str, float] = {}
    called = f"Round {number} of {len(play.plan.rounds)}"
    with time_step(took, "asking"), show_step(f"{called}: asking, rating, reviewing", len(asked)) as tell:
        judged = asyncio.run(play_round(settings, play.people, number, asked, tell))
    with time_step(took, "examples"):
        card = _build_with_bar(settings, f"{called}: examples")
    with time_step(took, "training"):
        candidate = _train_with_bar(play, card, live, called)
    with time_step(took, "measuring"):
        chosen = (
            _accuracy(play, live, f"{called}: choosing"),
            _accuracy(play, candidate, f"{called}: choosing"),
        )
        figures = _measure(play, candidate, f"{called}: measuring")
    promoted = _decide(settings, candidate, chosen)
    stars = [play.people.stars(one, found) for one, found in zip(asked, judged, strict=True)]
    done = Round(
        number=number,
        candidate=candidate,
        live=candidate if promoted else live,
        promoted=promoted,
        asked=len(asked),
        satisfaction_of_askers=round(fmean(stars), 4),
        dataset=card.name,
        examples=card.examples,
        chosen=chosen,
        minutes=took,
        figures=figures,
    )
    play.folder.keep(done)
    return done


# Its steps


async def _bring_pages(play: Play) -> None:
    articles = play.plan.articles
    with show_step("Indexing the articles", len(articles)) as tell:
        async with open_pages(play.settings) as page_services:
            for article in articles:
                await page_services.index.add(page_of(article), source="articles")
                tell(1)


async def _build(settings: Settings, tell: Tell) -> Card:
    async with open_store(settings) as store:
        return await build_dataset(settings, store, lambda _, more: tell(more))


def _build_with_bar(settings: Settings, called: str) -> Card:
    with show_step(called, None) as tell:
        return asyncio.run(_build(settings, tell))


def _train_with_bar(play: Play, card: Card, parent: str, called: str) -> str:
    settings = play.settings
    dataset = settings.datasets_dir / card.name
    training = Training(dataset, settings.models_dir, training_config(settings), parent)
    with progress_bar() as bar:
        task = bar.add_task(called, total=1.0)

        def show(step: str, share: float) -> None:
            bar.update(task, description=f"{called}: {step}", completed=share)

        name = train(training, on_progress=show).name
        fit_now(settings, name, training.dataset, show)
        return name


def _measure(
    play: Play, version: str, called: str, what: str = "measuring", opens: Opens = open_bot
) -> Figures:
    asked = play.plan.measuring
    return figures_of(play.people, asked, _ask_with_bar(play, version, what, asked, called, opens))


def _accuracy(play: Play, version: str, called: str) -> float | None:
    return score(_ask_with_bar(play, version, "choosing", play.plan.choosing, called)).accuracy


def _ask_with_bar(
    play: Play, version: str, what: str, asked: Sequence[Asked], called: str, opens: Opens = open_bot
) -> list[Judged]:
    kept = play.folder.scores_of(version, what)
    with show_step(called, len(asked)) as tell:
        return asyncio.run(ask_all(play.settings, version, opens, asked, kept, tell))


def _decide(settings: Settings, candidate: str, chosen: tuple[float | None, float | None]) -> bool:
    """Let a candidate answer that is no worse on the questions that choose; retire another one."""
    before, after = chosen
    better = (after or 0.0) >= (before or 0.0)
    (promote if better else retire)(settings.models_dir, candidate)
    return better


# What is shown


def _print(alone: Figures, done: Sequence[Round], where: Folder) -> None:
    table = Table("#", "asked", "learned", *_COLUMNS, "live", box=None, padding=(0, 1, 0, 0))
    table.add_row("–", "", "", *_cells(alone), "")
    for one in done:
        stands = "yes" if one.promoted or not one.number else "worse"
        table.add_row(str(one.number), str(one.asked), str(one.examples), *_cells(one.figures), stands)
    print_table(table)
    out.print(f"Measured on {done[0].figures['count']} questions of articles that nobody asked about.")
    out.print(f"–: the {ALONE}, without what the bot does around it. 0: the bot before it has learned.")
    for name in ("results.json", "curve.svg"):
        out.print(str(where.path / name), markup=False, highlight=False, soft_wrap=True)
    out.print("\nLook at its store, pages and models with the same commands as at your own:")
    shown = f"ASKPAGE_DATA_DIR={where.data_dir.resolve()} ASKPAGE_PAGES= askpage serve"
    out.print(shown, markup=False, highlight=False, soft_wrap=True)


def _cells(figures: Figures) -> list[str]:
    found = [figures.get(name) for name in _COLUMNS.values()]
    return ["–" if value is None else f"{value:.2f}" for value in found]
