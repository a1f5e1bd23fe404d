"""Copies all rows of a store into another one, whatever their forms; it can be killed at any moment.

    copied = await Copying(source, target, journal).run("the source's name")

Both stores are read along their keys, side by side: what only the source has is put, what differs is put
again, and what only the target has is removed. So a second copy carries over what has changed. Only rows that
the copy has put itself are replaced or removed (feedback/store/copy_journal.py): what others wrote into the
target stays. Where a store is away for a while, `Patient` repeats calls for a bounded time.

    StoreError
    └── CopyFailed   a copy may not begin, or is not whole; the sentence says why
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from feedback.store.base import RecordInvalid, StoreError, StoreUnavailable
from feedback.store.copy_journal import CopyPosition, Intent, Journal, hash_row
from feedback.store.rows import PAGE, TABLES, Row, Rows, Sum, Table, every_row, sum_rows, to_line

T = TypeVar("T")
TellWaiting = Callable[[StoreUnavailable, float], None]
"""Hears why a call is made again, and in how many seconds."""

_FIRST_S, _LONGEST_S = 1.0, 30.0


class Patient:
    """The rows of a store. Every call is made until it works, or the store was away for `wait_s` seconds.

    The pauses double from one second to half a minute, and are shortened by chance, so that several programs
    do not come back together. Raises the last StoreUnavailable.
    """

    def __init__(self, store: Rows, wait_s: float, tell: TellWaiting = lambda error, pause_s: None) -> None:
        self._store = store
        self._wait_s = wait_s
        self._tell = tell

    async def rows(
        self, table: Table, after: str = "", limit: int = PAGE, person: str | None = None
    ) -> Sequence[Row]:
        return await self._until_done(lambda: self._store.rows(table, after, limit, person))

    async def put_rows(self, rows: Sequence[Row]) -> None:
        await self._until_done(lambda: self._store.put_rows(rows))

    async def drop_rows(self, rows: Sequence[Row]) -> None:
        await self._until_done(lambda: self._store.drop_rows(rows))

    async def count(self, table: Table) -> int:
        return await self._until_done(lambda: self._store.count(table))

    async def _until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        give_up_at, pause_s = loop.time() + self._wait_s, _FIRST_S
        while True:
            try:
                return await call()
            except StoreUnavailable as error:
                wait_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret
                if loop.time() + wait_s > give_up_at:
                    raise
                self._tell(error, wait_s)
                await asyncio.sleep(wait_s)
                pause_s = min(pause_s * 2, _LONGEST_S)


BATCH = 250
"""Rows that are compared between two entries of the journal; so many at most are put again after a kill."""
_PASSES = 2
_NAMED = 5

Tell = Callable[[str, int, int], None]
"""Hears what is done, how many rows are done, and of how many."""
Pair = tuple[str, Row | None, Row | None]


class CopyFailed(StoreError):
    """A copy may not begin, or is not whole."""


@dataclass(slots=True)
class Named:
    """How many records something is the matter with, and the first of them, for a sentence."""

    count: int = 0
    first: list[str] = field(default_factory=list[str])

    def add(self, row: Row, what: str = "") -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(f"{row.table} {row.key!r}{what}")

    def sentence(self, words: str) -> str:
        """Return the words, in which {n} is how many, and the first names."""
        more = ", …" if self.count > len(self.first) else ""
        which = f": {', '.join(self.first)}{more}" if self.first else ""
        return f"{words.format(n=f'{self.count:,}' if self.count else 'some')}{which}."


@dataclass(slots=True)
class Copied:
    """What a copy did.

    `sums` are the source's and the target's, by table; `went_on` says that it was begun earlier. `strange`
    are rows of the target that are not the copy's own, and differ: they were left. `refused` are those that
    the target could not take.
    """

    went_on: bool = False
    put: int = 0
    dropped: int = 0
    strange: Named = field(default_factory=Named)
    refused: Named = field(default_factory=Named)
    sums: Mapping[Table, tuple[Sum, Sum]] = field(default_factory=dict[Table, tuple[Sum, Sum]])

    @property
    def same(self) -> bool:
        """Whether both stores hold the same."""
        return all(ours == theirs for ours, theirs in self.sums.values())


@dataclass(slots=True)
class _Batch:
    compared: int = 0
    puts: list[Intent] = field(default_factory=list[Intent])
    drops: list[Row] = field(default_factory=list[Row])


class Copying:
    """One copy.

    `into_existing`: the target has other rows, too, which stay; of a row that both have, the source's counts.
    """

    def __init__(
        self,
        source: Rows,
        target: Rows,
        journal: Journal,
        *,
        into_existing: bool = False,
        tell: Tell = lambda what, done, total: None,
    ) -> None:
        self._source = source
        self._target = target
        self._journal = journal
        self._into_existing = into_existing
        self._tell = tell
        self._copied = Copied()
        self._looked = 0

    async def run(self, source_name: str) -> Copied:
        """Copy, compare, and copy what has changed meanwhile. Raises CopyFailed, and other StoreErrors."""
        await self._begin(source_name)
        place = self._journal.place
        self._copied.went_on = place is not None
        for _ in range(_PASSES):
            await self._carry(place)
            self._journal.finish()
            if self._copied.refused.count:
                raise CopyFailed(self._copied.refused.sentence("The target does not take {n} of the records"))
            self._copied.sums = {table: await self._sums(table) for table in TABLES}
            if self._copied.same:
                break
            place = None
        await self._must_be_whole()
        return self._copied

    async def _begin(self, source_name: str) -> None:
        counts = [await self._target.count(table) for table in TABLES]
        if not any(counts):
            self._journal.begin(source_name)
        elif self._journal.source != source_name:
            if not self._into_existing:
                raise CopyFailed(
                    f"The target holds {sum(counts):,} records already and is no copy of this source that was"
                    " begun here. Name an empty one, or add --into-existing: what it holds stays, and of"
                    " what both have the source's counts."
                )
            self._journal.begin(source_name)

    async def _carry(self, place: CopyPosition | None) -> None:
        total = sum([await self._source.count(table) for table in TABLES])
        self._copied.strange = Named()
        self._looked = place.looked if place else 0
        first = place.table if place else TABLES[0]
        for table in TABLES[TABLES.index(first) :]:
            after, batch = place.key if place and table == place.table else "", _Batch()
            async for key, ours, theirs in _pairs(self._source, self._target, table, after):
                self._sort_out(batch, ours, theirs)
                after = key
                if batch.compared == BATCH:
                    await self._do(batch, CopyPosition(table, after, self._looked))
                    batch = _Batch()
                self._tell(f"Copying {table} records", self._looked, total)
            await self._do(batch, CopyPosition(table, after, self._looked))

    def _sort_out(self, batch: _Batch, ours: Row | None, theirs: Row | None) -> None:
        batch.compared += 1
        self._looked += ours is not None
        if theirs is None:
            if ours is not None:
                batch.puts.append(Intent(ours))
        elif ours is None:
            if self._journal.is_ours(theirs):
                batch.drops.append(theirs)
            elif not self._into_existing:
                self._copied.strange.add(theirs)
        elif to_line(ours) != to_line(theirs):
            if self._into_existing or self._journal.is_ours(theirs):
                batch.puts.append(Intent(ours, hash_row(theirs)))
            else:
                self._copied.strange.add(theirs)

    async def _do(self, batch: _Batch, place: CopyPosition) -> None:
        self._journal.intend(batch.puts)
        rows = [intent.row for intent in batch.puts]
        if rows:
            await self._put(rows)
        if batch.drops:
            await self._target.drop_rows(batch.drops)
        self._copied.put += len(rows)
        self._copied.dropped += len(batch.drops)
        self._journal.reach(place, batch.drops)

    async def _put(self, rows: Sequence[Row]) -> None:
        try:
            await self._target.put_rows(rows)
        except RecordInvalid as error:
            if len(rows) == 1:
                self._copied.refused.add(rows[0], f" ({error})")
                return
            for row in rows:  # one of them is to blame
                await self._put([row])

    async def _sums(self, table: Table) -> tuple[Sum, Sum]:
        """Count and hash what both hold.

        Where the target holds other rows, too, of those that the source has.
        """
        count = await self._source.count(table)
        ours = self._report_progress(every_row(self._source, table), table, count)
        theirs = every_row(self._target, table)
        if self._into_existing or self._copied.strange.count:
            theirs = _find_shared_rows(self._source, self._target, table)
        return await sum_rows(ours), await sum_rows(theirs)

    async def _report_progress(
        self, rows: AsyncIterator[Row], table: Table, total: int
    ) -> AsyncIterator[Row]:
        done = 0
        async for row in rows:
            done += 1
            self._tell(f"Comparing {table} records", done, total)
            yield row

    async def _must_be_whole(self) -> None:
        if self._copied.strange.count:
            raise CopyFailed(
                self._copied.strange.sentence(
                    "The target has {n} records that are not from this copy, or were changed there since"
                )
                + " They are as they were; all else is carried over. If that is right, add --into-existing;"
                " then the source's form counts where both have one."
            )
        if not self._copied.same:
            raise CopyFailed(
                (await self._differences()).sentence("After two rounds {n} records differed")
                + " A bot that runs on either store changes it: stop it and run the command again, which"
                " carries over the difference. An answer whose question has expired is not carried over;"
                " `askpage store retain` removes it."
            )

    async def _differences(self) -> Named:
        found = Named()
        for table in TABLES:
            async for _, ours, theirs in _pairs(self._source, self._target, table):
                if ours is None:
                    if theirs is not None and not self._into_existing:
                        found.add(theirs, " is in the target only")
                elif theirs is None:
                    found.add(ours, " is in the source only")
                elif to_line(ours) != to_line(theirs):
                    found.add(ours, " differs")
        return found


async def _pairs(source: Rows, target: Rows, table: Table, after: str = "") -> AsyncIterator[Pair]:
    """Yield (key, the source's row, the target's row) in the order of the keys.

    One of the rows may be missing.
    """
    ours, theirs = every_row(source, table, after), every_row(target, table, after)
    one, two = await anext(ours, None), await anext(theirs, None)
    while one is not None or two is not None:
        if two is None or (one is not None and one.key < two.key):
            assert one is not None  # noqa: S101 - for the type checker
            yield one.key, one, None
            one = await anext(ours, None)
        elif one is None or two.key < one.key:
            yield two.key, None, two
            two = await anext(theirs, None)
        else:
            yield one.key, one, two
            one, two = await anext(ours, None), await anext(theirs, None)


async def _find_shared_rows(source: Rows, target: Rows, table: Table) -> AsyncIterator[Row]:
    async for _, ours, theirs in _pairs(source, target, table):
        if ours is not None and theirs is not None:
            yield theirs
