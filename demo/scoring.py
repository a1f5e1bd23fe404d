"""How good a version is: it is asked the questions that are held out, and every answer is kept as it comes.

FOLDER/VERSION.jsonl     {"asked": id, "answer": the answer as JSON} a line; a run that was killed goes on behind it
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from bot.bootstrap import Shelf, open_answering, open_shelf
from core.records import Answer, Channel, Question
from core.settings import Settings
from demo.questions import Asked
from demo.rounds import Ask
from demo.simulated_users import People
from feedback.store.serialization import answer_from, to_json
from model.evaluation.metrics import Judged, judge, score

Figures = Mapping[str, float | int | None]
Opens = Callable[[Settings, Shelf, str], AbstractAsyncContextManager[Ask]]
"""Opens a version, to be asked."""


@asynccontextmanager
async def open_bot(settings: Settings, shelf: Shelf, version: str) -> AsyncGenerator[Ask]:
    """Open a version with everything that the bot does around it. Raises VersionError and EngineError."""
    async with open_answering(settings, shelf, version) as answering:
        yield answering.answer


async def ask_all(
    settings: Settings,
    version: str,
    opens: Opens,
    asked: Sequence[Asked],
    kept: Path,
    tell: Callable[[int], None],
) -> list[Judged]:
    """Ask every question that was not asked yet, and judge all answers."""
    answers = _read(kept, asked)
    tell(len(answers))
    missing = [one for one in asked if one.id not in answers]
    if missing:
        kept.parent.mkdir(parents=True, exist_ok=True)
        async with open_shelf(settings) as shelf, opens(settings, shelf, version) as ask:
            for one in missing:
                answers[one.id] = await ask(_question(one))
                _keep(kept, one.id, answers[one.id])
                tell(1)
    return [judge(one.item, answers[one.id]) for one in asked]


def figures_of(people: People, asked: Sequence[Asked], judged: Sequence[Judged]) -> Figures:
    """Return the measures of `model/evaluation/metrics.py` and the mean of the stars that the simulated people give."""
    stars = [people.stars(one, found) for one, found in zip(asked, judged, strict=True)]
    return score(judged).as_dict() | {"satisfaction": round(sum(stars) / len(stars), 4)}


def _question(asked: Asked) -> Question:
    """Return a question as it was: the same fields whenever its answer is read again, but for the time."""
    return Question(
        id=f"measure/{asked.id}",
        text=asked.item.question,
        asker="measure",
        conversation=f"measure/{asked.id}",
        channel=Channel.COMMAND_LINE,
        asked_at=datetime.now(UTC),
        page_url=asked.page_url,
    )


def _read(kept: Path, asked: Sequence[Asked]) -> dict[str, Answer]:
    """Return the answers that are kept; a last line that a kill cut in two is not there."""
    known = {one.id: one for one in asked}
    answers: dict[str, Answer] = {}
    for line in kept.read_text("utf-8").splitlines() if kept.exists() else ():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if found["asked"] in known:
            answers[found["asked"]] = answer_from(found["answer"], _question(known[found["asked"]]))
    return answers


def _keep(kept: Path, name: str, answer: Answer) -> None:
    with kept.open("a", encoding="utf-8") as file:
        file.write(f"\n{json.dumps({'asked': name, 'answer': to_json(answer)})}\n")
        file.flush()
        os.fsync(file.fileno())
