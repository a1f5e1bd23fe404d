"""Messages, cards and forms in Block Kit: the same content as in Teams, drawn with what Slack has.

What a card consists of is in `bot/cards/elements.py`: paragraphs become rich text, sources become a link with
a quotation, buttons become buttons whose value is the data of the card's own action, with its signature. A
form becomes a button that opens a modal; stars become a list to choose from.

Slack reads `<!channel>`, `<@U…>` and `<https://…|label>` out of its own markup, and Markdown out of streamed
text. Nothing that a page, a model or a person wrote becomes a mention, a link or markup: what stays on screen
is rich text, whose runs Slack shows letter by letter. Where Slack takes nothing but markup, the three letters
that begin and end it are escaped; where it takes Markdown, they are replaced by lookalikes.
https://docs.slack.dev/reference/block-kit/blocks

Slack writes dates itself, in each reader's zone.
https://docs.slack.dev/reference/block-kit/block-elements/date-element
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.cards.dates import Date, has_dates, split_dates, write_dates
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
    SayButton,
    Source,
    StarsInput,
    Table,
    TextInput,
    TextRun,
)
from bot.channels.message import Message, ThumbsRequest
from core.text import Json, calm, clip_text, printable
from core.translation import mark, say

RUN_CHARACTERS = PLAIN_CHARACTERS = NOTE_CHARACTERS = FIELD_CHARACTERS = METADATA_CHARACTERS = 3_000
"""A field holds less than the cards of Teams do, which allow a correction of 4,000."""
STREAM_CHARACTERS = 11_000
"""Slack takes 12,000 letters of Markdown in one message."""
PART_CHARACTERS = 2_900
MOST_BLOCKS = 50
MOST_BUTTONS = 25
MOST_RUNS = 90
MOST_OPTIONS, MOST_BOXES = 100, 10
BUTTON_CHARACTERS = OPTION_TEXT = 75
VALUE_CHARACTERS = 2_000
OPTION_CHARACTERS = 150
URL_CHARACTERS = 3_000
SAID_CHARACTERS = 500
TITLE_CHARACTERS = 24
LABEL_CHARACTERS = 2_000
OPEN, ACT, SAY, LINK, THUMB, STARS = "open", "act", "say", "link", "thumb", "stars"
"""How an action's id begins: what pressing it does."""
CALLBACK = "form"
AI_LABEL = mark("Written by AI from your pages. Please check what matters.")
QUOTE_LABEL = mark("Found by AI, in the words of your pages. Please check what matters.")
_LABELS = {"written": AI_LABEL, "quoted": QUOTE_LABEL}
_DAY, _TIME = "{date_short}", "{date_short} {time}"
_STYLES = {"positive": "primary", "destructive": "danger"}
_MARKER = re.compile(r"\[(\d{1,2})\]")
_STAR_NAMES = (
    mark("★ wrong"),
    mark("★★ poor"),
    mark("★★★ fair"),
    mark("★★★★ good"),
    mark("★★★★★ just right"),
)
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


# Text


def escape_markup(text: str) -> str:
    """Return a text for Slack's markup, where it means itself.

    >>> escape_markup("<!channel> R&D")
    '&lt;!channel&gt; R&amp;D'
    """
    return printable(text).translate(_ESCAPES)


