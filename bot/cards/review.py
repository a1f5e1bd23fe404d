"""The card of a review: question, answer, its sources, people's feedback, and what can be decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.cards.adaptive import measure_card
from bot.cards.answer_text import build_quotation, say_nothing_found
from bot.cards.dates import day, when
from bot.cards.elements import (
    ButtonRow,
    Card,
    Element,
    Paragraph,
    SayButton,
    heading,
    line,
    small_print,
    source,
    title,
)
from bot.cards.review_actions import (
    CORRECTION_CHARACTERS,
    QUESTION_CHARACTERS,
    ReviewView,
    list_actions,
    make_refresh,
    make_take_back,
    spans,
)
from core.records import Answer, AnswerKind, Feedback, FeedbackKind, Review, ReviewReason, Verdict
from core.text import CHANGED, RULED, clip_text

MAX_CARD_BYTES = 70_000
"""As Teams counts them; the message around the card needs some, too."""
MAX_SKIPS = 3
MAX_PAGES = 2
DETAIL_CHARACTERS = 300
NAME_CHARACTERS = 80
COMMENT_CHARACTERS = 200
WHY = {
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
SAID = {
    AnswerKind.ANSWERED: "The bot’s answer",
    AnswerKind.QUOTED: "The bot quoted",
    AnswerKind.DECLINED: "The bot declined",
}
_STANDS_ON = {
    AnswerKind.ANSWERED: "It stands on",
    AnswerKind.QUOTED: "Where it stands, and where else to look",
    AnswerKind.DECLINED: "Nearest section",
}


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


def queue_card(first: int, shown: int, waiting: int, page: int) -> Card:
    """Return what stands below the cards of a page of the queue: how many wait, and the next ones."""
    last = first + shown - 1
    said = f"{waiting:,} wait for a review; these are {first} to {last}." if waiting > 1 else "One waits."
    turns = [SayButton("Next", f"queue {page + 1}")] if last < waiting else []
    if page > 1:
        turns.append(SayButton("From the beginning", "queue"))
    return Card((line(said),), tuple(turns), said)


def _draw_card(view: ReviewView, site_url: str, room: _Room) -> Card:
    review, answer = view.review, view.answer
    question = clip_text(answer.question.text, QUESTION_CHARACTERS)
    head = "Reviewed" if review.ruling else "Please review"
    body = (
        title(head),
        small_print("Why: " + "; ".join(WHY[reason] for reason in review.reasons)),
        *_state(view),
        heading("Question"),
        line(question),
        *_draw_preview(view),
        heading(SAID[answer.kind]),
        _words(answer, room),
        *_stands_on(answer, site_url, room),
        *_draw_feedback(view.feedback, room),
        *_draw_skips(review),
        small_print(describe_details(view)),
    )
    return Card(body, list_actions(view), f"{head}: {question}", make_refresh(view))


def _draw_preview(view: ReviewView) -> list[Paragraph]:
    said = describe_preview(view)
    return [small_print(said)] if said else []


def describe_preview(view: ReviewView) -> str:
    """Tell whom a correction would serve, in counts alone: nobody's words. "" where that is not known."""
    preview = view.preview
    if preview is None or not preview.looked_at or view.review.ruling:
        return ""
    time = "day" if preview.days == 1 else f"{preview.days} days"
    words = "in these or nearly these words"
    if not preview.count:
        return f"None of the {preview.looked_at:,} other questions of the last {time} is {words}."
    questions = "question" if preview.count == 1 else "questions"
    served = f"A correction answers {preview.count:,} other {questions} of the last {time} {words}"
    if not preview.right:
        return f"{served}; none was rated right."
    were = "was" if preview.right == 1 else "were"
    return f"{served}; {preview.right:,} {were} rated right and would change."


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
        return [line(f"✓ {describe_verdict(ruling)}", bold=True, color="Good"), *_draw_ruling(ruling)]
    drawn: list[Element] = []
    if view.has_ruled:
        drawn.append(line("You have ruled. A second reviewer is asked now.", bold=True, color="Accent"))
    elif review.verdicts and review.blind:
        count = f"{len(review.verdicts)} of {review.needed} reviewers have ruled"
        drawn.append(line(f"{count}. Please judge on your own: you see no other decision.", color="Accent"))
    elif review.proposal is not None:
        drawn.append(
            line(f"{describe_verdict(review.proposal)}. Approve if you agree.", bold=True, color="Accent")
        )
        drawn += _draw_ruling(review.proposal)
    if is_held(view):
        name = clip_text(review.claimed_name, NAME_CHARACTERS)
        drawn.append(line(f"{name} has claimed this for now", color="Warning"))
    if review.verdicts and view.decides and not view.has_ruled:
        drawn.append(ButtonRow((make_take_back(view),)))
    return [*drawn, *_draw_change(view), *_draw_doubt(view)]


