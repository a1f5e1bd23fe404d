"""An answer of a model server as a stream that outlives a lost replica: it is asked for again, and goes on.

A server that dies, or what stands before it and has lost it, is asked once more after a moment: where several
replicas serve, another one answers. Nothing is stored there, so to ask again is safe. What was said already
is not said twice: the same request gets the same words where nothing is drawn at random, so the second answer
is followed silently up to where the first one broke off, and from there on aloud. Where its words are others
(another version, another kind of processor), that is an error as it always was: the bot falls back on what it
quoted, or says that it is sorry.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from model.answering.server_client import Event, ServerAway, ServerClient, ServerLost
from model.onnx_infer import EngineFailed

log = logging.getLogger(__name__)

_WAITS_S = (0.1, 0.5)
"""Before the second and the third try: a proxy needs a moment to learn that a replica is gone."""
BROKE_OFF = "the model server broke off in the midst of an answer"


async def stream_to_the_end(client: ServerClient, body: Mapping[str, Any]) -> AsyncGenerator[Event]:
    """Yield the events of an answer, each word once, until the one that says why it ended.

    Raises EngineError; ServerLost where it was lost again and again, or its words cannot be had once more.
    """
    said = _Said(repeats=not body.get("temperature") or body.get("seed") is not None)
    for wait_s in (*_WAITS_S, None):
        try:
            async with aclosing(said.go_on(client.stream_chat(body))) as events:
                async for event in events:
                    yield event
        except (ServerLost, ServerAway) as lost:
            if wait_s is None or client.away or not said.can_go_on:
                raise
            log.info("%s; it is asked again", lost)
            await asyncio.sleep(wait_s * (1 + random.random()))  # noqa: S311 - spreads askers
        else:
            return


class _Said:
    """What was said of an answer so far, by which model; `repeats`: the same request gets the same words."""

    def __init__(self, *, repeats: bool) -> None:
        self._repeats = repeats
        self._text, self._model = "", ""

    @property
    def can_go_on(self) -> bool:
        """Whether another try can begin: nothing was said, or it can be followed."""
        return self._repeats or not self._text

    async def go_on(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """Yield the events behind what was said. Raises ServerLost, EngineError."""
        ahead, ended = self._text, False
        async with aclosing(events):
            async for event in events:
                text, reason = read_piece(event)
                self._check_model(event)
                if not (ahead.startswith(text) or text.startswith(ahead)):
                    raise EngineFailed(f"{BROKE_OFF}, and says it in other words now")
                new, ahead = text[len(ahead) :], ahead[len(text) :]
                if reason and ahead:
                    raise EngineFailed(f"{BROKE_OFF}, and says less of it now")
                ended = ended or bool(reason)
                self._text += new
                if new or not text:
                    yield event if new == text else _with_text(event, new)
        if not ended:
            raise ServerLost(BROKE_OFF)

    def _check_model(self, event: Event) -> None:
        model = str(event.get("model") or "")
        if self._text and model and model != self._model:
            raise EngineFailed(f"{BROKE_OFF}, and {model} answers instead of {self._model} now")
        self._model = model or self._model


def read_piece(event: Event) -> tuple[str, str]:
    """Return the text of an event, and why there is no more ("": there is)."""
    choices: list[Event] = event.get("choices") or [{}]
    delta: Mapping[str, Any] = choices[0].get("delta") or {}
    return str(delta.get("content") or ""), str(choices[0].get("finish_reason") or "")


def _with_text(event: Event, text: str) -> Event:
    choice = event["choices"][0]
    return event | {"choices": [choice | {"delta": choice["delta"] | {"content": text}}]}
