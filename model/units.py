"""Units, months and the words for numbers, in the languages of the pages that we have met; all of them folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from model.terms import fold

UNITS: Mapping[str, str] = MappingProxyType(
    {
        fold(form): unit
        for unit, forms in {
            "second": "seconds sec secs sekunde sekunden seconde secondes segundo segundos",
            "minute": "minute minutes min mins minuten minuto minutos",
            "hour": "hour hours hr hrs h stunde stunden heure heures hora horas час часа часов 時間",
            "day": "day days tag tage tagen jour jours dia dias день дня дней 日 日間 天 일 يوم ايام أيام",
            "week": "week weeks wk wks woche wochen semaine semaines semana semanas неделя недели недель 週間 周",
            "fortnight": "fortnight fortnights",
            "month": "month months monat monate monaten mois mes meses месяц месяца месяцев か月 ヶ月 个月",
            "year": "year years yr yrs jahr jahre jahren an ans annee annees ano anos год года лет 年 歳",
            "%": "% percent percentage prozent pourcent",
            "dollar": "$ dollar dollars usd us$ bucks",
            "euro": "€ euro euros eur",
            "pound": "£ gbp",
            "yen": "¥ yen jpy 円",
            "franc": "chf franken",
            "cent": "cent cents",
            "point": "points",
            "km": "km kilometre kilometres kilometer kilometers",
            "mile": "mile miles",
            "metre": "m metre metres meter meters",
            "kg": "kg kilogram kilograms kilo kilos",
            "lb": "lb lbs pounds",
            "byte": "bytes",
            "kb": "kb kib kilobytes",
            "mb": "mb mib megabyte megabytes",
            "gb": "gb gib gigabyte gigabytes",
            "tb": "tb terabyte terabytes",
            "time": "times x mal fois veces",
            "degree": "degrees °c °f",
        }.items()
        for form in forms.split()
    }
)
DAYS_OF_WHAT: Mapping[str, str] = MappingProxyType(
    {"business": "working", "working": "working", "work": "working", "calendar": "calendar"}
)
"""What tells kinds of days apart."""

_CARDINALS = """
zero 0  one 1  two 2  three 3  four 4  five 5  six 6  seven 7  eight 8  nine 9  ten 10  eleven 11  twelve 12  thirteen 13
fourteen 14  fifteen 15  sixteen 16  seventeen 17  eighteen 18  nineteen 19  twenty 20  thirty 30  forty 40  fifty 50
sixty 60  seventy 70  eighty 80  ninety 90
zwei 2  drei 3  vier 4  funf 5  sechs 6  sieben 7  acht 8  neun 9  zehn 10  elf 11  zwolf 12
deux 2  trois 3  quatre 4  cinq 5  sept 7  huit 8  neuf 9  dix 10  onze 11  douze 12
dos 2  tres 3  cuatro 4  cinco 5  seis 6  siete 7  ocho 8  nueve 9  diez 10  doce 12
"""


def _pairs(table: str) -> Iterator[tuple[str, int]]:
    entries = table.split()
    return ((word, int(number)) for word, number in zip(entries[::2], entries[1::2], strict=True))


CARDINALS: Mapping[str, int] = MappingProxyType(dict(_pairs(_CARDINALS)))
SCALES: Mapping[str, int] = MappingProxyType(
    {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12}
)
ORDINALS: Mapping[str, int] = MappingProxyType(
    dict(
        _pairs(
            "first 1 second 2 third 3 fourth 4 fifth 5 sixth 6 seventh 7 eighth 8 ninth 9 tenth 10 eleventh 11 twelfth 12"
        )
    )
)
FRACTIONS: Mapping[str, str] = MappingProxyType(
    {"half": "0.5", "½": "0.5", "¼": "0.25", "¾": "0.75", "quarter": "0.25"}
)
MULTIPLES: Mapping[str, str] = MappingProxyType({"twice": "2", "thrice": "3", "double": "2", "triple": "3"})
MONTHS: Mapping[str, int] = MappingProxyType(
    {
        fold(form): number
        for number, forms in enumerate(
            (
                "january jan januar janvier enero января",
                "february feb februar fevrier febrero февраля",
                "march mar marz mars marzo марта",
                "april apr avril abril апреля",
                "may mai mayo мая",
                "june jun juni juin junio июня",
                "july jul juli juillet julio июля",
                "august aug aout agosto августа",
                "september sep sept septembre septiembre сентября",
                "october oct oktober octobre octubre октября",
                "november nov novembre noviembre ноября",
                "december dec dezember decembre diciembre декабря",
            ),
            1,
        )
        for form in forms.split()
    }
)
HAN_DIGITS: Mapping[str, int] = MappingProxyType(
    {sign: number for number, sign in enumerate("〇一二三四五六七八九")} | {"零": 0}
)
HAN_SCALES: Mapping[str, int] = MappingProxyType({"十": 10, "百": 100, "千": 1000})
