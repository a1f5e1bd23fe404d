"""What people think of an answer, as it arrives: thumbs, reactions, stars, comments, the wish for an expert.

Each is tied to the one answer that it is about. What cannot be (a thumb without its message's id where
several answers stand, a reaction to somebody else's message, or to an answer that is still being written) is
kept apart and counted, never guessed; the last kind finds its answer when that is delivered.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from functools import partial

from bot.card_tokens import RATE, BadAction, no_such_action
from bot.cards.answer import MAX_COMMENT, STARS
from bot.channels.answer_message import AnswerView, compose_thanks
from bot.channels.incoming import CardAction, Incoming
from bot.channels.message import InvokeReply, saying, showing
from bot.dialogs.rate import Rating, Said, Word, parse_spoken_at, unbound
from core.records import Answer, Feedback, FeedbackKind
from core.translation import mark, say, set_language
from feedback.reviews.paraphrases import Opinion, write_opinion
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import DeferredActions, Entry, FeedbackStore, StoreUnavailable
from feedback.store.serialization import from_json, to_json

log = logging.getLogger(__name__)

MAX_REACTIONS = 20
MAX_OFFERED = 200
"""Characters of the ids of the verified answers that were offered below one answer."""
WORD = "word"
"""What waits while the store is away."""
THANKS = mark("Thank you, it is saved.")
COUNTS_LATER = mark("It is saved here, and counts once I can reach my records again.")

KeepPrivateContact = Callable[[Incoming], Awaitable[None]]
"""Keeps how to tell whoever did something what is for them alone (`AskedMessages.keep_private_contact`)."""


async def _keep_nothing(_: Incoming) -> None: ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word, and which answer it is about: one that a card of ours names, or the one that a message shows.

    `alone`: where no message is named, it may be the only answer of its conversation.
    """

    feedback: Feedback
    conversation: str
    message_id: str = ""
    answer_id: str = ""
    alone: bool = False

    def entry(self) -> Entry:
        """Return it as JSON."""
        return {name.name: getattr(self, name.name) for name in fields(self)} | {
            "feedback": to_json(self.feedback)
        }


