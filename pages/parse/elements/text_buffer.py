"""Plain text that is being written: spaces collapse, and breaks are at most one empty line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SPACES = re.compile(r"\s+")


@dataclass
class TextBuffer:
    """Takes text and breaks as they come in an element, and gives them back as a reader sees them."""

    parts: list[str] = field(default_factory=list[str])
    breaks: int = 0
    at_space: bool = True
    held: bool = False
    """What comes next stands beside what was written last: behind a bullet, or a term and its colon."""
    broken_by_br: bool = False

    def add(self, text: str, *, raw: bool = False) -> None:
        """Add text; `raw` keeps its spaces and lines."""
        text = text if raw else _SPACES.sub(" ", text)
        if self.at_space or self.breaks:
            text = text.lstrip("\n") if raw and self.breaks else text if raw else text.lstrip(" ")
        if not text:
            return
        if self.breaks and self.parts:
            self.parts[-1] = self.parts[-1].rstrip()
            self.parts.append("\n" * self.breaks)
        self.breaks, self.broken_by_br = 0, False
        self.parts.append(text)
        self.at_space, self.held = text[-1].isspace(), False

    def bullet(self, sign: str) -> None:
        """Begin an item."""
        self.break_line(1)
        self.add(sign, raw=True)
        self.held = True

    def break_line(self, lines: int) -> None:
        """Begin a new line, or a new paragraph (2)."""
        if not self.held:
            self.breaks = max(self.breaks, lines)

    def break_by_br(self, most: int) -> None:
        """Begin a new line; the second one in a row begins a paragraph, where there is room for one."""
        self.break_line(most if self.broken_by_br and self.breaks else 1)
        self.broken_by_br = True

    def separate(self, sign: str) -> None:
        """Put a sign behind the last word, whatever broke there; nothing where no word is."""
        if not self.has_text():
            return
        self.parts[-1] = self.parts[-1].rstrip()
        self.breaks, self.at_space = 0, False
        self.add(sign, raw=True)

    def has_text(self) -> bool:
        """Tell whether anything was written."""
        return bool(self.parts)

    def ends_with(self, characters: int) -> str:
        """Return the last characters, a break among them as a new line."""
        written = "".join(self.parts[-3:])[-characters:]
        return f"{written}\n" if self.breaks else written

    def take(self) -> str:
        """Return the text, and begin anew."""
        text = "".join(self.parts)
        self.parts, self.breaks, self.at_space, self.held = [], 0, True, False
        self.broken_by_br = False
        return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
