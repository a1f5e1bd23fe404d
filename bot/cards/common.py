"""What several cards are made of. Text of people and pages goes into runs, which render no Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from core.records import Citation
from core.text import absolute, clipped, printable

Json = dict[str, Any]

QUOTE_CHARACTERS = 400


def line(
    text: str, *, weight: str = "Default", size: str = "Default", color: str = "Default", subtle: bool = False
) -> Json:
    """Return a paragraph that is shown as it stands."""
    run: Json = {
        "type": "TextRun",
        "text": printable(text),
        "size": size,
        "weight": weight,
        "color": color,
        "isSubtle": subtle,
    }
    return {"type": "RichTextBlock", "inlines": [run]}


def links(named: Sequence[tuple[str, str]], *, before: str = "", after: str = "") -> Json:
    """Return a line of names, each of which opens its address: (name, address, "" for none), between other words."""
    inlines: list[Json] = (
        [{"type": "TextRun", "text": printable(before), "weight": "Bolder"}] if before else []
    )
    for number, (name, url) in enumerate(named):
        inlines += [{"type": "TextRun", "text": ", "}] if number else []
        run: Json = {"type": "TextRun", "text": printable(name)}
        if url:
            run |= {
                "color": "Accent",
                "selectAction": {"type": "Action.OpenUrl", "title": printable(name), "url": url},
            }
        inlines.append(run)
    if after:
        inlines.append({"type": "TextRun", "text": printable(after)})
    return {"type": "RichTextBlock", "inlines": inlines, "spacing": "Small"}


def heading(text: str) -> Json:
    """Return the first line of a part of a card."""
    return line(text, weight="Bolder") | {"spacing": "Medium"}


def card(body: Sequence[Json], actions: Sequence[Json], fallback: str) -> Json:
    """Return an Adaptive Card 1.5; `fallback` is what a client shows that cannot draw it, and a notification."""
    whole: Json = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": clipped(fallback, 300),
        "body": list(body),
    }
    if actions:
        whole["actions"] = list(actions)
    return whole


def execute(title: str, data: Json, *, style: str = "default", inputs: bool = True) -> Json:
    """Return a button that asks the bot to do `data["verb"]`; older clients submit the same data as a message."""
    common: Json = {"title": title, "data": data, "associatedInputs": "auto" if inputs else "none"}
    if style != "default":
        common["style"] = style
    button: Json = {"type": "Action.Execute", "verb": data["verb"], **common}
    button["fallback"] = {"type": "Action.Submit", **common}
    return button


def say(title: str, words: str) -> Json:
    """Return a button that says these words in the person's name; other clients than Teams send `value.question`."""
    data: Json = {"question": words, "msteams": {"type": "imBack", "value": words}}
    return {"type": "Action.Submit", "title": title, "data": data}


def unfold(title: str, body: Sequence[Json], button: Json) -> Json:
    """Return a button that shows some inputs and the button that sends them."""
    inner: Json = {"type": "AdaptiveCard", "body": list(body), "actions": [button]}
    return {"type": "Action.ShowCard", "title": title, "card": inner}


def place_name(title: str, head: str) -> str:
    """Name a section by its page and heading, once where they are the same."""
    names = dict.fromkeys(name.strip() for name in (title, head) if name.strip())
    return clipped(" › ".join(names) or "Page", 160)


def source(citation: Citation, number: str, url: str) -> Json:
    """Draw one source: its place, its quote, and its button where there is an address."""
    name = place_name(citation.title, citation.heading)
    items = [line(number + name, weight="Bolder", size="Small")]
    quote = " ".join(citation.quote.split())
    if quote:
        items.append(line(f"“{clipped(quote, QUOTE_CHARACTERS)}”", size="Small", subtle=True))
    if url:
        opener = {"type": "Action.OpenUrl", "title": "Open", "url": url}
        items.append({"type": "ActionSet", "actions": [opener]})
    return {"type": "Container", "spacing": "Small", "items": items}


def place(citation: Citation, url: str) -> Json:
    """Draw one place where to look, in two lines: its name, which opens it where there is an address, and its words."""
    name = line(place_name(citation.title, citation.heading), weight="Bolder", size="Small")
    if url:
        name["inlines"][0] |= {
            "color": "Accent",
            "selectAction": {"type": "Action.OpenUrl", "title": "Open", "url": url},
        }
    items = [name]
    quote = " ".join(citation.quote.split())
    if quote:
        said = line(f"“{clipped(quote, QUOTE_CHARACTERS)}”", size="Small", subtle=True)
        items.append(said | {"spacing": "None"})
    return {"type": "Container", "spacing": "Small", "items": items}


def address(citation: Citation, site_url: str) -> str:
    """Return where a source is opened, "" where it cannot be."""
    return absolute(citation.url, site_url)


def when(time: datetime) -> str:
    """Return a moment as people read it."""
    return f"{day(time)}, {time.astimezone(UTC):%H:%M} UTC"


def day(time: datetime) -> str:
    """Return a day as people read it."""
    at = time.astimezone(UTC)
    return f"{at.day} {at:%b %Y}"
