"""The catalogues hold every text of the code, with its placeholders; dates and numbers by language."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from core.settings.operation import LanguageSettings
from core.translation import (
    CATALOGUES,
    ENGLISH,
    LANGUAGES,
    LanguagePolicy,
    choose_language,
    format_day,
    format_number,
    format_share,
    get_language,
    join_words,
    mark,
    say,
    say_count,
    set_language,
    set_policy,
    speak,
)
from tools.catalogues import extract_texts, read_catalogue

OTHERS = [language for language in LANGUAGES if language != ENGLISH]


@pytest.fixture(autouse=True)
def _all_languages() -> Iterator[None]:
    yield
    set_policy(LanguagePolicy())


def list_placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_text_stands_in_every_catalogue_with_its_placeholders() -> None:
    texts = extract_texts()
    assert len(texts) > 400
    for language in OTHERS:
        catalogue = read_catalogue(CATALOGUES / f"{language}.po")
        known = {message.id if isinstance(message.id, str) else tuple(message.id) for message in catalogue}
        assert known - {""} == set(texts), f"python -m tools.catalogues brings {language} in line"
        for message in catalogue:
            if not message.id:
                continue
            ids = [message.id] if isinstance(message.id, str) else list(message.id)
            said = [message.string] if isinstance(message.string, str) else list(message.string)
            wanted = list_placeholders(ids[-1])
            assert all(said), f"{language} lacks “{ids[0]}”"
            assert not message.fuzzy, f"{language} is not sure of “{ids[0]}”"
            assert len(said) == (1 if len(ids) == 1 else catalogue.num_plurals), (language, ids)
            for one in said:
                may_lack = {"count"} if len(ids) > 1 and one is not said[-1] else set[str]()
                assert wanted - may_lack <= list_placeholders(one) <= wanted, (language, one)


def test_there_is_a_catalogue_for_each_language_that_the_settings_name() -> None:
    assert {path.stem for path in CATALOGUES.glob("*.po")} == set(OTHERS)
    for language in LANGUAGES:
        assert LanguageSettings.model_validate({"default_language": language}).default == language


@pytest.mark.parametrize(
    ("language", "day", "number", "share", "words"),
    [
        ("en", "3 Sep 2026", "1,234,567", "12 %", "a, b and c"),
        ("de", "03.09.2026", "1.234.567", "12\xa0%", "a, b und c"),
        ("es", "3 sept 2026", "1.234.567", "12\xa0%", "a, b y c"),
        ("fr", "3 sept. 2026", "1\u202f234\u202f567", "12\xa0%", "a, b et c"),
        ("ja", "2026/09/03", "1,234,567", "12%", "a、b、c"),
    ],
)
def test_days_numbers_and_lists_are_those_of_the_language(
    language: str, day: str, number: str, share: str, words: str
) -> None:
    with speak(language):
        assert format_day(datetime(2026, 9, 3, 23, tzinfo=UTC)) == day
        assert (format_number(1_234_567), format_share(0.12)) == (number, share)
        assert join_words(["a", "b", "c"]) == words


def test_plural_forms_are_those_of_the_language() -> None:
    forms = mark("{count} answer"), mark("{count} answers")
    seen = {
        language: [_count(language, *forms, number) for number in (0, 1, 1_200)] for language in LANGUAGES
    }
    assert seen["de"] == ["0 Antworten", "1 Antwort", "1.200 Antworten"]
    assert seen["fr"][:2] == ["0 réponse", "1 réponse"]
    assert seen["ja"] == ["回答 0 件", "回答 1 件", "回答 1,200 件"]
    assert seen["en"] == ["0 answers", "1 answer", "1,200 answers"]


def _count(language: str, one: str, several: str, number: int) -> str:
    with speak(language):
        return say_count(one, several, number)


def test_a_text_without_translation_is_said_in_english_and_braces_of_values_stay() -> None:
    with speak("de"):
        assert say("No such text, {name}", name="{day} <b>") == "No such text, {day} <b>"
        assert say("You asked: {text}", text="{0} {}") == "Sie haben gefragt: {0} {}"


@pytest.mark.parametrize(
    ("policy", "tags", "chosen"),
    [
        (LanguagePolicy(), ("de-AT",), "de"),
        (LanguagePolicy(), ("FR_ca",), "fr"),
        (LanguagePolicy(), ("pt-BR", "es"), "es"),
        (LanguagePolicy(), ("", "ja"), "ja"),
        (LanguagePolicy(), ("../../etc", "zz"), "en"),
        (LanguagePolicy(default="ja"), ("pt",), "ja"),
        (LanguagePolicy(default="ja"), ("en-US",), "en"),
        (LanguagePolicy(only="de"), ("fr",), "de"),
    ],
)
def test_the_first_language_that_is_spoken_is_chosen(
    policy: LanguagePolicy, tags: tuple[str, ...], chosen: str
) -> None:
    set_policy(policy)
    assert choose_language(*tags) == chosen


async def test_a_language_holds_in_the_tasks_of_who_acts_and_in_nobody_elses() -> None:
    async def act(tag: str) -> str:
        set_language(tag)
        await asyncio.sleep(0)
        return await asyncio.create_task(_tell())

    async def _tell() -> str:
        return say("Thank you.")

    assert await asyncio.gather(*map(asyncio.create_task, map(act, ["de", "fr", ""]))) == [
        "Vielen Dank.",
        "Merci.",
        "Thank you.",
    ]
    assert get_language() == ENGLISH
