"""The caretaker, a runbook of Azure Automation: starts jobs, sees how they went, and mends known faults.

run JOB     start a job of Container Apps, and wait until it has succeeded or failed
watch       start every watched job that has not succeeded for too long
restart     restart the bot's revision, and wait until it answers
rollback    take back the last step of the model (the job roll-back-model), and wait until the bot answers
drain       see whether records wait for the store; wait for them, restart the bot if they stay, and see again

Python's standard library alone, as Python 3.8 has it, the oldest that Automation may run it with. It acts as
the identity that it is given (IDENTITY_ENDPOINT); what it works on are variables of the Automation account.
What it does it says in a line each; what it could not do ends the job as failed.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

VERSION = "2025-01-01"
"""Of the API of Microsoft.App."""
ROLL_BACK = "roll-back-model"
ENDED = {"Succeeded", "Failed", "Stopped", "Degraded"}
PASSES = {429, 502, 503, 504}
"""Refusals that pass: nothing was done."""
LONGEST_RETRY_S = 120.0


class CareFailed(Exception):
    """What was asked for was not done; the message is a sentence for whoever reads the job."""


class Unclear(CareFailed):
    """Whether it was done is not known: the answer did not come."""


@dataclass(frozen=True)
class Place:
    """The bot, and the time limits; `group` is subscriptions/…/resourceGroups/…, `watched` is job=hours,…."""

    group: str
    app: str
    url: str
    watched: str
    client_id: str
    identity_endpoint: str
    identity_header: str
    arm: str = "https://management.azure.com"
    timeout_s: float = 30.0
    tries: int = 6
    look_every_s: float = 15.0
    job_within_s: float = 6 * 3600.0
    bot_within_s: float = 600.0
    pause: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = print


class Arm:
    """Azure's Resource Manager, asked as the identity of this runbook, with patience."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._token = ""

    def ask(self, path: str, method: str = "GET") -> Any:
        """Get a resource, or act on it; return the answer. Raises CareFailed, Unclear."""
        url = (
            path
            if path.startswith(f"{self._place.arm}/")
            else f"{self._place.arm}/{self._place.group}/providers/{path}"
        )
        if "api-version=" not in url:
            url += f"?api-version={VERSION}"
        for last in _attempts(self._place.tries):
            if not self._token:
                self._token = self._fresh_token()
            try:
                return _send(url, method, {"Authorization": f"Bearer {self._token}"}, self._place.timeout_s)
            except urllib.error.HTTPError as error:
                self._wait(error, url, last=last)
            except OSError as error:
                if method != "GET":
                    raise Unclear(f"No answer to {method} {_short(url)}: {error}.") from error
                if last:
                    raise CareFailed(f"Azure does not answer {_short(url)}: {error}.") from error
                self._place.pause(5.0)
        raise CareFailed(f"Azure refuses {_short(url)} again and again.")

    def _wait(self, error: urllib.error.HTTPError, url: str, *, last: bool) -> None:
        """Wait until a refusal has passed. Raises CareFailed for one that stays."""
        said = _read_body(error)
        if error.code == 401 and self._token and not last:  # noqa: PLR2004 - the token has expired
            self._token = ""
            return
        if error.code == 403:  # noqa: PLR2004
            raise CareFailed(
                f"This identity may not ask {_short(url)}; it needs the role askpage caretaker. {said}"
            ) from error
        if error.code not in PASSES or last:
            raise CareFailed(f"Azure answers {error.code} to {_short(url)}. {said}") from error
        wait_s = _retry_after(error)
        self._place.say(f"Azure says {error.code}; again in {wait_s:.0f} s.")
        self._place.pause(wait_s)

    def _fresh_token(self) -> str:
        place = self._place
        query = urllib.parse.urlencode(
            {"resource": "https://management.azure.com/", "client_id": place.client_id}
        )
        joint = "&" if "?" in place.identity_endpoint else "?"
        headers = {"X-IDENTITY-HEADER": place.identity_header, "Metadata": "True"}
        for last in _attempts(place.tries):
            try:
                answer = _send(f"{place.identity_endpoint}{joint}{query}", "GET", headers, place.timeout_s)
                return str(answer["access_token"])
            except (OSError, KeyError, TypeError) as error:  # HTTPError is an OSError
                if last:
                    raise CareFailed(f"There is no token for this identity: {error}.") from error
                place.pause(5.0)
        raise CareFailed("There is no token for this identity.")


# Jobs


