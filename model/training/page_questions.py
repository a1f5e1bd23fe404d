"""Page questions: what the sentences and headings of a passage answer, asked by rules of English form.

    "Everyone gets 26 days of annual leave."  →  "How many days of annual leave does everyone get?"
    "A lost key costs 40 euros."              →  "How much does a lost key cost?"
    "The fee was raised in 2019."             →  "When was the fee raised?"
    "The fee is set by the finance team."     →  "By whom or what is the fee set?"
    "The desk is located in Oslo."            →  "Where is the desk located?"
    "The owner is the finance team."          →  "What is the owner?"
    "Contractors must wear a badge."          →  "Must contractors wear a badge?"
    "In 1886 Ada joined the firm in Oslo."    →  "In which year Ada joined the firm in Oslo?"
    "## How do I get a key?" and its text     →  "How do I get a key?"
    "## Lost keys" and its text               →  "Lost keys"

The answer is the sentence itself, word for word; after "Yes" where it is asked whether. Nobody's words but
the page's are in it. Only sentences that stand for themselves are asked for: no pronoun for a subject, no
negation, no condition, and nothing that speaks to a model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.records import Passage
from core.sentences import pieces
from model.checks.terms import content_words
from model.text.languages import ENGLISH, detect_language
from model.text.output_text import to_plain_text
from model.text.prompt import speaks_to_a_model
from model.text.question import is_follow_up, is_keywords

_FEWEST, _MOST = 4, 40
"""Words of a sentence that is asked for."""
_MOST_WORDS = 30
"""Words of a sentence in whose place something is asked for."""
_LONGEST_SUBJECT = 7
"""Words of a subject."""
_SUBJECT = r"((?:[A-Z]|\d)[^,;:()?]{1,70}?)"
_VERBS = {
    "gets": "get",
    "get": "get",
    "receives": "receive",
    "receive": "receive",
    "earns": "earn",
    "earn": "earn",
    "has": "have",
    "have": "have",
    "needs": "need",
    "need": "need",
    "requires": "require",
    "require": "require",
    "includes": "include",
    "contains": "contain",
    "covers": "cover",
    "pays": "pay",
    "pay": "pay",
    "takes": "take",
    "take": "take",
    "won": "win",
    "had": "have",
    "received": "receive",
}
_PAST = frozenset({"won", "had", "received"})
_COUNTED = re.compile(
    rf"{_SUBJECT} ({'|'.join(_VERBS)}) (?:up to |at least |at most |about |around )?"
    r"(?:\d[\d.,]*|two|three|four|five|six|seven|eight|nine|ten|twelve) "
    r"((?!more|other|such)[a-z]+(?: of [a-z]+(?: [a-z]+)?)?)([^—–;]*)"
)
_COSTS = re.compile(rf"{_SUBJECT} costs? (?:[$€£]? ?\d.*)")
_WHEN = re.compile(
    rf"{_SUBJECT} (is|are|was|were) ((?:(?!\b(?:but|and|which|that|subject)\b)[^,;])*?) (?:in (?:1\d|20)\d\d"
    r"|(?:on|by) (?:January|February|March|April|May|June|July|August|September|October|November|December)"
    r" \d{1,2}(?:, (?:1\d|20)\d\d)?)((?: [^,;]+)?)"
)
_BY = re.compile(
    rf"{_SUBJECT} (is|are|was|were) (?!located|held|situated|bounded)"
    r"((?:\w+ly )?\w+(?:ed|en|wn|ght|ld|set|nt|ne|un)) by (?!\d)[^;]+"
)
_WHERE = re.compile(
    rf"{_SUBJECT} (is|are|was|were) (located|held|based|situated|kept|stored|found|born|buried|posted) "
    r"(?:in|at|on|near) (?!(?:1\d|20)\d\d)[^;]+"
)
_WHAT = re.compile(rf"{_SUBJECT} (is|are|was|were) (?:the|an?|one of|[$€£]?\d[\d.,]*) [^;]*")
_RULE = re.compile(rf"{_SUBJECT} (must|should|can) ([a-z]+ [^;—]{{1,120}})")
_POINTS_ELSEWHERE = re.compile(
    r"\b(?:it|its|they|them|their|this|that|these|those|he|she|his|her|here|there|above|below|such|following"
    r"|however|also|but|other|another|both|because|although|though|while|once|after|since|as|in|on|at|during"
    r"|for|when|if|before|by|with|from|like|unlike|despite|much|many|so|thus|then|now|today|first|second)\b",
    re.IGNORECASE,
)
"""A subject with one of these says something of what stands elsewhere."""
_BOUND = re.compile(r"\b(?:not|no|never|only|without|unless|except|if|cannot)\b|n['’]t\b", re.IGNORECASE)
"""Who leaves out a negation or a condition asks for something else."""
_VERB_INSIDE = re.compile(
    r"\b(?:is|are|was|were|has|have|had|do|does|did|can|must|may|should|will|be|been|and|or|to)\b"
)
_YOU = re.compile(r"\b(?:you|your|we|our|us|i|my)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """A question that one passage answers.

    `answer` is its sentence (after "Yes." where it is asked whether), `short` the words in it that are asked
    for ("": nobody knows which), and `rule` what made the question.
    """

    text: str
    answer: str
    passage: Passage
    rule: str
    short: str = ""


def ask_of_passage(passage: Passage) -> list[PageQuestion]:
    """Return what the passage answers, each question once, in the order of its sentences.

    The text of the passage alone decides: the same text gives the same questions.
    """
    if detect_language(passage.text[:1000]) != ENGLISH:
        return []
    found: dict[str, PageQuestion] = {}
    sentences = [passage.text[one.start : one.end] for one in pieces(passage.text)]
    for made in (*_ask_heading(passage, sentences), *_ask_sentences(passage, sentences)):
        found.setdefault(made.text.casefold(), made)
    return list(found.values())


def _ask_sentences(passage: Passage, sentences: list[str]) -> Iterator[PageQuestion]:
    for said in map(_flatten, sentences):
        if not _is_askable(said) or _BOUND.search(said):
            continue
        asked = next(
            ((rule, text) for rule, ask in _FORMS if (text := ask(said.rstrip("."), passage.text))), None
        )
        if asked is not None:
            rule, text = asked
            yield PageQuestion(text, f"Yes. {said}" if rule == "whether" else said, passage, rule)
        elif blank := _leave_blank(said):
            yield PageQuestion(blank[0], said, passage, "in its place", blank[1])


def _leave_blank(said: str) -> tuple[str, str] | None:
    """Ask for the only number of its kind in a sentence, in its place; return the question and the number."""
    if len(said.split()) > _MOST_WORDS or _POINTS_ELSEWHERE.search(" ".join(said.split()[:2])):
        return None
    if _INTERRUPTED.search(said):
        return None
    for pattern, asks in _BLANKS:
        found = list(pattern.finditer(said))
        if len(found) == 1 and not _DEFINITE.search(said[: found[0].start()]):
            match = found[0]
            wanted = match.expand(asks)
            wanted = f"{wanted[0].upper()}{wanted[1:]}" if match.start() == 0 else wanted
            return f"{said[: match.start()]}{wanted}{said[match.end() : -1]}?", match["short"]
    return None


_INTERRUPTED = re.compile(r"[()\[\]“”\":;?–—]|\w[?]")
"""Signs of a sentence that is more than one: it cannot be asked as one."""
_DEFINITE = re.compile(
    r"\b(?:the|all|these|those|this|that|other|another|last|first|next|past|every|each|no|x|our|your|its"
    r"|their) $",
    re.IGNORECASE,
)
"""Words before which no "how many" can stand."""
_BLANKS = (
    (re.compile(r"\b[Ii]n (?P<short>(?:1\d|20)\d\d)\b(?![-–/]|,? (?:and |or |to )?\d)"), r"in which year"),
    (re.compile(r"(?<![\w.,])(?P<short>[$€£]\d[\d.,]*\d(?: [mb]illion)?)(?![\w-])"), r"how much money"),
    (
        re.compile(r"(?<![\w.,$€£-])(?<!\bto )(?P<short>\d[\d.,]*(?:%| percent))(?![\w-])"),
        r"what percentage",
    ),
    (
        re.compile(r"(?<![\w.,$€£:-])(?<!\bto )(?<!\bor )(?P<short>\d[\d,]* (?P<noun>[a-z]{3,}s))\b"),
        r"how many \g<noun>",
    ),
)


def _ask_heading(passage: Passage, sentences: list[str]) -> Iterator[PageQuestion]:
    """Ask what a heading asks itself, or for what it names, where the sentence below it speaks of that."""
    heading = passage.heading.rpartition(" › ")[2].strip()
    below = [said for one in sentences if (said := _flatten(one)) and said != heading]
    if not below or not _is_askable(below[0]):
        return
    asks = heading.endswith("?") and not is_follow_up(heading)
    names = is_keywords(heading) and bool(content_words(heading) & content_words(below[0]))
    if asks or names:
        yield PageQuestion(heading, below[0], passage, "heading")


def _flatten(sentence: str) -> str:
    return " ".join(to_plain_text(sentence).split())


def _is_askable(said: str) -> bool:
    enough = _FEWEST <= len(said.split()) <= _MOST
    return enough and said.endswith(".") and said[0].isalnum() and not speaks_to_a_model(said)


def _take_subject(subject: str, page: str) -> str:
    """Return a subject as it stands within a question, "" where it is none that can be asked for.

    Its first word is written small where a small word follows, and the page has it nowhere as a name.
    """
    long = len(subject.split()) > _LONGEST_SUBJECT
    if long or any(look.search(subject) for look in (_VERB_INSIDE, _YOU, _POINTS_ELSEWHERE)):
        return ""
    first, space, rest = subject.partition(" ")
    written = first[1:].replace("-", "")
    named = not written.isalpha() or not first[1:].islower() or first in _DAYS
    named = named or bool(re.search(rf"[a-z,] {re.escape(first)}\b", page))
    follows = rest[:1].islower() if rest else first.endswith("s")
    small = first in _ARTICLES or (follows and not named)
    return f"{first.lower()}{space}{rest}" if small else subject


_ARTICLES = frozenset(["The", "A", "An", "Everyone", "Everybody"])
_DAYS = frozenset(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])


def _ask_count(said: str, page: str) -> str:
    match = _COUNTED.fullmatch(said)
    subject = _take_subject(match[1], page) if match else ""
    if not match or not subject:
        return ""
    verb = match[2]
    helps = "did" if verb in _PAST else "does" if verb.endswith("s") else "do"
    return f"How many {match[3]} {helps} {subject} {_VERBS[verb]}{match[4]}?"


def _ask_cost(said: str, page: str) -> str:
    match = _COSTS.fullmatch(said)
    subject = _take_subject(match[1], page) if match else ""
    return f"How much does {subject} cost?" if subject else ""


def _ask_when(said: str, page: str) -> str:
    match = _WHEN.fullmatch(said)
    subject = _take_subject(match[1], page) if match else ""
    return f"When {match[2]} {subject} {match[3]}{match[4]}?" if match and subject else ""


def _ask_by_whom(said: str, page: str) -> str:
    match = _BY.fullmatch(said)
    subject = _take_subject(match[1], page) if match else ""
    return f"By whom or what {match[2]} {subject} {match[3]}?" if match and subject else ""


def _ask_where(said: str, page: str) -> str:
    match = _WHERE.fullmatch(said)
    subject = _take_subject(match[1], page) if match else ""
    return f"Where {match[2]} {subject} {match[3]}?" if match and subject else ""


def _ask_what(said: str, page: str) -> str:
    match = _WHAT.fullmatch(said)
    subject = _take_subject(match[1], page) if match else ""
    return (
        f"What {match[2]} {subject}?" if match and subject and not match[1].split()[0].endswith("ing") else ""
    )


def _ask_whether(said: str, page: str) -> str:
    match = _RULE.fullmatch(said)
    subject = _take_subject(match[1], page) if match else ""
    return f"{match[2].capitalize()} {subject} {match[3]}?" if match and subject else ""


_FORMS: tuple[tuple[str, Callable[[str, str], str]], ...] = (
    ("how many", _ask_count),
    ("how much", _ask_cost),
    ("when", _ask_when),
    ("by whom", _ask_by_whom),
    ("where", _ask_where),
    ("what", _ask_what),
    ("whether", _ask_whether),
)
