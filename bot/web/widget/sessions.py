"""Visitors' sessions: who asks in the widget, on which site, and for how long that is believed.

    panel's page ── ticket, 5 minutes, works once ──> session, 15 minutes ── renewed with ──> visit, days

Nobody signs in: a visitor is a random number that the bot made, and is somebody else on another site. The
ticket stands in the panel's page, which browsers show on the one site only that it was made for
(`frame-ancestors`); so a session is of that site. Session and visit are signed over the visitor, the site,
what they are and when they end; one does not pass for the other. A session comes in a header and never in an
address, so another site's page can neither send nor see it; a visit may come in a cookie, to be exchanged.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from bot.card_tokens import CardSigner
from bot.web.access import RefusedError
from core.bounded_dict import BoundedDict
from core.translation import mark, say

TICKET_S = 300.0
SESSION_S = 900.0
MOST_TICKETS = 10_000
MAX_CHARACTERS = 1_000
SESSION, VISIT = "widget session", "widget visit"
ENDED = mark("This session has ended. Close the panel and open it again.")
USED = mark("This panel was opened a while ago, or in another window. Close it and open it again.")
NOT_HERE = mark("Questions can no longer be asked on this site. The operator of the bot can allow it again.")
_VISITOR = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Session:
    """A visitor on one site; `until` is when this is believed no more, in seconds since 1970."""

    visitor: str
    origin: str
    until: float


class Sessions:
    """Makes and reads them. One per process; tickets are remembered in memory and end with it."""

    def __init__(
        self,
        signer: CardSigner,
        origins: Collection[str],
        visit_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`origins` are the sites that may show the widget."""
        self.origins = frozenset(origins)
        self._signer = signer
        self.visit_s = visit_s
        self._clock = clock
        self._tickets: BoundedDict[str, tuple[str, float]] = BoundedDict(MOST_TICKETS)

    def make_ticket(self, origin: str) -> str:
        """Return what begins a session on a site, once."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = (origin, self._clock() + TICKET_S)
        return ticket

    def check_ticket(self, ticket: str) -> str:
        """Return the site that a ticket was made for. Raises RefusedError for one that was used up."""
        origin, until = self._tickets.get(ticket, ("", 0.0))
        if until <= self._clock():
            raise RefusedError(401, say(USED), "ticket_used")
        self._check_origin(origin)
        return origin

    def use_up(self, ticket: str) -> None:
        """Let a ticket begin nothing any more."""
        self._tickets.pop(ticket, None)

    def begin(self, origin: str) -> Session:
        """Return the session of a new visitor."""
        return Session(secrets.token_hex(16), origin, self._clock() + SESSION_S)

    def renew(self, visit: str) -> Session:
        """Return a new session of a visitor who was here before. Raises RefusedError."""
        before = self._read(VISIT, visit)
        return Session(before.visitor, before.origin, self._clock() + SESSION_S)

    def read(self, token: str) -> Session:
        """Return whose session this is. Raises RefusedError for one that has ended, or is not ours."""
        return self._read(SESSION, token)

    def sign(self, session: Session) -> str:
        """Return a session as its panel shows it."""
        return self._write(SESSION, session, session.until)

    def sign_visit(self, session: Session) -> str:
        """Return what a browser keeps, so that it is the same visitor next time."""
        return self._write(VISIT, session, self._clock() + self.visit_s)

    def has_ended(self, session: Session) -> bool:
        """Tell whether a session is believed no more."""
        return session.until <= self._clock()

    def _write(self, kind: str, session: Session, until: float) -> str:
        says = {"visitor": session.visitor, "origin": session.origin, "until": round(until, 3)}
        return self._signer.sign_data(kind, "", says)

    def _read(self, kind: str, token: str) -> Session:
        says: dict[str, Any] | None = None
        if len(token) <= MAX_CHARACTERS:
            says = self._signer.read_data(kind, "", token)
        if says is None:
            raise RefusedError(401, say(ENDED), "session_ended")
        session = Session(str(says["visitor"]), str(says["origin"]), float(says["until"]))
        if self.has_ended(session) or not _VISITOR.fullmatch(session.visitor):
            raise RefusedError(401, say(ENDED), "session_ended")
        self._check_origin(session.origin)
        return session

    def _check_origin(self, origin: str) -> None:
        if origin not in self.origins:
            raise RefusedError(403, say(NOT_HERE), "not_allowed")
