"""Looks for a person, or any text, in the store and every file of the data folder: `askpage privacy scan`.

It shows where, how often, and what could not be read; never what stands there.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from bot.web.activities import directory_id
from bot.web.erase import Counts, FileSearch, Words, bytes_below
from cli.console import out, progress_bar
from cli.tables import print_table
from core.settings import Settings
from feedback.privacy.keys import Keys
from feedback.store.rows import TABLES, Row, WholeStore, every_row

PSEUDONYM = re.compile(r"[0-9a-f]{64}")
LOCAL = "local:"
LEAST_CHARACTERS = 3
AS_GIVEN, NAME, ID, AS_ID, EARLIER = (
    "the text",
    "the name",
    "the user id",
    "the pseudonym",
    "the pseudonym under the earlier key",
)


@dataclass
class Scan:
    """What was looked for, by what it is called; where it stands, and how often.

    `unread` is what was not read, with the reason.
    """

    looked_for: Mapping[str, str]
    store: dict[str, Counts] = field(default_factory=dict[str, Counts])
    files: dict[str, Counts] = field(default_factory=dict[str, Counts])
    unread: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def of_pseudonym(self) -> bool:
        """Whether it was a pseudonym.

        All records name people by theirs, so its absence says that there are none.
        """
        return set(self.looked_for) == {AS_ID}

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        places = [*self.store.values(), *self.files.values()]
        return {
            "looked_for": [
                {"what": what, "text": text, "count": sum(counts[what] for counts in places)}
                for what, text in self.looked_for.items()
            ],
            "store": {name: counts.total() for name, counts in self.store.items()},
            "files": {name: counts.total() for name, counts in self.files.items()},
            "unread": self.unread,
        }


def sought(keys: Keys, given: str) -> dict[str, str]:
    """Return what to look for: a pseudonym itself, or a text and the pseudonyms that it has as a user id."""
    if PSEUDONYM.fullmatch(given.lower()):
        return {AS_ID: given.lower()}
    texts = {AS_GIVEN: given}
    user_id = given
    if given.startswith(LOCAL):
        name = given.removeprefix(LOCAL)
        user_id = directory_id(name)
        texts = {NAME: name, ID: user_id}
    earlier = keys.earlier(user_id)
    return {**texts, AS_ID: keys.pseudonym(user_id), **({EARLIER: earlier} if earlier else {})}


async def scan(settings: Settings, store: WholeStore, texts: Mapping[str, str]) -> Scan:
    """Look through the store and the data folder. Raises StoreError."""
    words = Words(texts)
    found = Scan(texts)
    with progress_bar() as bar:
        task = bar.add_task("Reading the store (records)", total=None)
        for table in TABLES:
            async for row in every_row(store, table):
                if counts := _in_row(row, words):
                    kind = row.fields["kind"] if table == "document" else table
                    found.store[kind] = found.store.get(kind, Counter()) + _once(counts)
                bar.advance(task)
        megabytes = await asyncio.to_thread(bytes_below, settings.data_dir) // 1_000_000 + 1
        bar.update(task, description="Reading the files (MB)", total=megabytes, completed=0)
        read = Counter[str]()

        def tell(size: int) -> None:
            read["bytes"] += size
            bar.update(task, completed=read["bytes"] // 1_000_000)

        search = FileSearch(words, tell)
        await asyncio.to_thread(search.look_through, settings.data_dir)
        bar.update(task, completed=megabytes)
    found.files, found.unread = search.found, search.unread | _elsewhere(settings)
    return found


def _in_row(row: Row, words: Words) -> Counts:
    """Count in a row's values: a record within it is JSON, which `Words` knows."""
    texts = (value for value in row.fields.values() if isinstance(value, str))
    return sum((words.count_text(text) for text in (row.key, *texts)), Counter[str]())


def _once(counts: Counts) -> Counts:
    """Count a record once for each thing that stands in it, however many of its fields repeat it."""
    return Counter(dict.fromkeys(counts, 1))


def _elsewhere(settings: Settings) -> dict[str, str]:
    """Return the places outside that the settings name and that no scan from here can read."""
    places: dict[str, str] = {}
    if settings.page_index != "file":
        places["the page index in Cosmos DB"] = "it holds pages, and is not searched from here"
    if settings.models_url:
        places[settings.models_url] = "what was published there is not searched from here"
    if settings.tracking_uri not in ("", "off"):
        places[f"MLflow at {settings.tracking_uri}"] = "only what is below the data folder is searched"
    return places


def print_scan(found: Scan) -> None:
    """Print it for people."""
    if found.store or found.files:
        table = Table("Where", "What stands there", "In", "How often")
        for where, places in (("the store", found.store), ("a file", found.files)):
            for name, counts in places.items():
                for what, count in counts.items():
                    table.add_row(where, what, name, f"{count:,}")
        print_table(table)
    for name, reason in found.unread.items():
        out.print(f"Not read: {name}: {reason}.", markup=False, highlight=False, soft_wrap=True)
    out.print(_sentence(found), markup=False, highlight=False, soft_wrap=True)


def _sentence(found: Scan) -> str:
    """Return what the search says, and no more than it can say."""
    nowhere = not found.store and not found.files
    where = "in what could be read" if found.unread else "in the store and the data folder"
    if found.of_pseudonym:
        if not nowhere:
            return f"This is every place {where} where the pseudonym stands."
        return "It stands nowhere in what could be read." if found.unread else "It stands nowhere."
    looked_for = "; ".join(f"{what}, {text}" for what, text in found.looked_for.items())
    result = f"None of these was found {where}." if nowhere else f"The table has every place {where}."
    return (
        "Looked for, in UTF-8 and UTF-16, as JSON writes it, in capital and small letters alike: "
        f"{looked_for}. {result}"
        " What was written about a person in other words is not found by this, and other people may have the "
        "same name."
    )
