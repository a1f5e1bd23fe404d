"""The review queue as JSON: the list of what waits, and one review with everything that can be done about it.

What can be done comes from the card (`bot/cards/review_actions.py`): the same buttons in the same order, the
least harmful first. Texts of people and pages are text, never markup.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.cards.answer_text import say_nothing_found
from bot.cards.dates import day
from bot.cards.elements import (
    Action,
    ActionButton,
    ChoiceInput,
    Form,
    Input,
    TextInput,
    name_place,
    read_quote,
)
from bot.cards.review import (
    SAID,
    WHY,
    YOU_HAVE_RULED,
    describe_feedback,
    describe_preview,
    is_held,
    list_details,
    name_skip,
    say_how_many_ruled,
)
from bot.cards.review_actions import ReviewView, list_actions
from bot.cards.rulings import describe_change, describe_ruling
from bot.channels.card_sync import CardSync
from bot.channels.review_actions import ReviewActions
from bot.dialogs.review import Known
from bot.web.reviews.reviewer_access import ReviewerAccess
from core.records import Answer, AnswerKind, Citation, Review, VerifiedAnswer
from core.text import absolute, strip_markers
from core.translation import say
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import moment

MOST_SHOWN = 200
"""So many of the waiting reviews are listed; the others move up as these are done."""
MOST_ALIKE = 200
"""So many waiting questions are looked through for those that ask the same."""
_COMMENTS = 20

Json = dict[str, Any]


class WaitingReviews:
    """Describes what waits for a review to one reviewer, who sees what `access` lets them."""

    def __init__(self, actions: ReviewActions, known: Known, access: ReviewerAccess) -> None:
        self._actions = actions
        self._known = known
        self._access = access

    @property
    def _repository(self) -> ReviewRepository:
        return self._actions.reviewing.repository

    @property
    def _sync(self) -> CardSync:
        return self._actions.card_sync

    async def count(self, person: str) -> int:
        """Return how many wait. Raises StoreError."""
        return len(await self._list_waiting(person))

    async def list(self, person: str) -> Json:
        """Return how many wait, and the first of them in their order. Raises StoreError."""
        waiting = await self._list_waiting(person)
        shown = waiting[:MOST_SHOWN]
        answers = await asyncio.gather(*(self._actions.store.answer(one.answer_id) for one in shown))
        rows = [
            _summarise(review, answer)
            for review, answer in zip(shown, answers, strict=True)
            if answer is not None
        ]
        return {"waiting": len(waiting), "shown": rows}

    async def describe(self, answer_id: str, person: str, doubt: Citation | None = None) -> Json | None:
        """Return a review as it is now, waiting or settled; None for one that is gone, or not theirs to see.

        Raises StoreError.
        """
        answer, review = await self._actions.read(answer_id)
        if answer is None or review is None or not self._access.may_see(answer, review):
            return None
        words = await self._actions.store.feedback_on(answer_id)
        view = self._sync.view_review(review, answer, words, "")
        view = ReviewView(
            view.review, view.answer, view.feedback, "", view.now, view.preview, reader=person, doubt=doubt
        )
        described = _describe(view, self._sync.site_url)
        described["alike"] = [] if review.blind else await self._find_alike(answer, review, person)
        described["served"] = [] if review.blind else await self._find_served(answer)
        return described

    async def _list_waiting(self, person: str) -> Sequence[Review]:
        return await self._actions.queue.list_visible(person, self._access.access, self._access.audience)

    async def _find_alike(self, answer: Answer, review: Review, person: str) -> list[Json]:
        """Return the waiting reviews of questions that ask the same: one ruling may do for all of them.

        A drawn sample is judged one by one, so it is not among them.
        """
        if review.settled_at is not None:
            return []
        waiting = [
            one for one in await self._list_waiting(person) if one.answer_id != answer.id and not one.blind
        ][:MOST_ALIKE]
        others = await asyncio.gather(*(self._actions.store.answer(one.answer_id) for one in waiting))
        pairs = [
            (one, other)
            for one, other in zip(waiting, others, strict=True)
            if other is not None and other.question.page_url == answer.question.page_url
        ]
        texts = [other.question.text for _, other in pairs]
        same = await asyncio.to_thread(self._known.alike, answer.question.text, texts)
        return [_summarise(*pair) for pair, is_same in zip(pairs, same, strict=True) if is_same]

    async def _find_served(self, answer: Answer) -> list[Json]:
        """Return what is served to the same question already, from another answer."""
        served = [
            one
            for one in self._access.select_verified(self._known.all())
            if one.answer_id != answer.id and one.page_url == answer.question.page_url
        ]
        texts = [one.question_text for one in served]
        same = await asyncio.to_thread(self._known.alike, answer.question.text, texts)
        return [describe_served(one) for one, is_same in zip(served, same, strict=True) if is_same]


def describe_served(verified: VerifiedAnswer) -> Json:
    """Return what people get from a verified answer."""
    return {
        "id": verified.answer_id,
        "question": verified.question_text,
        "text": "" if verified.abstained else strip_markers(verified.text),
        "not_on_the_pages": verified.abstained,
        "at": moment(verified.verified_at),
    }


def describe_place(citation: Citation, site_url: str) -> Json:
    """Return a place on a page, and where it opens."""
    return {
        "name": name_place(citation),
        "quote": read_quote(citation),
        "url": absolute(citation.url, site_url),
    }


def describe_action(action: Action) -> Json:
    """Return a button of the card: what it does, its text, and what is filled in beside it."""
    if isinstance(action, Form):
        fields = [_describe_field(one) for one in action.inputs]
        return (
            _describe_button(action.button)
            | {"title": action.title, "send": action.button.title}
            | {"fields": fields}
        )
    assert isinstance(action, ActionButton)  # noqa: S101 - a review's card has no others
    return _describe_button(action)


def _describe_button(button: ActionButton) -> Json:
    sure = {"sure": True} if button.data.get("sure") else {}
    return {"verb": button.verb, "title": button.title, "good": button.style == "positive", **sure}


def _describe_field(field: Input) -> Json:
    match field:
        case TextInput():
            return {
                "kind": "text",
                "id": field.id,
                "label": field.label,
                "most": field.max_length,
                "long": field.multiline,
                "value": field.value,
                "required": field.required,
            }
        case ChoiceInput():
            choices = [{"value": value, "title": title} for value, title in field.choices]
            return {
                "kind": "choice",
                "id": field.id,
                "label": field.label,
                "choices": choices,
                "value": field.value,
            }
        case _:
            raise TypeError(f"a review's card has no {type(field).__name__}")


def _summarise(review: Review, answer: Answer) -> Json:
    held = review.claimed_until is not None
    return {
        "id": review.answer_id,
        "round": review.round,
        "question": answer.question.text,
        "kind": str(answer.kind),
        "why": [say(WHY[reason]) for reason in review.reasons],
        "reasons": [str(reason) for reason in review.reasons],
        "opened_at": moment(review.opened_at),
        "held_by": review.claimed_name if held else "",
        "sampled": review.blind,
    }


def _describe(view: ReviewView, site_url: str) -> Json:
    review, answer = view.review, view.answer
    return _summarise(review, answer) | {
        "said": say(SAID[answer.kind]),
        "text": _say(answer),
        "marked": answer.marked,
        "places": [describe_place(one, site_url) for one in answer.citations],
        "passages": [
            {"name": " › ".join(filter(None, (one.title, one.heading))), "text": one.text}
            for one in answer.passages
        ],
        "feedback": describe_feedback(view.feedback, _COMMENTS),
        "skips": [
            say("Skipped: {reason}, {day}", reason=name_skip(one.reason), day=day(one.skipped_at))
            for one in review.skips
        ],
        "state": _describe_state(view),
        "preview": describe_preview(view),
        "details": list_details(view),
        "settled": review.settled_at is not None,
        "version": review.version,
        "doubt": describe_place(view.doubt, site_url) if view.doubt else None,
        "actions": [describe_action(one) for one in list_actions(view)],
    }


def _say(answer: Answer) -> str:
    return say_nothing_found(answer) if answer.kind is AnswerKind.DECLINED else answer.text


def _describe_state(view: ReviewView) -> list[str]:
    """Return in sentences what has happened to a review; of a sample no ruling before it is settled."""
    review, said = view.review, list[str]()
    if review.ruling is not None:
        return [
            describe_ruling(review.ruling.ruling, review.ruling.reviewer_name, review.ruling.given_at),
            *_quote(review.ruling.text, review.ruling.note),
        ]
    if view.has_ruled:
        said.append(say(YOU_HAVE_RULED))
    elif review.verdicts and review.blind:
        said.append(say_how_many_ruled(review))
    elif review.proposal is not None:
        said += [
            describe_ruling(review.proposal.ruling, review.proposal.reviewer_name, review.proposal.given_at),
            *_quote(review.proposal.text, review.proposal.note),
        ]
    if is_held(view):
        said.append(say("{name} has claimed this for now", name=review.claimed_name))
    if review.change is not None and not review.verdicts:
        why = f": {review.change.reason}" if review.change.reason else ""
        said.append(describe_change(review.change) + why)
    return said


def _quote(text: str, note: str) -> Sequence[str]:
    return [f"“{text}”"] * bool(text) + [say("Note: {text}", text=note)] * bool(note)
