"""What the bot tells of itself: spans, events and figures, by the OpenTelemetry API.

`exporters/` says where they go.

    with telemetry.span("search"): ...
    telemetry.event("fetch_refused", reason="unreachable")

Nothing that a person wrote, nobody's name and no id is among it. The tables below name all that may be told,
and how each value must look: what they do not have raises `NotAllowed` where `strict` is on (in the tests),
and is left out otherwise. Answers are named by a hash that is made for this alone, so what is told can be
joined and nothing else. Without an exporter all of it costs next to nothing and goes nowhere.

`docs/telemetry.md` has the same tables for people, and a test holds the two together.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import re
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
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

from core.records import Channel

log = logging.getLogger(__name__)

Value = str | int | float | bool

NAME = "askpage"
OTHER = "other"


class NotAllowed(ValueError):
    """An event, a span, a property or a value that the tables do not have (a programming error)."""


# How values must look


@dataclass(frozen=True, slots=True)
class Property:
    """One thing that may be told. `read` returns a value as it is sent, and raises NotAllowed."""

    sentence: str
    read: Callable[[object], Value]


def _allow_words(words: str) -> Callable[[object], Value]:
    allowed = frozenset(words.split())

    def read(value: object) -> Value:
        if str(value) not in allowed:
            raise NotAllowed("not one of the words that are allowed")
        return str(value)

    return read


def _matching(pattern: str) -> Callable[[object], Value]:
    compiled = re.compile(pattern)

    def read(value: object) -> Value:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise NotAllowed("not of the form that is allowed")
        return value

    return read


def _number(value: object) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotAllowed("no number")
    return value if isinstance(value, int) else round(value, 3)


def _flag(value: object) -> Value:
    if not isinstance(value, bool):
        raise NotAllowed("neither true nor false")
    return value


def _language(value: object) -> Value:
    """A channel may call anything a language: what is none is not repeated."""
    return value if isinstance(value, str) and value in _LANGUAGES else OTHER if value else "unknown"


def _site(value: object) -> Value:
    """A host that somebody pasted is their text: only those that the operator named are told."""
    return value if isinstance(value, str) and value in _now.sites else OTHER


_OWN_SITES = ("own pages", "sent file", "no page")
_SHIPPED = "shipped"
_CODES = (
    "aaabaeafakamanarasavayazbabebgbibmbnbobrbscacechcocrcscucvcydadedvdzeeeleneoeseteufafffifjfofrfygagd"
    "glgngugvhahehihohrhthuhyhziaidieigiiikioisitiujajvkakgkikjkkklkmknkokrkskukvkwkylalblglilnloltlulvmg"
    "mhmimkmlmnmrmsmtmynanbndnengnlnnnonrnvnyocojomorospapiplpsptqurmrnrorurwsascsdsesgsiskslsmsnsosqsrss"
    "stsusvswtatetgthtitktltntotrtstttwtyugukuruzvevivowawoxhyiyozazhzu"
)
_LANGUAGES = frozenset(_CODES[at : at + 2] for at in range(0, len(_CODES), 2))
"""ISO 639-1."""


# What may be told

PROPERTIES: Mapping[str, Property] = {
    "answer": Property("The answer, by a hash made only for this purpose.", _matching("[0-9a-f]{16}")),
    "reviewed": Property("The answer that a verified one came from, by its hash.", _matching("[0-9a-f]{16}")),
    "channel": Property("Where it was asked.", _allow_words(" ".join(Channel))),
    "language": Property("Two letters (ISO 639-1); other, unknown.", _language),
    "site": Property(
        "Host of the answer's page, if it is a source; own pages, sent file, no page, other.",
        _site,
    ),
    "model_version": Property("Name of the version that wrote it; verified.", _matching(r"\w[\w.@+-]{0,99}")),
    "answer_kind": Property(
        "Whether it was answered, quoted or declined; absent before there were quotations.",
        _allow_words("answered quoted declined"),
    ),
    "abstained": Property("Whether the bot said that it found nothing.", _flag),
    "verified": Property("Whether a reviewer verified the answer.", _flag),
    "named_page": Property("Whether the question named a page.", _flag),
    "resumed": Property("Whether it was answered after a crash.", _flag),
    "withdrawn": Property("Whether the feedback was withdrawn.", _flag),
    "kind": Property(
        "The kind of feedback.", _allow_words("thumb reaction stars comment expert implicit similar")
    ),
    "value": Property(
        "The feedback: thumb or stars; of a reaction only up, down or other; of an offered answer"
        " same or other.",
        _allow_words("like dislike 1 2 3 4 5 up down other none same follow_up opened abandoned"),
    ),
    "ruling": Property("What reviewers decided.", _allow_words("approved corrected not_on_page rejected")),
    "reason": Property(
        "The reason for a review, a failure, a refusal or a loss.",
        _allow_words(
            "thumb_down few_stars expert declined low_support low_confidence sample stale conflict "
            "busy too_fast too_many too_long too_slow page_refused reading closed stopped undeliverable "
            "not_delivered error address unreachable unreadable full refused unsent satisfaction errors "
            "latency operator"
        ),
    ),
    "outcome": Property(
        "How it ended.", _allow_words("done failed stopped said unsure no_question busy not_this_page undo")
    ),
    "job": Property("The job's name.", _matching("[a-z][a-z_]{0,49}")),
    "seconds": Property("How long it took.", _number),
    "first_token_seconds": Property("How long until the model's first word.", _number),
    "search_seconds": Property("How long the search took.", _number),
    "pause_seconds": Property(
        "Time since the same person's last answer in this conversation; absent for the first one.", _number
    ),
    "late_seconds": Property("How long after the answer the feedback came.", _number),
    "age_seconds": Property("How old the verified answer was.", _number),
    "support": Property("Share of the answer's words that are in its citation.", _number),
    "confidence": Property("How likely the answer is right, 0 to 1; absent if it was not computed.", _number),
    "search_version": Property(
        "Which search head ranks the results: shipped, or its name.", _matching("shipped|head-[0-9a-f]{12}")
    ),
    "share": Property("Share of the conversations.", _number),
    "stars": Property("Sum of the stars that this answer has now.", _number),
    "starred": Property("How many people gave it stars.", _number),
    "likes": Property("How many people like this answer now.", _number),
    "dislikes": Property("How many people dislike it now.", _number),
    "weight": Property("How many answers a sampled answer stands for; 0: not sampled.", _number),
    "round": Property(
        "Which review of this answer it is; a changed page or decision starts another one.", _number
    ),
    "verdicts": Property("How many reviewers decided.", _number),
    "answers": Property("How many answers a group of a day has.", _number),
    "quoted": Property("How many of them quote a page.", _number),
    "declined": Property("How many of them say that nothing was found.", _number),
    "closed": Property("How many of them are older than 30 minutes.", _number),
    "ignored": Property("How many of those had no reaction within 30 minutes.", _number),
    "sessions": Property("How many sessions began.", _number),
    "session_seconds": Property("How long all sessions lasted.", _number),
    "judged": Property("How many of a sample reviewers judged.", _number),
    "weights": Property("Sum of the weights of what was judged.", _number),
    "rights": Property("Sum of the weights of what was right.", _number),
    "tokens_read": Property("Tokens that the model read; absent where that is not known.", _number),
    "tokens_cached": Property("How many of them it had read before.", _number),
    "tokens_written": Property("Tokens that the model wrote, shown or not.", _number),
    "p50_seconds": Property("Median response time.", _number),
    "p95_seconds": Property("Response time that 95 % of the answers stayed below.", _number),
    "count": Property("How many.", _number),
}
"""Everything that any event may say."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, and what is told of it."""

    sentence: str
    properties: tuple[str, ...]


