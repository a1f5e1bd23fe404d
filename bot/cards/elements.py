"""The vocabulary of cards: what a card consists of, whichever channel shows it.

A card is made once of these elements, and each channel renders it: as an Adaptive Card for Teams and the chat
page (`bot/cards/adaptive.py`), as Block Kit for Slack (`bot/slack/blocks.py`). No element renders Markdown:
text of people and pages is shown as it stands. Sizes, colors and spacings are those of Adaptive Cards, "" is
the default; a channel without them leaves them out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.records import Citation
from core.text import absolute, clip_text
from core.translation import say

_BULLET = re.compile(r"^[-*•]\s+")

QUOTE_CHARACTERS = 400
PLACE_CHARACTERS = 160

Size = Literal["", "Small", "Medium"]
Color = Literal["", "Good", "Warning", "Accent"]
Spacing = Literal["", "None", "Small", "Medium"]
Style = Literal["default", "positive", "destructive"]


# What is read


@dataclass(frozen=True, slots=True)
class TextRun:
    """A piece of a paragraph; it opens `url` where it has one."""

    text: str
    bold: bool = False
    url: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Pieces of text on one line. `separator` draws a rule above it."""

    runs: tuple[TextRun, ...]
    size: Size = ""
    color: Color = ""
    subtle: bool = False
    spacing: Spacing = ""
    separator: bool = False

    @property
    def text(self) -> str:
        """The words of all pieces."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True, slots=True)
class Quotation:
    """The words of a page, line by line; what answers best is bold."""

    lines: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A place on a page with its words. `compact`: its name is the link, without a button of its own."""

    name: str
    quote: str = ""
    url: str = ""
    compact: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values, one below the other."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. The first row and the first column are headings; `widths` are shares of the whole."""

    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """Paragraphs side by side."""

    columns: tuple[tuple[Paragraph, ...], ...]


@dataclass(frozen=True, slots=True)
class ButtonRow:
    """Buttons between other elements; those of the whole card are `Card.actions`."""

    actions: tuple[Action, ...]


# What is filled in


@dataclass(frozen=True, slots=True)
class TextInput:
    """A field for text. `required` is the complaint where it stays empty, "" where it may."""

    id: str
    label: str
    max_length: int
    multiline: bool = True
    value: str = ""
    required: str = ""


@dataclass(frozen=True, slots=True)
class ChoiceInput:
    """A choice between (value, title). `several` may be ticked; otherwise `value` is chosen at first."""

    id: str
    label: str
    choices: tuple[tuple[str, str], ...]
    value: str = ""
    several: bool = False
    wrap: bool = False


@dataclass(frozen=True, slots=True)
class StarsInput:
    """One to `len(names)` stars, and what each number of them means."""

    id: str
    label: str
    names: tuple[str, ...]


# What is pressed


@dataclass(frozen=True, slots=True)
class ActionButton:
    """Asks the bot to do `data["verb"]`. `inputs`: what is filled in beside it comes along."""

    title: str
    data: Mapping[str, Any]
    style: Style = "default"
    inputs: bool = False

    @property
    def verb(self) -> str:
        """What the bot is asked to do."""
        return str(self.data["verb"])


@dataclass(frozen=True, slots=True)
class SayButton:
    """Says these words in the person's name."""

    title: str
    words: str


@dataclass(frozen=True, slots=True)
class LinkButton:
    """Opens a web address."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Form:
    """Some inputs and the button that sends them; on a card it unfolds below a button with its title."""

    title: str
    inputs: tuple[Input, ...]
    button: ActionButton


Input = TextInput | ChoiceInput | StarsInput
Action = ActionButton | SayButton | LinkButton | Form
Element = Paragraph | Quotation | Source | Facts | Table | Columns | ButtonRow


@dataclass(frozen=True, slots=True)
class Refresh:
    """How a client asks for its reader's own view of a card: `data` is what it sends, its verb among it.

    In a large room only `people`, by their ids on the channel, ask by themselves.
    """

    data: Mapping[str, Any]
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """Elements one below the other, and buttons. `fallback` is for notifications and for old clients.

    `refresh` is for channels where several people see one card, and each may have another view of it.
    `shorten` draws the same with less to read, for a channel where this one is too large.
    """

    body: tuple[Element, ...]
    actions: tuple[Action, ...]
    fallback: str
    refresh: Refresh | None = None
    shorten: Callable[[], Card] | None = field(default=None, compare=False, repr=False)

    def find_form(self, verb: str) -> Form | None:
        """Return the form whose button has this verb."""
        forms = (action for action in self.actions if isinstance(action, Form))
        return next((form for form in forms if form.button.verb == verb), None)


# How cards make them


def line(
    text: str,
    *,
    bold: bool = False,
    size: Size = "",
    color: Color = "",
    subtle: bool = False,
    spacing: Spacing = "",
) -> Paragraph:
    """Return a paragraph of one piece."""
    return Paragraph((TextRun(text, bold),), size, color, subtle, spacing)


def title(text: str) -> Paragraph:
    """Return the first line of a card."""
    return line(text, bold=True, size="Medium")


def heading(text: str) -> Paragraph:
    """Return the first line of a part of a card."""
    return line(text, bold=True, spacing="Medium")


def small_print(text: str) -> Paragraph:
    """Return a line for those who look closely."""
    return line(text, size="Small", subtle=True)


def source(
    citation: Citation,
    site_url: str | None,
    number: str = "",
    *,
    compact: bool = False,
    opened_by: str = "",
    label: str = "",
) -> Source:
    """Return where the words of a citation stand; `number` comes before its name.

    Without a `site_url` it cannot be opened. `opened_by` is an address that leads there and counts it;
    `label` says how sensitive its page is.
    """
    url = "" if site_url is None else absolute(citation.url, site_url)
    quote = clip_text(read_quote(citation), QUOTE_CHARACTERS)
    shown = f"“{quote}”" if quote else ""
    name = f"{number}{name_place(citation)}" + (f" · {label}" if label else "")
    return Source(name, shown, url and (opened_by or url), compact)


def read_quote(citation: Citation) -> str:
    """Return the words of a citation on one line; of a single item of a list without its bullet."""
    words = citation.quote.strip()
    return " ".join((words if "\n" in words else _BULLET.sub("", words)).split())


def name_place(citation: Citation) -> str:
    """Name a section by its page and heading, once where they are the same: "Leave › Annual leave"."""
    names = dict.fromkeys(name.strip() for name in (citation.title, citation.heading) if name.strip())
    return clip_text(" › ".join(names) or say("Page"), PLACE_CHARACTERS)
