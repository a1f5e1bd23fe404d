"""Translations: the bot's own words in the language of whoever reads them, from gettext's message catalogues.

    say("I found nothing.")                                     →  "Ich habe nichts gefunden."
    say("{name} has claimed this.", name=name)                  →  placeholders are kept by their names
    say_count("{count} question", "{count} questions", 3)       →  plural forms are the language's own
    LATER = mark("Please try again later.")   ...   say(LATER)  →  for what is written before it is said
    say(phrase)                                                 →  a `core.phrases.Phrase`, with its values

English is the source: a text stands in the code as it is said, and is the key of its catalogue
(`core/catalogues/de.po`). `cli catalogues` finds every text that is given to `say`, `say_count` or `mark`. A
text that a catalogue lacks is said in English.

Who reads is told once, where something arrives (`set_language`) or leaves (`speak`), and holds for what is
done from there on, tasks included: the language is a context variable. Where nobody told, it is the default.

Babel rather than Fluent: it is installed anyway (trafilatura brings it by courlan; BSD-3, 33 MB on disk, most
of it CLDR's data, which Fluent's runtime needs Babel for, too), it extracts from Python and JavaScript, and
.po files are what translators have editors for. Catalogues are read as .po at first use (about 20 ms each),
so that nothing compiled has to be kept in step.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_timedelta
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from core.phrases import Phrase, fill_in
from core.phrases import mark as mark  # noqa: PLC0414 - it is imported from here where things are said
from core.phrases import mark_count as mark_count  # noqa: PLC0414

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {
    ENGLISH: "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "ja": "日本語",
}
"""The languages that the bot speaks, by their own names."""
CATALOGUES = Path(__file__).parent / "catalogues"
_ENGLISH_DAY = "d MMM y"
"""As everywhere outside of the United States; the other languages have their own."""


_ENGLISH_SHARE = "#,##0 %"
_UNITS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1))
_BRITISH = Locale("en", "GB")
"""For "a, b and c": the English texts are British."""


@dataclass(frozen=True, slots=True)
class LanguagePolicy:
    """The settings: the language where a reader's is not known or not spoken; the only one, "" for all."""

    default: str = ENGLISH
    only: str = ""


_policy = LanguagePolicy()
_reader: ContextVar[str] = ContextVar("the reader's language", default="")
_tag: ContextVar[str] = ContextVar("the reader's language as their client says it", default="")
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}")


def set_policy(policy: LanguagePolicy) -> None:
    """Set which languages this process speaks; called once where it starts."""
    global _policy  # noqa: PLW0603 - what a process speaks is of the process, as where telemetry goes
    _policy = policy


def choose_language(*tags: str) -> str:
    """Return the first of these languages that is spoken ("de-AT", "fr_CA", "ja"), else the default."""
    if _policy.only:
        return _policy.only
    primary = (tag.replace("_", "-").partition("-")[0].strip().lower() for tag in tags)
    return next((one for one in primary if one in LANGUAGES), _policy.default)


def set_language(*tags: str) -> str:
    """Speak the first of these languages from here on in this task, and in those that it starts."""
    language = choose_language(*tags)
    _reader.set(language)
    _tag.set(_find_tag(tags))
    return language


@contextmanager
def speak(*tags: str) -> Generator[str]:
    """Speak the first of these languages inside of the block."""
    language = choose_language(*tags)
    before, tag_before = _reader.set(language), _tag.set(_find_tag(tags))
    try:
        yield language
    finally:
        _reader.reset(before)
        _tag.reset(tag_before)


def get_language() -> str:
    """Return the language that is spoken here."""
    return _reader.get() or choose_language()


def get_language_tag() -> str:
    """Return the reader's language as their client says it ("pt-BR"), spoken here or not; "" if unknown."""
    return _tag.get()


def _find_tag(tags: Sequence[str]) -> str:
    written = (tag.strip().replace("_", "-") for tag in tags)
    return next((tag for tag in written if _TAG.fullmatch(tag)), "")


