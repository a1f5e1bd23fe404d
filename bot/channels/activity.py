"""Bot Framework activities as plain dicts: what a front end reads in one, and what it sends back.

Everything here is pure. An activity comes from an authenticated channel, but any field of it may be missing or of
another type than documented: the readers below return an empty value then, and `read_activity` raises `MalformedError`
only where an answer would have nowhere to go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from bot.cards.answer import NOTHING_SAID, Standing, answer_card
from bot.cards.answer_text import declined, lead_in, shown_text
from bot.cards.help import talk_card
from bot.channel import TalkReply
from core.records import Answer, AnswerKind, Channel
from core.text import (
    ABSTRACT_CHARACTERS,
    NAME_CHARACTERS,
    Json,
    absolute,
    calm,
    clipped,
    printable,
    split,
    unmarked,
    utf16_bytes,
)

MAX_CITATIONS = 20
"""Teams drops the whole message that carries more."""
MAX_MESSAGE_BYTES = 80_000
"""Teams refuses a message of about 100 KB, counted as UTF-16."""
MAX_QUESTION_CHARACTERS = 8_000
SUMMARY_CHARACTERS = 1_000
ABOUT_THE_PAGE = "What is this page about?"
CARD_TYPE = "application/vnd.microsoft.card.adaptive"

_URL = re.compile(r"https?://[^\s<>\"'`|\\^{}]+", re.IGNORECASE)
_MARKER = re.compile(r"\[(\d{1,3})\]")
_AT_TAG = re.compile(r"</?at\b[^>]*>", re.IGNORECASE)


class MalformedError(ValueError):
    """An activity that nobody could answer: no type, no channel or no conversation; `status` says it in HTTP's words."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Incoming:
    """One activity, read. `text` has lost the mention of the bot; `sender` is the directory's id where there is one.

    `directory_id` is that id alone, and "" where the channel vouches for none: permissions stand on it.

    `conversation` is the channel's conversation account with `serviceUrl` and `channelId` beside it: all that a
    connector needs to reach it.
    """

    kind: str
    name: str
    id: str
    sender: str
    directory_id: str
    text: str
    reply_to_id: str
    conversation: Json
    bot: Json
    user: Json
    value: Json
    raw: Mapping[str, Any]

    @property
    def conversation_id(self) -> str:
        return str(self.conversation["id"])

    @property
    def personal(self) -> bool:
        """Whether this is a chat of one person with the bot."""
        return self.conversation.get("conversationType") == "personal"

    @property
    def question_id(self) -> str:
        """The id of the question that this activity asks, edits or deletes."""
        return f"{self.conversation['channelId']}:{self.conversation_id}:{self.id}"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an answer goes; as JSON it is `Question.reply_to`. `replaces` is the message to write it over."""

    conversation: Json
    bot: Json
    user: Json
    activity_id: str
    replaces: str = ""

    def dump(self) -> str:
        return json.dumps(
            {
                "conversation": self.conversation,
                "bot": self.bot,
                "user": self.user,
                "activityId": self.activity_id,
                "replaces": self.replaces,
            }
        )

    @classmethod
    def load(cls, reply_to: str) -> Reference | None:
        """Read what `dump` wrote; None for anything else."""
        try:
            stored = as_dict(json.loads(reply_to))
        except ValueError:
            return None
        conversation = as_dict(stored.get("conversation"))
        if not as_text(conversation.get("id")):
            return None
        return cls(
            conversation=conversation,
            bot=as_dict(stored.get("bot")),
            user=as_dict(stored.get("user")),
            activity_id=as_text(stored.get("activityId")),
            replaces=as_text(stored.get("replaces")),
        )

    @property
    def personal(self) -> bool:
        """Whether this is a chat of one person with the bot, the only place where Teams streams."""
        return self.conversation.get("conversationType") == "personal"


def as_dict(value: object) -> Json:
    """Return the value where it is an object, otherwise an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def as_dicts(value: object) -> list[Json]:
    """Return the objects in a list; everything else is left out."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Json", item) for item in items if isinstance(item, dict)]


def as_text(value: object) -> str:
    """Return the value where it is text, less what no store takes: control characters and half surrogates."""
    if not isinstance(value, str):
        return ""
    whole = value.encode("utf-8", "replace").decode("utf-8")
    return printable(whole)


def read_activity(activity: Mapping[str, Any]) -> Incoming:
    """Read an activity of any type; raises MalformedError."""
    account = as_dict(activity.get("conversation"))
    conversation: Json = {
        key: value for key, value in account.items() if key in {"id", "conversationType", "isGroup"}
    }
    conversation["id"] = as_text(account.get("id"))
    conversation["channelId"] = as_text(activity.get("channelId"))
    conversation["serviceUrl"] = as_text(activity.get("serviceUrl"))
    tenant = as_dict(as_dict(activity.get("channelData")).get("tenant"))
    conversation["tenantId"] = as_text(account.get("tenantId")) or as_text(tenant.get("id"))
    kind = as_text(activity.get("type"))
    if not (kind and conversation["id"] and conversation["channelId"]):
        raise MalformedError("an activity needs type, channelId and conversation.id")
    user = as_dict(activity.get("from"))
    bot = as_dict(activity.get("recipient"))
    return Incoming(
        kind=kind,
        name=as_text(activity.get("name")),
        id=as_text(activity.get("id")),
        sender=as_text(user.get("aadObjectId")) or as_text(user.get("id")),
        directory_id=as_text(user.get("aadObjectId")),
        text=_spoken(activity, as_text(bot.get("id"))),
        reply_to_id=as_text(activity.get("replyToId")),
        conversation=conversation,
        bot={"id": as_text(bot.get("id")), "name": as_text(bot.get("name"))},
        user={
            "id": as_text(user.get("id")),
            "name": as_text(user.get("name")),
            "role": as_text(user.get("role")),
        },
        value=as_dict(activity.get("value")),
        raw=activity,
    )


def _spoken(activity: Mapping[str, Any], bot_id: str) -> str:
    """Return what was said to the bot: its own mention goes, other people's become their names."""
    text = as_text(activity.get("text")) or as_text(as_dict(activity.get("value")).get("question"))
    for entity in as_dicts(activity.get("entities")):
        mark = as_text(entity.get("text"))
        if entity.get("type") == "mention" and mark:
            person = as_dict(entity.get("mentioned"))
            text = text.replace(
                mark, " " if person.get("id") == bot_id else f" {as_text(person.get('name'))} "
            )
    text = _AT_TAG.sub(" ", text).replace("&nbsp;", " ").replace("\xa0", " ")
    return re.sub(r"[ \t]+", " ", text).strip()[:MAX_QUESTION_CHARACTERS]


