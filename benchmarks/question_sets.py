"""Questions with the places that answer them, from public data: what a search is measured with.

| set | asked over | right page | evidence |
|---|---|---|---|
| handbook | all pages of a handbook | the page, or one of several | each quoted sentence, item or row |
| handbook, typing errors / chatter / keywords | the same, questions changed by chance | the same | the same |
| XQuAD | 240 paragraphs, each a page | the question's own paragraph | the same |
| PolicyQA | one privacy policy | a paragraph that answers the question | the same |

When a passage of the right page has an evidence of the handbook, model/evaluation/metrics.py says. A
follow-up is asked together with the question before it; what no page answers is left out.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.records import Hit, Page, Section
from model.evaluation.metrics import is_told
from model.evaluation.question_sets import PageQuestion, read_questions
from pages.fetched import PageRefused
from pages.parse.extract import extract, page_hash

Tells = Callable[[Hit], bool]


def find_half(text: str) -> int:
    """Return 0 or 1 by a hash of a page or question: one half chooses or fits, the other one reports."""
    return hashlib.sha256(text.encode()).digest()[0] % 2


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its page (None: all), and how a hit is known to be of the right page or evidence."""

    question: str
    page_url: str | None
    is_page: Tells
    evidence: tuple[Tells, ...]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions over pages, whose passages have at most so many tokens."""

    name: str
    pages: tuple[Page, ...]
    asked: tuple[Asked, ...]
    passage_tokens: int = 180


def handbook(data: Path) -> QuestionSet:
    """Return the employees' questions and the pages of their handbook."""
    return over_pages("handbook", data / "questions" / "dev.jsonl", data / "handbook" / "pages")


def over_pages(name: str, file: Path, root: Path) -> QuestionSet:
    """Return the questions of a file and the pages of the folder that they are about."""
    asked = [_of_handbook(question) for question in read_questions(file) if not question.is_absent]
    return QuestionSet(name, tuple(read_folder(root)), tuple(asked))


def read_folder(root: Path) -> list[Page]:
    """Return the pages of a folder, without those that only lead elsewhere."""
    pages: list[Page] = []
    for page in sorted(root.rglob("*.md")):
        url = page.relative_to(root).as_posix()
        try:
            pages.append(
                extract(
                    page.read_bytes(), url=url, content_type="text/markdown", fetched_at=datetime.now(UTC)
                )
            )
        except PageRefused:  # it only leads elsewhere
            continue
    return pages


def _of_handbook(asked: PageQuestion) -> Asked:
    urls = {asked.page, *asked.also}

    def is_page(hit: Hit) -> bool:
        return hit.passage.url.partition("#")[0] in urls

    def evidence(text: str) -> Tells:
        def tells(hit: Hit) -> bool:
            return is_page(hit) and is_told(text, hit.passage)

        return tells

    question = " ".join(filter(None, [asked.before, asked.question]))
    return Asked(question, None, is_page, tuple(map(evidence, asked.evidence)))


def xquad(data: Path, every: int = 2) -> QuestionSet:
    """Return every so many questions of XQuAD, each of its paragraphs a page of one passage."""
    pages: list[Page] = []
    asked: list[Asked] = []
    for number, paragraph in enumerate(_paragraphs(data / "xquad" / "xquad.en.json")):
        url = f"/xquad/{number}"
        pages.append(_page(url, "", [paragraph["context"]]))
        asked += [Asked(one["question"], None, *_match_url(url)) for one in paragraph["qas"]]
    return QuestionSet("XQuAD", tuple(pages), tuple(asked[::every]), passage_tokens=100_000)


def _match_url(url: str) -> tuple[Tells, tuple[Tells, ...]]:
    def tells(hit: Hit) -> bool:
        return hit.passage.url == url

    return tells, (tells,)


