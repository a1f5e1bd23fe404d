"""The card of a review: question, answer, its sources, people's feedback, and what can be decided."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.cards.adaptive import measure_card
from bot.cards.answer_text import build_quotation, say_nothing_found
from bot.cards.elements import (
    Action,
    ActionButton,
    Card,
    ChoiceInput,
    Element,
    Form,
    Input,
    Paragraph,
    Style,
    TextInput,
    day,
    heading,
    line,
    name_place,
    small_print,
    source,
    title,
    when,
)
from core.records import Answer, AnswerKind, Citation, Feedback, FeedbackKind, Review, ReviewReason, Verdict
from core.text import RULED, clip_text
from model.answering.grounding import cite

MAX_CARD_BYTES = 70_000
"""As Teams counts them; the message around the card needs some, too."""
MAX_SPANS = 12
MAX_CITED = 6
MAX_SKIPS = 3
NAME_CHARACTERS = 80
COMMENT_CHARACTERS = 200
NOTE_CHARACTERS = 500
QUESTION_CHARACTERS = 1_000
CORRECTION_CHARACTERS = 4_000
"""The longest correction. It is shown and offered again whole: who agrees to it loses nothing."""
SPAN_CHARACTERS = 120

_WHY = {
    ReviewReason.THUMB_DOWN: "somebody disliked it",
    ReviewReason.FEW_STARS: "it got few stars",
    ReviewReason.EXPERT: "somebody asked for an expert",
    ReviewReason.DECLINED: "several people got no answer to this",
    ReviewReason.LOW_SUPPORT: "its words hardly stand in the source",
    ReviewReason.LOW_CONFIDENCE: "the bot was hardly sure of it",
    ReviewReason.SAMPLE: "drawn at random",
    ReviewReason.STALE: "the page has changed since it was verified",
    ReviewReason.CONFLICT: "the same question was answered otherwise since",
}
_SAID = {
    AnswerKind.ANSWERED: "The bot’s answer",
    AnswerKind.QUOTED: "The bot quoted",
    AnswerKind.DECLINED: "The bot declined",
}
_STANDS_ON = {
    AnswerKind.ANSWERED: "It stands on",
    AnswerKind.QUOTED: "Where it stands, and where else to look",
    AnswerKind.DECLINED: "Nearest section",
}
_AGREE = {
    AnswerKind.ANSWERED: "Approve",
    AnswerKind.QUOTED: "Use this quote",
    AnswerKind.DECLINED: "Right, it is not on the page",
}
_REASON = ChoiceInput(
    "reason",
    "Why do you skip it?",
    (
        ("not my field", "Not my field"),
        ("the question is unclear", "The question is unclear"),
        ("the page does not settle it", "The page does not settle it"),
        ("another reason", "Another reason"),
    ),
    value="not my field",
)


@dataclass(frozen=True, slots=True)
class RulingPreview:
    """What a ruling would serve: `count` of the `looked_at` other questions of the last `days` days.

    They ask the same. `right` of their answers were rated right, and would change with a correction.
    """

    count: int
    right: int
    looked_at: int
    days: int


@dataclass(frozen=True, slots=True)
class ReviewView:
    """One review as it is now. `answer` has the passages that reviewers see. `seal` is for the buttons.

    `preview` is None while it is not known.
    """

    review: Review
    answer: Answer
    feedback: Sequence[Feedback]
    seal: str
    now: datetime
    preview: RulingPreview | None = None


def spans(answer: Answer) -> Sequence[tuple[str, Citation]]:
    """Return what a correction can stand on, by its choice's value: citations first, then passages."""
    found = [
        (f"c{number}", citation) for number, citation in enumerate(answer.citations[:MAX_CITED], start=1)
    ]
    quoted = {citation.quote for _, citation in found}
    for number, passage in enumerate(answer.passages, start=1):
        citation = cite(passage, passage.text)
        if citation.quote not in quoted:
            found.append((f"p{number}", citation))
    return found[:MAX_SPANS]


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of what is only there to read is shown: characters of the answer, sources, comments."""

    answer: int
    sources: int
    comments: int


_AMPLE, _TIGHT = _Room(2_000, 4, 5), _Room(500, 2, 1)


def review_card(view: ReviewView, site_url: str) -> Card:
    """Return the card of a review in its state: waiting, claimed, waiting for a second reviewer, or settled.

    What can be decided on is never cut; where all of it together would be too large for Teams, the rest is.
    """
    ample = _draw_card(view, site_url, _AMPLE)
    return ample if measure_card(ample) < MAX_CARD_BYTES else _draw_card(view, site_url, _TIGHT)


def _draw_card(view: ReviewView, site_url: str, room: _Room) -> Card:
    review, answer = view.review, view.answer
    question = clip_text(answer.question.text, QUESTION_CHARACTERS)
    head = "Reviewed" if review.ruling else "Please review"
    body = (
        title(head),
        small_print("Why: " + "; ".join(_WHY[reason] for reason in review.reasons)),
        *_state(view),
        heading("Question"),
        line(question),
        *_draw_preview(view),
        heading(_SAID[answer.kind]),
        _words(answer, room),
        *_stands_on(answer, site_url, room),
        *_draw_feedback(view.feedback, room),
        *_draw_skips(review),
        small_print(_origin(answer)),
    )
    return Card(body, () if review.ruling else _actions(view), f"{head}: {question}")


def _draw_preview(view: ReviewView) -> list[Paragraph]:
    """Draw whom a correction would serve: counts alone, nobody's words."""
    preview = view.preview
    if preview is None or not preview.looked_at or view.review.ruling:
        return []
    time = "day" if preview.days == 1 else f"{preview.days} days"
    words = "in these or nearly these words"
    if not preview.count:
        return [
            small_print(f"None of the {preview.looked_at:,} other questions of the last {time} is {words}.")
        ]
    questions = "question" if preview.count == 1 else "questions"
    served = f"A correction answers {preview.count:,} other {questions} of the last {time} {words}"
    if not preview.right:
        return [small_print(f"{served}; none was rated right.")]
    were = "was" if preview.right == 1 else "were"
    return [small_print(f"{served}; {preview.right:,} {were} rated right and would change.")]


