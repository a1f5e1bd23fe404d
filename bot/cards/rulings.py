"""Who ruled or changed a ruling, in whole sentences: each language orders the words in its own way.

What a reviewer already did is told to somebody who came second; to the one who did it as their own ruling.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.cards.dates import day
from core.records import ChangeKind, Review, ReviewReason, Ruling, RulingChange, Verdict
from core.text import clip_text
from core.translation import format_ago, mark, say

NAME_CHARACTERS = 80

_RULED: Mapping[Ruling, str] = {
    Ruling.APPROVED: mark("{name} approved the answer, {day}"),
    Ruling.CORRECTED: mark("{name} corrected the answer, {day}"),
    Ruling.NOT_ON_PAGE: mark("{name} decided that it is not on the page, {day}"),
    Ruling.REJECTED: mark("{name} decided that it is not a real question, {day}"),
}
_ALREADY_RULED: Mapping[Ruling, str] = {
    Ruling.APPROVED: mark("{name} has already approved the answer, {time}."),
    Ruling.CORRECTED: mark("{name} has already corrected the answer, {time}."),
    Ruling.NOT_ON_PAGE: mark("{name} has already decided that it is not on the page, {time}."),
    Ruling.REJECTED: mark("{name} has already decided that it is not a real question, {time}."),
}
_YOU_ALREADY_RULED: Mapping[Ruling, str] = {
    Ruling.APPROVED: mark("You have already approved the answer, {time}."),
    Ruling.CORRECTED: mark("You have already corrected the answer, {time}."),
    Ruling.NOT_ON_PAGE: mark("You have already decided that it is not on the page, {time}."),
    Ruling.REJECTED: mark("You have already decided that it is not a real question, {time}."),
}
_CHANGED: Mapping[ChangeKind, str] = {
    ChangeKind.WITHDRAWN: mark("{name} undid the decision"),
    ChangeKind.EDITED: mark("{name} edited the decision"),
}
_CHANGED_SINCE: Mapping[ChangeKind, str] = {
    ChangeKind.WITHDRAWN: mark(
        "{name} undid the decision since this card was made: please use the new card."
    ),
    ChangeKind.EDITED: mark("{name} edited the decision since this card was made: please use the new card."),
}
_ALREADY_CHANGED: Mapping[ChangeKind, str] = {
    ChangeKind.WITHDRAWN: mark("{name} has already undone the decision, {time}. Please use the newest card."),
    ChangeKind.EDITED: mark("{name} has already edited the decision, {time}. Please use the newest card."),
}
_YOU_ALREADY_CHANGED: Mapping[ChangeKind, str] = {
    ChangeKind.WITHDRAWN: mark("You have already undone the decision, {time}. Please use the newest card."),
    ChangeKind.EDITED: mark("You have already edited the decision, {time}. Please use the newest card."),
}


def describe_ruling(ruling: Ruling, reviewer_name: str, at: datetime) -> str:
    """Return who ruled what, and when."""
    return say(_RULED[ruling], name=_clip(reviewer_name), day=day(at))


def describe_change(change: RulingChange) -> str:
    """Return who changed a ruling, and how."""
    return say(_CHANGED[change.kind], name=_clip(change.reviewer_name))


def say_already_ruled(ruling: Verdict, reviewer: str) -> str:
    """Tell a reviewer who comes second what was decided before."""
    texts = _YOU_ALREADY_RULED if ruling.reviewer == reviewer else _ALREADY_RULED
    return say(texts[ruling.ruling], name=ruling.reviewer_name, time=format_ago(ruling.given_at))


def say_already_changed(change: RulingChange, reviewer: str) -> str:
    """Tell a reviewer who comes second that a ruling is not in force any more."""
    texts = _YOU_ALREADY_CHANGED if change.reviewer == reviewer else _ALREADY_CHANGED
    return say(texts[change.kind], name=change.reviewer_name, time=format_ago(change.changed_at))


def say_card_is_old(review: Review) -> str:
    """Tell why a card is not the one to decide on any more."""
    if review.change is not None:
        return say(_CHANGED_SINCE[review.change.kind], name=review.change.reviewer_name)
    if ReviewReason.CONFLICT in review.reasons:
        return say(
            "The same question has been answered differently since this card was made: please use"
            " the new card."
        )
    return say("The page has changed since this card was made: please use the new card.")


def _clip(name: str) -> str:
    return clip_text(name, NAME_CHARACTERS)
