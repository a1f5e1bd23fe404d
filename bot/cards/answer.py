"""The card under an answer: its sources word for word, its review state, and the request for feedback.

Below a quoted answer it begins with the quotation. Titles and quotes come from pages and are shown as they
stand. People are asked what they think by buttons, and by the form behind a thumb.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urldefrag

from bot.cards.answer_text import NEAREST, SEE_ALSO, build_quotation, further
from bot.cards.dates import day
from bot.cards.elements import (
    Action,
    ActionButton,
    ButtonRow,
    Card,
    ChoiceInput,
    Color,
    Element,
    Form,
    StarsInput,
    TextInput,
    line,
    name_place,
    small_print,
    source,
)
from core.records import Answer, AnswerKind, Citation
from core.text import clip_text
from core.translation import mark, say

STARS = 5
MAX_COMMENT = 4_000

REASONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "like": (
        ("clear", mark("Clear")),
        ("complete", mark("Complete")),
        ("good_source", mark("Good source")),
        ("saved_time", mark("Saved me time")),
    ),
    "dislike": (
        ("wrong", mark("Not correct")),
        ("outdated", mark("Out of date")),
        ("incomplete", mark("Incomplete")),
        ("wrong_source", mark("Wrong source")),
        ("on_the_page", mark("It is on the page")),
        ("hard_to_read", mark("Hard to understand")),
        ("not_my_question", mark("Not what I asked")),
    ),
}
"""What can be ticked behind a thumb: (what is kept, what is shown)."""
_STARS = (
    mark("1 – wrong"),
    mark("2 – poor"),
    mark("3 – fair"),
    mark("4 – good"),
    mark("5 – just right"),
)


def rating_actions(
    answer_id: str, signature: str, *, stars: bool, comment: bool, expert: bool = True
) -> list[Action]:
    """Return the buttons below an answer; an `expert` is offered where one may read what it is from."""

    def button(title: str, verb: str, *, inputs: bool = True) -> ActionButton:
        return ActionButton(title, {"verb": verb, "answer_id": answer_id, "seal": signature}, inputs=inputs)

    actions: list[Action] = []
    if stars:
        names = tuple(say(name) for name in _STARS)
        inputs = (
            StarsInput("stars", say("How good was the answer?"), names),
            _comment(say("Comment (optional)")),
        )
        actions.append(Form(say("★ Rate"), inputs, button(say("Send"), "rate.stars")))
    elif comment:
        field = _comment(say("What should we know?"))
        actions.append(Form(say("Comment"), (field,), button(say("Send"), "rate.comment")))
    return [*actions, button(say("Ask an expert"), "rate.expert", inputs=False)] if expert else actions


def feedback_form(reaction: str) -> Form:
    """Return the form behind a thumb, "like" or "dislike"; its inputs are `reasons` and `feedbackText`."""
    title = say("What was good about it?") if reaction == "like" else say("What went wrong?")
    offered = tuple((kept, say(shown)) for kept, shown in REASONS[reaction])
    reasons = ChoiceInput("reasons", title, offered, several=True)
    text = TextInput("feedbackText", say("In your words (optional)"), MAX_COMMENT)
    button = ActionButton(say("Send feedback"), {"verb": "rate.thumb"}, inputs=True)
    return Form(title, (reasons, text), button)


def _comment(label: str) -> TextInput:
    return TextInput("comment", label, MAX_COMMENT)


MAX_SOURCES = 6
"""More would push the answer off the screen; the citations of the message itself have them all."""
CORRECTION_CHARACTERS = 4_000
QUESTION_CHARACTERS = 200
"""Of another question that is shown."""

State = Literal["", "under_review", "verified", "corrected", "not_on_page", "closed"]


@dataclass(frozen=True, slots=True)
class SimilarAnswer:
    """A verified answer of a similar question; `question` is "" where its words are not for everybody.

    `data` is what its buttons send, but for the verb: "similar" is the id of the answer that was verified.
    """

    question: str
    text: str
    citation: Citation | None
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """How an answer stands with the reviewers, and what is asked below it.

    `text` and `citation` are those of a correction, `actions` the buttons (bot/cards/answer.py), `thanks` a
    sentence to whoever has just rated. `opens_url` is where the Open buttons lead, with {answer} and {number}
    in it. `brief` is what is said once, to a new person. `similar` are the verified answers that are offered,
    `taken` the one of them that somebody took. `labels` are the sensitivity labels of pages, by their URL.
    """

    state: State = ""
    ruled_at: datetime | None = None
    text: str = ""
    citation: Citation | None = None
    actions: Sequence[Action] = ()
    thanks: str = ""
    opens_url: str = ""
    brief: Sequence[Element] = ()
    similar: Sequence[SimilarAnswer] = ()
    taken: SimilarAnswer | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def find_label(self, citation: Citation) -> str:
        """Return the sensitivity label of a citation's page, "" for none."""
        return self.labels.get(urldefrag(citation.url).url, "")


NOTHING_SAID = Standing()
_COLORS: Mapping[State, Color] = {"under_review": "Warning", "closed": ""}
_STATES: Mapping[State, tuple[str, str]] = {
    "under_review": (mark("Under review by a colleague"), mark("Under review by a colleague")),
    "verified": (mark("✓ Verified by a reviewer"), mark("✓ Verified by a reviewer, {day}")),
    "corrected": (mark("✎ Corrected by a reviewer"), mark("✎ Corrected by a reviewer, {day}")),
    "not_on_page": (
        mark("✎ A reviewer checked: this is not on the page."),
        mark("✎ A reviewer checked, {day}: this is not on the page."),
    ),
    "closed": (mark("A reviewer looked at this."), mark("A reviewer looked at this, {day}.")),
}
"""How an answer stands, without and with the day since when."""
REPLACED: Mapping[State, str] = {
    "corrected": mark("A reviewer corrected this answer."),
    "not_on_page": mark("A reviewer checked this answer and withdrew it: it is not on the page."),
}
"""What takes the place of an answer's words that hold no more; nor do its sources say anything then."""