def run(place: Place, job: str) -> None:
    """Start a job and wait until it has succeeded. Raises CareFailed."""
    arm = Arm(place)
    execution = _start(place, arm, job)
    place.say(f"{job}: started as {execution}.")
    waited_s = 0.0
    while waited_s < place.job_within_s:
        status = _status(arm, job, execution)
        if status == "Succeeded":
            place.say(f"{job}: succeeded after about {waited_s:.0f} s.")
            return
        if status in ENDED:
            raise CareFailed(f"{job}: {execution} ended as {status}. Its log is in Log Analytics.")
        place.pause(place.look_every_s)
        waited_s += place.look_every_s
    raise CareFailed(f"{job}: {execution} is not done after {waited_s:.0f} s.")


def watch(place: Place) -> None:
    """Start every watched job that is late. Raises CareFailed if one fails, after the others are started."""
    failed: list[str] = []
    arm = Arm(place)
    for job, _, hours in (entry.partition("=") for entry in place.watched.split(",") if entry):
        try:
            if _is_late(arm, job, timedelta(hours=float(hours))):
                place.say(f"{job}: no success within {hours} hours.")
                run(place, job)
            else:
                place.say(f"{job}: as it should be.")
        except CareFailed as error:
            place.say(str(error))
            failed.append(job)
    if failed:
        raise CareFailed(f"Not well: {', '.join(failed)}.")


def _start(place: Place, arm: Arm, job: str) -> str:
    """Start a job once; a start whose answer got lost is found among the executions. Raises CareFailed."""
    before = {one["name"] for one in _executions(arm, job)}
    for _ in _attempts(place.tries):
        try:
            answer = arm.ask(f"Microsoft.App/jobs/{job}/start", "POST")
            if name := _read_execution(answer):
                return name
        except Unclear as error:
            place.say(str(error))
        place.pause(5.0)
        new = [one["name"] for one in _executions(arm, job) if one["name"] not in before]
        if new:
            return str(new[0])
    raise CareFailed(f"{job}: it could not be started.")


def _read_execution(answer: Any) -> str:
    """Return the execution that was started; "" where Azure does not say."""
    return str(answer["name"]) if answer and "name" in answer else ""


def _executions(arm: Arm, job: str) -> list[dict[str, Any]]:
    """Return a job's executions, the newest first."""
    found: list[dict[str, Any]] = []
    path: str | None = f"Microsoft.App/jobs/{job}/executions"
    while path:
        page = arm.ask(path)
        found += page.get("value", [])
        path = page.get("nextLink")
    return sorted(found, key=lambda one: str(one["properties"].get("startTime", "")), reverse=True)


def _status(arm: Arm, job: str, execution: str) -> str:
    found = [one for one in _executions(arm, job) if one["name"] == execution]
    return str(found[0]["properties"].get("status", "Unknown")) if found else "Unknown"


def _is_late(arm: Arm, job: str, within: timedelta) -> bool:
    since = datetime.now(timezone.utc) - within  # noqa: UP017 - Automation's Python may be 3.10
    for one in _executions(arm, job):
        status = one["properties"].get("status")
        if status not in ENDED:
            return False  # it runs
        if status == "Succeeded" and _moment(one["properties"]["startTime"]) >= since:
            return False
    return True


# The bot


def restart(place: Place) -> None:
    """Restart the bot, and wait until it answers. Raises CareFailed."""
    arm = Arm(place)
    app = f"Microsoft.App/containerApps/{place.app}"
    said = arm.ask(app)["properties"]
    revision = said.get("latestReadyRevisionName") or said.get("latestRevisionName")
    if not revision:
        raise CareFailed(f"{place.app} has no revision to restart.")
    try:
        arm.ask(f"{app}/revisions/{revision}/restart", "POST")
    except Unclear as error:
        place.say(f"{error} Whether it restarts is seen from its answers.")
    place.say(f"{revision}: restarted.")
    place.pause(place.look_every_s)
    ready(place)


def ready(place: Place) -> dict[str, Any]:
    """Wait until the bot says that it takes questions; return what it says. Raises CareFailed."""
    waited_s, why = 0.0, ""
    while waited_s < place.bot_within_s:
        try:
            answer = _send(f"{place.url}/readyz", "GET", {}, place.timeout_s)
            place.say(f"The bot answers: {answer['status']}.")
            return dict(answer)
        except urllib.error.HTTPError as error:
            why = f"it answers {error.code} {_read_body(error)}"
        except (OSError, KeyError, TypeError) as error:
            why = str(error)
        place.pause(place.look_every_s)
        waited_s += place.look_every_s
    raise CareFailed(f"The bot takes no questions after {waited_s:.0f} s: {why}.")