def _words(answer: Answer, room: _Room) -> Element:
    match answer.kind:
        case AnswerKind.ANSWERED:
            return line(clip_text(answer.text, room.answer))
        case AnswerKind.QUOTED:
            return build_quotation(answer, room.answer)
        case AnswerKind.DECLINED:
            return line(say_nothing_found(answer))


def _state(view: ReviewView) -> list[Element]:
    review, ruling = view.review, view.review.ruling
    if ruling is not None:
        return [line(f"✓ {_describe_verdict(ruling)}", bold=True, color="Good"), *_draw_ruling(ruling)]
    drawn: list[Element] = []
    if review.verdicts and review.blind:
        count = f"{len(review.verdicts)} of {review.needed} reviewers have ruled"
        drawn.append(line(f"{count}. Please judge on your own: you see no other ruling.", color="Accent"))
    elif review.proposal is not None:
        drawn.append(
            line(f"{_describe_verdict(review.proposal)}. Approve if you agree.", bold=True, color="Accent")
        )
        drawn += _draw_ruling(review.proposal)
    if review.claimed_until is not None and review.claimed_until > view.now:
        name = clip_text(review.claimed_name, NAME_CHARACTERS)
        drawn.append(line(f"{name} has claimed this until {when(review.claimed_until)}", color="Warning"))
    return drawn


def _describe_verdict(verdict: Verdict) -> str:
    name = clip_text(verdict.reviewer_name, NAME_CHARACTERS)
    return f"{name} {RULED[verdict.ruling]}, {when(verdict.given_at)}"


def _draw_ruling(verdict: Verdict) -> list[Element]:
    drawn: list[Element] = []
    if verdict.text:
        drawn.append(line(clip_text(verdict.text, CORRECTION_CHARACTERS)))
    if verdict.citation is not None:
        drawn.append(source(verdict.citation, None))
    if verdict.note:
        drawn.append(small_print(f"Note: {clip_text(verdict.note, COMMENT_CHARACTERS)}"))
    return drawn


def _stands_on(answer: Answer, site_url: str, room: _Room) -> list[Element]:
    """Draw the cited spans, or, where there are none, the beginnings of what was found."""
    if answer.citations:
        head = _STANDS_ON[answer.kind]
        cited = [(f"{number}  ", citation) for number, citation in enumerate(answer.citations, start=1)]
    else:
        head, cited = "What the pages say", [("", citation) for _, citation in spans(answer)]
    if not cited:
        return []
    drawn = [source(citation, site_url, number) for number, citation in cited[: room.sources]]
    versions = {passage.page_hash[:8]: passage for passage in answer.passages}
    pages = [f"{page_hash}, read {day(passage.fetched_at)}" for page_hash, passage in versions.items()]
    seen = small_print("Page at version " + "; ".join(pages[: room.sources]))
    return [heading(head), *drawn, *([seen] if pages else [])]