def answer_card(answer: Answer, site_url: str, standing: Standing = NOTHING_SAID) -> Card | None:
    """Return the card with the sources of an answer; None where there is nothing to show.

    A declined answer shows the nearest section instead.
    """
    quotes = answer.kind is AnswerKind.QUOTED and standing.state not in REPLACED
    body: list[Element] = [build_quotation(answer)] if quotes else []
    if quotes and answer.citations and (label := standing.find_label(answer.citations[0])):
        body.append(small_print(label))
    body += _state(answer, standing, site_url)
    if standing.state not in REPLACED:
        body += _sources(answer, site_url, standing)
    if standing.thanks:
        body.append(line(standing.thanks, color="Good"))
    body += _draw_similar(standing, site_url)
    body += standing.brief
    if not body and not standing.actions:
        return None
    return Card(tuple(body), tuple(standing.actions), _fallback(answer))


def _fallback(answer: Answer) -> str:
    titles = dict.fromkeys(name_place(one) for one in answer.citations[:MAX_SOURCES])
    if not titles:
        return say("An answer of askpage")
    places = ", ".join(titles)
    return (
        say("Nearest section: {places}", places=places)
        if answer.abstained
        else say("From: {places}", places=places)
    )


def _sources(answer: Answer, site_url: str, standing: Standing) -> list[Element]:
    """Draw the citations with their numbers, those of a quotation as places where to look, too."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            first, cited = 1, answer.citations[:MAX_SOURCES]
            title = say("Source") if len(cited) == 1 else say("Sources")
        case AnswerKind.QUOTED:
            first, cited, title = 2, further(answer), say(SEE_ALSO)
        case AnswerKind.DECLINED:
            first, cited, title = 1, answer.citations[:1], say(NEAREST)
    drawn: list[Element] = [line(title, bold=True)] if cited else []
    for number, citation in enumerate(cited, start=first):
        opened_by = standing.opens_url.format(answer=answer.id, number=number)
        label = standing.find_label(citation)
        sign = f"{number}  " if answer.kind is AnswerKind.ANSWERED else ""
        compact = answer.kind is AnswerKind.QUOTED
        drawn.append(source(citation, site_url, sign, compact=compact, opened_by=opened_by, label=label))
    return drawn


def _draw_similar(standing: Standing, site_url: str) -> list[Element]:
    """Offer the verified answers of similar questions, or show the one that was taken."""
    taken = standing.taken
    if taken is not None:
        head = say("A reviewer answered this:")
        drawn: list[Element] = [line(head, bold=True, color="Good", spacing="Medium")]
        drawn.append(line(clip_text(taken.text, CORRECTION_CHARACTERS)))
        if taken.citation is not None:
            drawn.append(source(taken.citation, site_url, label=standing.find_label(taken.citation)))
        return drawn
    if not standing.similar or standing.state in REPLACED:
        return []
    several = len(standing.similar) > 1
    title = say("A reviewer answered a similar question:")
    if several:
        title = say("A reviewer answered similar questions:")
    drawn = [line(title, bold=True, spacing="Medium")]
    drawn += [
        line(_name_similar(one, number if several else 0)) for number, one in enumerate(standing.similar, 1)
    ]
    buttons = [
        ActionButton(
            say("It's {number}", number=number) if several else say("That's it"),
            {"verb": "rate.same", **one.data},
        )
        for number, one in enumerate(standing.similar, 1)
    ]
    all_of_them = ",".join(one.data["similar"] for one in standing.similar)
    refused = {**standing.similar[0].data, "similar": all_of_them}
    says = (say("No"), say("Neither"), say("None of these"))[min(len(standing.similar), 3) - 1]
    none = ActionButton(says, {"verb": "rate.other", **refused})
    return [*drawn, ButtonRow((*buttons, none))]


def _name_similar(one: SimilarAnswer, number: int) -> str:
    sign = f"{number}. " if number else ""
    if one.question:
        return f"{sign}“{clip_text(one.question, QUESTION_CHARACTERS)}”"
    answered = " ".join(one.text.split())  # whoever asked reads what was answered, and not another's words
    return f"{sign}{clip_text(answered, QUESTION_CHARACTERS)}"


def state_sentence(answer: Answer, standing: Standing) -> str:
    """Say how an answer stands, "" where there is nothing to say."""
    state, ruled_at = standing.state, standing.ruled_at
    if not state and answer.verified_by:  # served from the verified answers
        state, ruled_at = "verified", answer.verified_at
    if not state:
        return ""
    undated, dated = _STATES[state]
    return say(dated, day=day(ruled_at)) if ruled_at else say(undated)


def _state(answer: Answer, standing: Standing, site_url: str) -> list[Element]:
    sentence = state_sentence(answer, standing)
    color = _COLORS.get(standing.state, "Good")
    drawn: list[Element] = [line(sentence, color=color)] if sentence else []
    if standing.state == "corrected":
        drawn.append(line(clip_text(standing.text, CORRECTION_CHARACTERS)))
        if standing.citation is not None:
            label = standing.find_label(standing.citation)
            drawn.append(source(standing.citation, site_url, label=label))
    return drawn
