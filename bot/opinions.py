"""What people think of an answer, as it arrives: thumbs, reactions, stars, comments, the wish for an expert.

Each is tied to the one answer that it is about. What cannot be (a thumb without its message's id where several
answers stand, a reaction to somebody else's message, or to an answer that is still being written) is kept apart and
counted, never guessed; the last kind finds its answer when that is delivered.
"""

from __future__ import annotations

import logging

from bot.activities import Incoming, as_dicts, as_text
from bot.answer_view import AnswerView, thanks_for
from bot.cards.rating import MAX_COMMENT, STARS
from bot.dialogs.rate import Rating, Said, Word, spoken_at
from bot.invokes import BadAction, CardAction, InvokeReply, read_thumb, saying, showing, text_input
from bot.seals import RATE, Seals
from feedback.desk import Desk
from feedback.store import FeedbackStore
from records import Answer, FeedbackKind

log = logging.getLogger(__name__)

MAX_REACTION_CHARACTERS = 80
MAX_REACTIONS = 20


class Opinions:
    """Reads opinions out of activities and has them kept. Raises StoreUnavailable: then nothing was acknowledged."""

    def __init__(
        self, store: FeedbackStore, desk: Desk, rating: Rating, view: AnswerView, seals: Seals
    ) -> None:
        self._store = store
        self._desk = desk
        self._rating = rating
        self._view = view
        self._seals = seals

    async def reacted(self, incoming: Incoming, giver: str) -> None:
        """Keep the reactions that were added to a message, and withdraw those that were taken back."""
        changes = [("+", one) for one in as_dicts(incoming.raw.get("reactionsAdded"))]
        changes += [("-", one) for one in as_dicts(incoming.raw.get("reactionsRemoved"))]
        answer = await self._answer_shown(incoming)
        for sign, reaction in changes[:MAX_REACTIONS]:
            name = as_text(reaction.get("type"))[:MAX_REACTION_CHARACTERS]
            if name:
                word = Word(FeedbackKind.REACTION, name, withdrawn=sign == "-")
                await self._keep(incoming, answer, word, _said(incoming, giver, f"{sign}{name}"))

    async def thumbed(self, incoming: Incoming, giver: str) -> None:
        """Keep a thumb of the channel's own feedback form."""
        thumb = read_thumb(incoming.value)
        if thumb is None:
            return
        answer = await self._answer_shown(incoming)
        if answer is None and not incoming.reply_to_id:
            answers = await self._store.recent_answers(incoming.conversation_id, 2)
            answer = answers[0] if len(answers) == 1 else None
        word = Word(FeedbackKind.THUMB, thumb.value, thumb.comment, thumb.reasons)
        await self._keep(incoming, answer, word, _said(incoming, giver))

    async def acted(self, incoming: Incoming, action: CardAction, giver: str) -> InvokeReply:
        """Keep what was said with a button of an answer's card, and thank for it there. Raises BadAction."""
        if not self._seals.fits(action.seal, RATE, action.answer_id, incoming.conversation):
            raise BadAction("This card was not sent to this conversation, so nothing was kept.")
        words = _words(action)
        answer = await self._store.answer(action.answer_id)
        if answer is None:
            return saying("This answer is not here any more: its question was deleted.")
        given = [await self._rating.give(answer, word, _said(incoming, giver)) for word in words]
        thanks = thanks_for(given)
        review = await self._desk.review(answer.id)
        card = self._view.card(incoming.conversation, answer, review, thanks)
        return showing(card) if card else saying(thanks)

    async def _keep(self, incoming: Incoming, answer: Answer | None, word: Word, said: Said) -> None:
        if answer is not None:
            await self._rating.give(answer, word, said)
            return
        log.info("a %s that belongs to no answer of ours", word.kind)
        await self._rating.keep_untied(incoming.conversation_id, incoming.reply_to_id, word, said)

    async def _answer_shown(self, incoming: Incoming) -> Answer | None:
        if not incoming.reply_to_id:
            return None
        return await self._store.answer_in_message(incoming.conversation_id, incoming.reply_to_id)


def _said(incoming: Incoming, giver: str, part: str = "") -> Said:
    source = f"{incoming.question_id}|{part}" if incoming.id else ""
    return Said(giver, source, spoken_at(as_text(incoming.raw.get("timestamp"))))


def _words(action: CardAction) -> list[Word]:
    """Return what a button says. Raises BadAction."""
    match action.verb:
        case "rate.stars":
            stars, comment = _stars(action.inputs.get("stars")), text_input(action, "comment", MAX_COMMENT)
            words = [Word(FeedbackKind.STARS, str(stars))]
            if comment:
                words.append(Word(FeedbackKind.COMMENT, comment=comment))
            return words
        case "rate.comment":
            comment = text_input(action, "comment", MAX_COMMENT)
            if not comment:
                raise BadAction("Please write something first.")
            return [Word(FeedbackKind.COMMENT, comment=comment)]
        case "rate.expert":
            return [Word(FeedbackKind.EXPERT)]
        case _:
            raise BadAction("This card has no such action.")


def _stars(given: object) -> int:
    """Return how many stars were given: clients send a number or its text."""
    try:
        stars = float(given) if isinstance(given, (int, float, str)) and not isinstance(given, bool) else 0
    except (ValueError, OverflowError):
        stars = 0
    if stars not in range(1, STARS + 1):
        raise BadAction(f"Please choose one to {STARS} stars first.")
    return int(stars)
