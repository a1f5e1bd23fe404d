"""The command that measures: `askpage evaluate`."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from bot.parts import open_answering, open_shelf
from console import Json, out, progress_bar, question_of
from model.evaluate import Item, Judged, Scores, evaluate, read_squad
from options import with_settings
from pages.indexing import Indexes
from records import Answer, Page, Section
from settings import Settings


@with_settings
def evaluate_command(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="Questions in SQuAD's format; each article becomes a page.")],
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="Ask this many, spread over the file; 0 asks all.")
    ] = 0,
    version: Annotated[
        str, typer.Option("--version", help="Score this model version, not the live one.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Score a model on questions with reference answers."""
    items = read_squad(file, limit or None)
    scores = asyncio.run(measure(settings, items, version)).as_dict()
    if as_json:
        print(json.dumps(scores))  # noqa: T201 - the command's output
        return
    table = Table("Measure", "Value")
    for name, value in scores.items():
        table.add_row(name.replace("_", " "), "–" if value is None else str(value))
    out.print(table)


async def measure(settings: Settings, items: list[Item], version: str = "") -> Scores:
    """Ask a model version (empty: the live one) every question of its article, and score the answers."""
    with TemporaryDirectory(prefix="askpage-evaluate-") as folder, progress_bar() as progress:
        # The articles are indexed apart from the instance's own pages.
        scratch = settings.model_copy(update={"data_dir": Path(folder), "page_index": "file"})
        async with open_shelf(scratch) as shelf, open_answering(settings, shelf, version) as answering:
            urls = await index_articles(shelf.index, items, progress)
            task = progress.add_task("Asking", total=len(items))

            async def ask(item: Item) -> Answer:
                return await answering.answer(question_of(item.question, urls[item.article.title]))

            def judged(result: Judged) -> None:
                progress.update(task, advance=1, description=f"Asking ({result.item.article.title[:30]})")

            return await evaluate(items, ask, judged)


async def index_articles(index: Indexes, items: list[Item], progress: Progress) -> dict[str, str]:
    """Make a page of each article; return their addresses by title."""
    articles = {item.article.title: item.article for item in items}
    task = progress.add_task("Indexing the articles", total=len(articles))
    urls: dict[str, str] = {}
    for number, (title, article) in enumerate(articles.items()):
        urls[title] = f"/articles/{number}"
        sections = tuple(Section("", f"p{at}", text) for at, text in enumerate(article.paragraphs))
        page = Page(urls[title], title.replace("_", " "), sections, f"article-{number}", datetime.now(UTC))
        await index.add(page, source="articles")
        progress.update(task, advance=1)
    return urls
