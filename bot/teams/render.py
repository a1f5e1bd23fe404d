"""Messages as Bot Framework activities for Teams: AI label, citations, feedback loop, streams, cards.

Teams draws label and citations only where they share one root entity. Of a message that is too large the
addresses of its citations go first, then its card.
https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bot-messages-ai-generated-content
"""

from __future__ import annotations

import hashlib

from bot.cards.adaptive import attach_card
from bot.cards.elements import Card
from bot.channels.incoming import ZONE, Reference
from bot.channels.message import Message, Outgoing, StreamPart, Typing
from core.text import Json, utf16_bytes
from core.translation import mark, say

CLASSES = ("public", "general", "internal", "confidential", "restricted", "secret")
"""What labels are called where nobody has named them otherwise, the strictest last."""
USAGE = mark("The page has this label: please consider it before you share the answer.")
MAX_MESSAGE_BYTES = 80_000
"""Teams refuses a message of about 100 KB, counted as UTF-16."""


def render_activity(reference: Reference, message: Outgoing) -> Json:
    """Return the activity to send to where `reference` leads."""
    match message:
        case Typing():
            return _address(reference, "typing")
        case StreamPart():
            return _render_part(reference, message)
        case Message():
            return _render_message(reference, message)


def _address(reference: Reference, kind: str) -> Json:
    """Return an activity that is addressed and empty."""
    conversation = {
        key: value for key, value in reference.conversation.items() if key not in {"serviceUrl", ZONE}
    }
    channel_id = conversation.pop("channelId", "")
    activity: Json = {
        "type": kind,
        "channelId": channel_id,
        "conversation": conversation,
        "from": reference.bot,
        "recipient": reference.user,
    }
    return activity | ({"replyToId": reference.activity_id} if reference.activity_id else {})


def _render_part(reference: Reference, part: StreamPart) -> Json:
    information: Json = {
        "streamType": "informative" if part.informative else "streaming",
        "streamSequence": part.sequence,
    }
    if part.stream_id:
        information["streamId"] = part.stream_id
    return _address(reference, "typing") | {
        "text": part.text,
        "entities": [{"type": "streaminfo"} | information],
        "channelData": information,
    }


def _render_message(reference: Reference, message: Message) -> Json:
    activity = _address(reference, "message")
    if message.text or message.card is None:
        activity |= {"textFormat": "markdown", "text": message.text}
    if message.label or message.citations:
        activity = _add_label(activity, message)
    if message.thumbs:
        loop = "custom" if message.thumbs.asks_why else "default"
        activity["channelData"] = {"feedbackLoop": {"type": loop}}
    if message.summary:
        activity["summary"] = message.summary
    if message.card is not None:
        activity = _add_card(activity, message.card)
    if message.suggestions:
        actions = [{"type": "imBack", "title": title, "value": words} for title, words in message.suggestions]
        activity["suggestedActions"] = {"to": [str(reference.user.get("id") or "")], "actions": actions}
    return _end_stream(activity, message.stream_id) if message.stream_id else activity


def _add_label(activity: Json, message: Message) -> Json:
    labelled = activity | {"entities": [_label(message)]}
    fits = utf16_bytes(labelled) <= MAX_MESSAGE_BYTES
    return labelled if fits else activity | {"entities": [_label(message, urls=False)]}


def _add_card(activity: Json, card: Card) -> Json:
    """Attach a card; one that has no room below a text is left out."""
    with_card = activity | {"attachments": [attach_card(card)]}
    return with_card if "text" not in activity or utf16_bytes(with_card) <= MAX_MESSAGE_BYTES else activity


def _end_stream(activity: Json, stream_id: str) -> Json:
    """Return an activity as the last one of a stream, which is the one that stays."""
    information = {"streamType": "final", "streamId": stream_id}
    return activity | {
        "entities": [{"type": "streaminfo"} | information, *activity.get("entities", [])],
        "channelData": activity.get("channelData", {}) | information,
    }


def _label(message: Message, *, urls: bool = True) -> Json:
    claims = [
        {
            "@type": "Claim",
            "position": cited.position,
            "appearance": {"@type": "DigitalDocument", "name": cited.name, "abstract": cited.quote}
            | ({"url": cited.url} if cited.url and urls else {})
            | ({"usageInfo": _usage(cited.label)} if cited.label else {}),
        }
        for cited in message.citations
    ]
    label: Json = {
        "type": "https://schema.org/Message",
        "@type": "Message",
        "@context": "https://schema.org",
        "@id": "",
    }
    label |= {"additionalType": ["AIGeneratedContent"]} if message.label else {}
    labels = [cited.label for cited in message.citations if cited.label]
    usage = {"usageInfo": _usage(max(labels, key=_rank_label))} if labels else {}
    return label | usage | ({"citation": claims} if claims else {})


def _usage(label: str) -> Json:
    """Draw a sensitivity label; what a message has as a whole is named like one of its citations."""
    name = hashlib.sha256(label.encode()).hexdigest()[:16]
    return {"@type": "CreativeWork", "@id": name, "name": label, "description": say(USAGE)}


def _rank_label(label: str) -> int:
    """Return how strict a label is, by its usual name; one of a company's own counts as the strictest."""
    words = label.casefold().split()
    known = [number for number, name in enumerate(CLASSES) if name in words]
    return max(known) + bool({"highly", "strictly"} & {*words}) if known else len(CLASSES) + 1
