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
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from aiohttp import web

from bot.bootstrap import LocalPage, Parts, Shelf, local_page_of, slack_config
from bot.http import BoundedSite, ConnectionLimits, make_runner, names_loopback
from bot.instance import instance_in
from bot.slack.config import BadSlackConfig, check_config
from bot.stores import open_store
from bot.wiring import Bot, Wiring
from core.settings import Settings
from feedback.store.base import StoreUnavailable
from model.answering.chain import Answering


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
    if not settings.slack.signing_secret.get_secret_value():
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
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as closing:
        instance = closing.enter_context(instance_in(settings.data_dir))
        store = await closing.enter_async_context(open_store(settings, instance))
        wiring = Wiring(settings, shelf, store, instance.hold, closing)
        yield await wiring.bot(answering, port)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets that are listened on: everybody's, and that of what is for this machine only where it has its own."""

    everybody: socket.socket
    local: socket.socket | None


@contextmanager
def listening(settings: Settings) -> Generator[Listeners]:
    """Take the ports, before the slow work. Raises CannotServe with what to do."""
    check_address(settings)
    check_slack(settings)
    with contextlib.ExitStack() as closing:
        everybody = closing.enter_context(_listen(settings.host, settings.port, "--port"))
        local = None
        if local_page_of(settings) is LocalPage.ON_ITS_OWN_PORT:
            local = closing.enter_context(_listen("127.0.0.1", settings.local_page_port, "--local-page-port"))
        yield Listeners(everybody, local)


def _listen(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise CannotServe(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            f"Stop what runs there, or choose another with {option}."
        ) from error


def connection_limits_of(settings: Settings) -> ConnectionLimits:
    """Return how long a connection may wait for its client, and how many there may be."""
    return ConnectionLimits(settings.keepalive_s, settings.body_timeout_s, settings.most_connections)


async def serve(parts: Parts, listeners: Listeners, ready: Callable[[], None]) -> int:
    """Serve until SIGINT or SIGTERM; `ready` hears that it does. Return how many answers the next start owes."""
    settings = parts.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    port: int = listeners.everybody.getsockname()[1]
    async with (
        open_bot(settings, parts.shelf, parts.answering, port=port) as bot,
        contextlib.AsyncExitStack() as closing,
    ):
        sites = [await _start(bot.app, listeners.everybody, settings, closing)]
        if bot.local is not None and listeners.local is not None:
            sites.append(await _start(bot.local, listeners.local, settings, closing))
        with contextlib.suppress(StoreUnavailable):  # upkeep tries again
            await bot.upkeep.resume()
        gc.collect()
        gc.freeze()  # to look through all that is imported holds everybody for a tenth of a second, again and again
        ready()
        await stop.wait()
        for site in sites:
            await site.stop()
        return await bot.asking.drain(settings.drain_timeout_s)


async def _start(
    app: web.Application, listener: socket.socket, settings: Settings, closing: contextlib.AsyncExitStack
) -> BoundedSite:
    """Begin to serve an application; its connections end with `closing`."""
    limits = connection_limits_of(settings)
    runner = make_runner(app, limits, settings.drain_timeout_s)
    await runner.setup()
    closing.push_async_callback(runner.cleanup)
    site = BoundedSite(runner, listener, limits.most)
    await site.start()
    return site
