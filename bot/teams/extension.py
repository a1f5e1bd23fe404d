"""The message extension in Teams: links of known pages unfurl, and the pages are searched from any chat.

    composeExtension/queryLink    an address of a known page, as it is typed: its title and first words
    composeExtension/query        a question: the places that are nearest to it, to be put into a message
    composeExtension/fetchTask    "Ask about this page" on a message with a link: a form for the question
    composeExtension/submitAction the form: the answer comes in the person's own chat with the bot

Cards here are of version 1.3, as Teams asks of unfurled links, and there are five results at most. The
same authentication and tenants as for every activity stand before this. What comes anonymously, before the
app is installed (composeExtension/anonymousQueryLink), is not asked for and not answered.

Sources: https://learn.microsoft.com/microsoftteams/platform/messaging-extensions/how-to/link-unfurling and
https://learn.microsoft.com/microsoftteams/platform/messaging-extensions/how-to/search-commands/respond-to-search
"""

from __future__ import annotations

import html
import logging
from collections.abc import Sequence

from bot.cards.adaptive import CARD_TYPE, render_card, render_form
from bot.cards.answer_text import NOTHING_FOUND
from bot.cards.elements import ActionButton, Form, TextInput
from bot.channels.asides.page_previews import (
    EMPTY,
    LONGEST_QUESTION,
    NO_LINK,
    NOT_NOW,
    TITLE,
    PagePreviews,
    Preview,
)
from bot.channels.handler import AskAlone
from bot.channels.incoming import Incoming, to_object, to_objects, to_text
from bot.channels.links import list_addresses
from bot.channels.message import InvokeReply, bad_action
from core.text import Json, clip_text
from core.translation import mark, say

log = logging.getLogger(__name__)

SEARCH = "search"
CARD_VERSION = "1.3"
NAME_CHARACTERS, TEXT_CHARACTERS = 80, 160
ASK = mark("Type a question, and put what the pages say about it into your message.")
ASK_PAGE = "askPage"
WITH_COMMANDS = frozenset({f"composeExtension/{name}" for name in ("query", "fetchTask", "submitAction")})
ASKED = mark("I answer in our personal chat.")
NO_CHAT = mark("Please write to me once in a personal chat; then I can answer you there.")


async def answer_extension(incoming: Incoming, ask: AskAlone, previews: PagePreviews) -> InvokeReply | None:
    """Answer what the message extension asks; None for another invoke."""
    reply: InvokeReply | None = None
    match incoming.name, incoming.value.get("commandId"):
        case "composeExtension/fetchTask", "askPage":
            reply = await _open_form(incoming, previews)
        case "composeExtension/submitAction", "askPage":
            reply = await _take_form(incoming, ask)
        case "composeExtension/queryLink", _:
            url = to_text(incoming.value.get("url"))
            found = await previews.find(url) if url else None
            reply = _results([found] if found else [])
        case "composeExtension/query", "search":
            reply = await _look_up(_read_question(incoming.value), previews)
        case name, _:
            reply = bad_action(say("There is no such command.")) if name in WITH_COMMANDS else None
    return reply


async def _look_up(question: str, previews: PagePreviews) -> InvokeReply:
    if not question:
        return _message(say(ASK))
    results = await previews.look_up(question)
    return _results(results) if results else _message(say(NOTHING_FOUND))


async def _open_form(incoming: Incoming, previews: PagePreviews) -> InvokeReply:
    """Return the form for a question about the first page that a message names, a known one before others."""
    body = to_object(to_object(incoming.value.get("messagePayload")).get("body"))
    addresses = list_addresses(html.unescape(to_text(body.get("content"))))
    if not addresses:
        return _say_in_task(say(NO_LINK))
    url, page = await previews.choose(addresses)
    question = TextInput("question", say("Your question"), LONGEST_QUESTION, required=say(EMPTY))
    title = say(TITLE)
    form = Form(title, (question,), ActionButton(say("Ask"), {"verb": ASK_PAGE}, inputs=True))
    card = render_form(form, title)
    shown = clip_text(page.name if page else url, NAME_CHARACTERS)
    card["body"] = [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": shown}]}, *card["body"]]
    card["actions"] = [one | {"data": {"page": url}} for one in card["actions"]]
    value = {"title": title, "height": "small", "width": "medium"}
    value |= {"card": {"contentType": CARD_TYPE, "content": card}}
    return InvokeReply(200, {"task": {"type": "continue", "value": value}})


async def _take_form(incoming: Incoming, ask: AskAlone) -> InvokeReply:
    """Ask what was filled in. The page is as any address that somebody writes: checked where it is read."""
    data = to_object(incoming.value.get("data"))
    question = to_text(data.get("question")).strip()[:LONGEST_QUESTION]
    addresses = list_addresses(to_text(data.get("page")))
    if not question or not addresses:
        return _say_in_task(say(EMPTY))
    try:
        asked = await ask(f"{question} {addresses[0]}")
    except OSError as error:
        log.warning("a question from a message could not be asked: %s", error)
        return _say_in_task(say(NOT_NOW))
    return _say_in_task(say(ASKED) if asked else say(NO_CHAT))


def _say_in_task(sentence: str) -> InvokeReply:
    return InvokeReply(200, {"task": {"type": "message", "value": sentence}})


def _read_question(value: Json) -> str:
    """Return what was typed; before anything is, Teams sends `initialRun`."""
    for one in to_objects(value.get("parameters")):
        if one.get("name") == "question":
            return to_text(one.get("value")).strip()
    return ""


def _results(found: Sequence[Preview]) -> InvokeReply:
    attachments = [_attach(one) for one in found]
    shown = {"type": "result", "attachmentLayout": "list", "attachments": attachments}
    return InvokeReply(200, {"composeExtension": shown})


def _message(text: str) -> InvokeReply:
    return InvokeReply(200, {"composeExtension": {"type": "message", "text": text}})


def _attach(found: Preview) -> Json:
    preview = {
        "title": clip_text(found.name, NAME_CHARACTERS),
        "text": clip_text(to_text(found.words), TEXT_CHARACTERS),
    }
    return {
        "contentType": CARD_TYPE,
        "content": render_card(found.card) | {"version": CARD_VERSION},
        "preview": {"contentType": "application/vnd.microsoft.card.thumbnail", "content": preview},
    }


def describe_extension(app_id: str, domains: Sequence[str]) -> Json:
    """Return the part of the package's manifest that says so, in the language that is spoken."""
    handlers = [{"type": "link", "value": {"domains": list(domains), "supportsAnonymizedPayloads": False}}]
    parameter = {
        "name": "question",
        "title": say("Question"),
        "description": say("What you want to know"),
        "inputType": "text",
    }
    command = {
        "id": SEARCH,
        "type": "query",
        "title": say("Find in the pages"),
        "description": say("Find the place that answers a question, and put it into your message"),
        "initialRun": True,
        "context": ["compose", "commandBox"],
        "parameters": [parameter],
    }
    action = {
        "id": ASK_PAGE,
        "type": "action",
        "title": say(TITLE),
        "description": say("Ask the bot about the page that this message links to"),
        "context": ["message"],
        "fetchTask": True,
    }
    return {"botId": app_id, "commands": [command, action]} | (
        {"messageHandlers": handlers} if domains else {}
    )
