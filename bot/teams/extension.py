"""The message extension in Teams: links of known pages unfurl, and the pages are searched from any chat.

    composeExtension/queryLink    an address of a known page, as it is typed: its title and first words
    composeExtension/query        a question: the places that are nearest to it, to be put into a message

Cards here are of version 1.3, as Teams asks of unfurled links, and there are five results at most. The
same authentication and tenants as for every activity stand before this. What comes anonymously, before the
app is installed (composeExtension/anonymousQueryLink), is not asked for and not answered.

Sources: https://learn.microsoft.com/microsoftteams/platform/messaging-extensions/how-to/link-unfurling and
https://learn.microsoft.com/microsoftteams/platform/messaging-extensions/how-to/search-commands/respond-to-search
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.adaptive import CARD_TYPE, render_card
from bot.channels.asides.page_previews import PagePreviews, Preview
from bot.channels.incoming import Incoming, to_objects, to_text
from bot.channels.message import InvokeReply, bad_action
from core.text import Json, clip_text

SEARCH = "search"
QUERY, QUERY_LINK = "composeExtension/query", "composeExtension/queryLink"
CARD_VERSION = "1.3"
NAME_CHARACTERS, TEXT_CHARACTERS = 80, 160
ASK = "Type a question, and put what the pages say on it into your message."
NOTHING = "I found nothing about this on the pages I know."


async def answer_extension(incoming: Incoming, previews: PagePreviews) -> InvokeReply | None:
    """Answer what the message extension asks; None for another invoke."""
    if incoming.name == QUERY_LINK:
        url = to_text(incoming.value.get("url"))
        found = await previews.find(url) if url else None
        return _results([found] if found else [])
    if incoming.name != QUERY:
        return None
    if incoming.value.get("commandId") != SEARCH:
        return bad_action("There is no such command.")
    question = _read_question(incoming.value)
    if not question:
        return _message(ASK)
    results = await previews.look_up(question)
    return _results(results) if results else _message(NOTHING)


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
    """Return the part of the package's manifest that says so."""
    handlers = [{"type": "link", "value": {"domains": list(domains), "supportsAnonymizedPayloads": False}}]
    parameter = {
        "name": "question",
        "title": "Question",
        "description": "What you want to know",
        "inputType": "text",
    }
    command = {
        "id": SEARCH,
        "type": "query",
        "title": "Find in the pages",
        "description": "Find the place that answers a question, and put it into your message",
        "initialRun": True,
        "context": ["compose", "commandBox"],
        "parameters": [parameter],
    }
    return {"botId": app_id, "commands": [command]} | ({"messageHandlers": handlers} if domains else {})
