"""The steps of a rollout: promote, start a canary, roll back, retire, prune. Each replaces `live.json` whole.

    candidate ── canary ── live ── retired
        └───────────────────┘                       (a candidate may be promoted at once)

Changes take turns by a lock, and a step that the version's standing does not allow raises `NotPossible`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from core import telemetry
from core.files import only_one, write_durably
from core.phrases import Phrase, mark
from model.registry.versions import (
    LIVE,
    LOCK,
    NotPossible,
    RolloutState,
    VersionStatus,
    find_version,
    list_versions,
    read_rollout,
    read_version,
    render_rollout,
    verify_version,
)

_GONE = ".gone"
_PROMOTABLE_NO_MORE: Mapping[VersionStatus, str] = {
    VersionStatus.CANDIDATE: mark("{name} can no longer be promoted: it is now a candidate"),
    VersionStatus.CANARY: mark("{name} can no longer be promoted: it is now the canary"),
    VersionStatus.LIVE: mark("{name} can no longer be promoted: it is now live"),
    VersionStatus.RETIRED: mark("{name} can no longer be promoted: it is now retired"),
}


def put_rollout(models_dir: Path, standing: RolloutState) -> RolloutState:
    """Let hold here what holds elsewhere; return what held before."""
    with only_one(models_dir / LOCK):
        before = read_rollout(models_dir)
        write_durably(models_dir / LIVE, render_rollout(standing))
    return before


Needs = Callable[[RolloutState], Collection[str]]
"""Names the versions that a step is about, from where they stand."""


class Publish(Protocol):
    """Takes a step, so that others hear of it (`model/registry/sync.py`), or only here."""

    def __call__(self, needs: Needs, step: Callable[[], RolloutState]) -> RolloutState:
        """Do the step, and again where another machine was faster.

        The versions that it needs are brought, and sent.
        """
        ...


def publish_nowhere(needs: Needs, step: Callable[[], RolloutState]) -> RolloutState:
    """Take a step that concerns this folder only."""
    return step()


def promote(
    models_dir: Path,
    name: str,
    standing: Collection[VersionStatus] = tuple(VersionStatus),
    publish: Publish = publish_nowhere,
) -> RolloutState:
    """Let a version answer everybody; a canary ends.

    `standing` is where it may stand for that: it changes meanwhile.

    Raises ModelMissing, ModelDamaged and NotPossible before anything changes.
    """

    def change(now: RolloutState) -> RolloutState:
        if now.derive_status(name) not in standing:
            raise NotPossible(Phrase(_PROMOTABLE_NO_MORE[now.derive_status(name)], name=name))
        if now.name == name:
            return _end_canary(now)
        before = (*drop_names(now.before, name), now.name) if now.name else now.before
        return RolloutState(name, before, retired=drop_names(now.retired, name))

    def step() -> RolloutState:
        _check_whole(models_dir, name)
        return _change(models_dir, change)

    return publish(lambda _: (name,), step)


def start_canary(
    models_dir: Path, name: str, share: float, publish: Publish = publish_nowhere
) -> RolloutState:
    """Let a version answer a share (0 to 1) of the conversations; 0 makes it a candidate again.

    Raises ModelMissing, ModelDamaged and NotPossible.
    """
    if not 0 <= share <= 1:
        raise NotPossible(f"a share is a number from 0 to 1, not {share:g}")

    def change(now: RolloutState) -> RolloutState:
        if now.name in ("", name):
            raise NotPossible(f"{name} cannot be a canary: it is live, or nothing is")
        if not share:
            return _end_canary(now) if now.canary == name else now
        since = now.since if now.canary == name else datetime.now(UTC)
        return replace(now, canary=name, share=share, retired=drop_names(now.retired, name), since=since)

    def step() -> RolloutState:
        _check_whole(models_dir, name)
        return _change(models_dir, change)

    return publish(lambda _: (name,), step)


def roll_back(
    models_dir: Path,
    name: str = "",
    reason: str = "operator",
    standing: Collection[VersionStatus] = (VersionStatus.CANARY, VersionStatus.LIVE),
    publish: Publish = publish_nowhere,
) -> RolloutState:
    """Take back the last step: a canary is retired.

    Without one, the version that was live before is live again.

    `name` is the version to take back, where no other one may be meant, and `standing` where it may stand for
    that: whoever decides looks at one version, and the standing changes meanwhile. `reason` is told
    (core/telemetry). Raises NotPossible where there is no version to go back to, or the last step was
    another version's.
    """

    def change(now: RolloutState) -> RolloutState:
        if name not in ("", now.canary or now.name):
            raise NotPossible(_not_last(now, name))
        if name and now.derive_status(name) not in standing:
            raise NotPossible(_not_like_that(now, name))
        if now.canary:
            return _retire(_end_canary(now), now.canary)
        present = [at for at, name in enumerate(now.before, 1) if read_version(models_dir / name)]
        if not present:
            raise NotPossible(
                Phrase(
                    mark("no version was live before {name}: there is nothing to go back to"), name=now.name
                )
                if now.name
                else Phrase(mark("no version was live before now: there is nothing to go back to"))
            )
        *earlier, last = now.before[: present[-1]]
        return _retire(RolloutState(last, tuple(earlier), retired=now.retired), now.name)

    return publish(
        lambda now: () if now.canary else now.before[-1:], lambda: _change(models_dir, change, reason)
    )


def _not_last(now: RolloutState, name: str) -> Phrase:
    if now.canary:
        text = mark("{name} no longer answers since the last step: {other} is the canary")
    else:
        text = mark("{name} no longer answers since the last step: {other} is live")
    return Phrase(text, name=name, other=now.canary or now.name)


def _not_like_that(now: RolloutState, name: str) -> Phrase:
    if now.canary:
        text = mark("{name} cannot be rolled back like that: {other} is the canary")
    else:
        text = mark("{name} cannot be rolled back like that: {other} is live")
    return Phrase(text, name=name, other=now.canary or now.name)


def retire(models_dir: Path, name: str, publish: Publish = publish_nowhere) -> RolloutState:
    """Withdraw a candidate or a canary. Raises ModelMissing and NotPossible."""

    def change(now: RolloutState) -> RolloutState:
        find_version(models_dir, name)
        if now.name == name:
            raise NotPossible(f"{name} is live: promote another version, or roll back")
        return _retire(_end_canary(now) if now.canary == name else now, name)

    return publish(lambda _: (name,), lambda: _change(models_dir, change))


def prune_versions(models_dir: Path, keep: int, publish: Publish = publish_nowhere) -> list[str]:
    """Delete retired versions except the `keep` newest; return their names.

    Never an imported base model, nor the version that a roll back would make live.
    """
    gone: list[str] = []

    def change(now: RolloutState) -> RolloutState:
        old = [
            version.name
            for version in list_versions(models_dir)
            if now.derive_status(version.name) is VersionStatus.RETIRED
            and version.parent is not None
            and version.name not in now.before[-1:]
        ]
        going = old[: max(0, len(old) - keep)]
        gone.extend(going)  # of a step that is done again, what went the first time stays gone
        for name in going:
            (models_dir / name).rename(models_dir / f".{name}{_GONE}")  # gone at once, then piece by piece
        return replace(now, before=drop_names(now.before, *gone), retired=drop_names(now.retired, *gone))

    publish(lambda _: (), lambda: _change(models_dir, change))
    for folder in models_dir.glob(f".*{_GONE}"):
        shutil.rmtree(folder, ignore_errors=True)
    return gone


def drop_names(names: tuple[str, ...], *gone: str) -> tuple[str, ...]:
    """Return the names but those."""
    return tuple(name for name in names if name not in gone)


def _check_whole(models_dir: Path, name: str) -> None:
    find_version(models_dir, name)
    verify_version(models_dir / name)


def _retire(now: RolloutState, name: str) -> RolloutState:
    return replace(now, before=drop_names(now.before, name), retired=(*drop_names(now.retired, name), name))


def _end_canary(now: RolloutState) -> RolloutState:
    return replace(now, canary="", share=0.0, since=None)


def _change(
    models_dir: Path, change: Callable[[RolloutState], RolloutState], reason: str = "operator"
) -> RolloutState:
    models_dir.mkdir(parents=True, exist_ok=True)
    with only_one(models_dir / LOCK):
        before = read_rollout(models_dir)
        now = change(before)
        write_durably(models_dir / LIVE, render_rollout(now))
    _tell(before, now, reason)
    return now


def _tell(before: RolloutState, now: RolloutState, reason: str) -> None:
    """Tell what a step changed for those who ask, and why something was taken back."""
    for name in (before.name, before.canary):
        if name and name in now.retired and name not in before.retired:
            telemetry.event("model_rolled_back", model_version=name, reason=reason)
    if now.name != before.name:
        telemetry.event("model_promoted", model_version=now.name)
    if now.canary and (now.canary, now.share) != (before.canary, before.share):
        telemetry.event("canary_started", model_version=now.canary, share=now.share)
