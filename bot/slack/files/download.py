"""Fetching files that people send in Slack, with the bot's token.

The token goes to Slack's own hosts by HTTPS only, redirects included.

Sources: https://docs.slack.dev/reference/objects/file-object (url_private_download, mode, is_external),
https://docs.slack.dev/messaging/working-with-files (the token as a bearer; scope `files:read`), and
https://docs.slack.dev/apis/slack-connect (file_access "check_file_info": ask files.info).
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.channel import Undeliverable
from bot.channels.incoming import SentFile, to_object, to_text
from bot.http import is_https
from bot.slack.client import SlackApi, Workspace
from bot.slack.events import parse_place
from bot.slack.files.attachments import to_attachments
from core.text import Json
from core.translation import mark
from pages.fetch.client import Fetcher
from pages.fetched import Fetched, PageGone, PageUnreachable

HOSTS = (".slack.com", ".slack-gov.com")
GONE = mark("I cannot get that file from Slack; please send it again, or as another file.")
LATER = mark("I cannot get files from Slack at the moment; please send it again later.")


class SlackFiles:
    """Fetches them: a `bot.channels.files.sent_files.Downloader`. `fetcher` may open Slack's hosts alone."""

    def __init__(self, api: SlackApi, fetcher: Fetcher, *, is_double: bool = False) -> None:
        """`is_double`: the Web API is not Slack's own, and need not speak HTTPS."""
        self._api = api
        self._fetcher = fetcher
        self._is_double = is_double

    async def download(self, file: SentFile, conversation: Json) -> Fetched:
        where = parse_place(conversation).where
        try:
            address = file.address or await self._look_up(file.id, where)
            token = await self._api.token(where)
        except Undeliverable as gone:
            raise PageGone(GONE) from gone
        except OSError as error:
            raise PageUnreachable(LATER) from error
        if not (is_https(address) or self._is_double):
            raise PageGone(GONE)
        return await self._fetcher.download(address, file.name, {"Authorization": f"Bearer {token}"})

    async def release(self, file: SentFile) -> None:
        """Slack keeps it; there is nothing to let go of."""

    async def _look_up(self, file_id: str, where: Workspace) -> str:
        """Ask for a file that the event does not describe: one of another organisation. Raises PageGone."""
        try:
            found = await self._api.call("files.info", where, {"file": file_id})
        except OSError as error:
            raise PageGone(GONE) from error
        attachments: Sequence[Json] = to_attachments(
            [to_object(found.get("file")) | {"file_access": "visible"}]
        )
        address = to_text(to_object(attachments[0].get("content")).get("downloadUrl"))
        if not address:
            raise PageGone(GONE)
        return address
