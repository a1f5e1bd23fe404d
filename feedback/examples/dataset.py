"""Datasets on disk.

Folders of training examples that are named by their content, and where each example comes from.

    datasets/3f0c…/            the first 16 digits of the SHA-256 of examples.jsonl
        examples.jsonl         one training example a line, by answer id
        lineage.jsonl          whose words they are, and when: no content
        card.json              what is in it, what is not, and why; written last

A folder gets its name when everything in it is on the disk: what a crash leaves has a name that begins with a
dot, and the next one who writes takes it away. Whoever builds (`feedback/examples/build.py`) or erases
(`forget`) is alone here.

    DatasetError
    ├── NoExamples        nothing is reviewed that could be learnt from     (a person sees it)
    ├── DatasetMissing    there is no dataset of this name                  (a person sees it)
    └── DatasetDamaged    a file is cut off, or was changed by hand         (a person sees it)
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import (
    AsyncGenerator,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from core.files import sync_folder
from core.records import TrainingExample
from feedback.examples.convert import Candidate, Lineage
from feedback.examples.dataset_card import Built, Card, build_card
from feedback.store.serialization import from_json, to_json

EXAMPLES, LINEAGE, CARD = "examples.jsonl", "lineage.jsonl", "card.json"
_NAME_DIGITS = 16
_LOOK_AGAIN_S = 0.2


class DatasetError(Exception):
    """A dataset cannot be made or used; the message says why, and what to do."""


class NoExamples(DatasetError):
    """No settled review makes an example."""


class DatasetMissing(DatasetError):
    """There is no dataset of this name."""


class DatasetDamaged(DatasetError):
    """The files of a dataset do not belong together."""


# Writing


def write_dataset(datasets_dir: Path, built: Built, now: datetime) -> Card:
    """Write a dataset and return its card; call it while `writing_alone`. Raises OSError."""
    folder = datasets_dir / f".{secrets.token_hex(4)}.unfinished"
    folder.mkdir(mode=0o700)
    digest = hashlib.sha256()
    with _new_file(folder / EXAMPLES) as examples, _new_file(folder / LINEAGE) as lineage:
        for line, origin in _lines([*built.chosen, *built.made]):
            digest.update(line)
            examples.write(line)
            lineage.write(_line(origin))
    sha256 = digest.hexdigest()
    card = build_card(built, sha256[:_NAME_DIGITS], sha256, now)
    _write_card(folder, card)
    sync_folder(folder)
    _put_in_place(folder, datasets_dir / card.name)
    return card


def _lines(chosen: Iterable[Candidate]) -> Iterator[tuple[bytes, Lineage]]:
    for candidate in chosen:
        line = _line(candidate.example)
        yield line, replace(candidate.lineage, example=_hash_line(line))


def _put_in_place(folder: Path, place: Path) -> None:
    if not place.exists():
        folder.rename(place)
    else:  # the lineage first: there is never an example without its line there
        for name in (LINEAGE, EXAMPLES, CARD):
            (folder / name).replace(place / name)
        sync_folder(place)
        folder.rmdir()
    sync_folder(place.parent)


# Reading


def list_datasets(datasets_dir: Path) -> list[Card]:
    """Return the cards of all datasets, the oldest first. Raises DatasetDamaged."""
    cards = (read_card(folder) for folder in _folders(datasets_dir))
    return sorted(cards, key=lambda card: (card.made_at, card.name))


def find_dataset(datasets_dir: Path, name: str = "latest") -> Path:
    """Return the folder of a dataset, by its name, the beginning of it, or "latest".

    Raises DatasetMissing.
    """
    known = [card.name for card in list_datasets(datasets_dir)]
    found = known[-1:] if name == "latest" else [one for one in known if name and one.startswith(name)]
    if len(found) != 1:
        problem = "several datasets begin with" if found else "there is no dataset"
        raise DatasetMissing(f"{problem} {name}: `askpage examples list` shows them")
    return datasets_dir / found[0]


def read_card(folder: Path) -> Card:
    """Return a dataset's card. Raises DatasetDamaged."""
    try:
        return from_json(Card, (folder / CARD).read_text("utf-8"))
    except (OSError, ValueError, TypeError) as error:
        raise DatasetDamaged(f"the card {folder / CARD} cannot be read: build the dataset again") from error


def read_examples(folder: Path) -> Iterator[TrainingExample]:
    """Yield the examples of a dataset; each is compared with its lineage. Raises DatasetDamaged."""
    left = [one.example for one in read_lineage(folder)][::-1]
    for line in _read_lines(folder / EXAMPLES):
        if not left or left.pop() != _hash_line(line):
            raise DatasetDamaged(_not_whole(folder))
        yield from_json(TrainingExample, line)
    if left:
        raise DatasetDamaged(_not_whole(folder))


def read_lineage(folder: Path) -> Iterator[Lineage]:
    """Yield where the examples of a dataset come from, in their order. Raises DatasetDamaged."""
    for line in _read_lines(folder / LINEAGE):
        try:
            read = from_json(Lineage, line)
        except (ValueError, TypeError) as error:
            raise DatasetDamaged(_not_whole(folder)) from error
        yield read


@dataclass(frozen=True, slots=True)
class Difference:
    """What one dataset has that another has not, as answer id → kind; `changed` have both, in other words.

    Reviews' own examples alone: what is made from them is no news.
    """

    added: Mapping[str, str]
    removed: Mapping[str, str]
    changed: Mapping[str, str]


