"""The numbers of a text, with their units: "1 000" is "a thousand", 240 hours are not 240 days.

A number has readings, since "1.000" is a thousand in one country and one in another; two are the same where a
reading is. Dates and times of day are quantities of their own. Nothing is converted: twelve weeks are not
found in "84 days".

Units, months and the words for numbers, in the languages of the pages that we have met; all of them folded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, zip_longest
from types import MappingProxyType

from model.checks.terms import content_words, fold

UNITS: Mapping[str, str] = MappingProxyType(
    {
        fold(form): unit
        for unit, forms in {
            "second": "seconds sec secs sekunde sekunden seconde secondes segundo segundos",
            "minute": "minute minutes min mins minuten minuto minutos",
            "hour": "hour hours hr hrs h stunde stunden heure heures hora horas час часа часов 時間",
            "day": "day days tag tage tagen jour jours dia dias день дня дней 日 日間 天 일 يوم ايام أيام",
            "week": "week weeks wk wks woche wochen semaine semaines semana semanas неделя недели недель"
            " 週間 周",
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
zero 0  one 1  two 2  three 3  four 4  five 5  six 6  seven 7  eight 8  nine 9  ten 10  eleven 11  twelve 12
thirteen 13  fourteen 14  fifteen 15  sixteen 16  seventeen 17  eighteen 18  nineteen 19  twenty 20  thirty 30
forty 40  fifty 50  sixty 60  seventy 70  eighty 80  ninety 90
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
            "first 1 second 2 third 3 fourth 4 fifth 5 sixth 6 seventh 7 eighth 8 ninth 9 tenth 10 eleventh "
            "11 twelfth 12"
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

_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_WORDS = "|".join(sorted([*CARDINALS, *SCALES], key=len, reverse=True))
_QUANTITY = re.compile(
    rf"(?P<iso>(?<!\d)\d{{4}}-\d{{1,2}}-\d{{1,2}}(?!\d))"
    rf"|(?<!\w)(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+"
    rf"|de\s+)?(?P<month>{_MONTH})\b\.?(?:,?\s+(?:de\s+)?(?P<year>\d{{4}})(?!\d))?"
    rf"|\b(?P<month2>{_MONTH})\b\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:.,]\d|\d"
    rf"|\s*%)(?:,?\s+(?P<year2>\d{{4}})(?!\d))?"
    rf"|(?<![\w.])(?P<hour>\d{{1,2}})(?:[:.](?P<minute>\d{{2}}))?\s?(?P<half>[ap]\.?m\b\.?|uhr\b"
    rf"|o['’]clock\b)"
    rf"|(?<![\w.:])(?P<hour2>\d{{1,2}}):(?P<minute2>\d{{2}})(?![:\d])"
    rf"|\b(?P<noon>noon|midnight|midday)\b"
    rf"|(?<![\w])(?P<dotted>\d+(?:[./:-]\d+){{2,7}})(?!\w)(?<!\d[./]000)"
    rf"|(?<![\w.])(?<![a-z]-)(?P<number>\d{{1,3}}(?:[ \u00a0\u2009\u202f’',.]\d{{3}})"
    rf"{{1,6}}(?:[.,]\d+)?(?!\w)"
    rf"|\d+(?:[.,]\d+)?)(?P<ordinal>(?:st|nd|rd|th)\b)?"
    rf"|(?<![\w-])(?P<words>(?:{_WORDS})(?:(?:\s+and\s+|[\s-]+)(?:{_WORDS})){{0,6}})\b(?!['’])"
    rf"|(?<![\w-])(?P<word>{'|'.join([*ORDINALS, *FRACTIONS, *MULTIPLES])})\b"
    rf"|(?P<sign>[½¼¾])"
)
_KANJI = re.compile(
    "(?<![〇零一二三四五六七八九十百千万])[〇零一二三四五六七八九十百千万]++(?=[日年月週天人円時分%％个個回か])|(?<=[第])[一二三四五六七八九十百]+"
)
_BEFORE = re.compile(r"(us\$|[$€£¥]|\b(?:eur|usd|gbp|chf|jpy)\b)\s*$")
_BEHIND = re.compile(r"[^\W\d_]+|[%$€£¥°]\w?")
_RANGE = re.compile(r"\s*(?:-|–|—|\bto\b|\band\b|\bor\b|\bbis\b)\s*$")
_SCALE_BEHIND = re.compile(r"\s*(hundred|thousand|million|billion)\b|(?<=\d)\s?(k|bn|m)\b")
_SHORT_SCALES = {"k": "thousand", "m": "million", "bn": "billion"}
_LOOK_AHEAD = 4
"""Words behind a number in which its unit is looked for: "240 annual leave hours"."""
_LONGEST = 4000
_DAY_FIRST = 12
_EXACT = 15
"""Digits that a float holds."""
_HOURS = 24
_NOON = 12
_DATE = re.compile(r"([0-3]?\d)[./-]([0-3]?\d)[./-]((?:[12]\d)?\d\d)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number at `text[start:end]`.

    `readings` are what it may be; "date 10-17" and "time 9:00" are none of arithmetic, and "clock 21:00" is
    what 9:00 may be.

    `unit` is "" where none is known; `noun` is the term behind it then. `kind` tells working days from
    calendar days. `optional`: written as a word that is often no number ("one", "second").
    """

    readings: frozenset[str]
    unit: str
    kind: str
    start: int
    end: int
    optional: bool = False
    noun: str = ""


