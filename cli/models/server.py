"""The model server: `askpage model serve`."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import typer

from bot.app import CannotServe, listen, read_connection_limits
from bot.bootstrap import model_choice
from bot.http import LOOPBACK_NAMES, PROXIED, BoundedSite, make_runner, names_loopback, read_body
from cli.console import progress_out, telling, with_settings
from core.files import mend
from core.settings import Settings
from model.answering import grounding
from model.registry.loading import CANNED, open_swapping
from model.serving.api import ModelApi, ServerRules
from model.serving.engines import CannedEngine, LiveModels, OneModel, ServedModels, ServedVersion
from model.serving.http_servers import OpenModels, build_aiohttp
from model.serving.ray_serve import ReplicaPlan, build_application, serving_here

model_app = typer.Typer(
    help="Serve the model to bots on other machines and to other programs.", no_args_is_help=True
)


@model_app.callback()
def _group() -> None:  # pyright: ignore[reportUnusedFunction] - typer would drop the name of a command alone
    """Keep `serve` a word of its own."""


@model_app.command("serve")
@with_settings
def model_serve(
    settings: Settings,
    ray: Annotated[
        bool, typer.Option("--ray", help="Serve several replicas with Ray on this machine.")
    ] = False,
) -> None:
    """Serve the live model version and the canary with OpenAI's chat API (/v1/chat/completions).

    A version that is promoted takes over without a dropped request. Bots ask this server with --model-url.
    """
    check_model_server(settings)
    ours = settings.model_server
    if ray:
        with telling(settings):
            serve_on_ray(settings, partial(open_served, settings))
        return
    with listen(ours.host, ours.port, "--model-server-port") as listener, telling(settings):
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        mend(settings.data_dir)
        asyncio.run(_serve(settings, listener))


def check_model_server(settings: Settings) -> None:
    """Refuse to let strangers use the model. Raises CannotServe."""
    ours = settings.model_server
    if not ours.key.get_secret_value() and not names_loopback(ours.host):
        raise CannotServe(
            f"Whoever reaches {ours.host} could use the model. Set ASKPAGE_MODEL_SERVER_KEY (openssl rand "
            "-hex 16 makes one), or listen on 127.0.0.1."
        )


async def _serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is under way, for `drain_timeout_s` at most."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with open_served(settings) as models:
        api = ModelApi(models, read_server_rules(settings))
        limits = read_connection_limits(settings)
        runner = make_runner(build_aiohttp(api, read_body), limits, settings.drain_timeout_s, cancels=True)
        await runner.setup()
        try:
            site = BoundedSite(runner, listener, limits.most)
            await site.start()
            gc.collect()
            gc.freeze()
            names = ", ".join(one.name for one in models.list_versions())
            port = listener.getsockname()[1]
            progress_out.print(f"[bold green]{names}[/] at http://localhost:{port}/v1", soft_wrap=True)
            await stop.wait()
            api.going_down = True
            await site.stop()
        finally:
            await runner.cleanup()


def serve_on_ray(settings: Settings, opened: OpenModels) -> None:
    """Serve replicas on this machine until SIGINT or SIGTERM; then finish what is under way."""
    ours = settings.model_server
    with listen(ours.host, ours.port, "--model-server-port") as taken:
        port = taken.getsockname()[1]
    stop = threading.Event()

    def end(_signal: int, _frame: object) -> None:
        stop.set()

    rules, plan = read_server_rules(settings), read_replica_plan(settings)
    with serving_here(opened, rules, plan, ours.host, port):
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, end)
        progress_out.print(
            f"[bold green]{ours.replicas} replicas[/] at http://localhost:{port}/v1", soft_wrap=True
        )
        stop.wait()


def build_on_ray(settings: Settings) -> Any:
    """Return the application for Ray Serve. Raises RayMissing."""
    opened = partial(open_served, settings)
    return build_application(opened, read_server_rules(settings), read_replica_plan(settings))


def read_replica_plan(settings: Settings) -> ReplicaPlan:
    """Return how many replicas there are on Ray."""
    ours, engine = settings.model_server, settings.engine
    return ReplicaPlan(
        least=ours.replicas,
        most=ours.most_replicas,
        at_once=engine.concurrent,
        waiting=engine.queue_limit,
        cpus=ours.replica_cpus,
        gpus=ours.replica_gpus,
        drain_s=settings.drain_timeout_s,
    )


@asynccontextmanager
async def open_served(settings: Settings) -> AsyncGenerator[ServedModels]:
    """Load what is served. Raises ModelMissing with what to run when there is nothing, EngineFailed."""
    if settings.base_model == CANNED:
        yield OneModel(ServedVersion(CANNED, CannedEngine(_quote_first_sentence)))
        return
    async with open_swapping(model_choice(settings), settings.model_server.linger_s) as swapping:
        yield LiveModels(swapping)


def read_server_rules(settings: Settings) -> ServerRules:
    """Return who is served, and how much."""
    ours = settings.model_server
    return ServerRules(
        key=ours.key.get_secret_value(),
        most_bytes=ours.most_bytes,
        most_messages=ours.most_messages,
        answer_tokens=settings.answer_tokens,
        loopback_names=LOOPBACK_NAMES,
        proxied=PROXIED,
    )


def _quote_first_sentence(messages: Sequence[Mapping[str, str]]) -> str:
    """Return the first sentence of the excerpts that were shown last, as the canned model of a bot does."""
    excerpts, asked, _ = messages[-1]["content"].rpartition("\n\nQuestion: ")
    return next(grounding.sentences(excerpts), "") if asked else ""
