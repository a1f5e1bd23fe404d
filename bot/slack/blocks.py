"""Our cards in Block Kit: the same content as in Teams, drawn with what Slack has.

One drawing for all of our cards, so that a new one needs no second drawing. What the cards consist of is in
`bot/cards/common.py`: lines become rich text, sources become a link with a quotation, buttons become buttons whose value
is what the card's own action says, with its seal. A part that unfolds becomes a button that opens a form
(`bot/slack/modal.py`).

Text in Slack, as text: nothing that a page, a model or a person wrote becomes a mention, a link or markup.

Slack reads `<!channel>`, `<@U…>` and `<https://…|label>` out of its own markup, and Markdown out of streamed text. What
stays on screen is therefore rich text, whose runs Slack shows letter by letter. Where it takes nothing but markup, the
three letters that begin and end it are escaped; where it takes Markdown, they are replaced by lookalikes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from bot.cards.answer_text import QUOTATION
from bot.channels.activity import as_dict, as_dicts, as_text
from core.text import calm, clipped, printable

Json = dict[str, Any]

RUN_CHARACTERS = 3_000
PLAIN_CHARACTERS = 3_000
STREAM_CHARACTERS = 11_000
"""Slack takes 12,000 letters of Markdown in one message."""
NOTE_CHARACTERS = 3_000
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


def escaped(text: str) -> str:
    """Return a text for Slack's markup, where it means itself.

    >>> escaped("<!channel> R&D")
    '&lt;!channel&gt; R&amp;D'
    """
    return printable(text).translate(_ESCAPES)


def notification(text: str) -> str:
    """Return what a notification shows of a message."""
    cut = clipped(text, NOTE_CHARACTERS // 2)
    while len(escaped(cut)) > NOTE_CHARACTERS:
        cut = clipped(cut, len(cut) // 2)
    return escaped(cut) or "…"


def streamed(text: str) -> str:
    """Return an answer as far as it is written, as Markdown that has nothing but its citation marks in it."""
    return clipped(calm(text, keep_urls=(), markers=99).replace("<", "‹"), STREAM_CHARACTERS)


def plain(text: str, characters: int = PLAIN_CHARACTERS) -> Json:
    """Return a text object that is shown as it stands; Slack takes no empty one."""
    return {"type": "plain_text", "text": clipped(text, characters).strip() or "…", "emoji": False}


def run(text: str, *, bold: bool = False, url: str = "") -> Json:
    """Return a piece of rich text."""
    shown = clipped(text, RUN_CHARACTERS) or " "
    piece: Json = {"type": "link", "url": url, "text": shown} if url else {"type": "text", "text": shown}
    return piece | {"style": {"bold": True}} if bold else piece


def paragraph(*runs: Json) -> Json:
    """Return a part of a rich text."""
    return {"type": "rich_text_section", "elements": list(runs)}


def quotation(text: str) -> Json:
    """Return the words of a page as a part of a rich text."""
    return quoted(run(text))


def quoted(*runs: Json) -> Json:
    """Return these runs, words of a page, as a part of a rich text."""
    return {"type": "rich_text_quote", "elements": list(runs)}


def rich(*parts: Json) -> Json:
    """Return a block of these parts, one below the other."""
    return {"type": "rich_text", "elements": list(parts)}


MOST_BLOCKS = 50
MOST_BUTTONS = 25
MOST_RUNS = 90
BUTTON_CHARACTERS = 75
VALUE_CHARACTERS = 2_000
OPTION_CHARACTERS = 150
URL_CHARACTERS = 3_000
OPEN, ACT, SAY, LINK, THUMB, STARS = "open", "act", "say", "link", "thumb", "stars"
"""How an action's id begins: what pressing it does."""
AI_LABEL = "Written by AI from your pages. Please check what matters."
QUOTE_LABEL = "Found by AI, in the words of your pages. Please check what matters."
_MARKER = re.compile(r"\[(\d{1,2})\]")
_STAR_NAMES = ("★ wrong", "★★ poor", "★★★ fair", "★★★★ good", "★★★★★ just right")


def message_of(activity: Mapping[str, Any]) -> Json:
    """Return `text` and `blocks` of a message of ours (`bot/channels/activity.py`)."""
    text, card = as_text(activity.get("text")), card_in(activity)
    blocks = [*_spoken(activity, text), *below(activity)]
    summary = as_text(activity.get("summary")) or text or as_text(card.get("fallbackText"))
    return {"text": notification(summary), "blocks": fitted(blocks)}


