"""Data-poisoning filters: which corrections are set aside, and how far a person's judgement is trusted.

What the filter of texts finds is set aside for the operator, not judged: a correction may name a link for
good reasons. It is a net for the known kinds (OWASP LLM Top 10: data poisoning, prompt injection), not a
proof that nothing else is planted.

People who rate badly on purpose do it again and again, so they are found as people, not answer by answer:
filtering by user beats filtering by example (Ju et al. 2022, https://arxiv.org/abs/2208.03295). They are
measured by what they cannot choose: the random sample of answers, which part of the reviewers judge twice,
without seeing each other's ruling.

    agreement = (agreed + 8) / (compared + 10)
    trust     = (agreement - 0.5) / (0.8 - 0.5), cut to 0 … 1

The agreement is a posterior mean: a person who is not known yet counts like somebody who agreed in 8 of 10
cases (a Beta(8, 2) prior on a rater's accuracy, which Dawid & Skene 1979, Applied Statistics 28, estimated
without one). So a newcomer is trusted fully, one contradiction takes little away, six in a row take all, and
somebody who agrees no more often than a coin ends at 0, however much they say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from core.records import Answer, Feedback, Review, Ruling
from feedback.reviews.ratings import Scale

LINK, MARKUP = "a link to a foreign host", "markup"
ORDER, HIDDEN = "an instruction to the model", "hidden characters"

_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,20}:[/\\]{2}|(?<![\w/])[/\\]{2}(?=\w)|\bwww\.)[^\s<>\"')\]]+"
    r"|\b(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}[/\\][^\s<>\"')\]]*",
    re.IGNORECASE,
)
_NEVER_A_PAGE = re.compile(r"\b(?:javascript|data|vbscript|file|blob):\S", re.IGNORECASE)
_MARKUP = re.compile(
    r"</?[a-z][a-z0-9-]*(?:[\s/][^<>]*)?>|<(?:script|img|iframe|svg|a|style|link|form|object|embed|meta)\b\s*\S"
    r"|<[|!?]|\|>|!\[|\]\(|^[^\S\n]*\[[^\]\n]+\]:\s|```|\{\{|\{%|&#?\w{2,8};"
    r"|\[/?INST\]|<</?SYS>>|^[^\S\n]*#{2,}\s*(?:instruction|system|response|input)\b"
    r"|^[^\S\n]*(?:system|assistant|user|human|ai)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_TO_IGNORE = r"(?:ignore|disregard|forget|override|bypass|do not follow|don['’]t follow)"
_RULES = r"(?:instruction|prompt|rule|direction|guideline|polic(?:y|ies)|context|message|command|training)s?"
_ORDER = re.compile(
    rf"\b{_TO_IGNORE}\b.{{0,60}}\b(?:previous|prior|above|earlier|preceding|foregoing|all|any|your|these|everything)\b"
    rf".{{0,40}}\b{_RULES}\b"
    r"|\b(?:ignore|disregard|forget)\s+(?:everything|all)\s+(?:above|before|that|you)\b"
    r"|\bsystem\s+prompt\b|\b(?:developer|debug|jailbreak|god|dan)\s+mode\b|\bjailbreak"
    r"|\byou\s+are\s+now\s+(?:a|an|the|my)\b|\bpretend\s+(?:to\s+be|that\s+you|you)\b|\bact\s+as\s+(?:if\s+you|a|an|my)\b"
    r"|\bnew\s+instructions?\b|\bas\s+an\s+ai\b|\b(?:the|this)\s+(?:ai|bot|assistant|chatbot|language\s+model)\s+(?:must|shall|should)\b"
    r"|\bfrom\s+now\s+on,?\s+(?:you\s+(?:must|will|shall|are\s+to)\s+)?(?:answer|say|reply|respond|always|never)\b"
    r"|\b(?:always|never|only)\s+(?:answer|reply|respond)\b"
    r"|\b(?:when|whenever|if)\s+(?:someone|anyone|somebody|anybody|a\s+user|the\s+user|users|you\s+are|you['’]re)\s+ask(?:s|ed)?"
    r"\s+(?:about|for|how|what|when|where|whether|which|who|why|you)\b"
    r"|\b(?:reveal|print|repeat|output)\s+(?:your|the)\s+(?:system|prompt|instruction|password|key|secret)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_CONTROLS = frozenset("\n\r\t")
_JOINERS = frozenset("\u200c\u200d")
_HIDING = frozenset({"Cc", "Cf", "Co", "Cs"})
_SUPPLEMENT = range(0xE0100, 0xE01F0)
"""Variation selectors without a picture: whole texts can be written in them."""


def suspicions(text: str, hosts: Collection[str] = ()) -> list[str]:
    """Return what speaks against training on a text, in words; nothing for most.

    `hosts` are those that it may lead to: the pages' own, and those that the pages name (`find_hosts`).
    """
    shown = "".join(mark for mark in unicodedata.normalize("NFKC", text) if not _hides(mark))
    tests: dict[str, Callable[[], bool]] = {
        HIDDEN: lambda: _has_hidden(text),
        LINK: lambda: _leads_away(shown, hosts),
        MARKUP: lambda: bool(_MARKUP.search(shown)),
        ORDER: lambda: bool(_ORDER.search(shown)),
    }
    return [name for name, holds in tests.items() if holds()]


def find_hosts(text: str) -> set[str]:
    """Return the hosts that a text names in addresses."""
    return {_parse_host(match.group()) for match in _ADDRESS.finditer(text)} - {""}


def _leads_away(text: str, hosts: Collection[str]) -> bool:
    if _NEVER_A_PAGE.search(text):
        return True
    known = [host.casefold().rstrip(".") for host in hosts if host]
    return any(not _belongs(_parse_host(match.group()), known) for match in _ADDRESS.finditer(text))


def _belongs(host: str, known: Collection[str]) -> bool:
    return any(host == one or host.endswith(f".{one}") for one in known)


def _parse_host(address: str) -> str:
    """Return the host that a browser would open; "" for what is none."""
    plain = address.replace("\\", "/")
    whole = plain if "://" in plain else f"https://{plain.lstrip('/')}"
    try:
        return (urlsplit(whole).hostname or "").casefold().rstrip(".")
    except ValueError:
        return ""


def _has_hidden(text: str) -> bool:
    """Tell whether something is there that nobody sees.

    Joiners inside emoji and in scripts that need them are fine.
    """
    for place, mark in enumerate(text):
        if not _hides(mark):
            continue
        around = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
        if mark not in _JOINERS or not around or any(one.isascii() for one in around):
            return True
    return False


def _hides(mark: str) -> bool:
    if mark in _PLAIN_CONTROLS:
        return False
    return unicodedata.category(mark) in _HIDING or ord(mark) in _SUPPLEMENT


_AGREED, _COMPARED = 8, 10
"""What somebody is imagined to have said before they said anything."""
_CHANCE = 0.5


@dataclass(slots=True)
class Agreements:
    """Who agreed how often: person → [agreed, compared]. As large as there are people."""

    counts: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def add(self, person: str, *, agreed: bool) -> None:
        """Note one comparison."""
        counts = self.counts.setdefault(person, [0, 0])
        counts[0] += agreed
        counts[1] += 1

    def trust(self, person: str) -> float:
        """Return how far somebody is trusted, 0 to 1."""
        agreed, compared = self.counts.get(person, (0, 0))
        agreement = (agreed + _AGREED) / (compared + _COMPARED)
        expected = _AGREED / _COMPARED
        return round(min(1.0, max(0.0, (agreement - _CHANCE) / (expected - _CHANCE))), 3)

    def count_distrusted(self) -> tuple[int, int]:
        """Return how many people are trusted less than fully, and how many not at all."""
        trusts = [self.trust(person) for person in self.counts]
        return sum(0 < trust < 1 for trust in trusts), sum(trust == 0 for trust in trusts)


def compare_raters(
    into: Agreements, reviewed: tuple[Review, Answer], words: Sequence[Feedback], scale: Scale
) -> None:
    """Compare what people said about an answer with what reviewers decided.

    Only the sample counts: elsewhere whoever complained chose the question. A declined answer disappoints
    also where it is right to decline, so it tells nothing about its rater; nor does somebody who calls one
    answer good and bad.
    """
    review, answer = reviewed
    ruling = review.ruling
    if ruling is None or not review.blind or answer.abstained or ruling.ruling is Ruling.REJECTED:
        return
    was_right = ruling.ruling is Ruling.APPROVED
    said: dict[str, set[bool]] = {}
    for word in words:
        opinion = scale.read_opinion(word) if word.trainable else 0
        if opinion:
            said.setdefault(word.giver, set()).add(opinion > 0)
    for person, views in said.items():
        if len(views) == 1:
            into.add(person, agreed=views == {was_right})


def compare_reviewers(into: Agreements, review: Review) -> None:
    """Compare the rulings of reviewers who judged one answer blindly: agreed is who was not alone."""
    if not review.blind or len(review.verdicts) < 2:  # noqa: PLR2004 - two make a comparison
        return
    for place, verdict in enumerate(review.verdicts):
        into.add(verdict.reviewer, agreed=verdict.ruling in _others(review, place))


def _others(review: Review, place: int) -> Iterator[Ruling]:
    return (one.ruling for at, one in enumerate(review.verdicts) if at != place)
