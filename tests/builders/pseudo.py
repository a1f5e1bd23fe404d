"""A language for tests: every letter of a catalogue's text is a full-width one; what is plain is in none."""

from __future__ import annotations

import gettext
import re
import string
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core import translation

_WIDE = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in string.ascii_letters})
_VISIBLE = ("text", "title", "label", "errorMessage", "fallbackText", "accessibility_label")
_DATE = re.compile(r"\{\{(?:DATE|TIME)\([^)]*\)\}\}")
"""What a client writes in its own language."""
_PLAIN = re.compile(r"[A-Za-z]{2,}")


class _Pseudo(gettext.NullTranslations):
    def gettext(self, message: str) -> str:
        return "".join(
            part if part.startswith("{") else part.translate(_WIDE)
            for part in re.split(r"(\{\w+\})", message)
        )

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@contextmanager
def speak_pseudo(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Speak it inside of the block; days and numbers are German ones, which have no letters."""
    with monkeypatch.context() as patch, translation.speak("de"):
        patch.setattr(translation, "load_catalogue", lambda _: _Pseudo())
        yield


def find_plain_words(card: Any, *data: str) -> set[str]:
    """Return the words that people see in a card and that no catalogue says, without those of `data`."""
    return {word for text in _list_visible(card) for word in _PLAIN.findall(_DATE.sub("", text))} - set(data)


def _list_visible(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for part in node:  # pyright: ignore[reportUnknownVariableType]
            yield from _list_visible(part)
    elif isinstance(node, dict):
        yield from (node[name] for name in _VISIBLE if isinstance(node.get(name), str))
        yield from (fact["value"] for fact in node.get("facts", ()))  # pyright: ignore
        for part in node.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _list_visible(part)
