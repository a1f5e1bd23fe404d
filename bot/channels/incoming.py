"""What arrives from a channel: an activity of the Bot Framework, read once into types.

The sender is known, yet not trusted: a field that is missing or of another type than documented is read
as empty. `parse_activity` raises `MalformedError` only where nobody could answer, and `Incoming.card_action`
`BadAction` for what no card of ours sends.
"""

from __future__ import annotations

import html
import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bot.card_tokens import BadAction, no_such_action, parse_home_id
from bot.cards.answer import MAX_COMMENT
from bot.cards.dates import find_zone
from bot.channels.links import split_page
from bot.readers.rooms import GROUP, KIND, is_personal, parse_reply_to
from core.records import Channel
from core.text import Json, printable
from core.translation import mark, say
from feedback.reviews.repository import place_of_reviewer

TEAMS = str(Channel.TEAMS)
ZONE = "zone"
"""What a conversation keeps beside its id where the channel tells it: the zone of who wrote there last."""
MAX_QUESTION_CHARACTERS = 8_000
MAX_ID_CHARACTERS = 200
PAGE = "askpagePage"
"""In `channelData`: the page on which a question is asked; only the widget says so."""
MAX_FILE_NAME = 120
A_PICTURE, A_FILE = mark("a picture"), mark("a file")
"""What is called so has no name of its own."""
MOST_FILES = 10
"""Of one message, that are looked at."""
MAX_REASON_CHARACTERS = 40
MAX_REASONS = 10
MAX_REACTION_CHARACTERS = 80
MAX_NAME = 80

_AT_TAG = re.compile(r"</?at\b[^>]*>", re.IGNORECASE)


class MalformedError(ValueError):
    """An activity without type, channel or conversation, so nobody can answer it; `status` is HTTP's."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


def to_text(value: object) -> str:
    """Return the value where it is text, less what no store takes: control characters and half surrogates."""
    if not isinstance(value, str):
        return ""
    return printable(value.encode("utf-8", "replace").decode("utf-8"))


def to_object(value: object) -> Json:
    """Return the value where it is an object, otherwise an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def parse_object(value: object) -> Json:
    """Return the object that a text is as JSON, an empty one for anything else."""
    try:
        return to_object(json.loads(value)) if isinstance(value, str) else {}
    except (ValueError, RecursionError):
        return {}


def to_objects(value: object) -> list[Json]:
    """Return the objects in a list; everything else is left out."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Json", item) for item in items if isinstance(item, dict)]


Text = Annotated[str, BeforeValidator(to_text)]
Object = Annotated[Json, BeforeValidator(to_object)]


class Part(BaseModel):
    """A part of what arrives: of a value of another type every field is empty."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_objects(cls, value: object) -> Json:
        return to_object(value)


class Account(Part):
    """A person or the bot; `directory_id` is a person's, "" where the channel vouches for none."""

    id: Text = ""
    name: Text = ""
    role: Text = ""
    directory_id: Text = Field(default="", alias="aadObjectId")


class Mention(Part):
    """Somebody who is named in a text, and the piece of text that names them.

    Or what the writer's client tells of itself (type `clientInfo`): its language, which an activity itself
    may lack, and its time zone.
    """

    type: Text = ""
    text: Text = ""
    locale: Text = ""
    mentioned: Account = Field(default_factory=lambda: Account.model_validate({}))
    timezone: Text = ""


class Reaction(Part):
    """A reaction to a message, by its name on the channel: "like", "1f44d_thumbsup"."""

    type: Text = ""


class SentFile(Part):
    """A file that was sent: `address` is where its channel has it, `id` its name there ("": not told).

    Every channel says so in the words of Teams; `declared` is its kind where the channel knows it.
    """

    name: Text = ""
    address: Text = ""
    id: Text = ""
    declared: Text = ""


FILE_INFO = "application/vnd.microsoft.teams.file.download.info"
"""Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bots-filesv4"""


