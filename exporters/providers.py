"""OpenTelemetry's SDK between the instruments of core/telemetry.py and whoever takes what they tell."""
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import secrets
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk._logs.export import (
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from core import telemetry
from exporters import Export, Exporting
from exporters.buffer import Outbox
from exporters.pipelines import way_of


@contextmanager
def exporting_by(export: Export) -> Generator[Exporting]:
    """Send what is told until the end of the block, then what still waits. Raises CannotExport."""
    resource = resource_of(secrets.token_hex(8))
    way = way_of(export, resource)
    outboxes = tuple({id(outbox): outbox for outbox in (way.spans, way.events, way.metrics)}.values())
    metrics = _PutMetrics(way.metrics, dict(way.temporality))
    try:
        with told_to(
            SimpleSpanProcessor(_PutSpans(way.spans)),
            SimpleLogRecordProcessor(_PutEvents(way.events)),
            PeriodicExportingMetricReader(metrics, export.metrics_every_s * 1000),
            resource,
        ):
            yield Exporting(outboxes)
    finally:
        until = time.monotonic() + export.close_within_s
        for outbox in outboxes:
            outbox.close(max(0.0, until - time.monotonic()))
        way.shutdown()


@contextmanager
def told_to(
    spans: SpanProcessor, events: LogRecordProcessor, metrics: MetricReader, resource: Resource
) -> Generator[None]:
    """Let these three hear what is told until the end of the block."""
    traces = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    traces.add_span_processor(spans)
    logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logs.add_log_record_processor(events)
    meters = MeterProvider(metric_readers=[metrics], resource=resource, shutdown_on_exit=False)
    before = telemetry.send_to(telemetry.Outlet(traces, logs, meters))
    try:
        yield
    finally:
        telemetry.send_to(before)
        for provider in (traces, logs, meters):
            provider.shutdown()


def resource_of(instance: str) -> Resource:
    """Return who tells. Without a device of our own, an exporter would tell the host's name."""
    return Resource({"service.name": telemetry.NAME, "service.instance.id": instance, "device.id": instance})


class _PutSpans(SpanExporter):
    def __init__(self, outbox: Outbox[Any]) -> None:
        self._outbox = outbox

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self._outbox.put(span)
        return SpanExportResult.SUCCESS


class _PutEvents(LogRecordExporter):
    def __init__(self, outbox: Outbox[Any]) -> None:
        self._outbox = outbox

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        for record in batch:
            self._outbox.put(record)
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


class _PutMetrics(MetricExporter):
    def __init__(self, outbox: Outbox[Any], temporality: dict[type, Any]) -> None:
        super().__init__(preferred_temporality=temporality)
        self._outbox = outbox

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> MetricExportResult:
        self._outbox.put(metrics_data)
        return MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None: ...

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True
