"""The bot of `make soak`, its model canned: python -m tests.processes.soak_bot STORE PORT SLACK_API."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from bot.background import PeriodicTasks
from bot.bootstrap import find_connector
from bot.channel import Reply
from bot.channels.handler import ActivityHandler, ChannelConfig
from bot.channels.review_handler import Reviewers
from bot.dialogs.ask import Asking
from bot.services import Services
from bot.slack.channel import CAPABILITIES, SlackChannel
from bot.slack.config import PaceRules
from bot.teams.auth import BotFrameworkConfig
from bot.teams.endpoint import TeamsEndpoint
from core.records import Answer, Channel, Question
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import ProcessLease, RunImmediately
from feedback.store.sqlite import SqliteStore
from tests.builders.slack_world import CONFIG, REACTIONS
from tests.builders.world import KEY, NO_SAMPLE, an_answer, some_dependencies
from tests.doubles.teams_limits import TEST_STREAM, quick_pace

REVIEWER = "aad-robin"
HOLD_S = 12.0
"""Shorter than in use: what a channel did not take is tried again after a third of it."""
SLACK_SECOND_S = 0.1
"""How long Slack's second lasts in a soak: long enough that a busy machine is not late by a part of it."""
TOKEN = re.compile(r"q\d+")
ANSWERED = re.compile(r"You get 16 weeks of leave, as (q\d+) asked")


class CannedModel:
    """Says word by word which question it answers; every third answer asks for stars, others for thumbs."""

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        found = TOKEN.search(question.text)
        token = found.group() if found else "nobody"
        text = f"You get 16 weeks of leave, as {token} asked"
        words = text.split(" ")
        for count in range(2, len(words), 2):
            yield " ".join(words[:count])
            await asyncio.sleep(0.02)
        form = "stars@1" if token[-1] in "369" else "thumbs@1"
        yield an_answer(question, f"{text} [1].", form=form, answered_at=datetime.now(UTC), support=0.9)


async def run(path: Path, port: int, slack_api: str) -> None:
    """Serve until killed."""
    hold = ProcessLease(str(port), HOLD_S)
    store = SqliteStore.open(path, hold=hold)
    dependencies = replace(
        some_dependencies(lambda: seam.connector),
        capabilities={Channel.SLACK: CAPABILITIES},
        connector=lambda conversation: find_connector(
            {Channel.TEAMS: seam.connector, Channel.SLACK: slack.connector}, conversation
        ),
        later=RunImmediately(),
    )
    parts = Services(
        store, ReviewRepository(store.documents, hold.holder), KEY, dependencies, (REACTIONS, NO_SAMPLE)
    )
    asking = Asking(store, CannedModel(), parts.looking)
    style = ChannelConfig(pace=TEST_STREAM)
    front = ActivityHandler(parts.handlers(asking, Reviewers([REVIEWER])), style)
    seam = TeamsEndpoint(BotFrameworkConfig(allow_unauthenticated=True), front, pace=quick_pace())
    config = replace(CONFIG, api_url=slack_api, pace=PaceRules(second_s=SLACK_SECOND_S))
    slack = SlackChannel(config, asking, store, parts)
    app = web.Application()
    app.router.add_post("/api/messages", seam.process)
    app.add_routes(slack.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()

    def reply_for(question: Question) -> Reply | None:
        if question.channel == Channel.SLACK:
            return slack.restore_reply(question)
        return front.restore_reply(question, seam.connector)

    upkeep = PeriodicTasks(asking, reply_for, store, hold, parts.privacy)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(parts.card_sync.run(1.0), upkeep.run(), slack.run())


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
