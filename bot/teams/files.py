"""Files that people send in Teams: fetched from the address that Teams hands out, which needs no token.

Teams hands files to a bot in personal chats only, if the manifest says `supportsFiles`; the address works for
some minutes, and lies in SharePoint or OneDrive.
Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bots-filesv4
"""

from __future__ import annotations

from bot.channels.incoming import SentFile
from core.text import Json
from core.translation import mark, say
from pages.fetch.client import Fetcher
from pages.fetched import Fetched, PageUnreachable

HOSTS = (
    ".sharepoint.com",
    ".sharepoint.us",
    ".sharepoint-mil.us",
    ".sharepoint.cn",
    ".svc.ms",
    ".1drv.com",
)
"""Where Teams keeps what people send: the clouds' SharePoint, and the hosts that serve its bytes."""
NO_ADDRESS = mark("Teams did not say where that file is; please send it again.")


class TeamsFiles:
    """Fetches them: a `bot.channels.files.sent_files.Downloader`. `fetcher` may open these hosts alone."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def download(self, file: SentFile, conversation: Json) -> Fetched:
        if not file.address:
            raise PageUnreachable(say(NO_ADDRESS))
        return await self._fetcher.download(file.address, file.name)

    async def release(self, file: SentFile) -> None:
        """Teams keeps it; there is nothing to let go of."""
