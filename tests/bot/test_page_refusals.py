"""Why a page cannot be read is said in the asker's language, with the details where they come from."""

from __future__ import annotations

import pytest

from bot.page_refusals import explain_refusal
from core.translation import speak
from pages.fetched import AddressRefused, PageGone, PageRefused, PageUnreachable, PageUnreadable, SignInNeeded

BUSY = "example.com is busy right now; please try again in a few minutes."


@pytest.mark.parametrize(
    ("refused", "begins"),
    [
        (AddressRefused(BUSY), "Diese Adresse kann ich nicht öffnen: "),
        (SignInNeeded(BUSY), "Diese Seite sieht nur, wer sich anmeldet: "),
        (PageGone(BUSY), "Das habe ich nicht gefunden: "),
        (PageUnreachable(BUSY), "Das konnte ich nicht abrufen: "),
        (PageUnreadable(BUSY), "Das kann ich nicht lesen: "),
        (PageRefused(BUSY), "Das kann ich nicht verwenden: "),
    ],
)
def test_the_kind_of_trouble_comes_first(refused: PageRefused, begins: str) -> None:
    with speak("de"):
        assert explain_refusal(refused) == begins + BUSY
    assert explain_refusal(refused) == BUSY


def test_what_is_in_the_askers_language_already_stays() -> None:
    said = "Diese Datei habe ich nicht mehr. Bitte senden Sie sie noch einmal."
    with speak("de"):
        assert explain_refusal(PageGone(said)) == said
