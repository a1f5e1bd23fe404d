"""What owners of pages say and press: "gaps", and the buttons of the cards about gaps of their pages.

    gaps     in their own chat with the bot: the questions that their pages leave open, here and from now on

Each press is authorised anew: only people behind the page's owner may decide, and take back what one of them
decided.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from bot.card_tokens import GAP, BadAction, CardSigner, no_such_action
from bot.cards.gap import build_gap_card
from bot.channels.incoming import CardAction, Incoming
from bot.channels.message import Connector, InvokeReply, plain_message, saying, showing
from bot.channels.owners.cards import MOST_SHOWN, OwnerCards
from core import telemetry
from core.translation import mark, say
from feedback.gaps.owner_cards import OwnerCard, OwnerChoice, Step, decide
from feedback.privacy.audit import Audit, AuditAction
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

WORDS = frozenset({"gaps", "my gaps", "gaps of my pages"})
NOT_AN_OWNER = mark(
    "Only owners of pages may do this, and you are not named as one of them. Nothing was changed. My "
    "operator names owners in the setting owner_people."
)
NOT_YOUR_PAGE = mark("Only the owner of this page may do this. Nothing was changed.")
IN_YOUR_CHAT = mark("The cards are for you alone: please ask me in your personal chat with me.")
NOTHING_OPEN = mark("I know of no open question about your pages. New ones arrive here once a week.")
GONE = mark("This card is about something that no longer exists. Nothing was changed.")
FASTER = mark("Somebody else was faster. Please look at the card again; nothing was changed.")
STORE_AWAY = mark("I cannot reach my records, so nothing was changed. Please try again in a few minutes.")
_CHOICES = {f"gap.{choice}": choice for choice in OwnerChoice}


class OwnerHandler:
    """Takes what owners say and press. One per channel."""

    def __init__(self, cards: OwnerCards, signer: CardSigner) -> None:
        self._cards = cards
        self._signer = signer

    async def handle_command(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Show somebody the open questions of their pages; False where something else was said.

        Raises StoreError and OSError.
        """
        if " ".join(incoming.text.lower().strip(" .!?").split()) not in WORDS:
            return False
        if not self._cards.owners.has_any:
            return False  # nobody is named: then it is a question
        said = await self._show_cards(incoming, person)
        if said:
            await connector.send(incoming.reference, plain_message(said))
        return True

    async def _show_cards(self, incoming: Incoming, person: str) -> str:
        """Return what is said beside the cards, "" for nothing."""
        if not await self._cards.may_own(incoming.directory_id):
            log.warning("somebody who owns no page asked for its gaps")
            return say(NOT_AN_OWNER)
        if not incoming.personal:
            return say(IN_YOUR_CHAT)
        repository = self._cards.repository
        await repository.put_contact(incoming.conversation_id, incoming.contact.dump(), person)
        count = await self._cards.show_to(person, incoming.directory_id, incoming.contact)
        if count > MOST_SHOWN:
            return say("These are the first {shown} of {count}.", shown=MOST_SHOWN, count=count)
        return "" if count else say(NOTHING_OPEN)

    async def handle_action(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Do what a button of a card says. Raises BadAction."""
        self._signer.check(action.signature, GAP, action.answer_id, incoming.conversation)
        choice = _CHOICES.get(action.verb)
        if choice is None or action.round < 0:
            raise no_such_action()
        try:
            card = await self._cards.find_open(action.answer_id)
            if card is None:
                raise BadAction(say(GONE))
            if not await self._cards.is_owner(incoming.directory_id, card):
                log.warning("somebody who does not own the page pressed %s", action.verb)
                return saying(say(NOT_YOUR_PAGE), refused=True)
            name = incoming.name_of_sender or say("The owner")
            step = Step(card.id, action.round + 1, choice, person, name, datetime.now(UTC))
            return await self._take_step(card, step, action.signature)
        except StoreUnavailable as error:
            log.info("nothing was decided about a gap: %s", error)
            return saying(say(STORE_AWAY), refused=True)

    async def _take_step(self, card: OwnerCard, step: Step, signature: str) -> InvokeReply:
        """Keep a step if it is the next one that makes sense, and show what the card says now."""
        now = await self._cards.view(card)
        fits = (step.choice is OwnerChoice.UNDO) == (now.decision is not None)
        if now.steps != step.number - 1 or not fits:
            return saying(say(FASTER), refused=True)
        documents = self._cards.repository.documents
        await Audit(documents).write(step.person, AuditAction.DECIDED_GAP, about=f"{step.choice} {card.page}")
        if not await decide(documents, step):
            return saying(say(FASTER), refused=True)
        telemetry.event("gap_decided", outcome=step.choice)
        await self._cards.tell_others(card.id)
        return showing(build_gap_card(await self._cards.view(card, signature)))