@lru_cache
def load_catalogue(language: str) -> gettext.NullTranslations:
    """Return what a language says for English texts; English says the texts themselves."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    compiled = BytesIO()
    with (CATALOGUES / f"{language}.po").open("rb") as written:
        write_mo(compiled, read_po(written, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def list_languages() -> Mapping[str, str]:
    """Return the languages that a reader can choose between, with their own names; {} where there is one."""
    return {} if _policy.only else LANGUAGES


@lru_cache
def list_texts(
    language: str, files: tuple[str, ...], but: tuple[str, ...] = ()
) -> Mapping[str, str | list[str]]:
    """Return what a language says for the texts of files or folders, by the (singular) English one.

    What stands in no others than `but` is left out.

    Both forms where there is a number. For whoever says them elsewhere, as a browser.
    """
    if language == ENGLISH:
        return {}
    with (CATALOGUES / f"{language}.po").open("rb") as written:
        catalogue = read_po(written, locale=language)
    return {
        message.id if isinstance(message.id, str) else message.id[0]: message.string
        if isinstance(message.string, str)
        else list(message.string or ())
        for message in catalogue
        if any(place.startswith(files) and place not in but for place, _ in message.locations)
    }


def say(text: str, /, **values: object) -> str:
    """Return a text in the reader's language. Numbers among the values are written as it does.

    A phrase brings its values; one that no catalogue has is said as it is.
    """
    if isinstance(text, Phrase):
        return _say_phrase(text)
    return fill_in(load_catalogue(get_language()).gettext(text), values, _format_value)


def _say_phrase(phrase: Phrase) -> str:
    if not phrase.several:
        return say(phrase.template, **phrase.values)
    values = dict(phrase.values)
    count = values.pop("count")
    return say_count(phrase.template, phrase.several, count if isinstance(count, int) else 0, **values)


def is_sayable(text: str) -> bool:
    """Tell whether the reader's language has a text, and the phrases in it, in its catalogue.

    English has all, and what is nothing but values needs none.
    """
    if get_language() == ENGLISH:
        return True
    catalogue = load_catalogue(get_language())
    if not isinstance(text, Phrase):
        return catalogue.gettext(text) != text
    if text.several:
        return catalogue.ngettext(text.template, text.several, 1) != text.template
    inner = [one for one in text.values.values() if isinstance(one, Phrase)]
    return (text.is_bare or is_sayable(text.template)) and all(map(is_sayable, inner))


def say_count(one: str, several: str, count: int, /, **values: object) -> str:
    """Return a text about `count` things; both forms have it as {count}, or leave it out."""
    said = load_catalogue(get_language()).ngettext(one, several, count)
    return fill_in(said, {"count": count, **values}, _format_value)


def _format_value(value: object) -> object:
    if isinstance(value, Phrase):
        return say(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return format_number(value)


@lru_cache
def _find_locale(language: str) -> Locale:
    return Locale.parse(language if language in LANGUAGES else ENGLISH)


def format_number(number: float, pattern: str | None = None) -> str:
    """Return a number as the reader writes it: "1,234.5", "1.234,5". `pattern` is CLDR's ("0.00")."""
    return format_decimal(number, pattern, _find_locale(get_language()))


def format_share(share: float) -> str:
    """Return a share as a percentage without decimals; in English with a space, as the docs write it."""
    language = get_language()
    return format_percent(share, _ENGLISH_SHARE if language == ENGLISH else None, _find_locale(language))


def format_day(time: datetime) -> str:
    """Return a day, in the zone that it comes in, as the reader writes it: "3 Jan 2026", "03.01.2026"."""
    language = get_language()
    width = _ENGLISH_DAY if language == ENGLISH else "medium"
    return format_date(time.date(), width, _find_locale(language))


def format_span(span: timedelta) -> str:
    """Return how long something takes, in its largest unit: "1 hour" for 90 minutes."""
    whole = _floor_span(span)
    return (
        format_timedelta(whole, threshold=1, locale=_find_locale(get_language()))
        if whole
        else say("a moment")
    )


def format_ago(time: datetime) -> str:
    """Return how long ago something was, in its largest unit: "5 minutes ago", "vor 5 Minuten"."""
    whole = _floor_span(datetime.now(UTC) - time)
    if not whole:
        return say("a moment ago")
    return format_timedelta(-whole, threshold=1, add_direction=True, locale=_find_locale(get_language()))


def _floor_span(span: timedelta) -> timedelta:
    """Return the whole days of a span, or hours, or minutes: nothing for less than one."""
    unit = next((one for one in _UNITS if span >= one), None)
    return span // unit * unit if unit else timedelta()


def name_language(tag: str) -> str:
    """Return what the reader calls a language: "German", "Deutsch", "allemand"."""
    return _find_locale(tag).get_language_name(_find_locale(get_language())) or tag


def join_words(words: Sequence[str]) -> str:
    """Return "a, b and c" as the reader lists it."""
    language = get_language()
    return format_list(list(words), "standard", _BRITISH if language == ENGLISH else _find_locale(language))
