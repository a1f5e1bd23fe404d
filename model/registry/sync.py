"""Keeps looking, in a thread of its own, at what other machines did with the model versions.

It blocks nobody: while the other place is away, or a version comes slowly, what is loaded goes on answering.
The log says once that it is away, and once that it is there again.

The versions of this folder and those at `models_url`: one standing for every machine that has the same URL.

    NAME/…, NAME/version.json      a version: its files, each read back and compared, and then its manifest
    live/00000007.json             the seventh standing: as `live.json`, and never changed once it is there

A step (promote, canary, …) takes turns with everybody: this folder takes over what is newest there, the step
is done here, the versions that it names are sent, and the next number is created, which only one machine can.
Whoever was slower takes over what the faster one did, and does the step again upon that, or is told that it
is not possible any more. So every standing was made by somebody who knew the one before, and none is written
over.

Whoever is killed in between leaves the old standing there or the new one, and the next step or look does the
rest: what was done here and not sent is sent, unless somebody else took a step meanwhile: then theirs holds,
and the log says so. A version is fetched whole, with every hash compared, before `live.json` here names it.

    VersionError (model/registry/versions.py)
    └── NotPublished    done here, and not there yet     (a person sees it)
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import threading
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from core.files import only_one, whole_folder, write_durably
from model.registry.remote_storage import RemoteFolder, RemoteUnavailable
from model.registry.rollout import Needs, Publish, publish_nowhere, put_rollout
from model.registry.versions import (
    MANIFEST,
    ModelDamaged,
    ModelMissing,
    ModelVersion,
    NotPossible,
    RolloutState,
    VersionError,
    is_as_new,
    parse_rollout,
    parse_version,
    read_rollout,
    read_version,
    render_rollout,
    take_newer,
)

log = logging.getLogger(__name__)

NOTE, LOCK = ".remote.json", ".remote.lock"
_STANDINGS = "live"
_TRIES = 5


class NotPublished(VersionError):
    """A step is done here, and not there yet."""


@dataclass(frozen=True, slots=True)
class _SyncState:
    """The state that this folder and the one at `url` agreed on last; 0: nothing yet."""

    url: str
    generation: int = 0
    standing: RolloutState = field(default_factory=RolloutState)


class SyncedVersions:
    """The versions in `models_dir`, and those at a remote place.

    A `Publish`; `look` does the same without a step.
    """

    def __init__(self, models_dir: Path, remote: RemoteFolder) -> None:
        self._models_dir = models_dir
        self._remote = remote

    def __call__(self, needs: Needs, step: Callable[[], RolloutState]) -> RolloutState:
        """Take a step with everybody.

        Raises RemoteAway (nothing was done), NotPublished, and what the step raises.
        """
        self._models_dir.mkdir(parents=True, exist_ok=True)
        with only_one(self._models_dir / LOCK):
            self._catch_up()
            for _ in range(_TRIES):
                names = needs(read_rollout(self._models_dir))
                self._fetch_missing(names)
                now = step()
                if self._send_step(names):
                    return now
                self._catch_up(now)
        raise NotPublished(f"other machines are faster again and again at {self._remote.url}: try again")

    def look(self) -> None:
        """Take over what is new there; send what was done here. Raises VersionError.

        Does nothing where another process is at it.
        """
        self._models_dir.mkdir(parents=True, exist_ok=True)
        try:
            with only_one(self._models_dir / LOCK, wait=False):
                self._catch_up()
        except BlockingIOError:
            return

    def bring(self, name: str) -> None:
        """Fetch a version that is not here, if it is there. Raises VersionError."""
        self._models_dir.mkdir(parents=True, exist_ok=True)
        with only_one(self._models_dir / LOCK):
            self._fetch_missing((name,))

    def send(self, name: str) -> None:
        """Send a version that is here and not there. Raises VersionError."""
        with only_one(self._models_dir / LOCK):
            self._send_version(name, must=True)

    def _catch_up(self, again: RolloutState | None = None) -> None:
        """Agree. `again` is a step that will be done again: that it is lost need not be told."""
        noted = self._read_note()
        newest = self._newest(noted.generation)
        if newest:
            self._take_over(noted, *newest, again)
        elif read_rollout(self._models_dir) != noted.standing:
            self._send(noted, ())

    def _newest(self, known: int) -> tuple[int, RolloutState] | None:
        """Return the newest standing there after that one, with its number."""
        if not known:
            numbers = [name.partition(".")[0] for name in self._remote.names(_STANDINGS)]
            known = max(0, max((int(number) for number in numbers if number.isdigit()), default=0) - 1)
        found = None
        while text := self._remote.read(_build_path(known + 1)):
            known += 1
            found = known, self._parse_standing(text)
        return found

    def _parse_standing(self, text: bytes) -> RolloutState:
        try:
            standing = parse_rollout(text.decode())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelDamaged(f"what stands where at {self._remote.url} cannot be read") from error
        for name in _list_names(standing):
            _check_path(name)
        return standing

    def _read_note(self) -> _SyncState:
        url = self._remote.url
        try:
            raw = json.loads((self._models_dir / NOTE).read_text("utf-8"))
            noted = _SyncState(raw["url"], int(raw["generation"]), parse_rollout(raw["standing"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return _SyncState(url)
        return noted if noted.url == url else _SyncState(url)

    def _note(self, generation: int, standing: RolloutState) -> None:
        raw = {"url": self._remote.url, "generation": generation, "standing": render_rollout(standing)}
        write_durably(self._models_dir / NOTE, json.dumps(raw) + "\n")

    # From there

    def _take_over(
        self, noted: _SyncState, number: int, wanted: RolloutState, again: RolloutState | None
    ) -> None:
        for name in filter(None, (wanted.name, wanted.canary)):
            self._fetch(name)
        before = put_rollout(self._models_dir, wanted)
        if before not in (noted.standing, wanted, again):
            log.warning("what stood where here was not at %s: what stands there holds", self._remote.url)
        self._note(number, wanted)
        for name in _find_removed(noted.standing, wanted):  # another machine has deleted it
            shutil.rmtree(self._models_dir / name, ignore_errors=True)

    def _fetch_missing(self, names: Collection[str]) -> None:
        for name in names:
            if _is_path(name) and read_version(self._models_dir / name) is None and self._there(name):
                self._fetch(name)

    def _fetch(self, name: str) -> None:
        """Bring a version here, whole or not at all, unless it is here."""
        there, text = self._there(name), self._remote.read(f"{name}/{MANIFEST}")
        if there is None or text is None:
            raise ModelDamaged(f"{name} is not at {self._remote.url}, or not whole")
        here = _read_or_none(self._models_dir / name)
        if here and here.files == there.files:
            take_newer(here, there)
            return
        with whole_folder(self._models_dir / name) as part:
            for file, sha256 in there.files.items():
                _check_path(file)
                self._remote.fetch(f"{name}/{file}", part / file, sha256)
            (part / MANIFEST).write_bytes(text)
        log.info("%s was fetched from %s", name, self._remote.url)

    def _there(self, name: str) -> ModelVersion | None:
        """Return what the manifest of a version there says; None where there is none."""
        text = self._remote.read(f"{name}/{MANIFEST}")
        return None if text is None else parse_version(text.decode(), self._models_dir / name)

    # To there

    def _send_step(self, names: Collection[str]) -> bool:
        """Send a step that was done; tell whether nobody was faster. Raises NotPublished."""
        try:
            return self._send(self._read_note(), names)
        except VersionError as error:
            raise NotPublished(
                f"it is done here, but not at models_url; the next step or look sends it: {error}"
            ) from error

    def _send(self, noted: _SyncState, names: Collection[str]) -> bool:
        now = read_rollout(self._models_dir)
        for name in dict.fromkeys((now.name, now.canary, *now.before[-1:], *names)):
            if name:
                self._send_version(name, must=name in (now.name, now.canary))
        if now == noted.standing:
            return True
        if noted.generation and self._remote.read(_build_path(noted.generation)) is None:
            raise RemoteUnavailable(self._remote.url, f"{_build_path(noted.generation)} is gone there")
        if not self._remote.create(_build_path(noted.generation + 1), render_rollout(now).encode()):
            return False
        self._note(noted.generation + 1, now)
        for name in _find_removed(noted.standing, now):
            self._remote.remove(name, MANIFEST)
        return True

    def _send_version(self, name: str, *, must: bool) -> None:
        """Send what is not there: the files, then the manifest, or a manifest that says more."""
        here, there = read_version(self._models_dir / name), self._there(name)
        if here is None:
            if must and there is None:
                raise ModelMissing(name)
            return
        if there and there.files != here.files:
            raise NotPossible(f"another version of the name {name} is at {self._remote.url}")
        here = take_newer(here, there) if there else here
        if there and there.scores.items() >= here.scores.items() and is_as_new(there, here):
            return
        for file, sha256 in () if there else here.files.items():
            self._remote.send(here.folder / file, f"{name}/{file}", sha256)
        self._remote.write(f"{name}/{MANIFEST}", (here.folder / MANIFEST).read_bytes())


def publish_to(models_dir: Path, url: str) -> Publish:
    """Return what steps are taken with: with everybody, or, where `models_url` is empty, only here."""
    return SyncedVersions(models_dir, RemoteFolder(url)) if url else publish_nowhere


def catch_up(models_dir: Path, url: str) -> Publish:
    """Take over what other machines did, and return what steps are taken with. Raises VersionError."""
    publish = publish_to(models_dir, url)
    if isinstance(publish, SyncedVersions):
        publish.look()
    return publish


def _build_path(generation: int) -> str:
    return f"{_STANDINGS}/{generation:08d}.json"


def _list_names(standing: RolloutState) -> tuple[str, ...]:
    names = (standing.name, standing.canary, *standing.before, *standing.retired)
    return tuple(name for name in names if name)


def _find_removed(before: RolloutState, now: RolloutState) -> set[str]:
    """Return the retired versions that were deleted in between."""
    return {*before.before, *before.retired} - {*_list_names(now)}


def _is_path(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith(("/", ".")) and ".." not in parts


def _check_path(name: str) -> None:
    """Refuse names from elsewhere that lead out of the folder. Raises ModelDamaged."""
    if not _is_path(name):
        raise ModelDamaged(f"{name!r} is no name of a version or of a file in it")


def _read_or_none(folder: Path) -> ModelVersion | None:
    """Return the version in a folder; one whose manifest cannot be read is fetched anew."""
    try:
        return read_version(folder)
    except ModelDamaged:
        return None


_TRY_AGAIN_S = 60.0
_END_S = 5.0


class _SyncThread:
    """Looks until it is stopped; `ready` once it has looked."""

    def __init__(
        self, look: Callable[[], None], stopping: threading.Event, every_s: tuple[float, float]
    ) -> None:
        self.ready = threading.Event()
        self._look = look
        self._stopping = stopping
        self._poll_s, self._again_s = every_s
        self._said = ""

    def run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            wait_s = self._poll_s if self._look_safely() else self._again_s
            self.ready.set()

    def _look_safely(self) -> bool:
        try:
            self._look()
        except (VersionError, OSError) as error:
            self._note_failure(str(error))
        except Exception as error:
            log.exception("looking at models_url failed; the next look goes on")
            self._said = str(error)
        else:
            if self._said:
                log.info("models_url is followed again")
            self._said = ""
            return True
        return False

    def _note_failure(self, why: str) -> None:
        if not self._said and not self._stopping.is_set():
            log.warning("models_url is not followed, what is loaded goes on answering: %s", why)
        self._said = why


@asynccontextmanager
async def keep_up(
    look: Callable[[], None],
    stopping: threading.Event,
    poll_s: float,
    *,
    wait: bool = False,
    again_s: float = _TRY_AGAIN_S,
) -> AsyncGenerator[None]:
    """Look every `poll_s` seconds, `again_s` seconds after a failure; `wait` for the first look.

    `stopping` is set in the end: it should end a look that takes long.
    """
    looking = _SyncThread(look, stopping, (poll_s, again_s))
    # No thread of the loop's own: a program would wait for its end, however long a server says nothing.
    thread = threading.Thread(target=looking.run, name="models-url", daemon=True)
    thread.start()
    try:
        while wait and not looking.ready.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.05)
        yield
    finally:
        stopping.set()
        await asyncio.to_thread(thread.join, _END_S)
