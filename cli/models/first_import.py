"""The base model at a start: made before, or imported in a process beside the bot, which quotes its pages.

    async with bring_model(settings) as describe:
        describe()   # what people are told while the model is missing; None once it is there

The process is `askpage models import`. It shows its own progress, does nothing twice, and goes on with the
next start where it was interrupted. The bot notices the new version as it notices any that becomes live.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from bot.bootstrap import model_choice
from cli.console import progress_out
from cli.models.catalogue import find_device, import_with_bar
from core.processes import end_process, start_process
from core.settings import Settings, build_environment
from model.inference.gpu import find_unused_gpu
from model.registry.importing import is_imported
from model.registry.loading import CANNED

log = logging.getLogger(__name__)

PREPARING = "I am still preparing the language model. Until it is ready, I show you the pages' own words."
FAILED = "The language model could not be prepared, so I show you the pages' own words."
COMMAND = (sys.executable, "-m", "cli.main", "models", "import")
NICENESS = 10
"""Who asks meanwhile goes first."""
STOP_WITHIN_S = 10.0


@asynccontextmanager
async def bring_model(settings: Settings) -> AsyncGenerator[Callable[[], str | None]]:
    """Have the base model that the settings name, if any; a missing one is imported beside the answers."""
    if not _needs_model(settings):
        yield lambda: None
    elif is_imported(settings.base_model, settings.models_dir, find_device(model_choice(settings).options)):
        await asyncio.to_thread(ensure_model, settings)
        yield lambda: None
    else:
        _say_unused_gpu(settings)
        async with import_beside(settings) as describe:
            yield describe


def ensure_model(settings: Settings) -> None:
    """Import the base model unless that is done, or none is needed here. Raises ImportFailed."""
    if _needs_model(settings):
        _say_unused_gpu(settings)
        import_with_bar(settings, settings.base_model)


def _needs_model(settings: Settings) -> bool:
    return settings.base_model != CANNED and not settings.model_url.url


def _say_unused_gpu(settings: Settings) -> None:
    if sentence := find_unused_gpu(model_choice(settings).options.device):
        progress_out.print(sentence, markup=False, highlight=False, soft_wrap=True)


@asynccontextmanager
async def import_beside(
    settings: Settings, command: Sequence[str] = COMMAND
) -> AsyncGenerator[Callable[[], str | None]]:
    """Import the base model of the settings beside what happens in the block; end that with the block."""
    told: list[str | None] = [PREPARING]

    async def run() -> None:
        told[0] = None if await _import(settings, command) else FAILED

    importing = asyncio.create_task(run(), name="import the model")
    try:
        yield lambda: told[0]
    finally:
        importing.cancel()
        await asyncio.wait([importing])


async def _import(settings: Settings, command: Sequence[str]) -> bool:
    """Tell whether the process did what it should; why not, it says itself."""
    try:
        process = await start_process(command, build_environment(settings), STOP_WITHIN_S)
    except OSError:
        log.exception("the import of the model cannot be started")
        return False
    with suppress(OSError):  # it has ended
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        await end_process(process, STOP_WITHIN_S)
        raise
    if status:
        log.error("the import of the model ended with status %d; the next start tries again", status)
    return status == 0
