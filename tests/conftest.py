"""What every test may use."""

from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core import telemetry
from core.files import only_one
from tests.needs import ROOT, need

if TYPE_CHECKING:
    from pages.index.embeddings import Embedder
    from pages.index.sqlite import FileIndex

__all__ = ["ROOT", "need"]

# This module is imported by the process that hands out tests, too, and by a run of one test: what takes long
# to import is imported where it is needed.
# ruff: noqa: PLC0415

telemetry.be_strict()
# OpenMP's threads that wait for each other shall not spin: other tests need the core (torch, in processes).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # noqa: TID251 - not a setting


LONGEST = (
    "tests/test_questions.py",
    "tests/model/test_qlora_update.py",
    "tests/test_quiet.py",
    "tests/pages/index/test_ranking.py",
    "tests/test_serving_cosmos.py",
    "tests/test_soak.py",
    "tests/pages/test_hostile_pages.py",
    "tests/test_restricted_pages.py",
    "tests/test_patterns.py",
    "tests/test_scenarios.py",
    "tests/test_deletion_everywhere.py",
    "tests/feedback/store/test_offline_queue.py",
    "tests/benchmarks/test_replica_loss.py",
    "tests/test_several.py",
    "tests/cli/test_main.py",
    "tests/jobs/test_update_model.py",
    "tests/cli/test_learn_demo.py",
    "tests/feedback/store/test_copy.py",
    "tests/feedback/test_delete.py",
    "tests/feedback/examples/test_dataset.py",
    "tests/feedback/test_masking.py",
)
"""The files that take longest, from two minutes to a quarter of one; in this order they are begun."""


def pytest_collection(session: pytest.Session) -> None:
    """Look for no garbage while everything is imported: there is none, and it takes a quarter of the time.

    Each process of a run begins with another file: what one has compiled (with pytest's asserts, a third of
    the time), the others find.
    """
    gc.disable()
    config = session.config
    worker: Mapping[str, Any] = getattr(config, "workerinput", {})
    if worker and config.args_source is config.ArgsSource.TESTPATHS:
        files = sorted(str(file) for file in (ROOT / "tests").rglob("test_*.py"))
        begin = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        config.args = [*files[begin:], *files[:begin]]


def pytest_collection_finish() -> None:
    """Look for garbage among what the tests make, and leave alone what was imported."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, then with those of few tests: these are longer ones.

    So no process is alone with a long file at the end (with `--no-loadscope-reorder`, which leaves the order
    to us). All processes of a run have the same order, whichever file they began to import with.
    """
    tests = Counter(item.path for item in items)
    first = {ROOT / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (first.get(item.path, len(first)), tests[item.path], item.path))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case of bytes by its argument.

    A packed body holds the time of its packing, and the processes of one run must collect the same names.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def _log_handlers() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Take away the handlers of a command that ran here: their stream is closed after its test."""
    yield
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:  # pytest's own are of classes of their own
            root.removeHandler(handler)


@pytest.fixture(autouse=True)
def _teams_limits() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Fail a test in which the bot broke a limit of Teams."""
    _take_broken()
    yield
    broken = _take_broken()
    assert not broken, "Teams would not have taken this: " + "; ".join(dict.fromkeys(broken))


def _take_broken() -> list[str]:
    """Return the limits that were broken, once. What no test imported has none."""
    doubles = sys.modules.get("tests.doubles.teams_connector")
    services = doubles.SERVICES if doubles else []
    broken = [one for service in services for one in service.broken]
    services.clear()
    return broken


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The public test data, which is not part of the project; skips where it is absent."""
    folder = Path(os.environ.get("ASKPAGE_DATA", ROOT.parent / "shared" / "data"))  # noqa: TID251 - not a setting
    if not folder.is_dir():
        pytest.skip(f"the public test data is not at {folder}; set ASKPAGE_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def made_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of the tests, the same one in each of its processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "made-once"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def docs_index(made_once: Path) -> Path:
    """The index of the project's docs, made once as a first start does, to copy to `pages` of a folder.

    What `make setup` left is read again, so that only what changed is embedded: all of it takes 40 s of a
    processor.
    """
    data = made_once / "docs"
    with only_one(made_once / "docs.lock"):
        if not (made_once / "docs.made").exists():
            _copy_index(ROOT / "data" / "pages", data / "pages")
            command = [sys.executable, "-m", "cli.main", "pages", "refresh", "--data-dir", str(data)]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            (made_once / "docs.made").touch()
    return data / "pages"


def _copy_index(source: Path, target: Path) -> None:
    """Copy a page index that a bot may be using. One with other pages than the docs is left alone."""
    file = source / "index.sqlite3"
    if not file.is_file():
        return
    target.mkdir(parents=True)
    with (
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ours,
        closing(sqlite3.connect(target / file.name)) as copied,
    ):
        ours.backup(copied)
        foreign = copied.execute("SELECT count(*) FROM pages WHERE url NOT LIKE '/site/docs/%'").fetchone()
    if foreign != (0,):
        shutil.rmtree(target)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The real embedding model."""
    from pages.index.embeddings import Embedder

    return Embedder(threads=1)  # a second one costs an eighth more


@pytest.fixture
async def index(tmp_path: Path, embedder: Embedder) -> AsyncGenerator[FileIndex]:
    """A page index with the real embedding model, empty."""
    from pages.index.sqlite import FileIndex

    opened = await FileIndex.open(tmp_path, embedder)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    path = Path("/usr/bin/chromium")
    need(path, "Chromium is missing: install the package chromium")
    return str(path)


@pytest.fixture(scope="session")
def cosmos_url() -> Iterator[str]:
    """Where a server of Cosmos DB's protocol is."""
    from tests.doubles.cosmos import cosmos_server

    with cosmos_server() as url:
        yield url


WORDS = {
    *("altText", "data", "errorMessage", "fallbackText", "label", "placeholder"),
    *("speak", "text", "title", "tooltip", "url", "value"),
}
"""Properties of a card of which the schema says the type and no more."""


def shape_of(node: Any) -> Any:
    """Return what the schema looks at in a card."""
    if isinstance(node, dict):
        return {
            name: type(part).__name__ if name in WORDS and not isinstance(part, list) else shape_of(part)
            for name, part in node.items()
        }
    return [shape_of(part) for part in node] if isinstance(node, list) else node


@pytest.fixture(scope="session")
def valid(shared_data: Path) -> Callable[[dict[str, Any]], None]:
    """Return a check: a card is valid by Microsoft's schema, and has words for a client that cannot draw it.

    The schema looks at shapes and not at words, and takes a tenth of a second: each shape is checked once.
    """
    from jsonschema import Draft7Validator

    schema = json.loads((shared_data / "adaptive-card-1.6.0.schema.json").read_text("utf-8-sig"))
    validator = Draft7Validator(schema)
    checked: set[str] = set()

    def check(card: dict[str, Any]) -> None:
        shape = json.dumps(shape_of(card))
        if shape not in checked:
            assert not [
                f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator.iter_errors(card)
            ]
            checked.add(shape)
        assert card["version"] == "1.5"
        assert card["fallbackText"]

    return check
