"""The Teams front end: what arrives as Bot Framework activities → records; records → what is sent.

It works on plain dicts and knows neither botbuilder nor HTTP. `bot/teams/endpoint.py` authenticates and hands
activities in; the local page speaks the same way. What people say about answers goes to `bot/channels/feedback_handler.py`, what
reviewers do to `bot/channels/review_handler.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol
from weakref import WeakValueDictionary

from bot.cards.help import help_card
from bot.cards.privacy import brief
from bot.channel import Connector, Offers, Reply, StreamPace, Undeliverable, nothing_more
from bot.channels.activity import (
    CARD_TYPE,
    Incoming,
    Reference,
    as_dicts,
    as_text,
    card_message,
    place_of,
    plain_message,
    read_activity,
    reference_of,
    split_page,
)
from bot.channels.answer_message import AnswerView
from bot.channels.card_sync import Courier
from bot.channels.feedback_handler import Opinions
from bot.channels.invoke import (
    MESSAGE_TYPE,
    NOT_IMPLEMENTED,
    OK,
    BadAction,
    CardAction,
    InvokeReply,
    bad_action,
    form_task,
    read_action,
    read_submitted,
    saying,
)
from bot.channels.model_handler import ModelDesk
from bot.channels.privacy_handler import PrivacyDesk
from bot.channels.review_handler import ReviewDesk
from bot.dialogs.ask import Asking
from bot.dialogs.privacy import Greeting
from bot.teams.reply import Beside, Stream, TeamsReply
from core import telemetry
from core.records import Answer, Channel, Question
from core.text import Json
from feedback.privacy.deletion_log import Deletion
from feedback.reviews.repository import PostedMessage, ReviewRepository, place_of_part
from feedback.store.base import DeferredActions, FeedbackStore, StoreUnavailable


async def show_card(reference: Reference, connector: Connector, card: Json) -> bool:
    """Send a card that answers no question; a failure is logged, and False."""
    unasked = replace(reference, activity_id="")
    try:
        await connector.send(reference.conversation, card_message(unasked, card))
    except (Undeliverable, OSError) as error:
        log.warning("a card was not delivered: %s", error)
        return False
    return True


log = logging.getLogger(__name__)

HELP_WORDS = frozenset({"help", "/help", "?", "hilfe"})
NOT_KEPT = "This could not be kept just now. Please try again in a minute."
STORE_DOWN = "I cannot keep your question right now, so I did not start on it. Please ask again in a minute."
CONTACT, DELETE = "contact", "delete"
"""What waits while the store is away."""
REMEMBERED = 10_000
"""How many conversations and edited questions are remembered in memory, the latest ones."""


class Way(Reply, Protocol):
    """The way of one answer to who asked, which can be given up."""

    async def abandon(self) -> str:
        """Leave no half message of a question that is gone; return the id of the one on screen, "" for none."""
        ...


MakeWay = Callable[[Reference, AnswerView, Greeting | None], Way]


@dataclass(frozen=True, slots=True)
class TeamsStyle:
    """What front ends differ in: the channel of their records, the examples of the help card, the pace.

    `way` makes the way to who asked where that is another one than in Teams; `offers` are what can be asked after an
    answer (`bot/dialogs/follow_ups.py`).
    """

    channel: Channel = Channel.TEAMS
    examples: Sequence[str] = ()
    pace: StreamPace = field(default_factory=StreamPace)
    way: MakeWay | None = None
    offers: Offers = nothing_more


Recognise = Callable[[str], Awaitable[None]]
"""Hears the id of everybody who shows up, before anything is done for them."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a front end passes activities on to."""

    desk: ReviewRepository
    view: AnswerView
    opinions: Opinions
    reviews: ReviewDesk
    courier: Courier
    later: DeferredActions
    privacy: PrivacyDesk
    recognise: Recognise
    models: ModelDesk


