"""The parts of Slack, wired to the rest. Nothing imports this module (nor Slack's SDK) where Slack is not set up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web

from bot.activities import Reference
from bot.answer_view import AnswerView
from bot.dialogs.ask import Asking, Undeliverable
from bot.dialogs.privacy import Greeting
from bot.feedback_parts import FeedbackParts
from bot.reviewers import Reviewers
from bot.seals import home_of
from bot.slack import InboxParts, SlackInbox
from bot.slack_api import SlackApi, Workspace
from bot.slack_connector import SlackConnector
from bot.slack_home import SlackHome
from bot.slack_installs import BadStoreKey, Installations, Installed, cipher_of
from bot.slack_oauth import Installing, OAuthConfig
from bot.slack_pace import PaceRules, SlackPace
from bot.slack_places import Place, conversation_of, person_of, user_in
from bot.slack_reply import SlackReply, Streams
from bot.slack_scopes import scopes_of
from bot.teams import TeamsFrontEnd, TeamsStyle
from feedback.desk import Place as CardPlace
from feedback.rows import WholeStore
from feedback.store import StoreError
from records import Channel
from settings import Settings

log = logging.getLogger(__name__)


class BadSlackConfig(ValueError):
    """The settings do not allow Slack; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class SlackConfig:
    """What the settings say about Slack (`settings.py`); secrets as text."""

    signing_secret: str = field(repr=False)
    teams: Sequence[str]
    bot_token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    store_key: str = field(default="", repr=False)
    public_url: str = ""
    review_channel: str = ""
    reviewers: Sequence[str] = ()
    reviewer_groups: Sequence[str] = ()
    api_url: str = ""
    pace: PaceRules = field(default_factory=PaceRules)


def slack_config(settings: Settings) -> SlackConfig:
    """Return what the settings say about Slack."""
    return SlackConfig(
        signing_secret=settings.slack_signing_secret.get_secret_value(),
        teams=settings.slack_teams,
        bot_token=settings.slack_bot_token.get_secret_value(),
        client_id=settings.slack_client_id,
        client_secret=settings.slack_client_secret.get_secret_value(),
        store_key=settings.slack_store_key.get_secret_value(),
        public_url=settings.public_url,
        review_channel=settings.slack_review_channel,
        reviewers=settings.slack_reviewers,
        reviewer_groups=settings.slack_reviewer_groups,
        api_url=settings.slack_api_url,
    )


def check_config(config: SlackConfig) -> None:
    """Raise BadSlackConfig where Slack cannot be served like this."""
    if not config.teams:
        raise BadSlackConfig("Slack needs slack_teams: the ids of the workspaces that may use the bot (T…).")
    if bool(config.bot_token) == bool(config.client_id):
        raise BadSlackConfig(
            "Slack needs either slack_bot_token (one workspace) or slack_client_id and slack_client_secret (installed"
            " at /slack/install), not both."
        )
    if config.bot_token and len(config.teams) > 1:
        raise BadSlackConfig("With slack_bot_token there is one workspace: name it alone in slack_teams.")
    if config.client_id and not (config.client_secret and config.store_key and config.public_url):
        raise BadSlackConfig(
            "To be installed at /slack/install, Slack needs slack_client_secret, slack_store_key and public_url, too."
        )
    for setting in (config.review_channel, *config.reviewers, *config.reviewer_groups):
        if setting and len(config.teams) > 1 and ":" not in setting:
            raise BadSlackConfig(
                f"With several workspaces, say which one {setting} is of: {config.teams[0]}:{setting}."
            )


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
        self.front = TeamsFrontEnd(asking, store, pseudonym, hands, style)
        home = SlackHome(self.api, store, hands.reviews)
        inbox = InboxParts(self.installations, self.connector, hands.reviews, home)
        self.inbox = SlackInbox(config.signing_secret, self.front, inbox, pseudonym, examples)
        self._installing = Installing(self._oauth(), self.api, self.installations, store.documents)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that Slack and whoever installs the app need."""
        return [*self.inbox.routes(), *(self._installing.routes() if self._config.client_id else [])]

    async def begin(self) -> None:
        """Learn who we are, and let the reviewers' cards come to their channel; what fails is logged."""
        config = self._config
        if config.bot_token:
            try:
                we = await self.api.call("auth.test", Workspace(config.teams[0]), {})
            except (Undeliverable, OSError, StoreError) as error:
                log.warning("Slack does not tell who we are: %s", error)
            else:
                self.installations.learn(str(we.get("user_id") or ""), str(we.get("bot_id") or ""))
        if config.review_channel:
            try:
                await self._desk.put_place(self.review_place())
            except StoreError as error:
                log.warning("reviewers' cards do not come to Slack yet: %s", error)

    def review_place(self) -> CardPlace:
        """Return the channel where reviewers see cards."""
        team, channel = _named(self._config, self._config.review_channel)
        conversation = conversation_of(Place(Workspace(team), channel), personal=False)
        reference = Reference(conversation=conversation, bot={}, user={}, activity_id="")
        return CardPlace(home_of(conversation), reference.dump())

    async def close(self) -> None:
        """Finish what arrived, then let go of the connections."""
        await self.inbox.close()
        await self.front.close()
        await self.api.close()

    def _way(self, reference: Reference, view: AnswerView, greeting: Greeting | None) -> SlackReply:
        return SlackReply(reference, self.connector, view, self._streams, greeting)

    def _reviewers(self) -> Reviewers:
        config = self._config
        people = [person_of(*_named(config, one)) for one in config.reviewers]
        groups = [":".join(_named(config, one)) for one in config.reviewer_groups]
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


def _installations(config: SlackConfig, store: WholeStore) -> Installations:
    try:
        cipher = cipher_of(config.store_key)
    except BadStoreKey as error:
        raise BadSlackConfig(str(error)) from error
    only = Installed(config.teams[0], config.bot_token) if config.bot_token else None
    return Installations(store.documents, cipher, config.teams, only)


def _named(config: SlackConfig, name: str) -> tuple[str, str]:
    """Return the workspace and the id that a setting names."""
    team, colon, id_ = name.partition(":")
    return (team, id_) if colon else (config.teams[0], name)


def _listed(answer: Mapping[str, object]) -> list[object]:
    users = answer.get("users")
    return cast("list[object]", users) if isinstance(users, list) else []
