"""Which store a command line names: `sqlite:PATH` (or a path), `cosmos:`, `cosmos:DATABASE/CONTAINER`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from feedback.cosmos import CosmosStore
from feedback.cosmos_schema import CosmosConfig
from feedback.sqlite import SqliteStore
from feedback.store import StoreError

_SQLITE, _COSMOS = "sqlite:", "cosmos:"


class StoreNameInvalid(StoreError):
    """A person named no store."""


@dataclass(frozen=True, slots=True)
class NamedStore:
    """A store that is not open yet: a file, or a container.

    `name` is what people are told, and what a copy remembers; `journal` is the file in which a copy into this store
    keeps how far it is.
    """

    name: str
    journal: Path
    path: Path | None = None
    config: CosmosConfig | None = None

    def is_same(self, other: NamedStore) -> bool:
        """Whether both are one store, also by two links to one file."""
        if self.path and other.path and self.path.exists() and other.path.exists():
            return self.path.samefile(other.path)
        return self.name == other.name

    @asynccontextmanager
    async def opened(self, *, new: bool = False) -> AsyncGenerator[SqliteStore | CosmosStore]:
        """Open the store; a file may be `new`. Raises StoreError."""
        store = await self._open(new=new)
        try:
            yield store
        finally:
            await store.close()

    async def _open(self, *, new: bool) -> SqliteStore | CosmosStore:
        if self.config is not None:
            return await CosmosStore.open(self.config)
        path = self.path
        assert path is not None  # noqa: S101 - it is one or the other
        if not new and not await asyncio.to_thread(path.is_file):
            raise StoreNameInvalid(f"There is no file {path}.")
        return await asyncio.to_thread(SqliteStore.open, path)


@dataclass(frozen=True, slots=True)
class Known:
    """What names are short for: the settings' file and account (None: there is none), the folder for journals."""

    file: Path
    cosmos: CosmosConfig | None
    journals: Path


def named(name: str, known: Known) -> NamedStore:
    """Return the store of a name; "" is the one that the settings name. Raises StoreNameInvalid."""
    if name.startswith(_COSMOS) or (not name and known.cosmos):
        return _container(name.removeprefix(_COSMOS), known)
    path = Path(name.removeprefix(_SQLITE) or known.file).resolve()  # links to one file are the same store
    return NamedStore(f"{_SQLITE}{path}", path.with_name(path.name + ".copy"), path=path)


def _container(where: str, known: Known) -> NamedStore:
    config = known.cosmos
    if config is None:
        raise StoreNameInvalid(
            "No Cosmos DB account is named: set cosmos_endpoint to its address, https://…."
        )
    if where:
        database, slash, container = where.partition("/")
        if not (database and slash and container) or "/" in container:
            raise StoreNameInvalid(
                f"cosmos:{where} names no container: write cosmos:DATABASE/CONTAINER, or cosmos:."
            )
        config = replace(config, database=database, container=container)
    endpoint = config.endpoint.rstrip("/").removesuffix(":443").lower()
    name = f"{_COSMOS}{config.database}/{config.container} at {endpoint}"
    short = hashlib.sha256(name.encode()).hexdigest()[:16]
    return NamedStore(name, known.journals / f"{short}.copy", config=config)
