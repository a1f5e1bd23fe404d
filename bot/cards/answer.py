"""The card under an answer: its sources word for word, its review state, and the request for feedback.

Below a quoted answer it begins with the quotation. Titles and quotes come from pages and are shown as they
stand. People are asked what they think by buttons, and by the form behind a thumb.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.cards.answer_text import NEAREST, SEE_ALSO, build_quotation, further
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
    day,
    line,
    name_place,
    source,
)
from core.records import Answer, AnswerKind, Citation
from core.text import clip_text

STARS = 5
MAX_COMMENT = 4_000

REASONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "like": (
        ("clear", "Clear"),
        ("complete", "Complete"),
        ("good_source", "Good source"),
        ("saved_time", "Saved me time"),
    ),
    "dislike": (
        ("wrong", "Not correct"),
        ("outdated", "Out of date"),
        ("incomplete", "Incomplete"),
        ("wrong_source", "Wrong source"),
        ("on_the_page", "It is on the page"),
        ("hard_to_read", "Hard to understand"),
        ("not_my_question", "Not what I asked"),
    ),
}
"""What can be ticked behind a thumb: (what is kept, what is shown)."""
_STARS = StarsInput(
    "stars", "How good was the answer?", ("1 – wrong", "2 – poor", "3 – fair", "4 – good", "5 – just right")
)


def rating_actions(
    answer_id: str, seal: str, *, stars: bool, comment: bool, expert: bool = True
) -> list[Action]:
    """Return the buttons below an answer; an `expert` is offered where one may read what it is from."""

    def button(title: str, verb: str, *, inputs: bool = True) -> ActionButton:
        return ActionButton(title, {"verb": verb, "answer_id": answer_id, "seal": seal}, inputs=inputs)

    actions: list[Action] = []
    if stars:
        inputs = (_STARS, _comment("Comment (optional)"))
        actions.append(Form("★ Rate", inputs, button("Send", "rate.stars")))
    elif comment:
        actions.append(Form("Comment", (_comment("What should we know?"),), button("Send", "rate.comment")))
    return [*actions, button("Ask an expert", "rate.expert", inputs=False)] if expert else actions


def feedback_form(reaction: str) -> Form:
    """Return the form behind a thumb, "like" or "dislike"; its inputs are `reasons` and `feedbackText`."""
    title = "What was good about it?" if reaction == "like" else "What went wrong?"
    reasons = ChoiceInput("reasons", title, tuple(REASONS[reaction]), several=True)
    text = TextInput("feedbackText", "In your words (optional)", MAX_COMMENT)
    return Form(title, (reasons, text), ActionButton("Send feedback", {"verb": "rate.thumb"}, inputs=True))


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
    `taken` the one of them that somebody took.
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


NOTHING_SAID = Standing()
_COLORS: Mapping[State, Color] = {"under_review": "Warning", "closed": ""}
REPLACED: Mapping[State, str] = {
    "corrected": "A reviewer corrected this answer.",
    "not_on_page": "A reviewer checked this answer and took it back: it is not on the page.",
}
"""What takes the place of an answer's words that hold no more; nor do its sources say anything then."""


def answer_card(answer: Answer, site_url: str, standing: Standing = NOTHING_SAID) -> Card | None:
    """Return the card with the sources of an answer; None where there is nothing to show.

    A declined answer shows the nearest section instead.
    """
    quotes = answer.kind is AnswerKind.QUOTED and standing.state not in REPLACED
    body: list[Element] = [build_quotation(answer)] if quotes else []
    body += _state(answer, standing, site_url)
    if standing.state not in REPLACED:
        body += _sources(answer, site_url, standing.opens_url)
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
        return "An answer of askpage"
    return ("Nearest section: " if answer.abstained else "From: ") + ", ".join(titles)


def _sources(answer: Answer, site_url: str, opens_url: str) -> list[Element]:
    """Draw the citations with their numbers, those of a quotation as places where to look, too."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            first, cited = 1, answer.citations[:MAX_SOURCES]
            title = "Source" if len(cited) == 1 else "Sources"
        case AnswerKind.QUOTED:
            first, cited, title = 2, further(answer), SEE_ALSO
        case AnswerKind.DECLINED:
            first, cited, title = 1, answer.citations[:1], NEAREST
    drawn: list[Element] = [line(title, bold=True)] if cited else []
    for number, citation in enumerate(cited, start=first):
        opened_by = opens_url.format(answer=answer.id, number=number)
        sign = f"{number}  " if answer.kind is AnswerKind.ANSWERED else ""
        compact = answer.kind is AnswerKind.QUOTED
        drawn.append(source(citation, site_url, sign, compact=compact, opened_by=opened_by))
    return drawn


def _draw_similar(standing: Standing, site_url: str) -> list[Element]:
    """Offer the verified answers of similar questions, or show the one that was taken."""
    taken = standing.taken
    if taken is not None:
        drawn: list[Element] = [line("A reviewer answered this:", bold=True, color="Good", spacing="Medium")]
        drawn.append(line(clip_text(taken.text, CORRECTION_CHARACTERS)))
        return [*drawn, source(taken.citation, site_url)] if taken.citation else drawn
    if not standing.similar or standing.state in REPLACED:
        return []
    several = len(standing.similar) > 1
    title = "A reviewer answered similar questions:" if several else "A reviewer answered a similar question:"
    drawn = [line(title, bold=True, spacing="Medium")]
    drawn += [
        line(_name_similar(one, number if several else 0)) for number, one in enumerate(standing.similar, 1)
    ]
    buttons = [
        ActionButton(f"It's {number}" if several else "That's it", {"verb": "rate.same", **one.data})
        for number, one in enumerate(standing.similar, 1)
    ]
    all_of_them = ",".join(one.data["similar"] for one in standing.similar)
    refused = {**standing.similar[0].data, "similar": all_of_them}
    says = ("No", "Neither", "None of these")[min(len(standing.similar), 3) - 1]
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
    on = f", {day(ruled_at)}" if ruled_at else ""
    sentences: Mapping[State, str] = {
        "": "",
        "under_review": "Under review by a colleague",
        "verified": f"✓ Verified by a reviewer{on}",
        "corrected": f"✎ Corrected by a reviewer{on}",
        "not_on_page": f"✎ A reviewer checked{on}: this is not on the page.",
        "closed": f"A reviewer looked at this{on}.",
    }
    return sentences[state]


def _state(answer: Answer, standing: Standing, site_url: str) -> list[Element]:
    sentence = state_sentence(answer, standing)
    color = _COLORS.get(standing.state, "Good")
    drawn: list[Element] = [line(sentence, color=color)] if sentence else []
    if standing.state == "corrected":
        drawn.append(line(clip_text(standing.text, CORRECTION_CHARACTERS)))
        if standing.citation is not None:
            drawn.append(source(standing.citation, site_url))
    return drawn
