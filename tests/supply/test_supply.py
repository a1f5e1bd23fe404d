"""What is installed is locked with hashes, has licences that may ship, and is looked up in advisories."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from packaging.requirements import Requirement

from model.registry.catalogue import CATALOGUE, InstalledBase
from model.registry.export_onnx import ExportRefused, find_base
from pages.index.embeddings import TOKENIZER, WEIGHTS, EmbeddingModelMissing, InWheel, find_file
from pages.index.reranker import Reranker
from supply.audit import Package, Unreachable, ask_osv, locked, report
from supply.install import LOCKED, OWN
from supply.lock import (
    LAYERS,
    LOCKS,
    ROOT,
    Entries,
    builds_here,
    layered,
    name_of,
    parsed,
    read_layer,
    still_wanted,
    written,
)
from supply.sbom import ALLOWED, PAGE, allows, components, cyclonedx, licence_of, page_of, spdx
from tests.builders.serving import served

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FILES = sorted(LOCKS.glob("*.txt"))


def all_locked() -> dict[str, set[str]]:
    """Return name → versions, of every layer."""
    found: dict[str, set[str]] = {}
    for path in FILES:
        for entry in read_layer(path.stem):
            name, version = name_of(entry)
            found.setdefault(name, set()).add(version.partition("+")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_locked_distribution_has_one_version_and_the_hashes_of_its_files(path: Path) -> None:
    entries = read_layer(path.stem)
    assert entries
    assert all(hashes for hashes in entries.values())
    assert all("==" in entry and "://" not in entry for entry in entries)
    assert written(entries) == path.read_text("utf-8")


def test_the_lock_has_what_the_project_asks_for_in_the_versions_of_the_constraints() -> None:
    versions = all_locked()
    assert {name: of for name, of in versions.items() if len(of) > 1} == {}
    asked = [
        *PROJECT["dependencies"],
        *(one for of in PROJECT["optional-dependencies"].values() for one in of),
    ]
    constrained = re.findall(r"^[^#\s]+$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    models = re.findall(r"^[^#\s]+$", (ROOT / "requirements-models.txt").read_text("utf-8"), re.MULTILINE)
    for one in (*asked, *constrained, *models):
        name, version = name_of(one)
        assert versions.get(name) == {version}, f"{one}: run `make lock`"
    assert {*LAYERS, "build", "torch", "torch-cpu", "models"} == {path.stem for path in FILES}
    assert {*PROJECT["optional-dependencies"]} == {e for layer in LAYERS.values() for e in layer.extras}


def test_what_is_installed_here_is_what_is_locked() -> None:
    for layer in ("base", "cpu", "import", "training", "azure-blob", "kusto", "telemetry", "models"):
        for entry in read_layer(layer):
            marker = Requirement(entry).marker
            if marker is None or marker.evaluate():
                name, locked_version = name_of(entry)
                assert version(name).partition("+")[0] == locked_version


def test_everything_from_npm_is_locked_with_a_hash() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    assert all(one["integrity"].startswith("sha512-") for path, one in packages.items() if path)


def test_the_lock_names_no_registry() -> None:
    text = "".join(path.read_text("utf-8") for path in FILES) + (ROOT / "package-lock.json").read_text(
        "utf-8"
    )
    assert "index-url" not in text
    assert '"resolved"' not in text


def test_a_layer_has_what_lies_in_none_below_it_and_pytorch_is_apart() -> None:
    a, b, gpu = frozenset({"sha256:a"}), frozenset({"sha256:b"}), frozenset({"sha256:c"})
    resolved: dict[str, Entries] = {
        "base": {"one==1": a},
        "import": {"one==1": a, "two==2": b, "nvidia-x==3": gpu},
    }
    layers = layered(resolved, {"import": resolved["base"]})
    assert layers == {"base": {"one==1": a}, "import": {"two==2": b}, "torch": {"nvidia-x==3": gpu}}


def test_serving_on_a_gpu_has_its_libraries_without_pytorch_and_pytorch_has_the_same() -> None:
    cublas = {"nvidia-cublas==13.1.1.3": frozenset({"sha256:a"})}
    layers = layered({"gpu": cublas, "import": cublas}, {})
    assert layers == {"gpu": cublas, "import": {}, "torch": cublas}
    constrained = parsed((ROOT / "constraints.txt").read_text("utf-8"))
    ours = {name_of(one) for one in constrained if one.startswith("nvidia-")}
    assert ours == {name_of(one) for one in read_layer("torch")} & ours
    assert len(ours) == 7


def test_a_lock_reads_as_it_was_written() -> None:
    one = f"--hash=sha256:{'1' * 64}"
    two = f"--hash=sha256:{'2' * 64}"
    text = (
        f"# a comment\none==1 ; sys_platform == 'win32' \\\n    {one} \\\n    {two}\n"
        f"two[a]==2 \\\n    {two}\n"
    )
    entries = parsed(text)
    assert [len(hashes) for hashes in entries.values()] == [2, 1]
    assert [name_of(entry) for entry in entries] == [("one", "1"), ("two", "2")]
    assert parsed(written(entries)) == entries


def test_a_build_of_its_own_on_this_machine_is_locked_and_stays_locked_with_its_version(
    tmp_path: Path,
) -> None:
    wheels = {"torch-2.13.0+cpu": b"for processors", "torch-2.12.0+cpu": b"older", "torch-2.13.0": b"plain"}
    for name, content in wheels.items():
        (tmp_path / f"{name}-cp311-cp311-manylinux_2_28_x86_64.whl").write_bytes(content)
    wanted = {("torch", "2.13.0")}
    here = builds_here([tmp_path], wanted)
    digest = hashlib.sha256(b"for processors").hexdigest()
    assert here == {"torch==2.13.0+cpu": {f"sha256:{digest}"}}
    before = {
        "torch==2.13.0+cpu": frozenset({"sha256:other"}),
        "torch==2.12.0+cpu": frozenset({"sha256:old"}),
    }
    assert still_wanted(before, here, wanted) == {"torch==2.13.0+cpu": {f"sha256:{digest}", "sha256:other"}}
    assert still_wanted(before, {}, set()) == {}


# Licences


def test_everything_that_ships_has_a_licence_that_may_ship() -> None:
    shipped = components()
    assert len(shipped) > 150
    assert [(one.name, one.licence) for one in shipped if not allows(one.licence)] == []
    assert {one.kind for one in shipped} == {"python", "npm", "model"}


def test_the_page_of_licences_is_the_one_that_make_sbom_writes() -> None:
    assert page_of(components()) == PAGE.read_text("utf-8"), "run `make sbom`"


@pytest.mark.parametrize(
    ("expression", "may"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("", False),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-1.1 OR GPL-2.0-only", True),
        ("MPL-2.0 AND (Apache-2.0 OR GPL-2.0-only)", True),
        ("(MIT AND GPL-2.0-only) OR AGPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
    ],
)
def test_a_licence_may_ship_or_not(expression: str, may: bool) -> None:
    assert allows(expression) is may


def test_a_licence_is_read_from_where_it_is_said() -> None:
    assert spdx("BSD-2-Clause", "MIT", []) == "BSD-2-Clause"
    assert spdx("", "Apache 2.0", []) == "Apache-2.0"
    assert spdx("", "Copyright somebody\n\nPermission is hereby granted, free of charge, to", []) == "MIT"
    assert spdx("", "see the file", ["MIT License", "BSD License"]) == "MIT AND LicenseRef-BSD"
    assert spdx("", "my own words\nand more", []) == "my own words"
    assert spdx("", "", []) == ""
    assert licence_of("nothing-of-that-name") == ""
    assert "GPL-3.0-only" not in ALLOWED


def test_the_bill_of_materials_is_cyclonedx_with_models_and_their_hashes() -> None:
    bill = cyclonedx(components())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    models = [one for one in bill["components"] if one["type"] == "machine-learning-model"]
    named = {"smollm2-135m-instruct", "bge-small-en-v1.5 int8", Reranker.name}
    assert {one["name"] for one in models} >= named
    assert all(re.fullmatch(r"[0-9a-f]{64}", one["hashes"][0]["content"]) for one in models)
    refs = [one["bom-ref"] for one in bill["components"]]
    assert len(refs) == len(set(refs))
    assert all(one["licenses"][0]["expression"] and one["version"] for one in bill["components"])


# Models


def test_a_file_of_the_embedding_model_that_was_changed_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = find_file(TOKENIZER)
    changed = tmp_path / "changed_model"
    changed.mkdir()
    (changed / "__init__.py").write_text("")
    (changed / "tokenizer.json").write_bytes(original.read_bytes() + b" ")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EmbeddingModelMissing, match="not the model that is known"):
        find_file(InWheel("changed_model", "tokenizer.json", TOKENIZER.sha256))
    assert find_file(WEIGHTS).name == "model.onnx"


def test_a_base_model_that_was_changed_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = next(model.installed for model in CATALOGUE if model.installed)
    assert find_base("smollm2-135m-instruct")[1] == "apache-2.0"
    folder = tmp_path / known.module
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / known.file).write_bytes(b"GGUF of somebody else")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, known.module, raising=False)
    with pytest.raises(ExportRefused, match="is not the base model"):
        find_base("smollm2-135m-instruct")
    assert all(re.fullmatch(r"[0-9a-f]{64}", one.sha256) for one in _hashed())


def _hashed() -> list[Any]:
    return [one for model in CATALOGUE for one in (model.installed, model.wheels) if one is not None]


def test_the_models_of_the_catalogue_have_hashes() -> None:
    assert any(isinstance(one, InstalledBase) for one in _hashed())


# Advisories


class Database:
    """An advisory database that knows one hole."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.status = 200

    async def answer(self, request: web.Request) -> web.Response:
        queries = (await request.json())["queries"]
        self.asked += queries
        results = [
            {"vulns": [{"id": "HOLE-1"}]} if one["package"]["name"] == "yarl" else {} for one in queries
        ]
        return web.json_response({"results": results}, status=self.status)


