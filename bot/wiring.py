"""The parts of a bot that listens, wired to each other: store, dialogs, front ends, and what runs beside them.

store ─┐                          ┌─ Teams (bot/teams/endpoint.py)
pages ─┼─ answering ─ dialogs.ask ┼─ Slack (bot/slack/endpoint.py)
model ─┘                          └─ the local page (bot/web/chat_page.py)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.background import PASTED_EVERY_S, Upkeep
from bot.bootstrap import (
    LocalPage,
    Shelf,
    framework_of,
    is_public,
    local_page_of,
    name_in_telemetry,
    site_url,
    surroundings_of,
)
from bot.channel import Connector, Reply, StreamPace
from bot.channels.handler import TeamsFrontEnd, TeamsStyle
from bot.channels.reviewers import IsMember, Reviewers
from bot.dialogs.answerer import PageAnswerer, Verified, is_fresh
from bot.dialogs.ask import Asking
from bot.dialogs.askers import AskerLimits
from bot.dialogs.follow_ups import FollowUps
from bot.dialogs.rate import Forms
from bot.dialogs.talk import Talking
from bot.dialogs.verified_answers import VerifiedAnswers
from bot.services import FeedbackParts, rules_of
from bot.slack.config import slack_config
from bot.stores import Store
from bot.teams.auth import OwnToken
from bot.teams.endpoint import BotFrameworkSeam
from bot.teams.graph import GRAPH, Directory, DirectoryConfig
from bot.web.activities import REVIEWER, directory_id
from bot.web.chat_page import PEOPLE, LocalChannel
from bot.web.dashboard_data import DashboardData
from bot.web.dashboard_routes import Doors, dashboard_routes
from bot.web.pages import about_routes, open_route, site_routes
from core.records import Channel, Question
from core.settings import Settings
from feedback.privacy.keys import keys_of
from feedback.reviews.repository import Desk
from feedback.store.base import Hold, StoreUnavailable
from feedback.store.job_runs import job_runs
from model.answering.chain import Answering
from model.registry.versions import read_rollout

if TYPE_CHECKING:
    from bot.slack.channel import SlackParts

log = logging.getLogger(__name__)

DOCS = Path(__file__).resolve().parent.parent / "docs"
EXAMPLES = (
    "How long does the bot remember a conversation?",
    "Who can see my questions?",
    "What happens when I delete my message?",
)
"""Questions that the project's own docs answer."""


@dataclass(frozen=True, slots=True)
class Bot:
    """The application with what its start and stop need.

    `local` has what is for this machine only, where that is on a port of its own.
    """

    app: web.Application
    local: web.Application | None
    asking: Asking
    upkeep: Upkeep


