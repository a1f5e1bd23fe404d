"""The model that answers: opened, replaced by another version while people ask, and closed.

    acquire   the live version, or the canary for its share of the conversations, until the answer is written
    follow    live.json has changed: load the new version beside the old one, let it say something, switch
              new answers, wait for the answers of the old one, unload it
    look      a manifest has changed: what it says of its version's confidence counts for the next answer

    quote     nothing was ever live: where the bot may begin so, the pages' own words are all that is said
              until a version is

No answer is dropped, and none is mixed of two versions. Two versions are in memory while one takes over, and
as long as there is a canary. A version that cannot be loaded changes nothing: the old one goes on, the log
says why, and it is tried again after a while. The base model `canned` is the double, and follows nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from model.answering import grounding
from model.answering.chain import AcquireModel, LoadedModel, always_acquire
from model.answering.chat_model import CannedChatModel, OnnxChatModel
from model.answering.profile import Profile, describe_processor, measure_briefly, memory_gb
from model.answering.version_confidence import parse_version_confidence
from model.onnx_infer import Engine, EngineError, EngineOptions, resolve
from model.registry.catalogue import find_base_model
from model.registry.drafting import is_on
from model.registry.remote_models import ServerChoice, open_remote
from model.registry.remote_storage import RemoteFolder
from model.registry.sync import SyncedVersions, keep_up
from model.registry.versions import (
    MANIFEST,
    ModelVersion,
    RolloutState,
    VersionError,
    find_live_version,
    find_version,
    read_rollout,
    read_version,
    verify_version,
)
from model.text import prompt

log = logging.getLogger(__name__)

MISFORTUNES = (EngineError, VersionError, OSError)
_TRY_AGAIN_S = 60.0


class OpenedVersion(Protocol):
    """A version in memory."""

    @property
    def chat(self) -> BaseChatModel:
        """The chat model that answers."""
        ...

    @property
    def profile(self) -> Profile | None:
        """The speed at which it reads and writes on this machine."""
        ...

    async def close(self) -> None:
        """Free the memory; an answer that is still being written fails with a sentence."""
        ...


Load = Callable[[ModelVersion], Awaitable[OpenedVersion]]
"""Raises EngineError. What it returns has answered once."""


class NoModel:
    """Says nothing, so that the pages' own words are the answer."""

    chat = CannedChatModel([""])
    profile: Profile | None = None

    async def close(self) -> None:
        """Hold nothing."""


NO_MODEL = ModelVersion("no-model", None, "", "", "live", datetime.min.replace(tzinfo=UTC), "", {})
"""What answers are said to come from that no model had a part in."""


def make_loaded(version: ModelVersion, opened: OpenedVersion) -> LoadedModel:
    """Return a version in memory as answers are made with it."""
    own = parse_version_confidence(version.confidence)
    return LoadedModel(opened.chat, version.name, version.reading, opened.profile, confidence=own)


class ModelLease:
    """A version in memory with the number of answers that are being written with it."""

    def __init__(self, version: ModelVersion, opened: OpenedVersion) -> None:
        self.version: ModelVersion = version
        self.opened: OpenedVersion = opened
        self._voice: LoadedModel = make_loaded(version, opened)
        self.manifest_ns = _read_time(version)
        self._answers = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def acquire(self) -> Generator[LoadedModel]:
        self._answers += 1
        self._idle.clear()
        try:
            yield self._voice
        finally:
            self._answers -= 1
            if not self._answers:
                self._idle.set()

    def describe_anew(self, version: ModelVersion) -> None:
        """Answer from now on by what the manifest says now; what is being written ends as it began."""
        if version != self.version:
            self.version, self._voice = version, make_loaded(version, self.opened)

    async def end(self, drain_s: float) -> None:
        """Wait for the answers, then unload. Nothing is lent any more when this is called."""
        try:
            # Not wait_for: in Python 3.11 it forgets a cancellation that comes as the wait ends.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    await self._idle.wait()
        finally:
            await self.opened.close()


def _read_changed(leases: Sequence[ModelLease]) -> list[tuple[ModelLease, ModelVersion]]:
    """Return the versions whose manifests were written anew since they were read. Raises ModelDamaged."""
    changed: list[tuple[ModelLease, ModelVersion]] = []
    for lease in leases:
        written_ns = _read_time(lease.version)
        if written_ns != lease.manifest_ns:
            lease.manifest_ns = written_ns
            version = read_version(lease.version.folder)
            if version is not None and version.files == lease.version.files:
                changed.append((lease, version))
    return changed


def _read_time(version: ModelVersion) -> int:
    """Return when a manifest was written, in nanoseconds; 0 of one that is not there."""
    try:
        return (version.folder / MANIFEST).stat().st_mtime_ns if version.weights_uri else 0
    except OSError:
        return 0


