"""The bot as a process to be killed: python -m tests.processes.storm_bot STORE PORT [MODEL_URL].

STORE is a file, or where a Cosmos DB is, as JSON (tests/doubles/cosmos.py `place_of`), with a folder for the
"spools" beside it. Its model is scripted, or a model server's, which is asked with the words of the question.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from bot.background import PeriodicTasks
from bot.channels.handler import ActivityHandler
from bot.channels.review_handler import Reviewers
from bot.dialogs.ask import Asking
from bot.dialogs.rate import RatingRules
from bot.services import Services
from bot.stores import Store
from bot.teams.auth import BotFrameworkConfig
from bot.teams.endpoint import TeamsEndpoint
from core.records import Answer, Question, derive_answer_id
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import ProcessLease, RunImmediately
from feedback.store.cosmos import CosmosStore
from feedback.store.offline_queue import OfflineQueue
from feedback.store.offline_store import OfflineStore
from feedback.store.sqlite import SqliteStore
from model.answering.server_chat import ServerChatModel
from model.answering.server_client import ServerClient
from tests.builders.world import KEY, NO_SAMPLE, ScriptedAnswerer, an_answer, some_dependencies
from tests.doubles.cosmos import config_of
from tests.doubles.teams_limits import quick_pace

REVIEWERS = [f"aad-r{number}" for number in range(10)]
HOLD_S = 12.0
"""Shorter than in use, so that a test need not wait; long enough for a slow machine."""
ANSWER_S, MOST_TOKENS = 30.0, 64


async def open_store(where: str, hold: ProcessLease) -> Store:
    """Open what the command line names."""
    if not where.startswith("{"):
        return SqliteStore.open(Path(where), hold=hold)
    place = json.loads(where)
    spool = SqliteStore.open(Path(place.pop("spools")) / f"{hold.holder}.sqlite3", hold=hold)
    store = OfflineStore(CosmosStore(config_of(**place), hold=hold), OfflineQueue(spool, most=1_000))
    await store.spool.load()
    return store


class ServedAnswerer:
    """Says what a model server says to the question alone."""

    def __init__(self, url: str) -> None:
        self._model = ServerChatModel(ServerClient(url, "", ANSWER_S), model="live", max_tokens=MOST_TOKENS)

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        text = ""
        async for chunk in self._model.astream(question.text):
            text += chunk.text
            yield text
        yield replace(an_answer(question, text), id=derive_answer_id(question.id))


async def run(where: str, port: int, model_url: str = "") -> None:
    """Serve until killed."""
    hold = ProcessLease(str(port), HOLD_S)
    store = await open_store(where, hold)
    later = store.spool if isinstance(store, OfflineStore) else RunImmediately()
    dependencies = replace(some_dependencies(lambda: seam.connector), later=later)
    repository = ReviewRepository(store.documents, hold.holder)
    parts = Services(store, repository, KEY, dependencies, (RatingRules(), NO_SAMPLE))
    answerer = ServedAnswerer(model_url) if model_url else ScriptedAnswerer()
    asking = Asking(store, answerer, parts.looking)
    front = ActivityHandler(parts.handlers(asking, Reviewers(REVIEWERS)))
    seam = TeamsEndpoint(BotFrameworkConfig(allow_unauthenticated=True), front, pace=quick_pace())
    app = web.Application()
    app.router.add_post("/api/messages", seam.process)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    upkeep = PeriodicTasks(
        asking, lambda question: front.restore_reply(question, seam.connector), store, hold, parts.privacy
    )
    await upkeep.resume()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(parts.card_sync.run(0.5), upkeep.run())


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
