"""How people are asked what they think: buttons on an answer's card, and the form behind a thumb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cards.elements import Action, ActionButton, ChoiceInput, Form, StarsInput, TextInput

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
        ("hard_to_read", "Hard to understand"),
        ("not_my_question", "Not what I asked"),
    ),
}
"""What can be ticked behind a thumb: (what is kept, what is shown)."""
_STARS = StarsInput(
    "stars", "How good was the answer?", ("1 – wrong", "2 – poor", "3 – fair", "4 – good", "5 – just right")
)


def rating_actions(answer_id: str, seal: str, *, stars: bool, comment: bool) -> list[Action]:
    """Return the buttons below an answer; asking an expert is always offered."""

    def button(title: str, verb: str, *, inputs: bool = True) -> ActionButton:
        return ActionButton(title, {"verb": verb, "answer_id": answer_id, "seal": seal}, inputs=inputs)

    actions: list[Action] = []
    if stars:
        inputs = (_STARS, _comment("Comment (optional)"))
        actions.append(Form("★ Rate", inputs, button("Send", "rate.stars")))
    elif comment:
        actions.append(Form("Comment", (_comment("What should we know?"),), button("Send", "rate.comment")))
    return [*actions, button("Ask an expert", "rate.expert", inputs=False)]


def feedback_form(reaction: str) -> Form:
    """Return the form behind a thumb, "like" or "dislike"; its inputs are `reasons` and `feedbackText`."""
    title = "What was good about it?" if reaction == "like" else "What went wrong?"
    reasons = ChoiceInput("reasons", title, tuple(REASONS[reaction]), several=True)
    text = TextInput("feedbackText", "In your words (optional)", MAX_COMMENT)
    return Form(title, (reasons, text), ActionButton("Send feedback", {"verb": "rate.thumb"}, inputs=True))


def _comment(label: str) -> TextInput:
    return TextInput("comment", label, MAX_COMMENT)
