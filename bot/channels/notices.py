"""What people are told of rulings: whoever asked or complained, once of each, in one message of their chat.

In a channel or a group chat each is told alone, where the channel has messages for one person or knows their
own chat; where it has neither, once in front of all.

Where a ruling of which somebody was told is taken back or edited, they are told once what changed. A notice
is kept before it is sent, and marked afterwards: a kill in between sends it again, since no channel lets us
ask.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bot.cards.elements import Card
from bot.cards.notice import closed_card, notice_card, taken_back_card
from bot.channel import Undeliverable
from bot.channels.asides.one_person import Cards
from bot.channels.incoming import Reference
from core.records import Answer, Review, Ruling
from core.translation import speak
from feedback.reviews.repository import Notification, ReviewRepository, name_private_contact
from feedback.store.base import moment

log = logging.getLogger(__name__)

SendCard = Callable[[str, Card], Awaitable[None]]
"""(where, a Reference as JSON; what) → sent. Raises Undeliverable and OSError."""
SendAlone = Callable[[str, str, Cards], Awaitable[bool]]
"""(where and to whom, a Reference as JSON; their pseudonym; what) → whether it was sent. Raises OSError."""


@dataclass(frozen=True, slots=True)
class News:
    """What people are to be told of a review: since when it is so, and how their notices name it."""

    about: str
    since: datetime
    is_taken_back: bool = False


def find_news(review: Review) -> News | None:
    """Return what a review says that is worth telling, None while it waits for its first ruling."""
    if review.ruling is not None:
        about = f"round {review.round}" if review.change else ""
        return News(about, review.settled_at or review.ruling.given_at)
    if review.change is not None and not review.verdicts:
        return News(f"taken back {review.round}", review.opened_at, is_taken_back=True)
    return None


def list_due(review: Review, asker: str, waiting: Collection[str], told: Collection[str]) -> set[str]:
    """Return who is to be told of it: `waiting` people complained, `told` people know of an earlier ruling.

    Who was told nothing yet has nothing to unlearn.
    """
    if review.ruling is None:
        return set(told) - {""}
    due = {*waiting, *(told if review.change else ())}
    if review.ruling.ruling in {Ruling.CORRECTED, Ruling.NOT_ON_PAGE}:
        due.add(asker)
    return due - {""}


async def tell_people(
    repository: ReviewRepository, review: Review, answer: Answer, waiting: Collection[str], card: SendNews
) -> None:
    """Tell whom it concerns, once, how a review ended, or that its ruling was taken back. Raises OSError."""
    news = find_news(review)
    if news is None:
        return
    kept = await repository.notices_on(answer.id)
    told = {one.person for one in kept if one.sent and one.about != news.about}
    due = list_due(review, answer.question.asker, waiting, told)
    missing = sorted(due - {one.person for one in kept if one.about == news.about})
    new = [Notification(answer.id, person, moment(news.since), about=news.about) for person in missing]
    added = [await repository.add_notice(notice) for notice in new]
    kept = (
        [*kept, *new] if all(added) else await repository.notices_on(answer.id)
    )  # another process is at it, too
    draw = partial(draw_notice, review, answer, card.site_url, anew=bool(told))
    due_now = [
        Unsent(one.person, answer, draw, partial(repository.mark_sent, one))
        for one in _select_unsent(kept, news)
    ]
    await deliver(repository, answer.question.conversation, due_now, card)


async def deliver(
    repository: ReviewRepository, conversation: str, unsent: Sequence[Unsent], card: SendNews
) -> None:
    """Tell people of one conversation: each alone where a way leads there, the others once, in front of all.

    Raises OSError. Where nobody reads a conversation any more, its people count as told.
    """
    stored = await repository.contact(conversation)
    here = Reference.load(stored)
    shows = here is not None and card.may_show(here)
    left: list[Unsent] = []
    for one in unsent:
        contact = await repository.contact(name_private_contact(conversation, one.person))
        cards = Cards(
            partial(one.draw_for, may=shows),
            lambda reference, one=one: one.draw_for(reference, may=shows and card.may_show(reference)),
        )
        if contact and await card.send_alone(contact, one.person, cards):
            await one.mark()
        else:
            left.append(one)
    if not left:
        return
    try:
        await card.send(stored, left[0].draw_for(here, may=shows))
    except Undeliverable as gone:
        log.warning("somebody could not be told of a ruling: %s", gone)
    for one in left:
        await one.mark()


@dataclass(frozen=True, slots=True)
class Unsent:
    """What one person is still to be told: `draw` makes their card, `mark` keeps that they were told.

    Where they may not read it, they are told that something was decided about `answer`.
    """

    person: str
    answer: Answer
    draw: Callable[[], Card]
    mark: Callable[[], Awaitable[None]]

    def draw_for(self, reference: Reference | None, *, may: bool) -> Card:
        """Return the card in the language of where it goes."""
        with speak(reference.language if reference else ""):
            return self.draw() if may else closed_card(self.answer)


@dataclass(frozen=True, slots=True)
class SendNews:
    """How a card of news leaves, to one person alone where that is possible; and where its pages are.

    `may_show`: whoever reads a conversation may see what was ruled; otherwise it says that something was. Who
    has left a channel may not read it in their chat.
    """

    send: SendCard
    send_alone: SendAlone
    site_url: str
    may_show: Callable[[Reference], bool]


def _select_unsent(kept: Sequence[Notification], news: News) -> list[Notification]:
    """Return the notices that a message settles: a ruling also those that it has overtaken unsent."""
    unsent = [one for one in kept if not one.sent]
    return [one for one in unsent if one.about == news.about] if news.is_taken_back else unsent


def draw_notice(review: Review, answer: Answer, site_url: str, *, anew: bool) -> Card:
    """Return what people are told; `anew`: some of them were told of an earlier ruling."""
    if review.ruling is None:
        return taken_back_card(answer)
    return notice_card(answer, review.ruling, site_url, anew=anew)
