"""What somebody wrote in Teams, as they wrote it: characters, links with a title, mentions, reactions.

Teams sends text with HTML entities, the addresses behind link titles in an attachment only, and reactions by
names such as `1f44d_thumbsup` or `1f44b_wavinghand-tone4`
(https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/bot-message-reactions).
"""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from collections.abc import Sequence
from html.parser import HTMLParser

from bot.channels.incoming import MAX_QUESTION_CHARACTERS, to_object, to_objects, to_text
from bot.channels.links import find_address
from core.text import Json

_EMOJI = re.compile(r"([0-9a-f]{4,5}(?:-[0-9a-f]{4,5}){0,6})_")
_TONES = range(0x1F3FB, 0x1F400)
_MOST_HTML = 100_000


def read_as_written(activity: Json) -> Json:
    """Return an activity of Teams with its text and reactions as the person sees them."""
    changed: Json = {}
    if text := to_text(activity.get("text")):
        changed["text"] = _add_linked_page(html.unescape(text), activity)
    for key in ("reactionsAdded", "reactionsRemoved"):
        if activity.get(key):
            changed[key] = [
                one | {"type": name_reaction(to_text(one.get("type")))} for one in to_objects(activity[key])
            ]
    return activity | changed


def mark_heard(activity: Json) -> Json:
    """Mark what was said in a channel and not to the bot, which Teams sends by ChannelMessage.Read.Group.

    Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/channel-messages-with-rsc
    """
    conversation, bot = to_object(activity.get("conversation")), to_object(activity.get("recipient"))
    mentions = [
        to_object(one.get("mentioned")).get("id")
        for one in to_objects(activity.get("entities"))
        if one.get("type") == "mention"
    ]
    in_channel = activity.get("type") == "message" and conversation.get("conversationType") == "channel"
    if not in_channel or activity.get("value") or bot.get("id") in mentions:
        return activity
    return activity | {"channelData": to_object(activity.get("channelData")) | {"heard": True}}


def name_reaction(name: str) -> str:
    """Return a reaction as its emoji, in any colour of skin; Teams' first six keep their names ("like").

    >>> name_reaction("1f44d_thumbsup"), name_reaction("like")
    ('👍', 'like')
    """
    found = _EMOJI.match(name.lower())
    codes = [int(code, 16) for code in found[1].split("-")] if found else [0]
    if codes[0] > sys.maxunicode or unicodedata.category(chr(codes[0])) != "So":
        return name
    return "".join(chr(code) for code in codes if code not in _TONES)


def _add_linked_page(text: str, activity: Json) -> str:
    """Return the text, with the address of its first link behind it where it shows the link's title only."""
    if find_address(text):
        return text
    links = _find_links(to_objects(activity.get("attachments")))
    return f"{text[: MAX_QUESTION_CHARACTERS - len(links[0]) - 1]} {links[0]}" if links else text


def _find_links(attachments: Sequence[Json]) -> list[str]:
    reader = _LinkReader()
    for one in attachments:
        if one.get("contentType") == "text/html":
            reader.feed(to_text(one.get("content"))[:_MOST_HTML])
    return reader.links


class _LinkReader(HTMLParser):
    """Collects the web addresses that links of a message lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = (dict(attrs).get("href") or "").strip()
        found = find_address(address)
        if tag == "a" and found and found[0] == 0:
            self.links.append(address)
