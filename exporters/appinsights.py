"""Spans, events and metrics as envelopes of Application Insights, by the package `applicationinsights`.

    arrival, question, follow_up, job → RequestData          other spans     → RemoteDependencyData ("InProc")
    events                            → EventData            errors          → ExceptionData
    metrics                           → MetricData, what was added since the last ones

`ai.operation.id` is the trace, `ai.operation.parentId` the span above, a request's or dependency's `id` the
span itself: so the portal draws a transaction of them. Links to other traces are the property `_MS.links`.
Numbers are measurements, everything else is a property: text, "True" and "False". The host's name is not
sent.

Application Insights' connection string: "InstrumentationKey=…;IngestionEndpoint=https://…/".

https://learn.microsoft.com/azure/azure-monitor/app/connection-strings has its grammar: names and values with
"=", in any order and case, ";" between them; the endpoint is named, or made of EndpointSuffix and Location.

Where Application Insights takes envelopes: one POST a batch, and what its answers mean.

The package's own sender puts what failed back into an unbounded queue and sends it again at once, for ever;
so the envelopes are the package's, and the sending is ours (`exporters/buffer.py`).
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# The package has no types.

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from applicationinsights.channel import contracts
from opentelemetry.sdk._logs import ReadableLogRecord  # pyright: ignore[reportPrivateImportUsage]
from opentelemetry.sdk.metrics.export import HistogramDataPoint, MetricsData, NumberDataPoint
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from exporters.buffer import Reply

GLOBAL = "https://dc.services.visualstudio.com"


class ConnectionInvalid(ValueError):
    """A connection string that nothing can be sent with; the message is a sentence, without the string."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Which resource, and where it takes telemetry: an address without a slash at its end."""

    instrumentation_key: str
    endpoint: str


def parse(text: str) -> Connection:
    """Read a connection string. Raises ConnectionInvalid."""
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    if not parts or not all(separator for _, separator, _ in parts):
        raise ConnectionInvalid("The connection string of Application Insights is NAME=VALUE;NAME=VALUE…")
    values = {name.strip().lower(): value.strip() for name, _, value in parts}
    if values.get("authorization", "ikey").lower() != "ikey":
        raise ConnectionInvalid("The connection string asks for another authorization than ikey.")
    try:
        key = str(UUID(values.get("instrumentationkey", "")))
    except ValueError:
        raise ConnectionInvalid("The connection string has no InstrumentationKey that is a GUID.") from None
    return Connection(key, _check_endpoint(_endpoint(values)))


def _endpoint(values: dict[str, str]) -> str:
    if endpoint := values.get("ingestionendpoint"):
        return endpoint
    suffix = values.get("endpointsuffix", "").strip(".")
    if not suffix:
        return GLOBAL
    location = values.get("location", "")
    return f"https://{location + '.' if location else ''}dc.{suffix}"


def _check_endpoint(endpoint: str) -> str:
    """Return the address without its last slash. Only this machine is spoken to without TLS."""
    try:
        url = urlsplit(endpoint)
        secure = url.scheme == "https" or (
            url.scheme == "http" and url.hostname in {"127.0.0.1", "::1", "localhost"}
        )
        whole = bool(url.hostname) and (url.port is None or url.port > 0) and not (url.query or url.fragment)
    except ValueError:
        secure = whole = False
    if not (secure and whole):
        raise ConnectionInvalid("The IngestionEndpoint of the connection string is no https:// address.")
    return endpoint.rstrip("/")


PATH = "/v2/track"
TIMEOUT_S = 10.0
LATER = frozenset({408, 429, 439, 500, 502, 503, 504})
"""Statuses, of a request or of one item, that pass."""
_MOST_WAIT_S = 300.0
_MOST_MOVES = 5

Envelope = dict[str, Any]


