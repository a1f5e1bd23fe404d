"""The double of an exporter: keeps in memory what is told.

with recording() as told:
    ...
assert told.names("answer_sent")
"""
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import DataT, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from exporters.pipelines import make_resource, open_outlet


@dataclass(frozen=True, slots=True)
class Recording:
    """What was told, in order."""

    _spans: InMemorySpanExporter
    _events: InMemoryLogRecordExporter
    _metrics: InMemoryMetricReader

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """Return the spans that have ended."""
        return self._spans.get_finished_spans()

    @property
    def records(self) -> Sequence[ReadableLogRecord]:
        """Return the events as they are."""
        return self._events.get_finished_logs()

    def take(self) -> Sequence[ReadableLogRecord]:
        """Return the events and forget them."""
        taken = self._events.get_finished_logs()
        self._events.clear()
        return taken

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the properties of the events with this name."""
        logs = [record.log_record for record in self.records]
        return [dict(log.attributes or {}) for log in logs if log.event_name == name]

    def metrics(self) -> Iterator[tuple[str, DataT]]:
        """Yield the figures as they stand now, by their names."""
        data = self._metrics.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    yield metric.name, metric.data


@contextmanager
def recording() -> Generator[Recording]:
    """Record what is told until the end of the block."""
    spans, events, metrics = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
    resource = make_resource("recording")
    with open_outlet(SimpleSpanProcessor(spans), SimpleLogRecordProcessor(events), metrics, resource):
        yield Recording(spans, events, metrics)
