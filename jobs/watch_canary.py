"""Looks at what people say of the canary: keeps it, rolls it back or promotes it.

Run as: askpage jobs run watch_canary

Run it every few minutes: its tests allow for that. What it does stands in a notice for the reviewers, which
is kept before and shown after it is done; whoever is killed in between is followed by a next run that finds
out whether it was done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from core.phrases import Phrase, join_phrases, mark
from feedback.metrics.report import VersionStats, version_stats_since
from feedback.privacy.audit import Audit, AuditAction
from feedback.reviews.model_decisions import DRAFT, UNPOSTED, CanaryWatch, Choice, ModelBoard, ModelNotice
from jobs.registry import JobContext, Result, Store
from model.evaluation.canary import CanaryFinding, CanaryRules, CanaryStats, Step, judge_canary
from model.registry.rollout import Publish, promote, publish_nowhere, roll_back
from model.registry.sync import catch_up
from model.registry.versions import NotPossible, RolloutState, VersionStatus, read_rollout

log = logging.getLogger(__name__)

BY_ITSELF = "askpage"
"""Stands in the audit trail where nobody decided."""
_HELD = mark("A reviewer has put it on hold.")
_DONE = {
    Step.ROLL_BACK: mark("The canary {name} was rolled back"),
    Step.PROMOTE: mark("The canary {name} answers everybody now"),
}
CANARY = (mark("The canary, votes"), mark("The canary, questions"))
LIVE = (mark("The live version, votes"), mark("The live version, questions"))
_VOTES = mark("{votes}, on average {mean} of 1")
_QUESTIONS = mark("{questions}, without an answer: {failed}")
_QUESTIONS_TIMED = mark("{questions}, without an answer: {failed}; median {seconds} s")


async def run(context: JobContext) -> Result:
    """Look at the canary of this installation, whichever machine began it. Raises StoreError."""
    settings = context.settings
    rules = CanaryRules(**settings.canary.values())
    publish = await asyncio.to_thread(catch_up, settings.models_dir, settings.models_url)
    return await watch_canary(context.store, settings.models_dir, rules, datetime.now(UTC), publish)


async def watch_canary(
    store: Store, models_dir: Path, rules: CanaryRules, now: datetime, publish: Publish = publish_nowhere
) -> Result:
    """Look at the canary; return what was found and done. Raises StoreError and VersionError."""
    board = ModelBoard(store.documents)
    standing = await asyncio.to_thread(read_rollout, models_dir)
    await _show_what_was_done(store, standing)
    if not standing.canary or standing.since is None:
        return {"canary": "", "step": "none"}
    live, canary = await _read_stats(store, standing, standing.since)
    finding = judge_canary(live, canary, now - standing.since, rules)
    if finding.step is Step.PROMOTE and await _is_held(store, standing.canary):
        finding = CanaryFinding(Step.KEEP, join_phrases(finding.sentence, Phrase(_HELD)))
    facts = (*tell_facts(CANARY, canary), *tell_facts(LIVE, live))
    await board.put_watch(CanaryWatch(standing.canary, finding.sentence, now, facts).with_phrases())
    if finding.step is not Step.KEEP:
        step = partial(_step, models_dir, standing.canary, finding, publish)
        await _act(store, compose_notice(standing, finding, facts, now), step)
    return {
        "canary": standing.canary,
        "step": finding.step,
        "why": finding.sentence,
        "votes": len(canary.votes),
        "questions": canary.questions,
    }


async def _read_stats(
    store: Store, standing: RolloutState, since: datetime
) -> tuple[CanaryStats, CanaryStats]:
    """Return what is known of the live version and of the canary."""
    said = await version_stats_since(store, since, standing.choose_version)
    live, canary = (said.get(name, VersionStats()) for name in (standing.name, standing.canary))
    return CanaryStats(live.votes, live.seconds, live.failed), CanaryStats(
        canary.votes, canary.seconds, canary.failed
    )


async def _is_held(store: Store, canary: str) -> bool:
    """Tell whether the last thing that reviewers decided about it is that it stays where it is."""
    decisions = await ModelBoard(store.documents).decisions(canary)
    return bool(decisions) and decisions[-1].choice is Choice.HOLD


def _step(models_dir: Path, version: str, finding: CanaryFinding, publish: Publish) -> None:
    if finding.step is Step.ROLL_BACK:
        roll_back(models_dir, version, finding.reason, (VersionStatus.CANARY,), publish)
    else:
        promote(models_dir, version, (VersionStatus.CANARY,), publish)


async def _act(store: Store, notice: ModelNotice, step: Callable[[], None]) -> None:
    """Roll back or promote, unless a reviewer was faster; and tell the reviewers."""
    board = ModelBoard(store.documents)
    await board.draft(notice)
    try:
        await asyncio.to_thread(step)
    except NotPossible as error:
        log.info("the canary is none any more: %s", error)
        await board.drop(notice)
    else:
        await _tell(store, notice)


async def _show_what_was_done(store: Store, standing: RolloutState) -> None:
    """Tell what a run has done that was killed before it could; what it has not done is forgotten."""
    board = ModelBoard(store.documents)
    for notice in await board.notices(DRAFT):
        if standing.derive_status(notice.version) is (
            VersionStatus.LIVE if _promotes(notice) else VersionStatus.RETIRED
        ):
            await _tell(store, notice)
        else:
            await board.drop(notice)


async def _tell(store: Store, notice: ModelNotice) -> None:
    action = AuditAction.PROMOTED if _promotes(notice) else AuditAction.ROLLED_BACK
    await Audit(store.documents).write(BY_ITSELF, action, model_version=notice.version)
    await ModelBoard(store.documents).mark(notice, UNPOSTED)


def _promotes(notice: ModelNotice) -> bool:
    return notice.id.endswith(Step.PROMOTE)


def compose_notice(
    standing: RolloutState, finding: CanaryFinding, facts: Sequence[tuple[str, str]], now: datetime
) -> ModelNotice:
    """Return what the reviewers are told of a canary that ends."""
    began = standing.since.isoformat() if standing.since else ""
    return ModelNotice(
        id=f"{standing.canary}|{began}|{finding.step}",
        version=standing.canary,
        title=Phrase(_DONE[finding.step], name=standing.canary),
        sentence=finding.sentence,
        happened_at=now,
        facts=tuple(facts),
    ).with_phrases()


def tell_facts(names: tuple[str, str], heard: CanaryStats) -> list[tuple[str, str]]:
    """Return what was counted of a version, with the names that say which one."""
    votes, answers = len(heard.votes), {"questions": heard.questions, "failed": heard.failed}
    pleased = "–" if heard.pleased is None else round(heard.pleased, 2)
    took = Phrase(_QUESTIONS, **answers)
    if heard.seconds:
        took = Phrase(_QUESTIONS_TIMED, **answers, seconds=round(median(heard.seconds), 1))
    return [(Phrase(names[0]), Phrase(_VOTES, votes=votes, mean=pleased)), (Phrase(names[1]), took)]
