"""Puts the administration together from the settings, and says who a browser on the bot's own machine is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bot.administration.console import Administration, Shown
from bot.administration.programs import Programs
from bot.administration.sources import SourceAdmin
from bot.administration.versions import VersionAdmin
from bot.bootstrap import PageServices
from bot.page_invites import Operators
from bot.page_passes import Gate, Visitor
from bot.services import Services
from bot.web.page_guard import PageGuard
from core.records import Channel
from core.settings import Settings, build_environment
from core.settings.origins import list_settings
from feedback.privacy.keys import Keys, name_operator

HERE = "here"
"""Stands for the id of whoever opens the page on the bot's own machine; no directory has it."""


def open_administration(
    settings: Settings, page_services: PageServices, services: Services
) -> Administration:
    """Return what the operators' page stands on; its caller closes it."""
    audit = services.reviewing.audit
    versions = VersionAdmin(services.deciding, audit, settings.models_dir, settings.models_url)
    return Administration(
        services.repository,
        SourceAdmin(page_services, settings.index_dir, settings.pages),
        versions,
        Programs(build_environment(settings), settings.schedule.values().keys()),
        show_settings(settings),
    )


def open_admin_guard(services: Services, keys: Keys, *, local: bool) -> PageGuard:
    """Return the guard of the page; with `local`, a browser on this machine is whoever runs the bot."""
    elsewhere = [name for name in Channel if name not in (Channel.LOCAL, Channel.WIDGET)]
    gates: dict[str, Gate] = {str(name): services.operators for name in elsewhere}
    if not local:
        return PageGuard("admin", services.passes, gates)
    here = Visitor(name_operator(keys), HERE, "The operator of this machine", str(Channel.LOCAL))
    return PageGuard(
        "admin", services.passes, gates | {str(Channel.LOCAL): Operators(frozenset({HERE}))}, here
    )


def show_settings(settings: Settings) -> Shown:
    """Return what an operator sees of the settings; secrets stay hidden."""
    reviewers: Mapping[str, Sequence[str]] = {
        "reviewers": settings.reviewers,
        "reviewer_groups": settings.reviewer_groups,
        "slack_reviewers": settings.slack.reviewers,
        "slack_reviewer_groups": settings.slack.reviewer_groups,
        "operators": settings.operators,
    }
    return Shown([asdict(one) for one in list_settings(settings)], reviewers, settings.schedule.values())
