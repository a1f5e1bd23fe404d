"""Finds personal data of a fixed form: cards, accounts, telephone numbers, addresses, dates of birth.

It is what Presidio recognises by pattern and check digits, and what its words announce. Presidio knows cards,
IBANs, telephone numbers and the numbers by which states number people. A number without letters or a grouping
(a ticket, an order) counts only where words announce it; so do dates of birth and addresses, which have the
same form as any date and any office's address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import phonenumbers

from feedback.masking.language import (
    EntityRecognizer,
    LocalRecognizer,
    NlpArtifacts,
    Pattern,
    PatternRecognizer,
    RecognizerResult,
)
from feedback.masking.language import predefined_recognizers as known

PERSON, EMAIL, PHONE, IBAN, CARD = "person", "email", "phone", "iban", "card"
ID, ADDRESS, BORN = "id", "address", "date of birth"

_REGIONS = ("US", "GB", "DE", "FR", "IN")
"""Whose ways of writing numbers without a country code are tried; with one, every country's are known."""
_FEWEST = 7
"""Digits of a telephone number; an extension tells nobody outside who it is."""
_SURE = 0.5
"""Presidio's score of a pattern that hardly anything else has, or that its context confirms."""


@dataclass(frozen=True, slots=True)
class Announced:
    """Personal data that words before it announce.

    `pattern` has it as the group `value`; `counts` has the last word.
    """

    kind: str
    pattern: re.Pattern[str]
    counts: Callable[[str], bool] = bool


