"""Bytes become the letters that browsers show, whatever was declared, or nothing."""

from __future__ import annotations

import pytest

from pages.parse.decoding import decode

FILLER = "<p>This is where people who work at the harbour look up what holds for them, and whom to ask.</p>"
DECLARED = [
    ("ISO-8859-1", "cp1252", "42 € “each” – Zoë’s"),
    ("us-ascii", "cp1252", "42 € “each”"),
    ("latin2", "iso-8859-2", "Łódź"),
    ("gb2312", "gbk", "年假 镕"),
    ("x-gbk", "gbk", "年假"),
    ("big5", "big5hkscs", "假期 啲"),
    ("shift_jis", "cp932", "①㈱ 髙橋"),
    ("x-sjis", "cp932", "休暇"),
    ("ks_c_5601-1987", "cp949", "휴가 똠"),
    ("windows-874", "cp874", "วันลา…"),
    ("tis-620", "cp874", "วันลา…"),
    ("iso-8859-9", "cp1254", "İzin €"),
    ("x-mac-cyrillic", "mac_cyrillic", "Отпуск"),
    ("koi8-ru", "koi8_u", "Відпустка"),
]


@pytest.mark.parametrize("where", ["header", "meta", "http-equiv", "late meta", "XML declaration"])
@pytest.mark.parametrize(("label", "codec", "words"), DECLARED)
def test_a_label_means_what_it_means_on_the_web(label: str, codec: str, words: str, where: str) -> None:
    head = {
        "header": "",
        "meta": f"<meta charset={label}>",
        "http-equiv": f"<meta http-equiv=Content-Type content='text/html; charset={label}'>",
        "late meta": f"<script>{'x = 1; ' * 900}</script><meta charset='{label}'>",
        "XML declaration": f'<?xml version="1.0" encoding="{label}"?>',
    }[where]
    body = f"{head}<title>H</title>{FILLER}<p>".encode() + words.encode(codec) + b"</p>"
    assert words in decode(body, label if where == "header" else None, declares=True)


UNDECLARED = [
    ("utf-8", "Größe — 42 €"),
    ("cp1252", "Größe der Tür: 42 €, für alle Gäste"),
    ("cp1251", "Отпуск портовых рабочих длится тридцать дней"),
    ("cp932", "港で働く人の年次有給休暇は二十四日です。"),
    ("euc_jp", "港で働く人の年次有給休暇は二十四日です。"),
    ("gb18030", "港口员工的年假为二十四天，适用于所有人"),
    ("big5", "港口員工的年假為二十四天，適用於所有人"),
    ("cp949", "항구 직원의 연차 휴가는 이십사 일입니다"),
    ("cp1253", "Η άδεια των εργαζομένων διαρκεί είκοσι ημέρες"),
    ("cp874", "วันลาพักร้อนของพนักงานท่าเรือคือยี่สิบสี่วัน"),
    ("cp1250", "Dovolená zaměstnanců trvá dvacet čtyři dní, žádost podává každý"),
    ("utf-16-le", "Größe — 42 €"),
    ("utf-16-be", "Größe — 42 €"),
]


@pytest.mark.parametrize(("codec", "words"), UNDECLARED)
def test_what_is_not_declared_is_guessed(codec: str, words: str) -> None:
    body = f"<title>H</title>{FILLER}<p>{words}</p>{FILLER}".encode(codec)
    assert words in decode(body, None, declares=True)


@pytest.mark.parametrize("said", ["header", "meta", "nothing"])
@pytest.mark.parametrize("bad", [b"\x96", b"\xff", b"\xe2\x82", b"\xed\xa0\xbd"])
def test_a_wrong_byte_costs_a_character_and_not_the_page(bad: bytes, said: str) -> None:
    head = b"<meta charset=utf-8>" if said == "meta" else b""
    body = head + "<p>Größe: 42 € ".encode() + bad + " für Zoë – Übergröße</p>".encode()
    text = decode(body, "utf-8" if said == "header" else None, declares=True)
    assert "Größe: 42 € " in text
    assert " für Zoë – Übergröße" in text


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("\ufeffGröße".encode(), "windows-1251", "Größe"),
        ("\ufeffGröße".encode("utf-16-be"), "utf-8", "Größe"),
        ("<meta charset=utf-16>Größe".encode(), None, "<meta charset=utf-16>Größe"),
        (b"<!-- <meta charset=koi8-r> --><meta charset=cp1251>" + "Дом".encode("cp1251"), None, "Дом"),
        (b"<meta charset=utf-8>Gr\xf6\xdfe", None, "Größe"),
    ],
)
def test_what_decides_comes_in_the_order_of_the_standard(body: bytes, charset: str | None, text: str) -> None:
    assert decode(body, charset, declares=True).endswith(text)


def test_only_html_names_its_own_encoding() -> None:
    assert decode(b"<meta charset=koi8-r> Gr\xc3\xb6\xc3\x9fe", None, declares=False).endswith("Größe")
