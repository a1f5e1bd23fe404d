"""The chat page as a channel, put together from the settings: a small Teams for one machine."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from bot.channel import ChannelCapabilities, Reply, StreamPace
from bot.channels.handler import ActivityHandler, ChannelConfig
from bot.channels.message import Connector
from bot.channels.review_handler import Reviewers
from bot.services import ChannelContext
from bot.web.activities import REVIEWER, directory_id
from bot.web.chat_page import PEOPLE, BotKnowledge, ChatPage
from bot.web.data_download import DataDownload
from bot.web.uploads import Uploads
from core.records import Channel, Question
from core.settings import Settings
from feedback.privacy.deletion_log import Deletion
from feedback.store.rows import WholeStore

CAPABILITIES = ChannelCapabilities(keeps_messages_here=True, this_machine_only=True, shows_line_breaks=True)
PACE = StreamPace(interval_s=0.1)


class WebChannel:
    """The chat page as a bot meets it that listens: a `bot.services.OpenChannel`."""

    def __init__(self, context: ChannelContext) -> None:
        """Nobody reviews on the page where its reviewer is not trusted: their word would count elsewhere."""
        services, trusted = context.services, context.trusts_local_reviewers
        config = ChannelConfig(Channel.LOCAL, context.examples, PACE, shows_reviewers_cards=True)
        reviewers = Reviewers([directory_id(REVIEWER)] if trusted else [])
        self._handler = ActivityHandler(services.handlers(context.asking, reviewers, Channel.LOCAL), config)
        people = [person for person in PEOPLE if trusted or person["id"] != REVIEWER]
        most, pictures = context.settings.fetch.max_bytes, services.files.reads_pictures
        self._uploads = Uploads(context.settings.data_dir, most, pictures=pictures)
        services.files.downloaders[Channel.LOCAL] = self._uploads
        self._page = ChatPage(
            self._handler,
            context.settings.data_dir,
            people=people,
            knows=BotKnowledge(
                lambda: context.examples or context.suggestions(), context.pages, context.preparing
            ),
        )
        self._page.take_files(self._uploads)
        self.connector: Connector = self._page.chats
        self._pseudonym = services.pseudonym
        self._download = DataDownload(services.links, services.privacy)
        services.privacy.memories.append(self._forget)

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what the page's browser calls."""
        return [*self._download.local_routes(self._page.chats.owner, self._pseudonym), *self._page.routes()]

    def restore_reply(self, question: Question) -> Reply | None:
        """Make the way back to who asked on the page."""
        return self._handler.restore_reply(question, self._page.chats)

    async def run(self) -> None:
        """Overwrite what was taken from the page, erase unsent files, every now and then, until cancelled."""
        await self._page.keep_clean()

    async def hang_up(self) -> None:
        """End the browsers' event streams."""
        self._page.chats.hang_up()

    async def close(self) -> None:
        """Finish what is under way and let go of the page's file."""
        await self._handler.close()
        await self._page.chats.close()

    async def _forget(self, deletion: Deletion) -> None:
        await self._page.forget(deletion, lambda directory: self._pseudonym(directory) == deletion.person)


def check_settings(_: Settings) -> None:
    """Any settings are good for the page."""


def open_channel(context: ChannelContext) -> WebChannel:
    """Open the chat page for a bot that listens."""
    return WebChannel(context)


async def open_connector(_: Settings, __: WholeStore, ___: AsyncExitStack) -> None:
    """Return no way to the page: its server is another process."""