@pytest.fixture
async def database() -> AsyncIterator[tuple[Database, str]]:
    known = Database()
    app = web.Application()
    app.router.add_post("/v1/querybatch", known.answer)
    async with served(app) as url:
        yield known, f"{url}/v1/querybatch"


async def test_everything_that_is_locked_is_asked_for_and_a_known_hole_is_told(
    database: tuple[Database, str],
) -> None:
    known, url = database
    said: list[str] = []
    packages = locked()
    ask = asyncio.to_thread(report, [("OSV", lambda: ask_osv(packages, url, 10))], said.append)
    assert await ask == (1, 0)
    assert len(known.asked) == len(packages) > 500
    assert {one["package"]["ecosystem"] for one in known.asked} == {"PyPI", "npm"}
    assert said[0] == "OSV: 1 known holes\n"
    assert re.fullmatch(r"  PyPI yarl [\d.]+: HOLE-1\n", said[1])


async def test_a_database_that_does_not_answer_is_said_in_one_sentence(
    database: tuple[Database, str],
) -> None:
    known, url = database
    known.status = 503
    said: list[str] = []
    some = [Package("PyPI", "yarl", "1")]
    ask = asyncio.to_thread(report, [("OSV", lambda: ask_osv(some, url, 10))], said.append)
    assert await ask == (0, 1)
    assert len(said) == 1
    assert said[0].startswith("OSV cannot be asked")
    with pytest.raises(Unreachable):
        ask_osv(some, "http://127.0.0.1:9/nobody", 1)


def test_the_gate_asks_and_the_makefile_installs_by_hash() -> None:
    assert re.search(r"^make .*\baudit\b", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "pip" not in re.sub(r"(?m)^#.*", "", makefile).split()
    assert "INSTALL := $(BIN)/python -m supply.install\n" in makefile
    assert " ".join(LOCKED) == "--require-hashes --only-binary :all: --no-deps"
    assert " ".join(OWN) == "--no-deps --no-build-isolation --editable ."