def split_page(text: str) -> tuple[str, str | None]:
    """Cut the first web address out of a question; an address alone asks what its page is about.

    >>> split_page("How long is parental leave in https://example.org/leave?")
    ('How long is parental leave in?', 'https://example.org/leave')
    """
    found = _URL.search(text)
    if found is None:
        return text, None
    url = found.group().rstrip(".,;:!?*_~]")
    while url.endswith(")") and url.count("(") < url.count(")"):
        url = url[:-1].rstrip(".,;:!?")
    rest = " ".join((text[: found.start()] + " " + text[found.start() + len(url) :]).split())
    rest = re.sub(r" (?=[?!.,;:)])", "", rest)
    return (rest if re.search(r"\w", rest) else ABOUT_THE_PAGE), url


def reference_of(incoming: Incoming, replaces: str = "") -> Reference:
    """Where an answer to this activity goes. Only ids are kept of the person."""
    return Reference(
        conversation=incoming.conversation,
        bot=incoming.bot,
        user={"id": incoming.user["id"]},
        activity_id=incoming.id,
        replaces=replaces,
    )


def place_of(incoming: Incoming, *, whole_channel: bool = False) -> Reference:
    """Where something can be said unasked: the conversation alone, without anybody's id.

    `whole_channel` leaves the thread, for a channel's own new post.
    """
    conversation = incoming.conversation
    if whole_channel:
        conversation = conversation | {"id": incoming.conversation_id.partition(";messageid=")[0]}
    return Reference(conversation=conversation, bot=incoming.bot, user={}, activity_id="")


def outgoing(reference: Reference, kind: str) -> Json:
    """Return an activity that is addressed and empty."""
    conversation = {key: value for key, value in reference.conversation.items() if key != "serviceUrl"}
    channel_id = conversation.pop("channelId", "")
    activity: Json = {
        "type": kind,
        "channelId": channel_id,
        "conversation": conversation,
        "from": reference.bot,
        "recipient": reference.user,
    }
    if reference.activity_id:
        activity["replyToId"] = reference.activity_id
    return activity


def plain_message(reference: Reference, text: str) -> Json:
    """Return a sentence of the bot's own."""
    return outgoing(reference, "message") | {"textFormat": "markdown", "text": clipped(calm(text), 10_000)}


def talk_message(reference: Reference, said: TalkReply, site_url: str, brief: Sequence[Json] = ()) -> Json:
    """Return what is said to small talk: a sentence, with a card below it where there is more."""
    message = plain_message(reference, said.text)
    card = talk_card(said, site_url, brief)
    return message | ({"attachments": [{"contentType": CARD_TYPE, "content": card}]} if card else {})


def card_message(reference: Reference, card: Json) -> Json:
    """Return a message that is one card; `summary` is what a notification shows."""
    return outgoing(reference, "message") | {
        "summary": card.get("fallbackText", ""),
        "attachments": [{"contentType": CARD_TYPE, "content": card}],
    }


def stream_part(reference: Reference, text: str, *, sequence: int, stream_id: str, informative: bool) -> Json:
    """Return one update of a streamed message; the text is all that is written so far."""
    information: Json = {
        "streamType": "informative" if informative else "streaming",
        "streamSequence": sequence,
    }
    if stream_id:
        information["streamId"] = stream_id
    return outgoing(reference, "typing") | {
        "text": text,
        "entities": [{"type": "streaminfo"} | information],
        "channelData": dict(information),
    }


