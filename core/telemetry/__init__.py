"""What the bot tells of itself: spans, events and figures, by the OpenTelemetry API.

`exporters/` says where they go.

    with telemetry.span("search"): ...
    telemetry.event("fetch_refused", reason="unreachable")

`vocabulary.py` names all that may be told: what it does not have raises `NotAllowed` where `strict` is on
(in the tests), and is left out otherwise. Answers are named by a hash that is made for this alone, so what is
told can be joined and nothing else. Without an exporter all of it costs next to nothing and goes nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
import traceback
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath

from opentelemetry import metrics, trace
from opentelemetry._logs import (  # pyright: ignore[reportPrivateImportUsage]
    LoggerProvider,
    SeverityNumber,
    get_logger,
)
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.telemetry.vocabulary import (
    COUNTED,
    COUNTER,
    ENGINE,
    EVENTS,
    HISTOGRAMS,
    PROPERTIES,
    SECONDS,
    SPANS,
    NotAllowed,
    Value,
    allow_sites,
)

log = logging.getLogger(__name__)

NAME = "askpage"
_SHIPPED = "shipped"

_KINDS: Mapping[str, SpanKind] = {
    "arrival": SpanKind.SERVER,
    "question": SpanKind.CONSUMER,
    "follow_up": SpanKind.CONSUMER,
    "job": SpanKind.CONSUMER,
}


# Where it goes


class Outlet:
    """A tracer, a logger and instruments of these providers.

    By default the process's own, which do nothing at first.
    """

    def __init__(
        self,
        traces: trace.TracerProvider | None = None,
        logs: LoggerProvider | None = None,
        meters: metrics.MeterProvider | None = None,
    ) -> None:
        self.tracer = trace.get_tracer(NAME, tracer_provider=traces)
        self.logger = get_logger(NAME, logger_provider=logs)
        meter = metrics.get_meter(NAME, meter_provider=meters)
        self.events = meter.create_counter(COUNTER, description="Events.")
        self.histograms = {
            source: meter.create_histogram(name, "s", what, explicit_bucket_boundaries_advisory=SECONDS)
            for source, (name, what) in HISTOGRAMS.items()
        }
        self.engine = {
            name: meter.create_up_down_counter(name, description=what)
            if name.endswith("under_way")
            else meter.create_counter(name, description=what)
            for name, what in ENGINE.items()
        }


@dataclass(slots=True)
class _Now:
    """The state of this process.

    `strict` is on in tests; `key` is secret, and the same in every process of a bot; `search_version` is the
    head that orders its searches now.
    """

    outlet: Outlet
    strict: bool = False
    key: bytes = b""
    search_version: str = _SHIPPED


_now = _Now(Outlet())


def send_to(outlet: Outlet) -> Outlet:
    """Send what is told there from now on; return where it went before."""
    before, _now.outlet = _now.outlet, outlet
    return before


def be_strict(*, strict: bool = True) -> None:
    """Raise NotAllowed for what the tables do not have, instead of leaving it out."""
    _now.strict = strict


def use_key(key: bytes, sites: Iterable[str] = ()) -> None:
    """Hash ids with this key; `sites` are the hosts that may be told."""
    _now.key = key
    allow_sites(sites)


def use_search(head: str) -> None:
    """Say which head orders the search from now on ("": the shipped one), and tell where it is another."""
    before, _now.search_version = _now.search_version, head or _SHIPPED
    if before != _now.search_version:
        event("search_changed", search_version=_now.search_version)


def read_search_version() -> str:
    """Return which head orders the search of this process."""
    return _now.search_version


def is_on() -> bool:
    """Tell whether anybody listens to events: what costs something need not be looked up for nobody."""
    return _now.outlet.logger.enabled(severity_number=SeverityNumber.INFO)


def hash_answer_id(answer_id: str) -> str:
    """Return the name that an answer has here."""
    return hmac.new(_now.key or b"none", f"answer {answer_id}".encode(), hashlib.sha256).hexdigest()[:16]


# Events and figures


def event(name: str, **properties: object) -> None:
    """Tell that something happened. Properties that are None are left out."""
    known = EVENTS.get(name)
    if known is None:
        _refuse(f"there is no event {name}")
        return
    told = _filter_allowed(name, known.properties, properties)
    outlet = _now.outlet
    outlet.logger.emit(
        event_name=name, timestamp=time.time_ns(), severity_number=SeverityNumber.INFO, attributes=told
    )
    counted = {key: value for key, value in told.items() if key in COUNTED}
    outlet.events.add(1, {"event": name, **counted})
    for key in told.keys() & {"seconds", "first_token_seconds"}:
        if histogram := outlet.histograms.get((name, key)):
            histogram.record(float(told[key]), counted)


def as_told(name: str, properties: Mapping[str, object]) -> dict[str, Value]:
    """Return what an event would say of these properties.

    Raises NotAllowed for what the tables do not have, always.
    """
    known = EVENTS[name].properties
    if strange := [key for key in properties if key not in known]:
        raise NotAllowed(f"{name} has no property {strange[0]}")
    told: dict[str, Value] = {}
    for key, value in properties.items():
        if value is not None:
            try:
                told[key] = PROPERTIES[key].read(value)
            except NotAllowed as error:
                raise NotAllowed(f"{key} is {error}") from None
    return told


def engine(name: str, amount: int) -> None:
    """Add to a figure of the model's engine."""
    _now.outlet.engine[f"askpage.engine.{name}"].add(amount)


