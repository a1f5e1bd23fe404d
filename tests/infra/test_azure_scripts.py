"""The two scripts that a deployment runs, with an `az` of one's own that writes down what it was asked."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders.bicep import read
from tests.needs import ROOT

SCRIPTS = ROOT / "infra" / "scripts"

# It answers with what stands in the file `answers`, line by line: "ok", or an error and what it says.
AZ = """#!/bin/sh
echo "$@" >> asked
while [ $# -gt 0 ]; do
  case $1 in
    --file) cp "$2" stored ;;
    --body) cp "${2#@}" stored ;;
  esac
  shift
done
said=$(head -n 1 answers)
sed -i 1d answers
[ "$said" = ok ] && exit 0
echo "$said" >&2
exit 1
"""


@dataclass(frozen=True)
class Run:
    """What a script did: its status and words, what it asked of az, and what it stored."""

    status: int
    said: str
    asked: list[str]
    stored: str
    output: dict[str, bool] | None


def run(folder: Path, script: str, answers: list[str], **more: str) -> Run:
    tool = folder / "bin" / "az"
    tool.parent.mkdir()
    tool.write_text(AZ)
    tool.chmod(0o755)
    (folder / "answers").write_text("".join(f"{line}\n" for line in answers))
    path = f"{tool.parent}:{os.environ['PATH']}"  # noqa: TID251 - not a setting
    environment = {"PATH": path, "AZ_SCRIPTS_OUTPUT_PATH": str(folder / "output"), "WAIT_S": "0", **more}
    done = subprocess.run(
        ["/bin/sh", str(SCRIPTS / script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    output = folder / "output"
    stored = folder / "stored"
    return Run(
        done.returncode,
        done.stdout + done.stderr,
        (folder / "asked").read_text().splitlines(),
        stored.read_text() if stored.exists() else "",
        json.loads(output.read_text()) if output.exists() else None,
    )


# The key


def test_a_vault_without_a_key_gets_one_that_nobody_sees(tmp_path: Path) -> None:
    done = run(tmp_path, "make_key.sh", ["ERROR: (SecretNotFound) none", "ok"], VAULT="kv-1")
    assert (done.status, done.output) == (0, {"made": True})
    assert re.fullmatch(r"[0-9a-f]{64}", done.stored)
    assert done.stored not in done.said + "".join(done.asked)
    assert not (tmp_path / "key").exists()
    assert "--vault-name kv-1 --name pseudonym-key" in done.asked[1]


def test_a_key_that_is_there_stays(tmp_path: Path) -> None:
    done = run(tmp_path, "make_key.sh", ["ok"], VAULT="kv-1")
    assert (done.status, done.output, done.stored) == (0, {"made": False}, "")
    assert len(done.asked) == 1


def test_a_role_that_does_not_count_yet_is_waited_for(tmp_path: Path) -> None:
    refused = ["ERROR: (Forbidden) Caller is not authorized"] * 3
    done = run(tmp_path, "make_key.sh", [*refused, "ERROR: (SecretNotFound) none", "ok"], VAULT="kv-1")
    assert (done.status, done.output) == (0, {"made": True})
    assert len(done.asked) == 5


def test_a_vault_that_stays_closed_fails_and_gets_no_key(tmp_path: Path) -> None:
    """A key must never be made because an existing one could not be read."""
    done = run(tmp_path, "make_key.sh", ["ERROR: (Forbidden) no"] * 30, VAULT="kv-1")
    assert (done.status, done.output, done.stored) == (1, None, "")
    assert "Forbidden" in done.said
    assert not any(" set " in line for line in done.asked)


def test_a_key_that_cannot_be_stored_fails(tmp_path: Path) -> None:
    done = run(tmp_path, "make_key.sh", ["ERROR: (SecretNotFound) none", "ERROR: no"], VAULT="kv-1")
    assert done.status != 0
    assert done.output is None


# The runbook


def test_the_runbook_is_put_into_the_account_and_published(tmp_path: Path) -> None:
    text = (ROOT / "infra" / "runbooks" / "care.py").read_bytes()
    encoded = base64.b64encode(text).decode()
    url = "https://management.example/runbooks/askpage-care"
    done = run(tmp_path, "publish.sh", ["ok", "ok"], RUNBOOK=url, TEXT=encoded)
    assert (done.status, done.output) == (0, {"published": True})
    assert done.stored.encode() == text
    put, post = done.asked
    assert f"--method put --url {url}/draft/content?" in put
    assert f"--method post --url {url}/publish?" in post
    assert len(encoded) < 100_000, "an environment variable holds 128 KiB"


def test_a_runbook_that_is_not_taken_is_not_published(tmp_path: Path) -> None:
    done = run(tmp_path, "publish.sh", ["ERROR: no", "ok"], RUNBOOK="https://a", TEXT="eA==")
    assert done.status != 0
    assert len(done.asked) == 1


@pytest.mark.parametrize(("stem", "symbol"), [("vault", "pseudonym"), ("automation", "published")])
def test_the_templates_give_the_scripts_what_they_read(stem: str, symbol: str) -> None:
    body = read(ROOT / "infra" / "modules" / f"{stem}.bicep").resource(symbol).body["properties"]
    [name] = re.findall(r"scripts/(\w+\.sh)", body["scriptContent"].text)
    text = (SCRIPTS / name).read_text("utf-8")
    given = {one["name"] for one in body["environmentVariables"]}
    assert given == set(re.findall(r'"\$([A-Z]+)[/"]', text)) - {"AZ_SCRIPTS_OUTPUT_PATH"}
