"""Make an update of a tiny model, in a process that kills itself when it says something.

Run as: python -m tests.processes.update_run FOLDER [WORDS]

FOLDER has a store, `models` and `fixed.jsonl`. What the update says goes to standard output, a line each;
then its result.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from feedback.examples.build import Work, build
from feedback.examples.convert import ExampleRules
from feedback.examples.dataset_card import Card
from feedback.reviews.repository import ReviewRepository
from feedback.store.sqlite import SqliteStore
from jobs.update_model import Plan, update_model
from model.evaluation.launch import Comparing
from model.onnx_infer import EngineOptions
from model.text.prompt import NOT_ON_PAGE
from model.training.launch import TrainingConfig
from tests.builders.examples import LATER

QUICK = TrainingConfig(
    rank=4, learning_rate=0.01, epochs=1, validation_share=0.2, keep_steps=1, threads=1, device="cpu"
)


async def main(folder: Path, words: str) -> None:
    """Run the job on a store, with a training and a comparison in real processes."""
    store = SqliteStore.open(folder / "askpage.sqlite3")

    async def dataset() -> Card:
        rules = ExampleRules(not_on_page=NOT_ON_PAGE, held_out_share=0.3)
        return await build(store, ReviewRepository(store.documents), folder / "datasets", rules, Work(LATER))

    def tell(step: str, _: float) -> None:
        print(step, flush=True)  # noqa: T201 - for the test
        if words and words in step:
            os.kill(os.getpid(), signal.SIGKILL)

    models = folder / "models"
    engine = EngineOptions(device="cpu", threads=1, context_tokens=900)
    comparing = Comparing(
        folder, models, "", "", regression=folder / "fixed.jsonl", engine=engine, answer_tokens=8
    )
    plan = Plan(dataset, folder / "datasets", models, comparing, recipe=QUICK, least_reviews=5)
    print(json.dumps(dict(await update_model(store.documents, plan, tell))))  # noqa: T201
    await store.close()


if __name__ == "__main__":
    sys.executable = os.environ.get("PYTHON_EXEC", sys.executable)  # noqa: TID251 - what its steps start with
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if sys.argv[2:] else ""))
