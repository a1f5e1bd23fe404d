"""Text in Slack, as text: nothing that a page, a model or a person wrote becomes a mention, a link or markup.

Slack reads `<!channel>`, `<@U…>` and `<https://…|label>` out of its own markup, and Markdown out of streamed text. What
stays on screen is therefore rich text, whose runs Slack shows letter by letter. Where it takes nothing but markup, the
three letters that begin and end it are escaped; where it takes Markdown, they are replaced by lookalikes.
"""

from __future__ import annotations

from typing import Any

from bot.wording import calm, clipped, printable

Json = dict[str, Any]

RUN_CHARACTERS = 3_000
PLAIN_CHARACTERS = 3_000
STREAM_CHARACTERS = 11_000
"""Slack takes 12,000 letters of Markdown in one message."""
NOTE_CHARACTERS = 3_000
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


def escaped(text: str) -> str:
    """Return a text for Slack's markup, where it means itself.

    >>> escaped("<!channel> R&D")
    '&lt;!channel&gt; R&amp;D'
    """
    return printable(text).translate(_ESCAPES)


def notification(text: str) -> str:
    """Return what a notification shows of a message."""
    cut = clipped(text, NOTE_CHARACTERS // 2)
    while len(escaped(cut)) > NOTE_CHARACTERS:
        cut = clipped(cut, len(cut) // 2)
    return escaped(cut) or "…"


def streamed(text: str) -> str:
    """Return an answer as far as it is written, as Markdown that has nothing but its citation marks in it."""
    return clipped(calm(text, keep_urls=(), markers=99).replace("<", "‹"), STREAM_CHARACTERS)


def plain(text: str, characters: int = PLAIN_CHARACTERS) -> Json:
    """Return a text object that is shown as it stands; Slack takes no empty one."""
    return {"type": "plain_text", "text": clipped(text, characters).strip() or "…", "emoji": False}


def run(text: str, *, bold: bool = False, url: str = "") -> Json:
    """Return a piece of rich text."""
    shown = clipped(text, RUN_CHARACTERS) or " "
    piece: Json = {"type": "link", "url": url, "text": shown} if url else {"type": "text", "text": shown}
    return piece | {"style": {"bold": True}} if bold else piece


def paragraph(*runs: Json) -> Json:
    """Return a part of a rich text."""
    return {"type": "rich_text_section", "elements": list(runs)}


def quotation(text: str) -> Json:
    """Return the words of a page as a part of a rich text."""
    return quoted(run(text))


def quoted(*runs: Json) -> Json:
    """Return these runs, words of a page, as a part of a rich text."""
    return {"type": "rich_text_quote", "elements": list(runs)}


def rich(*parts: Json) -> Json:
    """Return a block of these parts, one below the other."""
    return {"type": "rich_text", "elements": list(parts)}
