"""Handles the activities of any channel: questions, commands, buttons, reactions, edits, deletions.

It works on plain dicts and knows neither a channel's SDK nor HTTP: each channel authenticates what arrives,
and hands it in as an activity of the Bot Framework.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from bot.card_tokens import BadAction
from bot.cards.help import help_card
from bot.cards.privacy import brief
from bot.channel import Offers, Reply, StreamPace, Undeliverable, nothing_more
from bot.channels.answer_message import AnswerView
from bot.channels.asides.listening import Listening, OverheardQuestion
from bot.channels.asides.own_reactions import OwnReactions
from bot.channels.asked_messages import REMEMBERED, AskedMessages
from bot.channels.feedback_handler import FeedbackHandler
from bot.channels.files.sent_files import SentFiles, name_address
from bot.channels.files.words import sort_files
from bot.channels.incoming import CardAction, Incoming, Reference, SentFile, parse_activity
from bot.channels.message import (
    MESSAGE_TYPE,
    NOT_IMPLEMENTED,
    OK,
    Connector,
    InvokeReply,
    Message,
    OpensChats,
    bad_action,
    card_message,
    form_task,
    plain_message,
    saying,
)
from bot.channels.model_handler import ModelHandler
from bot.channels.owners.handler import OwnerHandler
from bot.channels.privacy_handler import PrivacyHandler
from bot.channels.reply import ReplyExtras, Stream, StreamedReply
from bot.channels.review_handler import ReviewHandler
from bot.dialogs.ask import Asking
from bot.dialogs.privacy import Greeting
from core import telemetry
from core.bounded_dict import BoundedDict
from core.records import Answer, Channel, Question
from core.translation import mark, say, set_language
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

_FOR_ALL = ("review.", "model.")
HELP_WORDS = frozenset({"help", "/help", "?", "hilfe", "ayuda", "aide", "ヘルプ"})
NOT_KEPT = mark("I could not save this. Please try again in a minute.")
FILES_UNREAD = mark(
    "I cannot read files sent here. Please paste a link to the page, or ask without the file."
)
FILE_BESIDE_PAGE = mark(
    "Your message names a page and has a file: I answer from the page. To ask about the file, send it again"
    " without the link."
)
YOU_ASKED = mark("You asked: {text}")
STORE_DOWN = mark(
    "I cannot store your question right now, so I did not start on it. Please ask again in a minute."
)


@dataclass(frozen=True, slots=True)
class ReplyRequest:
    """What a reply is made from: where it goes, how, with which view of answers, and what goes with it."""

    reference: Reference
    connector: Connector
    view: AnswerView
    extras: ReplyExtras


MakeReply = Callable[[ReplyRequest], Reply]
Recognise = Callable[[str], Awaitable[None]]
"""Hears the id of everybody who shows up, before anything is done for them."""


AskAlone = Callable[[str], Awaitable[bool]]
"""Asks something for who acted, in their own chat (`ActivityHandler.ask_alone`)."""
AnswerExtension = Callable[[Incoming, AskAlone], Awaitable[InvokeReply | None]]
"""Answers an invoke of a channel's own; None for one that it does not know."""


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """What channels differ in.

    `examples` are the questions of the help card, `offers` what can be asked after an answer
    (`bot/dialogs/answerer.py`). `make_reply` is for a channel whose answers reach the asker in another way
    than by messages that grow. `shows_reviewers_cards`: a reviewer who opens a chat gets the cards there,
    without asking. `answer_extension` answers invokes that only this channel has.
    """

    channel: Channel = Channel.TEAMS
    examples: Sequence[str] = ()
    pace: StreamPace = field(default_factory=StreamPace)
    make_reply: MakeReply | None = None
    offers: Offers = nothing_more
    shows_reviewers_cards: bool = False
    answer_extension: AnswerExtension | None = None


