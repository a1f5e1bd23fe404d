"""Outbox worker: brings reviewers' cards, the asker's message and notices in line with a review.

It takes the outbox's entries (`feedback/reviews/repository.py`), one answer at a time, and compares what is
on screen with what should be. So it may be killed at any moment, and a second run changes nothing. What a
channel does not take stays for the next round. It also finds verified answers whose page has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from bot.card_tokens import REVIEW, CardSigner
from bot.cards.elements import Card
from bot.cards.review import review_card
from bot.cards.review_actions import ReviewView, RulingPreview, to_reviewed
from bot.channel import ChannelError, Undeliverable
from bot.channels.answer_message import AnswerView, compose_thanks, derive_state
from bot.channels.asides.one_person import Cards, Connect, find_route, tell_alone
from bot.channels.asides.own_views import OwnViews
from bot.channels.incoming import Reference
from bot.channels.message import Connector, Message, card_message, plain_message
from bot.channels.notices import SendNews, tell_people
from bot.dialogs.review import Reviewing
from bot.readers.audiences import Audiences
from core import telemetry
from core.records import Answer, Feedback, Question, Review, VerifiedAnswer
from core.translation import speak
from feedback.reviews.repository import ASKER, CardDestination, PostedMessage, ReviewRepository, parse_reader
from feedback.store.base import FeedbackStore, StoreError

log = logging.getLogger(__name__)

ENTRIES = 50
STAYS = timedelta(days=1)
"""So long after a ruling its card is where people still look, and shows in its own place what changes."""


async def run_all(steps: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Run all steps; none waits for another one to succeed. Raises the last OSError."""
    failed: OSError | None = None
    for step in steps:
        try:
            await step()
        except OSError as error:
            failed = error
    if failed is not None:
        raise failed


async def post_card(
    repository: ReviewRepository,
    posted: PostedMessage,
    route: tuple[Reference, Connector],
    card: Card,
    shown_version: str,
) -> None:
    """Send a card, or write over the one on screen, and keep which version it shows. Raises OSError.

    A destination that does not exist any more gets no more cards.
    """
    (reference, connector), message = route, card_message(card)
    try:
        message_id = posted.message_id
        if message_id:
            await connector.update(reference, message_id, message)
        else:
            message_id = await connector.send(reference, message)
    except Undeliverable as gone:
        log.warning("no more cards for a place that is gone: %s", gone)
        if not posted.message_id:
            await repository.remove_place(posted.place.partition("#")[0])
        await repository.remove_shown(posted)
    else:
        shown = replace(posted, message_id=message_id, stamp=shown_version)
        await repository.put_shown(shown, is_new=not posted.message_id)


@dataclass(frozen=True, slots=True)
class CardSyncHooks:
    """What the card sync asks of the rest of the bot.

    `fresh` tells whether the page of a verified answer is unchanged. `waits` tells whether the giver of a
    feedback is to hear from a reviewer. `preview` is what a ruling on an answer would serve, None where that
    is not known (yet). `mark_corrected` hears of a corrected answer, with its question and where that was.
    `decrypt_contact` decrypts one person's contact.
    """

    connector: Connect
    fresh: Callable[[VerifiedAnswer], bool]
    waits: Callable[[Feedback], bool]
    preview: Callable[[str], RulingPreview | None] = lambda _: None
    mark_corrected: Callable[[Question, Mapping[str, Any]], None] = lambda _question, _conversation: None
    decrypt_contact: Callable[[str], str] = str


_WITH_PREVIEW = "+"


def derive_shown_version(view: ReviewView) -> str:
    """Name the state that a card shows; what a process need not know stands at the end, behind a mark."""
    state = f"{view.review.version}/{len(view.feedback)}"
    if view.preview is None or not view.preview.count:
        return state
    return f"{state}{_WITH_PREVIEW}{view.preview.count}/{view.preview.right}"


def _is_long_ago(review: Review) -> bool:
    """Tell whether the ruling that a change ended was given long before."""
    change = review.change
    ended = change.before if change else None
    return change is not None and ended is not None and change.changed_at - ended.given_at > STAYS


