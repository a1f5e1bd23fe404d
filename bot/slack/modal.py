"""What unfolds on a card in Teams is a form (modal) in Slack: its fields, and what came back in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.channels.activity import as_dict, as_dicts, as_text
from bot.slack.blocks import Json, plain
from core.text import clipped

CALLBACK = "form"
MOST_FIELDS = 100
TITLE_CHARACTERS = 24
LABEL_CHARACTERS = 2_000
FIELD_CHARACTERS = 3_000
"""What a field of Slack holds at most; the cards of Teams allow a correction of 4,000."""
OPTION_TEXT = 75
OPTION_VALUE = 150
MOST_OPTIONS, MOST_BOXES = 100, 10
METADATA_CHARACTERS = 3_000


def form_in(card: Mapping[str, Any], verb: str) -> Json:
    """Return the part of a card that unfolds above the button with this verb, {} for none."""
    for action in as_dicts(card.get("actions")):
        inner = as_dict(action.get("card"))
        for button in as_dicts(inner.get("actions")):
            if as_dict(button.get("data")).get("verb") == verb:
                return inner | {"title": as_text(action.get("title"))}
    return {}


def form_view(title: str, card: Mapping[str, Any], about: Mapping[str, Any]) -> Json:
    """Return the form; `about` comes back with it, unseen. Raises ValueError where Slack would not take it."""
    fields = [made for item in as_dicts(card.get("body")) if (made := _field(item))]
    (send, *_) = as_dicts(card.get("actions")) or [{}]
    metadata = json.dumps(about, separators=(",", ":"), ensure_ascii=False)
    if not fields or len(fields) > MOST_FIELDS or len(metadata) > METADATA_CHARACTERS:
        raise ValueError("this form cannot be shown in Slack")
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": plain(title.strip("★ ").rstrip("…"), TITLE_CHARACTERS),
        "submit": plain(as_text(send.get("title")) or "Send", TITLE_CHARACTERS),
        "close": plain("Cancel", TITLE_CHARACTERS),
        "private_metadata": metadata,
        "blocks": fields,
    }


def inputs_in(view: Mapping[str, Any]) -> Json:
    """Return what was filled in, by the field's name, as a card of Teams would send it."""
    filled: Json = {}
    for name, actions in as_dict(as_dict(view.get("state")).get("values")).items():
        for field in as_dict(actions).values():
            filled[name] = _given(as_dict(field))
    return filled


def first_field(view: Mapping[str, Any]) -> str:
    """Return the name of the first field: a complaint about the form stands below it."""
    names = [as_text(block.get("block_id")) for block in as_dicts(view.get("blocks"))]
    return next((name for name in names if name), "text")


def _given(field: Mapping[str, Any]) -> object:
    match field.get("type"):
        case "plain_text_input":
            return as_text(field.get("value"))
        case "checkboxes":
            return [as_text(one.get("value")) for one in as_dicts(field.get("selected_options"))]
        case "static_select" | "radio_buttons":
            return as_text(as_dict(field.get("selected_option")).get("value"))
        case _:
            return ""


def _field(item: Mapping[str, Any]) -> Json:
    name = as_text(item.get("id"))
    match item.get("type"):
        case "Input.Text":
            element = _text(item)
        case "Input.ChoiceSet":
            element = _choices(item)
        case "Input.Rating":
            element = _choices(as_dict(item.get("fallback")))
        case _:
            return {}
    rated = item.get("type") == "Input.Rating"
    return {
        "type": "input",
        "block_id": name,
        "label": plain(as_text(item.get("label")) or name, LABEL_CHARACTERS),
        "optional": not (item.get("isRequired") or rated or name in {"span", "reason"}),
        "element": element | {"action_id": name},
    }


def _text(item: Mapping[str, Any]) -> Json:
    most = min(int(item.get("maxLength") or FIELD_CHARACTERS), FIELD_CHARACTERS)
    element: Json = {
        "type": "plain_text_input",
        "multiline": bool(item.get("isMultiline")),
        "max_length": most,
    }
    if before := as_text(item.get("value")):
        element["initial_value"] = clipped(before, most)
    return element


def _choices(item: Mapping[str, Any]) -> Json:
    several = bool(item.get("isMultiSelect"))
    most = MOST_BOXES if several else MOST_OPTIONS
    options = [_option(choice) for choice in as_dicts(item.get("choices"))[:most]]
    element: Json = {"type": "checkboxes" if several else "static_select", "options": options}
    chosen = _chosen(options, as_text(item.get("value")))
    return element | ({"initial_option": chosen} if chosen and not several else {})


def _option(choice: Mapping[str, Any]) -> Json:
    return {
        "text": plain(as_text(choice.get("title")), OPTION_TEXT),
        "value": as_text(choice.get("value"))[:OPTION_VALUE],
    }


def _chosen(options: Sequence[Json], value: str) -> Json | None:
    return next((option for option in options if option["value"] == value and value), None)
