"""Phrases: English sentences with their values, which are said in a reader's language where they are shown.

    mark("Please try again later.")                      a text that is said later, for the catalogues to find
    Phrase(mark("{site} is busy."), site="example.com")  "example.com is busy.", which knows how it was made

A `Phrase` is the English sentence for whoever takes it as a text: a log, the command line, a record.
`core.translation.say` says it in the reader's language. It crosses to another process as JSON, and what
comes from there is filled in, never run: a placeholder is a bare name.

Nothing here needs a catalogue or Babel (45 ms), so processes that only parse can make phrases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
_DEEPEST = 4
"""Phrases within phrases that are read of JSON."""


def mark(text: str) -> str:
    """Return a text as it is; it is said later, and `say` finds it in the catalogues."""
    return text


def mark_count(one: str, several: str) -> tuple[str, str]:
    """Return both forms of a text about a number as they are, for `say_count` later."""
    return one, several


class Phrase(str):
    """An English sentence, the template that it was made of, and the values in it, phrases among them.

    Of one about a number, `template` is the singular form and `several` the plural; the number is {count}.
    """

    template: str
    values: Mapping[str, object]
    several: str = ""

    def __new__(cls, template: str, /, **values: object) -> Phrase:
        """Whole numbers are grouped; other values stand as they are."""
        phrase = super().__new__(cls, fill_in(template, values, _show))
        phrase.template, phrase.values = template, values
        return phrase

    @classmethod
    def of_count(cls, forms: tuple[str, str], count: int, /, **values: object) -> Phrase:
        """Return a sentence about `count` things; `forms` are its singular and its plural (`mark_count`)."""
        phrase = cls(forms[count != 1], count=count, **values)
        phrase.template, phrase.several = forms
        return phrase

    @property
    def is_bare(self) -> bool:
        """Whether it has no words but its values."""
        return not any(letter.isalpha() for letter in _PLACEHOLDER.sub("", self.template))

    def to_json(self) -> list[object]:
        """Return it as JSON has it."""
        values = {
            name: one.to_json() if isinstance(one, Phrase) else one for name, one in self.values.items()
        }
        return [self.template, values, *([self.several] if self.several else [])]

    @classmethod
    def from_json(cls, written: object, depth: int = 0) -> Phrase:
        """Return what `to_json` wrote. What is none becomes a text without values."""
        match written:
            case [str() as template, dict()] if depth < _DEEPEST:
                return cls(template, **_read_values(cast("list[Any]", written)[1], depth))
            case [str() as one, {"count": int() as count}, str() as several] if depth < _DEEPEST:
                values = _read_values(cast("list[Any]", written)[1], depth)
                del values["count"]
                return cls.of_count((one, several), count, **values)
            case _:
                return cls(str(written))


def join_phrases(first: Phrase, *others: Phrase | None) -> Phrase:
    """Return whole sentences as one text, without those that are None."""
    said = {f"sentence_{at}": one for at, one in enumerate([first, *filter(None, others)])}
    return Phrase(" ".join(f"{{{name}}}" for name in said), **said)


def write_phrases(texts: Sequence[str]) -> str:
    """Return what makes phrases again of texts that are kept as English ones; "" where none is a phrase."""
    phrases = [text.to_json() if isinstance(text, Phrase) else None for text in texts]
    return json.dumps(phrases) if any(phrases) else ""


def read_phrases(written: str, texts: Sequence[str]) -> Sequence[str]:
    """Return these texts, each as the phrase that it was when `write_phrases` wrote them.

    One that was none, or that has changed since, stays as it is.
    """
    kept: Sequence[object] = json.loads(written) if written else ()
    phrases = [Phrase.from_json(one) if one else None for one in kept]
    if len(phrases) != len(texts):
        return texts
    return [
        phrase if phrase is not None and phrase == text else text
        for phrase, text in zip(phrases, texts, strict=True)
    ]


def fill_in(text: str, values: Mapping[str, object], show: Callable[[object], object]) -> str:
    """Return a text with its values in the places of their names; braces of anything else stay."""
    if not values:
        return text
    return _PLACEHOLDER.sub(lambda found: _fill(found, values, show), text)


def _fill(found: re.Match[str], values: Mapping[str, object], show: Callable[[object], object]) -> str:
    return str(show(values[found[1]])) if found[1] in values else found[0]


def _show(value: object) -> object:
    if isinstance(value, bool):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else value


def _read_values(values: object, depth: int) -> dict[str, object]:
    return {name: _read(one, depth) for name, one in cast("dict[str, Any]", values).items()}


def _read(value: object, depth: int) -> object:
    is_plain = isinstance(value, str | int | float)
    return value if is_plain else Phrase.from_json(value, depth + 1)
