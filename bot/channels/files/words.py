"""What is said of files that were sent: which are not read and why, and whether a question is about one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.channels.incoming import A_FILE, A_PICTURE, SentFile
from core.translation import mark, say
from pages.kinds import choose_sent_kind, is_picture

KINDS = mark(
    "HTML, Markdown, plain text, PDF, Word, PowerPoint, Excel, OpenDocument, RTF, CSV and mail (.eml)"
)
OLD = mark("old Office files (.doc, .xls, .ppt): please save them as .docx, .xlsx or .pptx")
"""As `pages.kinds` says both, in a room whose sandboxes load no catalogues; a test holds them together."""
MOST_READ = 5
"""Of one message."""
GONE = mark("I no longer have that file. Please send it again.")
NOT_NOW = mark("I cannot store files at the moment; please send it again later.")
NOT_HANDED_OUT = mark(
    "I did not get {name} itself here. Please send it to me in our personal chat, or paste a link"
    " to the page."
)
PICTURE = mark(
    "I cannot read pictures here, and {name} is one. Please type what it says, or send the file that it was "
    "taken from."
)
OTHER_PICTURE = mark(
    "I cannot read {name}: the kinds of pictures that I can read are PNG, JPEG, GIF, WebP, BMP and TIFF."
)
OTHER_KIND = mark("I cannot read {name}: I can read {readable}.")
OLD_KIND = mark("I cannot read {name} or other {old}.")
TOO_MANY = mark("I read at most {most} files in one message, so I left out {names}.")

_THIS_FILE = re.compile(
    r"\b(?:th(?:is|at|e same)|my|our|the (?:sent|attached|uploaded))"
    r" (?:\w+ )?(?:file|document|doc|pdf|attachment|spreadsheet|sheet|presentation|slides?|deck|upload)\b"
    r"|\b(?:the|in) (?:file|attachment|upload)\b|\battached\b"
    r"|\b(?:dieser|diese|diesem|dieses|der|die|dem|meine|meiner|angehängten?) (?:datei|anhang|anlage)\b"
    r"|\b(?:diesem|dieses|angehängten?) (?:dokument|pdf)\b"
    r"|\b(?:ce|le|mon) fichier\b|\bce (?:document|pdf)\b|\b(?:pièce jointe|ci-joint)\b"
    r"|\b(?:este|el|mi) archivo\b|\beste (?:documento|pdf)\b|\badjunto\b"
    r"|(?:この|その|添付の?)(?:ファイル|文書|資料)|添付",
    re.IGNORECASE,
)


def sort_files(
    files: Sequence[SentFile], *, pictures: bool = False
) -> tuple[tuple[SentFile, ...], list[str]]:
    """Return the files that can be tried, `pictures` among them or not, and a sentence for each other one."""
    refused = [(one, _refuse(one, pictures=pictures)) for one in files]
    readable = [one for one, why in refused if not why]
    sentences = [why for _, why in refused if why]
    if left := readable[MOST_READ:]:
        sentences.append(say(TOO_MANY, most=MOST_READ, names=", ".join(one.name for one in left)))
    return tuple(readable[:MOST_READ]), sentences


def _refuse(file: SentFile, *, pictures: bool) -> str:
    name = say(file.name) if file.name in {A_PICTURE, A_FILE} else file.name
    is_one = is_picture(file.name, file.declared)
    if is_one and not pictures:
        return say(PICTURE, name=name)
    if not (file.address or file.id):
        return say(NOT_HANDED_OUT, name=name)
    if choose_sent_kind(file.name, file.declared):
        return ""
    if is_one:
        return say(OTHER_PICTURE, name=name)
    if file.name.lower().endswith((".doc", ".xls", ".ppt")):
        return say(OLD_KIND, name=file.name, old=say(OLD))
    return say(OTHER_KIND, name=file.name, readable=say(KINDS))


def mentions_file(text: str, names: Sequence[str] = ()) -> bool:
    """Tell whether a question speaks of a file that was sent: "this file", «diese Datei», or by its name."""
    if _THIS_FILE.search(text):
        return True
    said = text.casefold()
    stems = (name.rpartition(".")[0] or name for name in names)
    return any(len(stem) > 3 and stem.casefold() in said for stem in stems)  # noqa: PLR2004 - "a.md" is no name