def sender(endpoint: str, *, timeout_s: float = TIMEOUT_S) -> Callable[[Sequence[Envelope]], Reply]:
    """Return what posts envelopes to an endpoint. It raises OSError where nobody answers.

    The service may send a client on, to where its resource is (307 or 308): that address is kept as long as
    it answers.
    """
    first = f"{endpoint}{PATH}"
    current = first

    def send(batch: Sequence[Envelope]) -> Reply:
        nonlocal current
        body = json.dumps(batch).encode()
        for _ in range(_MOST_MOVES):
            try:
                return _parse_reply(batch, _post(current, body, timeout_s))
            except HTTPError as error:
                with error:
                    moved = _find_new_address(current, error)
                    if moved is None:
                        return _refuse(batch, error)
                    current = moved
            except OSError:
                current = first
                raise
        current = first
        return Reply(again=batch)

    return send


def _post(address: str, body: bytes, timeout_s: float) -> bytes:
    headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
    request = urllib.request.Request(address, body, headers)  # noqa: S310 - checked: https, or this machine
    with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
        return bytes(response.read())


def _find_new_address(address: str, error: HTTPError) -> str | None:
    """Return where a reply sends the client; None where it does not, or to where we do not speak."""
    if error.code not in {HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT}:
        return None
    try:
        moved = _check_endpoint(urljoin(address, error.headers.get("Location", "")))
    except ConnectionInvalid:
        return None
    return moved if moved.startswith("https:") or address.startswith("http:") else None


def _refuse(batch: Sequence[Envelope], error: HTTPError) -> Reply:
    if error.code == HTTPStatus.PARTIAL_CONTENT:
        return _parse_reply(batch, error.read())
    return _parse_refusal(batch, error.code, error.headers.get("Retry-After"))


def _parse_reply(batch: Sequence[Envelope], body: bytes) -> Reply:
    """Read which of the batch were not taken.

    The service answers {"itemsReceived", "itemsAccepted", "errors": [{"index", "statusCode"}]}.
    """
    try:
        errors = cast("list[dict[str, Any]]", json.loads(body).get("errors") or [])
        bad = {int(error["index"]): int(error["statusCode"]) for error in errors}
    except (ValueError, TypeError, KeyError, AttributeError):
        return Reply()
    again = [batch[index] for index, status in bad.items() if status in LATER and index < len(batch)]
    return Reply(again, len(bad) - len(again))


def _parse_refusal(batch: Sequence[Envelope], status: int, retry_after: str | None) -> Reply:
    if status not in LATER:
        return Reply(never=len(batch))
    try:
        wait_s = min(max(float(retry_after or 0), 0.0), _MOST_WAIT_S)
    except ValueError:  # a date
        wait_s = 0.0
    return Reply(again=batch, wait_s=wait_s)


SDK_VERSION = "py:0.11.10:askpage"
_REQUESTS = (SpanKind.SERVER, SpanKind.CONSUMER)
_NOT_REPEATED = ("http.", "exception.", "error.")
"""Attributes that have a place of their own in an envelope."""


