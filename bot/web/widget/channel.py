"""The widget as a channel, put together from the settings: visitors of other sites ask in a panel there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from aiohttp import web

from bot.channel import ChannelCapabilities, ChannelMisconfigured, Reply, StreamPace
from bot.channels.handler import ActivityHandler, ChannelConfig
from bot.channels.message import Connector
from bot.channels.review_handler import Reviewers
from bot.http import is_https
from bot.services import ChannelContext
from bot.web.chat_page import BotKnowledge
from bot.web.chats import Chats
from bot.web.conversations import Conversations
from bot.web.erase import PAGE_FILES
from bot.web.widget.limits import RateLimits, WidgetLimits
from bot.web.widget.routes import WidgetPage, WidgetParts
from bot.web.widget.sessions import Sessions
from core.records import Channel, Question
from core.settings import Settings
from feedback.privacy.deletion_log import Deletion
from feedback.store.rows import WholeStore

log = logging.getLogger(__name__)

CAPABILITIES = ChannelCapabilities(keeps_messages_here=True, shows_line_breaks=True)
PACE = StreamPace(interval_s=0.2)
MOST_CONVERSATIONS = 2_000
UNUSED_EVERY_S = 3_600.0


class WidgetChannel:
    """The widget as a bot meets it that listens: a `bot.services.OpenChannel`. Nobody reviews there."""

    def __init__(self, context: ChannelContext) -> None:
        services, settings = context.services, context.settings
        config = ChannelConfig(Channel.WIDGET, context.examples, PACE)
        self._handler = ActivityHandler(
            services.handlers(context.asking, Reviewers([]), Channel.WIDGET), config
        )
        kept = settings.data_dir / PAGE_FILES[Channel.WIDGET]
        conversations = Conversations(kept, Channel.WIDGET, MOST_CONVERSATIONS)
        self._chats = Chats(self._handler, conversations, context.preparing)
        self.connector: Connector = self._chats
        self._pseudonym = services.pseudonym
        limits = WidgetLimits(settings.widget.visitors_per_minute, settings.widget.questions_per_minute)
        self._visit = timedelta(days=settings.widget.visitor_days)
        visit_s = self._visit.total_seconds()
        sessions = Sessions(services.card_sync.signer, settings.widget.origins, visit_s)
        knows = BotKnowledge(
            lambda: context.examples or context.suggestions(), context.pages, context.preparing
        )
        parts = WidgetParts(self._chats, sessions, RateLimits(limits), knows, settings.public_url)
        self._page = WidgetPage(parts)
        services.privacy.memories.append(self._forget)
        log.info("the widget may stand on %s", ", ".join(settings.widget.origins))

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what sites' pages load, and what the panel calls."""
        return self._page.routes()

    def restore_reply(self, question: Question) -> Reply | None:
        """Make the way back to who asked in the widget."""
        return self._handler.restore_reply(question, self._chats)

    async def run(self) -> None:
        """Erase what nobody can come back to, and overwrite what was taken away, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._chats.keep_clean())
            tasks.create_task(self._end_unused())

    async def _end_unused(self) -> None:
        while True:
            since = datetime.now(UTC) - self._visit
            await self._chats.conversations.end_unused(since.isoformat())
            await asyncio.sleep(UNUSED_EVERY_S)

    async def hang_up(self) -> None:
        """End the browsers' event streams."""
        self._chats.hang_up()

    async def close(self) -> None:
        """Finish what is under way and let go of the widget's file."""
        await self._handler.close()
        await self._chats.close()

    async def _forget(self, deletion: Deletion) -> None:
        await self._chats.forget(deletion, lambda sender: self._pseudonym(sender) == deletion.person)


def check_settings(settings: Settings) -> None:
    """Refuse a widget on other machines' sites without an address for it. Raises ChannelMisconfigured."""
    away = [one for one in settings.widget.origins if one.startswith("https:")]
    if away and not is_https(settings.public_url):
        raise ChannelMisconfigured(
            f"The widget is to stand on {away[0]}, whose visitors reach the bot by HTTPS only: set"
            " ASKPAGE_PUBLIC_URL=https://…, or take the site from ASKPAGE_WIDGET_ORIGINS."
        )


def open_channel(context: ChannelContext) -> WidgetChannel:
    """Open the widget for a bot that listens."""
    return WidgetChannel(context)


async def open_connector(_: Settings, __: WholeStore, ___: AsyncExitStack) -> None:
    """Return no way to the panels: their server is another process."""
