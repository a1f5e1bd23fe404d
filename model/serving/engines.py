"""What the model server stands on: versions in memory, each with an engine that turns prompts into text.

    TextEngine     the seam: generate(prompt, options) → pieces of text; `model.onnx_infer.Engine` is one
    ServedModels   which versions there are, and whose turn it is: the live one and the canary, or one alone

`CannedEngine` is the double, for tests and for `base_model=canned`. Like the real one it refuses what is too
long and what is too much at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol, cast

from model.answering.grounding import Reading
from model.answering.profile import Profile
from model.answering.version_confidence import VersionConfidence, parse_version_confidence
from model.inference.constrained import OutputConstraint
from model.inference.process import EngineStats, Usage
from model.onnx_infer import GREEDY, EngineBusy, EngineError, PromptTooLong, Sampling
from model.registry.loading import ModelSwapper, OpenedVersion
from model.registry.versions import VersionStatus

LIVE = "live"
"""The name by which a client gets whichever version is live."""


class TextEngine(Protocol):
    """One model in memory."""

    @property
    def context_tokens(self) -> int:
        """How many tokens a prompt and its answer have together at most."""
        ...

    def render(self, messages: Sequence[Mapping[str, str]], /) -> str:
        """Return the prompt for messages {"role", "content"}; control words in content are broken."""
        ...

    def count_tokens(self, text: str, /) -> int:
        """Count the tokens of a text."""
        ...

    def generate(
        self,
        prompt: str,
        /,
        *,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        within: OutputConstraint | None = None,
        on_done: Callable[[Usage], None] | None = None,
    ) -> AsyncGenerator[str]:
        """Yield an answer in pieces; closing stops the model. Raises EngineError."""
        ...

    def stats(self) -> EngineStats:
        """Return the figures since it was loaded."""
        ...


class UnknownModel(Exception):
    """No version of that name is served."""


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version that answers. `share` of the conversations are meant for it where it is the canary.

    `reading` is what it learned to read, `profile` how fast it reads and writes here, `confidence` what was
    fitted to its own answers.
    """

    name: str
    engine: TextEngine
    status: VersionStatus = VersionStatus.LIVE
    share: float = 0.0
    reading: Reading | None = None
    profile: Profile | None = None
    created: int = 0
    confidence: VersionConfidence | None = None


class ServedModels(Protocol):
    """The versions of a server."""

    def list_versions(self) -> Sequence[ServedVersion]:
        """Return what is served, the live one first."""
        ...

    def lend(self, name: str, user: str, /) -> AbstractContextManager[ServedVersion]:
        """Lend a version until the answer is written; it is not unloaded before. Raises UnknownModel.

        `live` is the live version; for a `user` in the canary's share it is the canary.
        """
        ...


class _OpenedEngine(OpenedVersion, Protocol):
    """What the server's loading function returns: a version in memory with its engine."""

    @property
    def engine(self) -> TextEngine: ...


class LiveModels:
    """The live version and the canary, as `live.json` wants them."""

    def __init__(self, swapping: ModelSwapper) -> None:
        self._swapping = swapping

    def list_versions(self) -> Sequence[ServedVersion]:
        """Return the live version and the canary."""
        now = self._swapping.rollout
        return [self._describe(name) for name in (now.name, now.canary) if name]

    @contextmanager
    def lend(self, name: str, user: str) -> Generator[ServedVersion]:
        """See `ServedModels`."""
        now = self._swapping.rollout
        chosen = (now.choose_version(user) if user else now.name) if name in ("", LIVE) else name
        try:
            lease = self._swapping.leases[chosen]
        except KeyError:
            raise UnknownModel(name) from None
        with lease.acquire():
            yield self._describe(chosen)

    def _describe(self, name: str) -> ServedVersion:
        lease, now = self._swapping.leases[name], self._swapping.rollout
        return ServedVersion(
            name,
            cast("_OpenedEngine", lease.opened).engine,
            now.derive_status(name),
            now.share if name == now.canary else 0.0,
            lease.version.reading,
            lease.opened.profile,
            int(lease.version.created_at.timestamp()),
            parse_version_confidence(lease.version.confidence),
        )