def find_quantities(text: str) -> tuple[Quantity, ...]:
    """Return the numbers of a text, in their order."""
    return _quantities(text[:_LONGEST])


@lru_cache(maxsize=2048)
def _quantities(text: str) -> tuple[Quantity, ...]:
    folded = to_plain_digits(text)
    found = [_read(match, folded) for match in _QUANTITY.finditer(folded)]
    found += [_read_kanji(match, folded) for match in _KANJI.finditer(folded)]
    return tuple(
        _with_ranges(_apart(sorted((one for one in found if one), key=lambda one: one.start)), folded)
    )


def _apart(found: Sequence[Quantity]) -> list[Quantity]:
    """Leave out what begins within the one before it: the "million" of "2.5 million"."""
    kept: list[Quantity] = []
    for one in found:
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept


def to_plain_digits(text: str) -> str:
    """Return a text in lower case with plain digits; every sign keeps its place."""
    return text.lower() if text.isascii() else text.translate(_PLAIN)


class _Plain(dict[int, str]):
    """A cache of what each sign becomes."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        bare = str(unicodedata.decimal(sign)) if sign.isdecimal() else sign if sign in "½¼¾" else fold(sign)
        self[code] = bare if len(bare) == 1 else sign
        return self[code]


_PLAIN = _Plain()


def _read(match: re.Match[str], text: str) -> Quantity | None:
    start, end = match.span()
    if match["iso"]:
        return Quantity(_dates(*map(int, match["iso"].split("-"))), "", "", start, end)
    day, month, year = (
        (match["day"] or match["day2"]),
        (match["month"] or match["month2"]),
        (match["year"] or match["year2"]),
    )
    if day:
        return Quantity(_dates(int(year or 0), MONTHS[month], int(day)), "", "", start, end)
    if match["hour"] or match["hour2"] or match["noon"]:
        return Quantity(_time(match), "time", "", start, end)
    if match["dotted"]:
        return Quantity(_read_dotted_date(match["dotted"]), "", "", start, end)
    return _read_count(match, text)


def _read_count(match: re.Match[str], text: str) -> Quantity | None:
    start, end = match.span()
    if match["number"]:
        return _number(match, text)
    if match["words"]:
        value = str(_sum_number_words(re.split(r"[\s-]+", match["words"])))
        unit, kind = _unit(text, start, end)
        optional = match["words"] == "one" and not unit
        return Quantity(frozenset({value}), unit, kind, start, end, optional, _noun(text, end, unit))
    word = match["word"] or match["sign"]
    if word in ORDINALS:
        return Quantity(frozenset({str(ORDINALS[word])}), "th", "", start, end, optional=True)
    unit, kind = _unit(text, start, end)
    if word in MULTIPLES:
        return Quantity(
            frozenset({MULTIPLES[word]}), "time", "", start, end, optional=word not in {"twice", "thrice"}
        )
    readings = {"0.5", "50%", "30"} if word == "half" else {FRACTIONS[word]}
    return Quantity(frozenset(readings), unit, kind, start, end, optional=word == "quarter")


def _number(match: re.Match[str], text: str) -> Quantity | None:
    start, end = match.span()
    if end < len(text) and (text[end].isalpha() or text[end] == "_") and not _unit_glued(text, end):
        return None  # a code, such as 18f
    readings = _values(match["number"])
    if match["ordinal"]:
        return Quantity(readings, "th", "", start, end)
    scale = _SCALE_BEHIND.match(text, end)
    if scale:
        name = scale[1] or _SHORT_SCALES[scale[2]]
        if scale[2] != "m" or _BEFORE.search(text[max(0, start - 6) : start]):
            numbers = [
                value for value in readings if not value.startswith("time ")
            ]  # no 9:00 of 9.00 million
            readings = frozenset(_plain_value(float(value) * SCALES[name]) for value in numbers)
            end = scale.end()
    unit, kind = _unit(text, start, end)
    if unit == "%":
        readings |= {f"{value}%" for value in readings}
    return Quantity(readings, unit, kind, start, end, noun=_noun(text, end, unit))


def _noun(text: str, end: int, unit: str) -> str:
    match = None if unit else _NEXT_WORD.match(text, end)
    return next(iter(content_words(match[1])), "") if match else ""


def _unit_glued(text: str, end: int) -> bool:
    word = _BEHIND.match(text, end)
    glued = word[0] if word else ""
    return glued in UNITS or glued in {"k", "bn"} or not glued.isascii()


def _values(number: str) -> frozenset[str]:
    """Return what a number with separators may be."""
    bare = re.sub(r"[\s’']", "", number)
    marks = [sign for sign in bare if sign in ",."]
    if not marks:
        return frozenset({_plain_value(float(bare))}) if len(bare) <= _EXACT else frozenset({bare})
    whole, fraction = re.sub(r"[.,]", "", bare[: bare.rindex(marks[-1])]), bare[bare.rindex(marks[-1]) + 1 :]
    if len(set(marks)) > 1:
        return frozenset({_plain_value(float(f"{whole}.{fraction}"))})
    joined = _plain_value(float(whole + fraction))
    if len(marks) > 1:
        return frozenset({joined})
    decimal = _plain_value(float(f"{whole}.{fraction}"))
    if len(fraction) == len("00") and int(whole) < _HOURS and marks[0] == ".":
        return frozenset({decimal, f"time {int(whole)}:{fraction}"})  # 9.00
    return (
        frozenset({joined, decimal}) if len(fraction) == len("000") and whole != "0" else frozenset({decimal})
    )


def _plain_value(value: float) -> str:
    return f"{value:.10g}" if value < 10**_EXACT else f"{value:.0f}"


def _dates(year: int, month: int, day: int) -> frozenset[str]:
    return frozenset({f"date {month}-{day}", *([f"date {year}-{month}-{day}"] if year else [])})


def _read_dotted_date(text: str) -> frozenset[str]:
    """Return a date such as 17.10.2025 or 10/17/2025; a version or a telephone number is only itself."""
    match = _DATE.fullmatch(text)
    if match is None:
        return frozenset({text})
    parts = [int(match[1]), int(match[2])]
    year = int(match[3]) + (0 if len(match[3]) == len("2000") else 2000)
    found = {text}
    for day, month in ((parts[0], parts[1]), (parts[1], parts[0])):
        if month <= _DAY_FIRST:
            found |= _dates(year, month, day)
    return frozenset(found)


def _time(match: re.Match[str]) -> frozenset[str]:
    if match["noon"]:
        return frozenset({"time 0:00" if match["noon"] == "midnight" else "time 12:00"})
    hour, minute = int(match["hour"] or match["hour2"]), match["minute"] or match["minute2"] or "00"
    half = (match["half"] or "")[:1]
    if half in {"a", "p"}:
        return frozenset({f"time {hour % 12 + (12 if half == 'p' else 0)}:{minute}"})
    return frozenset({f"time {hour}:{minute}", *([f"clock {hour + 12}:{minute}"] if hour < _NOON else [])})


def _sum_number_words(words: Sequence[str]) -> int:
    total = current = 0
    for word in words:
        if word in CARDINALS:
            current += CARDINALS[word]
        elif word in SCALES:
            current = max(current, 1) * SCALES[word]
            if SCALES[word] >= SCALES["thousand"]:
                total, current = total + current, 0
    return total + current


def _read_kanji(match: re.Match[str], text: str) -> Quantity | None:
    total = current = 0
    for sign in match[0]:
        if sign in HAN_DIGITS:
            current = current * 10 + HAN_DIGITS[sign]
        elif sign in HAN_SCALES:
            total, current = total + max(current, 1) * HAN_SCALES[sign], 0
        else:
            total, current = (total + current) * 10_000, 0
    unit, kind = _unit(text, *match.span())
    return Quantity(frozenset({str(total + current)}), unit, kind, *match.span())


def _unit(text: str, start: int, end: int) -> tuple[str, str]:
    """Return a number's unit, and its kind: the first known one behind it, or the currency before it."""
    if before := _BEFORE.search(text[max(0, start - 6) : start]):
        return UNITS[before[1]], ""
    if end < len(text) and not text[end].isascii() and (found := _spaceless_unit(text, end)):
        return found, ""
    kind = ""
    for words, match in enumerate(islice(_BEHIND.finditer(text, end, end + 60), _LOOK_AHEAD)):
        if _STOPS.search(text, end, match.start()):
            break
        word = match[0]
        if (
            word in UNITS
            and (word != "an" or words == 0)
            and not (words and len(word) == 1 and word.isalpha())
        ):
            return UNITS[word], kind
        if word in _BREAKS:
            break
        kind = DAYS_OF_WHAT.get(word, kind)
    return "", ""


