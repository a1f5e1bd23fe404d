"""What people tell the bot about their own data, in words and with the buttons of its cards.

    privacy                     what is kept, how long, who sees it, what is learned
    export my data              the file with it, in a personal chat
    delete my data              asks once more, then deletes
    stop learning from me       and: learn from me again

and the same in the other languages. Whoever speaks or presses is who it is about: the channel's token says
who that is, never the card. A card's buttons are signed for one person, one conversation, one verb and the
moment at which they were made, so nobody else can press them, and an old one does nothing.
"""

from __future__ import annotations

import logging
import time
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from yarl import URL

from bot.card_tokens import PRIVACY, BadAction, CardSigner, no_such_action
from bot.cards.elements import Card
from bot.cards.privacy import (
    Buttons,
    build_deleted_card,
    confirm_card,
    deleting_card,
    export_card,
    privacy_card,
)
from bot.channel import Undeliverable
from bot.channels.incoming import CardAction, Incoming, Reference
from bot.channels.message import Connector, InvokeReply, card_message, plain_message, saying, showing
from bot.dialogs.privacy import EVERYWHERE, HERE, DataLinks, Privacy, Tell
from bot.http import names_loopback
from core.translation import mark, say, speak
from feedback.privacy.deletion_log import Deletion
from feedback.privacy.retention import Retention
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

CONFIRM_S, CARD_S = 600, 86_400
SHOW, EXPORT, STOP, LEARN = "privacy.show", "privacy.export", "privacy.stop", "privacy.learn"
DELETE, DELETE_NOW = "privacy.delete", "privacy.delete_now"
VERBS = (SHOW, EXPORT, STOP, LEARN, DELETE, DELETE_NOW)

NOT_YOURS = mark(
    "This card is somebody else's, or was not sent to this conversation. Nothing was done: say “privacy” to"
    " get your own."
)
TOO_OLD = mark("This card is too old, so nothing was done. Say “privacy” to get a new one.")
OLDER_CHOICE = mark(
    "You have made another choice since this card was made, so nothing was done. Say “privacy” to"
    " get a new one."
)
ASK_ALONE = mark("Please ask me that in our personal chat: nobody else sees my answer there.")
NO_ADDRESS = mark(
    "I cannot send you a file here. Please ask my operator for a copy of your data: one command "
    "creates it (askpage privacy export), with your user id."
)
KEPT_FOR_LATER = mark("I have noted that. It counts once I can reach my records again.")
DELETED_BEFORE = mark("That has already been done.")
UNDER_WAY = mark("That is already in progress; I will say here when it is done.")

WORDS: Mapping[str, str] = {
    **dict.fromkeys(("privacy", "/privacy", "data protection", "my data"), SHOW),
    **dict.fromkeys(("datenschutz", "/datenschutz", "meine daten"), SHOW),
    **dict.fromkeys(("export my data", "download my data", "/export"), EXPORT),
    **dict.fromkeys(
        ("meine daten exportieren", "exportiere meine daten", "meine daten herunterladen"), EXPORT
    ),
    **dict.fromkeys(("delete my data", "delete all my data", "forget me"), DELETE),
    **dict.fromkeys(("meine daten loeschen", "loesche meine daten", "loesch meine daten"), DELETE),
    **dict.fromkeys(("alle meine daten loeschen", "loesche alle meine daten", "vergiss mich"), DELETE),
    **dict.fromkeys(("stop learning from me", "do not learn from me", "don't learn from me"), STOP),
    **dict.fromkeys(("lerne nicht von mir", "lern nicht von mir", "nicht von mir lernen"), STOP),
    **dict.fromkeys(("lerne nicht mehr von mir", "nicht mehr von mir lernen"), STOP),
    **dict.fromkeys(("learn from me again", "learn from me", "lerne wieder von mir"), LEARN),
    **dict.fromkeys(("wieder von mir lernen", "lerne von mir"), LEARN),
    **dict.fromkeys(("privacidad", "mis datos", "proteccion de datos"), SHOW),
    **dict.fromkeys(("exportar mis datos", "exporta mis datos", "descargar mis datos"), EXPORT),
    **dict.fromkeys(("borrar mis datos", "borra mis datos", "eliminar mis datos"), DELETE),
    **dict.fromkeys(("dejar de aprender de mi", "no aprendas de mi", "no aprenda de mi"), STOP),
    **dict.fromkeys(("volver a aprender de mi", "aprende de mi", "aprenda de mi"), LEARN),
    **dict.fromkeys(("confidentialite", "vie privee", "mes donnees"), SHOW),
    **dict.fromkeys(("exporter mes donnees", "exporte mes donnees", "telecharger mes donnees"), EXPORT),
    **dict.fromkeys(("supprimer mes donnees", "supprime mes donnees", "effacer mes donnees"), DELETE),
    **dict.fromkeys(("oublie-moi", "oubliez-moi"), DELETE),
    **dict.fromkeys(("ne plus apprendre de moi", "n'apprends pas de moi", "n'apprenez pas de moi"), STOP),
    **dict.fromkeys(("apprendre a nouveau de moi", "apprends de moi", "apprenez de moi"), LEARN),
    **dict.fromkeys(("プライバシー", "自分のデータ", "私のデータ"), SHOW),
    **dict.fromkeys(("データをエクスポート", "データをダウンロード"), EXPORT),
    **dict.fromkeys(("データを削除", "データを削除して", "データを削除してください"), DELETE),
    **dict.fromkeys(("私から学習しない", "私から学習しないで", "学習しないでください"), STOP),
    **dict.fromkeys(("学習を再開する", "学習を再開", "学習を再開してください"), LEARN),
}
"""What is said → what is meant; as `normalise_words` writes it."""
_PLAIN = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "’": "'"}
    | dict(zip("áéíóúñàâçèêëîïôû", "aeiounaaceeeiiou", strict=True))
)