def stream_end(message: Json, stream_id: str) -> Json:
    """Return the message as the last one of a stream, which is the one that stays."""
    information = {"streamType": "final", "streamId": stream_id}
    return message | {
        "entities": [{"type": "streaminfo"} | information, *message.get("entities", [])],
        "channelData": message.get("channelData", {}) | information,
    }


def offering(message: Json, reference: Reference, offers: Sequence[tuple[str, str]]) -> Json:
    """Return a message with what can be asked next below it, (title, words): a press says the words."""
    if not offers:
        return message
    actions = [{"type": "imBack", "title": title, "value": words} for title, words in offers]
    return message | {"suggestedActions": {"to": [as_text(reference.user.get("id"))], "actions": actions}}


def answer_messages(
    reference: Reference,
    answer: Answer,
    site_url: str,
    standing: Standing = NOTHING_SAID,
    loop: Json | None = None,
) -> list[Json]:
    """Return the final messages, mostly one: text with [n] markers, AI label and citations, thumbs, and the card.

    The label and the citations share one root entity, the only form that Teams shows. `loop` is Teams' feedback loop.
    Of several messages each has the citations that its text names; loop and card stand below the last one. The words of
    a quoted answer stand in the card, which shows a page's letters as they are; a notification has them as `summary`.
    """
    *before, last = split(_text(answer, site_url, verified=standing.state == "verified"))
    named = [_named(part) for part in before]
    messages = [
        _said(reference, part, answer, site_url, numbers) for part, numbers in zip(before, named, strict=True)
    ]
    rest = set(range(1, MAX_CITATIONS + 1)) - (set().union(*named) - _named(last))
    message = _said(reference, last, answer, site_url, rest)
    if loop:
        message["channelData"] = {"feedbackLoop": loop}
    if answer.kind is AnswerKind.QUOTED:
        message["summary"] = clipped(calm(shown_text(answer), keep_urls=()), SUMMARY_CHARACTERS)
    card = answer_card(answer, site_url, standing)
    if card is not None:
        with_card = message | {"attachments": [{"contentType": CARD_TYPE, "content": card}]}
        if utf16_bytes(with_card) <= MAX_MESSAGE_BYTES:
            message = with_card
    return [*messages, message]


def _text(answer: Answer, site_url: str, *, verified: bool) -> str:
    """Return the text of an answer's message as Markdown with nothing but our own marks in it."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            cited = {absolute(citation.url, site_url) for citation in answer.citations}
            return printable(calm(answer.text, keep_urls=cited, markers=len(answer.citations)))
        case AnswerKind.QUOTED:
            says = unmarked(calm(lead_in(answer, verified=verified), keep_urls=()))
            return printable(f"{says} [1]" if answer.citations else says)
        case AnswerKind.DECLINED:
            return declined(answer)


def whole_text(reference: Reference, answer: Answer, site_url: str) -> str:
    """Return all that an answer says in one text, where no card can stand below it: in a stream, or in its place.

    Addresses are left out, since a client makes links of them; on the card they stand as words.
    """
    if answer.kind is AnswerKind.ANSWERED:
        return _text(answer, site_url, verified=False)
    text = unmarked(calm(shown_text(answer), keep_urls=()))
    if reference.conversation.get("channelId") == Channel.LOCAL:
        return text
    return re.sub(r"\n+", "\n\n", text)  # Teams draws lines together that have no empty one between them


def _named(text: str) -> set[int]:
    """Return the numbers of the citations that a text names."""
    return {int(number) for number in _MARKER.findall(text)}


def _said(reference: Reference, text: str, answer: Answer, site_url: str, numbers: Collection[int]) -> Json:
    """Return a message of an answer's words; addresses are left out of its citations where it would be too large."""
    message = outgoing(reference, "message") | {"textFormat": "markdown", "text": text}
    message["entities"] = [_label(answer, site_url, numbers)]
    if utf16_bytes(message) > MAX_MESSAGE_BYTES:
        message["entities"] = [_label(answer, site_url, numbers, urls=False)]
    return message


def _label(answer: Answer, site_url: str, numbers: Collection[int], *, urls: bool = True) -> Json:
    label: Json = {
        "type": "https://schema.org/Message",
        "@type": "Message",
        "@context": "https://schema.org",
        "@id": "",
        "additionalType": ["AIGeneratedContent"],
    }
    claims: list[Json] = []
    for position, citation in enumerate(answer.citations[:MAX_CITATIONS], start=1):
        if position not in numbers:
            continue
        name = citation.title or citation.heading or citation.url
        appearance: Json = {
            "@type": "DigitalDocument",
            "name": clipped(calm(name), NAME_CHARACTERS),
            "abstract": clipped(calm(citation.quote), ABSTRACT_CHARACTERS),
        }
        url = absolute(citation.url, site_url)
        if url and urls:
            appearance["url"] = url
        claims.append({"@type": "Claim", "position": position, "appearance": appearance})
    if claims and not answer.abstained:
        label["citation"] = claims
    return label
