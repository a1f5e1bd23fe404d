"""Interactions of Slack: buttons, thumbs, lists and forms → card actions → what people see of it.

A press becomes the card action that the same button is in Teams and goes, read, to the same activity
handler, which asks whether its token fits and whether this person may. Here it is only read and answered: a
sentence is for the one who pressed, a card of reviewers takes the place of the message for everybody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from bot.card_tokens import BadAction, no_such_action
from bot.cards.answer import feedback_form, rating_actions
from bot.cards.elements import Card, Form
from bot.channel import Undeliverable
from bot.channels.handler import ActivityHandler
from bot.channels.incoming import (
    CardAction,
    Incoming,
    Part,
    Reference,
    Text,
    parse_action,
    parse_activity,
    parse_object,
    to_object,
    to_objects,
    to_text,
)
from bot.channels.message import InvokeReply
from bot.channels.review_handler import ReviewHandler
from bot.slack.blocks import ACT, CALLBACK, OPEN, SAY, STARS, THUMB, decode_stars, render_form
from bot.slack.connector import BackgroundConnector, SlackConnector
from bot.slack.events import Arrived, Place, activity, an_id, spoken
from core.text import Json
from core.translation import mark, say
from feedback.store.base import StoreUnavailable

log = logging.getLogger(__name__)

MAX_NAME = 80
MAX_ACTIONS = 5
CARRIED = ("verb", "answer_id", "round", "seal", "thumb")
"""What a form carries of the button that opened it."""
NOT_KEPT = mark("I could not save this. Please try again in a minute.")
NO_FORM = mark("Slack did not open the form. Please press the button again.")
SlackId = Annotated[str, BeforeValidator(an_id)]


class _User(Part):
    """Who pressed something."""

    id: SlackId = ""
    team_id: SlackId = ""
    name: Text = ""
    username: Text = ""


class _Where(Part):
    """Where it was: a channel, a message, or both."""

    id: SlackId = ""
    channel_id: SlackId = ""
    message_ts: SlackId = ""
    ts: SlackId = ""
    thread_ts: SlackId = ""


class _Option(Part):
    value: Text = ""


class _Element(Part):
    """A button that was pressed, or a list from which something was chosen."""

    action_id: Text = ""
    action_ts: SlackId = ""
    data: Annotated[Json, BeforeValidator(parse_object)] = Field(
        default_factory=dict[str, Any], alias="value"
    )
    selected_option: _Option = _Option()


class _View(Part):
    """A form or the home page."""

    id: SlackId = ""
    type: Text = ""
    callback_id: Text = ""
    private_metadata: Text = ""


class _Interaction(Part):
    """What Slack sends of a press or a form (`block_actions`, `view_submission`)."""

    user: _User = _User()
    container: _Where = _Where()
    channel: _Where = _Where()
    message: _Where = _Where()
    view: _View = _View()
    trigger_id: Text = ""
    actions: Annotated[tuple[_Element, ...], BeforeValidator(to_objects)] = ()


@dataclass(frozen=True, slots=True)
class Press:
    """One press: who, where, on which message (`ts`, "" on the home page), and what to open a form with."""

    by: Arrived
    user: tuple[str, str]
    name: str
    place: Place
    ts: str
    trigger: str
    id: str

    @property
    def personal(self) -> bool:
        """Whether it was in a chat of one person with the bot."""
        return self.place.channel.startswith("D")

    def activity(self) -> Json:
        """Return an activity of who pressed, without content."""
        made = activity(self.by, self.place, self.user, personal=self.personal, id_=self.id)
        made["from"] = made["from"] | {"name": self.name}
        return made

    @property
    def incoming(self) -> Incoming:
        """The same, read."""
        return parse_activity(self.activity() | {"type": "invoke"})


class SlackActions:
    """Takes presses and forms. One per process."""

    def __init__(
        self,
        front: ActivityHandler,
        unhurried: BackgroundConnector,
        reviews: ReviewHandler,
        connector: SlackConnector,
    ) -> None:
        self._front = front
        self._unhurried = unhurried
        self._reviews = reviews
        self._connector = connector

    async def handle_press(self, payload: Mapping[str, Any], by: Arrived) -> None:
        """Do what the buttons of a message or of the home page say."""
        told = _Interaction.model_validate(dict(payload))
        press = _press(told, by, await self._home_chat(told, by))
        if press is None:
            log.info("something was pressed, and nobody can tell where")
            return
        for action in told.actions[:MAX_ACTIONS]:
            try:
                await self._do(press, action)
            except BadAction as bad:
                await self._tell(press, str(bad))
            except StoreUnavailable:
                log.exception("what was pressed could not be kept")
                await self._tell(press, say(NOT_KEPT))

    async def handle_submit(self, payload: Mapping[str, Any], by: Arrived) -> Json:
        """Do what a form says; return what Slack is to do with the form: {} closes it."""
        view, told = to_object(payload.get("view")), _Interaction.model_validate(dict(payload))
        about = parse_object(told.view.private_metadata)
        press = _parse_form(told, about, by)
        if press is None or told.view.callback_id != CALLBACK:
            log.info("a form that is none of ours")
            return {}
        try:
            data = _merge_inputs(to_object(about.get("data")), _inputs(view))
            reply = await self._front.press(press.incoming, parse_action(data))
        except BadAction as bad:
            return _complaint(view, str(bad))
        except StoreUnavailable:
            log.exception("what a form said could not be kept")
            return _complaint(view, say(NOT_KEPT))
        if reply.refused:
            return _complaint(view, reply.said)
        await self._show(press, reply)
        return {}

    async def _home_chat(self, told: _Interaction, by: Arrived) -> str:
        """Return the chat with who pressed something on the bot's home page, "" where it was elsewhere."""
        if told.view.type != "home" or not told.user.id:
            return ""
        try:
            opened = await self._connector.api.call("conversations.open", by.where, {"users": told.user.id})
        except (Undeliverable, OSError) as error:
            log.warning("a chat could not be opened: %s", error)
            return ""
        return an_id(to_object(opened.get("channel")).get("id"))

    async def _do(self, press: Press, element: _Element) -> None:
        what = element.action_id.partition(":")[0]
        stars = element.selected_option.value
        data = decode_stars(stars) if what == STARS else element.data
        if what == SAY:
            await self._say(press, to_text(data.get("say")))
        elif what == OPEN:
            await self._open(press, parse_action(data))
        elif what in {ACT, THUMB, STARS}:
            action = parse_action(data)
            await self._show(press, await self._front.press(press.incoming, action))
            if what == THUMB and data.get("form") is True:
                await self._open(press, action)

    async def _say(self, press: Press, words: str) -> None:
        """Say something in the name of who pressed, in their own chat where it was on the home page."""
        if not words:
            raise no_such_action()
        await self._front.receive(spoken(press.activity(), words[:500]), self._unhurried)

    async def _show(self, press: Press, reply: InvokeReply) -> None:
        """Show what came of it: a sentence to one, a card to all."""
        if reply.said:
            await self._tell(press, reply.said)
        elif reply.message is not None and press.ts:
            reference = Reference(press.activity()["conversation"], {}, {}, "")
            try:
                await self._connector.update(reference, press.ts, reply.message)
            except (Undeliverable, OSError) as error:
                log.warning("a card was not shown anew: %s", error)

    async def _tell(self, press: Press, sentence: str) -> None:
        await self._connector.whisper(press.activity()["conversation"], press.user[1], sentence)

    # Forms

    async def _open(self, press: Press, action: CardAction) -> None:
        """Open the form of a button. Raises BadAction where this person may not, or for another signature."""
        form = await self._form(press, action)
        about = {
            "data": {name: action.inputs[name] for name in CARRIED if name in action.inputs},
            "channel": press.place.channel,
            "thread": press.place.thread,
            "ts": press.ts,
        }
        try:
            await self._connector.open_form(press.place.where, press.trigger, render_form(form, about))
        except ValueError as error:
            log.warning("a form is not for Slack: %s", error)
            raise BadAction(say(NO_FORM)) from error
        except (Undeliverable, OSError) as error:
            log.warning("a form was not opened: %s", error)
            raise BadAction(say(NO_FORM)) from error

    async def _form(self, press: Press, action: CardAction) -> Form:
        if action.verb == "rate.thumb":
            return feedback_form("like" if action.inputs.get("thumb") == "like" else "dislike")
        if action.verb.startswith("review."):
            card = await self._reviews.draw_card(press.incoming, action)
        else:
            stars = action.verb == "rate.stars"
            actions = rating_actions(action.answer_id, action.signature, stars=stars, comment=True)
            card = Card((), tuple(actions), "")
        form = card.find_form(action.verb)
        if form is None:
            raise no_such_action()
        return form