class TeamsFrontEnd:
    """Handles one authenticated activity at a time, of any type. One per process and channel."""

    def __init__(
        self,
        asking: Asking,
        store: FeedbackStore,
        pseudonym: Callable[[str], str],
        hands: Hands,
        style: TeamsStyle | None = None,
    ) -> None:
        self._asking = asking
        self._store = store
        self._pseudonym = pseudonym
        self._hands = hands
        self._style = style or TeamsStyle()
        self._replies: WeakValueDictionary[str, Way] = WeakValueDictionary()  # while they work
        self._streaming: dict[str, Stream] = {}
        self._latest: dict[str, str] = {}
        self._welcomed: dict[str, str] = {}
        self._contacts: dict[str, str] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._delete = f"{DELETE} {self._style.channel}"
        hands.later.on(CONTACT, lambda entry: hands.desk.put_contact(**entry))
        hands.later.on(self._delete, lambda entry: self._forget_message(**entry))
        hands.privacy.privacy.memories.insert(0, self._forget_person)

    async def receive(self, activity: Mapping[str, Any], connector: Connector) -> InvokeReply | None:
        """Handle one activity; an invoke gets its reply. Raises Malformed, and StoreUnavailable for feedback."""
        incoming = read_activity(activity)
        if incoming.user["role"] in {"bot", "skill"}:
            return None
        await self._hands.recognise(incoming.sender)
        match incoming.kind:
            case "message":
                await self._message(incoming, connector)
            case "messageUpdate":
                await self._edited(incoming, connector)
            case "messageDelete":
                await self._deleted(incoming)
            case "messageReaction":
                await self._hands.opinions.reacted(incoming, self._pseudonym(incoming.sender))
            case "conversationUpdate" | "installationUpdate":
                await self._joined(incoming, connector)
            case "invoke":
                return await self._invoked(incoming)
            case kind:
                log.debug("an activity of type %s is not for us", kind[:40])
        return None

    def reply_for(self, question: Question, connector: Connector) -> Way | None:
        """Make the way back to who asked from the stored question; None where it is not this channel's."""
        reference = Reference.load(question.reply_to)
        if question.channel is not self._style.channel or reference is None:
            return None
        return self._replies.setdefault(question.id, self._reply(reference, connector, question.asker))

    def _reply(self, reference: Reference, connector: Connector, person: str) -> Way:
        """Return the way back to a person, who is told with the first answer what is kept, where nobody else reads it."""
        greeting = Greeting(self._hands.privacy.privacy, person) if reference.personal else None
        if self._style.way is not None:
            return self._style.way(reference, self._hands.view, greeting)
        beside = Beside(greeting, self._style.offers, partial(self._keep_part, reference), self._streaming)
        return TeamsReply(reference, connector, self._hands.view, self._style.pace, beside)

    async def _keep_part(self, reference: Reference, answer: Answer, number: int, message_id: str) -> None:
        """Keep which message an answer begins with, so that it goes when the answer is forgotten."""
        place = place_of_part(number)
        with contextlib.suppress(StoreUnavailable):  # it stays on screen then, which is better than no answer
            await self._hands.desk.put_shown(
                PostedMessage(answer.id, place, reference.dump(), message_id, "")
            )

    async def close(self) -> None:
        """Wait for the cards that are on their way."""
        if self._errands:
            await asyncio.wait(self._errands)

    # Questions

    async def _message(self, incoming: Incoming, connector: Connector) -> None:
        if not incoming.text and incoming.value:
            await self._submitted(incoming, connector)
        elif not incoming.text or incoming.text.lower().strip(" .!") in HELP_WORDS:
            self._show(help_card(self._style.examples), incoming, connector)
        elif not await self._told(incoming, connector):
            await self._ask(incoming, connector, incoming.question_id, replaces="")

    async def _told(self, incoming: Incoming, connector: Connector) -> bool:
        """Do what somebody told the bot to do; False for a question."""
        hands, said = self._hands, (incoming, connector, self._pseudonym(incoming.sender))
        try:
            return (
                await hands.reviews.told(*said)
                or await hands.models.told(*said)
                or await hands.privacy.told(*said)
            )
        except StoreUnavailable:
            log.exception("what somebody told the bot could not be done")
            await _say(NOT_KEPT, incoming, connector)
        except (Undeliverable, OSError) as error:
            log.warning("somebody told the bot something and got no answer: %s", error)
        return True

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
            language=as_text(incoming.raw.get("locale")).partition("-")[0].lower()[:8],
            trace=telemetry.here(),
        )
        reply = self._reply(reference, connector, question.asker)
        try:
            await self._remember_way(incoming)
            fresh = await self._asking.receive(question, reply)
        except StoreUnavailable:
            log.exception("a question could not be kept")
            await reply.say(STORE_DOWN)
            return
        if fresh:
            self._replies[question_id] = reply

    async def _remember_way(self, incoming: Incoming) -> None:
        """Keep how to speak in this conversation later, when a reviewer has ruled."""
        way = place_of(incoming).dump()
        if self._contacts.get(incoming.conversation_id) != way:
            alone = self._pseudonym(incoming.sender) if incoming.personal else ""
            entry = {"conversation": incoming.conversation_id, "reference": way, "person": alone}
            await self._hands.later.attempt(partial(self._hands.desk.put_contact, **entry), CONTACT, entry)
            _remember(self._contacts, incoming.conversation_id, way)

    async def _edited(self, incoming: Incoming, connector: Connector) -> None:
        """Answer an edited question anew, and write it over the answer before."""
        if not incoming.text:
            return
        digest = hashlib.sha256(incoming.text.encode()).hexdigest()[:12]
        edited_id = f"{incoming.question_id}#{digest}"
        earlier = await self._versions(incoming.question_id, incoming.conversation_id)
        text, page_url = split_page(incoming.text)
        if edited_id in earlier or (text, page_url) in [
            (answer.question.text, answer.question.page_url) for answer in earlier.values() if answer
        ]:
            return
        message_id = await self._forget(earlier)
        _remember(self._latest, incoming.question_id, edited_id)
        await self._ask(incoming, connector, edited_id, replaces=message_id)

    async def _deleted(self, incoming: Incoming) -> None:
        entry: dict[str, Any] = {"question_id": incoming.question_id, "conversation": incoming.conversation}
        await self._hands.later.attempt(partial(self._forget_message, **entry), self._delete, entry)

    async def _forget_message(self, question_id: str, conversation: dict[str, Any]) -> None:
        """Forget what a message asked, and take its answer off the screen."""
        message_id = await self._forget(await self._versions(question_id, conversation["id"]))
        self._latest.pop(question_id, None)
        if message_id:
            await self._hands.courier.take_back(conversation, message_id)

    async def _versions(self, first: str, conversation: str) -> dict[str, Answer | None]:
        """Every id that a message was asked under (each edit made one), with its answer where it has one."""
        versions: dict[str, Answer | None] = {first: await self._store.answer_to_question(first)}
        if first in self._latest:
            versions[self._latest[first]] = None
        for answer in await self._store.recent_answers(conversation, 20):
            if answer.question.id.startswith(f"{first}#"):
                versions[answer.question.id] = answer
        return versions

    async def _forget(self, versions: Mapping[str, object]) -> str:
        """Forget questions with their answers; return the message that shows the last one, "" for none."""
        shown = ""
        for question_id in versions:
            reply = self._replies.pop(question_id, None)
            answer = await self._store.answer_to_question(question_id)
            known = answer is not None and await self._hands.desk.verified(answer.id) is not None
            if answer is not None:
                await self._hands.courier.forget(answer)
            message_id = await self._asking.forget(question_id)
            if answer is not None and known:  # other processes know it by heart
                await self._hands.desk.drop_verified(answer.id)
            if reply is not None and not message_id:
                message_id = await reply.abandon()
            shown = message_id or shown
        return shown

    async def _forget_person(self, deletion: Deletion) -> None:
        """Stop answering whoever wants to be forgotten, and leave no half message; know no more how to reach them."""
        for question_id in self._asking.under_way_of(deletion.person, deletion.begun_at):
            reply = self._replies.pop(question_id, None)
            if reply is not None:
                await self._asking.stop(question_id)
                await reply.abandon()
        self._contacts.clear()  # written anew with the next question of each conversation

    # What people think of an answer

    async def _invoked(self, incoming: Incoming) -> InvokeReply:
        match incoming.name:
            case "message/submitAction":
                await self._hands.opinions.thumbed(incoming, self._pseudonym(incoming.sender))
                return OK
            case "message/fetchTask":
                return form_task(incoming.value)
            case "adaptiveCard/action":
                try:
                    action = read_action(incoming.value)
                except BadAction as bad:
                    log.info("an action that no card of ours has")
                    return bad_action(str(bad))
                return await self._acted(incoming, action)
            case name:
                log.info("an invoke that is not for us: %s", name[:80])
                return NOT_IMPLEMENTED

    async def _acted(self, incoming: Incoming, action: CardAction) -> InvokeReply:
        hands = {
            "review": self._hands.reviews,
            "privacy": self._hands.privacy,
            "model": self._hands.models,
        }
        hand = hands.get(action.verb.partition(".")[0], self._hands.opinions)
        try:
            return await hand.acted(incoming, action, self._pseudonym(incoming.sender))
        except BadAction as bad:
            return saying(str(bad), refused=True)

    async def _submitted(self, incoming: Incoming, connector: Connector) -> None:
        """Do what a button of an older client says, and answer with a sentence, since there is no card to change."""
        try:
            action = read_submitted(incoming.value)
            if action is None:
                log.info("a card was submitted that nobody here knows")
                return
            reply = await self._acted(incoming, action)
            if action.verb.startswith("privacy.") and reply.body["type"] == CARD_TYPE:
                self._show(reply.body["value"], incoming, connector)
                return
            said = (
                str(reply.body["value"]) if reply.body["type"] == MESSAGE_TYPE else "Thank you, it is kept."
            )
        except BadAction as bad:
            said = str(bad)
        except StoreUnavailable:
            log.exception("what was submitted could not be kept")
            said = NOT_KEPT
        await _say(said, incoming, connector)

    # Cards

    async def _joined(self, incoming: Incoming, connector: Connector) -> None:
        """Welcome a conversation that the bot was added to, once: Teams tells it in two ways."""
        added = [as_text(member.get("id")) for member in as_dicts(incoming.raw.get("membersAdded"))]
        installed = incoming.kind == "installationUpdate" and incoming.raw.get("action") == "add"
        if (incoming.bot["id"] in added or installed) and incoming.conversation_id not in self._welcomed:
            _remember(self._welcomed, incoming.conversation_id, "")
            await self._welcome(incoming, connector)
            if self._style.channel is Channel.LOCAL:
                await self._hands.reviews.joined(incoming, self._pseudonym(incoming.sender))

    async def _welcome(self, incoming: Incoming, connector: Connector) -> None:
        person = self._pseudonym(incoming.sender) if incoming.sender and incoming.personal else ""
        greeting = Greeting(self._hands.privacy.privacy, person)
        new = await greeting.is_due()
        card = help_card(self._style.examples, welcome=True, brief=brief() if new else ())
        self._show(card, incoming, connector, greeting.done if new else None)

    def _show(
        self,
        card: dict[str, Any],
        incoming: Incoming,
        connector: Connector,
        shown: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        async def show() -> None:
            if await show_card(reference_of(incoming), connector, card) and shown is not None:
                await shown()

        task = asyncio.create_task(show(), name="card")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


async def _say(sentence: str, incoming: Incoming, connector: Connector) -> None:
    try:
        await connector.send(incoming.conversation, plain_message(reference_of(incoming), sentence))
    except (Undeliverable, OSError) as error:
        log.warning("a sentence was not delivered: %s", error)


def _remember(memory: dict[str, str], key: str, value: str) -> None:
    """Remember the newest REMEMBERED entries; a dict keeps them in the order in which they came."""
    memory[key] = value
    if len(memory) > REMEMBERED:
        del memory[next(iter(memory))]
