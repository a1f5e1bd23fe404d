"""What an operator does on `/admin`, as the page sends it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bot.web.access import RefusedError

VERBS = frozenset(
    {
        "source.add",
        "source.refresh",
        "source.remove",
        "model.promote",
        "model.hold",
        "model.roll_back",
        "job.run",
        "doctor.look",
    }
)
MOST = 2_000
CHANGED_SINCE = "This was changed since the page was read. Look at it again; nothing was changed."
_PRESS = re.compile(r"[0-9a-f-]{16,40}")
_SEEN = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class AdminAction:
    """One press: `what` it is about (a source, a version, a job); `press` names it.

    `seen` is the number of the last change that the page knew of, `known` how many decisions about a version.
    """

    verb: str
    what: str
    press: str
    seen: str
    known: int = 0

    @property
    def matter(self) -> str:
        """What kind of thing is changed."""
        return self.verb.partition(".")[0]


def parse_action(body: dict[str, Any]) -> AdminAction:
    """Read a press. Raises RefusedError for what no page of ours sends."""
    verb, what, press, seen = (body.get(name, "") for name in ("verb", "what", "press", "seen"))
    texts = all(isinstance(one, str) for one in (verb, what, press, seen))
    if not texts or verb not in VERBS or len(what) > MOST:
        raise RefusedError(400, "This page has no such action.", "bad_request")
    if not _PRESS.fullmatch(press) or not _SEEN.fullmatch(seen):
        raise RefusedError(400, "This request did not come from the page.", "bad_request")
    known = body.get("known", 0)
    if not isinstance(known, int):
        raise RefusedError(400, "This request did not come from the page.", "bad_request")
    return AdminAction(verb, what, press, seen, known)
