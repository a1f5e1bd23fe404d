"""What is said of files that were sent: which are not read and why, and whether a question is about one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.channels.incoming import A_FILE, A_PICTURE, SentFile
from core.translation import mark, say
from pages.kinds import choose_kind

KINDS = mark(
    "HTML, Markdown, plain text, PDF, Word, PowerPoint, Excel, OpenDocument, RTF, CSV and mail (.eml)"
)
OLD = mark("old Office files (.doc, .xls, .ppt): please save them as .docx, .xlsx or .pptx")
"""As `pages.kinds` says both, in a room whose sandboxes load no catalogues; a test holds them together."""
MOST_READ = 5
"""Of one message."""
GONE = mark("I do not have that file any more. Please send it again.")
NOT_NOW = mark("I cannot keep files at the moment; please send it again later.")
NOT_HANDED_OUT = mark(
    "I did not get {name} itself here. Please send it to me in our own chat, or paste a link to the page."
)
PICTURE = mark("I cannot read pictures, and {name} is one.")
OTHER_KIND = mark("I cannot read {name}: I can read {readable}.")
OLD_KIND = mark("I cannot read {name}; nor other {old}.")
TOO_MANY = mark("I read {most} files of a message at most, so {names} is left out.")

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


def sort_files(files: Sequence[SentFile]) -> tuple[tuple[SentFile, ...], list[str]]:
    """Return the files that can be tried, and a sentence for each of the others."""
    refused = [(one, _refuse(one)) for one in files]
    readable = [one for one, why in refused if not why]
    sentences = [why for _, why in refused if why]
    if left := readable[MOST_READ:]:
        sentences.append(say(TOO_MANY, most=MOST_READ, names=", ".join(one.name for one in left)))
    return tuple(readable[:MOST_READ]), sentences


def _refuse(file: SentFile) -> str:
    name = say(file.name) if file.name in {A_PICTURE, A_FILE} else file.name
    if file.declared.startswith("image/"):
        return say(PICTURE, name=name)
    if not (file.address or file.id):
        return say(NOT_HANDED_OUT, name=name)
    if choose_kind(file.name, file.declared):
        return ""
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
