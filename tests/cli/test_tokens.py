"""`askpage tokens` as an operator meets it: by day and version, with a cost where somebody charges."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner

from cli import main
from core.records import Tokens
from feedback.store.sqlite import SqliteStore
from tests.builders.days import ask

PRICES = ("--token-price-in", "0.5", "--token-price-out", "2", "--token-price-currency", "EUR")


async def run(folder: Path, *words: str) -> str:
    called = ["tokens", *words, "--data-dir", str(folder)]
    return (await asyncio.to_thread(CliRunner().invoke, main.app, called)).stdout


async def test_tokens_are_told_by_day_and_version_with_a_cost_where_somebody_charges(tmp_path: Path) -> None:
    assert "No model was asked" in await run(tmp_path, "--days", "7")
    store, now = SqliteStore.open(tmp_path / "askpage.sqlite3"), datetime.now(UTC)
    await ask(store, 1, now, tokens=Tokens(800, 500, 40))
    await ask(store, 2, now, tokens=Tokens(1_000_000, 0, 500_000, ours=False), model_version="gpt")
    await ask(store, 3, now)
    await store.close()
    day = now.date().isoformat()
    plain = {"day": day, "version": "base", "answers": 1, "read": 800, "cached": 500, "written": 40}
    theirs = {**plain, "version": "gpt", "read": 1_000_000, "cached": 0, "written": 500_000}
    none = {"cost": None, "currency": None}
    assert json.loads(await run(tmp_path, "--json")) == [plain | none, theirs | none]
    priced = [plain | none, theirs | {"cost": 1.5, "currency": "EUR"}]
    assert json.loads(await run(tmp_path, "--json", *PRICES)) == priced
    rows = list(csv.DictReader(io.StringIO(await run(tmp_path, "--csv", *PRICES))))
    assert [row["cost"] for row in rows] == ["", "1.5"]
    table = await run(tmp_path, *PRICES)
    assert "1,000,800" in table
    assert "1.50" in table
    assert "EUR" not in await run(tmp_path)
