"""Compares a candidate with the live version, before anybody meets it: better, and nowhere worse.

Run as: python -m model.evaluation.gate DATASET_FOLDER --candidate NAME [--live NAME] [--models-dir DIR] ...

Read it from top to bottom: `compare` is the job. Both versions are loaded in this process, which is not the
one that answers people, and are asked the same questions in turn (`model/evaluation/test_sets.py`,
`model/evaluation/compare.py`, which sets their figures side by side), and held against the bar
(`model/evaluation/result.py`). The finding is written into the candidate's folder as
`report.html` and, last, `report.json`: where that is there for the same trial, nothing is asked again.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from core.files import compute_sha256, keep_private
from core.phrases import write_phrases
from core.records import Comparison
from core.subprocess_step import Report, add_options, end_with_parent, parse_options, parse_request
from model.answering.chain import LoadedModel
from model.evaluation.compare import (
    Pair,
    Tell,
    ask_both,
    collect_seconds,
    compute_figures,
    count_outcomes,
    find_worst,
    group_accuracy,
)
from model.evaluation.launch import Comparing
from model.evaluation.report import draw_plots, write_report
from model.evaluation.result import GateCriteria, GateResult, decide, read_result
from model.evaluation.test_sets import (
    INJECTIONS,
    REGRESSION,
    Part,
    Probe,
    plant_injections,
    read_held_out,
    read_regression,
)
from model.onnx_infer import EngineError, EngineOptions
from model.registry.loading import ModelChoice, make_loaded, open_version
from model.registry.versions import (
    ModelVersion,
    VersionError,
    find_live_version,
    find_version,
    verify_version,
)
from model.training.dataset import ExamplesInvalid, read_dataset
from model.training.tracking import Tracking, open_tracking


@dataclass(frozen=True, slots=True)
class GateRun:
    """What is compared, on what, and what is asked of it.

    `engine` is how the versions run: as where they answer.
    """

    dataset: Path
    candidate: ModelVersion
    live: ModelVersion
    bar: GateCriteria = field(default_factory=GateCriteria)
    regression: Path = REGRESSION
    injections: tuple[Path, ...] = (INJECTIONS,)
    engine: EngineOptions = field(default_factory=EngineOptions)
    answer_tokens: int = 96
    span_sentences: int = 1

    def digest(self) -> str:
        """Return a hash of all of it."""
        files = [self.dataset / "examples.jsonl", self.regression, *self.injections]
        told = [
            [compute_sha256(file) for file in files],
            asdict(self.bar),
            asdict(self.engine),
            self.answer_tokens,
            self.span_sentences,
        ]
        versions = [(one.name, sorted(one.files.items())) for one in (self.candidate, self.live)]
        return hashlib.sha256(json.dumps([told, versions], sort_keys=True).encode()).hexdigest()


# Ask


def read_probes(trial: GateRun) -> list[Probe]:
    """Return every question that both are asked. Raises ExamplesInvalid."""
    fixed = read_regression(trial.regression)
    asked = read_held_out(trial.dataset, trial.bar.most_questions)
    return [*asked, *fixed, *plant_injections(trial.injections, fixed)]


async def compare(trial: GateRun, report: Report) -> GateResult:
    """Compare, unless that is done already. Raises ExamplesInvalid, EngineError, VersionError and OSError."""
    done = read_result(trial.candidate.folder)
    if done is not None and done.trial == trial.digest():
        return done
    async with AsyncExitStack() as closing:
        voices: list[LoadedModel] = []
        for share, version in ((0.0, trial.live), (0.05, trial.candidate)):
            report.step(f"loading {version.name}", share, share + 0.05)
            await asyncio.to_thread(verify_version, version.folder)
            opened = await open_version(version, _choice(trial))
            closing.push_async_callback(opened.close)
            voices.append(make_loaded(version, opened))

        def tell(asked: int, of: int) -> None:
            report.step(f"asking both versions, {asked} of {of}", 0.1 + 0.9 * asked / of, 1.0)

        return await compare_loaded(trial, voices[0], voices[1], tell)


async def compare_loaded(trial: GateRun, live: LoadedModel, candidate: LoadedModel, tell: Tell) -> GateResult:
    """Compare two models that are in memory already, and write the report.

    Raises ExamplesInvalid and EngineError.
    """
    probes = read_probes(trial)
    pairs = await ask_both(live, candidate, probes, tell, trial.span_sentences)
    finding = weigh(trial, probes, pairs, trial.digest())
    write_report(trial.candidate.folder, finding)
    return finding


def _choice(trial: GateRun) -> ModelChoice:
    return ModelChoice(trial.live.folder.parent, trial.live.base, trial.answer_tokens, trial.engine)


# Weigh


def weigh(trial: GateRun, probes: Sequence[Probe], pairs: Sequence[Pair], digest: str) -> GateResult:
    """Set the figures side by side and hold them against the bar."""
    sizes = (_size(trial.live), _size(trial.candidate))
    figures = compute_figures(probes, pairs, sizes)
    tosses = (count_outcomes(Part.HELD_OUT, probes, pairs), count_outcomes(Part.REGRESSION, probes, pairs))
    attacks = sum(probe.part is Part.INJECTION for probe in probes)
    decided = decide(trial.bar, figures, tosses[0], attacks, tosses[1])
    worst = tuple(find_worst(probes, pairs))
    reasons = decided.refusals + decided.speaks_for
    before, after = collect_seconds(probes, pairs)
    comparison = Comparison(
        candidate=trial.candidate.name,
        live=trial.live.name,
        dataset=read_dataset(trial.dataset).name,
        decision=decided.decision,
        reasons=reasons,
        figures=figures,
        questions=len(probes),
        compared_at=datetime.now(UTC),
        worst=tuple(one.answer for one in worst),
        phrases=write_phrases(reasons),
    )
    return GateResult(
        comparison=comparison,
        refusals=len(decided.refusals),
        bar=trial.bar,
        tosses=tosses,
        groups=tuple(group_accuracy(probes, pairs)),
        worst=worst,
        seconds=(tuple(before), tuple(after)),
        trial=digest,
    )


def _size(version: ModelVersion) -> int:
    return sum((version.folder / name).stat().st_size for name in version.files)


# Track


def track(tracking: Tracking, candidate: ModelVersion, finding: GateResult) -> None:
    """Put the figures and the plots beside those of the training.

    Nothing that anybody wrote is among them.
    """
    run = str(candidate.training.get("tracked_as", ""))
    if not run:
        return
    lines = ["figure,live,candidate,low,high"]
    figures: dict[str, float] = {}
    for one in finding.comparison.figures:
        values = (one.before, one.after, one.low, one.high)
        lines.append(",".join([one.name, *("" if value is None else repr(value) for value in values)]))
        sides = {"live": one.before, "candidate": one.after}
        figures |= {f"gate_{one.name}_{side}": value for side, value in sides.items() if value is not None}
    decision = {"decision": str(finding.comparison.decision), "compared_with": finding.comparison.live}
    tracking.log_comparison(
        run, figures, decision, {"figures.csv": "\n".join(lines) + "\n", **draw_plots(finding)}
    )


# Around it


def _trial(comparing: Comparing) -> GateRun:
    """Raises VersionError."""
    models_dir, live = comparing.models_dir, comparing.live
    return GateRun(
        dataset=comparing.dataset,
        candidate=find_version(models_dir, comparing.candidate),
        live=find_version(models_dir, live) if live else find_live_version(models_dir),
        bar=comparing.bar,
        regression=comparing.regression or REGRESSION,
        injections=(INJECTIONS, *comparing.injections),
        engine=comparing.engine,
        answer_tokens=comparing.answer_tokens,
        span_sentences=comparing.span_sentences,
    )


def parse_arguments(arguments: Sequence[str]) -> Comparing:
    """Return the comparison that a person asks for."""
    parser = argparse.ArgumentParser(description="Compare a candidate with the live version.")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--candidate", required=True)
    parser.add_argument("--live", default="", help="what it has to be better than; empty: the live version")
    parser.add_argument("--models-dir", type=Path, default=Path("data/models"))
    parser.add_argument("--regression", type=Path, help="fixed questions, JSON Lines; else the project's")
    parser.add_argument("--injections", type=Path, action="append", default=[], help="more; repeatable")
    parser.add_argument("--answer-tokens", type=int, default=96)
    parser.add_argument("--span-sentences", type=int, default=1, help="what an untrained version reads")
    engine = TypeAdapter(EngineOptions).validate_json
    parser.add_argument("--engine", type=engine, default="{}", help="EngineOptions as JSON")
    parser.add_argument("--tracking", default="off", help="off, empty for a file beside the models, or a URI")
    add_options(parser, GateCriteria)
    given = parser.parse_args(arguments)
    given.bar = parse_options(GateCriteria, given, parser)
    return Comparing(**{field.name: getattr(given, field.name) for field in fields(Comparing)})


def main() -> int:
    """Run `compare`, for a person or for a parent process: both read a JSON object a line."""
    keep_private()
    request = parse_request(Comparing, sys.argv[1:])
    comparing = request or parse_arguments(sys.argv[1:])
    if request:
        threading.Thread(target=end_with_parent, daemon=True).start()
    report = Report(sys.stdout, sys.stderr)
    try:
        trial = _trial(comparing)
        finding = asyncio.run(compare(trial, report))
        track(open_tracking(comparing.tracking, comparing.models_dir), trial.candidate, finding)
    except (ExamplesInvalid, EngineError, VersionError, OSError) as error:
        report.send({"problem": str(error)})
        return 1
    except KeyboardInterrupt:
        report.send({"problem": "Interrupted: nothing was decided. Start it again in the same words."})
        return 1
    compared = finding.comparison
    report.send({"info": {"decision": str(compared.decision), "reasons": list(compared.reasons)}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