class Envelopes:
    """Makes envelopes for one resource; `role` and `instance` say who tells."""

    def __init__(self, instrumentation_key: str, role: str, instance: str) -> None:
        self._key = instrumentation_key
        self._tags = {
            "ai.cloud.role": role,
            "ai.cloud.roleInstance": instance,
            "ai.internal.sdkVersion": SDK_VERSION,
        }

    def of_span(self, span: ReadableSpan) -> Iterator[Envelope]:
        """Yield the envelope of a span, and one for each error that came up in it."""
        context = span.get_span_context()
        trace_id = f"{context.trace_id:032x}" if context else ""
        span_id = f"{context.span_id:016x}" if context else ""
        parent_id = f"{span.parent.span_id:016x}" if span.parent else ""
        data = _request(span) if span.kind in _REQUESTS else _dependency(span)
        data.id = span_id
        data.duration = duration((span.end_time or 0) - (span.start_time or 0))
        data.success = span.status.status_code is not StatusCode.ERROR
        data.properties, data.measurements = split_attributes(span.attributes or {})
        if span.links:
            links = [
                {"operation_Id": f"{link.context.trace_id:032x}", "id": f"{link.context.span_id:016x}"}
                for link in span.links
            ]
            data.properties["_MS.links"] = json.dumps(links)
        yield self._envelope(data, span.start_time, trace_id, parent_id, data.name)
        for event in span.events:
            if event.name == "exception":
                yield self._envelope(_exception(event), event.timestamp, trace_id, span_id, data.name)

    def of_event(self, record: ReadableLogRecord) -> Envelope:
        """Return the envelope of an event."""
        log = record.log_record
        data = contracts.EventData()
        data.name = log.event_name
        data.properties, data.measurements = split_attributes(log.attributes or {})
        trace_id = f"{log.trace_id:032x}" if log.trace_id else ""
        return self._envelope(data, log.timestamp, trace_id, f"{log.span_id:016x}" if log.span_id else "")

    def of_metrics(self, metrics: MetricsData) -> Iterator[Envelope]:
        """Yield an envelope for every point of every metric."""
        for resource in metrics.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        if isinstance(point, NumberDataPoint | HistogramDataPoint):
                            yield self._envelope(_metric(metric.name, point), point.time_unix_nano)

    def _envelope(
        self, data: Any, time_ns: int | None, trace_id: str = "", parent_id: str = "", operation: str = ""
    ) -> Envelope:
        envelope = contracts.Envelope()
        envelope.name = data.ENVELOPE_TYPE_NAME
        envelope.time = datetime.fromtimestamp((time_ns or 0) / 1e9, UTC).isoformat().replace("+00:00", "Z")
        envelope.ikey = self._key
        tags = {
            "ai.operation.id": trace_id,
            "ai.operation.parentId": parent_id,
            "ai.operation.name": operation,
        }
        envelope.tags = self._tags | {name: value for name, value in tags.items() if value}
        envelope.data = contracts.Data()
        envelope.data.base_type = data.DATA_TYPE_NAME
        envelope.data.base_data = data
        return cast("Envelope", envelope.write())


def split_attributes(attributes: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, float]]:
    """Return attributes as properties (text) and measurements (numbers)."""
    properties: dict[str, str] = {}
    measurements: dict[str, float] = {}
    for name, value in attributes.items():
        if name.startswith(_NOT_REPEATED):
            continue
        if isinstance(value, int | float) and not isinstance(value, bool):
            measurements[name] = value
        else:
            properties[name] = str(value)
    return properties, measurements


def duration(nanoseconds: int) -> str:
    """Return a time span as the service reads it: days.hh:mm:ss.ffffff."""
    seconds, rest = divmod(max(nanoseconds, 0) // 1000, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}.{hours:02}:{minutes:02}:{seconds:02}.{rest:06}"


def _request(span: ReadableSpan) -> Any:
    attributes = span.attributes or {}
    data = contracts.RequestData()
    route = attributes.get("http.route")
    data.name = f"{attributes['http.request.method']} {route}" if route else span.name
    data.response_code = str(attributes.get("http.response.status_code", 0))
    return data


def _dependency(span: ReadableSpan) -> Any:
    data = contracts.RemoteDependencyData()
    data.name = span.name
    data.type = "InProc"
    data.result_code = "0"
    return data


def _exception(event: Event) -> Any:
    attributes = event.attributes or {}
    details = contracts.ExceptionDetails()
    details.id, details.outer_id = 1, 0
    details.type_name = details.message = str(attributes.get("exception.type", "Exception"))
    details.has_full_stack = True
    details.stack = str(attributes.get("exception.stacktrace", ""))
    data = contracts.ExceptionData()
    data.exceptions = [details]
    return data


def _metric(name: str, point: NumberDataPoint | HistogramDataPoint) -> Any:
    value = contracts.DataPoint()
    value.name = name
    value.kind = contracts.DataPointType.aggregation
    if isinstance(point, HistogramDataPoint):
        value.value, value.count, value.min, value.max = point.sum, point.count, point.min, point.max
    else:
        value.value, value.count = point.value, 1
    data = contracts.MetricData()
    data.metrics = [value]
    data.properties, _ = split_attributes(point.attributes or {})
    return data
