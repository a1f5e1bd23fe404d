"""The replay of learning over a folder of pages: `askpage learn-demo --pages FOLDER --questions FILE`.

Read it from top to bottom: `replay_handbook` is the play. In each round people ask the questions of one half
of the pages and reviewers rule on the answers (demo/handbook_rounds.py); then the jobs run that learn from
rulings; then everything is measured (demo/handbook_figures.py): questions of the other half, what was asked,
other words for it, and questions on other pages. Everything is done in a folder of its own, and nothing is
done twice (demo/handbook_results.py).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from bot.app import DOCS
from bot.bootstrap import open_pages, training_config
from cli.console import out, show_step, time_step
from cli.measure import index_pages, settings_beside
from cli.models.catalogue import bring_model
from cli.tables import print_table
from core.files import whole_folder
from core.settings import Settings
from demo.checkpoint import Folder
from demo.handbook import HandbookPlan, deal, read_paraphrases
from demo.handbook_figures import (
    Measured,
    compare,
    compute_figures,
    compute_lag,
    compute_reach,
    measure_reach,
    measure_set,
    read_measured,
)
from demo.handbook_results import (
    SETS,
    HandbookRound,
    finish,
    keep_round,
    list_changes,
    list_rows,
    read_round,
)
from demo.handbook_rounds import HandbookStage, open_handbook_stage, play_handbook_round, read_lags
from demo.questions import Size
from demo.simulated_users import People, References
from jobs.registry import JOBS
from jobs.scheduling.runner import run_job
from model.evaluation.metrics import DatasetInvalid
from model.evaluation.question_sets import PageQuestion, read_questions

QUICK, QUICK_PAGES = Size(rounds=1, limit=10, measured=8), 60
"""The quick replay: few questions, and of a folder the pages that they need, and others up to so many."""
NEWCOMERS = DOCS.parent / "benchmarks" / "newcomers.jsonl"
"""Questions on the project's own docs, which are indexed beside the pages; nobody asks them in a round."""
UPDATE = "update_model"
HOUSEKEEPING = frozenset(
    {
        "sample_reviews",
        "send_reviews",
        "refresh_pages",
        "drain_spool",
        "roll_up_metrics",
        "apply_retention",
        "watch_canary",
        "send_to_data_explorer",
    }
)
"""Jobs that learn nothing from rulings; all others run between two rounds, `update_model` if it is wished."""


@dataclass(frozen=True, slots=True)
class HandbookFiles:
    """What is replayed: a file of questions over pages, and paraphrases of some; None for none.

    `quick`: of the pages only some are indexed, and the project's own docs are left out.
    """

    questions: Path
    paraphrases: Path | None
    quick: bool = False

    @property
    def all(self) -> list[Path]:
        """The files that there are."""
        return [self.questions, *filter(None, [self.paraphrases])]


@dataclass(frozen=True, slots=True)
class HandbookPlay:
    """What is replayed, where, and with whom. `train`: the model is updated between two rounds, too."""

    settings: Settings
    folder: Folder
    plan: HandbookPlan
    people: People
    train: bool

    @property
    def lags(self) -> Path:
        """Where it is kept how soon each correction was served."""
        return self.folder.path / "lags.jsonl"

    def scores(self, number: int, what: str) -> Path:
        """Return where the answers to a set of questions after a round are kept."""
        return self.folder.path / "scores" / f"{number}.{what}.jsonl"


def replay_handbook(
    installed: Settings, own: Settings, folder: Folder, files: HandbookFiles, dealt: tuple[Size, int, bool]
) -> list[HandbookRound]:
    """Play all rounds that are not over, and draw the results.

    `installed` are the settings as they were given, with the pages; `own` those of the replay. `dealt` is the
    size, the seed, and whether the model is updated. Raises DatasetInvalid.
    """
    size, seed, trains = dealt
    try:
        paraphrases = read_paraphrases(files.paraphrases) if files.paraphrases else []
        questions = read_questions(files.questions)
        apart = _read_apart({one.question for one in questions}) if not files.quick else []
        plan = deal(questions, paraphrases, apart, size, seed)
    except DatasetInvalid:
        raise
    except ValueError as error:
        raise DatasetInvalid(f"{files.questions} cannot be replayed: {error}") from error
    recipe = {"pages": installed.pages, "train": trains, "training": asdict(training_config(own))}
    folder.begin(files.all, size, seed, recipe)
    bring_model(installed, own)
    if not own.index_dir.exists():
        pages = copy_some_pages(installed.pages, plan, folder.path) if files.quick else installed.pages
        _bring_index(installed.copy_with(pages=[*pages, *([str(DOCS)] if apart else [])]), own, plan)
    play = HandbookPlay(own, folder, plan, People(seed), trains)
    rounds: list[HandbookRound] = []
    for number in range(size.rounds + 1):
        done = read_round(folder.path, number) or _play_round(play, number)
        rounds.append(done)
    finish(folder.path, rounds, f"Learning on {Path(installed.pages[0]).name}, seed {seed}")
    return rounds


def _read_apart(others: Collection[str]) -> list[PageQuestion]:
    """Return the questions on the project's own docs, where they are here, without those that are asked."""
    found = read_questions(NEWCOMERS) if NEWCOMERS.is_file() else []
    return [one for one in found if one.question not in others]