class OneModel:
    """A single version that answers everybody."""

    def __init__(self, version: ServedVersion) -> None:
        self._version = version

    def list_versions(self) -> Sequence[ServedVersion]:
        """Return it."""
        return [self._version]

    @contextmanager
    def lend(self, name: str, _user: str) -> Generator[ServedVersion]:
        """See `ServedModels`."""
        if name not in ("", LIVE, self._version.name):
            raise UnknownModel(name)
        yield self._version


Said = str | EngineError
Says = Sequence[Said] | Callable[[Sequence[Mapping[str, str]]], Said]
_WORD = re.compile(r"\S+\s*|\s+")
_BUSY_S = 1.0


class CannedEngine:
    """Says its lines, a word (which is its token) at a time; a line that is an error is raised.

    `most` requests at once are taken, one more hears that it is busy. `cancelled` counts those that were left
    before their end; `fails_late` is raised in the midst of an answer. A prompt that
    begins like one before has its words "cached".
    """

    def __init__(
        self, lines: Says, *, delay_s: float = 0.0, context_tokens: int = 2048, most: int = 18
    ) -> None:
        self.context_tokens = context_tokens
        self.cancelled = 0
        self.asked: list[dict[str, object]] = []
        self.fails_late: EngineError | None = None
        self._lines, self._delay_s, self._most = lines, delay_s, most
        self._said = self._answered = self._under_way = 0
        self._before: list[str] = []

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return them as JSON: it remains to be seen who said what."""
        return json.dumps(list(map(dict, messages)))

    def count_tokens(self, text: str) -> int:
        """Count words."""
        return len(text.split())

    async def generate(
        self,
        prompt: str,
        *,
        max_new_tokens: int,
        stop: Sequence[str] = (),
        sampling: Sampling = GREEDY,
        within: OutputConstraint | None = None,
        on_done: Callable[[Usage], None] | None = None,
    ) -> AsyncGenerator[str]:
        """See `TextEngine`. Held to pages, it says its line where that stands there, else the sentence."""
        read = prompt.split()
        if len(read) + max_new_tokens > self.context_tokens:
            raise PromptTooLong(len(read), max_new_tokens, self.context_tokens)
        if self._under_way >= self._most:
            raise EngineBusy(_BUSY_S)
        line = self._next_line(prompt)
        if within is not None:
            line = line if any(line in page for page in within.pages) else within.sentence
        self.asked.append({"prompt": prompt, "sampling": sampling, "within": within})
        until = min((at for word in stop if (at := line.find(word)) >= 0), default=len(line))
        words = _WORD.findall(line[:until])
        cached = _count_shared(self._before, read)
        self._before = read
        self._under_way += 1
        ended = False
        try:
            for word in words[:max_new_tokens]:
                await asyncio.sleep(self._delay_s)
                if self.fails_late is not None:
                    raise self.fails_late
                yield word
            ended = True
        finally:
            self._under_way -= 1
            self.cancelled += not ended
        self._answered += 1
        reason = "stop" if until < len(line) else "length" if len(words) > max_new_tokens else "eos"
        if on_done is not None:
            on_done(Usage(len(read), cached, min(len(words), max_new_tokens), 0.0, 0.0, reason))

    def stats(self) -> EngineStats:
        """Return the figures."""
        return EngineStats(active=self._under_way, answered=self._answered, cancelled=self.cancelled)

    def _next_line(self, prompt: str) -> str:
        lines, self._said = self._lines, self._said + 1
        said = lines(json.loads(prompt)) if callable(lines) else lines[(self._said - 1) % len(lines)]
        if isinstance(said, EngineError):
            raise said
        return said


def _count_shared(before: Sequence[str], now: Sequence[str]) -> int:
    with contextlib.suppress(StopIteration):
        return next(at for at, (one, other) in enumerate(zip(before, now, strict=False)) if one != other)
    return min(len(before), max(0, len(now) - 1))
