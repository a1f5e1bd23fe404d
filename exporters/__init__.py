"""Where telemetry goes: nowhere, to the terminal, to a collector (OTLP), to Application Insights in two ways.

    with exporting(Export("appinsights", connection_string=...)):
        ...

The instruments are those of core/telemetry, whichever way is chosen. Whoever tells something never waits for
it to be sent: it goes through a bounded buffer (`exporters/buffer.py`).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from exporters.export import CannotExport, Export, Exporting, To

__all__ = ["CannotExport", "Export", "Exporting", "To", "exporting"]


@contextmanager
def exporting(export: Export) -> Generator[Exporting]:
    """Send what is told until the end of the block, then what still waits. Raises CannotExport."""
    if export.to == "none":
        yield Exporting()
        return
    from exporters.pipelines import start_exporting  # noqa: PLC0415 - the SDK costs nothing where nothing is sent

    with start_exporting(export) as sending:
        yield sending
