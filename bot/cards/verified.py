"""Cards of verified answers: the list, page by page, and one with its history, to edit or withdraw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.cards.dates import day
from bot.cards.elements import (
    Action,
    ActionButton,
    ButtonRow,
    Card,
    ChoiceInput,
    Element,
    Form,
    Input,
    SayButton,
    TextInput,
    heading,
    line,
    name_place,
    small_print,
    source,
    title,
)
from bot.cards.review_actions import CORRECTION_CHARACTERS, NOTE_CHARACTERS, list_places, spans
from core.records import Answer, VerifiedAnswer
from core.text import CHANGED, RULED, clip_text, strip_markers
from feedback.reviews.ruling_changes import PastRuling

ON_A_PAGE = 4
QUESTION_CHARACTERS = 300
TEXT_CHARACTERS = 300
NAME_CHARACTERS = 80
REASON_CHARACTERS = 200
MOST_STEPS = 8
NOT_ON_THE_PAGES = "That is not on the pages."
HOW_TO_SEARCH = "Say “verified answers about WORDS” to search, or “verified answers by me”."
NO_MORE = "This verified answer is not served any more."


@dataclass(frozen=True, slots=True)
class VerifiedView:
    """A verified answer on a card. `served` is how many people got it, None where that is not known.

    `name` is the reviewer's, `round` that of the review whose ruling is in force; `seal` is for the buttons.
    """

    verified: VerifiedAnswer
    name: str
    round: int
    seal: str
    served: int | None = None


@dataclass(frozen=True, slots=True)
class VerifiedPage:
    """A page of the list: `number` counts from 1; `words` are what was searched for, as it was said."""

    views: Sequence[VerifiedView]
    number: int
    count: int
    words: str = ""


def verified_list_card(page: VerifiedPage) -> Card:
    """Return a page of the verified answers, the newest first."""
    head = "Verified answers"
    if not page.views:
        said = "None is like that." if page.words else "There are none yet."
        return Card((title(head), line(said), small_print(HOW_TO_SEARCH)), (), f"{head}: {said}")
    first = (page.number - 1) * ON_A_PAGE + 1
    shown = f"{first} to {first + len(page.views) - 1} of {page.count:,}, the newest first"
    body: list[Element] = [title(head), small_print(shown)]
    for view in page.views:
        body += _draw_entry(view)
    body.append(small_print(HOW_TO_SEARCH))
    return Card(tuple(body), tuple(_turn_pages(page)), f"{head}: {shown}")


def _draw_entry(view: VerifiedView) -> list[Element]:
    verified = view.verified
    return [
        heading(clip_text(verified.question_text, QUESTION_CHARACTERS)),
        line(clip_text(_say(verified), TEXT_CHARACTERS), size="Small"),
        small_print(_describe(view)),
        ButtonRow((_button(view, "Edit or withdraw…", "verified"),)),
    ]


def _turn_pages(page: VerifiedPage) -> list[Action]:
    about = f" {page.words}" if page.words else ""
    turns: list[Action] = []
    if page.number * ON_A_PAGE < page.count:
        turns.append(SayButton("Next", f"verified answers {page.number + 1}{about}"))
    if page.number > 1:
        turns.append(SayButton("Previous", f"verified answers {page.number - 1}{about}"))
    return turns


def verified_card(view: VerifiedView, answer: Answer, history: Sequence[PastRuling], site_url: str) -> Card:
    """Return one verified answer with its history; `answer` is the one that was reviewed."""
    verified = view.verified
    head = "Verified answer"
    body: list[Element] = [
        title(head),
        small_print(_describe(view)),
        heading("Question"),
        line(clip_text(verified.question_text, QUESTION_CHARACTERS)),
        heading("What people get"),
        line(clip_text(_say(verified), CORRECTION_CHARACTERS)),
        *(source(one, site_url) for one in verified.citations[:1]),
        *_draw_history(history),
    ]
    actions = (
        Form("Edit…", _edit(verified, answer), _button(view, "Save", "edit", inputs=True)),
        Form("Withdraw…", (_why("reason"),), _button(view, "Withdraw", "withdraw", inputs=True)),
    )
    return Card(tuple(body), actions, f"{head}: {verified.question_text}")


def _edit(verified: VerifiedAnswer, answer: Answer) -> tuple[Input, ...]:
    text = TextInput(
        "text",
        "The right answer",
        CORRECTION_CHARACTERS,
        value=clip_text(strip_markers(verified.text), CORRECTION_CHARACTERS),
        required="Please write the right answer.",
    )
    places = list_places(answer)
    cited = {one.quote for one in verified.citations}
    chosen = next((value for value, one in spans(answer) if one.quote in cited), "")
    if not places:
        return text, _why("note")
    return (
        text,
        ChoiceInput("span", "Where it stands", places, chosen or places[0][0], wrap=True),
        _why("note"),
    )


def _why(name: str) -> TextInput:
    return TextInput(name, "Why? (for the record)", NOTE_CHARACTERS, multiline=False)


def _draw_history(history: Sequence[PastRuling]) -> list[Element]:
    """Draw what was decided before, the newest first; a single ruling has no history."""
    if len(history) < 2:  # noqa: PLR2004
        return []
    drawn: list[Element] = [heading("History")]
    for step in history[::-1][:MOST_STEPS]:
        ruling = step.ruling
        name = clip_text(ruling.reviewer_name, NAME_CHARACTERS)
        text = f": “{clip_text(ruling.text, REASON_CHARACTERS)}”" if ruling.text else ""
        drawn.append(small_print(f"{day(step.since)}: {name} {RULED[ruling.ruling]}{text}"))
        if step.ended is not None:
            who = clip_text(step.ended.reviewer_name, NAME_CHARACTERS)
            why = f" ({clip_text(step.ended.reason, REASON_CHARACTERS)})" if step.ended.reason else ""
            drawn.append(small_print(f"{day(step.ended.changed_at)}: {who} {CHANGED[step.ended.kind]}{why}"))
    return drawn


def _say(verified: VerifiedAnswer) -> str:
    return NOT_ON_THE_PAGES if verified.abstained else strip_markers(verified.text)


def _describe(view: VerifiedView) -> str:
    verified = view.verified
    place = next((name_place(one) for one in verified.citations), "")
    served = "" if view.served is None else _say_served(view.served)
    parts = (clip_text(view.name, NAME_CHARACTERS), day(verified.verified_at), place, served)
    return " · ".join(part for part in parts if part)


def _say_served(count: int) -> str:
    if not count:
        return "served to nobody yet"
    return "served once" if count == 1 else f"served {count:,} times"


def _button(view: VerifiedView, name: str, verb: str, *, inputs: bool = False) -> ActionButton:
    data = {"verb": f"review.{verb}", "answer_id": view.verified.answer_id, "round": view.round}
    return ActionButton(name, data | {"seal": view.seal}, inputs=inputs)
