"""The message shortcut "Ask about this page": a form for a question, answered in the person's own chat.

    a message with a link ─ shortcut ─ form ─ the question in their chat with the bot ─ its answer

The page is an address that stands in the message; what comes back with the form is checked where it is read,
as any address that somebody writes.
Source: https://docs.slack.dev/interactivity/implementing-shortcuts (message shortcuts, scope `commands`)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from bot.cards.elements import ActionButton, Form, TextInput
from bot.channel import Undeliverable
from bot.channels.asides.page_previews import EMPTY, LONGEST_QUESTION, NO_LINK, NOT_NOW, TITLE, PagePreviews
from bot.channels.handler import ActivityHandler
from bot.channels.incoming import parse_activity, parse_object, to_object, to_text
from bot.channels.links import list_addresses
from bot.slack.blocks import plain_text, render_form
from bot.slack.connector import SlackConnector
from bot.slack.events import Arrived, Place, activity, an_id, strip_markup
from core.text import Json
from core.translation import say

log = logging.getLogger(__name__)

CALLBACK = "ask_page"
QUESTION = "question"


class PageForm:
    """Opens the form, and asks what was filled in. One per process."""

    def __init__(self, front: ActivityHandler, connector: SlackConnector, previews: PagePreviews) -> None:
        self._front = front
        self._connector = connector
        self._previews = previews

    async def open(self, payload: Mapping[str, Any], by: Arrived) -> None:
        """Show the form for the first page that a message names, a known one before others."""
        message, channel = to_object(payload.get("message")), to_object(payload.get("channel"))
        user, place = to_object(payload.get("user")), Place(by.where, an_id(channel.get("id")))
        if payload.get("callback_id") != CALLBACK or not (an_id(user.get("id")) and place.channel):
            log.info("a shortcut that is none of ours")
            return
        addresses = list_addresses(strip_markup(to_text(message.get("text")), by.bot_user))
        if not addresses:
            personal = place.channel.startswith("D")
            made = activity(by, place, (by.where.team, an_id(user.get("id"))), personal=personal)
            await self._connector.whisper(made["conversation"], an_id(user.get("id")), say(NO_LINK))
            return
        url, page = await self._previews.choose(addresses)
        try:
            view = draw_form(url, page.name if page else url)
            await self._connector.open_form(by.where, to_text(payload.get("trigger_id")), view)
        except (Undeliverable, OSError, ValueError) as error:
            log.warning("a form was not opened: %s", error)

    async def submit(self, payload: Mapping[str, Any], by: Arrived) -> Json:
        """Ask what was filled in; return what Slack is to do with the form: {} closes it."""
        view, user = to_object(payload.get("view")), to_object(payload.get("user"))
        page, question = _read_page(view), _read_question(view)
        team = an_id(user.get("team_id")) or by.where.team
        if not question:
            return _complain(say(EMPTY))
        if not (page and an_id(user.get("id")) and an_id(view.get("id"))):
            log.info("a form that is none of ours")
            return {}
        place = Place(by.where, "none")  # the chat is not known yet
        made = activity(by, place, (team, an_id(user.get("id"))), personal=True, id_=an_id(view.get("id")))
        incoming = parse_activity(made | {"type": "invoke"})
        try:
            asked = await self._front.ask_alone(incoming, f"{question} {page}", self._connector)
        except OSError as error:
            log.warning("a question from a message could not be asked: %s", error)
            asked = False
        return {} if asked else _complain(say(NOT_NOW))


def draw_form(url: str, name: str) -> Json:
    """Return the form; the page comes back with it, unseen. Raises ValueError for an address too long."""
    asked = TextInput(QUESTION, say("Your question"), LONGEST_QUESTION, multiline=False, required=say(EMPTY))
    view = render_form(Form(say(TITLE), (asked,), ActionButton(say("Ask"), {})), {"page": url})
    about = {"type": "section", "text": plain_text(name)}
    return view | {"callback_id": CALLBACK, "blocks": [about, *view["blocks"]]}


def _read_page(view: Mapping[str, Any]) -> str:
    about = parse_object(view.get("private_metadata"))
    return next(iter(list_addresses(to_text(about.get("page")))), "")


def _read_question(view: Mapping[str, Any]) -> str:
    values = to_object(to_object(view.get("state")).get("values"))
    field = to_object(to_object(values.get(QUESTION)).get(QUESTION))
    return to_text(field.get("value")).strip()[:LONGEST_QUESTION]


def _complain(sentence: str) -> Json:
    return {"response_action": "errors", "errors": {QUESTION: sentence}}
