"""Cards as Adaptive Cards 1.5, for Teams and for the chat page, which draws them with Microsoft's renderer.

Text goes into RichTextBlocks, which render no Markdown. What is the schema's default is left out, so that
more has room in a message. https://adaptivecards.io/explorer/

Dates are written by the client, in its reader's zone and language; where a page says what would ask for one,
it is shown as it stands. https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.cards.dates import MARKS, Date, replace_dates, write_dates
from bot.cards.elements import (
    Action,
    ActionButton,
    ButtonRow,
    Card,
    ChoiceInput,
    Columns,
    Element,
    Facts,
    Form,
    Input,
    LinkButton,
    Paragraph,
    Quotation,
    Refresh,
    SayButton,
    Source,
    Table,
    TextInput,
    TextRun,
)
from core.text import Json, clip_text, printable, utf16_bytes
from core.translation import say

CARD_TYPE = "application/vnd.microsoft.card.adaptive"
FALLBACK_CHARACTERS = 300
MAX_CARD_BYTES = 70_000
"""As Teams counts them; the message around the card needs some, too."""
QUOTATION = "quotation"
"""The id of a quotation: the chat page draws it its own way."""
_FUNCTION = re.compile(r"\{(?=\{(?:DATE|TIME)\()")
_APART = "{\u2060"
"""A brace and a joiner that nobody sees: between two braces it makes them text."""


def render_card(card: Card) -> Json:
    """Return a card as JSON; one that is too large for Teams with less to read, where it has such a form."""
    whole = _render_whole(card)
    if card.shorten is None or utf16_bytes(whole) < MAX_CARD_BYTES:
        return whole
    return _render_whole(card.shorten())


def _render_whole(card: Card) -> Json:
    whole: Json = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "fallbackText": clip_text(write_dates(card.fallback), FALLBACK_CHARACTERS),
        "body": [_element(element) for element in card.body],
    }
    whole |= {"actions": [_action(action) for action in card.actions]} if card.actions else {}
    return whole | ({"refresh": _refresh(card.refresh)} if card.refresh else {})


def _refresh(refresh: Refresh) -> Json:
    """Draw how a card is asked for anew; without people, everyone's client does so in rooms of up to 60.

    Source: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/work-with-universal-actions-for-adaptive-cards
    """
    data = dict(refresh.data)
    action = {"type": "Action.Execute", "title": "Refresh", "verb": data["verb"], "data": data}
    return {"action": action} | _drop_empty(userIds=list(refresh.people))


def render_form(form: Form, fallback: str) -> Json:
    """Return a form as a card of its own; the client sends what was filled in, and nothing else."""
    inputs = [_input(one) for one in form.inputs]
    submit = {"type": "Action.Submit", "title": form.button.title}
    return render_card(Card((), (), fallback)) | {"body": inputs, "actions": [submit]}


def attach_card(card: Card) -> Json:
    """Return a card as an attachment of an activity."""
    return {"contentType": CARD_TYPE, "content": render_card(card)}


def _drop_empty(**fields: object) -> Json:
    """Return the fields that say something else than nothing."""
    return {name: value for name, value in fields.items() if value}


def _element(element: Element) -> Json:
    match element:
        case Paragraph():
            drawn = _paragraph(element)
        case Quotation(lines):
            items = [_paragraph(one) for one in lines]
            drawn = {"type": "Container", "id": QUOTATION, "style": "emphasis", "items": items}
        case Source():
            drawn = _source(element)
        case Facts(pairs):
            facts = [{"title": _write_text(name), "value": _write_text(value)} for name, value in pairs]
            drawn = {"type": "FactSet", "facts": facts, "spacing": "Small"}
        case Table():
            drawn = _table(element)
        case Columns(columns):
            drawn = {"type": "ColumnSet", "columns": [_column(lines) for lines in columns]}
        case ButtonRow(actions):
            drawn = {"type": "ActionSet", "actions": [_action(one) for one in actions], "spacing": "Small"}
    return drawn


def _paragraph(shown: Paragraph) -> Json:
    look = _drop_empty(size=shown.size, color=shown.color, isSubtle=shown.subtle)
    runs = [look | _run(run) for run in shown.runs]
    return {"type": "RichTextBlock", "inlines": runs} | _drop_empty(
        spacing=shown.spacing, separator=shown.separator
    )


def _run(run: TextRun) -> Json:
    drawn: Json = {"type": "TextRun", "text": _write_text(run.text)} | _drop_empty(
        weight=run.bold and "Bolder"
    )
    if run.url:
        drawn |= {"color": "Accent", "selectAction": _opener(printable(run.text), run.url)}
    return drawn


def _write_text(text: str) -> str:
    if any(mark in text for mark in MARKS):
        return replace_dates(text, _write_date, _write_words)
    return _write_words(text)


def _write_words(text: str) -> str:
    return _FUNCTION.sub(_APART, printable(text))


def _write_date(date: Date) -> str:
    at = f"{date.at:%Y-%m-%dT%H:%M:%SZ}"
    return f"{{{{DATE({at},SHORT)}}}}" + (f", {{{{TIME({at})}}}}" if date.is_timed else "")


def _opener(title: str, url: str) -> Json:
    return {"type": "Action.OpenUrl", "title": title, "url": url}


def _source(shown: Source) -> Json:
    name = TextRun(shown.name, bold=True, url=shown.url if shown.compact else "")
    items = [_paragraph(Paragraph((name,), size="Small"))]
    if shown.quote:
        spacing = "None" if shown.compact else ""
        items.append(
            _paragraph(Paragraph((TextRun(shown.quote),), "Small", "", subtle=True, spacing=spacing))
        )
    if shown.url and not shown.compact:
        items.append({"type": "ActionSet", "actions": [_opener(say("Open"), shown.url)]})
    return {"type": "Container", "spacing": "Small", "items": items}


def _table(table: Table) -> Json:
    """Draw a table whose first row is read out with every cell below it, which is the default.

    (Its schema and its renderers do not agree on how that would be said.)
    """
    rows = [_row(row, headings=1 if number else len(row)) for number, row in enumerate(table.rows)]
    return {"type": "Table", "columns": [{"width": width} for width in table.widths], "rows": rows}


def _row(texts: Sequence[str], headings: int) -> Json:
    lines = [Paragraph((TextRun(text, number < headings),), "Small") for number, text in enumerate(texts)]
    return {
        "type": "TableRow",
        "cells": [{"type": "TableCell", "items": [_paragraph(one)]} for one in lines],
    }


def _column(lines: Sequence[Paragraph]) -> Json:
    return {"type": "Column", "width": "stretch", "items": [_paragraph(one) for one in lines]}


def _action(action: Action) -> Json:
    match action:
        case ActionButton():
            return _execute(action)
        case SayButton(title, words):
            # Clients other than Teams send `question` as the value of a message.
            data = {"question": words, "msteams": {"type": "imBack", "value": words}}
            return {"type": "Action.Submit", "title": title, "data": data}
        case LinkButton(title, url):
            return _opener(title, url)
        case Form(title, inputs, button):
            body = [_input(one) for one in inputs]
            inner = {"type": "AdaptiveCard", "body": body, "actions": [_execute(button)]}
            return {"type": "Action.ShowCard", "title": title, "card": inner}


def _execute(button: ActionButton) -> Json:
    """Draw a button; older clients submit the same data as a message."""
    common: Json = {
        "title": button.title,
        "data": dict(button.data),
        "associatedInputs": "auto" if button.inputs else "none",
    }
    common |= {"style": button.style} if button.style != "default" else {}
    fallback = {"type": "Action.Submit", **common}
    return {"type": "Action.Execute", "verb": button.verb, **common, "fallback": fallback}


def _input(shown: Input) -> Json:
    known = {"id": shown.id, "label": shown.label}
    match shown:
        case TextInput():
            field: Json = {"type": "Input.Text", **known, "maxLength": shown.max_length}
            field |= _drop_empty(isMultiline=shown.multiline, value=shown.value)
            return field | _drop_empty(isRequired=bool(shown.required), errorMessage=shown.required)
        case ChoiceInput():
            look = {"isMultiSelect": True, "style": "expanded"} if shown.several else {"style": "compact"}
            choices = _choices(shown.choices)
            return {"type": "Input.ChoiceSet", **known, **look, "choices": choices} | _drop_empty(
                value=shown.value, wrap=shown.wrap
            )
        case _:  # a client that does not know stars shows a list
            choices = _choices([(str(stars), name) for stars, name in enumerate(shown.names, start=1)])
            a_list = {"type": "Input.ChoiceSet", **known, "style": "expanded", "choices": choices}
            return {"type": "Input.Rating", **known, "max": len(shown.names), "fallback": a_list}


def _choices(choices: Sequence[tuple[str, str]]) -> list[Json]:
    return [{"title": title, "value": value} for value, title in choices]
