"""A link to a page made to hold up its reader: whoever pasted it hears something, nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.dialogs.answerer import PageAnswerer
from bot.web.pages import find_quote
from model.answering.chain import Answering, AnswerRules, always_acquire
from model.answering.chat_model import CannedChatModel
from model.registry.loading import quote_first_sentence
from pages.fetch.client import Fetcher, FetchLimits
from pages.index.embeddings import HashedEmbedder
from pages.index.sqlite import FileIndex
from pages.library import Library
from pages.parse.extract import extract
from tests.builders.timing import least_seconds
from tests.builders.world import World, a_world
from tests.conftest import ROOT
from tests.doubles.teams_connector import stream_info
from tests.processes.hostile_site import PAGES

pytest_plugins = ["tests.builders.warm"]
pytestmark = pytest.mark.usefixtures("warm_reading")

LONGEST_HELD_S = 0.25
"""Shared machines hold an idle loop for a tenth of a second; the pages held it for 8 to 38 s before."""
BEAT_S = 0.02
OTHERS_EVERY_S = 0.25
TRIES = 3
PATIENCE_S = 60.0
"""For an answer, however busy the machine is: that nobody waits for a page is what the heartbeat shows."""
EXTRACT_TIMEOUT_S = 3.0
URL = "/site/docs/leave"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Heartbeat:
    """Wakes the event loop all the time; `held_s` is the longest for which it could not.

    What a busy machine adds is no fault of ours: the time for which our threads were ready and the system ran
    others (second figure of Linux's schedstat) is subtracted.
    """

    def __init__(self) -> None:
        self.held_s = 0.0

    async def run(self) -> None:
        before, waited = time.monotonic(), _waited_s()
        while True:
            await asyncio.sleep(BEAT_S)
            now = time.monotonic()
            if now - before > self.held_s:
                self.held_s = max(self.held_s, now - before - max(0.0, _waited_s() - waited))
            before, waited = time.monotonic(), _waited_s()


def _waited_s() -> float:
    """Return for how long all threads of this process have waited for a processor so far."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError, IndexError):  # a thread that has just ended, or another system
            total += int((task / "schedstat").read_text("ascii").split()[1])
    return total / 1e9


@dataclass
class Scene:
    """A served bot that knows one page, and a site of hostile ones."""

    world: World
    library: Library
    site: str

    async def ask(self, text: str, conversation: str) -> None:
        """Ask as somebody who asks nothing else."""
        person = {"id": f"29:{conversation}", "name": "Ada", "aadObjectId": f"aad-{conversation}"}
        place = {"id": conversation, "conversationType": "personal"}
        await self.world.ask(text, id=f"q-{conversation}", conversation=place, **{"from": person})

    def said(self, conversation: str) -> list[dict[str, Any]]:
        return [
            call.activity
            for call in self.world.connector.calls
            if call.conversation == conversation
            and call.is_message
            and stream_info(call.activity).get("streamType", "final") == "final"
        ]

    async def heard(self, conversation: str, longest_s: float) -> str:
        async with asyncio.timeout(longest_s):
            while not self.said(conversation):  # noqa: ASYNC110 - the double of the channel sets no event
                await asyncio.sleep(0.01)
        return str(self.said(conversation)[0])


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.processes.hostile_site"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


@pytest.fixture(scope="module")
def frozen() -> None:
    """Look for garbage once, and leave alone what stays, as a start of the bot does."""
    gc.collect()
    gc.freeze()


@pytest.fixture
async def scene(site: str, frozen: None, tmp_path: Path) -> AsyncIterator[Scene]:
    index = await FileIndex.open(tmp_path / "pages", HashedEmbedder())
    page = extract(
        b"# Leave\n\nEveryone gets 26 days.", url=URL, content_type="text/markdown", fetched_at=NOW
    )
    await index.add(page, source="docs")
    limits = FetchLimits((site,), extract_timeout_s=EXTRACT_TIMEOUT_S)
    async with Fetcher(limits, is_allowed_address=lambda _: True) as fetcher, a_world() as world:
        library = Library(index, fetcher)
        rules = AnswerRules(least_similarity=-1.0)
        answering = Answering(
            always_acquire(CannedChatModel(quote_first_sentence), "canned"), library.search, rules
        )
        world.answerer = PageAnswerer(library, answering)  # type: ignore[assignment]
        yield Scene(world, library, f"http://{site}")
        await library.close()
    await index.close()


@pytest.mark.parametrize("name", PAGES)
async def test_a_hostile_page_holds_nobody_up(scene: Scene, name: str) -> None:
    await scene.ask("How many days of leave does everyone get?", "a:first")
    await scene.heard("a:first", PATIENCE_S)
    assert await least_held_s(partial(one_beside_others, scene, name)) < LONGEST_HELD_S
    await scene.world.settled()


async def test_many_hostile_pages_at_once_hold_nobody_up(scene: Scene) -> None:
    assert await least_held_s(partial(many_at_once, scene)) < LONGEST_HELD_S
    await scene.world.settled()


async def least_held_s(read: Callable[[int], Awaitable[None]]) -> float:
    """Return the longest time the loop was held, in the best of some tries: a page always does the same."""
    held: list[float] = []
    while len(held) < TRIES and min(held, default=1.0) >= LONGEST_HELD_S:
        heartbeat = Heartbeat()
        beating = asyncio.create_task(heartbeat.run())
        await read(len(held))
        beating.cancel()
        held.append(heartbeat.held_s)
    return min(held)


async def one_beside_others(scene: Scene, name: str, attempt: int) -> None:
    """Ask about a page under an address that is new, and meanwhile other questions, one after the other."""
    hostile = f"a:hostile-{attempt}"
    await scene.ask(f"What does {scene.site}/{name}?{attempt} say?", hostile)
    others = 0
    while not scene.said(hostile) or not others:
        others += 1
        assert others < 100
        other = f"a:{attempt}-{others}"
        await scene.ask("How many days of leave does everyone get?", other)
        assert "26 days" in await scene.heard(other, PATIENCE_S)
        await asyncio.sleep(OTHERS_EVERY_S)


async def many_at_once(scene: Scene, attempt: int) -> None:
    """Ask about several pages at once, and something else."""
    slow = ("pdf-forms", "markdown-headings", "markdown-lists", "nested-elements", "headings", "gzip-members")
    hostile = [f"a:hostile-{attempt}-{name}" for name in slow]
    for name, conversation in zip(slow, hostile, strict=True):
        await scene.ask(f"What does {scene.site}/{name}?{attempt} say?", conversation)
    await scene.ask("How many days of leave does everyone get?", f"a:other-{attempt}")
    assert "26 days" in await scene.heard(f"a:other-{attempt}", PATIENCE_S)
    for conversation in hostile:
        await scene.heard(conversation, PATIENCE_S)


@pytest.mark.parametrize(
    ("text", "quote"),
    [("a " * 1_000_000, "a " * 999 + "b"), ("a\n" * 1_000_000, "a " * 1000 + "…"), (" " * 2_000_000, "a b")],
)
def test_a_quote_is_found_or_not_in_two_megabytes_at_once(text: str, quote: str) -> None:
    assert least_seconds(lambda: find_quote(text, quote)) < 1.0


@pytest.mark.parametrize(
    "body",
    [
        b"# a" + b" " * 49_000 + b"b\n\nText.",
        b"x {%" + b"a" * 390_000,
        b"x " + b"{% a " * 70_000,
        b"{{ a " * 70_000,
    ],
)
def test_markdown_that_nearly_has_marks_is_read_at_once(body: bytes) -> None:
    address = "https://example.com/a"
    took = least_seconds(lambda: extract(body, url=address, content_type="text/markdown", fetched_at=NOW))
    assert took < 1.0
