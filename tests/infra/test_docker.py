"""The images, as far as one can test without Docker: linted, true to the Makefile, their first script run."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from core.settings import FIELDS, Settings
from supply.install import LOCKED, OWN
from supply.lock import LAYERS
from tests.builders.queries import NODE
from tests.needs import ROOT, need

FOLDER = ROOT / "infra" / "docker"
FILES = {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("Dockerfile*"))}
START = FOLDER / "start.sh"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def lint(files: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    need(ROOT / "node_modules/dockerfile-utils/package.json", "run `make node_modules/.test-installed`")
    command = [str(NODE), str(ROOT / "tests" / "docker_check.cjs")]
    done = subprocess.run(command, input=json.dumps(files), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def instructions(name: str) -> list[tuple[str, str]]:
    """Return a file's instructions, with continued lines joined."""
    lines = re.sub(r"^#.*\n", "", FILES[name], flags=re.MULTILINE).replace("\\\n", "")
    pairs = [line.split(None, 1) for line in lines.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, rest in pairs]


def of(name: str, word: str) -> list[str]:
    return [rest for each, rest in instructions(name) if each == word]


def test_both_files_pass_the_linter() -> None:
    assert set(FILES) == {"Dockerfile", "Dockerfile.cuda"}
    assert lint(FILES) == {name: [] for name in FILES}


def test_the_linter_finds_what_is_wrong() -> None:
    wrong = {"a": "FROM\n", "b": "FROM x\nRUNS y\n", "c": "FROM x\nCMD a\nCMD b\n", "d": "FROM x\nEXPOSE a\n"}
    assert all(lint(wrong).values())


@pytest.mark.parametrize("name", FILES)
def test_an_image_runs_as_nobody_with_pinned_bases_and_no_secret(name: str) -> None:
    last = FILES[name][FILES[name].rindex("\nFROM ") :]
    assert "\nUSER 10001:10001\n" in last
    assert last.index("USER") > last.rindex("RUN"), "nothing is done as root afterwards"
    bases = [one for one in of(name, "ARG") if "/" in one or "python:" in one]
    assert bases
    for base in bases:
        assert re.search(r":[\w.-]*\d+\.\d+\.\d+[\w.-]*$", base), base
    for stage in of(name, "FROM"):
        assert stage.partition(" ")[0].startswith("${") or not re.search(r"[/:]", stage), stage
    secret = "|".join(one.upper() for one, field in FIELDS.items() if "SecretStr" in str(field.annotation))
    assert not re.search(secret, FILES[name].upper())


@pytest.mark.parametrize("name", FILES)
def test_an_image_installs_what_is_locked_and_nothing_else(name: str) -> None:
    steps = re.findall(r"pip install ((?:(?!&&|;|[|]).)+)", " && ".join(of(name, "RUN")))
    assert len(steps) >= 2
    for step in (one.strip() for one in steps):
        how, _, what = step.partition(" --requirement ")
        if not what:
            assert how == " ".join(OWN)
        else:
            assert how == " ".join(LOCKED)
            layers = re.findall(r"locks/([\w-]+)\.txt", what)
            assert {*layers} <= {*LAYERS, "build", "torch", "torch-cpu", "models"}
            assert what.count("--requirement") + 1 == len(layers)


@pytest.mark.parametrize("name", FILES)
def test_an_image_can_send_telemetry_in_every_way(name: str) -> None:
    assert "--requirement locks/telemetry.txt" in FILES[name].partition(" AS importing")[0]


@pytest.mark.parametrize("name", FILES)
def test_an_image_has_settings_that_exist_and_asks_for_its_health_there(name: str) -> None:
    [*given] = re.findall(r"ASKPAGE_(\w+)=(\S+)", " ".join(of(name, "ENV")))
    settings = Settings(**{key.lower(): value for key, value in given})  # type: ignore[arg-type]
    assert (settings.host, settings.data_dir, settings.local_page) == ("0.0.0.0", Path("/data"), False)  # noqa: S104
    [health] = of(name, "HEALTHCHECK")
    assert f"http://127.0.0.1:{settings.port}/healthz" in health
    assert of(name, "EXPOSE") == [str(settings.port)]


