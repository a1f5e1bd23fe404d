"""What reviewers do with model versions in chat: the buttons of a comparison's card, and one word.

    model    what is live, the canary's share and figures, and the last comparison

Who may do so is who may review; each action is authorised anew.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any
from uuid import uuid4

from bot.activities import Incoming, card_message, place_of, plain_message, reference_of
from bot.cards.model import model_card, standing_card
from bot.delivery import Connector
from bot.dialogs.models import GONE, Deciding, Press
from bot.dialogs.review import Refused
from bot.invokes import BadAction, CardAction, InvokeReply, saying, showing
from bot.model_courier import ModelCourier
from bot.reviewers import Reviewers
from bot.seals import MODEL, Seals, home_of
from feedback.desk import Place, place_of_reviewer
from feedback.model_board import Choice
from feedback.store import StoreUnavailable
from model.versions import VersionError

log = logging.getLogger(__name__)

MAX_NAME = 80
WORDS = frozenset({"model", "models"})
STORE_AWAY = (
    "My store is away, so nothing can be decided about models now. Please try again in a few minutes."
)
_CHOICES = {f"model.{choice}": choice for choice in Choice}


class ModelDesk:
    """Takes what reviewers do, asks whether they may, and has it done. One per channel."""

    def __init__(self, deciding: Deciding, reviewers: Reviewers, seals: Seals, courier: ModelCourier) -> None:
        self._deciding = deciding
        self._reviewers = reviewers
        self._seals = seals
        self._courier = courier

    async def told(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Do what was said, if it is the word above; False for anything else."""
        if " ".join(incoming.text.lower().strip(" .!?").split()) not in WORDS:
            return False
        if refusal := await self._reviewers.refusal(incoming.directory_id):
            await connector.send(incoming.conversation, plain_message(reference_of(incoming), refusal))
            return True
        comparison, watch = await self._deciding.latest(), await self._deciding.board.watch()
        try:
            standing = await self._deciding.standing()
        except VersionError as error:
            await connector.send(incoming.conversation, plain_message(reference_of(incoming), f"{error}."))
            return True
        card = standing_card(standing, watch, compared=comparison is not None)
        await connector.send(incoming.conversation, card_message(reference_of(incoming), card))
        if comparison is not None:
            place = Place(_place_id(incoming, person), place_of(incoming).dump())
            await self._courier.show_anew(comparison.candidate, place)
        return True

    async def acted(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Do what a button of a comparison's card says. Raises BadAction."""
        if refusal := await self._reviewers.refusal(incoming.directory_id):
            log.warning("somebody who is no reviewer pressed %s", action.verb)
            return saying(refusal)
        if not self._seals.fits(action.seal, MODEL, action.answer_id, incoming.conversation):
            raise BadAction("This card was not sent to this conversation. Nothing was changed.")
        press = _press(incoming, action, person)
        try:
            await self._deciding.decide(press)
            return showing(await self._card(action))
        except Refused as refused:
            with contextlib.suppress(StoreUnavailable):  # the card that was pressed may be an old one
                await self._deciding.leave_errand(action.answer_id)
            return saying(str(refused))
        except StoreUnavailable as error:
            log.info("nothing was decided about a model version: %s", error)
            return saying(STORE_AWAY)

    async def _card(self, action: CardAction) -> dict[str, Any]:
        view = await self._deciding.view(action.answer_id, action.seal)
        if view is None:
            raise BadAction(GONE)
        return model_card(view)


def _press(incoming: Incoming, action: CardAction, person: str) -> Press:
    """Read what a button says. Raises BadAction."""
    choice = _CHOICES.get(action.verb)
    if choice is None or action.round < 0:
        raise BadAction("This card has no such action.")
    return Press(
        candidate=action.answer_id,
        known=action.round,
        choice=choice,
        reviewer=person,
        reviewer_name=incoming.user["name"][:MAX_NAME] or "A reviewer",
        source=incoming.question_id if incoming.id else uuid4().hex,
    )


def _place_id(incoming: Incoming, person: str) -> str:
    """Name a place: a reviewer's own chat by the reviewer, a channel by itself."""
    return place_of_reviewer(person) if incoming.personal else home_of(incoming.conversation)
