"""Mail (.eml) → its subject and the words of its body; attachments are only named."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from html import escape
from typing import Any

from core.phrases import mark
from pages.fetched import PageUnreadable

_MOST_NAMED = 5
_BROKEN = mark("That mail is damaged and cannot be read; please save it once more and send that.")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail's subject, its body, who sent it when (as HTML), and what was left out."""

    subject: str
    body: str
    is_html: bool
    head: str
    left_out: tuple[str, ...]


def read_mail(body: bytes) -> Mail:
    """Return what a mail says; of a body that comes twice, the HTML. Raises PageUnreadable."""
    try:
        message = message_from_bytes(body, policy=default)
        part = message.get_body(preferencelist=("html", "plain"))
        text = _content(part) if part is not None else ""
        subject = str(message.get("Subject", ""))
        head = [f"{name}: {message[name]}" for name in ("From", "Date") if message[name]]
        names = [one.get_filename() or one.get_content_type() for one in message.iter_attachments()]
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise PageUnreadable(_BROKEN) from error
    if not text.strip():
        raise PageUnreadable(mark("I found no text in that mail."))
    shown = ", ".join(names[:_MOST_NAMED])
    left_out = (f"{len(names):,} attachments: {shown}.",) if names else ()
    is_html = part is not None and part.get_content_type() == "text/html"
    return Mail(subject, text, is_html, "".join(f"<p>{escape(line)}</p>" for line in head), left_out)


def _content(part: Any) -> str:
    """Return a body as text; an unknown charset is no reason to lose it."""
    try:
        return str(part.get_content())
    except LookupError:
        raw = part.get_payload(decode=True)
        return raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else ""
