"""Files that people send in Teams: fetched from the address that Teams hands out, which needs no token.

Pictures within a message lie at the Bot Connector itself, which hands them out to the bot's own token, in
chats and in channels alike; the token goes nowhere else.

Teams hands files to a bot in personal chats only, if the manifest says `supportsFiles`; the address works for
some minutes, and lies in SharePoint or OneDrive.
Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bots-filesv4
"""

from __future__ import annotations

from bot.channel import ChannelError, Undeliverable
from bot.channels.incoming import SentFile
from bot.teams.connector import BotConnector
from core.text import Json
from core.translation import mark
from pages.fetch.client import Fetcher
from pages.fetched import Fetched, PageGone, PageUnreachable, refuse_too_large
from pages.kinds import choose_sent_kind

HOSTS = (
    ".sharepoint.com",
    ".sharepoint.us",
    ".sharepoint-mil.us",
    ".sharepoint.cn",
    ".svc.ms",
    ".1drv.com",
)
"""Where Teams keeps what people send: the clouds' SharePoint, and the hosts that serve its bytes."""
NOT_HANDED_OUT = mark("I cannot get that picture from Teams; please send it again, or as a file.")
LATER = mark("I cannot get pictures from Teams at the moment; please send it again later.")
NO_ADDRESS = mark("Teams did not say where that file is; please send it again.")


class TeamsFiles:
    """Fetches them: a `bot.channels.files.sent_files.Downloader`. `fetcher` may open these hosts alone."""

    def __init__(self, fetcher: Fetcher, connector: BotConnector) -> None:
        self._fetcher = fetcher
        self._connector = connector

    async def download(self, file: SentFile, conversation: Json) -> Fetched:
        if not file.address:
            raise PageUnreachable(NO_ADDRESS)
        if file.declared.startswith("image/"):
            return await self._download_picture(file, conversation)
        return await self._fetcher.download(file.address, file.name)

    async def _download_picture(self, file: SentFile, conversation: Json) -> Fetched:
        most = self._fetcher.limits.max_bytes
        try:
            body = await self._connector.download(conversation, file.address, most)
        except Undeliverable as error:
            raise PageGone(NOT_HANDED_OUT) from error
        except ChannelError as error:
            raise PageUnreachable(LATER) from error
        if len(body) > most:
            raise refuse_too_large("Teams", most)
        return Fetched(file.address, body, choose_sent_kind(file.name, file.declared))

    async def release(self, file: SentFile) -> None:
        """Teams keeps it; there is nothing to let go of."""
