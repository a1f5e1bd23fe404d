"""Which language the chat page is in, and that all of its texts stand in each."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from bot.page_language import COOKIE, describe_language, list_tags, translate_page
from bot.web.chat_page import STATIC
from core.translation import LANGUAGES, LanguagePolicy, choose_language, set_policy, speak


@pytest.mark.parametrize(
    ("accepts", "chosen", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "", "de"),
        ("en;q=0.2, fr-CA;q=0.9", "", "fr"),
        ("pt-BR, es ; q=0.5", "", "es"),
        ("de", "ja", "ja"),
        ("de", "xx", "de"),
        ("de;q=0", "", "en"),
        ("de;q=nan, ja;q=x, fr;q=1.0000, es;v=1", "", "en"),
        ("", "", "en"),
        ("*", "", "en"),
        (",;,;q=,=" + "x," * 10_000, "", "en"),
    ],
)
def test_what_was_chosen_comes_before_what_the_browser_wants(
    accepts: str, chosen: str, language: str
) -> None:
    headers = {"Accept-Language": accepts} | ({"Cookie": f"{COOKIE}={chosen}"} if chosen else {})
    assert choose_language(*list_tags(make_mocked_request("GET", "/", headers=headers))) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_and_its_scripts_are_in_the_language(language: str) -> None:
    with speak(language):
        page = translate_page(STATIC / "index.html")
        told = describe_language(make_mocked_request("GET", "/"))
    assert f'<html lang="{language}"' in page
    assert "[[" not in page
    assert page.count("<kbd>") == 4
    assert ("Skip to the question box" in page) is (language == "en")
    assert told["languages"] == LANGUAGES
    assert (told["texts"] == {}) is (language == "en")


def test_where_one_language_is_spoken_none_is_offered() -> None:
    set_policy(LanguagePolicy(only="de"))
    try:
        assert describe_language(make_mocked_request("GET", "/"))["languages"] == {}
    finally:
        set_policy(LanguagePolicy())