def _event(sentence: str, properties: str = "", *, answer: bool = False) -> Event:
    of_answer = "answer channel language site model_version answer_kind abstained verified " if answer else ""
    return Event(sentence, tuple((of_answer + properties).split()))


EVENTS: Mapping[str, Event] = {
    "question_asked": _event(
        "A question was stored; small talk does not count.", "channel language named_page"
    ),
    "answer_sent": _event(
        "An answer is on its asker's screen.",
        "seconds first_token_seconds search_seconds pause_seconds support confidence resumed search_version "
        "tokens_read tokens_cached tokens_written",
        answer=True,
    ),
    "answer_failed": _event("Somebody got no answer.", "channel language reason seconds"),
    "heard_unasked": _event("Somebody wrote in a channel, but not to the bot.", "outcome"),
    "file_read": _event(
        "The files of a message were read, or could not be read.", "channel outcome seconds count"
    ),
    "gap_decided": _event("The owner of a page decided about a gap.", "outcome"),
    "question_forgotten": _event("A question was deleted with its answer.", "answer"),
    "feedback_given": _event(
        "Somebody gave or withdrew feedback; with the answer's totals after that.",
        "kind value withdrawn late_seconds stars starred likes dislikes",
        answer=True,
    ),
    "review_opened": _event("An answer is waiting for a reviewer.", "reason round", answer=True),
    "review_ruled": _event("Reviewers decided.", "ruling weight round verdicts seconds", answer=True),
    "verified_served": _event(
        "A question was answered with a verified answer.", "reviewed age_seconds", answer=True
    ),
    "model_promoted": _event("Another version answers everybody.", "model_version"),
    "model_rolled_back": _event("A version was rolled back.", "model_version reason"),
    "canary_started": _event("A new version answers a share of the conversations.", "model_version share"),
    "search_changed": _event("Another search head ranks the results.", "search_version"),
    "job_finished": _event("A job ended.", "job outcome seconds count"),
    "fetch_refused": _event("A page that somebody pasted was not read.", "reason"),
    "store_away": _event("The store cannot be reached; records wait on disk."),
    "store_back": _event("The store can be reached again and has the records that waited.", "seconds count"),
    "spool_full": _event("No more records can wait for the store.", "count"),
    "day_summed": _event(
        "A day is over: figures of its answers with one version, channel and site (only to Data Explorer).",
        "channel site model_version answers quoted declined closed ignored stars starred likes dislikes "
        "sessions session_seconds judged weights rights p50_seconds p95_seconds tokens_read tokens_cached "
        "tokens_written",
    ),
    "person_deleted": _event("A person's data was deleted.", "count"),
    "telemetry_dropped": _event("Some telemetry was lost.", "reason count"),
}
"""Everything that may be told to have happened."""

