"""How sure a version is of its answers, in its manifest: kept, brought from elsewhere, and forgotten.

    "confidence": {"written": weights, "page": weights, "answers": [ids], "reasons": […], "made_at": ISO, …}

The weights come from a version's own answers to reviewed questions (model/evaluation/version_fit.py). What
was fitted to a deleted review goes at once, in every version; "forgotten" says so until the next night fits
it anew. Of two machines' the newer one counts, by `made_at`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.registry.versions import ModelVersion, list_versions, rewrite_version

_GONE = "Reviews that it was fitted to are deleted; until it is fitted anew, the shipped weights count."


def record_confidence(models_dir: Path, name: str, told: Mapping[str, Any]) -> ModelVersion:
    """Keep what was fitted with a version, unless it has something newer.

    Raises ModelMissing and ModelDamaged.
    """

    def change(version: ModelVersion) -> ModelVersion:
        return replace(version, confidence=dict(told)) if _is_newer(told, version.confidence) else version

    return rewrite_version(models_dir, name, change)


def take_newer(here: ModelVersion, there: ModelVersion) -> ModelVersion:
    """Bring another machine's confidence into a manifest here where it is the newer one."""
    if not _is_newer(there.confidence, here.confidence):
        return here
    return record_confidence(here.folder.parent, here.name, there.confidence)


def is_as_new(there: ModelVersion, here: ModelVersion) -> bool:
    """Tell whether another machine's confidence is at least as new as the one here."""
    return not _is_newer(here.confidence, there.confidence)


def forget_confidence(
    models_dir: Path, answer_ids: Collection[str], datasets: Collection[str] = ()
) -> list[str]:
    """Take away what was fitted to these answers, or to datasets that lost some; return the versions' names.

    Raises ModelMissing and ModelDamaged.
    """
    gone = [
        version.name
        for version in list_versions(models_dir)
        if version.confidence.get("answers")
        and (version.dataset in datasets or not set(answer_ids).isdisjoint(version.confidence["answers"]))
    ]
    for name in gone:
        told = {"reasons": [_GONE], "forgotten": True, "made_at": datetime.now(UTC).isoformat()}
        rewrite_version(models_dir, name, lambda version, told=told: replace(version, confidence=told))
    return gone


def _is_newer(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return str(one.get("made_at", "")) > str(other.get("made_at", ""))
