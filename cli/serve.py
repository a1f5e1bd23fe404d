"""The commands that start the bot: `askpage serve | setup`."""

from __future__ import annotations

import asyncio

from bot.app import Listeners, listening, serve
from bot.bootstrap import (
    LocalPage,
    find_local_page,
    is_public,
    open_parts,
)
from cli.console import progress_out, telling, with_settings
from cli.models.first_import import bring_model, ensure_model
from cli.pages.sources import plan_reading, refresh_alone
from core.files import mend
from core.settings import Settings
from core.settings.origins import describe_unread_names, find_unread_names
from jobs.scheduling.schedule import read_schedule
from jobs.scheduling.scheduler import schedule_beside


@with_settings
def serve_command(settings: Settings) -> None:
    """Serve the bot, and its chat page on this machine; sets up what is missing first."""
    read_schedule(settings)  # what is wrong with it is said before the slow work
    if unread := find_unread_names():
        progress_out.print(describe_unread_names(unread), markup=False, highlight=False, soft_wrap=True)
    with listening(settings) as listeners, telling(settings):
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        mend(settings.data_dir)  # from here on it is the bot's, whatever it was
        late = asyncio.run(_serve(settings, listeners))
    if late:
        progress_out.print(f"{late} questions are kept and will be answered at the next start.")


async def _serve(settings: Settings, listeners: Listeners) -> int:
    def ready() -> None:
        progress_out.print(f"\n[bold green]askpage is ready.[/] {_where(settings, listeners)}")
        progress_out.print("Ctrl-C stops it; what is being answered is finished first.")

    async with bring_model(settings) as preparing, open_parts(settings, serving=True) as parts:
        reading = await plan_reading(settings, parts.page_services)
        async with schedule_beside(settings):
            return await serve(parts, listeners, ready, reading, preparing)


def _where(settings: Settings, listeners: Listeners) -> str:
    """Say where people reach the bot, and where its chat page is."""
    own = f"http://localhost:{listeners.everybody.getsockname()[1]}"
    if find_local_page(settings) is LocalPage.ON_THE_PORT:
        return f"Open [bold]{own}[/] and ask something."
    if not is_public(settings):
        return f"It listens at {own}."
    listens = f"It listens at {own}, for {settings.public_url or 'Teams and Slack'}."
    if listeners.local is None:
        return f"{listens} The chat page is off: people elsewhere are meant to reach this port."
    page = f"http://localhost:{listeners.local.getsockname()[1]}"
    return f"{listens} The chat page is at [bold]{page}[/]: let no proxy and no tunnel lead there."


@with_settings
def setup_command(settings: Settings) -> None:
    """Import the model and index the pages, without serving. Done steps are skipped."""
    ensure_model(settings)
    asyncio.run(refresh_alone(settings))
