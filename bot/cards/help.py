"""The card below what the bot says to small talk: what it can do, the pages that it knows, and what can be asked.

The card that says what the bot does: on `help`, on an empty message, and once as a welcome.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.common import Json, card, line, links, say
from bot.channel import PageGroup, TalkReply
from core.text import absolute, clipped

WHAT_I_DO = (
    "Ask me about your pages. I answer from what stands there, show you the place, "
    "and say so when the pages do not tell."
)
HOW = (
    "Paste a web address into your question and I read that page.",
    "Ask on: “and for part-timers?” is understood.",
    "Edit your question and I answer again; delete it and I forget it.",
    "Thumbs and reactions teach me: the people who look after me read them.",
    "Your data is yours: say “privacy” to see what I keep, get it, or have it deleted.",
)


def help_lines() -> list[Json]:
    """Return what the bot can do, line by line."""
    return [{"type": "TextBlock", "text": f"• {line}", "wrap": True, "spacing": "Small"} for line in HOW]


def help_card(examples: Sequence[str] = (), *, welcome: bool = False, brief: Sequence[Json] = ()) -> Json:
    """Return an Adaptive Card 1.5; `examples` become buttons that ask them (at most five).

    `brief` is what is said once, to a new person: what is kept and why.
    """
    heading = "Hello, I answer questions about your pages" if welcome else "What I can do"
    card: Json = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": f"{heading}. {WHAT_I_DO}",
        "body": [
            {"type": "TextBlock", "text": heading, "weight": "Bolder", "size": "Medium", "wrap": True},
            {"type": "TextBlock", "text": WHAT_I_DO, "wrap": True},
            *help_lines(),
            *brief,
        ],
    }
    if examples:
        card["actions"] = [say(example, example) for example in examples[:5]]
    return card


TITLE_CHARACTERS = 80


def talk_card(said: TalkReply, site_url: str, brief: Sequence[Json] = ()) -> Json | None:
    """Return an Adaptive Card 1.5; None where there is nothing to show below the sentence.

    `brief` is what is said once to a new person: what is kept and why.
    """
    body = help_lines() if said.explains else []
    body += [drawn for group in said.groups for drawn in _group(group, site_url)]
    if said.more:
        body.append(line(said.more, subtle=True))
    body += brief
    actions = [say(offer, offer) for offer in said.offers]
    return card(body, actions, said.text) if body or actions else None


def _group(group: PageGroup, site_url: str) -> list[Json]:
    """Draw pages: those of a folder in one line, those without one each in a line of its own."""
    pages = [(clipped(title, TITLE_CHARACTERS), absolute(url, site_url)) for title, url in group.pages]
    if not group.name and not group.more:
        return [links([page]) for page in pages]
    return [
        links(
            pages,
            before=f"{group.name}: " if group.name else "",
            after=f", {group.more}" if group.more else "",
        )
    ]
