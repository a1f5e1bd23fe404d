"""The bot as a process on Cosmos DB: it answers, says how it stands, keeps its word without its store."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from feedback.store.cosmos import CosmosStore
from feedback.store.cosmos_schema import CosmosConfig
from feedback.store.rows import every_row
from tests.browser.chat import a_browser
from tests.doubles.cosmos import Fault, Front, a_cosmos
from tests.needs import ROOT
from tests.processes.forked import start_askpage
from tests.processes.serving import CANNED, QUESTION, Served, ask, serving


@pytest.fixture
async def cosmos(cosmos_url: str) -> AsyncIterator[tuple[Front, CosmosConfig]]:
    async with a_cosmos(cosmos_url) as made:
        yield made


def options(config: CosmosConfig) -> list[str]:
    return [
        *("--cosmos-endpoint", config.endpoint),
        *("--cosmos-key", config.key),
        *("--cosmos-database", config.database),
        *("--store-timeout-s", "1"),
        *CANNED,
    ]


async def readiness(served: Served, wanted: str) -> dict[str, Any]:
    """Wait until it says that it is so."""
    async with aiohttp.ClientSession() as http:
        for _ in range(150):
            async with http.get(f"{served.url}/readyz") as reply:
                body = await reply.json()
                if body["status"] == wanted:
                    return body
            await asyncio.sleep(0.2)
    raise AssertionError(f"never {wanted}: {body}")


async def kept(config: CosmosConfig) -> list[tuple[str, str | None]]:
    store = await CosmosStore.open(config)
    try:
        return [(row.key, row.fields["message_id"]) async for row in every_row(store, "question")]
    finally:
        await store.close()


async def test_what_is_asked_while_the_store_is_away_is_answered_and_carried_over_even_after_a_kill(
    tmp_path: Path, docs_index: Path, cosmos: tuple[Front, CosmosConfig]
) -> None:
    shutil.copytree(docs_index, tmp_path / "pages")
    front, config = cosmos
    async with serving(tmp_path, *options(config)) as served, a_browser(served) as browser:  # type: ignore[arg-type]
        await ask(browser, QUESTION)
        await browser.answered()
        assert await readiness(served, "ready")
        front.gone = True
        assert await readiness(served, "spooling")
        await ask(browser, "And now?")
        await browser.answered()
        await served.kill()
    front.heal()
    assert len(await kept(config)) == 1
    front.gone = True
    async with serving(tmp_path, *options(config)) as served:  # it starts without the store, too
        assert (await readiness(served, "spooling"))["waiting"]
        front.heal()
        assert (await readiness(served, "ready"))["waiting"] == 0
        assert await served.stop() == 0
    questions = await kept(config)
    assert len(questions) == 2
    assert all(message_id for _, message_id in questions)


async def test_a_wrong_key_is_said_in_a_sentence(tmp_path: Path, cosmos: tuple[Front, CosmosConfig]) -> None:
    front, config = cosmos
    front.faults.append(Fault("status", 1_000, 401, when=lambda *_: True))
    process = await start_askpage("feedback", "--data-dir", str(tmp_path), *options(config), folder=ROOT)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, out) == (2, b"")
    assert "Cosmos DB does not let this program in" in err.decode()
    assert err.count(b"\n") == 1