def below(activity: Mapping[str, Any]) -> list[Json]:
    """Return what stands under the text of a message: its card, the label, the thumbs."""
    card = card_in(activity)
    blocks = card_blocks(card)
    written = any("AIGeneratedContent" in entity.get("additionalType", ()) for entity in _entities(activity))
    if written:
        label = QUOTE_LABEL if _is_quoted(card) else AI_LABEL
        blocks.append({"type": "context", "elements": [plain(label)]})
    if loop := as_dict(as_dict(activity.get("channelData")).get("feedbackLoop")):
        blocks += _thumbs(card, asks_why=loop.get("type") == "custom")
    return blocks


def card_in(activity: Mapping[str, Any]) -> Json:
    """Return the card of a message, {} for none."""
    attached = as_dicts(activity.get("attachments"))
    return as_dict(attached[0].get("content")) if attached else {}


def card_blocks(card: Mapping[str, Any]) -> list[Json]:
    """Return an Adaptive Card of ours as blocks."""
    blocks = [block for item in as_dicts(card.get("body")) for block in _item(item)]
    return [*_joined(blocks), *_buttons(as_dicts(card.get("actions")))]


def fitted(blocks: Sequence[Json]) -> list[Json]:
    """Return at most as many blocks as Slack takes: small print is joined to the text before it, then the middle goes."""
    kept = list(blocks)
    if len(kept) > MOST_BLOCKS:
        kept = _joined([_enlarged(block) for block in kept])
    if len(kept) > MOST_BLOCKS:
        ends = [block for block in kept if block["type"] not in {"rich_text", "context"}][-MOST_BUTTONS:]
        texts = [block for block in kept if block["type"] in {"rich_text", "context"}]
        kept = [*texts[: MOST_BLOCKS - len(ends)], *ends]
    return kept


def value_of(data: Mapping[str, Any]) -> str:
    """Return the value of a button. Raises ValueError where Slack would not take it."""
    value = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    if len(value) > VALUE_CHARACTERS:
        raise ValueError("a button says more than Slack carries")
    return value


def button(title: str, action_id: str, data: Mapping[str, Any], style: str = "") -> Json:
    """Return a button that sends `data`."""
    made: Json = {"type": "button", "text": plain(title, BUTTON_CHARACTERS), "action_id": action_id}
    made["value"] = value_of(data)
    known = {"positive": "primary", "destructive": "danger"}
    return made | ({"style": known[style]} if style in known else {})


def say_button(title: str, words: str, number: int) -> Json:
    """Return a button that says these words in the name of who presses it."""
    return button(title, f"{SAY}:{number}", {"say": clipped(words, 500)})


# Text