KeepsMessagesHere = Callable[[Mapping[str, Any]], bool]
"""Tells whether a conversation is on our own page, which keeps its messages itself."""


@dataclass(frozen=True, slots=True)
class PrivacyTerms:
    """The settings for privacy: how long records are kept, and the bot's address from outside ("": none)."""

    retention: Retention = field(default_factory=Retention)
    public_url: str = ""

    @property
    def reachable(self) -> bool:
        """Whether a private link can lead to the bot: over HTTPS, or on this machine."""
        url = URL(self.public_url)
        return url.scheme == "https" or (url.scheme == "http" and names_loopback(url.host or ""))


def normalise_words(text: str) -> str:
    """Return what was said without case, umlauts, punctuation at its ends, and spaces beyond one.

    >>> normalise_words("  Lösche  meine Daten! ")
    'loesche meine daten'
    """
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN)
    return " ".join(folded.strip(" .!?¡¿。").split())


@dataclass(frozen=True, slots=True)
class PrivacyPlace:
    """Where the bot is: its address for browsers, its terms, and which conversations lie on this machine.

    `is_on_this_machine` tells of a conversation whether whoever is in it uses this machine.
    """

    site_url: str
    terms: PrivacyTerms
    keeps_messages_here: KeepsMessagesHere
    is_on_this_machine: KeepsMessagesHere


