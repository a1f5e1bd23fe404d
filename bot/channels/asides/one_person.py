"""What is for one person alone in a conversation of several: a message that only they see, or their chat."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from bot.cards.elements import Card
from bot.channel import ChannelError, Undeliverable
from bot.channels.incoming import Reference
from bot.channels.message import Connector, Message, TellsOne, card_message
from core.translation import speak
from feedback.reviews.repository import ReviewRepository

log = logging.getLogger(__name__)

Connect = Callable[[Mapping[str, Any]], Connector | None]
"""Reaches a conversation; None where this process has no way to its channel."""


class ContactCipher:
    """Encrypts how to reach one person in a conversation of several, which needs their id: stores have none.

    The key follows from that of the pseudonyms; once that has changed, older contacts lead nowhere.
    """

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"ways to one person|" + key).digest()))

    def encrypt(self, contact: str) -> str:
        """Return a contact as it may be stored."""
        return self._fernet.encrypt(contact.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return a contact that was encrypted, "" for one that was not, or with another key."""
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except (InvalidToken, ValueError):
            return ""


_NEVER = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
"""What a channel answers that has no such message, or not for this person."""


def find_route(connect: Connect, stored: str) -> tuple[Reference, Connector] | None:
    """Return a stored Reference and the way to its conversation; None where this process has none."""
    reference = Reference.load(stored)
    connector = connect(reference.conversation) if reference else None
    return (reference, connector) if reference and connector else None


@dataclass(frozen=True, slots=True)
class Cards:
    """What one person is told: in the conversation of several, and in a chat, by its Reference.

    Two of them may differ, for what all in a channel may read is not what one of them may read elsewhere.
    """

    here: Callable[[Reference], Card]
    draw: Callable[[Reference], Card]


async def tell_alone(
    repository: ReviewRepository, connect: Connect, stored: str, person: str, cards: Cards
) -> bool:
    """Tell one person; False where neither way leads to them. Raises OSError where it may work later.

    `stored` is the conversation of several, with who is meant.
    """
    route = find_route(connect, stored)
    if (
        route is not None
        and isinstance(route[1], TellsOne)
        and await _tell(route[1].tell_one, route[0], cards.here)
    ):
        return True
    for contact in await repository.contacts_of(person):
        chat = find_route(connect, contact)
        if chat is not None and chat[0].personal and await _tell(chat[1].send, chat[0], cards.draw):
            return True
    return False


async def _tell(
    send: Callable[[Reference, Message], Any], reference: Reference, draw: Callable[[Reference], Card]
) -> bool:
    try:
        with speak(reference.language):
            await send(reference, card_message(draw(reference)))
    except Undeliverable as gone:
        log.info("one person is not told in this way: %s", gone)
        return False
    except ChannelError as error:
        if error.status not in _NEVER:
            raise
        log.info("one person is not told in this way: %s", error)
        return False
    return True
