"""Questions over a folder of pages: the format, and the rule that judges an answer.

JSON Lines. A line has `id`, `kind` (fact, list, steps, yesno, compare, followup, absent), `page` (below the
folder), `question`, `must` and `evidence`; it may have `also` (further pages), `before` (asked first, in the
same conversation), `must_not` and `searched`. Each question has a conversation of its own and is asked of all
pages together.

The rule, on the text as a person sees it: an answer is right if every inner list of `must` has at least one
alternative that stands in it, and nothing of `must_not` does. Where the pages do not tell (`must` is empty)
only declining is right; elsewhere declining is wrong.

- Both sides are made plain first: lower case; apostrophes within words and commas within numbers go; "%" is
  "percent", "5pm" is "5 pm"; all other punctuation is a space.
- An alternative begins where a word begins and may go on: "quarter" stands in "quarterly". One of up to three
  letters is a whole word, and no digit follows one that ends in a digit: "24" does not stand in "240".
- "yes" and "no" count only as the first word of the answer.

It tells by words: a short wrong sentence with the same number can pass, and a right answer in unforeseen
words can fail.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from core.records import Answer
from core.sentences import is_list
from model.answering.quoting import MOST_LIST_WORDS, MOST_WORDS
from model.evaluation.metrics import DatasetInvalid

ABSENT = "absent"
KINDS = ("fact", "list", "steps", "yesno", "compare", "followup", ABSENT)
_PLAIN = (
    (re.compile("[‘’]"), "'"),
    (re.compile(r"\b'\b"), ""),
    (re.compile(r"(?<=\d),(?=\d{3})"), ""),
    (re.compile(r"(?<=\d)\s*(am|pm)\b"), r" \1"),
    (re.compile("%"), " percent "),
    (re.compile("[^a-z0-9à-ÿ]+"), " "),
)
_WHOLE_WORD_UP_TO = 3
_ONLY_FIRST = frozenset({"yes", "no"})
_MARKER = re.compile(r"(?:(?<!\s)\s+)?\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """One question.

    `must`: of each group an answer names one; none where the pages do not tell (kind "absent").
    """

    id: str
    kind: str
    page: str
    question: str
    must: tuple[tuple[str, ...], ...]
    must_not: tuple[str, ...] = ()
    before: str = ""
    evidence: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def is_absent(self) -> bool:
        """Whether the pages do not tell it."""
        return self.kind == ABSENT


def to_plain(text: str) -> str:
    """Return a text as it is compared: words and numbers in lower case, one space between them."""
    text = text.lower()
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    return text.strip()


def is_named_in(answer: str, alternative: str) -> bool:
    """Tell whether an alternative stands in an answer."""
    said, wanted = to_plain(answer), to_plain(alternative)
    if wanted in _ONLY_FIRST:
        return said.partition(" ")[0] == wanted
    before, after = "(?<![a-z0-9])", ""
    if wanted[-1:].isdigit():
        after = "(?![0-9])"
    elif len(wanted) <= _WHOLE_WORD_UP_TO:
        after = "(?![a-z0-9])"
    return re.search(before + re.escape(wanted) + after, said) is not None


def is_right(asked: PageQuestion, shown: str, *, declined: bool) -> bool:
    """Judge what a person was shown. `declined`: it said that the pages do not tell."""
    if asked.is_absent or declined:
        return asked.is_absent and declined
    if any(is_named_in(shown, phrase) for phrase in asked.must_not):
        return False
    return all(any(is_named_in(shown, alternative) for alternative in group) for group in asked.must)


def strip_markers(shown: str, answer: Answer) -> str:
    """Leave out the markers of an answer's citations: the 1 of "[1]" is no number that it names.

    Emphasis may stay: an asterisk or underscore is a space when texts are compared.
    """
    last = len(answer.citations)
    return _MARKER.sub(lambda found: "" if 1 <= int(found[1]) <= last else found[0], shown)


def is_too_long(text: str) -> bool:
    """Tell whether an answer is longer than a chat's reader likes: 80 words, or 150 of a list.

    Somebody who gets half a page has to look for the answer there. What has neither a letter nor a digit is
    no word.
    """
    words = sum(any(map(str.isalnum, word)) for word in text.split())
    return words > (MOST_LIST_WORDS if is_list(text) else MOST_WORDS)


def read_questions(path: Path) -> list[PageQuestion]:
    """Read a file of questions. Raises DatasetInvalid with a sentence that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # other line ends may stand in a text
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetInvalid(f"{path} cannot be read: {error}") from error
    questions: list[PageQuestion] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            questions.append(_parse_question(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            says = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DatasetInvalid(f"{path}, line {number}, is not a question over pages: {says}") from error
    if not questions:
        raise DatasetInvalid(f"{path} holds no question")
    if len({question.id for question in questions}) < len(questions):
        raise DatasetInvalid(f"{path}: two questions have the same id")
    return questions


def assign_fold(page: str, folds: int) -> int:
    """Return in which of the folds a page lies, from 1.

    All its questions are there, so nothing is tuned on a page and tested on it; and a page stays where it is,
    whatever else is in the file.
    """
    return int.from_bytes(hashlib.sha256(page.encode()).digest()[:8], "big") % folds + 1


def _parse_question(row: Any) -> PageQuestion:
    if not isinstance(row, dict):
        raise TypeError("it is no JSON object")
    fields = cast("Mapping[str, Any]", row)
    kind = str(fields["kind"])
    if kind not in KINDS:
        raise ValueError(f"its kind is {kind}, not one of {', '.join(KINDS)}")
    must = tuple(_texts(group) for group in fields["must"])
    if (kind == ABSENT) == bool(must):
        raise ValueError("`must` is empty for absent questions, and only for them")
    found = PageQuestion(
        id=str(fields["id"]),
        kind=kind,
        page=str(fields["page"]),
        question=str(fields["question"]),
        must=must,
        must_not=_texts(fields.get("must_not", [])),
        before=str(fields.get("before", "")),
        evidence=_texts(fields.get("evidence", [])),
        also=_texts(fields.get("also", [])),
    )
    if not all(must) or not all(to_plain(text) for group in (*must, found.must_not) for text in group):
        raise ValueError("a group of `must` is empty, or an alternative has no word")
    return found


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(one, str) for one in cast("list[Any]", values)):
        raise TypeError(
            "`must` is a list of lists of texts; `must_not`, `evidence` and `also` are lists of texts"
        )
    return tuple(cast("list[str]", values))
