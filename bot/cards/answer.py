"""The card under an answer: where it stands, word for word, and a button to each place.

Titles and quotes come from pages: they are shown in RichTextBlocks, which render no Markdown.
"""

from __future__ import annotations

from typing import Any

from bot.wording import absolute, clipped
from records import Answer, Citation

Json = dict[str, Any]

MAX_SOURCES = 6
"""More would push the answer off the screen; the citations of the message itself have them all."""
QUOTE_CHARACTERS = 400


def answer_card(answer: Answer, site_url: str) -> Json | None:
    """Return an Adaptive Card 1.5 with the sources of an answer; None where there is nothing to open.

    An abstention shows the nearest section instead.
    """
    if not answer.citations:
        return None
    body: list[Json] = []
    if answer.abstained:
        body.append(_line("The nearest section I found", weight="Bolder"))
        body += _source(answer.citations[0], "", site_url)
    else:
        body.append(_line("Source" if len(answer.citations) == 1 else "Sources", weight="Bolder"))
        for number, citation in enumerate(answer.citations[:MAX_SOURCES], start=1):
            body += _source(citation, f"{number}  ", site_url)
    if answer.verified_by:
        body.append(_line("✓ Checked by a reviewer", size="Small", color="Good"))
    titles = ", ".join(dict.fromkeys(_place(citation) for citation in answer.citations[:MAX_SOURCES]))
    return {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": clipped(("Nearest section: " if answer.abstained else "From: ") + titles, 300),
        "body": body,
    }


def _place(citation: Citation) -> str:
    """Name a section by its page and heading, once where they are the same."""
    names = dict.fromkeys(name.strip() for name in (citation.title, citation.heading) if name.strip())
    return clipped(" › ".join(names) or "Page", 160)


def _source(citation: Citation, number: str, site_url: str) -> list[Json]:
    """Draw one source: its place, its quote, its button."""
    items = [_line(number + _place(citation), weight="Bolder", size="Small")]
    quote = " ".join(citation.quote.split())
    if quote:
        items.append(_line(f"“{clipped(quote, QUOTE_CHARACTERS)}”", size="Small", subtle=True))
    url = absolute(citation.url, site_url)
    if url:
        items.append(
            {"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": url}]}
        )
    return [{"type": "Container", "spacing": "Small", "items": items}]


def _line(
    text: str, *, weight: str = "Default", size: str = "Default", color: str = "Default", subtle: bool = False
) -> Json:
    run: Json = {
        "type": "TextRun",
        "text": text,
        "size": size,
        "weight": weight,
        "color": color,
        "isSubtle": subtle,
    }
    return {"type": "RichTextBlock", "inlines": [run]}
