"""Rephrasings: other ways to ask a question, made by rules of English form, or by a model.

    "How many days of leave do I get after 3 years?"
        order       "After 3 years, how many days of leave do I get?"
        indirect    "Please tell me how many days of leave I get after 3 years."
        amount      "What number of days of leave do I get after 3 years?"
        person      "How many days of leave do we get after 3 years?"
        keywords    "days of leave after 3 years"
        typed       "how many days of leave do I get after 3 years"

No rule puts one word of meaning in the place of another: there is no list of synonyms here. What comes out
must still ask the same (`asks_the_same`): the same numbers, names and negations, and no other word that
carries meaning. A question in another language, or of several sentences, has no rephrasing.

A model is asked for other words, and a small one often repeats a question, answers it, or asks for something
else. So what it writes counts only where it passes the word-for-word checks (`made_examples.is_rewritten`),
and where the search finds the same evidence again among the first passages. It reads the masked question and
nothing of anybody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel

from core.records import Passage, TrainingExample
from core.sentences import words
from model.checks.names_and_numbers import has_names
from model.checks.quantities import find_quantities
from model.checks.terms import content_words
from model.text.languages import ENGLISH, detect_language
from model.text.output_text import to_plain_text
from model.text.question import AskedKind, classify_question, is_follow_up

_LONGEST = 300
_FEWEST_KEYWORDS = 2
_FEWEST_WORDS = 3
_AUXILIARY = "can|could|may|might|must|should|will|would|am|are|do"
_PRONOUN = "I|we|you|they"
_ASKING = r"(?:how \w+(?: \w+){0,5}?|when|where|why|which \w+(?: \w+){0,4}?|what(?: \w+){0,4}?|who)"
_INVERTED = re.compile(rf"({_ASKING}) ({_AUXILIARY}) ({_PRONOUN}) (.+)", re.IGNORECASE)
_WHETHER = re.compile(rf"({_AUXILIARY}) ({_PRONOUN}) (.+)", re.IGNORECASE)
_SUBJECT_ASKED = re.compile(
    rf"who (?!(?:{_AUXILIARY}|is|was|were|did|does|has|have|had)\b)(\w+ .+)", re.IGNORECASE
)
_CLAUSE = re.compile(r"(?<=\w) ((?:if|after|before|during|while) [^,]{3,80})", re.IGNORECASE)
_AMOUNTS = (
    (re.compile(r"^how many (?=\w+ )", re.IGNORECASE), "What number of "),
    (
        re.compile(rf"^how much (?!(?:{_AUXILIARY}|is|was|were|does|did|of|more|less)\b)", re.IGNORECASE),
        "What amount of ",
    ),
    (re.compile(r"^what is the (?:maximum|largest) number of ", re.IGNORECASE), "At most how many "),
    (re.compile(r"^how much does (.{2,60}) cost$", re.IGNORECASE), r"What is the cost of \1"),
)
_FORM_WORDS = content_words(
    "number amount cost many much most maximum largest please tell know whether get have"
)
"""Words that say only in which form something is asked."""
_MY = {
    "i": "we",
    "i'm": "we're",
    "i've": "we've",
    "my": "our",
    "me": "us",
    "mine": "ours",
    "myself": "ourselves",
}
_OUR = {"we": "I", "our": "my", "us": "me", "ours": "mine", "ourselves": "myself", "we're": "I'm"}
_TO_BE = (
    (re.compile(r"\b(?:am)(?= we\b)|(?<=\bwe )am\b"), "are"),
    (re.compile(r"\bAm(?= we\b)"), "Are"),
    (re.compile(r"\bwas(?= we\b)|(?<=\bwe )was\b"), "were"),
    (re.compile(r"\bare(?= I\b)|(?<=\bI )are\b"), "am"),
    (re.compile(r"\bAre(?= I\b)"), "Am"),
    (re.compile(r"\bwere(?= I\b)|(?<=\bI )were\b"), "was"),
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|except|unless|only)\b|n['’]t\b",
    re.IGNORECASE,
)
_DROPPED = frozenset(
    """
    how many much long often far early late soon what what's whats which who who's when's where's whom when
    where why is are was were am do does did can could may might must should will would i we you they it my
    our your their me us a an the there please any some have has had get gets got be been
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_LINKS = frozenset("of in on at for to from with by after before during per and or as".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Rephrasing:
    """Another way to ask a question, and the name of the rule that made it."""

    text: str
    rule: str


def rephrase_question(question: str) -> list[Rephrasing]:
    """Return other ways to ask a question, each once."""
    asked = " ".join(question.split()).rstrip(" ?.!")
    if not asked or len(asked) > _LONGEST or re.search(r"[.?!;:\n]\s", asked):
        return []
    if detect_language(question) != ENGLISH:
        return []
    found: dict[str, Rephrasing] = {}
    for rule, make in _RULES:
        for text in make(asked):
            if asks_the_same(question, text) and _plain(text) != _plain(question):
                found.setdefault(_plain(text), Rephrasing(text, rule))
    typed = asked[0].lower() + asked[1:] if _begins_small(asked) else asked
    found.setdefault("", Rephrasing(typed, "typed"))
    return [one for one in found.values() if one.text != question.strip()]


def asks_the_same(question: str, text: str) -> bool:
    """Tell whether a rule kept what is asked: numbers, names, negations, and the words of meaning.

    Keywords may leave out the form of the question; nothing may be added but words of form.
    """
    if not keeps_facts(question, text) or is_follow_up(text):
        return False
    said, wanted = content_words(text) - _FORM_WORDS, content_words(question) - _FORM_WORDS
    return said == wanted


def keeps_facts(question: str, text: str) -> bool:
    """Tell whether two questions have the same numbers, names and negations, and want the same kind."""
    kinds = {classify_question(one) for one in (question, text)} - {AskedKind.OTHER}
    return (
        len(kinds) <= 1
        and _list_numbers(question) == _list_numbers(text)
        and sorted(map(str.casefold, _NEGATION.findall(question)))
        == sorted(map(str.casefold, _NEGATION.findall(text)))
        and has_names(question, text)
        and has_names(text, question)
    )


def _list_numbers(text: str) -> list[tuple[str, ...]]:
    return sorted(tuple(sorted(one.readings)) for one in find_quantities(text))


def _plain(text: str) -> str:
    return " ".join(words(text)).casefold()


def _begins_small(asked: str) -> bool:
    """Tell whether the first word may be written small: it is no name."""
    return asked.split(maxsplit=1)[0].casefold() in _DROPPED - {"i"}


def _lower(text: str) -> str:
    return text[0].lower() + text[1:] if _begins_small(text) else text


def _front_clause(asked: str) -> Iterator[str]:
    """Put what comes last first: "…, if I am ill?"."""
    clause = _CLAUSE.search(asked)
    before = asked[: clause.start()] if clause else ""
    if clause and len(before.split()) >= _FEWEST_WORDS and clause.end() == len(asked):
        yield f"{clause[1][0].upper()}{clause[1][1:]}, {_lower(before)}?"


def _ask_indirectly(asked: str) -> Iterator[str]:
    """Ask without the order of a question, where its subject is a pronoun, or what is asked for."""
    if match := _INVERTED.fullmatch(asked):
        wanted, auxiliary, subject, rest = match.groups()
        yield f"Please tell me {_lower(wanted)} {_straighten(subject, auxiliary)} {rest}."
    elif match := _WHETHER.fullmatch(asked):
        auxiliary, subject, rest = match.groups()
        yield f"Please tell me whether {_straighten(subject, auxiliary)} {rest}."
    elif match := _SUBJECT_ASKED.fullmatch(asked):
        yield f"Please tell me who {match[1]}."


def _straighten(subject: str, auxiliary: str) -> str:
    subject = "I" if subject.casefold() == "i" else subject.lower()
    return subject if auxiliary.casefold() == "do" else f"{subject} {auxiliary.lower()}"


def _name_amount(asked: str) -> Iterator[str]:
    for pattern, said in _AMOUNTS:
        changed = pattern.sub(said, asked)
        if changed != asked:
            yield f"{changed}?"
            return


def _change_person(asked: str) -> Iterator[str]:
    """Let "I" be "we", or the other way round, where only one of them speaks."""
    spoken = set(map(str.casefold, _WORD.findall(asked.replace("’", "'"))))
    tables = [table for table in (_MY, _OUR) if spoken & table.keys()]
    if len(tables) != 1:
        return

    def change(match: re.Match[str]) -> str:
        said = tables[0].get(match[0].replace("’", "'").casefold(), match[0])
        return said[0].upper() + said[1:] if match.start() == 0 and match[0][0].isupper() else said

    changed = _WORD.sub(change, asked)
    for pattern, said in _TO_BE:
        changed = pattern.sub(said, changed)
    yield f"{changed}?"


def _keep_keywords(asked: str) -> Iterator[str]:
    """Leave out what only makes a sentence of it; not of a question that negates something."""
    if _NEGATION.search(asked):
        return
    kept = [word for word in asked.split() if word.strip("'’,").casefold() not in _DROPPED]
    while kept and kept[0].casefold() in _LINKS:
        kept = kept[1:]
    while kept and kept[-1].casefold() in _LINKS:
        kept = kept[:-1]
    if len([word for word in kept if word.casefold() not in _LINKS]) >= _FEWEST_KEYWORDS:
        yield " ".join(kept)


_RULES: tuple[tuple[str, Callable[[str], Iterator[str]]], ...] = (
    ("order", _front_clause),
    ("indirect", _ask_indirectly),
    ("amount", _name_amount),
    ("person", _change_person),
    ("keywords", _keep_keywords),
)


Write = Callable[[str], str]
"""A question → what a model writes when it is asked for other words, a question a line."""
Find = Callable[[str], Sequence[Passage]]
"""A question → the passages that the search finds, the nearest first."""

_TELLS = (
    "You rewrite questions of employees. Write the question in other words, in three ways, one on a line. "
    "Keep every number, every name and every negation. Do not answer it."
)
_TOKENS = 96
FIRST = 3
"""Passages of a search among which the evidence has to be."""
_LONGEST_REPLY = 300
_MARKER = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+")


def write_with(chat: BaseChatModel) -> Write:
    """Return what asks a chat model for other words. Raises EngineError when it is called."""

    def write(question: str) -> str:
        return chat.invoke([("system", _TELLS), ("human", f"Question: {question}")], max_tokens=_TOKENS).text

    return write


@dataclass(frozen=True, slots=True)
class ModelRephrasing:
    """What a model makes of an example's question (`made_examples.Rewrite`)."""

    write: Write
    find: Find

    def __call__(self, example: TrainingExample) -> Sequence[str]:
        """Return questions in other words that bring the evidence of the example again."""
        lines = list_questions(self.write(example.question_text))
        return [line for line in lines if finds_evidence(example, self.find(line))]


def list_questions(written: str) -> list[str]:
    """Return the questions of what a model wrote, without numbers before them, each once."""
    lines = (_MARKER.sub("", to_plain_text(line)).strip().strip('"“”') for line in written.splitlines())
    return list(dict.fromkeys(line for line in lines if line.endswith("?") and len(line) <= _LONGEST_REPLY))


def finds_evidence(example: TrainingExample, found: Sequence[Passage]) -> bool:
    """Tell whether the passage that the answer stands in is among the first that were found."""
    evidence = _choose_evidence(example)
    return evidence is not None and any(
        one.url == evidence.url and (one.text in evidence.text or evidence.text in one.text)
        for one in found[:FIRST]
    )


def _choose_evidence(example: TrainingExample) -> Passage | None:
    """Return the passage with most of the answer's words; of one that declines, the nearest passage."""
    said = set[str]() if example.declines else content_words(example.completion)
    return max(example.passages, key=lambda one: len(said & content_words(one.text)), default=None)
