"""The Teams front end: what arrives as Bot Framework activities → records; records → what is sent.

It works on plain dicts and knows neither botbuilder nor HTTP. `bot/botframework.py` authenticates and hands
activities in; the local page speaks the same way.

What cannot be tied to one answer (a thumb without the message's id where several answers stand, a reaction to
somebody else's message) is counted in `untied` and never guessed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

from bot.activities import Incoming, Reference, as_dicts, as_text, read_activity, reference_of, split_page
from bot.cards.help import help_card
from bot.delivery import Connector, StreamPace, TeamsReply, show_card
from bot.dialogs.ask import Asking, Undeliverable
from bot.dialogs.rate import give_reaction, give_thumb, take_back_reaction
from bot.invokes import (
    BAD_ACTION,
    FORM,
    NOT_IMPLEMENTED,
    OK,
    InvokeReply,
    Thumb,
    read_action_verb,
    read_thumb,
)
from feedback.store import FeedbackStore, StoreUnavailable
from records import Answer, Channel, Question

log = logging.getLogger(__name__)

HELP_WORDS = frozenset({"help", "/help", "?", "hilfe"})
STORE_DOWN = "I cannot keep your question right now, so I did not start on it. Please ask again in a minute."
THREADS = 50
"""How many threads of a channel are looked through for the message that somebody means."""
REMEMBERED = 10_000
"""How many conversations and edited questions are remembered in memory, the latest ones."""


@dataclass(frozen=True, slots=True)
class TeamsStyle:
    """What front ends differ in: the channel of their records, the examples of the help card, the pace."""

    channel: Channel = Channel.TEAMS
    examples: Sequence[str] = ()
    pace: StreamPace = field(default_factory=StreamPace)


class TeamsFrontEnd:
    """Handles one authenticated activity at a time, of any type. One per process and channel."""

    def __init__(
        self,
        asking: Asking,
        store: FeedbackStore,
        pseudonym: Callable[[str], str],
        site_url: str,
        style: TeamsStyle | None = None,
    ) -> None:
        """`site_url` is what root-relative page addresses ("/site/docs/x#y") are joined to."""
        self._asking = asking
        self._store = store
        self._pseudonym = pseudonym
        self._site_url = site_url
        self._style = style or TeamsStyle()
        self._replies: WeakValueDictionary[str, TeamsReply] = WeakValueDictionary()  # while they work
        self._latest: dict[str, str] = {}
        self._welcomed: dict[str, str] = {}
        self._threads: dict[str, deque[str]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self.untied: Counter[str] = Counter()

    async def receive(self, activity: Mapping[str, Any], connector: Connector) -> InvokeReply | None:
        """Handle one activity; an invoke gets its reply. Raises Malformed, and StoreUnavailable for feedback."""
        incoming = read_activity(activity)
        if incoming.user["role"] in {"bot", "skill"}:
            return None
        match incoming.kind:
            case "message":
                await self._message(incoming, connector)
            case "messageUpdate":
                await self._edited(incoming, connector)
            case "messageDelete":
                await self._deleted(incoming, connector)
            case "messageReaction":
                await self._reacted(incoming)
            case "conversationUpdate" | "installationUpdate":
                self._joined(incoming, connector)
            case "invoke":
                return await self._invoked(incoming)
            case kind:
                log.debug("an activity of type %s is not for us", kind[:40])
        return None

    def reply_for(self, question: Question, connector: Connector) -> TeamsReply | None:
        """Make the way back to who asked from the stored question; None where it is not this channel's."""
        reference = Reference.load(question.reply_to)
        if question.channel is not self._style.channel or reference is None:
            return None
        return TeamsReply(reference, connector, self._site_url, self._style.pace)

    async def close(self) -> None:
        """Wait for the cards that are on their way."""
        if self._errands:
            await asyncio.wait(self._errands)

    # Questions

    async def _message(self, incoming: Incoming, connector: Connector) -> None:
        if not incoming.text and incoming.value:
            log.info("a card was submitted that nobody here knows")
        elif not incoming.text or incoming.text.lower().strip(" .!") in HELP_WORDS:
            self._show(help_card(self._style.examples), incoming, connector)
        else:
            await self._ask(incoming, connector, incoming.question_id, replaces="")

    async def _ask(
        self, incoming: Incoming, connector: Connector, question_id: str, *, replaces: str
    ) -> None:
        text, page_url = split_page(incoming.text)
        reference = reference_of(incoming, replaces)
        question = Question(
            id=question_id,
            text=text,
            asker=self._pseudonym(incoming.sender),
            conversation=incoming.conversation_id,
            channel=self._style.channel,
            asked_at=datetime.now(UTC),
            page_url=page_url,
            reply_to=reference.dump(),
        )
        reply = TeamsReply(reference, connector, self._site_url, self._style.pace)
        try:
            fresh = await self._asking.receive(question, reply)
        except StoreUnavailable:
            log.exception("a question could not be kept")
            await reply.say(STORE_DOWN)
            return
        if fresh:
            self._replies[question_id] = reply
            self._note_thread(incoming.conversation_id)

    def _note_thread(self, conversation_id: str) -> None:
        """Remember the latest threads of a channel that the bot spoke in."""
        channel, mark, _ = conversation_id.partition(";messageid=")
        if mark:
            threads = self._threads.setdefault(channel, deque(maxlen=THREADS))
            if conversation_id not in threads:
                threads.append(conversation_id)

    async def _edited(self, incoming: Incoming, connector: Connector) -> None:
        """Answer an edited question anew, and write it over the answer before."""
        if not incoming.text:
            return
        digest = hashlib.sha256(incoming.text.encode()).hexdigest()[:12]
        edited_id = f"{incoming.question_id}#{digest}"
        earlier = await self._versions(incoming)
        text, page_url = split_page(incoming.text)
        if edited_id in earlier or (text, page_url) in [
            (answer.question.text, answer.question.page_url) for answer in earlier.values() if answer
        ]:
            return
        message_id = await self._forget(earlier)
        _remember(self._latest, incoming.question_id, edited_id)
        await self._ask(incoming, connector, edited_id, replaces=message_id)

    async def _deleted(self, incoming: Incoming, connector: Connector) -> None:
        message_id = await self._forget(await self._versions(incoming))
        self._latest.pop(incoming.question_id, None)
        if message_id:
            try:
                await connector.delete(incoming.conversation, message_id)
            except (Undeliverable, OSError) as error:
                log.warning("the answer to a deleted question stays on screen: %s", error)

    async def _versions(self, incoming: Incoming) -> dict[str, Answer | None]:
        """Every id that this message was asked under (each edit made one), with its answer where it has one."""
        first = incoming.question_id
        versions: dict[str, Answer | None] = {first: await self._store.answer_to_question(first)}
        if first in self._latest:
            versions[self._latest[first]] = None
        for answer in await self._store.recent_answers(incoming.conversation_id, 20):
            if answer.question.id.startswith(f"{first}#"):
                versions[answer.question.id] = answer
        return versions

    async def _forget(self, versions: Mapping[str, object]) -> str:
        """Forget questions with their answers; return the message that shows the last one, "" for none."""
        shown = ""
        for question_id in versions:
            reply = self._replies.pop(question_id, None)
            message_id = await self._asking.forget(question_id)
            if reply is not None and not message_id:
                message_id = await reply.abandon()
            shown = message_id or shown
        return shown

    # What people think of an answer

    async def _reacted(self, incoming: Incoming) -> None:
        answer = await self._answer_shown(incoming)
        if answer is None:
            self._count("reaction")
            return
        giver = self._pseudonym(incoming.sender)
        for reaction in as_dicts(incoming.raw.get("reactionsAdded")):
            if name := as_text(reaction.get("type")):
                await give_reaction(self._store, answer, giver, name[:80])
        for reaction in as_dicts(incoming.raw.get("reactionsRemoved")):
            if name := as_text(reaction.get("type")):
                await take_back_reaction(self._store, answer, giver, name[:80])

    async def _invoked(self, incoming: Incoming) -> InvokeReply:
        match incoming.name:
            case "message/submitAction":
                thumb = read_thumb(incoming.value)
                if thumb is not None:
                    await self._rated(incoming, thumb)
                return OK
            case "message/fetchTask":
                return FORM
            case "adaptiveCard/action":
                verb = read_action_verb(incoming.value)
                log.info("an action that no card of ours has: %r", verb)
                return BAD_ACTION
            case name:
                log.info("an invoke that is not for us: %s", name[:80])
                return NOT_IMPLEMENTED

    async def _rated(self, incoming: Incoming, thumb: Thumb) -> None:
        answer = await self._answer_shown(incoming)
        if answer is None and not incoming.reply_to_id:
            answers = await self._store.recent_answers(incoming.conversation_id, 2)
            answer = answers[0] if len(answers) == 1 else None
        if answer is None:
            self._count("thumb")
            return
        giver = self._pseudonym(incoming.sender)
        await give_thumb(self._store, answer, giver, thumb.value, thumb.comment, thumb.reasons)

    async def _answer_shown(self, incoming: Incoming) -> Answer | None:
        if not incoming.reply_to_id:
            return None
        places = [incoming.conversation_id, *self._threads.get(incoming.conversation_id, ())]
        for place in places:  # a channel may be named without the thread; its messages' ids are unique in it
            answer = await self._store.answer_in_message(place, incoming.reply_to_id)
            if answer is not None:
                return answer
        return None

    def _count(self, what: str) -> None:
        self.untied[what] += 1
        log.info("a %s that belongs to no answer of ours", what)

    # Cards

    def _joined(self, incoming: Incoming, connector: Connector) -> None:
        """Welcome a conversation that the bot was added to, once: Teams tells it in two ways."""
        added = [as_text(member.get("id")) for member in as_dicts(incoming.raw.get("membersAdded"))]
        installed = incoming.kind == "installationUpdate" and incoming.raw.get("action") == "add"
        if (incoming.bot["id"] in added or installed) and incoming.conversation_id not in self._welcomed:
            _remember(self._welcomed, incoming.conversation_id, "")
            self._show(help_card(self._style.examples, welcome=True), incoming, connector)

    def _show(self, card: dict[str, Any], incoming: Incoming, connector: Connector) -> None:
        task = asyncio.create_task(show_card(reference_of(incoming), connector, card), name="card")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _remember(memory: dict[str, str], key: str, value: str) -> None:
    """Remember the newest REMEMBERED entries; a dict keeps them in the order in which they came."""
    memory[key] = value
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]