def _spoken(activity: Mapping[str, Any], text: str) -> list[Json]:
    """Return what the message says; its citation marks lead to their sources."""
    if not text:
        return []
    urls = {
        claim.get("position"): as_text(as_dict(claim.get("appearance")).get("url"))
        for entity in _entities(activity)
        for claim in as_dicts(entity.get("citation"))
    }
    blocks: list[Json] = []
    for part in [text[at : at + 2_900] for at in range(0, len(text), 2_900)]:
        pieces: list[Json] = []
        end = 0
        for marker in list(_MARKER.finditer(part))[: MOST_RUNS // 2]:
            if url := urls.get(int(marker[1]), ""):
                pieces += [run(part[end : marker.start()])] if marker.start() > end else []
                pieces.append(run(marker[0], url=url))
                end = marker.end()
        if part[end:]:
            pieces.append(run(part[end:]))
        blocks.append(rich(paragraph(*pieces)))
    return blocks


def _entities(activity: Mapping[str, Any]) -> list[Json]:
    return as_dicts(activity.get("entities"))


def _item(item: Mapping[str, Any]) -> list[Json]:
    match item.get("type"):
        case "RichTextBlock" | "TextBlock":
            return [_line(item)]
        case "FactSet":
            facts = as_dicts(item.get("facts"))
            lines = [
                [run(f"{as_text(f.get('title'))}: ", bold=True), run(as_text(f.get("value")))] for f in facts
            ]
            return [rich(*(paragraph(*pieces) for pieces in _on_lines(lines)))]
        case "Container":
            draw = _quotation if item.get("id") == QUOTATION else _source
            return [draw(as_dicts(item.get("items")))]
        case "ActionSet":
            return _buttons(as_dicts(item.get("actions")))
        case "Table" | "ColumnSet":
            return _side_by_side(item)
        case _:
            return []


def _side_by_side(item: Mapping[str, Any]) -> list[Json]:
    """Return what stands side by side in Teams, one below the other."""
    columns = as_dicts(item.get("columns"))
    inside = [block for column in columns for part in as_dicts(column.get("items")) for block in _item(part)]
    return [*_rows(as_dicts(item.get("rows"))), *inside]


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return a table as lines: the first cell of each row, then the others, each with the heading of its column."""
    head, *others = [[_words(cell) for cell in as_dicts(row.get("cells"))] for row in rows] or [[]]
    lines: list[list[Json]] = []
    for first, *cells in filter(None, others):
        said = [f"{name}: {cell}" for name, cell in zip(head[1:], cells, strict=False)]
        lines.append([run(f"{first}  ", bold=True), run("; ".join(said))])
    return [rich(paragraph(*pieces)) for pieces in lines]


def _words(cell: Mapping[str, Any]) -> str:
    runs = [one for item in as_dicts(cell.get("items")) for one in as_dicts(item.get("inlines"))]
    return " ".join(as_text(one.get("text")) for one in runs)


def _line(item: Mapping[str, Any]) -> Json:
    first, *others = as_dicts(item.get("inlines")) or [dict(item)]
    if first.get("isSubtle"):
        return {"type": "context", "elements": [plain(as_text(first.get("text")))]}
    return rich(paragraph(*(_piece(one) for one in (first, *others))))


def _piece(shown: Mapping[str, Any]) -> Json:
    """Draw a part of a line; one that opens an address is a link."""
    url = as_text(as_dict(shown.get("selectAction")).get("url"))
    bold = shown.get("weight") == "Bolder"
    return run(as_text(shown.get("text")), bold=bold, url=url if len(url) <= URL_CHARACTERS else "")


def _is_quoted(card: Mapping[str, Any]) -> bool:
    return any(item.get("id") == QUOTATION for item in as_dicts(card.get("body")))


def _quotation(items: Sequence[Mapping[str, Any]]) -> Json:
    """Draw the words of a page, what answers best in bold letters."""
    lines = [
        [
            run(as_text(one.get("text")), bold=one.get("weight") == "Bolder")
            for one in as_dicts(item.get("inlines"))
        ]
        for item in items
    ]
    return rich(quoted(*(piece for pieces in _on_lines(lines) for piece in pieces)))


def _source(items: Sequence[Mapping[str, Any]]) -> Json:
    """Draw a source: its name, which opens it, and its words."""
    url = ""
    texts: list[str] = []
    for item in items:
        texts += [as_text(one.get("text")) for one in as_dicts(item.get("inlines"))]
        openers = [as_dict(one.get("selectAction")) for one in as_dicts(item.get("inlines"))]
        for action in [*openers, *as_dicts(item.get("actions"))]:
            url = as_text(action.get("url")) or url
    name, *quotes = texts or [""]
    url = url if len(url) <= URL_CHARACTERS else ""
    return rich(paragraph(run(name, bold=True, url=url)), *(quotation(quote) for quote in quotes))


def _joined(blocks: Sequence[Json]) -> list[Json]:
    """Join texts that follow on one another, which saves blocks and the gaps between them."""
    joined: list[Json] = []
    for block in blocks:
        before = joined[-1] if joined else {}
        if (
            block["type"] == before.get("type") == "rich_text"
            and _runs(before) + _runs(block) < MOST_RUNS
            and _letters(before) + _letters(block) < 2 * 2_900
        ):
            joined[-1] = rich(*_apart(before["elements"], block["elements"]))
        else:
            joined.append(block)
    return joined


def _apart(before: Sequence[Json], after: Sequence[Json]) -> list[Json]:
    """Return the parts of two texts, the second one on a line of its own."""
    parts = [*before]
    if parts[-1]["type"] == after[0]["type"] == "rich_text_section":
        parts[-1] = paragraph(*parts[-1]["elements"], run("\n"))
    return [*parts, *after]


def _on_lines(lines: Sequence[Sequence[Json]]) -> list[list[Json]]:
    return [[*pieces, run("\n")] for pieces in lines[:-1]] + [list(pieces) for pieces in lines[-1:]]


def _runs(block: Json) -> int:
    return sum(len(part["elements"]) for part in block["elements"])


def _letters(block: Json) -> int:
    return sum(len(piece.get("text", "")) for part in block["elements"] for piece in part["elements"])


def _enlarged(block: Json) -> Json:
    if block["type"] != "context":
        return block
    return rich(paragraph(run(" ".join(element["text"] for element in block["elements"]))))


# Buttons


def _buttons(actions: Sequence[Mapping[str, Any]]) -> list[Json]:
    elements = [made for number, action in enumerate(actions) for made in _pressed(action, number)]
    if not elements:
        return []
    return [{"type": "actions", "elements": elements[:MOST_BUTTONS]}]


def _pressed(action: Mapping[str, Any], number: int) -> list[Json]:
    title, data, style = (
        as_text(action.get("title")),
        as_dict(action.get("data")),
        as_text(action.get("style")),
    )
    match action.get("type"):
        case "Action.Execute":
            return [button(title, f"{ACT}:{as_text(data.get('verb'))}", data, style)]
        case "Action.ShowCard":
            return _opener(title, as_dict(action.get("card")))
        case "Action.Submit" if data.get("question"):
            return [say_button(title, as_text(data["question"]), number)]
        case "Action.OpenUrl" if len(as_text(action.get("url"))) <= URL_CHARACTERS:
            return [
                {
                    "type": "button",
                    "text": plain(title, BUTTON_CHARACTERS),
                    "action_id": f"{LINK}:{number}",
                    "url": as_text(action.get("url")),
                }
            ]
        case _:
            return []


def _opener(title: str, card: Mapping[str, Any]) -> list[Json]:
    """Return what opens a form: a button; for stars a list to choose from, and the way to a comment."""
    (inner, *_) = as_dicts(card.get("actions"))
    data = as_dict(inner.get("data"))
    verb = as_text(data.get("verb"))
    if verb != "rate.stars":
        return [button(title, f"{OPEN}:{verb}", data)]
    comment = button("Comment", f"{OPEN}:rate.comment", data | {"verb": "rate.comment"})
    options = [
        {"text": plain(name, BUTTON_CHARACTERS), "value": star_value(data, stars)}
        for stars, name in enumerate(_STAR_NAMES, start=1)
    ]
    if any(len(option["value"]) > OPTION_CHARACTERS for option in options):
        return [button(title, f"{OPEN}:{verb}", data), comment]
    choose = {
        "type": "static_select",
        "placeholder": plain("★ Rate this answer", OPTION_CHARACTERS),
        "action_id": f"{STARS}:{verb}",
        "options": options,
    }
    return [choose, comment]


def star_value(data: Mapping[str, Any], stars: int) -> str:
    """Return what choosing so many stars sends; an option carries less than a button."""
    return f"{as_text(data.get('seal'))}|{stars}|{as_text(data.get('answer_id'))}"


def star_data(value: str) -> Json:
    """Read what `star_value` wrote; whatever else it is, the seal does not fit."""
    seal, _, rest = value.partition("|")
    stars, _, answer_id = rest.partition("|")
    return {"verb": "rate.stars", "answer_id": answer_id, "seal": seal, "stars": stars}


def _thumbs(card: Mapping[str, Any], *, asks_why: bool) -> list[Json]:
    """Return Slack's own thumbs; they are sealed as the other buttons of the answer are. `asks_why`: a form follows."""
    about = next((data for data in _data_in(card) if as_text(data.get("verb")).startswith("rate.")), None)
    if about is None:
        return []
    data: Json = {"verb": "rate.thumb", "answer_id": about["answer_id"], "seal": about["seal"]}
    data |= {"form": True} if asks_why else {}
    element = {
        "type": "feedback_buttons",
        "action_id": f"{THUMB}:rate.thumb",
        "positive_button": {
            "text": plain("Good answer", BUTTON_CHARACTERS),
            "accessibility_label": "Mark this answer as good",
            "value": value_of(data | {"thumb": "like"}),
        },
        "negative_button": {
            "text": plain("Bad answer", BUTTON_CHARACTERS),
            "accessibility_label": "Mark this answer as bad",
            "value": value_of(data | {"thumb": "dislike"}),
        },
    }
    return [{"type": "context_actions", "elements": [element]}]


def _data_in(card: Mapping[str, Any]) -> list[Json]:
    found: list[Json] = []
    for action in as_dicts(card.get("actions")):
        found.append(as_dict(action.get("data")))
        found += _data_in(cast("Mapping[str, Any]", action.get("card") or {}))
    return found