def _filter_allowed(name: str, known: tuple[str, ...], properties: Mapping[str, object]) -> dict[str, Value]:
    told: dict[str, Value] = {}
    for key, value in properties.items():
        if key not in known:
            _refuse(f"{name} has no property {key}")
        elif value is not None:
            try:
                told[key] = PROPERTIES[key].read(value)
            except NotAllowed as error:
                _refuse(f"{name}: {key} is not told: {error}")
    return told


def _refuse(why: str) -> None:
    """The value itself is not repeated: it may be what must not be told."""
    if _now.strict:
        raise NotAllowed(why)
    log.debug("%s", why)


# Spans


@contextmanager
def span(name: str, *, parent: str = "", linked: str = "") -> Generator[None]:
    """Measure what is done meanwhile.

    `parent` and `linked` are what `here` returned elsewhere, perhaps long ago. An exception marks the span as
    failed, by its kind alone: what it says may be what somebody wrote.
    """
    if name not in SPANS:
        _refuse(f"there is no span {name}")
    link = _parse_traceparent(linked)
    with _now.outlet.tracer.start_as_current_span(
        name,
        context=_propagator.extract({"traceparent": parent}) if parent else None,
        kind=_KINDS.get(name, SpanKind.INTERNAL),
        links=[trace.Link(link)] if link else None,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield
        except Exception as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(StatusCode.ERROR)
            raise


def past_span(name: str, began: float, ended: float) -> None:
    """Tell of something that is over; times are of `time.perf_counter`."""
    if name not in SPANS:
        _refuse(f"there is no span {name}")
    now, now_ns = time.perf_counter(), time.time_ns()
    start_ns, end_ns = (now_ns - int((now - then) * 1e9) for then in (began, ended))
    _now.outlet.tracer.start_span(name, start_time=start_ns).end(end_ns)


def record_response(method: str, route: str, status: int) -> None:
    """Say of the current span that it was an HTTP request; `route` is a pattern, never an address."""
    current = trace.get_current_span()
    current.set_attribute("http.request.method", method)
    current.set_attribute("http.route", route)
    current.set_attribute("http.response.status_code", status)
    if status >= 500:  # noqa: PLR2004 - the server's own failures
        current.set_status(StatusCode.ERROR)


def link(to: str) -> None:
    """Link the current span to another one."""
    if context := _parse_traceparent(to):
        trace.get_current_span().add_link(context)


def record_error(error: BaseException) -> None:
    """Tell of an error that nobody expected: its kind, and where in the code it came up; not what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [
        f"{'/'.join(PurePath(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}" for frame in frames
    ]
    current = trace.get_current_span()
    current.add_event(
        "exception", {"exception.type": type(error).__name__, "exception.stacktrace": "\n".join(where)}
    )
    current.set_status(StatusCode.ERROR)


def here() -> str:
    """Return the current span as a W3C traceparent, to be kept beside a record.

    "" where nothing is traced.
    """
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")


_propagator = TraceContextTextMapPropagator()


def _parse_traceparent(traceparent: str) -> trace.SpanContext | None:
    if not traceparent:
        return None
    context: Context = _propagator.extract({"traceparent": traceparent}, Context())
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None
