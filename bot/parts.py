"""What an instance is made of, whichever way it is used (bot or command line): the pages, the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from urllib.parse import urlsplit

from bot.loopback import names_loopback
from bot.storing import pages_config
from model.answering import Answering, AnswerRules
from model.loading import ModelChoice, open_model
from model.onnx_infer import EngineOptions
from pages.embed import Embedder, Embeds
from pages.fetch import Fetcher, FetchLimits
from pages.file_index import FileIndex
from pages.indexing import Indexes, IndexUnavailable
from pages.library import Library
from records import Passage, Question
from settings import Settings

REVIEWED_PASSAGES = 4
"""How many passages a reviewer of a changed page can choose from."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The pages: the index, the library that keeps it fresh, and what finds meaning in text."""

    index: Indexes
    library: Library
    embedder: Embeds

    def page_hash(self, url: str) -> str | None:
        """Return the hash of a page as it is now, None where it is not known."""
        entry = self.index.entry(url)
        return entry.page_hash if entry else None

    def public_pages(self) -> list[tuple[str, str]]:
        """Return (URL, title) of the pages that a source named: what somebody pasted is nobody else's."""
        return [(entry.url, entry.title) for entry in self.index.entries() if entry.source]

    async def look_again(self, question: Question) -> Sequence[Passage]:
        """Return what the pages say on a question now, for reviewers."""
        hits = await self.library.search(question.text, REVIEWED_PASSAGES, question.page_url)
        return [hit.passage for hit in hits]


@dataclass(frozen=True, slots=True)
class Parts:
    """What an instance is made of, whichever way it is used (bot or command line)."""

    settings: Settings
    shelf: Shelf
    answering: Answering


@asynccontextmanager
async def open_shelf(settings: Settings) -> AsyncGenerator[Shelf]:
    """Open the page index and what reads pages."""
    limits = FetchLimits(
        allowed_sites=tuple(settings.allowed_sites),
        timeout_s=settings.fetch_timeout_s,
        max_bytes=settings.fetch_max_bytes,
        max_redirects=settings.fetch_max_redirects,
        extract_timeout_s=settings.extract_timeout_s,
    )
    embedder = await asyncio.to_thread(Embedder)
    index = await _open_index(settings, embedder)
    try:
        async with Fetcher(limits) as fetcher:
            library = Library(index, fetcher, public_url=site_url(settings, settings.port))
            try:
                yield Shelf(index, library, embedder)
            finally:
                await library.close()
    finally:
        await index.close()


async def _open_index(settings: Settings, embedder: Embeds) -> Indexes:
    if settings.page_index == "file":
        return await FileIndex.open(settings.index_dir, embedder, passage_tokens=settings.passage_tokens)
    if not settings.cosmos_endpoint:
        raise IndexUnavailable("The page index is to be in Cosmos DB: set cosmos_endpoint, too.")
    # 2 s and 50 MB that a bot with a file need not pay
    from pages.cosmos_index import CosmosIndex  # noqa: PLC0415

    return await CosmosIndex.open(pages_config(settings), embedder, passage_tokens=settings.passage_tokens)


@asynccontextmanager
async def open_answering(settings: Settings, shelf: Shelf, version: str = "") -> AsyncGenerator[Answering]:
    """Open the model, and answer from these pages with it. Raises ModelMissing with what to run.

    `version` names the model version; empty follows what is live.
    """
    rules = AnswerRules(
        passages=settings.passages,
        span_sentences=settings.span_sentences,
        least_similarity=settings.least_similarity,
        state_from=settings.state_confidence,
        decline_below=settings.decline_confidence,
        first_token_s=settings.first_token_budget_s,
    )
    async with open_model(replace(model_choice(settings), version=version)) as lend:
        yield Answering(lend, shelf.library.search, rules, shelf.library.section_of)


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncGenerator[Parts]:
    """Open pages and model, and close them afterwards. Raises ModelMissing with what to run."""
    async with open_shelf(settings) as shelf, open_answering(settings, shelf) as answering:
        yield Parts(settings, shelf, answering)


def model_choice(settings: Settings) -> ModelChoice:
    """Say which model runs, and how."""
    options = EngineOptions(
        device=settings.device,
        threads=settings.model_threads,
        concurrent=settings.concurrent_answers,
        queue_limit=settings.queue_limit,
        context_tokens=settings.prompt_tokens + settings.answer_tokens,
        cuda={
            "device_id": str(settings.cuda_device_id),
            "arena_extend_strategy": settings.cuda_arena_extend_strategy,
            "cudnn_conv_algo_search": settings.cuda_cudnn_conv_algo_search,
            "do_copy_in_default_stream": str(int(settings.cuda_do_copy_in_default_stream)),
            **({"gpu_mem_limit": str(settings.cuda_gpu_mem_limit)} if settings.cuda_gpu_mem_limit else {}),
        },
    )
    return ModelChoice(
        models_dir=settings.models_dir,
        base=settings.base_model,
        answer_tokens=settings.answer_tokens,
        options=options,
        poll_s=settings.model_poll_s,
        drain_s=settings.answer_timeout_s,
        url=settings.models_url,
    )


def is_public(settings: Settings) -> bool:
    """Whether people elsewhere are meant to reach the port: then a request from this machine may be anybody's.

    A proxy on the same machine hands over what the internet sends, and neither the peer nor a header need tell.
    """
    host = urlsplit(settings.public_url).hostname or ""
    elsewhere = bool(settings.public_url) and not names_loopback(host)
    slack = bool(settings.slack_signing_secret.get_secret_value())
    return bool(settings.app_id) or slack or elsewhere or not names_loopback(settings.host)


class LocalPage(Enum):
    """Where the chat page is, with the dashboard and the pages that this machine's browsers need no token for."""

    OFF = auto()
    ON_THE_PORT = auto()
    ON_ITS_OWN_PORT = auto()


def local_page_of(settings: Settings) -> LocalPage:
    """Return where the chat page is served: where the port is public, nowhere or on another one."""
    if not settings.local_page:
        return LocalPage.OFF
    if not is_public(settings):
        return LocalPage.ON_THE_PORT
    return LocalPage.ON_ITS_OWN_PORT if settings.dangerously_serve_local_page else LocalPage.OFF


def site_url(settings: Settings, port: int) -> str:
    """Return the address at which people open our own pages, without a slash at its end."""
    return settings.public_url.rstrip("/") or f"http://localhost:{port}"
