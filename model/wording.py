"""What a model wrote, made safe and plain before anybody sees it.

A model repeats what it read, and what it read may be hostile: a link whose address carries somebody's words away, an
image that does the same without a click, a mention, markup. None of it passes; the words themselves do.
"""

from __future__ import annotations

import re

_IMAGE_OR_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)?")
_REFERENCE = re.compile(r"!?\[([^\]\n]*)\]\[[^\]\n]*\]|^\s*\[[^\]\n]+\]:\s*\S+.*$", re.MULTILINE)
_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,20}:(?://|\\\\)|\bwww\.|(?<!\w)//)[^\s<>\"')\]]*|\b(?:javascript|data|vbscript|mailto):\S+",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>?")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_MARKER = re.compile(r"\s*\[\d+\]")
_EMPHASIS = re.compile(r"(\*\*|__|`+)(?=\S)(.+?)(?<=\S)\1")
ENDS = (".", "!", "?", '"', "”", ")")
"""With what a finished answer ends."""
_SPACE = re.compile(r"[ \t]+")


def plain(text: str) -> str:
    """Return the words of a model's text without links, images, markup, control characters or [n] markers."""
    text = _CONTROL.sub("", text)
    text = _REFERENCE.sub(lambda match: match.group(1) or "", text)
    text = _IMAGE_OR_LINK.sub(lambda match: match.group(1), text)
    text = _TAG.sub("", text)
    text = _ADDRESS.sub("(address on the page)", text)
    text = _EMPHASIS.sub(r"\2", _MARKER.sub("", text))
    return _SPACE.sub(" ", text).strip()


def plain_so_far(text: str) -> str:
    """Return what of an unfinished text can be shown: whole words only, so that no half of a link slips through."""
    cut = max(text.rfind(" "), text.rfind("\n"))
    shown = text[: cut + 1]
    opened = shown.rfind("[")
    if opened > shown.rfind(")") and opened > shown.rfind("]"):
        shown = shown[:opened]
    tag = shown.rfind("<")
    if tag > shown.rfind(">"):
        shown = shown[:tag]
    return plain(shown)


def whole_sentences(text: str) -> str:
    """Drop an unfinished last sentence, if there is a finished one before it; else mark the cut."""
    if not text or text.endswith(ENDS):
        return text
    end = max(text.rfind(mark) for mark in (". ", "! ", "? ", ".\n"))
    return text[: end + 1] if end > 0 else f"{text} …"