SPANS: Mapping[str, str] = {
    "arrival": "A request of a channel, until it is acknowledged.",
    "authenticate": "The sender is checked.",
    "question": "A question, until its answer is on the asker's screen.",
    "store": "A record is written.",
    "groups": "The asker's groups are looked up in a directory.",
    "fetch": "A page that the question names is read.",
    "verified": "A verified answer is looked up.",
    "search": "The pages are searched.",
    "queue": "The question waits for its turn at the model.",
    "prefill": "The model reads, until its first word.",
    "decode": "The model writes.",
    "send": "The answer goes to the channel.",
    "ruling": "A reviewer's decision about an answer; linked to its question.",
    "follow_up": "Cards, messages and notices after a review; linked to the question.",
    "job": "One run of a job.",
}
"""What time is measured of.

`arrival`, `question`, `follow_up` and `job` are requests, the others parts of them.
"""

_KINDS: Mapping[str, SpanKind] = {
    "arrival": SpanKind.SERVER,
    "question": SpanKind.CONSUMER,
    "follow_up": SpanKind.CONSUMER,
    "job": SpanKind.CONSUMER,
}

HISTOGRAMS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("answer_sent", "seconds"): ("askpage.answer.duration", "Arrival of a question to its sent answer."),
    ("answer_sent", "first_token_seconds"): ("askpage.answer.first_token", "Time to the model's first word."),
    ("review_ruled", "seconds"): ("askpage.review.duration", "How long a review waited."),
    ("job_finished", "seconds"): ("askpage.job.duration", "How long jobs took."),
}
"""(event, property) → the figure that is made of it, seconds."""
COUNTER = "askpage.events"
"""Counts every event, by `event` and by those of its properties that are in _COUNTED."""
_COUNTED = frozenset(
    {
        "channel",
        "model_version",
        "answer_kind",
        "abstained",
        "verified",
        "kind",
        "ruling",
        "reason",
        "outcome",
        "job",
    }
)
ENGINE: Mapping[str, str] = {
    "askpage.engine.under_way": "Requests that the model works on, or that wait for it.",
    "askpage.engine.tokens_in": "Tokens of prompts.",
    "askpage.engine.tokens_reused": "Tokens of prompts that needed no computing.",
    "askpage.engine.tokens_out": "Tokens that were written.",
    "askpage.engine.refused": "Requests that found the queue full.",
}
_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 300.0, 3600.0)


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
            source: meter.create_histogram(name, "s", what, explicit_bucket_boundaries_advisory=_SECONDS)
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
    sites: frozenset[str] = frozenset(_OWN_SITES)
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
    _now.key, _now.sites = key, frozenset((*_OWN_SITES, *sites))


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
    counted = {key: value for key, value in told.items() if key in _COUNTED}
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
