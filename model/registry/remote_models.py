"""The models of a server elsewhere, as the bot asks them: which answers whom, and what it can read.

A server of ours tells which version is live, which is the canary and for what share, what each has learned
to read and how fast it is. So a bot's prompts are the same as with the version in its own memory, and a
promotion there is followed here, within a look. Of another server one model answers everybody. While a server
is away the bot answers in its pages' own words; it is looked for again every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from model.answering.chain import AcquireModel, LoadedModel
from model.answering.grounding import Reading
from model.answering.profile import Profile, parse_profile
from model.answering.server_chat import ServerChatModel
from model.answering.server_client import Event, ServerAway, ServerClient
from model.answering.version_confidence import parse_version_confidence
from model.onnx_infer import EngineError
from model.registry.versions import RolloutState, VersionStatus

log = logging.getLogger(__name__)

_AWAY_S = 2.0
_OTHERS_S = 60.0
"""How often a server that is not ours is looked at: its models do not change while it runs."""
_LARGE = 7_000_000_000
"""Weights that a model of another server is taken to have: enough to read whole passages."""
_UNKNOWN = "unknown"
_NOT_IN_NAMES = re.compile(r"[^\w.@+-]")


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """The server that is asked; see the settings model_url_…, without that beginning."""

    url: str
    key: str = ""
    name: str = ""
    timeout_s: float = 20.0
    tokens_s: float = 2000.0


class RemoteModels:
    """The models of a server. `answer_tokens` is the longest answer."""

    def __init__(self, choice: ServerChoice, client: ServerClient, answer_tokens: int) -> None:
        self._choice, self._client, self._answer_tokens = choice, client, answer_tokens
        self._rollout = RolloutState(choice.name or _UNKNOWN)
        self._models = {self._rollout.name: self._assume(self._rollout.name)}
        self._said = ""
        self.ours = False

    @contextmanager
    def acquire(self, conversation: str) -> Generator[LoadedModel]:
        """Lend the model that answers a conversation now. See `model.answering.chain.AcquireModel`."""
        yield self._models[self._rollout.choose_version(conversation)]

    async def look(self) -> None:
        """Ask which models there are. Raises nothing: while the server is away, what was known is kept."""
        try:
            listed = await self._client.list_models()
        except ServerAway as error:
            self._client.away = str(error)
            self._say(f"{error}. Until it is back, questions are answered in the pages' own words.")
        except EngineError as error:
            self._client.away = ""
            if not self._choice.name:
                self._say(f"{error}. Name the model that shall answer: model_url_name")
        else:
            self._client.away = ""
            try:
                self._take(listed)
            except (KeyError, TypeError, ValueError) as error:
                self._say(f"what {self._client.url} tells of its models cannot be read: {error!r}")

    @property
    def look_again_s(self) -> float | None:
        """How long until the next look; None as often as versions are looked for."""
        return _AWAY_S if self._client.away else None if self.ours else _OTHERS_S

    def _take(self, listed: Sequence[Event]) -> None:
        ours = {one["id"]: one["askpage"] for one in listed if isinstance(one.get("askpage"), dict)}
        self.ours = bool(ours)
        if ours:
            self._models = {name: self._describe(name, told) for name, told in ours.items()}
            self._rollout = _read_rollout(ours)
            if self._choice.name:
                self._rollout = RolloutState(self._choice.name)
                self._models.setdefault(self._choice.name, self._assume(self._choice.name, ours=True))
            now = self._rollout
            canary = f", and {now.canary} {now.share:.0%} of the conversations" if now.canary else ""
            self._say(f"the model {now.name} at {self._client.url} answers{canary}", logging.INFO)
        elif name := self._choice.name or next((one["id"] for one in listed), ""):
            self._rollout = RolloutState(name)
            self._models = {name: self._assume(name)}
            self._say(
                f"the model {name} at {self._client.url} answers. That server is not askpage's: it cannot "
                "hold an answer to the words of a page, and has no canary. Everything is checked as always."
            )
        else:
            self._say(f"{self._client.url} lists no model. Name one that shall answer: model_url_name")

    def _say(self, sentence: str, level: int = logging.WARNING) -> None:
        """Log what is new, once."""
        if sentence != self._said:
            self._said = sentence
            log.log(level, "%s%s", sentence[0].upper(), sentence[1:])

    def _describe(self, name: str, told: Mapping[str, Any]) -> LoadedModel:
        """Return a version of a server of ours."""
        reading = Reading(**told["reading"]) if told.get("reading") else None
        chat, profile = self._chat(name, ours=True), parse_profile(told.get("profile"))
        own = parse_version_confidence(told.get("confidence"))
        return LoadedModel(chat, name, reading, profile, confidence=own)

    def _assume(self, name: str, *, ours: bool = False) -> LoadedModel:
        """Return a model of which nothing is known but its name; `ours`: a server of ours has it."""
        speed = self._choice.tokens_s
        profile = Profile(speed, speed, device="server", threads=0, parameters=_LARGE)
        version = _NOT_IN_NAMES.sub("_", name)[:100]
        return LoadedModel(self._chat(name, ours=False), version, None, profile, ours)

    def _chat(self, name: str, *, ours: bool) -> ServerChatModel:
        return ServerChatModel(self._client, model=name, max_tokens=self._answer_tokens, ours=ours)


def _read_rollout(told: Mapping[str, Mapping[str, Any]]) -> RolloutState:
    """Return who answers whom, of what a server of ours lists."""
    live = next(iter(told))
    canary, share = "", 0.0
    for name, one in told.items():
        if one.get("status") == VersionStatus.LIVE:
            live = name
        elif one.get("status") == VersionStatus.CANARY:
            canary, share = name, float(cast("float", one.get("share", 0.0)))
    return RolloutState(live, canary=canary, share=share)


@asynccontextmanager
async def open_remote(
    choice: ServerChoice, answer_tokens: int, poll_s: float
) -> AsyncGenerator[AcquireModel]:
    """Ask a server for its models, and follow what becomes of them. It may be away."""
    client = ServerClient(choice.url, choice.key, choice.timeout_s)
    models = RemoteModels(choice, client, answer_tokens)
    await models.look()
    looking = asyncio.create_task(_look_on(models, poll_s), name="model-server")
    try:
        yield models.acquire
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        await client.close()


async def _look_on(models: RemoteModels, poll_s: float) -> None:
    while True:
        await asyncio.sleep(models.look_again_s or poll_s)
        try:
            await models.look()
        except Exception:
            log.exception("looking at the model server failed; the next look goes on")
