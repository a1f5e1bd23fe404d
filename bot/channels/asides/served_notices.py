"""Tells those who got a verified answer that a reviewer took it back, or changed it: once of each change.

Whoever asked the question that was decided about, or complained, hears of it by `bot/channels/notices.py`;
here are the others, who only asked the same: the last MOST people who got the answer in so many days
(`tell_served_days`), each by the question that they asked themselves. Who read the words that hold now, and
was told of no others, has nothing to unlearn.

It is an outbox entry of its own (bot/channels/card_sync.py), left before that of the review ends. What
somebody was told is kept after it was sent: a kill in between sends it again, since no channel lets us ask.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

from bot.cards.elements import Card
from bot.cards.notice import closed_card, served_card
from bot.channels.card_sync import CardSync, run_all
from bot.channels.notices import News, SendNews, Unsent, deliver, find_news
from bot.dialogs.verified_answers import select_untrusted
from core.records import Answer, Review
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.served import ServedAnswer, digest_words, list_served, mark_told
from feedback.store.base import FeedbackStore, moment

OUTBOX_PREFIX = "served:"
MOST = 100
"""So many people are told of a change; the others get what holds now when they ask again."""
_AT_ONCE = 20
"""So many conversations are told before other outbox entries have their turn."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What became of the verified answer that came from `answer`; `name` is how it is kept who was told."""

    answer: Answer
    review: Review
    news: News
    name: str


class ServedNotices:
    """One per process; the card sync brings the outbox entries.

    `days` is the setting `tell_served_days`. The word of `local_reviewers` counts on the chat page only.
    """

    def __init__(
        self,
        store: FeedbackStore,
        card_sync: CardSync,
        repository: ReviewRepository,
        days: float,
        local_reviewers: Collection[str] = (),
    ) -> None:
        self._store = store
        self._card_sync = card_sync
        self._repository = repository
        self._days = timedelta(days=days)
        self._local_reviewers = local_reviewers

    def join(self) -> None:
        """Let the card sync bring the outbox entries here, and say when there are news."""
        self._card_sync.add_handler(OUTBOX_PREFIX, self.look_after)
        if self._days:
            self._card_sync.on_news.append(self.leave)

    async def leave(self, review: Review) -> None:
        """Add the outbox entry for telling those who got an earlier ruling, where there was one."""
        if review.round > 1 and find_news(review) is not None:
            await self._repository.add_outbox_entry(f"{OUTBOX_PREFIX}{review.answer_id}", datetime.now(UTC))
            self._card_sync.wake()

    async def look_after(self, answer_id: str) -> None:
        """Tell whom it concerns what became of a verified answer. Raises OSError."""
        answer, review = await self._store.answer(answer_id), await self._repository.review(answer_id)
        news = find_news(review) if review else None
        if answer is None or review is None or news is None or not self._days:
            return
        change = _Change(answer, review, news, news.about or f"round {review.round}")
        rooms: dict[str, list[ServedAnswer]] = defaultdict(list)
        for one in await self._list_due(change):
            rooms[one.conversation].append(one)
        card = self._card_sync.make_news(answer, review)
        await run_all([partial(self._tell, *room, change, card) for room in islice(rooms.items(), _AT_ONCE)])
        if len(rooms) > _AT_ONCE:
            await self.leave(review)

    async def _list_due(self, change: _Change) -> Sequence[ServedAnswer]:
        """Return who is to be told: not who hears of it as the asker, or has read what holds now."""
        review, since = change.review, change.news.since
        documents = self._repository.documents
        served = await list_served(documents, review.answer_id, review.opened_at - self._days, since)
        notices = await self._repository.notices_on(review.answer_id)
        told = {one.person for one in notices if one.made_at == moment(since)}
        holds = None if change.news.is_taken_back else await self._repository.read_verified(review.answer_id)
        same = digest_words(holds) if holds is not None else ""
        return [
            one
            for one in served[:MOST]
            if one.person not in told and one.told != change.name and (one.told or one.shown != same)
        ]

    async def _tell(
        self, conversation: str, people: Sequence[ServedAnswer], change: _Change, card: SendNews
    ) -> None:
        unsent: list[Unsent] = []
        for one in people:
            given = await self._store.answer(one.answer_id)
            if given is not None:
                draw = partial(self._draw, given, change, card.site_url)
                mark = partial(mark_told, self._repository.documents, one, change.name)
                unsent.append(Unsent(one.person, given, draw, mark))
        await deliver(self._repository, conversation, unsent, card)

    def _draw(self, given: Answer, change: _Change, site_url: str) -> Card:
        """Return the card for whoever got `given`: with their own question, and nobody else's."""
        ruling = change.review.ruling
        if ruling and ruling.reviewer in select_untrusted(given.question, self._local_reviewers):
            return closed_card(given)
        return served_card(replace(change.answer, question=given.question), ruling, site_url)
