"""The card sync as a task that runs until it is stopped."""

from __future__ import annotations

import asyncio

import pytest

from tests.builders.world import a_world


@pytest.mark.parametrize("turns", range(5))
async def test_a_stop_in_the_very_moment_of_news_is_a_stop(turns: int) -> None:
    async with a_world() as world:
        running = asyncio.create_task(world.parts.card_sync.run(60.0))
        await asyncio.sleep(0.05)
        world.parts.card_sync.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        ended, _ = await asyncio.wait([running], timeout=5)
        assert ended
