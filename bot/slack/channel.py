"""The parts of Slack, wired to the rest. Nothing imports this module (nor Slack's SDK) where Slack is not set up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from aiohttp import web

from bot.card_tokens import home_of
from bot.channel import Undeliverable
from bot.channels.activity import Reference
from bot.channels.answer_message import AnswerView
from bot.channels.handler import TeamsFrontEnd, TeamsStyle
from bot.channels.reviewers import Reviewers
from bot.dialogs.ask import Asking
from bot.dialogs.privacy import Greeting
from bot.services import FeedbackParts
from bot.slack.client import SlackApi, SlackPace, Workspace
from bot.slack.config import SlackConfig, check_config, named
from bot.slack.connector import SlackConnector
from bot.slack.endpoint import InboxParts, SlackInbox
from bot.slack.events import Place, conversation_of, person_of, user_in
from bot.slack.home import SlackHome
from bot.slack.installations import Installations, Installed, cipher_of
from bot.slack.manifest import scopes_of
from bot.slack.oauth import Installing, OAuthConfig
from bot.slack.reply import SlackReply, Streams
from core.records import Channel
from feedback.reviews.repository import CardDestination
from feedback.store.base import StoreError
from feedback.store.rows import WholeStore

log = logging.getLogger(__name__)

PLACE_EVERY_S = 300.0
"""Time between two looks at whether the reviewers' channel still has its cards: it loses them where the bot is not in."""


class SlackParts:
    """Slack's front end and what it needs. One per process."""

    def __init__(
        self,
        config: SlackConfig,
        asking: Asking,
        store: WholeStore,
        parts: FeedbackParts,
        pseudonym: Callable[[str], str],
        examples: Sequence[str] = (),
    ) -> None:
        """Raises BadSlackConfig."""
        check_config(config)
        self._config = config
        self._desk = parts.desk
        self.installations = _installations(config, store)
        self.api = SlackApi(self.installations.token, SlackPace(config.pace), config.api_url)
        self.connector = SlackConnector(self.api)
        self._streams = Streams(set())
        style = TeamsStyle(Channel.SLACK, examples, way=self._way)
        hands = parts.hands(self._reviewers())
        self._reviews = hands.reviews
        self.front = TeamsFrontEnd(asking, store, pseudonym, hands, style)
        home = SlackHome(self.api, store, hands.reviews)
        inbox = InboxParts(self.installations, self.connector, hands.reviews, home)
        self.inbox = SlackInbox(config.signing_secret, self.front, inbox, pseudonym, examples)
        self._installing = Installing(self._oauth(), self.api, self.installations, store.documents)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that Slack and whoever installs the app need."""
        return [*self.inbox.routes(), *(self._installing.routes() if self._config.client_id else [])]

    async def run(self) -> None:
        """Learn who we are, and see to it that the reviewers' channel has its cards, until cancelled."""
        await self.learn_who_we_are()
        while self._config.review_channel:
            await self.keep_review_place()
            await asyncio.sleep(PLACE_EVERY_S)

    async def learn_who_we_are(self) -> None:
        """Ask Slack for our own user, where the token is a setting; what fails is logged, events tell it, too."""
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
            if place.id not in {known.id for known in await self._desk.places()}:
                await self._reviews.send_cards_to(place)
        except StoreError as error:
            log.warning("reviewers' cards do not come to Slack yet: %s", error)

    def review_place(self) -> CardDestination:
        """Return the channel where reviewers see cards."""
        team, channel = named(self._config, self._config.review_channel)
        conversation = conversation_of(Place(Workspace(team), channel), personal=False)
        reference = Reference(conversation=conversation, bot={}, user={}, activity_id="")
        return CardDestination(home_of(conversation), reference.dump())

    async def close(self) -> None:
        """Finish what arrived, then let go of the connections."""
        await self.inbox.close()
        await self.front.close()
        await self.api.close()

    def _way(self, reference: Reference, view: AnswerView, greeting: Greeting | None) -> SlackReply:
        return SlackReply(reference, self.connector, view, self._streams, greeting)

    def _reviewers(self) -> Reviewers:
        config = self._config
        people = [person_of(*named(config, one)) for one in config.reviewers]
        groups = [":".join(named(config, one)) for one in config.reviewer_groups]
        return Reviewers(people, groups, self._is_member if groups else None)

    async def _is_member(self, person: str, groups: Sequence[str]) -> bool:
        """Tell whether a person is in one of the user groups of their workspace. Raises OSError."""
        team, user = user_in(person)
        for group in groups:
            of, _, group_id = group.partition(":")
            if of.casefold() != team.casefold():
                continue
            try:
                found = await self.api.call("usergroups.users.list", Workspace(of), {"usergroup": group_id})
            except Undeliverable as error:
                raise OSError(str(error)) from error
            if user.casefold() in {str(one).casefold() for one in _listed(found)}:
                return True
        return False

    def _oauth(self) -> OAuthConfig:
        config = self._config
        groups = bool(config.reviewer_groups)
        public = config.public_url.rstrip("/")
        return OAuthConfig(config.client_id, config.client_secret, scopes_of(groups=groups), public)


def connector_of(config: SlackConfig, store: WholeStore) -> SlackConnector:
    """Return the way to Slack alone, for a process that hears nothing from there. Raises BadSlackConfig."""
    check_config(config)
    tokens = _installations(config, store).token
    return SlackConnector(SlackApi(tokens, SlackPace(config.pace), config.api_url))


def _installations(config: SlackConfig, store: WholeStore) -> Installations:
    only = Installed(config.teams[0], config.bot_token) if config.bot_token else None
    return Installations(store.documents, cipher_of(config.store_key), config.teams, only)


def _listed(answer: Mapping[str, object]) -> list[object]:
    users = answer.get("users")
    return cast("list[object]", users) if isinstance(users, list) else []
