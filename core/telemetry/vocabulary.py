"""What telemetry may say: every event, property, span and figure, and how each value must look.

Nothing that a person wrote, nobody's name and no id is among it. `docs/telemetry.md` has the same tables for
people, and a test holds the two together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from core.records import Channel

Value = str | int | float | bool

OTHER = "other"
OWN_SITES = ("own pages", "sent file", "no page")
_sites: set[str] = {*OWN_SITES}
"""Hosts of pages that may be told, in this process."""


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


def allow_sites(sites: Iterable[str]) -> None:
    """Say which hosts may be told: those that the operator named."""
    _sites.clear()
    _sites.update(OWN_SITES, sites)


def _site(value: object) -> Value:
    """A host that somebody pasted is their text: only those that the operator named are told."""
    return value if isinstance(value, str) and value in _sites else OTHER


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

HISTOGRAMS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("answer_sent", "seconds"): ("askpage.answer.duration", "Arrival of a question to its sent answer."),
    ("answer_sent", "first_token_seconds"): ("askpage.answer.first_token", "Time to the model's first word."),
    ("review_ruled", "seconds"): ("askpage.review.duration", "How long a review waited."),
    ("job_finished", "seconds"): ("askpage.job.duration", "How long jobs took."),
}
"""(event, property) → the figure that is made of it, seconds."""
COUNTER = "askpage.events"
"""Counts every event, by `event` and by those of its properties that are in COUNTED."""
COUNTED = frozenset(
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
SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 300.0, 3600.0)
