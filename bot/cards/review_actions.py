"""What can be decided on the card of a review, in the order in which it does the least harm.

The first button is never one that takes an answer from people: below a declined answer it uses what stands
nearest on the page, with the text ready. Whoever says that the page does not tell while such a sentence is
there is asked once more (`ReviewView.doubt`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.cards.elements import (
    Action,
    ActionButton,
    ChoiceInput,
    Form,
    Input,
    Refresh,
    Style,
    TextInput,
)
from bot.cards.places import AUTO, find_choice, find_near_quote, list_choices, read_draft
from core.records import Answer, AnswerKind, Citation, Feedback, Passage, Review
from core.text import clip_text
from core.translation import mark, say

NOTE_CHARACTERS = 500
QUESTION_CHARACTERS = 1_000
CORRECTION_CHARACTERS = 4_000
"""The longest correction. It is shown and offered again whole: who agrees to it loses nothing."""

_AGREE = {
    AnswerKind.ANSWERED: mark("Approve"),
    AnswerKind.QUOTED: mark("Use this quote"),
    AnswerKind.DECLINED: mark("Right, it is not on the page"),
}
SKIP_REASONS = (
    ("not my field", mark("Not my field")),
    ("the question is unclear", mark("The question is unclear")),
    ("the page does not settle it", mark("The page does not settle it")),
    ("another reason", mark("Another reason")),
)
"""Why a review is skipped: (what is kept, what is shown)."""


@dataclass(frozen=True, slots=True)
class RulingPreview:
    """What a ruling would serve: `count` of the `looked_at` other questions of the last `days` days.

    They ask the same. `right` of their answers were rated right, and would change with a correction.
    """

    count: int
    right: int
    looked_at: int
    days: int


@dataclass(frozen=True, slots=True)
class ReviewView:
    """One review as it is now. `answer` has the passages that reviewers see. `signature` is for the buttons.

    `preview` is None while it is not known. `reader` is the pseudonym of who reads the card alone, "" where
    several do. `doubt` is a sentence of the page that speaks against "not on the page", which was pressed.
    `decides`: with the buttons that reviewers have. `people` are those whose clients ask for their own view
    in a large room, None where there is one view for all.
    """

    review: Review
    answer: Answer
    feedback: Sequence[Feedback]
    signature: str
    now: datetime
    preview: RulingPreview | None = None
    reader: str = ""
    doubt: Citation | None = None
    decides: bool = True
    people: tuple[str, ...] | None = None

    @property
    def has_ruled(self) -> bool:
        """Whether a second reviewer is asked, and who reads this alone was the first."""
        given = [verdict.reviewer for verdict in self.review.verdicts]
        return self.review.settled_at is None and self.reader != "" and self.reader in given


def to_reviewed(answer: Answer, passages: Sequence[Passage]) -> Answer:
    """Return the answer with the passages that its reviewers look at: those of its review, if it has any."""
    return replace(answer, passages=tuple(passages), citations=()) if passages else answer


def list_actions(view: ReviewView) -> tuple[Action, ...]:
    """Return the buttons of a card: what can be decided, or that a ruling can be taken back."""
    if not view.decides:
        return ()
    if view.review.ruling is not None:
        return (_button(view, say("Undo"), "undo"),)
    if view.has_ruled:
        return (make_take_back(view),)
    claim = _button(view, say("Claim"), "claim")  # also while it is held: the holder may want it longer
    reject = _button(view, say("Not a real question"), "reject")
    skip = Form(say("Skip…"), (_ask_why_skip(),), _button(view, say("Skip"), "skip", inputs=True))
    return (*_list_rulings(view), claim, reject, skip)


def _ask_why_skip() -> ChoiceInput:
    choices = tuple((kept, say(shown)) for kept, shown in SKIP_REASONS)
    return ChoiceInput("reason", say("Why do you skip it?"), choices, value=choices[0][0])


def make_refresh(view: ReviewView) -> Refresh | None:
    """Return how each reader of a card gets their own view of it; None where all have one."""
    if view.people is None:
        return None
    return Refresh(_button(view, say("Refresh"), "refresh").data, view.people)


def make_take_back(view: ReviewView) -> ActionButton:
    """Return the button for whoever has ruled, while a second reviewer is waited for."""
    return _button(view, say("Take back my decision"), "undo")


def _list_rulings(view: ReviewView) -> list[Action]:
    """Return the rulings, the least harmful first."""
    answer, proposal = view.answer, view.review.proposal
    near = _find_quote(view)
    use = Form(
        say("Use this quote…") if near else say("Correct…"), _correction(view, near), _send(view, near)
    )
    if proposal is not None:
        agree = _button(view, say("Agree"), "approve", style="positive")
        return [agree, use, _button(view, say("Not on the page"), "not_on_page")]
    if view.doubt is not None:
        return [use, _button(view, say("No, it is not on the page"), "not_on_page", sure=True)]
    if answer.abstained:
        return [use, _button(view, say(_AGREE[answer.kind]), "approve")]
    agree = _button(view, say(_AGREE[answer.kind]), "approve", style="positive")
    return [agree, use, _button(view, say("Not on the page"), "not_on_page")]


def _button(
    view: ReviewView,
    title: str,
    verb: str,
    *,
    style: Style = "default",
    inputs: bool = False,
    sure: bool = False,
) -> ActionButton:
    review = view.review
    data = {"verb": f"review.{verb}", "answer_id": review.answer_id, "round": review.round}
    return ActionButton(
        title, {**data, "seal": view.signature, **({"sure": True} if sure else {})}, style, inputs
    )


def _send(view: ReviewView, near: Citation | None) -> ActionButton:
    title = say("Use this quote") if near else say("Send correction")
    return _button(view, title, "correct", style="positive", inputs=True)


def _find_quote(view: ReviewView) -> Citation | None:
    """Return the sentence that a correction begins with in the place of the bot's own words."""
    if view.doubt is not None:
        return view.doubt
    if view.review.proposal is not None or not view.answer.abstained:
        return None
    return find_near_quote(view.answer)


def _correction(view: ReviewView, near: Citation | None) -> tuple[Input, ...]:
    """Return what is asked for a correction; its text begins as a ruling, a page or the bot has it."""
    answer, ruled = view.answer, read_draft(view.answer, view.review)
    proposal = view.review.proposal
    begins = ruled.text if (proposal and proposal.text) or not near else near.quote
    text = TextInput(
        "text",
        say("The right answer"),
        CORRECTION_CHARACTERS,
        value=clip_text(begins or _read_words(answer), CORRECTION_CHARACTERS),
        required=say("Please write the right answer."),
    )
    note = TextInput("note", say("Note for the record (optional)"), NOTE_CHARACTERS, multiline=False)
    chosen = find_choice(answer, ruled) if ruled.text and begins == ruled.text else AUTO
    return text, *ask_place(answer, begins, chosen), note


def ask_place(answer: Answer, text: str, chosen: str = AUTO) -> tuple[ChoiceInput, ...]:
    """Return the choice of where a page says a text; () where nothing is offered."""
    choices = list_choices(answer, text)
    if not choices:
        return ()
    return (ChoiceInput("span", say("Where the page says it"), choices, chosen, wrap=True),)


def _read_words(answer: Answer) -> str:
    """Return what the bot said, without our marks."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            return re.sub(r"(?:(?<!\s)\s+)?\[\d+\]", "", answer.text)
        case AnswerKind.QUOTED:
            return answer.text
        case AnswerKind.DECLINED:
            return ""