class CardActions(Protocol):
    """Does what a button of a card says; one for each kind of card."""

    async def handle_action(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Do it, and return a sentence or the card that replaces the pressed one. Raises BadAction."""
        ...


class Commands(Protocol):
    """Does what people tell the bot in words."""

    async def handle_command(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Do what was said; False where it is no command of these. Raises StoreUnavailable and OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Handlers:
    """What activities of one channel are passed on to."""

    asking: Asking
    messages: AskedMessages
    view: AnswerView
    feedback: FeedbackHandler
    reviews: ReviewHandler
    privacy: PrivacyHandler
    models: ModelHandler
    owners: OwnerHandler
    pages: Commands
    files: SentFiles
    own_reactions: OwnReactions
    listening: Listening
    recognise: Recognise
    pseudonym: Callable[[str], str]

    @property
    def commands(self) -> Sequence[Commands]:
        """In the order in which they are asked."""
        return (self.reviews, self.models, self.owners, self.pages, self.privacy)

    def find_actions(self, verb: str) -> CardActions:
        """Return who does what a button of this verb says."""
        kinds: Mapping[str, CardActions] = {
            "review": self.reviews,
            "privacy": self.privacy,
            "model": self.models,
            "gap": self.owners,
        }
        return kinds.get(verb.partition(".")[0], self.feedback)


class ActivityHandler:
    """Handles the authenticated activities of one channel, one at a time. One per process and channel."""

    def __init__(self, handlers: Handlers, config: ChannelConfig | None = None) -> None:
        self._pseudonym = handlers.pseudonym
        self._handlers = handlers
        self._messages = handlers.messages
        self._config = config or ChannelConfig()
        self._streaming: dict[str, Stream] = {}
        self._languages = BoundedDict[str, str](REMEMBERED)
        self._welcomed = BoundedDict[str, None](REMEMBERED)
        self._tasks: set[asyncio.Task[None]] = set()

    async def receive(self, activity: Mapping[str, Any], connector: Connector) -> InvokeReply | None:
        """Handle an activity; an invoke gets a reply. Raises Malformed, and StoreUnavailable for feedback."""
        incoming = parse_activity(activity)
        if incoming.is_bots:
            return None
        incoming = await self._recognise(incoming)
        match incoming.kind:
            case "message":
                await self._message(incoming, connector)
            case "messageUpdate":
                await self._handle_edit(incoming, connector)
            case "messageDelete":
                await self._messages.delete(incoming)
            case "messageReaction":
                await self._messages.keep_private_contact(incoming)
                await self._handlers.feedback.keep_reactions(incoming, self._pseudonym(incoming.sender))
            case "conversationUpdate" | "installationUpdate":
                await self._handle_join(incoming, connector)
            case "invoke":
                return await self._handle_invoke(incoming, connector)
            case kind:
                log.debug("an activity of type %s is not for us", kind[:40])
        return None

    async def press(self, incoming: Incoming, action: CardAction) -> InvokeReply:
        """Do what a button says, for a channel that has read the press itself. Raises StoreUnavailable."""
        return await self._handle_action(await self._recognise(incoming), action)

    async def _recognise(self, incoming: Incoming) -> Incoming:
        """Note who acted, and speak their language, which not all activities tell; reactions never do."""
        await self._handlers.recognise(incoming.sender)
        if incoming.language and incoming.sender:
            self._languages[incoming.sender] = incoming.language
        language = incoming.language or self._languages.get(incoming.sender, "")
        set_language(language)
        return replace(incoming, language=language)

    async def ask_alone(self, incoming: Incoming, text: str, connector: Connector) -> bool:
        """Ask something for a person in their own chat with the bot; False where there is no way to it.

        Raises OSError where there may be another time.
        """
        if not isinstance(connector, OpensChats):
            return False
        try:
            chat = await connector.open_chat(incoming.reference)
            await connector.send(chat, plain_message(say(YOU_ASKED, text=text)))
        except Undeliverable as gone:
            log.info("a person is not reached in a chat of their own: %s", gone)
            return False
        asked = replace(incoming, kind="message", text=text, value={}, conversation=chat.conversation)
        asked = replace(asked, reply_to_id="", unseen=True, files=())
        await self._ask(asked, connector, asked.question_id, replaces="")
        return True

    def restore_reply(self, question: Question, connector: Connector) -> Reply | None:
        """Make the way back to who asked from the stored question; None where it is not this channel's."""
        reference = Reference.load(question.reply_to)
        if question.channel is not self._config.channel or reference is None:
            return None
        return self._messages.reply_to(question.id) or self._messages.remember_reply(
            question.id, self._reply(reference, connector, question.asker)
        )

    def _reply(self, reference: Reference, connector: Connector, person: str) -> Reply:
        """Return the way back to a person, with the bot's own reactions to what they asked."""
        return self._handlers.own_reactions.wrap(self._answer(reference, connector, person), reference)

    def _answer(self, reference: Reference, connector: Connector, person: str) -> Reply:
        """Return the way of an answer; in a personal chat the first one tells what is kept."""
        greeting = Greeting(self._handlers.privacy.privacy, person) if reference.personal else None
        keep_part = partial(self._messages.keep_part, reference)
        extras = ReplyExtras(greeting, self._config.offers, keep_part, self._streaming)
        if self._config.make_reply is not None:
            return self._config.make_reply(ReplyRequest(reference, connector, self._handlers.view, extras))
        return StreamedReply(reference, connector, self._handlers.view, self._config.pace, extras)

    async def close(self) -> None:
        """Wait for what is heard, for the cards that are on their way, and a moment for reactions."""
        await self._handlers.listening.settle()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._handlers.own_reactions.close()

    # Questions

    async def _message(self, incoming: Incoming, connector: Connector) -> None:
        if incoming.heard:
            make = partial(self._make_heard, connector=connector)
            await self._handlers.listening.hear(incoming, self._handlers.asking.answerer, make)
        elif not incoming.text and incoming.value:
            await self._handle_submit(incoming, connector)
        elif incoming.files:
            await self._handle_files(incoming, connector)
        elif not incoming.text or incoming.text.lower().strip(" .!¡。！") in HELP_WORDS:
            reviews = await self._handlers.reviews.may_review(incoming)
            card = help_card(self._config.examples, reviews=reviews)
            self._show(card_message(card), incoming, connector)
        elif not await self._handle_command(incoming, connector):
            await self._ask(incoming, connector, incoming.question_id, replaces="")

    async def _handle_files(self, incoming: Incoming, connector: Connector) -> None:
        """Ask about the files that came along; an answer from another page would be taken for theirs."""
        has_page = incoming.question[1] is not None
        if not self._handlers.files.are_read(self._config.channel) and not has_page:
            await _say(say(FILES_UNREAD), incoming, connector)
            return
        if has_page:
            await _say(say(FILE_BESIDE_PAGE), incoming, connector)
            await self._ask(incoming, connector, incoming.question_id, replaces="")
            return
        files, refused = sort_files(incoming.files, pictures=self._handlers.files.reads_pictures)
        if refused:
            await _say(" ".join(refused), incoming, connector)
        if files:
            await self._ask(incoming, connector, incoming.question_id, replaces="", files=files)

    async def _handle_command(self, incoming: Incoming, connector: Connector) -> bool:
        """Run a command; False where the text is a question."""
        person = self._pseudonym(incoming.sender)
        may = partial(self._handlers.reviews.may_review, incoming)
        try:
            if await self._handlers.listening.command(incoming, connector, may):
                return True
            for commands in self._handlers.commands:
                if await commands.handle_command(incoming, connector, person):
                    return True
        except StoreUnavailable:
            log.exception("what somebody told the bot could not be done")
            await _say(say(NOT_KEPT), incoming, connector)
        except (Undeliverable, OSError) as error:
            log.warning("somebody told the bot something and got no answer: %s", error)
        else:
            return False
        return True

    async def _ask(
        self,
        incoming: Incoming,
        connector: Connector,
        question_id: str,
        *,
        replaces: str,
        files: tuple[SentFile, ...] = (),
    ) -> None:
        text, page_url = incoming.question
        person = self._pseudonym(incoming.sender)
        try:
            page_url = page_url or await self._find_file(incoming, person, files=files, edits=bool(replaces))
        except StoreUnavailable:
            log.warning("the store is away: whether a question is about a file is not known")
        reference = replace(incoming.reference, replaces=replaces, files=files)
        question = replace(
            self._make_question(incoming, reference), id=question_id, text=text, page_url=page_url
        )
        reply = self._reply(reference, connector, question.asker)
        self._handlers.view.audiences.note_asker(question_id, incoming.directory_id)
        try:
            await self._messages.keep_contact(incoming)
            fresh = await self._handlers.asking.receive(question, reply)
        except StoreUnavailable:
            log.exception("a question could not be kept")
            await reply.say(say(STORE_DOWN))
            return
        if fresh:
            self._messages.remember_reply(question_id, reply)

    def _make_question(self, incoming: Incoming, reference: Reference) -> Question:
        return Question(
            id=incoming.question_id,
            text=incoming.text,
            asker=self._pseudonym(incoming.sender),
            conversation=incoming.conversation_id,
            channel=self._config.channel,
            asked_at=datetime.now(UTC),
            reply_to=reference.dump(),
            language=incoming.language,
            trace=telemetry.here(),
        )

    def _make_heard(self, incoming: Incoming, connector: Connector) -> OverheardQuestion:
        """Return a question that nobody asked the bot; it is kept with its answer, once that is said."""
        question = self._make_question(incoming, incoming.reference)

        async def say(answer: Answer) -> bool:
            reply = self._reply(incoming.reference, connector, question.asker)
            await self._messages.keep_contact(incoming)
            said = await self._handlers.asking.deliver(question, reply, answer)
            if said:
                self._messages.remember_reply(question.id, reply)
            return said

        return OverheardQuestion(question, say)

    async def _find_file(
        self, incoming: Incoming, person: str, *, files: tuple[SentFile, ...], edits: bool
    ) -> str | None:
        """Return the address of the file that a message is about. Raises StoreUnavailable."""
        if files:
            return name_address(incoming.question_id)
        known = self._handlers.files
        own = await known.find_sent_with(incoming.question_id) if edits else None
        return own or await known.find(incoming, person)

    async def _handle_edit(self, incoming: Incoming, connector: Connector) -> None:
        """Answer an edited question anew, and write it over the answer before."""
        if not incoming.text:
            return
        edit = await self._messages.edit(incoming)
        if edit is not None:
            await self._ask(incoming, connector, edit.question_id, replaces=edit.replaces)

    # What people think of an answer

    async def _handle_invoke(self, incoming: Incoming, connector: Connector) -> InvokeReply:
        match incoming.name:
            case "message/submitAction":
                await self._messages.keep_private_contact(incoming)
                await self._handlers.feedback.keep_thumb(incoming, self._pseudonym(incoming.sender))
                return OK
            case "message/fetchTask":
                return form_task(incoming.pressed_reaction)
            case "adaptiveCard/action":
                try:
                    action = incoming.card_action
                except BadAction as bad:
                    log.info("an action that no card of ours has")
                    return bad_action(str(bad))
                return await self._handle_action(incoming, action)
            case name:
                answer = self._config.answer_extension
                ask = partial(self.ask_alone, incoming, connector=connector)
                reply = await answer(incoming, ask) if answer else None
                if reply is None:
                    log.info("an invoke that is not for us: %s", name[:80])
                return reply or NOT_IMPLEMENTED

    async def _handle_action(self, incoming: Incoming, action: CardAction) -> InvokeReply:
        actions = self._handlers.find_actions(action.verb)
        if not incoming.personal and action.verb.startswith(_FOR_ALL):
            set_language()  # the card that takes its place is everybody's
        try:
            return await actions.handle_action(incoming, action, self._pseudonym(incoming.sender))
        except BadAction as bad:
            return saying(str(bad), refused=True)

    async def _handle_submit(self, incoming: Incoming, connector: Connector) -> None:
        """Do what a button of an older client says, and answer with a sentence, as there is no card."""
        try:
            action = incoming.submitted_action
            if action is None:
                log.info("a card was submitted that nobody here knows")
                return
            reply = await self._handle_action(incoming, action)
            if reply.message is not None and (action.verb.startswith("privacy.") or reply.refused):
                self._show(reply.message, incoming, connector)
                return
            is_said = reply.content.get("type") == MESSAGE_TYPE
            said = str(reply.content["value"]) if is_said else say("Thank you, it is saved.")
        except BadAction as bad:
            said = str(bad)
        except StoreUnavailable:
            log.exception("what was submitted could not be kept")
            said = say(NOT_KEPT)
        await _say(said, incoming, connector)

    # Cards

    async def _handle_join(self, incoming: Incoming, connector: Connector) -> None:
        """Welcome a conversation that the bot was added to, once: Teams tells it in two ways."""
        if incoming.adds_bot and incoming.conversation_id not in self._welcomed:
            self._welcomed[incoming.conversation_id] = None
            await self._welcome(incoming, connector)
            if self._config.shows_reviewers_cards:
                await self._handlers.reviews.open_chat(incoming, self._pseudonym(incoming.sender))

    async def _welcome(self, incoming: Incoming, connector: Connector) -> None:
        person = self._pseudonym(incoming.sender) if incoming.sender and incoming.personal else ""
        greeting = Greeting(self._handlers.privacy.privacy, person)
        new = await greeting.is_due()
        card = help_card(self._config.examples, welcome=True, brief=brief() if new else ())
        self._show(card_message(card), incoming, connector, greeting.mark_greeted if new else None)

    def _show(
        self,
        card: Message,
        incoming: Incoming,
        connector: Connector,
        shown: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        async def show() -> None:
            if await _send_card(incoming.reference, connector, card) and shown is not None:
                await shown()

        task = asyncio.create_task(show(), name="card")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _say(sentence: str, incoming: Incoming, connector: Connector) -> None:
    try:
        await connector.send(incoming.reference, plain_message(sentence))
    except (Undeliverable, OSError) as error:
        log.warning("a sentence was not delivered: %s", error)


async def _send_card(reference: Reference, connector: Connector, card: Message) -> bool:
    """Send a card that answers no question; a failure is logged, and False."""
    unasked = replace(reference, activity_id="")
    try:
        await connector.send(unasked, card)
    except (Undeliverable, OSError) as error:
        log.warning("a card was not delivered: %s", error)
        return False
    return True
