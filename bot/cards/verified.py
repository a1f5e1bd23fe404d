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
from bot.cards.places import find_choice, read_served_draft
from bot.cards.review_actions import CORRECTION_CHARACTERS, NOTE_CHARACTERS, ask_place
from bot.cards.rulings import describe_change, describe_ruling
from core.records import Answer, VerifiedAnswer
from core.text import clip_text, strip_markers
from core.translation import mark, say, say_count
from feedback.reviews.ruling_changes import PastRuling

ON_A_PAGE = 4
QUESTION_CHARACTERS = 300
TEXT_CHARACTERS = 300
NAME_CHARACTERS = 80
REASON_CHARACTERS = 200
MOST_STEPS = 8
NOT_ON_THE_PAGES = mark("That is not on the pages.")
HOW_TO_SEARCH = mark("Say “verified answers about WORDS” to search, or “verified answers by me”.")
NO_MORE = mark("This verified answer is no longer served.")


@dataclass(frozen=True, slots=True)
class VerifiedView:
    """A verified answer on a card. `served` is how many people got it, None where that is not known.

    `name` is the reviewer's, `round` that of the review whose ruling is in force; `signature`: the buttons'.
    """

    verified: VerifiedAnswer
    name: str
    round: int
    signature: str
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
    head = say("Verified answers")
    if not page.views:
        said = say("No verified answer matches.") if page.words else say("There are none yet.")
        return Card((title(head), line(said), small_print(say(HOW_TO_SEARCH))), (), f"{head}: {said}")
    first = (page.number - 1) * ON_A_PAGE + 1
    counts = {"first": first, "last": first + len(page.views) - 1, "count": page.count}
    shown = say("{first} to {last} of {count}, newest first", **counts)
    body: list[Element] = [title(head), small_print(shown)]
    for view in page.views:
        body += _draw_entry(view)
    body.append(small_print(say(HOW_TO_SEARCH)))
    return Card(tuple(body), tuple(_turn_pages(page)), f"{head}: {shown}")


def _draw_entry(view: VerifiedView) -> list[Element]:
    verified = view.verified
    return [
        heading(clip_text(verified.question_text, QUESTION_CHARACTERS)),
        line(clip_text(_say(verified), TEXT_CHARACTERS), size="Small"),
        small_print(_describe(view)),
        ButtonRow((_button(view, say("Edit or withdraw…"), "verified"),)),
    ]


def _turn_pages(page: VerifiedPage) -> list[Action]:
    about = f" {page.words}" if page.words else ""
    turns: list[Action] = []
    if page.number * ON_A_PAGE < page.count:
        turns.append(SayButton(say("Next"), f"verified answers {page.number + 1}{about}"))
    if page.number > 1:
        turns.append(SayButton(say("Previous"), f"verified answers {page.number - 1}{about}"))
    return turns


def verified_card(view: VerifiedView, answer: Answer, history: Sequence[PastRuling], site_url: str) -> Card:
    """Return one verified answer with its history; `answer` is the one that was reviewed."""
    verified = view.verified
    head = say("Verified answer")
    body: list[Element] = [
        title(head),
        small_print(_describe(view)),
        heading(say("Question")),
        line(clip_text(verified.question_text, QUESTION_CHARACTERS)),
        heading(say("What people get")),
        line(clip_text(_say(verified), CORRECTION_CHARACTERS)),
        *(source(one, site_url) for one in verified.citations[:1]),
        *_draw_history(history),
    ]
    actions = (
        Form(say("Edit…"), _edit(verified, answer), _button(view, say("Save"), "edit", inputs=True)),
        Form(say("Withdraw…"), (_why("reason"),), _button(view, say("Withdraw"), "withdraw", inputs=True)),
    )
    return Card(tuple(body), actions, f"{head}: {verified.question_text}")


def _edit(verified: VerifiedAnswer, answer: Answer) -> tuple[Input, ...]:
    draft = read_served_draft(verified)
    text = TextInput(
        "text",
        say("The right answer"),
        CORRECTION_CHARACTERS,
        value=clip_text(draft.text, CORRECTION_CHARACTERS),
        required=say("Please write the right answer."),
    )
    place = ask_place(answer, draft.text, find_choice(answer, draft))
    return text, *place, _why("note")


def _why(name: str) -> TextInput:
    return TextInput(name, say("Why? (for the record)"), NOTE_CHARACTERS, multiline=False)


def _draw_history(history: Sequence[PastRuling]) -> list[Element]:
    """Draw what was decided before, the newest first; a single ruling has no history."""
    if len(history) < 2:  # noqa: PLR2004
        return []
    drawn: list[Element] = [heading(say("History"))]
    for step in history[::-1][:MOST_STEPS]:
        ruling = step.ruling
        text = f": “{clip_text(ruling.text, REASON_CHARACTERS)}”" if ruling.text else ""
        drawn.append(small_print(describe_ruling(ruling.ruling, ruling.reviewer_name, step.since) + text))
        if step.ended is not None:
            why = f" ({clip_text(step.ended.reason, REASON_CHARACTERS)})" if step.ended.reason else ""
            changed = f"{day(step.ended.changed_at)}: {describe_change(step.ended)}"
            drawn.append(small_print(changed + why))
    return drawn


def _say(verified: VerifiedAnswer) -> str:
    return say(NOT_ON_THE_PAGES) if verified.abstained else strip_markers(verified.text)


def _describe(view: VerifiedView) -> str:
    verified = view.verified
    place = next((name_place(one) for one in verified.citations), "")
    served = "" if view.served is None else _say_served(view.served)
    parts = (clip_text(view.name, NAME_CHARACTERS), day(verified.verified_at), place, served)
    return " · ".join(part for part in parts if part)


def _say_served(count: int) -> str:
    if not count:
        return say("served to nobody yet")
    return say_count("served once", "served {count} times", count)


def _button(view: VerifiedView, name: str, verb: str, *, inputs: bool = False) -> ActionButton:
    data = {"verb": f"review.{verb}", "answer_id": view.verified.answer_id, "round": view.round}
    return ActionButton(name, data | {"seal": view.signature}, inputs=inputs)