def _press(told: _Interaction, by: Arrived, home: str) -> Press | None:
    """Read who pressed where; None where that is unknown. `home` is the chat that the home page speaks in."""
    channel = home or told.channel.id or told.container.channel_id
    if not (channel and told.user.id and told.actions):
        return None
    ts = told.container.message_ts or told.message.ts
    thread = told.message.thread_ts or told.container.thread_ts
    if not thread and not channel.startswith("D"):
        thread = ts
    place = Place(by.where, channel, thread)
    return _make_press(told, by, place, ts, told.actions[0].action_ts)


def _parse_form(told: _Interaction, about: Json, by: Arrived) -> Press | None:
    """Read who sent a form, and which message it belongs to."""
    channel = an_id(about.get("channel"))
    if not (channel and told.user.id):
        return None
    place = Place(by.where, channel, an_id(about.get("thread")))
    return _make_press(told, by, place, an_id(about.get("ts")), told.view.id)


def _make_press(told: _Interaction, by: Arrived, place: Place, ts: str, id_: str) -> Press:
    user = (told.user.team_id or by.where.team, told.user.id)
    name = (told.user.name or told.user.username)[:MAX_NAME]
    return Press(by, user, name, place, ts, told.trigger_id, id_)


def _merge_inputs(data: Json, inputs: Json) -> Json:
    """Return a button's data with what was filled in; a field never replaces what the button says."""
    return inputs | data


def _inputs(view: Mapping[str, Any]) -> Json:
    """Return what was filled in, by the field's name, as a card of Teams would send it."""
    filled: Json = {}
    for name, actions in to_object(to_object(view.get("state")).get("values")).items():
        for field in to_object(actions).values():
            filled[name] = _read_field(to_object(field))
    return filled


def _read_field(field: Mapping[str, Any]) -> object:
    match field.get("type"):
        case "plain_text_input":
            return to_text(field.get("value"))
        case "checkboxes":
            return [to_text(one.get("value")) for one in to_objects(field.get("selected_options"))]
        case "static_select" | "radio_buttons":
            return to_text(to_object(field.get("selected_option")).get("value"))
        case _:
            return ""


def _complaint(view: Mapping[str, Any], sentence: str) -> Json:
    """Return a complaint about a form, which stands below its first field."""
    names = [to_text(block.get("block_id")) for block in to_objects(view.get("blocks"))]
    first = next((name for name in names if name), "text")
    return {"response_action": "errors", "errors": {first: sentence}}
