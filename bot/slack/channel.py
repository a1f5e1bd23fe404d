"""The channel for Slack, put together from the settings.

Nothing imports this module, nor Slack's SDK, where Slack is not set up: it costs 32 MB and 0.3 s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import cast

from aiohttp import web

from bot.card_tokens import parse_home_id
from bot.channel import ChannelCapabilities, Reply, Undeliverable
from bot.channels.asides.my_overview import PageList
from bot.channels.handler import ActivityHandler, ChannelConfig, ReplyRequest
from bot.channels.incoming import Reference
from bot.channels.review_handler import Reviewers
from bot.dialogs.ask import Asking
from bot.services import ChannelContext, Services
from bot.slack.client import SlackApi, SlackPace, Workspace
from bot.slack.config import SlackConfig, check_config, resolve_name
from bot.slack.connector import SlackConnector
from bot.slack.endpoint import InboxParts, SlackInbox
from bot.slack.events import Place, parse_person_id, to_conversation, to_person_id
from bot.slack.files.download import HOSTS, SlackFiles
from bot.slack.home import SlackHome
from bot.slack.installations import Installations, Installed, make_cipher
from bot.slack.manifest import list_scopes
from bot.slack.oauth import Installing, OAuthConfig
from bot.slack.people import SlackLocales, SlackPeople
from bot.slack.reply import SlackReply, Streams
from core.records import Channel, Question
from core.settings import Settings
from feedback.reviews.repository import CardDestination
from feedback.store.base import StoreError
from feedback.store.rows import WholeStore
from pages.fetch.client import Fetcher, FetchLimits
from pages.sources import list_hosts

log = logging.getLogger(__name__)

CAPABILITIES = ChannelCapabilities(max_text=10_000)
PLACE_EVERY_S = 300.0
"""Time between two checks of the reviewers' channel: it loses its cards while the bot is not in it."""


@dataclass(frozen=True, slots=True)
class SlackContext:
    """What a bot knows that Slack shows.

    `examples` are questions for newcomers, `list_pages` returns (URL, title) of the pages that sources named.
    `files` fetches what people send; None: files are not read.
    """

    examples: Sequence[str] = ()
    list_pages: PageList = tuple
    files: Fetcher | None = None