class AnnouncedRecognizer(LocalRecognizer):
    """Finds what its patterns announce."""

    def __init__(self, announced: Sequence[Announced]) -> None:
        self._announced = announced
        super().__init__(supported_entities=sorted({one.kind for one in announced}), name="Announced")

    def load(self) -> None:
        """Nothing is loaded."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        return [
            RecognizerResult(
                one.kind, match.start("value"), match.start("value") + len(match["value"].rstrip(".,")), 1.0
            )
            for one in self._announced
            if one.kind in entities
            for match in one.pattern.finditer(text)
            if one.counts(match["value"])
        ]


# Numbers of persons

_NUMBER_WORD = r"(?:\s?(?:id|no\.?|nr\.?|number|nummer|code|card|\#))"
_FILLER = r"(?:\s*(?:\b(?:is|was|ist|lautet|are|number|no|nr|id)\b\.?|[:=#,(]))*\s*"
_DIGITS = r"(?:[a-z]{0,3}-?\d[\da-z]*)(?:[ ./-](?:\d[\da-z]*|[a-z]\d+|[a-z]\b))*"
_NUMBERED = re.compile(
    rf"\b(?:employee|staff|personnel|payroll|worker|badge|patient|member|membership|personal|mitarbeiter|pers\.)"
    rf"(?:(?P<word>{_NUMBER_WORD}){_FILLER}|\s)(?P<value>{_DIGITS})",
    re.IGNORECASE,
)
_STATE_NUMBERED = re.compile(
    r"\b(?:ssn|social security|nino|national insurance|nhs"
    r"|(?:steuer|tax)[- ]?(?:id|identification|payer|nummer)\w*|t?in\b(?=\s?(?:no|number|:))|itin|passport"
    r"|reisepass|driver'?s? licen[sc]e|driving licen[sc]e|identity card|national id"
    r"|(?:sozial|renten|kranken)?versich\w+nummer|personalausweis|personalnummer|personnummer|dni|nif|nie"
    r"|pesel|bsn|aadhaar|cpf|codice fiscale)\b"
    rf"{_FILLER}(?P<value>{_DIGITS})",
    re.IGNORECASE,
)
_FEW_DIGITS, _BARE_DIGITS = 4, 5


def _is_a_number(value: str, least: int = _FEW_DIGITS) -> bool:
    return sum(map(str.isdigit, value)) > 1 and sum(map(str.isalnum, value)) >= least


# Dates of birth

_MONTH = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?"
    r"|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\.?"
)
_YEAR = r"(?:19|20)\d\d"
_DATE = (
    rf"(?:\d{{1,2}}(?:st|nd|rd|th|\.)?\s(?:of\s)?{_MONTH}(?:,?\s{_YEAR})?"
    rf"|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s{_YEAR})?|{_MONTH},?\s{_YEAR}"
    rf"|\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{2,4}})(?!\w)"
)
_BIRTH = re.compile(
    r"\b(?:born|birthda(?:y|te)|birth date|date of birth|dob\b|d\.o\.b\.|geboren|geb\.|geburts(?:datum|tag)"
    r"|née?\b|nacid[oa])"
    rf"[^\n.!?\d]{{0,60}}?\b(?P<value>{_DATE}|(?<=\bin )(?<=born in ){_YEAR}\b)",
    re.IGNORECASE,
)

# Where people live

_SHORT = r"(?:(?:St|Rd|Ave?|Avda|Apt|Str|Dr|Blvd|Ln|Nr|No|App|P\.O|S)\.)"
_SMALL = (
    r"(?:(?:d[aeiou]s?|de[lnr]|la|les?|van|von|am|an|zur?|im|of|upon|sur|rue|avenue|boulevard|place|chemin|allée|bis|ter)\b(?=\s(?:[A-ZÀ-Þ]\w|[dl]))"
    r"|[dls]['’-]\w+|'s-\w+|\([A-Z]{2}\))"
)
_PART = rf"(?:{_SHORT}|(?!I\b)[A-ZÀ-Þ\d][\w'’/\-]*|{_SMALL})"
_REST = rf"(?:,?\s{_PART}){{0,10}}"
_CAPITAL = r"(?:[A-ZÀ-Þ][\w'’\-]*|\d{1,3}(?:st|nd|rd|th))\.?"
_STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Crescent|Court|Ct|Place|Pl|Boulevard|Blvd|Way|Terrace|Close"
    r"|Gardens|Square|Hill|Row|Mews|Parkway|Pkwy|Circle|Grove|Park|Walk|Plaza|Quay|Trail|Alley|Highway)\b\.?"
)
_HOUSE = r"\d{1,5}(?:\s?[-/]\s?\d{1,4})?(?:\s?[A-Za-z])?\b"
_FLAT = r"(?:Flat|Apt|Apartment|Unit|Suite|App)\.?\s\w{1,5},?\s"
_STREETS = "|".join(
    (
        rf"(?:{_FLAT})?{_HOUSE}\s(?:{_CAPITAL}\s){{1,4}}{_STREET}",
        rf"\d{{1,4}}(?:\sbis|\ster)?,?\s(?:rue|avenue|boulevard|place|chemin|allée|quai|impasse)\s{_PART}{_REST}",
        r"(?:Calle|Avenida|Avda\.?|Plaza|Paseo|Pasaje|Camino|Via|Viale|Piazza|Corso|Vicolo|Rua|Largo|Travessa|Praça)\s"
        rf"{_PART}(?:\s{_PART}){{0,5}}?,?\s{_HOUSE}",
        r"[A-ZÀ-Þ][\w\-]{1,30}?(?:stra(?:ß|ss)e|str\.|weg|allee|platz|gasse|ring|ufer|damm|straat|laan|plein|singel|kade"
        rf"|gatan|vägen|vej|gade|-Stra(?:ß|ss)e|-Weg|-Allee|-Platz|-Ring)\s{_HOUSE}",
        rf"(?:[A-ZÄÖÜ][\w\-]+\s(?:Straße|Str\.|Weg|Allee|Platz|Gasse|Ring)"
        rf"|(?:Am|An der|Im|Zum|Zur|Auf dem|In der)\s{_CAPITAL})\s{_HOUSE}",
        r"P\.?O\.? Box \d{1,6}",
    )
)
_LIVES = re.compile(
    r"(?i:\b(?:liv(?:es?|ed|ing)|resid(?:es?|ed|ing)|wohn(?:e|t|haft)) (?:at|on|in|under)"
    r"|\b(?:my|his|her|their|home|private|postal|mailing|parents['’]|meine) (?:\w{1,12} )?(?:address|adresse)"
    r"|\bhome address|\b(?:my|his|her|their) (?:new )?(?:home|house|flat|apartment|residence)\b)"
    r"(?i:,| is| was| ist| now| changed to| should be|:| at| to be)*\s"
    rf"(?=[^\n.!?;]{{0,80}}\d)(?=[^\n.!?;a-zß-ÿ]{{0,12}}[A-ZÀ-Þ])(?P<value>{_PART}{_REST})"
)
_SENT = re.compile(
    r"(?i:\b(?:lives?|living|moved?|moving|home|flat|send|sent|ship|deliver|post|mail|wohn[te]|domicil\w*|viv[eo])\b)"
    rf"[^\n!?]{{0,60}}?(?P<value>(?<!\w)(?:{_STREETS}){_REST})"
)
_MOVED = re.compile(rf"(?i:\bmoved?\b)[^\n!?]{{0,120}}?\bto\s(?P<value>(?:{_STREETS}){_REST})")


def _is_an_address(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isupper, value)) and not _A_DATE.match(value)


_A_DATE = re.compile(_DATE, re.IGNORECASE)

# Numbers of accounts and cards, and telephones, that are mistyped, or of a form that Presidio does not know

_ANNOUNCED_IBAN = re.compile(
    r"(?i:\b(?:iban|account|konto)\b[^\n.!?\d]{0,20}?)"
    r"\b(?P<value>[A-Z]{2}\d\d(?:[ -]?[A-Z\d]{4}){2,7}(?:[ -]?[A-Z\d]{1,3})?)\b"
)
_ANNOUNCED_CARD = re.compile(
    r"(?i:\b(?:card|visa|mastercard|maestro|amex|credit|debit)\b[^\n.!?\d]{0,20}?)"
    r"\b(?P<value>\d{4}[ -]?\d{4}[ -]?\d{4,5}(?:[ -]?\d{1,4}){0,2}|\d{4}[ -]?\d{6}[ -]?\d{4,5})\b"
)
_ANNOUNCED_PHONE = re.compile(
    r"(?i:\b(?:phone|mobile?|cell|tel|telephone|telefon|handy|fax|whatsapp)\b\.?(?: number| no\.?)?(?: is| at"
    r"|:)?)\s(?P<value>[+(]?\d[\d ()./-]{5,18}\d)(?!\w)"
)
_SMALL_IBAN = re.compile(
    r"\b(?P<value>[a-z]{2}\d\d ?[a-z\d]{4}(?: ?(?=[a-z]*\d)[a-z\d]{4}){2,6}(?: ?(?=[a-z]*\d)[a-z\d]{1,3})?)\b"
)


def _is_an_iban(value: str) -> bool:
    return bool(known.IbanRecognizer().validate_result(value.upper()))


ANNOUNCED = (
    Announced(IBAN, _SMALL_IBAN, _is_an_iban),
    Announced(ID, _NUMBERED, _is_a_number),
    Announced(ID, _STATE_NUMBERED, lambda value: _is_a_number(value, _BARE_DIGITS)),
    Announced(BORN, _BIRTH),
    Announced(ADDRESS, _LIVES, _is_an_address),
    Announced(ADDRESS, _SENT, _is_an_address),
    Announced(ADDRESS, _MOVED),
    Announced(IBAN, _ANNOUNCED_IBAN),
    Announced(CARD, _ANNOUNCED_CARD),
    Announced(PHONE, _ANNOUNCED_PHONE),
)


# What Presidio knows


class PhoneRecognizer(known.PhoneRecognizer):
    """Telephone numbers with a country code, announced by words, or valid and written as one."""

    _ANNOUNCED = re.compile(
        r"(?:\b(?:call|dial|ring|text|phone|mobile?|cell|tel|telephone|telefon|handy|fax|whatsapp|hotline"
        r"|direct line|reach|(?:my|his|her|their|private|home|new) (?:\w{1,10} )?numbers?)\b)[^\n\d]{0,30}$",
        re.IGNORECASE,
    )
    _OTHER_NUMBER = re.compile(
        r"(?:\b(?:ticket|order|invoice|policy|project|account|serial|version|case|request|reference"
        r"|cost cent(?:er|re)|purchase order|part|model|article|parcel|tracking|po|id|sku)\b)[^\n\d]{0,15}$",
        re.IGNORECASE,
    )

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        found = super().analyze(text, entities)
        return [one for one in found if self._counts(text, one.start, one.end)]

    def _counts(self, text: str, start: int, end: int) -> bool:
        if sum(map(str.isdigit, text[start:end])) < _FEWEST or _A_DATE.fullmatch(text, start, end):
            return False
        before = text[max(start - 45, 0) : start]
        if text[start] == "+":
            return True
        if self._OTHER_NUMBER.search(before):
            return False
        if self._ANNOUNCED.search(before):
            return True
        dialled = text.startswith("00", start) and not before.endswith("#")
        if text[start] not in "(0" or (text[start:end].isdigit() and not dialled):
            return False
        return any(map(phonenumbers.is_valid_number, _read(text[start:end])))


def _read(number: str) -> Iterator[phonenumbers.PhoneNumber]:
    """Return what a number is in each region where it can be one."""
    for region in _REGIONS:
        with suppress(phonenumbers.NumberParseException):
            yield phonenumbers.parse(number, region)


_CARDS = [
    *known.CreditCardRecognizer.PATTERNS,
    Pattern("Mastercard since 2017", r"\b2[2-7]\d{2}[- ]?\d{4}[- ]?\d{4}[- ]?\d{4}\b", 0.3),
]


def _email() -> PatternRecognizer:
    """Return an e-mail recogniser; Presidio's fetches a list of public domains and knows no internal ones."""
    letters = r"\w!#$%&'*+/=?^`{|}~\-"
    address = (
        rf"(?<![{letters}.@])[\w+](?:[{letters}.]{{0,62}}[{letters}])?"
        r"@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?![\w@]|:[\w/~])"
    )
    return PatternRecognizer(EMAIL, patterns=[Pattern("address", address, 1.0)], name="Email")