class Attachment(Part):
    """What hangs on a message: a file has a name, or is a picture; cards and the message as HTML are none."""

    name: Text = ""
    content_type: Text = Field("", alias="contentType")
    content_url: Text = Field("", alias="contentUrl")
    content: Object = Field(default_factory=dict[str, Any])

    @property
    def is_file(self) -> bool:
        return bool(self.name) or self.content_type.startswith("image/")

    @property
    def file(self) -> SentFile:
        """The file that it is, without an address where the channel does not hand it out."""
        name = " ".join(self.name.split())[:MAX_FILE_NAME]
        if self.content_type != FILE_INFO:
            is_picture = self.content_type.startswith("image/")
            address = self.content_url if is_picture else ""
            return SentFile(name=name or A_PICTURE, address=address, declared=self.content_type)
        return SentFile(
            name=name or A_FILE,
            address=to_text(self.content.get("downloadUrl")),
            id=to_text(self.content.get("uniqueId"))[:MAX_ID_CHARACTERS],
            declared=to_text(self.content.get("mimetype")),
        )


class _Activity(Part):
    """An activity, with the fields of the Bot Framework that the bot reads."""

    type: Text = ""
    id: Text = ""
    name: Text = ""
    text: Text = ""
    locale: Text = ""
    local_timezone: Text = Field("", alias="localTimezone")
    action: Text = ""
    timestamp: Text = ""
    channel_id: Text = Field("", alias="channelId")
    service_url: Text = Field("", alias="serviceUrl")
    reply_to_id: Text = Field("", alias="replyToId")
    sender: Account = Field(default_factory=lambda: Account.model_validate({}), alias="from")
    recipient: Account = Field(default_factory=lambda: Account.model_validate({}))
    conversation: Object = Field(default_factory=dict[str, Any])
    channel_data: Object = Field(default_factory=dict[str, Any], alias="channelData")
    value: Object = Field(default_factory=dict[str, Any])
    attachments: Annotated[list[Attachment], BeforeValidator(to_objects)] = Field(
        default_factory=list[Attachment]
    )
    entities: Annotated[list[Mention], BeforeValidator(to_objects)] = Field(default_factory=list[Mention])
    added: Annotated[list[Reaction], BeforeValidator(to_objects)] = Field(
        default_factory=list[Reaction], alias="reactionsAdded"
    )
    removed: Annotated[list[Reaction], BeforeValidator(to_objects)] = Field(
        default_factory=list[Reaction], alias="reactionsRemoved"
    )
    members: Annotated[list[Account], BeforeValidator(to_objects)] = Field(
        default_factory=list[Account], alias="membersAdded"
    )


