"""How one answer looks now: its message and its card, by how it stands with the reviewers and how feedback is asked.

The front end sends it, the courier writes over it when its review moves on, and a rating on its card is acknowledged
with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.card_tokens import RATE, Seals
from bot.cards.answer import Standing, State, answer_card, state_sentence
from bot.cards.privacy import brief
from bot.cards.rating import STARS, rating_actions
from bot.channels.activity import Reference, answer_messages, whole_text
from bot.dialogs.rate import name_of
from core.records import Answer, AnswerKind, Channel, Feedback, FeedbackKind, Review, ReviewReason, Ruling
from core.text import Json, calm, clipped

MAX_TEXT = 20_000
MAX_SLACK_TEXT = 10_000
_ASKED_FOR = frozenset(
    {
        ReviewReason.THUMB_DOWN,
        ReviewReason.FEW_STARS,
        ReviewReason.EXPERT,
        ReviewReason.DECLINED,
        ReviewReason.STALE,
    }
)
"""Reasons that people see as «under review»; a sample would only unsettle them."""
_LOOPS: Mapping[str, Json] = {"thumbs": {"type": "default"}, "reasons": {"type": "custom"}}


class AnswerView:
    """Draws answers. `opens_url` is where the Open buttons of a card lead, with "{answer}" and "{number}" in it.

    Without it they lead to the pages themselves, and nobody counts what is opened.
    """

    def __init__(self, site_url: str, seals: Seals, opens_url: str = "") -> None:
        self.site_url = site_url
        self.seals = seals
        self._opens_url = opens_url

    def messages(
        self,
        reference: Reference,
        answer: Answer,
        review: Review | None = None,
        thanks: str = "",
        *,
        greeted: bool = False,
    ) -> list[Json]:
        """Return all of an answer, mostly one message, for the place where `reference` leads.

        `greeted`: with what is said once to a new person. In Slack it is one message always.
        """
        if reference.conversation.get("channelId") == Channel.SLACK:
            answer = replace(answer, text=clipped(answer.text, MAX_SLACK_TEXT))
        loop = _LOOPS.get(name_of(answer.form))
        standing = self._standing(reference.conversation, answer, review, thanks)
        if greeted:
            standing = replace(standing, brief=brief())
        return answer_messages(reference, answer, self.site_url, standing, loop)

    def message(
        self,
        reference: Reference,
        answer: Answer,
        review: Review | None = None,
        thanks: str = "",
        *,
        greeted: bool = False,
    ) -> Json:
        """Return the message that an answer is known by, its last one: the one that can change."""
        return self.messages(reference, answer, review, thanks, greeted=greeted)[-1]

    def words(self, reference: Reference, answer: Answer, review: Review | None = None) -> Json:
        """Return the message without its card: what it says about the answer stands in the text."""
        standing = self._standing(reference.conversation, answer, review, "")
        message = answer_messages(reference, answer, self.site_url, loop=_LOOPS.get(name_of(answer.form)))[-1]
        message.pop("attachments", None)
        text = message["text"]
        if answer.kind is AnswerKind.QUOTED:
            text = whole_text(reference, answer, self.site_url)
        said = [text, state_sentence(answer, standing), calm(standing.text)]
        return message | {"text": clipped("\n\n".join(part for part in said if part), MAX_TEXT)}

    def preview(self, reference: Reference, answer: Answer) -> Json:
        """Return a message with a quotation that a better answer may replace: nothing can be done with it yet."""
        return answer_messages(reference, answer, self.site_url)[-1]

    def card(
        self, conversation: Mapping[str, Any], answer: Answer, review: Review | None = None, thanks: str = ""
    ) -> Json | None:
        """Return the card alone; `thanks` is said to the one who has just rated."""
        return answer_card(answer, self.site_url, self._standing(conversation, answer, review, thanks))

    def _standing(
        self, conversation: Mapping[str, Any], answer: Answer, review: Review | None, thanks: str
    ) -> Standing:
        form = name_of(answer.form)
        seal = self.seals.make(RATE, answer.id, conversation)
        verdict = review.ruling if review else None
        return Standing(
            state=state_of(review),
            ruled_at=review.settled_at if review else None,
            text=verdict.text if verdict else "",
            citation=verdict.citation if verdict else None,
            actions=rating_actions(answer.id, seal, stars=form == "stars", comment=form != "none"),
            thanks=thanks,
            opens_url=self._opens_url,
        )


def state_of(review: Review | None) -> State:
    """Return how an answer stands, as `bot.cards.answer.Standing.state`."""
    if review is None:
        return ""
    if review.ruling is None:
        return "under_review" if _ASKED_FOR.intersection(review.reasons) else ""
    match review.ruling.ruling:
        case Ruling.APPROVED:
            return "verified"
        case Ruling.CORRECTED:
            return "corrected"
        case Ruling.NOT_ON_PAGE:
            return "not_on_page"
        case Ruling.REJECTED:
            return "closed" if _ASKED_FOR.intersection(review.reasons) else ""


def thanks_for(words: Sequence[Feedback]) -> str:
    """Return what the one who said these words on a card is told there, "" for none such."""
    said: list[str] = []
    for word in words:
        if word.withdrawn_at is not None:
            continue
        if word.kind is FeedbackKind.STARS:
            stars = int(word.value)
            said.append(f"You gave {'★' * stars}{'☆' * (STARS - stars)}.")
        elif word.kind is FeedbackKind.COMMENT:
            said.append("Your comment is kept.")
        elif word.kind is FeedbackKind.EXPERT:
            said.append("A colleague who knows will look at this, and you will hear from me.")
    return " ".join([*said, "Thank you."]) if said else ""
