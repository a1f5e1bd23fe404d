"""What one short training is worth: some articles' questions are learned, others' asked before and after.

Run as: python -m benchmarks.training [--examples 200] [--questions 60] [--epochs 1] [--data ../shared/data]

Needs the public test data (XQuAD). An example is the question with the very passage that the bot would show
the model, and the reference answer where it stands there; a fifth are questions to pages that do not answer
them. The last quarter of the articles is never learned from; a fifth of the questions asked about them have
no answer there, either.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.bootstrap import open_pages
from cli.console import progress_bar
from cli.measure import index_articles, measure
from core.records import TrainingExample
from core.settings import Settings
from model.answering import grounding
from model.evaluation.metrics import Article, Item, read_squad
from model.registry.importing import import_base
from model.registry.versions import find_live_version
from model.text.prompt import LABEL_VERSION, NOT_ON_PAGE
from model.training.launch import Training, TrainingConfig, train

UNANSWERABLE = 5  # every so many


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Take so many, evenly."""
    return [items[at * len(items) // count] for at in range(min(count, len(items)))]


def some_elsewhere(items: Sequence[Item]) -> list[Item]:
    """Ask every fifth question of another article, which does not answer it."""
    articles = list({item.article.title: item.article for item in items}.values())

    def other(article: Article) -> Article:
        return articles[(articles.index(article) + len(articles) // 2) % len(articles)]

    return [
        Item(item.question, (), other(item.article)) if number % UNANSWERABLE == UNANSWERABLE - 1 else item
        for number, item in enumerate(items)
    ]


async def build_examples(settings: Settings, items: list[Item], count: int) -> list[TrainingExample]:
    """Return examples with what the bot would show the model; an answer not found there teaches nothing."""
    examples: list[TrainingExample] = []
    async with open_pages(settings) as page_services:
        with progress_bar() as progress:
            urls = await index_articles(page_services.index, items, progress)
        for number, item in enumerate(items):
            hits = await page_services.library.search(
                item.question, settings.answering.passages, urls[item.article.title]
            )
            passages = [hit.passage for hit in hits]
            shown = grounding.focus(item.question, passages, settings.answering.span_sentences)
            standing = [text for text in item.references if text in shown[0].text]
            if item.references and not standing:
                continue
            said = f"{standing[0]}." if standing else NOT_ON_PAGE
            kind = "correction" if standing else "not_on_page"
            examples.append(TrainingExample(f"xquad-{number}", item.question, shown, said, kind=kind))
    return random.Random(7).sample(examples, min(count, len(examples)))  # noqa: S311 - the same ones every time


def write(folder: Path, examples: Sequence[TrainingExample]) -> Path:
    """Write a dataset."""
    lines = (json.dumps(asdict(one), default=datetime.isoformat) for one in examples)
    (folder / "examples.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    (folder / "card.json").write_text(json.dumps({"dataset": "xquad", "label": LABEL_VERSION}), "utf-8")
    return folder


def main() -> None:
    """Build the dataset, measure, train, measure again."""
    parser = argparse.ArgumentParser(description="Measure one short training.")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models-dir", type=Path, default=Path("data/models"))
    given = parser.parse_args()
    items = read_squad(given.data / "xquad" / "xquad.en.json")
    titles = list(dict.fromkeys(item.article.title for item in items))
    known = set(titles[: len(titles) * 3 // 4])
    learned = some_elsewhere([item for item in items if item.article.title in known])
    asked = some_elsewhere(
        spread([item for item in items if item.article.title not in known], given.questions)
    )
    settings = Settings(data_dir=given.models_dir.parent)
    import_base(settings.base_model, given.models_dir, "cpu", on_progress=lambda _step, _done: None)
    parent = find_live_version(given.models_dir).name
    with TemporaryDirectory(prefix="askpage-training-") as name:
        scratch = settings.copy_with(data_dir=Path(name))
        examples = asyncio.run(build_examples(scratch, learned, given.examples))
        before = asyncio.run(measure(settings, asked, parent))
        print(json.dumps({"before": before.as_dict()}), flush=True)
        recipe = TrainingConfig(
            epochs=given.epochs,
            learning_rate=given.learning_rate,
            weights=given.weights,
            threads=given.threads,
            device="cpu",
            validate_steps=8,
        )
        began = time.perf_counter()
        training = Training(write(Path(name), examples), given.models_dir, recipe, parent)
        version = train(training, on_progress=lambda step, done: print(f"{done:.0%} {step}", flush=True))
        print(json.dumps({"minutes": (time.perf_counter() - began) / 60, "training": dict(version.training)}))
    after = asyncio.run(measure(settings, asked, version.name))
    print(json.dumps({"after": after.as_dict()}))


if __name__ == "__main__":
    main()
