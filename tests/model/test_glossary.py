"""The glossary: questions in other languages as English words, names and numbers kept."""

from __future__ import annotations

import pytest

from model.text.glossary import FILE, load_glossary, translate_words


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Wie viele Wochen Elternzeit bekomme ich?", "how many week parental leave receive"),
        ("Was ist die Kündigungsfrist in der Probezeit?", "notice period in probation"),
        ("Wie lange dauert der Jahresurlaub für Teilzeitkräfte?", "how long period vacation part-time"),
        ("Wer genehmigt Sonderurlaub?", "who approve leave"),
        ("Wie hoch ist das Limit 2026 in Concur?", "how hoch limit 2026 in concur"),
        ("Combien de jours de congé parental ai-je ?", "how many day parental leave"),
        ("¿Cómo solicito el reembolso de gastos de viaje?", "how request reimbursement expense travel"),
        ("育児休暇は何週間ですか？", "parental leave how long"),
        ("Docker Hubのアカウントはどうやって申請しますか", "docker hub account how request"),
        ("How long is parental leave?", ""),
        ("VPN", ""),
        ("Was ist denn das hier?", ""),
        ("Wie lange? Und wann?", ""),
        ("", ""),
    ],
)
def test_what_is_known_becomes_english_and_names_stay(question: str, words: str) -> None:
    assert translate_words(question) == words


def test_every_concept_has_words_in_every_language() -> None:
    rows = [line for line in FILE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert len(rows) > 200
    for row in rows:
        columns = [[word.strip() for word in part.split(",")] for part in row.split("|")]
        assert len(columns) == 5, row
        assert all(word for column in columns for word in column), row
    assert {language: len(stems) > 200 for language, stems in load_glossary().items()} == dict.fromkeys(
        ("de", "fr", "es", "ja"), True
    )


def test_a_long_text_takes_no_time() -> None:
    assert translate_words("Wie lange ist der Urlaub? " + "Donaudampfschifffahrtsgesellschaft " * 400)
    assert translate_words("休暇は" + "あ" * 4_000)
