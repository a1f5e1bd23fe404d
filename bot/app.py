"""The bot as a program that listens: which address it takes, graceful start and stop. bot/wiring.py wires the parts.

Order at a start: parts, application, socket, then the questions that a crash left open. Order at a stop: no new
requests, the answers under way, then the parts. Whatever is not done in time is answered at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from bot.bodies import AUTO_DECOMPRESS
from bot.instance import instance_in
from bot.loopback import names_loopback
from bot.parts import Parts, Shelf, site_url
from bot.slack_config import BadSlackConfig, check_config, slack_config
from bot.storing import open_store
from bot.wiring import Bot, Wiring
from feedback.store import StoreUnavailable
from model.answering import Answering
from settings import Settings


class CannotServe(Exception):
    """The settings do not allow serving; the message is a sentence for the operator."""


def check_address(settings: Settings) -> None:
    """Refuse to listen where strangers could speak as anyone. Raises CannotServe."""
    check_registration(settings)
    if settings.app_id or settings.dangerously_allow_unauthenticated or names_loopback(settings.host):
        return
    raise CannotServe(
        f"Without an app id anyone who reaches {settings.host} could speak as anyone. Set ASKPAGE_APP_ID and "
        "ASKPAGE_APP_PASSWORD, or listen on 127.0.0.1. (To let everyone in regardless: "
        "--dangerously-allow-unauthenticated.)"
    )


def check_slack(settings: Settings) -> None:
    """Refuse to serve Slack with settings that do not fit together. Raises CannotServe."""
    if not settings.slack_signing_secret.get_secret_value():
        return
    try:
        check_config(slack_config(settings))
    except BadSlackConfig as error:
        raise CannotServe(str(error)) from error


def check_registration(settings: Settings) -> None:
    """Refuse to serve with half of an app's registration: no answer could be delivered. Raises CannotServe."""
    if not settings.app_id:
        return
    if settings.app_type != "UserAssignedMSI" and not settings.app_password.get_secret_value():
        raise CannotServe(
            f"An app of type {settings.app_type} needs its client secret: set ASKPAGE_APP_PASSWORD. (A managed identity"
            " has none: ASKPAGE_APP_TYPE=UserAssignedMSI.)"
        )
    if settings.app_type == "SingleTenant" and not settings.app_tenant_id:
        raise CannotServe(
            "An app of one tenant gets its tokens there: set ASKPAGE_APP_TENANT_ID, or ASKPAGE_APP_TYPE=MultiTenant."
        )


@asynccontextmanager
async def open_bot(
    settings: Settings, shelf: Shelf, answering: Answering, *, port: int
) -> AsyncGenerator[Bot]:
    """Wire store, dialogs and front ends into an application; `port` is the one that is listened on."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as closing:
        instance = closing.enter_context(instance_in(settings.data_dir))
        store = await closing.enter_async_context(open_store(settings, instance))
        wiring = Wiring(settings, shelf, store, instance.hold, closing)
        yield await wiring.bot(answering, port)


def listen(settings: Settings) -> socket.socket:
    """Take the port, before the slow work. Raises CannotServe with what to do."""
    check_address(settings)
    check_slack(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=128)
    except OSError as error:
        raise CannotServe(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
            "Stop what runs there, or choose another with --port."
        ) from error


async def serve(parts: Parts, listener: socket.socket, ready: Callable[[str], None]) -> int:
    """Serve until SIGINT or SIGTERM; `ready` hears the address. Return how many answers the next start owes."""
    settings = parts.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    port: int = listener.getsockname()[1]
    async with open_bot(settings, parts.shelf, parts.answering, port=port) as bot:
        wait = settings.drain_timeout_s
        runner = web.AppRunner(
            bot.app, access_log=None, shutdown_timeout=wait, auto_decompress=AUTO_DECOMPRESS
        )
        await runner.setup()
        try:
            site = web.SockSite(runner, listener)
            await site.start()
            with contextlib.suppress(StoreUnavailable):  # upkeep tries again
                await bot.upkeep.resume()
            gc.collect()
            gc.freeze()  # to look through all that is imported holds everybody for a tenth of a second, again and again
            ready(site_url(settings, port))
            await stop.wait()
            await site.stop()
            return await bot.asking.drain(settings.drain_timeout_s)
        finally:
            await runner.cleanup()
