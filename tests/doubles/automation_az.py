"""An `az` that stands before an Automation account, and refuses what the service is known to refuse.

Run by tests as the program `az`; its state is the file `account.json` in the working folder. A draft and a
published text arrive some calls after they were accepted; a link between a runbook and a schedule can be made
once and never changed (Conflict: "already exists"), and only of a schedule that is there.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

STATE = Path("account.json")
FRESH: dict[str, Any] = {
    "forbidden": 0,  # so many calls are refused at first: the role does not count yet
    "late": 0,  # so many readings of a text show what was there before
    "schedules": [],
    "links": {},
    "draft": "",
    "published": "",
    "arriving": {},
    "asked": [],
}


class Refused(Exception):
    """What Resource Manager answers in place of doing it."""


def main(words: list[str]) -> int:
    """Do one `az rest`; return its exit status."""
    state = FRESH | (json.loads(STATE.read_text()) if STATE.exists() else {})
    options = {words[at][2:]: words[at + 1] for at in range(1, len(words) - 1) if words[at].startswith("--")}
    path = options["url"].partition("?")[0].rpartition("/automationAccounts/aa")[2]
    state["asked"].append(f"{options['method']} {path}")
    try:
        sys.stdout.write(answer(state, options["method"], path, options) + "\n")
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        STATE.write_text(json.dumps(state))
    return 0


def answer(state: dict[str, Any], method: str, path: str, options: dict[str, str]) -> str:
    """Return what the account says. Raises Refused."""
    check_role(state)
    match method, path.strip("/").split("/"):
        case "put", ["runbooks", _, "draft", "content"]:
            accept(state, "draft", Path(options["body"].removeprefix("@")).read_text())
        case "post", ["runbooks", _, "publish"]:
            if not state["draft"]:
                raise Refused("ERROR: Conflict: the draft of the runbook is empty")
            accept(state, "published", state["draft"])
            state["draft"] = ""
        case "get", ["runbooks", _, *draft, "content"]:
            text = read(state, "draft" if draft else "published")
            Path(options["output-file"]).write_text(text.replace("\n", "\r\n"))
        case _, ["jobSchedules", *link]:
            return answer_links(state, method, "".join(link), options)
        case _:
            raise Refused(f"ERROR: NotFound: {method} {path}")
    return ""


def answer_links(state: dict[str, Any], method: str, link: str, options: dict[str, str]) -> str:
    """Return what the account says of links between runbook and schedules. Raises Refused."""
    if method == "put":
        add_link(state, link, json.loads(options["body"])["properties"])
        return ""
    if not link:
        return "\n".join(state["links"])
    if link not in state["links"]:
        raise Refused(f"ERROR: NotFound: {method} {link}")
    if method == "delete":
        del state["links"][link]
    return ""


def check_role(state: dict[str, Any]) -> None:
    """Refuse as long as the role does not count. Raises Refused."""
    if state["forbidden"]:
        state["forbidden"] -= 1
        raise Refused("ERROR: Forbidden({'error': {'code': 'AuthorizationFailed'}})")


def accept(state: dict[str, Any], place: str, text: str) -> None:
    """Take a text, which is there only later."""
    state["arriving"][place] = [state["late"], text]


def read(state: dict[str, Any], place: str) -> str:
    """Return the text that is there by now."""
    if place in state["arriving"]:
        left, text = state["arriving"][place]
        if left:
            state["arriving"][place][0] -= 1
        else:
            state[place] = text
            del state["arriving"][place]
    return str(state[place])


def add_link(state: dict[str, Any], link: str, properties: dict[str, Any]) -> None:
    """Link a runbook with a schedule. Raises Refused."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", link):
        raise Refused("ERROR: BadRequest: the id of a job schedule is a GUID")
    schedule = properties["schedule"]["name"]
    if schedule not in state["schedules"]:
        raise Refused(f"ERROR: NotFound: schedule {schedule}")
    if link in state["links"] or schedule in {one["schedule"]["name"] for one in state["links"].values()}:
        raise Refused("ERROR: Conflict: A job schedule for the specified runbook and schedule already exists")
    state["links"][link] = properties


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
