"""A small replay of the learning story."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.bootstrap import open_pages
from core.settings import Settings
from demo.questions import Size, page_of, plan
from demo.rounds import play_round
from demo.simulated_users import People
from model.evaluation.metrics import Judged, read_squad

TOWNS = ("Aarhus", "Bergen", "Cork", "Delft", "Evora", "Faro", "Ghent", "Haifa")


def article(town: str, number: int) -> dict[str, Any]:
    paragraphs = [
        (f"{town} has {number + 3} bridges.", f"How many bridges does {town} have?", f"{number + 3}"),
        (f"The mayor of {town} is Ada {town}son.", f"Who is the mayor of {town}?", f"Ada {town}son"),
        (f"The fair of {town} is in May.", f"When is the fair of {town}?", "May"),
    ]
    asked = [
        {"context": context, "qas": [{"question": question, "answers": [{"text": answer}]}]}
        for context, question, answer in paragraphs
    ]
    return {"title": town, "paragraphs": asked}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return a_file(tmp_path)


def a_file(folder: Path) -> Path:
    path = folder / "towns.json"
    path.write_text(json.dumps({"data": [article(town, at) for at, town in enumerate(TOWNS)]}))
    return path


async def play(file: Path, data_dir: Path, size: Size, times: int = 1) -> list[Judged]:
    """Play the rounds of a replay, with the canned model; a second time finds everything done."""
    dealt, judged = plan(read_squad(file), size, seed=7), list[Judged]()
    settings = Settings(data_dir=data_dir, base_model="canned", sample_share=1.0, double_share=0.0)  # pyright: ignore
    async with open_pages(settings) as page_services:
        for one in dealt.articles:
            await page_services.index.add(page_of(one), source="articles")
    for _ in range(times):
        told: list[int] = []
        judged = [
            one
            for number, asked in enumerate(dealt.rounds, 1)
            for one in await play_round(settings, People(7), number, asked, told.append)
        ]
        assert len(judged) == sum(told) == sum(map(len, dealt.rounds))
    return judged
