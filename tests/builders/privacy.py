"""A bot whose people ask about their own data, and a command line beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import main
from feedback.store.cosmos_schema import CosmosConfig
from tests.builders.reviewing import actions_of
from tests.builders.world import World, a_world, pseudonym
from tests.processes.commands import Done


class Here:
    """Runs commands in this process, which is quicker than starting one for each."""

    def __init__(self, folder: Path, config: CosmosConfig | None = None) -> None:
        self.folder = folder
        self.options = ["--data-dir", "data"]
        if config:
            self.options += ["--cosmos-endpoint", config.endpoint, "--cosmos-key", config.key]
            self.options += ["--cosmos-database", config.database]

    async def run(self, *arguments: str) -> Done:
        environment = {"COLUMNS": "250", "NO_COLOR": "1"}
        run = CliRunner(env=environment).invoke
        result = await asyncio.to_thread(run, main.app, [*arguments, *self.options])
        code = 2 if main.is_mistake(result.exception) else result.exit_code
        return Done(code, result.stdout_bytes, result.stderr + str(result.exception or ""))


Json = dict[str, Any]
ADA = pseudonym("aad-ada")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as world:
        yield world


async def pressed(world: World, card: Json, verb: str, **fields: Any) -> Json:
    """Press a button of a card; return what stands in the answer: its type and value."""
    action = {"type": "Action.Execute", "verb": verb, "data": actions_of(card)[verb]}
    return await acted(world, action, **fields)


async def acted(world: World, action: Json, **fields: Any) -> Json:
    given = {"name": "adaptiveCard/action", "value": {"action": action}, "replyToId": "m1"} | fields
    status, body = await world.post(world.activity("invoke", **given))
    assert status == 200, body
    return json.loads(body)