_NEXT_WORD = re.compile(r"[ -]([^\W\d_]{3,40})")
_STOPS = re.compile(r"[.;:|()?!\n\d]|,(?=\s)")
_BREAKS = frozenset(
    [
        "and",
        "or",
        "to",
        "per",
        "a",
        "the",
        "of",
        "for",
        "in",
        "on",
        "at",
        "is",
        "are",
        "was",
        "were",
        "with",
        "by",
        "from",
        "each",
        "every",
        "than",
    ]
)


def without(text: str, found: Sequence[Quantity]) -> str:
    """Return a text without numbers, and without units right behind them where no spaces are written."""
    rest = list(text)
    for one in found:
        size = next(
            (
                size
                for size in (2, 1)
                if not text[one.end : one.end + 1].isascii() and text[one.end : one.end + size] in UNITS
            ),
            0,
        )
        rest[one.start : one.end + size] = " " * (one.end + size - one.start)
    return "".join(rest)


def _spaceless_unit(text: str, end: int) -> str:
    return next((UNITS[text[end : end + size]] for size in (2, 1) if text[end : end + size] in UNITS), "")


def _with_ranges(found: Sequence[Quantity], text: str) -> Iterator[Quantity]:
    """Give the first number of a range the unit of its second: "5-10 days"."""
    for one, following in zip_longest(found, found[1:]):
        between = text[one.end : following.start] if following else ""
        if following and not one.unit and following.unit not in {"", "th"} and _RANGE.fullmatch(between):
            yield replace(one, unit=following.unit, kind=following.kind, noun="")
        else:
            yield one