def _draw_change(view: ReviewView) -> list[Element]:
    """Draw that a ruling was taken back, and why; of a sample not which one, so that it is judged anew."""
    change = view.review.change
    if change is None or view.review.verdicts:
        return []
    name = clip_text(change.reviewer_name, NAME_CHARACTERS)
    drawn: list[Element] = [line(f"{name} {CHANGED[change.kind]}", bold=True, color="Warning")]
    if change.before is not None and not view.review.blind:
        drawn.append(small_print(f"Before: {describe_verdict(change.before)}"))
    if change.reason:
        drawn.append(small_print(f"Why: {clip_text(change.reason, COMMENT_CHARACTERS)}"))
    return drawn


def _draw_doubt(view: ReviewView) -> list[Element]:
    """Draw the sentence that speaks against "not on the page", for who has pressed that."""
    if view.doubt is None:
        return []
    ask = "Nothing is decided yet: this stands on the page. Does it answer the question?"
    return [line(ask, bold=True, color="Warning"), source(view.doubt, None)]


def describe_verdict(verdict: Verdict) -> str:
    """Return who ruled what, and when."""
    name = clip_text(verdict.reviewer_name, NAME_CHARACTERS)
    return f"{name} {RULED[verdict.ruling]}, {day(verdict.given_at)}"


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
    return [heading(head), *drawn]


def _draw_feedback(feedback: Sequence[Feedback], room: _Room) -> list[Paragraph]:
    said = describe_feedback(feedback, room.comments)
    if not said:
        return []
    counts, *written = said
    return [heading("What people said"), line(counts), *(line(one, size="Small") for one in written)]


def describe_feedback(feedback: Sequence[Feedback], most: int) -> list[str]:
    """Return how often what was said, then at most so many of the reasons and comments, the newest first."""
    words = [
        word for word in feedback if word.withdrawn_at is None and word.kind is not FeedbackKind.IMPLICIT
    ]
    if not words:
        return []
    counted = Counter(_name(word) for word in words)
    said = [", ".join(f"{n} × {name}" for name, n in counted.items())]
    written = [word for word in words if word.comment or word.reasons]
    for word in written[-most:][::-1]:
        reasons = clip_text(
            ", ".join(reason.replace("_", " ") for reason in word.reasons), COMMENT_CHARACTERS
        )
        quote = f"“{clip_text(word.comment, COMMENT_CHARACTERS)}”" if word.comment else ""
        said.append(" – ".join(part for part in (reasons, quote) if part))
    return said


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


def describe_details(view: ReviewView) -> str:
    """Return what only whoever looks for a fault needs: times, the model, the versions of the pages."""
    answer, review = view.answer, view.review
    question = answer.question
    sure = "" if answer.confidence is None else f"confidence {answer.confidence:.0%}"
    versions = {passage.page_hash[:8]: passage for passage in answer.passages}
    pages = [f"{page_hash} of {day(one.fetched_at)}" for page_hash, one in versions.items()]
    ruled = f"ruled {when(review.ruling.given_at)}" if review.ruling else ""
    held = f"claimed until {when(review.claimed_until)}" if is_held(view) and review.claimed_until else ""
    parts = [
        f"answered {when(answer.answered_at)}",
        ruled,
        held,
        question.channel,
        question.language,
        f"model {answer.model_version}",
        sure,
        f"page {', '.join(pages[:MAX_PAGES])}" if pages else "",
    ]
    return clip_text("Details: " + " · ".join(part for part in parts if part), DETAIL_CHARACTERS)


def is_held(view: ReviewView) -> bool:
    """Tell whether somebody has claimed the review."""
    until = view.review.claimed_until
    return until is not None and until > view.now
