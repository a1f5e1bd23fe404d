"""What the local page shows of an activity that the bot sends: the entities and channel data of Teams, made plain.

A shown message is a JSON object:

    id, sender ("user" or "bot"), text, at (ISO time), state ("informative", "streaming", "final")
    ai        True when it carries the AI label
    citations [{position, name, text, url}], position as the [n] in the text; url is "" when it must not be opened
    cards     Adaptive Cards, as sent
    choices   [{title, text}]: suggested actions that say `text` for the person
    loop      True when Teams would show thumbs below it
    own_form  True when the bot has a form of its own behind them (message/fetchTask)

and what the person did with it: edited, thumb {reaction, text, reasons}, reactions [name], failed (a sentence).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote, urlsplit, urlunsplit

Shown = dict[str, Any]

ADAPTIVE_CARD = "application/vnd.microsoft.card.adaptive"
CITATIONS_LIMIT = 20
QUOTE_LIMIT = 400
"""Longest quote that goes into a link to one of our pages, characters."""


def stream_info(activity: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the streaming fields of an activity ({} when it does not stream): entity first, then channel data."""
    for entity in _objects(activity.get("entities")):
        if entity.get("type") == "streaminfo":
            return entity
    channel_data = an_object(activity.get("channelData"))
    return channel_data if channel_data.get("streamType") else {}


def shown_of_bot(activity: Mapping[str, Any]) -> Shown:
    """Return what to show of a message of the bot, without `id` and `at`."""
    root = _message_entity(activity)
    info = stream_info(activity)
    channel_data = an_object(activity.get("channelData"))
    return {
        "sender": "bot",
        "text": str(activity.get("text") or ""),
        "state": str(info.get("streamType") or "final"),
        "ai": "AIGeneratedContent" in (root.get("additionalType") or ()),
        "citations": list(_citations(root)),
        "cards": [
            attachment["content"]
            for attachment in _objects(activity.get("attachments"))
            if attachment.get("contentType") == ADAPTIVE_CARD and isinstance(attachment.get("content"), dict)
        ],
        "choices": list(_choices(activity)),
        "loop": bool(channel_data.get("feedbackLoop") or channel_data.get("feedbackLoopEnabled")),
        "own_form": an_object(channel_data.get("feedbackLoop")).get("type") == "custom",
    }


def openable(url: object) -> str:
    """Return a link that a browser may be sent to (http, https, or a path on this site), or ""."""
    text = str(url or "").strip()
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


def _message_entity(activity: Mapping[str, Any]) -> Mapping[str, Any]:
    for entity in _objects(activity.get("entities")):
        if entity.get("type") == "https://schema.org/Message":
            return entity
    return {}


def _citations(root: Mapping[str, Any]) -> Iterator[Shown]:
    for claim in list(_objects(root.get("citation")))[:CITATIONS_LIMIT]:
        appearance = an_object(claim.get("appearance"))
        if not appearance or not isinstance(claim.get("position"), int):
            continue
        words = str(appearance.get("abstract") or "")
        url = openable(appearance.get("url"))
        yield {
            "position": claim["position"],
            "name": str(appearance.get("name") or ""),
            "text": words,
            "url": with_quote(url, words) if url else "",
        }


def _choices(activity: Mapping[str, Any]) -> Iterator[Shown]:
    for action in _objects(an_object(activity.get("suggestedActions")).get("actions")):
        if action.get("type") in ("imBack", "messageBack") and isinstance(action.get("value"), str):
            yield {"title": str(action.get("title") or action["value"]), "text": action["value"]}


def an_object(value: object) -> dict[str, Any]:
    """Return a JSON object as it is, and {} for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (known for item in cast("list[object]", value) if (known := an_object(item)))
