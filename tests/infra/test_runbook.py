"""The caretaker against an Azure of one's own that refuses, throttles, forgets to answer, starts jobs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import pytest

from supply.interpreters import find_python, read_places
from tests.builders.bicep import Expression, read
from tests.needs import ROOT, need

GROUP = "subscriptions/s/resourceGroups/g"
JOBS = f"/{GROUP}/providers/Microsoft.App/jobs"
APP = f"/{GROUP}/providers/Microsoft.App/containerApps/askpage"
Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Azure:
    """Resource Manager, the identity's endpoint and the bot, on one port.

    `next_answers` are listed by request; `lost` are requests that are done and never answered.
    """

    caretaker: Caretaker
    url: str = ""
    jobs: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    ends_as: dict[str, str] = field(default_factory=dict[str, str])
    next_answers: dict[str, list[Answer]] = field(default_factory=dict[str, list[Answer]])
    lost: set[str] = field(default_factory=set[str])
    asked: list[str] = field(default_factory=list[str])
    tokens: int = 0
    good_token: str = ""
    waiting: list[int] = field(default_factory=lambda: [0])
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, method: str, target: str, headers: Any) -> Answer | None:
        """Return status, body and headers; None where none is given."""
        parts = urlsplit(target)
        key = f"{method} {parts.path}"
        self.asked.append(key)
        if self.next_answers.get(key):
            return self.next_answers[key].pop(0)
        if parts.path == "/identity":
            return self._token(parts.query, headers)
        if parts.path == "/readyz":
            return self._ready()
        done = self._managed(method, parts, headers)
        if key in self.lost:
            self.lost.discard(key)
            return None
        return done

    def _managed(self, method: str, parts: SplitResult, headers: Any) -> Answer:
        if headers.get("Authorization") != f"Bearer {self.good_token}":
            return 401, {"error": "expired"}, {}
        if parse_qs(parts.query).get("api-version") != ["2025-01-01"]:
            return 400, {"error": "api-version"}, {}
        return self._resource(method, parts.path)

    def _token(self, query: str, headers: Any) -> Answer:
        asked = parse_qs(query)
        if headers.get("X-IDENTITY-HEADER") != "secret" or asked.get("client_id") != ["caretaker"]:
            return 400, {"error": "identity"}, {}
        assert asked["resource"] == ["https://management.azure.com/"]
        self.tokens += 1
        self.good_token = f"token{self.tokens}"
        return 200, {"access_token": self.good_token}, {}

    def _ready(self) -> Answer:
        waiting = self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]
        body = {"status": "spooling" if waiting else "ready", "waiting": waiting, "failed": 0}
        return 200, body, {}

    def _resource(self, method: str, path: str) -> Answer:
        if method == "GET" and path == APP:
            return 200, {"properties": {"latestReadyRevisionName": "askpage--1"}}, {}
        if method == "POST" and path == f"{APP}/revisions/askpage--1/restart":
            return 200, "", {}
        job, _, action = path.removeprefix(f"{JOBS}/").partition("/")
        if job not in self.jobs:
            return 404, {"error": "none"}, {}
        if (method, action) == ("POST", "start"):
            name = f"{job}-{len(self.jobs[job])}"
            self.jobs[job].insert(0, execution(name, "Running"))
            return 202, {"name": name, "id": path}, {}
        listed = {"value": [dict(one, properties=dict(one["properties"])) for one in self.jobs[job]]}
        for one in self.jobs[job]:  # seen once, it has ended
            if one["properties"]["status"] == "Running":
                one["properties"]["status"] = self.ends_as.get(job, "Succeeded")
        return 200, listed, {}

    def starts(self, job: str) -> int:
        return self.asked.count(f"POST {JOBS}/{job}/start")


def execution(name: str, status: str, ago: timedelta = timedelta()) -> dict[str, Any]:
    at = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.1234567Z")
    return {"name": name, "properties": {"status": status, "startTime": at}}


@contextmanager
def serving(azure: Azure) -> Iterator[None]:
    class Surface(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = azure.answer(self.command, self.path, self.headers)
            if found is None:
                azure.over.wait(20)
                return
            status, body, headers = found
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Surface)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    azure.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        azure.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


RUNBOOK = ROOT / "infra" / "runbooks" / "care.py"
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = ["3.8", "3.10", OURS]
"""What Automation may take: the type Python3 alone, and the account's environment. Ours is here for sure."""


