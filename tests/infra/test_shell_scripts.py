"""ShellCheck finds nothing in the scripts of Azure and of the images, nor in what builds the images."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from tests.needs import ROOT, need

SCRIPTS = [*sorted((ROOT / "infra").rglob("*.sh")), ROOT / "benchmarks" / "gpu_checks.sh"]
DOCKERFILES = sorted((ROOT / "infra").rglob("Dockerfile*"))


def check(paths: list[Path]) -> list[tuple[str, int, str]]:
    """Return what ShellCheck finds, as (file, line, words)."""
    program = shutil.which("shellcheck")
    need(Path(program or "no shellcheck"), "ShellCheck is not installed: apt-get install shellcheck")
    command = [str(program), "--format=json", "--severity=style", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [(Path(one["file"]).name, one["line"], one["message"]) for one in json.loads(done.stdout)]


def list_commands(dockerfile: str) -> list[str]:
    """Return what RUN instructions give to the shell, lines joined, without options of RUN itself."""
    joined = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    return [re.sub(r"^(--\S+\s+)+", "", one) for one in re.findall(r"^RUN\s+(.*)$", joined, re.MULTILINE)]


def test_scripts_and_the_commands_of_images_pass(tmp_path: Path) -> None:
    assert {"make_key.sh", "publish.sh", "take_back_vault.sh", "start.sh"} <= {one.name for one in SCRIPTS}
    built: list[Path] = []
    for dockerfile in DOCKERFILES:
        for number, command in enumerate(list_commands(dockerfile.read_text("utf-8"))):
            path = tmp_path / f"{dockerfile.name}-{number}.sh"
            path.write_text(f"#!/bin/sh\n{command}\n")
            built.append(path)
    assert len(DOCKERFILES) == 3
    assert len(built) >= len(DOCKERFILES)
    assert check([*SCRIPTS, *built]) == []


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    dockerfile = 'FROM x\n# RUN cd $a\nRUN --mount=type=cache,target=/a cd $where && \\\n    rm -r "$where"\n'
    [command] = list_commands(dockerfile)
    assert command.split() == ["cd", "$where", "&&", "rm", "-r", '"$where"']
    wrong = tmp_path / "wrong.sh"
    wrong.write_text(f"#!/bin/sh\n{command}\n")
    assert {line for _, line, _ in check([wrong])} == {2}
