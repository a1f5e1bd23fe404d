"""What an event of Slack says of the files in a message, as attachments of an activity.

Sources: https://docs.slack.dev/reference/objects/file-object (url_private_download, mode, is_external) and
https://docs.slack.dev/apis/slack-connect (file_access "check_file_info": ask files.info).
"""

from __future__ import annotations

from bot.channels.incoming import FILE_INFO, to_objects, to_text
from core.text import Json

_ELSEWHERE = frozenset({"external", "hidden_by_limit", "tombstone"})
"""Files that are not, or no longer, at Slack."""


def to_attachments(files: object) -> list[Json]:
    """Return the files of a message as attachments of an activity, in the words of Teams."""
    return [_to_attachment(one) for one in to_objects(files)]


def _to_attachment(file: Json) -> Json:
    name = to_text(file.get("name")) or to_text(file.get("title")) or "file"
    kind = to_text(file.get("mimetype"))
    if file.get("is_external") is True or to_text(file.get("mode")) in _ELSEWHERE:
        return {"contentType": "application/vnd.slack.file", "name": name}
    asks = file.get("file_access") == "check_file_info"
    address = "" if asks else _find_address(file)
    content = {"downloadUrl": address, "uniqueId": to_text(file.get("id")), "mimetype": kind}
    return {"contentType": FILE_INFO, "name": name, "content": content}


def _find_address(file: Json) -> str:
    return to_text(file.get("url_private_download")) or to_text(file.get("url_private"))