def _draw_feedback(feedback: Sequence[Feedback], room: _Room) -> list[Paragraph]:
    words = [
        word for word in feedback if word.withdrawn_at is None and word.kind is not FeedbackKind.IMPLICIT
    ]
    if not words:
        return []
    counted = Counter(_name(word) for word in words)
    drawn = [heading("What people said"), line(", ".join(f"{n} × {name}" for name, n in counted.items()))]
    written = [word for word in words if word.comment or word.reasons]
    for word in written[-room.comments :][::-1]:
        reasons = clip_text(
            ", ".join(reason.replace("_", " ") for reason in word.reasons), COMMENT_CHARACTERS
        )
        quote = f"“{clip_text(word.comment, COMMENT_CHARACTERS)}”" if word.comment else ""
        drawn.append(line(" – ".join(part for part in (reasons, quote) if part), size="Small"))
    return drawn


def _name(word: Feedback) -> str:
    match word.kind:
        case FeedbackKind.THUMB:
            return "thumb up" if word.value == "like" else "thumb down"
        case FeedbackKind.STARS:
            return f"{word.value} stars"
        case FeedbackKind.REACTION:
            return f"reaction {clip_text(word.value, NAME_CHARACTERS)}"
        case FeedbackKind.EXPERT:
            return "asked for an expert"
        case FeedbackKind.SIMILAR:
            same = word.value.startswith("same ")
            return "took a verified answer" if same else "refused a verified answer"
        case _:
            return "comment"


def _draw_skips(review: Review) -> list[Paragraph]:
    skips = review.skips[-MAX_SKIPS:]
    return [small_print(f"Skipped: {clip_text(skip.reason, COMMENT_CHARACTERS)}") for skip in skips]


def _origin(answer: Answer) -> str:
    question = answer.question
    sure = "" if answer.confidence is None else f"confidence {answer.confidence:.0%}"
    parts = [
        when(answer.answered_at),
        question.channel,
        question.language,
        f"model {answer.model_version}",
        sure,
    ]
    return clip_text(" · ".join(part for part in parts if part), 200)


def _actions(view: ReviewView) -> tuple[Action, ...]:
    review, answer = view.review, view.answer
    known = {"answer_id": review.answer_id, "round": review.round, "seal": view.seal}

    def button(title: str, verb: str, *, style: Style = "default", inputs: bool = False) -> ActionButton:
        return ActionButton(title, {"verb": f"review.{verb}", **known}, style, inputs)

    agree = "Agree" if review.proposal else _AGREE[answer.kind]
    correct = button("Send correction", "correct", style="positive", inputs=True)
    actions = [button(agree, "approve", style="positive"), Form("Correct…", _correction(view), correct)]
    if not answer.abstained or review.proposal:
        actions.append(button("Not on the page", "not_on_page"))
    actions.append(button("Claim", "claim"))  # also while it is held: the holder may want it longer
    actions.append(button("Not a real question", "reject"))
    return (*actions, Form("Skip…", (_REASON,), button("Skip", "skip", inputs=True)))


def _correction(view: ReviewView) -> tuple[Input, ...]:
    answer, proposal = view.answer, view.review.proposal
    before = proposal.text if proposal and proposal.text else _begin_with(answer)
    text = TextInput(
        "text",
        "The right answer",
        CORRECTION_CHARACTERS,
        value=clip_text(before, CORRECTION_CHARACTERS),
        required="Please write the right answer.",
    )
    note = TextInput("note", "Note for the record (optional)", NOTE_CHARACTERS, multiline=False)
    choices = tuple(
        (value, clip_text(f"{name_place(one)}: {one.quote}", SPAN_CHARACTERS)) for value, one in spans(answer)
    )
    if not choices:
        return text, note
    return text, ChoiceInput("span", "Where it stands", choices, choices[0][0], wrap=True), note


def _begin_with(answer: Answer) -> str:
    """Return what a correction begins with: the answer without our marks, or the quotation."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            return re.sub(r"(?:(?<!\s)\s+)?\[\d+\]", "", answer.text)
        case AnswerKind.QUOTED:
            return answer.text
        case AnswerKind.DECLINED:
            return ""