class FeedbackHandler:
    """Reads opinions out of activities and keeps them. Raises StoreUnavailable: then it acknowledged none."""

    def __init__(
        self,
        store: FeedbackStore,
        repository: ReviewRepository,
        rating: Rating,
        view: AnswerView,
        later: DeferredActions,
    ) -> None:
        self._store = store
        self._repository = repository
        self._rating = rating
        self._view = view
        self._later = later
        self.keep_private_contact: KeepPrivateContact = _keep_nothing
        later.register(WORD, lambda entry: self._place(_spoken(entry)))

    async def keep_reactions(self, incoming: Incoming, giver: str) -> None:
        """Keep the reactions that were added to a message, and withdraw those that were taken back."""
        for name, taken_back in incoming.reactions[:MAX_REACTIONS]:
            word = Word(FeedbackKind.REACTION, name, withdrawn=taken_back)
            part = f"{'-' if taken_back else '+'}{name}"
            await self._hear(_about_message(incoming, word, _build_said(incoming, giver, part)))

    async def keep_thumb(self, incoming: Incoming, giver: str) -> None:
        """Keep a thumb of the channel's own feedback form."""
        thumb = incoming.thumb
        if thumb is None:
            return
        word = Word(FeedbackKind.THUMB, thumb.value, thumb.comment, thumb.reasons)
        spoken = _about_message(incoming, word, _build_said(incoming, giver))
        await self._hear(replace(spoken, alone=True))

    async def handle_action(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Keep what was said with a button of an answer's card, and thank for it there. Raises BadAction."""
        if not self._view.signer.is_valid(action.signature, RATE, action.answer_id, incoming.conversation):
            raise BadAction(say("This card was not sent to this conversation, so nothing was saved."))
        given = [unbound(word, _build_said(incoming, person, _part(word))) for word in _words(action)]
        await self.keep_private_contact(
            incoming
        )  # before the word counts: what follows from it is for them alone
        home = incoming.conversation_id
        heard = [await self._hear(Spoken(one, home, answer_id=action.answer_id)) for one in given]
        thanks = compose_thanks(given) or say(THANKS)
        if not all(heard):
            return saying(f"{thanks} {say(COUNTS_LATER)}")
        try:
            answer, review = (
                await self._store.answer(action.answer_id),
                await self._repository.review(action.answer_id),
            )
        except StoreUnavailable:  # it was there a moment ago, when this was kept
            return saying(thanks)
        if answer is None:
            return saying(say("This answer no longer exists: its question was deleted."))
        await self._view.audiences.find(incoming.conversation, incoming.directory_id)
        if not self._view.may_show(incoming.conversation, answer, review):
            return saying(thanks)
        set_language(answer.question.language)  # the card is the asker's, whoever pressed it
        card = self._view.make_card(incoming.conversation, answer, review, thanks, given)
        return showing(card, thanks) if card else saying(thanks)

    async def _hear(self, spoken: Spoken) -> bool:
        """Give a word to its answer; False where it waits for the store."""
        return await self._later.attempt(partial(self._place, spoken), WORD, spoken.entry()) is not None

    async def _place(self, spoken: Spoken) -> bool:
        answer = await self._find_answer(spoken)
        if answer is not None and not _is_about(answer, spoken.feedback):
            log.warning("somebody took a verified answer that was not offered below this answer")
        elif answer is not None:
            await self._rating.bind(answer, spoken.feedback)
        elif not spoken.answer_id:
            log.info("a %s that belongs to no answer of ours", spoken.feedback.kind)
            await self._rating.keep_unmatched(spoken.conversation, spoken.message_id, spoken.feedback)
        return True

    async def _find_answer(self, spoken: Spoken) -> Answer | None:
        if spoken.answer_id:
            return await self._store.answer(spoken.answer_id)
        if spoken.message_id:
            return await self._store.answer_in_message(spoken.conversation, spoken.message_id)
        if not spoken.alone:
            return None
        answers = await self._store.recent_answers(spoken.conversation, 2)
        return answers[0] if len(answers) == 1 else None


def _about_message(incoming: Incoming, word: Word, said: Said) -> Spoken:
    return Spoken(unbound(word, said), incoming.conversation_id, incoming.reply_to_id)


def _spoken(entry: Entry) -> Spoken:
    about = {name: value for name, value in entry.items() if name != "feedback"}
    return Spoken(from_json(Feedback, entry["feedback"]), **about)


def _build_said(incoming: Incoming, giver: str, part: str = "") -> Said:
    source = f"{incoming.question_id}|{part}" if incoming.id else ""
    return Said(giver, source, parse_spoken_at(incoming.timestamp))


def _part(word: Word) -> str:
    """Tell the words of one press apart: of those of one kind, only several opinions come at once."""
    return word.value if word.kind is FeedbackKind.SIMILAR else ""


def _words(action: CardAction) -> list[Word]:
    """Return what a button says. Raises BadAction."""
    match action.verb:
        case "rate.stars":
            stars, comment = _stars(action.inputs.get("stars")), action.text_input("comment", MAX_COMMENT)
            words = [Word(FeedbackKind.STARS, str(stars))]
            if comment:
                words.append(Word(FeedbackKind.COMMENT, comment=comment))
            return words
        case "rate.comment":
            comment = action.text_input("comment", MAX_COMMENT)
            if not comment:
                raise BadAction(say("Please write something first."))
            return [Word(FeedbackKind.COMMENT, comment=comment)]
        case "rate.same" | "rate.other":
            opinion: Opinion = "same" if action.verb == "rate.same" else "other"
            offered = action.text_input("similar", MAX_OFFERED).split(",")
            return [Word(FeedbackKind.SIMILAR, write_opinion(opinion, one)) for one in offered if one]
        case "rate.expert":
            return [Word(FeedbackKind.EXPERT)]
        case "rate.thumb" if (thumb := action.thumb_input()) is not None:
            return [Word(FeedbackKind.THUMB, thumb.value, thumb.comment, thumb.reasons)]
        case _:
            raise no_such_action()


def _is_about(answer: Answer, feedback: Feedback) -> bool:
    """Tell whether a word is about this answer: which verified answer it takes is written by a client."""
    return feedback.kind is not FeedbackKind.SIMILAR or feedback.value.partition(" ")[2] in answer.similar


def _stars(given: object) -> int:
    """Return how many stars were given: clients send a number or its text."""
    try:
        stars = float(given) if isinstance(given, (int, float, str)) and not isinstance(given, bool) else 0
    except (ValueError, OverflowError):
        stars = 0
    if stars not in range(1, STARS + 1):
        raise BadAction(say("Please choose one to {most} stars first.", most=STARS))
    return int(stars)