class Caretaker:
    """A Python of a version that waits for orders (tests/processes/caretaker.py)."""

    def __init__(self, version: str) -> None:
        python = find_python(version, read_places()) if version != OURS else Path(sys.executable)
        otherwise = f"There is no Python {version} here: `python -m supply.interpreters {version}` fetches it"
        need(python or Path(f"no python{version}"), otherwise)
        self._process = subprocess.Popen(
            [str(python), str(ROOT / "tests/processes/caretaker.py"), str(RUNBOOK)],
            env={"IDENTITY_ENDPOINT": "http://127.0.0.1:9", "IDENTITY_HEADER": "secret"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert json.loads(self._process.stdout.readline()) == [*map(int, version.split("."))]

    def ask(self, **order: Any) -> tuple[int, list[str], list[float]]:
        """Give an order; return the exit status, what was said, and how long it wanted to wait."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status, lines, pauses = json.loads(self._process.stdout.readline())
        return status, lines, pauses

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="module", params=PYTHONS)
def caretaker(request: pytest.FixtureRequest) -> Iterator[Caretaker]:
    found = Caretaker(request.param)
    yield found
    found.close()


@pytest.fixture
def azure(caretaker: Caretaker) -> Iterator[Azure]:
    found = Azure(caretaker, jobs={"roll-up-metrics": [], "roll-back-model": [], "apply-retention": []})
    with serving(found):
        yield found


@dataclass
class Heard:
    """What the caretaker said, and how long it wanted to wait."""

    lines: list[str]
    pauses: list[float]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def cared(azure: Azure, *words: str, **more: Any) -> tuple[int, Heard]:
    place = {
        "group": GROUP,
        "app": "askpage",
        "url": azure.url,
        "watched": "roll-up-metrics=3,apply-retention=26",
        "client_id": "caretaker",
        "identity_endpoint": f"{azure.url}/identity",
        "identity_header": "secret",
        "arm": azure.url,
        "timeout_s": 5.0,
    }
    status, lines, pauses = azure.caretaker.ask(place={**place, **more}, words=words)
    return status, Heard(lines, pauses)


# Jobs


def test_a_job_is_started_once_and_waited_for(azure: Azure) -> None:
    status, heard = cared(azure, "run", "roll-up-metrics")
    assert status == 0
    assert heard.lines[0] == "roll-up-metrics: started as roll-up-metrics-0."
    assert heard.lines[-1] == "Done."
    assert azure.starts("roll-up-metrics") == 1
    assert azure.tokens == 1, "one token for all"


@pytest.mark.parametrize("ended", ["Failed", "Stopped", "Degraded"])
def test_a_job_that_fails_fails_the_runbook(azure: Azure, ended: str) -> None:
    azure.ends_as["roll-up-metrics"] = ended
    status, heard = cared(azure, "run", "roll-up-metrics")
    assert status == 1
    assert f"ended as {ended}" in heard.lines[-1]


def test_a_job_that_never_ends_is_not_waited_for_for_ever(azure: Azure) -> None:
    azure.ends_as["roll-up-metrics"] = "Running"
    status, heard = cared(azure, "run", "roll-up-metrics", job_within_s=60.0)
    assert status == 1
    assert sum(heard.pauses) == 60.0
    assert "is not done after 60 s" in heard.text


def test_throttling_is_waited_out_as_long_as_azure_says(azure: Azure) -> None:
    azure.next_answers[f"POST {JOBS}/roll-up-metrics/start"] = [
        (429, {"error": "busy"}, {"Retry-After": "7"}),
        (503, {}, {}),
        (429, {}, {"Retry-After": "Wed, 25 Nov 2026 12:00:00 GMT"}),
    ]
    status, heard = cared(azure, "run", "roll-up-metrics")
    assert status == 0
    assert heard.pauses[:3] == [7.0, 10.0, 60.0]
    assert len(azure.jobs["roll-up-metrics"]) == 1


def test_throttling_without_end_gives_up(azure: Azure) -> None:
    azure.next_answers[f"POST {JOBS}/roll-up-metrics/start"] = [(429, {}, {"Retry-After": "1"})] * 99
    status, heard = cared(azure, "run", "roll-up-metrics")
    assert status == 1
    assert "429" in heard.lines[-1]
    assert azure.starts("roll-up-metrics") == 6


@pytest.mark.parametrize("job", ["roll-up-metrics", "roll-back-model"])
def test_a_start_whose_answer_got_lost_is_not_done_again(azure: Azure, job: str) -> None:
    azure.lost.add(f"POST {JOBS}/{job}/start")
    status, heard = cared(azure, "run", job, timeout_s=0.3)
    assert status == 0, heard.text
    assert azure.starts(job) == 1
    assert len(azure.jobs[job]) == 1
    assert "No answer to POST" in heard.text


def test_a_look_whose_answer_got_lost_is_taken_again(azure: Azure) -> None:
    azure.lost.add(f"GET {JOBS}/roll-up-metrics/executions")
    assert cared(azure, "run", "roll-up-metrics", timeout_s=0.3)[0] == 0


def test_who_may_not_is_told_which_role_is_missing(azure: Azure) -> None:
    azure.next_answers[f"POST {JOBS}/roll-up-metrics/start"] = [(403, {"error": "AuthorizationFailed"}, {})]
    status, heard = cared(azure, "run", "roll-up-metrics")
    assert status == 1
    assert "askpage caretaker" in heard.lines[-1]
    assert "AuthorizationFailed" in heard.lines[-1]
    assert "token" not in heard.text


def test_a_job_that_is_not_there_fails_at_once(azure: Azure) -> None:
    status, heard = cared(azure, "run", "nothing")
    assert (status, heard.pauses) == (1, [])
    assert "404" in heard.lines[-1]


def test_an_expired_token_is_fetched_anew(azure: Azure) -> None:
    azure.next_answers[f"GET {JOBS}/roll-up-metrics/executions"] = [(401, {}, {})]
    assert cared(azure, "run", "roll-up-metrics")[0] == 0
    assert azure.tokens == 2


def test_an_identity_that_gets_no_token_says_so(azure: Azure) -> None:
    status, heard = cared(azure, "run", "roll-up-metrics", identity_header="wrong")
    assert status == 1
    assert "no token" in heard.lines[-1]
    assert "wrong" not in heard.text


def test_an_azure_that_is_not_there_is_said_in_a_sentence(azure: Azure) -> None:
    status, heard = cared(azure, "run", "roll-up-metrics", arm="http://127.0.0.1:9", tries=2)
    assert status == 1
    assert "does not answer" in heard.lines[-1]


# Watching


def test_late_jobs_are_started_and_others_left_alone(azure: Azure) -> None:
    azure.jobs["roll-up-metrics"] = [
        execution("x", "Failed", timedelta(minutes=10)),
        execution("y", "Succeeded", timedelta(hours=4)),
    ]
    azure.jobs["apply-retention"] = [execution("z", "Succeeded", timedelta(hours=20))]
    status, heard = cared(azure, "watch")
    assert status == 0
    assert (azure.starts("roll-up-metrics"), azure.starts("apply-retention")) == (1, 0)
    assert "apply-retention: as it should be." in heard.lines


def test_a_job_that_runs_is_not_started_beside_itself(azure: Azure) -> None:
    azure.jobs["roll-up-metrics"] = [
        execution("x", "Processing"),
        execution("y", "Failed", timedelta(hours=9)),
    ]
    azure.jobs["apply-retention"] = [execution("z", "Succeeded")]
    assert cared(azure, "watch")[0] == 0
    assert azure.starts("roll-up-metrics") == 0


def test_one_job_that_fails_does_not_keep_others_from_being_started(azure: Azure) -> None:
    azure.ends_as["roll-up-metrics"] = "Failed"
    status, heard = cared(azure, "watch")
    assert status == 1
    assert azure.starts("apply-retention") == 1
    assert heard.lines[-1] == "FAILED. Not well: roll-up-metrics."


def test_all_pages_of_executions_are_read(azure: Azure) -> None:
    key = f"GET {JOBS}/roll-up-metrics/executions"
    more = f"{azure.url}{JOBS}/roll-up-metrics/executions?api-version=2025-01-01&page=2"
    azure.next_answers[key] = [
        (200, {"value": [execution("x", "Failed")], "nextLink": more}, {}),
        (200, {"value": [execution("y", "Succeeded", timedelta(hours=1))]}, {}),
    ]
    azure.jobs["apply-retention"] = [execution("z", "Succeeded")]
    assert cared(azure, "watch")[0] == 0
    assert azure.starts("roll-up-metrics") == 0


# The bot


def test_the_bot_is_restarted_and_waited_for(azure: Azure) -> None:
    azure.next_answers["GET /readyz"] = [(502, "no", {}), (503, {"status": "full"}, {})]
    status, heard = cared(azure, "restart")
    assert status == 0
    assert azure.asked.count(f"POST {APP}/revisions/askpage--1/restart") == 1
    assert "The bot answers: ready." in heard.lines


def test_a_bot_that_does_not_come_back_fails_the_runbook(azure: Azure) -> None:
    azure.next_answers["GET /readyz"] = [(502, "no", {})] * 99
    status, heard = cared(azure, "restart", bot_within_s=60.0)
    assert status == 1
    assert "takes no questions after 60 s: it answers 502" in heard.lines[-1]


def test_a_model_is_rolled_back_by_its_job_and_never_twice(azure: Azure) -> None:
    status, heard = cared(azure, "rollback")
    assert status == 0
    assert azure.starts("roll-back-model") == 1
    assert "The bot answers: ready." in heard.lines


def test_where_nothing_waits_nothing_is_restarted(azure: Azure) -> None:
    assert cared(azure, "drain")[0] == 0
    assert not [one for one in azure.asked if "restart" in one]


def test_records_that_go_over_by_themselves_are_waited_for(azure: Azure) -> None:
    azure.waiting = [500, 200, 0]
    status, heard = cared(azure, "drain")
    assert status == 0
    assert "500 records wait; the bot says spooling." in heard.lines
    assert not [one for one in azure.asked if "restart" in one]


def test_records_that_stay_get_a_restart_and_another_chance(azure: Azure) -> None:
    azure.waiting = [9, 9, 9, 9, 0]
    assert cared(azure, "drain", bot_within_s=30.0)[0] == 0
    assert len([one for one in azure.asked if "restart" in one]) == 1


def test_records_that_stay_for_good_fail_the_runbook(azure: Azure) -> None:
    azure.waiting = [9]
    status, heard = cared(azure, "drain", bot_within_s=30.0)
    assert status == 1
    assert len([one for one in azure.asked if "restart" in one]) == 1
    assert "Is Cosmos DB reached?" in heard.lines[-1]


def test_a_full_spool_is_read_from_its_503(azure: Azure) -> None:
    azure.next_answers["GET /readyz"] = [(503, {"status": "full", "waiting": 100_000, "failed": 0}, {})]
    status, heard = cared(azure, "drain")
    assert status == 0
    assert "100000 records wait; the bot says full." in heard.lines


def test_records_that_failed_are_for_a_person(azure: Azure) -> None:
    azure.next_answers["GET /readyz"] = [(200, {"status": "ready", "waiting": 2, "failed": 2}, {})]
    status, heard = cared(azure, "drain")
    assert status == 1
    assert "askpage store status" in heard.lines[-1]


# The words and the files


@pytest.mark.parametrize("words", [(), ("run",), ("run", "a", "b"), ("dance",)])
def test_what_it_cannot_do_it_says(azure: Azure, words: tuple[str, ...]) -> None:
    status, heard = cared(azure, *words)
    assert status == 1
    assert heard.lines[-1].startswith("FAILED. Say one of: run JOB, watch, restart, rollback, drain")
    assert azure.asked == []


def test_automation_runs_it_with_the_accounts_variables_and_the_words_of_its_schedule(azure: Azure) -> None:
    names = ("resource_group", "app", "watched", "identity")
    account = {f"askpage_{name}": "x" for name in names} | {"askpage_url": f"{azure.url}/"}
    status, lines, _ = azure.caretaker.ask(account=account, words=["drain"])
    assert (status, lines) == (0, ["No records wait for the store.", "Done."])
    status, lines, _ = azure.caretaker.ask(account=account, words=[])
    assert status == 1
    assert lines[0].startswith("FAILED. Say one of")


def test_the_accounts_environment_is_one_that_the_tests_run_it_in() -> None:
    runtime = read(ROOT / "infra/modules/automation.bicep").resource("runtime").body["properties"]["runtime"]
    assert runtime["language"] == "Python"
    assert runtime["version"] in PYTHONS


def test_the_setup_brings_the_versions_of_automation_and_in_ci_a_missing_one_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [brought] = re.findall(r"^RUNBOOK_PYTHONS := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {*brought.split(), OURS} == {*PYTHONS}
    for ci, outcome in (("true", pytest.fail.Exception), ("", pytest.skip.Exception)):
        monkeypatch.setenv("CI", ci)
        with pytest.raises(outcome, match=r"no Python 3\.99 here"):
            Caretaker("3.99")


def test_it_needs_nothing_but_pythons_standard_library() -> None:
    tree = ast.parse((ROOT / "infra" / "runbooks" / "care.py").read_text("utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in imported}
    assert not roots - set(sys.stdlib_module_names)


def test_it_runs_with_the_oldest_python_that_automation_may_take() -> None:
    vermin = Path(sys.executable).parent / "vermin"
    asked = [str(vermin), "--target=3.8-", "--no-tips", "--violations", str(ROOT / "infra/runbooks/care.py")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_account_has_the_variables_and_schedules_that_it_understands() -> None:
    file = read(ROOT / "infra" / "modules" / "automation.bicep")
    text = (ROOT / "infra" / "runbooks" / "care.py").read_text("utf-8")
    jobs = read(ROOT / "infra" / "modules" / "jobs.bicep")
    for name in ("resource_group", "app", "url", "watched", "identity"):
        assert f'variable("{name}")' in text
        assert f"askpage_{name}:" in file.path.read_text("utf-8")
    known = {one["name"] for kind in ("scheduled", "onDemand") for one in jobs.variables[kind]} | {
        "update-model"
    }
    for one in [*file.variables["always"], *file.variables["nightly"]]:
        action, *job = one["words"].split()
        assert (action in {"watch", "drain"} and not job) or (action == "run" and job[0] in known)
    assert "roll-back-model" in known
    assert jobs.resource("asked").body["properties"]["configuration"]["replicaRetryLimit"] == 0
    assert jobs.outputs["watched"] == "join(map(scheduled, job => '${job.name}=${job.lateHours}'), ',')"
    assert file.variables["where"] == Expression(
        "'subscriptions/${subscription().subscriptionId}/resourceGroups/${resourceGroup().name}'"
    )
