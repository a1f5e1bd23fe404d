"""Words by which names.py tells people from other things, and those behind which people are named."""

from __future__ import annotations

import re
from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SELDOM_PEOPLE = _words(
    """
    ace alexa am amen an angel april arch art ash asia august aurora austin austria autumn azure barb bay bei
    berlin bill billing bin blaze bliss blue bond boston brand brook bud buddy cab can candy captain case
    cash cat chance chase chelsea chi china christian christmas claude cloud colt cook copilot cricket
    crystal cyprus dakota dallas das dates dawn day days deal dean december delta dem den denver der destiny
    diamond die do dot drew duke dutch earl early easter echo eden ein elm else em ember england english era
    eve even ever faith fan fay february flora florence florida ford forest fox france frances frank franklin
    freed french friday general genesis georgia german glory golden good grace grant gray green guy hall
    harbor harmony hat haven heaven herb hill holiday honest honesty honor hope houston hub hunt ice im in
    india indigo irish israel italy january jazz jersey jet jira jordan journey joy judge july june justice
    kenya kind king kit lad lady lake land lane large lean legacy lever liberty lincoln link little london
    long lord love loyal lucky luna ma mac madison magic mai major march mark market may mayor media mercedes
    mercury merry mi mid mile miles min mini mit mon monday moon more moss mother my nation near new newton
    night noble noel noon norm north nova november oak ocean october okta on one opal orange pa page pan
    paris park pat patch patience patient peace pen per phoenix poland polish porter precious president price
    pride prince princess prudence queen quick rain rainbow reed reef reward rich richer river rocky roman
    rome rose royal rusty sage saturday savannah scout sei september serene serenity service shade sharp
    short silver siri sky slack small smart so sonny spain spanish spring star sterling stone storm stormy
    strong sue summer sun sunday sunny swiss sydney talent team temple thursday time to today tours town
    trace trinity troy true trust tuesday unique van victoria victory virginia von war washington way
    wednesday welsh west white will winter wisdom wood woods work worth yan you young zone zoo zoom
    """
)
"""Given names and surnames that mostly mean something else: words, months, places, products."""

WORDS_AT_THE_START = _words(
    """
    amber basil carol clay cliff coral daisy dale dolly fern ginger hazel heather holly iris ivory ivy jade
    jasmine jewel lily melody misty olive pearl penny poppy robin rosemary ruby sandy sherry violet willow
    """
)
"""Names that are words when they begin with a small letter, and may be when they open a sentence."""

WORDS_WHEN_SMALL = _words(
    """
    ali ana ben bob carmen dan dana jack jan jo kai li lin max mia mike nan nick norm pia ram ray rob rod ron
    sam sol tia tim tony van wan
    """
)
"""Names that are words, abbreviations or slips when they begin with a small letter."""

NOT_PEOPLE = frozenset(
    {
        "ada lovelace",
        "alan turing",
        "baker mckenzie",
        "booz allen",
        "calvin klein",
        "charles schwab",
        "eli lilly",
        "goldman sachs",
        "harley davidson",
        "john deere",
        "jp morgan",
        "marie curie",
        "martin luther king",
        "mercedes benz",
        "merrill lynch",
        "morgan stanley",
        "philip morris",
        "raymond james",
        "robert half",
        "rosa parks",
        "saint patrick",
        "tommy hilfiger",
        "walt disney",
        "washington post",
        "wells fargo",
    }
)
"""Firms that are named like people, and people of whom a workplace speaks as a room or a holiday. Far from
all."""

PARTICLES = _words("al bin da das de del della den der di do dos du el ibn la le ni ter van von y zu")
"""Small words inside a name."""

AFTER_A_THING = _words(
    """
    account act app apps application award bank board bot box building center centre chart city class college
    committee county day days desk devices diagram discount drive effect floor form foundation framework fund
    group hall hospital hotel house inc index island job jobs law lease license llc ltd method model museum
    office page park plan plaza point policy prize project report road room rule school server site square
    station street subscription suite system team tool tower training university update version workshop
    """
)
"""What follows a name that names a thing: the Lincoln room, Victoria Day."""

ENDS_A_THING = _words("act award day inc llc ltd room street")
"""What a name does not end with, though the model takes all of Martin Luther King Day for a person."""

BEFORE_A_PLACE = _words("building fort hotel lake los mount port room saint san santa st")
"""What stands before a name that names a place or a holiday."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Words before a name.

    `trust` says what is taken for a name there: "sure", whatever is capitalised; "likely", what is in no
    dictionary; "listed", what is in a list of names. `then`: what has to follow the name.
    """

    pattern: re.Pattern[str]
    trust: str
    then: re.Pattern[str] | None = None


def _cue(pattern: str, trust: str, then: str | None = None) -> Cue:
    return Cue(re.compile(pattern, re.IGNORECASE), trust, re.compile(then) if then else None)


_COLLEAGUE = (
    r"(?:manager|boss|supervisor|team lead|colleague|coworker|buddy|mentor|deputy|assistant|report"
    r"|chef(?:in)?|kolleg(?:e|in))"
)
CUES = (
    _cue(
        r"\b(?:mr|mrs|ms|mx|dr|prof|herrn?|frau|mme|monsieur|madame|señora?|sra?)\.? (?:dr\. |prof\. )?",
        "sure",
    ),
    _cue(r"<at>", "sure"),
    _cue(
        r"\b(?:(?:my|his|her|their|whose) (?:full )?name is|i am called|mein name ist|je m'appelle"
        r"|me llamo) ",
        "sure",
    ),
    _cue(r"(?:^|\n)(?:name|employee name|signed|signed by|contact|owner|approver): ", "likely"),
    _cue(
        r"\b(?:hi|hello|hey|dear|hallo|liebe|lieber|bonjour|hola|good morning),? ",
        "likely",
        r"\s?[,!.\n–-]|$",
    ),
    _cue(
        r"\b(?:regards|wishes|cheers|thanks|thank you|best|sincerely|grüße|grüßen|gruß|lg|vg)[,!.]?\s{1,3}",
        "likely",
        r"\s*(?:\n|[.!]?$)",
    ),
    _cue(rf"\b(?:my|our|the|his|her|their|meine?) {_COLLEAGUE},? (?:is |ist )?", "listed"),
    _cue(
        r"\b(?:ask|asked|tell|told|contact|call|ping|email|mail|write to|talk to|talked to|speak to"
        r"|speak with|spoke with|spoke to|reach out to|send (?:it|this|them) to|report to|work for|worked for"
        r"|cover(?:ing)? for|thanks to|cc|according to|instead of|replaced|this is|i'm|i am|frag|fragt?e?"
        r"|bitte|demande à) ",
        "listed",
    ),
    _cue(r"\b(?:approved|signed|written|given|reviewed|decided|confirmed|sent|told) by ", "listed"),
    _cue(r"(?<!\S)@(?-i:(?=[A-ZÀ-Þ]))", "listed"),
)
