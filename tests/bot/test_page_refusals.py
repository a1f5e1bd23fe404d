"""Why a page cannot be read is said in the asker's language."""

from __future__ import annotations

import pytest

from bot.page_refusals import explain_refusal
from core.phrases import mark
from core.translation import speak
from pages.fetched import AddressRefused, PageGone, PageRefused, PageUnreachable, PageUnreadable, SignInNeeded

BUSY = "git says: fatal: something that no catalogue has."


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
def test_the_kind_of_trouble_comes_before_words_that_no_catalogue_has(
    refused: PageRefused, begins: str
) -> None:
    with speak("de"):
        assert explain_refusal(refused) == begins + BUSY
    assert explain_refusal(refused) == BUSY


def test_what_is_in_the_askers_language_already_stays() -> None:
    said = "Diese Datei habe ich nicht mehr. Bitte senden Sie sie noch einmal."
    with speak("de"):
        assert explain_refusal(PageGone(said)) == said


def test_what_the_catalogues_have_is_said_whole_with_its_values() -> None:
    refused = PageUnreachable(
        mark("{site} is busy right now; please try again in a few minutes."), site="a.example"
    )
    assert (
        explain_refusal(refused)
        == str(refused)
        == "a.example is busy right now; please try again in a few minutes."
    )
    with speak("es"):
        assert explain_refusal(refused) == "a.example está saturado ahora; inténtelo dentro de unos minutos."
        of_a_file = PageUnreachable("{name}: {why}", name="Plan.pdf", why=refused.sentence)
        assert explain_refusal(of_a_file).startswith("Plan.pdf: a.example está saturado")
