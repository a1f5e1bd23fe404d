"""A shared page index on this machine: the server with what it lacks, an empty container, its openings."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from pages.index.cosmos import CosmosIndex
from pages.index.cosmos_pages import Pace
from pages.index.cosmos_schema import PagesConfig, make_page_container
from pages.index.embeddings import Embeds, HashedEmbedder
from tests.doubles.cosmos import KEY, Front, config_of, cosmos_front
from tests.doubles.cosmos_search import Searched

QUICK = Pace(every_s=0.05, stale_s=10.0, grace_s=60.0)


@asynccontextmanager
async def a_page_container(server_url: str) -> AsyncGenerator[tuple[Front, Searched, PagesConfig]]:
    """Yield a front, what stands in for the ranker, and what reaches an empty container through them."""
    async with cosmos_front(server_url) as front:
        front.lacking = searched = Searched()
        there = config_of(front.url)
        config = PagesConfig(front.url, KEY, there.database, options=there.options)
        await make_page_container(config)
        yield front, searched, config


Opening = Callable[..., Awaitable[CosmosIndex]]


@asynccontextmanager
async def machines(config: PagesConfig) -> AsyncGenerator[Opening]:
    """Yield what opens the index once more, as another machine does; all are closed at the end."""
    async with AsyncExitStack() as closing:

        async def opening(
            embedder: Embeds | None = None, *, passage_tokens: int = 180, pace: Pace = QUICK
        ) -> CosmosIndex:
            index = await CosmosIndex.open(
                config, embedder or HashedEmbedder(), passage_tokens=passage_tokens, pace=pace
            )
            closing.push_async_callback(index.close)
            return index

        yield opening