def rollback(place: Place) -> None:
    """Roll the model back by one step; the bot follows without a restart. Raises CareFailed."""
    run(place, ROLL_BACK)
    ready(place)


def drain(place: Place) -> None:
    """Wait until no records wait for the store; restart the bot once if they stay. Raises CareFailed."""
    for again in (False, True):
        waiting = _wait_until_drained(place)
        if not waiting:
            place.say("No records wait for the store.")
            return
        if not again:
            place.say(f"{waiting} records still wait.")
            restart(place)
    raise CareFailed(
        "Records still wait for the store after a restart. Is Cosmos DB reached? See docs/runbooks/errors.md."
    )


def _wait_until_drained(place: Place) -> int:
    """Return how many records wait, once there are none or patience is at its end. Raises CareFailed."""
    waited_s = 0.0
    while True:
        said = _waiting(place)
        waiting, failed = int(said.get("waiting", 0)), int(said.get("failed", 0))
        if failed:
            raise CareFailed(
                f"{failed} records could not be carried over; `askpage store status` shows them."
            )
        if not waiting or waited_s >= place.bot_within_s:
            return waiting
        place.say(f"{waiting} records wait; the bot says {said.get('status')}.")
        place.pause(place.look_every_s)
        waited_s += place.look_every_s


def _waiting(place: Place) -> dict[str, Any]:
    """Ask the bot what waits. One that is full answers 503, and says it all the same. Raises CareFailed."""
    try:
        return dict(_send(f"{place.url}/readyz", "GET", {}, place.timeout_s))
    except urllib.error.HTTPError as error:
        try:
            return dict(json.loads(_read_body(error)))
        except ValueError:
            raise CareFailed(f"The bot answers {error.code} to /readyz.") from error
    except OSError as error:
        raise CareFailed(f"The bot does not answer: {error}.") from error


# HTTP


def _attempts(tries: int) -> Iterator[bool]:
    """Yield as often, and tell whether it is the last time."""
    for number in range(tries):
        yield number == tries - 1


def _send(url: str, method: str, headers: dict[str, str], timeout_s: float) -> Any:
    """Send a request; return its JSON, None for nothing. Raises OSError, HTTPError among it."""
    body = b"" if method == "POST" else None
    request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - configured
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
        text = answer.read()
    try:
        return json.loads(text) if text else None
    except ValueError as error:
        raise OSError(f"no JSON from {_short(url)}") from error


def _read_body(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(500).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _retry_after(error: urllib.error.HTTPError) -> float:
    """Return how long Azure wants to be left alone, seconds."""
    try:
        return min(max(1.0, float(error.headers.get("Retry-After", "10"))), LONGEST_RETRY_S)
    except ValueError:  # a date
        return LONGEST_RETRY_S / 2


def _short(url: str) -> str:
    return urllib.parse.urlsplit(url).path.rpartition("/providers/")[2]


def _moment(text: str) -> datetime:
    """Read a time of Azure's, which may have more digits than Python reads."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)  # noqa: UP017


# Azure Automation


def place_of_account() -> Place:
    """Return what this account's variables name."""
    assets: Any = importlib.import_module("automationassets")  # there is such a module in Automation only

    def variable(name: str) -> str:
        return str(assets.get_automation_variable(f"askpage_{name}"))

    return Place(
        group=variable("resource_group"),
        app=variable("app"),
        url=variable("url").rstrip("/"),
        watched=variable("watched"),
        client_id=variable("identity"),
        identity_endpoint=os.environ["IDENTITY_ENDPOINT"],
        identity_header=os.environ["IDENTITY_HEADER"],
    )


ACTIONS = {"watch": watch, "restart": restart, "rollback": rollback, "drain": drain}


def care(place: Place, words: list[str]) -> int:
    """Do what is asked for; return the exit status."""
    try:
        _do(place, words)
    except CareFailed as error:
        place.say(f"FAILED. {error}")
        return 1
    place.say("Done.")
    return 0


def _do(place: Place, words: list[str]) -> None:
    if len(words) == 2 and words[0] == "run":  # noqa: PLR2004
        run(place, words[1])
    elif len(words) == 1 and words[0] in ACTIONS:
        ACTIONS[words[0]](place)
    else:
        raise CareFailed(f"Say one of: run JOB, {', '.join(ACTIONS)}; not «{' '.join(words)}».")


if __name__ == "__main__":
    sys.exit(care(place_of_account(), sys.argv[1:]))