def difference(before: Path, after: Path) -> Difference:
    """Compare two datasets. Raises DatasetDamaged."""
    old, new = (
        {one.answer_id: (one.kind, to_json(one)) for one in read_examples(folder) if not one.made_from}
        for folder in (before, after)
    )
    return Difference(
        added={name: kind for name, (kind, _) in new.items() if name not in old},
        removed={name: kind for name, (kind, _) in old.items() if name not in new},
        changed={name: one[0] for name, one in new.items() if name in old and old[name] != one},
    )


# Forgetting


def forget(datasets_dir: Path, answer_ids: Collection[str], people: Collection[str] = ()) -> dict[str, int]:
    """Erase the examples of these answers from every dataset.

    Return dataset → how many, where there were any. These people (pseudonyms) are struck out of what is left,
    where they rated or reviewed it. A dataset keeps its name; its card says how many are gone. It waits for a
    dataset that is being built; the next one must find the answers deleted, or their askers opted out
    (`Work`). Cut off in the middle, it can be repeated. Raises OSError, and DatasetDamaged once it has been
    everywhere else.
    """
    if not datasets_dir.is_dir():
        return {}
    erased: dict[str, int] = {}
    damaged: list[str] = []
    with _lock_datasets(datasets_dir):
        for folder in (one for one in sorted(datasets_dir.iterdir()) if one.is_dir()):
            try:
                erased[folder.name] = _erase(folder, frozenset(answer_ids), frozenset(people))
            except DatasetDamaged:
                damaged.append(str(folder))
    if damaged:
        raise DatasetDamaged(
            f"nothing can be erased from {', '.join(damaged)}: please delete what is damaged"
        )
    return {name: count for name, count in erased.items() if count}


def find_trained_versions(datasets: Iterable[str], versions: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the model versions that were trained on these datasets; `versions` is dataset → names."""
    return sorted({version for name in datasets for version in versions.get(name, ())})


def _erase(folder: Path, ids: frozenset[str], people: frozenset[str]) -> int:
    card, lines = read_card(folder), list(read_lineage(folder))
    kept = [
        replace(
            one,
            folded=tuple(name for name in one.folded if name not in ids),
            givers=tuple(person for person in one.givers if person not in people),
            reviewers=tuple(person for person in one.reviewers if person not in people),
        )
        for one in lines
        if not one.answers & ids
    ]
    if kept != lines:
        staying = {one.answer_id for one in kept}
        remaining = (
            line for line in _read_lines(folder / EXAMPLES) if json.loads(line)["answer_id"] in staying
        )
        _rewrite(folder / EXAMPLES, remaining)
        _rewrite(folder / LINEAGE, (_line(one) for one in kept))
    set_aside = {name: found for name, found in card.set_aside.items() if name not in ids}
    own = sum(not one.made_from for one in kept)
    changed = replace(card, erased=card.examples - own, set_aside=set_aside)
    if changed != card:
        _write_card(folder, changed)
        sync_folder(folder)
    return len(lines) - len(kept)


# Files


@asynccontextmanager
async def writing_alone(datasets_dir: Path) -> AsyncGenerator[None]:
    """Wait until nobody else writes or erases, and keep them waiting until the end of the block."""
    with _lock_file(datasets_dir) as file:
        while not _got(file):  # noqa: ASYNC110 - it is another process that has it
            await asyncio.sleep(_LOOK_AGAIN_S)
        _take_away_leftovers(datasets_dir)
        yield


@contextmanager
def _lock_datasets(datasets_dir: Path) -> Generator[None]:
    """Wait until nobody else writes."""
    with _lock_file(datasets_dir) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _take_away_leftovers(datasets_dir)
        yield


@contextmanager
def _lock_file(datasets_dir: Path) -> Generator[int]:
    """Open the file that is locked; the lock goes with the process, however that ends."""
    datasets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(datasets_dir / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _got(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_away_leftovers(datasets_dir: Path) -> None:
    """Delete what a process left that was killed while it wrote. Call it with the lock held."""
    for folder in datasets_dir.glob(".*.unfinished"):
        shutil.rmtree(folder)
    for part in datasets_dir.glob("*/*.part"):
        part.unlink()


def _folders(datasets_dir: Path) -> list[Path]:
    found = datasets_dir.iterdir() if datasets_dir.is_dir() else ()
    return sorted(one for one in found if one.name[0] != "." and (one / CARD).is_file())


@contextmanager
def _new_file(path: Path) -> Generator[Any]:
    """Open a file that only this user can read, and have it on the disk afterwards."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _rewrite(path: Path, lines: Iterable[bytes]) -> None:
    part = path.with_name(path.name + ".part")
    with _new_file(part) as file:
        file.writelines(lines)
    part.replace(path)


def _write_card(folder: Path, card: Card) -> None:
    _rewrite(folder / CARD, [json.dumps(asdict(card), indent=2).encode() + b"\n"])


def _read_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except FileNotFoundError:
        raise DatasetDamaged(_not_whole(path.parent)) from None


def _not_whole(folder: Path) -> str:
    return f"{folder} is not whole: build the dataset again, or delete the folder"


def _line(record: TrainingExample | Lineage) -> bytes:
    return to_json(record).encode() + b"\n"


def _hash_line(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
