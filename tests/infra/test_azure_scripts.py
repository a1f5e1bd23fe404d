"""The two scripts that a deployment runs, with an `az` of one's own that writes down what it was asked."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    done = run(tmp_path, "make_key.sh", ["ERROR: (Forbidden) no"] * 50, VAULT="kv-1")
    assert (done.status, done.output, done.stored) == (1, None, "")
    assert "Forbidden" in done.said
    assert not any(" set " in line for line in done.asked)


def test_a_key_that_cannot_be_stored_fails(tmp_path: Path) -> None:
    done = run(tmp_path, "make_key.sh", ["ERROR: (SecretNotFound) none", "ERROR: no"], VAULT="kv-1")
    assert done.status != 0
    assert done.output is None


# The runbook


CARE = (ROOT / "infra" / "runbooks" / "care.py").read_text("utf-8")
WANTED = {"watch-jobs": ["watch"], "update-model": ["run", "update-model"]}
LINKS = "watch-jobs watch\nupdate-model run update-model"
ACCOUNT = "https://management.example/subscriptions/s/providers/Microsoft.Automation/automationAccounts/aa"


def publish(
    folder: Path, text: str = CARE, links: str = LINKS, **state: Any
) -> tuple[int, str, dict[str, Any]]:
    """Publish against an account in a state; return the exit status, what was said, and the state then."""
    tool = folder / "bin" / "az"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests/doubles/automation_az.py"} "$@"\n')
    tool.chmod(0o755)
    account = folder / "account.json"
    before = (
        json.loads(account.read_text()) if account.exists() else {"schedules": ["watch-jobs", "update-model"]}
    )
    account.write_text(json.dumps(before | {"asked": []} | state))
    environment = {
        "PATH": f"{tool.parent}:{os.environ['PATH']}",  # noqa: TID251 - not a setting
        "AZ_SCRIPTS_OUTPUT_PATH": str(folder / "output"),
        "WAIT_S": "0",
        "ACCOUNT": ACCOUNT,
        "RUNBOOK": f"{ACCOUNT}/runbooks/askpage-care",
        "TEXT": base64.b64encode(text.encode()).decode(),
        "LINKS": links,
    }
    script = ["/bin/sh", str(SCRIPTS / "publish.sh")]
    done = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, json.loads(account.read_text())


def words_of(state: dict[str, Any]) -> dict[str, list[str]]:
    """Return what each schedule tells the runbook."""
    return {one["schedule"]["name"]: [*one["parameters"].values()] for one in state["links"].values()}


def test_a_runbook_is_published_with_its_schedules_once_its_text_has_arrived(tmp_path: Path) -> None:
    status, said, state = publish(tmp_path, forbidden=2, late=2)
    assert (status, said.strip()) == (0, "")
    assert state["published"] == CARE
    assert words_of(state) == WANTED
    assert len(base64.b64encode(CARE.encode())) < 100_000, "an environment variable holds 128 KiB"


def test_a_second_deployment_takes_the_new_text_and_the_new_schedules(tmp_path: Path) -> None:
    publish(tmp_path)
    status, said, state = publish(tmp_path, "print(2)\n", "watch-jobs restart", late=1)
    assert (status, said.strip()) == (0, "")
    assert (state["published"], words_of(state)) == ("print(2)\n", {"watch-jobs": ["restart"]})


def test_a_deployment_that_was_cut_off_is_done_by_the_next(tmp_path: Path) -> None:
    status, said, state = publish(tmp_path, schedules=["watch-jobs"])
    assert status != 0
    assert "NotFound: schedule update-model" in said
    assert words_of(state) == {"watch-jobs": ["watch"]}
    status, _, state = publish(tmp_path, schedules=["watch-jobs", "update-model"])
    assert (status, words_of(state)) == (0, WANTED)


def test_a_text_that_never_arrives_is_not_published(tmp_path: Path) -> None:
    status, said, state = publish(tmp_path, late=1000)
    assert (status, state["published"], state["links"]) == (1, "", {})
    assert "does not get its text" in said
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(("stem", "symbol"), [("vault", "pseudonym"), ("automation", "published")])
def test_the_templates_give_the_scripts_what_they_read(stem: str, symbol: str) -> None:
    body = read(ROOT / "infra" / "modules" / f"{stem}.bicep").resource(symbol).body["properties"]
    [name] = re.findall(r"scripts/(\w+\.sh)", body["scriptContent"].text)
    text = (SCRIPTS / name).read_text("utf-8")
    given = {one["name"] for one in body["environmentVariables"]}
    assert given == set(re.findall(r"\$\{?([A-Z_]{4,})\b", text)) - {"AZ_SCRIPTS_OUTPUT_PATH", "WAIT_S"}
