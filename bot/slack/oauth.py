"""Installation by a workspace: /slack/install leads to Slack, /slack/oauth_redirect comes back with a code.

The state between the two is kept in the store, used once, and tied to the browser by a cookie: nobody can be
made to finish an installation that somebody else has begun. A workspace that is not among `slack_teams` is
refused, and the token that it gave is handed back.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackClientError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from bot.channels.incoming import to_object, to_text
from bot.slack.client import SlackApi, sdk_log
from bot.slack.events import an_id
from bot.slack.installations import Installations, Installed
from feedback.store.base import StoreError, moment
from feedback.store.documents import Document, Documents, Wanted

log = logging.getLogger(__name__)

INSTALL_PATH, REDIRECT_PATH = "/slack/install", "/slack/oauth_redirect"
STATE = "slack_state"
STATE_S = 600
MOST_QUERY = 2_000
INSTALLED = "askpage is installed in this workspace. In Slack, open it below Apps and ask it something."
FAILED = (
    "askpage was not installed. Please begin again at /slack/install; if it fails again, ask the people who"
    " run it."
)
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


class NotAllowed(BoltError):
    """Another workspace than those of the setting `slack_teams`."""


@dataclass(frozen=True, slots=True)
class OAuthConfig:
    """The app that is installed, and where the bot is reached from outside (without a slash at its end)."""

    client_id: str
    client_secret: str
    scopes: Sequence[str]
    public_url: str
    authorize_url: str = ""


class States(AsyncOAuthStateStore):
    """The states that were given out, each for one use."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def async_issue(self, *_: Any, **__: Any) -> str:
        """Give out a state, and forget those that nobody came back with."""
        state = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        await self._documents.add(Document(STATE, state, "", order=moment(now)))
        for old in await self._documents.list_documents(Wanted(STATE)):
            if old.order < moment(now - timedelta(seconds=STATE_S)):
                await self._documents.remove(STATE, old.id)
        return state

    async def async_consume(self, state: str) -> bool:
        """Tell whether this state was given out lately and not used yet."""
        known = await self._documents.get(STATE, state)
        if known is None or not await self._documents.remove(STATE, state, version=known.version):
            return False
        return known.order >= moment(datetime.now(UTC) - timedelta(seconds=STATE_S))


class Saving(AsyncInstallationStore):
    """Where the flow leaves a new installation."""

    def __init__(self, installations: Installations, api: SlackApi) -> None:
        self._installations = installations
        self._api = api

    async def async_save(self, installation: Installation) -> None:
        """Keep it; one of a workspace that may not use the bot is undone. Raises NotAllowed."""
        home = (
            installation.enterprise_id if installation.is_enterprise_install else installation.team_id
        ) or ""
        token = installation.bot_token or ""
        if not (home and token and self._installations.allows(home)):
            await self._hand_back(token)
            raise NotAllowed("a workspace that may not use the bot")
        scopes = ",".join(installation.bot_scopes or ())
        now = moment(datetime.now(UTC))
        made = Installed(
            home, token, installation.bot_user_id or "", installation.bot_id or "", scopes, installed_at=now
        )
        await self._installations.save(made)

    async def _hand_back(self, token: str) -> None:
        try:
            await self._api.client(token).api_call("auth.revoke")
        except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("a token that is not wanted could not be handed back: %s", type(error).__name__)


class Flow(AsyncOAuthFlow):
    """Bolt's flow with a token request of our own: the SDK's is deprecated in aiohttp, and logs the code."""

    async def run_installation(self, code: str) -> Installation | None:
        """Return what Slack gives for a code, None where it gives nothing."""
        form = {
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
            "code": code,
            "redirect_uri": self.settings.redirect_uri,
        }
        try:
            response = await self.client.api_call("oauth.v2.access", data=form)
        except (SlackClientError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("Slack gave no token for a code: %s", type(error).__name__)
            return None
        given = to_object(cast("object", response.data))
        team, enterprise = to_object(given.get("team")), to_object(given.get("enterprise"))
        return Installation(
            app_id=to_text(given.get("app_id")),
            team_id=an_id(team.get("id")),
            enterprise_id=an_id(enterprise.get("id")),
            is_enterprise_install=given.get("is_enterprise_install") is True,
            bot_token=to_text(given.get("access_token")),
            bot_user_id=an_id(given.get("bot_user_id")),
            bot_scopes=to_text(given.get("scope")),
            user_id="",
        )


class Installing:
    """The two routes."""

    def __init__(
        self, config: OAuthConfig, api: SlackApi, installations: Installations, documents: Documents
    ) -> None:
        self._config = config
        self._api = api
        self._installations = installations
        self._documents = documents
        self._flow: AsyncOAuthFlow | None = None

    def routes(self) -> list[web.RouteDef]:
        return [web.get(INSTALL_PATH, self._begin), web.get(REDIRECT_PATH, self._finish, allow_head=False)]

    async def _begin(self, request: web.Request) -> web.Response:
        return await self._respond(request, "handle_installation")

    async def _finish(self, request: web.Request) -> web.Response:
        return await self._respond(request, "handle_callback")

    async def _respond(self, request: web.Request, step: str) -> web.Response:
        if len(request.query_string) > MOST_QUERY:
            return web.Response(status=400, text=FAILED, headers=HEADERS)
        flow = self._flow or self._make_flow()
        try:
            response = await to_aiohttp_response(await getattr(flow, step)(await to_bolt_request(request)))
        except StoreError:
            log.exception("an installation of Slack could not be kept")
            return web.Response(status=503, text=FAILED, headers=HEADERS)
        response.headers.update(HEADERS)
        return response

    def _make_flow(self) -> AsyncOAuthFlow:
        config = self._config
        settings = AsyncOAuthSettings(
            client_id=config.client_id,
            client_secret=config.client_secret,
            scopes=list(config.scopes),
            redirect_uri=config.public_url + REDIRECT_PATH,
            install_path=INSTALL_PATH,
            redirect_uri_path=REDIRECT_PATH,
            install_page_rendering_enabled=False,
            callback_options=AsyncCallbackOptions(_on_success, _on_failure),
            authorization_url=config.authorize_url or None,
            installation_store=Saving(self._installations, self._api),
            state_store=States(self._documents),
            state_expiration_seconds=STATE_S,
        )
        self._flow = Flow(client=self._api.client(), logger=sdk_log, settings=settings)
        return self._flow


async def _on_success(_: AsyncSuccessArgs) -> BoltResponse:
    return BoltResponse(status=200, body=INSTALLED, headers={"Content-Type": "text/plain"})


async def _on_failure(args: AsyncFailureArgs) -> BoltResponse:
    reason = args.reason if args.reason.replace("_", "").isalnum() else "an error"
    log.warning("the app was not installed in a workspace: %s", reason[:40])
    status = 403 if isinstance(args.error, NotAllowed) else args.suggested_status_code
    return BoltResponse(status=status, body=FAILED, headers={"Content-Type": "text/plain"})