class ModelSwapper:
    """The versions of one folder, in memory as `live.json` wants them.

    `leases` are those in memory. One that is no longer wanted stays there for `linger_s` seconds yet, for
    whoever asks for it by its name and has not heard. `may_wait`: where nothing is live at a start, quote the
    pages until something is.
    """

    def __init__(
        self, models_dir: Path, load: Load, drain_s: float, linger_s: float = 0.0, *, may_wait: bool = False
    ) -> None:
        self._models_dir = models_dir
        self._load = load
        self._drain_s = drain_s
        self._linger_s = linger_s
        self._may_wait = may_wait
        self._now = RolloutState()
        self.leases: dict[str, ModelLease] = {}
        self._wanted = RolloutState()
        self._again_at = float("inf")

    @contextmanager
    def acquire(self, conversation: str) -> Generator[LoadedModel]:
        """Lend the version that answers a conversation now. See `model.answering.chain.AcquireModel`."""
        with self.leases[self._now.choose_version(conversation)].acquire() as loaded:
            yield loaded

    @property
    def rollout(self) -> RolloutState:
        """Who answers whom at present; its names are in memory."""
        return self._now

    async def open(self) -> None:
        """Load what is live; where that fails, what was live before. Raises EngineError, VersionError."""
        self._wanted = wanted = read_rollout(self._models_dir)
        if self._may_wait and not wanted.name:
            self.leases[NO_MODEL.name] = ModelLease(NO_MODEL, NoModel())
            self._now = RolloutState(NO_MODEL.name)
            return
        find_live_version(self._models_dir)  # raises what tells how to import one
        await self._load_first((wanted.name, *reversed(wanted.before)))
        try:
            await self._begin_canary(wanted)
        except MISFORTUNES as error:
            self._note_failure(error)

    async def _load_first(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                await self._take_in(name)
            except MISFORTUNES as error:
                if name == names[-1]:
                    raise
                self._note_failure(error)
            else:
                self._now = RolloutState(name)
                return

    async def look(self) -> None:
        """Do what `live.json` wants, if that is something new, or failed a while ago."""
        try:
            for lease, version in await asyncio.to_thread(_read_changed, [*self.leases.values()]):
                lease.describe_anew(version)
            wanted = await asyncio.to_thread(read_rollout, self._models_dir)
            if wanted == self._wanted and time.monotonic() < self._again_at:
                return
            self._wanted, self._again_at = wanted, float("inf")
            await self._follow(wanted)
        except MISFORTUNES as error:
            self._note_failure(error)

    async def close(self) -> None:
        """Unload everything."""
        for name in [*self.leases]:
            await self.leases.pop(name).opened.close()

    def _note_failure(self, error: Exception) -> None:
        self._again_at = time.monotonic() + _TRY_AGAIN_S
        standing = f"{self._now.name} goes on answering" if self._now.name else "what was live before answers"
        log.error("a model version cannot be loaded, %s: %s", standing, error)

    async def _follow(self, wanted: RolloutState) -> None:
        if self._now.canary not in ("", wanted.canary, wanted.name):
            ended, self._now = self._now.canary, RolloutState(self._now.name)
            await self._let_go(ended)
        if wanted.name != self._now.name:
            await self._take_in(wanted.name)
            before, self._now = self._now.name, RolloutState(wanted.name)
            log.info("%s answers from now on, instead of %s", wanted.name, before)
            if before != wanted.canary:
                await self._let_go(before)
        await self._begin_canary(wanted)

    async def _begin_canary(self, wanted: RolloutState) -> None:
        if wanted.canary:
            await self._take_in(wanted.canary)
            log.info("%s answers %.0f %% of the conversations", wanted.canary, 100 * wanted.share)
        self._now = replace(self._now, canary=wanted.canary, share=wanted.share)

    async def _take_in(self, name: str) -> None:
        """Load a version unless it is loaded; what is damaged is not."""
        if name not in self.leases:
            find_version(self._models_dir, name)
            version = await asyncio.to_thread(verify_version, self._models_dir / name)
            self.leases[name] = ModelLease(version, await self._load(version))

    async def _let_go(self, name: str) -> None:
        await asyncio.sleep(self._linger_s)
        await self.leases.pop(name).end(self._drain_s)


@asynccontextmanager
async def follow_live(swapping: ModelSwapper, poll_s: float) -> AsyncGenerator[ModelSwapper]:
    """Load what is live, and follow what becomes so, until the context is left."""
    await swapping.open()
    look = asyncio.create_task(_look_again(swapping, poll_s), name="model-versions")
    try:
        yield swapping
    finally:
        look.cancel()
        await asyncio.wait([look])
        await swapping.close()


async def _look_again(swapping: ModelSwapper, poll_s: float) -> None:
    while True:
        await asyncio.sleep(poll_s)
        try:
            await swapping.look()
        except Exception:
            log.exception("looking for another model version failed; the next look goes on")


CANNED = "canned"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model that runs, and its options; see the settings of the same names.

    `version` names the one that answers, whatever is live; empty follows what is, looking every `poll_s`
    seconds and leaving the old one `drain_s` seconds for its answers. `url` is where other machines' versions
    are (empty: nowhere). `may_wait`: quote the pages where nothing is live yet, until something is. `server`
    is asked instead of a model in memory, unless a version is named.
    """

    models_dir: Path
    base: str
    answer_tokens: int
    options: EngineOptions
    poll_s: float = 1.0
    drain_s: float = 60.0
    version: str = ""
    url: str = ""
    may_wait: bool = False
    server: ServerChoice | None = None


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """A version in memory: see `model.registry.loading.OpenedVersion`."""

    engine: Engine
    chat: OnnxChatModel
    profile: Profile

    async def close(self) -> None:
        """Free the memory."""
        await self.engine.close()


@asynccontextmanager
async def open_model(choice: ModelChoice) -> AsyncGenerator[AcquireModel]:
    """Load what answers. Raises ModelMissing with what to run when there is nothing, EngineFailed."""
    if choice.server is not None and not choice.version:
        async with open_remote(choice.server, choice.answer_tokens, choice.poll_s) as acquire:
            yield acquire
    elif choice.base == CANNED:
        yield always_acquire(CannedChatModel(quote_first_sentence), CANNED)
    elif choice.version:
        version = find_version(choice.models_dir, choice.version)
        opened = await open_version(version, choice)
        try:
            loaded = make_loaded(version, opened)
            yield lambda _: nullcontext(loaded)
        finally:
            await opened.close()
    else:
        async with open_swapping(choice) as swapping:
            yield swapping.acquire


@asynccontextmanager
async def open_swapping(choice: ModelChoice, linger_s: float = 0.0) -> AsyncGenerator[ModelSwapper]:
    """Load what is live, and follow it. Raises ModelMissing with what to run, EngineFailed."""
    swapping = ModelSwapper(
        choice.models_dir,
        lambda version: open_version(version, choice),
        choice.drain_s,
        linger_s,
        may_wait=choice.may_wait,
    )
    async with _together(choice), follow_live(swapping, choice.poll_s):
        yield swapping


@asynccontextmanager
async def _together(choice: ModelChoice) -> AsyncGenerator[None]:
    """Keep the folder and `url` together; only a folder in which nothing is live is waited for."""
    if not choice.url:
        yield
        return
    stopping = threading.Event()
    published = SyncedVersions(choice.models_dir, RemoteFolder(choice.url, stopping=stopping.is_set))
    empty = not read_rollout(choice.models_dir).name
    async with keep_up(published.look, stopping, choice.poll_s, wait=empty):
        yield


async def open_version(version: ModelVersion, choice: ModelChoice) -> EngineVersion:
    """Load one version, and let it say a word, so that whoever meets it first does not wait.

    Raises EngineError.

    Where its manifest tells nothing of this machine's speed, that is measured now, and kept in memory only.
    """
    loading = asyncio.create_task(asyncio.to_thread(_load_engine, version, choice.options))
    try:
        engine = await asyncio.shield(loading)
    except asyncio.CancelledError:  # its process is there all the same
        with contextlib.suppress(Exception):
            await (await loading).close()
        raise
    try:
        async for _ in engine.generate(engine.render(prompt.build_messages("Who?", ())), max_new_tokens=1):
            pass
        profile = await _determine_profile(version, engine)
    except BaseException:
        await engine.close()
        raise
    return EngineVersion(engine, OnnxChatModel(engine, max_tokens=choice.answer_tokens), profile)


def _load_engine(version: ModelVersion, options: EngineOptions) -> Engine:
    """Load a version, with drafts where they pay, and what the memory holds. Raises EngineFailed."""
    options = resolve(options)
    drafts = is_on(version.drafting, options.device, describe_processor(options))
    memory = memory_gb(options.device, int(options.cuda.get("device_id", "0")))
    return Engine.load(version.folder, replace(options, drafts=drafts, memory_gb=memory))


async def _determine_profile(version: ModelVersion, engine: Engine) -> Profile:
    """Return how fast a version is here, as its manifest says or as it is measured. Raises EngineError."""
    known, options = version.profile, engine.options
    if known and known.holds_on(options.device, options.threads, describe_processor(options)):
        return known
    parameters = known.parameters if known else count_parameters(version)
    return await asyncio.to_thread(measure_briefly, engine, parameters)


def count_parameters(version: ModelVersion) -> int:
    """Return how many weights a version without a profile has, by the catalogue or by its size."""
    known = find_base_model(version.base)
    if known:
        return known.parameters
    weight_bytes = {"fp32": 4, "fp16": 2, "bf16": 2, "int4": 0.5}.get(version.precision, 1)
    graph = [version.folder / name for name in version.files if name.startswith("model.onnx")]
    return int(sum(file.stat().st_size for file in graph if file.is_file()) / weight_bytes)


def quote_first_sentence(messages: Sequence[BaseMessage]) -> str:
    """Return the first sentence of the excerpts that were shown last: the canned model's answer."""
    for message in reversed(messages):
        excerpts, asked, _ = message.text.rpartition("\n\nQuestion: ")
        if asked:
            return next(grounding.sentences(excerpts), "")
    return ""
