"""The card that says what the bot does: on `help`, on an empty message, and once as a welcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

WHAT_I_DO = (
    "Ask me about your pages. I answer from what stands there, show you the place, "
    "and say so when the pages do not tell."
)
HOW = (
    "Paste a web address into your question and I read that page.",
    "Ask on: “and for part-timers?” is understood.",
    "Edit your question and I answer again; delete it and I forget it.",
    "Thumbs and reactions teach me: the people who look after me read them.",
)


def help_card(examples: Sequence[str] = (), *, welcome: bool = False) -> Json:
    """Return an Adaptive Card 1.5; `examples` become buttons that ask them (at most five)."""
    heading = "Hello, I answer questions about your pages" if welcome else "What I can do"
    card: Json = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": f"{heading}. {WHAT_I_DO}",
        "body": [
            {"type": "TextBlock", "text": heading, "weight": "Bolder", "size": "Medium", "wrap": True},
            {"type": "TextBlock", "text": WHAT_I_DO, "wrap": True},
            *({"type": "TextBlock", "text": f"• {line}", "wrap": True, "spacing": "Small"} for line in HOW),
        ],
    }
    if examples:
        card["actions"] = [_ask(example) for example in examples[:5]]
    return card


def _ask(question: str) -> Json:
    """Return a button that asks; Teams says it in the person's name, other clients send `value.question`."""
    data: Json = {"question": question, "msteams": {"type": "imBack", "value": question}}
    return {"type": "Action.Submit", "title": question, "data": data}
