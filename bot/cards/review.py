"""The card of a review: question, answer, its sources, people's feedback, and what can be decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot.cards.answer import REASONS
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
from bot.cards.places import NOT_FOUND, spans
from bot.cards.review_actions import (
    CORRECTION_CHARACTERS,
    QUESTION_CHARACTERS,
    SKIP_REASONS,
    ReviewView,
    list_actions,
    make_refresh,
    make_take_back,
)
from bot.cards.rulings import describe_change, describe_ruling
from core.records import Answer, AnswerKind, Feedback, FeedbackKind, Review, ReviewReason, Verdict
from core.text import clip_text
from core.translation import format_share, mark, say, say_count

MAX_SKIPS = 3
MAX_PAGES = 2
DETAIL_CHARACTERS = 300
NAME_CHARACTERS = 80
COMMENT_CHARACTERS = 200
WHY = {
    ReviewReason.THUMB_DOWN: mark("somebody disliked it"),
    ReviewReason.FEW_STARS: mark("it got few stars"),
    ReviewReason.EXPERT: mark("somebody asked for an expert"),
    ReviewReason.DECLINED: mark("several people got no answer to this"),
    ReviewReason.LOW_SUPPORT: mark("little of it is in its source"),
    ReviewReason.LOW_CONFIDENCE: mark("the bot was not sure"),
    ReviewReason.SAMPLE: mark("drawn at random"),
    ReviewReason.STALE: mark("the page has changed since it was verified"),
    ReviewReason.CONFLICT: mark("the same question has since been answered differently"),
}
SAID = {
    AnswerKind.ANSWERED: mark("The bot’s answer"),
    AnswerKind.QUOTED: mark("The bot quoted"),
    AnswerKind.DECLINED: mark("The bot declined"),
}
YOU_HAVE_RULED = mark("You have decided. A second reviewer has been asked.")
_STANDS_ON = {
    AnswerKind.ANSWERED: mark("Based on"),
    AnswerKind.QUOTED: mark("Source, and other places to look"),
    AnswerKind.DECLINED: mark("Nearest section"),
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

    What can be decided on is never cut; where all of it together would be too large for a channel, the rest
    is.
    """
    ample = _draw_card(view, site_url, _AMPLE)
    return replace(ample, shorten=partial(_draw_card, view, site_url, _TIGHT))


def queue_card(first: int, shown: int, waiting: int, page: int) -> Card:
    """Return what stands below the cards of a page of the queue: how many wait, and the next ones."""
    last = first + shown - 1
    said = say("One is waiting.")
    if waiting > 1:
        counts = {"count": waiting, "first": first, "last": last}
        said = say("{count} are waiting for a review; these are {first} to {last}.", **counts)
    turns = [SayButton(say("Next"), f"queue {page + 1}")] if last < waiting else []
    if page > 1:
        turns.append(SayButton(say("From the beginning"), "queue"))
    return Card((line(said),), tuple(turns), said)