@dataclass(frozen=True, slots=True)
class Thumb:
    """A thumb of Teams' feedback loop: "like" or "dislike", its form's comment, and the ticked reasons."""

    value: str
    comment: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardAction:
    """A button of one of our cards: its meaning, the answer that it is about, and the inputs beside it.

    `round` is -1 where the card has none; of a card about somebody's data it is when that was made, in
    milliseconds. `inputs` is all that came, its texts without what no store takes: read it with `text_input`.
    """

    verb: str
    answer_id: str
    round: int
    signature: str
    inputs: Json

    def text_input(self, name: str, limit: int) -> str:
        """Return a text input, "" if it is not filled in. Raises BadAction if it is too long or no text."""
        given = self.inputs.get(name, "")
        if not isinstance(given, str):
            raise BadAction(say("“{name}” must be text.", name=name))
        text = given.strip()
        if len(text) > limit:
            raise BadAction(say("That is too long: at most {limit} characters, please.", limit=limit))
        return text

    def thumb_input(self) -> Thumb | None:
        """Return the thumb that was pressed on a card; None for another press."""
        thumb = self.inputs.get("thumb")
        return _fill_in(thumb, self.inputs) if thumb in ("like", "dislike") else None


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an answer goes; as JSON it is `Question.reply_to`. `replaces` is the message to write it over.

    `files` are those that came with the question, for whoever reads them. `language` is that of the person
    whom it leads to, "" where it leads to several, or it is not known.
    """

    conversation: Json
    bot: Json
    user: Json
    activity_id: str
    replaces: str = ""
    files: tuple[SentFile, ...] = ()
    language: str = ""

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(
            {
                "conversation": self.conversation,
                "bot": self.bot,
                "user": self.user,
                "activityId": self.activity_id,
                "replaces": self.replaces,
            }
            | ({"files": [one.model_dump() for one in self.files]} if self.files else {})
            | ({"language": self.language} if self.language else {})
        )

    @classmethod
    def load(cls, text: str) -> Reference | None:
        """Read what `dump` wrote; None for anything else."""
        stored = parse_reply_to(text)
        conversation = to_object(stored.get("conversation"))
        if not to_text(conversation.get("id")):
            return None
        return cls(
            conversation=conversation,
            bot=to_object(stored.get("bot")),
            user=to_object(stored.get("user")),
            activity_id=to_text(stored.get("activityId")),
            replaces=to_text(stored.get("replaces")),
            files=tuple(SentFile.model_validate(one) for one in to_objects(stored.get("files"))),
            language=to_text(stored.get("language")),
        )

    @property
    def personal(self) -> bool:
        """Whether this is a chat of one person with the bot, the only place where Teams streams."""
        return is_personal(self.conversation)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One activity, read. `text` lacks the bot's mention; `sender` is the directory's id where there is one.

    `directory_id` is that id alone, and "" where the channel vouches for none: permissions stand on it.
    `conversation` is the channel's conversation account with `serviceUrl` and `channelId` beside it: all that
    a connector needs to reach it. `reactions` are (reaction, whether it was taken back). `adds_bot`: the bot
    was added to the conversation. `timestamp` is the channel's, ISO text; `language` is two letters or "".
    `files` came along, pictures among them. `heard`: it was said in a channel and not to the bot;
    `names_somebody`: to somebody else; `is_reply`: in a thread that was there already. `unseen`: there is no
    message of it. `page` is the address of the page on which it is asked ("": on none).
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
    reactions: tuple[tuple[str, bool], ...] = ()
    adds_bot: bool = False
    timestamp: str = ""
    language: str = ""
    files: tuple[SentFile, ...] = ()
    heard: bool = False
    names_somebody: bool = False
    is_reply: bool = False
    unseen: bool = False
    page: str = ""

    @property
    def conversation_id(self) -> str:
        return str(self.conversation["id"])

    @property
    def personal(self) -> bool:
        """Whether this is a chat of one person with the bot."""
        return is_personal(self.conversation)

    @property
    def is_bots(self) -> bool:
        """Whether a bot did it, such as we ourselves: a reaction of our own is nobody's opinion."""
        return self.user["role"] in {"bot", "skill"} or (
            self.kind in {"message", "messageReaction"}
            and bool(self.user["id"])
            and self.user["id"] == self.bot["id"]
        )

    @property
    def question_id(self) -> str:
        """The id of the question that this activity asks, edits or deletes."""
        return f"{self.conversation['channelId']}:{self.conversation_id}:{self.id}"

    @property
    def press_id(self) -> str:
        """The id of a press: the same one twice is one. Where its channel gives none, each is new."""
        return self.question_id if self.id else uuid4().hex

    @property
    def name_of_sender(self) -> str:
        """What who did it is called, "" where the channel does not tell."""
        return str(self.user["name"])[:MAX_NAME]

    @property
    def reference(self) -> Reference:
        """Where an answer to this goes. Only ids are kept of the person."""
        message_id = "" if self.unseen else self.id
        return Reference(
            self.conversation, self.bot, {"id": self.user["id"]}, message_id, language=self.language
        )

    @property
    def contact(self) -> Reference:
        """Where something can be said unasked: the conversation alone, without anybody's id."""
        return Reference(self.conversation, self.bot, {}, "", language=self._only_language)

    @property
    def channel_contact(self) -> Reference:
        """The same for a new post of a channel's own, outside the thread."""
        whole = self.conversation | {"id": self.conversation_id.partition(";messageid=")[0]}
        return Reference(whole, self.bot, {}, "", language=self._only_language)

    @property
    def _only_language(self) -> str:
        """The language of a chat of one person; several people may read several."""
        return self.language if self.personal else ""

    @property
    def question(self) -> tuple[str, str | None]:
        """What is asked, and the address of the page that it is asked about."""
        text, page_url = split_page(self.text)
        return text, page_url or self.page or None

    @property
    def card_action(self) -> CardAction:
        """The value of `adaptiveCard/action` (Action.Execute). Raises BadAction."""
        action = to_object(self.value.get("action"))
        return parse_action(to_object(action.get("data")) | {"verb": action.get("verb")})

    @property
    def submitted_action(self) -> CardAction | None:
        """The value of a message, which an older client sends for the same button; None where it is none."""
        return parse_action(self.value) if "verb" in self.value else None

    @property
    def thumb(self) -> Thumb | None:
        """The value of `message/submitAction`; None where it is no thumb.

        {"actionName": "feedback", "actionValue": {"reaction": "like" | "dislike", "feedback": ...}}, where
        `feedback` is an object {"feedbackText": ..., "reasons": [...] or "a,b"}, the same object as JSON
        text, or plain text.
        """
        action = to_object(self.value.get("actionValue"))
        reaction = to_text(action.get("reaction")).lower()
        if self.value.get("actionName") != "feedback" or reaction not in {"like", "dislike"}:
            return None
        return _fill_in(reaction, _parse_form(action.get("feedback")))

    @property
    def pressed_reaction(self) -> str:
        """Which thumb asks for its form (`message/fetchTask`): "like", "dislike", or another word."""
        data = to_object(self.value.get("data")) or self.value
        return to_text(to_object(data.get("actionValue")).get("reaction")).lower()


