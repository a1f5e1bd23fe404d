"""How people are asked what they think: buttons on an answer's card, and the form behind a thumb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cards.common import Json, card, execute, unfold

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
_STAR_NAMES = ("1 – wrong", "2 – poor", "3 – fair", "4 – good", "5 – just right")


def rating_actions(answer_id: str, seal: str, *, stars: bool, comment: bool) -> list[Json]:
    """Return the buttons below an answer; asking an expert is always offered."""
    actions: list[Json] = []
    data: Json = {"answer_id": answer_id, "seal": seal}
    if stars:
        rate = execute("Send", {"verb": "rate.stars", **data})
        actions.append(unfold("★ Rate", [_stars(), _comment("Comment (optional)")], rate))
    elif comment:
        send = execute("Send", {"verb": "rate.comment", **data})
        actions.append(unfold("Comment", [_comment("What should we know?")], send))
    actions.append(execute("Ask an expert", {"verb": "rate.expert", **data}, inputs=False))
    return actions


def feedback_form(reaction: str) -> Json:
    """Return the form behind a thumb, "like" or "dislike"; its inputs are `reasons` and `feedbackText`."""
    reasons: Json = {
        "type": "Input.ChoiceSet",
        "id": "reasons",
        "label": "What was good about it?" if reaction == "like" else "What went wrong?",
        "isMultiSelect": True,
        "style": "expanded",
        "choices": [{"title": title, "value": value} for value, title in REASONS[reaction]],
    }
    text = _comment("In your words (optional)") | {"id": "feedbackText"}
    actions = [{"type": "Action.Submit", "title": "Send feedback"}]
    return card([reasons, text], actions, "What do you think of the answer?")


def _stars() -> Json:
    """Return five stars; a client that does not know them shows a list."""
    choices = [{"title": name, "value": str(stars)} for stars, name in enumerate(_STAR_NAMES, start=1)]
    known: Json = {"id": "stars", "label": "How good was the answer?"}
    a_list: Json = {"type": "Input.ChoiceSet", **known, "style": "expanded", "choices": choices}
    return {"type": "Input.Rating", **known, "max": STARS, "fallback": a_list}


def _comment(label: str) -> Json:
    return {
        "type": "Input.Text",
        "id": "comment",
        "label": label,
        "isMultiline": True,
        "maxLength": MAX_COMMENT,
    }