def recognisers() -> list[EntityRecognizer]:
    """Return all of them, each with the kind that it finds."""
    return [
        _email(),
        PhoneRecognizer(
            supported_entity=PHONE, supported_regions=_REGIONS, leniency=phonenumbers.Leniency.POSSIBLE
        ),
        known.IbanRecognizer(supported_entity=IBAN),
        known.CreditCardRecognizer(supported_entity=CARD, patterns=_CARDS),
        known.UsSsnRecognizer(supported_entity=ID),
        known.UsItinRecognizer(supported_entity=ID),
        known.UkNinoRecognizer(supported_entity=ID),
        known.DeSocialSecurityRecognizer(supported_language="en", supported_entity=ID),
        known.EsNifRecognizer(supported_language="en", supported_entity=ID),
        known.EsNieRecognizer(supported_language="en", supported_entity=ID),
        known.InPanRecognizer(supported_entity=ID),
        known.ItFiscalCodeRecognizer(supported_language="en", supported_entity=ID),
        known.FiPersonalIdentityCodeRecognizer(supported_language="en", supported_entity=ID),
        known.KrRrnRecognizer(supported_language="en", supported_entity=ID),
        known.SgFinRecognizer(supported_entity=ID),
        AnnouncedRecognizer(ANNOUNCED),
    ]


def counts(kind: str, value: str, score: float) -> bool:
    """Whether what a recogniser found is sure enough.

    A state's number of digits alone has to be announced.
    """
    return kind == PHONE or (score >= _SURE and not (kind == ID and score < 1.0 and value.isdigit()))
