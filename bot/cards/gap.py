"""The card for the owner of a page: what was asked in vain, the reviewers' answer, a patch, two buttons."""

from __future__ import annotations

from dataclasses import dataclass

from bot.cards.dates import when
from bot.cards.elements import (
    ActionButton,
    Card,
    Element,
    LinkButton,
    Paragraph,
    TextRun,
    heading,
    line,
    small_print,
    title,
)
from core.text import absolute, clip_text
from core.translation import mark, say
from feedback.gaps.owner_cards import OwnerCard, OwnerChoice, Step

HEAD = mark("Your page leaves a question open")
MOST_QUESTIONS = 5
TEXT_CHARACTERS = 2_000
PATCH_CHARACTERS = 3_000
NAME_CHARACTERS = 80
DID = {
    OwnerChoice.DONE: mark("{name} marked it as done, {time}"),
    OwnerChoice.NOT_THIS_PAGE: mark("{name} said that it does not belong on this page, {time}"),
}
FOLLOWS = {
    OwnerChoice.DONE: mark("The card comes back if more people ask this and get no answer."),
    OwnerChoice.NOT_THIS_PAGE: mark("The next report will look for another page."),
}
NO_ANSWER = mark("No reviewer has answered it yet.")
MASKED = mark(
    "Personal data is masked, [in brackets]: write it out, or leave it out, before you apply the patch."
)


@dataclass(frozen=True, slots=True)
class OwnerCardView:
    """A card as it is now: `steps` were pressed on it so far, `decision` is the one that counts."""

    card: OwnerCard
    decision: Step | None
    steps: int
    signature: str = ""
    site_url: str = ""

    @property
    def shown_version(self) -> str:
        """Say what the card shows, for comparing it with what is on screen."""
        return f"{self.card.made_at.isoformat()} {self.steps} {self.decision.name if self.decision else ''}"


def build_gap_card(view: OwnerCardView) -> Card:
    """Return the card; its buttons carry how many presses it knows of."""
    gap = view.card.gap
    body: list[Element] = [title(say(HEAD)), line(clip_text(say(gap.sentence), TEXT_CHARACTERS))]
    body += _draw_decision(view.decision)
    if gap.outcome:
        body.append(line(say(gap.outcome)))
    body.append(heading(say("What people asked")))
    body += [
        line(f"{one.times} × {clip_text(one.text, TEXT_CHARACTERS)}", spacing="Small")
        for one in gap.questions[:MOST_QUESTIONS]
    ]
    body.append(heading(say("What a reviewer says")))
    body.append(line(clip_text(gap.correction, TEXT_CHARACTERS) or say(NO_ANSWER)))
    body += _draw_proposal(view.card)
    body.append(small_print(say("Owner: {name}", name=clip_text(gap.owner, NAME_CHARACTERS))))
    return Card(tuple(body), _actions(view), f"{say(HEAD)}: {gap.name}")


def _draw_decision(decision: Step | None) -> list[Element]:
    if decision is None:
        return []
    who = clip_text(decision.name, NAME_CHARACTERS)
    said = say(DID[decision.choice], name=who, time=when(decision.at))
    return [line(f"✓ {said}", bold=True, color="Good"), small_print(say(FOLLOWS[decision.choice]))]


def _draw_proposal(card: OwnerCard) -> list[Element]:
    if not card.proposal.patch:
        return [small_print(say(card.proposal.why))] if card.proposal.remark else []
    runs = tuple(TextRun(clip_text(one, TEXT_CHARACTERS)) for one in _list_added(card.proposal.patch))
    drawn: list[Element] = [heading(say("Proposed for the page")), *(Paragraph((run,)) for run in runs)]
    if "\\[" in card.proposal.patch:
        drawn.append(small_print(say(MASKED)))
    return [
        *drawn,
        heading(say("The same as a patch, for `git apply`")),
        line(clip_text(card.proposal.patch, PATCH_CHARACTERS), size="Small"),
    ]


def _list_added(patch: str) -> list[str]:
    """Return the paragraphs that a patch adds, as they stand in it."""
    lines = [one[1:] for one in patch.splitlines() if one.startswith("+") and not one.startswith("+++")]
    return [one for one in lines if one.strip()]


def _actions(view: OwnerCardView) -> tuple[ActionButton | LinkButton, ...]:
    known = {"answer_id": view.card.id, "round": view.steps, "seal": view.signature}

    def button(label: str, choice: OwnerChoice) -> ActionButton:
        return ActionButton(label, {"verb": f"gap.{choice}", **known})

    page = absolute(view.card.page, view.site_url)
    opens = (LinkButton(say("Open the page"), page),) if page.startswith(("https://", "http://")) else ()
    if view.decision is not None:
        return (*opens, button(say("Undo"), OwnerChoice.UNDO))
    return (
        *opens,
        button(say("Done"), OwnerChoice.DONE),
        button(say("Not this page"), OwnerChoice.NOT_THIS_PAGE),
    )