class CardSync:
    """One per process; `run` until it is cancelled."""

    def __init__(
        self,
        store: FeedbackStore,
        reviewing: Reviewing,
        view: AnswerView,
        signer: CardSigner,
        hooks: CardSyncHooks,
    ) -> None:
        self._store = store
        self._reviewing = reviewing
        self._view = view
        self.signer = signer
        self._hooks = hooks
        self._news = asyncio.Event()
        self._handlers: dict[str, Callable[[str], Awaitable[None]]] = {}
        self.on_new_destination: list[Callable[[], Awaitable[None]]] = []
        self.on_news: list[Callable[[Review], Awaitable[None]]] = []
        self.own_views = OwnViews()
        self.wake = reviewing.wake = self._news.set

    @property
    def _repository(self) -> ReviewRepository:
        return self._reviewing.repository

    @property
    def site_url(self) -> str:
        return self._view.site_url

    @property
    def audiences(self) -> Audiences:
        return self._view.audiences

    def add_handler(self, prefix: str, handle: Callable[[str], Awaitable[None]]) -> None:
        """Let `handle` process entries with this prefix; it gets the rest of the name and raises OSError."""
        self._handlers[prefix] = handle

    async def fill_destination(self) -> None:
        """Bring cards that are not of answers to a new destination, too."""
        for fill in self.on_new_destination:
            await fill()

    async def run(self, interval_s: float) -> None:
        """Process the outbox as it fills, and look at the verified answers' pages every `interval_s`."""
        loop = asyncio.get_running_loop()
        next_look = loop.time()
        while True:
            self._news.clear()
            try:
                if loop.time() >= next_look:
                    next_look = loop.time() + interval_s
                    await self.look_at_pages()
                await self.process_outbox()
                await self.take_back_left()
            except StoreError as error:
                log.warning("reviews wait: %s", error)
            except Exception:
                log.exception("a round of the card sync failed; the next one goes on")
            # asyncio.wait_for would swallow a cancellation that comes in the moment of the news
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, next_look - loop.time())):
                    await self._news.wait()

    async def process_outbox(self) -> None:
        """Sync the answers whose reviews have changed; what fails goes to the end, for a later round."""
        found = await self._repository.claim_outbox_entries(ENTRIES)
        done = 0
        for answer_id, version in found:
            try:
                with telemetry.span("follow_up"):
                    await self._process_entry(answer_id)
            except OSError as error:
                log.warning("a review is not shown everywhere yet: %s", error)
                await self._repository.release_outbox_entry(answer_id, datetime.now(UTC))
            else:
                ended = await self._repository.complete_outbox_entry(answer_id, version)
                if not ended:  # there is more to do by now
                    await self._repository.release_outbox_entry(answer_id, datetime.now(UTC))
                    self._news.set()
                done += ended
        if done and len(found) == ENTRIES:  # there may be more
            self._news.set()

    async def look_at_pages(self) -> None:
        """Serve what other processes have verified; send back to review what stands on changed pages."""
        for verified in await self._reviewing.catch_up():
            if not self._hooks.fresh(verified):
                log.info("the page of a verified answer has changed; it goes back to review")
                await self._reviewing.reopen(verified)

    async def forget(self, answer: Answer) -> None:
        """Take an answer's cards back from everybody's screen, before it is forgotten."""
        for shown in await self._repository.list_shown(answer.id):
            if shown.place != ASKER:
                await self._take_back(shown)
        self._reviewing.forget(answer.id)

    async def take_back_left(self) -> None:
        """Delete cards whose answers or readers are gone; what fails goes to the end, for a later round."""
        for shown in await self._repository.list_left_cards(ENTRIES):
            reference = Reference.load(shown.reference)
            try:
                if reference is not None:
                    await self._delete(reference.conversation, shown.message_id)
            except OSError as error:
                log.warning("a card of a deleted answer is still on screen: %s", error)
                await self._repository.leave_card(shown)
            else:
                await self._repository.remove_left_card(shown)

    async def _take_back(self, shown: PostedMessage) -> None:
        reference = Reference.load(shown.reference)
        if reference is not None:
            await self.take_back(reference.conversation, shown.message_id)

    async def take_back(self, conversation: dict[str, Any], message_id: str) -> None:
        """Delete a message of ours; where the channel does not let us, it stays on screen."""
        try:
            await self._delete(conversation, message_id)
        except OSError as error:
            log.warning("a message that should go stays on screen: %s", error)

    async def _delete(self, conversation: dict[str, Any], message_id: str) -> None:
        """Delete a message of ours that may be gone already. Raises OSError."""
        connector = self._hooks.connector(conversation)
        if connector is None or not message_id:
            return
        try:
            await connector.delete(conversation, message_id)
        except Undeliverable as gone:
            log.info("a message that should go is on screen no more: %s", gone)

    def view_review(
        self, review: Review, answer: Answer, words: Sequence[Feedback], signature: str
    ) -> ReviewView:
        """Return what a reviewer's card shows of a review now."""
        preview = None if review.ruling else self._hooks.preview(answer.id)
        seen = to_reviewed(answer, review.passages)
        return ReviewView(review, seen, words, signature, datetime.now(UTC), preview)

    async def say(self, stored: str, sentence: str) -> None:
        """Say something unasked where a stored Reference leads; where it cannot be said, it is logged."""
        if route := find_route(self._hooks.connector, stored):
            reference, connector = route
            try:
                await connector.send(reference, plain_message(sentence))
            except (Undeliverable, OSError) as error:
                log.warning("somebody could not be told: %s", error)

    async def show_anew(self, review: Review, place: CardDestination) -> None:
        """Show a review as a new card in a place; one that is there already is taken back."""
        answer = await self._store.answer(review.answer_id)
        if answer is None:
            return
        words = await self._store.feedback_on(answer.id)
        shown = {one.place: one for one in await self._repository.list_shown(answer.id)}
        name = f"{place.id}#{review.round}"
        await self._show_card(PostedMessage(answer.id, name, place.reference, "", ""), review, answer, words)
        if name in shown:
            await self._take_back(shown[name])

    async def post(self, review: Review, *, anew: bool = False) -> bool:
        """Post a waiting review to all destinations; False where one cannot be reached from here.

        `anew`: as a new card, where one is there already. Raises OSError when a channel does not take it.
        """
        answer = await self._store.answer(review.answer_id)
        if answer is None:
            return True
        words = await self._store.feedback_on(answer.id)
        shown = {one.place for one in await self._repository.list_shown(answer.id)}
        reached = True
        steps: list[Callable[[], Awaitable[None]]] = []
        for place in await self._repository.places():
            name = f"{place.id}#{review.round}"
            if find_route(self._hooks.connector, place.reference) is None:
                reached = False
            elif name not in shown:
                blank = PostedMessage(answer.id, name, place.reference, "", "")
                steps.append(partial(self._show_card, blank, review, answer, words))
            elif anew:
                steps.append(partial(self.show_anew, review, place))
        await run_all(steps)
        return reached

    async def _process_entry(self, name: str) -> None:
        for prefix, handle in self._handlers.items():
            if name.startswith(prefix):
                await handle(name.removeprefix(prefix))
                return
        await self._sync_answer(name)

    async def _sync_answer(self, answer_id: str) -> None:
        answer, review = await self._store.answer(answer_id), await self._repository.review(answer_id)
        if answer is None or review is None:
            return
        telemetry.link(answer.question.trace)
        words = await self._store.feedback_on(answer_id)
        await self._reviewing.follow(review)
        shown = {one.place: one for one in await self._repository.list_shown(answer_id)}
        steps: list[Callable[[], Awaitable[None]]] = [
            partial(self._show_card, one, review, answer, words)
            for one in await self._list_cards(review, shown)
        ]
        steps.append(partial(self._show_asker, shown.get(ASKER), review, answer, words))
        steps.append(partial(self._tell, review, answer, words))
        await run_all(steps)

    async def _list_cards(self, review: Review, shown: Mapping[str, PostedMessage]) -> list[PostedMessage]:
        """Return the cards of this round: those on screen, and blanks for where one is missing."""
        this_round = f"#{review.round}"
        if review.change is not None:
            shown = await self._carry_over(review, shown)
        wanted = {place: one for place, one in shown.items() if place.endswith(this_round)}
        if review.settled_at is None:
            for place in await self._repository.places():
                name = place.id + this_round
                wanted.setdefault(name, PostedMessage(review.answer_id, name, place.reference, "", ""))
        return list(wanted.values())

    async def _carry_over(
        self, review: Review, shown: Mapping[str, PostedMessage]
    ) -> Mapping[str, PostedMessage]:
        """Let the cards of a ruling that was changed show what follows: nobody presses an old one then.

        A card that has long scrolled away is taken back, and a review that is open again gets a new one.
        """
        before, now = f"#{review.round - 1}", f"#{review.round}"
        followed = dict(shown)
        for place, one in shown.items():
            name = place.removesuffix(before) + now
            if not place.endswith(before):
                continue
            await self._repository.remove_shown(one)
            del followed[place]
            if name in shown or (review.settled_at is None and _is_long_ago(review)):
                await self._take_back(one)
            else:
                followed[name] = replace(one, place=name, stamp="")
                await self._repository.put_shown(followed[name])
        return followed

    async def _show_card(
        self, shown: PostedMessage, review: Review, answer: Answer, words: Sequence[Feedback]
    ) -> None:
        route = find_route(self._hooks.connector, shown.reference)
        if route is None:
            return
        if not self._view.may_show(route[0].conversation, answer, review):
            await self._hide_card(shown)
            return
        signature = self.signer.sign(REVIEW, answer.id, route[0].conversation)
        view = self.view_review(review, answer, words, signature)
        people = self.own_views.find_people(route[0].conversation)
        view = replace(view, reader=parse_reader(shown.place), people=people)
        shown_version = derive_shown_version(view)
        if shown.stamp == shown_version or (
            view.preview is None and shown.stamp.startswith(f"{shown_version}{_WITH_PREVIEW}")
        ):
            return
        with speak(route[0].language):
            await post_card(self._repository, shown, route, review_card(view, self.site_url), shown_version)

    async def _hide_card(self, shown: PostedMessage) -> None:
        """Take a card back from people who may not read its pages any more; where none is, show none."""
        if shown.message_id:
            await self._take_back(shown)
            await self._repository.remove_shown(shown)

    async def _show_asker(
        self, shown: PostedMessage | None, review: Review, answer: Answer, words: Sequence[Feedback]
    ) -> None:
        """Let the answer's own message say how it stands."""
        ruled_at = review.settled_at.isoformat() if review.settled_at else ""
        shown_version = f"{derive_state(review)} {ruled_at}".strip()
        if shown_version == (shown.stamp if shown else ""):
            return
        message_id = await self._store.find_message(answer.question.id)
        route = find_route(
            self._hooks.connector, await self._repository.contact(answer.question.conversation)
        )
        if route is None or not message_id:
            return
        reference = route[0]
        if not self._view.may_show(reference.conversation, answer, review):
            return  # what is on screen was for whoever read it then
        is_ruled = review.ruling is not None  # then nothing is promised any more
        with speak(answer.question.language):
            mine = (
                compose_thanks(words, promises=not is_ruled) if reference.personal else ""
            )  # else many read it
            message = self._view.make_messages(reference.conversation, answer, review, mine, words=words)[-1]
            try:
                await self._write_over(
                    route,
                    message_id,
                    message,
                    partial(self._view.make_text_message, reference.conversation, answer, review),
                )
            except Undeliverable as gone:
                log.info("an answer that was reviewed is on screen no more: %s", gone)
        if derive_state(review) in {"corrected", "not_on_page"}:
            self._hooks.mark_corrected(answer.question, reference.conversation)
        posted = PostedMessage(answer.id, ASKER, reference.dump(), message_id, shown_version)
        await self._repository.put_shown(posted, is_new=shown is None)

    @staticmethod
    async def _write_over(
        route: tuple[Reference, Connector],
        message_id: str,
        message: Message,
        otherwise: Callable[[], Message],
    ) -> None:
        """Write a message over the one on screen; `otherwise` makes it without its card.

        Teams sometimes sends text and card as two messages, and lets nobody write both over one.
        """
        reference, connector = route
        try:
            await connector.update(reference, message_id, message)
        except ChannelError as error:
            if error.status != HTTPStatus.BAD_REQUEST:
                raise
            await connector.update(reference, message_id, otherwise())

    async def _tell(self, review: Review, answer: Answer, words: Sequence[Feedback]) -> None:
        waiting = {word.giver for word in words if self._hooks.waits(word)}
        await tell_people(self._repository, review, answer, waiting, self.make_news(answer, review))
        for leave in self.on_news:
            await leave(review)

    def make_news(self, answer: Answer, review: Review) -> SendNews:
        """Return how people are told what became of an answer."""
        may_show = partial(self._may_show_at, answer, review)
        return SendNews(self._send_card, self._send_alone, self.site_url, may_show)

    def _may_show_at(self, answer: Answer, review: Review, reference: Reference) -> bool:
        return self._view.may_show(reference.conversation, answer, review)

    async def _send_alone(self, encrypted: str, person: str, cards: Cards) -> bool:
        """Tell one person of a conversation; False where no way leads to them alone. Raises OSError."""
        contact = self._hooks.decrypt_contact(encrypted)
        return await tell_alone(self._repository, self._hooks.connector, contact, person, cards)

    async def _send_card(self, stored: str, card: Card) -> None:
        """Send a card where a stored Reference leads; nowhere, where this process has no way."""
        if route := find_route(self._hooks.connector, stored):
            reference, connector = route
            with speak(reference.language):
                await connector.send(reference, card_message(card))