class PrivacyHandler:
    """Takes what people wish for their data and has it done. One per process."""

    def __init__(self, privacy: Privacy, links: DataLinks, signer: CardSigner, place: PrivacyPlace) -> None:
        self.privacy = privacy
        self._links = links
        self._signer = signer
        self._place = place

    async def handle_command(self, incoming: Incoming, connector: Connector, person: str) -> bool:
        """Do what was said, if it is one of the words above; False for anything else, which is a question."""
        verb = WORDS.get(normalise_words(incoming.text))
        if verb is None:
            return False
        answer = await self._do(verb, incoming, person)
        message = plain_message(answer) if isinstance(answer, str) else card_message(answer)
        await connector.send(incoming.reference, message)
        return True

    async def handle_action(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Do what a button of a privacy card says. Raises BadAction."""
        if action.verb not in VERBS:
            raise no_such_action()
        signed = _build_token_text(action.verb, person, action.round)
        if not self._signer.is_valid(action.signature, PRIVACY, signed, incoming.conversation):
            log.warning("somebody pressed %s on a card that is not theirs", action.verb)
            raise BadAction(say(NOT_YOURS))
        if _now() - action.round > 1_000 * (CONFIRM_S if action.verb == DELETE_NOW else CARD_S):
            raise BadAction(say(TOO_OLD))
        if action.verb == DELETE_NOW:
            return await self._delete(incoming, action, person)
        if action.verb in {STOP, LEARN} and await self._has_chosen_since(person, action.round):
            raise BadAction(say(OLDER_CHOICE))
        answer = await self._do(action.verb, incoming, person)
        return saying(answer) if isinstance(answer, str) else showing(answer)

    async def _do(self, verb: str, incoming: Incoming, person: str) -> Card | str:
        """Do what needs no second thought; return the card that shows it, or a sentence."""
        do: Mapping[str, Callable[[Incoming, str], Awaitable[Card | str]]] = {
            SHOW: self._show,
            EXPORT: self._export,
            DELETE: self._confirm,
            STOP: partial(self._choose, out=True),
            LEARN: partial(self._choose, out=False),
        }
        return await do[verb](incoming, person)

    async def _show(self, incoming: Incoming, person: str) -> Card:
        choice = await self.privacy.choice(person)
        verbs = (EXPORT, LEARN if choice.out else STOP, DELETE)
        return privacy_card(
            self._place.terms.retention, self._buttons(incoming, person, *verbs), out=choice.out
        )

    async def _choose(self, incoming: Incoming, person: str, *, out: bool) -> Card | str:
        await self.privacy.choose(person, out=out, source=incoming.question_id)
        try:
            return await self._show(incoming, person)
        except StoreUnavailable:
            return say(KEPT_FOR_LATER)

    async def _export(self, incoming: Incoming, person: str) -> Card | str:
        if not incoming.personal:
            return say(ASK_ALONE)
        local = self._place.is_on_this_machine(incoming.conversation)
        if not local and not self._place.terms.reachable:
            return say(NO_ADDRESS)
        link = self._links.link(HERE if local else EVERYWHERE, person, incoming.conversation_id)
        base = self._place.site_url if local else self._place.terms.public_url.rstrip("/")
        back = self._buttons(incoming, person, SHOW)
        return export_card(base + self._links.address(link), link.expires_at, back)

    async def _has_chosen_since(self, person: str, made_at: int) -> bool:
        try:
            since = (await self.privacy.choice(person)).since
        except StoreUnavailable:
            return False
        return since is not None and int(since.timestamp() * 1_000) > made_at

    async def _confirm(self, incoming: Incoming, person: str) -> Card:
        buttons = self._buttons(incoming, person, DELETE_NOW, SHOW)
        return confirm_card(
            buttons, CONFIRM_S // 60, ours=self._place.keeps_messages_here(incoming.conversation)
        )

    async def _delete(self, incoming: Incoming, action: CardAction, person: str) -> InvokeReply:
        """Delete; the button's signature names the deletion, so that pressing it again is the same one."""
        before = datetime.now(UTC)
        deletion = await self.privacy.delete(person, action.signature, incoming.contact.dump())
        if deletion.begun_at < before:
            return saying(say(DELETED_BEFORE) if deletion.is_gone else say(UNDER_WAY))
        return showing(deleting_card())

    def _buttons(self, incoming: Incoming, person: str, *verbs: str) -> Buttons:
        now = _now()
        signer = {
            verb: self._signer.sign(PRIVACY, _build_token_text(verb, person, now), incoming.conversation)
            for verb in verbs
        }
        return Buttons(now, signer)


def teller(
    connector: Callable[[Mapping[str, Any]], Connector | None], keeps_messages_here: KeepsMessagesHere
) -> Tell:
    """Return what says in a conversation what was deleted; a conversation that is gone hears nothing."""

    async def tell(deletion: Deletion) -> None:
        reference = Reference.load(deletion.reply_to)
        way = connector(reference.conversation) if reference else None
        if reference is None or way is None:
            return
        try:
            with speak(reference.language):
                card = build_deleted_card(deletion, ours=keeps_messages_here(reference.conversation))
                await way.send(reference, card_message(card))
        except Undeliverable as gone:
            log.warning("somebody could not be told that their data is deleted: %s", gone)

    return tell


def _now() -> int:
    """Return this moment as cards carry it, in milliseconds."""
    return time.time_ns() // 1_000_000


def _build_token_text(verb: str, person: str, made_at: int) -> str:
    return f"{verb}|{person}|{made_at}"
