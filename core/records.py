"""The nouns of askpage, in the order in which one question meets them. Read this file first.

A person asks a `Question`. The page index finds `Passage`s of the known `Page`s. The model answers from them:
an `Answer` with `Citation`s that stand in the passages word for word, or an honest abstention. The person
says what they think of it: `Feedback`. What is doubtful goes to reviewers: a `Review`, which ends with a
`Verdict` and, mostly, a `VerifiedAnswer` that the next asker gets, and a `TrainingExample` that the next
model learns from. Everything is frozen; a change of mind is a new record.

Times are timezone-aware UTC. Ids are opaque strings. Names that end in `_s` are seconds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.readers import EVERYONE, Readers


class Channel(StrEnum):
    """Where a question was asked.

    The values are the Bot Framework's channel ids, `local` for our page, and `widget` for it on other sites.
    """

    TEAMS = "msteams"
    SLACK = "slack"
    LOCAL = "local"
    WIDGET = "widget"
    COMMAND_LINE = "cli"


FILE_ADDRESS = "/file/"
"""How the address of a file begins that somebody sent with a question: nobody can open it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asked.

    `id` is the activity's id on its channel, prefixed by its conversation, so that a redelivery is the same
    question. `asker` is a pseudonym, never a name or a channel's user id. `reply_to` is what the channel's
    front end needs to answer later (JSON, opaque to everything else); it is erased once the answer is
    delivered. `language` is the asker's, as the channel tells it ("en", "de"; "" where it does not). `trace`
    is the W3C traceparent of its arrival, so that what follows later can be linked to it ("": nothing was
    traced).
    """

    id: str
    text: str
    asker: str
    conversation: str
    channel: Channel
    asked_at: datetime
    page_url: str | None = None
    reply_to: str = ""
    language: str = ""
    trace: str = ""

    @property
    def about_file(self) -> bool:
        """Whether it is asked about a file that was sent in its conversation."""
        return (self.page_url or "").startswith(FILE_ADDRESS)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page under one heading: plain text, and the anchor that opens it there ("": the top).

    `level` is that of its heading on the page, 1 to 6, `links` are (words, address as the page has it) in
    their order; neither is part of what a page says, so they count in no hash.
    """

    heading: str
    anchor: str
    text: str
    level: int = 2
    links: tuple[tuple[str, str], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Page:
    """The main text of one page as it was at `fetched_at`.

    `url` carries no fragment. `page_hash` is the SHA-256 of the title and the sections, in hex: equal hashes
    mean equal text. `etag` is the server's validator, if it sent one. `doubtful`: so many pieces of text were
    left out when the page was read, because its readers may not see them; `left_out` says in sentences what
    else was left out and why, `unread` what its readers see and could not be read, such as scanned pages. An
    index keeps none of these. `readers` says who may read it, `label` how sensitive it is, as its source
    calls that ("": it says nothing).
    """

    url: str
    title: str
    sections: tuple[Section, ...]
    page_hash: str
    fetched_at: datetime
    etag: str | None = None
    doubtful: int = 0
    left_out: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    readers: Readers = EVERYONE
    label: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page that fits a prompt.

    `url` opens the page at the passage's section (with its fragment). `readers` are those of its page when it
    was found; who may read it now, the page index knows.
    """

    url: str
    title: str
    heading: str
    text: str
    page_hash: str
    fetched_at: datetime
    readers: Readers = EVERYONE


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence, list item or table row of a passage: `passage.text[start:end]`.

    `similarity` is the cosine of the question's embedding and its own (with its headings before it), -1 to 1.
    """

    start: int
    end: int
    similarity: float


@dataclass(frozen=True, slots=True)
class ReadSpan:
    """A sentence of a passage, `text[start:end]`, and the logit that it is relevant to a question."""

    start: int
    end: int
    relevance: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found; `score` is what it was ranked by (higher is nearer, not a probability).

    `similarity` is the cosine of the question's and the passage's embeddings, -1 to 1; `words` its BM25 score
    (0: it has none of the question's words); `spans` its sentences in their order. `learned` is the part of
    `score` that comes from what reviewers ruled on questions like this one. `read` has the sentences that a
    reranker read with the question, and what it made of them.
    """

    passage: Passage
    score: float
    similarity: float
    words: float = 0.0
    spans: tuple[Span, ...] = ()
    learned: float = 0.0
    read: tuple[ReadSpan, ...] = ()

    @property
    def relevance(self) -> float | None:
        """The logit that the best of its sentences is relevant to the question; None: nobody read one."""
        return max((one.relevance for one in self.read), default=None)


@dataclass(frozen=True, slots=True)
class Citation:
    """A span that stands in a passage word for word, and where to open it."""

    url: str
    title: str
    heading: str
    quote: str


@dataclass(frozen=True, slots=True)
class Timings:
    """How long one answer took, in seconds from the arrival of its question.

    None: that step did not happen.
    """

    search_s: float | None = None
    time_to_first_token_s: float | None = None
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a model read and wrote for one answer, in its own tokens.

    `cached` of those that it `read` it had read before. `ours`: it ran here or on a server of ours, so nobody
    charges for them.
    """

    read: int = 0
    cached: int = 0
    written: int = 0
    ours: bool = True


class AnswerKind(StrEnum):
    """What an answer is: the model's words, the page's own where the model was not sure, or neither."""

    ANSWERED = "answered"
    QUOTED = "quoted"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot said.

    `id` follows from the question's (`derive_answer_id`): a question has one answer, whoever wrote it first.
    `passages` is what was found, the nearest first; the model read what its version reads of them
    (`grounding.read`): without it a correction cannot be replayed as a prompt. `citations` is what the answer
    used; marker [n] in `text` is `citations[n - 1]`. `kind` says what the text is. Of a quoted one it is the
    page's own words without markers: they stand in `citations[0]`, `marked` is the sentence among them that
    answers best, and further citations are other places with one sentence each. A declined one has at most
    one citation: the nearest section. `confidence` is how likely the answer is right, 0 to 1 (None: nothing
    judged it, as with verified answers and older records). `support` is the share of the answer's content
    words that stand in its citation, 0 to 1 (None: nothing was compared). `form` names how feedback was asked
    for below it. `verified_by` and `verified_at` say which reviewer (a pseudonym) stands for it since when,
    `written_on` is the channel where a reviewer wrote its text ("": the model wrote it). `stopped`: the asker
    pressed stop, and `text` is what was written until then. `similar` are the answers whose verified forms
    are offered below it, the likeliest first: a reviewer answered a similar question. `search_version` names
    the head that ordered what was found ("": older, or nothing was searched), `reviewed` the answer whose
    ruling a verified one has ("": none, or older). `tokens` is what its model read and wrote, whether or not
    its words are the answer (None: no model was asked, it did not tell, or older).
    """

    id: str
    question: Question
    text: str
    passages: tuple[Passage, ...]
    citations: tuple[Citation, ...]
    model_version: str
    timings: Timings
    answered_at: datetime
    kind: AnswerKind = AnswerKind.ANSWERED
    verified_by: str | None = None
    verified_at: datetime | None = None
    support: float | None = None
    form: str = ""
    written_on: str = ""
    stopped: bool = False
    confidence: float | None = None
    marked: str = ""
    similar: tuple[str, ...] = ()
    search_version: str = ""
    reviewed: str = ""
    tokens: Tokens | None = None

    @property
    def abstained(self) -> bool:
        """Whether the bot declined to answer."""
        return self.kind is AnswerKind.DECLINED

    @property
    def from_file(self) -> bool:
        """Whether it comes from a file that was sent in its conversation, which is nobody else's."""
        return self.question.about_file or any(one.url.startswith(FILE_ADDRESS) for one in self.passages)


def derive_answer_id(question_id: str) -> str:
    """Return the id of the answer to a question: of two processes that answer the same one, one is kept."""
    return hashlib.sha256(question_id.encode()).hexdigest()[:32]


class FeedbackKind(StrEnum):
    """How somebody said what they think."""

    THUMB = "thumb"
    REACTION = "reaction"
    STARS = "stars"
    COMMENT = "comment"
    EXPERT = "expert"
    IMPLICIT = "implicit"
    SIMILAR = "similar"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's word on one answer.

    (`answer_id`, `giver`, `kind`, `value` of a reaction, an implicit signal or a similar question) is one
    record: giving it again replaces, taking it back sets `withdrawn_at`, the newest counts. `value` is "like"
    or "dislike" for a thumb, the reaction's name, "1" to "5" for stars, "" for a comment (its text is
    `comment`) and for the wish for an expert; "follow_up", "opened" or "abandoned" for an implicit signal;
    "same ID" or "other ID" for whether the verified answer with that id, which was offered, answers the
    question. `trainable` says whether the channel's terms and the giver allow learning from it. `source` is
    the id of the activity that brought it: the same one twice is one record. `page_hash` is that of the page
    the answer stands on.
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
    source: str = ""
    model_version: str = ""
    page_hash: str = ""


class ReviewReason(StrEnum):
    """Why an answer went to the reviewers.

    Only a sample is unbiased: accuracy is computed from nothing else.
    """

    THUMB_DOWN = "thumb_down"
    FEW_STARS = "few_stars"
    EXPERT = "expert"
    DECLINED = "declined"
    LOW_SUPPORT = "low_support"
    LOW_CONFIDENCE = "low_confidence"
    SAMPLE = "sample"
    STALE = "stale"
    CONFLICT = "conflict"


class Ruling(StrEnum):
    """What a reviewer decides: the answer is right; has another text; is not on the page.

    Was no real question.
    """

    APPROVED = "approved"
    CORRECTED = "corrected"
    NOT_ON_PAGE = "not_on_page"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reviewer's ruling.

    `text` and `citation` are the correction's; `source` the activity that brought it. `channel` is where it
    was given ("": on one whose terms allow learning from it).
    """

    reviewer: str
    reviewer_name: str
    ruling: Ruling
    given_at: datetime
    text: str = ""
    citation: Citation | None = None
    note: str = ""
    source: str = ""
    channel: str = ""


class ChangeKind(StrEnum):
    """How a ruling ends that had been in force."""

    WITHDRAWN = "withdrawn"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class RulingChange:
    """A reviewer took a ruling back, or put another one in its place: who, when, what had been, and why.

    `before` is the ruling that ended; what came after it is the ruling of the round that the change began.
    `source` is the activity that brought it, so that the same press twice is one.
    """

    kind: ChangeKind
    reviewer: str
    reviewer_name: str
    changed_at: datetime
    reason: str = ""
    before: Verdict | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A reviewer would rather not decide, and why."""

    reviewer: str
    reason: str
    skipped_at: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """An answer before its reviewers. One per answer; a stale or changed ruling begins a new `round`.

    It waits until `needed` verdicts of different people are there; then `settled_at` is set, and the last
    verdict is the ruling. `claimed_by` holds it until `claimed_until`. `weight` is how many answers a sampled
    one stands for (0: not sampled); `stratum` is "site|channel|language|model version". `passages` is what a
    later round looks at: the pages as they are then (empty: what the model saw), and `earlier` the ruling
    before, where reviewers may agree to it again. `change` tells of a ruling that was taken back or edited,
    and so began this round. `version` grows with every change.
    """

    answer_id: str
    reasons: tuple[ReviewReason, ...]
    opened_at: datetime
    stratum: str = ""
    weight: float = 0.0
    needed: int = 1
    round: int = 1
    claimed_by: str = ""
    claimed_name: str = ""
    claimed_until: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()
    skips: tuple[Skip, ...] = ()
    settled_at: datetime | None = None
    passages: tuple[Passage, ...] = ()
    earlier: Verdict | None = None
    change: RulingChange | None = None
    version: int = 0

    @property
    def ruling(self) -> Verdict | None:
        """What was decided; None while it waits."""
        return self.verdicts[-1] if self.settled_at is not None else None

    @property
    def blind(self) -> bool:
        """Whether nobody may see the verdicts before it is settled: samples measure how reviewers agree."""
        return self.weight > 0

    @property
    def proposal(self) -> Verdict | None:
        """What waits for consent: a correction for a second reviewer, or a ruling on a page since changed."""
        if self.settled_at is not None or self.blind:
            return None
        return self.verdicts[-1] if self.verdicts else self.earlier


@dataclass(frozen=True, slots=True)
class VerifiedAnswer:
    """What the next asker of the same question gets, until a page that it stands on changes.

    `answer_id` is the answer that was reviewed. `page_url` is the page that the question named, if it named
    one: it serves only questions about that page then. `pages` are (address without fragment, hash) of what
    it stands on. `abstained` says that the answer is not on the page: `text` is empty then, and ignored where
    an older version wrote one. `trace` is that of the question that was reviewed, `written_on` as in
    `Answer`.
    """

    answer_id: str
    question_text: str
    page_url: str | None
    text: str
    citations: tuple[Citation, ...]
    passages: tuple[Passage, ...]
    pages: tuple[tuple[str, str], ...]
    abstained: bool
    verified_by: str
    verified_at: datetime
    stale_at: datetime | None = None
    trace: str = ""
    written_on: str = ""


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """What a reviewed answer teaches: asked `question_text` over `passages`, say `completion`.

    `passages` is what the prompt has, in its order. `rejected_text` is what the reviewers did not let stand
    ("": nothing to prefer the completion to). `kind` is "correction", "approval", "not_on_page" (to say is
    that it is not there: the completion is the label of `model/text/prompt.py` as it was then), "made" (no
    reviewer's, and it does not decline) or "replay" (an older example, against forgetting). `weight` is how
    much it counts, 0 to 1. `held_out` ones measure a model and are never trained on. `made_from` are the
    answers whose reviews it was made from, its own first, by the rule `made_by`; empty for a review's own
    example.
    """

    answer_id: str
    question_text: str
    passages: tuple[Passage, ...]
    completion: str
    rejected_text: str = ""
    kind: str = "correction"
    weight: float = 1.0
    held_out: bool = False
    made_from: tuple[str, ...] = ()
    made_by: str = ""

    @property
    def declines(self) -> bool:
        """Whether it teaches to say that the passages do not tell, in whatever words."""
        return self.kind == "not_on_page"


class Decision(StrEnum):
    """What the gate says of a candidate: good enough to meet people, or not."""

    PROMOTE = "promote"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of two versions on the same questions. None: nothing was counted.

    `low` and `high` bound the difference (after less before) with 95 % confidence; None where none was
    computed.
    """

    name: str
    before: float | None
    after: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """What two versions said to one question, and what was expected ("" for: it is not on the page)."""

    question_text: str
    expected: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate beside the live version: held-out questions, the regression file, planted instructions.

    `reasons` are sentences: what the decision rests on, the refusals first. `worst` are questions that the
    live version answered rightly and the candidate does not. `dataset` is the hash of the examples that the
    candidate learned from. `phrases` makes `reasons` sayable in other languages (core/phrases.py).
    """

    candidate: str
    live: str
    dataset: str
    decision: Decision
    reasons: tuple[str, ...]
    figures: tuple[ComparedFigure, ...]
    questions: int
    compared_at: datetime
    worst: tuple[ComparedAnswer, ...] = ()
    phrases: str = ""
