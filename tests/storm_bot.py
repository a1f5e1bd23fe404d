"""The bot with a real store and a scripted model, as a process that can be killed: python -m tests.storm_bot STORE PORT."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from bot.botframework import BotFrameworkConfig, BotFrameworkSeam
from bot.dialogs.ask import Asking
from bot.dialogs.rate import RatingRules
from bot.feedback_parts import FeedbackParts
from bot.pace import Pace
from bot.reviewers import Reviewers
from bot.teams import TeamsFrontEnd
from feedback.desk import Desk
from feedback.sqlite import SqliteStore
from tests.world import KEY, NO_SAMPLE, ScriptedAnswerer, pseudonym, some_surroundings

REVIEWERS = [f"aad-r{number}" for number in range(10)]


async def run(path: Path, port: int) -> None:
    """Serve until killed."""
    store = SqliteStore.open(path)
    around = some_surroundings(lambda: seam.connector)
    parts = FeedbackParts(store, Desk(store.documents), KEY, around, (RatingRules(), NO_SAMPLE))
    asking = Asking(store, ScriptedAnswerer(), parts.looking)
    front = TeamsFrontEnd(asking, store, pseudonym, parts.hands(Reviewers(REVIEWERS)))
    seam = BotFrameworkSeam(BotFrameworkConfig(allow_unauthenticated=True), front, pace=Pace([(10_000, 1.0)]))
    app = web.Application()
    app.router.add_post("/api/messages", seam.process)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asking.resume(lambda question: front.reply_for(question, seam.connector))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await parts.courier.run(0.5)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
