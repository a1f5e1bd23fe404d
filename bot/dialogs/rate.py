"""Feedback on answers: keeps a word before acknowledging it, and sends what is bad to review.

A word is kept as trainable where the setting names its channel (Slack's terms restrict training on what comes
through its API) and who gave it has not said that nothing is to be learned from them.

How feedback is asked for below an answer: which form, after which answers, to which share of people.

Every answer records its form with the setting's version ("stars@2"), so that the response rates of forms can
be compared. A person always gets the same form of one version, whatever they ask: the pseudonym decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from bot.dialogs.review import Reviewing
from core.records import Answer, Channel, Feedback, FeedbackKind, ReviewReason
from feedback.analytics import events
from feedback.privacy.opt_out import OptOuts
from feedback.reviews.ratings import RATINGS, RatedAnswers, Scale
from feedback.reviews.served import keep_taken
from feedback.reviews.unmatched import UnmatchedFeedback, keep_unmatched, list_unmatched, remove_unmatched
from feedback.store.base import FeedbackStore

FormName = Literal["thumbs", "reasons", "stars", "none"]
"""Teams' own thumbs; thumbs with our own reasons behind them; stars and a comment on the card; nothing."""
After = Literal["all", "answered", "quoted", "declined"]


@dataclass(frozen=True, slots=True)
class Forms:
    """The setting. `trial` goes to `trial_share` of the people; of the others, `share` are asked at all."""

    form: FormName = "thumbs"
    version: int = 1
    after: After = "all"
    share: float = 1.0
    trial: FormName = "stars"
    trial_share: float = 0.0

    def choose_form(self, answer: Answer) -> str:
        """Return what `Answer.form` records: the form's name and the setting's version."""
        return f"{self._name(answer)}@{self.version}"

    def _name(self, answer: Answer) -> FormName:
        if self.after not in {"all", answer.kind}:
            return "none"
        asker = answer.question.asker
        if _lot("trial", self.version, asker) < self.trial_share:
            return self.trial
        return self.form if _lot("asked", self.version, asker) < self.share else "none"


def parse_form_name(form: str) -> str:
    """Return the name in what an answer recorded; answers without one had the thumbs."""
    return form.partition("@")[0] or "thumbs"


def _lot(purpose: str, version: int, person: str) -> float:
    """Return a number from 0 to 1 that is always the same for a person and a version."""
    drawn = hashlib.sha256(f"{purpose}|{version}|{person}".encode()).digest()[:8]
    return int.from_bytes(drawn) / 2**64


_CLOCKS_DIFFER, _LATEST = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class RatingRules:
    """Which words are good or bad, and which channels the bot may learn from."""

    scale: Scale = field(default_factory=Scale)
    trainable_channels: Collection[str] = frozenset({Channel.TEAMS, Channel.LOCAL})


@dataclass(frozen=True, slots=True)
class Said:
    """Who said something, in which activity (`source`, "" where it has no id), and when."""

    giver: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Word:
    """What was said, not yet tied to an answer. `withdrawn` takes a word back, even one that comes later."""

    kind: FeedbackKind
    value: str = ""
    comment: str = ""
    reasons: tuple[str, ...] = ()
    withdrawn: bool = False


async def _learn_nothing(_: str) -> None: ...


class Rating:
    """Keeps what people say about answers."""

    def __init__(
        self,
        store: FeedbackStore,
        reviewing: Reviewing,
        rules: RatingRules | None = None,
        learn_paraphrase: Callable[[str], Awaitable[None]] = _learn_nothing,
    ) -> None:
        """`learn_paraphrase` hears the id of an answer below which a verified one was taken or refused.

        `learn_rating` hears of every answer that was rated, and of every rating that was taken back.
        """
        self.learn_rating = RatedAnswers(reviewing.repository.documents).mark
        self._store = store
        self._learn_paraphrase = learn_paraphrase
        self._reviewing = reviewing
        self._rules = rules or RatingRules()
        self._choices = OptOuts(reviewing.repository.documents)

    async def give(self, answer: Answer, word: Word, said: Said) -> Feedback:
        """Keep a word on an answer; it replaces the giver's word of its kind, unless that was said later."""
        return await self.bind(answer, unbound(word, said))

    async def keep_unmatched(self, conversation: str, message_id: str, feedback: Feedback) -> None:
        """Keep a word that belongs to no known answer; it is counted, and tied if its answer appears."""
        name = feedback.source or f"{feedback.giver}|{feedback.given_at.isoformat()}"
        unmatched = UnmatchedFeedback(str(feedback.kind), conversation, message_id, feedback)
        documents = self._reviewing.repository.documents
        await keep_unmatched(documents, unmatched, f"{name}|{feedback.kind}|{feedback.value}")
        if message_id:  # it may have been delivered while this was written
            answer = await self._store.answer_in_message(conversation, message_id)
            if answer is not None:
                await self.tie(answer, message_id)

    async def tie(self, answer: Answer, message_id: str) -> None:
        """An answer was delivered as this message: give it the words that came before it."""
        documents = self._reviewing.repository.documents
        for name, feedback in await list_unmatched(documents, answer.question.conversation, message_id):
            await self.bind(answer, feedback)
            await remove_unmatched(documents, name)

    async def bind(self, answer: Answer, feedback: Feedback) -> Feedback:
        """Keep a word that was said before its answer was known, on that answer."""
        bound = await self._fill_from_answer(answer, feedback)
        await self._store.put_feedback(bound)
        if bound.kind is FeedbackKind.SIMILAR:
            await self._show_verified(answer, bound)
            await self._learn_paraphrase(answer.id)
        if bound.kind in RATINGS:
            await self.learn_rating(answer)
        await self._tell_reviewers(answer, bound)
        return bound

    async def _show_verified(self, answer: Answer, said: Feedback) -> None:
        """Know what holds of the offered answer that somebody speaks of: who takes it is about to read it."""
        opinion, _, verified_id = said.value.partition(" ")
        standing = await self._reviewing.refresh(verified_id)
        if standing is not None and opinion == "same" and said.giver:
            await keep_taken(self._reviewing.repository.documents, answer, said, standing)

    def waits(self, feedback: Feedback) -> bool:
        """Tell whether somebody who said this waits to hear from a reviewer."""
        wish = feedback.kind is FeedbackKind.EXPERT and feedback.withdrawn_at is None
        return wish or self._complains(feedback)

    async def _fill_from_answer(self, answer: Answer, feedback: Feedback) -> Feedback:
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
        await events.feedback_given(self._store, answer, feedback, self._rules.scale.reactions)
        reason = self._reason(feedback)
        if reason is not None:
            await self._reviewing.flag(answer, reason)

    def _reason(self, feedback: Feedback) -> ReviewReason | None:
        if feedback.kind is FeedbackKind.EXPERT and feedback.withdrawn_at is None:
            return ReviewReason.EXPERT
        if not self._complains(feedback):
            return None
        return ReviewReason.FEW_STARS if feedback.kind is FeedbackKind.STARS else ReviewReason.THUMB_DOWN

    def _complains(self, feedback: Feedback) -> bool:
        """Tell whether somebody says that the answer is bad, and has not taken it back."""
        return self._rules.scale.read_opinion(feedback) < 0


def parse_spoken_at(timestamp: str) -> datetime:
    """Return when something was said: the channel's time if plausible, so a late arrival counts as late."""
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
