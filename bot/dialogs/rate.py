"""Somebody says what they think of an answer: it is kept before it is acknowledged, and what is bad is reviewed.

A word is kept as trainable where the setting names its channel (Slack's terms restrict training on what comes through
its API) and who gave it has not said that nothing is to be learned from them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from bot import events
from bot.dialogs.review import Reviewing
from feedback.desk import Untied
from feedback.optout import OptOuts
from feedback.store import FeedbackStore
from records import Answer, Channel, Feedback, FeedbackKind, ReviewReason

UP: Final = "up"
DOWN: Final = "down"
Direction = Literal["up", "down"]

_CLOCKS_DIFFER, _LATEST = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class RatingRules:
    """What counts as bad: reactions by their channel's names, and so many stars or fewer. Where may be learned from."""

    reactions: Mapping[str, Direction] = field(
        default_factory=lambda: {"like": UP, "heart": UP, "laugh": UP, "sad": DOWN, "angry": DOWN}
    )
    few_stars: int = 2
    trainable_channels: Collection[str] = frozenset({Channel.TEAMS, Channel.LOCAL})


@dataclass(frozen=True, slots=True)
class Said:
    """Who said something, in which activity (`source`, "" where it has no id), and when."""

    giver: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Word:
    """What was said, before it is tied to an answer. `withdrawn` takes a word back, even one that comes later."""

    kind: FeedbackKind
    value: str = ""
    comment: str = ""
    reasons: tuple[str, ...] = ()
    withdrawn: bool = False


class Rating:
    """Keeps what people say about answers."""

    def __init__(self, store: FeedbackStore, reviewing: Reviewing, rules: RatingRules | None = None) -> None:
        self._store = store
        self._reviewing = reviewing
        self._rules = rules or RatingRules()
        self._choices = OptOuts(reviewing.desk.documents)

    async def give(self, answer: Answer, word: Word, said: Said) -> Feedback:
        """Keep a word on an answer; it replaces the giver's earlier one of its kind, unless that was said later."""
        return await self.bind(answer, unbound(word, said))

    async def keep_untied(self, conversation: str, message_id: str, feedback: Feedback) -> None:
        """Keep a word apart that belongs to no known answer; it is counted, and tied if its answer appears."""
        name = feedback.source or f"{feedback.giver}|{feedback.given_at.isoformat()}"
        untied = Untied(str(feedback.kind), conversation, message_id, feedback)
        await self._reviewing.desk.keep_untied(untied, f"{name}|{feedback.kind}|{feedback.value}")
        if message_id:  # it may have been delivered while this was written
            answer = await self._store.answer_in_message(conversation, message_id)
            if answer is not None:
                await self.tie(answer, message_id)

    async def tie(self, answer: Answer, message_id: str) -> None:
        """An answer was delivered as this message: give it the words that came before it."""
        desk = self._reviewing.desk
        for name, feedback in await desk.untied_to(answer.question.conversation, message_id):
            await self.bind(answer, feedback)
            await desk.remove_untied(name)

    async def bind(self, answer: Answer, feedback: Feedback) -> Feedback:
        """Keep a word that was said before its answer was known, on that answer."""
        bound = await self._bound(answer, feedback)
        await self._store.put_feedback(bound)
        await self._tell_reviewers(answer, bound)
        return bound

    def waits(self, feedback: Feedback) -> bool:
        """Tell whether somebody who said this waits to hear from a reviewer."""
        wish = feedback.kind is FeedbackKind.EXPERT and feedback.withdrawn_at is None
        return wish or complains(feedback, self._rules)

    async def _bound(self, answer: Answer, feedback: Feedback) -> Feedback:
        """Return a word with what comes from its answer, and with whether it may be learned from."""
        giver, channel = feedback.giver, answer.question.channel
        allowed = channel in self._rules.trainable_channels
        return replace(
            feedback,
            answer_id=answer.id,
            trainable=allowed and not (giver and await self._choices.is_out(giver)),
            model_version=answer.model_version,
            page_hash=answer.passages[0].page_hash if answer.passages else "",
        )

    async def _tell_reviewers(self, answer: Answer, feedback: Feedback) -> None:
        await events.feedback_given(self._store, answer, feedback, self._rules.reactions)
        reason = self._reason(feedback)
        if reason is not None:
            await self._reviewing.flag(answer, reason)

    def _reason(self, feedback: Feedback) -> ReviewReason | None:
        if feedback.kind is FeedbackKind.EXPERT and feedback.withdrawn_at is None:
            return ReviewReason.EXPERT
        if not complains(feedback, self._rules):
            return None
        return ReviewReason.FEW_STARS if feedback.kind is FeedbackKind.STARS else ReviewReason.THUMB_DOWN


def complains(feedback: Feedback, rules: RatingRules) -> bool:
    """Tell whether somebody says that the answer is bad, and has not taken it back."""
    if feedback.withdrawn_at is not None:
        return False
    match feedback.kind:
        case FeedbackKind.THUMB:
            return feedback.value == "dislike"
        case FeedbackKind.REACTION:
            return rules.reactions.get(feedback.value) == DOWN
        case FeedbackKind.STARS:
            return int(feedback.value) <= rules.few_stars
        case _:
            return False


def spoken_at(timestamp: str) -> datetime:
    """Return when something was said: the channel's time where that can be, so that a late arrival counts as late."""
    now = datetime.now(UTC)
    try:
        told = datetime.fromisoformat(timestamp)
    except ValueError:
        return now
    if told.tzinfo is None or not -_CLOCKS_DIFFER <= now - told <= _LATEST:
        return now
    return min(told.astimezone(UTC), now)


def unbound(word: Word, said: Said) -> Feedback:
    """Return a word as feedback on an answer that is not known yet."""
    return Feedback(
        answer_id="",
        giver=said.giver,
        kind=word.kind,
        value=word.value,
        trainable=False,
        given_at=said.at,
        withdrawn_at=said.at if word.withdrawn else None,
        comment=word.comment,
        reasons=word.reasons,
        source=said.source,
    )