def parse_activity(raw: Mapping[str, Any]) -> Incoming:
    """Read an activity of any type; raises MalformedError."""
    activity = _Activity.model_validate(dict(raw))
    account = activity.conversation
    conversation: Json = {
        key: value for key, value in account.items() if key in {"id", "conversationType", "isGroup"}
    }
    conversation["id"] = to_text(account.get("id"))
    conversation["channelId"] = activity.channel_id
    conversation["serviceUrl"] = activity.service_url
    tenant = to_object(activity.channel_data.get("tenant"))
    conversation["tenantId"] = to_text(account.get("tenantId")) or to_text(tenant.get("id"))
    conversation |= _read_team(activity) | _read_zone(activity)
    if not (activity.type and conversation["id"] and conversation["channelId"]):
        raise MalformedError("an activity needs type, channelId and conversation.id")
    user, bot = activity.sender, activity.recipient
    installed = activity.type == "installationUpdate" and activity.action == "add"
    reactions = [(one.type, False) for one in activity.added] + [(one.type, True) for one in activity.removed]
    return Incoming(
        kind=activity.type,
        name=activity.name,
        id=activity.id,
        sender=user.directory_id or user.id,
        directory_id=user.directory_id,
        text=_spoken(activity),
        reply_to_id=activity.reply_to_id,
        conversation=conversation,
        bot={"id": bot.id, "name": bot.name},
        user={"id": user.id, "name": user.name, "role": user.role},
        value=activity.value,
        reactions=tuple((name[:MAX_REACTION_CHARACTERS], back) for name, back in reactions if name),
        adds_bot=installed or any(member.id == bot.id for member in activity.members),
        timestamp=activity.timestamp,
        language=_read_locale(activity).replace("_", "-").partition("-")[0].lower()[:8],
        heard=activity.channel_data.get("heard") is True,
        names_somebody=activity.channel_data.get("names") is True or _names_others(activity),
        is_reply=_is_reply(activity, conversation["id"]),
        page=to_text(activity.channel_data.get(PAGE)),
        files=tuple(one.file for one in activity.attachments if one.is_file)[:MOST_FILES],
    )


def _read_locale(activity: _Activity) -> str:
    clients = (one.locale for one in activity.entities if one.type == "clientInfo")
    return activity.locale or next(clients, "")


def _read_team(activity: _Activity) -> Json:
    """Return the group of a channel's team, and the channel's kind; nothing outside of Teams' channels.

    The channel that has the team's own id is the one that every team begins with.
    """
    team, channel = (to_object(activity.channel_data.get(name)) for name in ("team", "channel"))
    group = to_text(team.get("aadGroupId"))
    if activity.channel_id != TEAMS or not group:
        return {}
    first = to_text(channel.get("id")) == to_text(team.get("id")) != ""
    return {GROUP: group, KIND: "standard" if first else to_text(channel.get("type")).lower()}


