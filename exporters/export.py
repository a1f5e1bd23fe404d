"""Which exporter telemetry gets, the count of what it sends, and the error of one that cannot be opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from exporters.buffer import Counts, Outbox, Pace

To = Literal["none", "console", "otlp", "appinsights", "azuremonitor"]


class CannotExport(Exception):
    """Telemetry cannot be sent the way that the settings ask for.

    The message is a sentence for the operator.
    """


@dataclass(frozen=True, slots=True)
class Export:
    """Where telemetry goes, and how: see the settings of the same names.

    `metrics_every_s` is how often figures are summed up, `timeout_s` how long one request may take,
    `close_within_s` how long the end waits for what is still to be sent.
    """

    to: To = "none"
    connection_string: str = field(default="", repr=False)
    otlp_endpoint: str = "http://127.0.0.1:4318"
    pace: Pace = field(default_factory=Pace)
    metrics_every_s: float = 60.0
    timeout_s: float = 10.0
    close_within_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Exporting:
    """What is being sent, and the count of it."""

    outboxes: Sequence[Outbox[Any]] = ()

    @property
    def counts(self) -> Counts:
        """Return the sums over all outboxes."""
        total = Counts()
        for outbox in self.outboxes:
            total.sent += outbox.counts.sent
            total.dropped.update(outbox.counts.dropped)
        return total
