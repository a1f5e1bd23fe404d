"""The nouns of askpage, in the order in which one question meets them. Read this file first.

A person asks a `Question`. The page index finds `Passage`s of the known `Page`s. The model answers from them:
an `Answer` with `Citation`s that stand in the passages word for word, or an honest abstention. The person says
what they think of it: `Feedback`. Everything is frozen; a change of mind is a new record.

Times are timezone-aware UTC. Ids are opaque strings. Names that end in `_s` are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Channel(StrEnum):
    """Where a question was asked. The values are the Bot Framework's channel ids, and `local` for our page."""

    TEAMS = "msteams"
    SLACK = "slack"
    LOCAL = "local"
    COMMAND_LINE = "cli"


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asked.

    `id` is the activity's id on its channel, prefixed by its conversation, so that a redelivery is the same
    question. `asker` is a pseudonym, never a name or a channel's user id. `reply_to` is what the channel's front
    end needs to answer later (JSON, opaque to everything else); it is erased once the answer is delivered.
    """

    id: str
    text: str
    asker: str
    conversation: str
    channel: Channel
    asked_at: datetime
    page_url: str | None = None
    reply_to: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page under one heading: plain text, and the anchor that opens the page there ("" for the top)."""

    heading: str
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """The main text of one page as it was at `fetched_at`.

    `url` carries no fragment. `page_hash` is the SHA-256 of the title and the sections, in hex: equal hashes mean
    equal text. `etag` is the server's validator, if it sent one.
    """

    url: str
    title: str
    sections: tuple[Section, ...]
    page_hash: str
    fetched_at: datetime
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page that fits a prompt. `url` opens the page at the passage's section (with its fragment)."""

    url: str
    title: str
    heading: str
    text: str
    page_hash: str
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found; `score` is the fused rank score (higher is nearer, not a probability).

    `similarity` is the cosine of the question's and the passage's embeddings, -1 to 1.
    """

    passage: Passage
    score: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Citation:
    """A span that stands in a passage word for word, and where to open it."""

    url: str
    title: str
    heading: str
    quote: str


@dataclass(frozen=True, slots=True)
class Timings:
    """How long one answer took, in seconds from the arrival of its question. None: that step did not happen."""

    search_s: float | None = None
    time_to_first_token_s: float | None = None
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot said.

    `passages` is what the model saw, in prompt order: without it a correction cannot be replayed as the prompt
    that the model really had. `citations` is what the answer used; marker [n] in `text` is `citations[n - 1]`.
    An abstention has `abstained` set, and at most one citation: the nearest section.
    """

    id: str
    question: Question
    text: str
    passages: tuple[Passage, ...]
    citations: tuple[Citation, ...]
    model_version: str
    abstained: bool
    timings: Timings
    answered_at: datetime
    verified_by: str | None = None


class FeedbackKind(StrEnum):
    """How somebody said what they think."""

    THUMB = "thumb"
    REACTION = "reaction"
    STARS = "stars"
    COMMENT = "comment"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's word on one answer.

    (`answer_id`, `giver`, `kind`, `value` of a reaction) is one record: giving it again replaces, taking it back
    sets `withdrawn_at`. `value` is "like" or "dislike" for a thumb, the reaction's name, "1" to "5" for stars, the
    text of a comment. `trainable` says whether the channel's terms and the giver allow learning from it.
    """

    answer_id: str
    giver: str
    kind: FeedbackKind
    value: str
    trainable: bool
    given_at: datetime
    withdrawn_at: datetime | None = None
    comment: str = ""
    reasons: tuple[str, ...] = field(default=())
