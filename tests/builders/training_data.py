"""Datasets as the trainer is given them, with questions that a tiny model can learn by heart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from core.records import Passage, TrainingExample
from model.text.prompt import NOT_ON_PAGE

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KINDS = ("correction", "approval", "not_on_page", "replay")


def an_example(number: int, **changes: object) -> TrainingExample:
    """One example; every fourth has no answer on its page, every second one says what should not be said."""
    kind = KINDS[number % 4]
    url = f"/site/office-{number}#leave"
    text = f"Office {number} is open until {number % 12 + 1} o'clock."
    fields = {
        "answer_id": f"answer-{number}",
        "question_text": f"Until when is office {number} open?",
        "passages": (Passage(url, "Offices", "Hours", text, "hash", NOW),),
        "completion": NOT_ON_PAGE if kind == "not_on_page" else f"Until {number % 12 + 1} o'clock.",
        "rejected_text": "Always." if number % 2 else "",
        "kind": kind,
    }
    return TrainingExample(**fields | changes)  # pyright: ignore[reportArgumentType]


def write_dataset(
    folder: Path, examples: Iterable[TrainingExample], name: str = "3f0c", label: int = 0
) -> Path:
    """Write a dataset's folder; its card records no label but where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(asdict(example), default=datetime.isoformat) for example in examples)
    (folder / "examples.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "card.json").write_text(json.dumps({"dataset": name} | ({"label": label} if label else {})))
    return folder
