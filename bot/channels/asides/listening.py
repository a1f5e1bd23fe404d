"""Channels without a mention: where a reviewer said “answer here”, the bot answers what it is sure of.

    what is said in a channel ─ asked for here? ─ a question to nobody in particular? ─ answered, unseen
                              ─ sure enough? ─ kept and said, in a thread; else forgotten, and counted

It is silent unless its calibrated confidence (`model/answering/confidence.py`) reaches the precision that is
wanted: of answers that are each right with a probability of 0.95 or more, 0.95 are right. What it hears and
does not answer is kept nowhere; a count by outcome is. It hears no bots, answers a message once, and “quiet”
from anybody ends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bot.card_tokens import parse_home_id
from bot.channels.incoming import Incoming
from bot.channels.message import Connector, plain_message
from bot.dialogs.ask import Answerer
from bot.dialogs.talk import detect_talk
from core import telemetry
from core.bounded_dict import BoundedDict
from core.records import Answer, Question
from core.translation import mark, mark_count, say, say_count
from feedback.store.base import StoreError, moment
from feedback.store.documents import Document, Documents
from model.text.question import asks_something

log = logging.getLogger(__name__)

KIND, COUNT = "listens", "unasked"
KNOWN_FOR_S = 30.0
"""How long a process goes by what it knew of a channel: “quiet” is heard there at once, elsewhere by then."""
REMEMBERED = 10_000
MOST_WAITING = 8
"""Questions that are looked at or wait for it; of more, the bot says nothing."""
LOOKS_S = 60.0
PATIENCE_S = 10.0
"""How long a stop waits for what nobody asked."""
SHORTEST, LONGEST = 8, 500
"""Characters of a question that is taken for one."""

START = frozenset(
    {
        *("answer here", "listen here", "antworte hier", "antworten sie hier"),
        *(
            "responde aquí",
            "responda aquí",
            "réponds ici",
            "répondez ici",
            "ここで答えて",
            "ここで答えてください",
        ),
    }
)
STOP = frozenset(
    {
        *("quiet", "stop answering here", "stop listening here", "ruhe", "antworte hier nicht mehr"),
        *("silencio", "silence", "静かに", "静かにして", "静かにしてください"),
    }
)
BEGUN = mark(
    "From now on I answer questions here without a mention, but only if I am sure; otherwise I "
    "say nothing. I do not store messages that I do not answer. Anybody can end this with "
    "“@{name} quiet”."
)
ENDED = mark_count(
    "I am quiet: here I answer only when somebody mentions me. Without being asked, I answered "
    "{count} question and left {silent} unanswered.",
    "I am quiet: here I answer only when somebody mentions me. Without being asked, I answered "
    "{count} questions and left {silent} unanswered.",
)
NOT_BEGUN = mark("Here I answer only when somebody mentions me.")
NOT_ALLOWED = mark("Only a reviewer can let me answer without a mention.")
SWITCHED_OFF = mark(
    "I do not read messages in channels that do not mention me. My operator can change that with the "
    "setting answer_unasked."
)
ALONE = mark("In this chat I answer every question.")


class Outcome(StrEnum):
    """What became of something that was heard."""

    SAID = "said"
    UNSURE = "unsure"
    NO_QUESTION = "no_question"
    BUSY = "busy"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class UnaskedRules:
    """`is_on`: channels are heard. `precision` is the share of what is said unasked that is to be right."""

    is_on: bool = False
    precision: float = 0.95


@dataclass(frozen=True, slots=True)
class OverheardQuestion:
    """A question that nobody asked the bot, and how to say its answer once it is sure."""

    question: Question
    say: Callable[[Answer], Awaitable[bool]]


class Listening:
    """Where the bot answers unasked. One per process, for all channels."""

    def __init__(self, documents: Documents, rules: UnaskedRules) -> None:
        self._documents = documents
        self._rules = rules
        self._known: BoundedDict[str, tuple[bool, float]] = BoundedDict(REMEMBERED)
        self._seen: BoundedDict[str, None] = BoundedDict(REMEMBERED)
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def hear(
        self, incoming: Incoming, answerer: Answerer, make: Callable[[Incoming], OverheardQuestion]
    ) -> None:
        """Take note of what was said, without waiting for what comes of it. Raises StoreError."""
        place = parse_home_id(incoming.conversation)
        if not self._rules.is_on or incoming.question_id in self._seen or not await self._listens(place):
            return
        self._seen[incoming.question_id] = None
        if not is_open_question(incoming):
            await self._count(place, Outcome.NO_QUESTION)
        elif len(self._tasks) >= MOST_WAITING:
            await self._count(place, Outcome.BUSY)
        else:
            work = self._consider(place, make(incoming), answerer)
            task = asyncio.create_task(work, name="unasked")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait a while for what is being looked at, and leave the rest unsaid."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=PATIENCE_S)
        for task in late:
            task.cancel()

    async def command(
        self, incoming: Incoming, connector: Connector, may: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Begin or end it where somebody says so; False for other words. Raises StoreError and OSError.

        `may` tells whether they may begin it.
        """
        words = " ".join(incoming.text.lower().strip(" .!?¡¿。！？").split())
        if words not in START | STOP:
            return False
        said = say(ALONE) if incoming.personal else await self._obey(words, incoming, may)
        await connector.send(incoming.reference, plain_message(said))
        return True

    async def _obey(self, words: str, incoming: Incoming, may: Callable[[], Awaitable[bool]]) -> str:
        place = parse_home_id(incoming.conversation)
        if words in STOP:
            self._known.pop(place, None)
            if not await self._documents.remove(KIND, place):
                return say(NOT_BEGUN)
            said, silent = await self._tally(place)
            return say_count(*ENDED, said, silent=silent)
        if not self._rules.is_on:
            return say(SWITCHED_OFF)
        if not await may():
            return say(NOT_ALLOWED)
        now = moment(datetime.now(UTC))
        await self._documents.put(Document(KIND, place, "", order=now))
        self._known.pop(place, None)
        return say(BEGUN, name=incoming.bot.get("name") or "askpage")

    async def _listens(self, place: str) -> bool:
        now = asyncio.get_running_loop().time()
        known, until = self._known.get(place, (False, 0.0))
        if now >= until:
            known = await self._documents.get(KIND, place) is not None
            self._known[place] = (known, now + KNOWN_FOR_S)
        return known

    async def _consider(self, place: str, heard: OverheardQuestion, answerer: Answerer) -> None:
        """Answer unseen, and say it where it is sure enough; nobody is told where that fails."""
        outcome = Outcome.FAILED
        try:
            async with self._one_at_a_time, asyncio.timeout(LOOKS_S):
                answer = await _find_answer(answerer, heard.question)
            if answer is None or not self.is_sure(answer) or not await self._listens(place):
                outcome = Outcome.UNSURE
            elif await heard.say(answer):
                outcome = Outcome.SAID
        except Exception:
            log.exception("something that was heard could not be looked at")
        try:
            await self._count(place, outcome)
        except StoreError as error:
            log.info("not counted: %s", error)

    def is_sure(self, answer: Answer) -> bool:
        """Tell whether an answer is likely enough to be right to be said unasked."""
        if answer.abstained or answer.from_file:
            return False
        if answer.verified_by is not None:
            return True
        return answer.confidence is not None and answer.confidence >= self._rules.precision

    async def _count(self, place: str, outcome: Outcome) -> None:
        telemetry.event("heard_unasked", outcome=outcome)
        if outcome is not Outcome.NO_QUESTION:
            await self._documents.count(COUNT, f"{place}|{outcome}")

    async def _tally(self, place: str) -> tuple[int, int]:
        """Return how often the bot spoke unasked in a channel, and how often it kept silent at a question."""
        counts: list[int] = []
        for outcome in (Outcome.SAID, Outcome.UNSURE, Outcome.BUSY, Outcome.FAILED):
            kept = await self._documents.get(COUNT, f"{place}|{outcome}")
            counts.append(kept.version if kept else 0)
        return counts[0], sum(counts[1:])


def is_open_question(incoming: Incoming) -> bool:
    """Tell whether what was said asks something, and nobody in particular: no reply, no name, no file."""
    text = incoming.text
    if incoming.files or incoming.names_somebody or incoming.is_reply or incoming.question[1] is not None:
        return False
    return SHORTEST <= len(text) <= LONGEST and detect_talk(text) is None and asks_something(text)


async def _find_answer(answerer: Answerer, question: Question) -> Answer | None:
    best: Answer | None = None
    async with aclosing(answerer.stream(question, ())) as stream:
        async for item in stream:
            if isinstance(item, Answer):
                best = item
    return best
