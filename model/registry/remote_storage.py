"""A folder on another machine, by its URL: files are verified, and never written over unseen.

    file:///mnt/models, memory://models               a folder that is there already (a share, say); tests
    abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/x   Azure Blob Storage, as whom `DefaultAzureCredential`
                                                      finds

Others are refused: `create` needs a place where of two who create the same name only one can. Azure has that
(If-None-Match), a file system too (link). Everything here blocks: call it in a thread.

    VersionError (model/registry/versions.py)
    └── RemoteAway    it cannot be reached, or lets nobody in     (a person sees it)
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from core.files import sync_folder
from model.registry.versions import ModelDamaged, VersionError

_BLOCK = 1 << 22
_FILE = ("file", "local")
_KNOWN = (*_FILE, "memory", "abfs", "abfss", "az")


class RemoteUnavailable(VersionError):
    """It cannot be reached."""

    def __init__(self, url: str, why: object) -> None:
        super().__init__(f"the models at {url} cannot be reached: {why or 'no reason is known'}")


class TransferStopped(VersionError):
    """The process that asked for the transfer is ending."""


class RemoteFolder:
    """The folder at `url`.

    `options` are the file system's own; `stopping` ends a transfer between two blocks.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.url = url
        self._options = dict(options or {})
        self._stopping = stopping
        self._local = url.partition("://")[0] in _FILE
        self._found: tuple[Any, str] | None = None
        if url.partition("://")[0] not in _KNOWN:
            raise VersionError(f"models_url begins with one of {', '.join(_KNOWN)}: {url} does not")

    def read(self, name: str) -> bytes | None:
        """Return a small file, None where there is none. Raises RemoteAway."""
        with self._reaching() as (fs, root):
            try:
                return fs.cat_file(f"{root}/{name}")
            except FileNotFoundError:
                return None

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, none where there is no folder. Raises RemoteAway."""
        with self._reaching() as (fs, root):
            try:
                return sorted(path.rpartition("/")[2] for path in fs.ls(f"{root}/{folder}", detail=False))
            except FileNotFoundError:
                return []

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file that is not there yet, at once or not at all; tell whether it was not.

        Raises RemoteAway.
        """
        with self._reaching() as (fs, root):
            path = f"{root}/{name}"
            try:
                if self._local:
                    _link_new(Path(path), content)
                else:
                    fs.pipe_file(path, content, mode="create")
            except FileExistsError:
                return False
            return True

    def write(self, name: str, content: bytes) -> None:
        """Write a small file, or replace it whole. Raises RemoteAway."""
        with self._reaching() as (fs, root):
            path = f"{root}/{name}"
            if self._local:
                part = _write_part(Path(path), content)
                part.replace(path)
            else:
                fs.pipe_file(path, content)

    def send(self, path: Path, name: str, sha256: str) -> None:
        """Upload a file, and read it back: what is not the same is deleted there.

        Raises ModelDamaged, RemoteAway.

        What is there already, whole, is not sent again: an upload that was cut off goes on with the next
        file.
        """
        if self._sha256(name) == sha256:
            return
        with self._reaching() as (fs, root):
            self._upload(fs, path, f"{root}/{name}")
        if self._sha256(name) != sha256:
            with self._reaching() as (fs, root):
                fs.rm_file(f"{root}/{name}")
            raise ModelDamaged(f"{path} did not arrive at {self.url} as it is here: it will be sent again")

    def fetch(self, name: str, path: Path, sha256: str) -> None:
        """Download a file. Raises ModelDamaged where it is not what it should be, RemoteAway."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            found = self._sha256(name, file.write)
        if found != sha256:
            path.unlink()
            raise ModelDamaged(f"{name} at {self.url} is {'missing' if not found else 'damaged'}")

    def remove(self, folder: str, first: str) -> None:
        """Delete a folder, one file before the others. Raises RemoteAway."""
        with self._reaching() as (fs, root):
            for path in (f"{root}/{folder}/{first}", f"{root}/{folder}"):
                if fs.exists(path):
                    fs.rm(path, recursive=path.endswith(f"/{folder}"))

    def _upload(self, fs: Any, path: Path, to: str) -> None:
        with path.open("rb") as file, fs.open(to, "wb", block_size=_BLOCK) as there:
            while block := file.read(_BLOCK):
                self._go_on()
                there.write(block)

    def _sha256(self, name: str, also: Callable[[bytes], object] = len) -> str:
        """Return the hash of a file, "" where there is none; `also` gets its blocks."""
        digest = hashlib.sha256()
        with self._reaching() as (fs, root):
            try:
                with fs.open(f"{root}/{name}", "rb", block_size=_BLOCK, cache_type="readahead") as file:
                    while block := file.read(_BLOCK):
                        self._go_on()
                        digest.update(block)
                        also(block)
            except FileNotFoundError:
                return ""
        return digest.hexdigest()

    def _go_on(self) -> None:
        if self._stopping():
            raise TransferStopped("the transfer of a model version was stopped")

    @contextmanager
    def _reaching(self) -> Generator[tuple[Any, str]]:
        """Yield the file system and the folder's path there; what goes wrong there is RemoteAway."""
        try:
            if self._found is None:
                self._found = self._find()
            self._check_folder(self._found[1])
            yield self._found
        except VersionError:
            raise
        except ImportError as error:
            raise RemoteUnavailable(self.url, f"{error}; pip install 'askpage[azure-blob]'") from error
        except Exception as error:
            raise RemoteUnavailable(
                self.url, str(error).partition("\n")[0] or type(error).__name__
            ) from error

    def _check_folder(self, root: str) -> None:
        """Refuse a folder that is gone: a share that is not mounted is no empty one."""
        if self._local and not Path(root).is_dir():
            raise RemoteUnavailable(self.url, "there is no such folder")

    def _find(self) -> tuple[Any, str]:
        from fsspec.core import (  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs]
            url_to_fs,  # pyright: ignore[reportUnknownVariableType]
        )

        more = {"auto_mkdir": True} if self._local else {}
        found = cast(
            "tuple[Any, str]", url_to_fs(self.url, use_listings_cache=False, **more, **self._options)
        )
        return found[0], found[1].rstrip("/")


def _write_part(path: Path, content: bytes) -> Path:
    """Write under a name of its own beside a file; return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return part


def _link_new(path: Path, content: bytes) -> None:
    """Give a written file its name if nobody has that. Raises FileExistsError."""
    part = _write_part(path, content)
    try:
        os.link(part, path)
        sync_folder(path.parent)
    finally:
        part.unlink()
