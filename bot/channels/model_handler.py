"""Model versions in chat: buttons of a comparison's card, the command `model`, and the sync of those cards.

    model    what is live, the canary's share and figures, and the last comparison

Only reviewers may do so; each action is authorised anew.

`ModelCardSync` brings what happens to model versions to the reviewers: comparisons, what became of them,
notices. It compares what is on screen with what should be, one comparison at a time. It works off the same
outbox as `bot/channels/card_sync.py`, so no two processes post the same at once, and the entry of a killed
one is done by another. A card is sent before it is kept that it was: a kill in between sends it again, since
no channel lets us ask.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime, timedelta
from functools import partial

from bot.card_tokens import MODEL, BadAction, CardSigner, no_such_action
from bot.cards.elements import Card
from bot.cards.model import build_notice_card, model_card, say_kept, standing_card
from bot.channel import Undeliverable
from bot.channels.asides.one_person import Connect, find_route
from bot.channels.card_sync import CardSync, post_card, run_all
from bot.channels.incoming import CardAction, Incoming, find_place
from bot.channels.message import Connector, InvokeReply, card_message, plain_message, saying, showing
from bot.channels.review_handler import Reviewers
from bot.dialogs.models import GONE, OUTBOX_PREFIX, Deciding, Press
from bot.dialogs.review import Refused
from core.translation import mark, say, speak
from feedback.reviews import model_decisions
from feedback.reviews.model_decisions import POSTED, UNPOSTED, Choice
from feedback.reviews.repository import CardDestination, PostedMessage, ReviewRepository
from feedback.store.base import StoreUnavailable
from model.registry.versions import RolloutState, VersionError, VersionStatus

log = logging.getLogger(__name__)

NOTICE = "model-notice:"
FOLLOWED = timedelta(days=90)
"""How old a comparison is whose cards still follow where its candidate stands."""
_SAID = "said"


class ModelCardSync:
    """One per process; `look` is called again and again, the rest by the card sync."""

    def __init__(
        self, deciding: Deciding, repository: ReviewRepository, signer: CardSigner, connect: Connect
    ) -> None:
        self._deciding = deciding
        self._repository = repository
        self._signer = signer
        self._connect = connect
        self._standing: RolloutState | None = None

    def join(self, card_sync: CardSync) -> None:
        """Let the card sync bring the entries of models here."""
        self._deciding.wake = card_sync.wake
        card_sync.add_handler(OUTBOX_PREFIX, self.look_after)
        card_sync.add_handler(NOTICE, self.post_notice)
        card_sync.on_new_destination.append(self._show_last)

    async def look(self) -> None:
        """Fill the outbox with what waits to be posted, and cards of versions whose standing has changed.

        The entry is kept before it is kept that nothing waits: a kill in between leaves it twice, which is
        once.
        """
        for document in await model_decisions.waiting(self._repository.documents):
            await self._deciding.add_outbox_entry(document.id)
            await model_decisions.mark_posted(self._repository.documents, document)
        for notice in await self._deciding.board.notices(UNPOSTED):
            await self._repository.add_outbox_entry(f"{NOTICE}{notice.id}", datetime.now(UTC))
            await self._deciding.board.mark(notice, POSTED)
            self._deciding.wake()
        await self._follow_standing()

    async def _show_last(self) -> None:
        """Let a new place have the last comparison, if nobody has decided about it."""
        comparison = await model_decisions.latest(self._repository.documents)
        if comparison is not None:
            await self._deciding.add_outbox_entry(comparison.candidate)

    async def _follow_standing(self) -> None:
        """A canary that was taken back by a job, a promotion on the command line: their cards say so."""
        try:
            standing = await self._deciding.standing()
        except VersionError as error:
            log.warning("who answers whom is not known: %s", error)
            return
        if standing == self._standing:
            return
        for candidate in await model_decisions.since(
            self._repository.documents, datetime.now(UTC) - FOLLOWED
        ):
            await self._deciding.add_outbox_entry(candidate)
        self._standing = standing

    async def look_after(self, candidate: str) -> None:
        """Do what was decided and not done; let every card of a comparison say so. Raises OSError."""
        await self._deciding.catch_up(candidate)
        view = await self._deciding.view(candidate)
        if view is None:
            return
        name = f"{OUTBOX_PREFIX}{candidate}"
        shown = {one.place: one for one in await self._repository.list_shown(name)}
        if not view.decisions and view.status in {VersionStatus.CANDIDATE, VersionStatus.CANARY}:
            for place in await self._repository.places():
                shown.setdefault(place.id, PostedMessage(name, place.id, place.reference, "", ""))
        await run_all([partial(self._show, one, candidate) for one in shown.values()])

    async def show_anew(self, candidate: str, place: CardDestination) -> None:
        """Show a comparison as a new card in a place; one that is there already is taken back."""
        name = f"{OUTBOX_PREFIX}{candidate}"
        before = {one.place: one for one in await self._repository.list_shown(name)}.get(place.id)
        await self._show(PostedMessage(name, place.id, place.reference, "", ""), candidate)
        route = find_route(self._connect, before.reference) if before else None
        if before and route and before.message_id:
            reference, connector = route
            try:
                await connector.delete(reference.conversation, before.message_id)
            except (Undeliverable, OSError) as error:
                log.info("an older card stays on screen: %s", error)

    async def _show(self, posted: PostedMessage, candidate: str) -> None:
        route = find_route(self._connect, posted.reference)
        if route is None:
            return
        signature = self._signer.sign(MODEL, candidate, route[0].conversation)
        view = await self._deciding.view(candidate, signature)
        if view is not None and view.shown_version != posted.stamp:
            with speak(route[0].language):
                await post_card(self._repository, posted, route, model_card(view), view.shown_version)

    async def post_notice(self, notice_id: str) -> None:
        """Tell the reviewers, once in each place. Raises OSError."""
        notice = await self._deciding.board.notice(notice_id)
        name = f"{NOTICE}{notice_id}"
        told = {one.place for one in await self._repository.list_shown(name)}
        if notice is not None:
            blanks = [
                PostedMessage(name, place.id, place.reference, "", "")
                for place in await self._repository.places()
            ]
            card = build_notice_card(notice)
            await run_all([partial(self._notify, one, card) for one in blanks if one.place not in told])

    async def _notify(self, blank: PostedMessage, card: Card) -> None:
        if route := find_route(self._connect, blank.reference):
            await post_card(self._repository, blank, route, card, _SAID)


WORDS = frozenset({"model", "models"})
STORE_AWAY = mark(
    "I cannot reach my records, so nothing can be decided about models right now. Please try "
    "again in a few minutes."
)
_CHOICES = {f"model.{choice}": choice for choice in Choice}


class ModelHandler:
    """Takes what reviewers do, asks whether they may, and has it done. One per channel."""

    def __init__(
        self, deciding: Deciding, reviewers: Reviewers, signer: CardSigner, card_sync: ModelCardSync
    ) -> None:
        self._deciding = deciding
        self._reviewers = reviewers
        self._signer = signer
        self._card_sync = card_sync

    async def handle_command(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Do what was said, if it is the word above; False for anything else."""
        if " ".join(incoming.text.lower().strip(" .!?").split()) not in WORDS:
            return False
        if refusal := await self._reviewers.refusal(incoming.directory_id):
            await connector.send(incoming.reference, plain_message(refusal))
            return True
        comparison, watch = await self._deciding.latest(), await self._deciding.board.watch()
        try:
            standing = await self._deciding.standing()
        except VersionError as error:
            await connector.send(incoming.reference, plain_message(f"{say_kept(error.why)}."))
            return True
        card = standing_card(standing, watch, compared=comparison is not None)
        await connector.send(incoming.reference, card_message(card))
        if comparison is not None:
            place = CardDestination(find_place(incoming, person), incoming.contact.dump())
            await self._card_sync.show_anew(comparison.candidate, place)
        return True

    async def handle_action(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Do what a button of a comparison's card says. Raises BadAction."""
        if refusal := await self._reviewers.refusal(incoming.directory_id):
            log.warning("somebody who is no reviewer pressed %s", action.verb)
            return saying(refusal)
        self._signer.check(action.signature, MODEL, action.answer_id, incoming.conversation)
        press = _press(incoming, action, person)
        try:
            await self._deciding.decide(press)
            return showing(await self._card(action))
        except Refused as refused:
            with contextlib.suppress(StoreUnavailable):  # the card that was pressed may be an old one
                await self._deciding.add_outbox_entry(action.answer_id)
            return saying(str(refused))
        except StoreUnavailable as error:
            log.info("nothing was decided about a model version: %s", error)
            return saying(say(STORE_AWAY))

    async def _card(self, action: CardAction) -> Card:
        view = await self._deciding.view(action.answer_id, action.signature)
        if view is None:
            raise BadAction(say(GONE))
        return model_card(view)


def _press(incoming: Incoming, action: CardAction, person: str) -> Press:
    """Read what a button says. Raises BadAction."""
    choice = _CHOICES.get(action.verb)
    if choice is None or action.round < 0:
        raise no_such_action()
    return Press(
        candidate=action.answer_id,
        known=action.round,
        choice=choice,
        reviewer=person,
        reviewer_name=incoming.name_of_sender or "A reviewer",
        source=incoming.press_id,
    )