def policyqa(data: Path, every: int = 3) -> QuestionSet:
    """Return every so many questions about one privacy policy each; several paragraphs may answer one."""
    contexts: dict[str, list[str]] = defaultdict(list)
    answering: dict[tuple[str, str], set[str]] = defaultdict(set)
    for article in json.loads((data / "policyqa" / "dev.json").read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            contexts[article["title"]].append(paragraph["context"])
            for one in paragraph["qas"]:
                answering[article["title"], one["question"]].add(paragraph["context"])
    pages = [_page(f"/policy/{title}", title, texts) for title, texts in contexts.items()]
    asked = [
        Asked(question, f"/policy/{title}", *_within(frozenset(texts)))
        for (title, question), texts in sorted(answering.items())[::every]
    ]
    return QuestionSet("PolicyQA", tuple(pages), tuple(asked))


def _within(texts: frozenset[str]) -> tuple[Tells, tuple[Tells, ...]]:
    def tells(hit: Hit) -> bool:
        return any(hit.passage.text in text for text in texts)

    return tells, (tells,)


def _paragraphs(file: Path) -> Iterator[dict[str, Any]]:
    for article in json.loads(file.read_text("utf-8"))["data"]:
        yield from article["paragraphs"]


def _page(url: str, title: str, texts: Sequence[str]) -> Page:
    sections = tuple(Section("", "", text) for text in texts)
    return Page(url, title, sections, page_hash(title, sections), datetime.now(UTC))


def vary_questions(questions: QuestionSet) -> list[QuestionSet]:
    """Return a set as people type: with typing errors, with chatter around the questions, and as keywords."""
    kinds = {"typing errors": _with_typing_errors, "chatter": _with_chatter, "keywords": _as_keywords}
    sets: list[QuestionSet] = []
    for name, change in kinds.items():
        chance = random.Random(7)  # noqa: S311 - the same questions at every run
        asked = [replace(one, question=change(one.question, chance)) for one in questions.asked]
        sets.append(replace(questions, name=f"{questions.name}, {name}", asked=tuple(asked)))
    return sets


_BEFORE = (
    "Hi there, I just got back from two weeks in Spain and my manager is away. ",
    "Sorry to bother you, this is probably a silly question, but ",
    "I joined the team three weeks ago and am still finding my feet. ",
    "My laptop died on the train this morning and I had to borrow one. ",
    "We had a long discussion about this at lunch yesterday and nobody was sure. ",
    "My partner starts a new job in Chicago in the summer, so ",
    "Good morning bot, hope you are well. ",
    "I asked in the channel but nobody answered me, so I try here: ",
    "Quick one before my flight leaves at noon, ",
)
_AFTER = (
    "",
    "",
    " Thanks a lot in advance!",
    " My colleague Anna said something else.",
    " I need it by Friday.",
)
_LITTLE_WORDS = frozenset(
    """
    a an the and or of in on at to for from by with as is are was be do does did have has had
    will would should can could
    i me my we us our you your it its this that what when where who which how why if there so than then
    am he she they
    """.split()  # noqa: SIM905 - a list of words reads better so
)
_SHORTEST = 5
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _with_typing_errors(question: str, chance: random.Random) -> str:
    """Make one error in two of the longer words."""
    parts = re.findall(r"\w+|\W+", question)
    long = [at for at, part in enumerate(parts) if part.isalpha() and len(part) >= _SHORTEST]
    for at in chance.sample(long, min(2, len(long))):
        parts[at] = _with_typing_error(parts[at], chance)
    return "".join(parts)


def _with_typing_error(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    missing = word[:at] + word[at + 1 :]
    doubled = word[:at] + word[at] + word[at:]
    wrong = word[:at] + chance.choice(_LETTERS) + word[at + 1 :]
    return chance.choice([swapped, missing, doubled, wrong])


def _with_chatter(question: str, chance: random.Random) -> str:
    return f"{chance.choice(_BEFORE)}{question.rstrip(' ?.!')}?{chance.choice(_AFTER)}"


def _as_keywords(question: str, _: random.Random) -> str:
    kept = [word for word in re.findall(r"[\w'.-]+", question) if word.lower() not in _LITTLE_WORDS]
    return " ".join(kept) or question
