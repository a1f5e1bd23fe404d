"""Is this a right answer, or something to plant in a model? A screen over what people write as corrections.

What it finds is set aside for the operator, not judged: a correction may name a link for good reasons. It is
a net for the known kinds (OWASP LLM Top 10: data poisoning, prompt injection), not a proof that nothing else
is planted; reviewers who plant facts are met by the measures of `feedback/examples/trust.py` and by the caps.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

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

    `hosts` are those that it may lead to: the pages' own, and those that the pages name (`hosts_in`).
    """
    shown = "".join(mark for mark in unicodedata.normalize("NFKC", text) if not _hides(mark))
    tests: dict[str, Callable[[], bool]] = {
        HIDDEN: lambda: _has_hidden(text),
        LINK: lambda: _leads_away(shown, hosts),
        MARKUP: lambda: bool(_MARKUP.search(shown)),
        ORDER: lambda: bool(_ORDER.search(shown)),
    }
    return [name for name, holds in tests.items() if holds()]


def hosts_in(text: str) -> set[str]:
    """Return the hosts that a text names in addresses."""
    return {_host_of(match.group()) for match in _ADDRESS.finditer(text)} - {""}


def _leads_away(text: str, hosts: Collection[str]) -> bool:
    if _NEVER_A_PAGE.search(text):
        return True
    known = [host.casefold().rstrip(".") for host in hosts if host]
    return any(not _belongs(_host_of(match.group()), known) for match in _ADDRESS.finditer(text))


def _belongs(host: str, known: Collection[str]) -> bool:
    return any(host == one or host.endswith(f".{one}") for one in known)


def _host_of(address: str) -> str:
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