class Wiring:
    """Builds a Bot; what has to be closed goes onto `closing` as it is opened."""

    def __init__(
        self, settings: Settings, shelf: Shelf, store: Store, hold: Hold, closing: contextlib.AsyncExitStack
    ) -> None:
        self._settings = settings
        self._shelf = shelf
        self._store = store
        self._hold = hold
        self._closing = closing
        self._connectors: dict[str, Connector] = {}
        self._keys = keys_of(settings)
        name_in_telemetry(self._keys, shelf)
        self._examples = EXAMPLES if "docs" in settings.pages else ()

    async def bot(self, answering: Answering, port: int) -> Bot:
        settings, store = self._settings, self._store
        site = site_url(settings, port)
        known = VerifiedAnswers(self._shelf.embedder)
        parts = self._feedback(known, port)
        forms = forms_of(settings)
        fresh = partial(is_fresh, page_hash=self._shelf.page_hash)
        verified = Verified(known, fresh, parts.desk.verified, self._untrusted())
        answerer = PageAnswerer(self._shelf.library, answering, verified, forms)
        talking = Talking(self._shelf.public_pages, self._examples)
        asking = Asking(
            store,
            answerer,
            parts.looking,
            timeout_s=settings.answer_timeout_s,
            talking=talking,
            limits=limits_of(settings),
        )
        app = web.Application(client_max_size=1_000_000)
        teams, seam = self._teams(asking, parts)
        app.add_routes([web.post("/api/messages", seam.process), web.get("/healthz", _healthy)])
        app.add_routes([open_route(store, parts.looking.opened, site), *about_routes(DOCS)])
        app.add_routes([*parts.exports.routes(), *self._viewer(), *self._dashboard(parts.desk)])
        local = self._for_this_machine(app, parts.desk)
        local_front = self._local(asking, parts, local) if local is not None else None
        slack = self._slack(asking, parts, app)
        try:
            await parts.privacy.catch_up()
            await parts.reviewing.catch_up()
        except StoreUnavailable:
            log.warning("the store is away: verified answers are served once it is back")

        def reply_for(question: Question) -> Reply | None:
            if question.channel is Channel.LOCAL:
                local = self._connectors.get(Channel.LOCAL)
                return local_front.reply_for(question, local) if local_front and local else None
            if question.channel is Channel.SLACK:
                return slack.front.reply_for(question, slack.connector) if slack else None
            return teams.reply_for(question, seam.connector)

        upkeep = Upkeep(asking, reply_for, store, self._hold, parts.privacy)
        upkeep.also("models", settings.review_interval_s, parts.models.look)
        upkeep.also("pasted pages", PASTED_EVERY_S, self._shelf.library.forget_pasted)
        self._closing.push_async_callback(parts.deciding.close)
        app.add_routes([web.get("/readyz", upkeep.ready)])
        self._run(parts.courier.run(settings.review_interval_s), "courier")
        self._run(upkeep.run(), "upkeep")
        if slack:
            self._run(slack.run(), "slack")
        return Bot(app, None if local is app else local, asking, upkeep)

    def _feedback(self, known: VerifiedAnswers, port: int) -> FeedbackParts:
        around = surroundings_of(
            self._settings, self._shelf, self._store, self._keys, self._connector, port=port
        )
        around = replace(around, known=known)
        desk = Desk(self._store.documents, self._hold.holder)
        parts = FeedbackParts(self._store, desk, self._keys.now, around, rules_of(self._settings))
        self._closing.push_async_callback(parts.privacy.close)
        return parts

    def _connector(self, conversation: Mapping[str, Any]) -> Connector | None:
        channel = conversation.get("channelId")
        own = {str(Channel.LOCAL): Channel.LOCAL, str(Channel.SLACK): Channel.SLACK}
        return self._connectors.get(own.get(str(channel), Channel.TEAMS))

    def _teams(self, asking: Asking, parts: FeedbackParts) -> tuple[TeamsFrontEnd, BotFrameworkSeam]:
        settings = self._settings
        reviewers = Reviewers(settings.reviewers, settings.reviewer_groups, self._groups())
        follow_ups = FollowUps(self._shelf.index.page, self._shelf.library.search, settings.follow_ups)
        pace = StreamPace(grace_s=0.3)  # a quotation is there by then
        style = TeamsStyle(examples=self._examples, pace=pace, offers=follow_ups.offers)
        front = TeamsFrontEnd(asking, self._store, self._keys.pseudonym, parts.hands(reviewers), style)
        seam = BotFrameworkSeam(framework_of(settings), front)
        self._connectors[Channel.TEAMS] = seam.connector
        self._closing.push_async_callback(seam.close)
        self._closing.push_async_callback(front.close)
        return front, seam

    def _for_this_machine(self, app: web.Application, desk: Desk) -> web.Application | None:
        """Return where the chat page is served: in the one application, or on a port of its own, or nowhere.

        Once people elsewhere are to reach the port, a request that comes from this machine may be anybody's: a proxy
        beside the bot need not say whom it speaks for.
        """
        where = local_page_of(self._settings)
        if where is not LocalPage.ON_ITS_OWN_PORT:
            return app if where is LocalPage.ON_THE_PORT else None
        local = web.Application()
        viewer = site_routes(self._shelf.index.page, self._shelf.public_pages, local=True)
        local.add_routes([*viewer, *dashboard_routes(self._figures(desk), Doors(local=True))])
        return local

    def _local(self, asking: Asking, parts: FeedbackParts, app: web.Application) -> TeamsFrontEnd:
        reviewers = Reviewers([directory_id(REVIEWER)] if self._local_reviewers else [])
        style = TeamsStyle(Channel.LOCAL, self._examples, StreamPace(interval_s=0.1))
        named = self._keys.pseudonym
        front = TeamsFrontEnd(asking, self._store, named, parts.hands(reviewers), style)
        people = [one for one in PEOPLE if self._local_reviewers or one["id"] != REVIEWER]
        local = LocalChannel(front, self._settings.data_dir, people=people, suggestions=self._examples)
        parts.privacy.memories.append(
            lambda one: local.forget(one, lambda directory: named(directory) == one.person)
        )
        app.add_routes(parts.exports.local_routes(local.owner, named))
        self._connectors[Channel.LOCAL] = local
        self._closing.push_async_callback(local.close)
        self._run(local.keep_clean(), "chat page")
        self._closing.push_async_callback(front.close)
        app.add_routes(local.routes())

        async def hang_up(_: web.Application) -> None:
            local.hang_up()

        app.on_shutdown.append(hang_up)
        return front

    def _slack(self, asking: Asking, parts: FeedbackParts, app: web.Application) -> SlackParts | None:
        """Open Slack's front end; None where it is not set up: then nothing of it is imported. Raises BadSlackConfig."""
        if not self._settings.slack_signing_secret.get_secret_value():
            return None
        # 32 MB and 0.3 s that a bot without Slack need not pay
        from bot.slack.channel import SlackParts  # noqa: PLC0415

        config = slack_config(self._settings)
        slack = SlackParts(config, asking, self._store, parts, self._keys.pseudonym, self._examples)
        self._connectors[Channel.SLACK] = slack.connector
        self._closing.push_async_callback(slack.close)
        app.add_routes(slack.routes())
        return slack

    @property
    def _local_reviewers(self) -> bool:
        """Whether the word of the chat page's reviewer counts: people elsewhere would get it as verified."""
        return not is_public(self._settings) or self._settings.dangerously_trust_local_reviewers

    def _untrusted(self) -> frozenset[str]:
        robin = directory_id(REVIEWER)
        both = {self._keys.pseudonym(robin), self._keys.earlier(robin)}
        return frozenset() if self._local_reviewers else frozenset(both - {""})

    def _viewer(self) -> list[web.RouteDef]:
        return site_routes(
            self._shelf.index.page,
            self._shelf.public_pages,
            everyone=self._settings.site_for_everyone,
            local=not is_public(self._settings),
        )

    def _dashboard(self, desk: Desk) -> list[web.RouteDef]:
        settings = self._settings
        doors = Doors(
            local=local_page_of(settings) is LocalPage.ON_THE_PORT,
            token=settings.dashboard_token.get_secret_value(),
            reviewers=settings.dashboard_reviewer_token.get_secret_value(),
        )
        return dashboard_routes(self._figures(desk), doors)

    def _figures(self, desk: Desk) -> DashboardData:
        standing = partial(read_rollout, self._settings.models_dir)
        return DashboardData(self._store, desk, standing, partial(job_runs, desk.documents))

    def _groups(self) -> IsMember | None:
        settings = self._settings
        if not settings.reviewer_groups:
            return None
        directory = Directory(
            DirectoryConfig(
                app_id=settings.app_id,
                app_password=settings.app_password.get_secret_value(),
                tenant_id=settings.app_tenant_id,
                login_url=settings.login_url,
                graph_url=settings.graph_url,
                own_token=OwnToken(replace(framework_of(settings), oauth_scope=f"{GRAPH}/.default")).get
                if settings.app_type == "UserAssignedMSI"
                else None,
            )
        )
        self._closing.push_async_callback(directory.close)
        return directory.is_member

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        running = asyncio.create_task(work, name=name)

        async def stop() -> None:
            running.cancel()
            await asyncio.wait([running])

        self._closing.push_async_callback(stop)


def forms_of(settings: Settings) -> Forms:
    """Return how feedback is asked for."""
    return Forms(
        form=settings.feedback_form,
        version=settings.feedback_form_version,
        after=settings.feedback_after,
        share=settings.feedback_share,
        trial=settings.feedback_trial_form,
        trial_share=settings.feedback_trial_share,
    )


def limits_of(settings: Settings) -> AskerLimits:
    """Return how much one person may ask."""
    return AskerLimits(
        waiting=settings.questions_waiting_per_person,
        per_minute=settings.questions_per_minute_per_person,
        burst=settings.questions_burst_per_person,
    )


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