def _draw_card(view: ReviewView, site_url: str, room: _Room) -> Card:
    review, answer = view.review, view.answer
    question = clip_text(answer.question.text, QUESTION_CHARACTERS)
    head = say("Reviewed") if review.ruling else say("Please review")
    body = (
        title(head),
        small_print(say("Why: {reasons}", reasons="; ".join(say(WHY[reason]) for reason in review.reasons))),
        *_state(view),
        heading(say("Question")),
        line(question),
        *_draw_preview(view),
        heading(say(SAID[answer.kind])),
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
    days = say_count("the last day", "the last {count} days", preview.days)
    if not preview.count:
        return say_count(
            "The {count} other question of {days} is not in these or nearly these words.",
            "None of the {count} other questions of {days} is in these or nearly these words.",
            preview.looked_at,
            days=days,
        )
    served = say_count(
        "A correction answers {count} other question of {days} in these or nearly these words.",
        "A correction answers {count} other questions of {days} in these or nearly these words.",
        preview.count,
        days=days,
    )
    if not preview.right:
        return f"{served} {say('None was rated right.')}"
    right = say_count(
        "{count} was rated right and would change.",
        "{count} were rated right and would change.",
        preview.right,
    )
    return f"{served} {right}"


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
        return [
            line(
                f"✓ {describe_ruling(ruling.ruling, ruling.reviewer_name, ruling.given_at)}",
                bold=True,
                color="Good",
            ),
            *_draw_ruling(ruling),
        ]
    drawn: list[Element] = []
    if view.has_ruled:
        drawn.append(line(say(YOU_HAVE_RULED), bold=True, color="Accent"))
    elif review.verdicts and review.blind:
        drawn.append(line(say_how_many_ruled(review), color="Accent"))
    elif review.proposal is not None:
        drawn.append(
            line(
                say(
                    "{verdict}. Approve if you agree.",
                    verdict=describe_ruling(
                        review.proposal.ruling, review.proposal.reviewer_name, review.proposal.given_at
                    ),
                ),
                bold=True,
                color="Accent",
            )
        )
        drawn += _draw_ruling(review.proposal)
    if is_held(view):
        name = clip_text(review.claimed_name, NAME_CHARACTERS)
        drawn.append(line(say("{name} has claimed this for now", name=name), color="Warning"))
    if review.verdicts and view.decides and not view.has_ruled:
        drawn.append(ButtonRow((make_take_back(view),)))
    return [*drawn, *_draw_change(view), *_draw_doubt(view)]


def _draw_change(view: ReviewView) -> list[Element]:
    """Draw that a ruling was taken back, and why; of a sample not which one, so that it is judged anew."""
    change = view.review.change
    if change is None or view.review.verdicts:
        return []
    drawn: list[Element] = [line(describe_change(change), bold=True, color="Warning")]
    if change.before is not None and not view.review.blind:
        drawn.append(
            small_print(
                say(
                    "Before: {verdict}",
                    verdict=describe_ruling(
                        change.before.ruling, change.before.reviewer_name, change.before.given_at
                    ),
                )
            )
        )
    if change.reason:
        drawn.append(small_print(say("Why: {reasons}", reasons=clip_text(change.reason, COMMENT_CHARACTERS))))
    return drawn


def _draw_doubt(view: ReviewView) -> list[Element]:
    """Draw the sentence that speaks against "not on the page", for who has pressed that."""
    if view.doubt is None:
        return []
    ask = say("Nothing is decided yet: the page says this. Does it answer the question?")
    return [line(ask, bold=True, color="Warning"), source(view.doubt, None)]


def _draw_ruling(verdict: Verdict) -> list[Element]:
    drawn: list[Element] = []
    if verdict.text:
        drawn.append(line(clip_text(verdict.text, CORRECTION_CHARACTERS)))
    if verdict.citation is not None:
        drawn.append(source(verdict.citation, None))
    elif verdict.text:
        drawn.append(small_print(say(NOT_FOUND)))
    if verdict.note:
        drawn.append(small_print(say("Note: {text}", text=clip_text(verdict.note, COMMENT_CHARACTERS))))
    return drawn


def _stands_on(answer: Answer, site_url: str, room: _Room) -> list[Element]:
    """Draw the cited spans, or, where there are none, the beginnings of what was found."""
    if answer.citations:
        head = say(_STANDS_ON[answer.kind])
        cited = [(f"{number}  ", citation) for number, citation in enumerate(answer.citations, start=1)]
    else:
        head, cited = say("What the pages say"), [("", citation) for _, citation in spans(answer)]
    if not cited:
        return []
    drawn = [source(citation, site_url, number) for number, citation in cited[: room.sources]]
    return [heading(head), *drawn]


def _draw_feedback(feedback: Sequence[Feedback], room: _Room) -> list[Paragraph]:
    said = describe_feedback(feedback, room.comments)
    if not said:
        return []
    counts, *written = said
    return [heading(say("What people said")), line(counts), *(line(one, size="Small") for one in written)]


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
        reasons = clip_text(", ".join(_name_reason(reason) for reason in word.reasons), COMMENT_CHARACTERS)
        quote = f"“{clip_text(word.comment, COMMENT_CHARACTERS)}”" if word.comment else ""
        said.append(" – ".join(part for part in (reasons, quote) if part))
    return said


def _name(word: Feedback) -> str:
    match word.kind:
        case FeedbackKind.THUMB:
            return say("thumb up") if word.value == "like" else say("thumb down")
        case FeedbackKind.STARS:
            return say("{stars} stars", stars=word.value)
        case FeedbackKind.REACTION:
            return say("reaction {name}", name=clip_text(word.value, NAME_CHARACTERS))
        case FeedbackKind.EXPERT:
            return say("asked for an expert")
        case FeedbackKind.SIMILAR:
            same = word.value.startswith("same ")
            return say("took a verified answer") if same else say("refused a verified answer")
        case _:
            return say("comment")


def _name_reason(kept: str) -> str:
    """Return a ticked reason as it was shown; one that is not offered any more as it is kept."""
    shown = {one: words for offered in REASONS.values() for one, words in offered}.get(kept)
    return say(shown) if shown else kept.replace("_", " ")


def _draw_skips(review: Review) -> list[Paragraph]:
    skips = review.skips[-MAX_SKIPS:]
    return [small_print(say("Skipped: {reason}", reason=name_skip(skip.reason))) for skip in skips]


def name_skip(kept: str) -> str:
    """Return why a review was skipped, as it is shown."""
    shown = dict(SKIP_REASONS).get(kept)
    return say(shown) if shown else clip_text(kept, COMMENT_CHARACTERS)


def describe_details(view: ReviewView) -> str:
    """Return the details in a sentence, as a card has them."""
    return clip_text(say("Details: {details}", details=list_details(view)), DETAIL_CHARACTERS)


def list_details(view: ReviewView) -> str:
    """Return what only whoever looks for a fault needs: times, the model, the versions of the pages."""
    answer, review = view.answer, view.review
    question = answer.question
    sure = (
        "" if answer.confidence is None else say("confidence {share}", share=format_share(answer.confidence))
    )
    versions = {passage.page_hash[:8]: passage for passage in answer.passages}
    pages = [
        say("{page_hash} of {day}", page_hash=page_hash, day=day(one.fetched_at))
        for page_hash, one in versions.items()
    ]
    ruled = say("decided {time}", time=when(review.ruling.given_at)) if review.ruling else ""
    until = review.claimed_until if is_held(view) else None
    held = say("claimed until {time}", time=when(until)) if until else ""
    parts = [
        say("answered {time}", time=when(answer.answered_at)),
        ruled,
        held,
        question.channel,
        question.language,
        say("model {name}", name=answer.model_version),
        sure,
        say("page {versions}", versions=", ".join(pages[:MAX_PAGES])) if pages else "",
    ]
    return " · ".join(part for part in parts if part)


def say_how_many_ruled(review: Review) -> str:
    """Return how far a sample is, and how to judge it."""
    ruled, needed = len(review.verdicts), review.needed
    return say(
        "{ruled} of {needed} reviewers have decided. Please judge on your own: you see no other decision.",
        ruled=ruled,
        needed=needed,
    )


def is_held(view: ReviewView) -> bool:
    """Tell whether somebody has claimed the review."""
    until = view.review.claimed_until
    return until is not None and until > view.now