def test_the_image_without_pytorch_gets_its_model_from_a_stage_with_it() -> None:
    text = FILES["Dockerfile"]
    assert "FROM importing AS imported\nRUN askpage models import --data-dir /opt/askpage" in text
    assert "FROM packages AS at-build\nCOPY --from=imported" in text
    assert "FROM at-${MODEL_AT} AS whole" in text
    assert "locks/import.txt" not in text.partition("FROM packages AS importing")[0]


# What reaches the builder


def reaches(path: str) -> bool:
    """Tell whether .dockerignore lets a path through: the last line that fits decides."""
    passes = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").rstrip("/")
        parts = path.split("/")
        fits = any(fnmatch.fnmatch("/".join(parts[: n + 1]), pattern) for n in range(len(parts)))
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
        if fits:
            passes = line.startswith("!")
    return passes


def test_everything_that_is_installed_reaches_the_builder() -> None:
    packages = PROJECT["tool"]["setuptools"]["packages"]
    for path in [f"{one.replace('.', '/')}/__init__.py" for one in packages]:
        assert reaches(path), path
    for copied in re.findall(r"requirement (\S+\.txt)", "".join(FILES.values())):
        assert reaches(copied)
    for path in (
        "pyproject.toml",
        "README.md",
        "infra/docker/start.sh",
        "bot/static/chat.js",
        "docs/azure.md",
    ):
        assert reaches(path), path


@pytest.mark.parametrize(
    "path",
    [".env", "docs/.env.local", "data/pseudonym.key", ".git/config", "node_modules/a.js", ".venv/bin/python",
     "tests/conftest.py", "bot/__pycache__/a.pyc", "docs/a.sqlite3", "infra/main.parameters.json"],
)  # fmt: skip
def test_secrets_and_data_never_reach_the_builder(path: str) -> None:
    assert not reaches(path)


# The first script


def start(tmp_path: Path, *words: str, shipped: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the script with an askpage that only says how it was called."""
    tool = tmp_path / "bin" / "askpage"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)
    if shipped:
        (tmp_path / "shipped" / "a-int8").mkdir(parents=True, exist_ok=True)
        (tmp_path / "shipped" / "live.json").write_text("shipped")
    if not (tmp_path / "data").exists():
        (tmp_path / "data").mkdir()
    environment = {
        "PATH": f"{tool.parent}:{os.environ['PATH']}",  # noqa: TID251 - not a setting
        "ASKPAGE_DATA_DIR": str(tmp_path / "data"),
        "SHIPPED_MODELS": str(tmp_path / "shipped"),
    }
    command = ["/bin/sh", str(START), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_data_folder_without_a_model_gets_the_one_of_the_image(tmp_path: Path) -> None:
    done = start(tmp_path, "serve", "--pages", "a b")
    assert (done.returncode, done.stdout) == (0, "serve --pages a b\n")
    assert (tmp_path / "data" / "models" / "live.json").read_text() == "shipped"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["models"], "no part is left"


def test_a_model_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "data" / "models").mkdir(parents=True)
    (tmp_path / "data" / "models" / "live.json").write_text("trained")
    assert start(tmp_path, "serve").returncode == 0
    assert (tmp_path / "data" / "models" / "live.json").read_text() == "trained"


def test_an_image_without_a_model_starts_all_the_same(tmp_path: Path) -> None:
    assert start(tmp_path, "jobs", "list", shipped=False).stdout == "jobs list\n"
    assert not (tmp_path / "data" / "models").exists()


def test_where_nothing_can_be_written_it_fails_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    done = start(tmp_path, "serve")
    assert done.returncode != 0
    assert "models" in done.stderr
    assert done.stdout == ""