def copy_some_pages(sources: Sequence[str], plan: HandbookPlan, folder: Path) -> list[str]:
    """Copy of each folder of pages those that questions name, and others up to 60; return the copies.

    A source that is no folder stays as it is.
    """
    named = plan.list_pages()
    found: list[str] = []
    for source in map(Path, sources):
        if not source.is_dir():
            found.append(str(source))
            continue
        files = sorted(path for path in source.rglob("*") if path.is_file())
        files.sort(key=lambda path: path.relative_to(source).as_posix() not in named)
        copy = folder / "some" / source.name
        for file in files[: max(QUICK_PAGES, len(named))]:
            place = copy / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        found.append(str(copy))
    return found


def _bring_index(sources: Settings, own: Settings, plan: HandbookPlan) -> None:
    """Copy the index of the pages, which is kept beside the instance's own and made where there is none."""
    apart = sources.copy_with(page_index="file")
    asyncio.run(_index(apart, plan))
    own.data_dir.mkdir(parents=True, exist_ok=True)
    with whole_folder(own.index_dir) as part:
        shutil.copytree(settings_beside(apart).index_dir, part, dirs_exist_ok=True)


async def _index(sources: Settings, plan: HandbookPlan) -> None:
    """Index the pages. Raises DatasetInvalid where the questions are about none of them."""
    async with open_pages(settings_beside(sources)) as page_services:
        await index_pages(page_services, sources)
        references = References(page_services.index, page_services.embedder)
        named = {one.page for one in (*plan.other, *plan.again)}
        if not any(map(references.find_url, named)):
            raise DatasetInvalid(
                f"the questions name pages as {min(named)}, and {', '.join(sources.pages)} has none of them: "
                "name their folder with --pages"
            )


# The play


def _play_round(play: HandbookPlay, number: int) -> HandbookRound:
    """Ask and rule, learn, and measure; round 0 only measures."""
    took: dict[str, float] = {}
    rulings: dict[str, int] = {}
    jobs: dict[str, str] = {}
    if number:
        with time_step(took, "asking"):
            rulings = asyncio.run(_ask_and_rule(play, number))
        with time_step(took, "jobs"):
            jobs = asyncio.run(_run_jobs(play, number))
    with time_step(took, "measuring"):
        sets, reach = asyncio.run(_measure(play, number))
    untaught = {name: read_measured(play.scores(0, name)) for name in sets} if number else {}
    done = HandbookRound(
        number=number,
        rulings=rulings,
        jobs=jobs,
        sets={name: compute_figures(measured) for name, measured in sets.items()},
        reach=compute_reach(reach),
        lag=compute_lag(read_lags(play.lags, number)),
        changes={name: compare(_pick(known, sets[name]), sets[name]) for name, known in untaught.items()},
        minutes=took,
    )
    keep_round(play.folder.path, done)
    return done


async def _ask_and_rule(play: HandbookPlay, number: int) -> dict[str, int]:
    asked = play.plan.rounds[number - 1]
    called = f"Round {number} of {len(play.plan.rounds)}: asking and reviewing"
    async with open_handbook_stage(play.settings, play.people) as stage:
        with show_step(called, len(asked)) as tell:
            return await play_handbook_round(stage, number, asked, play.lags, tell)


async def _run_jobs(play: HandbookPlay, number: int) -> dict[str, str]:
    """Run what learns from rulings; return how each ended."""
    names = [name for name in JOBS if name not in HOUSEKEEPING and (play.train or name != UPDATE)]
    ended: dict[str, str] = {}
    if not names:
        return ended
    with show_step(f"Round {number}: the jobs of the night", len(names)) as tell:
        for name in names:
            said = await run_job(name, JOBS[name].load(), play.settings)
            ended[name] = f"{said['outcome']} {said.get('error', '')}".strip()
            tell(1)
    return ended


async def _measure(
    play: HandbookPlay, number: int
) -> tuple[dict[str, list[Measured]], Sequence[dict[str, object]]]:
    async with open_handbook_stage(play.settings, play.people) as stage:
        sets = {
            name: await _measure_set(play, number, name, stage) for name in SETS if getattr(play.plan, name)
        }
        lines = play.plan.paraphrases
        with show_step(f"{_name_round(number)}: other words for it", len(lines)) as tell:
            kept = play.scores(number, "reach")
            reach = await measure_reach(stage, play.plan, number, kept, tell)
    return sets, [dict(row) for row in reach]


async def _measure_set(play: HandbookPlay, number: int, name: str, stage: HandbookStage) -> list[Measured]:
    questions: Sequence[PageQuestion] = getattr(play.plan, name)
    with show_step(f"{_name_round(number)}: {SETS[name].lower()}", len(questions)) as tell:
        return await measure_set(stage, questions, play.scores(number, name), tell)


def _pick(known: Mapping[str, Measured], measured: Sequence[Measured]) -> list[Measured]:
    """Return what came of the same questions before the first round."""
    return [known[one.id] for one in measured]


def _name_round(number: int) -> str:
    return f"After round {number}" if number else "Before the first round"


# What is shown


def print_handbook(folder: Folder, rounds: Sequence[HandbookRound]) -> None:
    """Print the figures of all rounds, a line for each."""
    table = Table(
        "after round",
        *(str(one.number or "before") for one in rounds),
        "95 %",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for row in list_rows(rounds):
        table.add_row(row.name, *row.values, row.interval)
    print_table(table)
    out.print("95 %: where the true share after the last round lies in 95 of 100 samples (of so many).")
    for change in list_changes(rounds):
        out.print(change, highlight=False)
    for name in ("results.json", "curve.svg", "report.html"):
        out.print(str(folder.path / name), markup=False, highlight=False, soft_wrap=True)
