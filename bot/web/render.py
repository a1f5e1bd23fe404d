"""Messages of the bot as the chat page shows them.

A shown message is a JSON object:

    id, sender ("user" or "bot"), text, at (ISO time), state ("informative", "streaming", "final")
    ai        True when it carries the AI label
    citations [{position, name, text, url}], position as the [n] in the text; url is "" when it must not be
    opened
    cards     Adaptive Cards, which the page draws with Microsoft's renderer
    choices   [{title, text}]: what can be asked next, `text` is said for the person
    loop      True when thumbs stand below it
    own_form  True when the bot has a form of its own behind them (message/fetchTask)

and what the person did with it: edited, thumb {reaction, text, reasons}, reactions [name], failed (a
sentence).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from bot.cards.adaptive import render_card
from bot.channels.message import CitedSource, Message, StreamPart

Shown = dict[str, Any]

QUOTE_LIMIT = 400
"""Longest quote that goes into a link to one of our pages, characters."""


def render_shown(message: Message | StreamPart) -> Shown:
    """Return what to show of a message of the bot, without `id` and `at`."""
    state = "final"
    if isinstance(message, StreamPart):
        state, message = "informative" if message.informative else "streaming", Message(message.text)
    return {
        "sender": "bot",
        "text": message.text,
        "state": state,
        "ai": bool(message.label),
        "citations": [_cited(one) for one in message.citations],
        "cards": [render_card(message.card)] if message.card else [],
        "choices": [{"title": title or words, "text": words} for title, words in message.suggestions],
        "loop": message.thumbs is not None,
        "own_form": message.thumbs is not None and message.thumbs.asks_why,
    }


def _cited(cited: CitedSource) -> Shown:
    url = openable(cited.url)
    return {
        "position": cited.position,
        "name": cited.name,
        "text": cited.quote,
        "url": with_quote(url, cited.quote) if url else "",
    }


def openable(url: str) -> str:
    """Return a link that a browser may be sent to (http, https, or a path on this site), or ""."""
    text = url.strip()
    if text.startswith("/") and not text.startswith(("//", "/\\")):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.netloc else ""


def with_quote(url: str, words: str) -> str:
    """Let a link to one of our own pages (/site/... on this machine) mark the quoted words there."""
    parts = urlsplit(url)
    here = parts.hostname in (None, "localhost", "127.0.0.1", "::1")
    if not here or not parts.path.startswith("/site/") or parts.query or not words:
        return url
    return urlunsplit(parts._replace(query="quote=" + quote(words[:QUOTE_LIMIT], safe="")))