class SlackChannel:
    """Slack as a bot meets it that listens: a `bot.services.OpenChannel`."""

    def __init__(
        self,
        config: SlackConfig,
        asking: Asking,
        store: WholeStore,
        services: Services,
        shown: SlackContext | None = None,
    ) -> None:
        """Raises BadSlackConfig."""
        shown = shown or SlackContext()
        examples, files = shown.examples, shown.files
        check_config(config)
        self._config = config
        self._repository = services.repository
        self.installations = _installations(config, store)
        self.api = SlackApi(self.installations.token, SlackPace(config.pace), config.api_url)
        self.connector = SlackConnector(self.api)
        self._streams = Streams(set())
        self._files = files
        if files is not None:
            way = SlackFiles(self.api, files, is_double=bool(config.api_url))
            services.files.downloaders[Channel.SLACK] = way
        handlers = services.handlers(asking, self._reviewers(), Channel.SLACK)
        self._reviews = handlers.reviews
        channel = ChannelConfig(Channel.SLACK, examples, make_reply=self._make_reply)
        self.handler = ActivityHandler(handlers, channel)
        services.audiences.add(Channel.SLACK, SlackPeople(self.api))
        overviews = services.make_overviews(shown.list_pages)
        home = SlackHome(self.api, overviews, services.view.site_url)
        inbox = InboxParts(
            self.installations,
            self.connector,
            handlers.reviews,
            home,
            services.page_previews,
            SlackLocales(self.api),
        )
        self.inbox = SlackInbox(config.signing_secret, self.handler, inbox, services.pseudonym, examples)
        self._installing = Installing(self._oauth(), self.api, self.installations, store.documents)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that Slack and whoever installs the app need."""
        return [*self.inbox.routes(), *(self._installing.routes() if self._config.client_id else [])]

    def restore_reply(self, question: Question) -> Reply | None:
        """Make the way back to who asked in Slack."""
        return self.handler.restore_reply(question, self.connector)

    async def hang_up(self) -> None:
        """Slack holds no connection open."""

    async def run(self) -> None:
        """Learn who we are, and see to it that the reviewers' channel has its cards, until cancelled."""
        await self.learn_who_we_are()
        while self._config.review_channel:
            await self.keep_review_place()
            await asyncio.sleep(PLACE_EVERY_S)

    async def learn_who_we_are(self) -> None:
        """Ask Slack for our own user where the token is a setting. A failure is logged: events tell it."""
        config = self._config
        if not config.bot_token:
            return
        try:
            we = await self.api.call("auth.test", Workspace(config.teams[0]), {})
        except (Undeliverable, OSError, StoreError) as error:
            log.warning("Slack does not tell who we are: %s", error)
        else:
            self.installations.learn(str(we.get("user_id") or ""), str(we.get("bot_id") or ""))

    async def keep_review_place(self) -> None:
        """Let the reviewers' cards come to their channel; also again, once the bot has been invited there."""
        place = self.review_place()
        try:
            if place.id not in {known.id for known in await self._repository.places()}:
                await self._reviews.send_cards_to(place)
        except StoreError as error:
            log.warning("reviewers' cards do not come to Slack yet: %s", error)

    def review_place(self) -> CardDestination:
        """Return the channel where reviewers see cards."""
        team, channel = resolve_name(self._config, self._config.review_channel)
        conversation = to_conversation(Place(Workspace(team), channel), personal=False)
        reference = Reference(conversation=conversation, bot={}, user={}, activity_id="")
        return CardDestination(parse_home_id(conversation), reference.dump())

    async def close(self) -> None:
        """Finish what arrived, then let go of the connections."""
        await self.inbox.close()
        await self.handler.close()
        await self.api.close()
        if self._files is not None:
            await self._files.close()

    def _make_reply(self, request: ReplyRequest) -> SlackReply:
        greeting = request.extras.greeting
        return SlackReply(request.reference, self.connector, request.view, self._streams, greeting)

    def _reviewers(self) -> Reviewers:
        config = self._config
        people = [to_person_id(*resolve_name(config, one)) for one in config.reviewers]
        groups = [":".join(resolve_name(config, one)) for one in config.reviewer_groups]
        return Reviewers(people, groups, self._is_member if groups else None)

    async def _is_member(self, person: str, groups: Sequence[str]) -> bool:
        """Tell whether a person is in one of the user groups of their workspace. Raises OSError."""
        team, user = parse_person_id(person)
        for group in groups:
            of, _, group_id = group.partition(":")
            if of.casefold() != team.casefold():
                continue
            try:
                found = await self.api.call("usergroups.users.list", Workspace(of), {"usergroup": group_id})
            except Undeliverable as error:
                raise OSError(str(error)) from error
            if user.casefold() in {str(one).casefold() for one in _read_users(found)}:
                return True
        return False

    def _oauth(self) -> OAuthConfig:
        config = self._config
        groups = bool(config.reviewer_groups)
        public = config.public_url.rstrip("/")
        return OAuthConfig(
            config.client_id,
            config.client_secret,
            list_scopes(groups=groups, hears=config.hears_channels, unfurls=config.unfurls),
            public,
        )


def check_settings(settings: Settings) -> None:
    """Refuse settings that do not fit together. Raises BadSlackConfig."""
    check_config(_to_config(settings))


def open_channel(context: ChannelContext) -> SlackChannel:
    """Open Slack for a bot that listens. Raises BadSlackConfig."""
    config = _to_config(context.settings)
    files = Fetcher(replace(FetchLimits(**context.settings.fetch.values()), allowed_sites=HOSTS))
    shown = SlackContext(context.examples, context.pages, files)
    channel = SlackChannel(config, context.asking, context.store, context.services, shown)
    if context.settings.owner_chats:
        context.services.owner_cards.begin_chat[Channel.SLACK] = channel.connector.begin_chat
    return channel


async def open_connector(settings: Settings, store: WholeStore, closing: AsyncExitStack) -> SlackConnector:
    """Open the way to Slack alone, for a process that hears nothing from there. Raises BadSlackConfig."""
    config = _to_config(settings)
    check_config(config)
    tokens = _installations(config, store).token
    connector = SlackConnector(SlackApi(tokens, SlackPace(config.pace), config.api_url))
    closing.push_async_callback(connector.api.close)
    return connector


def _to_config(settings: Settings) -> SlackConfig:
    return SlackConfig(
        **settings.slack.values(),
        public_url=settings.public_url,
        hears_channels=settings.answer_unasked,
        unfurls=bool(list_hosts([*settings.pages, settings.public_url])),
    )


def _installations(config: SlackConfig, store: WholeStore) -> Installations:
    only = Installed(config.teams[0], config.bot_token) if config.bot_token else None
    return Installations(store.documents, make_cipher(config.store_key), config.teams, only)


def _read_users(answer: Mapping[str, object]) -> list[object]:
    users = answer.get("users")
    return cast("list[object]", users) if isinstance(users, list) else []