def _read_zone(activity: _Activity) -> Json:
    """Return the IANA name of the writer's time zone, as Bot Framework and Teams' clients tell it.

    Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/conversation-messages
    """
    told = [activity.local_timezone, *(one.timezone for one in activity.entities if one.type == "clientInfo")]
    zone = next((name for name in told if find_zone(name) is not None), "")
    return {ZONE: zone} if zone else {}


def _names_others(activity: _Activity) -> bool:
    mentions = [one.mentioned.id for one in activity.entities if one.type == "mention"]
    return any(named != activity.recipient.id for named in mentions)


def _is_reply(activity: _Activity, conversation_id: str) -> bool:
    """Tell whether a message stands in a thread that another one began."""
    thread = conversation_id.partition(";messageid=")[2]
    return bool(thread) and thread != activity.id


_BLANK = f"{string.whitespace}\u00ad\u200b\u200e\u200f\u2060\ufeff"
"""What nobody sees around a text."""


def _spoken(activity: _Activity) -> str:
    """Return what was said to the bot: its own mention goes, other people's become their names."""
    text = activity.text or to_text(activity.value.get("question"))
    for entity in activity.entities:
        if entity.type == "mention":
            person = entity.mentioned
            name = "" if person.id == activity.recipient.id else person.name
            text = _replace_mention(text, entity.text or f"<at>{person.name}</at>", name)
    text = _AT_TAG.sub(" ", text).replace("&nbsp;", " ").replace("\xa0", " ")
    return re.sub(r"[ \t]+", " ", text).strip(_BLANK)[:MAX_QUESTION_CHARACTERS]


def _replace_mention(text: str, mention: str, name: str) -> str:
    """Put a name in the place of one mention, which may be escaped otherwise than the text, and be a word."""
    for spelled in dict.fromkeys((mention, html.unescape(mention))):
        found = re.search(rf"(?<!\w){re.escape(spelled)}(?!\w)", text)
        if found:
            return f"{text[: found.start()]} {name} {text[found.end() :]}"
    return text


def find_place(incoming: Incoming, person: str) -> str:
    """Name the place where a reviewer speaks: their own chat by the reviewer, a channel by itself."""
    return place_of_reviewer(person) if incoming.personal else parse_home_id(incoming.conversation)


def parse_action(data: Json) -> CardAction:
    """Read a button of one of our cards. Raises BadAction."""
    verb, answer_id, signature = (data.get(name) for name in ("verb", "answer_id", "seal"))
    round_ = data.get("round", -1)
    if not isinstance(verb, str) or not isinstance(answer_id, str) or not isinstance(signature, str):
        raise no_such_action()
    if type(round_) is not int or len(answer_id) > MAX_ID_CHARACTERS or len(signature) > MAX_ID_CHARACTERS:
        raise no_such_action()
    inputs = {name: to_text(given) if isinstance(given, str) else given for name, given in data.items()}
    return CardAction(to_text(verb)[:80], to_text(answer_id), round_, signature, inputs)


def _parse_form(feedback: object) -> Json:
    """Return the fields of the form, whichever way they came; plain text is the text of a form."""
    if form := to_object(feedback):
        return form
    text = to_text(feedback).strip()
    return parse_object(text) or {"feedbackText": text}


def _fill_in(reaction: str, form: Json) -> Thumb:
    """Return a thumb with what was filled in behind it."""
    listed = form.get("reasons")
    if isinstance(listed, str):  # how a choice set with several answers tells them
        listed = listed.split(",")
    ticked = cast("list[object]", listed)[:MAX_REASONS] if isinstance(listed, list) else []
    reasons = [to_text(reason).strip()[:MAX_REASON_CHARACTERS] for reason in ticked]
    comment = to_text(form.get("feedbackText")).strip()[:MAX_COMMENT]
    return Thumb(reaction, comment, tuple(reason for reason in reasons if reason))
