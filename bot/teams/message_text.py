"""What somebody wrote in Teams, as they wrote it: characters, links by title, quotes, mentions, reactions.

Teams sends text with HTML entities, the addresses behind link titles in an attachment only, and reactions by
names such as `1f44d_thumbsup` or `1f44b_wavinghand-tone4`
(https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/bot-message-reactions).
"""

from __future__ import annotations

import html
import json
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
_QUOTE = "http://schema.skype.com/Reply"
"""What a message that is quoted in another one is called in its HTML."""
_FORWARDED = "forwardedMessageReference"
"""The kind of attachment that a forwarded message is (Microsoft Graph, chatMessageAttachment)."""
_FIRST_SIX = {"❤": "heart", "😆": "laugh", "😮": "surprised", "😢": "sad", "😠": "angry"}
"""Teams' first reactions have names of their own, and newer clients send their emoji; 👍 has both."""
_VARIANT = 0xFE0F


def read_as_written(activity: Json) -> Json:
    """Return an activity of Teams with its text and reactions as the person sees them."""
    changed: Json = {}
    attachments = to_objects(activity.get("attachments"))
    forwarded = [to_text(one.get("content")) for one in attachments if one.get("contentType") == _FORWARDED]
    if text := to_text(activity.get("text")):
        read = _read_html(attachments)
        changed["text"] = _add_linked_page(_drop_quote(html.unescape(text), read), read)
    elif words := [said for said in map(_read_forwarded, forwarded) if said]:
        changed["text"] = words[0]
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
    """Return a reaction as its emoji, in any colour of skin; Teams' first six have names ("like").

    >>> name_reaction("1f44d_thumbsup"), name_reaction("like")
    ('👍', 'like')
    """
    found = _EMOJI.match(name.lower())
    codes = [int(code, 16) for code in found[1].split("-")] if found else [0]
    if codes[0] > sys.maxunicode or unicodedata.category(chr(codes[0])) != "So":
        return name
    shown = "".join(chr(code) for code in codes if code not in _TONES and code != _VARIANT)
    return _FIRST_SIX.get(shown, shown)


def _read_forwarded(content: str) -> str:
    """Return the words of a message that was forwarded without any of one's own, with its first link."""
    try:
        original = to_text(to_object(json.loads(content)).get("originalMessageContent"))
    except (ValueError, RecursionError):
        return ""
    read = _MessageReader()
    read.feed(original[:_MOST_HTML])
    read.close()
    words = " ".join(read.words)[:MAX_QUESTION_CHARACTERS]
    return _add_linked_page(words, read) if words else ""


def _drop_quote(text: str, read: _MessageReader) -> str:
    """Return a text without the message that it quotes, with or without the name of who wrote that."""
    for words in (read.quoted, read.preview):
        is_short = 0 < sum(map(len, words)) < MAX_QUESTION_CHARACTERS
        found = re.match(r"\s*".join(map(re.escape, words)), text.lstrip()) if is_short else None
        rest = text.lstrip()[found.end() :].lstrip() if found else ""
        if rest:
            return rest
    return text


def _add_linked_page(text: str, read: _MessageReader) -> str:
    """Return the text, with the address of its first link behind it where it shows the link's title only.

    A link of its own comes before one of what it quotes.
    """
    links = [*read.links, *read.quoted_links]
    if find_address(text) or not links:
        return text
    return f"{text[: MAX_QUESTION_CHARACTERS - len(links[0]) - 1]} {links[0]}"


def _read_html(attachments: Sequence[Json]) -> _MessageReader:
    reader = _MessageReader()
    for one in attachments:
        if one.get("contentType") == "text/html":
            reader.feed(to_text(one.get("content"))[:_MOST_HTML])
    return reader


class _MessageReader(HTMLParser):
    """Collects where the links of a message lead, and what it quotes: all words, and those of the message."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.quoted_links: list[str] = []
        self.quoted: list[str] = []
        self.preview: list[str] = []
        self.words: list[str] = []
        """What is said outside of quotes."""
        self._depth = 0
        self._in_preview = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "blockquote" and (self._depth or said.get("itemtype") == _QUOTE):
            self._depth += 1
        elif tag == "p" and self._depth:
            self._in_preview = said.get("itemprop") == "preview"
        address = (said.get("href") or "").strip()
        found = find_address(address)
        if tag == "a" and found and found[0] == 0:
            (self.quoted_links if self._depth else self.links).append(address)

    def handle_endtag(self, tag: str) -> None:
        if tag == "blockquote" and self._depth:
            self._depth -= 1
        self._in_preview = self._in_preview and bool(self._depth) and tag != "p"

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.words += data.split()
        else:
            self.quoted += data.split()
            self.preview += data.split() if self._in_preview else []
