"""`askpage model serve` as a process: a bot's command asks it, and a signal stops it in order."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import openai

from tests.conftest import ROOT
from tests.processes.serving import CANNED

MESSAGES = [{"role": "user", "content": "Leave is ten days.\n\nQuestion: How many days?"}]


async def test_it_serves_until_a_signal_and_ends_without_an_error(tmp_path: Path) -> None:
    given = {name: value for name, value in os.environ.items() if not name.startswith("ASKPAGE_")}  # noqa: TID251
    command = ("-m", "cli.main", "model", "serve", "--data-dir", str(tmp_path), "--model-server-port", "0")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *CANNED,
        cwd=ROOT,
        env=given | {"NO_COLOR": "1"},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        said = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
        ready = re.search(r"canned at (http://localhost:\d+/v1)", said)
        assert ready, said
        async with openai.AsyncOpenAI(base_url=ready[1], api_key="none is needed", max_retries=0) as client:
            answer = await client.chat.completions.create(model="live", messages=MESSAGES)  # pyright: ignore
            assert (answer.choices[0].message.content, answer.model) == ("Leave is ten days.", "canned")
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 30) == 0
        assert await process.stderr.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