def render_notification(text: str) -> str:
    """Return what a notification shows of a message."""
    cut = clip_text(write_dates(text), NOTE_CHARACTERS // 2)
    while len(escaped := cut.translate(_ESCAPES)) > NOTE_CHARACTERS:
        cut = clip_text(cut, len(cut) // 2)
    return escaped or "…"


def render_draft(text: str) -> str:
    """Return an answer as far as it is written, as Markdown that has nothing but its citation marks in it."""
    return clip_text(calm(text, keep_urls=(), markers=99).replace("<", "‹"), STREAM_CHARACTERS)


def plain_text(text: str, characters: int = PLAIN_CHARACTERS) -> Json:
    """Return a text object that is shown as it stands; Slack takes no empty one."""
    return {
        "type": "plain_text",
        "text": clip_text(write_dates(text), characters).strip() or "…",
        "emoji": False,
    }


def text_run(text: str, *, bold: bool = False, url: str = "") -> Json:
    """Return a piece of rich text; an address that is too long for Slack is left out."""
    shown = clip_text(text, RUN_CHARACTERS) or " "
    link = url and len(url) <= URL_CHARACTERS
    piece: Json = {"type": "link", "url": url, "text": shown} if link else {"type": "text", "text": shown}
    return piece | {"style": {"bold": True}} if bold else piece


def text_runs(text: str, *, bold: bool = False, url: str = "") -> list[Json]:
    """Return the pieces of a text that may name dates."""
    return [
        _date_run(one, bold=bold) if isinstance(one, Date) else text_run(one, bold=bold, url=url)
        for one in split_dates(text)
    ] or [text_run("")]


def _date_run(date: Date, *, bold: bool) -> Json:
    wanted = _TIME if date.is_timed else _DAY
    piece = {"type": "date", "timestamp": date.second, "format": wanted, "fallback": str(date)}
    return piece | ({"style": {"bold": True}} if bold else {})


def section(*runs: Json) -> Json:
    """Return a part of a rich text."""
    return {"type": "rich_text_section", "elements": list(runs)}


def quote(*runs: Json) -> Json:
    """Return words of a page as a part of a rich text."""
    return {"type": "rich_text_quote", "elements": list(runs)}


def rich_text(*parts: Json) -> Json:
    """Return a block of these parts, one below the other."""
    return {"type": "rich_text", "elements": list(parts)}


# Messages


def render_message(message: Message) -> Json:
    """Return `text`, which a notification shows, and `blocks` of a message."""
    summary = message.summary or message.text or (message.card.fallback if message.card else "")
    blocks = [*_render_text(message), *render_below(message)]
    return {"text": render_notification(summary), "blocks": fit_blocks(blocks)}


def render_below(message: Message) -> list[Json]:
    """Return what stands under the text of a message: its card, the label, the thumbs."""
    blocks = render_card(message.card) if message.card else []
    if message.label:
        blocks.append({"type": "context", "elements": [plain_text(say(_LABELS[message.label]))]})
    return [*blocks, *([_thumbs(message.thumbs)] if message.thumbs else [])]


def render_card(card: Card) -> list[Json]:
    """Return a card as blocks."""
    blocks = [block for element in card.body for block in _render_element(element)]
    return [*_join_texts(blocks), *_render_actions(card.actions)]


def fit_blocks(blocks: Sequence[Json]) -> list[Json]:
    """Return as many blocks as Slack takes: small print joins the text above, then the middle goes."""
    kept = list(blocks)
    if len(kept) > MOST_BLOCKS:
        kept = _join_texts([_enlarge(block) for block in kept])
    if len(kept) > MOST_BLOCKS:
        ends = [block for block in kept if block["type"] not in {"rich_text", "context"}][-MOST_BUTTONS:]
        texts = [block for block in kept if block["type"] in {"rich_text", "context"}]
        kept = [*texts[: MOST_BLOCKS - len(ends)], *ends]
    return kept


def _render_text(message: Message) -> list[Json]:
    """Return what the message says; its citation marks lead to their sources."""
    text, urls = message.text, {cited.position: cited.url for cited in message.citations}
    blocks: list[Json] = []
    for part in [text[at : at + PART_CHARACTERS] for at in range(0, len(text), PART_CHARACTERS)]:
        pieces: list[Json] = []
        end = 0
        for marker in list(_MARKER.finditer(part))[: MOST_RUNS // 2]:
            if url := urls.get(int(marker[1]), ""):
                pieces += [text_run(part[end : marker.start()])] if marker.start() > end else []
                pieces.append(text_run(marker[0], url=url))
                end = marker.end()
        if part[end:]:
            pieces.append(text_run(part[end:]))
        blocks.append(rich_text(section(*pieces)))
    return blocks


def _render_element(element: Element) -> list[Json]:
    match element:
        case Paragraph():
            blocks = [_paragraph(element)]
        case Quotation(lines):
            blocks = [rich_text(quote(*_on_lines([one.runs for one in lines])))]
        case Source():
            name = section(text_run(element.name, bold=True, url=element.url))
            blocks = [rich_text(name, *([quote(text_run(element.quote))] if element.quote else []))]
        case Facts(pairs):
            facts = [(TextRun(f"{name}: ", bold=True), TextRun(value)) for name, value in pairs]
            blocks = [rich_text(section(*_on_lines(facts)))]
        case Table(rows):
            blocks = [*_rows(rows)]
        case Columns(columns):
            blocks = [_paragraph(one) for column in columns for one in column]
        case ButtonRow(actions):
            blocks = _render_actions(actions)
    return blocks


def _paragraph(shown: Paragraph) -> Json:
    if shown.subtle and not has_dates(shown.text):  # plain text is no place for dates, and markup for nothing
        return {"type": "context", "elements": [plain_text(shown.text)]}
    return rich_text(section(*_runs(shown.runs)))


def _runs(runs: Sequence[TextRun]) -> list[Json]:
    return [piece for run in runs for piece in text_runs(run.text, bold=run.bold, url=run.url)]


def _on_lines(lines: Sequence[Sequence[TextRun]]) -> list[Json]:
    """Return the pieces of several lines in one part."""
    pieces = [[*_runs(line), text_run("\n")] for line in lines]
    return [piece for line in pieces for piece in line][:-1]


def _rows(rows: Sequence[Sequence[str]]) -> Iterator[Json]:
    """Yield a table's rows as lines: the first cell, then the others, each with the heading of its column."""
    head, *others = rows
    for first, *cells in others:
        said = [f"{name}: {cell}" for name, cell in zip(head[1:], cells, strict=False)]
        yield rich_text(section(*text_runs(f"{first}  ", bold=True), *text_runs("; ".join(said))))


def _join_texts(blocks: Sequence[Json]) -> list[Json]:
    """Join texts that follow on one another, which saves blocks and the gaps between them."""
    joined: list[Json] = []
    for block in blocks:
        before = joined[-1] if joined else {}
        if (
            block["type"] == before.get("type") == "rich_text"
            and _count_runs(before) + _count_runs(block) < MOST_RUNS
            and _count_letters(before) + _count_letters(block) < 2 * PART_CHARACTERS
        ):
            joined[-1] = rich_text(*_set_apart(before["elements"], block["elements"]))
        else:
            joined.append(block)
    return joined


def _set_apart(before: Sequence[Json], after: Sequence[Json]) -> list[Json]:
    """Return the parts of two texts, the second one on a line of its own."""
    parts = [*before]
    if parts[-1]["type"] == after[0]["type"] == "rich_text_section":
        parts[-1] = section(*parts[-1]["elements"], text_run("\n"))
    return [*parts, *after]


def _count_runs(block: Json) -> int:
    return sum(len(part["elements"]) for part in block["elements"])


def _count_letters(block: Json) -> int:
    return sum(len(piece.get("text", "")) for part in block["elements"] for piece in part["elements"])


def _enlarge(block: Json) -> Json:
    if block["type"] != "context":
        return block
    return rich_text(section(text_run(" ".join(element["text"] for element in block["elements"]))))


# Buttons


def encode_value(data: Mapping[str, Any]) -> str:
    """Return the value of a button. Raises ValueError where Slack would not take it."""
    value = json.dumps(dict(data), separators=(",", ":"), ensure_ascii=False)
    if len(value) > VALUE_CHARACTERS:
        raise ValueError("a button says more than Slack carries")
    return value


def say_button(title: str, words: str, number: int) -> Json:
    """Return a button that says these words in the name of who presses it."""
    return _button(title, f"{SAY}:{number}", value=encode_value({"say": clip_text(words, SAID_CHARACTERS)}))


def _button(title: str, action_id: str, **more: object) -> Json:
    return {"type": "button", "text": plain_text(title, BUTTON_CHARACTERS), "action_id": action_id, **more}


def _render_actions(actions: Sequence[Action]) -> list[Json]:
    elements = [made for number, action in enumerate(actions) for made in _render_action(action, number)]
    return [{"type": "actions", "elements": elements[:MOST_BUTTONS]}] if elements else []


def _render_action(action: Action, number: int) -> list[Json]:
    match action:
        case ActionButton():
            style = {"style": _STYLES[action.style]} if action.style in _STYLES else {}
            value = encode_value(action.data)
            return [_button(action.title, f"{ACT}:{action.verb}", value=value, **style)]
        case SayButton(title, words):
            return [say_button(title, words, number)]
        case LinkButton(title, url):
            return [_button(title, f"{LINK}:{number}", url=url)] if len(url) <= URL_CHARACTERS else []
        case Form(title, inputs, button):
            opener = _button(title, f"{OPEN}:{button.verb}", value=encode_value(button.data))
            return _stars(opener, button) if isinstance(inputs[0], StarsInput) else [opener]


def _stars(opener: Json, button: ActionButton) -> list[Json]:
    """Return a list of stars where an option has room for what it sends, and the way to a comment."""
    data = {**button.data, "verb": "rate.comment"}
    comment = _button(say("Comment"), f"{OPEN}:rate.comment", value=encode_value(data))
    values = [encode_stars(data, stars) for stars in range(1, len(_STAR_NAMES) + 1)]
    if any(len(value) > OPTION_CHARACTERS for value in values):
        return [opener, comment]
    choose = {
        "type": "static_select",
        "placeholder": plain_text(say("★ Rate this answer"), OPTION_CHARACTERS),
        "action_id": f"{STARS}:{button.verb}",
        "options": [_option(say(name), value) for name, value in zip(_STAR_NAMES, values, strict=True)],
    }
    return [choose, comment]


def _option(title: str, value: str) -> Json:
    return {"text": plain_text(title, OPTION_TEXT), "value": value[:OPTION_CHARACTERS]}


def encode_stars(data: Mapping[str, Any], stars: int) -> str:
    """Return what choosing so many stars sends; an option carries less than a button."""
    return f"{data['seal']}|{stars}|{data['answer_id']}"


def decode_stars(value: str) -> Json:
    """Read what `encode_stars` wrote; whatever else it is, the signature does not fit."""
    signature, _, rest = value.partition("|")
    stars, _, answer_id = rest.partition("|")
    return {"verb": "rate.stars", "answer_id": answer_id, "seal": signature, "stars": stars}


def _thumbs(asked: ThumbsRequest) -> Json:
    """Return Slack's own thumbs; they are signed as the other buttons of the answer are."""
    data: Json = {"verb": "rate.thumb", "answer_id": asked.answer_id, "seal": asked.signature}
    data |= {"form": True} if asked.asks_why else {}

    def thumb(title: str, label: str, value: str) -> Json:
        value = encode_value(data | {"thumb": value})
        return {"text": plain_text(title, BUTTON_CHARACTERS), "accessibility_label": label, "value": value}

    element = {
        "type": "feedback_buttons",
        "action_id": f"{THUMB}:rate.thumb",
        "positive_button": thumb(say("Good answer"), say("Mark this answer as good"), "like"),
        "negative_button": thumb(say("Bad answer"), say("Mark this answer as bad"), "dislike"),
    }
    return {"type": "context_actions", "elements": [element]}


# Forms


def render_form(form: Form, about: Mapping[str, Any]) -> Json:
    """Return a modal; `about` comes back with it, unseen. Raises ValueError where Slack would not take it."""
    metadata = json.dumps(about, separators=(",", ":"), ensure_ascii=False)
    if len(metadata) > METADATA_CHARACTERS:
        raise ValueError("this form cannot be shown in Slack")
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": plain_text(form.title.strip("★ ").rstrip("…"), TITLE_CHARACTERS),
        "submit": plain_text(form.button.title, TITLE_CHARACTERS),
        "close": plain_text(say("Cancel"), TITLE_CHARACTERS),
        "private_metadata": metadata,
        "blocks": [_field(one) for one in form.inputs],
    }


def _field(shown: Input) -> Json:
    match shown:
        case TextInput():
            optional, element = not shown.required, _text_field(shown)
        case ChoiceInput(choices=choices, value=value, several=several):
            optional, element = not value, _choice_field(choices, value, several=several)
        case StarsInput(names=names):
            choices = [(str(stars), name) for stars, name in enumerate(names, start=1)]
            optional, element = False, _choice_field(choices)
    return {
        "type": "input",
        "block_id": shown.id,
        "label": plain_text(shown.label, LABEL_CHARACTERS),
        "optional": optional,
        "element": element | {"action_id": shown.id},
    }


def _text_field(shown: TextInput) -> Json:
    most = min(shown.max_length, FIELD_CHARACTERS)
    element: Json = {"type": "plain_text_input", "multiline": shown.multiline, "max_length": most}
    return element | ({"initial_value": clip_text(shown.value, most)} if shown.value else {})


def _choice_field(choices: Sequence[tuple[str, str]], value: str = "", *, several: bool = False) -> Json:
    most = MOST_BOXES if several else MOST_OPTIONS
    options = [_option(title, choice) for choice, title in choices[:most]]
    chosen = next((option for option in options if value and option["value"] == value), None)
    element: Json = {"type": "checkboxes" if several else "static_select", "options": options}
    return element | ({"initial_option": chosen} if chosen else {})
