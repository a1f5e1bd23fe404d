"""The pipelines of telemetry: OpenTelemetry's SDK, from the instruments of core/telemetry to exporters.

Each pipeline sends through a bounded buffer.
"""
# pyright: reportPrivateImportUsage=false, reportUnknownMemberType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportPrivateImportUsage=false, reportMissingImports=false
# The exporters of others are typed in part, and the optional ones may be absent.

from __future__ import annotations

import copy
import json
import logging
import secrets
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk._logs.export import (
    ConsoleLogRecordExporter,
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from core import telemetry
from exporters.appinsights import ConnectionInvalid, Envelopes, parse, sender, split_attributes
from exporters.buffer import Outbox, Reply
from exporters.export import CannotExport, Export, Exporting


@contextmanager
def start_exporting(export: Export) -> Generator[Exporting]:
    """Send what is told until the end of the block, then what still waits. Raises CannotExport."""
    resource = make_resource(secrets.token_hex(8))
    pipeline = open_pipeline(export, resource)
    outboxes = tuple(
        {id(outbox): outbox for outbox in (pipeline.spans, pipeline.events, pipeline.metrics)}.values()
    )
    metrics = _PutMetrics(pipeline.metrics, dict(pipeline.temporality))
    try:
        with open_outlet(
            SimpleSpanProcessor(_PutSpans(pipeline.spans)),
            SimpleLogRecordProcessor(_PutEvents(pipeline.events)),
            PeriodicExportingMetricReader(metrics, export.metrics_every_s * 1000),
            resource,
        ):
            yield Exporting(outboxes)
    finally:
        until = time.monotonic() + export.close_within_s
        for outbox in outboxes:
            outbox.close(max(0.0, until - time.monotonic()))
        pipeline.shutdown()


@contextmanager
def open_outlet(
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


def make_resource(instance: str) -> Resource:
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


DELTAS: Mapping[type, AggregationTemporality] = dict.fromkeys(
    (Counter, Histogram), AggregationTemporality.DELTA
)
"""Application Insights adds up what it gets, so it gets what was added since the last time."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One way out. The outboxes may be one and the same; `shutdown` lets go of what they send with."""

    spans: Outbox[Any]
    events: Outbox[Any]
    metrics: Outbox[Any]
    temporality: Mapping[type, AggregationTemporality]
    shutdown: Callable[[], None]


def open_pipeline(export: Export, resource: Resource) -> Pipeline:
    """Open the pipeline that is asked for; `resource` is who tells. Raises CannotExport."""
    if export.to in {"appinsights", "azuremonitor"} and not export.connection_string:
        raise CannotExport(
            f"telemetry={export.to} needs the setting applicationinsights_connection_string; "
            "the portal shows it on the Application Insights resource."
        )
    try:
        match export.to:
            case "console":
                return _console(export)
            case "otlp":
                return _otlp(export)
            case "azuremonitor":
                return _azure_monitor(export, resource)
            case _:
                return _app_insights(export, resource)
    except ImportError as error:
        raise CannotExport(
            f"telemetry={export.to} needs packages that are not installed: pip install 'askpage[telemetry]'"
        ) from error
    except ConnectionInvalid as invalid:
        raise CannotExport(str(invalid)) from invalid


def _console(export: Export) -> Pipeline:
    """One JSON object a line on standard error."""
    spans = ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: span.to_json(indent=None) + "\n")
    events = ConsoleLogRecordExporter(
        out=sys.stderr, formatter=lambda record: record.to_json(indent=None) + "\n"
    )
    metrics = ConsoleMetricExporter(
        out=sys.stderr, formatter=lambda metrics: metrics.to_json(indent=None) + "\n"
    )
    return _of_sdk("telemetry to the console", export, (spans, events, metrics), {})


def _otlp(export: Export) -> Pipeline:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    base = export.otlp_endpoint.rstrip("/")
    exporters = (
        OTLPSpanExporter(f"{base}/v1/traces", timeout=export.timeout_s),
        OTLPLogExporter(f"{base}/v1/logs", timeout=export.timeout_s),
        OTLPMetricExporter(f"{base}/v1/metrics", timeout=export.timeout_s),
    )
    return _of_sdk("telemetry to the collector", export, exporters, {})


def _azure_monitor(export: Export, resource: Resource) -> Pipeline:
    from azure.monitor.opentelemetry.exporter import (  # noqa: PLC0415
        AzureMonitorLogExporter,
        AzureMonitorMetricExporter,
        AzureMonitorTraceExporter,
    )

    parse(export.connection_string)
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
    options: dict[str, Any] = {
        "connection_string": export.connection_string,
        "disable_offline_storage": True,  # the outbox keeps what was not taken
        "retry_total": 0,  # and tries again
        "timeout": export.timeout_s,
        "read_timeout": export.timeout_s,
    }
    exporters = (
        AzureMonitorTraceExporter(**options, tracer_provider=SimpleNamespace(resource=resource)),
        AzureMonitorLogExporter(**options),
        AzureMonitorMetricExporter(**options),
    )
    return _of_sdk("telemetry to Azure Monitor", export, exporters, DELTAS, as_custom_event)


def as_custom_event(record: ReadableLogRecord) -> ReadableLogRecord:
    """Return an event with the attributes by which Azure Monitor's exporter knows one, and its numbers."""
    properties, measurements = split_attributes(record.log_record.attributes or {})
    log_record = copy.copy(record.log_record)
    log_record.attributes = {
        **properties,
        "microsoft.custom_event.name": log_record.event_name or "",
        "microsoft.custom_measurements": json.dumps(measurements),
    }
    return ReadableLogRecord(log_record, record.resource, record.instrumentation_scope, record.limits)


def _app_insights(export: Export, resource: Resource) -> Pipeline:
    connection = parse(export.connection_string)
    role, instance = (str(resource.attributes[name]) for name in ("service.name", "service.instance.id"))
    envelopes = Envelopes(connection.instrumentation_key, role, instance)

    def prepare(item: ReadableSpan | ReadableLogRecord | MetricsData) -> Iterator[Any]:
        if isinstance(item, ReadableSpan):
            yield from envelopes.of_span(item)
        elif isinstance(item, MetricsData):
            yield from envelopes.of_metrics(item)
        else:
            yield envelopes.of_event(item)

    send = sender(connection.endpoint, timeout_s=export.timeout_s)
    outbox: Outbox[Any] = Outbox("telemetry to Application Insights", send, export.pace, prepare)
    return Pipeline(outbox, outbox, outbox, DELTAS, lambda: None)


def _of_sdk(
    name: str,
    export: Export,
    exporters: Sequence[Any],
    temporality: Mapping[type, AggregationTemporality],
    event: Callable[[ReadableLogRecord], ReadableLogRecord] = lambda record: record,
) -> Pipeline:
    """Put an outbox before each of the three exporters of OpenTelemetry's SDK."""
    spans, events, metrics = exporters

    def send_metrics(batch: Sequence[MetricsData]) -> Reply:
        return Reply(again=[one for one in batch if not _is_taken(metrics.export(one))])

    def shutdown() -> None:
        for exporter in exporters:
            exporter.shutdown()

    return Pipeline(
        Outbox(f"{name} (spans)", lambda batch: _reply(batch, spans.export(batch)), export.pace),
        Outbox(
            f"{name} (events)",
            lambda batch: _reply(batch, events.export([event(one) for one in batch])),
            export.pace,
        ),
        Outbox(f"{name} (metrics)", send_metrics, export.pace),
        temporality,
        shutdown,
    )


def _reply(batch: Sequence[Any], result: Any) -> Reply:
    return Reply() if _is_taken(result) else Reply(again=batch)


def _is_taken(result: Any) -> bool:
    return result.name == "SUCCESS"
